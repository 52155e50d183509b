"""Scenarios: named plans for what happens to jobs and to requests, read strictly from data.

A scenario has a plan for jobs (`job`), steps on requests (`requests`), or both. docs/scenarios.md tells the format.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import inf
from random import Random
from typing import Any

from mockserver.errors import DeclarationError
from mockserver.jobs.lifecycle import State
from mockserver.jobs.timeline import Timeline
from mockserver.plans.reading import as_choice, as_map, as_number, as_seconds, as_text, as_whole

Span = tuple[float, float]  # seconds, least and most; infinite: never
ASSET = "asset"  # the link to a result
STARTS = frozenset({"create", "follow-up"})
ACTIONS = STARTS | {"retrieve", "list", "content", "result", "cancel", "delete", ASSET}
POLLS = frozenset({"retrieve", "result"})
GROUPS = {"any": frozenset({*ACTIONS, ""}), "poll": POLLS, "start": STARTS, "download": frozenset({"content", ASSET})}
CONNECTIONS = {"reset", "lost", "truncate", "stall"}
WEBHOOK_FAULTS = {"never", "late", "twice", "out-of-order", "bad-signature"}
NAME = r"[a-z0-9][a-z0-9-]{0,63}"
LATE = 300.0  # seconds that a late event takes longer
MAX_WAIT = 120.0  # real seconds that an answer is held back at most
MAX_SLOTS = 10_000
_ENDS = {State.SUCCEEDED, State.FAILED, State.CANCELLED, State.EXPIRED}


@dataclass(frozen=True, slots=True)
class JobPlan:
    """What happens to a job. None and '': as without a plan.

    `queue` and `run` are spans of seconds, infinite for never; `pace` stretches both. `end` is the state that it ends
    in, `at` the percent of its way at which it does so; `error` what its error says; `expires_after` the seconds for
    which its result can be fetched. With `slots` so many jobs run at a time and the others wait for them.
    """

    queue: Span | None = None
    run: Span | None = None
    pace: float = 1.0
    end: State | None = None
    at: float = 100.0
    error: Mapping[str, Any] = field(default_factory=dict)
    expires_after: float | None = None
    slots: int = 0
    webhook: str = ""

    def timeline(self, drawn: Timeline, random: Random, lasting: float | None) -> Timeline:
        """A job's timeline under this plan; `lasting` is for how many seconds results last without one."""
        created = drawn.created
        wait = _drawn(self.queue, random, drawn.started - created) * self.pace
        run = _drawn(self.run, random, (drawn.due if drawn.due < inf else drawn.ended) - drawn.started) * self.pace
        started = created + wait
        outcome: State
        if self.end is None and self.at == 100 and drawn.outcome is not State.SUCCEEDED:
            outcome, share = drawn.outcome, (drawn.ended - drawn.started) / (drawn.due - drawn.started or 1.0)
        else:
            outcome, share = self.end or State.SUCCEEDED, self.at / 100 + (1e-9 if 0 < self.at < 100 else 0.0)
        due = started + run
        ended = inf if due == inf else started + run * share
        if outcome is State.EXPIRED and started == inf:
            ended = inf
        lasting = self.expires_after if self.expires_after is not None else lasting
        expires = ended + lasting if outcome is State.SUCCEEDED and lasting is not None and ended < inf else None
        return Timeline(created, started, ended, outcome, due, drawn.steps, expires)


