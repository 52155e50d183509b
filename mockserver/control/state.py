"""What a sandbox has, as JSON and back: jobs, records, clock, generators, and what is switched on.

Keys and the secrets of webhooks are left out, so endpoints are too: they are added again after an import.
"""

from collections.abc import Mapping
from functools import partial
from math import inf, isfinite
from random import Random
from typing import Any

from mockserver.clock import MOST, MOST_RATE, Clock, ClockMode
from mockserver.engine.steering import Held
from mockserver.errors import DeclarationError
from mockserver.jobs.declaration import REFUSALS
from mockserver.jobs.job import Job
from mockserver.jobs.lifecycle import State
from mockserver.jobs.timeline import Timeline
from mockserver.plans.progression import read_progression
from mockserver.plans.reading import as_choice, as_map, as_number, as_text, as_whole, known
from mockserver.plans.scenario import MAX_SLOTS, read_scenario
from mockserver.provider import Provider
from mockserver.sandbox.sandbox import Account, Sandbox, Sandboxes

FORMAT = "mockserver-state-1"
_SANDBOX = {
    "id", "name", "seed", "clock", "draws", "accounts", "definitions", "scenarios", "drifts", "progressions", "counts",
}  # fmt: skip
_ACCOUNT = {"random", "requests", "jobs", "held", "records"}
_JOB = {"id", "kind", "inputs", "timeline", "source", "failure", "scenarios"}
_TIMELINE = {"created", "started", "ended", "outcome", "due", "steps", "expires"}


def export_state(sandboxes: list[Sandbox], registry: Sandboxes) -> dict[str, Any]:
    """The state of some sandboxes."""
    return {"format": FORMAT, "sandboxes": [_sandbox_out(each, registry) for each in sandboxes]}


def import_state(
    data: Mapping[str, Any], target: Sandbox | None, registry: Sandboxes, providers: Mapping[str, Provider]
) -> None:
    """Replace what one sandbox has, or what all have that are named; one whose key is not known yet gets its state
    when the key is first seen. Nothing is changed if anything is wrong. Raises DeclarationError.
    """
    entries = data["sandboxes"]
    if target is not None and len(entries) != 1:
        raise DeclarationError(f"sandboxes: {len(entries)} are given; the state of one sandbox holds one.")
    for number, entry in enumerate(entries):  # all of it is read before anything is changed
        scratch = Sandboxes(Clock(registry.real), seed=registry.seed, load_scenarios=lambda: registry.scenarios)
        _sandbox_in(entry, scratch.of("scratch"), registry, providers, f"sandboxes[{number}]")
    for number, entry in enumerate(entries):
        where = f"sandboxes[{number}]"
        sandbox = target or registry.find(str(entry["id"]))
        if sandbox is not None:
            _sandbox_in(entry, sandbox, registry, providers, where)
        else:
            registry.pending[str(entry["id"])] = partial(_fill, entry, registry, providers, where)


def _fill(data: Any, registry: Sandboxes, providers: Mapping[str, Provider], where: str, sandbox: Sandbox) -> None:
    _sandbox_in(data, sandbox, registry, providers, where)


# -- out --------------------------------------------------------------------------------------------


def _sandbox_out(sandbox: Sandbox, registry: Sandboxes) -> dict[str, Any]:
    clock = sandbox.clock
    own = sandbox.own_clock is not None or clock is not registry.clock
    return {
        "id": sandbox.id,
        "name": sandbox.name,
        "seed": sandbox.seed,
        "clock": {"mode": clock.mode.value, "rate": clock.rate, "now": clock.now()} if own else None,
        "draws": _random_out(sandbox.draws),
        "accounts": {name: _account_out(account, registry) for name, account in sandbox.accounts.items()},
        "definitions": {**registry.server.definitions, **sandbox.definitions},
        "scenarios": [{"name": a.scenario.name, "left": a.left} for a in sandbox.activations],
        "drifts": list(sandbox.drifts),
        "progressions": {model: each.as_data for model, each in sandbox.progressions.items()},
        "counts": [[list(key) if isinstance(key, tuple) else [key], count] for key, count in sandbox.counts.items()],
    }


