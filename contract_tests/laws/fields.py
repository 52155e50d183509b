"""Laws of the fields of a state: error, result and instants stand where they belong."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

from contract_tests.finding import Deviation, Severity, Unjudged
from contract_tests.history import Exchange, History, Purpose, Sighting
from contract_tests.laws import law
from contract_tests.laws.facts import RANK, TIMES, all_seen, in_list, is_number
from contract_tests.laws.instants import read
from contract_tests.laws.seen import (
    ABSENT,
    at,
    came_too_often,
    deviation,
    each,
    field_shape,
    has_role,
    is_good,
    polls,
    role_field,
    shown,
    shows,
    status_of,
    value_of,
)
from mockserver.jobs.lifecycle import TERMINAL, State
from mockserver.jobs.resource import Pointer

NO_ERROR = {"", "0", "false", "none", "null", "ok", "success", "no error"}


@law("JOB040", "The error of a failure stands in failed jobs alone", Severity.SILENT, level="readable")
def error_only_at_failure(history: History) -> Iterator[Deviation | Unjudged]:
    bad = frozenset({State.FAILED, State.CANCELLED, State.EXPIRED})
    yield from _only_in(history, "error", bad, "no job that has not failed was seen")
    # Where null says that there is none, an object that says nothing is an error to those who ask whether there is one.
    for sighting in all_seen(history):
        value = value_of(sighting, "error")
        if sighting.state and sighting.state not in bad and isinstance(value, dict) and _says_nothing("error", value):
            shape = (
                field_shape(history, sighting, sighting.part.view.fields["error"][0]) if sighting.part.view else None
            )
            if shape and shape.nullable:
                message = (
                    f"the status is {shown(sighting.word)} and `{role_field(sighting, 'error')}` is {shown(value)}"
                )
                found = deviation(history, sighting, message, "error", cause="empty")
                yield replace(found, severity=Severity.WARNING)


@law("JOB041", "A result stands in jobs that have succeeded alone", Severity.SILENT, level="readable")
def result_only_at_success(history: History) -> Iterator[Deviation | Unjudged]:
    allowed = frozenset({State.SUCCEEDED, State.EXPIRED})
    return _only_in(history, "result", allowed, "no job without success was seen, or jobs hold no result")


@law("JOB042", "The instant of the end stands in jobs that have ended alone", Severity.VIOLATION, level="readable")
def end_only_after_end(history: History) -> Iterator[Deviation | Unjudged]:
    yield from _only_in(history, "completed", TERMINAL, "no job was seen before its end, or none tells when it ended")
    for sighting in all_seen(history):  # 0 is an instant to those who ask whether there is one
        value = value_of(sighting, "completed")
        is_early = sighting.state in RANK and has_role(sighting, "completed") and not in_list(sighting)
        if is_early and is_number(value) and value == 0 and _may_be_null(history, sighting, "completed"):
            message = f"the status is {shown(sighting.word)} and `{role_field(sighting, 'completed')}` is 0, not null"
            yield deviation(history, sighting, message, "completed", cause="0")


@law("JOB047", "The instant of the start stands in jobs that have started alone", Severity.VIOLATION, level="readable")
def start_only_after_start(history: History) -> Iterator[Deviation | Unjudged]:
    """Where a contract requires an instant of all jobs, one that waits has to tell some, and may."""
    begun = TERMINAL | {State.RUNNING}
    free = [
        s for s in all_seen(history) if not _must_tell(history, s, "started") or _may_be_null(history, s, "started")
    ]
    return _only_in(history, "started", begun, "no job was seen while it waited, or none tells when it started", free)


@law("JOB043", "Fields stand in the states for which they are declared", Severity.VIOLATION)
def fields_by_state(history: History) -> Iterator[Deviation | Unjudged]:
    def check(found: tuple[Sighting, Pointer, frozenset[State]]) -> Deviation | None:
        sighting, pointer, states = found
        value, name = at(sighting.body, pointer), ".".join(pointer)
        if sighting.state not in states and not _is_empty(value):
            message = f"the status is {shown(sighting.word)} and `{name}` is {shown(value)}"
            return deviation(history, sighting, message, name, cause=f"{name} early")
        if sighting.state in states and len(states) == 1 and _is_empty(value) and not in_list(sighting):
            message = f"the status is {shown(sighting.word)} and `{name}` is not there"
            return deviation(history, sighting, message, name, cause=f"{name} missing")
        return None

    told = [
        (sighting, pointer, states)
        for story in history.jobs
        for sighting in story.sightings
        for pointer, states in story.resource.only_in.items()
        if sighting.state and sighting.part.view and has_role(sighting, "status")
    ]
    return each(told, check, "the contract ties no field to a state, or no job was seen")


@law("JOB044", "A job that has succeeded tells when it ended", Severity.VIOLATION)
def end_is_told(history: History) -> Iterator[Deviation | Unjudged]:
    def check(sighting: Sighting) -> Deviation | None:
        value = value_of(sighting, "completed")
        if _is_empty(value) or value == 0:
            found = "is not there" if value is ABSENT else f"is {shown(value)}"
            return deviation(history, sighting, f"`{role_field(sighting, 'completed')}` {found}", "completed")
        return None

    done = [
        s
        for story in history.jobs
        for s in polls(story)
        if s.state is State.SUCCEEDED and _must_tell(history, s, "completed")
    ]
    return each(done, check, "no job succeeded, or the contract asks for no instant of the end")


@law("JOB045", "A job that failed says why", Severity.BREAKS, level="working")
def failure_has_error(history: History) -> Iterator[Deviation | Unjudged]:
    def check(sighting: Sighting) -> Iterator[Deviation]:
        error = value_of(sighting, "error")
        field = role_field(sighting, "error")
        if _is_empty(error):
            found = "is not there" if error is ABSENT else f"is {shown(error)}"
            yield deviation(history, sighting, f"the job failed and `{field}` {found}", "error")
            return
        shape = field_shape(history, sighting, sighting.part.view.fields["error"][0]) if sighting.part.view else None
        if shape and shape.is_object and not isinstance(error, dict):
            yield deviation(
                history, sighting, f"`{field}` is {shown(error)}, expected an object", "error", cause="shape"
            )
        elif shape and isinstance(error, dict):
            words = history.contract.vocabulary
            name = words.best("error", "message", list(shape.properties))
            if name and not (isinstance(error.get(name), str) and error[name].strip()):
                yield deviation(history, sighting, f"`{field}.{name}` says nothing", "error", cause="message")

    failed = [s for story in history.jobs for s in polls(story) if s.state is State.FAILED and has_role(s, "error")]
    return each(failed, check, "no job failed while it was watched")


@law("JOB046", "A poll of a job that failed is answered as any poll", Severity.BREAKS, needs=(Purpose.POLL,))
def failure_can_be_read(history: History) -> Iterator[Deviation | Unjudged]:
    gone = {e.job: e.number for e in reversed(history.of(Purpose.DELETE))}

    def check(poll: Exchange) -> Deviation | None:
        status = status_of(history, poll)
        served = any(e.number < poll.number and is_good(history, e) for e in history.of(Purpose.POLL, job=poll.job))
        if served and 400 <= status < 500 and not came_too_often(history, poll):
            return shows(history, poll, f"a poll of a job that was there before was answered {status}", str(status))
        return None

    later = [e for e in history.of(Purpose.POLL, Purpose.AGAIN) if e.number < gone.get(e.job, 1 << 62)]
    return each(later, check, "no job was polled")


def _is_empty(value: Any) -> bool:
    """Whether nothing is said: no value, or an object or list that holds none."""
    if isinstance(value, (dict, list)):
        return all(_is_empty(inner) for inner in (value.values() if isinstance(value, dict) else value))
    return value is ABSENT or value is None or value == ""


def _says_nothing(role: str, value: Any) -> bool:
    """Whether a field's value is one by which services say that there is nothing: `{code: 0}` is no error."""
    if role in TIMES:
        return read(value) is None
    if role == "error" and isinstance(value, (dict, list)):
        return all(_says_nothing(role, inner) for inner in (value.values() if isinstance(value, dict) else value))
    no_error = role == "error" and str(value).strip().lower() in NO_ERROR
    return no_error or _is_empty(value)


