"""An OpenAPI document: its version, its `$ref`s and its operations, read but never changed."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar
from urllib.parse import unquote, urlsplit

from mockserver.errors import DocumentError

Node = dict[str, Any]
Kind = TypeVar("Kind", dict[str, Any], list[Any])
METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace", "query")  # the last one since 3.2
MAX_SEGMENTS = 100  # of a path; the longest published one seen has 12
MAX_REF_HOPS = 32  # a chain of references longer than this is taken for a cycle


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of an operation; `place` is path, query, header or cookie.

    `segments`: what a path parameter's value looks like if it holds slashes: `operations/*`, `**` for anything.
    """

    name: str
    place: str
    required: bool
    schema: Node
    explode: bool
    style: str
    raw: Node
    segments: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """One declared response: a status such as `200`, `4XX` or `default`, and its media types with their nodes."""

    status: str
    content: Mapping[str, Node]
    raw: Node

    def json_media(self) -> tuple[str, Node] | None:
        """The first JSON media type with its node; `*/*` with a schema is taken for JSON where there is no other."""
        for media_type, node in self.content.items():
            if is_json(media_type):
                return media_type, node
        open_type = self.content.get("*/*")
        return ("application/json", open_type) if open_type and "schema" in open_type else None


@dataclass(frozen=True, slots=True)
class Operation:
    """An OpenAPI operation. `id` is its operationId, or `GET /path` where it has none; `name` is always that."""

    id: str
    method: str
    path: str
    parameters: tuple[Parameter, ...]
    body: Mapping[str, Node]
    body_required: bool
    answers: tuple[Answer, ...]
    security: tuple[Node, ...]
    raw: Node
    written: str = ""  # the path as the document has it, where two are read as the same
    name: str = field(init=False, compare=False)  # method and path, as people write an operation

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", f"{self.method} {self.written or self.path}")

    def success(self) -> Answer | None:
        """The declared answer of the lowest 2xx status, else `2XX`, else `default`."""
        good = sorted((a for a in self.answers if a.status.startswith("2")), key=lambda a: a.status)
        return next(iter(good), None) or next((a for a in self.answers if a.status == "default"), None)

    def answer_for(self, status: int) -> Answer | None:
        """The answer declared for a status: by its number, its range, then `default`."""
        wanted = (str(status), f"{status // 100}XX", "default")
        declared = {a.status.upper() if a.status != "default" else a.status: a for a in self.answers}
        return next((declared[key] for key in wanted if key in declared), None)


