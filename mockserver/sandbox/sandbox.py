"""A sandbox: what one API key has on this server, over all providers; and the registry of all of them.

Whatever a sandbox does not have of its own (a clock, scenarios, drifts, webhooks) it has from the server.
"""

from collections import ChainMap
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property, partial
from hashlib import blake2b
from random import Random
from typing import TYPE_CHECKING, Any, Protocol

from mockserver.clock import Clock, ClockMode
from mockserver.errors import DeclarationError
from mockserver.jobs.job import Job
from mockserver.jobs.timeline import Timeline
from mockserver.message import Response
from mockserver.plans.progression import Progression
from mockserver.plans.scenario import Activation, Scenario
from mockserver.sandbox.journal import Journal, Shelf
from mockserver.sandbox.outbox import SERVER_SCOPE, Callback, Outbox, Tell, tell_end
from mockserver.stores.memory import MemoryStore, Room

if TYPE_CHECKING:
    from mockserver.plans.drift import Drift

MAX_SANDBOXES = 10_000  # the one that was idle longest goes
IDLE_SECONDS = 86_400.0  # of the machine's time, after which a sandbox that nobody used is dropped
SWEEP_SECONDS = 60.0  # between two looks for those; each takes as long as there are sandboxes
MAX_PENDING = 10_000  # imported states that wait for their key
MAX_COUNTS = 100_000  # of requests, for the steps of scenarios and drifts, in one sandbox
MAX_REPLIES = 1000  # answers kept for their Idempotency-Key, of one account
SERVER = "server"  # the id that stands for all sandboxes together
ANONYMOUS = "anonymous"  # the sandbox of requests that bring no key
ANYONE = "anyone"  # that of operations which need none, in a contract whose others do


def sandbox_id(key: str) -> str:
    """The public name of a key's sandbox: the same on every server, and no way back to the key."""
    if key.startswith("\0"):
        return ANYONE
    return f"sbx_{blake2b(key.encode(), digest_size=8, person=b'sandbox').hexdigest()}" if key else ANONYMOUS


class Switches:
    """What is switched on: for a sandbox, or for the server."""

    def __init__(self, scope: str = "") -> None:
        self.activations: list[Activation] = []
        self.drifts: dict[str, Drift] = {}
        self.own: dict[str, Scenario] = {}  # that were defined here while the server ran
        self.definitions: dict[str, Any] = {}  # of these, as they were given
        self.progressions: dict[str, Progression] = {}  # by model; '*' for all
        self.outbox = Outbox(scope)
        self._switched = 0

    def switch_on(self, scenario: Scenario, times: int | None = None, number: int | None = None) -> Activation:
        """Let a scenario have its say from now on, for so many requests (None: for good). `number` is that of an
        activation that was exported."""
        number = self._switched + 1 if number is None else number
        self._switched = max(self._switched, number)
        activation = Activation(f"act_{number}", scenario, times)
        self.activations.append(activation)
        self.update()
        return activation

    def define(self, scenario: Scenario, definition: Any) -> None:
        """Know a scenario of the user's own."""
        self.own[scenario.name] = scenario
        self.definitions[scenario.name] = definition

    def clear(self) -> None:
        """Switch all off, and forget what was defined."""
        self._switched = 0
        self.activations.clear()
        self.own.clear()
        self.definitions.clear()
        self.drifts.clear()
        self.progressions.clear()
        self.outbox.endpoints.clear()
        self.update()

    def update(self) -> None:
        """Called when anything was switched."""

    @property
    def is_on(self) -> bool:
        """Whether anything of it changes what a request does."""
        return bool(self.activations or self.drifts or self.progressions or self.outbox.endpoints)


@dataclass(slots=True)
class Held:
    """A job that waits for polls or for a slot: how many polls it takes from event to event, how many are left until
    the next one, the life that it would have had, and how many may run at a time (0: any).
    """

    every: int
    left: int
    drawn: Timeline
    slots: int = 0


@dataclass(slots=True)
class Account:
    """What a sandbox has at one provider. `replies` are answers by operation and Idempotency-Key, each with a digest of
    its request; `held` are the jobs that wait for polls or for a slot.
    """

    sandbox: "Sandbox"
    provider: str
    owner: str
    store: MemoryStore
    random: Random
    prefix: bytes
    requests: int = 0
    replies: dict[tuple[str, str], tuple[bytes, Response]] = field(default_factory=dict)
    held: dict[str, Held] = field(default_factory=dict)
    changes: int = 0  # how often a job was replaced or removed
    lined: int = -1  # the changes when those that wait for a slot were last put in line
    site: str = ""  # the absolute URL that its paths hang below, as the client that last created a job saw it

    def next_request_id(self) -> bytes:
        """An id for a request: the same for the same requests of a key."""
        self.requests += 1
        return b"%b%012x" % (self.prefix, self.requests)