def _only_in(
    history: History, role: str, states: frozenset[State], nothing: str, among: Iterable[Sighting] | None = None
) -> Iterator[Deviation | Unjudged]:
    def check(sighting: Sighting) -> Deviation | None:
        value = value_of(sighting, role)
        if _says_nothing(role, value):
            return None
        message = f"the status is {shown(sighting.word)} and `{role_field(sighting, role)}` is {shown(value)}"
        return deviation(history, sighting, message, role, cause=str(sighting.state))

    every = all_seen(history) if among is None else among
    own = [s for s in every if s.state and s.state not in states and not in_list(s)]
    seen = [s for s in own if has_role(s, role) and has_role(s, "status")]
    return each(seen, check, nothing)


def _must_tell(history: History, sighting: Sighting, role: str) -> bool:
    """Whether a contract asks for a role: its schema requires the field."""
    if sighting.part.view is None or not has_role(sighting, role):
        return False
    pointer = sighting.part.view.fields[role][0]
    shape = field_shape(history, sighting, pointer[:-1])
    return shape is not None and pointer[-1] in shape.required


def _may_be_null(history: History, sighting: Sighting, role: str) -> bool:
    shape = field_shape(history, sighting, sighting.part.view.fields[role][0]) if sighting.part.view else None
    return shape is not None and shape.nullable
