"""Laws of a job's instants: their unit, their order, and that they are near the clock."""

from collections.abc import Iterator
from contextlib import suppress
from email.utils import parsedate_to_datetime
from itertools import pairwise

from contract_tests.finding import Deviation, Severity, Unjudged
from contract_tests.history import Exchange, History, JobStory, Purpose, Sighting
from contract_tests.laws import law
from contract_tests.laws.facts import ROUNDING, TIMES, all_seen, instant_text, is_number
from contract_tests.laws.instants import Instant, declared_unit, read
from contract_tests.laws.seen import (
    ABSENT,
    deviation,
    each,
    field_shape,
    has_role,
    is_good,
    looks,
    role_field,
    shown,
    value_of,
)
from mockserver.jobs.lifecycle import TERMINAL, State

IN_ORDER = ("created", "started", "completed")
NEAR = 300.0  # seconds by which the clock of a service may differ from what its Date header says
UNITS = {"s": "seconds since 1970", "ms": "milliseconds since 1970", "text": "an RFC 3339 text"}


@law("JOB030", "Instants are in the unit that the contract asks for", Severity.SILENT, level="readable")
def unit_is_right(history: History) -> Iterator[Deviation | Unjudged]:
    def check(sighting: Sighting) -> Iterator[Deviation]:
        told = {role: instant for role in (*TIMES, "updated") if (instant := read(value_of(sighting, role)))}
        for role in TIMES[1:]:  # of the creation another law speaks
            value = value_of(sighting, role)
            if role not in told and is_number(value) and value != 0:
                message = f"`{role_field(sighting, role)}` is {shown(value)}, which is no instant of our time"
                yield deviation(history, sighting, message, role, cause=f"{role}: none")
        numbers = {instant.unit for instant in told.values() if instant.unit != "text"}
        for role, instant in told.items():
            shape = field_shape(history, sighting, sighting.part.view.fields[role][0]) if sighting.part.view else None
            wanted = declared_unit(shape)
            if wanted and instant.unit != wanted:
                told_as = f"{shown(value_of(sighting, role))}: {UNITS[instant.unit]}"
                message = f"`{role_field(sighting, role)}` is {told_as}, expected {UNITS[wanted]}"
                yield deviation(history, sighting, message, role)
            elif not wanted and len(numbers) > 1 and instant.unit == "ms":
                message = f"`{role_field(sighting, role)}` is in milliseconds, other instants of the job are in seconds"
                yield deviation(history, sighting, message, role)

    seen = [s for s in all_seen(history) if any(read(value_of(s, r)) or is_number(value_of(s, r)) for r in TIMES)]
    return each(seen, check, "no job told an instant")


@law("JOB031", "A job's instants are in order", Severity.VIOLATION, level="readable")
def instants_in_order(history: History) -> Iterator[Deviation | Unjudged]:
    def check(sighting: Sighting) -> Iterator[Deviation]:
        told = [(role, instant) for role in IN_ORDER if (instant := read(value_of(sighting, role)))]
        for (early, before), (late, after) in pairwise(told):
            if after.at < before.at - _rounding(before, after):
                other = f"`{role_field(sighting, early)}`, {instant_text(before)}"
                message = f"`{role_field(sighting, late)}` is {instant_text(after)}, before {other}"
                yield deviation(history, sighting, message, late)

    several = [s for s in all_seen(history) if sum(read(value_of(s, role)) is not None for role in IN_ORDER) > 1]
    return each(several, check, "no job told two instants")


@law(
    "JOB032", "The instant of creation is near the clock", Severity.VIOLATION, level="readable", needs=(Purpose.CREATE,)
)
def created_near_the_clock(history: History) -> Iterator[Deviation | Unjudged]:
    def check(found: tuple[Sighting, Exchange, Instant | None]) -> Deviation | None:
        sighting, create, instant = found
        if instant is None:
            message = (
                f"`{role_field(sighting, 'created')}` is {shown(value_of(sighting, 'created'))}: no instant of today"
            )
            return deviation(history, sighting, message, "created")
        off = min((instant.at - now for now in _clocks(history, create)), key=abs)
        if abs(off) > NEAR:
            side = "after" if off > 0 else "before"
            message = f"the creation is {instant_text(instant)}, {abs(off):.0f} s {side} the create"
            return deviation(history, sighting, message, "created")
        return None

    firsts = [
        (s, story.created_by)
        for story in history.jobs
        for s in [s for s in looks(story) if value_of(s, "created") not in (ABSENT, None)][:1]
        if is_good(history, story.created_by) and story.created_by.purpose in (Purpose.CREATE, Purpose.FOLLOW_UP)
    ]
    told = [(s, create, read(value_of(s, "created"))) for s, create in firsts]
    known = [found for found in told if found[2] or is_number(value_of(found[0], "created"))]
    return each(known, check, "no create told an instant of creation")


@law("JOB033", "A job took no longer than it was watched", Severity.VIOLATION, level="readable")
def end_was_when_it_was(history: History) -> Iterator[Deviation | Unjudged]:
    """By the service's own instants: a job that was seen at its end cannot have ended much later."""

    def check(story: JobStory) -> Deviation | None:
        created = read(value_of(looks(story)[0], "created"))
        end = next((s for s in looks(story) if s.state in TERMINAL and read(value_of(s, "completed"))), None)
        done = read(value_of(end, "completed")) if end else None
        if not created or not end or not done:
            return None
        passed = end.at - story.created_by.started
        if passed >= 0 and done.at - created.at > passed + NEAR:
            message = f"the job says that it took {done.at - created.at:.0f} s, it was watched for {passed:.0f} s"
            return deviation(history, end, message, "completed", story.created_by)
        return None

    ended = [s for s in history.jobs if s.end and looks(s) and has_role(s.end, "completed")]
    return each(ended, check, "no job that ended told when")


@law("JOB034", "What has just succeeded has not expired", Severity.SILENT, level="working")
def not_expired_at_success(history: History) -> Iterator[Deviation | Unjudged]:
    def check(sighting: Sighting) -> Deviation | None:
        expires, done = read(value_of(sighting, "expires")), _known_past(sighting)
        if expires and done and expires.at < done.at - ROUNDING:
            message = f"`{role_field(sighting, 'expires')}` is {instant_text(expires)}, before {instant_text(done)}"
            return deviation(history, sighting, message, "expires")
        return None

    done = [s for s in all_seen(history) if s.state is State.SUCCEEDED and read(value_of(s, "expires"))]
    return each(done, check, "no job that succeeded told when it expires")


def _rounding(*instants: Instant) -> float:
    """By how much instants may be off: whole ones are cut or rounded, others are told as they are."""
    return ROUNDING if any(instant.at == int(instant.at) for instant in instants) else 0.001


def _clocks(history: History, exchange: Exchange) -> list[float]:
    """When a service answered, by our clock (with our own simulator by its clock) and by the service's Date header.

    And when the next request was sent: which clock a job of the simulator is on is known when there is one.
    """
    following = next((e.started for e in history.asked if e.number > exchange.number), exchange.started)
    clocks = [exchange.started + exchange.seconds, following]
    with suppress(ValueError, TypeError, OverflowError):
        clocks.append(parsedate_to_datetime(exchange.header("date") or "").timestamp())
    return clocks


def _known_past(sighting: Sighting) -> Instant | None:
    return read(value_of(sighting, "completed")) or read(value_of(sighting, "created"))
