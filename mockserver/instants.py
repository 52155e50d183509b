"""Instants and durations as people and programs write them: RFC 3339, ISO 8601, and `90s`."""

import re
from datetime import UTC, datetime, timedelta
from math import isfinite

from mockserver.clock import MOST

_SHORT = re.compile(r"(?:(\d+)d)?\s*(?:(\d+)h)?\s*(?:(\d+)m(?!s))?\s*(?:(\d+(?:\.\d+)?)s)?\s*(?:(\d+)ms)?")
_PLAIN = re.compile(r"\d+(\.\d+)?")
DURATION = "seconds as a number, `90s`, `1h30m`, `250ms`, or an ISO 8601 duration such as `PT1M30S`"
INSTANT = "an RFC 3339 instant such as `2026-11-20T12:00:00Z`, or seconds since 1970"


def read_duration(value: object) -> float:
    """Seconds. Raises ValueError that says what was found and what is expected."""
    found: float | None = None
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        found = float(value)
    elif isinstance(value, str) and len(value) <= 64 and (text := value.strip()):
        if _PLAIN.fullmatch(text):
            found = float(text)
        elif text[0] in "Pp":
            found = _iso(text)
        elif match := _SHORT.fullmatch(text.lower()):
            days, hours, minutes, seconds, millis = (float(part or 0) for part in match.groups())
            found = days * 86_400 + hours * 3600 + minutes * 60 + seconds + millis / 1000
    if found is None or not isfinite(found) or not 0 <= found <= MOST:
        raise ValueError(f"{_shown(value)} is no duration; expected {DURATION}")
    return found


def _iso(text: str) -> float | None:
    import isodate  # seldom needed

    try:
        read = isodate.parse_duration(text.upper(), as_timedelta_if_possible=True)
        return float(read.total_seconds()) if isinstance(read, timedelta) else None  # months and years have no length
    except (ValueError, OverflowError, isodate.ISO8601Error):
        return None


def read_instant(value: object) -> float:
    """Seconds since the epoch. Raises ValueError that says what was found and what is expected."""
    found: float | None = None
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        found = float(value)
    elif isinstance(value, str) and len(value) <= 64:
        try:
            read = datetime.fromisoformat(value.strip())
            if read.tzinfo is not None and len(value.strip()) > 10:
                found = read.timestamp()
        except (ValueError, OverflowError):
            pass
    if found is None or not isfinite(found) or not 0 <= found <= MOST:
        raise ValueError(f"{_shown(value)} is no instant; expected {INSTANT}")
    return found


def write_instant(instant: float) -> str:
    """An instant as RFC 3339, in UTC, to the millisecond."""
    return datetime.fromtimestamp(instant, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
