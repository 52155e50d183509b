"""Two contracts side by side: where a client that was written for one breaks on the other. No request is sent."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from contract_tests.clauses import Published, read_published
from contract_tests.finding import Clause, Finding, Severity
from contract_tests.lint.subject import TYPE_NAMES, JobView, Subject, shown
from mockserver.jobs.lifecycle import TERMINAL, State
from mockserver.jobs.resource import Action, JobOperation, JobResource
from mockserver.jobs.vocabulary import plain
from mockserver.openapi.document import Operation, pointer_text
from mockserver.openapi.schema import Shape


class Effect(StrEnum):
    """What a difference does to a client, worst first."""

    COSTS = "costs money"
    SILENT = "fails silently"
    LOUD = "fails loudly"
    DIFFERS = "differs"

    @property
    def severity(self) -> Severity:
        """What it is as a finding."""
        return {
            Effect.COSTS: Severity.SILENT,
            Effect.SILENT: Severity.SILENT,
            Effect.LOUD: Severity.BREAKS,
            Effect.DIFFERS: Severity.NOTE,
        }[self]


TITLES: Mapping[str, str] = {
    "CMP001": "An operation is missing",
    "CMP002": "An operation has another path or method",
    "CMP003": "A parameter is not known",
    "CMP004": "A field of the request is not known",
    "CMP005": "A field of the request is needed besides",
    "CMP006": "A field of the request has another type",
    "CMP007": "A value of a request is refused",
    "CMP008": "A media type of the request is not taken",
    "CMP010": "A state has another word",
    "CMP011": "A state cannot be told",
    "CMP012": "A word means another state",
    "CMP020": "A field of the job is missing",
    "CMP021": "A field of the job has another type",
    "CMP022": "A field of the job may be left out",
    "CMP023": "The job stands elsewhere in the answer",
    "CMP024": "A field of the job has another name",
    "CMP025": "A field of the job is new",
    "CMP030": "The result is elsewhere",
    "CMP031": "The result has another media type",
    "CMP040": "The list stands elsewhere in the answer",
    "CMP041": "The list has no cursor or no end",
    "CMP050": "Errors have another shape",
    "CMP051": "Errors come under another status",
    "CMP060": "The key is sent in another way",
}
# Differences between what both contracts have: a claim to be alike is wrong by these.
_SHARED = {"CMP006", "CMP010", "CMP012", "CMP021", "CMP024", "CMP023"}
_MONEY = {"length", "size", "model", "width", "height"}  # inputs by which a job is billed
_WAITING = (State.QUEUED, State.RUNNING)
_LIST_ROLES = ("has more", "next", "last id", "first id", "total", "pages")


@dataclass(frozen=True, slots=True)
class Difference:
    """One place where a client of the other contract breaks on this one.

    `here` is the clause of the contract that is judged (A), `there` that of the one the client was written for (B);
    None where a contract has nothing to show. `pointer` leads into A ('' for nothing).
    """

    code: str
    effect: Effect
    message: str
    operation: str = ""
    here: Clause | None = None
    there: Clause | None = None
    pointer: str = ""

    @property
    def title(self) -> str:
        return TITLES[self.code]

    @property
    def is_shared(self) -> bool:
        """Whether both contracts have the thing, and tell it differently."""
        return self.code in _SHARED

    def finding(self, repeat: str = "") -> Finding:
        """The difference as reports show findings; the other side's clause stands in the message."""
        place = f" (there: {self.there.file}:{self.there.line})" if self.there and self.there.line else ""
        return Finding(
            self.code,
            self.title,
            self.effect.severity,
            f"{self.message}{place} It {self.effect.value}."
            if self.effect is not Effect.DIFFERS
            else f"{self.message}{place}",
            self.operation,
            self.here or self.there,
            repeat=(repeat,) if repeat else (),
            cause=self.message,
        )


def compare(a: str, b: str, *, raw: bool = False) -> list[Difference]:
    """Every place where a client that was written for B breaks on A, the worst first. Raises MockserverError.

    Each is a bundled provider's name, a folder or a file; `raw`: without the overlays beside them.
    """
    return compare_published(read_published(a, raw=raw), read_published(b, raw=raw))


