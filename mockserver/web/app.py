"""The ASGI application: provider paths go straight to their engine, all else to Starlette.

Starlette is the frame (lifespan, the index, unknown paths). A provider's requests do not pass through its
routing and middleware: that alone would cost more than all that the engine does.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.requests import Request as StarletteRequest
from starlette.responses import JSONResponse
from starlette.responses import Response as StarletteResponse
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from mockserver.engine.engine import Engine
from mockserver.engine.results import ASSETS
from mockserver.form import FormError, FormPart, MultipartReader
from mockserver.message import CONTROL, Request, Response
from mockserver.provider import Provider
from mockserver.sandbox.sandbox import Sandbox, Sandboxes
from mockserver.web.courier import Courier
from mockserver.web.deadlines import Deadlines
from mockserver.web.faults import break_off

if TYPE_CHECKING:
    from mockserver.web.access import ControlAccess
    from mockserver.web.control import ControlEndpoint

Body = tuple[bytes, tuple[FormPart, ...] | FormError | None, Response | None]  # raw bytes, a form, or a refusal
_MULTIPART = b"multipart/form-data"
WHOLE_BODY = "mockserver.body"  # set by web/protocol.py: the body, where all of it had come before the request began
WRITE = "mockserver.write"  # set by web/protocol.py: what writes a whole response at once, if it can
_HOST = re.compile(rb"([\w.~-]{1,255}|\[[0-9A-Fa-f:.]{2,45}\])(:\d{1,5})?")  # else the socket says it
MAX_SITES = 64  # Host headers that are remembered


@dataclass(frozen=True, slots=True)
class Limits:
    """What one request may cost. Bytes, counts and seconds."""

    body_bytes: int = 32 * 1024 * 1024  # a data URL of 20 MB, the most that a contract seen allows, and a form of 9 MB
    body_seconds: float = 30.0  # for the whole body to arrive
    header_count: int = 100  # the default of Apache
    head_bytes: int = 512 * 1024  # two reads of the socket: a client may send many small requests in one
    head_seconds: float = 30.0  # for a request's line and headers to arrive
    target_bytes: int = 16 * 1024


class App(Starlette):
    """Engines below their prefixes. With the prefix '' an engine has all paths."""

    def __init__(
        self,
        engines: Mapping[str, Engine],
        sandboxes: Sandboxes,
        *,
        public_url: str = "",
        limits: Limits | None = None,
        access: "ControlAccess | None" = None,
    ) -> None:
        """`access` is who may call the control API; None: there is none."""
        super().__init__(
            routes=[Route("/", self._index)], exception_handlers={404: self._unknown}, lifespan=App._lifespan
        )
        self.courier = Courier(sandboxes)
        self._access = access
        self._endpoint: ControlEndpoint | None = None
        self.sandboxes = sandboxes
        self._engines = dict(engines)
        self._root = self._engines.pop("", None)
        self._public_url = public_url.rstrip("/")
        self.limits = limits or Limits()
        self._sites: dict[tuple[bytes | None, str], str] = {}
        self._deadlines = Deadlines(self.limits.body_seconds)

    def providers(self) -> Mapping[str, Provider]:
        """The providers that are served, by name."""
        engines = [*self._engines.values(), *([self._root] if self._root is not None else ())]
        return {engine.provider.name: engine.provider for engine in engines}

    def prefixes(self) -> Mapping[str, str]:
        """What the paths of each provider hang below, by its name."""
        return {engine.provider.name: f"/{prefix}" for prefix, engine in self._engines.items()}

    def engine(self, prefix: str) -> Engine:
        """The engine below a prefix ('' for the root)."""
        return self._root if not prefix and self._root is not None else self._engines[prefix]

    def replace(self, prefix: str, engine: Engine) -> None:
        """Give the requests that come from now on to another engine."""
        if prefix:
            self._engines[prefix] = engine
        else:
            self._root = engine

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        way = self._engine_for(scope) if scope["type"] == "http" else None
        if way is None:
            if self._access is not None and scope["type"] == "http" and scope["path"].startswith(CONTROL):
                answer = await self._control(StarletteRequest(scope, receive))
                return await answer(scope, receive, send)
            return await super().__call__(scope, receive, send)
        engine, prefix, path = way
        raw_headers = scope["headers"]
        headers = dict(raw_headers)
        if len(headers) < len(raw_headers) and b"prefer" in headers:  # a list may come in several lines (RFC 7240, 2)
            headers[b"prefer"] = b", ".join(value for name, value in raw_headers if name == b"prefer")
        query = scope["query_string"].decode("latin-1")
        limits = self.limits
        body, form, response = b"", None, None
        if len(raw_headers) > limits.header_count or len(path) + len(query) > limits.target_bytes:
            response = self._beyond_limits(engine, headers, len(raw_headers))
        elif (whole := scope.get(WHOLE_BODY)) and len(whole) <= limits.body_bytes and not _is_multipart(headers):
            body = whole  # it came with the head, as small ones do: nothing to wait for
        elif b"content-length" in headers or b"transfer-encoding" in headers:
            read = await self._read_body(engine, headers, receive)
            if read is None:
                return  # the client is gone
            body, form, response = read
        if response is None:
            site = self._site(scope, headers.get(b"host"), prefix)
            response = engine.handle(Request(scope["method"], path, query, headers, body, form, site))
        if response.fault is not None:
            return await break_off(response, scope, receive, send)
        write = scope.get(WRITE)
        if write is not None and write(send, scope["method"], response):
            return
        status, answer_headers, body, _ = response
        await send({"type": "http.response.start", "status": status, "headers": answer_headers})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})

    def _engine_for(self, scope: Scope) -> tuple[Engine, str, str] | None:
        """The engine that a path belongs to, its prefix, and the percent-encoded path below it."""
        raw = scope.get("raw_path")
        path = raw.decode("ascii", "replace") if raw else scope["path"]
        if path.startswith(CONTROL) and not path.startswith(ASSETS):
            return None
        if self._root is not None:
            return self._root, "", path
        end = path.find("/", 1)
        prefix = path[1:end] if end > 0 else path[1:]
        engine = self._engines.get(prefix)
        return (engine, "/" + prefix, path[len(prefix) + 1 :] or "/") if engine is not None else None

    def _site(self, scope: Scope, host: bytes | None, prefix: str) -> str:
        """The absolute URL that a provider's paths hang below, as this client sees it."""
        site = self._sites.get((host, prefix))
        if site is None:
            if host is None or not _HOST.fullmatch(host):
                name, port = scope.get("server") or ("127.0.0.1", 80)
                host = (f"[{name}]:{port}" if ":" in name else f"{name}:{port}").encode()
            site = f"{self._public_url or scope['scheme'] + '://' + host.decode('latin-1')}{prefix}"
            if len(self._sites) >= MAX_SITES:
                self._sites.clear()
            self._sites[host, prefix] = site
        return site

    def _beyond_limits(self, engine: Engine, headers: Mapping[bytes, bytes], header_count: int) -> Response:
        most = self.limits.header_count
        if header_count > most:
            message = f"{header_count} headers were sent; at most {most} are read."
            return engine.refuse(headers, "too_many_headers", message)
        return engine.refuse(headers, "invalid_request", f"The URL is longer than {self.limits.target_bytes} bytes.")

    async def _read_body(self, engine: Engine, headers: Mapping[bytes, bytes], receive: Receive) -> Body | None:
        """The body, or a refusal if it is too large or too slow; None if the client went away."""
        limits = self.limits
        declared = headers.get(b"content-length", b"0")
        if declared.isdigit() and int(declared[:20]) > limits.body_bytes:
            return _too_large(engine, headers, limits)
        content_type = headers.get(b"content-type", b"")
        task = self._deadlines.start()
        try:
            reader = None
            if _is_multipart(headers):
                reader = MultipartReader(content_type.decode("latin-1"))
            chunks: list[bytes] = []
            size, more = 0, True
            while more:
                message = await receive()
                if message["type"] == "http.disconnect":
                    return None
                chunk = message.get("body", b"")
                more = message.get("more_body", False)
                size += len(chunk)
                if size > limits.body_bytes:
                    return _too_large(engine, headers, limits)
                if reader:  # taken apart on the way, so that an upload is never held in memory
                    reader.feed(chunk)
                else:
                    chunks.append(chunk)
            return b"".join(chunks), (reader.finish() if size else ()) if reader else None, None
        except FormError as error:
            return b"", error, None  # said when the request has been routed and authorized
        except asyncio.CancelledError:
            if not self._deadlines.is_late(task):
                raise
            late = f"The body did not arrive within {limits.body_seconds:g} seconds."
            return b"", None, engine.refuse(headers, "timeout", late)
        finally:
            self._deadlines.stop(task)

    async def _control(self, request: StarletteRequest) -> StarletteResponse:
        """The control API, made when it is first called: most runs never do."""
        if self._endpoint is None:
            from mockserver.web.control import ControlEndpoint

            assert self._access is not None
            self._endpoint = ControlEndpoint(
                self.sandboxes, self.providers, self.prefixes, self.settle, self._access,
                self.limits.body_bytes, self.limits.body_seconds,
            )  # fmt: skip
        return await self._endpoint(request)

    async def settle(self, sandboxes: list[Sandbox]) -> None:
        """Deliver to webhooks what fell due in some sandboxes; returns when that is done."""
        await self.courier.settle_all(sandboxes)

    @asynccontextmanager
    async def _lifespan(self) -> AsyncIterator[None]:
        """The courier begins when there is something to send; at the end it lets go of what it began."""
        yield
        await self.courier.stop()

    async def _index(self, request: StarletteRequest) -> JSONResponse:
        """What is served here, for people and programs that look at the bare address."""
        return JSONResponse({"mockserver": sorted(self._engines), "hint": "append one of these names to the address"})

    async def _unknown(self, request: StarletteRequest, error: Exception) -> JSONResponse:
        path = request.scope["path"]
        if path.startswith(CONTROL):
            return JSONResponse({"error": {"message": "The control API is off (--no-control)."}}, status_code=404)
        names = ", ".join(f"/{name}" for name in sorted(self._engines))
        message = f"No provider is served at {path[:200]}. Paths begin with one of: {names}."
        return JSONResponse({"error": {"message": message}}, status_code=404)


def _is_multipart(headers: Mapping[bytes, bytes]) -> bool:
    return headers.get(b"content-type", b"")[: len(_MULTIPART)].lower() == _MULTIPART


def _too_large(engine: Engine, headers: Mapping[bytes, bytes], limits: Limits) -> Body:
    return b"", None, engine.refuse(headers, "too_large", f"The body is larger than {limits.body_bytes} bytes.")
