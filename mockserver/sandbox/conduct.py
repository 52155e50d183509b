"""What a client did, put in order by job: which requests were about which job, and what their answers told."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Any

from mockserver.jobs.declaration import REFUSALS
from mockserver.jobs.lifecycle import TERMINAL
from mockserver.jobs.resource import STARTS, Action
from mockserver.masking import is_secret_name
from mockserver.sandbox.journal import Entry

SLACK = 0.010  # seconds that timers and a loopback connection are off by: sooner than asked by less is not
SLACK_SHARE = 0.05  # of a wait that was asked for, likewise

Words = frozenset[str]
FETCHES: Words = frozenset({Action.CONTENT.value, Action.RESULT.value, "asset"})
CUT: Words = frozenset({"reset", "lost", "truncate", "stall"})  # faults after which a client does not know its answer
_POLL, _LIST, _CANCEL, _DELETE = (a.value for a in (Action.RETRIEVE, Action.LIST, Action.CANCEL, Action.DELETE))
_ENDS: Words = frozenset(state.value for state in TERMINAL)
_TOKEN = b"idempotency-key"
_RETRY: Mapping[bytes, float] = {b"retry-after-ms": 1000.0, b"retry-after": 1.0}  # and what a second is in their unit


@dataclass(frozen=True, slots=True)
class KnownOperation:
    """An operation of a contract; `kind` is the kind of job that it is about, '' for none.

    `tells_result`: the answer of a poll is the result itself once there is one.
    """

    provider: str
    name: str
    action: str = ""
    kind: str = ""
    tells_result: bool = False


@dataclass(frozen=True, slots=True)
class LeftJob:
    """A job that is there when the verdict is given; `ended` is when it came to its end on the sandbox's clock."""

    id: str
    provider: str
    kind: str
    state: str
    ended: float | None


@dataclass(frozen=True, slots=True)
class Case:
    """What one sandbox's client did: its journal (`dropped` entries had to make room), and the jobs that are left.

    `rate` is how many seconds pass on its clock in one of the machine's. `notified` are the ids of jobs whose end was
    told by a webhook.
    """

    sandbox: str
    entries: Sequence[Entry]
    left: Sequence[LeftJob] = ()
    dropped: int = 0
    rate: float = 1.0
    notified: Collection[str] = ()


