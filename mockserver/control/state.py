"""What a sandbox has, as JSON and back: jobs, records, clock, generators, and what is switched on.

Keys and the secrets of webhooks are left out, so endpoints are too: they are added again after an import.
"""

import re
from collections import ChainMap
from collections.abc import Mapping
from functools import partial
from math import inf, isfinite
from random import Random
from typing import Any

from mockserver.clock import MOST, MOST_RATE, Clock, ClockMode
from mockserver.errors import DeclarationError
from mockserver.jobs.declaration import REFUSALS
from mockserver.jobs.job import Job
from mockserver.jobs.lifecycle import State
from mockserver.jobs.timeline import Timeline
from mockserver.message import Response
from mockserver.plans.progression import read_progression
from mockserver.plans.reading import as_choice, as_map, as_number, as_text, as_whole, known
from mockserver.plans.scenario import MAX_OWN, MAX_SLOTS, read_definition
from mockserver.provider import Provider
from mockserver.sandbox.sandbox import MAX_COUNTS, MAX_PENDING, MAX_REPLIES, Account, Held, Sandbox, Sandboxes, Switches
from mockserver.stores.protocol import StoreFull

FORMAT = "mockserver-state-1"
LEAST_RATE = 1e-6  # of a scaled clock; slower ones ask for waits that cannot be told
_MOST = {"definitions": 2 * MAX_OWN, "scenarios": 100, "drifts": 200, "progressions": 1000}  # of each, in one sandbox
_NAME = re.compile(rb"[a-z0-9!#$%&'*+.^_`|~-]+")  # of a header
_STEERING = re.compile(rb"[\x00-\x1f\x7f]")
_SANDBOX = {
    "id", "name", "seed", "base", "clock", "draws", "accounts", "definitions", "scenarios", "drifts", "progressions",
    "counts",
}  # fmt: skip
_SERVER = {"clock", "definitions", "scenarios", "drifts", "progressions"}
_ACCOUNT = {"random", "requests", "jobs", "held", "records", "replies"}
_REPLY = {"operation", "key", "digest", "status", "headers", "body"}
_JOB = {"id", "kind", "inputs", "timeline", "source", "failure", "scenarios"}
_TIMELINE = {"created", "started", "ended", "outcome", "due", "steps", "expires"}


def export_state(sandboxes: list[Sandbox], registry: Sandboxes, with_server: bool) -> dict[str, Any]:
    """The state of some sandboxes; `with_server`: and of what is switched on for all."""
    data: dict[str, Any] = {"format": FORMAT, "sandboxes": [_sandbox_out(each, registry) for each in sandboxes]}
    if with_server:
        data["server"] = {"clock": _clock_out(registry.clock), **_switches_out(registry.server)}
        data["server"]["definitions"] = registry.server.definitions
    return data


def import_state(
    data: Mapping[str, Any], target: Sandbox | None, registry: Sandboxes, providers: Mapping[str, Provider]
) -> None:
    """Replace what one sandbox has, or what all have that are named; one whose key is not known yet gets its state
    when the key is first seen. Nothing is changed if anything is wrong. Raises DeclarationError.
    """
    entries = data["sandboxes"]
    if target is not None and len(entries) != 1:
        raise DeclarationError(f"sandboxes: {len(entries)} are given; the state of one sandbox holds one.")
    # All of it is read before anything is changed.
    scratch = Sandboxes(
        Clock(registry.real),
        seed=registry.seed,
        load_scenarios=lambda: registry.scenarios,
        load_drifts=lambda: registry.known_drifts,
    )
    scratch.keep_like(registry)
    if "server" in data and target is None:
        _server_in(data["server"], scratch)
    for number, entry in enumerate(entries):
        _sandbox_in(entry, scratch.of(f"scratch {number}"), scratch, providers, f"sandboxes[{number}]")
    _check_room(entries, target, registry, scratch)
    if "server" in data and target is None:
        _server_in(data["server"], registry)
    for number, entry in enumerate(entries):
        where = f"sandboxes[{number}]"
        sandbox = target or registry.find(str(entry["id"]))
        if sandbox is not None:
            _sandbox_in(entry, sandbox, registry, providers, where)
        else:
            registry.pending.pop(str(entry["id"]), None)
            registry.pending[str(entry["id"])] = partial(_fill, entry, registry, providers, where)


