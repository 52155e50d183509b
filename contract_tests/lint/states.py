"""What the states of a job ask of its schema: which fields can be there, and which words there are."""

from collections.abc import Iterator

from contract_tests.finding import Deviation, Severity, Unjudged
from contract_tests.lint import rule
from contract_tests.lint.examples import tied_words
from contract_tests.lint.subject import TYPE_NAMES, JobView, Subject, shown
from mockserver.jobs.lifecycle import State
from mockserver.jobs.resource import Action
from mockserver.jobs.vocabulary import plain
from mockserver.openapi.document import pointer_text
from mockserver.openapi.schema import list_in

_NOT_YET = {
    "started": "a job that waits has not started",
    "completed": "a job at work has not ended",
    "result": "a job at work has no result",
    "error": "a job that did not fail has no error",
}
_OTHER_ENDS = {State.CANCELLED, State.EXPIRED}
NO_JOB = "No job was found in the document."


def _kinds(subject: Subject) -> Iterator[JobView]:
    """One view for each schema of a job, that of its reading first."""
    seen: set[str] = set()
    for job in sorted(subject.jobs, key=lambda job: job.action is not Action.RETRIEVE):
        if "status" in job.fields and not seen & {subject.home(job.pointer), job.fields["status"][0]}:
            seen |= {subject.home(job.pointer), job.fields["status"][0]}
            yield job


@rule("LNT020", "A required field belongs to one state only", Severity.VIOLATION)
def required_in_time(subject: Subject) -> Iterator[Deviation | Unjudged]:
    """What a job has only later cannot be required, unless it may be null: a server has to lie, or break its schema."""
    if not subject.jobs:
        yield Unjudged(NO_JOB)
    told: set[str] = set()
    for job in _kinds(subject):
        if job.action not in (Action.RETRIEVE, Action.LIST, Action.CREATE):
            continue
        for role, why in _NOT_YET.items():
            for place in job.fields.get(role, ()):
                holder, _, name = place.rpartition("/properties/")
                schema, node = subject.at(holder), subject.at(place)
                if place in told or not isinstance(schema, dict) or name not in list_in(schema, "required"):
                    continue
                shape = subject.shape(node)
                if holder != subject.home(job.pointer) or shape is None or shape.nullable or not shape.types:
                    continue
                if set(shape.types) & {"array", "object", "boolean"} or "empty" in str(shape.get("description")):
                    continue  # an empty one says that there is nothing
                told.add(place)
                index = list_in(schema, "required").index(name)
                yield Deviation(
                    f"`{name}` is required and cannot be null, but {why}.",
                    job.operation.name,
                    pointer=f"{holder}/required/{index}",
                )


@rule("LNT021", "Prose ties a field to a state, the schema does not", Severity.NOTE)
def tied(subject: Subject) -> Iterator[Deviation | Unjudged]:
    """A schema can say it (a `oneOf` by status); this one lets every field stand in every state."""
    for job in _kinds(subject):
        schema = subject.node(job.pointer)
        if any(key in schema for key in ("oneOf", "anyOf", "if", "discriminator")):
            continue
        words = [str(word) for told in job.view.phases.values() for word in told]
        found = []
        for name, place in subject.properties(job.pointer).items():
            text = str(subject.node(place).get("description") or "")
            if tied_words(text, words) or _only_in_prose(text):
                found.append((name, place))
        if found:
            yield Deviation(
                f"Only prose says when {shown([n for n, _ in found])} are there.",
                job.operation.name,
                pointer=f"{found[0][1]}/description",
            )


def _only_in_prose(text: str) -> bool:
    low = text.lower()
    return any(mark in low for mark in ("only returned for", "only present", "returned after completion", "仅"))


def has_told_words(job: JobView) -> bool:
    """Whether a contract tells the words of a status; a placeholder such as `string` is none."""
    told = {str(word) for words in job.view.phases.values() for word in words}
    return bool(told - TYPE_NAMES) and "usual" not in job.view.evidence


