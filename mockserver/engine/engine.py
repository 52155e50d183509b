"""The engine of one provider: a request in, a response out.

A request is routed, authorized, validated, acted on and rendered, in this order; each step may refuse.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import parse_qsl

from mockserver.engine.content import serve_bytes
from mockserver.engine.cors import add_cors, preflight
from mockserver.engine.operations import Context, Handler, compile_handler, require_result
from mockserver.engine.refusal import Refusal, Refuser, plain_response
from mockserver.engine.results import ASSETS, IMAGES, SOUNDS, Media, ResultFacts
from mockserver.engine.routing import Route, Router
from mockserver.engine.security import KeyPolicy
from mockserver.engine.steering import Broken, after, before, steps_for_link
from mockserver.engine.validation import RequestReader
from mockserver.errors import DocumentError, Problem
from mockserver.jobs.job import Job
from mockserver.message import RawHeaders, Request, Response
from mockserver.openapi.contradictions import contradiction, schemas_of
from mockserver.openapi.document import Operation
from mockserver.plans.scenario import ASSET
from mockserver.provider import Provider
from mockserver.sandbox.exchange import Exchange
from mockserver.sandbox.outbox import Event
from mockserver.sandbox.sandbox import Sandboxes

if TYPE_CHECKING:  # imported when a drift or a webhook is first switched on: most runs have none
    from mockserver.engine.drifting import Drifter
    from mockserver.engine.telling import Teller

MAX_WAYS = 4096  # remembered paths, about 1 MB
MAX_WAY = 256  # characters of a remembered path; an id has at most 60


class Engine:
    """Behaves like one provider, on the clocks of the sandboxes that ask.

    The seed and the order of a sandbox's requests decide ids and durations. `lenient`: any id stands for a job.
    """

    def __init__(
        self,
        provider: Provider,
        sandboxes: Sandboxes,
        media: Media,
        *,
        policy: KeyPolicy | None = None,
        lenient: bool = False,
        on_error: Callable[[BaseException, Request], None] | None = None,
    ) -> None:
        contract = provider.contract
        self.provider = provider
        self._sandboxes = sandboxes
        self._media = media
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
        self._context = Context(
            contract=contract,
            name=provider.name,
            sandboxes=sandboxes,
            results=self._results,
            media=media,
            policy=policy or KeyPolicy(contract.refused_keys),
            seed=f"{sandboxes.seed}/{provider.name}",
            lenient=lenient,
            start=sandboxes.clock.now(),
        )
        self._drifter: Drifter | None = None
        self._teller: Teller | None = None
        sandboxes.tellers[provider.name] = self._tell
        sandboxes.keep_records(provider.name, self._context.records)

    def renewed(self, provider: Provider, policy: KeyPolicy) -> "Engine":
        """An engine of the changed contract that goes on where this one is: the same sandboxes and records."""
        made = Engine(
            provider,
            self._sandboxes,
            self._media,
            policy=policy,
            lenient=self._lenient,
            on_error=self._on_error,
        )
        made._context.records = self._context.records
        made._context.start = self._context.start
        self._sandboxes.keep_records(provider.name, self._context.records)
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
        exchange = Exchange(request, self._sandboxes.real())
        try:
            way = self._ways.get((request.method, request.path)) or self._find_way(exchange)
            exchange.operation, exchange.name, exchange.action = way.operation, way.name, way.action
            response = way.handler(exchange, way.path)
        except _Answered as answered:
            response = answered.response
        except Refusal as refusal:
            response = self._refused(refusal, exchange)
        except Broken:
            response = Response(0, [], b"")  # there is none
        except DocumentError as error:  # said at start-up, or soon after
            operation = exchange.operation
            name = operation.name if operation else f"{request.method} {request.path[:200]}"
            reason = str(error).removeprefix(f"{self.provider.contract.document.origin}: ")
            response = self._refused(
                Refusal("internal", f"{name} cannot be served by the simulator: {reason}"), exchange
            )
        except Exception as error:
            if self._on_error:
                self._on_error(error, request)
            internal = Refusal("internal", "The simulator failed on this request; its log says why.")
            response = self._refused(internal, exchange)
        return self._finished(response, exchange)

    def refuse(self, headers: Mapping[bytes, bytes], kind: str, message: str) -> Response:
        """A refusal that is decided before the request is whole: too large, too slow."""
        exchange = Exchange(Request("", "", "", headers, b"", None, ""), self._sandboxes.real())
        refusal = Refusal(kind, message, headers=[(b"connection", b"close")])
        return self._finished(self._refused(refusal, exchange), exchange)

    def _refused(self, refusal: Refusal, exchange: Exchange) -> Response:
        """A refusal in the provider's shape; in the plainest there is if that cannot be made of the contract."""
        if not exchange.request_id:  # it has shown no key
            self._enter(exchange)
        exchange.marked.refusal = refusal.kind
        exchange.marked.violations = refusal.violations
        try:
            return self._refuser.respond(refusal, exchange.operation, exchange.now, exchange.request_id)
        except (DocumentError, TypeError, ValueError):
            return plain_response(refusal)

    def _enter(self, exchange: Exchange) -> None:
        """Put a request that has shown no key into the sandbox of those."""
        sandbox = self._sandboxes.of("")
        exchange.account = sandbox.account(self.provider.name)
        exchange.now = sandbox.now()
        exchange.request_id = exchange.account.next_request_id()

    def _finished(self, response: Response, exchange: Exchange) -> Response:
        """The response with the headers that all answers have, as it is written into the journal."""
        if not exchange.request_id:  # it has shown no key
            self._enter(exchange)
        sandbox = exchange.account.sandbox
        if self._request_id_header:
            response.headers.append((self._request_id_header, exchange.request_id))
        if b"origin" in exchange.request.headers:
            add_cors(response.headers)
        if sandbox.steered:
            response = self._drifted(response, exchange)
        if (marks := exchange.marks) is not None:
            response.headers.extend(marks.extra)
            if marks.fault and response.fault is None:
                response = response._replace(fault=marks.fault)
        sandbox.journal.add(exchange, response)
        return response

    def _drifted(self, response: Response, exchange: Exchange) -> Response:
        """The response with the departures that are switched on."""
        drifts = [drift for source in exchange.sandbox.sources for drift in source.drifts.values()]
        if not drifts:
            return response
        if self._drifter is None:
            from mockserver.engine.drifting import Drifter

            self._drifter = Drifter(self.provider.contract, self._again)
        try:
            return self._drifter.apply(drifts, response, exchange)
        except Exception as error:  # an answer that is right is better than none
            if self._on_error:
                self._on_error(error, exchange.request)
            return response

    def _again(self, exchange: Exchange, request: Request) -> tuple[Response, Exchange] | None:
        """The answer that a request would get in place of an exchange's own; None if it is refused.

        It is in no journal, and neither scenarios nor the numbers of requests count it.
        """
        other = Exchange(request, exchange.real)
        other.marked.plain = True
        try:
            way = self._find_way(other)
            other.operation, other.name, other.action = way.operation, way.name, way.action
            response = way.handler(other, way.path)
        except _Answered as answered:
            response = answered.response
        except (Refusal, DocumentError):
            return None
        finally:
            if other.request_id:
                other.account.requests -= 1
        return response, other

    def _tell(self, job: Job, at: float, site: str, id: str, callback: str) -> Event | None:
        """The event of a job's end; what webhooks are told."""
        if self._teller is None:
            from mockserver.engine.telling import Teller

            self._teller = Teller(self.provider.contract, self._results)
        return self._teller.event(job, at, site, id, callback)

    def _find_way(self, exchange: Exchange) -> "_Way":
        """The operation that a request means, remembered: clients ask for the same paths again and again."""
        request = exchange.request
        route, values = self._route(exchange)
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
        part = self.provider.contract.parts.get(operation.name)
        action = part[1].action.value if part else ""
        way = _Way(operation, operation.name, action, handler, dict(zip(route.names, values, strict=True)))
        if len(request.path) <= MAX_WAY and not route.by_query:
            self._ways[request.method, request.path] = way
        return way

    def _route(self, exchange: Exchange) -> tuple[Route, list[str]]:
        request = exchange.request
        method, path = request.method, request.path
        if path.startswith(ASSETS):
            raise _Answered(self._asset(exchange))
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

    def _asset(self, exchange: Exchange) -> Response:
        """A result by its link: no key is asked for, as with a storage link, but it expires."""
        request = exchange.request
        whose, _, name = request.path[len(ASSETS) :].rpartition("/")
        id, _, suffix = name.rpartition(".")
        if request.method == "OPTIONS":
            raise _Answered(preflight(request, ["GET", "HEAD", "OPTIONS"]))
        if request.method not in ("GET", "HEAD"):
            raise Refusal(
                "method_not_allowed",
                f"{request.method} is not allowed here.",
                headers=[(b"allow", b"GET, HEAD, OPTIONS")],
            )
        job = self._linked(exchange, whose, id)
        if job is None or (suffix != "mp4" and suffix not in IMAGES and suffix not in SOUNDS):
            raise Refusal("not_found", f"No result {name[:100]!r}.", id=id)
        exchange.action, exchange.job = ASSET, job
        steered = exchange.sandbox.steered or b"prefer" in request.headers
        steps = steps_for_link(exchange) if steered else []
        before(exchange, steps)
        require_result(job, exchange.now)
        return after(self._file(request, job, name, suffix), steps)

    def _linked(self, exchange: Exchange, whose: str, id: str) -> Job | None:
        """The job that a link leads to, and its sandbox as that of the request."""
        name = self.provider.name
        of_one = self._sandboxes.find(whose) if whose else None
        for sandbox in [of_one] if of_one else [] if whose else self._sandboxes:
            account = sandbox.accounts.get(name)
            if account is not None and (job := account.store.get(id)) is not None:
                exchange.account, exchange.now = account, sandbox.now()
                exchange.request_id = account.next_request_id()
                return job
        if self._lenient and id and self.provider.contract.resources:
            self._enter(exchange)
            return self._context.invented(exchange, id, self.provider.contract.resources[0].name)
        return None

    def _file(self, request: Request, job: Job, name: str, suffix: str) -> Response:
        if suffix == "mp4":
            return serve_bytes(request, self._results.video(job), "video/mp4", name)
        if suffix in SOUNDS:
            return serve_bytes(request, self._results.sound(job, SOUNDS[suffix]), SOUNDS[suffix], name)
        return serve_bytes(request, self._results.still(job, IMAGES[suffix]), IMAGES[suffix], name)


class _Way(NamedTuple):
    """What a method and path lead to, with the values of the path's parameters."""

    operation: Operation
    name: str
    action: str
    handler: Handler
    path: dict[str, str]


class _Answered(Exception):
    """A request that was answered while it was being routed."""

    def __init__(self, response: Response) -> None:
        self.response = response
