"""The long way of a request: where a scenario, a progression, a skipping clock or an Idempotency-Key has a say."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from hashlib import blake2b
from math import ceil, inf
from typing import Any

from mockserver.clock import ClockMode
from mockserver.engine.preferences import Preferences, read_preferences
from mockserver.engine.refusal import Refusal
from mockserver.engine.validation import Inputs
from mockserver.form import UploadedFile
from mockserver.jobs.job import Job
from mockserver.jobs.lifecycle import TERMINAL, State
from mockserver.jobs.profile import Profile
from mockserver.jobs.resource import Action, JobOperation, JobResource
from mockserver.jobs.timeline import Timeline
from mockserver.message import Fault, RawHeaders, Request, Response
from mockserver.plans.progression import Progress, Progression
from mockserver.plans.scenario import ASSET, Activation, Refuse, Scenario, Step
from mockserver.sandbox.exchange import Exchange
from mockserver.sandbox.sandbox import MAX_REPLIES, Account, Sandbox, Sandboxes

STARTS = (Action.CREATE, Action.FOLLOW_UP)
MARK = b"scenario:"  # in a prompt or a model: `scenario:moderation-at-create`
MAX_COUNTS = 100_000  # of requests, for the steps of scenarios
MAX_TOKEN = 255  # characters of an Idempotency-Key
_MAGIC = re.compile(r"(?<![\w-])scenario:([a-z0-9][a-z0-9-]{0,63})")
_POLLS = (Action.RETRIEVE, Action.RESULT)
_LOOKS = (Action.RETRIEVE, Action.RESULT, Action.CONTENT)
_SPOILED = bytes(255 - n for n in range(256))
_HEAD = 24  # bytes that are not spoiled: it still looks like what it is

Act = Callable[[Exchange, Inputs], Response]


@dataclass(slots=True)
class Held:
    """A job that waits for polls: how many until its next event, and the life that it would have had."""

    every: int
    left: int
    drawn: Timeline


@dataclass(frozen=True, slots=True)
class Choice:
    """A scenario that has a say in a request, and why: asked for with it, switched on, or followed by its job."""

    scenario: Scenario
    forced: bool = False
    activation: Activation | None = None
    followed: bool = False


class Steerer:
    """The long way of one operation's requests."""

    def __init__(
        self,
        sandboxes: Sandboxes,
        name: str,
        resource: JobResource | None,
        part: JobOperation | None,
        named: Callable[[Inputs], Any],
        act: Act,
        prefer: Act,
    ) -> None:
        self._sandboxes = sandboxes
        self._name = name
        self._resource = resource
        self._action = part.action if part else None
        self._word = part.action.value if part else ""
        self._starts = self._action in STARTS
        self._named = named if part and part.id_place else None
        self._act = act
        self._prefer = prefer

    def __call__(self, exchange: Exchange, given: Inputs) -> Response:
        headers = exchange.request.headers
        wishes = read_preferences(headers[b"prefer"]) if b"prefer" in headers else None
        token = headers.get(b"idempotency-key") if self._starts else None
        if token:
            return self._once(exchange, given, wishes, token)
        return self._steered(exchange, given, wishes)

    # -- once only ----------------------------------------------------------------------------------

    def _once(self, exchange: Exchange, given: Inputs, wishes: Preferences | None, token: bytes) -> Response:
        """The answer to the first request with a key, to each later one that is the same."""
        replies = exchange.account.replies
        key = (self._name, token[:MAX_TOKEN].decode("latin-1"))
        content = repr((given.path, given.query, given.body)).encode("utf-8", "surrogatepass")
        digest = blake2b(content, digest_size=16).digest()
        known = replies.get(key)
        if known is not None:
            if known[0] != digest:
                raise Refusal(
                    "idempotency_mismatch",
                    "This Idempotency-Key was sent before with another request. Use a new key for a new request.",
                )
            status, headers, body, _ = known[1]
            return Response(status, [*headers, (b"idempotent-replayed", b"true")], body)
        response = self._steered(exchange, given, wishes)
        if 200 <= response.status < 300:
            if len(replies) >= MAX_REPLIES:
                del replies[next(iter(replies))]
            replies[key] = digest, response._replace(headers=list(response.headers))
        return response

    # -- scenarios ----------------------------------------------------------------------------------

    def _steered(self, exchange: Exchange, given: Inputs, wishes: Preferences | None) -> Response:
        sandbox = exchange.sandbox
        job = self._peek(exchange, given)
        choices = list(self._choices(exchange, given, wishes, job))
        if self._action in _LOOKS or self._action is Action.LIST:
            job = self._move(exchange, job)
        subject = job.id if job else ""
        fired = list(_fired(sandbox, choices, self._word, subject))
        bound = [choice for choice in choices if choice.scenario.is_about(self._word) or choice.scenario.follows_jobs]
        if self._starts:
            _use_up(exchange, {id(c.activation): c for c in bound if c.activation}.values())
        else:
            _use_up(exchange, {id(c.activation): c for c, _ in fired if c.activation}.values())
        names = [c.scenario.name for c in (bound if self._starts else [c for c, _ in fired])]
        exchange.marked.scenarios = tuple(dict.fromkeys(names))
        if wishes and wishes.scenario and wishes.scenario in exchange.marked.scenarios:
            _extend(exchange, [(b"preference-applied", b"scenario=%b" % wishes.scenario.encode())])
        before(exchange, fired)
        if self._starts:
            scenarios = [choice.scenario for choice in bound]
            exchange.marked.plan = lambda made, profile, model: self._planned(exchange, made, scenarios, profile, model)
        act = self._prefer if wishes and any(wishes) else self._act
        response = after(act(exchange, given), fired)
        if exchange.job is not None:
            self._tell_queue(exchange, exchange.job)
            if self._action in (Action.CANCEL, Action.DELETE):
                _move_up(exchange.account, exchange.job, self._slots(exchange.job), exchange.now)
        return response

    def _peek(self, exchange: Exchange, given: Inputs) -> Job | None:
        """The job that a request names, if the sandbox has it."""
        if self._named is None or self._starts:
            return None
        id = str(self._named(given))
        store = exchange.account.store
        return store.get(id) or (store.get(id.rsplit("/", 1)[-1]) if "/" in id else None)

    def _choices(
        self, exchange: Exchange, given: Inputs, wishes: Preferences | None, job: Job | None
    ) -> Iterator[Choice]:
        """The scenarios that have a say in a request, those that were asked for first."""
        seen: set[str] = set()
        if wishes and wishes.scenario:
            seen.add(wishes.scenario)
            yield Choice(self._scenario(wishes.scenario, "Prefer: scenario"), forced=True)
        if self._starts and self._sandboxes.magic:
            for name in _magic_names(given.body):
                if name not in seen:
                    seen.add(name)
                    yield Choice(self._scenario(name, "the request's text"))
        for name in job.scenarios if job else ():
            if name not in seen and (scenario := self._sandboxes.scenarios.get(name)):
                seen.add(name)
                yield Choice(scenario, followed=True)
        for activation in chain_activations(exchange.sandbox):
            if activation.scenario.name not in seen:
                seen.add(activation.scenario.name)
                yield Choice(activation.scenario, activation=activation)

    def _scenario(self, name: str, where: str) -> Scenario:
        known = self._sandboxes.scenarios
        if name not in known:
            close = get_close_matches(name, list(known), 1)
            hint = f" Did you mean {close[0]}?" if close else ""
            raise Refusal(
                "invalid_request",
                f"{where} names the scenario '{name[:64]}', which is not known.{hint} `mockserver scenarios` lists them.",
            )
        return known[name]

    # -- time ---------------------------------------------------------------------------------------

    def _move(self, exchange: Exchange, job: Job | None) -> Job | None:
        """What a look at jobs moves: a job that waits for polls, and a skipping clock."""
        account, sandbox = exchange.account, exchange.sandbox
        if job is not None and job.id in account.held and self._action in _POLLS:
            job = _count_poll(account, job, exchange.now)
        if sandbox.clock.mode is ClockMode.SKIPPING:
            jobs = [job] if job else list(account.store) if self._action is Action.LIST else []
            events = [at for each in jobs if each and (at := _next_move(each.timeline, exchange.now)) < inf]
            if events:
                sandbox.clock.advance_to(min(events))
                exchange.now = sandbox.now()
        return job

    def _planned(self, exchange: Exchange, job: Job, scenarios: list[Scenario], profile: Profile, model: Any) -> Job:
        """A new job as its scenarios and the progression have it."""
        sandbox, account = exchange.sandbox, exchange.account
        timeline, failure, slots = job.timeline, None, 0
        for scenario in scenarios:
            if scenario.job is not None:
                timeline = scenario.job.timeline(timeline, sandbox.draws, profile.expires_after)
                failure = scenario.job.error or failure
                slots = scenario.job.slots or slots
        if slots:
            timeline = _after_slots(account, job, timeline, slots)
        progression = _progression(sandbox, model)
        if progression.by is Progress.IMMEDIATE:
            timeline = _ended_now(timeline, timeline, exchange.now)
            timeline = timeline._replace(started=exchange.now)
        elif progression.by is Progress.POLLS:
            account.held[job.id] = Held(progression.polls, progression.polls, timeline)
            timeline = timeline._replace(started=inf, ended=inf, due=inf, expires=None)
        if any(scenario.follows_jobs or (scenario.job and scenario.job.slots) for scenario in scenarios):
            sandbox.has_plans = True
            sandbox.update()
        names = tuple(dict.fromkeys(scenario.name for scenario in scenarios))
        return job._replace(timeline=timeline, failure=failure, scenarios=names)

    def _slots(self, job: Job) -> int:
        known = (self._sandboxes.scenarios.get(name) for name in job.scenarios)
        return max((s.job.slots for s in known if s and s.job), default=0)

    def _tell_queue(self, exchange: Exchange, job: Job) -> None:
        """How many jobs are before this one, and for how long it will wait, where it waits for a slot."""
        now, timeline = exchange.now, job.timeline
        if timeline.started <= now or timeline.ended <= now or not job.scenarios or not self._slots(job):
            return
        ahead = [j for j in exchange.account.store if _waits(j, now) and j.timeline.started < timeline.started]
        wait = b"" if timeline.started == inf else b"%d" % ceil(timeline.started - now)
        headers = [(b"mockserver-queue-position", b"%d" % (len(ahead) + 1)), (b"mockserver-queue-wait", wait)]
        _extend(exchange, [header for header in headers if header[1]])


