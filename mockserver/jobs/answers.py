"""What operations ask for and answer, read once: the job in each answer, and where a request names it."""

import re
from dataclasses import dataclass, field, replace
from typing import Any

from mockserver.errors import DeclarationError, DocumentError
from mockserver.jobs.declaration import Declaration
from mockserver.jobs.flow import places_of
from mockserver.jobs.lifecycle import State
from mockserver.jobs.paths import bare, collection_of, last_word, path_parameters
from mockserver.jobs.resource import IdPlace, Pointer, View
from mockserver.jobs.statuses import read_words, usual_words
from mockserver.jobs.views import LIFELIKE, Setting, find_view, view_of
from mockserver.jobs.vocabulary import Vocabulary, pieces, plain
from mockserver.openapi.document import Answer, Document, Operation, is_json
from mockserver.openapi.schema import shape_of, union_of


@dataclass(frozen=True, slots=True)
class Told:
    """What an operation answers: the declared answer that says most, its schema, and the job in it.

    `ended` is the answer of a finished job, where only that of an unfinished one has a status.
    """

    answer: Answer | None
    schema: Any
    view: View | None
    ended: Answer | None = None

    @property
    def answer_has_headers(self) -> bool:
        return self.answer is not None and bool(self.answer.raw.get("headers"))


