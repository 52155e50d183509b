"""What a client that was written for a reference contract meets at this endpoint, from what was really answered.

Each answer of the history is read twice as such a client reads it: by the reference's own schema for the same action,
and by the models of its official library, where that is installed. What the two documents say differently and no answer
has shown is told beside it, under the codes of comparing.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

from contract_tests.clauses import Published, read_published
from contract_tests.comparing import TITLES as STATIC_TITLES
from contract_tests.comparing import Difference, Effect, compare_published, counterparts
from contract_tests.contract import shape_at
from contract_tests.finding import NOT_ASKED, Evidence, Finding, Outcome, Severity, Verdict
from contract_tests.history import NO_JSON, Exchange, History, Purpose, Sighting
from contract_tests.judging import FAILED
from contract_tests.laws.seen import came_too_often, declared_media, is_good, query_of, shown, status_of
from contract_tests.lint.subject import Subject
from contract_tests.playing.seeing import sightings
from contract_tests.refusals import Refusals
from contract_tests.sdk_reading import Misread, Reader, SdkMissing
from mockserver.errors import MockserverError
from mockserver.jobs.lifecycle import State
from mockserver.jobs.resource import STARTS, Action, JobOperation, Pointer, View, dig
from mockserver.openapi.document import Operation, pointer_text
from mockserver.openapi.schema import Validator

TITLES: Mapping[str, str] = {
    "REF001": "Operations are where a client of the reference asks for them",
    "REF002": "An answer that is JSON by the reference is JSON",
    "REF003": "The job stands in an answer where the reference has it",
    "REF004": "What the reference promises of a job is there",
    "REF005": "A field has the type that it has by the reference",
    "REF006": "A field is null only where the reference lets it be",
    "REF007": "A field's value is one that the reference knows",
    "REF010": "The words of the status are the reference's",
    "REF011": "A word of the status means what it means by the reference",
    "REF020": "The jobs of a list stand where the reference has them",
    "REF021": "A list leads to its next page as the reference's does",
    "REF030": "The result is got as the reference gives it",
    "REF031": "The result has a media type of the reference",
    "REF040": "A client of the reference can read an error",
    "REF041": "A refusal looks like one to a client of the reference",
    "REF042": "A refusal has the reference's status",
    "REF050": "The SDK reads every field that its models promise",
    "REF051": "The SDK reads fields of the types that its models promise",
    "REF052": "The SDK reads only values that its models know",
    "REF053": "The SDK can read the answer at all",
    "REF054": "The SDK finds the jobs of a list, and its next page",
    "REF055": "The SDK finds an error's message",
}
MAX_EVIDENCE = 3  # exchanges shown with one finding
MAX_FAULTS = 40  # of one answer by the reference's schema
UNSEEN = "By the documents, not seen live: "
UNSHOWN = "By the documents; no answer showed it: "
_LISTS, _REFUSED, _RESULTS, _SDK = "list", "refusal", "result", "sdk"
# What has to be seen for a code to be judged; all others need a served answer of a paired operation.
_NEEDS: Mapping[str, str] = {
    "REF020": _LISTS, "REF021": _LISTS, "REF030": _RESULTS, "REF031": _RESULTS,
    "REF040": _REFUSED, "REF041": _REFUSED, "REF042": _REFUSED,
}  # fmt: skip
_NOTHING = {
    "": "no operation that the reference has, too, was served",
    _LISTS: "no list was answered",
    _RESULTS: "no job with a result was seen",
    _REFUSED: "nothing was refused",
}
_WAITING = (State.QUEUED, State.RUNNING)
_ASIDE = {Purpose.WRONG_METHOD, Purpose.LINK, Purpose.HEAD, Purpose.FETCH_HEAD, Purpose.FETCH_RANGE,
          Purpose.FETCH_CONDITIONAL, Purpose.ODD_INPUT}  # fmt: skip
# The kind of refusal (x-job.refusals) that a purpose asks for.
_KINDS = {
    Purpose.NO_KEY: "unauthenticated",
    Purpose.BAD_KEY: "refused_key",
    Purpose.UNKNOWN_ID: "not_found",
    Purpose.INVALID: "invalid_request",
    Purpose.BROKEN_JSON: "malformed_body",
    Purpose.WRONG_TYPE: "unsupported_media_type",
}
# Differences of the documents that answers are asked about, with the codes that speak of the same when it is seen.
_SAME: Mapping[str, tuple[str, ...]] = {
    "CMP002": ("REF001",),
    "CMP010": ("REF010",),
    "CMP012": ("REF011",),
    "CMP020": ("REF004",),
    "CMP021": ("REF005", "REF007"),
    "CMP022": ("REF004",),
    "CMP023": ("REF003",),
    "CMP024": ("REF004",),
    "CMP030": ("REF030",),
    "CMP031": ("REF031",),
    "CMP040": ("REF020",),
    "CMP041": ("REF021",),
    "CMP050": ("REF040",),
    "CMP051": ("REF041", "REF042"),
}
_OF_FIELDS = {"CMP020", "CMP021", "CMP022", "CMP024"}
_PAGING = {
    "has more": "A client takes the first page for all there is.",
    "next": "A client takes the first page for all there is.",
    "last id": "There is no cursor to ask for the next page with.",
}
_SDK_CODES = {"lost": "REF050", "type": "REF051", "literal": "REF052", "exception": "REF053", "page": "REF054"}
_NO_SDK = "the reference declares no SDK (x-job.sdk)"


@dataclass(frozen=True, slots=True)
class Seen:
    """One sight of a place where a client of the reference breaks. `there` is the pointer of the reference's clause.

    `subject` names what it is about (a field, a word, an operation), so that the documents' difference is known again.
    """

    code: str
    effect: Effect
    message: str
    exchange: Exchange
    there: str = ""
    cause: str = ""
    subject: str = ""


def judge_by_reference(
    history: History,
    reference: str,
    spec: str = "",
    *,
    codes: Collection[str] | None = None,
    evidence: Callable[[Exchange], Evidence] | None = None,
    repeat: Callable[[Exchange, str], tuple[str, ...]] | None = None,
) -> list[Outcome]:
    """What each code REF… and CMP… came to over a history, by code.

    Raises MockserverError for specs that cannot be read, and nothing for odd answers. `reference` and `spec` (that of
    the endpoint; by default the history's contract) are a bundled provider's name, a folder or a file. `codes`: these
    alone. `evidence` shows an exchange, `repeat` tells how to see it again.
    """
    theirs = read_published(reference)
    ours = read_published(spec or history.contract.name)
    reading = _Reading(history, Subject(ours), Subject(theirs), reference)
    seen = sorted(reading.seen(), key=lambda each: list(Effect).index(each.effect))
    show = _Showing(theirs, evidence, repeat)
    outcomes = [_outcome(code, seen, reading, show) for code in TITLES if codes is None or code in codes]
    return outcomes + _unseen(compare_published(ours, theirs), seen, reading, codes)


def ranked(outcomes: Collection[Outcome]) -> list[tuple[Effect, Finding]]:
    """The findings of a judgement by reference with what each does to a client, the worst first."""
    found = [(_effect(finding), finding) for outcome in outcomes for finding in outcome.findings if _is_ours(finding)]
    order = list(Effect)
    return sorted(found, key=lambda each: (order.index(each[0]), each[1].code[:3] != "REF", each[1].code))


def _is_ours(finding: Finding) -> bool:
    return finding.code in TITLES or finding.code in STATIC_TITLES


def _effect(finding: Finding) -> Effect:
    if finding.severity is Severity.NOTE:
        return Effect.DIFFERS  # also what the documents say and no answer showed
    return next((each for each in Effect if finding.message.endswith(_ending(each))), Effect.DIFFERS)


def _ending(effect: Effect) -> str:
    """How the message of a finding ends."""
    return f" It {effect.value}." if effect is not Effect.DIFFERS else ""


# -- outcomes -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Showing:
    published: Published
    evidence: Callable[[Exchange], Evidence] | None
    repeat: Callable[[Exchange, str], tuple[str, ...]] | None

    def finding(self, group: Sequence[Seen]) -> Finding:
        """One finding for what has one cause; the first is the worst."""
        first = group[0]
        exchanges = list({each.exchange.number: each.exchange for each in group}.values())
        names = list(dict.fromkeys(e.operation for e in exchanges if e.operation != first.exchange.operation))
        also = f" (also {', '.join(names)})" if names else ""
        return Finding(
            first.code,
            TITLES[first.code],
            first.effect.severity,
            f"{first.message}{also}{_ending(first.effect)}",
            first.exchange.operation,
            self.published.clause(first.there) if first.there else None,
            tuple(self._shown(exchanges[:MAX_EVIDENCE])),
            self._repeated(first),
            len(group),
            first.cause,
        )

    def _shown(self, exchanges: Sequence[Exchange]) -> Iterator[Evidence]:
        for exchange in exchanges if self.evidence else ():
            with suppress(Exception):  # what is shown beside a finding must not cost the finding
                assert self.evidence is not None
                yield self.evidence(exchange)

    def _repeated(self, first: Seen) -> tuple[str, ...]:
        with suppress(Exception):
            return self.repeat(first.exchange, first.code) if self.repeat else ()
        return ()


def _outcome(code: str, seen: Sequence[Seen], reading: "_Reading", show: _Showing) -> Outcome:
    groups: dict[str, list[Seen]] = {}
    for each in seen:
        if each.code == code:
            groups.setdefault(each.cause, []).append(each)
    findings = tuple(show.finding(group) for group in groups.values())
    why = reading.why_not(code) if not findings else ""
    reasons = (why,) if why else reading.gaps(code)
    return Outcome(code, TITLES[code], _verdict(findings, bool(why)), reasons, findings)


def _verdict(findings: Sequence[Finding], is_unjudged: bool = False) -> Verdict:
    if any(finding.severity.rank <= Severity.VIOLATION.rank for finding in findings):
        return Verdict.VIOLATES
    return Verdict.UNJUDGED if is_unjudged else Verdict.CONFORMS


def _unseen(
    differences: Sequence[Difference], seen: Sequence[Seen], reading: "_Reading", codes: Collection[str] | None
) -> list[Outcome]:
    """What the documents say differently: not again what was seen, and no more than a note what answers deny."""
    known = {(each.code, each.subject) for each in seen} | {(each.code, "") for each in seen}
    known -= {("REF042", "")}  # kinds of refusals are told one by one
    found: dict[str, list[Finding]] = {}
    for each in differences:
        subject = _subject(each)
        if (codes is not None and each.code not in codes) or any(
            (code, subject) in known for code in _SAME.get(each.code, ())
        ):
            continue
        finding = each.finding()
        is_denied = each.code in _OF_FIELDS and subject in reading.fields
        if is_denied or (each.code == "CMP051" and subject in reading.kinds):
            finding = replace(finding, severity=Severity.NOTE, message=f"{UNSHOWN}{finding.message}")
        else:
            finding = replace(finding, message=f"{UNSEEN}{finding.message}")
        found.setdefault(each.code, []).append(finding)
    return [Outcome(code, STATIC_TITLES[code], _verdict(found[code]), (), tuple(found[code])) for code in sorted(found)]


def _subject(difference: Difference) -> str:
    """What a difference is about, as sights name it: the field, the word, the operation."""
    if difference.code in _OF_FIELDS or difference.code == "CMP041":
        return difference.there.pointer.rpartition("/")[2] if difference.there else ""
    if difference.code in ("CMP010", "CMP012", "CMP051"):
        quoted = difference.message.split("`")
        return quoted[1] if len(quoted) > 1 else ""
    return difference.operation if difference.code in ("CMP002", "CMP023") else ""


# -- reading as a client of the reference does --------------------------------------------------------


@dataclass(slots=True, eq=False)
class _Reading:
    """A history as a client of another contract reads it: `here` is the endpoint's contract, `there` the reference."""

    history: History
    here: Subject
    there: Subject
    reference: str
    fields: set[str] = field(default_factory=set)  # of jobs that answers held at their place
    refusals: Refusals | None = None  # of the reference
    kinds: set[str] = field(default_factory=set)  # of refusals that were seen
    saw: set[str] = field(default_factory=set)
    no_sdk: str = ""
    unserved: list[str] = field(default_factory=list)  # operations that both have and that were never served
    failed: list[str] = field(default_factory=list)
    _validators: dict[tuple[str, str], Validator | None] = field(default_factory=dict)

    def seen(self) -> Iterator[Seen]:
        """All that breaks such a client, in the order of the exchanges."""
        self.refusals = Refusals(self.there.contract) if self.there.contract else None
        pairs = counterparts(self.here, self.there)
        theirs = {mine.operation.name: part for mine, part in reversed(pairs) if mine is not None}
        reader = self._reader()
        asked = [
            (exchange, theirs[exchange.operation])
            for exchange in self.history.exchanges
            if exchange.status and exchange.operation in theirs and exchange.purpose not in _ASIDE
            and exchange.method != "HEAD"
        ]  # fmt: skip
        served = [each for each in asked if is_good(self.history, each[0])]
        if served:
            self.saw.add("")
        names = {exchange.operation for exchange, _ in served}
        self.unserved = [name for name in theirs if name not in names]
        yield from self._places(served)
        for exchange, part in asked:
            found: Iterator[Seen] = iter(())
            if is_good(self.history, exchange):
                found = self._answer(exchange, part, reader)
            elif status_of(self.history, exchange) < 500 and not came_too_often(self.history, exchange):
                found = self._refusal(exchange, part, reader)
            try:
                yield from list(found)
            except Exception as error:  # an odd answer must not cost what the others say
                self.failed.append(f"{FAILED} (exchange {exchange.number}: {type(error).__name__}: {error})"[:300])
        yield from self._results([part for mine, part in pairs if mine is None])

    def why_not(self, code: str) -> str:
        """Why a code could not be judged; '' if it could."""
        if code >= "REF050":
            if self.no_sdk:
                return self.no_sdk
            need = {"REF054": _LISTS, "REF055": _REFUSED}.get(code, "")
        else:
            need = _NEEDS.get(code, "")
        return "" if need in self.saw else _NOTHING[need]

    def gaps(self, code: str) -> tuple[str, ...]:
        """What a code was not judged by, though it was judged."""
        is_about_answers = code not in _NEEDS and code not in ("REF054", "REF055")
        unserved = (
            [f"{name}: it was not served, or not asked for" for name in self.unserved] if is_about_answers else []
        )
        return (*unserved, *self.failed[:3])

    def _reader(self) -> Reader | None:
        contract = self.there.contract
        sdk = contract.sdk.get("python") if contract else None
        if sdk is None:
            self.no_sdk = f"{NOT_ASKED}: {_NO_SDK}"
            return None
        try:
            return Reader(sdk)
        except SdkMissing as error:
            self.no_sdk = str(error)
            return None

    def _clause(self, operation: Operation, *more: str) -> str:
        return self.there.pointers.get(operation.name, "") + pointer_text(more)

    # -- places -----------------------------------------------------------------------------------------

    def _places(self, served: Sequence[tuple[Exchange, JobOperation]]) -> Iterator[Seen]:
        """Operations that a client, on the base URL that suits most of them, asks for elsewhere."""
        bases: Counter[str | None] = Counter()
        found: dict[str, tuple[Exchange, JobOperation, str | None]] = {}
        for exchange, part in served:
            if exchange.operation not in found:
                method, _, path = exchange.operation.partition(" ")
                base = _base(self.here.document.base_path + path, part.operation.path)
                base = base if method == part.operation.method else None
                found[exchange.operation] = exchange, part, base
                bases[base] += 1
        usual = next((base for base, _ in bases.most_common() if base is not None), None)
        for exchange, part, base in found.values():
            if base is None or base != usual:
                name = part.operation.name
                told = f"{name} is {exchange.operation} here: a client that asks for {name} does not find it."
                yield Seen(
                    "REF001", Effect.LOUD, told, exchange, self._clause(part.operation), name, exchange.operation
                )

    # -- what was served --------------------------------------------------------------------------------

    def _answer(self, exchange: Exchange, part: JobOperation, reader: Reader | None) -> Iterator[Seen]:
        answer = part.operation.answer_for(exchange.status)
        if answer is None or answer.status[:1] != "2":
            answer = part.answer or part.operation.success()
        if part.ended is not None and answer is not None and answer.status == part.ended.status:
            part = replace(part, view=None)  # the answer that a finished job gets is none about a job
        media = answer.json_media() if answer else None
        if part.action is Action.LIST:
            self.saw.add(_LISTS)
        if part.action is Action.CONTENT:
            self.saw.add(_RESULTS)
            if answer and answer.content and exchange.body and declared_media(answer, exchange.media_type) is None:
                told = f"The result is labelled {shown(exchange.media_type)}, expected {', '.join(answer.content)}."
                at = self._clause(part.operation, "responses", answer.status)
                yield Seen("REF031", Effect.LOUD, told, exchange, at, exchange.media_type)
            return
        if answer is None or media is None or exchange.is_cut:
            return
        effect = Effect.COSTS if part.action in STARTS else Effect.LOUD
        at = self._clause(part.operation, "responses", answer.status, "content", media[0], "schema")
        if exchange.json is NO_JSON:
            what = "is no JSON" if exchange.body else "is empty"
            told = f"The answer {what}, expected JSON: nothing of the job is read."
            yield Seen("REF002", effect, told, exchange, at, what)
            return
        jobs = sightings(self.history.contract, exchange)
        ours = next((p.view for p in self.history.contract.parts if p.operation.name == exchange.operation), None)
        is_elsewhere = part.view is not None and self._is_elsewhere(exchange.json, part.view, ours)
        if reader is not None:
            yield from self._by_sdk(exchange, part, reader, jobs, is_elsewhere)
        if part.action is Action.LIST and isinstance(exchange.json, dict):
            yield from self._cursor(exchange, media[1].get("schema"), at, self._has_next_page(exchange, jobs))
        if part.view is not None:
            yield from self._words(exchange, part.view, jobs, at)
        if is_elsewhere:
            is_list = part.action is Action.LIST
            where, wanted = _told(ours), _told(part.view)
            told = f"{'The jobs of a list stand' if is_list else 'The job stands'} at {where}, expected at {wanted}"
            told += ": a client finds none." if is_list else ": a client reads none of its fields"
            told += "" if is_list else ", the id of what it pays for included." if part.action in STARTS else "."
            code = "REF020" if is_list else "REF003"
            yield Seen(code, effect, told, exchange, at, exchange.operation, exchange.operation)
            return
        yield from self._schema(exchange, part, answer.status, media[1].get("schema"), at)

    @staticmethod
    def _is_elsewhere(body: Any, view: View, ours: View | None) -> bool:
        """Whether there is no job, or list of them, where the reference has it, though the answer is about one."""
        if ours is None or ours.pointer == view.pointer:
            return False
        if view.pointer[-1:] == ("*",):
            return not isinstance(dig(body, view.pointer[:-1]), list)
        there = dig(body, view.pointer)
        places = [*view.fields.get("id", ()), *view.fields.get("status", ())]
        return not any(dig(there, place) is not None for place in places)

    def _words(self, exchange: Exchange, view: View, jobs: Sequence[Sighting], at: str) -> Iterator[Seen]:
        known: dict[str, set[State]] = {}  # a flag may stand for every end
        for state, words in (*view.phases.items(), *((s, (w,)) for s, w in view.words.items())):
            for word in words:
                known.setdefault(str(word), set()).update(_WAITING if state in _WAITING else {state})
        if not known or "usual" in view.evidence:
            return
        for job in jobs:
            if (word := job.word) is None or not isinstance(word, (str, int)):
                continue
            if job.state is None:
                if str(word) not in known:
                    told = f"A job says {shown(word)}, which neither contract knows."
                    yield Seen("REF010", Effect.SILENT, told, exchange, at, str(word), str(word))
            elif str(word) not in known:
                wanted = view.phases.get(job.state) or ((view.words[job.state],) if job.state in view.words else ())
                effect, why = _unknown_word(job.state)
                told = f"A job that is {job.state.value} says {shown(word)}, expected "
                told += f"{shown(wanted[0]) if wanted else 'no word at all'}: {why}"
                yield Seen("REF010", effect, told, exchange, at, str(word), str(word))
            elif job.state not in known[str(word)]:
                meant = " or ".join(sorted(each.value for each in known[str(word)]))
                told = f"{shown(word)} means {job.state.value} here, {meant} by the reference."
                yield Seen("REF011", Effect.SILENT, told, exchange, at, str(word), str(word))

    def _cursor(self, exchange: Exchange, schema: Any, at: str, goes_on: bool) -> Iterator[Seen]:
        """What the reference's list tells of the next page; a last one may leave out what is not required."""
        shape = self.there.shape(schema)
        for name in shape.properties if shape else ():
            role = self._paging_role(name)
            if role and name not in exchange.json and shape and (goes_on or name in shape.required):
                told = f"`{name}` is missing. {_PAGING[role]}"
                yield Seen("REF021", Effect.SILENT, told, exchange, at, name, name)

    def _paging_role(self, name: str) -> str:
        return next((role for role in _PAGING if self.there.vocabulary.rank("paging", role, name) is not None), "")

    def _schema(self, exchange: Exchange, part: JobOperation, status: str, schema: Any, at: str) -> Iterator[Seen]:
        """What the reference's schema says of the answer, field by field."""
        validator = self._validator(part.operation.name, status, schema)
        view = part.view
        pointer = view.pointer if view else ()
        if view is not None:
            self._note_fields(exchange.json, pointer)
        if validator is None or validator.is_valid(exchange.json):
            return
        roles = {places[0]: role for role, places in view.fields.items() if places} if view else {}
        for number, error in enumerate(validator.iter_errors(exchange.json)):
            if number >= MAX_FAULTS:
                return
            path = tuple("*" if isinstance(token, int) else str(token) for token in error.instance_path)
            is_inside = path[: len(pointer)] == pointer
            inner = path[len(pointer) :] if is_inside else path
            if error.kind.name == "required":
                missing = str(error.kind.property)
                if not (part.action is Action.LIST and not inner and self._paging_role(missing)):
                    yield self._missing(exchange, part, (*inner, missing), roles, is_inside, at)
            elif roles.get(inner) != "status" or error.kind.name == "type":
                yield _unfit(exchange, error, inner, at)

    def _note_fields(self, body: Any, pointer: Pointer) -> None:
        there = dig(body, pointer)
        if isinstance(there, dict):
            self.fields.update(there)

    def _missing(
        self,
        exchange: Exchange,
        part: JobOperation,
        place: tuple[str, ...],
        roles: Mapping[Pointer, str],
        is_inside: bool,
        at: str,
    ) -> Seen:
        role = roles.get(place, "")
        name = ".".join(place)
        effect = Effect.SILENT
        if is_inside and role in ("id", "status"):
            effect = Effect.COSTS if role == "id" and part.action in STARTS else Effect.LOUD
        elif is_inside and self._is_nullable(part, place):
            effect = Effect.DIFFERS  # a client has to expect null there, which most read a missing field as
        what = f" (its {role})" if role and role != place[-1] else ""
        return Seen("REF004", effect, f"`{name}`{what} is missing.", exchange, at, name, place[-1])

    def _validator(self, name: str, status: str, schema: Any) -> Validator | None:
        key = name, status
        if key not in self._validators:
            try:
                self._validators[key] = Validator(self.there.document, schema, "response") if schema else None
            except MockserverError:
                self._validators[key] = None  # a schema that nobody can read says nothing
        return self._validators[key]

    # -- results ----------------------------------------------------------------------------------------

    def _results(self, lacking: Sequence[JobOperation]) -> Iterator[Seen]:
        """Jobs that succeeded, and whose result a client of the reference looks for in vain."""
        done = [s for story in self.history.jobs for s in story.sightings if s.state is State.SUCCEEDED]
        if done:
            self.saw.add(_RESULTS)
        for part in lacking:
            if part.action in (Action.CONTENT, Action.RESULT) and done:
                places = done[0].part.view.fields.get("result", ()) if done[0].part.view else ()
                where = f"; it is linked in `{'.'.join(places[0])}` instead" if places else ""
                told = f"A job succeeded, and {part.operation.name}, by which a client fetches its result, is not there"
                at = self._clause(part.operation)
                yield Seen("REF030", Effect.COSTS, f"{told}{where}.", done[0].exchange, at, part.operation.name)
        first = self.there.contract.resources[0] if self.there.contract and self.there.contract.resources else None
        retrieve = first.first(Action.RETRIEVE) if first else None
        if first is None or retrieve is None or retrieve.view is None or first.first(Action.CONTENT):
            return
        places = retrieve.view.fields.get("result", ())
        for job in done if places else ():
            if job.part.action is Action.RETRIEVE and isinstance(job.exchange.json, dict):
                there = dig(job.exchange.json, retrieve.view.pointer)
                if not any(dig(there, place) is not None for place in places):
                    name = ".".join((*retrieve.view.pointer, *places[0]))
                    told = f"A job succeeded, and `{name}`, where a client looks for its result, is not there."
                    yield Seen("REF030", Effect.COSTS, told, job.exchange, self._clause(retrieve.operation), name)

    # -- refusals ---------------------------------------------------------------------------------------

    def _refusal(self, exchange: Exchange, part: JobOperation, reader: Reader | None) -> Iterator[Seen]:
        self.saw.add(_REFUSED)
        if exchange.status < 300:
            body = None if exchange.json is NO_JSON else exchange.json
            if self.refusals is not None and self.refusals.shown_status(exchange.status, body) >= 400:
                return  # the reference refuses so, too
            told = f"A refusal is answered {exchange.status}: a client takes it for what it asked for."
            yield Seen(
                "REF041", Effect.SILENT, told, exchange, self._clause(part.operation, "responses"), "under success"
            )
            return
        kind = self._kind(exchange, part)
        self.kinds.add(kind)
        rule = self.there.contract.refusals.get(kind) if self.there.contract and kind else None
        if rule is not None and rule.status and rule.status != exchange.status:
            told = (
                f"`{kind}` is told with {exchange.status}, expected {rule.status}: a client takes it for another error."
            )
            at = f"/x-job/refusals/{kind}"
            yield Seen("REF042", Effect.LOUD, told, exchange, at, f"{kind} {exchange.status}", kind)
        answer = part.operation.answer_for(exchange.status)
        media = answer.json_media() if answer else None
        if answer is None or media is None or exchange.is_cut or "schema" not in media[1]:
            return
        at = self._clause(part.operation, "responses", answer.status)
        if exchange.json is NO_JSON:
            told = "The body of a refusal is no JSON: a client has nothing but the status."
            yield Seen("REF040", Effect.LOUD, told, exchange, at, "no JSON")
            return
        validator = self._validator(part.operation.name, answer.status, media[1]["schema"])
        if validator is not None and not validator.is_valid(exchange.json):
            yield self._unread(exchange, next(iter(validator.iter_errors(exchange.json))), media[1]["schema"], at)
        if reader is not None:
            yield from self._error_by_sdk(exchange, reader, at)

    def _kind(self, exchange: Exchange, part: JobOperation) -> str:
        """The kind of refusal that was asked for; '' where that is not known."""
        if part.action is not Action.CONTENT or exchange.purpose not in (Purpose.FETCH, Purpose.FETCH_EARLY):
            return _KINDS.get(exchange.purpose, "")
        story = next((each for each in self.history.jobs if each.id == exchange.job), None)
        before = [s.state for s in story.sightings if s.exchange.number < exchange.number] if story else []
        if before and before[-1] is State.FAILED:
            return "failed_content"
        return "not_ready" if before and before[-1] in _WAITING else ""

    def _unread(self, exchange: Exchange, error: Any, schema: Any, at: str) -> Seen:
        places = list(self._messages(schema))
        texts = [dig(exchange.json, place) for place in places]
        where = "/".join(map(str, error.instance_path))
        why = f"{f'`{where}`: ' if where else ''}{error.message[:160]}"
        if places and not any(isinstance(text, str) and text for text in texts):
            told = f"An error has no `{'.'.join(places[0])}`: a client has no text to show. {why}"
            return Seen("REF040", Effect.SILENT, told, exchange, at, "no message")
        told = f"An error has another shape: {why}"
        return Seen("REF040", Effect.DIFFERS, told, exchange, at, f"{where} {error.kind.name} {error.message[:60]}")

    def _messages(self, schema: Any) -> Iterator[Pointer]:
        """Where the reference's errors have their texts."""
        shape = self.there.shape(schema)
        for name, below in shape.properties.items() if shape else ():
            if name == "message":
                yield (name,)
            inner = self.there.shape(below)
            if inner is not None and "message" in inner.properties:
                yield name, "message"

    # -- the SDK ----------------------------------------------------------------------------------------

    def _by_sdk(
        self, exchange: Exchange, part: JobOperation, reader: Reader, jobs: Sequence[Sighting], is_elsewhere: bool
    ) -> Iterator[Seen]:
        at = self._clause(part.operation)
        try:
            found = list(reader.answer(part.action, exchange.json))
            lost = [each for each in found if each.kind == "lost"] if is_elsewhere else []
            if lost:  # for one reason
                names = ", ".join(f"`{'.'.join(each.path)}`" for each in lost)
                effect = Effect.COSTS if part.action in STARTS else Effect.SILENT
                told = f"The SDK reads {exchange.operation} and has None for {names}."
                yield Seen("REF050", effect, told, exchange, at, "elsewhere")
            for each in found:
                if each not in lost and not (each.kind == "page" and not jobs):  # a list may be empty
                    yield self._misread(exchange, part, each, jobs, at)
            if is_elsewhere:
                return
            if (
                part.action is Action.LIST
                and self._has_next_page(exchange, jobs)
                and reader.leads_on(exchange.json) is False
            ):
                told = "The SDK stops after this page of a list, though there is a further one."
                yield Seen("REF054", Effect.SILENT, told, exchange, at, "next page")
        except SdkMissing as error:
            self.no_sdk = str(error)

    def _misread(
        self, exchange: Exchange, part: JobOperation, each: Misread, jobs: Sequence[Sighting], at: str
    ) -> Seen:
        pointer = part.view.pointer if part.view else ()
        inner = each.path[len(pointer) :] if each.path[: len(pointer)] == pointer else each.path
        name = ".".join(inner)
        roles = {places[0]: role for role, places in part.view.fields.items() if places} if part.view else {}
        role = roles.get(inner, "")
        effect, why = Effect.SILENT, ""
        if each.kind == "exception":
            effect = Effect.COSTS if part.action in STARTS else Effect.LOUD
        elif each.kind == "lost" and role == "id" and part.action in STARTS:
            effect, why = Effect.COSTS, " The job is paid for, and cannot be asked for."
        elif role == "status" and each.value is not None:
            state = next((job.state for job in jobs if job.word == each.value and job.state), None)
            if state is not None:
                effect, why = _unknown_word(state)
                why = f" The job is {state.value}: {why}"
        elif each.kind == "lost" and self._is_nullable(part, inner):
            effect = Effect.DIFFERS
        text = f"The SDK reads {exchange.operation}: {each.message}.{why}"
        cause = f"{name} {each.kind}" + (f" {each.value}" if each.kind == "literal" else "")
        return Seen(_SDK_CODES[each.kind], effect, text, exchange, at, cause, name)

    def _is_nullable(self, part: JobOperation, place: tuple[str, ...]) -> bool:
        shape = shape_at(self.there.document, part.view.schema, place) if part.view else None
        return shape is not None and shape.nullable

    def _has_next_page(self, exchange: Exchange, jobs: Sequence[Sighting]) -> bool:
        """Whether a page was got after this one that held jobs which this one does not."""
        if exchange.purpose not in (Purpose.LIST, Purpose.PAGE) or not jobs:
            return False
        later = [e for e in self.history.exchanges if e.number > exchange.number and e.operation == exchange.operation]
        after = next((e for e in later if e.purpose in (Purpose.LIST, Purpose.PAGE)), None)
        if after is None or after.purpose != Purpose.PAGE or query_of(after) == query_of(exchange):
            return False
        known = {str(job.id) for job in jobs}
        further = {str(job.id) for job in sightings(self.history.contract, after)}
        return bool(further - known)

    def _error_by_sdk(self, exchange: Exchange, reader: Reader, at: str) -> Iterator[Seen]:
        if not reader.sdk.error:
            return
        try:
            error = reader.error(exchange.json)
        except SdkMissing as missing:
            self.no_sdk = str(missing)
            return
        text = getattr(error, "message", None)
        if not isinstance(text, str) or not text:
            told = f"The SDK reads an error whose message is {shown(text)}."
            yield Seen("REF055", Effect.SILENT, told, exchange, at, "message")


# -- parts --------------------------------------------------------------------------------------------


def _unfit(exchange: Exchange, error: Any, place: tuple[str, ...], at: str) -> Seen:
    """A value that is there and is not what the reference's schema wants."""
    name, value = ".".join(place) or "the answer", error.instance
    last = next((token for token in reversed(place) if token != "*"), "")
    kinds = _leaves(error)
    if value is None and "type" in kinds:
        return Seen("REF006", Effect.SILENT, f"`{name}` is null.", exchange, at, name, last)
    if "type" in kinds and kinds <= {"type", "enum", "const"} and not _is_of_a_type(error):
        told = f"`{name}` is {shown(value)}, expected {_types(error)}."
        return Seen("REF005", Effect.SILENT, told, exchange, at, name, last)
    told = f"`{name}`: {error.message[:160]}."
    return Seen("REF007", Effect.SILENT, told, exchange, at, f"{name} {value!r:.60}", last)


def _below(error: Any) -> list[Any]:
    """The errors of the branches of an anyOf or oneOf; of another, itself."""
    context = getattr(error.kind, "context", None)
    return [leaf for branch in context for each in branch for leaf in _below(each)] if context else [error]


def _leaves(error: Any) -> set[str]:
    return {leaf.kind.name for leaf in _below(error)}


def _is_of_a_type(error: Any) -> bool:
    """Whether some branch takes the value's type, and merely not the value."""
    wanted = {type(option) for leaf in _below(error) for option in getattr(leaf.kind, "options", None) or ()}
    return type(error.instance) in wanted


def _types(error: Any) -> str:
    names = {str(kind) for leaf in _below(error) if leaf.kind.name == "type" for kind in leaf.kind.types}
    return " or ".join(sorted(names))


def _base(ours: str, theirs: str) -> str | None:
    """What stands before the reference's path in one of ours; None where it does not end so."""
    mine, wanted = _plain(ours), _plain(theirs)
    return mine[: len(mine) - len(wanted)] if mine.endswith(wanted) else None


def _plain(path: str) -> str:
    parts = ["{}" if part.startswith("{") and part.endswith("}") else part for part in path.split("/")]
    return "/".join(parts).rstrip("/")


def _told(view: View | None) -> str:
    return f"/{'/'.join(view.pointer)}" if view and view.pointer else "the top"


def _unknown_word(state: State) -> tuple[Effect, str]:
    """What a client does on a word that it does not know, whichever way its loop is written."""
    if state in _WAITING:
        return Effect.SILENT, "a loop that runs while the word is a known one leaves early, as if the job had ended."
    if state is State.SUCCEEDED:
        return Effect.COSTS, "a loop that waits for the known word never ends on a job that is done and paid for."
    return Effect.SILENT, "a loop that waits for the known word never ends."
