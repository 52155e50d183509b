"""Identifiers: made from a format and a seeded generator, so that the same seed gives the same ids."""

import re
from collections.abc import Callable, Sequence
from random import Random

from mockserver.errors import DeclarationError

_PLACEHOLDER = re.compile(r"\{(hex|alnum|digits|uuid|objectid)(?::(\d{1,3}))?\}")
_PATTERN = re.compile(r"/(.+)/")  # a format that is a regular expression
# looks around, repeats repeats, counts on other engines
_NESTED = re.compile(r"\(\?[=!<]|[*+}]\)[*+{]|\\[pPkbB]|\[[^\]]*\[")
MAX_PATTERN = 200  # characters of such a format
MAX_REPEATS = 24  # of what a pattern lets stand any number of times
MAX_DRAWS = 50  # of a pattern, until one fits
_ALNUM = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
_DIGITS = "0123456789"
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.I)


def id_maker(id_format: str) -> Callable[[Random], str]:
    """A function that draws an id.

    A format is literal text with `{hex:n}`, `{alnum:n}`, `{digits:n}`, `{uuid}` or `{objectid}` in it, or a regular
    expression between slashes. Raises DeclarationError for any other placeholder, or a pattern that nothing has.
    """
    if pattern := _PATTERN.fullmatch(id_format):
        return _by_pattern(pattern[1], id_format)
    literals = _PLACEHOLDER.split(id_format)
    if "{" in "".join(literals[::3]) or not _PLACEHOLDER.search(id_format):
        raise DeclarationError(
            f"id-format {id_format!r}: expected {{hex:n}}, {{alnum:n}}, {{digits:n}}, {{uuid}} or {{objectid}}."
        )
    if len(literals) == 4 and literals[1] == "hex" and not literals[3]:
        prefix, width = literals[0], int(literals[2] or 32)
        if width % 2 == 0:
            return lambda random: prefix + random.randbytes(width // 2).hex()
        return lambda random: f"{prefix}{random.getrandbits(4 * width):0{width}x}"
    pieces: list[str | Callable[[Random], str]] = []
    for index in range(0, len(literals), 3):
        pieces.append(literals[index])
        if index + 1 < len(literals):
            pieces.append(_drawer(literals[index + 1], int(literals[index + 2] or 0)))
    return lambda random: "".join(p if isinstance(p, str) else p(random) for p in pieces)


def _by_pattern(pattern: str, id_format: str) -> Callable[[Random], str]:
    """Draws ids of a pattern that fit into a path."""
    from rstr import Rstr

    if len(pattern) > MAX_PATTERN or _NESTED.search(pattern):
        raise DeclarationError(f"id-format {id_format!r}: a pattern of this kind is not drawn from.")
    try:
        wanted = re.compile(pattern.replace(r"\d", "[0-9]").replace(r"\w", "[0-9A-Za-z_]"))
    except (re.error, OverflowError) as error:
        raise DeclarationError(f"id-format {id_format!r} is no pattern: {error}.") from None
    whole = wanted.pattern if wanted.pattern.startswith("^") else f"^{wanted.pattern}$"

    def draw(random: Random) -> str:
        for _ in range(MAX_DRAWS):
            text = str(Rstr(random).xeger(re.sub(r"(?<!\\)[*+](?!\})", f"{{1,{MAX_REPEATS}}}", whole)))
            if wanted.search(text) and re.fullmatch(r"[!-.0-~]{1,60}", text):
                return text
        raise DeclarationError(f"id-format {id_format!r}: no id is found that has this pattern.")

    try:
        draw(Random(0))
    except DeclarationError:
        raise
    except Exception as error:  # a pattern can be more than the library that draws from it knows
        raise DeclarationError(f"id-format {id_format!r} cannot be drawn from: {error}.") from None
    return draw


def fits(id_format: str, patterns: Sequence[str], least: int, most: int) -> bool:
    """Whether ids of a format have these patterns, and from `least` to `most` characters."""
    try:
        id = id_maker(id_format)(Random(0))
        return least <= len(id) <= most and all(re.search(pattern, id) for pattern in patterns)
    except (DeclarationError, re.error, RecursionError, OverflowError):
        return False


def _drawer(kind: str, width: int) -> Callable[[Random], str]:
    if kind == "uuid":
        return _uuid
    if kind in ("hex", "objectid"):
        length = 24 if kind == "objectid" else width or 32
        return lambda random: f"{random.getrandbits(4 * length):0{length}x}"
    length = width or 24
    if kind == "digits":  # never a leading zero: as an integer it would be lost
        least = 10 ** (length - 1) if length > 1 else 0
        return lambda random: str(random.randrange(least, 10**length))
    letters = _ALNUM
    return lambda random: "".join(random.choices(letters, k=length))


def _uuid(random: Random) -> str:
    """A random UUID of version 4 (RFC 9562)."""
    digits = f"{random.getrandbits(128):032x}"
    return (
        f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-{'89ab'[int(digits[16], 16) % 4]}{digits[17:20]}-{digits[20:]}"
    )


def format_of(examples: list[str], noun: str) -> str:
    """The id format that the most telling of some examples shows; short stand-ins (`video_123`) lend their prefix."""
    for example in sorted(examples, key=len, reverse=True):
        if match := _UUID.search(example):
            return f"{example[: match.start()]}{{uuid}}{example[match.end() :]}"
        prefix, separator, rest = example.rpartition("_") if "_" in example else example.rpartition("-")
        if len(rest) >= 6 and rest.isdecimal():
            return f"{prefix}{separator}{{digits:{len(rest)}}}"
        if len(rest) >= 16 and re.fullmatch(r"[0-9a-f]+", rest):
            return f"{prefix}{separator}{{hex:{len(rest)}}}"
        if len(rest) >= 12 and rest.isalnum():
            return f"{prefix}{separator}{{alnum:{len(rest)}}}"
        if prefix and prefix.isidentifier():
            return f"{prefix}{separator}{{alnum:24}}"
    return f"{noun}_{{alnum:24}}"
