"""Texts and numbers that look like what their field is called: by format, by name, by `x-faker`, by pattern."""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from random import Random
from string import ascii_lowercase, digits
from typing import Any

from mockserver.jobs.vocabulary import Vocabulary, plain
from mockserver.message import PHRASES
from mockserver.openapi.document import Node

MAX_LENGTH = 10_000  # characters of one made-up text
MAX_REPEATS = 6  # of what a pattern allows without end
_START = 1_767_261_600  # 2026-01-01T10:00:00Z, where no name says more
_TIMES = ("created", "updated", "expires", "instant")  # kinds of values that are instants
_THOUSANDTHS = {"ms", "millis", "milliseconds"}
_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
_CODE = re.compile(r"`([\w.:/-]+)`")
_CLASSES = re.compile(r"\\[pP]\{[^}]*\}")


class Wording:
    """The words of a vocabulary as values; without one, the plainest values there are."""

    def __init__(self, vocabulary: Vocabulary | None, error: int = 0) -> None:
        """`error` is the HTTP status of the answer that the values stand in, if that is an error."""
        self._vocabulary = vocabulary
        self._error = error
        self._kinds: dict[str, str | None] = {}

    def kind(self, name: str) -> str | None:
        """Which kind of values a field's name asks for; its last words count where the whole says nothing."""
        if name not in self._kinds:
            self._kinds[name] = self._find_kind(name)
        return self._kinds[name]

    def _find_kind(self, name: str) -> str | None:
        if self._vocabulary is None:
            return None
        words = [word.lower() for word in _WORDS.findall(name)][-6:] or [name]
        if words[-1] in _THOUSANDTHS and len(words) > 1:
            words.pop()
        ranks = self._vocabulary.ranks
        for first in range(len(words)):
            tail = "".join(words[first:])
            for kind, names in ranks.get("sample names", {}).items():
                if tail in names:
                    return kind
        return None

    def values(self, kind: str | None) -> tuple[Any, ...]:
        """The values of a kind."""
        return self._vocabulary.samples.get(kind, ()) if self._vocabulary and kind else ()

    def ends_list(self, name: str, role: str) -> bool:
        """Whether a field says if and how a list goes on (`has more`, `next`): a made-up one has one page."""
        return self._vocabulary is not None and self._vocabulary.rank("paging", role, name) is not None

    def text(self, node: Node, name: str, random: Random, shift: int) -> str:
        """A text for a field, before its length is fitted. `shift` counts the items of a list, so that they differ."""
        if made := self.formatted(str(node.get("format")), name, random, shift):
            return made
        if role := self._error_role(name):
            phrase = PHRASES.get(self._error, "Error")
            return phrase if role == "message" else phrase.lower().replace(" ", "_").replace("-", "_")
        kind = self.kind(name)
        if kind in _TIMES:
            return _instant(self._second(kind)).isoformat().replace("+00:00", "Z")
        if kind == "id":
            stem = "_".join(word.lower() for word in _WORDS.findall(name)[:-1]) or "id"
            return f"{stem}_{_letters(random, 16)}"
        if kind == "token":
            return _letters(random, 24)
        if kind == "type" and (told := _CODE.search(str(node.get("description", "")))):
            return told[1]  # "The type of this object (`storage.file`)."
        words = [value for value in self.values(kind) if isinstance(value, str)]
        words = words or [value for value in self.values("text") if isinstance(value, str)]
        return _turn(words, random, shift) if words else f"string{shift}" if shift else "string"

    def formatted(self, form: str, name: str, random: Random, shift: int) -> str | None:
        """A text of a format, or None for one that is not known."""
        make = _FORMATS.get(form)
        if make is None:
            return None
        if form in ("date-time", "date"):
            at = _instant(self._second(self.kind(name)) + 86_400 * shift)
            return at.date().isoformat() if form == "date" else at.isoformat().replace("+00:00", "Z")
        if form in ("uri", "url", "iri", "email", "idn-email", "ipv4"):
            kind = {"email": "email", "idn-email": "email", "ipv4": "ip"}.get(form, "url")
            kind = "image url" if kind == "url" and self.kind(name) == "image url" else kind
            if words := self.values(kind):
                return str(_turn(words, random, shift)).replace(" ", "")
        return make(random)

    def _error_role(self, name: str) -> str | None:
        """What a field says of an error, if the values stand in one."""
        if not self._error or self._vocabulary is None:
            return None
        roles = ("message", "status", "code", "type")
        return next((role for role in roles if self._vocabulary.rank("error", role, name) is not None), None)

    def _second(self, kind: str | None) -> int:
        values = self.values(kind) if kind in _TIMES else ()
        return int(values[0]) if values else _START

    def number(self, name: str, random: Random, shift: int) -> int | float | None:
        """A number that a field's name asks for, or None."""
        if self._error_role(name) in ("status", "code"):
            return self._error
        kind = self.kind(name)
        if kind == "index":
            return shift
        numbers = [v for v in self.values(kind) if isinstance(v, (int, float)) and not isinstance(v, bool)]
        if not numbers:
            return None
        number: int | float = _turn(numbers, random, shift)
        in_thousandths = kind in (*_TIMES, "seconds") and any(w.lower() in _THOUSANDTHS for w in _WORDS.findall(name))
        return number * 1000 if in_thousandths else number

    def faked(self, wish: Any, random: Random) -> Any:
        """What `x-faker` asks for, by the method's name in Python or in JavaScript; None for what is not known."""
        called = next(iter(wish), None) if isinstance(wish, dict) else wish
        if not isinstance(called, str) or not self._vocabulary:
            return None
        known = self._vocabulary.ranks.get("faker", {})
        key = plain(called)
        method = next((m for m, names in known.items() if key in names or key == plain(m)), None)
        if method is None:
            return None
        from faker import Faker  # 0.1 s, and few documents ask for it

        fake = Faker()
        fake.seed_instance(random.getrandbits(64))
        value = getattr(fake, method)()
        if isinstance(value, (list, tuple)):
            value = " ".join(map(str, value))
        return value if isinstance(value, (str, int, float, bool)) else str(value)


