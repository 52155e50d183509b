"""A history as HAR 1.2 and back: what was sent and answered can be kept, secrets masked, and judged again later."""

import re
from base64 import b64decode, b64encode
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl, unquote, urlunsplit

from contract_tests.contract import ContractUnderTest
from contract_tests.history import NO_JSON, Exchange, History, Listening, Purpose
from contract_tests.playing.calls import decoded
from contract_tests.playing.seeing import is_success, part_of, sightings, stories_of, told_id
from contract_tests.playing.target import parts_of
from mockserver.errors import MockserverError
from mockserver.jobs.lifecycle import TERMINAL, State
from mockserver.jobs.resource import Action, JobOperation
from mockserver.masking import Masking
from mockserver.openapi.document import Operation
from mockserver.openapi.schema import Validator

VERSION = "1.2"
_TEXTS = ("json", "text", "xml", "html", "javascript", "urlencoded", "multipart", "csv", "yaml")


class HarError(MockserverError):
    """A HAR that cannot be read."""


# -- writing ----------------------------------------------------------------------------------------


LATEST = 253_402_300_000.0  # seconds since the epoch; the end of what a date can say
MOST_ENTRIES, LARGEST = 1 << 31, 1 << 50


def to_har(history: History, secrets: Iterable[str] = (), version: str = "") -> dict[str, Any]:
    """The HAR of a history: what a HAR has no place for stands in fields that begin with `_`.

    `secrets` are the keys that were used; they, and what looks like a key, are masked wherever they stand.
    """
    known = [secret for secret in secrets if secret]
    masking = Masking(_key_names(history.contract), known)
    return {
        "log": {
            "version": VERSION,
            "creator": {"name": "mockserver check", "version": version},
            "entries": [_entry(masking, exchange, known) for exchange in history.exchanges],
            "_history": {
                "spec": history.contract.name,
                "readOnly": history.read_only,
                "patience": history.patience,
                "deadline": history.deadline,
                "simulated": history.simulated,
                "skipped": {masking.text(what): masking.text(why) for what, why in history.skipped.items()},
                "phases": {name: list(spent) for name, spent in history.phases.items()},
                **({"listening": _listened(masking, history.listening)} if history.listening else {}),
            },
        }
    }


def _listened(masking: Masking, listening: Listening) -> dict[str, Any]:
    return {**asdict(listening), "url": _masked_url(masking, listening.url)}


def _entry(masking: Masking, exchange: Exchange, secrets: Sequence[str]) -> dict[str, Any]:
    url = _masked_url(masking, exchange.url)
    sent_type = next((v for n, v in exchange.request_headers if n.lower() == "content-type"), "")
    request: dict[str, Any] = {
        "method": exchange.method,
        "url": url,
        "httpVersion": "HTTP/1.1",
        "cookies": [],
        "headers": [{"name": n, "value": masking.header(n, v)} for n, v in exchange.request_headers],
        "queryString": [{"name": n, "value": v} for n, v in parse_qsl(parts_of(url).query, keep_blank_values=True)],
        "headersSize": -1,
        "bodySize": len(exchange.request_body),
    }
    if exchange.request_body:
        text, encoding = _text_of(masking, exchange.request_body, sent_type, secrets)
        request["postData"] = {"mimeType": sent_type, "text": text, **encoding}
    text, encoding = _text_of(masking, exchange.body, exchange.header("content-type") or "", secrets)
    mime_type = masking.text(exchange.header("content-type") or "")
    content = {"size": exchange.size, "mimeType": mime_type, "text": text, **encoding}
    milliseconds = exchange.seconds * 1000
    return {
        "startedDateTime": datetime.fromtimestamp(exchange.started, UTC).isoformat(),
        "time": milliseconds,
        "request": request,
        "response": {
            "status": exchange.status,
            "statusText": "",
            "httpVersion": "HTTP/1.1",
            "cookies": [],
            "headers": [{"name": n, "value": masking.header(n, v)} for n, v in exchange.headers],
            "content": content,
            "redirectURL": _masked_url(masking, exchange.header("location") or ""),
            "headersSize": -1,
            "bodySize": exchange.size,
        },
        "cache": {},
        "timings": {"send": 0, "wait": milliseconds, "receive": 0},
        "_purpose": exchange.purpose,
        "_operation": exchange.operation,
        "_action": exchange.action,
        "_detail": masking.text(exchange.detail),
        "_job": masking.text(exchange.job),
        "_number": exchange.number,
        "_started": exchange.started,
        "_problem": masking.text(exchange.problem),
        "_isCut": exchange.is_cut,
        "_redirects": [_masked_url(masking, each) for each in exchange.redirects],
    }


