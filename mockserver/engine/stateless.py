"""Answers from the document alone: of operations that are no part of a job, and of all that a client asks for by code.

An answer is the published example if that is valid, else a sample of its schema; the same for the same seed.
"""

import re
from collections.abc import Mapping
from dataclasses import replace
from html import escape
from typing import Any
from urllib.parse import urlencode

import orjson

from mockserver.engine.content import serve_bytes
from mockserver.engine.preferences import Preferences
from mockserver.engine.refusal import Refusal, Violation, violations_refusal
from mockserver.engine.results import Media
from mockserver.engine.sampling import Sampler
from mockserver.errors import DocumentError
from mockserver.jobs.vocabulary import Vocabulary
from mockserver.message import RawHeaders, Request, Response
from mockserver.openapi.document import Answer, Document, Node, Operation, is_json
from mockserver.openapi.schema import shape_of

BODILESS = {204, 205, 304}
PICTURE = (320, 180)  # pixels of pictures and films that nobody said the size of
SECONDS = 1.0
_SUCCESS = re.compile("[23][0-9][0-9]")
_STATUS = re.compile("[2-5][0-9][0-9]")
_JSON_LINES = {"application/x-ndjson", "application/jsonl", "application/json-lines", "application/x-jsonlines"}
_CONCRETE = {"image/*": "image/png", "video/*": "video/mp4", "audio/*": "audio/wav", "text/*": "text/plain"}
_ANYTHING = {"*/*", "application/*"}
_PICTURES = {"image/png", "image/jpeg", "image/webp"}
# What the server itself says of a message; a document's word for it would break the message.
_OWN_HEADERS = {"content-type", "content-length", "content-encoding", "content-range", "transfer-encoding", "te",
                "connection", "keep-alive", "upgrade", "trailer", "date", "server", "vary",
                "preference-applied"}  # fmt: skip
_UNSAFE = re.compile(r"[^\x20-\x7e]")
_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")