def _check_room(entries: list[Any], target: Sandbox | None, registry: Sandboxes, scratch: Sandboxes) -> None:
    """Raises DeclarationError if there is no room for what is to be imported."""
    known = [target] if target else [each for entry in entries if (each := registry.find(str(entry["id"])))]
    waiting = {str(entry["id"]) for entry in entries if target is None and registry.find(str(entry["id"])) is None}
    if len(waiting | registry.pending.keys()) > MAX_PENDING:
        raise DeclarationError(f"sandboxes: more than {MAX_PENDING} would wait for their keys; reset the server first.")
    for provider in {name for each in scratch for name in each.accounts}:
        new, old = (
            sum(len(each.accounts[provider].store) for each in some if provider in each.accounts)
            for some in (list(scratch), known)
        )
        room = registry.room(provider)
        if room.taken - old + new > room.most:
            raise DeclarationError(f"sandboxes: no room for {new} jobs at {provider}; {room.most} are kept in all.")


def _fill(data: Any, registry: Sandboxes, providers: Mapping[str, Provider], where: str, sandbox: Sandbox) -> None:
    _sandbox_in(data, sandbox, registry, providers, where)


# -- out --------------------------------------------------------------------------------------------


def _sandbox_out(sandbox: Sandbox, registry: Sandboxes) -> dict[str, Any]:
    return {
        "id": sandbox.id,
        "name": sandbox.name,
        "seed": sandbox.seed,
        "base": sandbox.base,
        "clock": _clock_out(sandbox.clock),
        "draws": _random_out(sandbox.draws),
        "accounts": {name: _account_out(account, registry) for name, account in sandbox.accounts.items()},
        "definitions": {**registry.server.definitions, **sandbox.definitions},  # its jobs may follow either
        **_switches_out(sandbox),
        "counts": [[list(key) if isinstance(key, tuple) else [key], count] for key, count in sandbox.counts.items()],
    }


def _switches_out(switches: Switches) -> dict[str, Any]:
    return {
        "scenarios": [{"id": a.id, "name": a.scenario.name, "left": a.left} for a in switches.activations],
        "drifts": list(switches.drifts),
        "progressions": {model: each.as_data for model, each in switches.progressions.items()},
    }


def _clock_out(clock: Clock) -> dict[str, Any]:
    return {"mode": clock.mode.value, "rate": clock.rate, "now": clock.now()}


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
        "replies": [_reply_out(key, *reply) for key, reply in account.replies.items()],
    }


