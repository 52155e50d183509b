"""Laws of one job over its life: identity, status, progress, instants, fields of a state, cancel and delete."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from email.utils import parsedate_to_datetime
from itertools import pairwise
from typing import Any

from contract_tests.contract import shape_at
from contract_tests.finding import Deviation, Severity, Unjudged
from contract_tests.history import Exchange, History, JobStory, Purpose, Sighting
from contract_tests.laws import law
from contract_tests.laws.instants import Instant, declared_unit, read
from contract_tests.laws.seen import (
    ABSENT,
    at,
    came_too_often,
    declared_status,
    deviation,
    each,
    field_shape,
    has_role,
    is_good,
    looks,
    operations,
    part_of,
    place,
    polls,
    role_field,
    shown,
    shows,
    shows_job,
    status_of,
    value_of,
)
from contract_tests.playing.seeing import told_id
from mockserver.jobs.lifecycle import TERMINAL, State
from mockserver.jobs.resource import STARTS, Action, Pointer
from mockserver.jobs.vocabulary import pieces

RANK = {State.QUEUED: 0, State.RUNNING: 1}  # all others are ends
TIMES = ("created", "started", "completed", "expires")
IN_ORDER = ("created", "started", "completed")
ROUNDING = 1.0  # second: services cut or round instants
NO_ERROR = {"", "0", "false", "none", "null", "ok", "success", "no error"}
MOVING = {"in", "remaining", "age", "elapsed", "now", "ttl", "timestamp", "position"}  # parts of names that count down
NEAR = 300.0  # seconds by which the clock of a service may differ from what its Date header says
INNER = ("input", "inputs", "request", "params", "parameters")  # objects of an answer that hold what was asked for
NO_JOB = "no job was created or seen"
TOO_FEW = "no job was seen more than once"
TOO_LONG = 20  # times the longest life that is declared, after which a job that has not ended never will
DAY = 86_400.0


# -- identity ---------------------------------------------------------------------------------------


@law("JOB001", "A create answers with the job's id", Severity.BREAKS, level="working", needs=(Purpose.CREATE,))
def id_is_told(history: History) -> Iterator[Deviation | Unjudged]:
    def check(exchange: Exchange) -> Deviation | None:
        return (
            None if exchange.job else shows(history, exchange, "a create was accepted, and its answer has no id", "id")
        )

    creates = [e for e in history.of(Purpose.CREATE) if is_good(history, e) and e.action == Action.CREATE]
    return each(creates, check, "no create was accepted")


@law(
    "JOB002",
    "A job can be read at once after its create",
    Severity.BREAKS,
    level="working",
    needs=(Purpose.CREATE, Purpose.POLL),
)
def readable_at_once(history: History) -> Iterator[Deviation | Unjudged]:
    def check(poll: Exchange) -> Deviation | None:
        status = status_of(history, poll)
        if 400 <= status < 500 and status not in (408, 425):
            return shows(history, poll, f"the first poll after the create was answered {status}", str(status))
        return None

    firsts = (history.of(Purpose.POLL, Purpose.AGAIN, job=story.id) for story in history.jobs)
    usable = (next((e for e in found if not came_too_often(history, e)), None) for found in firsts)
    return each((e for e in usable if e), check, "no job was polled")


@law("JOB003", "An answer is about the job that was asked for", Severity.SILENT, level="readable")
def id_stays(history: History) -> Iterator[Deviation | Unjudged]:
    def check(found: tuple[Exchange, Any]) -> Deviation | None:
        exchange, id = found
        if isinstance(id, float) and id.is_integer():  # written with a point, it is the same number
            id = int(id)
        if id is not ABSENT and exchange.job in (str(id), *str(id).split("/")):  # some answers write it as a path
            return None
        told = "not there" if id is ABSENT else shown(id)
        return shows(history, exchange, f"the id is {told}, asked for was {shown(exchange.job)}", "id")

    return each(_told_ids(history), check, "no job was polled")


@law("JOB004", "The instant of a job's creation never changes", Severity.VIOLATION, level="readable")
def created_stays(history: History) -> Iterator[Deviation | Unjudged]:
    def check(story: JobStory) -> Deviation | None:
        told = [(s, instant) for s in looks(story) if (instant := read(value_of(s, "created")))]
        for sighting, after in told[1:]:
            before = told[0][1]  # not the one before: a creation that creeps is off by little each time
            if abs(before.at - after.at) > ROUNDING and before.unit == after.unit:
                message = f"the creation was {_text(before)}, later {_text(after)}"
                return deviation(history, sighting, message, "created", story.created_by)
        return None

    return each((s for s in history.jobs if len(looks(s)) > 1), check, TOO_FEW)


@law(
    "JOB005",
    "What a job says it was asked for is what was asked for",
    Severity.SILENT,
    level="working",
    needs=(Purpose.CREATE,),
)
def inputs_are_echoed(history: History) -> Iterator[Deviation | Unjudged]:
    def check(story: JobStory) -> Iterator[Deviation]:
        for sighting in looks(story):
            for name, sent, told, where in _echoes(story, sighting):
                if not same_input(sent, told):
                    message = f"`{where}` is {shown(told)}, asked for was `{name}`: {shown(sent)}"
                    yield deviation(history, sighting, message, where, story.created_by)

    return each((s for s in history.jobs if s.inputs and looks(s)), check, NO_JOB)


@law("JOB009", "What was not asked for is as declared", Severity.SILENT, level="working", needs=(Purpose.CREATE,))
def defaults_are_used(history: History) -> Iterator[Deviation | Unjudged]:
    """An input that was left out and has a default is told, if it is told, as that."""

    def check(found: tuple[JobStory, dict[str, Any]]) -> Iterator[Deviation]:
        story, defaults = found
        for sighting in looks(story):
            for name, default, told, where in _echoes(story, sighting, defaults):
                if not same_input(default, told):
                    message = f"`{where}` is {shown(told)}; `{name}` was left out, and its default is {shown(default)}"
                    yield deviation(history, sighting, message, where, story.created_by)

    created = [s for s in history.jobs if looks(s) and s.created_by.action == Action.CREATE]
    left_out = [(story, defaults) for story in created if (defaults := _defaults(history, story))]
    return each(left_out, check, "no create left out an input that has a default")


@law("JOB006", "What a job was asked for never changes", Severity.VIOLATION, level="readable")
def inputs_stay(history: History) -> Iterator[Deviation | Unjudged]:
    def check(story: JobStory) -> Iterator[Deviation]:
        first: dict[str, Any] = {}
        for sighting in looks(story):
            for name in input_names(history, story):
                told = at(sighting.body, (name,))
                if told is None and name in first:
                    message = f"`{name}` was {shown(first[name])}, later null"
                    yield deviation(history, sighting, message, name, story.created_by)
                if not isinstance(told, (str, int, float)) or isinstance(told, bool):
                    continue
                if name in first and not same_input(first[name], told):
                    message = f"`{name}` was {shown(first[name])}, later {shown(told)}"
                    yield deviation(history, sighting, message, name, story.created_by)
                first.setdefault(name, told)

    return each((s for s in history.jobs if len(looks(s)) > 1), check, TOO_FEW)


@law("JOB007", "A job that was made from another one names it", Severity.WARNING)
def source_is_named(history: History) -> Iterator[Deviation | Unjudged]:
    def check(found: tuple[JobStory, Sighting]) -> Deviation | None:
        story, sighting = found
        source = value_of(sighting, "source")
        if source in (ABSENT, None) or str(source) not in story.created_by.url + story.created_by.request_body.decode(
            errors="replace"
        ):
            return deviation(
                history, sighting, f"the source is {shown(None if source is ABSENT else source)}", "source"
            )
        return None

    def check_first(found: tuple[JobStory, Sighting]) -> Deviation | None:
        source = value_of(found[1], "source")
        if source in (ABSENT, None, ""):
            return None
        message = f"the job was made from no other, and its source is {shown(source)}"
        return deviation(history, found[1], message, "source", found[0].created_by, cause="of none")

    shown_source = [(j, s) for j in history.jobs for s in looks(j) if has_role(s, "source")]
    made = [(j, s) for j, s in shown_source if (m := part_of(history, j.created_by)) and m.action is Action.FOLLOW_UP]
    follow_ups = [(j, s) for j, s in made if (m := part_of(history, j.created_by)) and m.links_source]
    yield from each(follow_ups, check, "no job was made from another one")
    for found in shown_source:
        if found[0].created_by.purpose == Purpose.CREATE and (wrong := check_first(found)):
            yield wrong


@law("JOB008", "Each create makes a job of its own", Severity.SILENT, level="working", needs=(Purpose.CREATE,))
def ids_are_new(history: History) -> Iterator[Deviation | Unjudged]:
    seen: dict[tuple[Any, str], Exchange] = {}

    def check(found: tuple[Exchange, str]) -> Deviation | None:
        create, id = found
        before = seen.setdefault((_kind_of(history, create), id), create)
        if before is create:
            return None
        message = f"two requests that make a job were answered with the id {shown(id)}"
        at_once = (before.number, create.number)
        return Deviation(message, create.operation, at_once, place(history, create.operation), "id")

    made = [e for e in history.of(Purpose.CREATE, Purpose.FOLLOW_UP) if is_good(history, e) and e.action in STARTS]
    creates = [(e, id) for e in made if (id := told_id(history.contract, e))]
    return each(creates if len(creates) > 1 else [], check, "fewer than two jobs were created")


# -- status -----------------------------------------------------------------------------------------


@law("JOB010", "A job has a status", Severity.BREAKS, level="readable")
def status_is_told(history: History) -> Iterator[Deviation | Unjudged]:
    def check(sighting: Sighting) -> Deviation | None:
        word = value_of(sighting, "status")
        if word is ABSENT or word is None or word == "":
            found = "is not there" if word is ABSENT else f"is {shown(word)}"
            return deviation(history, sighting, f"`{role_field(sighting, 'status')}` {found}", "status", cause=found)
        return None

    return each((s for s in _all(history) if has_role(s, "status")), check, NO_JOB)


@law("JOB011", "The word of a status is one that the contract knows", Severity.SILENT, level="readable")
def word_is_known(history: History) -> Iterator[Deviation | Unjudged]:
    def check(sighting: Sighting) -> Deviation | None:
        word, known = value_of(sighting, "status"), _known_words(sighting)
        if word is ABSENT or word is None or word == "" or any(_equal(word, each_known) for each_known in known):
            return None
        message = f"the status is {shown(word)}; the contract knows {', '.join(map(shown, known))}"
        return deviation(history, sighting, message, "status", cause=shown(word))

    seen = [s for s in _all(history) if has_role(s, "status") and _known_words(s)]
    return each(seen, check, "the contract lists no words for a status, or no job was seen")


@law("JOB012", "A status only moves forward", Severity.VIOLATION, level="readable")
def status_moves_forward(history: History) -> Iterator[Deviation | Unjudged]:
    def check(story: JobStory) -> Iterator[Deviation]:
        for before, after in pairwise(s for s in looks(story) if s.state):
            if before.state in RANK and after.state in RANK and RANK[after.state] < RANK[before.state]:
                yield _moved(history, before, after)

    return each((s for s in history.jobs if len([x for x in looks(s) if x.state]) > 1), check, TOO_FEW)


@law("JOB013", "A job that has ended stays as it ended", Severity.SILENT, level="readable")
def end_is_final(history: History) -> Iterator[Deviation | Unjudged]:
    def check(story: JobStory) -> Iterator[Deviation]:
        for before, after in pairwise(s for s in looks(story) if s.state):
            expires = before.state is State.SUCCEEDED and after.state is State.EXPIRED
            if before.state in TERMINAL and after.state is not before.state and not expires:
                yield _moved(history, before, after)

    ended = [s for s in history.jobs if any(x.state in TERMINAL for x in looks(s)[:-1])]
    return each(ended, check, "no job was seen after its end")


@law("JOB014", "A job comes to an end", Severity.BREAKS, level="working", needs=(Purpose.CREATE, Purpose.POLL))
def job_ends(history: History) -> Iterator[Deviation | Unjudged]:
    judged = False
    for story in history.jobs:
        seen = looks(story)
        if story.end or _was_stopped(history, story):
            judged = judged or bool(story.end)
            continue
        result = [e for e in history.of(Purpose.FETCH, Purpose.FETCH_EARLY, job=story.id) if is_good(history, e)]
        if result and seen and seen[-1].exchange.number > result[0].number:
            judged = True
            message = f"the status is {shown(seen[-1].word)} although the result is there"
            yield deviation(history, seen[-1], message, "status", result[0])
        elif seen and _waited(story) > _patience(history, story):
            judged = True
            message = f"after {_waited(story):.0f} s the status is still {shown(seen[-1].word)}"
            yield deviation(history, seen[-1], message, "status")
    if not judged:
        yield Unjudged("no job was watched to its end")


@law("JOB015", "Polls of a job that has ended give equal answers", Severity.VIOLATION, needs=(Purpose.POLL,))
def equal_polls(history: History) -> Iterator[Deviation | Unjudged]:
    def check(pair: tuple[Sighting, Sighting]) -> Iterator[Deviation]:
        before, after = pair
        for name in sorted({*before.body, *after.body}):
            old, new = before.body.get(name, ABSENT), after.body.get(name, ABSENT)
            if old != new and name not in _judged_elsewhere(before) and not _may_move(name, old, new):
                told = ["nothing" if value is ABSENT else shown(value) for value in (old, new)]
                message = f"`{name}` was {told[0]} and then {told[1]}"
                found = deviation(history, after, message, name, before.exchange)
                # A service that signs its links anew may keep a result for longer each time that it is asked for.
                is_kept_longer = name in _names_of(before, "expires")
                yield replace(found, severity=Severity.WARNING) if is_kept_longer else found

    pairs = [
        pair
        for story in history.jobs
        for pair in pairwise(s for s in polls(story) if s.state in TERMINAL)
        if pair[0].state is pair[1].state
    ]
    return each(pairs, check, "no job was polled twice after its end")


# -- progress ---------------------------------------------------------------------------------------


@law("JOB020", "Progress stays between its bounds", Severity.VIOLATION, level="readable")
def progress_in_bounds(history: History) -> Iterator[Deviation | Unjudged]:
    def check(sighting: Sighting) -> Deviation | None:
        value, full = _number(value_of(sighting, "progress")), _full(history, sighting)
        if value is not None and not 0 <= value <= full:
            message = f"progress is {value:g}, expected 0 to {full:g}"
            return deviation(history, sighting, message, "progress", cause="low" if value < 0 else "high")
        return None

    return each(_with_progress(history), check, "no job told its progress")


@law("JOB021", "Progress never falls", Severity.VIOLATION, level="readable")
def progress_never_falls(history: History) -> Iterator[Deviation | Unjudged]:
    def check(story: JobStory) -> Iterator[Deviation]:
        told = [
            (s, n)
            for s in looks(story)
            if (n := _number(value_of(s, "progress"))) is not None and s.state not in TERMINAL - {State.SUCCEEDED}
        ]
        for (_, before), (sighting, after) in pairwise(told):
            if after < before and sighting.state is not State.SUCCEEDED:  # at success it must be full: another law
                yield deviation(history, sighting, f"progress was {before:g}, then {after:g}", "progress")

    several = [
        s for s in history.jobs if len([x for x in looks(s) if _number(value_of(x, "progress")) is not None]) > 1
    ]
    return each(several, check, "no job told its progress twice")


@law("JOB022", "Progress is full at success", Severity.VIOLATION, level="readable")
def progress_is_full(history: History) -> Iterator[Deviation | Unjudged]:
    def check(sighting: Sighting) -> Deviation | None:
        value, full = _number(value_of(sighting, "progress")), _full(history, sighting)
        if value is not None and value < full:
            return deviation(history, sighting, f"the job has succeeded and progress is {value:g}", "progress")
        return None

    done = [s for s in _with_progress(history) if s.state is State.SUCCEEDED]
    return each(done, check, "no job with progress has succeeded")


@law("JOB023", "Progress is not full before success", Severity.VIOLATION, level="readable")
def progress_is_not_full_early(history: History) -> Iterator[Deviation | Unjudged]:
    def check(sighting: Sighting) -> Deviation | None:
        value, full = _number(value_of(sighting, "progress")), _full(history, sighting)
        if value is not None and value >= full:
            return deviation(
                history, sighting, f"the status is {shown(sighting.word)} and progress is {value:g}", "progress"
            )
        return None

    unended = [s for s in _with_progress(history) if s.state in RANK and not _in_list(s)]
    return each(unended, check, "no job with progress was seen before its end")


@law("JOB024", "Progress is told as the number that it is", Severity.BREAKS, level="readable")
def progress_is_a_number(history: History) -> Iterator[Deviation | Unjudged]:
    def check(sighting: Sighting) -> Deviation | None:
        value = value_of(sighting, "progress")
        shape = field_shape(history, sighting, sighting.part.view.fields["progress"][0]) if sighting.part.view else None
        if shape and not shape.nullable and value is None:
            return deviation(history, sighting, "progress is null", "progress")
        wants = set(shape.types) & {"integer", "number", "string"} if shape else set()
        is_whole = wants != {"integer"} or not isinstance(value, float) or value.is_integer()
        if value in (ABSENT, None) or not wants or (isinstance(value, str) is ("string" in wants) and is_whole):
            return None
        if isinstance(value, (int, float, str)) and not isinstance(value, bool):
            return deviation(history, sighting, f"progress is {shown(value)}, expected {_listed(wants)}", "progress")
        return None

    return each((s for s in _all(history) if has_role(s, "progress")), check, "no job declares a progress")


# -- instants ---------------------------------------------------------------------------------------


@law("JOB030", "Instants are in the unit that the contract asks for", Severity.SILENT, level="readable")
def unit_is_right(history: History) -> Iterator[Deviation | Unjudged]:
    def check(sighting: Sighting) -> Iterator[Deviation]:
        told = {role: instant for role in (*TIMES, "updated") if (instant := read(value_of(sighting, role)))}
        for role in TIMES[1:]:  # of the creation another law speaks
            value = value_of(sighting, role)
            if role not in told and _is_number(value) and value != 0:
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

    seen = [s for s in _all(history) if any(read(value_of(s, r)) or _is_number(value_of(s, r)) for r in TIMES)]
    return each(seen, check, "no job told an instant")


UNITS = {"s": "seconds since 1970", "ms": "milliseconds since 1970", "text": "an RFC 3339 text"}


@law("JOB031", "A job's instants are in order", Severity.VIOLATION, level="readable")
def instants_in_order(history: History) -> Iterator[Deviation | Unjudged]:
    def check(sighting: Sighting) -> Iterator[Deviation]:
        told = [(role, instant) for role in IN_ORDER if (instant := read(value_of(sighting, role)))]
        for (early, before), (late, after) in pairwise(told):
            if after.at < before.at - _rounding(before, after):
                other = f"`{role_field(sighting, early)}`, {_text(before)}"
                message = f"`{role_field(sighting, late)}` is {_text(after)}, before {other}"
                yield deviation(history, sighting, message, late)

    several = [s for s in _all(history) if sum(read(value_of(s, role)) is not None for role in IN_ORDER) > 1]
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
            message = (
                f"the creation is {_text(instant)}, {abs(off):.0f} s {'after' if off > 0 else 'before'} the create"
            )
            return deviation(history, sighting, message, "created")
        return None

    firsts = [
        (s, story.created_by)
        for story in history.jobs
        for s in [s for s in looks(story) if value_of(s, "created") not in (ABSENT, None)][:1]
        if is_good(history, story.created_by) and story.created_by.purpose in (Purpose.CREATE, Purpose.FOLLOW_UP)
    ]
    told = [(s, create, read(value_of(s, "created"))) for s, create in firsts]
    known = [found for found in told if found[2] or _is_number(value_of(found[0], "created"))]
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
            message = f"`{role_field(sighting, 'expires')}` is {_text(expires)}, before {_text(done)}"
            return deviation(history, sighting, message, "expires")
        return None

    done = [s for s in _all(history) if s.state is State.SUCCEEDED and read(value_of(s, "expires"))]
    return each(done, check, "no job that succeeded told when it expires")


# -- fields of a state ------------------------------------------------------------------------------


@law("JOB040", "The error of a failure stands in failed jobs alone", Severity.SILENT, level="readable")
def error_only_at_failure(history: History) -> Iterator[Deviation | Unjudged]:
    bad = frozenset({State.FAILED, State.CANCELLED, State.EXPIRED})
    yield from _only_in(history, "error", bad, "no job that has not failed was seen")
    # Where null says that there is none, an object that says nothing is an error to those who ask whether there is one.
    for sighting in _all(history):
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
    for sighting in _all(history):  # 0 is an instant to those who ask whether there is one
        value = value_of(sighting, "completed")
        is_early = sighting.state in RANK and has_role(sighting, "completed") and not _in_list(sighting)
        if is_early and _is_number(value) and value == 0 and _may_be_null(history, sighting, "completed"):
            message = f"the status is {shown(sighting.word)} and `{role_field(sighting, 'completed')}` is 0, not null"
            yield deviation(history, sighting, message, "completed", cause="0")


@law("JOB047", "The instant of the start stands in jobs that have started alone", Severity.VIOLATION, level="readable")
def start_only_after_start(history: History) -> Iterator[Deviation | Unjudged]:
    """Where a contract requires an instant of all jobs, one that waits has to tell some, and may."""
    begun = TERMINAL | {State.RUNNING}
    free = [s for s in _all(history) if not _must_tell(history, s, "started") or _may_be_null(history, s, "started")]
    return _only_in(history, "started", begun, "no job was seen while it waited, or none tells when it started", free)


@law("JOB043", "Fields stand in the states for which they are declared", Severity.VIOLATION)
def fields_by_state(history: History) -> Iterator[Deviation | Unjudged]:
    def check(found: tuple[Sighting, Pointer, frozenset[State]]) -> Deviation | None:
        sighting, pointer, states = found
        value, name = at(sighting.body, pointer), ".".join(pointer)
        if sighting.state not in states and not _is_empty(value):
            message = f"the status is {shown(sighting.word)} and `{name}` is {shown(value)}"
            return deviation(history, sighting, message, name, cause=f"{name} early")
        if sighting.state in states and len(states) == 1 and _is_empty(value) and not _in_list(sighting):
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


# -- cancel and delete ------------------------------------------------------------------------------


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
        if 400 <= status < 500 and not came_too_often(history, cancel):
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
        if _state_before(history, e) in TERMINAL and not came_too_often(history, e) and _declares(history, e, "409")
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
        if status < 300 and isinstance(delete.json, dict) and delete.json.get("deleted") is False:
            return shows(history, delete, "a delete was served and says that nothing was deleted", "deleted")
        told = delete.json.get("id") if status < 300 and isinstance(delete.json, dict) else None
        if isinstance(told, str) and told and delete.job not in (told, *told.split("/")):
            return shows(history, delete, f"the delete of {shown(delete.job)} says that it was of {shown(told)}", "id")
        return None

    first: dict[str, Exchange] = {}
    for delete in history.exchanges:
        if delete.action == Action.DELETE and delete.purpose != Purpose.DELETE and is_good(history, delete):
            first.setdefault(delete.job, delete)  # somebody else's: what comes of the owner's is no news
        elif delete.purpose == Purpose.DELETE and _state_before(history, delete) in TERMINAL:
            first.setdefault(delete.job, delete)
    return each(first.values(), check, "no job that had ended was deleted")


@law("JOB052", "A job that was deleted is gone", Severity.SILENT, needs=(Purpose.DELETE, Purpose.AFTER_DELETE))
def delete_works(history: History) -> Iterator[Deviation | Unjudged]:
    deleted = {e.job: e for e in history.of(Purpose.DELETE) if is_good(history, e)}

    def check(after: Exchange) -> Deviation | None:
        if not is_good(history, after):
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
            earlier, more = _number(at(before[0].body, (name,))), _number(story.inputs.get(name))
            total = _number(at(first.body, (name,)))
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


# -- what the laws have in common -------------------------------------------------------------------


def _all(history: History) -> list[Sighting]:
    return [s for story in history.jobs for s in story.sightings if s.part.view]


def _told_ids(history: History) -> Iterator[tuple[Exchange, Any]]:
    """What polls answered as the id of the job: by the exchanges, for a job of another id is nobody's sighting."""
    asked = history.of(Purpose.POLL, Purpose.AGAIN, action=Action.RETRIEVE)
    for exchange in [*asked, *history.of(Purpose.CANCEL)]:
        part, body = part_of(history, exchange), exchange.json
        pointers = part.view.fields.get("id") if part and part.view else None
        job = at(body, part.view.pointer) if part and part.view else ABSENT
        if pointers and isinstance(job, dict) and exchange.job and is_good(history, exchange):
            yield exchange, at(job, pointers[0])


