"""Scenarios: named plans for what happens to jobs and to requests, read strictly from data.

A scenario has a plan for jobs (`job`), steps on requests (`requests`), or both. docs/scenarios.md tells the format.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import inf
from random import Random
from typing import Any

import orjson

from mockserver.clock import MOST
from mockserver.errors import DeclarationError
from mockserver.jobs.lifecycle import State
from mockserver.jobs.resource import STARTS
from mockserver.jobs.timeline import Timeline
from mockserver.plans.reading import as_choice, as_map, as_number, as_seconds, as_text, as_whole

Span = tuple[float, float]  # seconds, least and most; infinite: never
ASSET = "asset"  # the link to a result
ACTIONS = STARTS | {"retrieve", "list", "content", "result", "cancel", "delete", ASSET}
POLLS = frozenset({"retrieve", "result"})
DOWNLOADS = frozenset({"content", "result", ASSET})
GROUPS = {"any": frozenset({*ACTIONS, ""}), "poll": POLLS, "start": STARTS, "download": DOWNLOADS}
CONNECTIONS = {"reset", "lost", "truncate", "stall"}
WEBHOOK_FAULTS = {"never", "late", "twice", "out-of-order", "bad-signature"}
NAME = r"[a-z0-9][a-z0-9-]{0,63}"
LATE = 300.0  # seconds that a late event takes longer
MAX_WAIT = 120.0  # real seconds that an answer is held back at most
MAX_SLOTS = 10_000
MAX_COUNT = 1_000_000  # of requests, in `nth`
MAX_STEPS = 200  # of a scenario: each request looks at all of them
MAX_OWN = 1000  # scenarios that are defined for one sandbox, or for the server, while it runs
MAX_DEFINITION = 64 * 1024  # bytes of one of those as JSON
NEVER = "never"
_ENDS = {State.SUCCEEDED, State.FAILED, State.CANCELLED, State.EXPIRED}
_BODILESS = {204, 205, 304}
_FRAMING = {"content-type", "content-length", "content-encoding", "transfer-encoding", "connection"}


@dataclass(frozen=True, slots=True)
class JobPlan:
    """What happens to a job. None and '': as without a plan.

    `queue` and `run` are spans of seconds, infinite for never; `pace` stretches both. `end` is the state that it ends
    in, `at` the percent of its way at which it does so; `endless`: it goes all its way and never ends. `error` is what
    its error says; `expires_after` the seconds for which its result can be fetched. With `slots` so many jobs run at a
    time and the others wait for them.
    """

    queue: Span | None = None
    run: Span | None = None
    pace: float = 1.0
    end: State | None = None
    at: float = 100.0
    endless: bool = False
    error: Mapping[str, Any] = field(default_factory=dict)
    expires_after: float | None = None
    slots: int = 0
    webhook: str = ""

    def over(self, other: "JobPlan") -> "JobPlan":
        """Both plans as one: what this one says nothing of is as the other has it; their paces multiply."""
        ends = self if self.end is not None or self.endless else other
        return JobPlan(
            queue=other.queue if self.queue is None else self.queue,
            run=other.run if self.run is None else self.run,
            pace=self.pace * other.pace,
            end=ends.end,
            at=ends.at,
            endless=ends.endless,
            error=self.error or ends.error,
            expires_after=other.expires_after if self.expires_after is None else self.expires_after,
            slots=self.slots or other.slots,
            webhook=self.webhook or other.webhook,
        )

    def timeline(self, drawn: Timeline, random: Random, lasting: float | None) -> Timeline:
        """A job's timeline under this plan; `lasting` is for how many seconds results last without one.

        What would happen after the last year that can be written never happens.
        """
        created = drawn.created
        whole = drawn.due - drawn.started
        wait = _drawn(self.queue, random, drawn.started - created, self.pace)
        run = _drawn(self.run, random, whole, self.pace)
        outcome = self.end or (State.SUCCEEDED if self.endless else drawn.outcome)
        if self.end is None and outcome is not State.SUCCEEDED:
            share = (drawn.ended - drawn.started) / whole if whole else 1.0
        else:
            share = self.at / 100
        started = _written(created + wait)
        due = _written(started + run)
        ended = inf if due == inf or self.endless else started + run * share
        lasting = self.expires_after if self.expires_after is not None else lasting
        expires = None
        if outcome is State.SUCCEEDED and lasting is not None and ended < inf and ended + lasting <= MOST:
            expires = ended + lasting
        return Timeline(created, started, ended, outcome, due, drawn.steps, expires)


def _drawn(span: Span | None, random: Random, usual: float, pace: float) -> float:
    least, most = (usual, usual) if span is None else span
    if least == inf:
        return inf
    return pace * (least if least == most else least + (most - least) * random.random())


def _written(instant: float) -> float:
    return instant if instant <= MOST else inf


@dataclass(frozen=True, slots=True)
class Refuse:
    """An answer that refuses: a kind of `x-job.refusals`, in the provider's own shape.

    `status`, `code`, `type` and `message` say otherwise; `body` replaces all. `retry_after` is in virtual seconds;
    `limit` is told in `x-ratelimit-*` headers.
    """

    kind: str
    status: int | None = None
    code: str = ""
    type: str = ""
    message: str = ""
    body: Any = None
    retry_after: float | None = None
    limit: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Step:
    """What happens to requests of some actions: from the `first` to the `last` of them about one job (None: all).

    With a `quota` it happens only to those beyond so many in so many virtual seconds. `rate` is how likely it is, 0 to
    1. `connection` breaks it (`truncate` and `stall` after `share` of the body); `corrupt` spoils the bytes of a
    result; `delay` holds the answer back, in seconds of the machine.
    """

    actions: frozenset[str]
    first: int = 1
    last: int | None = None
    quota: tuple[int, float] | None = None
    rate: float = 1.0
    refuse: Refuse | None = None
    connection: str = ""
    share: float = 0.5
    seconds: float = 30.0
    corrupt: bool = False
    delay: float = 0.0

    @property
    def needs_result(self) -> bool:
        """Whether it is about results alone: then requests for one that is not there yet do not count."""
        return self.actions <= DOWNLOADS


@dataclass(frozen=True, slots=True)
class Scenario:
    """A named plan."""

    name: str
    summary: str
    job: JobPlan | None = None
    steps: tuple[Step, ...] = ()
    source: str = ""

    @property
    def is_bound(self) -> bool:
        """Whether a job that is created under it has it as its own."""
        return self.job is not None or self.follows_jobs

    @property
    def as_data(self) -> dict[str, Any]:
        """What a list of scenarios tells of it."""
        return {"name": self.name, "summary": self.summary, "source": self.source}

    @property
    def follows_jobs(self) -> bool:
        """Whether a job that was created under it has to be looked at later."""
        return any(step.actions - STARTS for step in self.steps)


@dataclass(slots=True)
class Activation:
    """A scenario that is switched on: for good, or for so many requests more."""

    id: str
    scenario: Scenario
    left: int | None = None


# -- reading ----------------------------------------------------------------------------------------

_JOB_KEYS = {"queue", "run", "pace", "end", "at", "error", "expires-after", "slots", "webhook"}
_STEP_KEYS = {"on", "nth", "beyond", "rate", "refuse", "connection", "share", "seconds", "corrupt", "delay"}
_REFUSE_KEYS = {"kind", "status", "code", "type", "message", "body", "retry-after", "limit", "headers"}


def read_scenarios(data: Any, kinds: frozenset[str], where: str) -> dict[str, Scenario]:
    """The scenarios of a data file, by name; `kinds` are the kinds of refusal. Raises DeclarationError."""
    if not isinstance(data, dict) or not data:
        raise DeclarationError(f"{where}: expected a map of names to scenarios.")
    return {name: read_scenario(name, entry, kinds, f"{where}: {name}") for name, entry in data.items()}


def read_scenario(name: str, data: Any, kinds: frozenset[str], where: str) -> Scenario:
    """One scenario. Raises DeclarationError."""
    if not isinstance(name, str) or not re.fullmatch(NAME, name):
        raise DeclarationError(f"{where}: {name!r} is no name; expected up to 64 small letters, digits and hyphens.")
    entry = as_map(data, {"summary", "source", "job", "requests"}, where)
    summary = as_text(entry.get("summary"), f"{where}.summary", 200)
    if "\n" in summary:
        raise DeclarationError(f"{where}.summary: expected one line.")
    steps = entry.get("requests", [])
    if not isinstance(steps, list):
        raise DeclarationError(f"{where}.requests: expected a list of steps.")
    if len(steps) > MAX_STEPS:
        raise DeclarationError(f"{where}.requests: found {len(steps)} steps, expected at most {MAX_STEPS}.")
    job = read_job(entry["job"], f"{where}.job") if "job" in entry else None
    if job is None and not steps:
        raise DeclarationError(f"{where}: expected `job`, `requests`, or both: without them nothing happens.")
    return Scenario(
        name,
        summary,
        job,
        tuple(_read_step(step, kinds, f"{where}.requests[{n}]") for n, step in enumerate(steps)),
        as_text(entry["source"], f"{where}.source") if "source" in entry else "",
    )


def read_definition(name: str, data: Any, kinds: frozenset[str], where: str) -> Scenario:
    """One scenario that is defined while a server runs. Raises DeclarationError, also for a large one."""
    size = len(orjson.dumps(_json(data, where)))
    if size > MAX_DEFINITION:
        raise DeclarationError(f"{where}: found {size} bytes, expected at most {MAX_DEFINITION}.")
    return read_scenario(name, data, kinds, where)


def read_job(data: Any, where: str) -> JobPlan:
    """What happens to a job, from data. Raises DeclarationError."""
    entry = as_map(data, _JOB_KEYS, where)
    if not entry:
        raise DeclarationError(f"{where}: expected at least one of {', '.join(sorted(_JOB_KEYS))}.")
    end = as_choice(entry["end"], {*_ENDS, NEVER}, f"{where}.end") if "end" in entry else ""
    fails = end not in ("", State.SUCCEEDED, NEVER)
    if "at" in entry and not fails:
        raise DeclarationError(
            f"{where}.at: only a job that fails, is cancelled or expires can end on its way; say `end`."
        )
    error = entry.get("error", {})
    if not isinstance(error, dict) or not all(isinstance(name, str) for name in error):
        raise DeclarationError(f"{where}.error: expected a map of the error's fields, such as code and message.")
    if error and not fails:
        raise DeclarationError(f"{where}.error: only a job that fails, is cancelled or expires has one; say `end`.")
    if "expires-after" in entry and (fails or end == NEVER):
        raise DeclarationError(f"{where}.expires-after: this job has no result that could expire.")
    return JobPlan(
        queue=_read_span(entry, "queue", where),
        run=_read_span(entry, "run", where),
        pace=as_number(entry.get("pace", 1), f"{where}.pace", 0, 1e6),
        end=State(end) if end and end != NEVER else None,
        at=as_number(entry.get("at", 100), f"{where}.at", 0, 100),
        endless=end == NEVER,
        error=_json(error, f"{where}.error"),
        expires_after=as_seconds(entry["expires-after"], f"{where}.expires-after")
        if "expires-after" in entry
        else None,
        slots=as_whole(entry["slots"], f"{where}.slots", 1, MAX_SLOTS) if "slots" in entry else 0,
        webhook=as_choice(entry["webhook"], WEBHOOK_FAULTS, f"{where}.webhook") if "webhook" in entry else "",
    )


def _read_span(entry: Mapping[str, Any], key: str, where: str) -> Span | None:
    if key not in entry:
        return None
    value = entry[key]
    if value == NEVER:
        return inf, inf
    if isinstance(value, list):
        if len(value) != 2:
            raise DeclarationError(f"{where}.{key}: found {value!r}, expected [least, most].")
        least, most = (as_seconds(each, f"{where}.{key}") for each in value)
        if least > most:
            raise DeclarationError(f"{where}.{key}: {value!r} begins with the larger; expected [least, most].")
        return least, most
    seconds = as_seconds(value, f"{where}.{key} (or `never`, or [least, most])")
    return seconds, seconds


def _read_step(data: Any, kinds: frozenset[str], where: str) -> Step:
    entry = as_map(data, _STEP_KEYS, where)
    first, last = _read_nth(entry.get("nth"), f"{where}.nth")
    corrupt = entry.get("corrupt", False)
    if not isinstance(corrupt, bool):
        raise DeclarationError(f"{where}.corrupt: found {corrupt!r}, expected true or false.")
    if not (corrupt or entry.keys() & {"refuse", "connection", "delay"}):
        raise DeclarationError(f"{where}: expected refuse, connection, corrupt or delay: without one nothing happens.")
    if "refuse" in entry and "connection" in entry:
        raise DeclarationError(f"{where}: `refuse` and `connection` contradict each other: give one of them.")
    connection = as_choice(entry["connection"], CONNECTIONS, f"{where}.connection") if "connection" in entry else ""
    if "share" in entry and connection not in ("truncate", "stall"):
        raise DeclarationError(f"{where}.share: it stands only beside `connection: truncate` or `stall`.")
    if "seconds" in entry and connection != "stall":
        raise DeclarationError(f"{where}.seconds: it stands only beside `connection: stall`; `delay` holds all back.")
    return Step(
        _read_actions(entry.get("on"), f"{where}.on"),
        first,
        last,
        _read_quota(entry["beyond"], f"{where}.beyond") if "beyond" in entry else None,
        as_number(entry.get("rate", 1), f"{where}.rate", 0, 1),
        _read_refuse(entry["refuse"], kinds, f"{where}.refuse") if "refuse" in entry else None,
        connection,
        as_number(entry.get("share", 0.5), f"{where}.share", 0, 1),
        _wait(entry.get("seconds", 30), f"{where}.seconds"),
        corrupt,
        _wait(entry.get("delay", 0), f"{where}.delay"),
    )


def _read_actions(value: Any, where: str) -> frozenset[str]:
    words = value if isinstance(value, list) else [value]
    actions: set[str] = set()
    for word in words:
        chosen = as_choice(word, {*ACTIONS, *GROUPS}, where)
        actions |= GROUPS.get(chosen, {chosen})
    if not actions:
        raise DeclarationError(f"{where}: found an empty list, expected at least one action.")
    return frozenset(actions)


def _read_nth(value: Any, where: str) -> tuple[int, int | None]:
    if value is None:
        return 1, None
    if isinstance(value, list):
        if len(value) != 2:
            raise DeclarationError(f"{where}: found {value!r}, expected a number, or [first, last].")
        first = as_whole(value[0], where, 1, MAX_COUNT)
        return first, None if value[1] is None else as_whole(value[1], where, first, MAX_COUNT)
    nth = as_whole(value, f"{where} (or [first, last], where a last of null is for ever)", 1, MAX_COUNT)
    return nth, nth


def _read_quota(data: Any, where: str) -> tuple[int, float]:
    entry = as_map(data, {"requests", "per"}, where)
    per = as_seconds(entry.get("per"), f"{where}.per")
    if per <= 0:
        raise DeclarationError(f"{where}.per: found {entry.get('per')!r}, expected more than no time.")
    return as_whole(entry.get("requests"), f"{where}.requests", 0, MAX_COUNT), per


def _wait(value: Any, where: str) -> float:
    """Seconds of the machine. Raises DeclarationError for more than anybody waits."""
    return as_number(as_seconds(value, where), where, 0, MAX_WAIT)


def _read_refuse(data: Any, kinds: frozenset[str], where: str) -> Refuse:
    entry = as_map(data, _REFUSE_KEYS, where)
    headers = entry.get("headers", {})
    if not isinstance(headers, dict) or not all(_is_header(n, v) for n, v in headers.items()):
        raise DeclarationError(
            f"{where}.headers: found {headers!r}, expected a map of header names to texts of one line."
        )
    names = {name.lower(): value for name, value in headers.items()}
    if framing := sorted(_FRAMING & names.keys()):
        raise DeclarationError(f"{where}.headers: {framing[0]} says how the answer is framed, which follows from it.")
    status = as_whole(entry["status"], f"{where}.status", 200, 599) if "status" in entry else None
    if status in _BODILESS:
        raise DeclarationError(f"{where}.status: an answer of {status} has no body, and a refusal has one.")
    return Refuse(
        as_choice(entry.get("kind"), kinds, f"{where}.kind"),
        status,
        as_text(entry["code"], f"{where}.code") if "code" in entry else "",
        as_text(entry["type"], f"{where}.type") if "type" in entry else "",
        as_text(entry["message"], f"{where}.message") if "message" in entry else "",
        _json(entry.get("body"), f"{where}.body"),
        as_seconds(entry["retry-after"], f"{where}.retry-after") if "retry-after" in entry else None,
        as_whole(entry["limit"], f"{where}.limit", 1, 1_000_000_000) if "limit" in entry else None,
        names,
    )


def _json(value: Any, where: str) -> Any:
    """A value that can be written as JSON. Raises DeclarationError."""
    try:
        orjson.dumps(value)
    except TypeError as error:
        raise DeclarationError(f"{where}: this cannot be written as JSON ({error}).") from None
    return value


def _is_header(name: Any, value: Any) -> bool:
    fits = isinstance(name, str) and isinstance(value, str) and value.isascii() and value.isprintable()
    return fits and re.fullmatch(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+", name) is not None
