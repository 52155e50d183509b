"""The event of a job's end, as the contract has it; and the addresses that a request names to be told of it.

What `x-job` declares comes first, then what the operation's `callbacks` or the document's `webhooks` describe, then an
event of its type, its time and the job as it is retrieved.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import parse_qs

import orjson

from mockserver.engine.conversion import as_type, instant_writer, rfc3339
from mockserver.engine.fields import Field, Scene
from mockserver.engine.refusal import fill_template
from mockserver.engine.rendering import compile_answer
from mockserver.engine.results import ResultFacts
from mockserver.engine.sampling import sample
from mockserver.engine.validation import Inputs
from mockserver.errors import DocumentError
from mockserver.jobs.hooks import (
    EXPRESSION,
    MAX_LEVELS,
    address_places,
    callback_items,
    callback_key,
    declared_event,
    described_events,
    job_held,
    schema_sent,
)
from mockserver.jobs.job import Job
from mockserver.jobs.lifecycle import State
from mockserver.jobs.resource import Action, Contract, JobOperation, JobResource, Pointer, dig
from mockserver.jobs.vocabulary import plain
from mockserver.message import Request, Response
from mockserver.openapi.document import Operation, pointer_tokens
from mockserver.openapi.schema import Shape, shape_of, union_of
from mockserver.sandbox.outbox import MAX_CALLBACKS, Callback, Event

Find = Callable[[Request, Inputs, Response], Iterator[Callback]]


@dataclass(frozen=True, slots=True)
class Told:
    """What an event is made of: the job at the instant of its end, the event's id and its name."""

    scene: Scene
    id: str
    type: str


Making = Callable[[Told], Any]


class Teller:
    """Makes the events of one contract's jobs. What an event needs is compiled when it is first told."""

    def __init__(self, contract: Contract, results: ResultFacts) -> None:
        self._contract = contract
        self._results = results
        self._kinds: dict[str, _KindOfJob] = {}

    def event(self, job: Job, at: float, site: str, id: str, callback: str = "") -> Event | None:
        """The event of a job's end at that instant; None if the contract has no word for such an end.

        `callback` names a callback of the contract (see `callbacks_of`); '' is for registered endpoints.
        """
        name = job.kind.partition("\n")[0]
        kind = self._kinds.get(name)
        if kind is None:
            resource = next((r for r in self._contract.resources if r.name == name), None)
            if resource is None:  # of a kind that a reloaded contract no longer has
                return None
            kind = self._kinds[name] = _KindOfJob(self._contract, resource, self._results)
        return kind.event(Scene(job, at, site, b""), id, callback)