def _kind_of(history: History, exchange: Exchange) -> str:
    """The kind of job that an operation is for."""
    kinds = history.contract.resources
    return next((k.name for k in kinds for p in k.operations if p.operation.name == exchange.operation), "")


def _rounding(*instants: Instant) -> float:
    """By how much instants may be off: whole ones are cut or rounded, others are told as they are."""
    return ROUNDING if any(instant.at == int(instant.at) for instant in instants) else 0.001


def _text(instant: Instant) -> str:
    return f"{instant.at:.0f}" if instant.unit != "ms" else f"{instant.at * 1000:.0f} (ms)"


def _moved(history: History, before: Sighting, after: Sighting) -> Deviation:
    message = f"the status was {shown(before.word)}, then {shown(after.word)}"
    cause = f"{before.state} → {after.state}"
    return deviation(history, after, message, "status", before.exchange, cause=cause)


def _equal(word: Any, known: Any) -> bool:
    """Whether a word is the known one. A contract's reading keeps numbers and flags as they are."""
    both_count = isinstance(word, (int, float)) and isinstance(known, (int, float))  # flags are among them
    return (type(word) is type(known) or both_count) and bool(word == known)


def _known_words(sighting: Sighting) -> list[Any]:
    """The words of an operation's status: none where the contract tells none (what is usual is no contract)."""
    view = sighting.part.view
    if view is None or view.evidence.startswith("no word of it is given"):
        return []
    if view.evidence.endswith("the others are usual ones"):
        return []  # a list of words that is known to be incomplete forbids none
    phases = [word for words in view.phases.values() for word in words]
    return list(dict.fromkeys([*phases, *view.words.values(), *view.passive_words, *view.unclear_words]))