@dataclass(frozen=True, slots=True)
class Document:
    """A parsed document; `origin` is what to call it in messages (a file name)."""

    root: Node
    origin: str
    _said: tuple[str, ...] = ()  # what the reading of the files had to note
    _operations: list[Operation] = field(default_factory=list, repr=False)
    _noted: list[str] = field(default_factory=list, repr=False, compare=False)  # while operations were read
    _found: dict[str, Any] = field(default_factory=dict, repr=False, compare=False)  # by reference
    shapes: dict[Any, Any] = field(default_factory=dict, repr=False, compare=False)  # kept by schema.py
    looks: dict[Any, Any] = field(default_factory=dict, repr=False, compare=False)  # kept while a contract is read

    @property
    def version(self) -> tuple[int, int]:
        """Major and minor version of OpenAPI."""
        major, minor = str(self.root["openapi"]).split(".")[:2]
        return int(major), int(minor)

    @property
    def base_path(self) -> str:
        """The path of the first `servers` entry without a trailing slash; '' where there is none."""
        where = f"{self.origin}: servers"
        server = _expect(next(iter(_expect(self.root.get("servers"), list, where)), None), dict, f"{where}[0]")
        url = str(server.get("url", ""))
        for name, variable in _expect(server.get("variables"), dict, f"{where}[0].variables").items():
            default = _expect(variable, dict, f"{where}[0].variables.{name}").get("default", "")
            url = url.replace("{" + name + "}", str(default))
        try:
            path = urlsplit(url).path
        except ValueError:  # `https://[region].example.com/v1`: the host is nobody's business here
            path = "".join(url.partition("://")[2].partition("/")[1:])
        return path.rstrip("/")

    def resolve(self, node: Any) -> Any:
        """The node that a `$ref` leads to, or the node itself. Raises DocumentError for a dead or circular one."""
        hops = 0
        while isinstance(node, dict) and isinstance(node.get("$ref"), str):
            hops += 1
            if hops > MAX_REF_HOPS:
                raise DocumentError(f"{self.origin}: $ref {node['$ref']!r} leads back to itself.")
            node = self.lookup(node["$ref"])
        return node

    def lookup(self, ref: str) -> Any:
        """What a local reference (`#/components/schemas/Video`) points to. Raises DocumentError."""
        if ref in self._found:
            return self._found[ref]
        if not ref.startswith("#"):
            raise DocumentError(f"{self.origin}: $ref {ref!r} is not inside the document.")
        node: Any = self.root
        for token in pointer_tokens(ref[1:]):
            try:
                node = _step(node, token)
            except (KeyError, IndexError, ValueError, TypeError):
                token = unquote(token)
                raise DocumentError(
                    f"{self.origin}: $ref {ref!r} points to nothing ({token!r} is not there)."
                ) from None
        self._found[ref] = node
        return node

    @property
    def operations(self) -> list[Operation]:
        """All operations in the order of the document. Raises DocumentError for a broken one."""
        if not self._operations:
            self._operations.extend(self._read_operations())
        return self._operations

    @property
    def notes(self) -> tuple[str, ...]:
        """What is read otherwise than it is written, each with its place. Looked for when it is asked for."""
        from mockserver.openapi.notes import schema_notes, security_notes

        _ = self.operations
        return tuple(dict.fromkeys((*self._said, *self._noted, *security_notes(self), *schema_notes(self))))

    def find(self, name: str) -> Operation | None:
        """The operation of an operationId or of a name such as `GET /videos`."""
        return next((o for o in self.operations if name in (o.id, o.name)), None)

    def examples(self, media: Node) -> list[Any]:
        """The examples of a media type: `example`, then the values of `examples`."""
        found = [media["example"]] if "example" in media else []
        named = (self.resolve(entry) for entry in (media.get("examples") or {}).values())
        return found + [entry["value"] for entry in named if isinstance(entry, dict) and "value" in entry]

    def _read_operations(self) -> Iterator[Operation]:
        paths = self.root.get("paths") or {}
        taken: set[str] = set()
        for path, raw_item in paths.items():
            item = self.resolve(raw_item)
            if not str(path).startswith("/"):
                if str(path).startswith("x-"):
                    continue
                raise DocumentError(f"{self.origin}: paths has the key {path!r}; a path begins with '/'.")
            if str(path).count("/") > MAX_SEGMENTS:
                raise DocumentError(f"{self.origin}: paths.{path[:80]}… has more than {MAX_SEGMENTS} segments.")
            if not isinstance(item, dict):
                raise DocumentError(f"{self.origin}: paths.{path} is {_kind(item)}, expected a map of operations.")
            plain = plain_path(str(path))
            if plain.text in taken:
                plain = replace(plain, is_twin=True)
            taken.add(plain.text)
            if plain.changed:
                self._noted.append(f"{self.origin}: paths.{path} is read as {plain.text}.")
            for method in METHODS:
                if method in item:
                    yield self._read_operation(str(path), plain, method, item[method], item)
            more = _expect(item.get("additionalOperations"), dict, f"{self.origin}: paths.{path}.additionalOperations")
            for method, raw in more.items():
                yield self._read_operation(str(path), plain, method, raw, item)

    def _read_operation(self, written: str, path: "PlainPath", method: str, raw: Any, item: Node) -> Operation:
        where = f"{self.origin}: paths.{written}.{method}"
        if not isinstance(raw, dict):
            raise DocumentError(f"{where} is {_kind(raw)}, expected an operation.")
        body = _expect(self.resolve(raw.get("requestBody")), dict, f"{where}.requestBody")
        security = _expect(raw.get("security", self.root.get("security")), list, f"{where}.security")
        return Operation(
            id=str(raw.get("operationId") or f"{method.upper()} {written if path.is_twin else path.text}"),
            method=method.upper(),
            path=path.text,
            parameters=self._read_parameters(path, item, raw, where),
            body=self._read_content(body, f"{where}.requestBody"),
            body_required=bool(body.get("required", False)),
            answers=tuple(self._read_answers(raw, where)),
            security=tuple(_expect(each, dict, f"{where}.security") for each in security),
            raw=raw,
            written=written if path.is_twin else "",
        )

    def _read_parameters(self, path: "PlainPath", item: Node, raw: Node, where: str) -> tuple[Parameter, ...]:
        found: dict[tuple[str, str], Parameter] = {}
        entries = [*_expect(item.get("parameters"), list, f"{where}: the path's parameters")]
        for entry in [*entries, *_expect(raw.get("parameters"), list, f"{where}.parameters")]:
            node = self.resolve(entry)
            if not isinstance(node, dict) or "name" not in node or "in" not in node:
                raise DocumentError(f"{where}: a parameter lacks `name` or `in`: {str(entry)[:80]}.")
            media = next(iter(self._read_content(node, f"{where}: parameter {node['name']}").values()), {})
            schema = node.get("schema") or media.get("schema")
            schema = {} if schema is True else _expect(schema, dict, f"{where}: parameter {node['name']}.schema")
            place, name, segments = str(node["in"]), str(node["name"]), ""
            if place == "path":
                if name not in path.names:
                    self._noted.append(f"{where}: the path has no {{{name}}}, so this parameter is not read.")
                    continue
                segments = path.segments.get(name, "")
                if not segments:
                    schema, segments = self._slashes(path, name, node, schema, where)
            style = str(node.get("style") or ("form" if place in ("query", "cookie") else "simple"))
            found[(name, place)] = Parameter(
                name=name,
                place=place,
                required=bool(node.get("required", False)) or place == "path",
                schema=schema,
                explode=bool(node.get("explode", style == "form")),
                style=style,
                raw=node,
                segments=segments,
            )
        for name in path.names:
            if (name, "path") not in found:
                self._noted.append(f"{where}: {{{name}}} is not declared; it is read as any text.")
                segments = path.segments.get(name, "")
                found[(name, "path")] = Parameter(name, "path", True, {"type": "string"}, False, "simple", {}, segments)
        return tuple(found.values())

    def _slashes(self, path: "PlainPath", name: str, node: Node, schema: Node, where: str) -> tuple[Node, str]:
        """Whether a path parameter's value holds slashes, as it is told of: the schema to check it by, and `**`."""
        target = self.resolve(schema)
        pattern = target.get("pattern") if isinstance(target, dict) else None
        before = [each for each in path.text.partition("{" + name + "}")[0].split("/") if each and "{" not in each]
        if isinstance(pattern, str) and "/" in _CLASS.sub("", pattern):
            begin = re.split(r"\\?/", pattern.lstrip("^"))[0]
            if begin in before:  # written for the whole path: `^jobs/[^/]+$` for the id of /jobs/{id}
                self._noted.append(f"{where}: the pattern of {{{name}}} says {begin}/ again; it is not applied.")
                return {key: value for key, value in target.items() if key != "pattern"}, ""
            return schema, "**"
        examples = [
            node.get("example"),
            *(target.get(key) for key in ("example", "default") if isinstance(target, dict)),
        ]
        shown = [each for each in examples if isinstance(each, str) and "://" not in each]
        has_slash = any("/" in each.strip("/") for each in shown)
        return schema, "**" if has_slash or node.get("allowReserved") is True else ""

    def _read_answers(self, raw: Node, where: str) -> Iterator[Answer]:
        responses = raw.get("responses") or {}
        if not isinstance(responses, dict):
            raise DocumentError(f"{where}.responses is {_kind(responses)}, expected a map of statuses.")
        for status, entry in responses.items():
            node = self.resolve(entry)
            if str(status).startswith("x-") or not isinstance(node, dict):
                continue
            yield Answer(str(status), self._read_content(node, f"{where}.responses.{status}"), node)

    def _read_content(self, holder: Node, where: str) -> dict[str, Node]:
        """The media types of a body, an answer or a parameter. Examples in another form than a map are left out."""
        content = {}
        for name, entry in _expect(holder.get("content"), dict, f"{where}.content").items():
            if not (name.isascii() and name.isprintable()):
                raise DocumentError(f"{where}.content has the key {name!r}, which is no media type.")
            media = _expect(self.resolve(entry), dict, f"{where}.content.{name}")
            if "itemSchema" in media and "schema" not in media:  # 3.2: a stream of these
                media = {**media, "schema": media["itemSchema"]}
                self._noted.append(f"{where}.content.{name}: a stream is answered with one item of it.")
            usable = isinstance(media.get("examples", {}), dict)
            content[name] = media if usable else {k: v for k, v in media.items() if k != "examples"}
        return content


