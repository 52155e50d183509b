"""The service that is judged: one request at a time over HTTP, within limits; what comes back never raises."""

import asyncio
import socket
import zlib
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar
from urllib.parse import SplitResult, urljoin, urlsplit

import orjson

from contract_tests.history import Exchange
from mockserver.masking import is_secret_name
from mockserver.realtime import steady_time

if TYPE_CHECKING:
    import ssl

    import httpx2

Pairs = tuple[tuple[str, str], ...]
Result = TypeVar("Result")
_TRANSLATED = IPv6Network("64:ff9b::/96")  # IPv4 addresses within IPv6 (RFC 6052)
_LOOPBACK = ("localhost", "::1", "testserver")
MOST_KEPT = 128 << 20  # bytes of all answers; of what comes later only little is kept
LITTLE = 64 << 10
_REDIRECTS = (301, 302, 303, 307, 308)
_USUAL = (("user-agent", "mockserver-check"), ("accept", "*/*"), ("accept-encoding", "identity"))
_MEDIA = ("video/", "audio/", "image/", "application/octet")
_SECONDS = {"s": 1, "m": 60, "h": 3600}
_CONTROL = dict.fromkeys((*range(32), 127))


@dataclass(frozen=True, slots=True)
class Limits:
    """How long a request may take, in seconds, and how much of an answer is read and kept, in bytes.

    `media` is how much of a result is read, though no more than `kept` of it is kept; of other answers reading stops
    at `kept`.
    """

    connect: float = 10.0
    read: float = 30.0
    whole: float = 60.0
    kept: int = 4 << 20
    media: int = 64 << 20
    redirects: int = 3


@dataclass(frozen=True, slots=True)
class Call:
    """One request to be sent. `path` is below the base URL, with its query; or a whole URL.

    `secrets` are the names of headers (lower case) that carry the key, and are left out on another host.
    """

    method: str
    path: str
    headers: Pairs = ()
    body: bytes = b""
    operation: str = ""
    action: str = ""
    job: str = ""
    secrets: frozenset[str] = frozenset()


@dataclass(slots=True)
class _Answer:
    """What has come so far."""

    status: int = 0
    headers: Pairs = ()
    body: bytes = b""
    size: int = 0
    is_cut: bool = False
    problem: str = ""
    passed: tuple[str, ...] = ()


def parts_of(url: str) -> SplitResult:
    """The parts of a URL, which a service may have made up; empty ones for what is none."""
    try:
        parts = urlsplit(url)
        _ = parts.port, parts.hostname
        return parts
    except ValueError:
        return SplitResult("", "", "", "", "")


def is_loopback(url: str) -> bool:
    """Whether a URL leads to this machine, where nothing costs money."""
    host = (parts_of(url).hostname or "").lower()
    if host in _LOOPBACK:
        return True
    with suppress(ValueError):
        return ip_address(host).is_loopback
    return False


def may_follow(base_url: str, url: str) -> bool:
    """Whether an address that a service names may be called: a service elsewhere must not send us to what is near."""
    if _origin(url) == _origin(base_url) or is_loopback(base_url):
        return True
    host = (parts_of(url).hostname or "").lower().rstrip(".")
    if not host or ("." not in host and ":" not in host):
        return False  # a name of this network
    return all(_is_public(address) for address in _addresses(host))


def _addresses(host: str) -> list[str]:
    """Where a host's name leads to, however it is written (`0x7f.1`); nothing if nobody knows it."""
    try:
        return [str(found[4][0]) for found in socket.getaddrinfo(host, None)]
    except (OSError, UnicodeError):
        return []


def _is_public(address: str) -> bool:
    try:
        found = ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(found, IPv6Address) and (found.ipv4_mapped or found in _TRANSLATED):
        found = found.ipv4_mapped or IPv4Address(int(found) & 0xFFFFFFFF)
    return found.is_global


