"""Answers about jobs: for each field of a response schema one small function of (job, now), compiled once."""

import re
from collections.abc import Callable, Set
from contextlib import suppress
from typing import Any

from mockserver.engine.conversion import as_type, converter, instant_writer
from mockserver.engine.fields import (
    MISSING,
    Constant,
    Field,
    Scene,
    Settled,
    by_state,
    constant,
    kept,
    object_field,
    only_in,
    or_absent,
)
from mockserver.engine.paging import Page, wants_url
from mockserver.engine.proving import Mends, proved
from mockserver.engine.results import ResultFacts
from mockserver.engine.sampling import Sampler, sample
from mockserver.errors import DocumentError
from mockserver.jobs.job import Job
from mockserver.jobs.lifecycle import TERMINAL, State, complete_words
from mockserver.jobs.paths import path_parameters
from mockserver.jobs.resource import Action, Contract, JobOperation, JobResource, Pointer, View
from mockserver.jobs.statuses import own_words
from mockserver.jobs.vocabulary import Vocabulary, plain
from mockserver.openapi.schema import Shape, Validator, forms_of, shape_of

MAX_CREATES = 4  # of one kind whose requests are tried on its answers
MAX_OBJECTS = 200  # in one answer; the largest published one seen has 120
MAX_LEVELS = 6  # objects inside the job; a schema that holds itself is cut off there
MAX_ASSET_LEVELS = 4  # a result that is nested deeper holds no link that a client would find
_ALWAYS_THERE = {"id", "status", "progress", "created"}


def compile_answer(contract: Contract, resource: JobResource, part: JobOperation, results: ResultFacts) -> Field | None:
    """The body of an operation's success answer as a function of a scene; None if it has no JSON body."""
    if part.schema is None:
        return None
    media = part.answer.json_media() if part.answer else None
    examples = contract.document.examples(media[1]) if media else []
    example = next(iter(examples), MISSING)

    samples: dict[int, tuple[Any, Any]] = {}

    def compile_with(mends: Mends) -> tuple[Field, Set[Pointer]]:
        compiler = _Compiler(contract, resource, part, results, example, mends, samples)
        return compiler.body(part.schema), compiler.reached

    return proved(contract.document, resource, part, _sampled_inputs(contract, resource), compile_with)


def _sampled_inputs(contract: Contract, resource: JobResource) -> list[dict[str, Any]]:
    """What jobs of a kind may be asked for: nothing, and a made-up request of each create."""
    found: list[dict[str, Any]] = [{}]
    for part in [p for p in resource.operations if p.action in (Action.CREATE, Action.FOLLOW_UP)][:MAX_CREATES]:
        for media in list(part.operation.body.values())[:1]:
            hints = contract.document.examples(media)
            sampler = Sampler(contract.document, media.get("schema") or {}, hints=hints, direction="request")
            with suppress(DocumentError):
                body = sampler.draw()
                found.append({k: v for k, v in body.items() if v is not None} if isinstance(body, dict) else {})
    return found


def compile_headers(contract: Contract, resource: JobResource, part: JobOperation) -> list[tuple[bytes, Field]]:
    """The declared headers of an answer that tell a job's id or where to poll it."""
    declared = part.answer.raw.get("headers") if part.answer else None
    found: list[tuple[bytes, Field]] = []
    retrieve = resource.first(Action.RETRIEVE)
    for name in declared if isinstance(declared, dict) else ():
        if not (name.isascii() and name.isprintable()):
            continue
        if contract.vocabulary.rank("answer headers", "poll url", name) is not None and retrieve:
            found.append((name.lower().encode(), link_to(contract, resource, retrieve)))
        elif retrieve and retrieve.id_place and plain(name).endswith(plain(retrieve.id_place.pointer[-1])):
            found.append((name.lower().encode(), id_field(resource)))
    return found


def id_field(resource: JobResource) -> Field:
    """A job's id as answers write it: alone, or as a resource name."""
    if resource.id_text == "{id}":
        return lambda scene: scene.job.id
    write = filler(resource.id_text)
    return lambda scene: write(scene.job)