class Sandbox(Switches):
    """The jobs, clock, scenarios, drifts, journal and seed of one API key."""

    def __init__(self, registry: "Sandboxes", key: str) -> None:
        super().__init__(sandbox_id(key))
        self.registry = registry
        self.key = key
        self.id = sandbox_id(key)
        self.name = ""
        self.seed: int | None = None  # None: the server's, mixed with the key
        self.base = registry.seed  # the server's, or that of the server from which it was imported
        self.own_clock: Clock | None = None
        self.clock = registry.clock
        self.accounts: dict[str, Account] = {}
        self.journal = Journal(registry.shelf)
        self.created = registry.real()
        self.steered = False  # whether requests take the long way
        self.has_plans = False  # whether a job follows a scenario
        self.telling = False  # whether there are endpoints that are told of the ends of jobs
        self.counts: dict[Any, int] = {}  # of requests, for the steps of scenarios and drifts
        self.draws = self._new_draws()
        self._private: Clock | None = None  # of a server that skips: the polls of one key move no other's time
        self.poll_after_ms = 1000
        self.update()

    @cached_property
    def scenarios(self) -> Mapping[str, Scenario]:
        """All scenarios that this sandbox knows, by name."""
        return ChainMap(self.own, *self.registry.scenarios.maps)

    @property
    def sources(self) -> tuple[Switches, Switches]:
        """What is switched on here, and for the whole server."""
        return self, self.registry.server

    def update(self) -> None:
        """Work out again what requests have to look at; to be called when anything was switched."""
        registry = self.registry
        skips = registry.clock.mode is ClockMode.SKIPPING
        if self.own_clock is None and skips and self._private is None:
            self._private = registry.clock.copy()
        elif self.own_clock is not None or not skips:
            private, self._private = self._private, None
            ahead = private is not None and private.now() > registry.clock.now() and self.has_jobs
            if self.own_clock is None and private is not None and ahead:
                self.own_clock = private  # it has skipped ahead, and time does not go back
                private.change(registry.clock.mode, registry.clock.rate or 1.0)
        self.clock = self.own_clock or self._private or registry.clock
        moves = self.clock.mode is ClockMode.SKIPPING
        self.steered = moves or self.has_plans or any(s.is_on for s in self.sources)
        self.poll_after_ms = registry.poll_after_ms if registry.poll_after_ms is not None else _poll_after(self.clock)
        was_telling, self.telling = self.telling, any(s.outbox.endpoints for s in self.sources)
        if self.telling and not was_telling:
            self.watch_jobs()
        elif self.outbox.watches or self.outbox.kept:
            registry.ring(self)  # the clock may be another one

    # -- webhooks -----------------------------------------------------------------------------------

    @property
    def secret_seed(self) -> str:
        """What ids of events and made-up secrets are made of."""
        return f"{self.base}/{self.id}" if self.seed is None else str(self.seed)

    def watch(self, provider: str, job: Job, site: str = "", callbacks: tuple[Callback, ...] = ()) -> None:
        """Tell webhooks of a job when it ends. `site` is the absolute URL that its links hang below."""
        self.outbox.watch(provider, job, site, callbacks)
        self.registry.ring(self)

    def watch_jobs(self) -> None:
        """Tell webhooks of all jobs that have not ended, if there are any."""
        now = self.now()
        for account in self.accounts.values() if self.telling else ():
            for job in account.store:
                if job.timeline.ended > now:
                    self.watch(account.provider, job, account.site)

    def _job_changed(self, account: "Account", old: Job, new: Job | None) -> None:
        """A job was replaced, or (None) removed. One that had ended by then is told of still."""
        account.changes += 1
        outbox = self.outbox
        if not (self.telling or outbox.watches):
            return
        if new is None:
            key = account.provider, old.id
            watch = outbox.watches.pop(key, None)
            if watch is not None and old.timeline.ended <= self.now():
                tell_end(self, key, watch, old)
                self.registry.ring(self)
            return
        before, after = old.timeline, new.timeline
        if outbox.changed(account, new):
            self.registry.ring(self)
        elif self.telling and (before.ended, before.outcome) != (after.ended, after.outcome):
            self.watch(account.provider, new, account.site)

    @property
    def used(self) -> float:
        """When it was last asked for anything, in seconds of the machine since the epoch."""
        return max(self.created, self.journal.last)

    def count(self, key: tuple[Any, ...]) -> int:
        """Count one more of something; gives its number. What was counted first is forgotten beyond a limit."""
        number = self.counts.get(key, 0) + 1
        self.put_count(key, number)
        return number

    def put_count(self, key: tuple[Any, ...], number: int) -> None:
        """Set the number of something that is counted."""
        counts = self.counts
        if len(counts) >= MAX_COUNTS and key not in counts:
            del counts[next(iter(counts))]
        counts[key] = number

    def follow_server(self) -> None:
        """Go by the server's clock from now on, wherever the own one was."""
        self.own_clock = self._private = None
        self.update()

    @property
    def has_jobs(self) -> bool:
        return any(len(account.store) for account in self.accounts.values())

    def now(self) -> float:
        """The sandbox's instant, in seconds since the epoch."""
        return self.clock.now()

    def account(self, provider: str) -> Account:
        """What the sandbox has at a provider, made when it is first asked for."""
        found = self.accounts.get(provider)
        if found is None:
            found = self.accounts[provider] = self._open(provider)
        return found

    def _open(self, provider: str) -> Account:
        registry = self.registry
        seed = f"{self.base}/{provider}/{self.key}" if self.seed is None else f"{self.seed}/{provider}"
        store = MemoryStore(registry.room(provider), now=self.now)
        mark = blake2b(self.key.encode(), digest_size=2).hexdigest()
        account = Account(self, provider, self.id, store, Random(seed), b"req_%b" % mark.encode())
        store.on_change = partial(self._job_changed, account)
        return account

    def reset(self, *, journal: bool = True, switches: bool = True) -> None:
        """Begin anew: no jobs, no records, and the generators as at the start; the clock stays what and where it is.

        `journal` and `switches` are whether these are forgotten too.
        """
        for provider, account in self.accounts.items():
            account.store.leave()
            self.registry.forget_records(provider, self.id)
        self.accounts.clear()
        self.counts.clear()
        self.draws = self._new_draws()
        self.has_plans = False
        self.outbox.forget_events()
        if journal:
            self.journal.clear()
        if switches:
            self.clear()
        self.update()

    def reseed(self, seed: int | None) -> None:
        """Begin anew with another seed (None: the server's, mixed with the key)."""
        self.seed = seed
        self.reset(switches=False)

    def _new_draws(self) -> Random:
        seed = f"{self.base}/draws/{self.key}" if self.seed is None else f"{self.seed}/draws"
        return Random(seed)


