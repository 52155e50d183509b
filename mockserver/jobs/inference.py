"""Reading a contract: the job resources of a document, inferred from the flow of ids and corrected by `x-job`."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from mockserver.errors import DeclarationError, DocumentError, NoJobError
from mockserver.jobs.collections import find_collections
from mockserver.jobs.declaration import Declaration, FollowUpDeclaration, ResourceDeclaration
from mockserver.jobs.flow import (
    CERTAIN,
    ENOUGH,
    Flow,
    Teller,
    bare,
    collection_of,
    flow_between,
    nouns_of,
    path_parameters,
    places_of,
    singular,
    teller_of,
)
from mockserver.jobs.identity import fits, format_of
from mockserver.jobs.lifecycle import State, complete_words
from mockserver.jobs.profile import Profile, read_profile
from mockserver.jobs.resource import (
    SURE,
    Action,
    Conclusion,
    Contract,
    IdPlace,
    JobOperation,
    JobResource,
    Pointer,
    View,
)
from mockserver.jobs.statuses import Words, read_words, usual_words
from mockserver.jobs.views import LIFELIKE, Setting, dig, find_reference, find_view, view_of
from mockserver.jobs.vocabulary import Vocabulary, pieces, plain
from mockserver.openapi.document import Answer, Document, Operation, is_json
from mockserver.openapi.schema import shape_of, union_of

FEW = 40  # operations of a document in which an id that nothing takes must be for what nothing creates
_RESOURCE_NAME = re.compile(r"[`'\"]?([a-z][\w{}\-]*(?:/[\w{}\-]+)+)[`'\"]?")
MAX_PAIRS = 4000  # of creates and retrieves that are compared whatever they are about; beyond it only related ones are


def read_contract(
    document: Document,
    vocabulary: Vocabulary,
    declaration: Declaration,
    profiles: dict[str, Profile],
    *,
    needs_job: bool = True,
) -> Contract:
    """The contract of a document.

    Raises NoJobError if it needs a job and has none, DeclarationError for a wrong `x-job`.
    """
    reading = _Reading(document, vocabulary, declaration, profiles)
    try:
        resources = reading.resources()
    except NoJobError:
        if needs_job:
            raise
        resources = ()  # its operations answer with examples and samples
    finally:
        document.looks.clear()  # which nobody asks for again
    collections, about_collections = find_collections(document, vocabulary, reading.placed)
    headers = {
        "poll-after": vocabulary.headers["poll after"],
        "request-id": vocabulary.headers["request id"],
        **declaration.headers,
    }
    return Contract(
        document=document,
        resources=resources,
        refusals=declaration.refusals,
        codes=declaration.codes,
        headers={name: header for name, header in headers.items() if header},
        refused_keys=vocabulary.refused_keys,
        vocabulary=vocabulary,
        conclusions=(*reading.conclusions, *about_collections),
        collections=collections,
    )


@dataclass(frozen=True, slots=True)
class _Told:
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


@dataclass(frozen=True, slots=True)
class _Reader:
    """An operation that reads one thing by its id; `is_job`: its answer has a status that looks like a job's."""

    operation: Operation
    told: _Told
    places: tuple[IdPlace, ...]
    schema_name: str
    nouns: tuple[str, ...]
    is_job: bool


@dataclass(frozen=True, slots=True)
class _Jobs:
    """One kind of job while its operations are looked for: how it is called, what is declared, how it is read."""

    name: str
    wishes: ResourceDeclaration
    retrieve: Operation
    told: _Told
    place: IdPlace | None
    path: str  # its own bare path, up to its id (`/jobs/{}` for `/jobs/{id}/status`); '' if the id stands elsewhere
    creates: tuple[tuple[Operation, Flow, tuple[tuple[str, float], ...]], ...] = ()

    @property
    def view(self) -> View:
        assert self.told.view is not None
        return self.told.view

    def holds(self, operation: Operation) -> bool:
        """Whether an operation's path lies below the job's (`/jobs/{id}/cancel`, `/jobs/{id}:cancel`)."""
        place = self.path
        return bool(place) and bare(operation.path).startswith((place + "/", place + ":"))

    def names(self, place: IdPlace) -> bool:
        """Whether a request's place is called as the one that the job is read by, and tellingly."""
        name = plain(place.pointer[-1])
        return self.place is not None and name == plain(self.place.pointer[-1]) and name not in ("id", "name", "uuid")


