"""An instant as an answer writes it: which one it is, and in which unit."""

import re
from typing import Any, NamedTuple

from mockserver.instants import read_instant
from mockserver.openapi.schema import Shape

_MILLISECONDS = re.compile(r"milli-?seconds?|\bms\b|毫秒|epoch[_ -]?ms", re.I)
_SECONDS = re.compile(r"\bseconds?\b|秒|unix", re.I)
_SHORTEST_MS, _LONGEST_MS = 1e11, 1e14  # as seconds these are the years 5138 and beyond; as milliseconds 1973 to 5138
_SHORTEST_S = 1e8


class Instant(NamedTuple):
    """Seconds since the epoch, and the unit they were written in: `s`, `ms` or `text`."""

    at: float
    unit: str


def read(value: Any) -> Instant | None:
    """The instant of a value; None for what is none."""
    if isinstance(value, bool):
        return None
    number: float | None = value if isinstance(value, (int, float)) else None
    if isinstance(value, str) and re.fullmatch(r"\d{9,14}(\.\d+)?", value):
        number = float(value)
    if number is not None:
        if _SHORTEST_MS <= number < _LONGEST_MS:
            return Instant(number / 1000, "ms")
        return Instant(float(number), "s") if _SHORTEST_S <= number < _SHORTEST_MS else None
    try:
        return Instant(read_instant(value), "text") if isinstance(value, str) else None
    except ValueError:
        return None


def declared_unit(shape: Shape | None) -> str:
    """The unit that a field's schema asks for: `s`, `ms`, `text`, or '' where it says nothing."""
    if shape is None:
        return ""
    kinds = set(shape.types)
    if kinds == {"string"}:
        return "text" if shape.get("format") == "date-time" else ""
    if not kinds & {"integer", "number"} or "string" in kinds:
        return ""
    text = f"{shape.get('description') or ''} {shape.get('title') or ''} {shape.get('format') or ''}"
    if _MILLISECONDS.search(text):
        return "ms"
    if _SECONDS.search(text):
        return "s"
    shown = [shape.get("example"), *(shape.get("examples") if isinstance(shape.get("examples"), list) else [])]
    units = {found.unit for each in shown if (found := read(each))}
    return units.pop() if len(units) == 1 else ""