def is_marked(request: Request) -> bool:
    """Whether a form names a scenario in one of its fields."""
    form = request.form
    return isinstance(form, tuple) and any("scenario:" in p.value for p in form if isinstance(p.value, str))


def chain_activations(sandbox: Sandbox) -> Iterator[Activation]:
    """What is switched on for a sandbox, the newest first, then what is for the server."""
    for source in sandbox.sources:
        yield from reversed(source.activations)


def _magic_names(body: Any) -> Iterator[str]:
    values = body.values() if isinstance(body, dict) else ()
    for value in values:
        if isinstance(value, str) and not isinstance(value, UploadedFile) and "scenario:" in value:
            yield from _MAGIC.findall(value)


def _fired(sandbox: Sandbox, choices: list[Choice], action: str, subject: str) -> Iterator[tuple[Choice, Step]]:
    """The steps that happen to this request; each step counts the requests about one job."""
    counts = sandbox.counts
    if len(counts) > MAX_COUNTS:
        counts.clear()
    for choice in choices:
        source = choice.activation.id if choice.activation else ""
        for index, step in enumerate(choice.scenario.steps):
            if action not in step.actions:
                continue
            key = (choice.scenario.name, source, index, subject)
            number = counts[key] = counts.get(key, 0) + 1
            is_due = step.first <= number and (step.last is None or number <= step.last)
            if not (is_due or choice.forced):
                continue
            if step.rate < 1 and sandbox.draws.random() >= step.rate:
                continue
            yield choice, step