class Stateless:
    """The answers that one operation declares, made on first use and kept."""

    def __init__(
        self,
        document: Document,
        vocabulary: Vocabulary,
        operation: Operation,
        *,
        seed: str = "",
        media: Media | None = None,
        own_headers: tuple[str, ...] = (),
    ) -> None:
        """`own_headers` are names that the engine writes by itself."""
        self._document = document
        self._vocabulary = vocabulary
        self._operation = operation
        self._seed = f"{seed}/{operation.name}"
        self._media = media
        self._own_headers = _OWN_HEADERS | {name.lower() for name in own_headers}
        self._samplers: dict[tuple[str, str, str], Sampler] = {}
        self._bodies: dict[tuple[str, str, str], bytes] = {}
        self._headers: dict[str, RawHeaders] = {}

    def check(self) -> None:
        """Draw the success answer in each of its media types now. Raises DocumentError for what has no valid value."""
        answer = usual_answer(self._operation)
        if answer is None:
            return
        for media_type, node in answer.content.items():
            if self._is_sampled(media_type, node):
                self._sampled(answer, media_type, node)

    # -- the answer ---------------------------------------------------------------------------------

    def respond(self, request: Request, body: Any, wishes: Preferences | None = None, turn: str = "") -> Response:
        """The answer to a request whose body has been read. With a `turn`, one that is drawn anew."""
        wishes = wishes or Preferences()
        status, answer = self._chosen(wishes.code)
        headers: RawHeaders = [(b"preference-applied", wishes.applied)] if any(wishes) else []
        if answer is None:
            if wishes.example:
                raise self._no_example(wishes.example, [])
            return self._sent(request, status, b"", "", headers)
        headers += self.headers(answer)
        if status in BODILESS or not answer.content:
            if wishes.example:
                raise self._no_example(wishes.example, [])
            return self._sent(request, status, b"", "", headers)
        streams = self._asks_for_stream(body)
        media_type, node = negotiate(answer.content, request.headers.get(b"accept"), streams)
        if wishes.example and wishes.example not in self._examples(node):
            holder = next((m for m, n in answer.content.items() if wishes.example in self._examples(n)), None)
            if holder is None:
                known = sorted({name for n in answer.content.values() for name in self._examples(n)})
                raise self._no_example(wishes.example, known)
            media_type, node = holder, answer.content[holder]
        try:
            content = self._content(answer, media_type, node, wishes.example, turn)
        except DocumentError as error:
            raise Refusal("internal", str(error)) from None
        return self._sent(request, status, content, self._spoken(media_type, node), headers)

    def respond_with(self, value: Any) -> Response:
        """The success answer with this JSON value in place of a sample."""
        status, answer = self._chosen("")
        media = answer.json_media() if answer else None
        headers: RawHeaders = [(b"content-type", media[0].encode())] if media else []
        body = orjson.dumps(value)
        headers += self.headers(answer) if answer else []
        headers.append((b"content-length", b"%d" % len(body)))
        return Response(status, headers, body)

    def streams(self, body: Any) -> bool:
        """Whether a request asks for a stream and the operation has one."""
        answer = usual_answer(self._operation)
        types = answer.content if answer else ()
        return self._asks_for_stream(body) and any(essence_of(t) == "text/event-stream" for t in types)

    def base(self) -> Any:
        """The JSON value of the success answer, or None if it has none. Raises DocumentError."""
        answer = usual_answer(self._operation)
        media = answer.json_media() if answer else None
        return self._sampled(answer, *media) if answer and media else None

    def headers(self, answer: Answer) -> RawHeaders:
        """The declared headers that are required or have an example."""
        if answer.status not in self._headers:
            self._headers[answer.status] = list(self._declared_headers(answer))
        return list(self._headers[answer.status])

    def _chosen(self, code: str) -> tuple[int, Answer | None]:
        """The status and the declared answer for a preferred code, or the usual ones. Raises Refusal."""
        if not code:
            return usual_status(self._operation), usual_answer(self._operation)
        declared = {answer.status.upper(): answer for answer in self._operation.answers}
        if _STATUS.fullmatch(code):
            if answer := self._operation.answer_for(int(code)):
                return int(code), replace(answer, status=code)  # `default` and ranges speak of the code then
        elif (answer := declared.get(code.upper())) is not None:
            first = code[0] if code[0] in "2345" else "2"
            return int(f"{first}00"), answer
        expected = "one of " + ", ".join(sorted(a.status for a in self._operation.answers)) if declared else "no code"
        raise violations_refusal([Violation("header", "Prefer: code", "enum", f"'{code[:40]}'", expected)])

    @staticmethod
    def _no_example(name: str, known: list[str]) -> Refusal:
        there = f"There are: {', '.join(known[:20])}." if known else "It has none with a name."
        return Refusal(
            "not_found", f"The answer has no example named '{name[:100]}'. {there}", id=name[:100], hint=False
        )

    def _sent(self, request: Request, status: int, body: bytes, media_type: str, headers: RawHeaders) -> Response:
        if media_type and status == 200 and media_type.split("/")[0] in ("video", "audio", "image"):
            suffix = media_type.split("/")[1].split("+")[0].replace("jpeg", "jpg")
            response = serve_bytes(request, body, media_type, f"sample.{suffix}")
            response.headers.extend(headers)
            return response
        if media_type:
            headers.insert(0, (b"content-type", media_type.encode()))
        if status not in (204, 304):
            headers.append((b"content-length", b"%d" % len(body)))
        return Response(status, headers, body)

    def _asks_for_stream(self, body: Any) -> bool:
        vocabulary = self._vocabulary
        return isinstance(body, dict) and any(
            value is True and vocabulary.rank("streams", "asked for", str(name)) is not None
            for name, value in body.items()
        )

    # -- its body -----------------------------------------------------------------------------------

    def _examples(self, node: Node) -> Mapping[str, Any]:
        """The named examples of a media type."""
        entries = node.get("examples")
        resolved = {n: self._document.resolve(e) for n, e in (entries if isinstance(entries, dict) else {}).items()}
        return {str(n): e["value"] for n, e in resolved.items() if isinstance(e, dict) and "value" in e}

    def _is_sampled(self, media_type: str, node: Node) -> bool:
        essence = essence_of(media_type)
        if essence in _ANYTHING or (essence.startswith("text/") and "schema" in node):
            return not self._is_binary(node)
        return is_json(media_type) or essence in _JSON_LINES or essence.endswith("xml") or "form-urlencoded" in essence

    def _is_binary(self, node: Node) -> bool:
        if "schema" not in node:
            return True
        shape = shape_of(self._document, node["schema"])
        return "string" in shape.types and shape.get("format") == "binary"

    def _sampler(self, answer: Answer, media_type: str, node: Node, example: str = "") -> Sampler:
        key = (answer.status, media_type, example)
        if key not in self._samplers:
            named = [self._examples(node)[example]] if example else []
            schema = node.get("itemSchema") if "itemSchema" in node and "schema" not in node else node.get("schema")
            self._samplers[key] = Sampler(
                self._document,
                schema,
                vocabulary=self._vocabulary,
                seed=f"{self._seed}/{answer.status}",
                hints=[*named, *self._document.examples(node)],
                error=_error_status(answer),
            )
        return self._samplers[key]

    def _sampled(self, answer: Answer, media_type: str, node: Node, example: str = "", turn: str = "") -> Any:
        try:
            return self._sampler(answer, media_type, node, example).draw(turn)
        except DocumentError as error:
            origin = self._document.origin
            reason = str(error).removeprefix(f"{origin}: ")
            raise DocumentError(f"{origin}: answer {answer.status}: {reason}") from None

    def body(self, answer: Answer, media_type: str) -> tuple[bytes, str]:
        """What an answer of a declared media type holds, and that type as it is sent."""
        node = answer.content[media_type]
        return self._content(answer, media_type, node, "", ""), self._spoken(media_type, node)

    def _content(self, answer: Answer, media_type: str, node: Node, example: str, turn: str) -> bytes:
        key = (answer.status, media_type, example)
        if turn and self._is_sampled(media_type, node):
            return self._written(media_type, node, self._sampled(answer, media_type, node, example, turn))
        if key not in self._bodies:
            value = None
            if self._is_sampled(media_type, node):
                value = self._sampled(answer, media_type, node, example)
            elif texts := [e for e in self._document.examples(node) if isinstance(e, str)]:
                value = texts[0]
            self._bodies[key] = self._written(media_type, node, value)
        return self._bodies[key]

    def _spoken(self, media_type: str, node: Node) -> str:
        """The media type as it is sent: a range of types is none."""
        essence = essence_of(media_type)
        if essence in _ANYTHING:
            return "application/octet-stream" if self._is_binary(node) else "application/json"
        return _CONCRETE.get(essence, media_type)

    def _written(self, media_type: str, node: Node, value: Any) -> bytes:
        spoken = self._spoken(media_type, node)
        essence = essence_of(spoken)
        family = essence.split("/")[0]
        if is_json(spoken):
            return orjson.dumps(value)
        if essence == "text/event-stream":
            return self._events(value)
        if essence in _JSON_LINES:
            return b"".join(orjson.dumps(item) + b"\n" for item in (value if isinstance(value, list) else [value]))
        if essence.endswith(("/xml", "+xml")) and family != "image":
            name = shape_of(self._document, node["schema"]).name if "schema" in node else ""
            return (
                b'<?xml version="1.0" encoding="UTF-8"?>\n'
                + (
                    value if isinstance(value, str) and value.startswith("<") else _element(name or "answer", value)
                ).encode()
            )
        if "form-urlencoded" in essence and isinstance(value, dict):
            return urlencode(
                {k: v if isinstance(v, str) else orjson.dumps(v).decode() for k, v in value.items()}
            ).encode()
        if isinstance(value, str):
            return value.encode()
        if family == "text" or essence in ("application/yaml", "application/x-yaml"):
            return _TEXTS.get(essence, "A quiet harbour.\n").encode() if value is None else orjson.dumps(value)
        return self._bytes(essence, family)

    def _events(self, value: Any) -> bytes:
        """A stream of server-sent events, ended as the document's streams end."""
        if isinstance(value, str) and re.match(r"(data|event|id|retry)?:", value):
            return value.encode() if value.endswith("\n\n") else f"{value}\n\n".encode()
        lines = []
        for item in value if isinstance(value, list) else [value]:
            named = isinstance(item, dict) and "data" in item and isinstance(item.get("event"), str)
            if named:
                lines.append(f"event: {item['event']}\n")
            data = item["data"] if named else item
            text = data if isinstance(data, str) else orjson.dumps(data).decode()
            lines.append("".join(f"data: {line}\n" for line in text.split("\n")) + "\n")
        lines += [f"data: {end}\n\n" for end in self._vocabulary.stream_ends if self._speaks_of(end)]
        return "".join(lines).encode()

    def _speaks_of(self, word: str) -> bool:
        """Whether the document says this word in anything that it writes about."""
        waiting: list[Any] = [self._document.root]
        while waiting:
            node = waiting.pop()
            if isinstance(node, str):
                if word in node:
                    return True
            elif isinstance(node, (dict, list)):
                waiting.extend(node.values() if isinstance(node, dict) else node)
        return False

    def _bytes(self, essence: str, family: str) -> bytes:
        if family == "image" and "svg" in essence:
            return b'<svg xmlns="http://www.w3.org/2000/svg" width="320" height="180"/>'
        if self._media is not None and family == "image":
            return self._media.still(*PICTURE, essence if essence in _PICTURES else "image/png")
        if self._media is not None and family == "video":
            return self._media.video(*PICTURE, SECONDS)
        if self._media is not None and family == "audio":
            return self._media.sound(SECONDS, essence)
        return _FILES.get(essence, b"A quiet harbour.\n")

    # -- its headers --------------------------------------------------------------------------------

    def _declared_headers(self, answer: Answer) -> RawHeaders:
        declared = answer.raw.get("headers")
        out: RawHeaders = []
        for name, entry in declared.items() if isinstance(declared, dict) else ():
            node = self._document.resolve(entry)
            lower = str(name).lower()
            if lower in self._own_headers or lower.startswith("access-control-") or not isinstance(node, dict):
                continue
            schema = node.get("schema") or {}
            examples = self._document.examples(node) if isinstance(node.get("examples", {}), dict) else []
            inner = shape_of(self._document, schema)
            if not (node.get("required") is True or examples or {"example", "default", "examples"} & inner.node.keys()):
                continue
            if not _HEADER_NAME.fullmatch(lower):
                continue
            sampler = Sampler(
                self._document, schema, vocabulary=self._vocabulary, name=lower,
                seed=f"{self._seed}/{answer.status}/{lower}", hints=examples,
            )  # fmt: skip
            try:
                value = sampler.draw()
            except DocumentError:
                continue  # a header is no reason to refuse a document
            out.append((lower.encode(), _UNSAFE.sub("", _header_text(value)).encode()))
        return out