def compare_published(a: Published, b: Published) -> list[Difference]:
    """The same of documents that are read already."""
    pair = _Pair(Subject(a), Subject(b))
    found = list({(each.code, each.message, each.operation): each for each in pair.differences()}.values())
    order = list(Effect)
    return sorted(found, key=lambda each: (order.index(each.effect), each.code, each.operation))


def counterparts(here: Subject, there: Subject) -> list[tuple[JobOperation | None, JobOperation]]:
    """The operations of B's jobs, each with that of A which does the same (None: there is none); of each A once."""
    pair, found = _Pair(here, there), []
    for theirs, ours in pair._kinds():
        taken: set[str] = set()
        for part in theirs.operations:
            mine = pair._counterpart(part, ours, taken)
            if mine is not None:
                taken.add(mine.operation.name)
            found.append((mine, part))
    return found


def _plain_path(path: str) -> str:
    return re.sub(r"\{[^}]*\}", "{}", path).rstrip("/")


@dataclass(slots=True, eq=False)
class _Pair:
    """Contract A (`here`), on which the client is run, and B (`there`), for which it was written."""

    here: Subject
    there: Subject

    def differences(self) -> Iterator[Difference]:
        for their_kind, our_kind in self._kinds():
            yield from self._operations(our_kind, their_kind)
        views = list(self._views())
        told: set[tuple[str, str, str]] = set()
        for ours, theirs in views:
            for each in (*self._words(ours, theirs), *self._fields(ours, theirs)):
                key = each.code, each.message, ""
                if key not in told:
                    told.add(key)
                    yield each
        yield from self._keys()
        yield from self._errors()

    def _made(
        self, code: str, effect: Effect, message: str, operation: str = "", here: str = "", there: str = ""
    ) -> Difference:
        return Difference(
            code,
            effect,
            message,
            operation,
            self.here.published.clause(here) if here else None,
            self.there.published.clause(there) if there else None,
            here,
        )

    # -- operations -----------------------------------------------------------------------------------

    def _kinds(self) -> Iterator[tuple[JobResource, JobResource]]:
        """Each kind of job of B with that of A which is most like it."""
        ours = list(self.here.contract.resources) if self.here.contract else []
        for theirs in self.there.contract.resources if self.there.contract else ():
            best = max(ours, key=lambda each: self._likeness(each, theirs), default=None)
            if best is not None:
                yield theirs, best

    def _likeness(self, ours: JobResource, theirs: JobResource) -> int:
        paths = {self._full(self.there, p.operation) for p in theirs.operations}
        return 2 * sum(self._full(self.here, p.operation) in paths for p in ours.operations) + (
            ours.name == theirs.name
        )

    @staticmethod
    def _full(subject: Subject, operation: Operation) -> tuple[str, str]:
        return operation.method, _plain_path(subject.document.base_path + operation.path)

    def _operations(self, ours: JobResource, theirs: JobResource) -> Iterator[Difference]:
        taken: set[str] = set()
        for part in theirs.operations:
            mine = self._counterpart(part, ours, taken)
            there = self.there.pointers.get(part.operation.name, "")
            if mine is None:
                is_result = part.action in (Action.CONTENT, Action.RESULT)
                other = next(iter(_result_fields(self.here)), "") if is_result else ""
                code = "CMP030" if is_result else "CMP001"
                effect = Effect.COSTS if is_result else Effect.LOUD
                where = f" It gives a link in `{other.rpartition('/')[2]}` instead." if other else ""
                text = f"{part.operation.name} ({part.action.value}) has no counterpart.{where}"
                if is_result:
                    text += " The job is paid for, and its result is not got."
                yield self._made(code, effect, text, part.operation.name, other, there)
                continue
            taken.add(mine.operation.name)
            here = self.here.pointers.get(mine.operation.name, "")
            full, wanted = self._full(self.here, mine.operation), self._full(self.there, part.operation)
            if full[0] != wanted[0] or not full[1].endswith(_plain_path(part.operation.path)):
                text = f"{part.operation.name} is {mine.operation.name} here."
                yield self._made("CMP002", Effect.LOUD, text, mine.operation.name, here, there)
            yield from self._parameters(mine.operation, part.operation)
            if part.action in (Action.CREATE, Action.FOLLOW_UP):
                yield from self._bodies(mine.operation, part.operation)
            if part.action is Action.LIST:
                yield from self._lists(mine, part)
            if part.action is Action.CONTENT:
                yield from self._media(mine.operation, part.operation)

    def _counterpart(self, part: JobOperation, ours: JobResource, taken: set[str]) -> JobOperation | None:
        alike = [p for p in ours.operations if p.action is part.action and p.operation.name not in taken]
        wanted = self._full(self.there, part.operation)
        exact = [p for p in alike if self._full(self.here, p.operation) == wanted]
        if part.action is Action.FOLLOW_UP and not exact:
            last = part.operation.path.rpartition("/")[2]
            return next((p for p in alike if p.operation.path.rpartition("/")[2] == last), None)
        return next(iter(exact or alike), None)

    def _parameters(self, ours: Operation, theirs: Operation) -> Iterator[Difference]:
        known = {(p.place, plain(p.name)): p for p in ours.parameters}
        asked = {(p.place, plain(p.name)) for p in theirs.parameters}
        for parameter in theirs.parameters:
            if parameter.place not in ("query", "header") or (parameter.place, plain(parameter.name)) in known:
                continue
            role = self.there.role("paging", parameter.name)
            effect = Effect.LOUD if parameter.required else Effect.SILENT
            why = {
                "after": " The first page comes again and again.",
                "limit": " A page has another length.",
                "order": " The order is another one.",
            }.get(role, "")
            yield self._made(
                "CMP003",
                effect,
                f"`{parameter.name}` of {theirs.name} is not known.{why}",
                ours.name,
                self.here.pointers[ours.name],
                self._parameter(self.there, theirs, parameter.name),
            )
        for parameter in ours.parameters:
            if (
                parameter.required
                and parameter.place in ("query", "header")
                and (parameter.place, plain(parameter.name)) not in asked
            ):
                yield self._made(
                    "CMP005",
                    Effect.LOUD,
                    f"The parameter `{parameter.name}` is required, and not sent.",
                    ours.name,
                    self._parameter(self.here, ours, parameter.name),
                )

    @staticmethod
    def _parameter(subject: Subject, operation: Operation, name: str) -> str:
        pointer = subject.pointers[operation.name]
        return next((at for at, node in subject.parameters(pointer, operation) if node["name"] == name), pointer)

    # -- requests -------------------------------------------------------------------------------------

    def _bodies(self, ours: Operation, theirs: Operation) -> Iterator[Difference]:
        for name in theirs.body:
            if ours.body and name not in ours.body:
                yield self._made(
                    "CMP008",
                    Effect.LOUD,
                    f"A body of {name} is not taken, only {shown(list(ours.body))}.",
                    ours.name,
                    f"{self.here.pointers[ours.name]}/requestBody",
                    f"{self.there.pointers[theirs.name]}/requestBody",
                )
        both = [(name, name) for name in theirs.body if name in ours.body]
        for mine, sent in both or [(next(iter(ours.body), ""), next(iter(theirs.body), ""))]:
            if mine and sent:
                yield from self._body(
                    ours, theirs, self._schema(self.here, ours, mine), self._schema(self.there, theirs, sent)
                )

    def _body(self, ours: Operation, theirs: Operation, here: str, there: str) -> Iterator[Difference]:
        mine, sent = self.here.properties(here), self.there.properties(there)
        is_closed = self.here.node(here).get("additionalProperties") is False
        required = _required(self.here, here)
        wanted = _required(self.there, there)
        for field, place in sent.items():
            if field not in mine:
                money = self.there.role("inputs", field) in _MONEY
                effect = Effect.LOUD if is_closed else Effect.COSTS if money else Effect.SILENT
                role = self.there.role("inputs", field)
                other = next((n for n in mine if n not in sent and role and self.here.role("inputs", n) == role), "")
                what = "is refused" if is_closed else "is not known, so that the job is made without it"
                what += f" (here it is `{other}`)" if other else ""
                yield self._made("CMP004", effect, f"`{field}` of the request {what}.", ours.name, here, place)
                continue
            yield from self._values(ours.name, field, mine[field], place)
        for field in required:
            if field not in wanted and field in mine:
                has = "may be left out" if field in sent else "is never sent"
                yield self._made(
                    "CMP005",
                    Effect.LOUD,
                    f"`{field}` is required; by the other contract it {has}.",
                    ours.name,
                    mine[field],
                    sent.get(field, there),
                )

    def _schema(self, subject: Subject, operation: Operation, media: str) -> str:
        body = subject.home(f"{subject.pointers[operation.name]}/requestBody")
        return subject.home(body + pointer_text(("content", media, "schema")))

    def _values(self, operation: str, field: str, here: str, there: str) -> Iterator[Difference]:
        mine, sent = self.here.shape(self.here.at(here)), self.there.shape(self.there.at(there))
        if mine is None or sent is None:
            return
        takes, sends = _types(mine), _types(sent)
        if takes and sends and not _widened(takes) & sends:
            text = f"`{field}` is sent as {_or(sends)}; {_or(takes)} is taken."
            yield self._made("CMP006", Effect.LOUD, text, operation, here, there)
            return
        if takes and sends - _widened(takes):
            text = f"`{field}` may be sent as {_or(sends - _widened(takes))}, which is not taken."
            yield self._made("CMP006", Effect.LOUD, text, operation, here, there)
        allowed, used = _constants(mine), _constants(sent)
        if allowed is not None:
            refused = [value for value in used or [] if str(value) not in map(str, allowed)]
            if refused:
                text = f"`{field}` refuses {shown(refused)}; it takes {shown(allowed)}."
                yield self._made("CMP007", Effect.LOUD, text, operation, here, there)
            elif used is None:
                text = f"`{field}` takes {shown(allowed)} alone; the other contract takes any value."
                yield self._made("CMP007", Effect.LOUD, text, operation, here, there)
        one, other = mine.get("default"), sent.get("default")
        if one is not None and other is not None and str(one) != str(other):
            money = self.there.role("inputs", field) in _MONEY
            text = f"`{field}` left out means {one}, and {other} by the other contract."
            yield self._made("CMP007", Effect.COSTS if money else Effect.SILENT, text, operation, here, there)

    # -- jobs -----------------------------------------------------------------------------------------

    def _views(self) -> Iterator[tuple[JobView, JobView]]:
        """Answers about a job of both contracts: those with the same part; of one that has no such, any."""
        ours, theirs = _first_kind(self.here), _first_kind(self.there)
        for action in (Action.RETRIEVE, Action.CREATE, Action.LIST):
            mine = next((job for job in ours if job.action is action), None)
            other = next((job for job in theirs if job.action is action), None)
            if mine and other:
                yield mine, other
            elif mine and theirs and not any(job.action is Action.RETRIEVE for job in ours):
                yield mine, theirs[0]

    def _words(self, ours: JobView, theirs: JobView) -> Iterator[Difference]:
        known = {str(w): state for state, words in theirs.view.phases.items() for w in words}
        if not known or "usual" in theirs.view.evidence:
            return
        here, there = _status_place(self.here, ours), _status_place(self.there, theirs)
        said = {str(word) for each in ours.view.phases.values() for word in each}
        is_told = "usual" not in ours.view.evidence and bool(said - TYPE_NAMES)
        told = ours.view.phases if is_told else {}
        for state, words in told.items():
            for word in map(str, words):
                if word not in known:
                    effect, why = _unknown_word(state)
                    wanted = theirs.view.phases.get(state)
                    has = f"`{wanted[0]}`" if wanted else "no word at all"
                    yield self._made(
                        "CMP010",
                        effect,
                        f"A job that is {state.value} says `{word}`, expected {has}: {why}",
                        ours.operation.name,
                        here,
                        there,
                    )
                elif word in map(str, theirs.view.phases.get(state, ())):
                    continue  # a flag stands for every end
                elif known[word] is not state and not _alike(known[word], state):
                    yield self._made(
                        "CMP012",
                        Effect.SILENT,
                        f"`{word}` means {state.value} here, {known[word].value} there.",
                        ours.operation.name,
                        here,
                        there,
                    )
        if not told and ours.fields.get("status"):
            yield self._made(
                "CMP010",
                Effect.SILENT,
                "The words of the status are not told: any may come.",
                ours.operation.name,
                here,
                there,
            )
        for state in theirs.view.phases:
            if told and state not in told and state in TERMINAL and ours.action is not Action.CREATE:
                yield self._made(
                    "CMP011",
                    Effect.SILENT if state is State.FAILED else Effect.DIFFERS,
                    f"A job that is {state.value} cannot be told"
                    + (": such a job looks like one that runs for ever." if state is State.FAILED else "."),
                    ours.operation.name,
                    here,
                    there,
                )

    def _fields(self, ours: JobView, theirs: JobView) -> Iterator[Difference]:
        name = ours.operation.name
        if (
            (
                _depth(ours) != _depth(theirs)
                or [t for t in ours.view.pointer if t != "*"] != [t for t in theirs.view.pointer if t != "*"]
            )
            and ours.action is theirs.action
            and ours.action is not Action.LIST
        ):
            text = f"The job stands at {_told(ours)}, expected at {_told(theirs)}: every field of it is missing."
            yield self._made("CMP023", Effect.LOUD, text, name, ours.answer, theirs.answer)
        mine, wanted = self.here.properties(ours.pointer), self.there.properties(theirs.pointer)
        needs, gives = _required(self.there, theirs.pointer), _required(self.here, ours.pointer)
        roles = {places[0]: role for role, places in theirs.fields.items() if places}
        for field, place in wanted.items():
            if field not in mine:
                role = roles.get(place, "")
                if role == "status" and not ours.fields.get("status") and ours.action is Action.CREATE:
                    pass
                renamed = (
                    next(
                        (
                            p
                            for p in ours.fields.get(role, ())
                            if p.rpartition("/")[0] in mine.values() or p in mine.values()
                        ),
                        "",
                    )
                    if role
                    else ""
                )
                if renamed:
                    text = f"`{field}` is called `{renamed.rpartition('/')[2]}`."
                    yield self._made(
                        "CMP024", Effect.LOUD if role in ("id", "status") else Effect.SILENT, text, name, renamed, place
                    )
                elif field in needs or role:
                    effect = Effect.LOUD if role in ("id", "status") else Effect.SILENT
                    text = f"`{field}` is missing{f' (its {role})' if role and role != field else ''}."
                    yield self._made("CMP020", effect, text, name, ours.pointer, place)
                continue
            yield from self._typed(name, field, mine[field], place, field in needs, field in gives)
        extra = [field for field in mine if field not in wanted]
        links = [f for f in extra if any(mine[f] == p for p in ours.fields.get("result", ()))]
        for field in links:
            if "result" not in theirs.fields:
                text = f"`{field}` holds the result; the other contract has no such field."
                yield self._made("CMP025", Effect.DIFFERS, text, name, mine[field])

    def _typed(
        self, name: str, field: str, here: str, there: str, is_needed: bool, is_given: bool
    ) -> Iterator[Difference]:
        mine, wanted = self.here.shape(self.here.at(here)), self.there.shape(self.there.at(there))
        if mine is None or wanted is None:
            return
        says, reads = _types(mine), _types(wanted)
        if says and reads and (strange := says - _widened(reads)):
            text = f"`{field}` is {_or(strange)}, expected {_or(reads)}."
            yield self._made("CMP021", Effect.SILENT, text, name, here, there)
        elif mine.get("format") != wanted.get("format") and "date-time" in (mine.get("format"), wanted.get("format")):
            text = f"`{field}` has the format {mine.get('format')}, expected {wanted.get('format')}."
            yield self._made("CMP021", Effect.SILENT, text, name, here, there)
        if is_needed and not is_given:
            yield self._made(
                "CMP022",
                Effect.DIFFERS if wanted.nullable else Effect.SILENT,
                f"`{field}` may be left out; the other contract promises it.",
                name,
                here,
                there,
            )

    # -- lists and results ----------------------------------------------------------------------------

    def _lists(self, ours: JobOperation, theirs: JobOperation) -> Iterator[Difference]:
        name = ours.operation.name
        here, there = self._answer(self.here, ours), self._answer(self.there, theirs)
        if ours.view and theirs.view and ours.view.pointer != theirs.view.pointer:
            text = f"The items stand at /{'/'.join(ours.view.pointer)}, expected at /{'/'.join(theirs.view.pointer)}."
            yield self._made("CMP040", Effect.LOUD, text, name, here, there)
        if not here or not there:
            return
        mine = {
            role
            for n in self.here.properties(here)
            for role in _LIST_ROLES
            if self.here.vocabulary.rank("paging", role, n) is not None
        }
        for field, place in self.there.properties(there).items():
            role = next(
                (
                    r
                    for r in ("has more", "next", "last id")
                    if self.there.vocabulary.rank("paging", r, field) is not None
                ),
                "",
            )
            if role and role not in mine and field not in self.here.properties(here):
                what = (
                    "A client stops after the first page."
                    if role != "last id"
                    else "There is no cursor for the next page."
                )
                yield self._made("CMP041", Effect.SILENT, f"`{field}` is missing. {what}", name, here, place)

    def _answer(self, subject: Subject, part: JobOperation) -> str:
        answer = part.answer or part.operation.success()
        media = answer.json_media() if answer else None
        if answer is None or media is None:
            return ""
        at = subject.home(f"{subject.pointers[part.operation.name]}/responses/{answer.status}")
        return subject.home(at + pointer_text(("content", media[0], "schema")))

    def _media(self, ours: Operation, theirs: Operation) -> Iterator[Difference]:
        mine, wanted = ours.success(), theirs.success()
        if mine and wanted and mine.content and not set(mine.content) & set(wanted.content):
            text = f"The result is {shown(list(mine.content))}, expected {shown(list(wanted.content))}."
            yield self._made(
                "CMP031",
                Effect.LOUD,
                text,
                ours.name,
                f"{self.here.pointers[ours.name]}/responses",
                f"{self.there.pointers[theirs.name]}/responses",
            )

    # -- keys and errors ------------------------------------------------------------------------------

    def _keys(self) -> Iterator[Difference]:
        here, there = _schemes(self.here), _schemes(self.there)
        if here and there and not {how for how, _ in here} & {how for how, _ in there}:
            text = f"The key goes into {_or({how for how, _ in here})}, expected {_or({how for how, _ in there})}."
            yield self._made("CMP060", Effect.LOUD, text, "", here[0][1], there[0][1])
        elif there and not here:
            yield self._made(
                "CMP060",
                Effect.DIFFERS,
                "No key is asked for.",
                "",
                "/security" if "security" in self.here.root else "/paths",
                there[0][1],
            )

    def _errors(self) -> Iterator[Difference]:
        here, there = _error_shape(self.here), _error_shape(self.there)
        if here and there and here[0] != there[0]:
            lacking = sorted(there[0] - here[0])
            if lacking:
                text = f"An error has {shown(sorted(here[0]))}, and lacks {shown(lacking)}."
                effect = Effect.SILENT if not any(n.endswith("message") for n in here[0] & there[0]) else Effect.DIFFERS
                yield self._made("CMP050", effect, text, "", here[1], there[1])
        mine = {rule.status for rule in self.here.contract.refusals.values()} if self.here.contract else set()
        wanted = {rule.status for rule in self.there.contract.refusals.values()} if self.there.contract else set()
        if 200 in mine and 200 not in wanted:
            yield self._made(
                "CMP051",
                Effect.SILENT,
                "Errors come under HTTP 200: a client takes a refusal for a job.",
                "",
                "/x-job/refusals",
            )
            return
        ours = self.here.contract.refusals if self.here.contract else {}
        theirs = self.there.contract.refusals if self.there.contract else {}
        for kind in ours.keys() & theirs.keys():
            one, other = ours[kind].status, theirs[kind].status
            if one and other and one != other:
                yield self._made(
                    "CMP051",
                    Effect.LOUD,
                    f"`{kind}` is told with {one}, expected {other}.",
                    "",
                    f"/x-job/refusals/{kind}",
                    f"/x-job/refusals/{kind}",
                )