def _defaults(history: History, story: JobStory) -> dict[str, Any]:
    """The inputs that a create left out, with their declared defaults, where all of its media types agree on them."""
    operation = operations(history).get(story.created_by.operation)
    document, told = history.contract.document, dict[str, list[Any]]()
    for node in operation.body.values() if operation else ():
        for name in _properties(history, node.get("schema")):
            shape = shape_at(document, node.get("schema"), (name,))
            if shape is not None and is_scalar(default := shape.get("default")):
                told.setdefault(name, []).append(default)
    return {
        name: each[0] for name, each in told.items() if name not in story.inputs and all(d == each[0] for d in each)
    }


def _echoes(
    story: JobStory, sighting: Sighting, inputs: Mapping[str, Any] | None = None
) -> Iterator[tuple[str, Any, Any, str]]:
    """What was sent and what a job says of it: name, sent value, told value, and where it is told."""
    inputs = story.inputs if inputs is None else inputs
    answers: list[tuple[str, Pointer]] = [(name, (name,)) for name in inputs]
    answers += [(name, (inner, name)) for name in inputs for inner in INNER]
    answers += [(source[0], pointer) for pointer, source in story.resource.echo.items() if len(source) == 1]
    sums = next((s.part.sums for s in looks(story)[:1]), ())
    for name, pointer in answers:
        sent = inputs.get(name)
        told = at(sighting.body, pointer)
        if name not in sums and is_scalar(sent) and is_scalar(told):
            yield name, sent, told, ".".join(pointer)


