"""Requests as the contract wants them: path, parameters, body, and the key where a security scheme has it."""

import re
from base64 import b64encode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import orjson

from contract_tests.contract import ContractUnderTest
from contract_tests.playing.bodies import Bodies, File
from contract_tests.playing.target import Call
from mockserver.errors import DocumentError
from mockserver.jobs.resource import Action, JobOperation, JobResource
from mockserver.openapi.document import Operation, is_json

MALFORMED = "not a key"  # a credential that no scheme has
BOUNDARY = "contract-check-7d1f9a3c5e"
Way = tuple[JobOperation, str, Any]  # to create a job: operation, media type, body
_PARAMETER = re.compile(r"\{([^{}]+)\}")


@dataclass(frozen=True, slots=True)
class Asking:
    """What a request is to say besides what its operation asks for.

    `key` '' sends none. `query` are parameters (a list: repeated). `raw` is sent as it is, as a body that is said to be
    of `media_type`. `method` takes the place of the operation's. `has_charset`: JSON says that it is UTF-8.
    """

    key: str = ""
    job: str = ""
    query: Mapping[str, Any] = field(default_factory=dict)
    headers: tuple[tuple[str, str], ...] = ()
    body: Any = None
    media_type: str = ""
    raw: bytes | None = None
    method: str = ""
    has_charset: bool = False