def _drawn(span: Span | None, random: Random, usual: float) -> float:
    if span is None:
        return usual
    least, most = span
    return least if least == most else least + (most - least) * random.random()


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

    `rate` is how likely it is, 0 to 1. `connection` breaks it (`truncate` and `stall` after `share` of the body);
    `corrupt` spoils the bytes of a result; `delay` holds the answer back, in seconds of the machine.
    """

    actions: frozenset[str]
    first: int = 1
    last: int | None = None
    rate: float = 1.0
    refuse: Refuse | None = None
    connection: str = ""
    share: float = 0.5
    seconds: float = 30.0
    corrupt: bool = False
    delay: float = 0.0


@dataclass(frozen=True, slots=True)
class Scenario:
    """A named plan."""

    name: str
    summary: str
    job: JobPlan | None = None
    steps: tuple[Step, ...] = ()
    source: str = ""

    def is_about(self, action: str) -> bool:
        """Whether it does anything to requests of an action."""
        return (self.job is not None and action in STARTS) or any(action in step.actions for step in self.steps)

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
_STEP_KEYS = {"on", "nth", "rate", "refuse", "connection", "share", "seconds", "corrupt", "delay"}
_REFUSE_KEYS = {"kind", "status", "code", "type", "message", "body", "retry-after", "limit", "headers"}


def read_scenarios(data: Any, kinds: frozenset[str], where: str) -> dict[str, Scenario]:
    """The scenarios of a data file, by name; `kinds` are the kinds of refusal. Raises DeclarationError."""
    if not isinstance(data, dict) or not data:
        raise DeclarationError(f"{where}: expected a map of names to scenarios.")
    found = {}
    for name, entry in data.items():
        if not isinstance(name, str) or not re.fullmatch(NAME, name):
            raise DeclarationError(f"{where}: {name!r} is no name; expected small letters, digits and hyphens.")
        found[name] = read_scenario(name, entry, kinds, f"{where}: {name}")
    return found


def read_scenario(name: str, data: Any, kinds: frozenset[str], where: str) -> Scenario:
    """One scenario. Raises DeclarationError."""
    entry = as_map(data, {"summary", "source", "job", "requests"}, where)
    steps = entry.get("requests", [])
    if not isinstance(steps, list):
        raise DeclarationError(f"{where}.requests: expected a list of steps.")
    job = _read_job(entry["job"], f"{where}.job") if "job" in entry else None
    if job is None and not steps:
        raise DeclarationError(f"{where}: expected `job`, `requests`, or both: without them nothing happens.")
    return Scenario(
        name,
        as_text(entry.get("summary"), f"{where}.summary"),
        job,
        tuple(_read_step(step, kinds, f"{where}.requests[{n}]") for n, step in enumerate(steps)),
        str(entry.get("source", "")),
    )


def _read_job(data: Any, where: str) -> JobPlan:
    entry = as_map(data, _JOB_KEYS, where)
    end = State(as_choice(entry["end"], _ENDS, f"{where}.end")) if "end" in entry else None
    error = entry.get("error", {})
    if not isinstance(error, dict):
        raise DeclarationError(f"{where}.error: expected a map of the error's fields, such as code and message.")
    expires = as_seconds(entry["expires-after"], f"{where}.expires-after") if "expires-after" in entry else None
    at = as_number(entry.get("at", 100), f"{where}.at", 0, 100)
    if "at" in entry and end in (None, State.SUCCEEDED):
        raise DeclarationError(f"{where}.at: a job that succeeds does so at 100 percent; say another `end`.")
    return JobPlan(
        queue=_read_span(entry, "queue", where),
        run=_read_span(entry, "run", where),
        pace=as_number(entry.get("pace", 1), f"{where}.pace", 0, 1e6),
        end=end,
        at=at,
        error=error,
        expires_after=expires,
        slots=as_whole(entry["slots"], f"{where}.slots", 1, MAX_SLOTS) if "slots" in entry else 0,
        webhook=as_choice(entry["webhook"], WEBHOOK_FAULTS, f"{where}.webhook") if "webhook" in entry else "",
    )


def _read_span(entry: Mapping[str, Any], key: str, where: str) -> Span | None:
    if key not in entry:
        return None
    value = entry[key]
    if value == "never":
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
    wanted = entry.get("on")
    words = wanted if isinstance(wanted, list) else [wanted]
    actions: set[str] = set()
    for word in words:
        chosen = as_choice(word, {*ACTIONS, *GROUPS}, f"{where}.on")
        actions |= GROUPS.get(chosen, {chosen})
    first, last = _read_nth(entry.get("nth"), f"{where}.nth")
    effects = [key for key in ("refuse", "connection", "corrupt", "delay") if entry.get(key)]
    if not effects:
        raise DeclarationError(f"{where}: expected refuse, connection, corrupt or delay: without one nothing happens.")
    if "refuse" in effects and "connection" in effects:
        raise DeclarationError(f"{where}: `refuse` and `connection` contradict each other: give one of them.")
    return Step(
        frozenset(actions),
        first,
        last,
        as_number(entry.get("rate", 1), f"{where}.rate", 0, 1),
        _read_refuse(entry["refuse"], kinds, f"{where}.refuse") if "refuse" in entry else None,
        as_choice(entry["connection"], CONNECTIONS, f"{where}.connection") if "connection" in entry else "",
        as_number(entry.get("share", 0.5), f"{where}.share", 0, 1),
        min(as_seconds(entry.get("seconds", 30), f"{where}.seconds"), MAX_WAIT),
        entry.get("corrupt") is True,
        min(as_seconds(entry.get("delay", 0), f"{where}.delay"), MAX_WAIT),
    )


def _read_nth(value: Any, where: str) -> tuple[int, int | None]:
    if value is None:
        return 1, None
    if isinstance(value, list):
        if len(value) != 2:
            raise DeclarationError(f"{where}: found {value!r}, expected a number, or [first, last].")
        first = as_whole(value[0], where, 1, 1_000_000)
        return first, as_whole(value[1], where, first, 1_000_000)
    nth = as_whole(value, where, 1, 1_000_000)
    return nth, nth


def _read_refuse(data: Any, kinds: frozenset[str], where: str) -> Refuse:
    entry = as_map(data, _REFUSE_KEYS, where)
    headers = entry.get("headers", {})
    if not isinstance(headers, dict) or not all(_is_header(n, v) for n, v in headers.items()):
        raise DeclarationError(
            f"{where}.headers: found {headers!r}, expected a map of header names to texts of one line."
        )
    return Refuse(
        as_choice(entry.get("kind"), kinds, f"{where}.kind"),
        as_whole(entry["status"], f"{where}.status", 200, 599) if "status" in entry else None,
        as_text(entry["code"], f"{where}.code") if "code" in entry else "",
        as_text(entry["type"], f"{where}.type") if "type" in entry else "",
        as_text(entry["message"], f"{where}.message") if "message" in entry else "",
        entry.get("body"),
        as_seconds(entry["retry-after"], f"{where}.retry-after") if "retry-after" in entry else None,
        as_whole(entry["limit"], f"{where}.limit", 1, 1_000_000_000) if "limit" in entry else None,
        {name.lower(): value for name, value in headers.items()},
    )


def _is_header(name: Any, value: Any) -> bool:
    fits = isinstance(name, str) and isinstance(value, str) and value.isascii() and value.isprintable()
    return fits and re.fullmatch(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+", name) is not None
