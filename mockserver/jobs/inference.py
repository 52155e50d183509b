"""Reading a contract: the job resources of a document, inferred from its operations and corrected by `x-job`."""

import re
from dataclasses import dataclass, field, replace
from typing import Any

from mockserver.errors import DeclarationError, DocumentError, NoJobError
from mockserver.jobs.collections import find_collections
from mockserver.jobs.declaration import Declaration, FollowUpDeclaration, ResourceDeclaration
from mockserver.jobs.identity import format_of
from mockserver.jobs.lifecycle import State, complete_words
from mockserver.jobs.profile import Profile, read_profile
from mockserver.jobs.resource import Action, Conclusion, Contract, IdPlace, JobOperation, JobResource, Pointer, View
from mockserver.jobs.views import find_reference, find_view
from mockserver.jobs.vocabulary import Vocabulary, plain
from mockserver.openapi.document import Document, Operation, is_json
from mockserver.openapi.schema import shape_of


def read_contract(
    document: Document, vocabulary: Vocabulary, declaration: Declaration, profiles: dict[str, Profile]
) -> Contract:
    """The contract of a document. Raises NoJobError if it has no job, DeclarationError for a wrong `x-job`."""
    reading = _Reading(document, vocabulary, declaration, profiles)
    resources = reading.resources()
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
class _Jobs:
    """One kind of job while its operations are looked for: how it is called, what is declared, how it is read."""

    name: str
    wishes: ResourceDeclaration
    retrieve: Operation
    view: View

    def holds(self, operation: Operation) -> bool:
        """Whether an operation's path lies below the job's (`/jobs/{id}/cancel`, `/jobs/{id}:cancel`)."""
        place = _bare(self.retrieve.path)
        return _bare(operation.path).startswith((place + "/", place + ":"))


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

    def resources(self) -> tuple[JobResource, ...]:
        declared = dict(self.declaration.resources)
        found: list[JobResource] = []
        retrieves = self._retrieves()
        self.collections = {_collection(retrieve.path) for retrieve, _ in retrieves}
        for retrieve, view in retrieves:
            name, wishes = self._claim(retrieve, declared)
            name = self._free_name(name, retrieve.path, [r.name for r in found])
            found.append(self._resource(_Jobs(name, wishes, retrieve, view)))
        if declared:
            name, wishes = next(iter(declared.items()))
            raise DeclarationError(
                f"{wishes.where} matches no job in the document. Found: {[r.name for r in found] or 'none'}. "
                f"Name its operations: retrieve is one of {[o.name for o in self._readers()]}; its answer holds "
                "a field that is known or declared (fields: {id: /…, status: /…})."
            )
        endless = [r.name for r in found if State.SUCCEEDED not in r.words]
        for resource in [r for r in found if not r.first(Action.CREATE) or r.name in endless]:
            found.remove(resource)
            for part in resource.operations:
                del self.placed[part.operation.id]
            why = "no status is known to mean success" if resource.name in endless else "no operation creates one"
            self._note(f"{resource.name}", "no job", why, certain=False)
        if not found and endless:
            raise NoJobError(
                f"{self.document.origin}: no status of {endless[0]!r} is known to mean success. "
                f"Say which: x-job.resources.{endless[0]}.words.succeeded (an overlay can add it)."
            )
        if not found:
            raise NoJobError(self._why_no_job())
        return tuple(found)

    def _why_no_job(self) -> str:
        origin = self.document.origin
        if not self.document.operations:
            return f"{origin}: no asynchronous job found: the document has no operations."
        part = "reads a job by its id, with a status" if not any(self._retrieves()) else "creates what is read"
        names = [o.name for o in self.document.operations]
        more = f" and {len(names) - 5} more" if len(names) > 5 else ""
        return (
            f"{origin}: no asynchronous job found: no operation {part} (it has {', '.join(names[:5])}{more}). "
            "If one does, an overlay can say so: x-job: {resources: {job: {create: …, retrieve: …, "
            "fields: {id: /…, status: /…}, words: {queued: …, running: …, succeeded: …}}}}."
        )

    # -- which operations ---------------------------------------------------------------------------

    def _readers(self) -> list[Operation]:
        return [o for o in self.document.operations if o.method == "GET" and "{" in o.path]

    def _retrieves(self) -> list[tuple[Operation, View]]:
        """Operations that read one job: declared, or with an id in the path and a status in the answer."""
        wanted = {
            w.operations[Action.RETRIEVE]
            for w in self.declaration.resources.values()
            if Action.RETRIEVE in w.operations
        }
        for name in wanted:
            self._named(name, f"{self.document.origin}: x-job: retrieve {name!r}")
        found = []
        for operation in self._readers():
            view = self._view(operation)
            named = bool(wanted & {operation.id, operation.name})
            if view and (named or (view.words and "id" in view.fields and _bare(operation.path).endswith("}"))):
                found.append((operation, view))
        return found

    def _named(self, name: str, where: str) -> Operation:
        operation = self.document.find(name)
        if operation is None:
            choices = ", ".join(o.id for o in self.document.operations)
            raise DeclarationError(f"{where} is not an operation. The choices are: {choices}.")
        return operation

    def _claim(self, retrieve: Operation, declared: dict[str, ResourceDeclaration]) -> tuple[str, ResourceDeclaration]:
        """The declaration that speaks of this resource, with its name; taken off the list."""
        noun = _singular(_collection(retrieve.path).rsplit("/", 1)[-1])
        for name, wishes in declared.items():
            wanted = wishes.operations.get(Action.RETRIEVE)
            if wanted in (retrieve.id, retrieve.name) or (wanted is None and plain(name) == plain(noun)):
                return name, declared.pop(name)
        if len(declared) == 1:
            name, wishes = next(iter(declared.items()))
            if Action.RETRIEVE not in wishes.operations:
                return name, declared.pop(name)
        return noun, ResourceDeclaration()

    @staticmethod
    def _free_name(name: str, path: str, taken: list[str]) -> str:
        """The name, or a longer one if it is taken: with the word before it in the path, then with a number."""
        if name not in taken:
            return name
        before = [piece for piece in _collection(path).split("/")[1:-1] if piece and "{" not in piece]
        longer = f"{_singular(before[-1])}_{name}" if before else name
        numbered = (f"{longer}_{number}" for number in range(2, 1000))
        return longer if longer not in taken else next(n for n in numbered if n not in taken)

    def _resource(self, jobs: "_Jobs") -> JobResource:
        name, wishes = jobs.name, jobs.wishes
        retrieve = JobOperation(jobs.retrieve, Action.RETRIEVE, jobs.view, self._path_place(jobs.retrieve))
        is_declared = Action.RETRIEVE in wishes.operations
        parts = [self._place(name, retrieve, "declared" if is_declared else "reads one job by its id")]
        for operation in self.document.operations:
            if operation.id not in self.placed and (part := self._part(operation, jobs)):
                parts.append(part)
        if not any(p.action is Action.CREATE for p in parts):
            parts.extend(self._creates_elsewhere(jobs))
        parts = [replace(p, view=self._amended(p.view, wishes)) if p.view else p for p in parts]
        self._check_places(wishes, parts)
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
        )

    def _words(self, jobs: "_Jobs", parts: list[JobOperation]) -> dict[State, str]:
        """The word for each state. A single word that is not understood is taken for success if that has none."""
        words = _all_words(parts)
        unclear = [word for word in jobs.view.unclear_words if word not in words.values()]
        if State.SUCCEEDED not in words and len(unclear) == 1:
            words[State.SUCCEEDED] = unclear[0]
            self._note(
                f"{jobs.name}: state succeeded", unclear[0], "the only word that is not understood", certain=False
            )
        return words

    def _part(self, operation: Operation, jobs: "_Jobs") -> JobOperation | None:
        """The part that an operation plays for some jobs, declared or inferred, if it plays one."""
        wishes = jobs.wishes
        for action, wanted in wishes.operations.items():
            self._named(wanted, f"{wishes.where}.{action.value}: {wanted!r}")
            if wanted in (operation.id, operation.name):
                return self._place(jobs.name, self._made(operation, action, wishes), "declared")
        for wanted, how in wishes.follow_ups.items():
            self._named(wanted, f"{wishes.where}.follow-ups: {wanted!r}")
            if wanted in (operation.id, operation.name):
                return self._place(jobs.name, self._follow_up(operation, jobs, how), "declared")
        inferred = self._inferred(operation, jobs)
        if inferred is None:
            return None
        action, evidence = inferred
        if action is Action.FOLLOW_UP:
            return self._place(jobs.name, self._follow_up(operation, jobs, FollowUpDeclaration()), evidence)
        return self._place(jobs.name, self._made(operation, action, wishes), evidence)

    def _inferred(self, operation: Operation, jobs: "_Jobs") -> tuple[Action, str] | None:
        """What an operation does to jobs, by its method, its path and its answer, and why that is concluded."""
        path, place, collection = _bare(operation.path), _bare(jobs.retrieve.path), _collection(jobs.retrieve.path)
        inside = jobs.holds(operation)
        last = re.split("[/:]", path)[-1]
        match operation.method:
            case "DELETE" if path == place:
                return Action.DELETE, "DELETE on the job's path"
            case "GET" if inside and _media_types(operation):
                return Action.CONTENT, "answers with media below the job"
            case "GET" if path == collection and self._view(operation, in_list=True):
                return Action.LIST, "a list on the collection's path"
            case "POST" if inside and self.vocabulary.rank("operations", "cancel", last) is not None:
                return Action.CANCEL, "named for it, below the job"
            case "POST":
                return self._starting(operation, jobs, inside)
        return None

    def _starting(self, operation: Operation, jobs: "_Jobs", inside: bool) -> tuple[Action, str] | None:
        """Whether a POST starts a job, from an earlier one or not."""
        answer = self._view(operation)
        if answer is None:
            return None
        path, collection = _bare(operation.path), _collection(jobs.retrieve.path)
        name = _schema_name(self, answer)
        same = bool(name) and name == _schema_name(self, jobs.view) and path not in self.collections - {collection}
        if (
            inside
        ):  # a pause or a comment below a job answers with an id too: what starts a job is asked for, and has a status
            return (Action.FOLLOW_UP, "starts a job below an earlier one") if answer.words and operation.body else None
        if same and self._names_a_job(operation, jobs):
            return Action.FOLLOW_UP, "answers with the job, and names an earlier one"
        if "id" in answer.fields and path == collection:
            return Action.CREATE, "POST on the collection's path"
        return (Action.CREATE, "answers with the same job") if "id" in answer.fields and same else None

    def _creates_elsewhere(self, jobs: "_Jobs") -> list[JobOperation]:
        """POST operations on other paths whose answer holds the id that the job is read by, by the id's name."""
        wanted = {plain(p) for p in _path_parameters(jobs.retrieve.path)[-1:]} | {plain(jobs.name) + "id"}
        found = []
        for operation in self.document.operations:
            if operation.method == "POST" and operation.id not in self.placed and "{" not in operation.path:
                view = self._view(operation)
                id_field = plain("".join(view.fields["id"][0])) if view and "id" in view.fields else ""
                if id_field in wanted or (id_field == "id" and "id" in wanted):
                    part = self._made(operation, Action.CREATE, jobs.wishes)
                    found.append(
                        self._place(jobs.name, part, f"its answer holds {id_field!r}, which the job is read by")
                    )
        return found

    def _made(self, operation: Operation, action: Action, wishes: ResourceDeclaration) -> JobOperation:
        view = self._view(operation, in_list=action is Action.LIST)
        if action is Action.LIST and view is None:
            raise DeclarationError(f"{wishes.where}.list: the answer of {operation.name} holds no list of jobs.")
        place = None if action in (Action.CREATE, Action.LIST) else self._path_place(operation)
        part = JobOperation(operation, action, view, place)
        if action is Action.CONTENT:
            parameter, variants = self._variants(operation)
            part = replace(part, variant_parameter=parameter, variants={**variants, **wishes.variants})
        return part

    def _follow_up(self, operation: Operation, jobs: "_Jobs", how: FollowUpDeclaration) -> JobOperation:
        place = IdPlace("body", how.source) if how.source else self._names_a_job(operation, jobs)
        if place is None:
            raise DeclarationError(
                f"{self.document.origin}: x-job: follow-up {operation.id!r}: no field names the earlier job. "
                "Give its place: `source: /field/id`."
            )
        return JobOperation(operation, Action.FOLLOW_UP, self._view(operation), place, how.sums, how.links_source)

    def _names_a_job(self, operation: Operation, jobs: "_Jobs") -> IdPlace | None:
        if jobs.holds(operation):
            return self._path_place(operation)
        wanted = {plain(p) for p in _path_parameters(jobs.retrieve.path)} | {plain(jobs.name) + "id"}
        wanted |= set(self.vocabulary.ranks["roles"]["source"])
        wanted.discard("id")
        for media in operation.body.values():
            if pointer := find_reference(self.document, media.get("schema"), wanted):
                return IdPlace("body", pointer)
        return None

    def _place(self, name: str, part: JobOperation, evidence: str) -> JobOperation:
        self.placed[part.operation.id] = name
        self._note(f"{name}: {part.action.value}", part.operation.name, evidence)
        return part

    # -- what is in them ----------------------------------------------------------------------------

    def _view(self, operation: Operation, in_list: bool = False) -> View | None:
        answer = operation.success()
        media = answer.json_media() if answer else None
        if not media or "schema" not in media[1]:
            return None
        try:
            declared = {p[0] for w in self.declaration.resources.values() for ps in w.fields.values() for p in ps}
            view = find_view(self.document, self.vocabulary, media[1]["schema"], in_list, declared)
            return self._with_named_id(operation, view) if view else None
        except DocumentError as error:
            origin = self.document.origin
            reason = str(error).removeprefix(f"{origin}: ")
            raise DocumentError(f"{origin}: {operation.name}: {reason}") from None

    def _with_named_id(self, operation: Operation, view: View) -> View:
        """The view with its id: declared, or the property that is called as the last parameter of the job's path."""
        properties = shape_of(self.document, view.schema).properties
        declared = {
            p for w in self.declaration.resources.values() for p in w.fields.get("id", ()) if p[0] in properties
        }
        if declared:
            return replace(view, fields={**view.fields, "id": tuple(sorted(declared))})
        if "id" in view.fields:
            return view
        below = [o.path for o in self._readers() if _collection(o.path) == _bare(operation.path)]
        wanted = {plain(_path_parameters(path)[-1]) for path in [operation.path, *below] if "{" in path}
        named = next((name for name in properties if plain(name) in wanted), None)
        return replace(view, fields={**view.fields, "id": ((named,),)}) if named else view

    def _path_place(self, operation: Operation) -> IdPlace | None:
        names = _path_parameters(operation.path)
        return IdPlace("path", (names[-1],)) if names else None

    def _amended(self, view: View, wishes: ResourceDeclaration) -> View:
        """A view with the declared fields and words in place of the inferred ones, where it has those fields."""
        properties = shape_of(self.document, view.schema).properties
        fields = dict(view.fields)
        for role, pointers in wishes.fields.items():
            fields[role] = tuple(p for p in pointers if p[0] in properties)
        declared = {pointer for role in wishes.fields for pointer in fields[role]}
        fields = {r: p if r in wishes.fields else tuple(x for x in p if x not in declared) for r, p in fields.items()}
        own = view.words if not wishes.words else {**view.words, **wishes.words}
        return replace(view, fields={r: p for r, p in fields.items() if p}, words=own)

    def _check_places(self, wishes: ResourceDeclaration, parts: list[JobOperation]) -> None:
        """Raises DeclarationError for a declared operation that plays another part, or a field that no answer has."""
        for action, wanted in wishes.operations.items():
            if not any(p.action is action and wanted in (p.operation.id, p.operation.name) for p in parts):
                raise DeclarationError(f"{wishes.where}.{action.value}: {wanted!r} already plays another part.")
        views = [p.view for p in parts if p.view and "status" in p.view.fields]
        allowed = [shape_of(self.document, self._status_schema(view)).constants for view in views]
        said = sorted({str(word) for constants in allowed for word in constants or ()})
        for state, word in wishes.words.items():
            if allowed and all(constants and word not in constants for constants in allowed):
                raise DeclarationError(f"{wishes.where}.words.{state.value}: no status says {word!r}. It has: {said}.")
        known = {name for p in parts if p.view for name in shape_of(self.document, p.view.schema).properties}
        declared = {f"fields.{role}": pointers for role, pointers in wishes.fields.items()}
        for place, pointers in {**declared, "echo": tuple(wishes.echo), "only-in": tuple(wishes.only_in)}.items():
            for pointer in pointers:
                if pointer[0] not in known:
                    choices = ", ".join(f"/{name}" for name in sorted(known))
                    text = f"{wishes.where}.{place}: /{'/'.join(pointer)} is no field of the job"
                    raise DeclarationError(f"{text}. It has: {choices}.")

    def _status_schema(self, view: View) -> Any:
        return shape_of(self.document, view.schema).properties.get(view.fields["status"][0][0])

    def _id_format(self, name: str, parts: list[JobOperation]) -> str:
        examples: list[str] = []
        for part in parts:
            for parameter in part.operation.parameters:
                if parameter.place == "path":
                    examples += [str(e) for e in (parameter.raw.get("example"), parameter.schema.get("example")) if e]
            if part.view and "id" in part.view.fields:
                id_field = shape_of(self.document, part.view.schema).properties[part.view.fields["id"][0][0]]
                shape = shape_of(self.document, id_field)
                if example := shape.get("example"):
                    examples.append(str(example))
                if shape.get("format") == "uuid":
                    self._note(f"{name}: id", "{uuid}", "its format")
                    return "{uuid}"
                if "string" not in shape.types and "integer" in shape.types:
                    self._note(f"{name}: id", "{digits:9}", "its type")
                    return "{digits:9}"
            examples += _example_ids(self.document, part)
        id_format = format_of(examples, name)
        seen = max(examples, key=len, default="")
        self._note(f"{name}: id", id_format, f"the example {seen!r}" if seen else "no example; a default", bool(seen))
        return id_format

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

    def _note(self, topic: str, value: str, evidence: str, certain: bool = True) -> None:
        self.conclusions.append(Conclusion(topic, value, evidence, certain))

    def _explain(
        self, name: str, words: dict[State, str], parts: list[JobOperation], wishes: ResourceDeclaration
    ) -> None:
        view = next(p.view for p in parts if p.action is Action.RETRIEVE)
        assert view is not None
        for role, pointers in view.fields.items():
            evidence = "declared" if role in wishes.fields else "its name and type"
            self._note(f"{name}: {role} field", ", ".join("/" + "/".join(p) for p in pointers), evidence)
        for state in State:
            if state in words:
                evidence = "declared" if state in wishes.words else "the vocabulary's meaning of the word"
                self._note(f"{name}: state {state}", words[state], evidence)
        for state in (State.SUCCEEDED, State.FAILED):
            if state not in words:
                self._note(f"{name}: state {state}", "no word for it", "such jobs cannot be told apart", certain=False)
        for word in sorted({w for p in parts if p.view for w in p.view.unclear_words} - set(words.values())):
            self._note(
                f"{name}: status word {word!r}", "not understood, never sent", "not in the vocabulary", certain=False
            )