@dataclass
class Answers:
    """The operations of one document, and what is declared of its jobs."""

    document: Document
    vocabulary: Vocabulary
    declaration: Declaration
    known: dict[tuple[str, bool], Told] = field(default_factory=dict)
    below: dict[str, list[str]] = field(default_factory=dict)
    id_places: dict[str, tuple[IdPlace, ...]] = field(default_factory=dict)

    def places(self, operation: Operation) -> tuple[IdPlace, ...]:
        """Where a request may name a job, remembered."""
        found = self.id_places.get(operation.name)
        if found is None:
            found = self.id_places[operation.name] = tuple(places_of(self.document, self.vocabulary, operation))
        return found

    def getters(self) -> list[Operation]:
        return [o for o in self.document.operations if o.method == "GET" and "{" in o.path]

    def named(self, name: str, where: str) -> Operation:
        operation = self.document.find(name)
        if operation is None:
            choices = ", ".join(o.id for o in self.document.operations)
            raise DeclarationError(f"{where} is not an operation. The choices are: {choices}.")
        return operation

    def view(self, operation: Operation, in_list: bool = False) -> View | None:
        return self.tell(operation, in_list).view

    def schema_name(self, view: View) -> str:
        return shape_of(self.document, view.schema).name

    def tell(self, operation: Operation, in_list: bool = False) -> Told:
        """What an operation answers when it succeeds; of several answers the one that tells most of a job."""
        key = operation.name, in_list
        if key not in self.known:
            try:
                self.known[key] = self._telling(operation, in_list)
            except DocumentError as error:
                origin = self.document.origin
                reason = str(error).removeprefix(f"{origin}: ")
                raise DocumentError(f"{origin}: {operation.name}: {reason}") from None
        return self.known[key]

    def _telling(self, operation: Operation, in_list: bool) -> Told:
        good = sorted((a for a in operation.answers if a.status.startswith("2")), key=lambda a: a.status)
        success = operation.success()
        best, found = -1.0, Told(success, None, None)
        for answer in good or ([success] if success else []):
            media = answer.json_media()
            if not media:
                continue
            examples = self.document.examples(media[1])
            schema = media[1].get("schema")
            if not schema and examples:
                schema = _schema_of_examples(examples)
            if schema is None:
                continue
            said = (operation.raw.get("description"), operation.raw.get("summary"), answer.raw.get("description"))
            setting = Setting(
                declared={p[0] for w in self.declaration.resources.values() for ps in w.fields.values() for p in ps},
                texts=[text for text in said if isinstance(text, str)],
                examples=examples,
                ids=self._names_of_ids(operation, in_list),
            )
            view = find_view(self.document, self.vocabulary, schema, in_list, setting)
            view = self._with_declared_id(view) if view else None
            score = (("id" in view.fields) + ("status" in view.fields) + view.sureness) if view else 0.0
            if score > best:
                best, found = score, Told(answer, schema, view)
        return found if in_list else self._with_end(operation, found, good)

    def _with_end(self, operation: Operation, told: Told, good: list[Answer]) -> Told:
        """What is told where 202 answers for an unfinished job, and another one, without a status, for its result."""
        view, ended = told.view, next((a for a in good if a.status in ("200", "201")), None)
        waiting = next((a for a in good if a.status == "202"), None)
        if waiting and ended and operation.method == "GET" and (view is None or "status" not in view.fields):
            media = waiting.json_media()  # nothing but the HTTP status tells: 202 until 200
            schema = media[1].get("schema") if media else None
            found = find_view(self.document, self.vocabulary, schema, setting=Setting()) if schema else None
            words = {State.RUNNING: "HTTP 202", State.SUCCEEDED: f"HTTP {ended.status}"}
            view = replace(
                found or View((), schema, {}, {}), words=words, sureness=0.6, evidence="told by the HTTP status"
            )
            return Told(waiting, schema, view, ended)
        is_waiting = told.answer is not None and told.answer.status == "202" and ended is not None
        if not is_waiting or view is None or "status" not in view.fields or State.SUCCEEDED in view.words:
            return told
        assert ended is not None
        words = {**view.words, State.SUCCEEDED: f"HTTP {ended.status}"}
        phases = {**view.phases, State.SUCCEEDED: (f"HTTP {ended.status}",)}
        evidence = "told by the HTTP status"
        return replace(
            told, view=replace(view, words=words, phases=phases, sureness=0.8, evidence=evidence), ended=ended
        )

    def _names_of_ids(self, operation: Operation, in_list: bool) -> list[str]:
        """How the id may be called: as the last parameter of the operation's path, or of one right below it.

        On a path with others below it the last parameter is what the jobs belong to.
        """
        if not self.below:
            for getter in self.getters():
                self.below.setdefault(collection_of(getter.path), []).append(path_parameters(getter.path)[-1])
        below = self.below.get(bare(operation.path), [])
        own = () if in_list or below else path_parameters(operation.path)[-1:]
        return list(dict.fromkeys(plain(name) for name in (*own, *below)))

    def _with_declared_id(self, view: View) -> View:
        properties = union_of(self.document, view.schema).properties
        wishes = self.declaration.resources.values()
        declared = [p for w in wishes for p in w.fields.get("id", ()) if p[0] in properties]
        return replace(view, fields={**view.fields, "id": (declared[0],)}) if declared else view

    def undescribed(self, operation: Operation, place: IdPlace, is_declared: bool) -> Told | None:
        """A usual job for an answer that is not described, where prose, a name or `x-job` tells of a status."""
        raw = operation.raw
        texts = [
            str(raw.get("description") or ""),
            str(raw.get("summary") or ""),
            *(str(a.raw.get("description") or "") for a in operation.answers),
        ]
        found = read_words(self.document, self.vocabulary, "status", {"type": "string"}, texts)
        named = (*pieces(operation.path), *pieces(operation.id), *pieces(texts[1]))
        says_so = any(self.vocabulary.rank("roles", "status", word) is not None for word in named)
        if found.sureness < LIFELIKE and not says_so and not is_declared:
            return None
        words = usual_words(self.vocabulary, found) if found.sureness < LIFELIKE else found
        usual = self.vocabulary.usual_fields
        name = place.pointer[-1] if plain(place.pointer[-1]) not in self.vocabulary.bare_ids else "id"
        values = list(dict.fromkeys(word for told in words.phases.values() for word in told))
        properties: dict[str, Any] = {
            name: {"type": "string"},
            usual["status"]: {"type": "string", "enum": values},
            usual["progress"]: {"type": "integer"},
            usual["created"]: {"type": "string", "format": "date-time"},
            usual["result"]: {"type": "string", "format": "uri"},
            usual["error"]: {"type": "string"},
        }
        schema = {"type": "object", "required": [name, usual["status"]], "properties": properties}
        view = find_view(self.document, self.vocabulary, schema, setting=Setting(ids=[plain(name)]))
        if view is None:
            return None
        view = replace(
            view,
            sureness=0.6 if found.sureness > 0.85 else 0.45,
            evidence=f"{words.evidence}; the answer is not described",
        )
        return Told(operation.success(), schema, view)

    def creates_by_get(self, operation: Operation) -> bool:
        last = re.split("[/:.]", bare(operation.path))[-1]
        return "create" in pieces(last)

    def is_for(self, purpose: str, operation: Operation, by_name: bool = False) -> bool:
        """Whether a path's last word says what an operation is for; `by_name`: or its operationId, or its summary."""
        last = last_word(operation)
        words = [last, *pieces(last)]
        if by_name:
            words += pieces(operation.id)[: 1 if purpose == "read" else 2] if operation.id != operation.name else ()
            words += str(operation.raw.get("summary") or "").split()[:1]
        return any(self.vocabulary.rank("operations", purpose, word) is not None for word in words)

    def node_at(self, schema: Any, pointer: Pointer) -> Any:
        for token in pointer:
            shape = union_of(self.document, schema)
            schema = shape.items if token == "*" else shape.properties.get(token)
        return schema

    def view_at(self, schema: Any, pointer: Pointer) -> View:
        return view_of(self.document, self.vocabulary, pointer, self.node_at(schema, pointer))


def _schema_of_examples(examples: list[Any]) -> Any:
    """A schema that all examples fit, for an answer that has no other."""
    from genson import SchemaBuilder  # type: ignore[import-untyped]

    builder = SchemaBuilder(schema_uri=None)
    for example in examples:
        builder.add_object(example)
    return builder.to_schema()


def media_types(operation: Operation) -> list[str]:
    content = [t for answer in operation.answers if answer.status.startswith("2") for t in answer.content]
    return [t for t in dict.fromkeys(content) if not is_json(t) and not t.startswith("text/") and t != "*/*"]
