"""Secrets taken out of what is shown: out of headers, queries, bodies, URLs and any other text.

A secret is known by where it stands (a header that carries keys, a field called `password`), by what it looks like
(`sk-…`, `whsec_…`, a Bearer token, a JSON Web Token), or because it is a key of this server, wherever that stands. The
same secret looks the same each time: its first and last characters.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any
from urllib.parse import unquote_plus

MOST_LEVELS = 100  # of a JSON value; what is nested deeper is shown as text
SECRET = "***"  # a secret that is too short to show any of it
MOST_KEPT = 100  # characters of a name whose reading is remembered: the same ones come again and again
_HEAD = 8  # characters by which a key is found inside a text; a shorter one is masked as a word of its own
_FEW = 100  # keys
_WORD = re.compile(r"[\w-]+")
_SEPARATORS = re.compile(r"[^a-z0-9]+")
_NAMES = {
    "apikey", "auth", "authorization", "bearer", "cookie", "credential", "credentials", "jwt", "key", "passphrase",
    "passwd", "password", "pwd", "secret", "setcookie", "sig", "signature", "token",
}  # fmt: skip
_ENDINGS = (
    "accesskey", "accesskeyid", "accountkey", "apikey", "authkey", "authorization", "clientsecret", "credential",
    "credentials", "encryptionkey", "jwt", "passphrase", "passwd", "password", "privatekey", "secret", "secretkey",
    "signature", "signingkey", "token",
)  # fmt: skip
_HARMLESS = ("continuationtoken", "idempotencytoken", "nexttoken", "pagetoken", "synctoken")  # they page, or count
_SCHEMES = {"apikey", "basic", "bearer", "digest", "key", "token"}
_LOOKS = re.compile(
    r"""(?<![A-Za-z0-9_-])(?:
        (?:[spr]k[-_])[A-Za-z0-9_-]{8,}
      | whsec_[A-Za-z0-9+/=_-]{8,}
      | eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{2,}(?:\.[A-Za-z0-9_-]*)?
    )""",
    re.X,
)
_BEARER = re.compile(r"(?<![A-Za-z0-9])((?:bearer|basic)(?:\s|%20|\+)+)([^\s\"'<>,;)}\]\\]{8,})", re.I)
_USERINFO = re.compile(r"(://[^/\s:@\"']{1,128}:)([^/\s@\"']{1,256})(?=@)")
_IN_JSON = re.compile(r'(?<!\\)("([^"\\]{1,64})"\s*:\s*")((?:[^"\\]|\\.)+)', re.S)
_IN_QUOTED_JSON = re.compile(r'((?<!\\)\\{1,8}"([^"\\]{1,64})\\{1,8}"\s{0,8}:\s{0,8}\\{1,8}")([^"\\]+)')
_PAIR = re.compile(r"(?<![\w.~%-])(([\w.~%-]{1,64})=)([^&#\s\"'<>;,]+)")
_ESCAPES = {"%": r"%[0-9A-Fa-f]{2}", "\\": r"\\u00[0-9A-Fa-f]{2}|\\."}  # in URLs, and in strings of JSON
_ESCAPED = {mark: re.compile(escape, re.S) for mark, escape in _ESCAPES.items()}
_SIGNS = {mark: re.compile(f"{escape}|.", re.S) for mark, escape in _ESCAPES.items()}


def mask(key: str) -> str:
    """A key as it may be shown: its first and last characters, or only stars if it is short."""
    return f"{key[:3]}{SECRET}{key[-2:]}" if len(key) > 12 else SECRET


def is_secret_name(name: str) -> bool:
    """Whether what stands under a name (of a header, a field, a parameter, a cookie) is a secret."""
    return _is_secret_name(name) if len(name) <= MOST_KEPT else _is_secret_name.__wrapped__(name)


@lru_cache(maxsize=4096)
def _is_secret_name(name: str) -> bool:
    plain = _SEPARATORS.sub("", name.lower())
    return plain in _NAMES or (plain.endswith(_ENDINGS) and not plain.endswith(_HARMLESS))


@lru_cache(maxsize=16)
def masking(names: frozenset[str], keys: frozenset[str]) -> "Masking":
    """The masking for the names that carry keys by the contracts (in lower case) and for the keys that are known."""
    return Masking(names, keys)


class Masking:
    """Masks secrets. `names` are further names that carry them, `keys` are secrets wherever they stand."""

    def __init__(self, names: Iterable[str] = (), keys: Iterable[str] = ()) -> None:
        self._named = frozenset(name.lower() for name in names)
        pieces = {piece for key in keys if not key.startswith("\0") for piece in (*key.split(" "), key) if piece}
        self._heads: dict[str, list[str]] = {}
        for key in sorted(pieces, key=lambda key: (-len(key), key)):
            if len(key) >= _HEAD:
                self._heads.setdefault(key[:_HEAD], []).append(key)
        short = {key for key in pieces if len(key) < _HEAD} - {SECRET}
        self._words = frozenset(key for key in short if _WORD.fullmatch(key))
        self._signs = sorted((key for key in short - self._words if key.strip("*")), key=len, reverse=True)

    def names(self, name: str) -> bool:
        """Whether what stands under a name is a secret."""
        return name.lower() in self._named or is_secret_name(name)

    # -- what is to be shown ------------------------------------------------------------------------

    def text(self, text: str) -> str:
        """A text without secrets; JSON, forms and URLs in it are looked into, also where they are cut off."""
        text = self.known(text)
        if '":' in text or '" :' in text:
            text = _IN_JSON.sub(self._under_name, text)
            text = _IN_QUOTED_JSON.sub(self._under_name, text)
        if "=" in text:
            text = _PAIR.sub(self._under_name, text)
        if "://" in text:
            text = _USERINFO.sub(lambda m: m[1] + mask(unquote_plus(m[2])), text)
        text = _LOOKS.sub(lambda m: mask(m[0]), text)
        text = _BEARER.sub(lambda m: m[1] + _again(m[2]), text)
        return self.known(text)

    def header(self, name: str, value: str) -> str:
        """The value of a header."""
        lower = name.lower()
        if lower in ("cookie", "set-cookie"):
            return self.known("; ".join(self._cookies(value, lower == "set-cookie")))
        if not self.names(lower):
            return self.text(value)
        word, space, rest = value.strip().partition(" ")
        if space and word.lower() in _SCHEMES:
            return self.known(f"{word} {mask(rest.strip())}")
        return self.known(mask(value)) if value else ""

    def query(self, query: str) -> str:
        """A raw query string, or an urlencoded form."""
        pieces = []
        for piece in query.split("&"):
            name, equals, value = piece.partition("=")
            shown = mask(unquote_plus(value)) if value and self.names(unquote_plus(name)) else self.text(value)
            pieces.append(f"{self.text(name)}{equals}{shown}")
        return self.known("&".join(pieces))

    def field(self, name: str, value: str) -> str:
        """The text under a name: a field of a form, a cookie, a parameter."""
        if not self.names(name):
            return self.text(value)
        return self.known(mask(value)) if value else ""

    def value(self, value: Any, name: str = "", level: int = 0) -> Any:
        """A JSON value, which may stand under a name. Raises RecursionError for one that is nested too deep."""
        if level > MOST_LEVELS:
            raise RecursionError(f"a value that is nested deeper than {MOST_LEVELS} levels")
        if isinstance(value, str):
            return self.field(name, value)
        if isinstance(value, dict):
            whole = self.names(name)
            return {
                self.text(key): self.value(inner, name if whole else key, level + 1) for key, inner in value.items()
            }
        if isinstance(value, list):
            return [self.value(inner, name, level + 1) for inner in value]
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            written = str(value)
            return value if self.known(written) == written else SECRET
        return value

    # -- the keys that are known --------------------------------------------------------------------

    def known(self, text: str) -> str:
        """A text without the keys of this server, however they are encoded in it; half a key at a cut counts too."""
        text = text.encode("utf-8", "replace").decode()
        if self._heads and len(text) >= _HEAD:
            text = self._without_long(text)
        if self._words:
            text = _WORD.sub(lambda m: SECRET if m[0] in self._words else m[0], text)
        for sign in self._signs:
            text = text.replace(sign, SECRET)
        return text

    def _without_long(self, text: str) -> str:
        """A text without keys as they are, then without those that are encoded."""
        for _ in range(4):  # what is left and right of a key could make one
            before = text
            text = self._replaced(text, text, text)
            for mark in _ESCAPES:
                if mark in text:
                    plain = _ESCAPED[mark].sub(lambda m: _decoded(m[0]), text)
                    text = self._replaced(text, _SIGNS[mark].findall(text), plain) if self._may_hold(plain) else text
            if text == before:
                break
        return text

    def _replaced(self, text: str, signs: Sequence[str], plain: str) -> str:
        """A text, of these signs, without the keys that stand where its plain form has them."""
        if not self._may_hold(plain):
            return text
        pieces, at = [], 0
        for start, end, shown in self._spans(plain):
            pieces += [*signs[at:start], shown]
            at = end
        return "".join([*pieces, *signs[at:]]) if at else text

    def _may_hold(self, plain: str) -> bool:
        """Whether it is worth looking for keys in a text: few are looked for one by one, which is faster."""
        return len(self._heads) > _FEW or any(head in plain for head in self._heads)

    def _spans(self, plain: str) -> Iterator[tuple[int, int, str]]:
        """Where keys stand in a text: first and last place, and what is shown there."""
        heads, at, last = self._heads, 0, len(plain) - _HEAD
        while at <= last:
            for key in heads.get(plain[at : at + _HEAD], ()):
                end = at + len(key)
                rest = plain[at:end].partition("…")[0]
                is_cut = key.startswith(rest) and (at + len(rest) == len(plain) or rest != plain[at:end])
                if plain.startswith(key, at) or is_cut:
                    yield at, at + len(rest), mask(key)
                    at += len(rest) - 1
                    break
            at += 1

    def _under_name(self, found: re.Match[str]) -> str:
        return found[1] + _again(found[3]) if self.names(unquote_plus(found[2])) else found[0]

    def _cookies(self, value: str, is_set: bool) -> Iterator[str]:
        for index, piece in enumerate(value.split(";")):
            name, equals, secret = piece.strip().partition("=")
            is_attribute = is_set and index > 0
            yield piece.strip() if is_attribute else f"{self.text(name)}{equals}{mask(secret) if secret else ''}"


def _again(secret: str) -> str:
    """A secret that may have been masked before."""
    return secret if SECRET in secret and len(secret) <= 8 else mask(unquote_plus(secret))


def _decoded(sign: str) -> str:
    """One character of a text, which may be written percent-encoded or as JSON escapes it."""
    if len(sign) == 1:
        return sign
    if sign[0] == "%":
        return chr(int(sign[1:], 16))
    return chr(int(sign[2:], 16)) if len(sign) == 6 else sign[1]


def pairs_of(headers: Mapping[bytes, bytes] | Iterable[tuple[bytes, bytes]]) -> list[tuple[str, str]]:
    """Headers as texts."""
    items = headers.items() if isinstance(headers, Mapping) else headers
    return [(name.decode("latin-1"), value.decode("latin-1")) for name, value in items]
