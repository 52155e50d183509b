"""Laws of what takes a job away: cancel and delete."""

from collections.abc import Iterator

from contract_tests.finding import Deviation, Severity, Unjudged
from contract_tests.history import Exchange, History, Purpose, Sighting
from contract_tests.laws import law
from contract_tests.laws.facts import RANK, number_of
from contract_tests.laws.seen import (
    at,
    came_too_often,
    declared_status,
    deviation,
    each,
    is_good,
    looks,
    operations,
    part_of,
    place,
    polls,
    says_undeleted,
    shown,
    shows,
    shows_job,
    status_of,
)
from mockserver.jobs.lifecycle import TERMINAL, State
from mockserver.jobs.resource import Action


@law("JOB050", "A job that was cancelled goes no further", Severity.SILENT, needs=(Purpose.CANCEL,))
def cancel_works(history: History) -> Iterator[Deviation | Unjudged]:
    def check(cancel: Exchange) -> Deviation | None:
        story = next((s for s in history.jobs if s.id == cancel.job), None)
        if story is None:
            return None
        before = [s for s in looks(story) if s.exchange.number < cancel.number]
        after = [s for s in polls(story) if s.exchange.number > cancel.number and s.state]
        if not after or (before and before[-1].state in TERMINAL):
            return None
        last = after[-1]
        wanted = {State.CANCELLED, State.FAILED}
        if last.state not in wanted and not (last.state in RANK and len(after) < 2):
            return deviation(history, last, f"the job was cancelled and is {shown(last.word)}", "status", cancel)
        return None

    served = [e for e in history.of(Purpose.CANCEL) if is_good(history, e)]
    return each(served, check, "no cancel was served")


@law("JOB055", "A job at work can be cancelled", Severity.BREAKS, needs=(Purpose.CANCEL,))
def cancel_is_served(history: History) -> Iterator[Deviation | Unjudged]:
    def check(cancel: Exchange) -> Deviation | None:
        status = status_of(history, cancel)
        is_left_open = _declares(history, cancel, str(status)) and _state_before(history, cancel) is not State.QUEUED
        if 400 <= status < 500 and not came_too_often(history, cancel) and not is_left_open:
            return shows(history, cancel, f"the cancel of a job at work was answered {status}", str(status))
        return None

    return each(_cancelled_at_work(history), check, "no job was at work before and after it was to be cancelled")


@law("JOB053", "A job that has ended is not cancelled", Severity.VIOLATION, needs=(Purpose.CANCEL,))
def cancel_comes_too_late(history: History) -> Iterator[Deviation | Unjudged]:
    """Where a contract has a status for that; else a cancel that changes nothing may be a success."""

    def check(cancel: Exchange) -> Deviation | None:
        if is_good(history, cancel):
            state = _state_before(history, cancel)
            message = f"the job had ended ({state}), and its cancel was answered {cancel.status}"
            return shows(history, cancel, message, "served")
        return None

    late = [
        e
        for e in history.of(Purpose.CANCEL)
        if _state_before(history, e) in TERMINAL - {State.CANCELLED}
        and not came_too_often(history, e)
        and _declares(history, e, "409")
    ]
    return each(late, check, "no cancel came after the end, or the contract has no status for that (409)")


@law("JOB054", "What is declared to add up does", Severity.SILENT, needs=(Purpose.FOLLOW_UP,))
def sums_are_right(history: History) -> Iterator[Deviation | Unjudged]:
    """Of a job that goes on from another one: the length, where that is declared to be of both together."""

    def check(found: tuple[Sighting, str, float, float, float]) -> Deviation | None:
        sighting, name, source, more, total = found
        if abs(source + more - total) > 0.001:
            message = f"`{name}` is {total:g}; the source has {source:g}, and {more:g} more were asked for"
            return deviation(history, sighting, message, name)
        return None

    return each(_sums(history), check, "no job was made from another one whose inputs add up")


