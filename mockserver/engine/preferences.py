"""What a client prefers of an answer: `Prefer: code=404, example=name, dynamic=true, scenario=name` (RFC 7240)."""

import re
from typing import NamedTuple

_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_WORD = rf'(?:{_TOKEN}|"(?:[^"\\]|\\.)*")'
# One preference with its parameters, which say nothing here; words may be quoted and blanks stand round `=`.
_PREFERENCE = re.compile(rf"\s*({_TOKEN})(?:\s*=\s*({_WORD})?)?((?:\s*;[^,;\"]*(?:\"(?:[^\"\\]|\\.)*\")?)*)\s*(?:,|$)")
_ESCAPE = re.compile(r"\\(.)")
MAX_LENGTH = 2000  # characters of the header that are read


class Preferences(NamedTuple):
    """What is preferred; '' and False for what is not spoken of."""

    code: str = ""
    example: str = ""
    dynamic: bool = False
    scenario: str = ""

    @property
    def applied(self) -> bytes:
        """The value of `Preference-Applied`."""
        parts = [f"code={self.code}"] if self.code else []
        if self.example:
            plain = re.fullmatch(_TOKEN, self.example)
            quoted = re.sub(r'(["\\])', r"\\\1", self.example)
            parts.append(f"example={self.example}" if plain else f'example="{quoted}"')
        if self.dynamic:
            parts.append("dynamic=true")
        return ", ".join(parts).encode("latin-1", "replace")


def read_preferences(raw: bytes) -> Preferences | None:
    """The preferences of a header, or None if it holds none that is known here. The first of a name counts (2)."""
    text = raw.decode("latin-1")[:MAX_LENGTH]
    found: dict[str, str] = {}
    at = 0
    while at < len(text):
        match = _PREFERENCE.match(text, at)
        if match is None or match.end() == at:  # broken: pass over it to the next comma
            at = text.find(",", at) + 1 or len(text)
            continue
        found.setdefault(match[1].lower(), _unquoted(match[2] or ""))
        at = match.end()
    dynamic = "dynamic" in found and found["dynamic"].lower() in ("", "true", "1")
    wishes = Preferences(found.get("code", ""), found.get("example", ""), dynamic, found.get("scenario", ""))
    return wishes if any(wishes) else None


def _unquoted(word: str) -> str:
    return _ESCAPE.sub(r"\1", word[1:-1]) if word.startswith('"') else word
