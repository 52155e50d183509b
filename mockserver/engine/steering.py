"""The long way of a request: where a scenario, a progression, a skipping clock or an Idempotency-Key has a say."""

import re
from bisect import insort
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from hashlib import blake2b
from math import ceil, inf
from typing import Any, NamedTuple

from mockserver.clock import MOST, ClockMode
from mockserver.engine.preferences import Preferences, read_preferences
from mockserver.engine.refusal import Refusal, Violation, violations_refusal
from mockserver.engine.validation import Inputs
from mockserver.jobs.job import Job
from mockserver.jobs.lifecycle import State
from mockserver.jobs.profile import Profile
from mockserver.jobs.resource import STARTS, Action, JobOperation, JobResource
from mockserver.jobs.timeline import Timeline
from mockserver.message import Fault, RawHeaders, Request, Response
from mockserver.plans.progression import Mover, Progression
from mockserver.plans.reading import near
from mockserver.plans.scenario import ASSET, MAX_WAIT, Activation, JobPlan, Scenario, Step
from mockserver.sandbox.exchange import Exchange
from mockserver.sandbox.sandbox import MAX_REPLIES, Account, Held, Sandbox, Sandboxes

WORD = b"scenario"  # stands in every body that is marked
MARK = b"scenario:"  # in a prompt or a model: `scenario:moderated-at-create`
LONGEST = 1e9  # seconds of the machine that a client is told to wait, however slow the clock
MAX_TOKEN = 255  # characters of an Idempotency-Key
MAX_TEXTS = 10_000  # values of a request that are looked at for names of scenarios
_MAGIC = re.compile(r"(?<![\w-])scenario:([a-z0-9][a-z0-9-]{0,63})")
_MARK_IN_FORM = b"scenario%3"  # the same in a form that is one line of text
_POLLS = (Action.RETRIEVE, Action.RESULT)
_MOVING = (Action.RETRIEVE, Action.RESULT, Action.CONTENT, Action.LIST)
_SPOILED = bytes(255 - n for n in range(256))
_HEAD = 24  # bytes that are not spoiled: it still looks like what it is

Act = Callable[[Exchange, Inputs], Response]


@dataclass(frozen=True, slots=True, eq=False)
class Choice:
    """A scenario that has a say in a request.

    Its steps count the requests about the `subject`, apart for each `activation`, which `source` names. `again`: once
    they are over they begin anew, for it was asked for with this very request.
    """

    scenario: Scenario
    subject: str
    activation: Activation | None = None
    source: str = ""
    again: bool = False


class Fired(NamedTuple):
    """A step that happens to a request; `wait` is for how many virtual seconds its quota is used up."""

    choice: Choice
    step: Step
    wait: float | None = None


