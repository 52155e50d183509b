"""Laws of one answer against its declaration: status, media type, body."""

from collections.abc import Iterator

from contract_tests.finding import Deviation, Severity, Unjudged
from contract_tests.history import Exchange, History
from contract_tests.laws import law
from contract_tests.laws.seen import Fault, each, faults, operations, status_of
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


@law("ANS004", "The body of an answer fits its schema", Severity.BREAKS, level="readable")
def body_fits(history: History) -> Iterator[Deviation | Unjudged]:
    return judged_by(history, False, "body")
