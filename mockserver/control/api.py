"""The control API: a request below its prefix in, a response out. What a request may say, openapi.yaml says."""

from asyncio import get_running_loop, sleep
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping
from itertools import repeat
from typing import Any, TypeVar
from urllib.parse import parse_qsl

import orjson

from mockserver import __version__
from mockserver.clock import MOST, Clock, ClockMode
from mockserver.control.forcing import force
from mockserver.control.state import export_state, import_state
from mockserver.engine.refusal import Refusal
from mockserver.engine.routing import Router
from mockserver.engine.steering import line_up
from mockserver.engine.validation import Inputs, RequestReader
from mockserver.errors import DeclarationError
from mockserver.instants import read_duration, read_instant, write_instant
from mockserver.jobs.declaration import REFUSALS
from mockserver.jobs.job import Job
from mockserver.jobs.lifecycle import State, complete_words
from mockserver.jobs.resource import Contract, JobResource
from mockserver.masking import mask
from mockserver.message import RawHeaders, Request, Response
from mockserver.openapi.document import Document, Operation
from mockserver.plans.progression import read_progression
from mockserver.plans.reading import known
from mockserver.plans.scenario import MAX_OWN, Activation, Scenario, read_definition
from mockserver.provider import Provider
from mockserver.sandbox.har import as_har
from mockserver.sandbox.journal import Entry
from mockserver.sandbox.outbox import read_endpoint
from mockserver.sandbox.sandbox import ANONYMOUS, SERVER, Account, Sandbox, Sandboxes, Switches
from mockserver.sandbox.showing import Filter, entry_data, matches
from mockserver.sandbox.verdict import case_of, judge_of

MAX_LISTED = 1000  # jobs or exchanges, where no limit is given
MAX_ACTIVATIONS = 100  # of one sandbox, and of the server
_JSON = (b"content-type", b"application/json")
AT_A_TIME = 0.005  # seconds of the machine for which other requests wait, where a request looks at much
T = TypeVar("T")
Settle = Callable[[list[Sandbox]], Awaitable[None]]


