"""The flow of the id: which answer gives the id that a request names a job by, and how sure that is."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from mockserver.jobs.paths import MAX_KNOWN, VERSION, bare, nouns_of, path_parameters, singular
from mockserver.jobs.resource import IdPlace, Pointer
from mockserver.jobs.vocabulary import Vocabulary, pieces, plain
from mockserver.openapi.document import Answer, Document, Operation, pointer_text
from mockserver.openapi.schema import reference_of, shape_of, union_of

ENOUGH = 3.5  # the least score of a flow that is believed
CERTAIN = 10.0  # the score from which nothing more is wanted
MAX_LEVELS = 4
BRIEF = 4  # properties of an answer that says little more than an id
MAX_FIELDS = 60  # of one answer that may be ids
_EXPRESSION = re.compile(r"\$response\.body#(/[^\s{}]+)")


@dataclass(frozen=True, slots=True)
class IdField:
    """A field of an answer that may be an id, or a link that holds it; `pointer` is absolute in the body.

    `alone`: the answer holds nothing else. An empty pointer stands for a header with a link.
    """

    pointer: Pointer
    is_link: bool = False
    alone: bool = False

    @property
    def name(self) -> str:
        return self.pointer[-1] if self.pointer else ""


@dataclass(frozen=True, slots=True)
class Flow:
    """How an id gets from one operation's answer into another's request; `why` says what speaks for it."""

    score: float
    id_field: Pointer
    place: IdPlace
    why: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Teller:
    """An operation that may start jobs: what its answer holds that may be an id, and what it is about."""

    operation: Operation
    answer: Answer | None
    fields: tuple[IdField, ...]
    nouns: tuple[str, ...]
    schema_name: str = ""
    has_poll_url: bool = False
    is_brief: bool = False  # it tells little more than an id and a state
    links: tuple[tuple[str, str], ...] = field(default=())  # target operation, runtime expression


def teller_of(document: Document, vocabulary: Vocabulary, operation: Operation, answer: Answer | None, schema: Any,
              schema_name: str, is_job: bool) -> Teller:  # fmt: skip
    """What an operation's answer tells; `is_job`: it has a status."""
    fields = tuple(id_fields(document, vocabulary, schema)) if schema is not None else ()
    declared = answer.raw.get("headers") if answer else None
    headers = (
        [h for h in declared if vocabulary.rank("answer headers", "poll url", str(h)) is not None]
        if isinstance(declared, dict)
        else []
    )
    if headers:
        fields = (*fields, IdField((), is_link=True))
    shape = union_of(document, schema) if schema is not None else None
    return Teller(
        operation,
        answer,
        fields,
        nouns_of(vocabulary, operation.path),
        schema_name,
        has_poll_url=any(f.is_link for f in fields),
        is_brief=shape is not None and (len(shape.properties) <= BRIEF or is_job),
        links=tuple(_links(document, answer)),
    )


def id_fields(document: Document, vocabulary: Vocabulary, schema: Any) -> Iterator[IdField]:
    """The scalars of an answer, outside lists first, that are called like an id or a link."""
    links = {word for role in ("poll url", "result link") for word in vocabulary.ranks["roles"][role]}
    level: list[tuple[Pointer, Any]] = [((), schema)]
    seen: set[str | int] = set()
    count = 0
    for _ in range(MAX_LEVELS):
        inner: list[tuple[Pointer, Any]] = []
        for pointer, node in level:
            place = reference_of(node) or id(node)
            if place in seen:
                continue
            seen.add(place)
            shape = union_of(document, node)
            for name, sub in shape.properties.items():
                here = (*pointer, name)
                leaf = shape_of(document, sub)
                if leaf.is_object or leaf.is_array:
                    inner.append((here, sub))
                    continue
                kinds = {kind for form in (leaf, *leaf.branches) for kind in form.types}
                is_id = vocabulary.rank("roles", "id", name) is not None or vocabulary.ends_like("id", name)
                is_link = plain(name) in links or plain("".join(here[-2:])) in links
                alone = len(shape.properties) == 1 and not is_id
                if (is_id or is_link or alone) and (not kinds or kinds & {"string", "integer", "number"}):
                    count += 1
                    yield IdField(here, is_link and not is_id, alone)
                    if count >= MAX_FIELDS:
                        return
            if shape.is_array and shape.items is not None and not shape.properties:
                inner.append(((*pointer, "*"), shape.items))
        level = inner


