"""Published examples: against their schemas, against each other, and against the state that they show."""

import re
from collections.abc import Iterator
from typing import Any

from contract_tests.clauses import pointers_below
from contract_tests.finding import Deviation, Severity, Unjudged
from contract_tests.lint import rule
from contract_tests.lint.subject import TYPE_NAMES, Example, JobView, Subject, shown
from mockserver.jobs.lifecycle import State
from mockserver.jobs.resource import Action
from mockserver.jobs.vocabulary import pieces
from mockserver.openapi.document import pointer_text

MAX_FAULTS = 6  # of one example that are told
_ELLIPSIS = re.compile(r"\.\.\.|…|<[a-z_ -]+>|\[[a-z_ -]+\]$", re.I)
_ENDED = (State.SUCCEEDED, State.FAILED, State.CANCELLED, State.EXPIRED)
_CJK = re.compile(r"[\u3040-\u30ff\u4e00-\u9fff\uac00-\ud7af]")


@rule("LNT001", "An example does not fit its own schema", Severity.VIOLATION)
def fits(subject: Subject) -> Iterator[Deviation | Unjudged]:
    """Each example is validated as a request or an answer would be."""
    for example in subject.examples:
        if example.value is None and example.of == "schema":
            continue
        validator = subject.validator(example.schema, example.schema_pointer, example.direction)
        if validator is None:
            continue
        faults = sorted(
            ("/".join(map(str, error.instance_path)), str(error.message))
            for error in validator.iter_errors(example.value)
        )
        if faults:
            told = "; ".join(f"{place or 'the whole'}: {text[:160]}" for place, text in faults[:MAX_FAULTS])
            more = f"; and {len(faults) - MAX_FAULTS} more" if len(faults) > MAX_FAULTS else ""
            first = example.pointer if "/x-" in example.pointer else _deepest(example.pointer, faults[0][0])
            called = f"The example {example.name!r}" if example.name else "The example"
            yield Deviation(f"{called} is not valid: {told}{more}.", example.operation, pointer=first)


def _deepest(pointer: str, place: str) -> str:
    return pointer + (pointer_text(place.split("/")) if place else "")


@rule("LNT002", "An example has a field that its schema does not know", Severity.WARNING)
def known(subject: Subject) -> Iterator[Deviation | Unjudged]:
    """Extra fields are legal, but one in an example is a field that was renamed, or is told nowhere."""
    for example in subject.examples:
        if example.of not in ("request", "answer"):
            continue
        for place, at, value in _objects(subject, example):
            properties = subject.properties(at)
            schema = subject.at(at)
            if not properties or not isinstance(schema, dict) or _is_open(subject, at):
                continue
            extra = [name for name in value if name not in properties]
            if extra:
                pointer = example.pointer if "/x-" in example.pointer else place + pointer_text((extra[0],))
                yield Deviation(
                    f"The example has {shown(extra)}, which its schema does not have.",
                    example.operation,
                    pointer=pointer,
                )


def _objects(subject: Subject, example: Example) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """The objects of an example whose schema is known: where each stands, where its schema is, the object."""
    waiting: list[tuple[str, str, Any]] = [(example.pointer, subject.home(example.schema_pointer), example.value)]
    while waiting:
        place, at, value = waiting.pop(0)
        if isinstance(value, dict):
            yield place, at, value
            properties = subject.properties(at)
            for name, sub in value.items():
                if name in properties:
                    waiting.append((place + pointer_text((str(name),)), subject.home(properties[name]), sub))
        elif isinstance(value, list) and (items := subject.field_at(at, ("*",))):
            waiting += [(f"{place}/{i}", subject.home(items), item) for i, item in enumerate(value)]


def _is_open(subject: Subject, at: str) -> bool:
    """Whether a schema says that fields may have any name, or has no say of its own (several forms)."""
    for part in subject.parts(at):
        node = subject.at(part)
        if isinstance(node, dict) and (
            node.get("additionalProperties") not in (None, False)
            or node.get("patternProperties")
            or node.get("oneOf")
            or node.get("anyOf")
        ):
            return True
    return False