class Broken(Exception):
    """A connection that is reset before its request was acted on."""


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
        self._kind = resource.name if resource else ""
        self._action = part.action if part else None
        self._word = part.action.value if part else ""
        self._starts = self._action in STARTS
        self._named = named if part and part.id_place and not self._starts else None
        self._act = act
        self._prefer = prefer

    def __call__(self, exchange: Exchange, given: Inputs) -> Response:
        headers = exchange.request.headers
        wishes = read_preferences(headers[b"prefer"]) if b"prefer" in headers else None
        token = headers.get(b"idempotency-key") if self._starts else None
        if token:
            return self._once(exchange, given, wishes, token.decode("latin-1"))
        return self._steered(exchange, given, wishes)

    # -- once only ----------------------------------------------------------------------------------

    def _once(self, exchange: Exchange, given: Inputs, wishes: Preferences | None, token: str) -> Response:
        """The answer to the first request with a key, to each later one that is the same."""
        if len(token) > MAX_TOKEN:
            found, expected = f"{len(token)} characters", f"at most {MAX_TOKEN}"
            raise violations_refusal([Violation("header", "Idempotency-Key", "maxLength", found, expected)])
        replies = exchange.account.replies
        key, digest = (self._name, token), _digest(given)
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
        subject, job = self._peek(exchange, given)
        known = exchange.sandbox.scenarios
        asked = _asked_for(known, wishes)
        if self._starts and self._sandboxes.magic:
            asked += [_known(known, name, ("body", "scenario:")) for name in _magic_names(given.body)]
        own = f"={_digest(given).hex()}" if self._starts and asked else subject  # one that is sent again is the same
        choices = _choices(exchange, asked, job, subject, own)
        if self._action in _MOVING:
            job = self._move(exchange, job)
        fired = list(_fired(exchange, choices, self._word, job is None or _has_result(job, exchange.now)))
        applied = {each.choice for each in fired}
        bound = [choice for choice in choices if choice.scenario.is_bound]
        plans = _Plans(exchange, [choice.scenario for choice in bound])
        if self._starts:
            exchange.marked.plan = plans
        try:
            before(exchange, fired)
            response = after((self._prefer if wishes else self._act)(exchange, given), fired)
            if plans.job is not None:
                plans.keep()
                applied.update(bound)
        finally:
            _tell_applied(exchange, [choice for choice in choices if choice in applied], wishes)
        if plans.job is not None and exchange.sandbox.telling:
            exchange.sandbox.watch(exchange.account.provider, plans.job, exchange.request.site)
        if exchange.job is not None and exchange.account.held:
            self._take_places(exchange, exchange.job)
        return response

    def _peek(self, exchange: Exchange, given: Inputs) -> tuple[str, Job | None]:
        """The id that a request names, and its job if the sandbox has it."""
        if self._named is None:
            return "", None
        id = str(self._named(given))
        store = exchange.account.store
        job = store.get(id) or (store.get(id.rsplit("/", 1)[-1]) if "/" in id else None)
        return job.id if job else id[:MAX_TOKEN], job

    # -- time ---------------------------------------------------------------------------------------

    def _move(self, exchange: Exchange, job: Job | None) -> Job | None:
        """What a look at jobs moves: a job that waits for polls, those that wait for a slot, and a skipping clock."""
        account, sandbox = exchange.account, exchange.sandbox
        if account.held:
            if job is not None and self._action in _POLLS:
                _count_poll(account, job, exchange.now)
            line_up(account, exchange.now)
            job = account.store.get(job.id) if job else None
        if sandbox.clock.mode is ClockMode.SKIPPING:
            looked_at: Iterable[Job] = [job] if job else ()
            if self._action is Action.LIST:
                looked_at = (each for each in account.store.unordered() if each.kind.partition("\n")[0] == self._kind)
            move = min((_next_move(each.timeline, exchange.now) for each in looked_at), default=inf)
            if move <= MOST:
                sandbox.clock.advance_to(move)
                exchange.now = sandbox.now()
                self._sandboxes.ring(sandbox)
        return job

    def _take_places(self, exchange: Exchange, job: Job) -> None:
        """Let jobs take the place of one that is gone; tell one that waits for a slot how long it will."""
        account, now = exchange.account, exchange.now
        if self._action is Action.DELETE:
            account.held.pop(job.id, None)
        if self._action in (Action.DELETE, Action.CANCEL):
            line_up(account, now)
            return
        held = account.held.get(job.id)
        if held is None or not held.slots or job.timeline.started <= now:
            return
        line = (account.store.get(id) for id, each in account.held.items() if each.slots)
        waiting = [each.id for each in line if each and each.kind == job.kind and each.timeline.started > now]
        told = exchange.marked.extra
        told.append((b"mockserver-queue-position", b"%d" % (waiting.index(job.id) + 1)))
        if job.timeline.started < inf:
            told.append((b"mockserver-queue-wait", b"%d" % ceil(job.timeline.started - now)))


class _Plans:
    """Makes a new job follow its scenarios, of which the first has the last word, and the progression."""

    def __init__(self, exchange: Exchange, scenarios: Sequence[Scenario]) -> None:
        self.exchange = exchange
        self.scenarios = scenarios
        self.job: Job | None = None
        self.held: Held | None = None

    def __call__(self, job: Job, profile: Profile, model: Any) -> Job:
        exchange, now = self.exchange, self.exchange.now
        timeline, failure, slots = job.timeline, job.failure, 0
        plans = [scenario.job for scenario in self.scenarios if scenario.job is not None]
        if plans:
            plan = reduce(JobPlan.over, plans)
            timeline = plan.timeline(timeline, exchange.sandbox.draws, profile.expires_after)
            failure, slots = plan.error or None, plan.slots
        progression = _progression(exchange.sandbox, model)
        if progression.by is Mover.IMMEDIATE:
            if timeline.ended < inf:
                timeline = _ended_now(timeline._replace(started=now), timeline, now)
        elif progression.by is Mover.POLLS:
            self.held = Held(progression.polls, progression.polls, timeline)
            timeline = timeline._replace(started=inf, ended=inf, due=inf, expires=None)
        elif slots:
            self.held = Held(1, 1, timeline, slots)
            line_up(exchange.account, now)
            ends = sorted(each.timeline.ended for each in _unfinished(exchange.account, job.kind, now))
            timeline = _shifted(timeline, max(timeline.started, _free(ends, slots, now)))
        names = tuple(scenario.name for scenario in self.scenarios)
        self.job = job._replace(timeline=timeline, failure=failure, scenarios=names)
        return self.job

    def keep(self) -> None:
        """Remember what the job waits for, now that it is in the store."""
        assert self.job is not None
        if self.held is not None:
            self.exchange.account.held[self.job.id] = self.held
        if self.held is not None or any(scenario.follows_jobs for scenario in self.scenarios):
            self.exchange.sandbox.has_plans = True
            self.exchange.sandbox.update()