@rule("LNT022", "The words of a status stand nowhere", Severity.VIOLATION)
def has_words(subject: Subject) -> Iterator[Deviation | Unjudged]:
    """Neither an enum nor prose nor an example says what a status can be: no client can know when to stop."""
    if not subject.jobs:
        yield Unjudged(NO_JOB)
    for job in _kinds(subject):
        if not has_told_words(job):
            place = job.fields["status"][0]
            yield Deviation(
                "The status is any text, and its values stand nowhere.", job.operation.name, pointer=place, cause=place
            )


@rule("LNT023", "A status has its words in prose only", Severity.WARNING)
def has_enum(subject: Subject) -> Iterator[Deviation | Unjudged]:
    """A program that is made from the schema knows none of them."""
    for job in _kinds(subject):
        place = job.fields["status"][0]
        shape = subject.shape(subject.at(place))
        words = [str(w) for told in job.view.phases.values() for w in told]
        if not shape or not has_told_words(job) or any(form.constants for form in (shape, *shape.branches)):
            continue
        if "string" in shape.types and "HTTP" not in words[0]:
            at = f"{place}/description" if "description" in subject.node(place) else place
            said = f"The status has no enum; {shown(words)} stand in prose or examples alone."
            yield Deviation(said, job.operation.name, pointer=at, cause=place)


def _expressed(subject: Subject, job: JobView) -> set[State]:
    """The states that any answer about this kind of job can tell."""
    found = set(job.states)
    contract = subject.contract
    for resource in contract.resources if contract else ():
        if any(part.operation.name == job.operation.name for part in resource.operations):
            for part in resource.operations:
                found |= set(part.view.phases) if part.view else set()
    return found


@rule("LNT024", "A lifecycle cannot express failure", Severity.VIOLATION)
def can_fail(subject: Subject) -> Iterator[Deviation | Unjudged]:
    """Without a word for it, or a field for an error, a job that failed looks like one that runs for ever."""
    if not subject.jobs:
        yield Unjudged(NO_JOB)
    for job in _kinds(subject):
        states = _expressed(subject, job)
        if not states or not has_told_words(job) or job.view.sureness < 0.3 or State.SUCCEEDED not in states:
            continue
        outcomes = set(subject.vocabulary.ranks["roles"]["outcome"])
        names = {plain(name) for name in subject.properties(job.pointer)}
        if State.FAILED in states or names & outcomes or _is_flag(subject, job):
            continue
        has_error = "error" in job.fields
        lack = "no word for failure" if has_error else "no word for failure and no field for an error"
        yield Deviation(
            f"The status has {lack}: {shown(_words(job))} are all that it can say.",
            job.operation.name,
            pointer=_status_text(subject, job),
            cause=job.fields["status"][0],
            severity=Severity.WARNING if has_error or states & _OTHER_ENDS else None,
        )


def _is_flag(subject: Subject, job: JobView) -> bool:
    shape = subject.shape(subject.at(job.fields["status"][0]))
    return shape is not None and "boolean" in shape.types


def _words(job: JobView) -> list[str]:
    return [str(w) for told in job.view.phases.values() for w in told]


def _status_text(subject: Subject, job: JobView) -> str:
    place = job.fields["status"][0]
    node = subject.node(place)
    return next((f"{place}/{key}" for key in ("enum", "description") if key in node), place)


@rule("LNT025", "A lifecycle cannot express that a job waits", Severity.NOTE)
def can_wait(subject: Subject) -> Iterator[Deviation | Unjudged]:
    """A job that waits and one at work look the same, or a word for it comes that is told nowhere."""
    for job in _kinds(subject):
        states = _expressed(subject, job)
        if not {State.SUCCEEDED, State.RUNNING} <= states or State.QUEUED in states:
            continue
        if not _is_flag(subject, job) and "HTTP" not in job.view.evidence:
            yield Deviation(
                f"There is no word for a job that waits: {shown(_words(job))}.",
                job.operation.name,
                pointer=_status_text(subject, job),
                cause=job.fields["status"][0],
            )