def is_scalar(value: Any) -> bool:
    """Whether a value is a text or a number."""
    return isinstance(value, str) or _is_number(value)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def same_input(sent: Any, told: Any) -> bool:
    """Whether an answer repeats an input. Its type is the schema's affair; a model's dated name is the model's."""
    if str(sent) == str(told) or sent == "auto":
        return True
    try:
        return float(sent) == float(told)
    except (TypeError, ValueError):
        return str(told).startswith(f"{sent}-20")


def input_names(history: History, story: JobStory) -> list[str]:
    """Names of a job's fields that hold inputs: those that were sent, and those that the request's schema has."""
    operation = operations(history).get(story.created_by.operation)
    declared: list[str] = []
    for node in operation.body.values() if operation else ():
        properties = _properties(history, node.get("schema"))
        declared += properties
    return list(dict.fromkeys([*story.inputs, *declared]))


def _properties(history: History, schema: Any) -> list[str]:
    from mockserver.errors import MockserverError
    from mockserver.openapi.schema import union_of

    try:
        return list(union_of(history.contract.document, schema or {}).properties)
    except MockserverError:
        return []


def _number(value: Any) -> float | None:
    """Progress as a number, however it is written (`45`, `"45%"`)."""
    if isinstance(value, str) and value.strip().rstrip("%").replace(".", "", 1).lstrip("-").isdigit():
        return float(value.strip().rstrip("%"))
    return float(value) if _is_number(value) else None


