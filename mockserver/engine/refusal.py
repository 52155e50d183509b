"""Saying no in the provider's own words: every refusal is a kind, a message, and a body built from a template."""

import re
from collections.abc import Mapping
from itertools import chain
from typing import Any, NamedTuple

import orjson

from mockserver.engine.sampling import sample
from mockserver.errors import DocumentError
from mockserver.jobs.declaration import REFUSALS
from mockserver.jobs.resource import Contract, RefusalRule
from mockserver.message import PHRASES, RawHeaders, Response
from mockserver.openapi.document import Node, Operation
from mockserver.openapi.schema import Shape, Validator, shape_of

MAX_MESSAGE = 2000  # characters; a request can break a schema in very many places
MAX_LISTED = 20
# Refusals for the state of a job; where 409 is not declared and another status of a wrong request is, by that one.
_OF_STATE = {"conflict", "not_ready", "failed_content"}
_PROBLEM = {"type": "about:blank"}  # RFC 9457: the status says it all
MAX_LEVELS = 6  # objects inside an error; a schema that holds itself is cut off there
MAX_OBJECTS = 100  # in one error; a schema can ask for thousands
STRICT_HINTS = {"not_found": " (strict mode: only created ids are known; --lenient accepts any)"}
LENIENT_HINTS = dict.fromkeys(
    ("not_ready", "failed_content", "expired_content", "conflict"),
    " (lenient mode: an id that nobody created stands for what is finished)",
)
_PLACEHOLDER = re.compile(r"\{([a-z_]+)\}")


class Violation(NamedTuple):
    """One thing that is wrong with a request.

    `place` is body, query, path, header or cookie; `field` is its name as a client writes it
    (`input_reference.image_url`), '' for the whole; `kind` is the rule's keyword (`enum`, `type`, `required`, …).
    """

    place: str
    field: str
    kind: str
    found: str
    expected: str

    @property
    def text(self) -> str:
        """One sentence for the person who reads it."""
        name = f"'{self.field}'" if self.field else f"the {self.place}"
        if self.kind == "required":
            return f"Missing required parameter: {name}." + (f" Expected {self.expected}." if self.expected else "")
        noun = "type" if self.kind == "type" else "value"
        return f"Invalid {noun} for {name}: found {self.found}, expected {self.expected}."


class Refusal(Exception):
    """A request that is not served. `kind` is a key of `x-job.refusals`; `hint`: whether the mode matters to it."""

    def __init__(
        self,
        kind: str,
        message: str,
        *,
        violations: tuple[Violation, ...] = (),
        headers: RawHeaders | None = None,
        id: str | None = None,
        hint: bool = True,
        status: int | None = None,
        code: str = "",
        type: str = "",
        body: Any = None,
    ) -> None:
        """`status`, `code`, `type` and `body` are what is said instead of the provider's usual words."""
        super().__init__(message)
        self.kind = kind
        self.message = message
        self.violations = violations
        self.headers = headers or []
        self.id = id
        self.hint = hint
        self.status = status
        self.code = code
        self.type = type
        self.body = body


def violations_refusal(violations: list[Violation]) -> Refusal:
    """The refusal that reports all violations at once."""
    texts = [v.text for v in violations[:MAX_LISTED]]
    if len(violations) > MAX_LISTED:
        texts.append(f"({len(violations) - MAX_LISTED} more.)")
    return Refusal("invalid_request", " ".join(texts)[:MAX_MESSAGE], violations=tuple(violations))