class ServerSwitches(Switches):
    """What is switched on for all sandboxes."""

    def __init__(self, registry: "Sandboxes") -> None:
        super().__init__(SERVER_SCOPE)
        self._registry = registry

    def update(self) -> None:
        """Let every sandbox see it."""
        for sandbox in self._registry:
            sandbox.update()


class Sandboxes:
    """All sandboxes of a server, by the key; made when a key is first seen."""

    def __init__(
        self,
        clock: Clock,
        *,
        seed: int = 0,
        max_jobs: int = 100_000,
        on_full: Callable[[str], None] | None = None,
        idle_seconds: float = IDLE_SECONDS,
        poll_after_ms: int | None = None,
        magic: bool = True,
        webhook_hosts: frozenset[str] = frozenset(),
        load_scenarios: Callable[[], Mapping[str, Scenario]] = dict,
        load_drifts: Callable[[], "Mapping[str, Drift]"] = dict,
    ) -> None:
        """`poll_after_ms` is what clients are told to wait between polls (None: by the clock). `magic`: prompts and
        models may name scenarios. `load_scenarios` and `load_drifts` give all that are known, when first asked for.
        """
        self.clock = clock
        self.poll_after_ms = poll_after_ms
        self.magic = magic
        self._load_scenarios = load_scenarios
        self._load_drifts = load_drifts
        self.start_clock = (clock.mode, clock.rate)
        self.real = clock.source  # the machine's time, which all clocks follow
        self.seed = seed
        self.shelf = Shelf()
        self.by_key: dict[str, Sandbox] = {}
        self._by_id: dict[str, Sandbox] = {}
        self._next_sweep = 0.0  # on the machine's clock
        self._idlest: list[tuple[float, Sandbox]] = []  # those that were idle longest last; may name used ones
        self.server = ServerSwitches(self)
        self._max_jobs = max_jobs
        self._on_full = on_full
        self._idle_seconds = idle_seconds
        self._rooms: dict[str, Room] = {}
        self._records: dict[str, KeepsRecords] = {}
        self.tellers: dict[str, Tell] = {}  # by provider: what makes the event of a job's end
        self.ring: Callable[[Sandbox], None] = _nobody_listens  # called when something falls due at another time
        self.created = self.real()
        self.webhook_hosts = webhook_hosts
        self.pending: dict[str, Callable[[Sandbox], None]] = {}  # imported states, by the id of a sandbox to come

    @cached_property
    def scenarios(self) -> ChainMap[str, Scenario]:
        """The scenarios that all sandboxes know, by name; those that were defined for the server come first."""
        return ChainMap(self.server.own, dict(self._load_scenarios()))

    @cached_property
    def known_drifts(self) -> "Mapping[str, Drift]":
        """All drifts that are known, by name."""
        return self._load_drifts()

    def of(self, key: str) -> Sandbox:
        """The sandbox of a key ('' for requests without one)."""
        found = self.by_key.get(key)
        if found is None:
            if self.real() >= self._next_sweep:
                self.expire()
            if len(self.by_key) >= MAX_SANDBOXES:
                self.drop(self._idle_longest())
            found = self.by_key[key] = Sandbox(self, key)
            self._by_id[found.id] = found
            if fill := self.pending.pop(found.id, None):
                try:
                    fill(found)
                except DeclarationError:  # what it names is not known any more: it begins with nothing
                    found.reset()
        return found

    def _idle_longest(self) -> Sandbox:
        """The sandbox that was idle longest; they are put in order once for many calls."""
        while True:
            if not self._idlest:
                order = sorted(self.by_key.values(), key=lambda sandbox: sandbox.used, reverse=True)
                self._idlest = [(sandbox.used, sandbox) for sandbox in order]
            used, sandbox = self._idlest.pop()
            if used == sandbox.used and self.by_key.get(sandbox.key) is sandbox:
                return sandbox

    def find(self, id: str) -> Sandbox | None:
        """The sandbox of an id, if there is one."""
        return self._by_id.get(id)

    def __iter__(self) -> Iterator[Sandbox]:
        return iter(tuple(self.by_key.values()))

    def expire(self) -> list[str]:
        """Drop the sandboxes that nobody used for so long; gives their ids."""
        now = self.real()
        self._next_sweep = now + min(SWEEP_SECONDS, self._idle_seconds)
        last = now - self._idle_seconds
        idle = [sandbox for sandbox in self if sandbox.used < last]
        for sandbox in idle:
            self.drop(sandbox)
        return [sandbox.id for sandbox in idle]

    def drop(self, sandbox: Sandbox) -> None:
        """Forget a sandbox with all that it has."""
        sandbox.reset()
        sandbox.journal.leave()
        self.by_key.pop(sandbox.key, None)
        self._by_id.pop(sandbox.id, None)

    def reset(self) -> None:
        """Forget all sandboxes and all that was switched on; the clock stays what and where it is."""
        for sandbox in self:
            self.drop(sandbox)
        self._idlest.clear()
        self.pending.clear()
        self.server.clear()

    def room(self, provider: str) -> Room:
        """What the stores of one provider share."""
        found = self._rooms.get(provider)
        if found is None:
            on_full = self._on_full
            said = (lambda: on_full(provider)) if on_full else None
            found = self._rooms[provider] = Room(self._max_jobs, said)
        return found

    def keep_records(self, provider: str, records: "KeepsRecords") -> None:
        """Tell who keeps the records of plain collections at a provider."""
        self._records[provider] = records

    def keep_like(self, other: "Sandboxes") -> None:
        """Keep records as other sandboxes do, to begin with none."""
        self._records = {provider: records.blank() for provider, records in other._records.items()}

    def forget_records(self, provider: str, owner: str) -> None:
        """Forget the records of an owner at a provider."""
        if records := self._records.get(provider):
            records.forget(owner)

    def export_records(self, provider: str, owner: str) -> list[Any]:
        """The records of an owner at a provider, as plain data."""
        records = self._records.get(provider)
        return records.exported(owner) if records else []

    def import_records(self, provider: str, owner: str, data: list[Any], where: str) -> None:
        """Keep exported records again. Raises DeclarationError."""
        if records := self._records.get(provider):
            records.take_in(owner, data, where)


def _nobody_listens(sandbox: Sandbox) -> None:
    pass


class KeepsRecords(Protocol):
    """What keeps the records of plain collections, by owner."""

    def blank(self) -> "KeepsRecords": ...
    def forget(self, owner: str) -> None: ...
    def exported(self, owner: str) -> list[Any]: ...
    def take_in(self, owner: str, data: list[Any], where: str) -> None: ...


MOST_POLL_MS = 1_000_000_000  # however slow the clock
FROZEN_POLL_MS = 100  # time moves on request alone, so there is nothing to wait for but that


def _poll_after(clock: Clock) -> int:
    """A second of virtual time between polls, in real milliseconds."""
    if clock.mode is ClockMode.SKIPPING:
        return 1
    return max(round(min(1000 / clock.rate, MOST_POLL_MS)), 5) if clock.rate else FROZEN_POLL_MS