_ANGLES = re.compile(r"<(?:\w+:)?([A-Za-z_][\w-]*)>")
_COLON = re.compile(r"(?<=/):([A-Za-z_]\w*)")
_TEMPLATE = re.compile(r"\{(\+?)([^{}=*]+)(?:=([^{}]*))?(\*{0,2})\}")
_CLASS = re.compile(r"\[[^\]]*\]")


@dataclass(frozen=True, slots=True)
class PlainPath:
    """A path with its parameters as OpenAPI writes them, whatever way the document has; `segments` as in Parameter."""

    text: str
    names: tuple[str, ...]
    segments: Mapping[str, str]
    changed: bool
    is_twin: bool = False  # another path of the document has the same text


def plain_path(written: str) -> PlainPath:
    """A path as OpenAPI writes it: `{id}` for `<id>`, `<int:id>`, `:id`, `{+id}` and `{id=jobs/*}`."""
    text = _COLON.sub(r"{\1}", _ANGLES.sub(r"{\1}", written)) if "<" in written or "/:" in written else written
    segments: dict[str, str] = {}

    def plain(found: re.Match[str]) -> str:
        plus, name, wanted, star = found.groups()
        if plus or star or wanted:
            segments[name] = wanted or "**"
        return "{" + name + "}"

    text = _TEMPLATE.sub(plain, text)
    names = tuple(dict.fromkeys(found[2] for found in _TEMPLATE.finditer(text)))
    return PlainPath(text, names, {n: s for n, s in segments.items() if s != "*"}, text != written)