def usual_answer(operation: Operation) -> Answer | None:
    """The declared answer of the lowest 2xx status, else `2XX`, `default`, else the lowest 3xx."""
    if found := operation.success():
        return found
    further = sorted((a for a in operation.answers if a.status.startswith("3")), key=lambda a: a.status)
    return next(iter(further), None)


def usual_status(operation: Operation) -> int:
    """The status of the usual answer; 204 where nothing at all is declared."""
    answer = usual_answer(operation)
    if answer is None:
        return 200 if operation.answers else 204
    return int(answer.status) if _SUCCESS.fullmatch(answer.status) else 200


def _error_status(answer: Answer) -> int:
    """The status of an answer that is an error, 0 for others."""
    if answer.status[0] in "45":
        return int(answer.status) if answer.status.isdecimal() else int(answer.status[0]) * 100
    return 0


def essence_of(media_type: str) -> str:
    """A media type without its parameters."""
    return media_type.split(";")[0].strip().lower()


def negotiate(content: Mapping[str, Node], accept: bytes | None, streams: bool) -> tuple[str, Node]:
    """The declared media type that a client likes best; JSON before others, and the first where none is liked.

    `streams`: the request asks for a stream by a field, which says more than the header.
    """
    ranges = _accepted(accept.decode("latin-1")[:2000]) if accept else []
    best: tuple[float, bool, int] | None = None
    chosen = next(iter(content))
    for order, media_type in enumerate(content):
        essence = essence_of(media_type)
        if streams and essence == "text/event-stream":
            return media_type, content[media_type]
        likes = is_json(media_type) or essence in _ANYTHING
        score = (_quality(essence, ranges), likes, -order)
        if best is None or score > best:
            best, chosen = score, media_type
    return chosen, content[chosen]


