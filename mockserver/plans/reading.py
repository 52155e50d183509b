"""Reading data strictly: what is not known is an error that names the place, what was found and what is expected."""

from collections.abc import Collection, Mapping
from typing import Any, TypeVar

from mockserver.errors import DeclarationError
from mockserver.instants import read_duration

Known = TypeVar("Known")
MAX_WORD = 100  # characters of a word whose like is looked for


def known(catalogue: Mapping[str, Known], name: str, where: str) -> Known:
    """What stands under a name. Raises DeclarationError for a name that is not known."""
    if name not in catalogue:
        names = ", ".join(sorted(catalogue))
        raise DeclarationError(f"{where}: {name[:64]!r} is not known{near(name, catalogue)}; known are {names}.")
    return catalogue[name]


def as_map(data: Any, known: Collection[str], where: str) -> Mapping[str, Any]:
    """A map with none but known keys. Raises DeclarationError."""
    if not isinstance(data, dict):
        raise DeclarationError(
            f"{where}: found {_shown(data)}, expected a map with keys of {', '.join(sorted(known))}."
        )
    for key in data:
        if key not in known:
            raise DeclarationError(
                f"{where}: unknown key {_shown(key)}{near(str(key), known)}; known are {', '.join(sorted(known))}."
            )
    return data


def near(word: str, known: Collection[str]) -> str:
    """` (did you mean …?)`, or nothing."""
    from difflib import get_close_matches  # needed for mistakes alone

    close = get_close_matches(word[:MAX_WORD], list(map(str, known)), 1)
    return f" (did you mean {close[0]!r}?)" if close else ""


def as_choice(value: Any, choices: Collection[str], where: str) -> str:
    """One of some words. Raises DeclarationError."""
    if not isinstance(value, str) or value not in choices:
        hint = near(value, choices) if isinstance(value, str) else ""
        raise DeclarationError(f"{where}: found {_shown(value)}{hint}, expected one of {', '.join(sorted(choices))}.")
    return value


def as_text(value: Any, where: str, most: int = 2000) -> str:
    """A text. Raises DeclarationError."""
    if not isinstance(value, str) or not value or len(value) > most:
        raise DeclarationError(f"{where}: found {_shown(value)}, expected a text of 1 to {most} characters.")
    return value


def as_number(value: Any, where: str, low: float, high: float) -> float:
    """A number within bounds. Raises DeclarationError."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not low <= value <= high:
        raise DeclarationError(f"{where}: found {_shown(value)}, expected a number from {low:g} to {high:g}.")
    return value


def as_whole(value: Any, where: str, low: int, high: int) -> int:
    """A whole number within bounds. Raises DeclarationError."""
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise DeclarationError(f"{where}: found {_shown(value)}, expected a whole number from {low} to {high}.")
    return value


def as_seconds(value: Any, where: str) -> float:
    """A duration in seconds. Raises DeclarationError."""
    try:
        return read_duration(value)
    except ValueError as error:
        raise DeclarationError(f"{where}: {error}.") from None


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