@dataclass(frozen=True, slots=True)
class JobFacts:
    """What a client did about one job. Milliseconds are the machine's, `seconds` those of the sandbox's clock.

    `polls` counts requests for its status, refused ones too; `waited_ms` and `seconds` go from its creation to the last
    of them (None without). `end_seen`: an answer, a list or a webhook told its end. `state` is the last that is known.
    """

    id: str
    sandbox: str
    provider: str
    state: str
    polls: int
    fastest_poll_ms: float | None
    median_poll_ms: float | None
    waited_ms: float | None
    seconds: float | None
    end_seen: bool
    result_fetched: bool

    @property
    def as_data(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(slots=True)
class Life:
    """One job as its client saw it."""

    id: str
    provider: str
    kind: str = ""
    state: str = ""  # the last that is known
    ended: float | None = None  # on the sandbox's clock
    created: Entry | None = None
    polls: list[Entry] = field(default_factory=list)  # refused ones too
    fetches: list[Entry] = field(default_factory=list)  # that brought the result, or would have
    told_end: Entry | None = None  # the first poll whose answer told the end
    end_seen: bool = False
    gone: Entry | None = None  # it was deleted by the client
    touched: float | None = None  # when it was first asked about, on the machine's clock
    is_left: bool = False


class Client:
    """The entries of a case, put in order by job."""

    def __init__(self, case: Case, known: Sequence[KnownOperation], poll_headers: frozenset[bytes]) -> None:
        self.case = case
        self.entries = case.entries
        self._known = {(each.provider, each.name): each for each in known}
        self._abilities = {(each.provider, each.kind, each.action) for each in known}
        self._units = {**dict.fromkeys(poll_headers, 1000.0), **_RETRY}
        self.lives: dict[str, Life] = {}
        self.created = [entry for entry in self.entries if makes(entry)]
        for job in case.left:
            self.lives[job.id] = Life(
                job.id, job.provider, job.kind, job.state, job.ended, end_seen=job.id in case.notified, is_left=True
            )
        for entry in self.entries:
            if entry.job and entry.job not in self.lives:
                self.lives[entry.job] = Life(entry.job, entry.provider, self.kind(entry))
        for entry in self.entries:
            if life := self.life_of(entry):
                self._tell(life, entry)
        lists = [e for e in self.entries if e.action == _LIST and is_served(e)]
        for life in self.lives.values():
            if life.ended is not None and any(e.provider == life.provider and e.now >= life.ended for e in lists):
                life.end_seen = True
        self.copies = list(self._copies())
        self.paid_twice = [later for earlier, later in self.copies if self._is_unsure(earlier, later)]

    def kind(self, entry: Entry) -> str:
        known = self._known.get((entry.provider, entry.operation))
        return known.kind if known else ""

    def can(self, life: Life, action: Action) -> bool:
        """Whether the contract has an operation that does this to a job."""
        return (life.provider, life.kind, action.value) in self._abilities

    def life_of(self, entry: Entry) -> Life | None:
        """The job that a request is about; one that was refused may tell it only by its path."""
        if entry.job:
            return self.lives[entry.job]
        if entry.action in ("", _LIST, *STARTS):
            return None
        return next((self.lives[part] for part in reversed(entry.path.split("/")) if part in self.lives), None)

    def _tell(self, life: Life, entry: Entry) -> None:
        action, over = entry.action, entry.state in _ENDS
        life.kind = life.kind or self.kind(entry)
        if entry.state and not (life.is_left and life.state):
            life.state = entry.state
        if action in STARTS:
            if makes(entry) and life.created is None:
                life.created = entry
                life.end_seen = life.end_seen or (over and is_served(entry))
            return
        if life.touched is None:
            life.touched = entry.real
        if action == _POLL:
            life.polls.append(entry)
            if entry.refusal == "failed_content":  # how an end is told that the contract has no word for
                life.end_seen = True
            if over and is_served(entry):
                life.end_seen = True
                if _is_told(entry):
                    life.told_end = life.told_end or entry
                known = self._known.get((entry.provider, entry.operation))
                if known and known.tells_result and entry.state == "succeeded":
                    life.fetches.append(entry)
        elif action in FETCHES and is_served(entry) and entry.method != "HEAD":
            life.fetches.append(entry)
            life.end_seen = True
        elif action in (_CANCEL, _DELETE) and is_served(entry):
            life.end_seen = True
            if action == _DELETE:
                life.gone = life.gone or entry

    def asked(self, entry: Entry, retry_only: bool = False) -> float:
        """For how many seconds of the machine an answer asks to wait; 0 if it does not."""
        if entry.fault in CUT:
            return 0.0
        told = {name: value for name, value in entry.answer_headers if name in self._units}
        for name, unit in self._units.items():
            if name in told and (name in _RETRY or not retry_only):
                seconds = _number(told[name], unit)
                if seconds is None and name == b"retry-after":
                    seconds = _until(told[name], entry.real)
                if seconds is not None:
                    return seconds
        return 0.0

    def is_too_soon(self, earlier: Entry, later: Entry, asked: float) -> bool:
        """Whether a request came sooner than asked; not where the sandbox's clock was moved in between."""
        waited = later.real - earlier.real
        moved = (later.now - earlier.now) - waited * self.case.rate
        return waited + max(SLACK, asked * SLACK_SHARE) < asked and moved < 0.001

    def _copies(self) -> Iterator[tuple[Entry, Entry]]:
        """Creates that are the same as an earlier one: that one, and the later."""
        before: dict[Any, Entry] = {}
        for entry in self.entries:
            if entry.action in STARTS and not _is_replay(entry):
                same = sameness(entry)
                earlier = before.get(same)
                if earlier is not None and not (has_token(entry) and same_token(earlier, entry)):
                    yield earlier, entry
                before[same] = entry

    def _is_unsure(self, earlier: Entry, later: Entry) -> bool:
        """Whether a create was sent again though its client could not know that the first had made no job."""
        if not (makes(later) or _may_have_made(later)):
            return False
        gave_up = later.real - earlier.real < earlier.delay
        if makes(earlier) and (earlier.fault in CUT or earlier.drifts or gave_up):
            touched = self.lives[earlier.job].touched
            return touched is None or touched > later.real
        return earlier.fault in CUT or _may_have_made(earlier)

    def facts(self) -> Iterator[JobFacts]:
        """What tests ask about each job, in the order in which they were first seen."""
        order = {entry.job: entry.number for entry in reversed(self.entries)}
        for life in sorted(self.lives.values(), key=lambda life: order.get(life.id, 0)):
            gaps = [(b.real - a.real) * 1000 for a, b in zip(life.polls, life.polls[1:], strict=False)]
            last = life.polls[-1] if life.polls else None
            first = life.created
            yield JobFacts(
                life.id,
                self.case.sandbox,
                life.provider,
                life.state,
                len(life.polls),
                round(min(gaps), 1) if gaps else None,
                round(_median(gaps), 1) if gaps else None,
                round((last.real - first.real) * 1000, 1) if last and first else None,
                round(last.now - first.now, 3) if last and first else None,
                life.end_seen,
                bool(life.fetches),
            )


def _median(values: Sequence[float]) -> float:
    """The middle one; `statistics` has it too, but takes longer to import than all that is judged."""
    ordered, half = sorted(values), len(values) // 2
    return ordered[half] if len(values) % 2 else (ordered[half - 1] + ordered[half]) / 2


def makes(entry: Entry) -> bool:
    """Whether a request made a job, whatever its client came to know of it."""
    return entry.action in STARTS and bool(entry.job) and not entry.refusal and not _is_replay(entry)


def _is_replay(entry: Entry) -> bool:
    """Whether an answer is that to an earlier request with the same Idempotency-Key."""
    return any(name == b"idempotent-replayed" for name, _ in entry.answer_headers)


def is_served(entry: Entry) -> bool:
    """Whether an answer arrived that was no refusal; it may have been bent by a drift."""
    return not entry.refusal and 200 <= entry.status < 300 and entry.fault not in CUT


def _is_told(entry: Entry) -> bool:
    """Whether an answer arrived as the contract has it."""
    return is_served(entry) and not entry.drifts


def status_of(entry: Entry) -> int:
    """The status; where a provider refuses with HTTP 200, the one that others would have sent."""
    return REFUSALS.get(entry.refusal, entry.status) if entry.refusal and entry.status < 300 else entry.status


def _may_have_made(entry: Entry) -> bool:
    """Whether a create was answered with a 5xx that leaves open whether there is a job now."""
    status = status_of(entry)
    refused_for_now = status == 503 and any(name in _RETRY for name, _ in entry.answer_headers)
    return status >= 500 and not refused_for_now


def _number(value: bytes, unit: float) -> float | None:
    try:
        read = float(value) / unit
    except ValueError:
        return None
    return read if 0 <= read < 1e9 else None


def _until(value: bytes, real: float) -> float | None:
    try:
        return max(parsedate_to_datetime(value.decode("latin-1")).timestamp() - real, 0.0)
    except (ValueError, OverflowError):
        return None


def sameness(entry: Entry) -> Any:
    """What two requests have in common that are the same, sent with the same key."""
    told = {name: value for name, value in entry.headers.items() if name in (b"range", b"content-length")}
    if entry.form is not None:
        told.pop(b"content-length", None)
    keys = tuple(v for n, v in entry.headers.items() if is_secret_name(n.decode("latin-1")))
    return entry.provider, entry.method, entry.path, entry.query, entry.body, entry.form, keys, tuple(told.items())


def has_token(entry: Entry) -> bool:
    """Whether a request has an Idempotency-Key."""
    return _TOKEN in entry.headers


def same_token(one: Entry, other: Entry) -> bool:
    """Whether two requests have the same Idempotency-Key, or both none."""
    return one.headers.get(_TOKEN) == other.headers.get(_TOKEN)