@dataclass
class _Reading:
    """One reading in progress: what has been concluded so far, and which operations have found their part."""

    document: Document
    vocabulary: Vocabulary
    declaration: Declaration
    profiles: dict[str, Profile]
    conclusions: list[Conclusion] = field(default_factory=list)
    placed: dict[str, str] = field(default_factory=dict)
    collections: set[str] = field(default_factory=set)
    known: dict[tuple[str, bool], _Told] = field(default_factory=dict)
    below: dict[str, list[str]] = field(default_factory=dict)
    id_places: dict[str, tuple[IdPlace, ...]] = field(default_factory=dict)
    homes: set[str] = field(default_factory=set)
    homes_above: dict[str, tuple[str, ...]] = field(default_factory=dict)
    readable: set[str] = field(default_factory=set)
    orphans: dict[str, IdPlace | None] = field(default_factory=dict)
    reserved: set[str] = field(default_factory=set)

    def resources(self) -> tuple[JobResource, ...]:
        declared = dict(self.declaration.resources)
        found: list[JobResource] = []
        kinds = self._kinds()
        self.collections = {collection_of(kind.retrieve.path) for kind in kinds}
        self.homes = {kind.path for kind in kinds if kind.path}
        self.readable = {bare(o.path) for o in self._getters()}
        made = [kind for kind in kinds if kind.creates]
        self.reserved = {kind.retrieve.name for kind in made} | {o.name for kind in made for o, *_ in kind.creates}
        self.orphans = {kind.retrieve.name: kind.place for kind in kinds if not kind.creates}
        unread = []
        for kind in kinds:
            name, wishes = self._claim(kind.retrieve, declared)
            name = self._free_name(name, kind.retrieve.path, [r.name for r in found])
            if kind.retrieve.name in self.placed:
                continue  # reads a kind that was found before
            resource = self._resource(replace(kind, name=name, wishes=wishes))
            if resource.first(Action.CREATE):
                found.append(resource)
            else:
                self._release(resource)
                unread.append(resource)
                self._note(name, "no job", "no operation creates one", 0.3)
        if declared:
            name, wishes = next(iter(declared.items()))
            raise DeclarationError(
                f"{wishes.where} matches no job in the document. Found: {[r.name for r in found] or 'none'}. "
                f"Name its operations: retrieve is one of {[o.name for o in self._getters()]}; its answer holds "
                "a field that is known or declared (fields: {id: /…, status: /…})."
            )
        endless = [r.name for r in found if State.SUCCEEDED not in r.words]
        for resource in [r for r in found if r.name in endless]:
            found.remove(resource)
            self._release(resource)
            self._note(resource.name, "no job", "no status is known to mean success", 0.3)
        if not found and endless:
            raise NoJobError(
                f"{self.document.origin}: no status of {endless[0]!r} is known to mean success. "
                f"Say which: x-job.resources.{endless[0]}.words.succeeded (an overlay can add it)."
            )
        if not found:
            raise NoJobError(self._why_no_job(bool(unread)))
        return tuple(found)

    def _release(self, resource: JobResource) -> None:
        for part in resource.operations:
            self.placed.pop(part.operation.name, None)

    def _why_no_job(self, is_read: bool) -> str:
        origin = self.document.origin
        if not self.document.operations:
            return f"{origin}: no asynchronous job found: the document has no operations."
        part = "creates what is read" if is_read else "reads a job by its id, with a status"
        names = [o.name for o in self.document.operations]
        more = f" and {len(names) - 5} more" if len(names) > 5 else ""
        return (
            f"{origin}: no asynchronous job found: no operation {part} (it has {', '.join(names[:5])}{more}). "
            "If one does, an overlay can say so: x-job: {resources: {job: {create: …, retrieve: …, "
            "fields: {id: /…, status: /…}, words: {queued: …, running: …, succeeded: …}}}}."
        )

    # -- which operations ---------------------------------------------------------------------------

    def _places(self, operation: Operation) -> tuple[IdPlace, ...]:
        """Where a request may name a job, remembered."""
        found = self.id_places.get(operation.name)
        if found is None:
            found = self.id_places[operation.name] = tuple(places_of(self.document, self.vocabulary, operation))
        return found

    def _getters(self) -> list[Operation]:
        return [o for o in self.document.operations if o.method == "GET" and "{" in o.path]

    def _kinds(self) -> list[_Jobs]:
        """The kinds of job: each operation that reads one with a status, with the creates whose id flows into it."""
        wanted = {
            w.operations[Action.RETRIEVE]
            for w in self.declaration.resources.values()
            if Action.RETRIEVE in w.operations
        }
        for name in wanted:
            self._named(name, f"{self.document.origin}: x-job: retrieve {name!r}")
        readers = self._sorted_out(list(self._readers(wanted)), wanted)
        kinds: dict[str, list[tuple[Operation, Flow, tuple[tuple[str, float], ...]]]] = {}
        places: dict[str, IdPlace] = {}
        lone: list[Teller] = []
        bound = {
            w.operations[Action.CREATE]: w.operations[Action.RETRIEVE]
            for w in self.declaration.resources.values()
            if Action.CREATE in w.operations and Action.RETRIEVE in w.operations
        }
        for teller in self._tellers(readers):
            flows = self._flows(teller, readers)
            its_own = bound.get(teller.operation.id) or bound.get(teller.operation.name)
            if its_own:
                flows = [flow for flow in flows if its_own in (flow[1].operation.id, flow[1].operation.name)]
                if not flows:
                    continue
            if not flows:
                lone.append(teller)
                continue
            score, reader, flow = flows[0]
            others = tuple((r.operation.id, _share(f.score)) for s, r, f in flows[1:4] if s > score - 3)
            kinds.setdefault(reader.operation.name, []).append((teller.operation, flow, others))
            places.setdefault(reader.operation.name, flow.place)
        orphans = [reader for reader in readers if reader.is_job and reader.operation.name not in kinds]
        few = sum(reader.is_job for reader in readers) <= 2 and len(self.document.operations) <= FEW
        if (
            few and len(orphans) == 1 and _sureness(orphans[0]) >= LIFELIKE and orphans[0].told.answer
        ):  # what else would the ids be for
            for teller in lone:
                if teller.is_brief and (lone_flow := self._lone_flow(teller, orphans[0])):
                    kinds.setdefault(orphans[0].operation.name, []).append((teller.operation, lone_flow, ()))
        found = []
        for reader in readers:
            if reader.is_job:
                creates = tuple(kinds.get(reader.operation.name, ()))
                place = places.get(reader.operation.name) or next(iter(reader.places), None)
                path = _path_to(reader.operation.path, place)
                found.append(_Jobs("", ResourceDeclaration(), reader.operation, reader.told, place, path, creates))
        return sorted(found, key=lambda kind: not kind.creates)  # those that nothing creates come last

    def _readers(self, wanted: set[str]) -> Iterator[_Reader]:
        """Operations that read one thing by its id: a GET, or a POST that is named for it and whose body names it."""
        for operation in self.document.operations:
            named = bool(wanted & {operation.id, operation.name})
            if operation.method not in ("GET", "POST") and not named:
                continue
            if operation.method == "POST" and not named and not self._is_for("read", operation, by_name=True):
                continue
            places = self._places(operation)
            in_path = tuple(p for p in places if p.place == "path")[
                :1
            ]  # the last parameter: the others are its parents'
            elsewhere = tuple(p for p in places if p.place != "path")
            places = (*elsewhere, *in_path) if operation.method == "POST" else in_path or elsewhere
            if not places and not named:
                continue
            if operation.method == "GET" and self._creates_by_get(operation) and not named:
                continue
            told = self._tell(operation)
            if told.schema is None and not _media_types(operation) and places:
                told = self._undescribed(operation, places[0], named) or told
            view = told.view
            lifelike = view is not None and "status" in view.fields
            if operation.method == "POST" and not lifelike and not named:
                continue
            name = shape_of(self.document, view.schema).name if view else ""
            nouns = nouns_of(self.vocabulary, operation.path)
            yield _Reader(operation, told, places, name, nouns, bool(view) and (lifelike or named))

    def _creates_by_get(self, operation: Operation) -> bool:
        last = re.split("[/:.]", bare(operation.path))[-1]
        return "create" in pieces(last)

    def _undescribed(self, operation: Operation, place: IdPlace, is_declared: bool) -> _Told | None:
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
        return _Told(operation.success(), schema, view)

    def _sorted_out(self, readers: list[_Reader], wanted: set[str]) -> list[_Reader]:
        """The readers, where those whose status hardly looks like a job's count only if there are no better ones."""
        if not any(reader.is_job and _sureness(reader) >= LIFELIKE for reader in readers):
            return readers
        return [
            reader
            if _sureness(reader) >= LIFELIKE or {reader.operation.id, reader.operation.name} & wanted
            else replace(reader, is_job=False)
            for reader in readers
        ]

    def _tellers(self, readers: list[_Reader]) -> Iterator[Teller]:
        """Operations that may start jobs: a POST or PUT (a GET, if it is named for it) whose answer may hold an id."""
        reading = {r.operation.id for r in readers if r.operation.method != "GET"}
        getters = {bare(r.operation.path): r for r in readers if r.operation.method == "GET"}
        for operation in self.document.operations:
            path = bare(operation.path)
            last = re.split("[/:.]", path)[-1]
            starts = self.vocabulary.rank("operations", "start", last) is not None
            if operation.method == "GET":
                possible = self._creates_by_get(operation)
            elif operation.method == "PUT":
                possible = "{}" not in path.rsplit("/", 1)[-1]
            else:
                possible = operation.method == "POST" and operation.id not in reading
                possible = possible and (starts or self.vocabulary.rank("operations", "read", last) is None)
            if not possible or self._is_for("cancel", operation, True):
                continue
            told = self._tell(operation)
            view = told.view
            getter = getters.get(path)
            if getter and view and self._schema_name(view) and getter.schema_name == self._schema_name(view):
                continue  # an update of what is read on the same path
            name = shape_of(self.document, view.schema).name if view else ""
            is_job = view is not None and "status" in view.fields
            yield teller_of(self.document, self.vocabulary, operation, told.answer, told.schema, name, is_job)

    def _is_for(self, purpose: str, operation: Operation, by_name: bool = False) -> bool:
        """Whether a path's last word says what an operation is for; `by_name`: or its operationId, or its summary."""
        last = _last_word(operation)
        words = [last, *pieces(last)]
        if by_name:
            words += pieces(operation.id)[: 1 if purpose == "read" else 2] if operation.id != operation.name else ()
            words += str(operation.raw.get("summary") or "").split()[:1]
        return any(self.vocabulary.rank("operations", purpose, word) is not None for word in words)

    def _flows(self, teller: Teller, readers: list[_Reader]) -> list[tuple[float, _Reader, Flow]]:
        """The jobs into whose reading an id flows from an answer, the likeliest first.

        None if it flows better into the reading of something that has no status: then it is a record's id.
        """
        few = len(readers) * len(readers) <= MAX_PAIRS
        jobs = [reader for reader in readers if reader.is_job]
        named = {plain(reader.places[0].pointer[-1]) for reader in jobs if reader.places}
        only = len(jobs) == 1 or (len(named) == 1 and not named & self.vocabulary.bare_ids)
        flows: list[tuple[float, _Reader, Flow]] = []
        best_record, record = 0.0, ""
        made = bare(teller.operation.path)
        for reader in readers:
            related = few or teller.links or set(teller.nouns) & set(reader.nouns) or (
                reader.schema_name and reader.schema_name == teller.schema_name)  # fmt: skip
            read = bare(reader.operation.path)
            if not related or reader.operation is teller.operation or (read == made and made.endswith("}")):
                continue
            if not teller.fields:  # nothing is said of the answer: only the path can tell
                if reader.is_job and self._tell(teller.operation).schema is None:
                    flows.extend(self._undescribed_flow(teller, reader))
                continue
            flow = flow_between(
                self.document, self.vocabulary, teller, reader.operation, reader.places, reader.schema_name,
                only and reader.is_job,
            )  # fmt: skip
            if flow is None or flow.score < ENOUGH:
                continue
            if reader.is_job:
                view = reader.told.view
                assert view is not None
                clear = 0.3 * ("id" in view.fields) + 0.3 * self._is_for("read", reader.operation)
                flows.append((flow.score + 1.5 * view.sureness + clear, reader, flow))
            elif flow.score > best_record:
                best_record, record = flow.score, _path_to(reader.operation.path, flow.place)
        flows.sort(key=lambda each: -each[0])
        if (
            flows
            and best_record > flows[0][2].score + 1.5
            and record != _path_to(flows[0][1].operation.path, flows[0][2].place)
        ):
            return []
        return flows

    def _lone_flow(self, teller: Teller, reader: _Reader) -> Flow | None:
        """The way of an id that nothing else takes into the only job that nothing else creates."""
        ids = [
            f
            for f in teller.fields
            if plain(f.name) in self.vocabulary.bare_ids and plain(f.name) not in ("name", "key")
        ]
        if not ids or not reader.places or teller.operation.method != "POST":
            return None
        return Flow(ENOUGH, ids[0].pointer, reader.places[0], ("nothing else takes this id, or creates such jobs",))

    def _undescribed_flow(self, teller: Teller, reader: _Reader) -> Iterator[tuple[float, _Reader, Flow]]:
        """Whether an operation whose answer is not described starts what another reads: by their paths alone."""
        made, read = bare(teller.operation.path), bare(reader.operation.path)
        last = re.split("[/:.]", made)[-1]
        noun = singular("".join(p for p in pieces(reader.places[0].pointer[-1]) if p not in self.vocabulary.bare_ids))
        if read in (made + "/{}", made + "/{}/status"):
            score, why = ENOUGH + 1.0, "POST on the collection's path"
        elif made.rsplit("/", 1)[-1] == collection_of(read).rsplit("/", 1)[-1] and read.endswith("/{}"):
            score, why = ENOUGH, "its path ends as the collection's does"
        elif noun in teller.nouns and self.vocabulary.rank("operations", "start", last) is not None and "{" not in made:
            score, why = ENOUGH, f"named for making a {noun}"
        else:
            return
        yield score, reader, Flow(score, (), reader.places[0], (f"{why}; its answer is not described",))

    def _named(self, name: str, where: str) -> Operation:
        operation = self.document.find(name)
        if operation is None:
            choices = ", ".join(o.id for o in self.document.operations)
            raise DeclarationError(f"{where} is not an operation. The choices are: {choices}.")
        return operation

    def _claim(self, retrieve: Operation, declared: dict[str, ResourceDeclaration]) -> tuple[str, ResourceDeclaration]:
        """The declaration that speaks of this resource, with its name; taken off the list."""
        noun = self._noun(retrieve)
        for name, wishes in declared.items():
            wanted = wishes.operations.get(Action.RETRIEVE)
            if wanted in (retrieve.id, retrieve.name) or (wanted is None and plain(name) == plain(noun)):
                return name, declared.pop(name)
        if len(declared) == 1:
            name, wishes = next(iter(declared.items()))
            if Action.RETRIEVE not in wishes.operations:
                return name, declared.pop(name)
        return noun, ResourceDeclaration()

    def _noun(self, retrieve: Operation) -> str:
        """What a kind is called: the word before the id in the path, else what the id is of, else any word."""
        path = retrieve.path.partition("?")[0]
        words = [w for w in re.split("[/.]", collection_of(path)) if w and w != "{}"]
        for word in reversed(words[-1:]):
            noun = singular(word)
            is_version = re.fullmatch(r"v\d+\w*", noun) is not None
            if not is_version and plain(noun) not in self.vocabulary.filler and noun.isascii():
                return noun
        for place in self._places(retrieve)[:1]:
            parts = [p for p in pieces(place.pointer[-1]) if p not in ("id", "uuid", "name")]
            if parts:
                return "_".join(parts)
        return next(iter(reversed(nouns_of(self.vocabulary, path))), "job")

    @staticmethod
    def _free_name(name: str, path: str, taken: list[str]) -> str:
        """The name, or a longer one if it is taken: with the word before it in the path, then with a number."""
        if name not in taken:
            return name
        before = [piece for piece in collection_of(path).split("/")[1:-1] if piece and "{" not in piece]
        longer = f"{singular(before[-1])}_{name}" if before else name
        numbered = (f"{longer}_{number}" for number in range(2, 1000))
        return longer if longer not in taken else next(n for n in numbered if n not in taken)

    def _resource(self, jobs: _Jobs) -> JobResource:
        name, wishes = jobs.name, jobs.wishes
        is_declared = Action.RETRIEVE in wishes.operations
        retrieve = self._part_of(jobs.retrieve, Action.RETRIEVE, jobs.told, jobs.place)
        score = 1.0 if is_declared else 0.3 + 0.7 * jobs.view.sureness
        if not is_declared and not jobs.creates:
            score = min(score, 0.4)
        pair = f"{{create: …, retrieve: {_quoted(jobs.retrieve.id)}}}"
        line = "" if jobs.creates else f"x-job.resources.{name}: {pair}"
        parts = [self._place(name, retrieve, "declared" if is_declared else self._reads(jobs), score, (), line)]
        for operation in self.document.operations if wishes.operations or wishes.follow_ups else ():
            if operation.name not in self.placed and (part := self._declared_part(operation, jobs)):
                parts.append(part)
        for operation, flow, others in jobs.creates:
            below = jobs.holds(operation) and (  # a comment on a job, say
                operation.method != "POST" or self._is_for("act", operation) or self._starting(operation, jobs) is None
            )
            if operation.name not in self.placed and not below:
                parts.append(self._creating(operation, flow, others, jobs))
        for operation in self.document.operations:
            free = operation.name not in self.placed and operation.name not in self.reserved
            if free and (part := self._inferred_part(operation, jobs)):
                parts.append(part)
        id_names = {p.pointer[-1] for p in [jobs.place] if p}
        parts = [self._with_id(p, id_names) for p in parts]
        parts = [replace(p, view=self._amended(p.view, wishes)) if p.view else p for p in parts]
        order = {operation.name: number for number, operation in enumerate(self.document.operations)}
        parts[1:] = sorted(parts[1:], key=lambda p: order[p.operation.name])
        self._check_places(wishes, parts)
        parts = [self._with_usual_words(p, wishes) for p in parts]
        words = self._words(jobs, parts)
        self._explain(name, words, parts, wishes)
        return JobResource(
            name=name,
            operations=tuple(parts),
            words=complete_words(words),
            id_format=wishes.id_format or self._id_format(name, parts),
            profile=self._profile(wishes),
            echo=wishes.echo,
            failure=wishes.failure,
            only_in=wishes.only_in,
            id_text=self._id_text(jobs, parts),
        )

    @staticmethod
    def _reads(jobs: _Jobs) -> str:
        if jobs.place is None or jobs.place.place == "path":
            return "reads one job by its id"
        return f"reads one job by the {jobs.place.place}'s {jobs.place.pointer[-1]}"

    def _with_usual_words(self, part: JobOperation, wishes: ResourceDeclaration) -> JobOperation:
        """A status that may be any text has the usual words where neither the document nor `x-job` says one."""
        view = part.view
        if part.action is not Action.RETRIEVE or view is None or "status" not in view.fields or wishes.words:
            return part
        shape = shape_of(self.document, self._status_schema(view))
        if any(form.constants for form in (shape, *shape.branches)) or "string" not in (shape.types or ("string",)):
            return part
        told = Words(view.phases, view.unclear_words, view.passive_words, view.evidence, view.sureness)
        full = usual_words(self.vocabulary, told) if not _is_whole(view) else told
        return replace(part, view=replace(view, words=full.by_state, phases=full.phases, evidence=full.evidence))

    def _words(self, jobs: _Jobs, parts: list[JobOperation]) -> dict[State, Any]:
        """The word for each state. A single word that is not understood is taken for success if that has none."""
        words = _all_words(parts)
        unclear = [word for word in jobs.view.unclear_words if word not in words.values()]
        if State.SUCCEEDED not in words and len(unclear) == 1:
            words[State.SUCCEEDED] = unclear[0]
            self._note(f"{jobs.name}: state succeeded", unclear[0], "the only word that is not understood", 0.4)
        return words

    # -- which part an operation plays ----------------------------------------------------------------

    def _declared_part(self, operation: Operation, jobs: _Jobs) -> JobOperation | None:
        wishes = jobs.wishes
        for action, wanted in wishes.operations.items():
            self._named(wanted, f"{wishes.where}.{action.value}: {wanted!r}")
            if wanted in (operation.id, operation.name):
                flows = [(flow, others) for made, flow, others in jobs.creates if made is operation]
                if action is Action.CREATE and flows:
                    return self._creating(operation, *flows[0], jobs, is_declared=True)
                return self._place(jobs.name, self._made(operation, action, jobs), "declared")
        for wanted, how in wishes.follow_ups.items():
            self._named(wanted, f"{wishes.where}.follow-ups: {wanted!r}")
            if wanted in (operation.id, operation.name):
                return self._place(jobs.name, self._follow_up(operation, jobs, how), "declared")
        return None

    def _creating(
        self, operation: Operation, flow: Flow, others: tuple[tuple[str, float], ...], jobs: _Jobs,
        is_declared: bool = False,
    ) -> JobOperation:  # fmt: skip
        """The part of an operation whose answer gives a job's id: a create, or a follow-up of an earlier job."""
        told = self._tell(operation)
        close = 0.3 if others and others[0][1] > _share(flow.score) - 0.1 else 0.0
        sureness = max(round(_share(flow.score) - close, 2), 0.05)
        declare = f"x-job.resources.{jobs.name}.create: {operation.id}"
        rivals = tuple((f"read by {id}", min(max(round(share - close, 2), 0.05), sureness)) for id, share in others)
        if others:
            pair = f"{{create: {_quoted(operation.id)}, retrieve: {_quoted(others[0][0])}}}"
            declare = f"x-job.resources.{jobs.name}: {pair}"
        why = "; ".join(flow.why)
        if is_declared:
            sureness, rivals, why = 1.0, (), f"declared; {why}"
        elif self._starts_from_a_job(operation, jobs, told):
            return self._place(jobs.name, self._follow_up(operation, jobs, FollowUpDeclaration()), why, sureness)
        part = self._part_of(operation, Action.CREATE, told, None)
        pointer = flow.id_field
        if not pointer:  # the id is in a header alone, or nothing is said of the answer: then it is the job
            if told.schema is None and not told.answer_has_headers:
                part = replace(part, schema=jobs.told.schema, view=jobs.told.view)
            return self._place(jobs.name, part, why, sureness, rivals, declare)
        if (
            part.view is None
            or pointer[: len(part.view.pointer)] != part.view.pointer
            or len(pointer) <= len(part.view.pointer)
        ):
            part = replace(part, view=self._view_at(told.schema, pointer[:-1]))
        assert part.view is not None
        inside = pointer[len(part.view.pointer) :]
        links = {plain(word) for word in self.vocabulary.ranks["roles"]["poll url"]}
        if inside and plain(inside[-1]) not in links:
            fields = {  # without those that hold the id
                role: tuple(p for p in ps if inside[: len(p)] != p)
                for role, ps in part.view.fields.items()
                if role != "id"
            }
            kept = {role: ps for role, ps in fields.items() if ps}
            part = replace(part, view=replace(part.view, fields={"id": (inside,), **kept}))
        return self._place(jobs.name, part, why, sureness, rivals, declare)

    def _starts_from_a_job(self, operation: Operation, jobs: _Jobs, told: _Told) -> bool:
        if jobs.holds(operation):
            return True
        if any(jobs.names(place) and place.place == "path" for place in self._places(operation)):
            return True
        view = told.view
        same = view is not None and self._schema_name(view) and self._schema_name(view) == self._schema_name(jobs.view)
        return bool(same) and self._names_a_job(operation, jobs) is not None

    def _inferred_part(self, operation: Operation, jobs: _Jobs) -> JobOperation | None:
        inferred = self._inferred(operation, jobs)
        if inferred is None:
            return None
        action, evidence, sureness = inferred
        if action is Action.FOLLOW_UP:
            return self._place(jobs.name, self._follow_up(operation, jobs, FollowUpDeclaration()), evidence, sureness)
        return self._place(jobs.name, self._made(operation, action, jobs), evidence, sureness)

    def _inferred(self, operation: Operation, jobs: _Jobs) -> tuple[Action, str, float] | None:
        """What an operation does to jobs, by its method, its path and its answer, and why that is concluded."""
        path, place = bare(operation.path), jobs.path
        if operation.method == "GET" and self._lists(operation, jobs):
            return Action.LIST, "a list on the collection's path", 0.9
        by_id = self._job_place(operation, jobs)
        if (
            by_id is None
            and operation.name in self.orphans
            and self._same_schema(operation, jobs)
            and self._schema_name(jobs.view)
        ):
            return Action.RETRIEVE, "answers with the same job, and nothing else creates what it reads", 0.7
        if by_id is None:
            return self._starting(operation, jobs) if operation.method == "POST" else None
        inside = jobs.holds(operation)
        if operation.method in ("POST", "PUT", "PATCH", "DELETE", "GET") and self._is_for("cancel", operation, True):
            if inside and "{}" in path[len(place) :]:
                return None  # of something below the job
            return Action.CANCEL, "named for it, by the job's id", 0.9
        match operation.method:
            case "DELETE" if path == place or not inside:
                return Action.DELETE, "DELETE on the job's path" if path == place else "DELETE by the job's id", 0.9
            case "GET" if _media_types(operation):
                return Action.CONTENT, "answers with media by the job's id", 0.9
            case "GET":
                return self._reading(operation, jobs, path == place)
            case "POST" if path == place:
                return None  # an update of the job
            case "POST" | "PUT" | "PATCH" if (
                inside and self._is_for("act", operation) and self._same_schema(operation, jobs)
            ):
                return Action.RETRIEVE, "acts on the job, and answers with it as it is", 0.6
            case "POST":
                return self._starting(operation, jobs)
        return None

    def _same_schema(self, operation: Operation, jobs: _Jobs) -> bool:
        view = self._view(operation)
        return view is not None and "status" in view.fields and self._schema_name(view) == self._schema_name(jobs.view)

    def _job_place(self, operation: Operation, jobs: _Jobs) -> IdPlace | None:
        """Where a request names a job of this kind, if it does."""
        path = bare(operation.path)
        least = len(jobs.path) * ((path + "/").startswith(jobs.path + "/"))
        if any(home != jobs.path and len(home) > least for home in self._homes_above(path)):
            return None  # below a job of another kind
        if jobs.holds(operation) or (jobs.path and bare(operation.path) == jobs.path):
            return self._path_place(operation, jobs)
        for place in self._places(operation):
            if jobs.names(place) and (place.place != "body" or operation.method != "GET"):
                other = _path_to(operation.path, place)  # which may be read as something else of that name
                return place if other == jobs.path or other not in self.readable else None
        return None

    def _homes_above(self, path: str) -> tuple[str, ...]:
        """The paths of jobs that a bare path is, or lies below; remembered."""
        found = self.homes_above.get(path)
        if found is None:
            ends = [n for n, sign in enumerate(path) if sign == "/" and n] + [len(path)]
            found = self.homes_above[path] = tuple(path[:n] for n in ends if path[:n] in self.homes)
        return found

    def _reading(self, operation: Operation, jobs: _Jobs, same_path: bool) -> tuple[Action, str, float] | None:
        """A further GET by a job's id: the job once more, or its result."""
        view = self._view(operation)
        if (
            view is not None
            and view.sureness >= LIFELIKE
            and (same_path or self._schema_name(view) == self._schema_name(jobs.view))
        ):
            return Action.RETRIEVE, "reads the job too", 0.8
        last = _last_word(operation)
        is_result = self._is_for("read", operation) or self.vocabulary.rank("roles", "result", last) is not None
        if view is not None and view.sureness >= LIFELIKE:
            return None  # something else with a life of its own
        if self._tell(operation, in_list=True).view and not self._tell(operation).view and not is_result:
            return None
        if same_path or is_result or (view is not None and "result" in view.fields):
            return Action.RESULT, "reads by the job's id, and tells no status", 0.7
        return None

    def _lists(self, operation: Operation, jobs: _Jobs) -> bool:
        """Whether an operation lists jobs: on the path that they hang below, or with the same things in it."""
        path = bare(operation.path)
        homes = {collection_of(jobs.retrieve.path), *(bare(o.path) for o, *_ in jobs.creates if "{" not in o.path)}
        if path in self.collections - homes or path == jobs.path:
            return False  # another kind's
        view = self._view(operation, in_list=True)
        if view is None:
            return False
        if path in homes:
            return True
        same = self._schema_name(view) and self._schema_name(view) == self._schema_name(jobs.view)
        words = set(map(str, view.words.values())) & set(map(str, jobs.view.words.values()))
        about = set(nouns_of(self.vocabulary, operation.path)) & set(nouns_of(self.vocabulary, jobs.retrieve.path))
        alike = same or (len(words) > 1 and view.sureness >= LIFELIKE)
        named = self._id_text(jobs, []).rpartition("/")[0]  # `operations` for `operations/{id}`
        near = same and bool(named) and "{" not in named and path.endswith("/" + named)
        near = near or any(home.count("/") > 1 and (path.startswith(home) or home.startswith(path)) for home in homes)
        if "{" in path and any(jobs.names(place) for place in self._places(operation)):
            return False
        whole = self._tell(operation).view  # a job with others in it is no list
        return bool(alike and (near or about) and not (whole and whole.sureness >= LIFELIKE and "{" in path))

    def _starting(self, operation: Operation, jobs: _Jobs) -> tuple[Action, str, float] | None:
        """Whether a POST starts a job, from an earlier one or not."""
        answer = self._view(operation)
        if answer is None:
            return None
        path, collection = bare(operation.path), collection_of(jobs.retrieve.path)
        name = self._schema_name(answer)
        same = bool(name) and name == self._schema_name(jobs.view) and path not in self.collections - {collection}
        if path == jobs.path:
            return None
        if jobs.holds(operation):
            # A pause or a comment below a job answers with an id too: what starts a job is asked for, and has a status.
            other = bool(name) and bool(self._schema_name(jobs.view)) and name != self._schema_name(jobs.view)
            starts = answer.words and operation.body and not other
            return (Action.FOLLOW_UP, "starts a job below an earlier one", 0.8) if starts else None
        if same and self._names_a_job(operation, jobs):
            return Action.FOLLOW_UP, "answers with the job, and names an earlier one", 0.8
        if "id" in answer.fields and path == collection:
            return Action.CREATE, "POST on the collection's path", 0.8
        return (Action.CREATE, "answers with the same job", 0.7) if "id" in answer.fields and same else None

    def _made(self, operation: Operation, action: Action, jobs: _Jobs) -> JobOperation:
        told = self._tell(operation, in_list=action is Action.LIST)
        if action is Action.LIST and told.view is None:
            raise DeclarationError(f"{jobs.wishes.where}.list: the answer of {operation.name} holds no list of jobs.")
        is_free = action in (Action.CREATE, Action.LIST)
        place = None if is_free else self._job_place(operation, jobs) or self.orphans.get(operation.name)
        if place is None and not is_free:
            place = self._path_place(operation, jobs)
        if place is None and not is_free:
            place = next(iter(self._places(operation)), None)
        part = self._part_of(operation, action, told, place)
        if action is Action.CONTENT:
            parameter, variants = self._variants(operation)
            part = replace(part, variant_parameter=parameter, variants={**variants, **jobs.wishes.variants})
        return part

    def _part_of(self, operation: Operation, action: Action, told: _Told, place: IdPlace | None) -> JobOperation:
        ended = told.ended if action is Action.RETRIEVE else None
        return JobOperation(operation, action, told.view, place, answer=told.answer, schema=told.schema, ended=ended)

    def _follow_up(self, operation: Operation, jobs: _Jobs, how: FollowUpDeclaration) -> JobOperation:
        place = IdPlace("body", how.source) if how.source else self._names_a_job(operation, jobs)
        if place is None:
            raise DeclarationError(
                f"{self.document.origin}: x-job: follow-up {operation.id!r}: no field names the earlier job. "
                "Give its place: `source: /field/id`."
            )
        part = self._part_of(operation, Action.FOLLOW_UP, self._tell(operation), place)
        return replace(part, sums=how.sums, links_source=how.links_source)

    def _names_a_job(self, operation: Operation, jobs: _Jobs) -> IdPlace | None:
        if jobs.holds(operation):
            return self._path_place(operation, jobs)
        for place in self._places(operation):
            if place.place == "path" and jobs.names(place):
                return place
        wanted = {plain(p) for p in path_parameters(jobs.retrieve.path)} | {plain(jobs.name) + "id"}
        wanted |= set(self.vocabulary.ranks["roles"]["source"])
        wanted.discard("id")
        for media in operation.body.values():
            if pointer := find_reference(self.document, media.get("schema"), wanted):
                return IdPlace("body", pointer)
        return None

    def _place(
        self, name: str, part: JobOperation, evidence: str, sureness: float = 1.0,
        others: tuple[tuple[str, float], ...] = (), declare: str = "",
    ) -> JobOperation:  # fmt: skip
        self.placed[part.operation.name] = name
        topic = f"{name}: {part.action.value}"
        declare = declare or f"x-job.resources.{name}.{part.action.value}: {part.operation.id}"
        self.conclusions.append(Conclusion(topic, part.operation.name, evidence, sureness, others, declare))
        return part

    # -- what is in them ----------------------------------------------------------------------------

    def _view(self, operation: Operation, in_list: bool = False) -> View | None:
        return self._tell(operation, in_list).view

    def _schema_name(self, view: View) -> str:
        return shape_of(self.document, view.schema).name

    def _tell(self, operation: Operation, in_list: bool = False) -> _Told:
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

    def _telling(self, operation: Operation, in_list: bool) -> _Told:
        good = sorted((a for a in operation.answers if a.status.startswith("2")), key=lambda a: a.status)
        success = operation.success()
        best, found = -1.0, _Told(success, None, None)
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
                ids=self._names_of_ids(operation),
            )
            view = find_view(self.document, self.vocabulary, schema, in_list, setting)
            view = self._with_declared_id(view) if view else None
            score = (("id" in view.fields) + ("status" in view.fields) + view.sureness) if view else 0.0
            if score > best:
                best, found = score, _Told(answer, schema, view)
        return self._with_end(found, good)

    def _with_end(self, told: _Told, good: list[Answer]) -> _Told:
        """What is told where 202 answers for an unfinished job, and another one, without a status, for its result."""
        view, ended = told.view, next((a for a in good if a.status in ("200", "201")), None)
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

    def _names_of_ids(self, operation: Operation) -> list[str]:
        """How the id may be called: as the last parameter of the operation's path, or of one right below it."""
        own = path_parameters(operation.path)[-1:]
        if not self.below:
            for getter in self._getters():
                self.below.setdefault(collection_of(getter.path), []).append(path_parameters(getter.path)[-1])
        return list(dict.fromkeys(plain(name) for name in (*own, *self.below.get(bare(operation.path), ()))))

    def _with_declared_id(self, view: View) -> View:
        properties = union_of(self.document, view.schema).properties
        declared = {
            p for w in self.declaration.resources.values() for p in w.fields.get("id", ()) if p[0] in properties
        }
        return replace(view, fields={**view.fields, "id": tuple(sorted(declared))}) if declared else view

    def _with_id(self, part: JobOperation, names: set[str]) -> JobOperation:
        """The part with the field for its id that is called as the parameter by which the job is read."""
        view = part.view
        if view is None or part.action is Action.CREATE:
            return part
        wanted = {plain(name) for name in names}
        properties = union_of(self.document, view.schema).properties
        named = next((name for name in properties if plain(name) in wanted and plain(name) != "name"), None)
        declared = any(w.fields.get("id") for w in self.declaration.resources.values())
        if named is None or declared or ("id" in view.fields and plain(view.fields["id"][0][-1]) in wanted):
            return part
        if not _is_scalar(self.document, properties[named]):
            return part
        fields = {role: tuple(p for p in ps if p != (named,)) for role, ps in view.fields.items() if role != "id"}
        return replace(part, view=replace(view, fields={"id": ((named,),), **{r: p for r, p in fields.items() if p}}))

    def _path_place(self, operation: Operation, jobs: _Jobs) -> IdPlace | None:
        """The parameter of a path that names the job: the one where the job's own path has it, else the last."""
        names = path_parameters(operation.path)
        if not names:
            return None
        position = bare(jobs.path).count("{}") - 1
        return IdPlace("path", (names[position if jobs.holds(operation) and position < len(names) else -1],))

    def _node_at(self, schema: Any, pointer: Pointer) -> Any:
        for token in pointer:
            shape = union_of(self.document, schema)
            schema = shape.items if token == "*" else shape.properties.get(token)
        return schema

    def _view_at(self, schema: Any, pointer: Pointer) -> View:
        return view_of(self.document, self.vocabulary, pointer, self._node_at(schema, pointer))

    def _amended(self, view: View, wishes: ResourceDeclaration) -> View:
        """A view with the declared fields and words in place of the inferred ones, where it has those fields."""
        properties = union_of(self.document, view.schema).properties
        fields = dict(view.fields)
        for role, pointers in wishes.fields.items():
            fields[role] = tuple(p for p in pointers if p[0] in properties)
        declared = {pointer for role in wishes.fields for pointer in fields[role]}
        fields = {r: p if r in wishes.fields else tuple(x for x in p if x not in declared) for r, p in fields.items()}
        if wishes.fields.get("status") and fields["status"] and fields["status"] != view.fields.get("status"):
            view = self._with_words_of(view, fields["status"][0])
        said = self._said_by(view, wishes) if fields.get("status") else {}
        own = {**view.words, **said}
        phases = {**view.phases, **{state: _phases(view.phases.get(state, ()), word) for state, word in said.items()}}
        return replace(view, fields={r: p for r, p in fields.items() if p}, words=own, phases=phases)

    def _said_by(self, view: View, wishes: ResourceDeclaration) -> dict[State, Any]:
        """The declared words that an answer's status can say, in its own type."""
        status = wishes.fields.get("status") or view.fields["status"]
        shape = shape_of(self.document, self._node_at(view.schema, status[0]))
        forms = (shape, *shape.branches)
        constants = [c for form in forms for c in form.constants or ()]
        kinds = {kind for form in forms for kind in form.types}
        known: dict[str, Any] = {str(c).lower() if isinstance(c, bool) else str(c): c for c in constants}
        if kinds == {"boolean"}:
            known = {"true": True, "false": False}
        elif kinds and not known and "string" not in kinds:
            known = {word: int(word) for word in wishes.words.values() if re.fullmatch(r"-?\d+", word)}
        return {s: known.get(word, word) for s, word in wishes.words.items() if not known or word in known}

    def _with_words_of(self, view: View, status: Pointer) -> View:
        """A view whose words are those of another field."""
        words = read_words(self.document, self.vocabulary, status[-1], self._node_at(view.schema, status))
        return replace(
            view, words=words.by_state, phases=words.phases, unclear_words=words.unclear, passive_words=words.passive,
            evidence=words.evidence, sureness=words.sureness,
        )  # fmt: skip

    def _check_places(self, wishes: ResourceDeclaration, parts: list[JobOperation]) -> None:
        """Raises DeclarationError for a declared operation that plays another part, or a field that no answer has."""
        for action, wanted in wishes.operations.items():
            if not any(p.action is action and wanted in (p.operation.id, p.operation.name) for p in parts):
                raise DeclarationError(f"{wishes.where}.{action.value}: {wanted!r} already plays another part.")
        views = [p.view for p in parts if p.view and "status" in p.view.fields]
        shapes = [shape_of(self.document, self._status_schema(view)) for view in views]
        allowed = [[c for form in (s, *s.branches) for c in form.constants or ()] for s in shapes]
        said = sorted({str(word) for constants in allowed for word in constants})
        for state, word in wishes.words.items():
            if allowed and all(constants and word not in map(str, constants) for constants in allowed):
                raise DeclarationError(f"{wishes.where}.words.{state.value}: no status says {word!r}. It has: {said}.")
        known = {name for p in parts if p.view for name in union_of(self.document, p.view.schema).properties}
        declared = {f"fields.{role}": pointers for role, pointers in wishes.fields.items()}
        for place, pointers in {**declared, "echo": tuple(wishes.echo), "only-in": tuple(wishes.only_in)}.items():
            for pointer in pointers:
                if pointer[0] not in known:
                    choices = ", ".join(f"/{name}" for name in sorted(known))
                    text = f"{wishes.where}.{place}: /{'/'.join(pointer)} is no field of the job"
                    raise DeclarationError(f"{text}. It has: {choices}.")

    def _status_schema(self, view: View) -> Any:
        return self._node_at(view.schema, view.fields["status"][0])

    def _id_format(self, name: str, parts: list[JobOperation]) -> str:
        """What ids look like: by format or type, then by examples and patterns, and within the limits of length."""
        shapes, examples = [], []
        for part in parts:
            for parameter in part.operation.parameters:
                if part.id_place == IdPlace(parameter.place, (parameter.name,)):
                    shapes.append(shape_of(self.document, parameter.schema))
                    examples += _scalars([parameter.raw.get("example")])
            if part.view and "id" in part.view.fields:
                shapes.append(shape_of(self.document, self._node_at(part.view.schema, part.view.fields["id"][0])))
            examples += _example_ids(self.document, part)
        for shape in shapes:
            several = shape.get("examples")
            examples += _scalars([shape.get("example"), *(several if isinstance(several, list) else ())])
        examples = [e.rstrip("/").rsplit("/", 1)[-1] for e in examples if "{" not in e and e.isascii()]
        patterns = [p for shape in shapes if isinstance(p := shape.get("pattern"), str) and "/" not in p]
        least = max((int(shape.number("minLength") or 0) for shape in shapes), default=0)
        most = min((int(n) for shape in shapes if (n := shape.number("maxLength"))), default=60)
        ways: list[tuple[str, str, float]] = []
        if any(shape.get("format") == "uuid" for shape in shapes):
            ways.append(("{uuid}", "its format", 1.0))
        if any(shape.types and "string" not in shape.types and "integer" in shape.types for shape in shapes):
            ways.append(("{digits:9}", "its type", 1.0))
        if seen := max(examples, key=len, default=""):
            ways.append((format_of(sorted(set(examples)), name), f"the example {seen!r}", 0.9))
        ways += [(f"/{pattern}/", "its pattern", 0.9) for pattern in patterns]
        ways.append((format_of([], name), "no example; a default", 0.4))
        length = max(least, min(most, 24))
        ways += [(f"{{{kind}:{length}}}", "its length", 0.6) for kind in ("alnum", "hex", "digits")]
        id_format, why, sureness = next(
            (w for w in ways if fits(w[0], patterns, least, most)), (format_of([], name), "nothing better fits", 0.2)
        )
        others = () if sureness >= SURE or not fits("{uuid}", patterns, least, most) else (("{uuid}", 0.3),)
        line = f"x-job.resources.{name}.id-format: {others[0][0] if others else id_format}"
        self.conclusions.append(Conclusion(f"{name}: id", id_format, why, sureness, others, line))
        return id_format

    def _id_text(self, jobs: _Jobs, parts: list[JobOperation]) -> str:
        """How answers write an id: as a whole resource name (`operations/{id}`) where the document shows that."""
        texts: list[str] = []
        for parameter in jobs.retrieve.parameters:
            if jobs.place == IdPlace("path", (parameter.name,)):
                texts += _scalars([parameter.schema.get("pattern"), parameter.raw.get("example")])
        for part in parts:
            if part.view is None or "id" not in part.view.fields:
                continue
            shape = shape_of(self.document, self._node_at(part.view.schema, part.view.fields["id"][0]))
            texts += _scalars([shape.get("pattern"), shape.get("example"), *_example_ids(self.document, part)])
            name = part.view.fields["id"][0][-1]
            if self.vocabulary.rank("roles", "id", name) is not None and plain(name).endswith("name"):
                texts += _RESOURCE_NAME.findall(str(shape.get("description") or ""))
                if "done" in part.view.fields or part.view.evidence.startswith("a flag"):
                    texts.append(_resource_path(jobs.path))
        own = [step for step in jobs.path.split("/") if step != "{}"]
        wide = any(p.segments for p in jobs.retrieve.parameters if p.place == "path")
        for text in texts:
            steps = [step for step in text.strip("^$").replace("\\/", "/").split("/") if step]
            if len(steps) < 2 or "://" in text:
                continue
            names = [f"{{{name}}}" for name in self._parents(jobs)]
            kept = _steps(steps[:-1], names)
            if wide or not own or not kept or kept[-1] in own:
                return "/".join([*kept, "{id}"])
        return "{id}"

    def _parents(self, jobs: _Jobs) -> tuple[str, ...]:
        """The path parameters before the id where the job is read, else those of the path where it is created."""
        before = path_parameters(jobs.retrieve.path)[:-1]
        return before or next((path_parameters(o.path) for o, *_ in jobs.creates), ())

    def _variants(self, operation: Operation) -> tuple[str, dict[str, str]]:
        """The query parameter that chooses what is downloaded, with the media type of each of its values."""
        types = _media_types(operation)
        stills = [t for t in types if t.startswith("image/")]
        main = next((t for t in types if not t.startswith("image/")), types[0] if types else "application/octet-stream")
        for parameter in operation.parameters:
            values = shape_of(self.document, parameter.schema).constants
            if parameter.place == "query" and values and stills:
                chosen = {}
                for value in map(str, values):
                    is_sheet = self.vocabulary.rank("variants", "sheet", value) is not None
                    is_still = self.vocabulary.rank("variants", "still", value) is not None
                    chosen[value] = stills[-1] if is_sheet else stills[0] if is_still else main
                return parameter.name, chosen
        return "", {}

    def _profile(self, wishes: ResourceDeclaration) -> Profile:
        default = self.profiles["default"]
        if wishes.profile is None:
            return default
        where = f"{wishes.where}.profile"
        if isinstance(wishes.profile, str):
            if wishes.profile not in self.profiles:
                raise DeclarationError(f"{where} is {wishes.profile!r}; known profiles are {sorted(self.profiles)}.")
            return self.profiles[wishes.profile]
        return read_profile(wishes.profile, default, where)

    # -- what to tell -------------------------------------------------------------------------------

    def _note(self, topic: str, value: str, evidence: str, confidence: float = 1.0, declare: str = "") -> None:
        self.conclusions.append(Conclusion(topic, value, evidence, confidence, (), declare))

    def _explain(
        self, name: str, words: dict[State, Any], parts: list[JobOperation], wishes: ResourceDeclaration
    ) -> None:
        view = next(p.view for p in parts if p.action is Action.RETRIEVE)
        assert view is not None
        where = f"x-job.resources.{name}"
        for role, pointers in view.fields.items():
            is_declared = role in wishes.fields
            evidence = "declared" if is_declared else "its name and type"
            sureness = 1.0 if is_declared else 0.9 if role != "status" else max(0.5 + view.sureness / 2, 0.5)
            rivals = () if is_declared else tuple((_written(p), s) for r, p, s in view.rivals if r == role)
            text = ", ".join(_written(p) for p in pointers)
            declare = f"{where}.fields.{role}: {rivals[0][0] if rivals else text}" if role in _DECLARABLE else ""
            self.conclusions.append(Conclusion(f"{name}: {role} field", text, evidence, sureness, rivals, declare))
        told = [s for s in State if s in words]
        for state in told:
            evidence = (
                "declared" if state in wishes.words else f"the vocabulary's meaning; {view.evidence or 'its enum'}"
            )
            others = tuple((str(w), 0.5) for w in view.phases.get(state, ())[1:])
            shown = str(words[state]).lower() if isinstance(words[state], bool) else str(words[state])
            sureness = 1.0 if state in wishes.words else 0.6 if "usual" in view.evidence else 0.9
            line = f"{where}.words.{state.value}: {others[0][0] if others else shown}"
            self.conclusions.append(Conclusion(f"{name}: state {state}", shown, evidence, sureness, others, line))
        for state in (State.SUCCEEDED, State.FAILED):
            if state not in words:
                line = f"{where}.words.{state.value}: …"
                self._note(f"{name}: state {state}", "no word for it", "such jobs cannot be told apart", 0.3, line)
        views = [p.view for p in parts if p.view]
        for word in sorted({w for v in views for w in v.unclear_words} - set(map(str, words.values()))):
            lacking = next((s for s in (State.QUEUED, State.RUNNING, State.FAILED) if s not in words), State.RUNNING)
            self._note(f"{name}: status word {word!r}", "not understood, never sent", "not in the vocabulary", 0.3,
                       f"{where}.words.{lacking.value}: {word}")  # fmt: skip
        for word in sorted({w for v in views for w in v.passive_words} - set(map(str, words.values()))):
            self._note(
                f"{name}: status word {word!r}", "understood, never entered by itself", "the vocabulary's meaning"
            )