@rule("LNT003", "An example is a placeholder", Severity.NOTE)
def real(subject: Subject) -> Iterator[Deviation | Unjudged]:
    """`string` as a text, or an address with dots in it, tells nobody what really comes."""
    for example in subject.examples:
        names: list[str] = []
        first = ""
        for tokens, value in pointers_below(example.value):
            if not isinstance(value, str):
                continue
            if (value in TYPE_NAMES and tokens) or ("://" in value and _ELLIPSIS.search(value)):
                names.append(tokens[-1] if tokens else value)
                first = first or (
                    example.pointer if "/x-" in example.pointer else example.pointer + pointer_text(tokens)
                )
        if len(names) > (1 if example.of == "schema" else 0) or (names and "://" in str(example.value)):
            told = list(dict.fromkeys(name for name in names if not name.isdigit()))
            yield Deviation(f"Placeholders instead of values: {shown(told)}.", example.operation, pointer=first)


@rule("LNT004", "An example of a job lacks what a job in that state has", Severity.NOTE)
def complete(subject: Subject) -> Iterator[Deviation | Unjudged]:
    """By the roles of the fields: an id, a status, a creation always; a completion at the end; a result at success."""
    for job in _looked_at(subject):
        for example, place, body in subject.job_examples(job):
            state = subject.state(job, body)
            wanted = ["id", "status", "created"]
            wanted += ["completed"] if state in _ENDED else []
            wanted += ["result"] if state is State.SUCCEEDED and job.action is not Action.CREATE else []
            wanted += ["error"] if state is State.FAILED else []
            lacking = [name for role in wanted if (name := _lacking(job, role, body))]
            lacking += [n for n in _said_to_be_there(subject, job, body) if n not in lacking]
            inputs = [n for n in subject.properties(job.pointer) if n not in body and subject.role("inputs", n)]
            if lacking or (inputs and state is not None and job.action is not Action.CREATE):
                pointer = example.pointer if "/x-" in example.pointer else place
                said = f"in state {state.value}" if state else "of no known state"
                told = shown([*lacking, *(n for n in inputs if n not in lacking)])
                yield Deviation(
                    f"The example of a job {said} lacks {told}, which the schema has.",
                    example.operation,
                    pointer=pointer,
                )


def _lacking(job: JobView, role: str, body: dict[str, Any]) -> str:
    """The name of a role's field that a job does not show, if none of that role is there."""
    places = job.view.fields.get(role, ())
    return "" if not places or any(place[0] in body for place in places) else places[0][0]


def _said_to_be_there(subject: Subject, job: JobView, body: dict[str, Any]) -> Iterator[str]:
    """Fields whose description ties them to the state that an example is in, and that it lacks."""
    place = next(iter(job.view.fields.get("status", ())), ("",))
    word = body.get(place[0]) if len(place) == 1 else None
    for name, at in subject.properties(job.pointer).items():
        node = subject.node(at)
        if (
            name not in body
            and isinstance(word, str)
            and word in tied_words(str(node.get("description") or ""), [word])
        ) and not re.search(r"\b(?:may|some|optional(?:ly)?|sometimes)\b", str(node.get("description"))):
            yield name


_TIED = re.compile(r"\b(?:only|solely)\b|仅|只在|\bpresent in\b|\breturned (?:after|in|once)\b", re.I)


def tied_words(text: str, words: list[str]) -> list[str]:
    """The words of a status to which a description ties a field (`only present in success`)."""
    if not _TIED.search(text):
        return []
    return [word for word in words if re.search(rf"(?<![\w-]){re.escape(word)}(?![\w-])", text)]


def _looked_at(subject: Subject) -> Iterator[JobView]:
    """One view for each answer: the list and the retrieve of one kind have examples of their own."""
    seen: set[str] = set()
    for job in subject.jobs:
        if job.operation.name not in seen:
            seen.add(job.operation.name)
            yield job


@rule("LNT005", "An example shows a job that has a result and an error at once", Severity.WARNING)
def one_end(subject: Subject) -> Iterator[Deviation | Unjudged]:
    """A job ends in one way."""
    for job in _looked_at(subject):
        for example, place, body in subject.job_examples(job):
            result, error = _shown(job, "result", body), _shown(job, "error", body)
            if result and error:
                yield Deviation(
                    f"The example shows `{result}` and `{error}` of one job; it has one or the other.",
                    example.operation,
                    pointer=f"{place}{pointer_text((error,))}",
                )