class _KindOfJob:
    """The events of one kind of job."""

    def __init__(self, contract: Contract, resource: JobResource, results: ResultFacts) -> None:
        self._contract = contract
        self._document = contract.document
        self._vocabulary = contract.vocabulary
        self._resource = resource
        self._results = results
        self._retrieve = next(p for p in resource.operations if p.action is Action.RETRIEVE)
        self._rendered: dict[bool, Field | None] = {}
        self._described: Mapping[State, tuple[str, Making]] = {} if resource.events else self._webhooks()
        self._callbacks: dict[str, Making | None] = {}
        self._document.looks.clear()  # which the search for jobs in events has filled

    def event(self, scene: Scene, id: str, callback: str) -> Event | None:
        state, resource = scene.state, self._resource
        if state not in resource.words:
            return None
        word = resource.words[state]
        type = f"{resource.name}.{str(word).lower() if isinstance(word, bool) else word}"
        if resource.events:
            type = declared_event(resource, state)
            if not type:
                return None
        make: Making | None = None
        if resource.event_body is not None:
            make = self._declared
        elif callback:
            if callback not in self._callbacks:
                self._callbacks[callback] = self._of_callback(callback)
                self._document.looks.clear()
            make = self._callbacks[callback]
        elif state in self._described:
            type, make = self._described[state]
        told = Told(scene, id, type)
        body = (make or self._plainest)(told)
        return Event(id, type, orjson.dumps(body))

    def _plainest(self, told: Told) -> Any:
        body = {"type": told.type, "timestamp": rfc3339(told.scene.now), "data": self._job(told.scene)}
        view = self._retrieve.view
        if view is None or "id" not in view.fields:  # else nobody could tell which job it is
            body["id"] = told.scene.job.id
        return body

    def _declared(self, told: Told) -> Any:
        scene, text = told.scene, orjson.dumps(self._resource.event_body).decode()
        values: dict[str, Any] = {
            "event_id": told.id,
            "type": told.type,
            "id": scene.job.id,
            "status": self._resource.words.get(scene.state),
            "now": int(scene.now),
            "now_ms": int(scene.now * 1000),
            "instant": rfc3339(scene.now),
        }
        if "{job}" in text:
            values["job"] = self._job(scene)
        return fill_template(self._resource.event_body, values)

    # -- the job as it is retrieved -----------------------------------------------------------------

    def _job(self, scene: Scene) -> Any:
        """The job as the retrieve answer shows it, without what stands round it there."""
        part = self._retrieve
        is_over = part.ended is not None and scene.state is State.SUCCEEDED
        if is_over not in self._rendered:
            if is_over and part.ended is not None:
                media = part.ended.json_media()
                schema = media[1].get("schema") if media else None
                part = replace(part, action=Action.RESULT, view=None, answer=part.ended, schema=schema)
            self._rendered[is_over] = compile_answer(self._contract, self._resource, part, self._results)
        render = self._rendered[is_over]
        if render is None:
            return {"id": scene.job.id}
        body = orjson.loads(orjson.dumps(render(scene)))
        view = self._retrieve.view
        return body if view is None or is_over else dig(body, view.pointer)

    def _holds_job(self, schema: Any) -> JobOperation | None:
        """How the job is rendered by a schema that is its own, or looks like one of this kind."""
        return job_held(self._document, self._vocabulary, self._retrieve, schema)

    # -- what the contract describes ----------------------------------------------------------------

    def _webhooks(self) -> dict[State, tuple[str, Making]]:
        """The event of each end that the document's `webhooks` describe for this kind, with its name."""
        found: dict[State, tuple[str, Making]] = {}
        described = described_events(self._document, self._vocabulary, self._contract.resources, self._resource)
        for end, event in described.items():
            with suppress(DocumentError):
                makes, _ = self._making(event.schema, "", 0)
                if makes is not None:
                    found[end] = event.type, makes
        return found

    def _of_callback(self, key: str) -> Making | None:
        """The body of one of an operation's callbacks; None if nothing is said of it."""
        for operation in (part.operation for part in self._resource.operations):
            for name, _, item in callback_items(self._document, operation):
                if key == callback_key(operation, name):
                    with suppress(DocumentError):
                        schema = schema_sent(self._document, item)
                        return None if schema is None else self._making(schema, "", 0)[0]
        return None

    def _means(self, role: str, name: str) -> bool:
        return self._vocabulary.rank("callbacks", role, name) is not None

    def _making(self, schema: Any, name: str, level: int) -> tuple[Making | None, bool]:
        """What an event, or an object in it, is made by, and whether the job is in it."""
        part = self._holds_job(schema)
        if part is not None:
            render = compile_answer(self._contract, self._resource, part, self._results)
            if render is None:
                return None, False
            return self._with_name(schema, part, render) if level == 0 else lambda told: render(told.scene), True
        shape = union_of(self._document, schema)
        if not shape.is_object or level >= MAX_LEVELS:
            return None, False
        inner: dict[str, tuple[Making | None, bool]] = {}
        for key, sub in shape.properties.items():
            if union_of(self._document, sub).is_object:
                inner[key] = self._making(sub, key, level + 1)
        has_job = any(found for _, found in inner.values())
        entries: list[tuple[str, Making]] = []
        for key, sub in shape.properties.items():
            if key in inner:
                made, is_job = inner[key]
                if made is not None and (is_job or key in shape.required):
                    entries.append((key, made))
                continue
            made = self._value(key, shape_of(self._document, sub), key in shape.required, level == 0 and has_job)
            if made is not None:
                entries.append((key, made))
                has_job = has_job or (level > 0 and self._vocabulary.rank("roles", "id", key) is not None)
        return lambda told: {key: make(told) for key, make in entries}, has_job

    def _with_name(self, schema: Any, part: JobOperation, render: Field) -> Making:
        """A job that is an event as well: its fields for the event's name and id are filled in."""
        roles = {p[0] for pointers in (part.view.fields.values() if part.view else ()) for p in pointers if p}
        properties = union_of(self._document, schema).properties
        extra: dict[str, Making] = {}
        for name, sub in properties.items():
            shape = shape_of(self._document, sub)
            free = not shape.constants and "string" in (shape.types or ("string",))
            if name not in roles and free and self._means("type", name):
                extra[name] = lambda told: told.type
            elif name not in roles and free and self._means("event id", name):
                extra[name] = lambda told: told.id
        if not extra:
            return lambda told: render(told.scene)
        return lambda told: {
            **orjson.loads(orjson.dumps(render(told.scene))),
            **{name: make(told) for name, make in extra.items()},
        }

    def _value(self, name: str, shape: Shape, required: bool, is_outside: bool) -> Making | None:
        """A plain field of an event, by what it is called; `is_outside`: the job stands in another field."""
        rank = self._vocabulary.rank
        constants = tuple(shape.constants or ())
        if len(constants) == 1:
            only = constants[0]
            return lambda told: only
        if rank("roles", "status", name) is not None:
            words = self._resource.words
            return lambda told: as_type(words.get(told.scene.state), shape)
        if self._means("type", name):
            if not constants:
                return lambda told: told.type
            by_state = {self._vocabulary.state(str(each)): each for each in reversed(constants)}
            first = constants[0]
            return lambda told: by_state.get(told.scene.state, told.type if told.type in constants else first)
        if self._means("event id", name) or (is_outside and plain(name) == "id"):
            return lambda told: told.id
        if rank("roles", "id", name) is not None or plain(name) == plain(f"{self._resource.name} id"):
            return lambda told: told.scene.job.id
        if self._is_instant(name):
            write = instant_writer(shape)
            return lambda told: write(told.scene.now)
        if not required:
            return None
        value = sample(self._document, shape.node)
        return lambda told: value

    def _is_instant(self, name: str) -> bool:
        places = ("created", "completed", "updated")
        known = any(self._vocabulary.rank("roles", role, name) is not None for role in places)
        return known or self._means("instant", name)


