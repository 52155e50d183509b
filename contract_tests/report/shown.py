"""Text that came from elsewhere, as a report shows it: what steers a terminal or the reading order is written out."""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from math import isfinite
from typing import Any

MOST = 2_000  # characters of one text that are shown
MOST_LEVELS = 12  # of nested data
_MOST_MARKS = 4  # combining marks on one letter; more of them paint over other lines

_ODD = re.compile(r"[^\t\n\x20-\x7e]")
# Controls, formatting (bidi, zero width), surrogates, private use, unassigned (with the noncharacters that XML
# forbids), and the separators that some readers take for line ends.
_WRITTEN_OUT = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
_MARKS = {"Mn", "Me", "Mc"}


def shown(text: object, most: int = MOST) -> str:
    """A text without anything live, cut after so many characters; line ends and tabs stay."""
    words = text if isinstance(text, str) else str(text)
    whole = len(words)
    if whole > most:
        words = f"{words[:most]}… ({whole:,} characters in all)"
    return _written_out(words) if _ODD.search(words) else words


def line(text: object, most: int = MOST) -> str:
    """The same on one line."""
    return re.sub(r"\s+", " ", shown(text, most)).strip()


def _written_out(text: str) -> str:
    pieces, marks = [], 0
    for sign in text.replace("\r\n", "\n"):
        category = unicodedata.category(sign)
        marks = marks + 1 if category in _MARKS else 0
        is_live = category in _WRITTEN_OUT and sign not in "\n\t"
        pieces.append(escaped(sign) if is_live or marks > _MOST_MARKS else sign)
    return "".join(pieces)


def escaped(sign: str) -> str:
    r"""One character as `\x1b`, `\u202e` or `\U000e0001`."""
    code = ord(sign)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def plain(value: Any, most: int = MOST, level: int = 0) -> Any:
    """JSON data of whatever a report holds: texts without lone surrogates and cut, no odd numbers, not too deep."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return encodable(value, most)
    if isinstance(value, int):
        return int(value) if abs(value) < 2**63 else str(value)[:most]
    if isinstance(value, float):
        return value if isfinite(value) else str(value)
    if level >= MOST_LEVELS:
        return encodable(str(type(value).__name__), most)
    if isinstance(value, Mapping):
        return {encodable(str(key), most): plain(inner, most, level + 1) for key, inner in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, (bytes, bytearray)):
        return [plain(inner, most, level + 1) for inner in value]
    return encodable(str(value), most)


def encodable(text: str, most: int) -> str:
    """A text that UTF-8 can hold, of at most so many characters; done twice, it comes to the same."""
    text = str(text)  # of an enum
    text = text if text.isascii() else re.sub("[\ud800-\udfff]", lambda found: escaped(found[0]), text)
    remark = f"… ({len(text):,} characters in all)"
    return text if len(text) <= most else text[: max(0, most - len(remark))] + remark
