"""Bounds on what one service can take of a run that fuzzes it: seconds and bytes of an answer, answers that fail."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from urllib3.exceptions import DecodeError, HTTPError, ReadTimeoutError

from mockserver.realtime import steady_time

READ = 30.0  # seconds of silence within an answer
WHOLE = 60.0  # seconds for an answer in all: a service may send a byte now and then, for ever
MOST_BYTES = 64 << 20  # of an answer, unpacked
MOST_SILENT = 5  # requests in a row without a whole answer, after which no more are sent
LONGEST = 3600.0  # seconds of a whole run
_PIECE = 64 << 10


class Bounds:
    """What a run has taken so far. `given_up` says why no more is sent; '' while it goes on."""

    def __init__(self) -> None:
        self._silent = 0
        self._end = steady_time() + LONGEST
        self._reason = ""

    @property
    def given_up(self) -> str:
        if not self._reason and steady_time() > self._end:
            self._reason = f"it was stopped after {LONGEST:.0f} seconds"
        return self._reason

    def answered(self, is_whole: bool) -> None:
        """Count an answer, or that there was none."""
        self._silent = 0 if is_whole else self._silent + 1
        if self._silent >= MOST_SILENT:
            self._reason = f"it was stopped: {self._silent} requests in a row got no whole answer"


class Bounded(HTTPAdapter):
    """Sends to one host alone, and reads answers within bounds; raises what requests raises for one without an end."""

    def __init__(self, bounds: Bounds, host: str) -> None:
        super().__init__()
        self._bounds = bounds
        self._host = host

    def send(
        self, request: requests.PreparedRequest, stream: bool = False, timeout: Any = None, verify: Any = True,
        cert: Any = None, proxies: dict[str, str] | None = None,
    ) -> requests.Response:  # fmt: skip
        if urlsplit(request.url or "").netloc.lower() != self._host:  # what a document's examples refer to, say
            raise requests.exceptions.InvalidURL(f"only {self._host} is called, not {request.url!r}")
        if self._bounds.given_up:
            raise _timeout(request, 0)
        end = steady_time() + WHOLE
        try:
            response = super().send(request, stream, timeout or READ, verify, cert, proxies)
            if not response.headers.get("Content-Type", "").lower().startswith("text/event-stream"):
                _read(response, end)  # schemathesis itself bounds streams of events
        except requests.exceptions.RequestException:
            self._bounds.answered(False)
            raise
        self._bounds.answered(True)
        return response


@contextmanager
def requests_within(bounds: Bounds, url: str) -> Iterator[None]:
    """All requests of the library `requests` go to the host of `url`, within bounds.

    Schemathesis makes some of its sessions where no hook of it reaches: for its probes, for examples elsewhere.
    """
    host, adapter_for = urlsplit(url).netloc.lower(), requests.Session.get_adapter

    def get_adapter(session: requests.Session, url: Any) -> Any:
        if not isinstance(session.adapters.get("http://"), Bounded):
            session.mount("http://", Bounded(bounds, host))
            session.mount("https://", Bounded(bounds, host))
        return adapter_for(session, url)

    with patch.object(requests.Session, "get_adapter", get_adapter):
        yield


def _read(response: requests.Response, end: float) -> None:
    pieces, size = [], 0
    try:
        while piece := response.raw.read1(_PIECE, decode_content=True):
            pieces.append(piece)
            size += len(piece)
            if size > MOST_BYTES:
                raise requests.exceptions.ContentDecodingError(f"the answer has more than {MOST_BYTES:,} bytes")
            if steady_time() > end:
                raise _timeout(response.request, WHOLE)
    except requests.exceptions.RequestException:
        raise
    except ReadTimeoutError as error:
        raise requests.exceptions.ReadTimeout(error, request=response.request) from None
    except DecodeError as error:
        raise requests.exceptions.ContentDecodingError(error, request=response.request) from None
    except HTTPError as error:
        raise requests.exceptions.ChunkedEncodingError(error, request=response.request) from None
    finally:
        if size > MOST_BYTES or steady_time() > end:
            response.raw.close()
    response.raw.release_conn()
    response._content, response._content_consumed = b"".join(pieces), True


def _timeout(request: requests.PreparedRequest, seconds: float) -> requests.exceptions.ReadTimeout:
    """One that is worded as urllib3 words its own, since it is read as such."""
    inner = ReadTimeoutError(None, request.url or "", f"Read timed out. (read timeout={seconds:g})")  # type: ignore[arg-type]
    return requests.exceptions.ReadTimeout(inner, request=request)