class Service:
    """A service at a base URL. Use it as a context manager.

    `transport` replaces the network (httpx2's ASGITransport calls an application in this process). `rate_limit` is the
    most that is sent: `5/s`, `90/m`, `1000/h`; '' for no limit.
    """

    def __init__(
        self, base_url: str, *, limits: Limits | None = None, transport: "httpx2.AsyncBaseTransport | None" = None,
        rate_limit: str = "",
    ) -> None:  # fmt: skip
        self.base_url = base_url.rstrip("/")
        self.limits = limits or Limits()
        self.sent = 0
        self.silent = 0  # requests in a row that got no answer
        self._kept = 0  # bytes of all answers so far
        count, _, unit = rate_limit.partition("/")
        self._apart = _SECONDS[unit] / int(count) if rate_limit else 0.0  # seconds from one request to the next
        self._next = 0.0
        self._transport = transport
        self._runner = asyncio.Runner()
        self._client: httpx2.AsyncClient | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close all connections."""
        if self._client is not None:
            with suppress(Exception):
                self._runner.run(self._client.aclose())
        self._runner.close()

    def send(
        self, call: Call, purpose: str, *, detail: str = "", follow: bool = False, started: float = 0.0
    ) -> Exchange:
        """Send one request and read what comes back. Raises nothing but KeyboardInterrupt.

        `follow`: redirects of a GET are followed. `started` is the service's own time, where it is known.
        """
        self.sent += 1
        if self._apart and (wait := self._next - steady_time()) > 0:
            self.wait(wait)
        before = steady_time()
        self._next = before + self._apart
        url = call.path if "://" in call.path else f"{self.base_url}{call.path}"
        answer = self._answer(url, call, follow)
        if _origin(url) == _origin(self.base_url):
            self.silent = 0 if answer.status else self.silent + 1
        return Exchange(
            number=self.sent,
            purpose=purpose,
            operation=call.operation,
            action=call.action,
            method=call.method,
            url=url,
            request_headers=call.headers,
            request_body=call.body,
            status=answer.status,
            headers=answer.headers,
            body=answer.body,
            started=started or before,
            seconds=steady_time() - before,
            job=call.job,
            detail=detail,
            problem=answer.problem,
            is_cut=answer.is_cut,
            size=answer.size,
            redirects=answer.passed,
        )

    def ask(self, method: str, url: str, body: Any = None) -> Any:
        """The JSON of an answer to a request beside the history, which is not counted; None if there is none."""
        content = b"" if body is None else orjson.dumps(body)
        headers = (("content-type", "application/json"),) if content else ()
        answer = self._answer(url, Call(method, url, headers, content), follow=False)
        try:
            return orjson.loads(answer.body) if 200 <= answer.status <= 299 else None
        except orjson.JSONDecodeError:
            return None

    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self._run(asyncio.sleep(max(0.0, seconds)))

    def _answer(self, url: str, call: Call, follow: bool) -> "_Answer":
        answer = _Answer()
        try:
            self._run(self._deadline(url, call, follow, answer))
        except (TimeoutError, asyncio.CancelledError):
            answer.status, answer.problem = 0, f"no complete answer within {self.limits.whole:g} s"
        except Exception as error:  # whatever a broken service makes a client library raise
            answer.status, answer.problem = 0, _told(error)
        return answer

    def _run(self, task: Coroutine[Any, Any, Result]) -> Result:
        return self._runner.run(task)

    async def _deadline(self, url: str, call: Call, follow: bool, answer: _Answer) -> None:
        async with asyncio.timeout(self.limits.whole):
            await self._exchange(url, call, follow, answer)

    def _http(self) -> "httpx2.AsyncClient":
        import httpx2

        if self._client is None:
            read = self.limits.read
            self._client = httpx2.AsyncClient(
                transport=self._transport,
                verify=_trusted(),
                timeout=httpx2.Timeout(read, connect=self.limits.connect),
                limits=httpx2.Limits(max_connections=4, keepalive_expiry=2.0),
                follow_redirects=False,
                trust_env=False,
            )
            self._client.headers.clear()
        return self._client

    async def _exchange(self, url: str, call: Call, follow: bool, answer: _Answer) -> None:
        named = {name.lower() for name, _ in call.headers}
        headers = [*((name, value) for name, value in _USUAL if name not in named), *call.headers]
        origin = _origin(url)
        while True:
            if not may_follow(self.base_url, url):
                answer.status, answer.problem = 0, "the address is of a private network; it was not called"
                return
            where = await self._once(url, call, headers, answer)
            if not (follow and where and call.method in ("GET", "HEAD")):
                return
            if len(answer.passed) >= self.limits.redirects:
                answer.status, answer.problem = 0, f"more than {self.limits.redirects} redirects"
                return
            url = urljoin(url, where)
            answer.passed = (*answer.passed, url)
            if parts_of(url).scheme not in ("http", "https"):
                answer.status, answer.problem = 0, f"a redirect to {url[:80]!r}"
                return
            if _origin(url) != origin:
                secret = call.secrets | {"authorization", "cookie"}
                headers = [(n, v) for n, v in headers if n.lower() not in secret and not is_secret_name(n)]

    async def _once(self, url: str, call: Call, headers: Sequence[tuple[str, str]], answer: _Answer) -> str:
        """One request; where it is redirected to, '' for nowhere."""
        client = self._http()
        answer.body, answer.size, answer.is_cut = b"", 0, False
        client.cookies.clear()  # each request says all that it says
        encoded = [(name.encode("latin-1", "replace"), value.encode("utf-8", "replace")) for name, value in headers]
        request = client.build_request(call.method, url, headers=encoded, content=call.body or None)
        if not call.body and call.method in ("POST", "PUT", "PATCH"):
            request.headers["content-length"] = "0"
        response = await client.send(request, stream=True)
        try:
            answer.headers = tuple((n.decode("latin-1").lower(), v.decode("latin-1")) for n, v in response.headers.raw)
            await self._read(response, answer)
            answer.status = response.status_code
            return response.headers.get("location", "") if response.status_code in _REDIRECTS else ""
        finally:
            with suppress(Exception):
                await response.aclose()

    async def _read(self, response: "httpx2.Response", answer: _Answer) -> None:
        limits, pieces, kept = self.limits, [], 0
        room = limits.kept if self._kept < MOST_KEPT else min(LITTLE, limits.kept)
        media_type = response.headers.get("content-type", "").lower()
        most = limits.media if media_type.startswith(_MEDIA) else limits.kept
        unpacked = _unpacker(response.headers.get("content-encoding", ""))
        async for packed in response.aiter_raw():
            piece = unpacked(packed, most - answer.size + 1) if unpacked else packed
            answer.size += len(piece)
            if kept < room:
                pieces.append(piece[: room - kept])
                kept += len(pieces[-1])
            answer.is_cut = answer.size > kept
            if answer.size > most:
                break
        answer.body = b"".join(pieces)
        self._kept += kept


@cache
def _trusted() -> "ssl.SSLContext":
    """Whom connections trust. It takes longer to read than a short run takes, so all runs share it."""
    import httpx2

    return httpx2.create_ssl_context(trust_env=False)


def _unpacker(encoding: str) -> "Callable[[bytes, int], bytes] | None":
    """What takes off the one encoding that services put on unasked; nothing for none, and for what piles up several."""
    if encoding.strip().lower() not in ("gzip", "x-gzip", "deflate"):
        return None
    inflating = zlib.decompressobj(wbits=47)  # both kinds, told by their first bytes

    def unpacked(piece: bytes, most: int) -> bytes:
        try:
            return inflating.decompress(inflating.unconsumed_tail + piece, max(most, 1))
        except zlib.error as error:
            raise ValueError(f"the body is not {encoding}: {error}") from None

    return unpacked


def _origin(url: str) -> tuple[str, str]:
    parts = parts_of(url)
    return parts.scheme, parts.netloc.lower()


def _told(error: Exception) -> str:
    """An exception as one line: which kind it is and what it says."""
    while isinstance(error, ExceptionGroup):
        error = error.exceptions[0]
    said = " ".join(str(error).translate(_CONTROL).split())[:200]
    kind = type(error).__name__
    return f"{kind}: {said}" if said else kind
