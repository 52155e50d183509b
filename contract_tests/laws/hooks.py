"""Laws of webhooks: what a service posts to its clients when a job ends."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from contract_tests.finding import NOT_ASKED, Deviation, Severity, Unjudged
from contract_tests.history import NO_JSON, Exchange, History, JobStory, Purpose, Sighting, Signature
from contract_tests.laws import law
from contract_tests.laws.seen import MAX_FAULTS, MAX_SHOWN, memory, part_of, polls, shown
from contract_tests.promising import (
    Promise,
    Said,
    deliveries,
    number_asked,
    number_in,
    promises_of,
    said,
    tells_of_ends,
    values_in,
)
from mockserver.errors import MockserverError
from mockserver.jobs.lifecycle import TERMINAL, State
from mockserver.jobs.vocabulary import plain
from mockserver.openapi.schema import Validator
from mockserver.signing import SIGNED

SOON = 60.0  # seconds after the end was seen; what comes later comes late
_SIGNS = ("signature", "hmac")  # what names of headers hold that a delivery is signed by
_TOO_LARGE = 413


@dataclass(frozen=True, slots=True)
class Told:
    """A job whose creator was to be told of its end: what was promised, and what came (and was taken)."""

    story: JobStory
    promises: Mapping[State, Promise]
    came: tuple[tuple[Exchange, Said], ...]

    @property
    def promise(self) -> Promise | None:
        """What was promised of the end that was seen."""
        end = self.story.end
        return self.promises.get(end.state) if end is not None and end.state is not None else None

    @property
    def ends(self) -> list[tuple[Exchange, Said]]:
        """What came of its end; what tells of progress is left out."""
        return [(delivery, what) for delivery, what in self.came if not what.is_of_progress]


# -- HOOK001 to HOOK005 -----------------------------------------------------------------------------


@law("HOOK001", "A webhook arrives when a job ends", Severity.BREAKS)
def webhook_arrives(history: History) -> Iterator[Deviation | Unjudged]:
    def check(told: Told) -> Iterator[Deviation | Unjudged]:
        end, promise = told.story.end, told.promise
        if end is None or promise is None:
            return
        if told.ends:
            late = told.ends[0][0].started - end.at
            if late > SOON:
                message = f"the webhook of {shown(told.story.id)} came {late:.0f} s after its end was seen"
                yield _found(told, message, "late", promise, end.exchange, told.ends[0][0], severity=Severity.WARNING)
            return
        if why := _lost(history):
            yield Unjudged(f"no webhook was seen of {told.story.id}, but {why}")
            return
        is_sure = promise.is_named or end.state is State.SUCCEEDED  # else the contract does not name this end
        waited = history.listening.waited if history.listening else 0.0
        where = history.listening.url.partition("?")[0] if history.listening else ""  # a query may hold a secret
        message = (
            f"{shown(told.story.id)} ended ({shown(end.word)}), and no webhook of it came to {where} "
            f"within {waited:g} s" + (f"; {len(told.came)} of its progress did" if told.came else "")
        )
        yield _found(
            told,
            message,
            f"missing: {end.state}",
            promise,
            end.exchange,
            severity=None if is_sure else Severity.WARNING,
        )

    ended = [told for told in _told(history) if told.promise is not None]
    return _each(history, ended, check, "no job was seen to end of whose end the contract tells")


@law("HOOK002", "The end of a job is told once", Severity.SILENT)
def webhook_comes_once(history: History) -> Iterator[Deviation | Unjudged]:
    def check(told: Told) -> Iterator[Deviation]:
        groups: dict[tuple[str, Any], list[Exchange]] = {}
        for delivery, what in told.ends:
            if 200 <= delivery.status <= 299:
                groups.setdefault((delivery.url, what.event or what.by_word), []).append(delivery)
        for (_, event), came in groups.items():
            if len(came) < 2:
                continue
            ids = [id for each in came if (id := _id_of(each))]
            is_same = len(ids) == len(came) and len(set(ids)) == 1
            what_came = shown(event) if isinstance(event, str) else "the end"
            how = "under one webhook-id, by which a client can know it" if is_same else "each time as another one"
            message = f"{what_came} of {shown(told.story.id)} came {len(came)} times, {how}, after it had been taken"
            severity = Severity.VIOLATION if is_same else None
            cause = "the same id" if is_same else "other ids"
            yield _found(told, message, cause, told.promise, *came, severity=severity)
        for delivery, _ in told.ends:
            other = next((e for e in others.get(_id_of(delivery), ()) if e.job and e.job != delivery.job), None)
            if other is not None and delivery.job and other.number < delivery.number:
                message = f"one webhook-id, {shown(_id_of(delivery))}, stands for the ends of two jobs"
                yield _found(told, message, "one id for two", told.promise, other, delivery)

    others: dict[str, list[Exchange]] = {}
    for each in deliveries(history.exchanges):
        if id := _id_of(each):
            others.setdefault(id, []).append(each)
    came = [told for told in _told(history) if told.ends]
    return _each(history, came, check, "no webhook came")


@law("HOOK003", "A webhook is signed", Severity.BREAKS)
def webhook_is_signed(history: History) -> Iterator[Deviation | Unjudged]:
    def check(told: Told) -> Iterator[Deviation | Unjudged]:
        for delivery, _ in told.came:
            yield from _signature(told, delivery)

    return _each(history, [told for told in _told(history) if told.came], check, "no webhook came")


@law("HOOK004", "A webhook tells the truth", Severity.SILENT)
def webhook_is_true(history: History) -> Iterator[Deviation | Unjudged]:
    def check(told: Told) -> Iterator[Deviation | Unjudged]:
        for delivery, what in told.came:
            if delivery.status == _TOO_LARGE:
                yield Unjudged("a webhook came that was too large to be read", told.story.created_by.operation)
            elif what.body is NO_JSON:
                text = delivery.request_body[:60].decode(errors="replace")
                message = f"the body of a webhook is no JSON: {shown(text)}"
                yield _found(told, message, "no JSON", told.promise, delivery, severity=Severity.BREAKS)
            else:
                yield from _id_faults(history, told, delivery, what)
                yield from _state_faults(told, delivery, what)
                yield from _body_faults(history, told, delivery, what)

    return _each(history, [told for told in _told(history) if told.came], check, "no webhook came")


@law("HOOK005", "A webhook does not come before the end", Severity.SILENT)
def webhook_is_not_early(history: History) -> Iterator[Deviation | Unjudged]:
    def later(told: Told, delivery: Exchange) -> list[Sighting]:
        return [each for each in polls(told.story) if each.exchange.number > delivery.number and each.state]

    def check(told: Told) -> Deviation | None:
        delivery = told.ends[0][0]
        for seen in later(told, delivery):
            if seen.state not in TERMINAL:
                message = (
                    f"a webhook said that {shown(told.story.id)} has ended, and a poll that was sent after it had come "
                    f"shows {shown(seen.word)}"
                )
                return _found(told, message, "early", told.promise, delivery, seen.exchange)
        return None

    came = [told for told in _told(history) if told.ends and later(told, told.ends[0][0])]
    return _each(history, came, check, "no job was polled after its webhook had come")


# -- what is wrong with one delivery ----------------------------------------------------------------


def _signature(told: Told, delivery: Exchange) -> Iterator[Deviation | Unjudged]:
    detail, declared = delivery.detail, _declared_headers(told)
    own = [name for name in declared if name.lower() not in SIGNED and any(sign in plain(name) for sign in _SIGNS)]
    sent = {name.lower() for name, _ in delivery.request_headers}
    for name, is_required in declared.items():
        if is_required and name.lower() not in sent and name.lower() not in SIGNED:
            message = f"a webhook came without the header `{name}`, which is required"
            yield _found(told, message, name, told.promise, delivery)
    if detail.startswith(Signature.RIGHT):
        return
    if detail.startswith(Signature.WRONG):
        message = f"the signature of a webhook is wrong{detail.removeprefix(Signature.WRONG)}"
        yield _found(told, message, "wrong", told.promise, delivery)
    elif detail.startswith(Signature.NONE):
        other = own or sorted(n for n in sent if n not in SIGNED and any(sign in plain(n) for sign in _SIGNS))
        if other:
            yield Unjudged(f"webhooks are signed by `{other[0]}`, in a way that is not known here")
            return
        is_asked = detail != Signature.NONE or any(name.lower() in SIGNED for name in declared)
        message = "a webhook came that is not signed: who learns the address can say that a job has ended"
        yield _found(told, message, "none", told.promise, delivery, severity=None if is_asked else Severity.WARNING)
    else:
        hint = "; --webhook-secret-env names it" if "no secret" in detail else ""
        yield Unjudged(f"a signature was {detail or Signature.UNKNOWN}{hint}")


def _id_faults(history: History, told: Told, delivery: Exchange, what: Said) -> Iterator[Deviation]:
    """Only an address that one create named tells which job a webhook is about if its body does not."""
    story = told.story
    if delivery.job == story.id or not number_in(delivery.url):
        return
    named = delivery.job or _other_id(history, what)
    if named:
        message = f"a webhook names the job {shown(named)}; it was created as {shown(story.id)}"
        yield _found(told, message, "another job", told.promise, story.created_by, delivery)
    else:
        message = f"a webhook does not name its job, {shown(story.id)}"
        yield _found(told, message, "no job", told.promise, delivery, severity=Severity.WARNING)


def _other_id(history: History, what: Said) -> str:
    """What a body has in the place of an id; what stands beside an event's name is that of the event."""
    rank = history.contract.vocabulary.rank
    for name, level, value in values_in(what.body):
        is_id = rank("roles", "id", name) is not None and isinstance(value, (str, int)) and not isinstance(value, bool)
        if is_id and not (level == 1 and what.event):
            return str(value)
    return ""