_DECLARABLE = {"id", "status", "progress", "created", "started", "completed", "updated", "expires", "result",
               "thumbnail", "error", "source"}  # fmt: skip


def _all_words(parts: list[JobOperation]) -> dict[State, Any]:
    """The words of the retrieve answer, then what only other answers have."""
    words: dict[State, Any] = {}
    for part in sorted(parts, key=lambda p: p.action is not Action.RETRIEVE):
        for state, word in (part.view.words if part.view else {}).items():
            if not words or type(word) is type(next(iter(words.values()))):
                words.setdefault(state, word)
    return words


def _last_word(operation: Operation) -> str:
    """The last literal word of a path."""
    words = [word for word in re.split("[/:.]", bare(operation.path)) if word and word != "{}"]
    return words[-1] if words else ""


def _quoted(name: str) -> str:
    """The name of an operation inside a line of YAML."""
    return f'"{name}"' if re.search(r"[^\w/ .-]", name) else name


def _phases(told: tuple[Any, ...], word: Any) -> tuple[Any, ...]:
    """All words of a state for which one is declared: those that are known, if that is their first."""
    return told if told and told[0] == word else (word,)


def _path_to(path: str, place: IdPlace | None) -> str:
    """A bare path up to the parameter that is a place; '' if it has none."""
    names = path_parameters(path)
    if place is None or place.place != "path" or place.pointer[0] not in names:
        return ""
    count = names.index(place.pointer[0]) + 1
    return "{}".join(bare(path).split("{}")[:count]) + "{}"


