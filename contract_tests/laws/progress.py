"""Laws of a job's course: its status and its progress, which only move forward."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import pairwise
from math import inf
from typing import Any

from contract_tests.finding import Deviation, Severity, Unjudged
from contract_tests.history import Exchange, History, JobStory, Purpose, Sighting
from contract_tests.laws import law
from contract_tests.laws.facts import NO_JOB, RANK, TOO_FEW, all_seen, in_list, number_of
from contract_tests.laws.seen import (
    ABSENT,
    deviation,
    each,
    field_shape,
    has_role,
    is_good,
    looks,
    polls,
    role_field,
    shown,
    value_of,
)
from contract_tests.media import read_medium
from mockserver.jobs.lifecycle import TERMINAL, State
from mockserver.jobs.vocabulary import pieces

MOVING = {"in", "remaining", "age", "elapsed", "now", "ttl", "timestamp", "position"}  # parts of names that count down
TOO_LONG = 20  # times the longest life that is declared, after which a job that has not ended never will
DAY = 86_400.0


@law("JOB010", "A job has a status", Severity.BREAKS, level="readable")
def status_is_told(history: History) -> Iterator[Deviation | Unjudged]:
    def check(sighting: Sighting) -> Deviation | None:
        word = value_of(sighting, "status")
        if word is ABSENT or word is None or word == "":
            found = "is not there" if word is ABSENT else f"is {shown(word)}"
            return deviation(history, sighting, f"`{role_field(sighting, 'status')}` {found}", "status", cause=found)
        return None

    return each((s for s in all_seen(history) if has_role(s, "status")), check, NO_JOB)


@law("JOB011", "The word of a status is one that the contract knows", Severity.SILENT, level="readable")
def word_is_known(history: History) -> Iterator[Deviation | Unjudged]:
    def check(sighting: Sighting) -> Deviation | None:
        word, known = value_of(sighting, "status"), _known_words(sighting)
        if word is ABSENT or word is None or word == "" or any(_equal(word, each_known) for each_known in known):
            return None
        message = f"the status is {shown(word)}; the contract knows {', '.join(map(shown, known))}"
        return deviation(history, sighting, message, "status", cause=shown(word))

    seen = [s for s in all_seen(history) if has_role(s, "status") and _known_words(s)]
    return each(seen, check, "the contract lists no words for a status, or no job was seen")


@law("JOB012", "A status only moves forward", Severity.VIOLATION, level="readable")
def status_moves_forward(history: History) -> Iterator[Deviation | Unjudged]:
    def check(story: JobStory) -> Iterator[Deviation]:
        # A flag says whether a job is over, and not whether one that is not has begun.
        for before, after in pairwise(s for s in looks(story) if s.state and not isinstance(s.word, bool)):
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
        result = [e for e in history.of(Purpose.FETCH, job=story.id) if is_good(history, e) and _is_film(e)]
        if result and seen and seen[-1].exchange.number > result[0].number:
            judged = True
            message = f"the status is {shown(seen[-1].word)} although the result is there"
            yield deviation(history, seen[-1], message, "status", result[0])
        elif seen and (waited := _waited(story)) > min(_patience(story), history.patience or inf):
            message = f"after {waited:.0f} s the status is still {shown(seen[-1].word)}"
            found = deviation(history, seen[-1], message, "status")
            # No contract says how long a job may take; who has it checked may.
            is_bound = waited > _patience(story) or 0 < history.deadline < waited
            judged = judged or is_bound
            yield found if is_bound else replace(found, severity=Severity.WARNING)
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


@law("JOB020", "Progress stays between its bounds", Severity.VIOLATION, level="readable")
def progress_in_bounds(history: History) -> Iterator[Deviation | Unjudged]:
    def check(sighting: Sighting) -> Deviation | None:
        value, full = number_of(value_of(sighting, "progress")), _full(history, sighting)
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
            if (n := number_of(value_of(s, "progress"))) is not None and s.state not in TERMINAL - {State.SUCCEEDED}
        ]
        for (_, before), (sighting, after) in pairwise(told):
            if after < before and sighting.state is not State.SUCCEEDED:  # at success it must be full: another law
                yield deviation(history, sighting, f"progress was {before:g}, then {after:g}", "progress")

    several = [
        s for s in history.jobs if len([x for x in looks(s) if number_of(value_of(x, "progress")) is not None]) > 1
    ]
    return each(several, check, "no job told its progress twice")


@law("JOB022", "Progress is full at success", Severity.VIOLATION, level="readable")
def progress_is_full(history: History) -> Iterator[Deviation | Unjudged]:
    def check(sighting: Sighting) -> Deviation | None:
        value, full = number_of(value_of(sighting, "progress")), _full(history, sighting)
        if value is not None and value < full:
            return deviation(history, sighting, f"the job has succeeded and progress is {value:g}", "progress")
        return None

    done = [s for s in _with_progress(history) if s.state is State.SUCCEEDED]
    return each(done, check, "no job with progress has succeeded")


@law("JOB023", "Progress is not full before success", Severity.VIOLATION, level="readable")
def progress_is_not_full_early(history: History) -> Iterator[Deviation | Unjudged]:
    def check(sighting: Sighting) -> Deviation | None:
        value, full = number_of(value_of(sighting, "progress")), _full(history, sighting)
        if value is not None and value >= full:
            return deviation(
                history, sighting, f"the status is {shown(sighting.word)} and progress is {value:g}", "progress"
            )
        return None

    unended = [s for s in _with_progress(history) if s.state in RANK and not in_list(s)]
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

    return each((s for s in all_seen(history) if has_role(s, "progress")), check, "no job declares a progress")


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


def _full(history: History, sighting: Sighting) -> float:
    """The progress of a job that is done: the declared maximum, else 1 where no progress is beyond that."""
    pointer = sighting.part.view.fields["progress"][0] if sighting.part.view else ()
    shape = field_shape(history, sighting, pointer)
    told = shape.number("maximum") if shape else None
    if told is not None:
        return float(told)
    done = [number_of(value_of(s, "progress")) for s in all_seen(history) if s.state is State.SUCCEEDED]
    every = [number_of(value_of(s, "progress")) for s in all_seen(history)]
    is_share = bool(done) and all(n == 1 for n in done) and all(n is None or 0 <= n <= 1 for n in every)
    return 1.0 if is_share and shape is not None and "integer" not in shape.types else 100.0


def _with_progress(history: History) -> list[Sighting]:
    return [s for s in all_seen(history) if number_of(value_of(s, "progress")) is not None]


def _listed(kinds: Iterable[str]) -> str:
    return " or ".join(
        sorted({"string": "a text", "integer": "a whole number", "number": "a number"}[k] for k in kinds)
    )


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


def _is_film(fetch: Exchange) -> bool:
    """Whether what was sent is a whole file of a medium, and no message that there is none."""
    medium = read_medium(fetch.body)
    return medium is not None and not medium.problem and medium.kind.startswith(("video/", "audio/", "image/"))


def _waited(story: JobStory) -> float:
    """Seconds for which a job was watched, by the service's own time where that is known."""
    seen = looks(story)
    return seen[-1].at - story.created_by.started if seen else 0.0


def _patience(story: JobStory) -> float:
    """Seconds after which a job will never end."""
    profile = story.resource.profile.for_model(story.inputs.get("model"))
    return min(max(TOO_LONG * (profile.queue[1] + profile.run[1]), 3600.0), DAY)