def _state_faults(told: Told, delivery: Exchange, what: Said) -> Iterator[Deviation]:
    event, word = f"the event {shown(what.event)}", f"the status {shown(what.word)}"
    if what.by_event is not None and what.by_word is not None and not (what.by_event & what.by_word):
        message = f"a webhook of {shown(told.story.id)} contradicts itself: {event}, {word}"
        yield _found(told, message, "contradiction", told.promise, delivery)
        return
    end, seen = told.story.end, {each.state for each in told.story.sightings}
    for name, states in ((event, what.by_event), (word, what.by_word)):
        if end is not None and states is not None and states & TERMINAL and not (states & seen):
            message = (
                f"a webhook of {shown(told.story.id)} has {name}, and polls show that it ended as {shown(end.word)}"
            )
            yield _found(told, message, "another end", told.promise, end.exchange, delivery)
            return


def _body_faults(history: History, told: Told, delivery: Exchange, what: Said) -> Iterator[Deviation]:
    if what.is_of_progress:
        return  # the contract says what an end is told with
    states = what.by_event or what.by_word
    promise = next((told.promises[s] for s in states or () if s in told.promises), None) or told.promise
    if promise is None:
        return
    if promise.template is not None:
        for where, problem in list(_unlike(promise.template, what.body, told, delivery, promise))[:MAX_FAULTS]:
            message = f"a webhook is not as declared: `{where or '/'}` {problem}"
            yield _found(told, message, where, promise, delivery, severity=Severity.BREAKS)
    elif promise.schema is not None:
        causes: set[str] = set()
        for error in _errors(history, promise, what.body):
            where = "/".join("*" if isinstance(token, int) else str(token) for token in error.instance_path)
            if where not in causes and len(causes) < MAX_FAULTS:
                causes.add(where)
                at_field = f"`{where}`: " if where else ""
                message = f"the body of a webhook does not fit its schema: {at_field}{error.message[:MAX_SHOWN]}"
                yield _found(told, message, f"/{where}", promise, delivery, severity=Severity.BREAKS)