def _sureness(reader: _Reader) -> float:
    return reader.told.view.sureness if reader.told.view else 0.0


def _is_whole(view: View) -> bool:
    return all(state in view.phases for state in (State.SUCCEEDED, State.FAILED)) and bool(
        {State.QUEUED, State.RUNNING} & set(view.phases)
    )


def _share(score: float) -> float:
    """A score as a confidence from 0 to 1."""
    return round(min(max(score / CERTAIN, 0.0), 1.0), 2)


def _written(pointer: Pointer) -> str:
    return "/" + "/".join(pointer)


def _resource_path(path: str) -> str:
    """A path as a resource name: without a version in front (`/v1/operations/{}` → `operations/{}`)."""
    return "/".join(step for step in path.split("/") if step and not re.fullmatch(r"v\d+\w*", step))


def _steps(steps: list[str], names: list[str]) -> list[str]:
    """The steps of a resource name, where what is no plain word is one of these parameters, or left out."""
    left = list(names)
    out = []
    for step in steps:
        if re.fullmatch(r"[\w\-]+", step):
            out.append(step)
        elif left:
            out.append(left.pop(0))
    return out


def _scalars(values: list[Any]) -> list[str]:
    return [str(v) for v in values if v and isinstance(v, (str, int)) and not isinstance(v, bool)]


def _is_scalar(document: Document, schema: Any) -> bool:
    shape = shape_of(document, schema)
    return not shape.is_object and not shape.is_array


def _schema_of_examples(examples: list[Any]) -> Any:
    """A schema that all examples fit, for an answer that has no other."""
    from genson import SchemaBuilder  # type: ignore[import-untyped]

    builder = SchemaBuilder(schema_uri=None)
    for example in examples:
        builder.add_object(example)
    return builder.to_schema()


def _example_ids(document: Document, part: JobOperation) -> list[str]:
    media = part.answer.json_media() if part.answer else None
    if not media or not part.view or "id" not in part.view.fields:
        return []
    pointer: Pointer = (*part.view.pointer, *part.view.fields["id"][0])
    return [str(v) for example in document.examples(media[1]) if (v := dig(example, pointer))]


def _media_types(operation: Operation) -> list[str]:
    content = [t for answer in operation.answers if answer.status.startswith("2") for t in answer.content]
    return [t for t in dict.fromkeys(content) if not is_json(t) and not t.startswith("text/") and t != "*/*"]