# -- addresses that a request names -----------------------------------------------------------------


def callbacks_of(
    contract: Contract, resource: JobResource, operation: Operation
) -> Callable[[Request, Inputs, Response], tuple[Callback, ...]] | None:
    """What finds the addresses in a request that starts a job; None if the contract gives it no place for one.

    A place is the one that `x-job` declares, else those of the operation's `callbacks`, else the fields and parameters
    that are called so.
    """
    places = address_places(contract.document, contract.vocabulary, resource, operation)
    finds = [
        _by_expression(place.expression, place.secret, place.key, frozenset(end.value for end in place.ends))
        if place.expression
        else _in_body(place.pointer, place.secret)
        for place in places
    ]
    if not finds:
        return None

    def search(request: Request, given: Inputs, response: Response) -> tuple[Callback, ...]:
        found: dict[tuple[str, frozenset[str]], Callback] = {}
        for find in finds:
            for callback in find(request, given, response):
                if callback.url:
                    found.setdefault((callback.url, callback.ends), callback)
        return tuple(found.values())[:MAX_CALLBACKS]

    return search


def _by_expression(expression: str, secret: Pointer | None, key: str, ends: frozenset[str]) -> Find:
    def find(request: Request, given: Inputs, response: Response) -> Iterator[Callback]:
        values = [_evaluated(each, request, given, response) for each in EXPRESSION.findall(expression)]
        if all(isinstance(value, (str, int)) and value != "" for value in values):
            rest = iter(values)
            signs = _at(given.body, secret) if secret else None
            signs = signs if isinstance(signs, str) and signs else None
            yield Callback(EXPRESSION.sub(lambda _: str(next(rest)), expression), signs, key, ends)

    return find


def _evaluated(expression: str, request: Request, given: Inputs, response: Response) -> Any:
    """The value of a runtime expression (OpenAPI 3.1, "Runtime Expressions"); None if there is none."""
    source, _, rest = expression[1:].partition(".")
    kind, _, name = rest.partition(".")
    if expression == "$url":
        return f"{request.site}{request.path}"
    if expression == "$method":
        return request.method
    if source == "request":
        if kind == "query":
            known = given.query.get(name)
            return known if known is not None else next(iter(parse_qs(request.query).get(name, ())), None)
        if kind == "path":
            return given.path.get(name)
        headers, body = request.headers, given.body
    elif source == "response":
        headers = dict(response.headers)
        body = orjson.loads(response.body) if rest.startswith("body") and response.body[:1] in (b"{", b"[") else None
    else:
        return None
    if kind == "header":
        value = headers.get(name.lower().encode("latin-1", "replace"))
        return None if value is None else value.decode("latin-1")
    if rest.startswith("body#"):
        return _at(body, tuple(pointer_tokens(rest[len("body#") :])))
    return body if rest == "body" else None


def _at(value: Any, tokens: Pointer) -> Any:
    for token in tokens:
        if isinstance(value, list):
            value = value[int(token)] if token.isdigit() and int(token) < len(value) else None
        else:
            value = value.get(token) if isinstance(value, dict) else None
    return value


def _in_body(place: Pointer, secret: Pointer | None) -> Find:
    def find(request: Request, given: Inputs, response: Response) -> Iterator[Callback]:
        value = _at(given.body, place)
        key = _at(given.body, secret) if secret else None
        for url in value if isinstance(value, list) else [value]:
            if isinstance(url, str):
                yield Callback(url.strip(), key if isinstance(key, str) and key else None)

    return find
