"""A document as the rules of lint see it: its fields, its examples and its jobs, each with where it stands."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import orjson

from contract_tests.clauses import NOWHERE, Published, walk
from mockserver.errors import MockserverError
from mockserver.jobs.answers import Answers
from mockserver.jobs.declaration import read_declaration
from mockserver.jobs.lifecycle import State
from mockserver.jobs.resource import Action, Contract, JobOperation, View
from mockserver.jobs.vocabulary import Vocabulary, pieces
from mockserver.loading.providers import load_vocabulary
from mockserver.openapi.document import METHODS, Document, Node, Operation, is_json, pointer_text, pointer_tokens
from mockserver.openapi.schema import Shape, Validator, list_in, map_in, shape_of, union_of

MAX_DEPTH = 40  # of schemas in schemas
MAX_SCHEMAS = 60_000  # of one document; the largest published one seen has 30,000
TYPE_NAMES = {"string", "integer", "number", "boolean", "object", "array"}  # as values they are placeholders
_MAPS = ("properties", "patternProperties", "$defs", "definitions")
_LISTS = ("allOf", "anyOf", "oneOf", "prefixItems")
_SINGLE = ("items", "additionalProperties", "not")


@dataclass(frozen=True, slots=True, eq=False)
class Site:
    """A schema where it is written. `property` is its name if it is one; `holder` points at the schema that has it."""

    pointer: str
    node: Node
    property: str = ""
    holder: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Field:
    """A parameter or a property: what prose says of it (`text`, at `text_pointer`) and what its schema does.

    `holder` points at the object that has it ('' for a parameter); `node` is where bounds and enums would stand,
    `at` the pointer of that. `asked`: clients send it.
    """

    name: str
    pointer: str
    text: str
    text_pointer: str
    node: Node
    at: str
    shape: Shape
    asked: bool
    place: str = ""  # of a parameter: query, path, header
    holder: str = ""
    operation: str = ""

    @property
    def forms(self) -> tuple[Shape, ...]:
        return (self.shape, *self.shape.branches)

    @property
    def types(self) -> set[str]:
        return {kind for form in self.forms for kind in form.types}

    @property
    def is_number(self) -> bool:
        return bool(self.types) and self.types <= {"integer", "number"}

    @property
    def constants(self) -> list[Any]:
        """The values of its enums."""
        return list({str(c): c for form in self.forms for c in form.constants or ()}.values())

    @property
    def is_open(self) -> bool:
        """Whether values beside its enums are allowed."""
        branches = self.shape.branches or (self.shape,)
        return any(form.constants is None for form in branches)

    def says(self, key: str) -> Any:
        """A keyword of any of its forms, or None."""
        return next((form.get(key) for form in self.forms if form.get(key) is not None), None)


@dataclass(frozen=True, slots=True, eq=False)
class Example:
    """A published example. `of` says of what: a request, an answer, a schema by itself. `name` is its key, if any."""

    pointer: str
    value: Any
    schema: Any
    schema_pointer: str
    of: str
    name: str = ""
    operation: str = ""
    status: str = ""

    @property
    def direction(self) -> str:
        return "response" if self.of == "answer" else "request" if self.of == "request" else "lenient request"


@dataclass(frozen=True, slots=True, eq=False)
class JobView:
    """A job in one operation's answer: where its schema stands, and its fields by role, each with its pointer."""

    operation: Operation
    action: Action
    view: View
    answer: str  # pointer of the whole answer's schema
    pointer: str  # pointer of the job's schema
    fields: Mapping[str, tuple[str, ...]]

    @property
    def states(self) -> set[State]:
        return set(self.view.phases or self.view.words)


