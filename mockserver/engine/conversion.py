"""Values put into the types and forms that a response schema wants."""

from collections.abc import Callable
from datetime import UTC, datetime
from math import isfinite
from typing import Any

from mockserver.engine.sampling import MAX_INTEGER
from mockserver.openapi.schema import Shape

LAST_INSTANT = 253_402_300_799.0  # the end of the year 9999; RFC 3339 has no later one
MILLISECONDS_FROM = 100_000_000_000  # an example timestamp above this (the year 5138) counts milliseconds


def instant_writer(shape: Shape) -> Callable[[float], Any]:
    """How an instant is written: RFC 3339 text, or a count of seconds or milliseconds."""
    if "string" in shape.types and not ({"integer", "number"} & set(shape.types)):
        return rfc3339
    if isinstance(example := shape.get("example"), (int, float)) and example > MILLISECONDS_FROM:
        return lambda at: int(at * 1000)
    return int


def rfc3339(at: float) -> str:
    """An instant as RFC 3339 text in UTC with milliseconds."""
    at = min(at, LAST_INSTANT)
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def as_type(word: Any, shape: Shape) -> Any:
    """A status word in the type of its field: a declared word is text, where the field may be a number."""
    if not isinstance(word, str):
        return word
    if shape.types == ("boolean",):
        return word == "true"
    is_number = "string" not in shape.types and "integer" in shape.types
    return int(word) if is_number and word.lstrip("-").isdigit() else word


def converter(shape: Shape) -> tuple[Callable[[Any], Any], type]:
    """How to put a request's value into the type that the answer wants, and the type that is right as it is.

    The function gives None for a value that cannot be put so.
    """
    types = {t for form in (shape, *shape.branches) for t in form.types}
    if types == {"string"}:
        return _to_text, str
    if not types or "string" in types:
        return (lambda value: value), str
    if "integer" in types or "number" in types:
        return (_to_integer if "number" not in types else _to_number), int
    if "boolean" in types:
        return (lambda value: value if isinstance(value, bool) else None), bool
    if "array" in types:
        return (lambda value: value if isinstance(value, list) else [value]), list
    return (lambda value: value if isinstance(value, dict) else None), dict


def _to_text(value: Any) -> str | None:
    if isinstance(value, str):
        return value
    return None if isinstance(value, (dict, list, bool)) else f"{value:g}" if isinstance(value, float) else str(value)


def _to_number(value: Any) -> float | None:
    if isinstance(value, bool):
        return None
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    if not isfinite(number):
        return None
    return int(number) if number.is_integer() and abs(number) < MAX_INTEGER else number


def _to_integer(value: Any) -> int | None:
    if type(value) is int:
        return value
    number = _to_number(value)
    return None if number is None or abs(number) >= MAX_INTEGER else round(number)