def _reply_out(key: tuple[str, str], digest: bytes, response: Response) -> dict[str, Any]:
    operation, token = key
    return {
        "operation": operation,
        "key": token,
        "digest": digest.hex(),
        "status": response.status,
        "headers": [[name.decode("latin-1"), value.decode("latin-1")] for name, value in response.headers],
        "body": response.body.decode("latin-1"),
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
    late = {name: None for name in ("started", "ended", "due", "expires") if (values[name] or 0) > MOST}  # so never
    return {**values, **late, "outcome": timeline.outcome.value}


def _random_out(random: Random) -> list[Any]:
    version, words, gauss = random.getstate()
    return [version, list(words), gauss]


# -- in ---------------------------------------------------------------------------------------------


def _server_in(data: Any, registry: Sandboxes) -> None:
    entry = as_map(data, _SERVER, "server")
    clock = _clock_in(entry.get("clock"), registry, "server.clock")
    registry.server.clear()
    registry.clock.take_over(clock)
    _switches_in(entry, registry.server, registry, "server")
    registry.server.update()


def _sandbox_in(
    data: Any, sandbox: Sandbox, registry: Sandboxes, providers: Mapping[str, Provider], where: str
) -> None:
    entry = as_map(data, _SANDBOX, where)
    as_text(entry.get("id"), f"{where}.id", 100)
    seed, name = entry.get("seed"), entry.get("name", "")
    sandbox.reset()
    sandbox.name = as_text(name, f"{where}.name", 200) if name != "" else ""
    sandbox.seed = None if seed is None else as_whole(seed, f"{where}.seed", 0, 2**53)
    sandbox.base = as_whole(entry.get("base", registry.seed), f"{where}.base", -(2**63), 2**63)
    sandbox.own_clock = _clock_in(entry.get("clock"), registry, f"{where}.clock")
    _random_in(entry.get("draws"), sandbox.draws, f"{where}.draws")
    for name, account in _map(entry, "accounts", where).items():
        if name not in providers:
            served = ", ".join(sorted(providers))
            raise DeclarationError(f"{where}.accounts: {name[:64]!r} is not served here; there are {served}.")
        _account_in(account, sandbox.account(name), registry, providers[name], f"{where}.accounts.{name}")
    _switches_in(entry, sandbox, registry, where)
    for pair in _list(entry, "counts", where):
        if not (isinstance(pair, list) and len(pair) == 2 and isinstance(pair[0], list)):
            raise DeclarationError(f"{where}.counts: found {str(pair)[:60]!r}, expected pairs of a key and a number.")
        if len(sandbox.counts) >= MAX_COUNTS:
            raise DeclarationError(f"{where}.counts: found more than {MAX_COUNTS}.")
        key = tuple(part if isinstance(part, (str, int)) else str(part) for part in pair[0])
        sandbox.counts[key] = as_whole(pair[1], f"{where}.counts", 0, 2**53)
    kept = tuple(sandbox.accounts.values())
    sandbox.has_plans = any(each.held for each in kept) or any(job.scenarios for each in kept for job in each.store)
    sandbox.update()
    sandbox.watch_jobs()


def _switches_in(entry: Mapping[str, Any], switches: Switches, registry: Sandboxes, where: str) -> None:
    for part, most in _MOST.items():
        if isinstance(entry.get(part), (dict, list)) and len(entry[part]) > most:
            raise DeclarationError(f"{where}.{part}: found {len(entry[part])}, expected at most {most}.")
    for name, definition in _map(entry, "definitions", where).items():
        own = read_definition(name, definition, frozenset(REFUSALS), f"{where}.definitions.{name[:64]}")
        switches.define(own, definition)
    catalogue = ChainMap(switches.own, *registry.scenarios.maps)
    for number, each in enumerate(_list(entry, "scenarios", where)):
        at = f"{where}.scenarios[{number}]"
        activation = as_map(each, {"id", "name", "left"}, at)
        left, id = activation.get("left"), str(activation.get("id"))
        if not id.startswith("act_") or not id[4:].isdecimal() or len(id) > 20:
            raise DeclarationError(f"{at}.id: found {id[:40]!r}, expected `act_` and a number.")
        scenario = known(catalogue, str(activation.get("name")), f"{at}.name")
        times = None if left is None else as_whole(left, f"{at}.left", 1, 1_000_000)
        switches.switch_on(scenario, times, int(id[4:]))
    for name in _list(entry, "drifts", where):
        switches.drifts[str(name)] = known(registry.known_drifts, str(name), f"{where}.drifts")
    for model, each in _map(entry, "progressions", where).items():
        switches.progressions[model] = read_progression(each, f"{where}.progressions.{model}")


def _clock_in(data: Any, registry: Sandboxes, where: str) -> Clock:
    entry = as_map(data, {"mode", "rate", "now"}, where)
    mode = ClockMode(as_choice(entry.get("mode"), list(ClockMode), f"{where}.mode"))
    least = LEAST_RATE if mode is ClockMode.SCALED else 0
    rate = as_number(entry.get("rate", 1), f"{where}.rate", least, MOST_RATE)
    now = as_number(entry.get("now"), f"{where}.now", 0, MOST)
    return Clock(registry.real, mode, rate if mode is ClockMode.SCALED else 1.0, now)


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
        try:
            account.store.add(job, account.sandbox.now())
        except StoreFull as full:
            raise DeclarationError(f"{at}: there is no room for this job: {full}.") from None
    for id, each in _map(entry, "held", where).items():
        at = f"{where}.held.{id[:60]}"
        if account.store.get(id) is None:
            raise DeclarationError(f"{at}: there is no such job among `jobs`.")
        parts = as_map(each, {"every", "left", "drawn", "slots"}, at)
        every = as_whole(parts.get("every"), f"{at}.every", 1, 1_000_000)
        left = as_whole(parts.get("left"), f"{at}.left", 0, 1_000_000)
        slots = as_whole(parts.get("slots", 0), f"{at}.slots", 0, MAX_SLOTS)
        drawn = _timeline_in(parts.get("drawn"), f"{at}.drawn")
        if not drawn.started <= drawn.ended or drawn.due < drawn.started:
            raise DeclarationError(f"{at}.drawn: it ends, or is due, before it begins.")
        account.held[id] = Held(every, left, drawn, slots)
    replies = _list(entry, "replies", where)
    for number, each in enumerate(replies[-MAX_REPLIES:]):
        key, reply = _reply_in(each, f"{where}.replies[{number}]")
        account.replies[key] = reply
    registry.import_records(account.provider, account.owner, _list(entry, "records", where), f"{where}.records")


def _reply_in(data: Any, where: str) -> tuple[tuple[str, str], tuple[bytes, Response]]:
    entry = as_map(data, _REPLY, where)
    try:
        headers = [(str(n).encode("latin-1"), str(v).encode("latin-1")) for n, v in _list(entry, "headers", where)]
        digest, body = bytes.fromhex(str(entry.get("digest"))), str(entry.get("body", "")).encode("latin-1")
    except (TypeError, ValueError):
        raise DeclarationError(f"{where}: this is no reply; leave it as it was exported.") from None
    lengths = {value for name, value in headers if name == b"content-length"}
    if lengths - {b"%d" % len(body)} or not all(_NAME.fullmatch(n) and not _STEERING.search(v) for n, v in headers):
        raise DeclarationError(f"{where}.headers: these are no headers; leave them as they were exported.")
    response = Response(as_whole(entry.get("status"), f"{where}.status", 200, 299), headers, body)
    return (str(entry.get("operation")), str(entry.get("key"))), (digest, response)


def _job_in(data: Any, account: Account, kinds: set[str], where: str) -> Job:
    entry = as_map(data, _JOB, where)
    kind = as_text(entry.get("kind"), f"{where}.kind")
    as_choice(kind.partition("\n")[0], kinds, f"{where}.kind")
    inputs, failure, source = entry.get("inputs", {}), entry.get("failure"), entry.get("source")
    if not isinstance(inputs, dict) or not isinstance(failure, (dict, type(None))):
        raise DeclarationError(f"{where}: `inputs` is to be a map, and `failure` a map or null.")
    id = as_text(entry.get("id"), f"{where}.id", 200)
    if not id.isprintable():
        raise DeclarationError(f"{where}.id: found {id[:60]!r}, expected characters that can be printed.")
    return Job(
        id,
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
        None if expires is None else as_number(expires, f"{where}.expires", 0, MOST),
    )


def _or_never(value: Any, where: str, low: float) -> float:
    return inf if value is None else as_number(value, where, low, MOST)


def _random_in(data: Any, random: Random, where: str) -> None:
    try:
        version, words, gauss = data
        if (gauss is not None and not isfinite(gauss)) or not all(0 <= word < 2**32 for word in words):
            raise ValueError
        random.setstate((version, tuple(words), gauss))
    except (TypeError, ValueError, OverflowError):
        raise DeclarationError(f"{where}: this is no state of a generator; leave it as it was exported.") from None


def _list(entry: Mapping[str, Any], key: str, where: str) -> list[Any]:
    value = entry.get(key, [])
    if not isinstance(value, list):
        raise DeclarationError(f"{where}.{key}: found {str(value)[:60]!r}, expected a list.")
    return value


def _map(entry: Mapping[str, Any], key: str, where: str) -> Mapping[str, Any]:
    value = entry.get(key, {})
    if not isinstance(value, dict):
        raise DeclarationError(f"{where}.{key}: found {str(value)[:60]!r}, expected a map.")
    return value