def _first_kind(subject: Subject) -> list[JobView]:
    """The answers about the first kind of job, or about whatever looks like one."""
    contract = subject.contract
    if not contract or not contract.resources:
        return subject.jobs
    names = {part.operation.name for part in contract.resources[0].operations}
    return [job for job in subject.jobs if job.operation.name in names]


def _result_fields(subject: Subject) -> list[str]:
    return [place for job in _first_kind(subject) for place in job.fields.get("result", ())]


def _unknown_word(state: State) -> tuple[Effect, str]:
    """What a client does on a word that it does not know, whichever way its loop is written."""
    if state in _WAITING:
        return Effect.SILENT, "a client that waits while it knows the word leaves at once, as if the job had ended."
    if state is State.SUCCEEDED:
        return (
            Effect.COSTS,
            "a client that waits for the word polls until it gives up on a job that is done and paid for.",
        )
    return Effect.SILENT, "a client that waits for the word polls for ever."


def _alike(one: State, other: State) -> bool:
    return {one, other} <= set(_WAITING)


def _status_place(subject: Subject, job: JobView) -> str:
    place = next(iter(job.fields.get("status", ())), job.pointer)
    node = subject.node(place)
    home = subject.home(place)
    return next((f"{home}/{key}" for key in ("enum", "description") if key in node), place)