def text_of_pattern(pattern: str, random: Random) -> str | None:
    """A text that a regular expression matches, or None for one that is beyond this."""
    from rstr import Rstr

    class Bounded(Rstr):
        """Repeats seldom and, nested, only until the text is long enough."""

        room = MAX_LENGTH

        def _handle_repeat(self, start_range: int, end_range: int, value: Any) -> str:
            out: list[str] = []
            for _ in range(self._random.randint(start_range, max(start_range, min(end_range, start_range + many)))):
                self.room -= 1
                if self.room < 0:
                    raise ValueError("too long")
                out.append("".join(self._handle_state(state) for state in value))
            return "".join(out)

    many = MAX_REPEATS
    readable = _CLASSES.sub("a-z" if "[" in pattern else "[a-z]", pattern).replace("(?<", "(?P<")
    readable = readable.replace("(?P<=", "(?<=").replace("(?P<!", "(?<!").replace("\\Z", "$").replace("\\z", "$")
    try:
        return str(Bounded(random).xeger(readable))
    except Exception:  # what the library cannot read ends in errors of all kinds
        return None


def fitted(text: str, least: int, most: int | None) -> str:
    """A text made longer or shorter."""
    least = min(least, MAX_LENGTH)
    if len(text) < least:
        text = (text + " " + text) if len(text) * 2 + 1 >= least else text
        text = text.ljust(least, "x")
    return text if most is None else text[: max(most, 0)]


def _turn(values: Any, random: Random, shift: int) -> Any:
    """One of some values; further items of a list take the ones that follow."""
    value = values[(random.randrange(len(values)) + shift) % len(values)]
    return f"{value} {shift}" if shift >= len(values) and isinstance(value, str) else value


def _instant(second: int) -> datetime:
    return datetime.fromtimestamp(second, UTC)


def _letters(random: Random, count: int) -> str:
    return "".join(random.choices(ascii_lowercase + digits, k=count))


def _uuid(random: Random) -> str:
    number = f"{random.getrandbits(128):032x}"
    return f"{number[:8]}-{number[8:12]}-4{number[13:16]}-a{number[17:20]}-{number[20:]}"


_FORMATS: dict[str, Callable[[Random], str]] = {
    "date-time": lambda r: "2026-01-01T10:00:00Z",
    "date": lambda r: "2026-01-01",
    "time": lambda r: f"{r.randrange(24):02}:{r.randrange(60):02}:00Z",
    "duration": lambda r: f"PT{r.randrange(1, 60)}S",
    "uuid": _uuid,
    "uri": lambda r: "https://example.com/",
    "url": lambda r: "https://example.com/",
    "iri": lambda r: "https://example.com/",
    "uri-reference": lambda r: "/items/1",
    "iri-reference": lambda r: "/items/1",
    "uri-template": lambda r: "/items/{id}",
    "email": lambda r: "user@example.com",
    "idn-email": lambda r: "user@example.com",
    "hostname": lambda r: "example.com",
    "idn-hostname": lambda r: "example.com",
    "ipv4": lambda r: "192.0.2.17",
    "ipv6": lambda r: "2001:db8::17",
    "json-pointer": lambda r: "/items/0",
    "relative-json-pointer": lambda r: "0",
    "regex": lambda r: "^[a-z]+$",
    "byte": lambda r: "aGFyYm91cg==",
    "int64": lambda r: str(r.randrange(1, 10**9)),
    "int32": lambda r: str(r.randrange(1, 10**6)),
    "decimal": lambda r: f"{r.randrange(1, 1000)}.50",
    "google-datetime": lambda r: "2026-01-01T10:00:00Z",
    "google-duration": lambda r: f"{r.randrange(1, 60)}s",
    "google-fieldmask": lambda r: "name",
    "password": lambda r: _letters(r, 16),
}