def _errors(history: History, promise: Promise, body: Any) -> Iterator[Any]:
    known: dict[str, Validator | None] = memory(history).setdefault("schemas of webhooks", {})
    if promise.pointer not in known:
        try:
            known[promise.pointer] = Validator(history.contract.document, promise.schema, "response")
        except MockserverError:
            known[promise.pointer] = None  # a schema that nobody can read says nothing
    validator = known[promise.pointer]
    return iter(()) if validator is None or validator.is_valid(body) else iter(validator.iter_errors(body))


def _unlike(
    template: Any, value: Any, told: Told, delivery: Exchange, promise: Promise, where: str = ""
) -> Iterator[tuple[str, str]]:
    """Where a body differs from the template that `x-job` declares for it."""
    if isinstance(template, dict):
        if not isinstance(value, dict):
            yield where, f"is {shown(value)}, expected an object"
            return
        for key, inner in template.items():
            if key not in value:
                yield f"{where}/{key}", "is not there"
            else:
                yield from _unlike(inner, value[key], told, delivery, promise, f"{where}/{key}")
    elif template == "{id}":
        if str(value) != told.story.id:
            yield where, f"is {shown(value)}, expected the job's id"
    elif template == "{type}":
        if value not in {each.event for each in told.promises.values()}:
            yield where, f"is {shown(value)}, expected the name of an event"
    elif isinstance(template, str) and "{" in template:
        if value in (None, ""):
            yield where, f"is {shown(value)}"
    elif not isinstance(template, list) and value != template:
        yield where, f"is {shown(value)}, expected {shown(template)}"