def _full(history: History, sighting: Sighting) -> float:
    """The progress of a job that is done: the declared maximum, else 1 where no progress is beyond that."""
    pointer = sighting.part.view.fields["progress"][0] if sighting.part.view else ()
    shape = field_shape(history, sighting, pointer)
    told = shape.number("maximum") if shape else None
    if told is not None:
        return float(told)
    done = [_number(value_of(s, "progress")) for s in _all(history) if s.state is State.SUCCEEDED]
    every = [_number(value_of(s, "progress")) for s in _all(history)]
    is_share = bool(done) and all(n == 1 for n in done) and all(n is None or 0 <= n <= 1 for n in every)
    return 1.0 if is_share and shape is not None and "integer" not in shape.types else 100.0


def _with_progress(history: History) -> list[Sighting]:
    return [s for s in _all(history) if _number(value_of(s, "progress")) is not None]


def _listed(kinds: Iterable[str]) -> str:
    return " or ".join(
        sorted({"string": "a text", "integer": "a whole number", "number": "a number"}[k] for k in kinds)
    )


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


def _in_list(sighting: Sighting) -> bool:
    return sighting.part.action is Action.LIST


def _only_in(
    history: History, role: str, states: frozenset[State], nothing: str, among: Iterable[Sighting] | None = None
) -> Iterator[Deviation | Unjudged]:
    def check(sighting: Sighting) -> Deviation | None:
        value = value_of(sighting, role)
        if _says_nothing(role, value):
            return None
        message = f"the status is {shown(sighting.word)} and `{role_field(sighting, role)}` is {shown(value)}"
        return deviation(history, sighting, message, role, cause=str(sighting.state))

    every = _all(history) if among is None else among
    own = [s for s in every if s.state and s.state not in states and not _in_list(s)]
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