class Refuser:
    """Turns refusals into responses of one contract."""

    def __init__(self, contract: Contract, lenient: bool = False) -> None:
        self._contract = contract
        self._hints = LENIENT_HINTS if lenient else STRICT_HINTS
        self._mode = (b"mockserver-mode", b"lenient" if lenient else b"strict")  # texts can be the contract's own
        self._templates: dict[tuple[str, str], tuple[int, Any, bytes]] = {}

    def check(self, operation: Operation) -> None:
        """Make a template of every error that an operation declares. Raises DocumentError."""
        for answer in operation.answers:
            media = answer.json_media()
            if media and "schema" in media[1] and answer is not operation.success():
                _Template(self._contract, 400).of(shape_of(self._contract.document, media[1]["schema"]))

    def respond(self, refusal: Refusal, operation: Operation | None, now: float, request_id: bytes) -> Response:
        """The response in the provider's shape. `now` is in seconds since the epoch."""
        status, template, media_type = self._template(refusal.kind, operation)
        first = refusal.violations[0] if refusal.violations else None
        values: dict[str, Any] = {
            "message": refusal.message + (self._hints.get(refusal.kind, "") if refusal.hint else ""),
            "param": first.field if first and first.field else None,
            "field": first.field if first else "",
            "code": self._code(first, refusal.kind),
            "place": first.place if first else refusal.kind,
            "found": first.found if first else None,
            "id": refusal.id,
            "kind": refusal.kind,
            "now_ms": int(now * 1000),
            "request_id": request_id.decode(),
            "violations": [v._asdict() for v in refusal.violations[:MAX_LISTED]],
            "each": [
                {"message": v.text, "param": v.field, "field": v.field, "place": v.place, "code": self._code(v, v.kind)}
                for v in refusal.violations[:MAX_LISTED]
            ]
            or [{}],
        }
        told = fill_template(template, values) if refusal.body is None else refusal.body
        if refusal.code or refusal.type:
            told = self._worded(told, refusal)
        status = refusal.status or status
        body = orjson.dumps(told)
        headers = [(b"content-type", media_type), (b"content-length", b"%d" % len(body)), self._mode, *refusal.headers]
        return Response(status, headers, body)

    def _worded(self, body: Any, refusal: Refusal) -> Any:
        """A body with the refusal's own code and type in place of the provider's words."""
        if isinstance(body, list):
            return [self._worded(item, refusal) for item in body]
        if not isinstance(body, dict):
            return body
        out = {}
        for name, value in body.items():
            words = {"code": refusal.code, "type": refusal.type}
            role = next((r for r in words if self._contract.vocabulary.rank("error", r, name) is not None), None)
            is_text = isinstance(value, str) or value is None
            out[name] = words[role] if role and words[role] and is_text else self._worded(value, refusal)
        return out

    def _code(self, violation: Violation | None, kind: str) -> str:
        """The provider's code for a violation; without one, or where none is declared, the kind."""
        codes = self._contract.codes
        return codes.get(violation.kind, codes.get("default", kind)) if violation else kind

    def _template(self, kind: str, operation: Operation | None) -> tuple[int, Any, bytes]:
        key = (kind, operation.name if operation else "")
        if key not in self._templates:
            self._templates[key] = self._build(kind, operation)
        return self._templates[key]

    def _build(self, kind: str, operation: Operation | None) -> tuple[int, Any, bytes]:
        """Declared templates first, then the schema that is declared for the status, then RFC 9457."""
        declared = self._contract.refusals
        default = declared.get("default", RefusalRule(None, None))
        rule = declared.get(kind, default)
        status = rule.status or default.status or _usual_status(kind, operation)
        body = rule.body if rule.body is not None else default.body
        if body is not None:
            return status, body, b"application/json"
        if media := self._declared_error(operation, status):
            template = _Template(self._contract, status).of(shape_of(self._contract.document, media[1]["schema"]))
            return status, self._completed(template, media[1]["schema"]), media[0].encode()
        problem = {
            **_PROBLEM,
            "title": PHRASES.get(status, "Refused"),
            "status": status,
            "detail": "{message}",
            "violations": "{violations}",
        }
        return status, problem, b"application/problem+json"

    def _completed(self, template: Any, schema: Any) -> Any:
        """The template with what its schema asks for besides: a sampled error, in which ours stands where it may."""
        document = self._contract.document
        try:
            validator = Validator(document, schema, "response")
            if validator.is_valid(fill_template(template, _SAMPLE)):
                return template
            whole = sample(document, schema)
        except DocumentError:
            return template
        if not isinstance(template, dict) or not isinstance(whole, dict) or not validator.is_valid(whole):
            return template
        for name, value in template.items():
            tried = {**whole, name: value}
            if validator.is_valid(fill_template(tried, _SAMPLE)):
                whole = tried
        return whole

    def _declared_error(self, operation: Operation | None, status: int) -> tuple[str, Node] | None:
        """The media type and node of the nearest declared error: for the status, for the operation, or anywhere."""
        operations = ([operation] if operation else []) + self._contract.document.operations
        exact = ((o, answer) for o in operations if (answer := o.answer_for(status)))
        others = ((o, answer) for o in operations for answer in o.answers if answer.status.startswith("4"))
        errors = (answer.json_media() for o, answer in chain(exact, others) if answer is not o.success())
        return next((media for media in errors if media and "schema" in media[1]), None)