def check_outline(root: Any, origin: str) -> Node:
    """The root of a document that is OpenAPI 3. Raises DocumentError that says what it is instead."""
    if not isinstance(root, dict):
        raise DocumentError(f"{origin}: the file holds {_kind(root)}, expected an OpenAPI document (a map).")
    if "swagger" in root:
        text = f"{origin}: this is Swagger {root['swagger']}; OpenAPI 3 or Swagger 2.0 is expected. Convert it first."
        raise DocumentError(text)
    version = root.get("openapi")
    if version is None:
        keys = ", ".join(list(map(str, root))[:5]) or "nothing"
        raise DocumentError(f"{origin}: no `openapi` field, so this is not an OpenAPI document (found: {keys}).")
    if ".".join(str(version).split(".")[:2]) not in ("3.0", "3.1", "3.2"):
        raise DocumentError(f"{origin}: `openapi` is {version!r}; 3.0.x, 3.1.x and 3.2.x are read.")
    _expect(root.get("paths"), dict, f"{origin}: `paths`")
    components = _expect(root.get("components"), dict, f"{origin}: `components`")
    _expect(components.get("securitySchemes"), dict, f"{origin}: components.securitySchemes")
    return root


def is_json(media_type: str) -> bool:
    """Whether a media type is JSON: `application/json`, `…+json`, with or without parameters."""
    essence = media_type.split(";")[0].strip().lower()
    return essence in ("application/json", "text/json") or essence.endswith("+json")


def pointer_tokens(pointer: str) -> list[str]:
    """The unescaped tokens of a JSON Pointer (RFC 6901)."""
    return [token.replace("~1", "/").replace("~0", "~") for token in pointer.split("/")[1:]]


def pointer_text(tokens: Iterable[str]) -> str:
    """Tokens as a JSON Pointer (RFC 6901)."""
    return "".join("/" + token.replace("~", "~0").replace("/", "~1") for token in tokens)


def _step(node: Any, token: str) -> Any:
    """What a token leads to: percent-decoded, as in a URL, or as it stands if there is nothing by that name."""
    if isinstance(node, list):
        return node[int(token)]
    decoded = unquote(token).replace("~1", "/").replace("~0", "~") if "%" in token else token
    return node[decoded] if decoded in node else node[token]


def _expect(value: Any, kind: type[Kind], where: str) -> Kind:
    """A map or a list; an empty one where there is nothing. Raises DocumentError for anything else."""
    if value is None:
        return kind()
    if not isinstance(value, kind):
        raise DocumentError(f"{where} is {_kind(value)}, expected {'a map' if kind is dict else 'a list'}.")
    return value


def _kind(value: Any) -> str:
    names = {dict: "a map", list: "a list", str: "text", bool: "a boolean", int: "a number", float: "a number"}
    return "nothing" if value is None else names.get(type(value), type(value).__name__)