def link_to(contract: Contract, resource: JobResource, part: JobOperation) -> Field:
    """The absolute URL of an operation on a job."""
    path = f"{contract.document.base_path}{part.operation.path}"
    place = part.id_place
    if place and place.place == "path":
        whole = resource.id_text if "/" in resource.id_text and path.endswith(f"/{{{place.pointer[0]}}}") else "{id}"
        is_named = whole != "{id}" and whole.split("/")[0] not in path.split("/")
        path = path.replace(f"{{{place.pointer[0]}}}", whole if is_named else "{id}")
    elif place and place.place == "query":
        path = f"{path}?{place.pointer[0]}={{id}}"
    write = filler(path)
    return lambda scene: f"{scene.site}{write(scene.job)}"


def filler(template: str) -> Callable[[Job], str]:
    """Fills `{id}` and names of path parameters into a text: those that the job was created with, else their names."""
    pieces = re.split(r"\{([^{}]+)\}", template)

    def fill(job: Job) -> str:
        out = []
        for number, piece in enumerate(pieces):
            if number % 2 == 0:
                out.append(piece)
            else:
                out.append(job.id if piece == "id" else str(job.inputs.get(f"{{{piece}}}", piece)))
        return "".join(out)

    return fill


def request_properties(contract: Contract, resource: JobResource) -> dict[str, list[str]]:
    """The top-level fields of the requests that start jobs, by their plain name."""
    names: dict[str, list[str]] = {}
    for part in resource.operations:
        if part.action in (Action.CREATE, Action.FOLLOW_UP):
            for media in part.operation.body.values():
                for name in _all_properties(shape_of(contract.document, media.get("schema"))):
                    known = names.setdefault(plain(name), [])
                    if name not in known:
                        known.append(name)
            for name in path_parameters(part.operation.path):  # kept in braces: a body may have a field of that name
                names.setdefault(plain(name), []).append(f"{{{name}}}")
    return names


def _all_properties(shape: Shape) -> list[str]:
    return [*shape.properties, *(n for b in shape.branches for n in b.properties)]


