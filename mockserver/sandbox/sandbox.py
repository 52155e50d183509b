"""A sandbox: what one API key has on this server, over all providers; and the registry of all of them.

Whatever a sandbox does not have of its own (a clock, scenarios, drifts, webhooks) it has from the server.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import blake2b
from random import Random
from typing import Any

from mockserver.clock import Clock, ClockMode
from mockserver.message import Response
from mockserver.plans.drift import Drift
from mockserver.plans.progression import Progression
from mockserver.plans.scenario import Activation, Scenario
from mockserver.sandbox.journal import Journal, Shelf
from mockserver.sandbox.outbox import Outbox
from mockserver.stores.memory import MemoryStore, Room

MAX_SANDBOXES = 10_000  # the one that was idle longest goes
IDLE_SECONDS = 86_400.0  # of the machine's time, after which a sandbox that nobody used is dropped
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

    def __init__(self) -> None:
        self.activations: list[Activation] = []
        self.drifts: dict[str, Drift] = {}
        self.progressions: dict[str, Progression] = {}  # by model; '*' for all
        self.outbox = Outbox()
        self._switched = 0

    def switch_on(self, scenario: Scenario, times: int | None = None) -> Activation:
        """Let a scenario have its say from now on, for so many requests (None: for good)."""
        self._switched += 1
        activation = Activation(f"act_{self._switched}", scenario, times)
        self.activations.append(activation)
        self.update()
        return activation

    def update(self) -> None:
        """Called when anything was switched."""

    @property
    def is_on(self) -> bool:
        """Whether anything of it changes what a request does."""
        return bool(self.activations or self.drifts or self.progressions or self.outbox.endpoints)


@dataclass(slots=True)
class Account:
    """What a sandbox has at one provider. `held` are the timelines of jobs that wait for polls, with the polls left."""

    sandbox: "Sandbox"
    provider: str
    owner: str
    store: MemoryStore
    random: Random
    prefix: bytes
    requests: int = 0
    replies: dict[tuple[str, str], tuple[bytes, Response]] = field(default_factory=dict)
    held: dict[str, Any] = field(default_factory=dict)

    def next_request_id(self) -> bytes:
        """An id for a request: the same for the same requests of a key."""
        self.requests += 1
        return b"%b%012x" % (self.prefix, self.requests)


class Sandbox(Switches):
    """The jobs, clock, scenarios, drifts, journal and seed of one API key."""

    def __init__(self, registry: "Sandboxes", key: str) -> None:
        super().__init__()
        self.registry = registry
        self.key = key
        self.id = sandbox_id(key)
        self.name = ""
        self.seed: int | None = None  # None: the server's, mixed with the key
        self.own_clock: Clock | None = None
        self.clock = registry.clock
        self.accounts: dict[str, Account] = {}
        self.journal = Journal(registry.shelf)
        self.created = registry.real()
        self.steered = False  # whether requests take the long way
        self.has_plans = False  # whether a job follows a scenario
        self.counts: dict[Any, int] = {}  # of requests, for the steps of scenarios and drifts
        self.draws = Random(f"{registry.seed}/draws/{key}")
        self._private: Clock | None = None  # of a server that skips: the polls of one key move no other's time
        self.poll_after_ms = 1000
        self.update()

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
            self._private = None
        self.clock = self.own_clock or self._private or registry.clock
        moves = self.clock.mode is ClockMode.SKIPPING
        self.steered = moves or self.has_plans or any(s.is_on for s in self.sources)
        self.poll_after_ms = registry.poll_after_ms if registry.poll_after_ms is not None else _poll_after(self.clock)

    @property
    def used(self) -> float:
        """When it was last asked for anything, in seconds of the machine since the epoch."""
        return max(self.created, self.journal.last)

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
        seed = f"{registry.seed}/{provider}/{self.key}" if self.seed is None else f"{self.seed}/{provider}"
        store = MemoryStore(registry.room(provider), now=self.now)
        mark = blake2b(self.key.encode(), digest_size=2).hexdigest()
        return Account(self, provider, self.id, store, Random(seed), b"req_%b" % mark.encode())

    def reset(self, *, journal: bool = True, settings: bool = True) -> None:
        """Begin anew: no jobs, no records, and the generators as at the start; the clock stays what and where it is."""
        for provider, account in self.accounts.items():
            account.store.leave()
            self.registry.forget_records(provider, self.id)
        self.accounts.clear()
        self.counts.clear()
        self.draws = Random(
            f"{self.registry.seed if self.seed is None else self.seed}/draws/{self.key if self.seed is None else ''}"
        )
        self.has_plans = False
        self.outbox.forget_events()
        if journal:
            self.journal.clear()
        if settings:
            self.activations.clear()
            self.drifts.clear()
            self.progressions.clear()
            self.outbox.endpoints.clear()
        self.update()


class ServerSwitches(Switches):
    """What is switched on for all sandboxes."""

    def __init__(self, registry: "Sandboxes") -> None:
        super().__init__()
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
        load_scenarios: Callable[[], Mapping[str, Scenario]] = dict,
        load_drifts: Callable[[], Mapping[str, Drift]] = dict,
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
        self.server = ServerSwitches(self)
        self._max_jobs = max_jobs
        self._on_full = on_full
        self._idle_seconds = idle_seconds
        self._rooms: dict[str, Room] = {}
        self._forgetters: dict[str, Callable[[str], None]] = {}

    @cached_property
    def scenarios(self) -> Mapping[str, Scenario]:
        """All scenarios that are known, by name."""
        return self._load_scenarios()

    @cached_property
    def known_drifts(self) -> Mapping[str, Drift]:
        """All drifts that are known, by name."""
        return self._load_drifts()

    def of(self, key: str) -> Sandbox:
        """The sandbox of a key ('' for requests without one)."""
        found = self.by_key.get(key)
        if found is None:
            self.expire()
            if len(self.by_key) >= MAX_SANDBOXES:
                self.drop(min(self.by_key.values(), key=lambda sandbox: sandbox.used))
            found = self.by_key[key] = Sandbox(self, key)
        return found

    def find(self, id: str) -> Sandbox | None:
        """The sandbox of an id, if there is one."""
        return next((sandbox for sandbox in self.by_key.values() if sandbox.id == id), None)

    def __iter__(self) -> Iterator[Sandbox]:
        return iter(tuple(self.by_key.values()))

    def expire(self) -> list[str]:
        """Drop the sandboxes that nobody used for so long; gives their ids."""
        last = self.real() - self._idle_seconds
        idle = [sandbox for sandbox in self if sandbox.used < last]
        for sandbox in idle:
            self.drop(sandbox)
        return [sandbox.id for sandbox in idle]

    def drop(self, sandbox: Sandbox) -> None:
        """Forget a sandbox with all that it has."""
        sandbox.reset()
        sandbox.journal.leave()
        self.by_key.pop(sandbox.key, None)

    def reset(self) -> None:
        """Forget all sandboxes and all that was switched on; the clock stays where it is."""
        for sandbox in self:
            self.drop(sandbox)
        self.server = ServerSwitches(self)

    def room(self, provider: str) -> Room:
        """What the stores of one provider share."""
        found = self._rooms.get(provider)
        if found is None:
            on_full = self._on_full
            said = (lambda: on_full(provider)) if on_full else None
            found = self._rooms[provider] = Room(self._max_jobs, said)
        return found

    def keep_records(self, provider: str, forget: Callable[[str], None]) -> None:
        """Tell how the records of an owner at a provider are forgotten."""
        self._forgetters[provider] = forget

    def forget_records(self, provider: str, owner: str) -> None:
        """Forget the records of an owner at a provider."""
        if forget := self._forgetters.get(provider):
            forget(owner)


FROZEN_POLL_MS = 100  # time moves on request alone, so there is nothing to wait for but that


def _poll_after(clock: Clock) -> int:
    """A second of virtual time between polls, in real milliseconds."""
    if clock.mode is ClockMode.SKIPPING:
        return 1
    return max(round(1000 / clock.rate), 5) if clock.rate else FROZEN_POLL_MS
