"""A sensible value for a schema of which nothing else is known: its example, its default, or the plainest valid one."""

from collections.abc import Iterator
from typing import Any

from mockserver.openapi.document import Document
from mockserver.openapi.schema import Shape, shape_of

MAX_LEVELS = 12  # below this a recursive schema is cut off at what it requires
MAX_VALUES = 1000  # in one sample; a few schemas can ask for billions
MAX_LENGTH = 10_000  # characters of one text in it
MAX_INTEGER = 2**63  # what JSON can hold of integers here (orjson)

_FORMATS = {
    "date-time": "2026-01-01T00:00:00Z",
    "date": "2026-01-01",
    "time": "00:00:00Z",
    "uuid": "00000000-0000-4000-8000-000000000000",
    "uri": "https://example.com/",
    "url": "https://example.com/",
    "email": "user@example.com",
    "hostname": "example.com",
    "ipv4": "127.0.0.1",
    "ipv6": "::1",
    "duration": "PT1S",
}


def sample(document: Document, schema: Any, level: int = 0, room: Iterator[int] | None = None) -> Any:
    """A value for a schema. Optional properties are given only where they have an example or a default."""
    room = iter(range(MAX_VALUES)) if room is None else room
    if next(room, None) is None:
        level = MAX_LEVELS
    shape = shape_of(document, schema)
    node = shape.node
    for key in ("example", "default"):
        if key in node:
            return node[key]
    examples = node.get("examples")
    if isinstance(examples, list) and examples:
        return examples[0]
    if shape.constants:
        return shape.constants[0]
    if shape.nullable and level > 1:
        return None
    if shape.is_object:
        return _object(document, shape, level, room)
    if shape.is_array:
        count = min(shape.number("minItems") or 0, 100) if level < MAX_LEVELS else 0
        return [sample(document, shape.items or {}, level + 1, room) for _ in range(int(count))]
    kind = shape.types[0] if shape.types else "object" if not node else "string"
    if kind in ("integer", "number"):
        return _number(shape, kind)
    return {"boolean": False, "object": {}}.get(kind, _text(shape))


def _object(document: Document, shape: Shape, level: int, room: Iterator[int]) -> Any:
    if level >= MAX_LEVELS:
        return {}
    value = {}
    for name, sub in shape.properties.items():
        inner = shape_of(document, sub)
        if name in shape.required or "example" in inner.node or "default" in inner.node:
            value[name] = sample(document, sub, level + 1, room)
    return value


def _number(shape: Shape, kind: str) -> Any:
    low = shape.number("minimum")
    exclusive = shape.number("exclusiveMinimum")
    high = shape.number("maximum")
    if exclusive is not None:
        low = exclusive + 1
    elif shape.get("exclusiveMinimum") is True and low is not None:
        low += 1
    value = low if low is not None and low > 0 else 0 if high is None or high >= 0 else high
    return int(value) if kind == "integer" and abs(value) < MAX_INTEGER else value


def _text(shape: Shape) -> str:
    if known := _FORMATS.get(str(shape.get("format"))):
        return known
    text = "string".ljust(int(min(shape.number("minLength") or 0, MAX_LENGTH)), "x")
    most = shape.number("maxLength")
    return text[: max(int(most), 0)] if most is not None else text