def _account_out(account: Account, registry: Sandboxes) -> dict[str, Any]:
    return {
        "random": _random_out(account.random),
        "requests": account.requests,
        "jobs": [_job_out(job) for job in account.store],
        "held": {
            id: {"every": held.every, "left": held.left, "drawn": _timeline_out(held.drawn), "slots": held.slots}
            for id, held in account.held.items()
        },
        "records": registry.export_records(account.provider, account.owner),
    }


def _job_out(job: Job) -> dict[str, Any]:
    return {
        "id": job.id,
        "kind": job.kind,
        "inputs": dict(job.inputs),
        "timeline": _timeline_out(job.timeline),
        "source": job.source,
        "failure": dict(job.failure) if job.failure is not None else None,
        "scenarios": list(job.scenarios),
    }


def _timeline_out(timeline: Timeline) -> dict[str, Any]:
    values = timeline._asdict()
    out = {name: None if value == inf else value for name, value in values.items()}
    return {**out, "outcome": timeline.outcome.value, "expires": values["expires"]}


def _random_out(random: Random) -> list[Any]:
    version, words, gauss = random.getstate()
    return [version, list(words), gauss]


# -- in ---------------------------------------------------------------------------------------------


def _sandbox_in(
    data: Any, sandbox: Sandbox, registry: Sandboxes, providers: Mapping[str, Provider], where: str
) -> None:
    entry = as_map(data, _SANDBOX, where)
    as_text(entry.get("id"), f"{where}.id", 100)
    seed = entry.get("seed")
    sandbox.reset()
    sandbox.name = str(entry.get("name", ""))[:200]
    sandbox.seed = None if seed is None else as_whole(seed, f"{where}.seed", 0, 2**53)
    sandbox.own_clock = None if entry.get("clock") is None else _clock_in(entry["clock"], registry, f"{where}.clock")
    _random_in(entry.get("draws"), sandbox.draws, f"{where}.draws")
    accounts = entry.get("accounts", {})
    for name, account in accounts.items() if isinstance(accounts, dict) else ():
        if name not in providers:
            served = ", ".join(sorted(providers))
            raise DeclarationError(f"{where}.accounts: {name!r} is not served here; there are {served}.")
        _account_in(account, sandbox.account(name), registry, providers[name], f"{where}.accounts.{name}")
    definitions = entry.get("definitions", {})
    for name, definition in definitions.items() if isinstance(definitions, dict) else ():
        own = read_scenario(name, definition, frozenset(REFUSALS), f"{where}.definitions.{name[:64]}")
        sandbox.define(own, definition)
    for number, each in enumerate(_list(entry, "scenarios", where)):
        at = f"{where}.scenarios[{number}]"
        activation = as_map(each, {"name", "left"}, at)
        left = activation.get("left")
        scenario = known(sandbox.scenarios, str(activation.get("name")), f"{at}.name")
        sandbox.switch_on(scenario, None if left is None else as_whole(left, f"{at}.left", 1, 1_000_000))
    for name in _list(entry, "drifts", where):
        sandbox.drifts[str(name)] = known(registry.known_drifts, str(name), f"{where}.drifts")
    progressions = entry.get("progressions", {})
    for model, each in progressions.items() if isinstance(progressions, dict) else ():
        sandbox.progressions[model] = read_progression(each, f"{where}.progressions.{model}")
    for pair in _list(entry, "counts", where):
        if not (isinstance(pair, list) and len(pair) == 2 and isinstance(pair[0], list)):
            raise DeclarationError(f"{where}.counts: found {str(pair)[:60]!r}, expected pairs of a key and a number.")
        key = tuple(part if isinstance(part, (str, int)) else str(part) for part in pair[0])
        sandbox.counts[key] = as_whole(pair[1], f"{where}.counts", 0, 2**53)
    kept = tuple(sandbox.accounts.values())
    sandbox.has_plans = any(each.held for each in kept) or any(job.scenarios for each in kept for job in each.store)
    sandbox.update()
    sandbox.watch_jobs()


