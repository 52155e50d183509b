"""Saying no in the provider's own words: every refusal is a kind, a message, and a body built from a template."""

import re
from collections.abc import Callable
from http import HTTPStatus
from typing import Any, NamedTuple

import orjson

from mockserver.engine.sampling import sample
from mockserver.jobs.declaration import REFUSALS
from mockserver.jobs.resource import Contract, RefusalRule
from mockserver.message import RawHeaders, Response
from mockserver.openapi.document import Node, Operation
from mockserver.openapi.schema import Shape, shape_of

MAX_MESSAGE = 2000  # characters; a request can break a schema in very many places
MAX_LISTED = 20
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
            return f"Missing required parameter: {name}. Expected {self.expected}."
        noun = "type" if self.kind == "type" else "value"
        return f"Invalid {noun} for {name}: found {self.found}, expected {self.expected}."


class Refusal(Exception):
    """A request that is not served. `kind` is a key of `x-job.refusals`."""

    def __init__(
        self,
        kind: str,
        message: str,
        *,
        violations: tuple[Violation, ...] = (),
        headers: RawHeaders | None = None,
        id: str | None = None,
    ) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message
        self.violations = violations
        self.headers = headers or []
        self.id = id


def violations_refusal(violations: list[Violation]) -> Refusal:
    """The refusal that reports all violations at once."""
    texts = [v.text for v in violations[:MAX_LISTED]]
    if len(violations) > MAX_LISTED:
        texts.append(f"({len(violations) - MAX_LISTED} more.)")
    return Refusal("invalid_request", " ".join(texts)[:MAX_MESSAGE], violations=tuple(violations))


class Refuser:
    """Turns refusals into responses of one contract."""

    def __init__(self, contract: Contract) -> None:
        self._contract = contract
        self._templates: dict[tuple[str, str], tuple[int, Any, bytes]] = {}

    def check(self, operation: Operation) -> None:
        """Build every template of an operation now. Raises DocumentError."""
        for kind in REFUSALS:
            self._template(kind, operation)

    def respond(self, refusal: Refusal, operation: Operation | None, now: float, request_id: bytes) -> Response:
        """The response in the provider's shape. `now` is in seconds since the epoch."""
        status, template, media_type = self._template(refusal.kind, operation)
        first = refusal.violations[0] if refusal.violations else None
        codes = self._contract.codes
        values = {
            "message": refusal.message,
            "param": first.field if first and first.field else None,
            "field": first.field if first else "",
            "code": codes.get(first.kind, codes.get("default", refusal.kind)) if first else refusal.kind,
            "found": first.found if first else None,
            "id": refusal.id,
            "kind": refusal.kind,
            "now_ms": int(now * 1000),
            "request_id": request_id.decode(),
            "violations": [v._asdict() for v in refusal.violations[:MAX_LISTED]],
        }
        body = orjson.dumps(_fill(template, values))
        headers = [(b"content-type", media_type), (b"content-length", b"%d" % len(body)), *refusal.headers]
        return Response(status, headers, body)

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
        status = rule.status or default.status or REFUSALS[kind]
        body = rule.body if rule.body is not None else default.body
        if body is not None:
            return status, body, b"application/json"
        if media := self._declared_error(operation, status):
            filler = _template_filler(self._contract, status)
            return status, filler(shape_of(self._contract.document, media[1]["schema"])), media[0].encode()
        problem = {
            "type": "about:blank",
            "title": HTTPStatus(status).phrase,
            "status": status,
            "detail": "{message}",
            "violations": "{violations}",
        }
        return status, problem, b"application/problem+json"

    def _declared_error(self, operation: Operation | None, status: int) -> tuple[str, Node] | None:
        """The media type and node of the error that is declared nearest: for the status, the operation, or anywhere."""
        operations = ([operation] if operation else []) + self._contract.document.operations
        answers = [answer for candidate in operations if (answer := candidate.answer_for(status))]
        answers += [a for candidate in operations for a in candidate.answers if a.status.startswith("4")]
        found = (answer.json_media() for answer in answers if not answer.status.startswith("2"))
        return next((media for media in found if media and "schema" in media[1]), None)


def _fill(template: Any, values: dict[str, Any]) -> Any:
    if isinstance(template, dict):
        return {key: _fill(value, values) for key, value in template.items()}
    if isinstance(template, list):
        return [_fill(value, values) for value in template]
    if not isinstance(template, str):
        return template
    whole = _PLACEHOLDER.fullmatch(template)
    if whole and whole[1] in values:
        return values[whole[1]]
    return _PLACEHOLDER.sub(lambda m: str(values[m[1]]) if m[1] in values else m[0], template)


def _template_filler(contract: Contract, status: int) -> Callable[[Shape], Any]:
    """A builder of a body template from a declared error schema, by what its fields are called."""
    document, vocabulary = contract.document, contract.vocabulary

    def value_for(name: str, shape: Shape, required: bool) -> Any:
        for role in ("message", "code", "type", "param", "status"):
            if vocabulary.rank("error", role, name) is not None and not shape.is_object and not shape.is_array:
                if "string" not in shape.types and ({"integer", "number"} & set(shape.types)):
                    return status
                if shape.constants:
                    return shape.constants[0]
                return {"message": "{message}", "param": "{param}", "status": str(status)}.get(
                    role, "{" + _role_key(role) + "}"
                )
        if shape.is_object and (shape.properties or required):
            return build(shape)
        return sample(document, shape.node) if required else None

    def build(shape: Shape) -> Any:
        if not shape.is_object:
            return "{message}" if "string" in shape.types else sample(document, shape.node)
        entries = {}
        for name, sub in shape.properties.items():
            inner = shape_of(document, sub)
            required = name in shape.required
            if (value := value_for(name, inner, required)) is not None:
                entries[name] = "{field}" if value == "{param}" and not inner.nullable else value
        return entries

    return build


def _role_key(role: str) -> str:
    return "kind" if role == "type" else role
