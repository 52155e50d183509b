"""What a contract says of being told of a job's end: where a request names an address, and what is sent there.

Read from what `x-job` declares, from the `callbacks` of operations, from the document's `webhooks`, and from names.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from mockserver.errors import DocumentError
from mockserver.jobs.lifecycle import TERMINAL, State
from mockserver.jobs.resource import Action, JobOperation, JobResource, Pointer
from mockserver.jobs.views import find_view
from mockserver.jobs.vocabulary import Vocabulary, plain
from mockserver.openapi.document import Document, Operation, is_json, pointer_tokens
from mockserver.openapi.schema import reference_of, shape_of, union_of

MAX_LEVELS = 4  # objects inside an event; one that holds itself is cut off there
METHODS = ("post", "put", "patch")  # by which a callback or a webhook is sent
SECTIONS = ("webhooks", "x-webhooks")  # of a document: what it sends to addresses that were registered
EXPRESSION = re.compile(r"\{(\$[^{}]+)\}")


@dataclass(frozen=True, slots=True)
class AddressPlace:
    """Where a request names an address to be told of.

    `source` is body, query or header ('' for none that a client can fill), `pointer` the place or the name there, and
    `secret` where the secret to sign with stands, in the body. `expression` is the whole address as the contract's
    callback `key` has it ('' where a field is merely called so). `ends` are the ends that are told; none: all.
    """

    source: str
    pointer: Pointer
    secret: Pointer | None = None
    expression: str = ""
    key: str = ""
    ends: frozenset[State] = frozenset()


@dataclass(frozen=True, slots=True)
class DescribedEvent:
    """What the document's `webhooks` say of an end: the event's name, its schema, and where that stands."""

    type: str
    schema: Any
    place: tuple[str, ...]


# -- addresses that a request names -----------------------------------------------------------------


def address_places(
    document: Document, vocabulary: Vocabulary, resource: JobResource, operation: Operation
) -> list[AddressPlace]:
    """Where a request that starts a job names addresses; the first reading that finds any counts.

    That is the one that `x-job` declares, else those of the operation's `callbacks`, else the fields and parameters
    that are called so.
    """
    if resource.callback:
        return [AddressPlace("body", resource.callback)]
    return list(_described(document, vocabulary, operation)) or list(_called_so(document, vocabulary, operation))


def callback_items(document: Document, operation: Operation) -> Iterator[tuple[str, str, Any]]:
    """The callbacks of an operation: name, expression of the address, path item."""
    declared = operation.raw.get("callbacks")
    for name, entry in declared.items() if isinstance(declared, dict) else ():
        with suppress(DocumentError):
            node = document.resolve(entry)
            for expression, item in node.items() if isinstance(node, dict) else ():
                if not str(expression).startswith("x-"):
                    yield str(name), str(expression), document.resolve(item)


def callback_key(operation: Operation, name: str) -> str:
    """By which an operation's callback is known."""
    return f"{operation.name} {name}"


def _described(document: Document, vocabulary: Vocabulary, operation: Operation) -> Iterator[AddressPlace]:
    """What the operation's `callbacks` say: an address from the request, and of which ends it is told."""
    for name, expression, _ in callback_items(document, operation):
        state = vocabulary.state(name)
        if state is not None and state not in TERMINAL:
            continue  # it tells of progress
        whole = expression if not expression.startswith("$") else f"{{{expression}}}"
        source, pointer = _source_of(whole)
        ends = frozenset({state} if state else ())
        secret = _secret_beside(document, vocabulary, operation, pointer) if source == "body" else None
        yield AddressPlace(source, pointer, secret, whole, callback_key(operation, name), ends)


def _secret_beside(
    document: Document, vocabulary: Vocabulary, operation: Operation, pointer: Pointer
) -> Pointer | None:
    """Where the secret stands for an address in the body: in the same object."""
    for media in operation.body.values():
        shape = union_of(document, media.get("schema"))
        for token in pointer[:-1]:
            shape = union_of(document, shape.properties.get(token))
        if secret := vocabulary.best("callbacks", "secret", list(shape.properties)):
            return (*pointer[:-1], secret)
    return None


def _source_of(expression: str) -> tuple[str, Pointer]:
    """The part of the request that begins an address, where it is one that a client can fill with an address."""
    found = EXPRESSION.match(expression)
    source, _, rest = found[1][1:].partition(".") if found else ("", "", "")
    if source != "request":
        return "", ()
    if rest.startswith("body#"):
        return "body", tuple(pointer_tokens(rest[len("body#") :]))
    kind, _, name = rest.partition(".")
    return (kind, (name,)) if kind in ("query", "header") else ("", ())


def _called_so(document: Document, vocabulary: Vocabulary, operation: Operation) -> Iterator[AddressPlace]:
    """Fields and parameters of a request whose names say that they take an address to call."""
    for parameter in operation.parameters:
        if parameter.place in ("query", "header") and vocabulary.rank("callbacks", "url", parameter.name) is not None:
            expression = f"{{$request.{parameter.place}.{parameter.name}}}"
            yield AddressPlace(parameter.place, (parameter.name,), None, expression)
    seen: set[Pointer] = set()
    for media in operation.body.values():
        shape = union_of(document, media.get("schema"))
        secret = vocabulary.best("callbacks", "secret", list(shape.properties))
        for name, sub in shape.properties.items():
            if vocabulary.rank("callbacks", "url", name) is None:
                continue
            place, own = _place_of(document, vocabulary, name, sub)
            if place and place not in seen:
                seen.add(place)
                yield AddressPlace("body", place, own or ((secret,) if secret else None))


