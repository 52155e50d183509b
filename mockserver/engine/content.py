"""Bytes over HTTP: ranges, entity tags and conditions as RFC 9110 has them (sections 8.8, 13 and 14)."""

import re
from collections.abc import Mapping
from hashlib import blake2b

from mockserver.message import RawHeaders, Request, Response

_UNSAFE = re.compile(r'[^\x20-\x7e]|["\\]')  # in a quoted file name
_RANGE = re.compile(rb"bytes=\s*(\d{0,18})\s*-\s*(\d{0,18})\s*")


def serve_bytes(request: Request, body: bytes, media_type: str, filename: str) -> Response:
    """The response to a GET or HEAD of some bytes: 200, 304, and for GET also 206 for one range, or 416."""
    headers = request.headers
    etag = b'"%s"' % blake2b(body, digest_size=12).hexdigest().encode()
    common: RawHeaders = [
        (b"etag", etag),
        (b"accept-ranges", b"bytes"),
        (b"cache-control", b"private, max-age=0, must-revalidate"),
    ]
    if _matches(headers.get(b"if-none-match"), etag):
        return Response(304, common, b"")
    common.append((b"content-type", media_type.encode("ascii")))
    name = _UNSAFE.sub("_", filename).encode("ascii")
    common.append((b"content-disposition", b'attachment; filename="%b"' % name))
    status, part = 200, body
    if request.method == "GET" and (wanted := _wanted_range(headers, etag)):  # no other method has ranges (14.2)
        bounds = _bounds(wanted, len(body))
        if bounds is None:
            unsatisfied = [(b"content-range", b"bytes */%d" % len(body)), (b"content-length", b"0")]
            return Response(416, [*common[:3], *unsatisfied], b"")
        first, last = bounds
        status, part = 206, body[first : last + 1]
        common.append((b"content-range", b"bytes %d-%d/%d" % (first, last, len(body))))
    common.append((b"content-length", b"%d" % len(part)))
    return Response(status, common, part)


def _matches(condition: bytes | None, etag: bytes) -> bool:
    """If-None-Match compares weakly: `W/` makes no difference (RFC 9110, 13.1.2)."""
    if condition is None:
        return False
    tags = [tag.strip().removeprefix(b"W/") for tag in condition.split(b",")]
    return b"*" in tags or etag in tags


def _wanted_range(headers: Mapping[bytes, bytes], etag: bytes) -> "re.Match[bytes] | None":
    """The single range asked for. Several ranges, other units and broken ones are ignored, as the standard allows."""
    raw = headers.get(b"range")
    if raw is None:
        return None
    if_range = headers.get(b"if-range")
    if if_range is not None and if_range.strip() != etag:  # a date never matches: nothing here has one
        return None
    match = _RANGE.fullmatch(raw.strip())
    return (
        match
        if match and (match[1] or match[2]) and not (match[1] and match[2] and int(match[2]) < int(match[1]))
        else None
    )


def _bounds(match: "re.Match[bytes]", size: int) -> tuple[int, int] | None:
    """First and last byte, or None if the range lies outside."""
    if not match[1]:
        suffix = int(match[2])
        return (max(size - suffix, 0), size - 1) if suffix and size else None
    first = int(match[1])
    return (first, min(int(match[2]) if match[2] else size - 1, size - 1)) if first < size else None