def _key_names(contract: ContractUnderTest) -> list[str]:
    """The names under which keys are sent."""
    schemes = (contract.document.root.get("components") or {}).get("securitySchemes") or {}
    resolved = (contract.document.resolve(scheme) for scheme in schemes.values())
    return [str(s["name"]) for s in resolved if isinstance(s, dict) and "name" in s]


def _masked_url(masking: Masking, url: str) -> str:
    parts = parts_of(url)
    if not parts.query:
        return masking.text(url)
    return masking.text(urlunsplit(parts._replace(query=masking.query(parts.query) if parts.query else "")))


def _text_of(masking: Masking, body: bytes, media_type: str, secrets: Sequence[str]) -> tuple[str, dict[str, str]]:
    """A body as text, or in base64 where it is none."""
    if not body:
        return "", {}
    if not media_type or any(word in media_type.lower() for word in _TEXTS):
        try:
            return masking.text(body.decode()), {}
        except UnicodeDecodeError:
            pass
    for secret in secrets:
        body = body.replace(secret.encode(), b"*" * len(secret.encode()))
    return b64encode(body).decode(), {"encoding": "base64"}


# -- reading ----------------------------------------------------------------------------------------


def from_har(contract: ContractUnderTest, har: Any) -> History:
    """The history in a HAR. Of one that was not written here, purposes are guessed. Raises HarError."""
    log = har.get("log") if isinstance(har, dict) else None
    entries = log.get("entries") if isinstance(log, dict) else None
    if not isinstance(log, dict) or not isinstance(entries, list):
        raise HarError("This is no HAR: expected an object with log.entries, a list.")
    told = log.get("_history")
    told = told if isinstance(told, dict) else {}
    exchanges = []
    for index, entry in enumerate(entries):
        try:
            exchanges.append(_exchange(index + 1, entry))
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError, RecursionError) as error:
            raise HarError(f"log.entries[{index}] cannot be read: {type(error).__name__}: {error}.") from None
    if not any("_purpose" in entry for entry in entries):
        exchanges = list(_guessed(contract, exchanges))
    try:
        return _history(contract, exchanges, told)
    except (TypeError, ValueError, OverflowError, IndexError, KeyError) as error:
        raise HarError(f"log._history cannot be read: {type(error).__name__}: {error}.") from None


def _history(contract: ContractUnderTest, exchanges: list[Exchange], told: dict[str, Any]) -> History:
    """A history of exchanges, with what was told beside them."""
    is_read_only = not any(each.purpose == Purpose.CREATE for each in exchanges)
    skipped = told.get("skipped")
    phases = told.get("phases")
    return History(
        contract,
        exchanges,
        stories_of(contract, exchanges),
        read_only=bool(told.get("readOnly", is_read_only)),
        patience=float(told.get("patience") or 0.0),
        deadline=float(told.get("deadline") or 0.0),
        simulated=told.get("simulated") is True,
        skipped={str(k): str(v) for k, v in skipped.items()} if isinstance(skipped, dict) else {},
        phases={str(k): (float(v[0]), int(v[1])) for k, v in phases.items()} if isinstance(phases, dict) else {},
        listening=_listening(told.get("listening")),
    )


def _listening(told: Any) -> Listening | None:
    if not isinstance(told, dict):
        return None
    is_registered = told.get("is_registered") is True
    try:
        return Listening(
            str(told.get("url")), is_registered, float(told.get("waited") or 0.0), int(told.get("lost") or 0)
        )
    except (TypeError, ValueError):
        raise HarError("log._history.listening cannot be read: expected numbers.") from None


