"""Values written otherwise than a contract has them: in another type, another unit, another shape."""

from collections.abc import Callable, Iterator, Mapping
from math import isfinite
from typing import Any
from urllib.parse import urlsplit

from mockserver.engine.conversion import LAST_INSTANT, MILLISECONDS_FROM, rfc3339
from mockserver.engine.sampling import MAX_INTEGER
from mockserver.instants import read_instant

SAME: Any = object()  # in place of a value that cannot be written otherwise
MAX_LEVELS = 5  # of a result in which a link is looked for
_DIGITS = 6  # after the point: what arithmetic adds to them is noise
_FIRST_INSTANT = 100_000_000  # 1973: a number below it counts something else


def as_number(value: Any) -> int | float | None:
    """A number, or a text that is one."""
    if isinstance(value, bool):
        return None
    if isinstance(value, (int, float)):
        return value
    try:
        number = float(value) if isinstance(value, str) and len(value) <= 32 else None
    except ValueError:
        return None
    if number is None or not isfinite(number):
        return None
    return int(number) if number.is_integer() and "." not in value else number


def _like(value: Any, number: float) -> Any:
    """A number in the type that a value has."""
    if isinstance(value, float):
        return round(number, _DIGITS)
    whole = isinstance(as_number(value), int)
    plain = round(number) if whole else round(number, _DIGITS)
    return str(plain) if isinstance(value, str) else plain


def scaled(value: Any, factor: float) -> Any:
    """A number times a factor, in the type that it has."""
    number = as_number(value)
    return SAME if number is None else _bounded(_like(value, number * factor))


def added(value: Any, amount: float, is_time: bool) -> Any:
    """A number with some more; an instant some seconds later, as it is written."""
    number = as_number(value)
    if is_time and float(amount).is_integer():
        instant = read_time(value)
        return SAME if instant is None else write_time(instant + amount, value)
    if number is None:
        return SAME
    more = number + amount
    plain: int | float = round(more) if float(amount).is_integer() and isinstance(number, int) else round(more, _DIGITS)
    return str(plain) if isinstance(value, str) else _bounded(plain)


def _bounded(number: Any) -> Any:
    """A number that JSON can hold here."""
    return SAME if isinstance(number, int) and abs(number) >= MAX_INTEGER else number


# -- instants ---------------------------------------------------------------------------------------


def read_time(value: Any) -> float | None:
    """The instant of a field, in seconds since the epoch: a number of seconds or milliseconds, or RFC 3339."""
    number = as_number(value)
    if number is not None:
        seconds = number / 1000 if number > MILLISECONDS_FROM else number
        return float(seconds) if _FIRST_INSTANT < seconds < LAST_INSTANT else None
    try:
        return read_instant(value) if isinstance(value, str) else None
    except ValueError:
        return None


def write_time(instant: float, like: Any) -> Any:
    """An instant in the form of another one."""
    number = as_number(like)
    if number is None:
        return rfc3339(instant)
    counted = instant * 1000 if number > MILLISECONDS_FROM else instant
    return _like(like, counted if isinstance(number, float) else int(counted))


def _other_time(value: Any) -> Any:
    instant = read_time(value)
    if instant is None:
        return SAME
    return rfc3339(instant) if as_number(value) is not None else int(instant)


def _milliseconds(value: Any) -> Any:
    instant = read_time(value)
    if instant is None:
        return SAME
    number = as_number(value)
    is_counted = number is not None and number > MILLISECONDS_FROM
    counted = int(instant) if is_counted else int(instant * 1000)
    return str(counted) if isinstance(value, str) and number is not None else counted


# -- shapes -----------------------------------------------------------------------------------------


def links_in(value: Any, levels: int = MAX_LEVELS) -> Iterator[str]:
    """The links in a value, from the outside in."""
    if isinstance(value, str):
        if value.startswith(("http://", "https://")):
            yield value
        return
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    if levels:
        for each in inner:
            yield from links_in(each, levels - 1)


def _other_type(value: Any) -> Any:
    if isinstance(value, str):
        number = as_number(value)
        return SAME if number is None else number
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, (int, float)) else SAME


def _other_scale(value: Any) -> Any:
    """Percent as a share of 1, a share as percent."""
    number = as_number(value)
    if number is None:
        return SAME
    return round(number * 100) if isinstance(number, float) and number <= 1 else round(number / 100, _DIGITS)


def _other_shape(value: Any) -> Any:
    if isinstance(value, list):
        return value[0] if value else SAME
    return SAME if value is None else [value]


def _link(value: Any) -> Any:
    return SAME if isinstance(value, str) else next(links_in(value), SAME)


def _path(value: Any) -> Any:
    """A link without scheme and host, wherever it stands in the value."""
    if isinstance(value, str):
        if not value.startswith(("http://", "https://")):
            return SAME
        parts = urlsplit(value)
        return parts.path + (f"?{parts.query}" if parts.query else "")
    return mapped_links(value, lambda link: _path(link))


def mapped_links(value: Any, change: Callable[[str], Any]) -> Any:
    """The same value with other links; SAME if it has none."""
    if next(links_in(value), None) is None:
        return SAME
    if isinstance(value, str):
        return change(value)
    if isinstance(value, list):
        return [item if (new := mapped_links(item, change)) is SAME else new for item in value]
    return {name: item if (new := mapped_links(item, change)) is SAME else new for name, item in value.items()}


def _fraction(value: Any) -> Any:
    """A whole instant with a fraction of a second, or one with a fraction without it."""
    if read_time(value) is None or as_number(value) != value:
        if read_time(value) is None or not isinstance(value, str) or not value.endswith("Z"):
            return SAME
        whole, _, fraction = value[:-1].partition(".")
        return f"{whole}Z" if fraction else f"{whole}.250Z"
    return value + (0.5 if value > MILLISECONDS_FROM else 0.25)


def _offset(value: Any) -> Any:
    """The same instant in the time of another place."""
    if not isinstance(value, str) or not value.endswith("Z") or read_time(value) is None:
        return SAME
    return f"{value[:-1]}+00:00"


def _message(value: Any) -> Any:
    """The first text in an object."""
    texts = [text for text in value.values() if isinstance(text, str)] if isinstance(value, dict) else []
    return max(texts, key=len) if texts else SAME


CONVERTERS: Mapping[str, Callable[[Any], Any]] = {
    "other type": _other_type,
    "other time": _other_time,
    "milliseconds": _milliseconds,
    "other scale": _other_scale,
    "other shape": _other_shape,
    "link": _link,
    "path": _path,
    "message": _message,
    "fraction": _fraction,
    "offset": _offset,
    "object": lambda value: SAME if isinstance(value, (dict, list)) or value is None else {"value": value},
}