class Calls:
    """Makes the requests of one contract."""

    def __init__(self, contract: ContractUnderTest) -> None:
        self.contract = contract
        self.bodies = Bodies(contract.document, contract.vocabulary)
        self._schemes = (contract.document.root.get("components") or {}).get("securitySchemes") or {}

    # -- whole requests ---------------------------------------------------------------------------------

    def call(self, operation: Operation, asking: Asking, part: JobOperation | None = None,
             resource: JobResource | None = None) -> Call:  # fmt: skip
        """The request of an operation. Without a body of its own, one that is needed is made up."""
        place = part.id_place if part else None
        path, query = self._path(operation, asking, part, resource)
        headers: list[tuple[str, str]] = []
        for parameter in operation.parameters:
            if parameter.place == "query" and parameter.required and parameter.name not in asking.query:
                is_id = place is not None and place.place == "query" and place.pointer == (parameter.name,)
                query.append((parameter.name, asking.job if is_id else self._value_of(parameter.schema, parameter.raw)))
            elif parameter.place == "header" and parameter.required and parameter.name.lower() not in _OWN:
                headers.append((parameter.name, _text(self._value_of(parameter.schema, parameter.raw))))
        if place and place.place == "query" and place.pointer[0] not in dict(query):
            query.append((place.pointer[0], asking.job))
        query += list(asking.query.items())
        secrets: set[str] = set()
        if asking.key:
            self._sign(operation, asking.key, headers, query, secrets)
        content, media_type = self._content(operation, asking, part, resource)
        if media_type:
            charset = "; charset=utf-8" if asking.has_charset and is_json(media_type) and ";" not in media_type else ""
            headers.append(("content-type", f"{media_type}{charset}"))
        given = {name.lower() for name, _ in asking.headers}
        headers = [(n, v) for n, v in headers if n.lower() not in given] + list(asking.headers)
        text = "&".join(f"{quote(name, safe='')}={quote(_text(each), safe='')}" for name, value in query
                        for each in (value if isinstance(value, list) else [value]))  # fmt: skip
        separator = "&" if "?" in path else "?"
        return Call(
            method=asking.method or operation.method,
            path=f"{path}{separator}{text}" if text else path,
            headers=tuple(headers),
            body=content,
            operation=operation.name,
            action=str(part.action) if part else "",
            job=asking.job,
            secrets=frozenset(secrets),
        )

    def body_for(self, operation: Operation, part: JobOperation | None = None, media_type: str = "",
                 job: str = "") -> tuple[Any, str]:  # fmt: skip
        """The cheapest valid body and its media type; (None, '') where none is wanted or found."""
        for name in [media_type] if media_type else media_types(operation):
            node = operation.body[name]
            schema = node.get("schema") or {}
            try:
                examples = self.contract.document.examples(node)
                body = self.bodies.valid(schema, examples)
            except DocumentError:
                continue
            if body is not None:
                if job and part and part.id_place and part.id_place.place == "body":
                    named = placed(body, part.id_place.pointer, job)
                    numbered = placed(body, part.id_place.pointer, int(job)) if job.isdecimal() else named
                    is_text = self.bodies.is_valid(schema, named) or not self.bodies.is_valid(schema, numbered)
                    body = named if is_text else numbered
                return body, name
        return None, ""

    def is_open(self, operation: Operation) -> bool:
        """Whether an operation asks for no key."""
        return not operation.security or any(not requirement for requirement in operation.security)

    # -- their parts ------------------------------------------------------------------------------------

    def _path(
        self, operation: Operation, asking: Asking, part: JobOperation | None, resource: JobResource | None
    ) -> tuple[str, list[tuple[str, Any]]]:
        place = part.id_place if part else None
        schemas = {p.name: p for p in operation.parameters if p.place == "path"}

        def fill(found: re.Match[str]) -> str:
            name = found[1]
            parameter = schemas.get(name)
            if place and place.place == "path" and place.pointer == (name,):
                return quote(self._id_in_path(operation, name, asking.job, resource), safe="/:" if parameter and
                             parameter.segments else "")  # fmt: skip
            if part is None and asking.job and len(schemas) == 1:  # what is no job and is read by an id
                return quote(asking.job, safe="")
            return quote(_text(self._value_of(parameter.schema, parameter.raw) if parameter else "1"), safe="")

        return _PARAMETER.sub(fill, operation.written or operation.path), []

    def _id_in_path(self, operation: Operation, name: str, id: str, resource: JobResource | None) -> str:
        """The id as this path wants it: as a whole resource name where the path does not say that itself."""
        text = resource.id_text if resource else "{id}"
        if text == "{id}" or "/" in id or not operation.path.partition(f"{{{name}}}")[1]:
            return id
        parameter = next((p for p in operation.parameters if p.name == name and p.place == "path"), None)
        is_named = text.split("/")[0] not in operation.path.split("/")
        return text.replace("{id}", id) if is_named and parameter and parameter.segments else id

    def _value_of(self, schema: Any, raw: Mapping[str, Any]) -> Any:
        if "example" in raw:
            return raw["example"]
        named = raw.get("examples")
        for entry in named.values() if isinstance(named, dict) else ():
            entry = self.contract.document.resolve(entry)
            if isinstance(entry, dict) and "value" in entry:
                return entry["value"]
        return self.bodies.value(schema, str(raw.get("name", "")))

    def _content(self, operation: Operation, asking: Asking, part: JobOperation | None, resource: JobResource | None
                 ) -> tuple[bytes, str]:  # fmt: skip
        if asking.raw is not None:
            return asking.raw, asking.media_type
        body, media_type = asking.body, asking.media_type
        if body is None and not media_type and operation.body and not asking.method:
            needs_id = bool(part and part.id_place and part.id_place.place == "body")
            if operation.body_required or needs_id:
                body, media_type = self.body_for(operation, part, job=asking.job)
        if not media_type:
            return b"", ""
        return encoded(body, media_type)

    def _sign(
        self, operation: Operation, key: str, headers: list[tuple[str, str]], query: list[tuple[str, Any]],
        secrets: set[str],
    ) -> None:  # fmt: skip
        """Put the key where the first of the operation's alternatives wants it."""
        if not self._schemes:  # nobody says where it belongs; most services look here
            headers.append(("Authorization", f"Bearer {key}"))
            secrets.add("authorization")
            return
        for name in next((requirement for requirement in operation.security if requirement), {}):
            scheme = self.contract.document.resolve(self._schemes.get(name))
            if not isinstance(scheme, dict):
                scheme = self.contract.document.resolve(next(iter(self._schemes.values())))
            kind, place = str(scheme.get("type", "")).lower(), str(scheme.get("in", "header"))
            if kind == "apikey" and place == "query":
                query.append((str(scheme.get("name")), key))
            elif kind == "apikey" and place == "cookie":
                headers.append(("Cookie", f"{scheme.get('name')}={quote(key, safe='')}"))
                secrets.add("cookie")
            elif kind == "apikey":
                headers.append((str(scheme.get("name")), key))
                secrets.add(str(scheme.get("name")).lower())
            else:
                is_basic = kind == "http" and str(scheme.get("scheme", "")).lower() == "basic"
                pair = key if ":" in key else f"{key}:{key}"
                basic = f"Basic {key if key == MALFORMED else b64encode(pair.encode()).decode()}"
                value = basic if is_basic else f"Bearer {key}"
                headers.append(("Authorization", value))
                secrets.add("authorization")


