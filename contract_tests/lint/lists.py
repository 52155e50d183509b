"""Lists: whether a client can come to their end, and what bounds a page."""

from collections.abc import Iterator

from contract_tests.finding import Deviation, Severity, Unjudged
from contract_tests.lint import rule
from contract_tests.lint.subject import Subject

_ENDS = {"first id", "last id", "has more", "next", "total", "pages"}


def _pointer_of(subject: Subject, name: str, parameter: str) -> str:
    pointer = subject.pointers[name]
    operation = next(o for _, o in subject.operations if o.name == name)
    return next((at for at, node in subject.parameters(pointer, operation) if node["name"] == parameter), pointer)


@rule("LNT070", "A list takes a cursor and gives none", Severity.WARNING)
def gives_cursor(subject: Subject) -> Iterator[Deviation | Unjudged]:
    """A client does not know what to send for the next page, nor when it has come to the end."""
    for _, operation, at, properties in subject.list_operations():
        asked = next(
            (p.name for p in operation.parameters if p.place == "query" and subject.role("paging", p.name) == "after"),
            "",
        )
        answer = operation.success()
        headers = {str(name).lower() for name in (answer.raw.get("headers") or {})} if answer else set()
        if not asked or not properties or headers & {"link", "x-total-count"}:
            continue
        inner = [n for p in properties.values() for n in subject.properties(p)]
        roles = {
            role
            for name in (*properties, *inner)
            for role in _ENDS
            if subject.vocabulary.rank("paging", role, name) is not None
        }
        if not roles:
            yield Deviation(
                f"`{asked}` takes a cursor; the answer has no cursor, no total, and nothing that tells the end.",
                operation.name,
                pointer=_pointer_of(subject, operation.name, asked),
                cause=at,
            )


@rule("LNT071", "A limit without a maximum", Severity.NOTE)
def bounded(subject: Subject) -> Iterator[Deviation | Unjudged]:
    """How much may be asked for at once is found out by being refused, or by being given less."""
    for each in subject.fields:
        if each.place == "query" and each.is_number and subject.role("paging", each.name) == "limit":
            lacks = [
                key
                for key in ("maximum", "default")
                if each.says(key) is None and (key == "default" or each.says("exclusiveMaximum") is None)
            ]
            if lacks:
                yield Deviation(f"`{each.name}` has no {' and no '.join(lacks)}.", each.operation, pointer=each.at)


@rule("LNT072", "A list of jobs has no pages", Severity.NOTE)
def paged(subject: Subject) -> Iterator[Deviation | Unjudged]:
    """It grows with every job."""
    seen: set[str] = set()
    for job in subject.jobs:
        if job.action.value != "list" or job.operation.name in seen:
            continue
        seen.add(job.operation.name)
        asked = {subject.role("paging", p.name) for p in job.operation.parameters if p.place == "query"}
        if not asked & {"after", "page", "offset", "limit"}:
            yield Deviation(
                "The list takes neither a limit nor a place to go on from.",
                job.operation.name,
                pointer=subject.pointers[job.operation.name],
            )
