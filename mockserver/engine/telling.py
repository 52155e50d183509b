"""The event of a job's end, as the contract has it; and the addresses that a request names to be told of it.

What `x-job` declares comes first, then what the operation's `callbacks` or the document's `webhooks` describe, then an
event of its type, its time and the job as it is retrieved.
"""

import re
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
from mockserver.jobs.job import Job
from mockserver.jobs.lifecycle import TERMINAL, State
from mockserver.jobs.resource import Action, Contract, JobOperation, JobResource, Pointer, dig
from mockserver.jobs.views import find_view
from mockserver.jobs.vocabulary import Vocabulary, plain
from mockserver.message import Request, Response
from mockserver.openapi.document import Document, Operation, is_json, pointer_tokens
from mockserver.openapi.schema import Shape, reference_of, shape_of, union_of
from mockserver.sandbox.outbox import MAX_CALLBACKS, Callback, Event

MAX_LEVELS = 4  # objects inside an event; one that holds itself is cut off there
_METHODS = ("post", "put", "patch")  # by which a callback or a webhook is sent; all are sent with POST
_EXPRESSION = re.compile(r"\{(\$[^{}]+)\}")

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
            same = (name for other, name in resource.events.items() if resource.words.get(other) == word)
            type = resource.events.get(state) or next(same, "")
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
        own = self._retrieve
        if own.schema is not None and _same(self._document, schema, own.schema):
            return own
        if own.view is not None and _same(self._document, schema, own.view.schema):
            return replace(own, schema=schema, view=replace(own.view, pointer=()), answer=None, ended=None)
        view = find_view(self._document, self._vocabulary, schema)
        if view is None or view.pointer or "id" not in view.fields or "status" not in view.fields or not view.words:
            return None
        return replace(own, schema=schema, view=view, answer=None, ended=None)

    # -- what the contract describes ----------------------------------------------------------------

    def _webhooks(self) -> dict[State, tuple[str, Making]]:
        """The event of each end that the document's `webhooks` describe for this kind, with its name."""
        root = self._document.root
        found: dict[State, tuple[str, Making]] = {}
        others = [plain(r.name) for r in self._contract.resources if r is not self._resource]
        for section in ("webhooks", "x-webhooks"):
            entries = root.get(section)
            for name, item in entries.items() if isinstance(entries, dict) else ():
                with suppress(DocumentError):
                    schema = self._schema_sent(self._document.resolve(item))
                    if schema is None:
                        continue
                    type = self._name_in(schema) or str(name)
                    state = self._vocabulary.state(type) or self._vocabulary.state(str(name))
                    is_named = plain(self._resource.name) in plain(f"{name} {type}")
                    if any(other in plain(f"{name} {type}") for other in others) and not is_named:
                        continue
                    makes, has_job = self._making(schema, "", 0)
                    if makes is None or not (is_named or has_job):
                        continue
                    for end in [state] if state else [s for s in State if s in TERMINAL]:
                        word = plain(str(self._resource.words.get(end)))
                        if end in TERMINAL and (end not in found or (state and plain(type).endswith(word))):
                            found[end] = type, makes
        for end, word in self._resource.words.items():  # an end that is called like another is told as that one
            same = (found[s] for s, w in self._resource.words.items() if w == word and s in found)
            if end in TERMINAL and end not in found and (known := next(same, None)):
                found[end] = known
        return found

    def _of_callback(self, key: str) -> Making | None:
        """The body of one of an operation's callbacks; None if nothing is said of it."""
        for operation in (part.operation for part in self._resource.operations):
            for name, _, item in _callback_items(self._document, operation):
                if key == f"{operation.name} {name}":
                    with suppress(DocumentError):
                        schema = self._schema_sent(item)
                        return None if schema is None else self._making(schema, "", 0)[0]
        return None

    def _schema_sent(self, item: Any) -> Any:
        """The schema of the JSON body that a path item sends."""
        operation = next((item[m] for m in _METHODS if m in item), None) if isinstance(item, dict) else None
        body = self._document.resolve(operation.get("requestBody")) if isinstance(operation, dict) else None
        content = body.get("content") if isinstance(body, dict) else None
        media = next((m for t, m in content.items() if is_json(str(t))), None) if isinstance(content, dict) else None
        return media.get("schema") if isinstance(media, dict) else None

    def _name_in(self, schema: Any) -> str:
        """The event's name, where its schema allows no other."""
        for name, sub in union_of(self._document, schema).properties.items():
            constants = shape_of(self._document, sub).constants or []
            if self._means("type", name) and len(constants) == 1 and isinstance(constants[0], str):
                return constants[0]
        return ""

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