# -- what was to be told, and what came -------------------------------------------------------------


def _told(history: History) -> list[Told]:
    """The jobs whose creators were to be told, with what came."""
    if "told" not in memory(history):
        memory(history)["told"] = list(_tellings(history)) if history.listening is not None else []
    found: list[Told] = memory(history)["told"]
    return found


def _tellings(history: History) -> Iterator[Told]:
    assert history.listening is not None
    contract, arrived = history.contract, deliveries(history.exchanges)
    by_number: dict[str, list[Exchange]] = {}
    by_job: dict[str, list[Exchange]] = {}
    for each in arrived:
        number = number_in(each.url)
        (by_number if number else by_job).setdefault(number or each.job, []).append(each)
    for story in history.jobs:
        if story.created_by.purpose not in (Purpose.CREATE, Purpose.FOLLOW_UP):
            continue
        part = part_of(history, story.created_by)
        promises = promises_of(contract, story, part, history.listening.is_registered)
        if not promises:
            continue
        number = number_asked(story.created_by)
        came = by_number.get(number, []) if number else by_job.get(story.id, [])
        yield Told(story, promises, tuple((each, said(contract, story.resource, each)) for each in came))


def _each(
    history: History,
    tellings: list[Told],
    check: Callable[[Told], Iterator[Deviation | Unjudged] | Deviation | None],
    nothing: str,
) -> Iterator[Deviation | Unjudged]:
    """What is wrong with what was told of each job; why nothing can be said where there is none."""
    if not tells_of_ends(history.contract):
        yield Unjudged(f"{NOT_ASKED}: it tells of no webhook")
        return
    if not tellings:
        whole, part = Purpose.WEBHOOK, f"{Purpose.WEBHOOK}, in part"
        why = history.skipped.get(whole) or history.skipped.get(part)
        if history.listening is None:
            yield Unjudged(f"{whole}: {why or 'nothing here listened for them'}")
        elif not _told(history):
            yield Unjudged(f"{whole}: {why or 'no job was created with an address to be told'}")
        else:
            yield Unjudged(nothing)
    for told in tellings:
        found = check(told)
        yield from () if found is None else (found,) if isinstance(found, Deviation) else found


def _lost(history: History) -> str:
    """Why what did not come may have come all the same."""
    if history.listening is not None and history.listening.lost:
        return f"{history.listening.lost:,} came that there was no room for"
    if any(each.status == _TOO_LARGE for each in deliveries(history.exchanges)):
        return "one came that was too large to be read"
    return ""


def _declared_headers(told: Told) -> dict[str, bool]:
    """The headers that the contract declares for what it sends: name, and whether it is required."""
    found: dict[str, bool] = {}
    for promise in told.promises.values():
        parameters = (promise.sent or {}).get("parameters")
        for each in parameters if isinstance(parameters, list) else ():
            if isinstance(each, dict) and each.get("in") == "header" and isinstance(each.get("name"), str):
                found[each["name"]] = each.get("required") is True
    return found


def _id_of(delivery: Exchange) -> str:
    return next((value for name, value in delivery.request_headers if name.lower() == SIGNED[0]), "")


def _found(
    told: Told, message: str, cause: str, promise: Promise | None, *shown_by: Exchange, severity: Severity | None = None
) -> Deviation:
    numbers = tuple(dict.fromkeys(each.number for each in shown_by))
    pointer = (promise or next(iter(told.promises.values()))).pointer
    return Deviation(message, told.story.created_by.operation, numbers, pointer, cause, severity)
