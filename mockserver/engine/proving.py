"""Answers about jobs are proved against their schemas when they are compiled; what would be invalid is mended.

An answer is rendered for a made-up job in every state. Where the schema does not allow what was put into a field,
the field gets a sampled value in that state, and if that does not help it is left out. Errors that no field can be
blamed for stay as they are: the check at start tells them.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Set
from random import Random
from typing import Any

import orjson

from mockserver.engine.fields import Field, Scene, constant
from mockserver.engine.paging import Page
from mockserver.engine.sampling import sample
from mockserver.errors import DocumentError
from mockserver.jobs.identity import id_maker
from mockserver.jobs.job import Job
from mockserver.jobs.lifecycle import State
from mockserver.jobs.resource import Action, JobOperation, JobResource, Pointer
from mockserver.jobs.timeline import Timeline
from mockserver.openapi.document import Document
from mockserver.openapi.schema import Validator

MAX_ROUNDS = 6
MAX_ERRORS = 50  # of one answer that are looked at
HOPELESS = 1000  # errors of one answer: a schema that must hold itself; mending a field at a time leads nowhere
MAX_DEPTH = 8  # of branches inside branches
NOW = 1_790_000_000.0  # any instant
SITE = "http://127.0.0.1:4747"
_PAGE = Page([], 40, 1, 20, True, "2", "", "page", f"{SITE}/jobs")  # one after which there are more

# What is done with a field in some states: 0 gives a sample, 1 leaves it out (or makes it null).
Mends = Mapping[Pointer, Mapping[State, int]]


def proved(
    document: Document,
    resource: JobResource,
    part: JobOperation,
    samples: Iterable[Mapping[str, Any]],
    compile_with: Callable[[Mends], tuple[Field, Set[Pointer]]],
) -> Field:
    """The answer that `compile_with` makes, with what its schema does not allow mended.

    `compile_with` gives an answer with the places that it can mend; what is wrong deeper is mended above.
    `samples` are inputs of made-up requests. Raises DocumentError if the schema cannot be compiled.
    """
    mends: dict[Pointer, dict[State, int]] = {}
    field, reached = compile_with(mends)
    try:
        validator = Validator(document, part.schema, "response")
    except DocumentError:
        return field  # said by the check of the operation
    probes = [(state, inputs) for inputs in samples for state in State]
    for _ in range(MAX_ROUNDS):
        wrong: set[tuple[Pointer, State]] = set()
        for state, inputs in probes:
            for value in _rendered(field, resource, part, state, inputs):
                if not validator.is_valid(value):
                    errors = list(validator.iter_errors(value))
                    if len(errors) > HOPELESS:
                        return field
                    wrong |= {(_within(place, reached), state) for place in _places(errors[:MAX_ERRORS])}
        if not wrong:
            break
        before = {place: dict(states) for place, states in mends.items()}
        for place, state in wrong:
            told = mends.setdefault(place, {})
            told[state] = min(told[state] + 1, 1) if state in told else 0
        if mends == before:
            return constant(sample(document, part.schema)) if part.action is Action.RESULT else field
        field, reached = compile_with(mends)
    return field


def _within(place: Pointer, reached: Set[Pointer]) -> Pointer:
    """The place, or the nearest one above it that can be mended."""
    for length in range(len(place), 0, -1):
        if place[:length] in reached:
            return place[:length]
    return place


def _rendered(
    field: Field, resource: JobResource, part: JobOperation, state: State, inputs: Mapping[str, Any]
) -> Iterator[Any]:
    """The bodies of an answer about a job that is in a state: for a list, of pages with and without it."""
    source = "source" if part.links_source and part.action is Action.FOLLOW_UP else None
    job = Job(id_maker(resource.id_format)(Random(0)), resource.name, "owner", inputs, _timeline(state), source)
    if part.action is Action.LIST:
        for page in (Page([], 0, 1, 20, False), Page([job], 1, 1, 20, False), _PAGE._replace(jobs=[job, job])):
            yield _plain(field, Scene(None, NOW, SITE, b"req_0", page))
    else:
        yield _plain(field, Scene(job, NOW, SITE, b"req_0"))


def _plain(field: Field, scene: Scene) -> Any:
    return orjson.loads(orjson.dumps(field(scene)))


def _timeline(state: State) -> Timeline:
    """A life that is in a state at NOW."""
    if state is State.QUEUED:
        return Timeline(NOW, NOW + 10, NOW + 20, State.SUCCEEDED, NOW + 20)
    if state is State.RUNNING:
        return Timeline(NOW - 10, NOW - 5, NOW + 5, State.SUCCEEDED, NOW + 5)
    expires = NOW + 3600 if state is State.SUCCEEDED else None
    return Timeline(NOW - 20, NOW - 10, NOW - 1, state, NOW - 1, 10, expires)


def _places(errors: Iterable[Any]) -> set[Pointer]:
    """The fields that are wrong in a body; a missing one by its name."""
    found: set[Pointer] = set()
    for error in errors:
        for path, missing in _wrong(error):
            place = tuple("*" if isinstance(token, int) else str(token) for token in path)
            found.add((*place, missing) if missing else place)
    return {place for place in found if place}


def _wrong(error: Any, depth: int = 0) -> Iterator[tuple[list[str | int], str]]:
    """Where a body is wrong: the place, with the name of what it lacks; inside it, what the nearest branch lacks."""
    path = list(error.instance_path)
    missing = str(getattr(error.kind, "property", "") or "").strip('"')
    surplus = getattr(error.kind, "unexpected", None)
    if missing:
        yield path, missing
    elif surplus:
        yield from ((path, str(name)) for name in surplus)
    else:
        yield path, ""
    context = getattr(error.kind, "context", None)
    if context and depth < MAX_DEPTH and not path:  # of the whole body nothing can be sampled: look inside it
        branches = [branch for branch in context if branch]
        for inner in min(branches, key=len, default=[]):
            yield from _wrong(inner, depth + 1)