@dataclass(eq=False)
class Subject:
    """The document that is looked at, and what is worked out of it once for all rules."""

    published: Published
    vocabulary: Vocabulary = field(default_factory=load_vocabulary)
    _validators: dict[tuple[str, str], Validator | None] = field(default_factory=dict)

    @property
    def document(self) -> Document:
        return self.published.document

    @property
    def root(self) -> Node:
        return self.published.document.root

    @cached_property
    def contract(self) -> Contract | None:
        """What is concluded of its jobs; None where it cannot be read."""
        try:
            return self.published.contract
        except MockserverError:
            return None

    def at(self, pointer: str) -> Any:
        """What stands at a pointer, with a reference at its end followed; None for nothing."""
        _, node = walk(self.document, pointer_tokens(pointer))
        try:
            return None if node is NOWHERE else self.document.resolve(node)
        except MockserverError:
            return None

    def node(self, pointer: str) -> Node:
        """The map that stands at a pointer, as `at` finds it; an empty one for anything else."""
        node = self.at(pointer)
        return node if isinstance(node, dict) else {}

    def home(self, pointer: str) -> str:
        """The pointer of what a pointer leads to, through references, one at its end included."""
        for _ in range(32):
            tokens, node = walk(self.document, pointer_tokens(pointer))
            if not (isinstance(node, dict) and isinstance(ref := node.get("$ref"), str) and ref.startswith("#")):
                return pointer_text(tokens)
            pointer = ref[1:]
        return pointer

    def shape(self, schema: Any) -> Shape | None:
        """The shape of a schema; None for one that cannot be read."""
        try:
            return shape_of(self.document, schema)
        except MockserverError:
            return None

    def means_nothing(self, word: str) -> bool:
        """Whether a word stands for no value at all (`MODE_UNSPECIFIED`)."""
        return any(self.vocabulary.other_words.get(part) == "unknown" for part in (word.lower(), *pieces(word)))

    # -- operations -----------------------------------------------------------------------------------

    @cached_property
    def operations(self) -> list[tuple[str, Operation]]:
        """All operations with their pointers."""
        places: dict[int, str] = {}
        for path in self.root.get("paths") or {}:
            item_pointer = self.home(pointer_text(("paths", str(path))))
            node = self.at(item_pointer)
            for method in METHODS:
                if isinstance(node, dict) and method in node:
                    places.setdefault(id(node[method]), f"{item_pointer}/{method}")
        return [(places.get(id(o.raw), ""), o) for o in self.document.operations]

    @cached_property
    def pointers(self) -> dict[str, str]:
        """The pointer of each operation by its name."""
        return {operation.name: pointer for pointer, operation in self.operations}

    def media(self) -> Iterator[tuple[str, Node, str, Operation, str, str]]:
        """All JSON media types: pointer, node, `request` or `answer`, operation, status, media type."""
        for pointer, operation in self.operations:
            for name, node in operation.body.items():
                body = self.home(f"{pointer}/requestBody")
                yield f"{body}{pointer_text(('content', name))}", node, "request", operation, "", name
            for answer in operation.answers:
                home = self.home(f"{pointer}/responses{pointer_text((self._written_status(operation, answer),))}")
                for name, node in answer.content.items():
                    yield f"{home}{pointer_text(('content', name))}", node, "answer", operation, answer.status, name

    @staticmethod
    def _written_status(operation: Operation, answer: Any) -> str:
        declared = operation.raw.get("responses") or {}
        return next((str(key) for key in declared if str(key) == answer.status), answer.status)

    # -- schemas and fields ---------------------------------------------------------------------------

    @cached_property
    def sites(self) -> list[Site]:
        """All schemas where they are written, each once."""
        found: list[Site] = []
        seen: set[int] = set()
        for pointer, node in self._schema_roots():
            self._below(Site(pointer, node), found, seen)
        return found

    def _schema_roots(self) -> Iterator[tuple[str, Any]]:
        components = self.root.get("components") or {}
        for name, node in map_in(components, "schemas").items():
            yield pointer_text(("components", "schemas", str(name))), node
        for pointer, operation in self.operations:
            for at, parameter in self.parameters(pointer, operation):
                yield f"{at}/schema", parameter.get("schema")
        for pointer, node, *_ in self.media():
            yield f"{pointer}/schema", node.get("schema")

    def parameters(self, pointer: str, operation: Operation) -> Iterator[tuple[str, Node]]:
        """The parameters of an operation with where each is written."""
        item = pointer.rpartition("/")[0]
        for base in (pointer, item):
            for index in range(len(list_in(self.node(base), "parameters"))):
                at = self.home(f"{base}/parameters/{index}")
                node = self.at(at)
                if isinstance(node, dict) and "name" in node:
                    yield at, node

    def _below(self, top: Site, found: list[Site], seen: set[int]) -> None:
        waiting = [(top, 0)]
        while waiting and len(found) < MAX_SCHEMAS:
            site, depth = waiting.pop()
            node = site.node
            if not isinstance(node, dict) or id(node) in seen or depth > MAX_DEPTH:
                continue
            seen.add(id(node))
            found.append(site)
            inner: list[Site] = []
            for key in _MAPS:
                for name, sub in map_in(node, key).items():
                    is_property = key == "properties"
                    place = f"{site.pointer}/{key}{pointer_text((str(name),))}"
                    inner.append(
                        Site(place, sub, str(name) if is_property else "", site.pointer if is_property else "")
                    )
            for key in _LISTS:
                inner += [Site(f"{site.pointer}/{key}/{i}", sub) for i, sub in enumerate(list_in(node, key))]
            inner += [Site(f"{site.pointer}/{key}", node[key]) for key in _SINGLE if isinstance(node.get(key), dict)]
            waiting.extend((each, depth + 1) for each in reversed(inner))

    @cached_property
    def asked(self) -> set[str]:
        """The pointers of all schemas that clients send, as a whole or in part."""
        return self.reached(f"{pointer}/schema" for pointer, _, of, *_ in self.media() if of == "request")

    @cached_property
    def answered(self) -> set[str]:
        """The pointers of all schemas that are answered."""
        return self.reached(f"{pointer}/schema" for pointer, _, of, *_ in self.media() if of == "answer")

    def reached(self, starts: Iterator[str]) -> set[str]:
        """The written places of schemas that are reached from some, through references."""
        by_pointer, below = self._tree
        found: set[str] = set()
        waiting = list(starts)
        while waiting:
            pointer = waiting.pop()
            if pointer in found:
                continue
            found.add(pointer)
            here = by_pointer.get(pointer)
            node = here.node if here else self.at(pointer)
            if isinstance(node, dict) and isinstance(ref := node.get("$ref"), str) and ref.startswith("#"):
                waiting.append(self.home(ref[1:]))
            waiting.extend(below.get(pointer, []))
        return found

    @cached_property
    def _tree(self) -> tuple[dict[str, Site], dict[str, list[str]]]:
        """All sites by their pointers, and the pointers right below each."""
        below: dict[str, list[str]] = {}
        for site in self.sites:
            for key in (*_MAPS, *_LISTS, *_SINGLE):
                sub = site.node.get(key)
                if isinstance(sub, dict) and key in _MAPS:
                    below.setdefault(site.pointer, []).extend(
                        f"{site.pointer}/{key}{pointer_text((str(name),))}" for name in sub
                    )
                elif isinstance(sub, list):
                    below.setdefault(site.pointer, []).extend(f"{site.pointer}/{key}/{i}" for i in range(len(sub)))
                elif isinstance(sub, dict):
                    below.setdefault(site.pointer, []).append(f"{site.pointer}/{key}")
        return {site.pointer: site for site in self.sites}, below

    @cached_property
    def fields(self) -> list[Field]:
        """All parameters and properties."""
        return [*self._parameter_fields(), *self._property_fields()]

    def _parameter_fields(self) -> Iterator[Field]:
        seen: set[str] = set()
        for pointer, operation in self.operations:
            for at, node in self.parameters(pointer, operation):
                schema = node.get("schema")
                if at in seen or not isinstance(schema, dict) or (shape := self.shape(schema)) is None:
                    continue
                seen.add(at)
                own, inner = node.get("description"), shape.get("description")
                text = own if isinstance(own, str) and own else inner if isinstance(inner, str) else ""
                text_at = f"{at}/description" if text and text is own else f"{at}/schema/description" if text else at
                yield Field(
                    str(node["name"]),
                    at,
                    text,
                    text_at,
                    schema,
                    f"{at}/schema",
                    shape,
                    True,
                    str(node.get("in")),
                    operation=operation.name,
                )

    def _property_fields(self) -> Iterator[Field]:
        for site in self.sites:
            if not site.property or (shape := self.shape(site.node)) is None:
                continue
            places: list[tuple[str, ...]] = [("description",)]
            places += [
                (key, str(index), "description")
                for key in ("anyOf", "oneOf", "allOf")
                for index in range(len(list_in(site.node, key)))
            ]
            places += [("title",)]
            found = ((dig_text(site.node, place), place) for place in places)
            text, place = next(((text, place) for text, place in found if text), ("", ()))
            at = site.pointer + pointer_text(place)
            yield Field(
                site.property,
                site.pointer,
                text,
                at,
                site.node,
                site.pointer,
                shape,
                site.pointer in self.asked,
                holder=site.holder,
            )

    # -- examples -------------------------------------------------------------------------------------

    @cached_property
    def examples(self) -> list[Example]:
        """All published examples of requests, answers and parameters, and those that extensions hold as text."""
        return list(self._examples())

    def _examples(self) -> Iterator[Example]:
        seen: set[str] = set()
        for pointer, node, of, operation, status, media_type in self.media():
            if (not is_json(media_type) and of == "answer") or pointer in seen:
                continue
            seen.add(pointer)
            schema, at = node.get("schema"), f"{pointer}/schema"
            for place, name, value in self._of_media(pointer, node):
                if schema is not None:
                    yield Example(place, value, schema, at, of, name, operation.name, status)
        for pointer, operation in self.operations:
            yield from self._in_extensions(pointer, operation)
            for at, parameter in self.parameters(pointer, operation):
                if at in seen or not isinstance(parameter.get("schema"), dict):
                    continue
                seen.add(at)
                for place, name, value in self._of_media(at, parameter):
                    yield Example(place, value, parameter["schema"], f"{at}/schema", "parameter", name, operation.name)
        for site in self.sites:
            if "example" in site.node:
                yield Example(f"{site.pointer}/example", site.node["example"], site.node, site.pointer, "schema")
            several = site.node.get("examples")
            for index, value in enumerate(several if isinstance(several, list) else []):
                yield Example(f"{site.pointer}/examples/{index}", value, site.node, site.pointer, "schema")

    def _of_media(self, pointer: str, node: Node) -> Iterator[tuple[str, str, Any]]:
        if "example" in node:
            yield f"{pointer}/example", "", node["example"]
        named = node.get("examples")
        for name in named if isinstance(named, dict) else {}:
            at = self.home(f"{pointer}/examples{pointer_text((str(name),))}")
            entry = self.at(at)
            if isinstance(entry, dict) and "value" in entry:
                yield f"{at}/value", str(name), entry["value"]

    def _in_extensions(self, pointer: str, operation: Operation) -> Iterator[Example]:
        """Answers that an extension holds as JSON text under a key `response`, as documentation sites keep them."""
        answer = operation.success()
        media = answer.json_media() if answer else None
        if answer is None or media is None or "schema" not in media[1]:
            return
        at = self.home(f"{pointer}/responses/{answer.status}") + pointer_text(("content", media[0], "schema"))
        waiting = [(f"{pointer}{pointer_text((str(k),))}", v) for k, v in operation.raw.items() if str(k)[:2] == "x-"]
        while waiting:
            place, node = waiting.pop(0)
            if isinstance(node, dict):
                waiting += [(f"{place}{pointer_text((str(key),))}", value) for key, value in node.items()]
            elif isinstance(node, list):
                waiting += [(f"{place}/{index}", value) for index, value in enumerate(node)]
            elif isinstance(node, str) and place.endswith("/response") and node.lstrip()[:1] == "{":
                try:
                    value = orjson.loads(node)
                except orjson.JSONDecodeError:
                    continue
                yield Example(place, value, media[1]["schema"], at, "answer", "", operation.name, answer.status)

    def validator(self, schema: Any, pointer: str, direction: str) -> Validator | None:
        """A compiled schema, kept; None for one that cannot be compiled."""
        key = pointer, direction
        if key not in self._validators:
            try:
                self._validators[key] = Validator(self.document, schema, direction)
            except MockserverError:
                self._validators[key] = None
        return self._validators[key]

    # -- jobs -----------------------------------------------------------------------------------------

    @cached_property
    def jobs(self) -> list[JobView]:
        """Jobs as answers show them: those of the contract's kinds, else of any answer that has an id and a status."""
        contract = self.contract
        if contract is None:
            return []
        found: list[JobView] = []
        parts = [part for resource in contract.resources for part in resource.operations]
        for part in parts:
            if part.view and part.action not in (Action.CONTENT, Action.RESULT, Action.DELETE):
                found += self._job_view(part)
        if parts:
            return found
        declared = read_declaration(self.root.get("x-job"), f"{self.document.origin}: x-job")
        answers = Answers(self.document, self.vocabulary, declared)
        for _, operation in self.operations:
            if operation.method != "GET":
                continue
            in_list = "{" not in operation.path.rpartition("/")[2]
            try:
                told = answers.tell(operation, in_list)
            except MockserverError:
                continue
            view = told.view
            if view and {"id", "status"} <= view.fields.keys() and (view.words or len(view.fields) > 4):
                action = Action.LIST if "*" in view.pointer else Action.RETRIEVE
                found += self._job_view(JobOperation(operation, action, view, answer=told.answer, schema=told.schema))
        return found

    def _job_view(self, part: JobOperation) -> list[JobView]:
        answer = part.answer or part.operation.success()
        media = answer.json_media() if answer else None
        pointer = self.pointers.get(part.operation.name)
        if part.view is None or answer is None or media is None or not pointer:
            return []
        whole = self.home(f"{pointer}/responses/{answer.status}") + pointer_text(("content", media[0], "schema"))
        job = self.field_at(whole, part.view.pointer)
        if job is None:
            return []
        fields = {}
        for role, places in part.view.fields.items():
            known = tuple(p for place in places if (p := self.field_at(job, place)) is not None)
            if known:
                fields[role] = known
        return [JobView(part.operation, part.action, part.view, whole, job, fields)]

    def field_at(self, schema: str, tokens: Sequence[str]) -> str | None:
        """The pointer of a field inside a schema, through references and branches; `*` is each item. None: none."""
        here = schema
        for token in tokens:
            found = next((p for part in self.parts(here) if (p := self._step(part, token))), None)
            if found is None:
                return None
            here = found
        return here

    def _step(self, part: str, token: str) -> str | None:
        node = self.at(part)
        if not isinstance(node, dict):
            return None
        if token == "*":
            return f"{part}/items" if "items" in node else None
        return f"{part}/properties{pointer_text((token,))}" if token in map_in(node, "properties") else None

    def parts(self, pointer: str) -> Iterator[str]:
        """A schema and all that it is put together of."""
        waiting, seen = [pointer], set[str]()
        while waiting:
            home = self.home(waiting.pop(0))
            if home in seen:
                continue
            seen.add(home)
            yield home
            node = self.at(home)
            for key in ("allOf", "oneOf", "anyOf") if isinstance(node, dict) else ():
                waiting += [f"{home}/{key}/{index}" for index in range(len(list_in(node, key)))]

    def properties(self, pointer: str) -> dict[str, str]:
        """The properties of a schema and all its parts, with their pointers."""
        found: dict[str, str] = {}
        for part in self.parts(pointer):
            for name in map_in(self.node(part), "properties"):
                found.setdefault(str(name), f"{part}/properties{pointer_text((str(name),))}")
        return found

    def job_examples(self, job: JobView) -> Iterator[tuple[Example, str, Node]]:
        """The jobs in the examples of an answer: the example, where the job stands in it, and the job."""
        for example in self.examples:
            if example.of == "answer" and example.schema_pointer == job.answer:
                yield from ((example, *each) for each in _dug(example.value, job.view.pointer, example.pointer))

    def state(self, job: JobView, body: Node) -> State | None:
        """The state that an example of a job is in."""
        place = next(iter(job.view.fields.get("status", ())), None)
        word: Any = body
        for token in place or ():
            word = word.get(token) if isinstance(word, dict) else None
        if place is None or not isinstance(word, str) or word in TYPE_NAMES:
            return None
        told = {str(w): s for s, words in job.view.phases.items() for w in words}
        return told.get(word) or self.vocabulary.state(word)

    def list_operations(self) -> Iterator[tuple[str, Operation, str, dict[str, str]]]:
        """Operations that answer lists: pointer, operation, pointer of the answer's schema, and its properties."""
        for pointer, operation in self.operations:
            answer = operation.success()
            media = answer.json_media() if answer else None
            if operation.method != "GET" or answer is None or media is None or "schema" not in media[1]:
                continue
            if "{" in operation.path.rpartition("/")[2]:
                continue
            at = self.home(f"{pointer}/responses/{answer.status}") + pointer_text(("content", media[0], "schema"))
            yield pointer, operation, at, self.properties(at)

    def role(self, section: str, name: str) -> str:
        """The role of a name in a section of the vocabulary, or ''."""
        ranked = [
            (rank, role)
            for role in self.vocabulary.ranks[section]
            if (rank := self.vocabulary.rank(section, role, name)) is not None
        ]
        return min(ranked)[1] if ranked else ""


