"""One HTTP request and one response as plain records, free of any web framework.

Named tuples, not dataclasses: they are made on every request, and a tuple costs a third.
"""

from collections.abc import Mapping
from http import HTTPStatus
from typing import NamedTuple

from mockserver.form import FormError, FormPart

RawHeaders = list[tuple[bytes, bytes]]
CONTROL = "/__mockserver/"  # the control API and links to results hang below it: no contract owns a path that begins so
PHRASES: Mapping[int, str] = {status.value: status.phrase for status in HTTPStatus}


class Request(NamedTuple):
    """What a client sent.

    `path` is percent-encoded and begins below the provider's own prefix; `query` is the raw query
    string; header names are lower-case bytes. `site` is the absolute URL that the path hangs below
    (`http://127.0.0.1:4747/prefix`), used to build links back. A multipart or urlencoded body arrives
    already taken apart as `form`; any other arrives whole as `body`.
    """

    method: str
    path: str
    query: str
    headers: Mapping[bytes, bytes]
    body: bytes
    form: tuple[FormPart, ...] | FormError | None
    site: str


class Fault(NamedTuple):
    """What goes wrong on the way back: `delay`, `reset`, `lost` (closed without an answer), `truncate` and `stall`
    after a share (0 to 1) of the body. `seconds` are those of a stall; whatever the kind, all is held back for `delay`
    seconds before. Both are the machine's. `chunked`, `until-close` (no length, as with HTTP/1.0) and `titled` (names
    of headers as `Content-Type`) break nothing: the answer is framed otherwise than usual.
    """

    kind: str
    share: float = 0.0
    seconds: float = 0.0
    delay: float = 0.0


class Response(NamedTuple):
    """What goes back: status, headers with lower-case names, and the whole body."""

    status: int
    headers: RawHeaders
    body: bytes
    fault: Fault | None = None
