"""Cross-origin requests: browser apps may call every provider path."""

from mockserver.message import RawHeaders, Request, Response

_EXPOSED = b"*, x-request-id, retry-after, etag, content-range, content-length, content-disposition, location"
_DAY = b"86400"


def add_cors(headers: RawHeaders) -> None:
    """Let any page read this answer. Keys travel in headers, not cookies, so nothing is given away."""
    headers.append((b"access-control-allow-origin", b"*"))
    headers.append((b"access-control-expose-headers", _EXPOSED))


def preflight(request: Request, allowed: list[str]) -> Response:
    """The answer to OPTIONS: what is allowed here, for people and for browsers."""
    methods = ", ".join(allowed).encode()
    headers: RawHeaders = [(b"allow", methods)]
    if b"access-control-request-method" in request.headers:
        wanted = request.headers.get(b"access-control-request-headers", b"*")
        headers += [
            (b"access-control-allow-methods", methods),
            (b"access-control-allow-headers", wanted),
            (b"access-control-max-age", _DAY),
        ]
        if b"access-control-request-private-network" in request.headers:
            headers.append((b"access-control-allow-private-network", b"true"))
    return Response(204, headers, b"")
