"""Who asks: credentials read as the contract's security schemes say. Any well-formed key is somebody."""

import re
from base64 import b64decode
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qs

from mockserver.engine.refusal import Refusal
from mockserver.message import Request
from mockserver.openapi.document import Document, Operation

MAX_REMEMBERED = 4096  # header values whose reading is kept
MAX_KEY = 4096  # characters
_WELL_FORMED = re.compile(r"[\x20-\x7e]+")

OPEN_KEY = "\0anyone"  # asks at an operation that needs no key, in a contract whose others do: sees any job by its id

Authorize = Callable[[Request], str]
Reader = Callable[[Request], str | None]


class KeyPolicy:
    """Which keys are refused: those that begin with a documented test word, and, if `allowed` is given, all others.

    `any_form`: a key may hold spaces, as placeholders do that are written in words.
    """

    def __init__(
        self, refused: tuple[str, ...], allowed: tuple[str, ...] = (), off: bool = False, any_form: bool = False
    ) -> None:
        self._refused = tuple(word.lower() for word in refused)
        self._allowed = frozenset(allowed)
        self.off = off
        self.any_form = any_form

    def reads(self, key: str) -> bool:
        """Whether a text is taken for a key: one without spaces, unless any form will do."""
        return self.any_form or " " not in key

    def accepts(self, key: str) -> bool:
        """Whether a well-formed key may be used."""
        return key in self._allowed if self._allowed else not key.lower().startswith(self._refused)


def compile_security(document: Document, operation: Operation, policy: KeyPolicy) -> Authorize:
    """A function that gives the owner of a request ('' for nobody in particular) or raises Refusal."""
    schemes = (document.root.get("components") or {}).get("securitySchemes") or {}
    alternatives: list[list[tuple[Reader, str]]] = []  # one without readers asks for no key
    for requirement in operation.security:
        readers = []
        for name in requirement:
            scheme = document.resolve(schemes.get(name))
            if not isinstance(scheme, dict):  # nobody declared it: the only one that is declared is meant, if any
                scheme = document.resolve(next(iter(schemes.values()))) if len(schemes) == 1 else None
            if isinstance(scheme, dict):
                readers.append(_reader(scheme))
        alternatives.append(readers)
    if not alternatives:
        is_open = not any(other.security for other in document.operations)
        return lambda request: "" if is_open else OPEN_KEY
    authorize = _authorizer(alternatives, policy)
    only = alternatives[0][0] if len(alternatives) == 1 and len(alternatives[0]) == 1 else None
    return _remembered(authorize, b"authorization") if only and only[1].startswith("Authorization") else authorize


def _remembered(authorize: Authorize, header: bytes) -> Authorize:
    """The same, keeping the answers for header values that were accepted before."""
    known: dict[bytes, str] = {}

    def remembered(request: Request) -> str:
        raw = request.headers.get(header)
        owner = known.get(raw) if raw is not None else None
        if owner is None:
            owner = authorize(request)
            if raw is not None:
                if len(known) >= MAX_REMEMBERED:
                    known.clear()
                known[raw] = owner
        return owner

    return remembered


def _authorizer(alternatives: list[list[tuple[Reader, str]]], policy: KeyPolicy) -> Authorize:
    challenge = [(b"www-authenticate", b"Bearer")] if any("Bearer" in r[1] for a in alternatives for r in a) else []

    def authorize(request: Request) -> str:
        anonymous = any(not readers for readers in alternatives) or policy.off
        wanted = " or ".join(sorted({where for readers in alternatives for _, where in readers}))
        refused = ""
        for readers in alternatives:
            keys = [key for reader, _ in readers if (key := reader(request)) is not None and policy.reads(key)]
            if keys and len(keys) == len(readers):
                wrong = next((key for key in keys if not policy.off and not policy.accepts(key)), None)
                if wrong is None:
                    return " ".join(keys)
                refused = refused or wrong
        if refused:
            from mockserver.masking import mask  # for those who are refused

            message = f"Incorrect API key provided: {mask(refused)}. This key is refused; use another."
            raise Refusal("refused_key", message, headers=challenge)
        if anonymous:
            return ""
        raise Refusal("unauthenticated", f"No usable API key was sent. Expected {wanted}.", headers=challenge)

    return authorize


def _reader(scheme: Mapping[str, Any]) -> tuple[Reader, str]:
    """How to read a scheme's credential, and where a client has to put it."""
    kind = str(scheme.get("type", "")).lower()
    if kind == "apikey":
        name, place = str(scheme.get("name", "")), str(scheme.get("in", "header"))
        readers = {"query": _from_query, "cookie": _from_cookie}
        where = f"a key in the {place} {'parameter' if place == 'query' else place} {name}"
        if place not in readers:
            return (
                lambda request: _header_key(request.headers.get(name.lower().encode()))
            ), f"a key in the header {name}"
        return (lambda request: readers[place](request, name)), where
    if kind == "http" and str(scheme.get("scheme", "")).lower() == "basic":
        return _basic, "Authorization: Basic <credentials>"
    return (lambda request: _token(request.headers.get(b"authorization"), "bearer ")), "Authorization: Bearer <key>"


_BEFORE_KEY = re.compile(rb"(bearer|token|key|api-?key)\s+", re.I)


def _header_key(raw: bytes | None) -> str | None:
    """A key in a header of its own: alone, or behind a word (`Bearer`, `Key`, `Token`), as prose often has it."""
    return _token(None if raw is None else _BEFORE_KEY.sub(b"", raw.strip(), count=1), "")


def _token(raw: bytes | None, prefix: str) -> str | None:
    if raw is None or len(raw) > MAX_KEY:
        return None
    text = raw.decode("latin-1").strip()
    if prefix:
        if text[: len(prefix)].lower() != prefix:
            return None
        text = text[len(prefix) :].strip()
    return text if _WELL_FORMED.fullmatch(text) else None


def _from_query(request: Request, name: str) -> str | None:
    try:
        values = parse_qs(request.query, max_num_fields=256).get(name) if request.query else None
    except ValueError:  # more fields than that
        return None
    return _token(values[-1].encode("utf-8"), "") if values else None


def _from_cookie(request: Request, name: str) -> str | None:
    for piece in request.headers.get(b"cookie", b"").split(b";"):
        key, _, value = piece.strip().partition(b"=")
        if key.decode("latin-1") == name:
            return _token(value, "")
    return None


def _basic(request: Request) -> str | None:
    text = _token(request.headers.get(b"authorization"), "basic ")
    try:
        return _token(b64decode(text or "", validate=True).replace(b" ", b"_"), "") if text else None
    except ValueError:
        return None