def _exchange(number: int, entry: Mapping[str, Any]) -> Exchange:
    request, response = entry["request"], entry["response"]
    content, posted = response.get("content") or {}, request.get("postData") or {}
    body = _bytes_of(content)
    sent = _bytes_of(posted)
    if not sent and posted.get("params"):
        sent = "&".join(f"{p['name']}={p.get('value', '')}" for p in posted["params"]).encode()
    started = entry.get("_started")
    if not isinstance(started, (int, float)):
        started = datetime.fromisoformat(entry["startedDateTime"]).timestamp()
    if not 0 <= started < LATEST:
        raise ValueError(f"its instant is {started}")
    if not 0 <= (status := int(response["status"])) <= 999:
        raise ValueError(f"its status is {status}")
    if not 0 <= (told := int(entry.get("_number", number))) < MOST_ENTRIES:
        raise ValueError(f"its number is {told}")
    return Exchange(
        number=told,
        purpose=_text(entry.get("_purpose", Purpose.OTHER)),
        operation=_text(entry.get("_operation", "")),
        action=_text(entry.get("_action", "")),
        method=_text(request["method"]),
        url=_text(request["url"]),
        request_headers=_pairs(request.get("headers")),
        request_body=sent,
        status=status,
        headers=tuple((name.lower(), value) for name, value in _pairs(response.get("headers"))),
        body=body,
        started=float(started),
        seconds=float(entry.get("time") or 0.0) / 1000,
        job=_text(entry.get("_job", "")),
        detail=_text(entry.get("_detail", "")),
        problem=_text(entry.get("_problem", "") or ("no answer is kept" if not response["status"] else "")),
        is_cut=bool(entry.get("_isCut", False)),
        size=max(min(int(content.get("size") or 0), LARGEST), len(body)),
        redirects=tuple(map(_text, entry.get("_redirects", ()))),
    )


def _bytes_of(content: Mapping[str, Any]) -> bytes:
    text = str(content.get("text") or "")
    return b64decode(text) if content.get("encoding") == "base64" else text.encode("utf-8", "surrogatepass")


def _pairs(headers: Any) -> tuple[tuple[str, str], ...]:
    return tuple((_text(h["name"]), _text(h["value"])) for h in headers or ())


def _text(value: Any) -> str:
    """A text that can be written again: halves of characters, which JSON can hold, are none."""
    return str(value).encode("utf-8", "replace").decode()


# -- guessing what a request was for ----------------------------------------------------------------


def _guessed(contract: ContractUnderTest, exchanges: Iterable[Exchange]) -> Iterator[Exchange]:
    """The exchanges with the operation, the purpose and the job that they seem to have had."""
    paths = _Paths(contract)
    states: dict[str, State | None] = {}
    deleted: set[str] = set()
    for bare in exchanges:
        operation, values = paths.find(bare)
        if operation is None:
            yield bare
            continue
        found = part_of(contract, operation.name)
        exchange = replace(bare, operation=operation.name, action=str(found[1].action) if found else "")
        if found is None:
            yield exchange
            continue
        part = found[1]
        job = _job_named(part, exchange, values) or ""
        exchange = replace(exchange, job=job)
        purpose = _purpose(contract, part, exchange, states, deleted)
        exchange = replace(exchange, purpose=purpose)
        if not job and part.action is Action.CREATE:
            exchange = replace(exchange, job=told_id(contract, exchange))
        for seen in sightings(contract, exchange):
            if seen.id is not None or job:
                states[str(seen.id if seen.id is not None else job)] = seen.state
        if purpose == Purpose.DELETE and is_success(contract, exchange):
            deleted.add(job)
        yield exchange