def _clock_in(data: Any, registry: Sandboxes, where: str) -> Clock:
    entry = as_map(data, {"mode", "rate", "now"}, where)
    mode = ClockMode(as_choice(entry.get("mode"), list(ClockMode), f"{where}.mode"))
    rate = as_number(entry.get("rate", 1), f"{where}.rate", 0, MOST_RATE)
    return Clock(registry.real, mode, rate or 1.0, as_number(entry.get("now"), f"{where}.now", 0, MOST))


def _account_in(data: Any, account: Account, registry: Sandboxes, provider: Provider, where: str) -> None:
    entry = as_map(data, _ACCOUNT, where)
    _random_in(entry.get("random"), account.random, f"{where}.random")
    account.requests = as_whole(entry.get("requests", 0), f"{where}.requests", 0, 2**53)
    kinds = {resource.name for resource in provider.contract.resources}
    for number, each in enumerate(_list(entry, "jobs", where)):
        at = f"{where}.jobs[{number}]"
        job = _job_in(each, account, kinds, at)
        if account.store.get(job.id) is not None:
            raise DeclarationError(f"{at}.id: {job.id!r} stands there twice.")
        account.store.add(job, account.sandbox.now())
    held = entry.get("held", {})
    for id, each in held.items() if isinstance(held, dict) else ():
        at = f"{where}.held.{id[:60]}"
        parts = as_map(each, {"every", "left", "drawn", "slots"}, at)
        every = as_whole(parts.get("every"), f"{at}.every", 1, 1_000_000)
        left = as_whole(parts.get("left"), f"{at}.left", 0, 1_000_000)
        slots = as_whole(parts.get("slots", 0), f"{at}.slots", 0, MAX_SLOTS)
        account.held[id] = Held(every, left, _timeline_in(parts.get("drawn"), f"{at}.drawn"), slots)
    registry.import_records(account.provider, account.owner, _list(entry, "records", where), f"{where}.records")


def _job_in(data: Any, account: Account, kinds: set[str], where: str) -> Job:
    entry = as_map(data, _JOB, where)
    kind = as_text(entry.get("kind"), f"{where}.kind")
    as_choice(kind.partition("\n")[0], kinds, f"{where}.kind")
    inputs, failure, source = entry.get("inputs", {}), entry.get("failure"), entry.get("source")
    if not isinstance(inputs, dict) or not isinstance(failure, (dict, type(None))):
        raise DeclarationError(f"{where}: `inputs` is to be a map, and `failure` a map or null.")
    return Job(
        as_text(entry.get("id"), f"{where}.id", 200),
        kind,
        account.owner,
        inputs,
        _timeline_in(entry.get("timeline"), f"{where}.timeline"),
        None if source is None else as_text(source, f"{where}.source", 200),
        failure,
        tuple(map(str, _list(entry, "scenarios", where))),
    )


def _timeline_in(data: Any, where: str) -> Timeline:
    entry = as_map(data, _TIMELINE, where)
    created = as_number(entry.get("created"), f"{where}.created", 0, MOST)
    started, ended, due = (
        _or_never(entry.get(name), f"{where}.{name}", created) for name in ("started", "ended", "due")
    )
    expires = entry.get("expires")
    return Timeline(
        created,
        started,
        ended,
        State(as_choice(entry.get("outcome"), list(State), f"{where}.outcome")),
        due,
        as_whole(entry.get("steps", 10), f"{where}.steps", 1, 1000),
        None if expires is None else as_number(expires, f"{where}.expires", 0, 1e12),
    )


def _or_never(value: Any, where: str, low: float) -> float:
    return inf if value is None else as_number(value, where, low, 1e12)


def _random_in(data: Any, random: Random, where: str) -> None:
    try:
        version, words, gauss = data
        if gauss is not None and not isfinite(gauss):
            raise ValueError
        random.setstate((version, tuple(words), gauss))
    except (TypeError, ValueError):
        raise DeclarationError(f"{where}: this is no state of a generator; leave it as it was exported.") from None


def _list(entry: Mapping[str, Any], key: str, where: str) -> list[Any]:
    value = entry.get(key, [])
    if not isinstance(value, list):
        raise DeclarationError(f"{where}.{key}: found {str(value)[:60]!r}, expected a list.")
    return value