class ControlError(Exception):
    """What cannot be done: the status, a code, a message, and the field that it is about."""

    def __init__(self, status: int, code: str, message: str, field: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.field = field


class ControlApi:
    """Answers the requests below CONTROL.

    `providers` are those that are served, by name. `settle` delivers what fell due in some sandboxes and returns when
    that is done. `make_key` gives a key that nobody has, `prefixes` what the paths of each provider hang below.
    """

    def __init__(
        self,
        document: Document,
        sandboxes: Sandboxes,
        providers: Callable[[], Mapping[str, Provider]],
        settle: Settle,
        make_key: Callable[[], str],
        prefixes: Callable[[], Mapping[str, str]] = dict,
    ) -> None:
        self._document = document
        self._sandboxes = sandboxes
        self._providers = providers
        self._settle = settle
        self._make_key = make_key
        self._prefixes = prefixes
        self._router = Router(document.operations, "")
        self._readers: dict[str, RequestReader] = {}

    async def handle(self, request: Request) -> Response:
        """The response to a request whose path begins below CONTROL. Never raises for what a user can mend."""
        try:
            operation, values = self._route(request)
            reader = self._readers.get(operation.name)
            if reader is None:
                reader = self._readers[operation.name] = RequestReader(self._document, operation)
            given = reader.read(request, values)
            _refuse_unknown(operation, request.query)
            act = getattr(self, f"_{_snake(operation.id)}")
            found = act(given)
            return _json(200, await found if isinstance(found, Awaitable) else found)
        except ControlError as error:
            return error_response(error)
        except Refusal as refusal:
            status = REFUSALS[refusal.kind]
            field = refusal.violations[0].field if refusal.violations else None
            return error_response(ControlError(status, refusal.kind, refusal.message, field), refusal.headers)
        except DeclarationError as error:
            return error_response(ControlError(422, "unprocessable", str(error)))

    def _route(self, request: Request) -> tuple[Operation, dict[str, str]]:
        found = self._router.find(request.path, "GET" if request.method == "HEAD" else request.method)
        if found is None:
            paths = sorted({operation.path for operation in self._document.operations})
            raise ControlError(
                404, "unknown_path", f"There is no {request.path[:200]} here. There are: {', '.join(paths)}."
            )
        routes, values = found
        route = routes.get("GET" if request.method == "HEAD" else request.method)
        if route is None:
            allowed = ", ".join(sorted(routes))
            raise Refusal(
                "method_not_allowed",
                f"{request.method} is not allowed here. Allowed: {allowed}.",
                headers=[(b"allow", allowed.encode())],
            )
        return route.operation, dict(zip(route.names, values, strict=True))

    # -- the server ---------------------------------------------------------------------------------

    def _get_health(self, given: Inputs) -> Any:
        registry = self._sandboxes
        return {
            "status": "ok",
            "version": __version__,
            "seed": registry.seed,
            "providers": sorted(self._providers()),
            "sandboxes": len(registry.by_key),
            "real": write_instant(registry.real()),
            "clock": self._clock_data(None),
        }

    def _get_document(self, given: Inputs) -> Any:
        return self._document.root

    def _reset_server(self, given: Inputs) -> Any:
        self._sandboxes.reset()
        return self._get_health(given)

    def _known_to(self, given: Inputs) -> Mapping[str, Scenario]:
        """The scenarios that the sandbox of a path knows."""
        sandbox = self._named(given)
        return self._sandboxes.scenarios if sandbox is None else sandbox.scenarios

    def _list_scenarios(self, given: Inputs) -> Any:
        found = sorted(self._sandboxes.scenarios.values(), key=lambda scenario: scenario.name)
        return {"data": [s.as_data for s in found]}

    def _list_drifts(self, given: Inputs) -> Any:
        found = sorted(self._sandboxes.known_drifts.values(), key=lambda drift: drift.code)
        return {"data": [d.as_data for d in found]}

    # -- sandboxes ----------------------------------------------------------------------------------

    def _named(self, given: Inputs) -> Sandbox | None:
        """The sandbox that a path names; None for the server."""
        id = str(given.path["sandbox"])
        if id == SERVER:
            return None
        found = self._sandboxes.of("") if id == ANONYMOUS else self._sandboxes.find(id)
        if found is None:
            raise ControlError(
                404,
                "not_found",
                f"There is no sandbox {id[:100]!r}. GET /sandboxes lists them; POST /sandboxes opens that of a key.",
            )
        return found

    def _one(self, given: Inputs) -> Sandbox:
        """The sandbox that a path names, which must not be the server."""
        found = self._named(given)
        if found is None:
            raise ControlError(409, "conflict", "This is about one sandbox; `server` stands for all of them.")
        return found

    def _all(self, given: Inputs) -> list[Sandbox]:
        """The sandboxes that a path speaks of."""
        found = self._named(given)
        return list(self._sandboxes) if found is None else [found]

    def _switches(self, given: Inputs) -> Switches:
        return self._named(given) or self._sandboxes.server

    def _list_sandboxes(self, given: Inputs) -> Any:
        self._sandboxes.expire()
        found = sorted(self._sandboxes, key=lambda sandbox: sandbox.used, reverse=True)
        return {"data": [self._sandbox_data(sandbox) for sandbox in found]}

    def _open_sandbox(self, given: Inputs) -> Any:
        body = given.body
        made = None if "api_key" in body else self._make_key()
        sandbox = self._sandboxes.of(made or str(body["api_key"]))
        if "name" in body:
            sandbox.name = body["name"]
        if "seed" in body and body["seed"] != sandbox.seed:
            sandbox.reseed(body["seed"])
        if "clock" in body:
            self._set_clock(Inputs({"sandbox": sandbox.id}, {}, body["clock"]))
        return {"sandbox": self._sandbox_data(sandbox), "api_key": made}

    def _get_sandbox(self, given: Inputs) -> Any:
        return self._sandbox_data(self._named(given))

    def _change_sandbox(self, given: Inputs) -> Any:
        sandbox = self._one(given)
        if "name" in given.body:
            sandbox.name = given.body["name"]
        if "seed" in given.body and given.body["seed"] != sandbox.seed:
            sandbox.reseed(given.body["seed"])
        return self._sandbox_data(sandbox)

    def _delete_sandbox(self, given: Inputs) -> Any:
        sandbox = self._one(given)
        self._sandboxes.drop(sandbox)
        return {"id": sandbox.id, "deleted": True}

    def _reset_sandbox(self, given: Inputs) -> Any:
        keep = (given.body or {}).get("keep", ())
        sandbox = self._named(given)
        for each in self._all(given):
            each.reset(journal="journal" not in keep, switches="switches" not in keep)
        if sandbox is None and "switches" not in keep:
            self._sandboxes.server.clear()
        return self._sandbox_data(sandbox)

    def _export_state(self, given: Inputs) -> Any:
        return export_state(self._all(given), self._sandboxes, self._named(given) is None)

    def _import_state(self, given: Inputs) -> Any:
        sandbox = self._named(given)
        import_state(given.body, sandbox, self._sandboxes, self._providers())
        return self._sandbox_data(sandbox)

    # -- clocks -------------------------------------------------------------------------------------

    def _get_clock(self, given: Inputs) -> Any:
        return self._clock_data(self._named(given))

    def _set_clock(self, given: Inputs) -> Any:
        sandbox, body = self._named(given), given.body
        mode = ClockMode(body["mode"])
        if "rate" in body and mode is not ClockMode.SCALED:
            raise ControlError(422, "unprocessable", "A rate is that of a scaled clock: say mode scaled.", "rate")
        if mode is ClockMode.SCALED and "rate" not in body:
            raise ControlError(422, "unprocessable", "A scaled clock needs a rate.", "rate")
        at = _field(read_instant, body["now"], "now") if "now" in body else None
        clock = self._sandboxes.clock if sandbox is None else sandbox.own_clock or sandbox.clock.copy()
        followers = [sandbox] if sandbox else [each for each in self._sandboxes if each.own_clock is None]
        if at is not None:
            self._put(clock, at, any(each.has_jobs for each in followers))
        clock.change(mode, body.get("rate", 1.0))
        if sandbox is not None:
            sandbox.own_clock = clock
            sandbox.update()
        else:
            self._sandboxes.server.update()
            for each in followers:
                if at is not None and each.clock is not clock:  # of a server that skips, each has a time of its own
                    self._put(each.clock, max(at, each.now()) if each.has_jobs else at, each.has_jobs)
        return self._clock_data(sandbox)

    def _put(self, clock: Clock, at: float, has_jobs: bool) -> None:
        """Set a clock to an instant: to any if there are no jobs yet, else forward only."""
        if has_jobs:
            _advance(clock, at, "now")
        else:
            clock.set(at)

    def _delete_clock(self, given: Inputs) -> Any:
        sandbox = self._named(given)
        if sandbox is None:
            followers = [each for each in self._sandboxes if each.own_clock is None]
            mode, rate = self._sandboxes.start_clock
            clock = self._sandboxes.clock
            clock.set(clock.source())
            clock.change(mode, rate)
            for each in followers:
                each.reset(journal=False, switches=False)
                each.follow_server()
            self._sandboxes.server.update()
        elif sandbox.own_clock is not None:
            sandbox.reset(journal=False, switches=False)
            sandbox.follow_server()
        return self._clock_data(sandbox)

    async def _advance_clock(self, given: Inputs) -> Any:
        sandbox, body = self._named(given), given.body
        clock = self._sandboxes.clock if sandbox is None else sandbox.clock
        start = clock.now()
        if "by" in body:
            by, field = _field(read_duration, body["by"], "by"), "by"
            to = start + by
        else:
            to, field = _field(read_instant, body["to"], "to"), "to"
            by = to - start
        if not start <= to <= MOST:
            raise _not_forward(start, to, field)
        if sandbox is not None and sandbox.own_clock is None and clock is self._sandboxes.clock:
            clock = sandbox.own_clock = clock.copy()  # from now on it is in a time of its own
            sandbox.update()
        try:  # a running clock has run on since
            clock.advance(by) if field == "by" else clock.advance_to(to)
        except ValueError:
            raise _not_forward(clock.now(), to, field) from None
        moved = [sandbox] if sandbox else [each for each in self._sandboxes if each.own_clock is None]
        for each in moved:
            if each.clock is not clock:  # of a server that skips, each has a time of its own
                there = each.now() + by if field == "by" else max(each.now(), to)
                each.clock.advance_to(min(there, MOST))
        await self._settle(moved)
        return self._clock_data(sandbox)

    def _clock_data(self, sandbox: Sandbox | None) -> dict[str, Any]:
        clock = self._sandboxes.clock if sandbox is None else sandbox.clock
        return {
            "object": "clock",
            "id": SERVER if sandbox is None else sandbox.id,
            "mode": clock.mode.value,
            "rate": clock.rate,
            "now": write_instant(clock.now()),
            "status": "ready",
            "own": sandbox is None or sandbox.own_clock is not None,
        }

    # -- jobs ---------------------------------------------------------------------------------------

    def _list_jobs(self, given: Inputs) -> Any:
        wanted, provider, limit = (given.query.get(name) for name in ("state", "provider", "limit"))
        found = [
            (account, job)
            for sandbox in self._all(given)
            for account in sandbox.accounts.values()
            if provider in (None, account.provider)
            for job in account.store
            if wanted in (None, job.timeline.state_at(sandbox.now()).value)
        ]
        found.sort(key=lambda pair: (pair[1].timeline.created, pair[1].id))
        return {"data": [self._job_data(*pair) for pair in found[-int(limit or MAX_LISTED) :]]}

    def _find_job(self, given: Inputs) -> tuple[Account, Job]:
        id = str(given.path["job"])
        for sandbox in self._all(given):
            for account in sandbox.accounts.values():
                if (job := account.store.get(id)) is not None:
                    return account, job
        raise ControlError(404, "not_found", f"There is no job {id[:100]!r} in this sandbox.")

    def _get_job(self, given: Inputs) -> Any:
        return self._job_data(*self._find_job(given))

    async def _force_job(self, given: Inputs) -> Any:
        account, job = self._find_job(given)
        contract = self._providers()[account.provider].contract
        now = account.sandbox.now()
        if "error" in given.body and given.body["state"] != State.FAILED:
            raise ControlError(422, "unprocessable", "Only a failed job has an error.", "error")
        resource = _resource(contract, job)
        if resource is None:
            raise ControlError(409, "conflict", "The contract that is served has no such kind of job any more.")
        job = force(job, State(given.body["state"]), now, resource, given.body.get("error"))
        account.held.pop(job.id, None)
        account.store.replace(job)
        line_up(account, now)
        await self._settle([account.sandbox])
        return self._job_data(account, job)

    def _delete_job(self, given: Inputs) -> Any:
        account, job = self._find_job(given)
        account.held.pop(job.id, None)
        account.store.remove(job.id)
        line_up(account, account.sandbox.now())
        return {"id": job.id, "deleted": True}

    def _job_data(self, account: Account, job: Job) -> dict[str, Any]:
        now, timeline = account.sandbox.now(), job.timeline
        state, progress = timeline.at(now)
        provider = self._providers().get(account.provider)
        resource = _resource(provider.contract, job) if provider else None
        words = complete_words(dict(resource.words)) if resource else {}
        started, ended = timeline.started_at(now), timeline.ended_at(now)
        expires = timeline.expires if state is State.SUCCEEDED else None
        return {
            "id": job.id,
            "sandbox": account.sandbox.id,
            "provider": account.provider,
            "kind": job.kind.partition("\n")[0],
            "state": state.value,
            "status": words.get(state, state.value),
            "progress": progress,
            "created": write_instant(timeline.created),
            "started": _instant(started),
            "ended": _instant(ended),
            "expires": _instant(expires),
            "next_event": _instant(timeline.next_event_after(now)),
            "scenarios": list(job.scenarios),
            "source": job.source,
            "inputs": dict(job.inputs),
        }

    # -- scenarios, drifts, progressions ------------------------------------------------------------

    def _list_activations(self, given: Inputs) -> Any:
        return {"data": [_activation_data(each) for each in self._switches(given).activations]}

    def _activate_scenario(self, given: Inputs) -> Any:
        switches, body = self._switches(given), given.body
        if len(switches.activations) >= MAX_ACTIVATIONS:
            raise ControlError(409, "conflict", f"{MAX_ACTIVATIONS} scenarios are on; switch some off first.")
        name = body["name"]
        if "definition" in body:
            if name not in switches.own and len(switches.own) >= MAX_OWN:
                raise ControlError(409, "conflict", f"{MAX_OWN} scenarios were defined; no more are kept.")
            definition = {"summary": "Defined through the control API.", **body["definition"]}
            scenario = read_definition(name, definition, frozenset(REFUSALS), "definition")
            switches.define(scenario, definition)
        else:
            scenario = known(self._known_to(given), name, "name")
        return _activation_data(switches.switch_on(scenario, body.get("times")))

    def _deactivate_scenarios(self, given: Inputs) -> Any:
        switches = self._switches(given)
        switches.activations.clear()
        switches.update()
        return {"data": []}

    def _deactivate_scenario(self, given: Inputs) -> Any:
        switches, id = self._switches(given), str(given.path["activation"])
        kept = [a for a in switches.activations if id not in (a.id, a.scenario.name)]
        if len(kept) == len(switches.activations):
            raise ControlError(404, "not_found", f"No scenario {id[:100]!r} is on here.")
        switches.activations[:] = kept
        switches.update()
        return self._list_activations(given)

    def _get_drifts(self, given: Inputs) -> Any:
        return {"names": list(self._switches(given).drifts)}

    def _set_drifts(self, given: Inputs) -> Any:
        switches = self._switches(given)
        found = {name: known(self._sandboxes.known_drifts, name, "names") for name in given.body["names"]}
        switches.drifts.clear()
        switches.drifts.update(found)
        switches.update()
        return self._get_drifts(given)

    def _get_progressions(self, given: Inputs) -> Any:
        return {model: each.as_data for model, each in self._switches(given).progressions.items()}

    def _set_progressions(self, given: Inputs) -> Any:
        switches = self._switches(given)
        found = {model: read_progression(data, model) for model, data in given.body.items()}
        switches.progressions.clear()
        switches.progressions.update(found)
        switches.update()
        return self._get_progressions(given)

    # -- webhooks -----------------------------------------------------------------------------------

    def _list_webhooks(self, given: Inputs) -> Any:
        return {"data": [endpoint.as_data for endpoint in self._switches(given).outbox.endpoints.values()]}

    def _add_webhook(self, given: Inputs) -> Any:
        switches = self._switches(given)
        endpoint = read_endpoint(given.body, switches.outbox, self._sandboxes.webhook_hosts, self._sandboxes.seed)
        switches.outbox.add(endpoint)
        switches.update()
        return {"webhook": endpoint.as_data, "secret": endpoint.secret}

    def _delete_webhook(self, given: Inputs) -> Any:
        switches, id = self._switches(given), str(given.path["webhook"])
        if switches.outbox.endpoints.pop(id, None) is None:
            raise ControlError(404, "not_found", f"There is no webhook {id[:100]!r} here.")
        switches.update()
        return {"id": id, "deleted": True}

    def _list_deliveries(self, given: Inputs) -> Any:
        found = [delivery for sandbox in self._all(given) for delivery in sandbox.outbox.deliveries()]
        return {"data": found}

    # -- the journal --------------------------------------------------------------------------------

    async def _entries(self, given: Inputs) -> tuple[list[tuple[Sandbox, Entry]], int]:
        """The entries that a request asks for, oldest first, and how many had to make room before."""
        sandboxes = self._all(given)
        wanted = {name: value for name, value in given.query.items() if name not in ("limit", "strict")}
        for name in ("since", "until"):
            if str(wanted.get(name, "")).isdecimal():
                wanted[name] = int(wanted[name])
        try:
            chosen, secrets = Filter(**wanted), self._secrets()
        except ValueError as error:
            raise ControlError(422, "unprocessable", f"{error}.") from None
        found = []
        kept = (pair for each in sandboxes for pair in zip(repeat(each), each.journal, strict=False))
        async for sandbox, entry in _in_turn(kept):
            if matches(entry, chosen, *secrets):
                found.append((sandbox, entry))
        found.sort(key=lambda pair: pair[1].real)
        limit = int(given.query.get("limit", MAX_LISTED))
        return found[-limit:], sum(each.journal.dropped for each in sandboxes)

    def _secrets(self) -> tuple[frozenset[str], frozenset[str]]:
        """The names of what holds keys by the contracts, in lower case; and the keys that are known."""
        names = {
            str(scheme.get("name", "")).lower()
            for provider in self._providers().values()
            for scheme in _schemes(provider)
            if scheme.get("type") == "apiKey"
        }
        return frozenset(names - {""}), frozenset(key for key in self._sandboxes.by_key if key.strip("\0"))

    async def _get_journal(self, given: Inputs) -> Any:
        entries, dropped = await self._entries(given)
        secrets = self._secrets()
        data = [{"sandbox": of.id, **entry_data(entry, *secrets)} async for of, entry in _in_turn(entries)]
        return {"data": data, "dropped": dropped}

    def _clear_journal(self, given: Inputs) -> Any:
        for sandbox in self._all(given):
            sandbox.journal.clear()
        return {"data": [], "dropped": 0}

    async def _export_har(self, given: Inputs) -> Any:
        entries, _ = await self._entries(given)
        secrets, prefixes = self._secrets(), self._prefixes()
        har = as_har([], *secrets, prefixes)
        async for sandbox, entry in _in_turn(entries):
            (told,) = as_har([entry], *secrets, prefixes)["log"]["entries"]
            har["log"]["entries"].append({**told, "_sandbox": sandbox.id})
        return har

    async def _get_verdict(self, given: Inputs) -> Any:
        sandboxes = self._all(given)
        judge = judge_of(sandboxes, self._providers())
        async for sandbox in _in_turn(sandboxes):
            judge.look_at(case_of(sandbox))
        return judge.verdict().as_data(strict=given.query.get("strict") is True)

    def _sandbox_data(self, sandbox: Sandbox | None) -> dict[str, Any]:
        registry = self._sandboxes
        switches: Switches = sandbox or registry.server
        members = [sandbox] if sandbox else list(registry)
        return {
            "id": SERVER if sandbox is None else sandbox.id,
            "name": "" if sandbox is None else sandbox.name,
            "key": "" if sandbox is None or sandbox.key.startswith("\0") or not sandbox.key else mask(sandbox.key),
            "seed": registry.seed if sandbox is None else sandbox.seed,
            "clock": self._clock_data(sandbox),
            "jobs": sum(len(account.store) for each in members for account in each.accounts.values()),
            "exchanges": sum(len(each.journal) for each in members),
            "scenarios": [_activation_data(each) for each in switches.activations],
            "drifts": list(switches.drifts),
            "progressions": {model: each.as_data for model, each in switches.progressions.items()},
            "created": write_instant(registry.created if sandbox is None else sandbox.created),
            "used": write_instant(max((each.used for each in members), default=registry.created)),
        }


def error_response(error: ControlError, headers: RawHeaders | None = None) -> Response:
    """What went wrong, as JSON."""
    response = _json(error.status, {"error": {"code": error.code, "message": error.message, "field": error.field}})
    response.headers.extend(headers or ())
    return response


def _json(status: int, value: Any) -> Response:
    body = orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS)
    headers = [_JSON, (b"content-length", b"%d" % len(body)), (b"cache-control", b"no-store")]
    return Response(status, headers, body)