def _use_up(exchange: Exchange, used: Any) -> None:
    """Count a request against what was switched on for so many."""
    for choice in used:
        activation = choice.activation
        if activation.left is None:
            continue
        activation.left -= 1
        if activation.left <= 0:
            for source in exchange.sandbox.sources:
                if activation in source.activations:
                    source.activations.remove(activation)
                    exchange.sandbox.registry.server.update()


def before(exchange: Exchange, fired: list[tuple[Choice, Step]]) -> None:
    """What steps do before a request is acted on. Raises Refusal, or Broken for a connection that is reset."""
    for _, step in fired:
        if step.delay:
            exchange.marked.fault = Fault("delay", seconds=step.delay)
    for choice, step in fired:
        if step.refuse:
            raise refusal_of(step.refuse, choice.scenario.name, exchange.sandbox)
        if step.connection == "reset":
            exchange.marked.fault = Fault("reset")
            raise Broken


class Broken(Exception):
    """A connection that is reset before its request was acted on."""


def after(response: Response, fired: list[tuple[Choice, Step]]) -> Response:
    """What steps do to an answer, and to its way back."""
    for _, step in fired:
        if step.corrupt and response.body:
            response = response._replace(body=response.body[:_HEAD] + response.body[_HEAD:].translate(_SPOILED))
        if step.connection:
            response = response._replace(fault=Fault(step.connection, step.share, step.seconds))
    return response