def _purpose(
    contract: ContractUnderTest, part: JobOperation, exchange: Exchange, states: Mapping[str, State | None],
    deleted: set[str],
) -> str:  # fmt: skip
    job, action = exchange.job, part.action
    headers = {name.lower() for name, _ in exchange.request_headers}
    if job in deleted and job:
        return Purpose.AFTER_DELETE
    if action in (Action.CONTENT, Action.RESULT):
        if exchange.method == "HEAD":
            return Purpose.FETCH_HEAD
        if "range" in headers:
            return Purpose.FETCH_RANGE
        if "if-none-match" in headers:
            return Purpose.FETCH_CONDITIONAL
        return Purpose.FETCH if states.get(job) is State.SUCCEEDED or job not in states else Purpose.FETCH_EARLY
    if exchange.method == "HEAD":
        return Purpose.HEAD
    if action is Action.LIST:
        names = [name for name, _ in parse_qsl(parts_of(exchange.url).query)]
        is_further = any(contract.vocabulary.best("paging", role, names) for role in ("after", "page", "offset"))
        return Purpose.PAGE if is_further else Purpose.LIST
    if action in (Action.CREATE, Action.FOLLOW_UP):
        if not is_success(contract, exchange) and not _was_valid(contract, part, exchange):
            return Purpose.INVALID
        return Purpose.CREATE if action is Action.CREATE else Purpose.FOLLOW_UP
    if action is Action.RETRIEVE:
        if job not in states and exchange.status == 404:
            return Purpose.UNKNOWN_ID
        return Purpose.AGAIN if states.get(job) in TERMINAL else Purpose.POLL
    return Purpose.CANCEL if action is Action.CANCEL else Purpose.DELETE


def _was_valid(contract: ContractUnderTest, part: JobOperation, exchange: Exchange) -> bool:
    """Whether a request's body was valid; a form, whose values are texts, is taken for valid."""
    kind = next((v for n, v in exchange.request_headers if n.lower() == "content-type"), "")
    media = part.operation.body.get(kind.partition(";")[0].strip().lower())
    if media is None or exchange.sent is NO_JSON:
        return not part.operation.body or bool(decoded(exchange.request_body, kind))
    try:
        return Validator(contract.document, media.get("schema") or {}, "request").is_valid(exchange.sent)
    except MockserverError:
        return True


def _job_named(part: JobOperation, exchange: Exchange, values: Mapping[str, str]) -> str | None:
    place = part.id_place
    if place is None:
        return None
    if place.place == "path":
        return values.get(place.pointer[0])
    if place.place == "query":
        return dict(parse_qsl(parts_of(exchange.url).query)).get(place.pointer[0])
    kind = next((v for n, v in exchange.request_headers if n.lower() == "content-type"), "")
    value: Any = decoded(exchange.request_body, kind)
    for token in place.pointer:
        value = value.get(token) if isinstance(value, dict) else None
    return None if value is None else str(value)


class _Paths:
    """Finds the operation of a URL: whose path ends it, the one with the most fixed text first."""

    def __init__(self, contract: ContractUnderTest) -> None:
        self._known: list[tuple[int, re.Pattern[str], Operation]] = []
        for operation in contract.document.operations:
            path = operation.path.partition("?")[0]
            wide = {p.name for p in operation.parameters if p.segments}
            pieces = re.split(r"\{([^{}]+)\}", path)
            pattern = "".join(
                re.escape(piece) if index % 2 == 0 else f"({'.+' if piece in wide else '[^/]+'})"
                for index, piece in enumerate(pieces)
            )
            fixed = sum(len(piece) for piece in pieces[::2])
            self._known.append((fixed, re.compile(f"{pattern}$"), operation))
        self._known.sort(key=lambda each: -each[0])

    def find(self, exchange: Exchange) -> tuple[Operation | None, dict[str, str]]:
        """The operation, and the values of its path parameters."""
        path = parts_of(exchange.url).path.rstrip("/") or "/"
        methods = (exchange.method, "GET") if exchange.method == "HEAD" else (exchange.method,)
        for method in methods:
            for _, pattern, operation in self._known:
                if operation.method == method and (found := pattern.search(path)):
                    names = re.findall(r"\{([^{}]+)\}", operation.path.partition("?")[0])
                    return operation, {n: unquote(v) for n, v in zip(names, found.groups(), strict=True)}
        return None, {}
