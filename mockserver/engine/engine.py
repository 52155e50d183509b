"""The engine of one provider: a request in, a response out.

A request is routed, authorized, validated, acted on and rendered, in this order; each step may refuse.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple
from urllib.parse import parse_qsl

from mockserver.clock import Clock
from mockserver.engine.content import serve_bytes
from mockserver.engine.cors import add_cors, preflight
from mockserver.engine.operations import Context, Handler, compile_handler, require_result
from mockserver.engine.refusal import Refusal, Refuser, plain_response
from mockserver.engine.results import ASSETS, Media, ResultFacts
from mockserver.engine.routing import Route, Router
from mockserver.engine.security import KeyPolicy
from mockserver.engine.validation import RequestReader
from mockserver.errors import DocumentError, Problem
from mockserver.message import RawHeaders, Request, Response
from mockserver.openapi.contradictions import contradiction, schemas_of
from mockserver.openapi.document import Operation
from mockserver.provider import Provider
from mockserver.stores.protocol import Store

MAX_WAYS = 4096  # remembered paths, about 1 MB
MAX_WAY = 256  # characters of a remembered path; an id has at most 60
SOUNDS = {"wav": "audio/wav", "mp3": "audio/mpeg"}
IMAGES = {"webp": "image/webp", "jpg": "image/jpeg", "png": "image/png"}


class Engine:
    """Behaves like one provider, on a clock.

    `seed` and the order of an owner's requests decide ids and durations. `poll_after_ms` is what clients are
    told to wait between polls, in real milliseconds; None derives it from the clock's rate. `lenient`: any id stands
    for a finished job.
    """

    def __init__(
        self,
        provider: Provider,
        clock: Clock,
        store: Store,
        media: Media,
        *,
        seed: int = 0,
        policy: KeyPolicy | None = None,
        poll_after_ms: int | None = None,
        lenient: bool = False,
        on_error: Callable[[BaseException, Request], None] | None = None,
    ) -> None:
        contract = provider.contract
        self.provider = provider
        self._clock = clock
        self._store = store
        self._media = media
        self._seed = seed
        self._poll_after_ms = poll_after_ms
        self._lenient = lenient
        self._on_error = on_error
        named = {
            part.operation.path: part.id_place.pointer[0]
            for resource in contract.resources
            for part in resource.operations
            if "/" in resource.id_text and part.id_place and part.id_place.place == "path"
        }
        self._router = Router(contract.document.operations, contract.document.base_path, named)
        self._refuser = Refuser(contract, lenient)
        self._results = ResultFacts(contract.vocabulary, media)
        self._handlers: dict[int, Handler] = {}  # by the identity of the operation: names may stand twice
        self._ways: dict[tuple[str, str], _Way] = {}
        self._request_id_header = contract.headers.get("request-id", "").encode()
        self._requests = 0
        self._context = Context(
            contract=contract,
            clock=clock,
            store=store,
            results=self._results,
            media=media,
            policy=policy or KeyPolicy(contract.refused_keys),
            seed=f"{seed}/{provider.name}",
            lenient=lenient,
            start=clock.now(),
            poll_after_ms=poll_after_ms if poll_after_ms is not None else _poll_after(clock.rate),
        )

    def renewed(self, provider: Provider, policy: KeyPolicy) -> "Engine":
        """An engine of the changed contract that goes on where this one is: the same jobs, clock and generators."""
        made = Engine(
            provider,
            self._clock,
            self._store,
            self._media,
            seed=self._seed,
            policy=policy,
            poll_after_ms=self._poll_after_ms,
            lenient=self._lenient,
            on_error=self._on_error,
        )
        made._requests = self._requests
        made._context.randoms = self._context.randoms
        made._context.records = self._context.records
        made._context.start = self._context.start
        return made

    def examine(self) -> Iterator[Problem | None]:
        """Compile all that requests compile when they first need it: what is wrong with each operation, or None."""
        document = self.provider.contract.document
        of_jobs = {part.operation.name for r in self.provider.contract.resources for part in r.operations}
        for operation in document.operations:
            try:
                self.check_operation(operation)
                yield None
            except DocumentError as error:
                yield Problem(str(error).removeprefix(f"{document.origin}: "), fatal=operation.name in of_jobs)
                continue
            for place, schema, direction in schemas_of(operation):
                try:
                    why = contradiction(document, schema, direction)
                except DocumentError:
                    continue  # an answer whose schema is broken is made of its example
                if why:
                    yield Problem(f"{operation.name}: {place} can never be valid: {why}.", fatal=False)

    def check_operation(self, operation: Operation) -> None:
        """Compile all that requests of one operation need, and draw its success answer where that is a sample.

        Raises DocumentError with the operation, and for a schema that nothing is valid against with status and field.
        """
        document = self.provider.contract.document
        try:
            compile_handler(operation, self._context)
            RequestReader(document, operation).check()
            self._refuser.check(operation)
        except Exception as error:  # a document can be wrong in more ways than can be named here
            reason = str(error).removeprefix(f"{document.origin}: ") or type(error).__name__
            raise DocumentError(f"{document.origin}: {operation.name} cannot be served: {reason}") from None

    def handle(self, request: Request) -> Response:
        """The response to a request. Never raises: what goes wrong inside is a 500 in the provider's shape."""
        self._requests += 1
        request_id = b"req_%016x" % self._requests
        operation: Operation | None = None
        try:
            way = self._ways.get((request.method, request.path)) or self._find_way(request)
            operation = way.operation
            response = way.handler(request, way.path, request_id)
        except _Answered as answered:
            response = answered.response
        except Refusal as refusal:
            response = self._refused(refusal, operation, request_id)
        except DocumentError as error:  # said at start-up, or soon after
            name = operation.name if operation else f"{request.method} {request.path[:200]}"
            reason = str(error).removeprefix(f"{self.provider.contract.document.origin}: ")
            text = f"{name} cannot be served by the simulator: {reason}"
            response = self._refused(Refusal("internal", text), operation, request_id)
        except Exception as error:
            if self._on_error:
                self._on_error(error, request)
            internal = Refusal("internal", "The simulator failed on this request; its log says why.")
            response = self._refused(internal, operation, request_id)
        return self._finished(response, request.headers, request_id)

    def refuse(self, headers: Mapping[bytes, bytes], kind: str, message: str) -> Response:
        """A refusal that is decided before the request is whole: too large, too slow."""
        self._requests += 1
        request_id = b"req_%016x" % self._requests
        refusal = Refusal(kind, message, headers=[(b"connection", b"close")])
        return self._finished(self._refused(refusal, None, request_id), headers, request_id)

    def _refused(self, refusal: Refusal, operation: Operation | None, request_id: bytes) -> Response:
        """A refusal in the provider's shape; in the plainest there is if that cannot be made of the contract."""
        try:
            return self._refuser.respond(refusal, operation, self._clock.now(), request_id)
        except (DocumentError, TypeError, ValueError):
            return plain_response(refusal)

    def _finished(self, response: Response, headers: Mapping[bytes, bytes], request_id: bytes) -> Response:
        """The response with the headers that all answers have."""
        if self._request_id_header:
            response.headers.append((self._request_id_header, request_id))
        if b"origin" in headers:
            add_cors(response.headers)
        return response

    def _find_way(self, request: Request) -> "_Way":
        """The operation that a request means, remembered: clients ask for the same paths again and again."""
        route, values = self._route(request)
        if route.by_query:
            given = parse_qsl(request.query, keep_blank_values=True)
            told = [*(value for _, value in given), *(value.decode("latin-1") for value in request.headers.values())]
            route = route.chosen([*given, *(("#", value) for value in told)])
        operation = route.operation
        handler = self._handlers.get(id(operation))
        if handler is None:
            handler = self._handlers[id(operation)] = compile_handler(operation, self._context)
        if len(self._ways) >= MAX_WAYS:
            self._ways.clear()
        way = _Way(operation, handler, dict(zip(route.names, values, strict=True)))
        if len(request.path) <= MAX_WAY and not route.by_query:
            self._ways[request.method, request.path] = way
        return way

    def _route(self, request: Request) -> tuple[Route, list[str]]:
        method, path, *_ = request
        if path.startswith(ASSETS):
            raise _Answered(self._asset(request))
        found = self._router.find(path, "GET" if method == "HEAD" else method)
        if found is None:
            known = sorted({o.name for o in self.provider.contract.document.operations})
            more = f" and {len(known) - 8} more" if len(known) > 8 else ""
            message = f"Invalid URL ({method} {path[:200]}): no such path. There are: {', '.join(known[:8])}{more}."
            raise Refusal("unknown_path", message)
        routes, values = found
        route = routes.get(method) or (routes.get("GET") if method == "HEAD" else None)
        if route is None:
            allowed = sorted({*routes, "OPTIONS", *(["HEAD"] if "GET" in routes else [])})
            if method == "OPTIONS":
                raise _Answered(preflight(request, allowed))
            allow: RawHeaders = [(b"allow", ", ".join(allowed).encode())]
            raise Refusal(
                "method_not_allowed",
                f"{method} is not allowed on {path[:200]}. Allowed: {', '.join(allowed)}.",
                headers=allow,
            )
        return route, values

    def _asset(self, request: Request) -> Response:
        """A result by its link: no key is asked for, as with a storage link, but it expires."""
        name = request.path[len(ASSETS) :]
        id, _, suffix = name.rpartition(".")
        if request.method == "OPTIONS":
            raise _Answered(preflight(request, ["GET", "HEAD", "OPTIONS"]))
        if request.method not in ("GET", "HEAD"):
            raise Refusal(
                "method_not_allowed",
                f"{request.method} is not allowed here.",
                headers=[(b"allow", b"GET, HEAD, OPTIONS")],
            )
        job = self._store.get(id)
        if job is None and self._lenient and id and self.provider.contract.resources:
            job = self._context.invented(id, "", self.provider.contract.resources[0].name)
        if job is None or (suffix != "mp4" and suffix not in IMAGES and suffix not in SOUNDS):
            raise Refusal("not_found", f"No result {name[:100]!r}.", id=id)
        require_result(job, self._clock.now())
        if suffix == "mp4":
            return serve_bytes(request, self._results.video(job), "video/mp4", name)
        if suffix in SOUNDS:
            return serve_bytes(request, self._results.sound(job, SOUNDS[suffix]), SOUNDS[suffix], name)
        return serve_bytes(request, self._results.still(job, IMAGES[suffix]), IMAGES[suffix], name)


class _Way(NamedTuple):
    """What a method and path lead to, with the values of the path's parameters."""

    operation: Operation
    handler: Handler
    path: dict[str, str]


class _Answered(Exception):
    """A request that was answered while it was being routed."""

    def __init__(self, response: Response) -> None:
        self.response = response


def _poll_after(rate: float) -> int:
    """A second of virtual time between polls, in real milliseconds."""
    return max(round(1000 / rate), 5) if rate else 1000