def _accepted(text: str) -> list[tuple[str, float]]:
    """The ranges of an Accept header with their weights (RFC 9110, 12.5.1)."""
    out = []
    for part in text.split(","):
        name, *parameters = (piece.strip().lower() for piece in part.split(";"))
        weight = 1.0
        for parameter in parameters:
            if parameter.startswith("q="):
                try:
                    weight = min(max(float(parameter[2:]), 0.0), 1.0)
                except ValueError:
                    weight = 0.0
        if "/" in name:
            out.append((name, weight if weight == weight else 0.0))
    return out


def _quality(essence: str, ranges: list[tuple[str, float]]) -> float:
    """How much a client likes a type; the closest range counts."""
    if not ranges:
        return 1.0
    family = essence.split("/")[0]
    for wish in (essence, f"{family}/*", "*/*"):
        if found := [weight for name, weight in ranges if name == wish]:
            return found[0]
    if essence.endswith("/*"):  # a declared range that holds something liked
        inside = [weight for name, weight in ranges if essence == "*/*" or name.startswith(essence[:-1])]
        return max(inside, default=0.0)
    return 0.0


def _header_text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return ",".join(_header_text(item) for item in value)
    return orjson.dumps(value).decode() if isinstance(value, dict) else "" if value is None else str(value)


def _element(name: str, value: Any) -> str:
    tag = re.sub(r"[^A-Za-z0-9_.-]", "_", name)
    tag = tag if re.match(r"[A-Za-z_]", tag) else f"_{tag}"
    if isinstance(value, list):
        return "".join(_element(name, item) for item in value)
    if isinstance(value, dict):
        inner = "".join(_element(str(key), item) for key, item in value.items())
    else:
        inner = escape(_header_text(value))
    return f"<{tag}>{inner}</{tag}>"


_TEXTS = {
    "text/html": "<!doctype html>\n<html><head><title>A quiet harbour</title></head><body></body></html>\n",
    "text/csv": "id,name\n1,harbour\n2,lantern\n",
    "text/markdown": "# A quiet harbour\n\nMorning light.\n",
    "text/vtt": "WEBVTT\n\n00:00.000 --> 00:01.000\nA quiet harbour.\n",
}
_FILES = {
    "application/zip": b"PK\x05\x06" + bytes(18),  # an archive of no files
    "application/pdf": b"%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n"
    b"2 0 obj<</Type/Pages/Count 0/Kids[]>>endobj\n"
    b"trailer<</Root 1 0 R>>\n%%EOF\n",
}
