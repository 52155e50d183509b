"""Reading a contract: the job resources of a document, inferred from its operations and corrected by `x-job`."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from mockserver.errors import DeclarationError, DocumentError, NoJobError
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
        conclusions=tuple(reading.conclusions),
    )


@dataclass
class _Reading:
    """One reading in progress: what has been concluded so far, and which operations have found their part."""

    document: Document
    vocabulary: Vocabulary
    declaration: Declaration
    profiles: dict[str, Profile]
    conclusions: list[Conclusion] = field(default_factory=list)
    placed: dict[str, str] = field(default_factory=dict)

    def resources(self) -> tuple[JobResource, ...]:
        declared = dict(self.declaration.resources)
        found: list[JobResource] = []
        for retrieve, view in self._retrieves():
            name, wishes = self._claim(retrieve, declared)
            found.append(self._resource(name, wishes, retrieve, view))
        if declared:
            name, wishes = next(iter(declared.items()))
            raise DeclarationError(
                f"{wishes.where} matches no job in the document. Found: {[r.name for r in found] or 'none'}. "
                f"Name its retrieve operation; the choices are {[o.name for o in self._readers()]}."
            )
        found = [r for r in found if r.first(Action.CREATE)]
        if not found:
            raise NoJobError(self._why_no_job())
        found.extend(self._records())
        for operation in self.document.operations:
            if operation.id not in self.placed:
                self._note("operation", f"{operation.name}: no part of a job", "answers with its example")
        return tuple(found)

    def _why_no_job(self) -> str:
        origin = self.document.origin
        if not self.document.operations:
            return f"{origin}: no asynchronous job found: the document has no operations."
        part = "reads a job by its id, with a status" if not any(self._retrieves()) else "creates what is read"
        names = ", ".join(o.name for o in self.document.operations[:5])
        return (
            f"{origin}: no asynchronous job found: no operation {part} (it has {names}). "
            "If one does, say so in `x-job` (see `mockserver inspect`), or add it with --overlay."
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
            if view and (named or (view.words and "id" in view.fields and operation.path.endswith("}"))):
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

    def _resource(self, name: str, wishes: ResourceDeclaration, retrieve: Operation, view: View) -> JobResource:
        parts = [JobOperation(retrieve, Action.RETRIEVE, view, self._path_place(retrieve))]
        self._place(name, parts[0], "declared" if Action.RETRIEVE in wishes.operations else "reads one job by its id")
        for operation in self.document.operations:
            if operation.id not in self.placed and (part := self._part(operation, retrieve, view, name, wishes)):
                parts.append(part)
        if not any(p.action is Action.CREATE for p in parts):
            parts.extend(self._creates_elsewhere(name, retrieve, wishes))
        parts = [replace(p, view=self._amended(p.view, wishes)) if p.view else p for p in parts]
        self._check_places(wishes, parts)
        words = _all_words(parts)
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

    def _part(
        self, operation: Operation, retrieve: Operation, view: View, name: str, wishes: ResourceDeclaration
    ) -> JobOperation | None:
        """The part that an operation plays for the jobs that `retrieve` reads, if it plays one."""
        for action, wanted in wishes.operations.items():
            self._named(wanted, f"{wishes.where}.{action.value}: {wanted!r}")
            if wanted in (operation.id, operation.name):
                return self._place(name, self._made(operation, action, name, wishes), "declared")
        for wanted, how in wishes.follow_ups.items():
            self._named(wanted, f"{wishes.where}.follow-ups: {wanted!r}")
            if wanted in (operation.id, operation.name):
                return self._place(name, self._follow_up(operation, retrieve, name, how), "declared")
        collection = _collection(retrieve.path)
        inside = operation.path.startswith(retrieve.path + "/")
        last = operation.path.rsplit("/", 1)[-1]
        if operation.method == "DELETE" and operation.path == retrieve.path:
            return self._place(name, self._made(operation, Action.DELETE, name, wishes), "DELETE on the job's path")
        if operation.method == "GET" and inside and _media_types(operation):
            return self._place(
                name, self._made(operation, Action.CONTENT, name, wishes), "answers with media below the job"
            )
        if operation.method == "GET" and operation.path == collection and self._view(operation, in_list=True):
            return self._place(
                name, self._made(operation, Action.LIST, name, wishes), "a list on the collection's path"
            )
        if operation.method == "POST" and inside and self.vocabulary.rank("operations", "cancel", last) is not None:
            return self._place(name, self._made(operation, Action.CANCEL, name, wishes), "named for it, below the job")
        if operation.method == "POST" and (answer := self._view(operation)):
            same = bool(_schema_name(self, view)) and _schema_name(self, answer) == _schema_name(self, view)
            if inside or (same and self._names_a_job(operation, retrieve, name)):
                evidence = (
                    "starts a job below an earlier one" if inside else "answers with the job, and names an earlier one"
                )
                return self._place(name, self._follow_up(operation, retrieve, name, FollowUpDeclaration()), evidence)
            if "id" in answer.fields and (operation.path == collection or same):
                evidence = (
                    "POST on the collection's path" if operation.path == collection else "answers with the same job"
                )
                return self._place(name, self._made(operation, Action.CREATE, name, wishes), evidence)
        return None

    def _creates_elsewhere(self, name: str, retrieve: Operation, wishes: ResourceDeclaration) -> list[JobOperation]:
        """POST operations on other paths whose answer holds the id that `retrieve` wants, by the id's name."""
        wanted = {plain(p) for p in _path_parameters(retrieve.path)[-1:]} | {plain(name) + "id"}
        found = []
        for operation in self.document.operations:
            if operation.method == "POST" and operation.id not in self.placed and "{" not in operation.path:
                view = self._view(operation)
                id_field = plain("".join(view.fields["id"][0])) if view and "id" in view.fields else ""
                if id_field in wanted or (id_field == "id" and "id" in wanted):
                    part = self._made(operation, Action.CREATE, name, wishes)
                    found.append(self._place(name, part, f"its answer holds {id_field!r}, which the job is read by"))
        return found

    def _made(self, operation: Operation, action: Action, name: str, wishes: ResourceDeclaration) -> JobOperation:
        view = self._view(operation, in_list=action is Action.LIST)
        place = None if action in (Action.CREATE, Action.LIST) else self._path_place(operation)
        part = JobOperation(operation, action, view, place)
        if action is Action.CONTENT:
            parameter, variants = self._variants(operation)
            part = replace(part, variant_parameter=parameter, variants={**variants, **wishes.variants})
        return part

    def _follow_up(
        self, operation: Operation, retrieve: Operation, name: str, how: FollowUpDeclaration
    ) -> JobOperation:
        place = IdPlace("body", how.source) if how.source else self._names_a_job(operation, retrieve, name)
        if place is None:
            raise DeclarationError(
                f"{self.document.origin}: x-job: follow-up {operation.id!r}: no field names the earlier job. "
                "Give its place: `source: /field/id`."
            )
        return JobOperation(operation, Action.FOLLOW_UP, self._view(operation), place, how.sums, how.links_source)

    def _names_a_job(self, operation: Operation, retrieve: Operation, name: str) -> IdPlace | None:
        if operation.path.startswith(retrieve.path + "/"):
            return self._path_place(operation)
        wanted = {plain(p) for p in _path_parameters(retrieve.path)} | {plain(name) + "id"}
        wanted |= set(self.vocabulary.ranks["roles"]["source"])
        wanted.discard("id")
        for media in operation.body.values():
            if pointer := find_reference(self.document, media.get("schema"), wanted):
                return IdPlace("body", pointer)
        return None

    def _records(self) -> Iterable[JobResource]:
        """Plain records beside the jobs: made by POST on a path, read by GET below it, without a status."""
        for operation in self._readers():
            view = self._view(operation)
            if operation.id in self.placed or not view or "id" not in view.fields or not operation.path.endswith("}"):
                continue
            collection = _collection(operation.path)
            maker = next((o for o in self.document.operations if o.method == "POST" and o.path == collection), None)
            made = self._view(maker) if maker and maker.id not in self.placed else None
            if maker and made and "id" in made.fields:
                name = _singular(collection.rsplit("/", 1)[-1])
                parts = [
                    self._place(
                        name,
                        JobOperation(operation, Action.RETRIEVE, view, self._path_place(operation)),
                        "reads a record",
                    ),
                    self._place(name, JobOperation(maker, Action.CREATE, made), "makes a record"),
                ]
                id_format = self._id_format(name, parts)
                yield JobResource(name, tuple(parts), {}, id_format, self.profiles["default"], lifecycle=False)

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
            return find_view(self.document, self.vocabulary, media[1]["schema"], in_list)
        except DocumentError as error:
            origin = self.document.origin
            reason = str(error).removeprefix(f"{origin}: ")
            raise DocumentError(f"{origin}: {operation.name}: {reason}") from None

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
        known = {name for p in parts if p.view for name in shape_of(self.document, p.view.schema).properties}
        declared = {f"fields.{role}": pointers for role, pointers in wishes.fields.items()}
        for place, pointers in {**declared, "echo": tuple(wishes.echo), "only-in": tuple(wishes.only_in)}.items():
            for pointer in pointers:
                if pointer[0] not in known:
                    choices = ", ".join(f"/{name}" for name in sorted(known))
                    text = f"{wishes.where}.{place}: /{'/'.join(pointer)} is no field of the job"
                    raise DeclarationError(f"{text}. It has: {choices}.")

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
            examples += _example_ids(part)
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


def _example_ids(part: JobOperation) -> list[str]:
    answer = part.operation.success()
    media = answer.json_media() if answer else None
    if not media or not part.view or "id" not in part.view.fields:
        return []
    examples = [
        media[1].get("example"),
        *(e.get("value") for e in (media[1].get("examples") or {}).values() if isinstance(e, dict)),
    ]
    pointer: Pointer = (*part.view.pointer, *part.view.fields["id"][0])
    return [str(v) for e in examples if (v := _dig(e, pointer))]


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


def _collection(path: str) -> str:
    """The path that a job's path hangs below: all but the last `{parameter}` and what follows it."""
    return path[: path.rindex("{")].rstrip("/") if "{" in path else path


def _singular(noun: str) -> str:
    if noun.endswith("ies"):
        return noun[:-3] + "y"
    if noun.endswith(("ches", "shes", "sses", "xes")):
        return noun[:-2]
    return noun[:-1] if noun.endswith("s") and not noun.endswith("ss") else noun or "job"