# -- which scenarios --------------------------------------------------------------------------------


def is_marked(request: Request) -> bool:
    """Whether a request names a scenario in one of its texts."""
    form = request.form
    if isinstance(form, tuple):
        return any("scenario:" in part.value for part in form if isinstance(part.value, str))
    return MARK in request.body or _MARK_IN_FORM in request.body


def _asked_for(known: Mapping[str, Scenario], wishes: Preferences | None) -> list[Scenario]:
    return [_known(known, wishes.scenario, ("header", "Prefer: scenario"))] if wishes and wishes.scenario else []


def _known(known: Mapping[str, Scenario], name: str, where: tuple[str, str]) -> Scenario:
    """The scenario of a name; `where` are the place and the field in which it stands. Raises Refusal."""
    if name not in known:
        expected = f"a scenario that is known{near(name, known)}; `mockserver scenarios` lists them"
        raise violations_refusal([Violation(*where, "enum", f"'{name[:64]}'", expected)])
    return known[name]


def _magic_names(body: Any) -> Iterator[str]:
    """The names of scenarios in the texts of a request."""
    waiting, seen = [body], 0
    while waiting and seen < MAX_TEXTS:
        value = waiting.pop()
        seen += 1
        if isinstance(value, str):
            if "scenario:" in value:
                yield from _MAGIC.findall(value)
        elif isinstance(value, dict):
            waiting.extend(reversed(value.values()))
        elif type(value) is list:
            waiting.extend(reversed(value))


def _digest(given: Inputs) -> bytes:
    """What tells one request from another."""
    content = repr((given.path, given.query, given.body)).encode("utf-8", "surrogatepass")
    return blake2b(content, digest_size=16).digest()


def _choices(exchange: Exchange, asked: Sequence[Scenario], job: Job | None, subject: str, own: str) -> list[Choice]:
    """The scenarios that have a say in a request, each once: those asked for, followed by its job, and switched on.

    Of the last, those of the key go before those of the server, and the newest go first. `own` is what is counted for
    those that were asked for, `subject` for all others.
    """
    followed = job.scenarios if job else ()
    found: dict[str, Choice] = {}
    for scenario in asked:
        if scenario.name not in followed:
            found.setdefault(scenario.name, Choice(scenario, own, again=True))
    for name in followed:
        if (known := exchange.sandbox.scenarios.get(name)) is not None:
            found.setdefault(name, Choice(known, subject))
    for number, switches in enumerate(exchange.sandbox.sources):
        for activation in reversed(switches.activations):
            source = f"{number}/{activation.id}"
            found.setdefault(activation.scenario.name, Choice(activation.scenario, subject, activation, source))
    return list(found.values())


# -- what happens to a request ----------------------------------------------------------------------


def _fired(exchange: Exchange, choices: Iterable[Choice], action: str, has_result: bool) -> Iterator[Fired]:
    """The steps that happen to this request."""
    counts, draws = exchange.sandbox.counts, exchange.sandbox.draws
    for choice in choices:
        keys: list[tuple[Any, ...]] = []
        is_over = choice.again
        for index, step in enumerate(choice.scenario.steps):
            if action not in step.actions or (step.needs_result and not has_result):
                continue
            key = (choice.scenario.name, choice.source, index, choice.subject)
            keys.append(key)
            number = exchange.sandbox.count(key)
            is_past = step.last is not None and number > step.last
            is_over = is_over and is_past
            if is_past or number < step.first:
                continue
            wait = _over_quota(exchange, key, step.quota) if step.quota else None
            if (step.quota and wait is None) or (step.rate < 1 and draws.random() >= step.rate):
                continue
            yield Fired(choice, step, wait)
        for key in keys if is_over else ():
            counts.pop(key, None)