def _depth(job: JobView) -> int:
    return len(job.view.pointer)


def _told(job: JobView) -> str:
    return f"/{'/'.join(job.view.pointer)}" if job.view.pointer else "the top"


def _required(subject: Subject, pointer: str) -> set[str]:
    shape = subject.shape(subject.at(pointer))
    return set(shape.required) if shape else set()


def _types(shape: Shape) -> set[str]:
    return {kind for form in (shape, *shape.branches) for kind in form.types}


def _widened(types: set[str]) -> set[str]:
    """With what readers of these types take, too: an integer is a number."""
    return types | ({"integer"} if "number" in types else set())


def _constants(shape: Shape) -> list[object] | None:
    """The values of all its forms; None where one of them takes any."""
    forms = shape.branches or (shape,)
    told = [form.constants for form in forms]
    if any(each is None for each in told):
        return None
    return list({str(value): value for each in told for value in each or ()}.values())


def _or(kinds: set[str]) -> str:
    return " or ".join(sorted(kinds))


def _schemes(subject: Subject) -> list[tuple[str, str]]:
    """How operations ask for a key, and where that is declared."""
    asked = {name for _, operation in subject.operations for each in operation.security for name in each}
    found = []
    for name in sorted(asked):
        at = subject.home(pointer_text(("components", "securitySchemes", name)))
        node = subject.at(at)
        if isinstance(node, dict):
            kind = str(node.get("type"))
            how = (
                f"{node.get('in')} {node.get('name')}"
                if kind == "apiKey"
                else f"Authorization: {str(node.get('scheme', kind)).title()}"
            )
            found.append((how, at))
    return found


def _error_shape(subject: Subject) -> tuple[set[str], str] | None:
    """The fields of the errors that operations of jobs declare (`error.message`), and where."""
    for _, operation in subject.operations:
        for answer in operation.answers:
            media = answer.json_media()
            if answer.status[:1] in "45d" and media and "schema" in media[1]:
                at = subject.home(f"{subject.pointers[operation.name]}/responses/{answer.status}")
                at = subject.home(at + pointer_text(("content", media[0], "schema")))
                names: set[str] = set()
                for name, place in subject.properties(at).items():
                    inner = subject.properties(place)
                    names |= {f"{name}.{each}" for each in inner} or {name}
                if names:
                    return names, at
    return None