def _dug(value: Any, tokens: Sequence[str], pointer: str) -> Iterator[tuple[str, Node]]:
    """The objects at a place of a JSON value, each item for `*`, with where they stand."""
    if not tokens:
        if isinstance(value, dict):
            yield pointer, value
    elif tokens[0] == "*" and isinstance(value, list):
        for index, item in enumerate(value):
            yield from _dug(item, tokens[1:], f"{pointer}/{index}")
    elif isinstance(value, dict) and tokens[0] in value:
        yield from _dug(value[tokens[0]], tokens[1:], f"{pointer}{pointer_text((tokens[0],))}")


def dig_text(node: Any, place: tuple[str, ...]) -> str:
    """The text at a place inside a schema, or ''."""
    for token in place:
        node = node[int(token)] if isinstance(node, list) else node.get(token) if isinstance(node, dict) else None
    return node if isinstance(node, str) else ""


def plural_of(name: str) -> set[str]:
    """How several of what a name stands for may be called."""
    return {f"{name}s", f"{name}es", f"{name}_list", f"{name}List"} - {name}


def words_in(text: str) -> set[str]:
    """The words of a text in lower case."""
    return set(re.findall(r"[a-z0-9_\-]+", text.lower()))


def shown(values: Sequence[Any], most: int = 8) -> str:
    """Some values as a list in a sentence."""
    told = ", ".join(f"`{value}`" for value in values[:most])
    return told + (f" and {len(values) - most} more" if len(values) > most else "")


__all__ = ["Example", "Field", "JobView", "Site", "Subject", "pieces", "plural_of", "shown", "union_of", "words_in"]
