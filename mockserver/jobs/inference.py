"""Reading a contract: the job resources of a document, inferred from the flow of ids and corrected by `x-job`."""

import re
from dataclasses import dataclass, field, replace
from typing import Any

from mockserver.errors import DeclarationError, NoJobError
from mockserver.jobs.answers import Answers
from mockserver.jobs.collections import find_collections
from mockserver.jobs.declaration import Declaration, FollowUpDeclaration, ResourceDeclaration
from mockserver.jobs.flow import Flow
from mockserver.jobs.ids import id_format, id_text
from mockserver.jobs.kinds import Kind, find_kinds, share
from mockserver.jobs.lifecycle import State, complete_words
from mockserver.jobs.parts import Parts, part_of
from mockserver.jobs.paths import collection_of, free_name, nouns_of, singular
from mockserver.jobs.profile import Profile, read_profile
from mockserver.jobs.resource import Action, Conclusion, Contract, JobOperation, JobResource, Pointer, View
from mockserver.jobs.statuses import Words, read_words, usual_words
from mockserver.jobs.vocabulary import Vocabulary, pieces, plain
from mockserver.openapi.document import Document, Operation, pointer_text
from mockserver.openapi.schema import shape_of, union_of


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
        sdk=declaration.sdk,
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
    reserved: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.answers = Answers(self.document, self.vocabulary, self.declaration)

    def resources(self) -> tuple[JobResource, ...]:
        declared = dict(self.declaration.resources)
        found: list[JobResource] = []
        kinds = find_kinds(self.answers)
        self.parts = Parts(self.answers, kinds)
        made = [kind for kind in kinds if kind.creates]
        self.reserved = {kind.retrieve.name for kind in made} | {o.name for kind in made for o, *_ in kind.creates}
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
                f"Name its operations: retrieve is one of {[o.name for o in self.answers.getters()]}; its answer holds "
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
        """Forget a kind that is none: its operations are free again, and what was concluded of it is of no use."""
        self.conclusions = [c for c in self.conclusions if not c.topic.startswith(f"{resource.name}: ")]
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
        for place in self.answers.places(retrieve)[:1]:
            parts = [p for p in pieces(place.pointer[-1]) if p not in ("id", "uuid", "name")]
            if parts:
                return "_".join(parts)
        return next(iter(reversed(nouns_of(self.vocabulary, path))), "job")

    @staticmethod
    def _free_name(name: str, path: str, taken: list[str]) -> str:
        before = [piece for piece in collection_of(path).split("/")[1:-1] if piece and "{" not in piece]
        return free_name(name, singular(before[-1]) if before else "", taken)

    def _resource(self, jobs: Kind) -> JobResource:
        name, wishes = jobs.name, jobs.wishes
        is_declared = Action.RETRIEVE in wishes.operations
        retrieve = part_of(jobs.retrieve, Action.RETRIEVE, jobs.told, jobs.place)
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
                operation.method != "POST"
                or self.answers.is_for("act", operation)
                or self.parts.starting(operation, jobs) is None
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
        lists = [p for p in parts if p.action is Action.LIST]
        parts = [self._with_usual_words(p, wishes, lists) for p in parts]
        words = self._words(jobs, parts)
        self._explain(name, words, parts, wishes)
        made_like = wishes.id_format
        if not made_like:
            made_like, conclusion = id_format(self.answers, name, parts)
            self.conclusions.append(conclusion)
        return JobResource(
            name=name,
            operations=tuple(parts),
            words=complete_words(words),
            id_format=made_like,
            profile=self._profile(wishes),
            echo=wishes.echo,
            failure=wishes.failure,
            only_in=wishes.only_in,
            events=wishes.events,
            event_body=wishes.event_body,
            callback=wishes.callback,
            prices=wishes.prices,
            id_text=id_text(self.answers, jobs, parts),
        )

    @staticmethod
    def _reads(jobs: Kind) -> str:
        if jobs.place is None or jobs.place.place == "path":
            return "reads one job by its id"
        return f"reads one job by the {jobs.place.place}'s {jobs.place.pointer[-1]}"

    def _filtered_words(self, lists: list[JobOperation]) -> Words:
        """The words by which a list of jobs can be filtered."""
        for parameter in (p for part in lists for p in part.operation.parameters if p.place == "query"):
            if self.vocabulary.rank("roles", "status", parameter.name) is not None:
                shape = shape_of(self.document, parameter.schema)
                schema = shape.items if shape.is_array else parameter.schema
                found = read_words(self.document, self.vocabulary, parameter.name, schema)
                if found.phases:
                    return replace(found, evidence="the list's filter")
        return Words()

    def _with_usual_words(
        self, part: JobOperation, wishes: ResourceDeclaration, lists: list[JobOperation]
    ) -> JobOperation:
        """A status that may be any text has the usual words where neither the document nor `x-job` says one."""
        view = part.view
        if part.action is not Action.RETRIEVE or view is None or "status" not in view.fields or wishes.words:
            return part
        shape = shape_of(self.document, self._status_schema(view))
        if any(form.constants for form in (shape, *shape.branches)) or "string" not in (shape.types or ("string",)):
            return part
        told = Words(view.phases, view.unclear_words, view.passive_words, view.evidence, view.sureness)
        if not _is_whole(view) and (filtered := self._filtered_words(lists)).sureness > told.sureness:
            told = filtered
        is_whole = _is_whole(view) or told.evidence == "the list's filter"
        full = usual_words(self.vocabulary, told) if not is_whole else told
        return replace(part, view=replace(view, words=full.by_state, phases=full.phases, evidence=full.evidence))

    def _words(self, jobs: Kind, parts: list[JobOperation]) -> dict[State, Any]:
        """The word for each state. A single word that is not understood is taken for success if that has none."""
        words = _all_words(parts)
        unclear = [word for word in jobs.view.unclear_words if word not in words.values()]
        if State.SUCCEEDED not in words and len(unclear) == 1:
            words[State.SUCCEEDED] = unclear[0]
            self._note(f"{jobs.name}: state succeeded", unclear[0], "the only word that is not understood", 0.4)
        return words

    def _declared_part(self, operation: Operation, jobs: Kind) -> JobOperation | None:
        wishes = jobs.wishes
        for action, wanted in wishes.operations.items():
            self.answers.named(wanted, f"{wishes.where}.{action.value}: {wanted!r}")
            if wanted in (operation.id, operation.name):
                flows = [(flow, others) for made, flow, others in jobs.creates if made is operation]
                if action is Action.CREATE and flows:
                    return self._creating(operation, *flows[0], jobs, is_declared=True)
                return self._place(jobs.name, self.parts.made(operation, action, jobs), "declared")
        for wanted, how in wishes.follow_ups.items():
            self.answers.named(wanted, f"{wishes.where}.follow-ups: {wanted!r}")
            if wanted in (operation.id, operation.name):
                return self._place(jobs.name, self.parts.follow_up(operation, jobs, how), "declared")
        return None

    def _creating(
        self, operation: Operation, flow: Flow, others: tuple[tuple[str, float], ...], jobs: Kind,
        is_declared: bool = False,
    ) -> JobOperation:  # fmt: skip
        """The part of an operation whose answer gives a job's id: a create, or a follow-up of an earlier job."""
        told = self.answers.tell(operation)
        close = 0.3 if others and others[0][1] > share(flow.score) - 0.1 else 0.0
        sureness = max(round(share(flow.score) - close, 2), 0.05)
        declare = f"x-job.resources.{jobs.name}.create: {operation.id}"
        rivals = tuple((f"read by {id}", min(max(round(share - close, 2), 0.05), sureness)) for id, share in others)
        if others:
            pair = f"{{create: {_quoted(operation.id)}, retrieve: {_quoted(others[0][0])}}}"
            declare = f"x-job.resources.{jobs.name}: {pair}"
        why = "; ".join(flow.why)
        if is_declared:
            sureness, rivals, why = 1.0, (), f"declared; {why}"
        elif self.parts.starts_from_a_job(operation, jobs, told):
            return self._place(jobs.name, self.parts.follow_up(operation, jobs, FollowUpDeclaration()), why, sureness)
        part = part_of(operation, Action.CREATE, told, None)
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
            part = replace(part, view=self.answers.view_at(told.schema, pointer[:-1]))
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

    def _inferred_part(self, operation: Operation, jobs: Kind) -> JobOperation | None:
        inferred = self.parts.conclude(operation, jobs)
        if inferred is None:
            return None
        action, evidence, sureness = inferred
        if action is Action.FOLLOW_UP:
            return self._place(
                jobs.name, self.parts.follow_up(operation, jobs, FollowUpDeclaration()), evidence, sureness
            )
        return self._place(jobs.name, self.parts.made(operation, action, jobs), evidence, sureness)

    def _place(
        self, name: str, part: JobOperation, evidence: str, sureness: float = 1.0,
        others: tuple[tuple[str, float], ...] = (), declare: str = "",
    ) -> JobOperation:  # fmt: skip
        self.placed[part.operation.name] = name
        topic = f"{name}: {part.action.value}"
        declare = declare or f"x-job.resources.{name}.{part.action.value}: {part.operation.id}"
        self.conclusions.append(Conclusion(topic, part.operation.name, evidence, sureness, others, declare))
        return part

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

    def _amended(self, view: View, wishes: ResourceDeclaration) -> View:
        """A view with the declared fields and words in place of the inferred ones, where it has those fields."""
        properties = union_of(self.document, view.schema).properties
        fields = dict(view.fields)
        for role, pointers in wishes.fields.items():
            here = tuple(p for p in pointers if p[0] in properties)
            if here:
                fields[role] = here if role == "result" else here[:1]  # of several the first that this answer has
        declared = {pointer for role in wishes.fields for pointer in fields.get(role, ())}
        fields = {r: p if r in wishes.fields else tuple(x for x in p if x not in declared) for r, p in fields.items()}
        if wishes.fields.get("status") and fields.get("status") and fields["status"] != view.fields.get("status"):
            view = self._with_words_of(view, fields["status"][0])
        said = self._said_by(view, wishes) if fields.get("status") else {}
        own = {**view.words, **said}
        phases = {**view.phases, **{state: _phases(view.phases.get(state, ()), word) for state, word in said.items()}}
        return replace(view, fields={r: p for r, p in fields.items() if p}, words=own, phases=phases)

    def _said_by(self, view: View, wishes: ResourceDeclaration) -> dict[State, Any]:
        """The declared words that an answer's status can say, in its own type."""
        properties = union_of(self.document, view.schema).properties
        here = [p for p in (*wishes.fields.get("status", ()), *view.fields.get("status", ())) if p[0] in properties]
        if not here:
            return {}
        shape = shape_of(self.document, self.answers.node_at(view.schema, here[0]))
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
        words = read_words(self.document, self.vocabulary, status[-1], self.answers.node_at(view.schema, status))
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
        return self.answers.node_at(view.schema, view.fields["status"][0])

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
            rivals = () if is_declared else tuple((pointer_text(p), s) for r, p, s in view.rivals if r == role)
            text = ", ".join(pointer_text(p) for p in pointers)
            declare = f"{where}.fields.{role}: {rivals[0][0] if rivals else text}" if role in _DECLARABLE else ""
            self.conclusions.append(Conclusion(f"{name}: {role} field", text, evidence, sureness, rivals, declare))
        told = [s for s in State if s in words]
        for state in told:
            evidence = (
                "declared" if state in wishes.words else f"the vocabulary's meaning; {view.evidence or 'its enum'}"
            )
            others = tuple((str(w), 0.5) for w in view.phases.get(state, ())[1:])
            shown = str(words[state]).lower() if isinstance(words[state], bool) else str(words[state])
            sureness = 1.0 if state in wishes.words else 0.45 if "usual" in view.evidence else 0.9
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


def _quoted(name: str) -> str:
    """The name of an operation inside a line of YAML."""
    return f'"{name}"' if re.search(r"[^\w/ .-]", name) else name


def _phases(told: tuple[Any, ...], word: Any) -> tuple[Any, ...]:
    """All words of a state for which one is declared: those that are known, if that is their first."""
    return told if told and told[0] == word else (word,)


def _is_whole(view: View) -> bool:
    return all(state in view.phases for state in (State.SUCCEEDED, State.FAILED)) and bool(
        {State.QUEUED, State.RUNNING} & set(view.phases)
    )


def _is_scalar(document: Document, schema: Any) -> bool:
    shape = shape_of(document, schema)
    return not shape.is_object and not shape.is_array