def creates_of(calls: Calls, resource: JobResource) -> list[Way]:
    """The ways to create a kind of job, each by the cheapest valid body."""
    firsts: list[Way] = []
    others: list[Way] = []
    for part in resource.operations:
        if part.action is not Action.CREATE:
            continue
        if not part.operation.body:
            firsts.append((part, "", None))
        for number, name in enumerate(media_types(part.operation)):
            body, media_type = calls.body_for(part.operation, part, name)
            if media_type:
                (others if number else firsts).append((part, media_type, body))
    return firsts + others


_OWN = {"authorization", "content-type", "accept", "cookie", "content-length", "host"}


def media_types(operation: Operation) -> list[str]:
    """The media types of a request that can be written here, JSON first."""
    known = [n for n in operation.body if is_json(n) or _is_form(n)]
    return sorted(known, key=lambda name: not is_json(name))


def encoded(body: Any, media_type: str) -> tuple[bytes, str]:
    """A body on the wire, with the media type as its header says it."""
    if not _is_form(media_type):
        return orjson.dumps(_jsonable(body)), "application/json" if "*" in media_type else media_type
    fields = list(_fields(body)) if isinstance(body, dict) else []
    if media_type.startswith("multipart/") or any(isinstance(value, File) for _, value in fields):
        return _multipart(fields), f"multipart/form-data; boundary={BOUNDARY}"
    return "&".join(f"{quote(n, safe='[]')}={quote(_text(v), safe='')}" for n, v in fields).encode(), media_type


def decoded(body: bytes, media_type: str) -> dict[str, Any]:
    """The fields of a request's body; none for what is neither JSON nor a form."""
    kind = media_type.partition(";")[0].strip().lower()
    if kind == "application/x-www-form-urlencoded":
        from urllib.parse import parse_qsl

        return dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))
    if kind.startswith("multipart/"):
        mark = re.search(r'boundary="?([^";]+)', media_type)
        return dict(_parts(body, mark[1].encode())) if mark else {}
    try:
        value = orjson.loads(body) if body else {}
    except orjson.JSONDecodeError:
        return {}
    return value if isinstance(value, dict) else {}


def _parts(body: bytes, boundary: bytes) -> Iterable[tuple[str, Any]]:
    for piece in body.split(b"--" + boundary)[1:]:
        head, _, content = piece.partition(b"\r\n\r\n")
        name = re.search(rb'name="([^"]*)"', head)
        if name:
            text = content.removesuffix(b"\r\n").decode("utf-8", "replace")
            yield name[1].decode("utf-8", "replace"), "(a file)" if b"filename=" in head else text


def _is_form(media_type: str) -> bool:
    return media_type.partition(";")[0].strip().lower() in ("multipart/form-data", "application/x-www-form-urlencoded")


def _fields(body: Mapping[str, Any], prefix: str = "") -> Iterable[tuple[str, Any]]:
    """A form's fields: of objects in brackets, of lists repeated."""
    for name, value in body.items():
        whole = f"{prefix}[{name}]" if prefix else name
        if isinstance(value, dict):
            yield from _fields(value, whole)
        else:
            yield from ((whole, each) for each in (value if isinstance(value, list) else [value]))


def _multipart(fields: Iterable[tuple[str, Any]]) -> bytes:
    pieces = []
    for name, value in fields:
        disposition = f'Content-Disposition: form-data; name="{name}"'
        if isinstance(value, File):
            head = f'{disposition}; filename="{value.name}"\r\nContent-Type: {value.media_type}'
            content = value.content
        else:
            head, content = disposition, _text(value).encode("utf-8", "replace")
        pieces.append(b"--%s\r\n%s\r\n\r\n%s\r\n" % (BOUNDARY.encode(), head.encode(), content))
    return b"".join([*pieces, b"--%s--\r\n" % BOUNDARY.encode()])


def _jsonable(value: Any) -> Any:
    if isinstance(value, File):
        return b64encode(value.content).decode()
    if isinstance(value, dict):
        return {name: _jsonable(inner) for name, inner in value.items()}
    return [_jsonable(inner) for inner in value] if isinstance(value, list) else value


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return ",".join(map(_text, value))
    return orjson.dumps(_jsonable(value)).decode()


def placed(body: Any, pointer: tuple[str, ...], value: Any) -> Any:
    """A body with another value at a place."""
    if not pointer:
        return value
    inner = body if isinstance(body, dict) else {}
    return {**inner, pointer[0]: placed(inner.get(pointer[0]), pointer[1:], value)}