def _shown(job: JobView, role: str, body: dict[str, Any]) -> str:
    return next((place[0] for place in job.view.fields.get(role, ()) if body.get(place[0])), "")


@rule("LNT006", "No example shows a job that has succeeded", Severity.NOTE)
def shows_the_end(subject: Subject) -> Iterator[Deviation | Unjudged]:
    """Examples that stop before the end leave out the part that clients are written for."""
    seen: set[str] = set()
    for job in _looked_at(subject):
        if job.action not in (Action.RETRIEVE, Action.LIST):
            continue
        states = [subject.state(job, body) for _, _, body in subject.job_examples(job)]
        if states and job.pointer not in seen and State.SUCCEEDED not in states and any(states):
            seen.add(job.pointer)
            told = ", ".join(dict.fromkeys(s.value for s in states if s))
            yield Deviation(
                f"The examples show jobs that are {told}, none that has succeeded.",
                job.operation.name,
                pointer=f"{subject.pointers[job.operation.name]}/responses",
            )


def _groups(subject: Subject) -> Iterator[tuple[str, list[Example]]]:
    """Examples of one answer that are objects, where there are several."""
    groups: dict[str, list[Example]] = {}
    for example in subject.examples:
        if example.of == "answer" and isinstance(example.value, dict):
            groups.setdefault(example.schema_pointer, []).append(example)
    yield from ((at, group) for at, group in groups.items() if len(group) > 1)


@rule("LNT007", "No example shows a field of the envelope", Severity.NOTE)
def shows_all(subject: Subject) -> Iterator[Deviation | Unjudged]:
    """Of an answer with several examples, a field at its top that none of them has."""
    jobs = {subject.home(job.pointer) for job in subject.jobs}
    for at, group in _groups(subject):
        if subject.home(at) in jobs:
            continue  # what a job lacks is told by its states
        for name, place in subject.properties(at).items():
            if not any(name in example.value for example in group):
                yield Deviation(f"None of the {len(group)} examples has `{name}`.", group[0].operation, pointer=place)


@rule("LNT008", "A field that every example has may be left out", Severity.NOTE)
def requires_all(subject: Subject) -> Iterator[Deviation | Unjudged]:
    """Of an answer with several examples and a list of required fields, one that all have and that is not in it."""
    for at, group in _groups(subject):
        schema = subject.at(at)
        required = schema.get("required") if isinstance(schema, dict) else None
        if not isinstance(required, list) or not required or len(group) < 3:
            continue
        for name, place in subject.properties(at).items():
            if name not in required and all(name in example.value for example in group):
                yield Deviation(
                    f"`{name}` is in all {len(group)} examples, and not required.", group[0].operation, pointer=place
                )


@rule("LNT009", "Messages of one answer are in two languages", Severity.NOTE)
def one_language(subject: Subject) -> Iterator[Deviation | Unjudged]:
    """A client that shows messages to people shows some that they cannot read."""
    for _, group in _groups(subject):
        told: dict[bool, tuple[str, str]] = {}
        for example in group:
            for name, text in example.value.items():
                if isinstance(text, str) and subject.role("error", name) == "message":
                    told.setdefault(bool(_CJK.search(text)), (example.pointer + pointer_text((name,)), text))
        if len(told) == 2:
            yield Deviation(
                f"One example says {told[True][1]!r}, another {told[False][1]!r}.",
                group[0].operation,
                pointer=told[False][0],
            )


@rule("LNT010", "An example of an error speaks of an id that the operation does not take", Severity.NOTE)
def in_place(subject: Subject) -> Iterator[Deviation | Unjudged]:
    """An error that this operation cannot meet."""
    wrong = {"invalid", "unknown", "missing", "not", "no"}
    operations = {operation.name: operation for _, operation in subject.operations}
    for example in subject.examples:
        operation = operations.get(example.operation)
        parts = set(pieces(example.name))
        if (
            example.of != "answer"
            or operation is None
            or "id" not in parts
            or not parts & wrong
            or "{" in operation.path
        ):
            continue
        asked = [parameter.name for parameter in operation.parameters]
        if operation.body or any("id" in pieces(name) for name in asked):
            continue
        yield Deviation(
            f"The example {example.name!r} tells of a wrong id, and the operation takes none.",
            operation.name,
            pointer=example.pointer.removesuffix("/value"),
        )