def places_of(document: Document, vocabulary: Vocabulary, operation: Operation) -> list[IdPlace]:
    """Where a request may name a job: path parameters from the last, then query parameters, then body fields."""
    names = path_parameters(operation.path)
    places = [IdPlace("path", (name,)) for name in reversed(names)]
    for parameter in operation.parameters:
        if parameter.place == "query" and _may_be_id(vocabulary, parameter.name):
            places.append(IdPlace("query", (parameter.name,)))
    for media in operation.body.values():
        shape = union_of(document, media.get("schema"))
        for name, sub in shape.properties.items():
            leaf = shape_of(document, sub)
            kinds = {kind for form in (leaf, *leaf.branches) for kind in form.types}
            if _may_be_id(vocabulary, name) and (not kinds or kinds & {"string", "integer"}):
                place = IdPlace("body", (name,))
                if place not in places:
                    places.append(place)
    return places


def _may_be_id(vocabulary: Vocabulary, name: str) -> bool:
    return vocabulary.rank("roles", "id", name) is not None or vocabulary.ends_like("id", name)


def flow_between(
    document: Document,
    vocabulary: Vocabulary,
    teller: Teller,
    reader: Operation,
    places: Iterable[IdPlace],
    reader_schema: str,
    is_only: bool,
) -> Flow | None:
    """The likeliest way of the id from an answer into a request, or None if there is none.

    `is_only`: no other operation of the document reads a job.
    """
    surroundings, why = _surroundings(teller, reader, reader_schema, vocabulary)
    if is_only and (teller.is_brief or teller.has_poll_url):
        surroundings += 1.6
        why.append("nothing else reads a job")
    best: Flow | None = None
    for number, place in enumerate(places):
        linked = _linked(teller, reader, place)
        for id_field in teller.fields:
            match = _name_match(vocabulary, id_field, place.pointer[-1], teller, reader)
            is_linked = linked is not None and (linked == "" or linked == pointer_text(id_field.pointer))
            if not match and not is_linked:
                continue
            if vocabulary.rank("envelope", "request id", id_field.name) is not None and len(teller.fields) > 1:
                match -= 0.8
            rank = vocabulary.rank("roles", "id", id_field.name)
            is_id = vocabulary.ends_like("id", id_field.name)
            match -= 0.02 * (rank if rank is not None else 8 if is_id else 20) + (
                0.0 if is_id or id_field.is_link or plain(id_field.name) == plain(place.pointer[-1]) else 0.3
            )
            score = match + surroundings + (6.0 if is_linked else 0.0) - 0.3 * number
            score -= 0.1 * len(id_field.pointer) + (1.0 if "*" in id_field.pointer else 0.0)
            if best is None or score > best.score:
                source = pointer_text(id_field.pointer) if id_field.pointer else "a header with a link"
                told = (f"{source} goes into {place.place} {place.pointer[-1]}",)
                best = Flow(
                    score, id_field.pointer, place, (*told, *(("a link leads there",) if is_linked else ()), *why)
                )
    return best


def _name_match(vocabulary: Vocabulary, id_field: IdField, parameter: str, teller: Teller, reader: Operation) -> float:
    """How well a field's name suits a parameter's: 4 is the same telling name, 0 is not at all."""
    told, wanted = plain(id_field.name), plain(parameter)
    if id_field.is_link:
        return 2.0
    if told == wanted:
        return 2.0 if told in vocabulary.bare_ids else 4.0
    if id_field.alone:
        return 1.5
    about = {singular(noun) for noun in teller.nouns}
    about |= {singular(plain(token)) for token in id_field.pointer[:-1] if token != "*"}
    told_noun, wanted_noun = _noun_of_id(vocabulary, id_field.name), _noun_of_id(vocabulary, parameter)
    if told in vocabulary.bare_ids or (told and not told_noun):
        return (
            0.0
            if not wanted_noun
            else 3.0
            if singular(wanted_noun) in about
            else 2.5
            if wanted_noun in vocabulary.job_nouns
            else 1.5
        )
    if wanted in vocabulary.bare_ids and told_noun and told_noun in map(plain, re.split("[/.]", reader.path)):
        return 2.5  # `status_id` for /status/{id}
    if wanted in vocabulary.bare_ids:
        return (
            0.0
            if not told_noun
            else 2.5
            if singular(told_noun) in about | set(nouns_of(vocabulary, reader.path))
            else 1.9
            if told_noun in vocabulary.job_nouns
            else 1.0
        )
    if told_noun and wanted_noun and singular(told_noun) == singular(wanted_noun):
        return 3.5
    if told_noun in vocabulary.job_nouns and wanted_noun:
        return 0.0 if wanted_noun in vocabulary.job_nouns else 2.0  # the id of a job is none of a run
    shorter, longer = sorted((told, wanted), key=len)
    return 2.0 if len(shorter) > 3 and (longer.endswith(shorter) or longer.startswith(shorter)) else 0.0