def _place_of(document: Document, vocabulary: Vocabulary, name: str, schema: Any) -> tuple[Pointer, Pointer | None]:
    """Where the address stands in a field that is called so, and where its secret does."""
    shape = union_of(document, schema)
    if shape.is_object:
        inner = vocabulary.best("callbacks", "inner", list(shape.properties))
        secret = vocabulary.best("callbacks", "secret", list(shape.properties))
        return (name, inner) if inner else (), (name, secret) if secret else None
    types = {t for form in (shape, *shape.branches) for t in form.types}
    return ((name,) if not types or types & {"string", "array"} else ()), None


# -- what is sent -----------------------------------------------------------------------------------


def described_events(
    document: Document, vocabulary: Vocabulary, resources: Sequence[JobResource], resource: JobResource
) -> dict[State, DescribedEvent]:
    """The event of each end that the document's `webhooks` describe for a kind of job, with its name."""
    found: dict[State, DescribedEvent] = {}
    others = [plain(r.name) for r in resources if r is not resource]
    for section in SECTIONS:
        entries = document.root.get(section)
        for name, item in entries.items() if isinstance(entries, dict) else ():
            with suppress(DocumentError):
                schema = schema_sent(document, document.resolve(item))
                if schema is None:
                    continue
                type = _name_in(document, vocabulary, schema) or str(name)
                state = vocabulary.state(type) or vocabulary.state(str(name))
                is_named = plain(resource.name) in plain(f"{name} {type}")
                if any(other in plain(f"{name} {type}") for other in others) and not is_named:
                    continue
                if not (is_named or tells_job(document, vocabulary, resource, schema)):
                    continue
                for end in [state] if state else [s for s in State if s in TERMINAL]:
                    word = plain(str(resource.words.get(end)))
                    if end in TERMINAL and (end not in found or (state and plain(type).endswith(word))):
                        found[end] = DescribedEvent(type, schema, (section, str(name)))
    for end, word in resource.words.items():  # an end that is called like another is told as that one
        same = (found[s] for s, w in resource.words.items() if w == word and s in found)
        if end in TERMINAL and end not in found and (known := next(same, None)):
            found[end] = known
    return found


def declared_event(resource: JobResource, state: State) -> str:
    """The name that `x-job` declares for the event of an end, or of the end with the same word; '' for none."""
    word = resource.words.get(state)
    same = (name for other, name in resource.events.items() if word is not None and resource.words.get(other) == word)
    return resource.events.get(state) or next(same, "")


def operation_sent(item: Any) -> Mapping[str, Any]:
    """The request that a path item of a callback or a webhook describes; empty for none."""
    found = next((item[m] for m in METHODS if m in item), None) if isinstance(item, dict) else None
    return found if isinstance(found, dict) else {}


def schema_sent(document: Document, item: Any) -> Any:
    """The schema of the JSON body that a path item sends."""
    body = document.resolve(operation_sent(item).get("requestBody"))
    content = body.get("content") if isinstance(body, dict) else None
    media = next((m for t, m in content.items() if is_json(str(t))), None) if isinstance(content, dict) else None
    return media.get("schema") if isinstance(media, dict) else None


def job_held(document: Document, vocabulary: Vocabulary, own: JobOperation, schema: Any) -> JobOperation | None:
    """How the job of a retrieve stands in a schema that is its own, or looks like one of this kind."""
    if own.schema is not None and _same(document, schema, own.schema):
        return own
    if own.view is not None and _same(document, schema, own.view.schema):
        return replace(own, schema=schema, view=replace(own.view, pointer=()), answer=None, ended=None)
    view = find_view(document, vocabulary, schema)
    if view is None or view.pointer or "id" not in view.fields or "status" not in view.fields or not view.words:
        return None
    return replace(own, schema=schema, view=view, answer=None, ended=None)


def tells_job(document: Document, vocabulary: Vocabulary, resource: JobResource, schema: Any, level: int = 0) -> bool:
    """Whether an event has a place for the job, or for its id inside another object."""
    own = resource.first(Action.RETRIEVE)
    if own is not None and job_held(document, vocabulary, own, schema) is not None:
        return True
    shape = union_of(document, schema)
    if not shape.is_object or level >= MAX_LEVELS:
        return False
    for name, sub in shape.properties.items():
        if union_of(document, sub).is_object:
            if tells_job(document, vocabulary, resource, sub, level + 1):
                return True
        elif level > 0 and vocabulary.rank("roles", "id", name) is not None:
            return True
    return False


def _name_in(document: Document, vocabulary: Vocabulary, schema: Any) -> str:
    """The event's name, where its schema allows no other."""
    for name, sub in union_of(document, schema).properties.items():
        constants = shape_of(document, sub).constants or []
        is_type = vocabulary.rank("callbacks", "type", name) is not None
        if is_type and len(constants) == 1 and isinstance(constants[0], str):
            return constants[0]
    return ""


def _same(document: Document, one: Any, other: Any) -> bool:
    """Whether two schemas are the same one."""
    return one is other or (reference_of(one) != "" and reference_of(one) == reference_of(other)) or (
        bool(name := shape_of(document, one).name) and name == shape_of(document, other).name
    )  # fmt: skip