def _judged_elsewhere(sighting: Sighting) -> set[str]:
    """Fields whose changes other laws speak of, and those that may change."""
    return _names_of(sighting, "status", "progress", "created", "updated", "id")


def _names_of(sighting: Sighting, *roles: str) -> set[str]:
    """The fields of a job in which some roles stand."""
    pointers = sighting.part.view.fields if sighting.part.view else {}
    return {pointer[0] for role in roles for pointer in pointers.get(role, ())}


def _may_move(name: str, old: Any, new: Any) -> bool:
    """Whether a field may change after the end: a link that is signed anew, and what goes away when it expires."""
    if MOVING & set(pieces(name)):
        return True
    texts = [str(value).partition("?")[0] for value in (old, new)]
    if isinstance(old, str) and "?" in old and texts[0] == texts[1]:
        return True
    if isinstance(old, (list, dict)) and type(old) is type(new):
        return "?" in str(old) and "http" in str(old)
    return False


def _was_stopped(history: History, story: JobStory) -> bool:
    """Whether a job was cancelled or deleted before it was last looked at: what comes later is no excuse."""
    last = max((sighting.exchange.number for sighting in looks(story)), default=0)
    stops = history.of(Purpose.CANCEL, Purpose.DELETE, job=story.id)
    return any(is_good(history, e) and e.number < last for e in stops)


def _waited(story: JobStory) -> float:
    """Seconds for which a job was watched, by the service's own time where that is known."""
    seen = looks(story)
    return seen[-1].at - story.created_by.started if seen else 0.0


def _patience(history: History, story: JobStory) -> float:
    """Seconds after which a job never ends: as who has it checked says. Simulated jobs take what they like."""
    if not history.simulated and history.patience:
        return history.patience
    profile = story.resource.profile.for_model(story.inputs.get("model"))
    return min(max(TOO_LONG * (profile.queue[1] + profile.run[1]), 3600.0), DAY)


def _state_before(history: History, exchange: Exchange) -> State | None:
    story = next((s for s in history.jobs if s.id == exchange.job), None)
    before = [s for s in story.sightings if s.state and s.exchange.number < exchange.number] if story else []
    return before[-1].state if before else None