@lru_cache(maxsize=MAX_KNOWN)
def _noun_of_id(vocabulary: Vocabulary, name: str) -> str:
    """What an id is of (`taskId`, `taskid` → `task`); '' for a name that ends otherwise."""
    parts, whole = pieces(name), plain(name)
    if len(parts) > 1 and parts[-1] in vocabulary.bare_ids:
        return "".join(parts[:-1])
    is_bare = whole in vocabulary.bare_ids
    ending = next((e for e in ("id", "uuid", "name", "key") if whole.endswith(e) and not is_bare), "")
    return whole[: -len(ending)] if ending else ""


def _surroundings(
    teller: Teller, reader: Operation, reader_schema: str, vocabulary: Vocabulary
) -> tuple[float, list[str]]:
    """What else speaks for two operations being about the same job, and how much."""
    score, why = 0.0, []
    maker = teller.operation
    made, read = bare(maker.path), bare(reader.path)
    if read == made + "/{}":
        score, why = 3.5, ["reads below the path of create"]
    elif read.startswith((made + "/", made + ":")) and _is_filler(vocabulary, read[len(made) + 1 :]):
        score, why = 3.0, ["reads below the path of create"]
    else:
        ours, theirs = made.split("/")[1:], read.split("/")[1:]
        shared = next(
            (i for i, (a, b) in enumerate(zip(ours, theirs, strict=False)) if a != b), min(len(ours), len(theirs))
        )
        telling = [
            part for part in ours[:shared] if part != "{}" and not VERSION.match(part) and part not in vocabulary.filler
        ]
        score += min(0.6 * len(telling), 1.8) + 0.1 * shared
    nouns = nouns_of(vocabulary, reader.path)
    if teller.nouns and nouns and (teller.nouns[-1] in nouns or nouns[-1] in teller.nouns):
        score += 1.2 if teller.nouns[-1] == nouns[-1] else 0.4
        why.append("paths about the same")
    score += 0.0 if _steps_of(vocabulary, made).isdisjoint(_steps_of(vocabulary, read)) else 0.7
    if reader_schema and reader_schema == teller.schema_name:
        score += 3.0
        why.append("the same schema")
    if teller.has_poll_url:
        score += 1.0
    said = f"{maker.raw.get('description') or ''} {maker.raw.get('summary') or ''}"
    if (len(reader.id) > 3 and reader.id in said) or (
        read.count("/") > 1 and reader.path.split("{")[0].rstrip("/") in said
    ):
        score += 2.0
        why.append("the description of create names it")
    tags = maker.raw.get("tags"), reader.raw.get("tags")
    if isinstance(tags[0], list) and tags[0] == tags[1] and tags[0]:
        score += 0.5
    return score, why


@lru_cache(maxsize=MAX_KNOWN)
def _steps_of(vocabulary: Vocabulary, path: str) -> frozenset[str]:
    """The telling steps of a path, each as a plain word in the singular."""
    steps = {plain(singular(step)) for step in path.split("/")} - vocabulary.filler
    return frozenset(step for step in steps if step and not VERSION.match(step))


def _is_filler(vocabulary: Vocabulary, path: str) -> bool:
    """Whether the literal steps of a path say nothing of what it leads to (`result/{}`, `{}/status`)."""
    steps = [step for step in re.split("[/:.]", path) if step and step != "{}"]
    return all(plain(step) in vocabulary.filler or set(pieces(step)) & vocabulary.filler for step in steps)


def _links(document: Document, answer: Answer | None) -> Iterator[tuple[str, str]]:
    links = answer.raw.get("links") if answer else None
    for entry in (links if isinstance(links, dict) else {}).values():
        link = document.resolve(entry)
        if not isinstance(link, dict):
            continue
        target = str(link.get("operationId") or link.get("operationRef") or "")
        parameters = link.get("parameters")
        values = list(parameters.values()) if isinstance(parameters, dict) else []
        yield target, " ".join(map(str, [*values, link.get("requestBody") or ""]))


def _linked(teller: Teller, reader: Operation, place: IdPlace) -> str | None:
    """The pointer that a declared link takes the id from; '' if it says another place; None without a link."""
    reference = pointer_text((reader.path, reader.method.lower()))
    for target, expression in teller.links:
        if target == reader.id or target.endswith(reference):
            found = _EXPRESSION.search(expression)
            return found[1] if found else ""
    return None
