"""The control API over HTTP: the request as the API reads it, and its answer."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping

from starlette.requests import ClientDisconnect
from starlette.requests import Request as StarletteRequest
from starlette.responses import Response as StarletteResponse

from mockserver.control.api import ControlApi, ControlError, error_response
from mockserver.loading.trees import read_tree
from mockserver.message import CONTROL, Request, Response
from mockserver.openapi.document import Document
from mockserver.provider import Provider
from mockserver.realtime import fresh_key
from mockserver.sandbox.sandbox import Sandbox, Sandboxes
from mockserver.web.access import ControlAccess


class ControlEndpoint:
    """Answers what comes below the prefix; the API's document is read when it is first asked for."""

    def __init__(
        self,
        sandboxes: Sandboxes,
        providers: Callable[[], Mapping[str, Provider]],
        prefixes: Callable[[], Mapping[str, str]],
        settle: Callable[[list[Sandbox]], Awaitable[None]],
        access: ControlAccess,
        body_bytes: int,
        body_seconds: float = 30.0,
    ) -> None:
        self._sandboxes = sandboxes
        self._providers = providers
        self._prefixes = prefixes
        self._settle = settle
        self._access = access
        self._body_bytes = body_bytes
        self._body_seconds = body_seconds
        self._api: ControlApi | None = None

    async def __call__(self, request: StarletteRequest) -> StarletteResponse:
        response = await self._respond(request)
        body = b"" if request.method == "HEAD" else response.body
        made = StarletteResponse(body, response.status)
        made.raw_headers = response.headers
        return made

    async def _respond(self, request: StarletteRequest) -> Response:
        scope = request.scope  # its path: that of `request.url` is read from a text that begins with the Host header
        if (refused := self._access.refusal(request.headers)) is not None:
            return error_response(ControlError(*refused))
        try:
            body = await self._body(request)
        except ControlError as error:
            return error_response(error, [(b"connection", b"close")])  # what comes of the body still is not read
        raw = scope.get("raw_path") or scope["path"].encode()
        path = raw.decode("ascii", "replace").partition("?")[0][len(CONTROL) - 1 :]
        query = scope["query_string"].decode("latin-1")
        return await self.api.handle(Request(request.method, path, query, dict(request.headers.raw), body, None, ""))

    async def _body(self, request: StarletteRequest) -> bytes:
        """All of the body. Raises ControlError for one that is too large or too slow, or whose client hangs up."""
        declared = request.headers.get("content-length", "")
        size = int(declared[:20]) if declared.isdecimal() else 0
        chunks: list[bytes] = []
        try:
            async with asyncio.timeout(self._body_seconds):
                if size <= self._body_bytes:
                    size = 0
                    async for chunk in request.stream():
                        chunks.append(chunk)
                        size += len(chunk)
                        if size > self._body_bytes:
                            break
        except TimeoutError:
            raise ControlError(408, "timeout", f"The body did not arrive within {self._body_seconds:g} s.") from None
        except ClientDisconnect:
            raise ControlError(400, "malformed_body", "The client hung up before the body had arrived.") from None
        if size > self._body_bytes:
            raise ControlError(413, "too_large", f"The body is larger than {self._body_bytes} bytes.")
        return b"".join(chunks)

    @property
    def api(self) -> ControlApi:
        if self._api is None:
            from importlib.resources import as_file, files

            with as_file(files("mockserver.control") / "openapi.yaml") as path:
                document = Document(read_tree(path), "control/openapi.yaml")
            self._api = ControlApi(document, self._sandboxes, self._providers, self._settle, fresh_key, self._prefixes)
        return self._api