@law("JOB051", "A job that has ended can be deleted", Severity.VIOLATION, needs=(Purpose.DELETE,))
def delete_is_served(history: History) -> Iterator[Deviation | Unjudged]:
    def check(delete: Exchange) -> Deviation | None:
        status = status_of(history, delete)
        if status >= 400 and not came_too_often(history, delete):
            return shows(history, delete, f"the delete of a job that had ended was answered {status}", str(status))
        if delete.purpose != Purpose.DELETE or not isinstance(delete.json, dict):
            return None
        told = delete.json.get("id")
        if isinstance(told, str) and told and delete.job not in (told, *told.split("/")):
            return shows(history, delete, f"the delete of {shown(delete.job)} says that it was of {shown(told)}", "id")
        if delete.json.get("deleted") is False:
            return shows(history, delete, "a delete was served and says that nothing was deleted", "deleted")
        return None

    first: dict[str, Exchange] = {}
    for delete in history.exchanges:
        is_known = any(story.id == delete.job for story in history.jobs)
        if (
            delete.action == Action.DELETE
            and delete.purpose != Purpose.DELETE
            and is_good(history, delete)
            and is_known
        ):
            first.setdefault(delete.job, delete)  # somebody else's: what comes of the owner's is no news
        elif delete.purpose == Purpose.DELETE and _state_before(history, delete) in TERMINAL:
            first.setdefault(delete.job, delete)
    return each(first.values(), check, "no job that had ended was deleted")


@law("JOB052", "A job that was deleted is gone", Severity.SILENT, needs=(Purpose.DELETE, Purpose.AFTER_DELETE))
def delete_works(history: History) -> Iterator[Deviation | Unjudged]:
    deleted: dict[str, Exchange] = {}  # the first delete that was served, and did not say that it deleted nothing
    for delete in history.of(Purpose.DELETE):
        if is_good(history, delete) and not says_undeleted(delete):
            deleted.setdefault(delete.job, delete)

    def check(after: Exchange) -> Deviation | None:
        if not is_good(history, after) or after.number < deleted[after.job].number:
            return None
        if after.action == Action.LIST and not _is_listed(history, after):
            return None
        if after.action == Action.DELETE and declared_status(history, "not_found") is None:
            return None  # to delete twice may be as good as once
        if after.action == Action.RETRIEVE and not shows_job(history, after):
            return None  # 200 with nothing in it: its schema has a law
        return _still_there(history, after, deleted[after.job])

    later = [e for e in history.of(Purpose.AFTER_DELETE) if e.job in deleted and not came_too_often(history, e)]
    return each(later, check, "no job was deleted, or none was asked for after that")


def _cancelled_at_work(history: History) -> Iterator[Exchange]:
    """Cancels of jobs that had surely not ended: unended before, and unended or cancelled after."""
    for cancel in history.of(Purpose.CANCEL):
        story = next((s for s in history.jobs if s.id == cancel.job), None)
        seen = [s for s in polls(story) if s.state] if story else []
        after = next((s.state for s in seen if s.exchange.number > cancel.number), None)
        if _state_before(history, cancel) in RANK and after in {*RANK, State.CANCELLED}:
            yield cancel


def _declares(history: History, exchange: Exchange, status: str) -> bool:
    """Whether an operation declares a status by its number."""
    operation = operations(history).get(exchange.operation)
    return operation is not None and any(answer.status == status for answer in operation.answers)


def _sums(history: History) -> Iterator[tuple[Sighting, str, float, float, float]]:
    """Follow-ups whose inputs add to those of their source: name, the source's value, the input, the sum."""
    stories = {story.id: story for story in history.jobs}
    for story in history.jobs:
        first = next(iter(looks(story)), None)
        source = stories.get(story.created_by.job) if first else None
        before = looks(source)[-1:] if source and source is not story else []
        for name in first.part.sums if first and before else ():
            assert first is not None
            earlier, more = number_of(at(before[0].body, (name,))), number_of(story.inputs.get(name))
            total = number_of(at(first.body, (name,)))
            if earlier is not None and more is not None and total is not None:
                yield first, name, earlier, more, total


def _is_listed(history: History, listed: Exchange) -> bool:
    """Whether a job is an item of a list, by its own id; others may name it as the one they were made from."""
    part = part_of(history, listed)
    if part is None or part.view is None or "id" not in part.view.fields:
        return False
    items = at(listed.json, part.view.pointer[:-1])
    told = [at(item, part.view.fields["id"][0]) for item in items] if isinstance(items, list) else []
    return any(listed.job in str(id) for id in told)


def _still_there(history: History, after: Exchange, delete: Exchange) -> Deviation:
    message = f"the job was deleted and {after.operation or after.method} still has it ({after.status})"
    numbers = (delete.number, after.number)
    return Deviation(message, after.operation, numbers, place(history, after.operation), after.action)


def _state_before(history: History, exchange: Exchange) -> State | None:
    story = next((s for s in history.jobs if s.id == exchange.job), None)
    before = [s for s in story.sightings if s.state and s.exchange.number < exchange.number] if story else []
    return before[-1].state if before else None