def _same(document: Document, one: Any, other: Any) -> bool:
    """Whether two schemas are the same one."""
    return one is other or (reference_of(one) != "" and reference_of(one) == reference_of(other)) or (
        bool(name := shape_of(document, one).name) and name == shape_of(document, other).name
    )  # fmt: skip


# -- addresses that a request names -----------------------------------------------------------------


def callbacks_of(
    contract: Contract, resource: JobResource, operation: Operation
) -> Callable[[Request, Inputs, Response], tuple[Callback, ...]] | None:
    """What finds the addresses in a request that starts a job; None if the contract gives it no place for one.

    A place is the one that `x-job` declares, else those of the operation's `callbacks`, else the fields and parameters
    that are called so.
    """
    finds: list[Find]
    if resource.callback:
        finds = [_in_body(resource.callback, None)]
    else:
        finds = list(_described(contract, operation)) or list(_called_so(contract, operation))
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


def _callback_items(document: Document, operation: Operation) -> Iterator[tuple[str, str, Any]]:
    """The callbacks of an operation: name, expression of the address, path item."""
    declared = operation.raw.get("callbacks")
    for name, entry in declared.items() if isinstance(declared, dict) else ():
        with suppress(DocumentError):
            node = document.resolve(entry)
            for expression, item in node.items() if isinstance(node, dict) else ():
                if not str(expression).startswith("x-"):
                    yield str(name), str(expression), document.resolve(item)


def _described(contract: Contract, operation: Operation) -> Iterator[Find]:
    """What the operation's `callbacks` say: an address from the request, and of which ends it is told."""
    for name, expression, _ in _callback_items(contract.document, operation):
        state = contract.vocabulary.state(name)
        if state is not None and state not in TERMINAL:
            continue  # it tells of progress
        yield _by_expression(expression, f"{operation.name} {name}", frozenset({state.value} if state else ()))


def _by_expression(expression: str, key: str, ends: frozenset[str]) -> Find:
    whole = expression if not expression.startswith("$") else f"{{{expression}}}"

    def find(request: Request, given: Inputs, response: Response) -> Iterator[Callback]:
        values = [_evaluated(each, request, given, response) for each in _EXPRESSION.findall(whole)]
        if all(isinstance(value, (str, int)) and value != "" for value in values):
            rest = iter(values)
            yield Callback(_EXPRESSION.sub(lambda _: str(next(rest)), whole), None, key, ends)

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


def _called_so(contract: Contract, operation: Operation) -> Iterator[Find]:
    """Fields and parameters of a request whose names say that they take an address to call."""
    vocabulary = contract.vocabulary
    for parameter in operation.parameters:
        if parameter.place in ("query", "header") and vocabulary.rank("callbacks", "url", parameter.name) is not None:
            yield _by_expression(f"$request.{parameter.place}.{parameter.name}", "", frozenset())
    seen: set[Pointer] = set()
    for media in operation.body.values():
        shape = union_of(contract.document, media.get("schema"))
        secret = vocabulary.best("callbacks", "secret", list(shape.properties))
        for name, sub in shape.properties.items():
            if vocabulary.rank("callbacks", "url", name) is None:
                continue
            place, own = _place_of(contract.document, vocabulary, name, sub)
            if place and place not in seen:
                seen.add(place)
                yield _in_body(place, own or ((secret,) if secret else None))


def _place_of(document: Document, vocabulary: Vocabulary, name: str, schema: Any) -> tuple[Pointer, Pointer | None]:
    """Where the address stands in a field that is called so, and where its secret does."""
    shape = union_of(document, schema)
    if shape.is_object:
        inner = vocabulary.best("callbacks", "inner", list(shape.properties))
        secret = vocabulary.best("callbacks", "secret", list(shape.properties))
        return (name, inner) if inner else (), (name, secret) if secret else None
    types = {t for form in (shape, *shape.branches) for t in form.types}
    return ((name,) if not types or types & {"string", "array"} else ()), None


def _in_body(place: Pointer, secret: Pointer | None) -> Find:
    def find(request: Request, given: Inputs, response: Response) -> Iterator[Callback]:
        value = _at(given.body, place)
        key = _at(given.body, secret) if secret else None
        for url in value if isinstance(value, list) else [value]:
            if isinstance(url, str):
                yield Callback(url.strip(), key if isinstance(key, str) and key else None)

    return find