def _over_quota(exchange: Exchange, key: tuple[Any, ...], quota: tuple[int, float]) -> float | None:
    """For how many virtual seconds a quota is used up; None if it is not. What is left of it is told."""
    most, per = quota
    counts, since, used = exchange.sandbox.counts, (*key, "since"), (*key, "used")
    now = int(exchange.now * 1000)
    if since not in counts or now >= counts[since] + per * 1000:
        exchange.sandbox.put_count(since, now)
        exchange.sandbox.put_count(used, 0)
    number = exchange.sandbox.count(used)
    wait = (counts[since] - now) / 1000 + per
    if number > most:
        return wait
    exchange.marked.extra.extend(_limit_headers(most, most - number, _real(wait, exchange.sandbox)))
    return None


def _tell_applied(exchange: Exchange, applied: Sequence[Choice], wishes: Preferences | None) -> None:
    """Note which scenarios had their say, and count this against those that are switched on for so many."""
    names = exchange.marked.scenarios = tuple(choice.scenario.name for choice in applied)
    if wishes and wishes.scenario in names:
        exchange.marked.extra.append((b"preference-applied", b"scenario=%b" % wishes.scenario.encode()))
    for choice in applied:
        activation = choice.activation
        if activation is None or activation.left is None:
            continue
        activation.left -= 1
        if activation.left <= 0:
            for switches in exchange.sandbox.sources:
                if any(each is activation for each in switches.activations):
                    switches.activations[:] = [each for each in switches.activations if each is not activation]
                    switches.update()


def before(exchange: Exchange, fired: Sequence[Fired]) -> None:
    """What steps do before a request is acted on. Raises Refusal, or Broken for a connection that is reset."""
    if delay := _delay(fired):
        exchange.marked.fault = Fault("delay", delay=delay)
    for choice, step, wait in fired:
        if step.refuse:
            exchange.marked.planned = True
            raise refusal_of(choice, step, exchange.sandbox, wait)
        if step.connection == "reset":
            exchange.marked.fault = Fault("reset", delay=delay)
            raise Broken


def after(response: Response, fired: Sequence[Fired]) -> Response:
    """What steps do to an answer, and to its way back."""
    for _, step, _ in fired:
        if step.corrupt and response.body:
            response = response._replace(body=response.body[:_HEAD] + response.body[_HEAD:].translate(_SPOILED))
        if step.connection and response.fault is None:
            response = response._replace(fault=Fault(step.connection, step.share, step.seconds, _delay(fired)))
    return response


def _delay(fired: Sequence[Fired]) -> float:
    return min(sum(each.step.delay for each in fired), MAX_WAIT)


def refusal_of(choice: Choice, step: Step, sandbox: Sandbox, wait: float | None = None) -> Refusal:
    """The refusal that a step asks for, with the headers that go with it; `wait` is what its quota says."""
    refuse = step.refuse
    assert refuse is not None
    headers: RawHeaders = []
    wait = refuse.retry_after if refuse.retry_after is not None else wait
    real = None if wait is None else _real(wait, sandbox)
    if real is not None:  # 0 ms would be no advice to the SDKs: they would wait for half a second
        # Never 0: contracts declare at least 1, and clients take 0 for no advice.
        whole, millis = max(ceil(real), 1), max(ceil(real * 1000), 1)
        headers += [(b"retry-after", b"%d" % whole), (b"retry-after-ms", b"%d" % millis)]
    limit = refuse.limit if refuse.limit is not None else step.quota[0] if step.quota else None
    if limit is not None:
        headers += _limit_headers(limit, 0, real or 0.0)
    headers += [(name.encode(), value.encode()) for name, value in refuse.headers.items()]
    message = refuse.message or f"The scenario '{choice.scenario.name}' refuses this request."
    return Refusal(
        refuse.kind, message, headers=headers, id=choice.subject or None, hint=False, status=refuse.status,
        code=refuse.code, type=refuse.type, body=refuse.body,
    )  # fmt: skip


