"""Parameters of an operation: path, query, headers and cookies in the types of their schemas."""

from collections.abc import Callable
from typing import Any
from urllib.parse import unquote

from mockserver.engine.refusal import Violation
from mockserver.engine.texts import coerce
from mockserver.engine.violations import describe, wanted
from mockserver.message import Request
from mockserver.openapi.document import Document, Parameter
from mockserver.openapi.schema import Validator, shape_of


class ParameterReader:
    """One parameter: its text turned into the type that its schema wants, then validated."""

    def __init__(self, document: Document, parameter: Parameter) -> None:
        self.name = parameter.name
        self.place = parameter.place
        self.required = parameter.required
        self.explode = parameter.explode
        self.deep = parameter.style == "deepObject"
        self.separator = {"spaceDelimited": " ", "pipeDelimited": "|"}.get(parameter.style, ",")
        self.shape = shape_of(document, parameter.schema)
        self._document = document
        self._schema = parameter.schema
        self._validator: Validator | None = None

    @property
    def is_plain_text(self) -> bool:
        """Whether any text is valid."""
        return not set(self.shape.node) - {"type", "description", "example", "title"} and self.shape.types in (
            (),
            ("string",),
        )

    @property
    def matters_when_absent(self) -> bool:
        return self.required or self.shape.get("default") is not None

    def read(self, raw: Any, violations: list[Violation]) -> Any:
        """The value of raw text (a list of texts for a repeated parameter, a map for a deep object)."""
        value = coerce(self._document, self.shape, self._split(raw))
        if self.is_plain_text and isinstance(value, str):
            return value
        if self._validator is None:
            self._validator = Validator(self._document, self._schema, "request")
        if not self._validator.is_valid(value):
            violations.extend(describe(self._validator, value, self.place, self.name))
        return value

    def _split(self, raw: Any) -> Any:
        if not self.shape.is_array or isinstance(raw, dict):
            return raw[-1] if isinstance(raw, list) and len(raw) == 1 else raw
        texts = raw if isinstance(raw, list) else [raw]
        if len(texts) == 1 and (not self.explode or self.place in ("path", "header")):
            pieces = texts[0].split(self.separator)
            return [p.strip() for p in pieces] if self.place == "header" else pieces
        return texts


def gather(readers: list[ParameterReader], source: Callable[[str], Any], violations: list[Violation]) -> dict[str, Any]:
    values = {}
    for reader in readers:
        raw = source(reader.name)
        if raw is None:
            if reader.required:
                violations.append(Violation(reader.place, reader.name, "required", "nothing", wanted(reader.shape)))
            elif "default" in reader.shape.node:
                values[reader.name] = reader.shape.node["default"]
        else:
            values[reader.name] = reader.read(raw, violations)
    return values


def query_value(readers: list[ParameterReader], values: dict[str, list[str]], name: str) -> Any:
    reader = next(r for r in readers if r.name == name)
    if reader.deep:
        found = {
            k[len(name) + 1 : -1]: v[-1] for k, v in values.items() if k.startswith(name + "[") and k.endswith("]")
        }
        return found or None
    return values.get(name) or values.get(name + "[]")


def header_source(request: Request) -> Callable[[str], Any]:
    cookies = {}
    for piece in request.headers.get(b"cookie", b"").decode("latin-1").split(";"):
        key, _, value = piece.strip().partition("=")
        cookies[key] = unquote(value)

    def source(name: str) -> Any:
        raw = request.headers.get(name.lower().encode("latin-1", "replace"))
        return raw.decode("latin-1") if raw is not None else cookies.get(name)

    return source
