"""Laws of one answer against its declaration: status, media type, body."""

from collections.abc import Iterator

from contract_tests.finding import Deviation, Severity, Unjudged
from contract_tests.history import CREATED, READ, Exchange, History, Purpose
from contract_tests.laws import law
from contract_tests.laws.seen import Fault, came_too_often, each, faults, is_good, operations, shown, shows, status_of
from contract_tests.playing.seeing import inputs_of
from mockserver.jobs.resource import Action

NOTHING = "no request of an operation was answered so"


def judged_by(history: History, refusals: bool, *kinds: str) -> Iterator[Deviation | Unjudged]:
    """The faults of some kinds of all answers that are refusals, or that are none."""

    def check(exchange: Exchange) -> Iterator[Deviation]:
        for fault in faults(history, exchange):
            if fault.kind in kinds:
                yield _told(exchange, fault, refusals)

    answered = [
        e
        for e in history.asked
        if e.status and e.operation in operations(history) and (400 <= status_of(history, e) < 500) is refusals
    ]
    return each(answered, check, NOTHING)


def _told(exchange: Exchange, fault: Fault, is_refusal: bool) -> Deviation:
    """A fault of an answer. A refusal's body is made in one place for all operations, another one by its schema."""
    cause = fault.cause
    if fault.kind == "body" and not is_refusal:
        cause = fault.origin or f"{exchange.operation} {cause}"
    return Deviation(fault.message, exchange.operation, (exchange.number,), fault.pointer, cause, fault.severity)


@law("ANS001", "The status of an answer is declared", Severity.VIOLATION, level="readable")
def status_is_declared(history: History) -> Iterator[Deviation | Unjudged]:
    return judged_by(history, False, "status")


@law("ANS002", "The media type of an answer is declared", Severity.BREAKS, level="readable")
def media_type_is_declared(history: History) -> Iterator[Deviation | Unjudged]:
    contents = {p.operation.name for p in history.contract.parts if p.action is Action.CONTENT}
    for found in judged_by(history, False, "media type"):
        if isinstance(found, Unjudged) or found.operation not in contents:  # a result's own law speaks of that
            yield found


@law("ANS003", "An answer that should be JSON is JSON", Severity.BREAKS, level="readable")
def body_is_json(history: History) -> Iterator[Deviation | Unjudged]:
    return judged_by(history, False, "no JSON", "empty")


@law("ANS005", "What was made is read as it was made", Severity.BREAKS, needs=(Purpose.OTHER,))
def made_is_read(history: History) -> Iterator[Deviation | Unjudged]:
    """Of what is no job: it can be read at once, and says the same of itself."""

    def check(pair: tuple[Exchange, Exchange]) -> Iterator[Deviation]:
        made, read = pair
        status = status_of(history, read)
        if 400 <= status < 500 and not came_too_often(history, read):
            yield shows(history, read, f"what was made was answered {status} when it was read", str(status))
            return
        before, after = made.json, read.json
        for name in inputs_of(made) if isinstance(before, dict) and isinstance(after, dict) else ():
            old, new = before.get(name), after.get(name)
            if isinstance(old, (str, int, float)) and isinstance(new, (str, int, float)) and old != new:
                message = f"`{name}` was {shown(old)} when it was made, and is {shown(new)}"
                yield shows(history, read, message, name)

    made = [e for e in history.of(Purpose.OTHER) if e.detail == CREATED and is_good(history, e)]
    reads = [e for e in history.of(Purpose.OTHER) if e.detail == READ]
    pairs = [(before, e) for e in reads if (before := next((m for m in reversed(made) if m.number < e.number), None))]
    return each(pairs, check, "nothing that is no job was made and read again")


@law("ANS004", "The body of an answer fits its schema", Severity.BREAKS, level="readable")
def body_fits(history: History) -> Iterator[Deviation | Unjudged]:
    return judged_by(history, False, "body")
