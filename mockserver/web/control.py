"""The control API over HTTP: the request as the API reads it, and its answer."""

from collections.abc import Awaitable, Callable, Mapping

from starlette.requests import Request as StarletteRequest
from starlette.responses import Response as StarletteResponse

from mockserver.control.api import PREFIX, ControlApi, ControlError, error_response
from mockserver.loading.trees import read_tree
from mockserver.message import Request, Response
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
    ) -> None:
        self._sandboxes = sandboxes
        self._providers = providers
        self._prefixes = prefixes
        self._settle = settle
        self._access = access
        self._body_bytes = body_bytes
        self._api: ControlApi | None = None

    async def __call__(self, request: StarletteRequest) -> StarletteResponse:
        response = await self._respond(request)
        body = b"" if request.method == "HEAD" else response.body
        made = StarletteResponse(body, response.status)
        made.raw_headers = response.headers
        return made

    async def _respond(self, request: StarletteRequest) -> Response:
        if (refused := self._access.refusal(request.headers, request.url.path)) is not None:
            return error_response(ControlError(*refused))
        body = b""
        async for chunk in request.stream():
            body += chunk
            if len(body) > self._body_bytes:
                text = f"The body is larger than {self._body_bytes} bytes."
                return error_response(ControlError(413, "too_large", text))
        raw = request.scope.get("raw_path") or request.url.path.encode()
        path = raw.decode("ascii", "replace").partition("?")[0][len(PREFIX) - 1 :]
        headers = dict(request.headers.raw)
        return await self.api.handle(Request(request.method, path, request.url.query, headers, body, None, ""))

    @property
    def api(self) -> ControlApi:
        if self._api is None:
            from importlib.resources import as_file, files

            with as_file(files("mockserver.control") / "openapi.yaml") as path:
                document = Document(read_tree(path), "control/openapi.yaml")
            self._api = ControlApi(document, self._sandboxes, self._providers, self._settle, fresh_key, self._prefixes)
        return self._api