class _Compiler:
    """Compiles one answer. Pointers are absolute in the body; below the view's pointer fields belong to a job."""

    def __init__(
        self,
        contract: Contract,
        resource: JobResource,
        part: JobOperation,
        results: ResultFacts,
        example: Any,
        mends: Mends,
        samples: dict[int, tuple[Any, Any]],
    ) -> None:
        self.mends = mends
        self.objects = 0
        self.samples = samples
        self.reached: set[Pointer] = set()  # the places that can be mended
        self._validators: dict[int, Validator] = {}  # by the identity of the shape, which the document keeps
        self.contract = contract
        self.document = contract.document
        self.vocabulary = contract.vocabulary
        self.resource = resource
        self.action = part.action
        self.view = part.view or View((), {}, {}, {})
        self.results = results
        self.example = example
        self.requested = request_properties(contract, resource)
        self.roles = {pointer: role for role, pointers in self.view.fields.items() for pointer in pointers}
        self.above: list[str] = []  # the schemas that the object being compiled stands in
        retrieve = resource.first(Action.RETRIEVE)
        self.phases = self.view.phases or (retrieve.view.phases if retrieve and retrieve.view else {})
        self.words = complete_words(dict(self.view.words)) if self.view.words else dict(resource.words)
        for state, word in resource.words.items():
            self.words.setdefault(state, word)
        spare = self.words.get(State.RUNNING) or next(iter(self.words.values()), "")
        for state in State:  # where the contract has no word for an end, the job is never seen to end
            self.words.setdefault(state, spare)

    def _sample(self, node: Any) -> Any:
        """A sample of a schema, made once for an operation; the node is kept beside it, so that its id is its own."""
        known = self.samples.get(id(node))
        if known is None:
            known = self.samples[id(node)] = node, sample(self.document, node)
        return known[1]

    # -- the way down to the job --------------------------------------------------------------------

    def body(self, schema: Any) -> Field:
        if self.action is Action.RESULT and not self.view.fields:  # nothing is known of it but that it is the result
            shape = shape_of(self.document, schema)
            return self._asset(shape, "", 1) or constant(self._sample(schema))
        return self._envelope(schema, ())

    def _envelope(self, schema: Any, pointer: Pointer) -> Field:
        """What stands round the job: constants, paging, and on the way down the job itself."""
        way = self.view.pointer
        if pointer == way:
            build = self._forms(schema, ())
            return build if self.action in (Action.CREATE, Action.FOLLOW_UP) else kept(build)
        shape = self._form_on_the_way(schema, way[len(pointer)])
        if shape.is_array and way[: len(pointer) + 1] == (*pointer, "*"):
            item = self._envelope(shape.items, (*pointer, "*"))
            return self._items(item) if self.action is Action.LIST else lambda scene: [item(scene)]
        entries: list[tuple[str, Field]] = []
        for name, sub in shape.properties.items():
            inner = shape_of(self.document, sub)
            here = (*pointer, name)
            if way[: len(here)] == here:
                entries.append((name, self._envelope(sub, here)))
            elif field := self._mended(self._surrounding(name, inner, here, name in shape.required), here, sub):
                entries.append((name, field))
        return object_field(entries)

    def _mended(self, field: Field | None, place: Pointer, schema: Any) -> Field | None:
        """A field with sampled values in the states in which the schema does not allow its own; see proving.py."""
        if self.roles.get(place[len(self.view.pointer) :]) == "id":
            return field  # without it, or with a made-up one, nothing can be read
        self.reached.add(place)
        states = self.mends.get(place)
        if not states:
            return field
        value: Any = MISSING
        with suppress(DocumentError):
            value = Sampler(self.document, schema, vocabulary=self.vocabulary, name=place[-1], lean=True).draw()
        instead = {state: value if step == 0 else MISSING for state, step in states.items()}
        own = field or constant(MISSING)
        return Settled(lambda scene: instead[scene.state] if scene.state in instead else own(scene), instead)

    def _form_on_the_way(self, schema: Any, token: str) -> Shape:
        """The form of a schema that leads on to the job."""
        forms = forms_of(self.document, schema)
        leading = (f for f in forms if (f.is_array if token == "*" else token in f.properties))
        return next(leading, shape_of(self.document, schema))

    def _forms(self, schema: Any, pointer: Pointer) -> Field:
        """An object of the job. Where its schema has several forms, each state has the one that suits it best."""
        forms = [form for form in forms_of(self.document, schema) if form.is_object]
        if len(forms) < 2:
            return self._object(forms[0] if forms else shape_of(self.document, schema), pointer)
        tagged = self._is_tagged(schema, pointer)
        chosen = {
            state: max(range(len(forms)), key=lambda n: self._fitness(forms[n], state, pointer, tagged))
            for state in State
        }
        built = {number: self._object(forms[number], pointer) for number in sorted(set(chosen.values()))}
        if len(built) == 1:
            return next(iter(built.values()))
        return by_state({state: built[number] for state, number in chosen.items()})

    def _is_tagged(self, schema: Any, pointer: Pointer) -> bool:
        """Whether a field other than the status tells the forms of a schema apart: then none is the form of an end."""
        discriminator = shape_of(self.document, schema).get("discriminator")
        name = discriminator.get("propertyName") if isinstance(discriminator, dict) else None
        return isinstance(name, str) and (*pointer, name) not in self.view.fields.get("status", ())

    def _fitness(self, form: Shape, state: State, pointer: Pointer, tagged: bool) -> float:
        """How well a form suits a state: by the status words that it allows, then by its other fields."""
        fit = 0.0
        for role, role_pointers in self.view.fields.items():
            for place in role_pointers:
                if place[: len(pointer)] != pointer or len(place) <= len(pointer):
                    continue
                sub = form.properties.get(place[len(pointer)])
                if role == "status" and len(place) == len(pointer) + 1:
                    inner = shape_of(self.document, sub) if sub is not None else None
                    allowed = [c for f in (inner, *inner.branches) for c in f.constants or ()] if inner else []
                    fit += (
                        0.0
                        if inner is None
                        else 2.0
                        if not allowed
                        else 4.0
                        if self._word(state, allowed) in allowed
                        else -4.0
                    )
                elif role == "id":
                    fit += 1.0 if sub is not None else 0.0
                elif tagged:
                    continue
                elif role in ("result", "error") and (state is State.SUCCEEDED) == (role == "result"):
                    fit += 0.5 if sub is not None and state in TERMINAL else 0.0
                elif role in ("result", "error") and place[-1] in form.required:
                    fit -= 0.5  # it cannot be there yet
        return fit

    def _word(self, state: State, allowed: list[Any]) -> Any:
        """The word for a state, of those that are allowed where there are such."""
        told = self.phases.get(state, ())
        return next((word for word in told if word in allowed), self.words[state])

    @staticmethod
    def _items(item: Field) -> Field:
        def items(scene: Scene) -> list[Any]:
            assert scene.page is not None
            out = []
            for job in scene.page.jobs:
                scene.show(job)
                out.append(item(scene))
            return out

        return items

    def _surrounding(self, name: str, shape: Shape, pointer: Pointer, required: bool) -> Field | None:
        paging = {
            "first id": lambda s: s.page.first_id,
            "last id": lambda s: s.page.last_id,
            "has more": lambda s: s.page.has_more,
            "next": _onward(self.vocabulary, name, shape, lambda p: p.next, lambda p: p.next_url),
            "previous": _onward(self.vocabulary, name, shape, lambda p: p.previous, lambda p: p.previous_url),
            "total": lambda s: s.page.total,
            "pages": lambda s: s.page.pages,
            "page number": lambda s: s.page.number,
            "page size": lambda s: s.page.size,
        }
        if self.action is Action.LIST and shape.is_object and self._tells_of_pages(shape):
            inner = {n: shape_of(self.document, sub) for n, sub in shape.properties.items()}
            fields = {n: self._surrounding(n, s, (*pointer, n), n in shape.required) for n, s in inner.items()}
            return object_field([(n, field) for n, field in fields.items() if field])
        if self.action is Action.LIST and _types(shape):
            for role, field in paging.items():
                if self.vocabulary.rank("paging", role, name) is not None and _fits_paging(role, shape):
                    spare = (
                        constant("" if "string" in _types(shape) else 0) if required and not shape.nullable else None
                    )
                    return or_absent(field, shape.nullable, spare)
        if self.vocabulary.rank("envelope", "request id", name) is not None:
            return lambda scene: scene.request_id.decode()
        example = _dig(self.example, pointer)
        if shape.constants:
            return constant(example if example in shape.constants else shape.constants[0])
        if self.vocabulary.rank("envelope", "timestamp", name) is not None and required:
            return self._instant(shape, lambda scene: scene.now)
        if example is not MISSING and not shape.is_object and not shape.is_array:
            return constant(example)
        return self._leftover(shape, required)

    def _tells_of_pages(self, shape: Shape) -> bool:
        roles = self.vocabulary.ranks["paging"]
        return any(
            self.vocabulary.rank("paging", role, name) is not None for role in roles for name in shape.properties
        )

    # -- the job ------------------------------------------------------------------------------------

    def _object(self, shape: Shape, pointer: Pointer) -> Field:
        entries: list[tuple[str, Field]] = []
        self.objects += 1
        if self.objects > MAX_OBJECTS:  # a few schemas that hold each other can mean millions
            return constant(self._sample(shape.node)) if shape.required else object_field(entries)
        self.above.append(shape.name)
        for name, sub in shape.properties.items():
            inner = shape_of(self.document, sub)
            required = name in shape.required
            if inner.name and inner.name in self.above and not required:
                continue  # a job inside the job: nothing is known of it
            here = (*pointer, name)
            if field := self._mended(self._field(name, inner, here, required, sub), (*self.view.pointer, *here), sub):
                entries.append((name, field))
        self.above.pop()
        entries += [(name, constant(None)) for name in sorted(shape.required - shape.properties.keys())]  # undescribed
        return object_field(entries)

    def _field(self, name: str, shape: Shape, pointer: Pointer, required: bool, schema: Any) -> Field | None:
        """Where a field of the job comes from; None if it never appears."""
        field = self._source(name, shape, pointer, required, schema)
        states = self.resource.only_in.get(pointer)
        if field is None or states is None:
            return field
        return or_absent(only_in(states, field), shape.nullable and required)

    def _source(self, name: str, shape: Shape, pointer: Pointer, required: bool, schema: Any) -> Field | None:
        role = self.roles.get(pointer)
        if role == "result" and plain(name) in self.requested and self.vocabulary.rank("asset", "url", name) is None:
            role = None  # what was asked for, under the same name
        if role and (maker := getattr(self, f"_role_{role.replace(' ', '_')}", None)):
            made: Field | None = maker(shape) if role != "result" else self._role_result(shape, name)
            if made is None or role in _ALWAYS_THERE:
                return made
            return or_absent(made, shape.nullable and required, self._stand_in(role, shape, required))
        if self.action is Action.DELETE and self.vocabulary.rank("envelope", "deleted", name) is not None:
            return constant(True) if "boolean" in shape.types else self._leftover(shape, required)
        if echo := self._echo(name, shape, pointer, required):
            return echo
        if shape.constants and len(shape.constants) == 1:
            return constant(shape.constants[0])
        holds_role = any(role_pointer[: len(pointer)] == pointer for role_pointer in self.roles)
        if shape.is_object and shape.properties and len(pointer) < MAX_LEVELS and (holds_role or not shape.nullable):
            inner = self._forms(schema, pointer)
            if isinstance(inner, Constant) and not required:
                return None  # all of it would be made up
            return inner if required else or_absent(lambda scene: inner(scene) or None, False)
        return self._leftover(shape, required)

    def _leftover(self, shape: Shape, required: bool) -> Field | None:
        """A field about which nothing is known: null if it may be, a sample if it must be, else absent."""
        if self.action is Action.RESULT:  # all of it is the result
            return constant(self._sample(shape.node))
        if not required:
            return None
        return constant(None) if shape.nullable else constant(self._sample(shape.node))

    def _stand_in(self, role: str, shape: Shape, required: bool) -> Field | None:
        """What a required field that may not be null says while there is nothing to say."""
        if not required or shape.nullable:
            return None
        if role in ("started", "completed", "updated", "expires", "created"):
            write = instant_writer(shape)
            return lambda scene: write(scene.job.timeline.created)
        return constant(self._sample(shape.node))

    def _role_id(self, shape: Shape) -> Field:
        if "string" not in shape.types and "integer" in shape.types:
            return lambda scene: int(scene.job.id) if scene.job.id.isdigit() else 0
        return id_field(self.resource)

    def _role_source(self, shape: Shape) -> Field:
        return lambda scene: scene.job.source

    def _role_status(self, shape: Shape) -> Field:
        allowed = [c for form in (shape, *shape.branches) for c in form.constants or ()]
        words = {state: as_type(self._word(state, allowed), shape) for state in self.words}
        several = [w for w in self.phases.get(State.RUNNING, ()) if not allowed or w in allowed]
        if len(several) < 2 or several[0] != words[State.RUNNING]:
            return Settled(lambda scene: words[scene.state], words)
        settled: dict[State, Any] = {state: words[state] for state in words if state is not State.RUNNING}
        steps = [as_type(word, shape) for word in several]

        def field(scene: Scene) -> Any:
            """A running job goes through all words that mean so, in the contract's order."""
            if scene.state is not State.RUNNING:
                return words[scene.state]
            return steps[min(scene.progress * len(steps) // 100, len(steps) - 1)]

        return Settled(field, settled)

    def _role_outcome(self, shape: Shape) -> Field | None:
        """How a job ended, where that is told beside its status: null until it has."""
        words = own_words(self.vocabulary, "", shape)
        if words is None or not set(words.phases) & TERMINAL:
            return None
        spare = words.by_state.get(State.FAILED)
        ends = {state: words.by_state.get(state, spare) for state in TERMINAL}
        told = {state: ends.get(state) for state in State}
        return Settled(lambda scene: told[scene.state], told)

    def _role_done(self, shape: Shape) -> Field:
        return Settled(lambda scene: scene.state in TERMINAL, {state: state in TERMINAL for state in State})

    def _role_poll_url(self, shape: Shape) -> Field | None:
        part = self.resource.first(Action.RETRIEVE)
        return link_to(self.contract, self.resource, part) if part else None

    def _role_cancel_url(self, shape: Shape) -> Field | None:
        part = self.resource.first(Action.CANCEL)
        return link_to(self.contract, self.resource, part) if part else None

    def _role_result_link(self, shape: Shape) -> Field | None:
        part = self.resource.first(Action.RESULT) or self.resource.first(Action.CONTENT)
        part = part or self.resource.first(Action.RETRIEVE)
        return link_to(self.contract, self.resource, part) if part else None

    def _role_progress(self, shape: Shape) -> Field:
        write: Callable[[int], Any] = lambda percent: percent  # noqa: E731
        if not ({"integer", "number"} & set(shape.types)) and "string" in shape.types:
            sign = "%" if "%" in str(shape.get("example") or "%") else ""
            write = lambda percent: f"{percent}{sign}"  # noqa: E731
        elif shape.get("maximum") in (1, 1.0) and "integer" not in shape.types:
            write = lambda percent: percent / 100  # noqa: E731
        return Settled(lambda scene: write(scene.progress), {State.QUEUED: write(0), State.SUCCEEDED: write(100)})

    def _role_created(self, shape: Shape) -> Field:
        write = instant_writer(shape)
        return lambda scene: write(scene.job.timeline.created)

    def _role_started(self, shape: Shape) -> Field:
        field = self._instant(shape, lambda scene: scene.job.timeline.started_at(scene.now))
        return only_in(set(State) - {State.QUEUED}, field)

    def _role_completed(self, shape: Shape) -> Field:
        return only_in(TERMINAL, self._instant(shape, lambda scene: scene.job.timeline.ended_at(scene.now)))

    def _role_updated(self, shape: Shape) -> Field:
        return self._instant(shape, lambda scene: scene.job.timeline.changed_at(scene.now))

    def _role_expires(self, shape: Shape) -> Field:
        return only_in({State.SUCCEEDED}, self._instant(shape, lambda scene: scene.job.timeline.expires))

    def _role_error(self, shape: Shape) -> Field:
        return only_in(TERMINAL - {State.SUCCEEDED}, self._error(shape, ""))

    def _error(self, shape: Shape, name: str) -> Field:
        """What an error says: an object of its parts, a list of one, a text, or one of the words that are allowed."""
        if shape.is_object:
            return self._failure(shape)
        if shape.is_array:
            item = self._error(shape_of(self.document, shape.items or {}), name)
            return lambda scene: [item(scene)]
        message = self.resource.failure.get("message", "The job failed.")
        if shape.constants or (shape.types and "string" not in shape.types):
            return constant(self._sample(shape.node))
        return lambda scene: message if scene.job.failure is None else scene.job.failure.get("message", message)

    def _failure(self, shape: Shape) -> Field:
        """The error of a failed job: declared values, then the schema's examples, then plain words."""
        entries: list[tuple[str, Field]] = []
        for name, sub in shape.properties.items():
            inner = shape_of(self.document, sub)
            value = self.resource.failure.get(name, inner.get("example"))
            is_open = not inner.constants and (not inner.types or "string" in inner.types)
            if value is None and is_open and self.vocabulary.rank("error", "message", name) is not None:
                value = "The job failed."
            if value is None and is_open and self.vocabulary.rank("error", "code", name) is not None:
                value = "generation_failed"
            if value is not None:
                entries.append((name, _told(name, value, inner)))
            elif field := self._leftover(inner, name in shape.required):
                entries.append((name, field))
        return object_field(entries)

    def _role_thumbnail(self, shape: Shape) -> Field:
        return only_in({State.SUCCEEDED}, lambda scene: self.results.still_url(scene.job, scene.site))

    def _role_result(self, shape: Shape, name: str) -> Field:
        return only_in({State.SUCCEEDED}, self._asset(shape, name, 0) or constant(self._sample(shape.node)))

    def _asset(self, shape: Shape, name: str, level: int) -> Field | None:
        """One result: a link, or an object or array in which there is one; None if there is none.

        `name` is that of the field that it stands in: `images` holds pictures.
        """
        if level > MAX_ASSET_LEVELS:
            return None
        if shape.is_array:
            item = self._asset(shape_of(self.document, shape.items or {}), name, level + 1)
            return (lambda scene: [item(scene)]) if item else None
        if not shape.is_object:
            is_link = level == 0 or (("string" in shape.types or not shape.types) and self._may_link(name))
            return self._link_of(name) if is_link and not self._is_text(name, shape) else None
        extra = shape.get("additionalProperties")
        if not shape.properties and isinstance(extra, dict):  # a map of results by a name of the service's choice
            one = self._asset(shape_of(self.document, extra), name, level + 1)
            return (lambda scene: {"main": one(scene)}) if one else None
        entries: list[tuple[str, Field]] = []
        has_link = False
        for key, sub in shape.properties.items():
            inner = shape_of(self.document, sub)
            link = self._link(key, inner, name, level)
            has_link = has_link or link is not None
            if field := link or self._beside_link(key, inner, key in shape.required):
                entries.append((key, field))
        return object_field(entries) if has_link else None

    def _may_link(self, name: str) -> bool:
        """Whether what a field of this name holds inside a result may be a link."""
        kinds = (("roles", "result"), ("asset", "url"), ("asset", "picture"), ("asset", "sound"))
        return not name or any(self.vocabulary.rank(section, kind, name) is not None for section, kind in kinds)

    def _link(self, key: str, shape: Shape, name: str, level: int) -> Field | None:
        """The link that a property of a result is, or holds."""
        if shape.is_object or shape.is_array:
            return self._asset(shape, key, level + 1)
        if self.vocabulary.rank("roles", "thumbnail", key) is not None:
            return lambda scene: self.results.still_url(scene.job, scene.site)
        if self.vocabulary.rank("asset", "url", key) is not None and "string" in shape.types:
            telling = any(self.vocabulary.rank("asset", kind, key) is not None for kind in ("picture", "sound"))
            return self._link_of(key if telling else name)
        return None

    def _is_text(self, name: str, shape: Shape) -> bool:
        """Whether a result is no link but words, a number, or the id of something."""
        if shape.types and "string" not in shape.types:
            return True
        form = shape.get("format")
        if form in ("uri", "url", "uri-reference"):
            return False
        if form or shape.constants:
            return True
        return self.vocabulary.rank("asset", "text", name) is not None or self.vocabulary.ends_like("id", name)

    def _link_of(self, name: str) -> Field:
        """A link to the video, or to a picture or a sound if the field is called so."""
        if self.vocabulary.rank("asset", "sound", name) is not None:
            suffix = "mp3" if "mp3" in plain(name) else "wav"
            return lambda scene: self.results.sound_url(scene.job, scene.site, suffix)
        if self.vocabulary.rank("asset", "picture", name) is not None:
            return lambda scene: self.results.still_url(scene.job, scene.site)
        return lambda scene: self.results.video_url(scene.job, scene.site)

    def _beside_link(self, name: str, shape: Shape, required: bool) -> Field | None:
        if self.vocabulary.rank("asset", "bytes", name) is not None:
            return lambda scene: self.results.video_bytes(scene.job)
        if self.vocabulary.rank("asset", "media type", name) is not None and "string" in shape.types:
            known = [str(word) for word in shape.constants or ()]
            usual = "video/mp4" if "mime" in plain(name) or "type" in plain(name) else "mp4"
            if known and usual not in known:
                return lambda scene: self.results.word_for(scene.job, known)
            return constant(usual)
        pointer = (*next(iter(self.view.fields.get("result", ())), ()), "*", name)
        return self._echo(name, shape, pointer, required) or self._leftover(shape, required)

    # -- what was asked for -------------------------------------------------------------------------

    def _echo(self, name: str, shape: Shape, pointer: Pointer, required: bool) -> Field | None:
        """The request's field of the same name, or of the declared one, in the type that the answer wants."""
        declared = next((s for to, s in self.resource.echo.items() if _same_place(to, pointer)), None)
        names = self.requested.get(plain(name)) or self._same_meaning(name)
        places = [declared] if declared else [(requested,) for requested in names]
        if not places:
            return None
        convert, exact = converter(shape)
        null_allowed = shape.nullable or required
        fallback = None if shape.nullable or not required else self._sample(shape.node)
        if fallback is None and not null_allowed:
            fallback = MISSING

        allowed = shape.constants if not shape.branches else None
        is_plain = exact not in (list, dict)

        def fitting(value: Any) -> Any:
            if type(value) is not exact:
                value = None if value is None or value is MISSING else convert(value)
            if not is_plain and value is not None and not self._allows(shape, value):
                return None
            return value if value is not None and (allowed is None or value in allowed) else None

        def search(scene: Scene) -> Any:
            values = (fitting(_dig(scene.job.inputs, place)) for place in places)
            return next((value for value in values if value is not None), fallback)

        first = places[0][0]
        if len(places) > 1 or len(places[0]) > 1:
            return search

        def echo(scene: Scene) -> Any:
            value = scene.job.inputs.get(first)
            if type(value) is exact and is_plain and (allowed is None or value in allowed):
                return value
            value = fitting(value)
            return fallback if value is None else value

        return echo

    def _allows(self, shape: Shape, value: Any) -> bool:
        """Whether a field of an answer may hold a list or an object of a request."""
        try:
            validator = self._validators.get(id(shape)) or Validator(self.document, shape.node, "response")
        except DocumentError:
            return True
        self._validators[id(shape)] = validator
        return validator.is_valid(value)

    def _same_meaning(self, name: str) -> list[str]:
        """Request fields that mean the same under another name (`duration` for `seconds`)."""
        for role in ("length", "model", "prompt"):
            if self.vocabulary.rank("inputs", role, name) is not None:
                words = self.vocabulary.ranks["inputs"][role]
                return [n for key, names in self.requested.items() if key in words for n in names]
        return []

    def _instant(self, shape: Shape, instant: Callable[[Scene], float | None]) -> Field:
        """An instant in the form that the schema wants; null where there is none."""
        write = instant_writer(shape)

        def field(scene: Scene) -> Any:
            at = instant(scene)
            return None if at is None else write(at)

        return field


def _fits_paging(role: str, shape: Shape) -> bool:
    types = set(_types(shape))
    if role in ("next", "previous"):
        return bool({"string", "integer"} & types)
    wanted = {"has more": "boolean", "first id": "string", "last id": "string"}.get(role)
    return wanted in types if wanted else bool({"integer", "number"} & types)


def _types(shape: Shape) -> tuple[str, ...]:
    """The types of a schema, or of its branches."""
    return tuple(shape.types) or tuple(kind for branch in shape.branches for kind in branch.types)


def _onward(
    vocabulary: Vocabulary, name: str, shape: Shape,
    value: Callable[[Page], str | None], url: Callable[[Page], str | None],
) -> Field:  # fmt: skip
    """A field that leads to another page: by the value of a parameter, or by its whole URL."""
    as_number = "string" not in _types(shape)
    told = url if not as_number and wants_url(vocabulary, name, shape) else value

    def field(scene: Scene) -> Any:
        assert scene.page is not None
        found = told(scene.page)
        if as_number and found is not None:
            return int(found) if found.isdecimal() else None
        return found

    return field


def _same_place(declared: Pointer, pointer: Pointer) -> bool:
    return len(declared) == len(pointer) and all(
        d in (p, "*") or p == "*" for d, p in zip(declared, pointer, strict=True)
    )


def _dig(value: Any, pointer: Pointer) -> Any:
    for token in pointer:
        if not isinstance(value, dict) or token not in value:
            return MISSING
        value = value[token]
    return value


def _told(name: str, usual: Any, shape: Shape) -> Field:
    """A field of an error: what the job's scenario says of it, if that may stand there, else what is usual."""

    def told(scene: Scene) -> Any:
        failure = scene.job.failure
        if failure is None or name not in failure:
            return usual
        value = failure[name]
        fits = value in shape.constants if shape.constants else isinstance(value, type(usual))
        return value if fits else usual

    return told