def _all_words(parts: list[JobOperation]) -> dict[State, str]:
    """The words of the retrieve answer, then what only other answers have."""
    words: dict[State, str] = {}
    for part in sorted(parts, key=lambda p: p.action is not Action.RETRIEVE):
        for state, word in (part.view.words if part.view else {}).items():
            words.setdefault(state, word)
    return words


def _example_ids(document: Document, part: JobOperation) -> list[str]:
    answer = part.operation.success()
    media = answer.json_media() if answer else None
    if not media or not part.view or "id" not in part.view.fields:
        return []
    pointer: Pointer = (*part.view.pointer, *part.view.fields["id"][0])
    return [str(v) for example in document.examples(media[1]) if (v := _dig(example, pointer))]


def _dig(value: Any, pointer: Pointer) -> Any:
    for token in pointer:
        if token == "*":
            value = value[0] if isinstance(value, list) and value else None
        else:
            value = value.get(token) if isinstance(value, dict) else None
    return value if isinstance(value, (str, int)) else None


def _schema_name(reading: _Reading, view: View) -> str:
    return shape_of(reading.document, view.schema).name


def _media_types(operation: Operation) -> list[str]:
    answer = operation.success()
    return [t for t in (answer.content if answer else {}) if not is_json(t) and not t.startswith("text/")]


def _path_parameters(path: str) -> list[str]:
    return [piece.split("}")[0] for piece in path.split("{")[1:]]


def _bare(path: str) -> str:
    """A path as it is compared: parameters without their names, no slash at the end."""
    return re.sub(r"\{[^}]*\}", "{}", path).rstrip("/")


def _collection(path: str) -> str:
    """The bare path that a job's path hangs below: all but the last parameter and what follows it."""
    bare = _bare(path)
    return bare[: bare.rindex("{")].rstrip("/") if "{" in bare else bare


def _singular(noun: str) -> str:
    if noun.endswith("ies"):
        return noun[:-3] + "y"
    if noun.endswith(("ches", "shes", "sses", "xes")):
        return noun[:-2]
    return noun[:-1] if noun.endswith("s") and not noun.endswith("ss") else noun or "job"
