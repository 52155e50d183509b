"""The stories: what is asked of a service so that the laws have something to look at. What is sent is in the history.

One job serves all that can share it. First jobs are created, then watched to their end, then their results are fetched;
wrong requests come next, and what takes jobs away comes last.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from itertools import islice
from random import Random
from typing import Any, Protocol
from urllib.parse import parse_qs, urljoin

import orjson

from contract_tests.contract import ContractUnderTest
from contract_tests.history import (
    AFTER_THE_END,
    ALL_THAT_FOLLOWS,
    ANOTHER_TAG,
    OTHER_VALUES,
    Exchange,
    History,
    Purpose,
    Sighting,
)
from contract_tests.playing.bodies import SEED, Variation
from contract_tests.playing.budget import Budget, Spent
from contract_tests.playing.calls import MALFORMED, Asking, Calls, Way, creates_of, media_types
from contract_tests.playing.listening import Ear, Hearing
from contract_tests.playing.pace import LONGEST_WAIT, Moving, Pace, Waiting, advice, find_simulator
from contract_tests.playing.prices import Prices
from contract_tests.playing.seeing import is_success, of_job, part_of, sightings, stories_of, told_id
from contract_tests.playing.target import Call, Service, is_loopback, parts_of
from mockserver.errors import MockserverError
from mockserver.jobs.identity import id_maker
from mockserver.jobs.lifecycle import TERMINAL, State
from mockserver.jobs.resource import STARTS, Action, JobOperation, JobResource
from mockserver.openapi.document import is_json
from mockserver.openapi.schema import shape_of

USUAL_INTERVAL = 10.0  # seconds between polls where the endpoint advises none
LOOPBACK_INTERVAL = 0.5
BETWEEN = 1.1  # virtual seconds between creates, so that their order shows in whole seconds
MOST_SILENT = 3  # requests in a row without an answer, after which no more are sent
MOST_REFUSED = 5  # polls in a row of one job that are no success, after which it is given up
TOO_MANY = 429
MOST_TRIES = 4  # of one request that is refused as one too many
MOST_LIMITED = 9  # such refusals in a row, after which no request is tried again
USUAL_WAIT = 1.0  # seconds after such a refusal that does not say how long
MOST_POLLS = 400  # of one job
MOST_WRONG = 40  # invalid or odd requests of one operation
MOST_BOUNDS = 12  # creates with a value at a bound
MOST_PAGES = 12
LARGEST_PAGE = 1000  # items that are asked for at once, where a list allows that
UNUSUAL = "unusual characters"  # the detail of a create
MOST_LINKS = 4
MOST_OTHERS = 10  # operations that are no part of a job
KEPT_FOR_PROBES = 1  # jobs that are kept for requests that should be refused
_SAFE = (Action.RETRIEVE, Action.LIST, Action.CONTENT, Action.RESULT)
_ENDING = (Action.CANCEL, Action.DELETE)
_READ_ONLY = "read-only: nothing is created"
_NO_BUDGET = "the budget for jobs is used up"

_UNFIT = (400, 415, 422)  # by which a valid create is refused where a service asks for more than its contract


class Tell(Protocol):
    """What a run tells: its phase, what happens, and how much of the phase is done (0 to 1; None: nobody knows)."""

    def __call__(self, phase: str, message: str, share: float | None = None) -> None: ...


@dataclass(frozen=True, slots=True)
class Options:
    """How a service is played with.

    `key` and `second_key` are valid keys of two users ('' for none). `interval`: seconds between polls where the
    endpoint advises none; `patience`: seconds that jobs are waited for; `several`: jobs at once; `kinds`: of jobs;
    `keep`: jobs are not deleted beyond the one that shows it; `moves_clock`: our own simulator's clock is moved;
    `hearing`: how webhooks are listened for.
    """

    key: str = ""
    second_key: str = ""
    interval: float | None = None
    patience: float = 900.0
    several: int = 3
    kinds: int = 6
    keep: bool = False
    moves_clock: bool = True
    hearing: Hearing = field(default_factory=Hearing)


class _Unreachable(Exception):
    """No answer came, again and again."""


@dataclass(slots=True)
class _Job:
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
class _Kind:
    """What is known of one kind of job while it is played with."""

    resource: JobResource
    jobs: list[_Job] = field(default_factory=list)
    strays: list[str] = field(default_factory=list)  # ids of jobs that should not have come to be

    @property
    def main(self) -> _Job | None:
        """The job that the stories are about: the first that has a result, else the first."""
        done = (job for job in self.jobs if job.last is not None and job.last.state is State.SUCCEEDED)
        return next(done, None) or (self.jobs[0] if self.jobs else None)


def play(
    contract: ContractUnderTest, service: Service, budget: Budget, options: Options, progress: Tell | None = None
) -> History:
    """Play all stories; what was not tried is told in `skipped`, with why. Ctrl-C ends it with what is known.

    `progress` is told the phase and what happens, after each request.
    """
    history = History(contract, read_only=budget.is_read_only, patience=options.patience)
    player = _Player(contract, service, budget, options, history, progress or (lambda phase, message, share=None: None))
    try:
        try:
            player.play()
        except Spent as spent:
            history.skipped[ALL_THAT_FOLLOWS] = str(spent)
        player.listen_at_last()
    except KeyboardInterrupt:
        history.skipped[ALL_THAT_FOLLOWS] = "it was interrupted"
        player.ear.give_up("it was interrupted")
    except _Unreachable as silent:
        history.skipped[ALL_THAT_FOLLOWS] = str(silent)
        player.ear.give_up(str(silent))
    finally:
        player.pace.restore()
        player.ear.close()
    tried = {exchange.purpose for exchange in history.exchanges}
    history.skipped = {f"{p}, in part" if p in tried else p: why for p, why in history.skipped.items()}
    history.jobs = stories_of(contract, history.exchanges)
    return history


class _Player:
    """Plays with one service."""

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
        self.kinds: list[_Kind] = []
        interval = options.interval
        if interval is None:
            interval = LOOPBACK_INTERVAL if is_loopback(service.base_url) else USUAL_INTERVAL
        self.waiting = Waiting(service, interval, contract.vocabulary.headers.get("poll after", ""))
        self.pace: Pace = self.waiting
        self.begun = self.waiting.now()
        self.ear = Ear(contract, service, options.hearing, history)
        self.bad_key = f"{next(iter(contract.vocabulary.refused_keys), 'wrong')}-key-0123456789abcdef"

    # -- the whole play ---------------------------------------------------------------------------------

    def play(self) -> None:
        with self.in_phase("reach"):
            self.reach()
        kinds = self.kinds = [_Kind(resource) for resource in self.contract.resources[: self.options.kinds]]
        for left_out in self.contract.resources[self.options.kinds :]:
            self.skip(f"kind {left_out.name}", f"only {self.options.kinds} kinds of jobs are tried")
        with self.in_phase("create"):
            for kind in kinds:
                self.create_jobs(kind)
        with self.in_phase("watch"):
            for kind in kinds:
                self.look_at_unfinished(kind)
            self.watch(kinds)
        with self.in_phase("results"):
            for kind in kinds:
                if kind.main:
                    self.look_at_finished(kind, kind.main)
                self.fetch_all(kind)
        with self.in_phase("lists"):
            for kind in kinds:
                self.read_lists(kind)
        with self.in_phase("follow-ups"):
            for kind in kinds:
                self.follow_up(kind)
            self.watch(kinds)
            for kind in kinds:
                self.look_again(kind)
        with self.in_phase("wrong requests"):
            for kind in kinds:
                self.probe(kind)
            self.read_others()
            for kind in kinds:
                self.look_again(kind)
        with self.in_phase("end"):
            for kind in kinds:
                self.end(kind)

    @contextmanager
    def in_phase(self, name: str) -> Iterator[None]:
        """Count the seconds and the requests of a phase."""
        self.phase = name
        began, sent = self.waiting.now(), len(self.history.asked)
        try:
            yield
        finally:
            self.history.phases[name] = self.waiting.now() - began, len(self.history.asked) - sent

    def reach(self) -> None:
        """One harmless request, which also tells whether this is our own simulator."""
        part = next((p for a in (Action.LIST, Action.RETRIEVE) for p in self.contract.parts if p.action is a), None)
        if part is not None:
            resource = self.resource_of(part)
            if part.action is Action.LIST:
                first = self.send(part, Purpose.LIST, Asking(self.options.key))
            else:
                first = self.send(part, Purpose.UNKNOWN_ID, self.asking(job=self.unknown_id(resource)))
            if not first.status and "Connect" in first.problem:
                raise _Unreachable(f"the endpoint cannot be reached: {first.problem}")
        if self.options.moves_clock:
            is_keyless = not any(operation.security for operation in self.contract.document.operations)
            self.pace = find_simulator(self.service, "" if is_keyless else self.options.key) or self.waiting
            self.history.simulated = self.pace.is_simulator
        self.ear.begin(self.pace)

    # -- sending ----------------------------------------------------------------------------------------

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
            raise _Unreachable(f"{MOST_SILENT} requests in a row got no answer: {exchange.problem}")
        return exchange

    def buy(self, part: JobOperation, purpose: str, asking: Asking, detail: str = "", keep: int = 0) -> Exchange | None:
        """Send a request that may create a job; None if the budget has none left for it."""
        if self.budget.is_read_only:
            self.skip(purpose, _READ_ONLY)
            return None
        if not self.budget.reserve(self.prices.of(part, asking.body), keep):
            self.skip(purpose, _NO_BUDGET)
            return None
        is_created = True  # for all that is known
        try:
            exchange = self.send(part, purpose, asking, detail)
            if exchange.status:
                # Behind a gateway that gave up, a job may have been created all the same.
                is_created = exchange.status in (502, 504) or is_success(self.contract, exchange)
            elif "Connect" in exchange.problem:
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

    def listen_at_last(self) -> None:
        """Wait for the webhooks that have not come, and for those that come again."""
        if self.history.listening is not None:
            with self.in_phase("webhooks"):
                self.listen([job for kind in self.kinds for job in kind.jobs], at_last=True)

    def listen(self, jobs: Sequence[_Job], at_last: bool = False) -> None:
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

    # -- creating ---------------------------------------------------------------------------------------

    def create_jobs(self, kind: _Kind) -> None:
        """As many jobs as the budget allows and the stories need, by all ways of creating one."""
        ways = creates_of(self.calls, kind.resource)
        if not ways:
            self.skip(Purpose.CREATE, f"nothing creates a {kind.resource.name}, or no valid body was found for it")
            return
        if self.budget.is_read_only:
            self.skip(Purpose.CREATE, _READ_ONLY)
            return
        wanted = max(self.options.several, min(len(ways), 2 * self.options.several))
        others = self.other_ways(kind, ways)
        for number in range(wanted):
            part, media_type, body = ways[number % len(ways)]
            keep = KEPT_FOR_PROBES if number else 0
            exchange = None
            for asking, detail in self.askings(number if kind.jobs else 0, part, media_type, body):
                exchange = self.start(part, Purpose.CREATE, asking, detail, keep=keep)
                if exchange is None or exchange.status not in _UNFIT:
                    break
            if exchange is None:
                break
            self.take_job(kind, part, exchange)
            if number + 1 < wanted and self.is_order_told(kind):
                self.pace.let_pass(BETWEEN)
            if not kind.jobs and exchange.status in _UNFIT:  # more may be asked for than the contract says
                ways = [*ways[: number + 1], *islice(others, 1), *ways[number + 1 :]]

    def askings(self, number: int, part: JobOperation, media_type: str, body: Any) -> Iterator[tuple[Asking, str]]:
        """The n-th create: as cheap as can be; with little but unusual characters; with other values than these.

        The last may be asking too much (not every model makes every size), and is then sent as the first was.
        """
        schema = (part.operation.body[media_type].get("schema") or {}) if media_type else {}
        if number == 1 and media_type:
            for plain in (self.calls.bodies.bare(schema, body), body):
                unusual = self.calls.bodies.unusual(schema, plain)
                yield self.asking(body=unusual, media_type=media_type), UNUSUAL if unusual != body else ""
        if number == 2 and media_type and (varied := self.calls.bodies.varied(schema, body)) is not None:
            charset = f"{media_type}; charset=utf-8" if is_json(media_type) and ";" not in media_type else media_type
            yield self.asking(body=varied, media_type=charset), OTHER_VALUES
        yield self.asking(body=body, media_type=media_type), ""

    def is_order_told(self, kind: _Kind) -> bool:
        """Whether lists tell instants of creation, by which their order can be seen if the creates are apart."""
        return any(part.view and "created" in part.view.fields for part in self.parts(kind, Action.LIST))

    def other_ways(self, kind: _Kind, ways: Sequence[Way]) -> Iterator[Way]:
        """Further valid bodies, for a service that refuses the cheapest one."""
        for part, media_type, body in ways:
            if media_type:
                node = part.operation.body[media_type]
                examples = self.contract.document.examples(node)
                for other in self.calls.bodies.all_valid(node.get("schema") or {}, examples):
                    if other != body:
                        yield part, media_type, other

    def take_job(self, kind: _Kind, part: JobOperation, exchange: Exchange) -> None:
        """Remember a job that was created, and ask for it at once."""
        if not is_success(self.contract, exchange):
            return
        id = exchange.job if part.action is Action.CREATE else told_id(self.contract, exchange)
        if not id:
            return
        if isinstance(self.pace, Moving) and not kind.jobs:
            self.pace.find_job(id)
        job = _Job(id, kind.resource, part, self.pace.now(), is_varied=exchange.detail == OTHER_VALUES)
        kind.jobs.append(job)
        self.ear.expect(id, kind.resource, part, exchange)
        self.poll(job)

    def poll(self, job: _Job) -> None:
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

    def watch(self, kinds: Sequence[_Kind]) -> None:
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

    def look_at_unfinished(self, kind: _Kind) -> None:
        """What should be refused while a job is at work; one is cancelled, and the simulator lets one fail."""
        if not kind.jobs:
            return
        first = kind.jobs[0]
        if not first.is_over:
            for part in self.parts(kind, Action.CONTENT, Action.RESULT):
                self.send(part, Purpose.FETCH_EARLY, self.asking(job=first.id))
                self.poll(first)  # which shows that it was early
        for part in self.parts(kind, Action.LIST):
            self.send(part, Purpose.LIST, self.asking(), "while jobs run")
        cancel = kind.resource.first(Action.CANCEL)
        running = [job for job in kind.jobs[1:] if not job.is_over]
        if cancel and running:
            job = running.pop(0)
            if self.options.second_key and not self.calls.is_open(cancel.operation):
                self.send(cancel, Purpose.SECOND_KEY, Asking(self.options.second_key, job.id), "at work")
                self.poll(job)
            self.send(cancel, Purpose.CANCEL, self.asking(job=job.id), "at work")
            self.poll(job)
        if isinstance(self.pace, Moving) and running and State.FAILED in kind.resource.words:
            self.pace.let_pass(min(j.wait or 0.0 for j in running))
            self.poll(running[-1])  # one that has ended meanwhile is left as it is: its end was told
            if not running[-1].is_over and self.pace.fail(running[-1].id):
                self.poll(running[-1])

    # -- reading ----------------------------------------------------------------------------------------

    def parts(self, kind: _Kind, *actions: Action) -> list[JobOperation]:
        """The parts of a kind with some actions."""
        return [part for part in kind.resource.operations if part.action in actions]

    def look_at_finished(self, kind: _Kind, job: _Job) -> None:
        """Ask for a job twice more, at once, and for its head."""
        for part in self.parts(kind, Action.RETRIEVE):
            for _ in range(2):
                self.send(part, Purpose.AGAIN, self.asking(job=job.id))
            if part.operation.method == "GET":
                self.send(part, Purpose.HEAD, self.asking(job=job.id, method="HEAD"))

    def look_again(self, kind: _Kind) -> None:
        """Whether a job that has ended still is as it was."""
        for part in self.parts(kind, Action.RETRIEVE)[:1]:
            for job in kind.jobs:
                if job.last and job.last.state in TERMINAL:
                    self.send(part, Purpose.AGAIN, self.asking(job=job.id))

    def fetch_all(self, kind: _Kind) -> None:
        """The results of a job that has succeeded, in all ways; those of one that has failed should be refused."""
        done = next((j for j in kind.jobs if j.last and j.last.state is State.SUCCEEDED), None)
        failed = next((j for j in kind.jobs if j.last and j.last.state in (State.FAILED, State.CANCELLED)), None)
        parts = self.parts(kind, Action.CONTENT, Action.RESULT)
        if failed:
            for part in parts:
                self.send(part, Purpose.FETCH_EARLY, self.asking(job=failed.id), f"after it was {failed.last.state}"
                          if failed.last else "")  # fmt: skip
        if done is None:
            if kind.jobs:
                self.look_behind(kind, parts)
                for purpose in (Purpose.FETCH, Purpose.LINK):
                    self.skip(purpose, f"no {kind.resource.name} was seen to succeed")
            return
        for part in parts:
            variants = [None, *part.variants] if part.variants else [None]
            tags = []
            for variant in variants:
                query = {} if variant is None else {part.variant_parameter: variant}
                asking = self.asking(job=done.id, query=query)
                exchange = self.send(part, Purpose.FETCH, asking, variant or "", follow=True)
                tags.append((exchange.header("etag"), exchange.header("last-modified")))
            if part.operation.method != "GET" or part.action is not Action.CONTENT:
                continue
            self.send(part, Purpose.FETCH_HEAD, self.asking(job=done.id, method="HEAD"), follow=True)
            for what, wanted in (("first", "bytes=0-99"), ("last", "bytes=-50"), ("beyond", "bytes=9999999999-")):
                asking = self.asking(job=done.id, headers=(("Range", wanted),))
                self.send(part, Purpose.FETCH_RANGE, asking, what, follow=True)
            if tags[0][0]:
                for tag, detail in ((tags[0][0], ""), ('"another-0123456789"', ANOTHER_TAG)):
                    asking = self.asking(job=done.id, headers=(("If-None-Match", tag),))
                    self.send(part, Purpose.FETCH_CONDITIONAL, asking, detail, follow=True)
        if done.last:
            self.follow_links(done, done.last)
        other = next((j for j in kind.jobs if j.is_varied and j.last and j.last.state is State.SUCCEEDED), None)
        if other and other is not done and other.last:
            for part in self.parts(kind, Action.CONTENT):
                self.send(part, Purpose.FETCH, self.asking(job=other.id), follow=True)
            self.follow_links(other, other.last, only_first=True)

    def look_behind(self, kind: _Kind, parts: Sequence[JobOperation]) -> None:
        """Whether the result of a job that was waited for in vain is there, whatever the job says."""
        unended = (State.QUEUED, State.RUNNING)
        late = next((j for j in kind.jobs if j.is_over and j.last and j.last.state in unended), None)
        if late is None:
            return
        for part in parts:
            self.send(part, Purpose.FETCH, self.asking(job=late.id), "although it has not ended", follow=True)
            self.poll(late)

    def follow_links(self, job: _Job, seen: Sighting, only_first: bool = False) -> None:
        """Fetch what a job's result links to; or no more than the first of it, once."""
        links = [(role, url) for role in ("result", "thumbnail") for url in _urls(seen.fields.get(role))]
        site = parts_of(self.service.base_url)
        for role, url in list(dict.fromkeys(links))[:MOST_LINKS]:
            whole = urljoin(f"{self.service.base_url}/", url) if parts_of(url).path or parts_of(url).netloc else url
            call = Call("GET", whole, operation=seen.part.operation.name, action=str(seen.part.action), job=job.id)
            exchange = self.send_call(call, Purpose.LINK, role, follow=True)
            if exchange.status in (401, 403) and self.options.key and parts_of(whole).netloc == site.netloc:
                signed = self.calls.call(seen.part.operation, self.asking(job=job.id), seen.part, job.resource)
                call = replace(call, headers=signed.headers, secrets=signed.secrets)
                exchange = self.send_call(call, Purpose.LINK, f"{role}, with the key", follow=True)
            if only_first:
                return
            if 200 <= exchange.status <= 299:
                self.send_call(replace(call, method="HEAD"), Purpose.LINK, f"{role}, head", follow=True)
                ranged = replace(call, headers=(*call.headers, ("Range", "bytes=0-99")))
                self.send_call(ranged, Purpose.LINK, f"{role}, range", follow=True)

    def read_lists(self, kind: _Kind) -> None:
        """Lists in their usual order, by small pages to the end, and in both orders."""
        for part in self.parts(kind, Action.LIST):
            vocabulary, names = self.contract.vocabulary, [p.name for p in part.operation.parameters]
            first = self.send(part, Purpose.LIST, self.asking())
            self.adopt(kind, part, first)
            limit = vocabulary.best("paging", "limit", names)
            if limit:
                size = 1 if len(kind.jobs) < 6 and not self.budget.is_read_only else 2
                page = self.send(part, Purpose.LIST, self.asking(query={limit: size}), f"{limit}={size}")
                self.turn_pages(part, page, {limit: size})
                for bound in self.bounds(part, limit):
                    self.send(part, Purpose.LIST, self.asking(query={limit: bound}), f"{limit}={bound}")
            order = vocabulary.best("paging", "order", names)
            if order:
                schema = next(p.schema for p in part.operation.parameters if p.name == order)
                for word in shape_of(self.contract.document, schema).constants or ["asc", "desc"]:
                    self.send(part, Purpose.LIST, self.asking(query={order: word}), f"{order}={word}")
            self.filter_list(kind, part)
            if part.operation.method == "GET":
                self.send(part, Purpose.HEAD, self.asking(method="HEAD"))

    def filter_list(self, kind: _Kind, part: JobOperation) -> None:
        """The jobs in one state, where a list can be asked for those."""
        parameters = {p.name: p for p in part.operation.parameters if p.place == "query"}
        name = self.contract.vocabulary.best("roles", "status", list(parameters))
        if name is None:
            return
        known = shape_of(self.contract.document, parameters[name].schema).constants
        seen = [job.last.word for job in kind.jobs if job.last and isinstance(job.last.word, str)]
        for word in dict.fromkeys([*seen, *(known or [])]):
            if isinstance(word, str) and (known is None or word in known):
                self.send(part, Purpose.LIST, self.asking(query={name: word}), f"{name}={word}")

    def bounds(self, part: JobOperation, limit: str) -> list[int]:
        """The smallest and the largest page that a list may be asked for, by its schema."""
        schema = next(p.schema for p in part.operation.parameters if p.name == limit)
        shape = shape_of(self.contract.document, schema)
        told = [shape.number("minimum"), shape.number("maximum")]
        return [int(bound) for bound in told if bound is not None and 0 <= bound <= LARGEST_PAGE]

    def turn_pages(self, part: JobOperation, page: Exchange, query: dict[str, Any]) -> None:
        """Follow a list's cursor to its end."""
        vocabulary, names = self.contract.vocabulary, [p.name for p in part.operation.parameters]
        best = {role: vocabulary.best("paging", role, names) for role in ("after", "page", "offset")}
        seen, number = 0, 1
        for _ in range(MOST_PAGES):
            items = sightings(self.contract, page)
            seen, number = seen + len(items), number + 1
            if not is_success(self.contract, page) or not items:
                return
            more, after = self.page_end(page)
            if more is False:
                if best["after"] and not self.tells_next(part) and items[-1].id is not None:
                    last = {**query, best["after"]: items[-1].id}
                    self.send(part, Purpose.PAGE, self.asking(query=last), AFTER_THE_END)
                return
            if best["after"]:
                cursor = after if after is not None or self.tells_next(part) else items[-1].id
                if cursor is None:
                    return
                query = {**query, best["after"]: cursor}
            elif best["page"]:
                query = {**query, best["page"]: number}
            elif best["offset"]:
                query = {**query, best["offset"]: seen}
            else:
                return
            detail = "&".join(f"{name}={value}" for name, value in query.items())
            page = self.send(part, Purpose.PAGE, self.asking(query=query), detail)

    def tells_next(self, part: JobOperation) -> bool:
        """Whether a list's answer is said to tell the cursor of the next page, so that none means the end."""
        shape = shape_of(self.contract.document, part.schema) if part.schema is not None else None
        shapes = [shape, *(shape_of(self.contract.document, s) for s in shape.properties.values())] if shape else []
        vocabulary = self.contract.vocabulary
        return any(s and vocabulary.best("paging", "next", list(s.properties)) is not None for s in shapes)

    def page_end(self, page: Exchange) -> tuple[bool | None, Any]:
        """What a page tells of the next one: whether there is one (None: not told), and its cursor."""
        vocabulary, body = self.contract.vocabulary, page.json
        places = [body, *body.values()] if isinstance(body, dict) else []
        for place in places:
            if not isinstance(place, dict):
                continue
            names = list(place)
            more = vocabulary.best("paging", "has more", names)
            after = vocabulary.best("paging", "next", names)
            last = vocabulary.best("paging", "last id", names)
            if more or after or last:
                is_more = place[more] if more and isinstance(place[more], bool) else None
                cursor = place[after] if after else place[last] if last else None
                if after and not cursor and is_more is None:
                    is_more = False
                if isinstance(cursor, str) and "://" in cursor:
                    known = {name: values[0] for name, values in parse_qs(parts_of(cursor).query).items()}
                    name = vocabulary.best("paging", "after", list(known))
                    cursor = known[name] if name else None
                return is_more, cursor
        return None, None

    def adopt(self, kind: _Kind, part: JobOperation, listed: Exchange) -> None:
        """Without jobs of our own, read those that the list shows."""
        if kind.jobs:
            return
        for seen in sightings(self.contract, listed)[: self.options.several]:
            if isinstance(seen.id, (str, int)) and seen.id != "" and self.parts(kind, Action.RETRIEVE):
                job = _Job(str(seen.id), kind.resource, part, self.pace.now())
                self.poll(job)
                self.look_at_finished(kind, job)
                reader = _Kind(kind.resource, [job])
                self.fetch_all(reader)

    def read_others(self) -> None:
        """Operations that are no part of a job: those that can be read without knowing more, and all without a key."""
        known = {part.operation.name for part in self.contract.parts}
        others = [operation for operation in self.contract.document.operations if operation.name not in known]
        for operation in others[:MOST_OTHERS]:
            if operation.method == "GET" and "{" not in operation.path:
                self.send_call(self.calls.call(operation, self.asking()), Purpose.OTHER)
            if self.calls.is_open(operation) or not self.options.key:
                continue
            for key, purpose, detail in (("", Purpose.NO_KEY, ""), (self.bad_key, Purpose.BAD_KEY, "refused")):
                if operation.method == "GET":
                    self.send_call(self.calls.call(operation, Asking(key)), purpose, detail)
                elif not self.budget.is_read_only and self.budget.reserve(self.prices.of_any(operation)):
                    exchange = self.send_call(self.calls.call(operation, Asking(key)), purpose, detail)
                    self.budget.settle(exchange.status == 0 or is_success(self.contract, exchange))

    # -- follow-ups -------------------------------------------------------------------------------------

    def follow_up(self, kind: _Kind) -> None:
        """Jobs that start from one that has succeeded."""
        done = next((j for j in kind.jobs if j.last and j.last.state is State.SUCCEEDED), None)
        parts = sorted(self.parts(kind, Action.FOLLOW_UP), key=lambda part: not part.links_source)
        if parts and done is None:
            self.skip(Purpose.FOLLOW_UP, _READ_ONLY if self.budget.is_read_only else "no job was seen to succeed")
        for part in parts if done else ():
            assert done is not None
            body, media_type = self.calls.body_for(part.operation, part, job=done.id)
            if media_type:  # so that it can be told from its source
                body = self.calls.bodies.reworded(part.operation.body[media_type].get("schema") or {}, body)
            asking = self.asking(job=done.id, body=body, media_type=media_type)
            exchange = self.start(part, Purpose.FOLLOW_UP, asking, keep=KEPT_FOR_PROBES)
            if exchange is not None:
                self.take_job(kind, part, exchange)

    # -- wrong requests ---------------------------------------------------------------------------------

    def probe(self, kind: _Kind) -> None:
        """Requests that should be refused, by those that cost nothing first."""
        main, resource = kind.main, kind.resource
        known = main.id if main else self.unknown_id(resource)
        if not self.options.second_key:
            self.skip(Purpose.SECOND_KEY, "no second key was given")
        for part in self.parts(kind, *_SAFE):
            self.probe_keys(part, known)
            self.probe_words(part, known)
        self.probe_ids(kind)
        self.probe_methods(kind, known)
        for part in self.parts(kind, Action.LIST):
            self.probe_queries(part)
        for part in self.parts(kind, Action.CREATE, Action.FOLLOW_UP):
            self.probe_creating(kind, part, known)
        self.probe_bodies(kind)

    def probe_keys(self, part: JobOperation, job: str) -> None:
        """No key, wrong ones, and that of somebody else."""
        if self.calls.is_open(part.operation):
            return
        self.send(part, Purpose.NO_KEY, Asking(job=job))
        self.send(part, Purpose.BAD_KEY, Asking(self.bad_key, job), "refused")
        self.send(part, Purpose.BAD_KEY, Asking(MALFORMED, job), "malformed")
        if self.options.second_key:
            self.send(part, Purpose.SECOND_KEY, Asking(self.options.second_key, job))
        if part.action is Action.RETRIEVE and self.options.key:
            self.probe_spelling(part, job)

    def probe_words(self, part: JobOperation, job: str) -> None:
        """Words that a query parameter does not have; and a list of the second key with its usual parameters."""
        for parameter in part.operation.parameters:
            if parameter.place == "query" and shape_of(self.contract.document, parameter.schema).constants:
                asking = self.asking(job=job, query={parameter.name: "no-such-value"})
                self.send(part, Purpose.ODD_INPUT, asking, f"{parameter.name}=no-such-value")
        names = [p.name for p in part.operation.parameters]
        limit = self.contract.vocabulary.best("paging", "limit", names) if part.action is Action.LIST else None
        if limit and self.options.second_key and not self.calls.is_open(part.operation):
            self.send(part, Purpose.SECOND_KEY, Asking(self.options.second_key, query={limit: 10}), f"{limit}=10")

    def probe_spelling(self, part: JobOperation, job: str) -> None:
        """The right key, written wrongly; and its scheme, in other letters."""
        key = self.options.key
        if key.swapcase() != key:
            self.send(part, Purpose.SECOND_KEY, Asking(key.swapcase(), job), "the key in other letters")
        call = self.calls.call(part.operation, self.asking(job=job), part, self.resource_of(part))
        for number, (name, value) in enumerate(call.headers):
            scheme, space, credential = value.partition(" ")
            if name.lower() != "authorization" or not space or credential != key:
                continue
            for spelled, purpose, detail in (
                (scheme, Purpose.BAD_KEY, "empty"),
                (f"{scheme.swapcase()} {key}", Purpose.SCHEME_SPELLED, ""),
            ):
                headers = (*call.headers[:number], (name, spelled), *call.headers[number + 1 :])
                self.send_call(replace(call, headers=headers), purpose, detail)

    def probe_ids(self, kind: _Kind) -> None:
        """Ids that nobody was given, and odd ones."""
        for part in self.parts(kind, *_SAFE, *_ENDING):
            if part.id_place is None:
                continue
            if part.action in _ENDING and self.budget.is_read_only:
                continue
            self.send(part, Purpose.UNKNOWN_ID, self.asking(job=self.unknown_id(kind.resource)))
        retrieve = kind.resource.first(Action.RETRIEVE)
        for what, id in _ODD_IDS if retrieve and retrieve.id_place else ():
            assert retrieve is not None
            self.send(retrieve, Purpose.ODD_INPUT, self.asking(job=id), f"id: {what}")

    def probe_methods(self, kind: _Kind, job: str) -> None:
        """A method that a path does not have, on each path once. It is none that creates or deletes."""
        if self.budget.is_read_only:
            self.skip(Purpose.WRONG_METHOD, _READ_ONLY)  # nobody knows what a PUT does that is not declared
            return
        seen: set[str] = set()
        buying = {part.operation.path for part in self.contract.parts if part.action in STARTS}
        declared: dict[str, set[str]] = {}
        for operation in self.contract.document.operations:
            declared.setdefault(operation.path, set()).add(operation.method)
        for part in kind.resource.operations:
            path = part.operation.path
            method = next((m for m in ("PUT", "PATCH") if m not in declared[path]), None)
            if path in seen or method is None or "?" in path:
                continue
            seen.add(path)
            asking = self.asking(job=job, method=method)
            if path in buying:  # who does not look at the method could take it for the one that creates
                self.try_wrong(kind, part, Purpose.WRONG_METHOD, asking, method)
            else:
                self.send(part, Purpose.WRONG_METHOD, asking, method)

    def probe_queries(self, part: JobOperation) -> None:
        """Odd parameters of a list."""
        vocabulary, names = self.contract.vocabulary, [p.name for p in part.operation.parameters if p.place == "query"]
        limit = vocabulary.best("paging", "limit", names)
        if limit:
            for value in ("-1", "0", "many", "99999999999999999999", ["1", "2"]):
                said = "&".join(f"{limit}={v}" for v in (value if isinstance(value, list) else [value]))
                self.send(part, Purpose.ODD_INPUT, self.asking(query={limit: value}), said)
        if order := vocabulary.best("paging", "order", names):
            self.send(part, Purpose.ODD_INPUT, self.asking(query={order: "sideways"}), f"{order}=sideways")
        if after := vocabulary.best("paging", "after", names):
            self.send(part, Purpose.ODD_INPUT, self.asking(query={after: "日本 语\n\x00"}), f"{after}: unicode")
            self.send(part, Purpose.ODD_INPUT, self.asking(query={after: "x" * 5000}), f"{after}: 5,000 characters")
        self.send(part, Purpose.ODD_INPUT, self.asking(query={"x_unknown": "ü&=%"}), "an unknown parameter")

    def probe_creating(self, kind: _Kind, part: JobOperation, job: str) -> None:
        """Requests that should create nothing. Each is paid for by the budget if it does."""
        body, media_type = self.calls.body_for(part.operation, part, job=job)
        if not self.calls.is_open(part.operation):
            ways = [(Purpose.NO_KEY, "", ""), (Purpose.BAD_KEY, self.bad_key, "refused"),
                    (Purpose.BAD_KEY, MALFORMED, "malformed")]  # fmt: skip
            for purpose, key, detail in ways:
                self.try_wrong(kind, part, purpose, Asking(key, job, body=body, media_type=media_type), detail)
            if self.options.second_key and part.id_place:
                asking = Asking(self.options.second_key, job, body=body, media_type=media_type)
                self.try_wrong(kind, part, Purpose.SECOND_KEY, asking, "")
        if part.id_place:
            unknown = self.unknown_id(kind.resource)
            odd, kind_of_body = self.calls.body_for(part.operation, part, job=unknown)
            asking = self.asking(job=unknown, body=odd, media_type=kind_of_body)
            self.try_wrong(kind, part, Purpose.UNKNOWN_ID, asking, "")
        if not media_type:
            return
        text = orjson.dumps(body, default=str) if isinstance(body, dict) else b"{}"
        if is_json(media_type):
            broken = [("cut off", text[: len(text) // 2] or b"{"), ("not UTF-8", b'{"a": "\xff\xfe"}')]
            if part.operation.body_required:
                broken.append(("empty", b""))
            for detail, raw in broken:
                asking = self.asking(job=job, raw=raw, media_type=media_type)
                self.try_wrong(kind, part, Purpose.BROKEN_JSON, asking, detail)
        if "*/*" not in part.operation.body:
            for wrong in ("text/plain", "application/xml"):
                if wrong not in part.operation.body:
                    asking = self.asking(job=job, raw=text, media_type=wrong)
                    self.try_wrong(kind, part, Purpose.WRONG_TYPE, asking, wrong)

    def probe_bodies(self, kind: _Kind) -> None:
        """Bodies that are wrong in one place, then odd ones, those last that are valid."""
        waiting: list[tuple[JobOperation, str, Variation]] = []
        main = kind.main.id if kind.main else ""
        for part in self.parts(kind, Action.CREATE, Action.FOLLOW_UP):
            if part.action is Action.FOLLOW_UP and not main:
                continue
            for media_type in media_types(part.operation)[: 2 if part.action is Action.CREATE else 1]:
                body, _ = self.calls.body_for(part.operation, part, media_type, job=main)
                if body is None:
                    continue
                schema, is_form = part.operation.body[media_type].get("schema") or {}, not is_json(media_type)
                for each in self.calls.bodies.broken(schema, body, is_form)[:MOST_WRONG]:
                    self.try_variation(kind, part, Purpose.INVALID, each, media_type)
                if part.action is Action.FOLLOW_UP:
                    continue
                odd = self.calls.bodies.odd(schema, body, is_form)[:MOST_WRONG]
                waiting += [(part, media_type, each) for each in odd]
        for part in self.parts(kind, Action.CREATE):
            for media_type in media_types(part.operation)[:1]:
                body, _ = self.calls.body_for(part.operation, part, media_type)
                schema, is_form = part.operation.body[media_type].get("schema") or {}, not is_json(media_type)
                for each in self.calls.bodies.at_bounds(schema, body, is_form)[:MOST_BOUNDS]:
                    self.try_variation(kind, part, Purpose.BOUND, each, media_type, KEPT_FOR_PROBES)
        for part, media_type, each in sorted(waiting, key=lambda one: not one[2].is_refused):
            keep = 0 if each.is_refused else KEPT_FOR_PROBES
            self.try_variation(kind, part, Purpose.ODD_INPUT, each, media_type, keep)

    def try_variation(
        self, kind: _Kind, part: JobOperation, purpose: str, each: Variation, media_type: str, keep: int = 0
    ) -> None:
        detail = each.detail if is_json(media_type) else f"{each.detail} (in a form)"
        raw = b"null" if each.body is None else None
        job = kind.main.id if kind.main else ""
        asking = self.asking(job=job, body=each.body, media_type=media_type, raw=raw)
        self.try_wrong(kind, part, purpose, asking, detail, keep)

    def try_wrong(
        self, kind: _Kind, part: JobOperation, purpose: str, asking: Asking, detail: str, keep: int = 0
    ) -> None:
        """Send what should be refused, and remember the job that comes of it all the same."""
        exchange = self.buy(part, purpose, asking, detail, keep)
        if exchange is not None and is_success(self.contract, exchange) and (id := told_id(self.contract, exchange)):
            kind.strays.append(id)

    # -- the end ----------------------------------------------------------------------------------------

    def end(self, kind: _Kind) -> None:
        """What takes a job away: by those who must not, then by its owner, and what is left of it."""
        main, ending = kind.main, self.parts(kind, *_ENDING)
        if main is None or self.budget.is_read_only:
            for part in ending:
                self.skip(Purpose.CANCEL if part.action is Action.CANCEL else Purpose.DELETE, _READ_ONLY
                          if self.budget.is_read_only else "there is no job")  # fmt: skip
            return
        for part in ending:
            self.probe_keys(part, main.id)
        for part in self.parts(kind, Action.CANCEL):
            self.send(part, Purpose.CANCEL, self.asking(job=main.id), "ended")
        delete = kind.resource.first(Action.DELETE)
        if delete is None:
            return
        self.send(delete, Purpose.DELETE, self.asking(job=main.id))
        for part in self.parts(kind, *_SAFE):
            self.send(part, Purpose.AFTER_DELETE, self.asking(job=main.id))
        self.send(delete, Purpose.AFTER_DELETE, self.asking(job=main.id))
        for part in self.parts(kind, Action.FOLLOW_UP)[:1]:
            body, media_type = self.calls.body_for(part.operation, part, job=main.id)
            asking = self.asking(job=main.id, body=body, media_type=media_type)
            self.try_wrong(kind, part, Purpose.AFTER_DELETE, asking, "")
        if not self.options.keep:
            ids = [*(job.id for job in kind.jobs if job is not main), *kind.strays]
            left = [
                id for id in ids if self.send(delete, Purpose.DELETE, self.asking(job=id), "clean up").status >= 400
            ]
            if left:
                self.skip("clean up", f"{len(left)} jobs could not be deleted, and stay: {', '.join(left)[:300]}")


_ODD_IDS = (
    ("unicode", "vidéo-日本-🎬"),
    ("5,000 characters", "x" * 5000),
    ("a path", "../../etc/passwd"),
    ("a NUL", "a\x00b"),
    ("markup", "<script>alert(1)</script>"),
    ("a space", " "),
)


def _share(seen: Sighting | None) -> float:
    """How much of a job is done, as far as it says so."""
    told = seen.progress if seen else None
    return min(max(told / 100, 0.0), 1.0) if isinstance(told, (int, float)) else 0.0


def _urls(value: Any) -> Iterator[str]:
    """The URLs in a job's result."""
    if isinstance(value, str):
        if value.startswith(("http://", "https://")) or (
            value.startswith("/") and "/" in value[1:] and " " not in value
        ):
            yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from _urls(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _urls(inner)


# -- what would be sent -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Planned:
    """Requests of one operation for one purpose. `may_cost`: each could create a job; `price` of one, if known."""

    purpose: str
    operation: str
    times: int
    may_cost: bool
    price: float | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run would send. `jobs` is how many would be created at the worst, `spend` what they cost, if known."""

    requests: tuple[Planned, ...]
    jobs: int
    spend: float | None
    currency: str = ""


def plan(contract: ContractUnderTest, options: Options, budget: Budget) -> Plan:
    """The requests that may cost money, and what stands for all others, without sending any.

    The numbers are upper bounds: what is refused costs nothing, and the budget ends what it does not cover.
    """
    calls = Calls(contract)
    prices = Prices(calls, budget.prices)
    found: list[Planned] = []
    for resource in contract.resources[: options.kinds]:
        ways = creates_of(calls, resource)
        wanted = max(options.several, min(len(ways), 2 * options.several)) if ways else 0
        for number in range(wanted):
            part, media_type, body = ways[number % len(ways)]
            if number == 2 and media_type:
                schema = part.operation.body[media_type].get("schema") or {}
                body = calls.bodies.varied(schema, body) or body
            found.append(_planned(prices, Purpose.CREATE, part, body, 1))
        for part in resource.operations:
            if part.action in STARTS:
                body, _ = calls.body_for(part.operation, part)
                if part.action is Action.FOLLOW_UP:
                    found.append(_planned(prices, Purpose.FOLLOW_UP, part, body, 1))
                found += _planned_probes(calls, prices, options, part, body)
            else:
                found.append(Planned(str(part.action), part.operation.name, 1, may_cost=False))
    merged: dict[Planned, int] = {}
    for each in found:
        if not (each.may_cost and budget.is_read_only):
            alike = replace(each, times=0)
            merged[alike] = merged.get(alike, 0) + each.times
    requests = tuple(replace(each, times=times) for each, times in merged.items())
    costly = [each for each in requests if each.may_cost]
    jobs = sum(each.times for each in costly)
    amounts = [each.price for each in costly for _ in range(each.times)]
    spend = None
    if budget.max_jobs is not None:
        jobs = min(jobs, budget.max_jobs)
    if all(price is not None for price in amounts):
        spend = sum(sorted((price or 0.0 for price in amounts), reverse=True)[:jobs])
    if budget.max_spend is not None:
        spend = budget.max_spend if spend is None else min(spend, budget.max_spend)
    return Plan(requests, jobs, spend, prices.currency)


def _planned_probes(
    calls: Calls, prices: Prices, options: Options, part: JobOperation, usual: Any
) -> Iterator[Planned]:
    operation = part.operation

    def planned(purpose: str, times: int) -> Planned:
        return _planned(prices, purpose, part, usual, times)

    if not calls.is_open(operation):
        yield planned(Purpose.NO_KEY, 1)
        yield planned(Purpose.BAD_KEY, 2)
        if options.second_key and part.id_place:
            yield planned(Purpose.SECOND_KEY, 1)
    yield planned(Purpose.WRONG_METHOD, 1)
    if part.id_place:
        yield planned(Purpose.UNKNOWN_ID, 1)
        yield planned(Purpose.AFTER_DELETE, 1)
    if any(is_json(name) for name in operation.body):
        yield planned(Purpose.BROKEN_JSON, 3)
    if operation.body:
        yield planned(Purpose.WRONG_TYPE, 2)
    for name in media_types(operation)[: 2 if part.action is Action.CREATE else 1]:
        body, media_type = calls.body_for(operation, part, name)
        if media_type:
            schema, is_form = operation.body[name].get("schema") or {}, not is_json(name)
            made_by = calls.bodies
            ways = [(Purpose.INVALID, made_by.broken, MOST_WRONG), (Purpose.ODD_INPUT, made_by.odd, MOST_WRONG),
                    (Purpose.BOUND, made_by.at_bounds, MOST_BOUNDS)]  # fmt: skip
            for purpose, made, most in ways if part.action is Action.CREATE else ways[:1]:
                for each in made(schema, body, is_form)[:most]:
                    yield _planned(prices, purpose, part, each.body, 1)


def _planned(prices: Prices, purpose: str, part: JobOperation, body: Any, times: int) -> Planned:
    return Planned(purpose, part.operation.name, times, True, prices.of(part, body))
