"""Laws of what a job is: its id, its creation, what was asked for and what it was made from."""

from collections.abc import Iterator, Mapping
from typing import Any

from contract_tests.contract import shape_at
from contract_tests.finding import Deviation, Severity, Unjudged
from contract_tests.history import Exchange, History, JobStory, Purpose, Sighting
from contract_tests.laws import law
from contract_tests.laws.facts import (
    NO_JOB,
    ROUNDING,
    TOO_FEW,
    input_names,
    instant_text,
    is_number,
    is_scalar,
    number_of,
    properties_of,
    same_input,
)
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
    looks,
    operations,
    part_of,
    place,
    role_field,
    shown,
    shows,
    status_of,
    value_of,
)
from contract_tests.playing.seeing import told_id
from mockserver.jobs.resource import STARTS, Action, Pointer
from mockserver.jobs.vocabulary import pieces
from mockserver.openapi.document import Operation

STEM = 4  # letters that two forms of a word share
# Parts of names that say nothing of how a job was made from another one.
_OF_ANY = {"id", "ids", "from", "of", "by", "video", "image", "audio", "job", "task", "source", "parent", "original",
           "base", "previous", "generation"}  # fmt: skip
INNER = ("input", "inputs", "request", "params", "parameters")  # objects of an answer that hold what was asked for


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
                message = f"the creation was {instant_text(before)}, later {instant_text(after)}"
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
                is_sayable = _may_be_told(history, sighting, where, sent)
                if not same_input(sent, told) and is_sayable and not _is_sum(history, story, name, sent, told):
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
        shape = field_shape(history, found[1], found[1].part.view.fields["source"][0]) if found[1].part.view else None
        if source in (ABSENT, None, "") or shape is None or not shape.nullable:
            return None  # where null is no way to say that there is none, something has to stand there
        message = f"the job was made from no other, and its source is {shown(source)}"
        return deviation(history, found[1], message, "source", found[0].created_by, cause="of none")

    shown_source = [(j, s) for j in history.jobs for s in looks(j) if has_role(s, "source")]
    made = [(j, s) for j, s in shown_source if (m := part_of(history, j.created_by)) and m.action is Action.FOLLOW_UP]
    follow_ups = [
        (j, s) for j, s in made if (m := part_of(history, j.created_by)) and m.links_source and _is_of(s, m.operation)
    ]
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


def _told_ids(history: History) -> Iterator[tuple[Exchange, Any]]:
    """What polls answered as the id of the job: by the exchanges, for a job of another id is nobody's sighting."""
    asked = history.of(Purpose.POLL, Purpose.AGAIN, action=Action.RETRIEVE)
    for exchange in [*asked, *history.of(Purpose.CANCEL)]:
        part, body = part_of(history, exchange), exchange.json
        pointers = part.view.fields.get("id") if part and part.view else None
        job = at(body, part.view.pointer) if part and part.view else ABSENT
        if pointers and isinstance(job, dict) and exchange.job and is_good(history, exchange):
            yield exchange, at(job, pointers[0])


def _is_of(sighting: Sighting, operation: Operation) -> bool:
    """Whether the field for a source is for what an operation makes: `remixed_from` is, of a remix, and of no edit."""
    telling = [p for p in pieces(role_field(sighting, "source")) if p not in _OF_ANY]
    words = pieces(f"{operation.path} {operation.id}")
    return not telling or any(word[:STEM] == piece[:STEM] for piece in telling for word in words)


def _kind_of(history: History, exchange: Exchange) -> str:
    """The kind of job that an operation is for."""
    kinds = history.contract.resources
    return next((k.name for k in kinds for p in k.operations if p.operation.name == exchange.operation), "")


def _may_be_told(history: History, sighting: Sighting, where: str, sent: Any) -> bool:
    """Whether a field of an answer can say what was sent: its words may be others than those of the request."""
    shape = field_shape(history, sighting, tuple(where.split(".")))
    return shape is None or not shape.constants or any(same_input(sent, word) for word in shape.constants)


def _stands_for_any(default: Any) -> bool:
    """Whether a default is no value but says that the service chooses one (`-1` of a seed)."""
    return (is_number(default) and default < 0) or str(default).strip().lower() in ("", "auto", "random", "none")


def _is_sum(history: History, story: JobStory, name: str, sent: Any, told: Any) -> bool:
    """Whether a job that goes on from another one tells what both have together, as films and their extensions do."""
    if story.created_by.purpose != Purpose.FOLLOW_UP:
        return False
    source = next((s for s in history.jobs if s.id == story.created_by.job and looks(s)), None)
    before = number_of(at(looks(source)[-1].body, (name,))) if source else None
    more, total = number_of(sent), number_of(told)
    return before is not None and more is not None and total is not None and abs(before + more - total) < 0.001


def _defaults(history: History, story: JobStory) -> dict[str, Any]:
    """The inputs that a create left out, with their declared defaults, where all of its media types agree on them."""
    operation = operations(history).get(story.created_by.operation)
    document, told = history.contract.document, dict[str, list[Any]]()
    for node in operation.body.values() if operation else ():
        for name in properties_of(history, node.get("schema")):
            shape = shape_at(document, node.get("schema"), (name,))
            if shape is not None and is_scalar(default := shape.get("default")) and not _stands_for_any(default):
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