@rule("LNT026", "A status word that nothing explains or leads to", Severity.NOTE)
def reached(subject: Subject) -> Iterator[Deviation | Unjudged]:
    """A word whose meaning nobody tells, or that of a cancelled job where no operation cancels."""
    contract = subject.contract
    for resource in contract.resources if contract else ():
        views = [
            job for job in _kinds(subject) if any(p.operation.name == job.operation.name for p in resource.operations)
        ]
        for job in views:
            text = str(subject.node(job.fields["status"][0]).get("description") or "")
            for word in job.view.unclear_words:
                if word not in text and not subject.means_nothing(word):
                    yield Deviation(
                        f"What `{word}` means is not told.",
                        job.operation.name,
                        pointer=_enum_place(subject, job, word),
                        cause=word,
                    )
            told = job.view.phases.get(State.CANCELLED, ())
            if told and resource.first(Action.CANCEL) is None and not any(str(w) in text for w in told):
                whole = " ".join(str(o.raw.get("summary")) + str(o.path) for _, o in subject.operations).lower()
                if not any(stem in whole for stem in ("cancel", "abort", "stop", "terminat")):
                    yield Deviation(
                        f"No operation cancels a job, and nothing tells when it is `{told[0]}`.",
                        job.operation.name,
                        pointer=_enum_place(subject, job, told[0]),
                        cause="cancel",
                    )


def _enum_place(subject: Subject, job: JobView, word: object) -> str:
    place = job.fields["status"][0]
    home = subject.home(place)
    values = subject.node(place).get("enum")
    return f"{home}/enum/{values.index(word)}" if isinstance(values, list) and word in values else place


@rule("LNT027", "Nothing is required: an empty object is valid", Severity.WARNING)
def requires_something(subject: Subject) -> Iterator[Deviation | Unjudged]:
    """A check by this schema passes whatever comes, and a typed client has to expect that nothing does."""
    told: set[str] = set()
    for job in subject.jobs:
        for pointer in (job.pointer, job.answer):
            home = subject.home(pointer)
            if home not in told and _allows_nothing(subject, home):
                told.add(home)
                yield Deviation(
                    "No field of the answer is required: `{}` is a valid one.",
                    job.operation.name,
                    pointer=home,
                    cause=home,
                )
    for _, operation in subject.operations:
        for answer in operation.answers:
            media = answer.json_media()
            if answer.status[:1] not in "45d" or media is None or "schema" not in media[1]:
                continue
            home = subject.home(f"{subject.pointers[operation.name]}/responses/{answer.status}")
            home = subject.home(home + pointer_text(("content", media[0], "schema")))
            if home not in told and _allows_nothing(subject, home):
                told.add(home)
                yield Deviation(
                    "No field of an error is required: `{}` is a valid one.", operation.name, pointer=home, cause=home
                )


def _allows_nothing(subject: Subject, pointer: str) -> bool:
    node = subject.at(pointer)
    properties = subject.properties(pointer)
    if not isinstance(node, dict) or not properties:
        return False
    validator = subject.validator(node, pointer, "response")
    return validator is not None and bool(validator.is_valid({}))


@rule("LNT028", "A field that tells the kind of object can say anything", Severity.NOTE)
def tagged(subject: Subject) -> Iterator[Deviation | Unjudged]:
    """The object's own tag, a constant in examples or in another schema here, and a free text in this one."""
    tags = {
        name
        for site in subject.sites
        if site.property
        and (name := site.property)
        and (shape := subject.shape(site.node))
        and shape.constants is not None
        and len(shape.constants) == 1
        and subject.role("sample names", name) == "type"
    }
    told: set[str] = set()
    for job in subject.jobs:
        for pointer in (job.pointer, job.answer):
            for name, place in subject.properties(pointer).items():
                shape = subject.shape(subject.at(place))
                if (
                    place in told
                    or shape is None
                    or shape.types != ("string",)
                    or shape.constants
                    or name in job.fields
                ):
                    continue
                is_shown = name == "object" and any(name in body for _, _, body in subject.job_examples(job))
                if name in tags or (is_shown and subject.role("sample names", name) == "type"):
                    told.add(place)
                    yield Deviation(
                        f"`{name}` tells what kind of object this is, and may be any text.",
                        job.operation.name,
                        pointer=place,
                        cause=place,
                    )
