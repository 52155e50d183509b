"""The document as a whole: what is empty, unused, deprecated, unreadable or impossible."""

import re
from collections.abc import Iterator

from contract_tests.clauses import NOWHERE, pointers_below, walk
from contract_tests.finding import Deviation, Severity, Unjudged
from contract_tests.lint import rule
from contract_tests.lint.subject import Subject, shown
from mockserver.errors import MockserverError
from mockserver.jobs.resource import Action
from mockserver.openapi.contradictions import contradiction, schemas_of
from mockserver.openapi.document import pointer_text, pointer_tokens
from mockserver.openapi.schema import map_in

_KINDS = ("schemas", "responses", "parameters", "requestBodies", "headers", "examples", "links")


@rule("LNT080", "The document does not say what it is of, or where that is", Severity.NOTE)
def introduced(subject: Subject) -> Iterator[Deviation | Unjudged]:
    """An empty title; no server."""
    info = map_in(subject.root, "info")
    if not str(info.get("title") or "").strip():
        yield Deviation("The title is empty.", pointer="/info/title")
    if not subject.root.get("servers"):
        yield Deviation("No server is named.", pointer="/servers" if "servers" in subject.root else "/info")


@rule("LNT081", "A component that nothing uses", Severity.NOTE)
def used(subject: Subject) -> Iterator[Deviation | Unjudged]:
    """Dead text, or an operation that forgot to refer to it."""
    references: dict[str, list[tuple[str, ...]]] = {}
    named: set[str] = set()
    for tokens, value in pointers_below(subject.root):
        if tokens and tokens[-1] == "$ref" and isinstance(value, str):
            references.setdefault(value, []).append(tokens)
        elif tokens and "mapping" in tokens[-2:] and isinstance(value, str):
            named.add(value)
    components = subject.root.get("components") or {}
    all_of_them = {
        f"#{pointer_text(('components', kind, str(name)))}": (kind, str(name))
        for kind in _KINDS
        for name in map_in(components, kind)
    }
    alive = {ref for ref, places in references.items() if any(place[0] != "components" for place in places)} | {
        ref for ref in named if ref.startswith("#")
    }
    alive |= {
        ref for ref, places in references.items() for place in places if place[:2] == ("components", "securitySchemes")
    }
    inside: dict[tuple[str, ...], set[str]] = {}
    for ref, places in references.items():
        for place in places:
            if place[0] == "components":
                inside.setdefault(place[1:3], set()).add(ref)
    waiting = list(alive)
    while waiting:
        kind_and_name = tuple(pointer_tokens(waiting.pop()[1:])[1:3])
        more = inside.get(kind_and_name, set()) - alive
        alive |= more
        waiting += more
    whole = {tuple(pointer_tokens(ref[1:])[:3]) for ref in alive if ref.startswith("#/")}
    bare = {ref.rpartition("/")[2] for ref in named}
    dead = [(k, n) for k, n in all_of_them.values() if ("components", k, n) not in whole and n not in bare]
    if dead:
        yield Deviation(
            f"{shown([name for _, name in dead])}: declared, and used nowhere.",
            pointer=pointer_text(("components", *dead[0])),
            cause="unused",
        )


@rule("LNT082", "Operations are marked as deprecated", Severity.NOTE)
def alive(subject: Subject) -> Iterator[Deviation | Unjudged]:
    """What is going away should not be built on."""
    old = [(p, o) for p, o in subject.operations if o.raw.get("deprecated") is True]
    if old:
        every = "All operations" if len(old) == len(subject.operations) else shown([o.name for _, o in old])
        yield Deviation(f"{every} are deprecated.", pointer=f"{old[0][0]}/deprecated", cause="deprecated")


@rule("LNT083", "One name is told in two ways", Severity.WARNING)
def told_once(subject: Subject) -> Iterator[Deviation | Unjudged]:
    """Two paths that differ in the names of their parameters alone, or two operations with one id."""
    paths: dict[str, tuple[str, str]] = {}
    ids: dict[str, str] = {}
    for pointer, operation in subject.operations:
        plain = re.sub(r"\{[^}]*\}", "{}", operation.path)
        written = operation.written or operation.path
        known, _ = paths.setdefault(plain, (written, pointer))
        if known != written:
            yield Deviation(
                f"`{known}` and `{written}` are one path.",
                operation.name,
                pointer=pointer.rpartition("/")[0],
                cause=plain,
            )
        id = operation.raw.get("operationId")
        if isinstance(id, str) and ids.setdefault(id, operation.name) != operation.name:
            yield Deviation(
                f"`{id}` is {ids[id]} and {operation.name}.", operation.name, pointer=f"{pointer}/operationId", cause=id
            )


@rule("LNT084", "Nothing leads from a job to what can be done with it", Severity.NOTE)
def linked(subject: Subject) -> Iterator[Deviation | Unjudged]:
    """Without OpenAPI links a tool does not know that the id of a create is that of a retrieve."""
    contract = subject.contract
    for resource in contract.resources if contract else ():
        create = resource.first(Action.CREATE)
        answers = [a for part in resource.operations for a in part.operation.answers]
        if create and resource.first(Action.RETRIEVE) and not any(a.raw.get("links") for a in answers):
            yield Deviation(
                f"No answer of {create.operation.name} has `links` to the other operations.",
                create.operation.name,
                pointer=f"{subject.pointers[create.operation.name]}/responses",
                cause="links",
            )


@rule("LNT085", "A reference leads nowhere", Severity.VIOLATION)
def resolves(subject: Subject) -> Iterator[Deviation | Unjudged]:
    """What stands there is not told."""
    for tokens, value in pointers_below(subject.root):
        if not tokens or tokens[-1] != "$ref" or not isinstance(value, str) or "example" in tokens:
            continue
        if not value.startswith("#") or walk(subject.document, pointer_tokens(value[1:]))[1] is not NOWHERE:
            continue
        try:
            subject.document.lookup(value)
        except MockserverError:
            yield Deviation(f"{value!r} is not in the document.", pointer=pointer_text(tokens), cause=value)


@rule("LNT086", "A schema that nothing can satisfy", Severity.VIOLATION)
def possible(subject: Subject) -> Iterator[Deviation | Unjudged]:
    """Every request is refused, or every answer is wrong."""
    for pointer, operation in subject.operations:
        for where, schema, direction in schemas_of(operation):
            try:
                why = contradiction(subject.document, schema, direction)
            except MockserverError:
                continue
            if why:
                yield Deviation(f"{where} can never be valid: {why}.", operation.name, pointer=pointer)


@rule("LNT087", "It is read otherwise than it is written", Severity.NOTE)
def as_meant(subject: Subject) -> Iterator[Deviation | Unjudged]:
    """Keywords of another version of OpenAPI and the like: tools differ in what they make of them."""
    try:
        notes = subject.document.notes
    except MockserverError:
        return
    kinds: dict[str, list[str]] = {}
    for note in notes:
        place, _, text = note.removeprefix(f"{subject.document.origin}: ").partition(": ")
        kinds.setdefault(text or place, []).append(place)
    for text, places in kinds.items():
        first = pointer_text(places[0].split("."))
        found = first if subject.at(first) is not None else ""
        yield Deviation(
            f"{places[0]}: {text}" + (f" ({len(places)} places)" if len(places) > 1 else ""), pointer=found, cause=text
        )
