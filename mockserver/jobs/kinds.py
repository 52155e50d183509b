"""The kinds of job in a document: what reads one by its id, and what creates those that it reads."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from mockserver.jobs.answers import Answers, Told, media_types
from mockserver.jobs.declaration import ResourceDeclaration
from mockserver.jobs.flow import CERTAIN, ENOUGH, Flow, Teller, flow_between, teller_of
from mockserver.jobs.paths import bare, collection_of, nouns_of, path_to, singular
from mockserver.jobs.resource import Action, IdPlace, View
from mockserver.jobs.views import LIFELIKE
from mockserver.jobs.vocabulary import pieces, plain
from mockserver.openapi.document import Operation
from mockserver.openapi.schema import shape_of

FEW = 40  # operations of a document in which an id that nothing takes must be for what nothing creates
MAX_PAIRS = 4000  # of creates and retrieves that are compared whatever they are about; beyond it only related ones are


@dataclass(frozen=True, slots=True)
class Reader:
    """An operation that reads one thing by its id; `is_job`: its answer has a status that looks like a job's."""

    operation: Operation
    told: Told
    places: tuple[IdPlace, ...]
    schema_name: str
    nouns: tuple[str, ...]
    is_job: bool


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of job while its operations are looked for: how it is called, what is declared, how it is read."""

    name: str
    wishes: ResourceDeclaration
    retrieve: Operation
    told: Told
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


def find_kinds(answers: Answers) -> list[Kind]:
    """The kinds of a document, those that nothing creates last. Raises DeclarationError for a wrong `x-job`."""
    return _Search(answers).kinds()


class _Search:
    """The search for the kinds of one document."""

    def __init__(self, answers: Answers) -> None:
        self.answers = answers
        self.document = answers.document
        self.vocabulary = answers.vocabulary
        self.declaration = answers.declaration

    def kinds(self) -> list[Kind]:
        """The kinds of job: each operation that reads one with a status, with the creates whose id flows into it."""
        wanted = {
            w.operations[Action.RETRIEVE]
            for w in self.declaration.resources.values()
            if Action.RETRIEVE in w.operations
        }
        for name in wanted:
            self.answers.named(name, f"{self.document.origin}: x-job: retrieve {name!r}")
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
            others = tuple((r.operation.id, share(f.score)) for s, r, f in flows[1:4] if s > score - 3)
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
                path = path_to(reader.operation.path, place)
                found.append(Kind("", ResourceDeclaration(), reader.operation, reader.told, place, path, creates))
        return sorted(found, key=lambda kind: not kind.creates)  # those that nothing creates come last

    def _readers(self, wanted: set[str]) -> Iterator[Reader]:
        """Operations that read one thing by its id: a GET, or a POST that is named for it and whose body names it."""
        for operation in self.document.operations:
            named = bool(wanted & {operation.id, operation.name})
            if operation.method not in ("GET", "POST") and not named:
                continue
            if operation.method == "POST" and not named and not self.answers.is_for("read", operation, by_name=True):
                continue
            places = self.answers.places(operation)
            in_path = tuple(p for p in places if p.place == "path")[
                :1
            ]  # the last parameter: the others are its parents'
            elsewhere = tuple(p for p in places if p.place != "path")
            places = (*elsewhere, *in_path) if operation.method == "POST" else in_path or elsewhere
            if not places and not named:
                continue
            if operation.method == "GET" and self.answers.creates_by_get(operation) and not named:
                continue
            told = self.answers.tell(operation)
            if told.schema is None and not media_types(operation) and places:
                told = (self.answers.undescribed(operation, places[0], named) if places else None) or told
            view = told.view
            lifelike = view is not None and ("status" in view.fields or told.ended is not None)
            if operation.method == "POST" and not lifelike and not named:
                continue
            name = shape_of(self.document, view.schema).name if view else ""
            nouns = nouns_of(self.vocabulary, operation.path)
            yield Reader(operation, told, places, name, nouns, bool(view) and (lifelike or named))

    def _sorted_out(self, readers: list[Reader], wanted: set[str]) -> list[Reader]:
        """The readers, where those whose status hardly looks like a job's count only if there are no better ones."""
        if not any(reader.is_job and _sureness(reader) >= LIFELIKE for reader in readers):
            return readers
        return [
            reader
            if _sureness(reader) >= LIFELIKE or {reader.operation.id, reader.operation.name} & wanted
            else replace(reader, is_job=False)
            for reader in readers
        ]

    def _tellers(self, readers: list[Reader]) -> Iterator[Teller]:
        """Operations that may start jobs: a POST or PUT (a GET, if it is named for it) whose answer may hold an id."""
        reading = {r.operation.id for r in readers if r.operation.method != "GET"}
        getters = {bare(r.operation.path): r for r in readers if r.operation.method == "GET"}
        for operation in self.document.operations:
            path = bare(operation.path)
            last = re.split("[/:.]", path)[-1]
            starts = self.vocabulary.rank("operations", "start", last) is not None
            if operation.method == "GET":
                possible = self.answers.creates_by_get(operation)
            elif operation.method == "PUT":
                possible = "{}" not in path.rsplit("/", 1)[-1]
            else:
                possible = operation.method == "POST" and operation.id not in reading
                possible = possible and (starts or self.vocabulary.rank("operations", "read", last) is None)
            if not possible or self.answers.is_for("cancel", operation, True):
                continue
            told = self.answers.tell(operation)
            view = told.view
            getter = getters.get(path)
            if (
                getter
                and view
                and self.answers.schema_name(view)
                and getter.schema_name == self.answers.schema_name(view)
            ):
                continue  # an update of what is read on the same path
            name = shape_of(self.document, view.schema).name if view else ""
            is_job = view is not None and "status" in view.fields
            yield teller_of(self.document, self.vocabulary, operation, told.answer, told.schema, name, is_job)

    def _flows(self, teller: Teller, readers: list[Reader]) -> list[tuple[float, Reader, Flow]]:
        """The jobs into whose reading an id flows from an answer, the likeliest first.

        None if it flows better into the reading of something that has no status: then it is a record's id.
        """
        few = len(readers) * len(readers) <= MAX_PAIRS
        jobs = [reader for reader in readers if reader.is_job]
        named = {plain(reader.places[0].pointer[-1]) for reader in jobs if reader.places}
        only = len(jobs) == 1 or (len(named) == 1 and not named & self.vocabulary.bare_ids)
        flows: list[tuple[float, Reader, Flow]] = []
        best_record, record = 0.0, ""
        made = bare(teller.operation.path)
        for reader in readers:
            related = few or teller.links or set(teller.nouns) & set(reader.nouns) or (
                reader.schema_name and reader.schema_name == teller.schema_name)  # fmt: skip
            read = bare(reader.operation.path)
            if not related or reader.operation is teller.operation or (read == made and made.endswith("}")):
                continue
            if not teller.fields:  # nothing is said of the answer: only the path can tell
                if reader.is_job and self.answers.tell(teller.operation).schema is None:
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
                clear = 0.3 * ("id" in view.fields) + 0.3 * self.answers.is_for("read", reader.operation)
                flows.append((flow.score + 1.5 * view.sureness + clear, reader, flow))
            elif flow.score > best_record:
                best_record, record = flow.score, path_to(reader.operation.path, flow.place)
        flows.sort(key=lambda each: -each[0])
        if (
            flows
            and best_record > flows[0][2].score + 1.5
            and record != path_to(flows[0][1].operation.path, flows[0][2].place)
        ):
            return []
        return flows

    def _lone_flow(self, teller: Teller, reader: Reader) -> Flow | None:
        """The way of an id that nothing else takes into the only job that nothing else creates."""
        ids = [
            f
            for f in teller.fields
            if plain(f.name) in self.vocabulary.bare_ids and plain(f.name) not in ("name", "key")
        ]
        if not ids or not reader.places or teller.operation.method != "POST":
            return None
        return Flow(ENOUGH, ids[0].pointer, reader.places[0], ("nothing else takes this id, or creates such jobs",))

    def _undescribed_flow(self, teller: Teller, reader: Reader) -> Iterator[tuple[float, Reader, Flow]]:
        """Whether an operation whose answer is not described starts what another reads: by their paths alone."""
        if not reader.places:
            return
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


def _sureness(reader: Reader) -> float:
    return reader.told.view.sureness if reader.told.view else 0.0


def share(score: float) -> float:
    """A score as a confidence from 0 to 1."""
    return round(min(max(score / CERTAIN, 0.0), 1.0), 2)