def _real(wait: float, sandbox: Sandbox) -> float:
    """Virtual seconds in those of the machine, in which clients wait; none where time moves on request alone."""
    return min(wait / sandbox.clock.rate, LONGEST) if sandbox.clock.rate else 0.0


def _limit_headers(limit: int, remaining: int, wait: float) -> RawHeaders:
    return [
        (b"x-ratelimit-limit-requests", b"%d" % limit),
        (b"x-ratelimit-remaining-requests", b"%d" % remaining),
        (b"x-ratelimit-reset-requests", f"{round(wait, 3):g}s".encode()),
    ]


def steps_for_link(exchange: Exchange) -> list[Fired]:
    """The steps that happen to a request for a result by its link."""
    job, headers = exchange.job, exchange.request.headers
    wishes = read_preferences(headers[b"prefer"]) if b"prefer" in headers else None
    subject = job.id if job else ""
    choices = _choices(exchange, _asked_for(exchange.sandbox.scenarios, wishes), job, subject, subject)
    fired = list(_fired(exchange, choices, ASSET, job is None or _has_result(job, exchange.now)))
    _tell_applied(exchange, list(dict.fromkeys(each.choice for each in fired)), wishes)
    return fired


def _has_result(job: Job, now: float) -> bool:
    timeline = job.timeline
    is_kept = timeline.expires is None or now < timeline.expires
    return timeline.ended <= now and timeline.outcome is State.SUCCEEDED and is_kept


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


def _count_poll(account: Account, job: Job, now: float) -> None:
    """One poll of a job, which may wait for it."""
    held = account.held.get(job.id)
    if held is None or held.slots:
        return
    if job.timeline.ended <= now:  # it was cancelled or forced to an end
        del account.held[job.id]
        return
    held.left -= 1
    if held.left > 0:
        return
    held.left = held.every
    if job.timeline.started > now:
        if held.drawn.started < inf:
            account.store.replace(job._replace(timeline=job.timeline._replace(started=now)))
    elif held.drawn.ended < inf:
        del account.held[job.id]
        account.store.replace(job._replace(timeline=_ended_now(job.timeline, held.drawn, now)))


def _progression(sandbox: Sandbox, model: Any) -> Progression:
    for source in sandbox.sources:
        known: Mapping[str, Progression] = source.progressions
        if found := (known.get(model) if isinstance(model, str) else None) or known.get("*"):
            return found
    return Progression(Mover.TIME)


def line_up(account: Account, now: float) -> None:
    """Let the jobs that wait for a slot begin as soon as one is free, in the order in which they came."""
    if account.lined == account.changes:  # it stands in the timelines; who comes later makes nobody begin sooner
        return
    lines: dict[str, dict[str, Held]] = {}
    for id, held in tuple(account.held.items()):
        job = account.store.get(id)
        if job is None or (held.slots and min(job.timeline.started, job.timeline.ended) <= now):
            del account.held[id]
        elif held.slots:
            lines.setdefault(job.kind, {})[id] = held
    for kind, line in lines.items():
        ends = sorted(each.timeline.ended for each in _unfinished(account, kind, now) if each.id not in line)
        for id, held in line.items():
            job = account.store.get(id)
            assert job is not None
            free = max(held.drawn.started, _free(ends, held.slots, now))
            timeline = _shifted(held.drawn, min(job.timeline.started, free))
            if timeline != job.timeline:
                account.store.replace(job._replace(timeline=timeline))
            insort(ends, timeline.ended)
    account.lined = account.changes


def _unfinished(account: Account, kind: str, now: float) -> Iterator[Job]:
    return (job for job in account.store.unordered() if job.kind == kind and job.timeline.ended > now)


def _free(ends: Sequence[float], slots: int, now: float) -> float:
    """When one of the slots is free, by the ends of the unfinished jobs in order."""
    return ends[len(ends) - slots] if len(ends) >= slots else now


def _shifted(timeline: Timeline, started: float) -> Timeline:
    """The same life, beginning to run at another instant."""
    if started == timeline.started:
        return timeline
    if started == inf:
        return timeline._replace(started=inf, ended=inf, due=inf, expires=None)
    by = started - timeline.started
    expires = None if timeline.expires is None else timeline.expires + by
    return timeline._replace(started=started, ended=timeline.ended + by, due=timeline.due + by, expires=expires)