def _usual_status(kind: str, operation: Operation | None) -> int:
    """The status of a kind; 422 for an invalid request where the operation declares that and not 400."""
    declared = {answer.status for answer in operation.answers} if operation else set()
    if kind in _OF_STATE and declared and not declared & {"409", "4XX", "4xx", "default"}:
        return next((int(status) for status in ("400", "422", "404") if status in declared), REFUSALS[kind])
    return 422 if kind == "invalid_request" and "422" in declared and "400" not in declared else REFUSALS[kind]


def plain_response(refusal: Refusal) -> Response:
    """A refusal as RFC 9457 problem details, whatever the contract says."""
    status = REFUSALS[refusal.kind]
    body = orjson.dumps({**_PROBLEM, "title": PHRASES[status], "status": status, "detail": refusal.message})
    length = (b"content-length", b"%d" % len(body))
    return Response(status, [(b"content-type", b"application/problem+json"), length, *refusal.headers], body)


class _PerViolation:
    """A list in a template, filled in once for each violation."""

    def __init__(self, item: Any) -> None:
        self.item = item


def fill_template(template: Any, values: Mapping[str, Any]) -> Any:
    """A body template with its `{placeholders}`; one that stands alone keeps its value's type, an unknown one stays."""
    if isinstance(template, dict):
        return {key: fill_template(value, values) for key, value in template.items()}
    if isinstance(template, list):
        return [fill_template(value, values) for value in template]
    if isinstance(template, _PerViolation):
        return [fill_template(template.item, {**values, **one}) for one in values["each"]]
    if not isinstance(template, str):
        return template
    whole = _PLACEHOLDER.fullmatch(template)
    if whole and whole[1] in values:
        return values[whole[1]]
    return _PLACEHOLDER.sub(lambda m: str(values[m[1]]) if m[1] in values else m[0], template)


class _Template:
    """A body template made from a declared error schema, by what its fields are called."""

    def __init__(self, contract: Contract, status: int) -> None:
        self._document = contract.document
        self._vocabulary = contract.vocabulary
        self._status = status
        self._room = MAX_OBJECTS

    def of(self, shape: Shape, above: tuple[str, ...] = ()) -> Any:
        """The template of a whole error, or of an object in it; `above` are the schemas that it stands in."""
        if not shape.is_object:
            return "{message}" if "string" in shape.types else sample(self._document, shape.node)
        entries: dict[str, Any] = {}
        self._room -= 1
        for name, sub in shape.properties.items() if self._room >= 0 else ():
            inner = shape_of(self._document, sub)
            required = name in shape.required
            if inner.name and inner.name in (*above, shape.name) and not required:
                continue
            if (value := self._field(name, inner, required, (*above, shape.name))) is not None:
                entries[name] = "{field}" if value == "{param}" and not inner.nullable else value
        return entries

    def _field(self, name: str, shape: Shape, required: bool, above: tuple[str, ...]) -> Any:
        role = next((r for r in _ROLES if self._vocabulary.rank("error", r, name) is not None), None)
        if shape.is_array and len(above) < MAX_LEVELS:
            return self._list(role, shape, above)
        if shape.is_object:
            return self.of(shape, above) if (shape.properties or required) and len(above) < MAX_LEVELS else None
        if role is None:
            return sample(self._document, shape.node) if required else None
        if "string" not in shape.types and ({"integer", "number"} & set(shape.types)):
            return self._status
        if shape.constants:
            return shape.constants[0]
        return str(self._status) if role == "status" else _ROLES[role]

    def _list(self, role: str | None, shape: Shape, above: tuple[str, ...]) -> Any:
        """A list of violations: objects with a message, or texts; the place of one, as a list of its parts."""
        if role == "param":
            return ["{place}", "{field}"]
        items = shape_of(self._document, shape.items or {})
        if items.is_object:
            if items.name and items.name in above:
                return None
            item = self.of(items, above)
            return _PerViolation(item) if "{message}" in item.values() else None
        return _PerViolation("{message}") if role == "message" and "string" in items.types else None


_SAMPLE: dict[str, Any] = {
    "message": "Invalid value.", "param": "x", "field": "x", "code": "invalid", "place": "body", "found": "1",
    "id": "x",
    "kind": "invalid_request", "now_ms": 1, "request_id": "req_0", "violations": [],
    "each": [{"message": "Invalid value.", "param": "x", "field": "x", "place": "body", "code": "invalid"}],
}  # fmt: skip
_ROLES = {"message": "{message}", "code": "{code}", "type": "{kind}", "param": "{param}", "status": ""}