def refusal_of(refuse: Refuse, scenario: str, sandbox: Sandbox) -> Refusal:
    """The refusal that a step asks for, with the headers that go with it."""
    headers: RawHeaders = []
    if refuse.retry_after is not None:
        wait = refuse.retry_after / sandbox.clock.rate if sandbox.clock.rate else 0.0  # a client waits in real time
        headers += [(b"retry-after", b"%d" % ceil(wait)), (b"retry-after-ms", b"%d" % ceil(wait * 1000))]
    if refuse.limit is not None:
        reset = f"{refuse.retry_after or 0:g}s".encode()
        headers += [
            (b"x-ratelimit-limit-requests", b"%d" % refuse.limit),
            (b"x-ratelimit-remaining-requests", b"0"),
            (b"x-ratelimit-reset-requests", reset),
        ]
    headers += [(name.encode(), value.encode()) for name, value in refuse.headers.items()]
    message = refuse.message or f"The scenario '{scenario}' refuses this request."
    return Refusal(
        refuse.kind, message, headers=headers, hint=False, status=refuse.status, code=refuse.code, type=refuse.type,
        body=refuse.body,
    )  # fmt: skip


def steps_for_link(exchange: Exchange, scenarios: Mapping[str, Scenario]) -> list[tuple[Choice, Step]]:
    """The steps that happen to a request for a result by its link."""
    job, sandbox = exchange.job, exchange.sandbox
    followed = [scenarios[name] for name in (job.scenarios if job else ()) if name in scenarios]
    choices = [Choice(scenario, followed=True) for scenario in followed]
    active = (a for a in chain_activations(sandbox) if a.scenario not in followed)
    choices += [Choice(activation.scenario, activation=activation) for activation in active]
    fired = list(_fired(sandbox, choices, ASSET, job.id if job else ""))
    _use_up(exchange, {id(c.activation): c for c, _ in fired if c.activation}.values())
    exchange.marked.scenarios = tuple(dict.fromkeys(c.scenario.name for c, _ in fired))
    return fired