def _refuse_unknown(operation: Operation, query: str) -> None:
    """Raises ControlError for a parameter that the document does not have: a filter that filters nothing."""
    known = [parameter.name for parameter in operation.parameters if parameter.place == "query"]
    for name, _ in parse_qsl(query, keep_blank_values=True, max_num_fields=256):
        if name not in known:
            said = f"known are {', '.join(known)}" if known else "there are none here"
            raise ControlError(400, "invalid_request", f"There is no parameter {name[:60]!r}: {said}.", name[:60])


async def _in_turn(things: Iterable[T]) -> AsyncIterator[T]:
    """All of them, with other requests in between: there may be many, and each takes a while."""
    now = get_running_loop().time
    due = now() + AT_A_TIME
    for thing in things:
        if now() >= due:
            await sleep(0)
            due = now() + AT_A_TIME
        yield thing


def _field(read: Callable[[object], float], value: object, name: str) -> float:
    try:
        return read(value)
    except ValueError as error:
        raise ControlError(422, "unprocessable", f"{name}: {error}.", name) from None


def _advance(clock: Clock, to: float, field: str) -> None:
    now = clock.now()
    try:
        clock.advance_to(to)
    except ValueError:
        raise _not_forward(now, to, field) from None


def _not_forward(now: float, to: float, field: str) -> ControlError:
    where = write_instant(to) if 0 <= to < 253_402_300_800 else f"{to:g} s"
    text = f"Time only goes forward, up to the year 9999: it is {write_instant(now)}, and {where} was asked for."
    return ControlError(409, "conflict", text, field)


def _instant(value: float | None) -> str | None:
    return None if value is None or value > MOST else write_instant(value)  # what is later never happens


def _activation_data(activation: Activation) -> dict[str, Any]:
    scenario = activation.scenario
    return {"id": activation.id, "scenario": scenario.name, "summary": scenario.summary, "left": activation.left}


def _resource(contract: Contract, job: Job) -> JobResource | None:
    """The kind of a job; None if the document was changed and has it no more."""
    kind = job.kind.partition("\n")[0]
    return next((resource for resource in contract.resources if resource.name == kind), None)


def _schemes(provider: Provider) -> Iterator[Mapping[str, Any]]:
    document = provider.contract.document
    for scheme in ((document.root.get("components") or {}).get("securitySchemes") or {}).values():
        found = document.resolve(scheme)
        if isinstance(found, dict):
            yield found


def _snake(name: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)
