"""The ASGI application: provider paths go straight to their engine, all else to Starlette.

Starlette is the frame (lifespan, the index, unknown paths). A provider's requests do not pass through its
routing and middleware: that alone would cost more than all that the engine does.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request as StarletteRequest
from starlette.responses import JSONResponse
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from mockserver.engine.engine import Engine
from mockserver.form import FormError, FormPart, MultipartReader
from mockserver.message import Request, Response

_MULTIPART = b"multipart/form-data"


@dataclass(frozen=True, slots=True)
class Limits:
    """What one request may cost. Bytes, counts and seconds."""

    body_bytes: int = 32 * 1024 * 1024  # a data URL of 20 MB, the most that a contract seen allows, and a form of 9 MB
    body_seconds: float = 30.0  # for the whole body to arrive
    header_count: int = 100  # the default of Apache
    header_bytes: int = 64 * 1024
    target_bytes: int = 16 * 1024


class App(Starlette):
    """Engines below their prefixes. With the prefix '' an engine has all paths."""

    def __init__(self, engines: Mapping[str, Engine], *, public_url: str = "", limits: Limits | None = None) -> None:
        super().__init__(routes=[Route("/", self._index)], exception_handlers={404: self._unknown})
        self._engines = dict(engines)
        self._root = self._engines.pop("", None)
        self._public_url = public_url.rstrip("/")
        self._limits = limits or Limits()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            raw = scope.get("raw_path")
            path = (raw.partition(b"?")[0].decode("ascii", "replace")) if raw else scope["path"]
            if self._root is not None:
                return await self._serve(self._root, "", path, scope, receive, send)
            end = path.find("/", 1)
            prefix = path[1:end] if end > 0 else path[1:]
            engine = self._engines.get(prefix)
            if engine is not None:
                return await self._serve(engine, "/" + prefix, path[len(prefix) + 1 :] or "/", scope, receive, send)
        await super().__call__(scope, receive, send)

    async def _serve(
        self, engine: Engine, prefix: str, path: str, scope: Scope, receive: Receive, send: Send
    ) -> None:
        headers = dict(scope["headers"])
        method = scope["method"]
        site = self._public_url or f"{scope['scheme']}://{_host(headers, scope)}"
        query = scope["query_string"].decode("latin-1")
        request = Request(method, path, query, headers, b"", None, site + prefix)
        response = self._within_limits(engine, request, scope)
        if response is None:
            if b"content-length" in headers or b"transfer-encoding" in headers:
                read = await self._read_body(engine, request, receive)
                if read is None:
                    return  # the client is gone
                response = read if isinstance(read, Response) else engine.handle(read)
            else:
                response = engine.handle(request)
        body = response.body if method != "HEAD" else b""
        await send({"type": "http.response.start", "status": response.status, "headers": response.headers})
        await send({"type": "http.response.body", "body": body})

    def _within_limits(self, engine: Engine, request: Request, scope: Scope) -> Response | None:
        limits, headers = self._limits, scope["headers"]
        if len(headers) > limits.header_count:
            return engine.refuse(
                request, "too_many_headers", f"{len(headers)} headers were sent; at most {limits.header_count} are read."
            )
        if len(request.path) + len(request.query) > limits.target_bytes:
            return engine.refuse(request, "invalid_request", f"The URL is longer than {limits.target_bytes} bytes.")
        return None

    async def _read_body(self, engine: Engine, request: Request, receive: Receive) -> Request | Response | None:
        """The request with its body; a refusal if that is too large or too slow; None if the client went away."""
        limits = self._limits
        declared = request.headers.get(b"content-length", b"0")
        too_large = f"The body is larger than {limits.body_bytes} bytes."
        if declared.isdigit() and int(declared[:20]) > limits.body_bytes:
            return engine.refuse(request, "too_large", too_large)
        try:
            async with asyncio.timeout(limits.body_seconds):
                return await _gather_body(request, receive, limits.body_bytes)
        except TimeoutError:
            return engine.refuse(request, "timeout", f"The body did not arrive within {limits.body_seconds:g} seconds.")
        except _TooLarge:
            return engine.refuse(request, "too_large", too_large)
        except FormError as error:
            return engine.refuse(request, "malformed_body", str(error))

    async def _index(self, request: StarletteRequest) -> JSONResponse:
        """What is served here, for people and programs that look at the bare address."""
        return JSONResponse({"mockserver": sorted(self._engines), "hint": "append one of these names to the address"})

    async def _unknown(self, request: StarletteRequest, error: Exception) -> JSONResponse:
        names = ", ".join(f"/{name}" for name in sorted(self._engines))
        message = f"No provider is served at {request.url.path[:200]}. Paths begin with one of: {names}."
        return JSONResponse({"error": {"message": message}}, status_code=404)


class _TooLarge(Exception):
    """More bytes came than are read."""


async def _gather_body(request: Request, receive: Receive, most: int) -> Request | None:
    """Read all of the body; a multipart one is taken apart on the way, so that its files are never held."""
    content_type = request.headers.get(b"content-type", b"")
    reader = None
    if content_type[: len(_MULTIPART)].lower() == _MULTIPART:
        reader = MultipartReader(content_type.decode("latin-1"))
    size = 0
    chunks: list[bytes] = []
    while True:
        message: Mapping[str, Any] = await receive()
        if message["type"] == "http.disconnect":
            return None
        chunk = message.get("body", b"")
        size += len(chunk)
        if size > most:
            raise _TooLarge
        if reader:
            reader.feed(chunk)
        else:
            chunks.append(chunk)
        if not message.get("more_body"):
            break
    if reader is None:
        return request._replace(body=chunks[0] if len(chunks) == 1 else b"".join(chunks))
    form: tuple[FormPart, ...] = reader.finish() if size else ()
    return request._replace(form=form)


def _host(headers: Mapping[bytes, bytes], scope: Scope) -> str:
    raw = headers.get(b"host")
    if raw and len(raw) < 256:
        return raw.decode("latin-1")
    host, port = scope.get("server") or ("127.0.0.1", 80)
    return f"{host}:{port}"
