"""Reading a request as its operation declares it: parameters and body, with all that is wrong named at once."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NamedTuple

from mockserver.engine.json_text import parse_json, parse_text
from mockserver.engine.parameters import ParameterReader, gather, header_source, query_value
from mockserver.engine.refusal import Refusal, Violation, violations_refusal
from mockserver.engine.texts import coerce, misplaced_files, nest, without_files
from mockserver.engine.violations import describe
from mockserver.form import FormError, FormPart, read_multipart, read_urlencoded
from mockserver.message import Request
from mockserver.openapi.document import Document, Operation, is_json
from mockserver.openapi.schema import Validator, shape_of

_ANY_TEXT = {"type": "string"}
_FORM_TYPES = ("multipart/form-data", "application/x-www-form-urlencoded")


class Inputs(NamedTuple):
    """What a request said: parameters by place and name, and the body."""

    path: Mapping[str, Any]
    query: Mapping[str, Any]
    body: Any


class RequestReader:
    """Reads the requests of one operation. Validators are built when the operation is first used."""

    def __init__(
        self,
        document: Document,
        operation: Operation,
        *,
        fill: bool = True,
        lenient: bool = False,
        any_ids: frozenset[str] = frozenset(),
    ) -> None:
        """`fill`: give the body's fields the contract's defaults where they were left out.

        `lenient`: which fields of a body stand together is not asked; `any_ids`: path parameters that take any text,
        whatever their schemas say.
        """
        self._document = document
        self._operation = operation
        self._fill = fill
        self._direction = "lenient request" if lenient else "request"
        self._parameters = [
            ParameterReader(document, replace(p, schema=_ANY_TEXT) if p.place == "path" and p.name in any_ids else p)
            for p in operation.parameters
            if p.place in ("path", "query", "header", "cookie")
            and not (p.place == "header" and p.name.lower() in ("accept", "content-type", "authorization"))
        ]
        self._in_path = [p for p in self._parameters if p.place == "path"]
        self._in_query = [p for p in self._parameters if p.place == "query"]
        self._in_headers = [p for p in self._parameters if p.place in ("header", "cookie")]
        self._plain_path = all(p.is_plain_text for p in self._in_path)
        self._no_query = not any(p.matters_when_absent for p in self._in_query)
        self._bodies = {name.split(";")[0].strip().lower(): media for name, media in operation.body.items()}
        self._body_readers: dict[str, _BodyReader] = {}
        self._by_header: dict[bytes, _BodyReader] = {}

    def check(self) -> None:
        """Build every validator now. Raises DocumentError."""
        for parameter in self._operation.parameters:
            Validator(self._document, parameter.schema, "request")
        for name, media in self._bodies.items():
            _BodyReader(self._document, name, media.get("schema") or {})

    def read(self, request: Request, path_values: Mapping[str, str]) -> Inputs:
        """The inputs of a request. Raises Refusal with every violation."""
        violations: list[Violation] = []
        path: Mapping[str, Any] = path_values
        if not self._plain_path:
            path = gather(self._in_path, path_values.get, violations)
        query: Mapping[str, Any] = {}
        if request.query or not self._no_query:
            query = self._read_query(request.query, violations)
        if self._in_headers:
            gather(self._in_headers, header_source(request), violations)
        body = self._read_body(request, violations) if self._bodies else None
        if violations:
            raise violations_refusal(violations)
        return Inputs(path, query, body)

    def _read_query(self, text: str, violations: list[Violation]) -> dict[str, Any]:
        try:
            parts = read_urlencoded(text)
        except FormError as error:
            raise Refusal("invalid_request", str(error)) from None
        values: dict[str, Any] = {}
        for name, value in parts:
            values.setdefault(name, []).append(value)
        return gather(self._in_query, lambda name: query_value(self._in_query, values, name), violations)

    def _read_body(self, request: Request, violations: list[Violation]) -> Any:
        reader = self._body_reader(request)
        if reader is None:
            return None
        body = reader.read(request)
        if body is None:
            if self._operation.body_required or reader.needs_something:
                violations.extend(reader.missing())
            return None
        if not reader.accepts(body):
            violations.extend(reader.violations(body))
        return reader.value(body) if self._fill else body

    def _body_reader(self, request: Request) -> "_BodyReader | None":
        raw = request.headers.get(b"content-type")
        if raw is not None and (known := self._by_header.get(raw)):
            return known
        sent = raw.decode("latin-1").split(";")[0].strip().lower() if raw else ""
        empty = not request.body and not request.form
        if not sent:  # nothing was said: a lone body is read as what is declared first
            sent = next((t for t in self._bodies if is_json(t) or empty), next(iter(self._bodies)))
        declared = self._declared_type(sent)
        if declared is None:
            if not empty or self._operation.body_required:
                expected = " or ".join(self._bodies)
                raise Refusal("unsupported_media_type", f"Unsupported media type {sent[:80]!r}. Expected {expected}.")
            declared = next(iter(self._bodies))
        reader = self._body_readers.get(declared)
        if reader is None:
            schema = self._bodies[declared].get("schema") or {}
            reader = self._body_readers[declared] = _BodyReader(self._document, declared, schema, self._direction)
        if raw is not None and raw == declared.encode():  # only the plain spelling: others are endless
            self._by_header[raw] = reader
        return reader

    def _declared_type(self, sent: str) -> str | None:
        if sent in self._bodies:
            return sent
        for declared in self._bodies:
            if declared == "*/*" or (declared.endswith("/*") and sent.startswith(declared[:-1])):
                return declared
            if is_json(declared) and is_json(sent):
                return declared
        return None


class _BodyReader:
    """Bodies of one media type: parsed, put in the types of the schema, validated."""

    def __init__(self, document: Document, media_type: str, schema: Any, direction: str = "request") -> None:
        self._document = document
        self._is_form = media_type in _FORM_TYPES
        self._is_json = is_json(media_type)
        self._shape = shape_of(document, schema)
        self._media_type = media_type
        self._validator = Validator(document, schema, direction)
        self.accepts = self._validator.is_valid
        self.needs_something = bool(self._shape.required) and not self._validator.is_valid({})
        if self._is_form:
            self.accepts = self._accepts_form

    def read(self, request: Request) -> Any:
        """The parsed body, or None if none was sent. Raises Refusal for one that cannot be parsed."""
        if self._is_form:
            parts = self._parts(request)
            return coerce(self._document, self._shape, nest(parts)) if parts else None
        if not request.body:
            return None
        return parse_json(request.body) if self._is_json else parse_text(request.body)

    def _parts(self, request: Request) -> tuple[FormPart, ...]:
        if isinstance(request.form, FormError):
            raise Refusal("malformed_body", str(request.form))
        if request.form is not None:
            return request.form
        try:
            if self._media_type == _FORM_TYPES[1]:
                return read_urlencoded(parse_text(request.body))
            return (
                read_multipart(request.headers[b"content-type"].decode("latin-1"), request.body) if request.body else ()
            )
        except FormError as error:
            raise Refusal("malformed_body", str(error)) from None

    def _accepts_form(self, body: Any) -> bool:
        return not misplaced_files(self._document, self._shape, body, "") and self._validator.is_valid(
            without_files(body)
        )

    def violations(self, body: Any) -> list[Violation]:
        """Everything that is wrong with a body, one entry a field."""
        if not self._is_form:
            return describe(self._validator, body, "body", "")
        misplaced = misplaced_files(self._document, self._shape, body, "")
        named = {v.field for v in misplaced}
        return misplaced + [
            v for v in describe(self._validator, without_files(body), "body", "") if v.field not in named
        ]

    def missing(self) -> list[Violation]:
        """What a request without a body lacks."""
        whole = Violation("body", "", "required", "nothing", f"a body of {self._media_type}")
        return (describe(self._validator, {}, "body", "") if self._shape.required else []) or [whole]

    def value(self, body: Any) -> Any:
        """The body with the defaults of its top-level fields filled in."""
        if not isinstance(body, dict):
            return body
        for name, default in self._defaults():
            body.setdefault(name, default)
        return body

    def _defaults(self) -> list[tuple[str, Any]]:
        pairs = ((name, shape_of(self._document, sub)) for name, sub in self._shape.properties.items())
        found = [(name, shape.node["default"]) for name, shape in pairs if "default" in shape.node]
        self._defaults = lambda: found  # type: ignore[method-assign]
        return found
