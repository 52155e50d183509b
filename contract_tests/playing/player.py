"""Who plays with a service: one request after the other, within a budget; jobs, and how they are waited for."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any, Protocol

from contract_tests.contract import ContractUnderTest
from contract_tests.history import (
    OTHER_VALUES,
    Exchange,
    History,
    Purpose,
    Sighting,
)
from contract_tests.playing.bodies import SEED
from contract_tests.playing.budget import Budget, Spent
from contract_tests.playing.calls import Asking, Calls
from contract_tests.playing.listening import Ear, Hearing
from contract_tests.playing.pace import LONGEST_WAIT, Moving, Pace, Waiting, advice
from contract_tests.playing.prices import Prices
from contract_tests.playing.seeing import is_success, of_job, part_of, sightings, told_id
from contract_tests.playing.target import Call, Service, is_loopback, parts_of
from mockserver.errors import MockserverError
from mockserver.jobs.identity import id_maker
from mockserver.jobs.lifecycle import TERMINAL, State
from mockserver.jobs.resource import STARTS, Action, JobOperation, JobResource

USUAL_INTERVAL = 10.0  # seconds between polls where the endpoint advises none
LOOPBACK_INTERVAL = 0.5
MOST_SILENT = 3  # requests in a row without an answer, after which no more are sent
MOST_REFUSED = 5  # polls in a row of one job that are no success, after which it is given up
TOO_MANY = 429
MOST_TRIES = 4  # of one request that is refused as one too many
MOST_LIMITED = 9  # such refusals in a row, after which no request is tried again
USUAL_WAIT = 1.0  # seconds after such a refusal that does not say how long
MOST_POLLS = 3000  # of one job; patience ends most of them earlier
KEPT_FOR_PROBES = 1  # jobs that are kept for requests that should be refused
SAFE = (Action.RETRIEVE, Action.LIST, Action.CONTENT, Action.RESULT)
ENDING = (Action.CANCEL, Action.DELETE)
READ_ONLY = "read-only: nothing is created"
NO_BUDGET = "the budget for jobs is used up"


class Tell(Protocol):
    """What a run tells: its phase, what happens, and how much of the phase is done (0 to 1; None: nobody knows)."""

    def __call__(self, phase: str, message: str, share: float | None = None) -> None: ...


@dataclass(frozen=True, slots=True)
class Options:
    """How a service is played with.

    `key` and `second_key` are valid keys of two users ('' for none). `interval`: seconds between polls where the
    endpoint advises none; `patience`: seconds that jobs are waited for; `deadline`: seconds
    within which they have to end (0: nobody says); `several`: jobs at once; `kinds`: of jobs;
    `keep`: jobs are not deleted beyond the one that shows it; `moves_clock`: our own simulator's clock is moved;
    `hearing`: how webhooks are listened for.
    """

    key: str = ""
    second_key: str = ""
    interval: float | None = None
    patience: float = 900.0
    deadline: float = 0.0
    several: int = 3
    kinds: int = 6
    keep: bool = False
    moves_clock: bool = True
    hearing: Hearing = field(default_factory=Hearing)


class Unreachable(Exception):
    """No answer came, again and again."""


@dataclass(slots=True)
class Job:
    """A job that was created here."""

    id: str
    resource: JobResource
    create: JobOperation
    started: float
    last: Sighting | None = None
    polls: int = 0
    refused: int = 0
    wait: float | None = 0.0
    is_over: bool = False
    is_varied: bool = False  # created with other values than the others


@dataclass(slots=True)
class Kind:
    """What is known of one kind of job while it is played with."""

    resource: JobResource
    jobs: list[Job] = field(default_factory=list)
    strays: list[str] = field(default_factory=list)  # ids of jobs that should not have come to be

    @property
    def main(self) -> Job | None:
        """The job that the stories are about: the first that has a result, else the first."""
        done = (job for job in self.jobs if job.last is not None and job.last.state is State.SUCCEEDED)
        return next(done, None) or (self.jobs[0] if self.jobs else None)


class Player:
    """Plays with one service: sends within the budget, notes what comes back, and knows the jobs that it has begun."""

    def __init__(
        self, contract: ContractUnderTest, service: Service, budget: Budget, options: Options, history: History,
        progress: Tell,
    ) -> None:  # fmt: skip
        self.contract = contract
        self.service = service
        self.budget = budget
        self.options = options
        self.history = history
        self.progress = progress
        self.calls = Calls(contract)
        self.prices = Prices(self.calls, budget.prices)
        self.phase = "begin"
        self.limited = 0  # refusals in a row for too many requests
        self.patience = options.patience  # seconds that are left for waits after such refusals
        self.kinds: list[Kind] = []
        interval = options.interval
        if interval is None:
            interval = LOOPBACK_INTERVAL if is_loopback(service.base_url) else USUAL_INTERVAL
        self.waiting = Waiting(service, interval, contract.vocabulary.headers.get("poll after", ""))
        self.pace: Pace = self.waiting
        self.begun = self.waiting.now()
        self.ear = Ear(contract, service, options.hearing, history)
        self.bad_key = f"{next(iter(contract.vocabulary.refused_keys), 'wrong')}-key-0123456789abcdef"

    @contextmanager
    def in_phase(self, name: str) -> Iterator[None]:
        """Count the seconds and the requests of a phase."""
        self.phase = name
        began, sent = self.waiting.now(), len(self.history.asked)
        try:
            yield
        finally:
            self.history.phases[name] = self.waiting.now() - began, len(self.history.asked) - sent

    def asking(self, **what: Any) -> Asking:
        """A request with the first key, unless it says otherwise."""
        return Asking(**{"key": self.options.key, **what})

    def send(
        self, part: JobOperation, purpose: str, asking: Asking, detail: str = "", follow: bool = False
    ) -> Exchange:
        """Send the request of one part."""
        return self.send_call(
            self.calls.call(part.operation, asking, part, self.resource_of(part)), purpose, detail, follow
        )

    def send_call(self, call: Call, purpose: str, detail: str = "", follow: bool = False) -> Exchange:
        """Send a request, and again after the advised wait where it was refused as one too many; note all of them."""
        for _ in range(MOST_TRIES):
            exchange = self.send_once(call, purpose, detail, follow)
            if exchange.status != TOO_MANY or self.limited >= MOST_LIMITED:
                break
            self.limited += 1
            advised = advice(exchange, "")
            wait = USUAL_WAIT if advised is None else max(advised, 0.0)
            if wait > min(LONGEST_WAIT, self.patience):
                self.skip("what came too often, again", f"the endpoint wants {wait:.0f} s to pass before")
                break
            self.patience -= wait
            self.progress(self.phase, "waiting, since there were too many requests")
            self.pace.let_pass(wait)
        if exchange.status and exchange.status != TOO_MANY:
            self.limited = 0
        return exchange

    def send_once(self, call: Call, purpose: str, detail: str, follow: bool) -> Exchange:
        """Send a request, and note it."""
        self.budget.count_request(self.waiting.now() - self.begun)
        self.hear()
        exchange = self.service.send(call, purpose, detail=detail, follow=follow, started=self.pace.now())
        if not exchange.job and (found := part_of(self.contract, exchange.operation)) and found[1].action in STARTS:
            exchange = replace(exchange, job=told_id(self.contract, exchange))
        self.history.exchanges.append(exchange)
        said = exchange.status or exchange.problem
        self.progress(self.phase, f"{exchange.method} {parts_of(exchange.url).path} {said} ({purpose})")
        if self.service.silent >= MOST_SILENT:
            raise Unreachable(f"{MOST_SILENT} requests in a row got no answer: {exchange.problem}")
        return exchange

    def buy(self, part: JobOperation, purpose: str, asking: Asking, detail: str = "", keep: int = 0) -> Exchange | None:
        """Send a request that may create a job; None if the budget has none left for it."""
        call = self.calls.call(part.operation, asking, part, self.resource_of(part))
        return self.buy_call(call, self.prices.of(part, asking.body), purpose, detail, keep)

    def buy_call(self, call: Call, price: float | None, purpose: str, detail: str, keep: int) -> Exchange | None:
        """Send what may cost something; None if the budget has nothing left for it, beside `keep` others."""
        if self.budget.is_read_only:
            self.skip(purpose, READ_ONLY)
            return None
        if not self.budget.reserve(price, keep):
            self.skip(purpose, NO_BUDGET)
            return None
        is_created = True  # for all that is known
        try:
            exchange = self.send_call(call, purpose, detail)
        except Spent:  # it was not sent
            is_created = False
            raise
        else:
            if exchange.status:
                # Behind a gateway that gave up, a job may have been created all the same.
                is_created = exchange.status in (502, 504) or is_success(self.contract, exchange)
            elif exchange.problem.startswith("Connect"):
                is_created = False
        finally:
            self.budget.settle(is_created)
        return exchange

    def start(
        self, part: JobOperation, purpose: str, asking: Asking, detail: str = "", keep: int = 0
    ) -> Exchange | None:
        """Send a valid request that starts a job and names our address for webhooks, if it can; else without."""
        resource = self.resource_of(part)
        named = self.ear.asking(resource, part, asking, self.calls) if resource else asking
        exchange = self.buy(part, purpose, named, detail, keep)
        if named is asking or exchange is None or not self.ear.is_refused(exchange):
            return exchange
        plain = self.buy(part, purpose, asking, detail, keep)
        if plain is not None and is_success(self.contract, plain):
            self.ear.name_no_more(exchange, exchange.status)
            return plain
        return exchange

    def hear(self) -> None:
        """Note what webhooks have come."""
        self.ear.hear(self.pace.now if self.pace.is_simulator else None)

    def listen(self, jobs: Sequence[Job], at_last: bool = False) -> None:
        """Wait for the webhooks of jobs that have ended."""
        self.ear.wait([(job.id, job.last.state) for job in jobs if job.last], self.pace, at_last)

    def skip(self, purpose: str, why: str) -> None:
        """Say that something is not tried."""
        self.history.skipped.setdefault(purpose, why)

    def resource_of(self, part: JobOperation) -> JobResource | None:
        """The kind of job that a part belongs to."""
        return next((resource for resource in self.contract.resources if part in resource.operations), None)

    def unknown_id(self, resource: JobResource | None) -> str:
        """An id that looks as one should, and that nobody was given."""
        if resource is not None:
            with suppress(MockserverError):
                return id_maker(resource.id_format)(Random(SEED))
        return "unknown-0123456789"

    def parts(self, kind: Kind, *actions: Action) -> list[JobOperation]:
        """The parts of a kind with some actions."""
        return [part for part in kind.resource.operations if part.action in actions]

    def poll(self, job: Job) -> None:
        """Ask for a job, and note whether it has ended and when to ask again."""
        retrieve = job.resource.first(Action.RETRIEVE)
        if retrieve is None:
            job.is_over = True
            return
        exchange = self.send(retrieve, Purpose.POLL, self.asking(job=job.id))
        job.polls += 1
        seen = next(iter(of_job(sightings(self.contract, exchange), job.id)), None)
        job.refused = 0 if seen else job.refused + 1
        if seen:
            job.last = seen
        gone = self.pace.now() - job.started
        job.wait = self.pace.until_next(job.id, exchange, gone)
        state = job.last.state if job.last else None
        if job.last and state is None and isinstance(job.last.word, str):
            state = self.contract.vocabulary.state(job.last.word)
        is_stuck = job.refused >= MOST_REFUSED or job.polls >= MOST_POLLS or gone > self.options.patience
        job.is_over = state in TERMINAL or is_stuck or (job.wait is None and job.polls > 2)

    def watch(self, kinds: Sequence[Kind]) -> None:
        """Poll all jobs until they have ended, or for as long as patience lasts."""
        jobs = [job for kind in kinds for job in kind.jobs]
        while left := [job for job in jobs if not job.is_over]:
            told = ", ".join(repr(job.last.word)[:40] if job.last else "?" for job in left)
            gone = sum(1.0 if job.is_over else _share(job.last) for job in jobs)
            self.progress(self.phase, f"waiting for {len(left)} of {len(jobs)} jobs ({told})", gone / len(jobs))
            self.pace.let_pass(min(job.wait or 0.0 for job in left))
            for job in left:
                self.poll(job)
        self.listen(jobs)
        for job in jobs:
            if job.last is not None and job.last.state not in TERMINAL:
                self.skip("end of a job", f"{job.id} had not ended after {self.pace.now() - job.started:.0f} s")

    def take_job(self, kind: Kind, part: JobOperation, exchange: Exchange) -> None:
        """Remember a job that was created, and ask for it at once."""
        if not is_success(self.contract, exchange):
            return
        id = exchange.job if part.action is Action.CREATE else told_id(self.contract, exchange)
        if not id:
            return
        if isinstance(self.pace, Moving) and not kind.jobs:
            self.pace.find_job(id)
        job = Job(id, kind.resource, part, self.pace.now(), is_varied=exchange.detail == OTHER_VALUES)
        kind.jobs.append(job)
        self.ear.expect(id, kind.resource, part, exchange)
        self.poll(job)


def _share(seen: Sighting | None) -> float:
    """How much of a job is done, as far as it says so."""
    told = seen.progress if seen else None
    return min(max(told / 100, 0.0), 1.0) if isinstance(told, (int, float)) else 0.0