def _extend(exchange: Exchange, headers: RawHeaders) -> None:
    exchange.marked.extra.extend(headers)


# -- timelines --------------------------------------------------------------------------------------


def _next_move(timeline: Timeline, now: float) -> float:
    """When a job next changes its state; infinity if it never does."""
    if now >= timeline.ended:
        return inf
    return min(at for at in (timeline.started, timeline.ended) if at > now)


def _ended_now(timeline: Timeline, drawn: Timeline, now: float) -> Timeline:
    """A timeline that comes to the end that was drawn for it at this instant."""
    expires = None if drawn.expires is None else now + (drawn.expires - drawn.ended)
    started = min(timeline.started, now)
    whole = drawn.due - drawn.started
    share = (drawn.ended - drawn.started) / whole if 0 < whole < inf else 1.0
    due = now if drawn.outcome is State.SUCCEEDED or share <= 0 else started + (now - started) / share
    return Timeline(timeline.created, started, now, drawn.outcome, due, drawn.steps, expires)


def _count_poll(account: Account, job: Job, now: float) -> Job:
    """One poll of a job that waits for polls."""
    held = account.held[job.id]
    if job.timeline.ended <= now:  # it was cancelled or forced to an end
        del account.held[job.id]
        return job
    held.left -= 1
    if held.left > 0:
        return job
    held.left = held.every
    if job.timeline.started > now and held.drawn.started < inf:
        job = job._replace(timeline=job.timeline._replace(started=now))
    elif held.drawn.ended < inf:
        del account.held[job.id]
        job = job._replace(timeline=_ended_now(job.timeline, held.drawn, now))
    account.store.replace(job)
    return job


def _progression(sandbox: Sandbox, model: Any) -> Progression:
    for source in sandbox.sources:
        known: Mapping[str, Progression] = source.progressions
        if found := (known.get(model) if isinstance(model, str) else None) or known.get("*"):
            return found
    return Progression(Progress.TIME)


def _waits(job: Job, now: float) -> bool:
    return job.timeline.started > now and job.timeline.ended > now


def _shifted(timeline: Timeline, started: float) -> Timeline:
    """The same life, beginning to run at another instant."""
    by = started - timeline.started
    if by == 0 or timeline.started == inf:
        return timeline
    expires = None if timeline.expires is None else timeline.expires + by
    return timeline._replace(started=started, ended=timeline.ended + by, due=timeline.due + by, expires=expires)


def _after_slots(account: Account, job: Job, timeline: Timeline, slots: int) -> Timeline:
    """A timeline that waits until one of the slots is free."""
    ends = sorted(
        j.timeline.ended for j in account.store if j.kind == job.kind and j.timeline.ended > job.timeline.created
    )
    free = ends[len(ends) - slots] if len(ends) >= slots else 0.0
    return _shifted(timeline, max(timeline.started, free))


def _move_up(account: Account, gone: Job, slots: int, now: float) -> None:
    """Let the jobs behind one that is gone begin earlier."""
    if not slots:
        return
    running = [j for j in account.store if j.kind == gone.kind and j.timeline.started <= now < j.timeline.ended]
    ends = sorted(j.timeline.ended for j in running)
    waiting = sorted(
        (j for j in account.store if j.kind == gone.kind and _waits(j, now)), key=lambda j: j.timeline.started
    )
    for job in waiting:
        free = ends[len(ends) - slots] if len(ends) >= slots else now
        timeline = _shifted(job.timeline, min(job.timeline.started, max(now, free)))
        account.store.replace(job._replace(timeline=timeline))
        ends = sorted([*ends, timeline.ended])


def is_over(job: Job, now: float) -> bool:
    """Whether a job has come to its end."""
    return job.timeline.state_at(now) in TERMINAL
