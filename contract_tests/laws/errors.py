"""Laws of refusals: what is wrong is refused, with a declared status, in the declared shape, and never with a 5xx."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

from contract_tests.clauses import pointers_below
from contract_tests.finding import Deviation, Severity, Unjudged
from contract_tests.history import NO_JSON, OTHER_VALUES, Exchange, History, Purpose
from contract_tests.laws import law
from contract_tests.laws.answers import judged_by
from contract_tests.laws.seen import (
    OWN,
    at,
    came_too_often,
    declared_status,
    each,
    is_good,
    operations,
    query_of,
    shown,
    shows,
    status_of,
)
from mockserver.errors import MockserverError
from mockserver.jobs.lifecycle import State
from mockserver.jobs.resource import Action
from mockserver.openapi.schema import Validator, shape_of, union_of

WRONG = (Purpose.BROKEN_JSON, Purpose.INVALID, Purpose.WRONG_TYPE)
SEVERAL, MOST_TAKEN = 6, 0.6  # invalid inputs, and the share of them by which nothing is looked at
MOST_READ = 65_536  # bytes of a refusal that are looked through
# What traces of a stack begin with, in the languages that services are written in.
_INSIDE = re.compile(
    r"Traceback \(most recent call last\)|File \"[^\"\n]{1,200}\", line \d+, in "
    r"|^[ \t]{0,40}at [\w$.<>/]{1,200}\(.{1,200}:\d+(:\d+)?\)|goroutine \d+ \[|panicked at "
    r"|\bin /[\w/.-]{1,200}\.(php|rb):\d+|^[ \t]{0,40}from /[\w/.-]{1,200}\.rb:\d+",
    re.M,
)
NOT_THE_REQUEST = (401, 402, 403, 404, 408, 409, 425, 429)  # a valid request may be refused so


@law("ERR001", "No request is answered with a server error", Severity.BREAKS, level="working")
def no_server_error(history: History) -> Iterator[Deviation | Unjudged]:
    def check(exchange: Exchange) -> Deviation | None:
        status = status_of(history, exchange)
        if status < 500 or (status == 503 and exchange.header("retry-after")) or exchange.purpose == Purpose.LINK:
            return None
        if exchange.method != "GET" and status == 501:
            return None
        why = f" ({exchange.detail})" if exchange.detail else ""
        message = f"{exchange.purpose}{why} was answered {status}"
        # What a service makes of wrong requests is a matter for each kind of them; right ones are all alike.
        odd = exchange.detail.partition(":")[0] if exchange.purpose == Purpose.ODD_INPUT else ""
        kind = "" if exchange.purpose in OWN else f"{exchange.purpose} {odd}".strip()
        return shows(history, exchange, message, f"{kind} {status}".strip())

    return each([e for e in history.asked if e.status], check, "no request was answered")


@law("ERR002", "Each request gets an answer", Severity.BREAKS, level="readable")
def each_is_answered(history: History) -> Iterator[Deviation | Unjudged]:
    def check(exchange: Exchange) -> Deviation | None:
        if exchange.status == 0 and exchange.purpose != Purpose.LINK:
            return shows(history, exchange, f"no whole answer came: {exchange.problem}", exchange.problem[:60])
        return None

    return each(history.asked, check, "no request was sent")


@law("ERR003", "A valid request is accepted", Severity.VIOLATION, level="working", needs=(Purpose.CREATE,))
def valid_is_accepted(history: History) -> Iterator[Deviation | Unjudged]:
    def check(create: Exchange) -> Deviation | None:
        status = status_of(history, create)
        if 400 <= status < 500:
            text = create.body[:120].decode(errors="replace")
            return shows(history, create, f"a valid create was answered {status}: {shown(text)}", str(status))
        return None

    # Not every model makes every size; and with a charset, 415 can only be about that.
    sure = [e for e in history.of(Purpose.CREATE) if e.detail != OTHER_VALUES or status_of(history, e) in (200, 415)]
    creates = [e for e in sure if status_of(history, e) not in (0, *NOT_THE_REQUEST)]
    # A follow-up's source has succeeded, so that it is there.
    refused = {0, *NOT_THE_REQUEST} - {404}
    creates += [e for e in history.of(Purpose.FOLLOW_UP) if status_of(history, e) not in refused]
    return each(creates, check, "no create was answered, or all were refused for the key, the money or the pace")


@law("ERR020", "What the schema allows is accepted", Severity.VIOLATION, needs=(Purpose.BOUND,))
def bounds_are_accepted(history: History) -> Iterator[Deviation | Unjudged]:
    """Values at the bounds of a field. A word of an enum may not go with all other fields; that is a warning."""

    def check(exchange: Exchange) -> Deviation | None:
        status = status_of(history, exchange)
        if status in (400, 422):
            text = exchange.body[:120].decode(errors="replace")
            found = shows(history, exchange, f"{exchange.detail} was answered {status}: {shown(text)}", exchange.detail)
            return replace(found, severity=Severity.WARNING) if "enum" in exchange.detail else found
        return None

    served = {e.operation for e in history.of(Purpose.CREATE) if is_good(history, e)}  # else it is not the value
    bounds = [e for e in _asked(history, Purpose.BOUND) if e.operation in served]
    return each(bounds, check, "no value at a bound was sent, or no create was served")


@law("ERR017", "A list that is declared is served", Severity.BREAKS, level="readable", needs=(Purpose.LIST,))
def list_is_served(history: History) -> Iterator[Deviation | Unjudged]:
    def check(listed: Exchange) -> Deviation | None:
        status = status_of(history, listed)
        if 400 <= status < 500 or status == 501:
            what = f"a list by {listed.detail}" if listed.detail else "a plain list"
            return shows(history, listed, f"{what} was answered {status}", str(status))
        return None

    # Where a path names what the jobs belong to, its value here is made up.
    words = history.contract.vocabulary
    sized = [e for e in history.of(Purpose.LIST) if words.best("paging", "limit", list(query_of(e))) is not None]
    plain_ones = [e for e in history.of(Purpose.LIST) if not e.detail]
    valid = [*plain_ones, *(e for e in sized if not _wrong_parameter(history, e))]
    plain = [e for e in valid if "{" not in e.operation]
    excused = {0, *NOT_THE_REQUEST} - {404}  # a list without a single job is there all the same
    lists = [e for e in plain if status_of(history, e) not in excused]
    return each(lists, check, "no list was answered, or all were refused for the key, the money or the pace")


@law("ERR004", "What is not there is not found", Severity.SILENT, level="readable", needs=(Purpose.UNKNOWN_ID,))
def unknown_is_refused(history: History) -> Iterator[Deviation | Unjudged]:
    def check(exchange: Exchange) -> Deviation | None:
        if not is_good(history, exchange):
            return None
        if exchange.action in (Action.DELETE, Action.CANCEL) and declared_not_found(history, exchange) is None:
            return None  # to delete nothing may be a success
        return shows(history, exchange, f"an unknown id was answered {exchange.status}", "accepted")

    return each(_asked(history, Purpose.UNKNOWN_ID), check, "no unknown id was asked for")


@law(
    "ERR005",
    "What is not there is refused with the status that is declared for it",
    Severity.VIOLATION,
    needs=(Purpose.UNKNOWN_ID,),
)
def unknown_is_not_found(history: History) -> Iterator[Deviation | Unjudged]:
    def check(exchange: Exchange) -> Deviation | None:
        status, wanted = status_of(history, exchange), declared_not_found(history, exchange)
        if 400 <= status < 500 and status != wanted:
            return shows(history, exchange, f"an unknown id was answered {status}, declared is {wanted}", str(status))
        return None

    known = [e for e in _asked(history, Purpose.UNKNOWN_ID) if declared_not_found(history, e)]
    return each(known, check, "no status is declared for what is not there, or nothing unknown was asked for")


@law(
    "ERR006",
    "A method that a path does not have is refused with 405 and Allow",
    Severity.VIOLATION,
    needs=(Purpose.WRONG_METHOD,),
)
def wrong_method(history: History) -> Iterator[Deviation | Unjudged]:
    def check(exchange: Exchange) -> Deviation | None:
        status = status_of(history, exchange)
        if status < 400:
            return shows(history, exchange, f"{exchange.method} was answered {status}", "accepted")
        if status == 405 and exchange.status == 405 and exchange.header("allow") is None:
            return shows(history, exchange, "405 came without Allow", "allow")
        return None

    return each(_asked(history, Purpose.WRONG_METHOD), check, "no wrong method was tried")


@law("ERR007", "A body of another media type is refused", Severity.VIOLATION, needs=(Purpose.WRONG_TYPE,))
def wrong_type_is_refused(history: History) -> Iterator[Deviation | Unjudged]:
    return _refused(history, Purpose.WRONG_TYPE, "a body of another media type")


@law("ERR008", "Broken JSON is refused", Severity.VIOLATION, needs=(Purpose.BROKEN_JSON,))
def broken_json_is_refused(history: History) -> Iterator[Deviation | Unjudged]:
    return _refused(history, Purpose.BROKEN_JSON, "a body that is no JSON")


@law("ERR009", "Input that breaks the schema is refused", Severity.SILENT, needs=(Purpose.INVALID,))
def invalid_is_refused(history: History) -> Iterator[Deviation | Unjudged]:
    def check(exchange: Exchange) -> Deviation | None:
        if status_of(history, exchange) >= 300:
            return None
        message = f"invalid input ({exchange.detail}) was answered {exchange.status}"
        taken, sent = counts[exchange.operation]
        if sent >= SEVERAL and taken >= MOST_TAKEN * sent:
            return shows(history, exchange, f"{taken} of {sent} invalid inputs were taken; {message}", "all")
        found = shows(history, exchange, message, exchange.detail.removesuffix(" (in a form)"))
        # Null for nothing is taken by many, and changes nothing of what is made.
        return replace(found, severity=Severity.VIOLATION) if exchange.detail.startswith("null: ") else found

    odd = [e for e in _asked(history, Purpose.ODD_INPUT) if not _is_valid_body(history, e)]
    wrong = [*_asked(history, Purpose.INVALID), *odd]
    counts: dict[str, tuple[int, int]] = {}  # by operation: how many were taken, of how many
    for exchange in wrong:
        taken, sent = counts.get(exchange.operation, (0, 0))
        counts[exchange.operation] = taken + (status_of(history, exchange) < 300), sent + 1
    return each(wrong, check, "no invalid input was sent")


@law(
    "ERR010",
    "What is wrong with a request is said with the status that is declared for it",
    Severity.VIOLATION,
    needs=(Purpose.INVALID,),
)
def invalid_has_its_status(history: History) -> Iterator[Deviation | Unjudged]:
    def check(exchange: Exchange) -> Deviation | None:
        status, wanted = status_of(history, exchange), wanted_for(exchange)
        usual = {wanted, declared_status(history, "not_found"), 404, 409, 413, 414, 415, 422, 431, 429}
        if 400 <= status < 500 and status not in usual and status in (401, 402, 403, 405, 406, 408, 410):
            return shows(history, exchange, f"invalid input was answered {status}, declared is {wanted}", str(status))
        return None

    def wanted_for(exchange: Exchange) -> int | None:
        operation = operations(history).get(exchange.operation)
        numbers = [a.status for a in operation.answers if a.status in ("400", "422")] if operation else []
        return declared_status(history, "invalid_request") or (int(numbers[0]) if numbers else None)

    known = [e for e in _asked(history, Purpose.INVALID) if wanted_for(e)]
    return each(known, check, "no status is declared for invalid input, or none was sent")


@law("ERR011", "The status of a refusal is declared", Severity.VIOLATION)
def refusal_is_declared(history: History) -> Iterator[Deviation | Unjudged]:
    return judged_by(history, True, "status")


@law("ERR012", "The body of a refusal has the declared shape", Severity.BREAKS, level="working")
def refusal_has_its_shape(history: History) -> Iterator[Deviation | Unjudged]:
    return judged_by(history, True, "body", "no JSON", "empty", "media type")


@law("ERR013", "A refusal says what is wrong", Severity.VIOLATION)
def refusal_says_why(history: History) -> Iterator[Deviation | Unjudged]:
    def check(found: tuple[Exchange, str, Any]) -> Deviation | None:
        exchange, name, holder = found
        message = holder.get(name)
        if isinstance(message, str) and message.strip():
            return None
        found_text = "is not there" if name not in holder else f"is {shown(message)}"
        return shows(history, exchange, f"the message of the error, `{name}`, {found_text}", name)

    return each(_messages(history), check, "no refusal was seen whose declared shape has a message")


@law("ERR014", "A refusal does not say that it is a success", Severity.WARNING)
def refusal_is_no_success(history: History) -> Iterator[Deviation | Unjudged]:
    words = history.contract.vocabulary

    def says_success(body: dict[str, Any]) -> bool:
        """Whether its code is a word of success. (A status may be that of the job, which cannot be helped.)"""
        code = body.get(words.best("error", "code", list(body)) or "")
        return isinstance(code, str) and words.state(code) is State.SUCCEEDED

    def check(exchange: Exchange) -> Deviation | None:
        value = exchange.json
        if isinstance(value, dict) and (value.get("success") is True or value.get("ok") is True or says_success(value)):
            return shows(history, exchange, f"{exchange.status} came with a body that says success", "success")
        return None

    return each([e for e in history.asked if 400 <= e.status < 500], check, "no refusal was seen")


@law(
    "ERR015",
    "Odd input that is valid is accepted or refused as declared",
    Severity.VIOLATION,
    needs=(Purpose.ODD_INPUT,),
)
def odd_input_is_answered(history: History) -> Iterator[Deviation | Unjudged]:
    def check(exchange: Exchange) -> Deviation | None:
        status = status_of(history, exchange)
        if 300 <= status < 400 and not exchange.detail.startswith("id:"):  # an odd path may be led to a plain one
            return shows(history, exchange, f"odd input ({exchange.detail}) was answered {status}", str(status))
        return None

    return each(_asked(history, Purpose.ODD_INPUT), check, "no odd input was sent")


@law("ERR018", "A refusal shows nothing of the inside", Severity.WARNING)
def refusal_keeps_the_inside(history: History) -> Iterator[Deviation | Unjudged]:
    def check(exchange: Exchange) -> Deviation | None:
        text = exchange.body[:MOST_READ].decode("utf-8", "replace").replace("\\n", "\n").replace('\\"', '"')
        found = _INSIDE.search(text)
        if found:
            message = (
                f"{exchange.status} came with {shown(found[0].strip())}: how the service is built is for its makers"
            )
            return shows(history, exchange, message, "trace")
        return None

    return each([e for e in history.asked if status_of(history, e) >= 400], check, "no refusal was seen")


@law("ERR019", "A refusal names the field that is wrong", Severity.VIOLATION, needs=(Purpose.INVALID,))
def refusal_names_the_field(history: History) -> Iterator[Deviation | Unjudged]:
    """Where the contract's refusals have a place for it. A refusal that names none, names no wrong one."""
    pointers = _places_of_field(history)

    def check(exchange: Exchange) -> Deviation | None:
        wrong, known = exchange.detail.partition(":")[0], _fields_of(history, exchange)
        for pointer in pointers:
            told = at(exchange.json, pointer)
            first = re.split(r"[.\[/]", told.removeprefix("$.").lstrip("/"))[0] if isinstance(told, str) else ""
            if first and first != wrong and first in known:
                message = f"wrong was `{wrong}` ({exchange.detail}), and the refusal names {shown(told)}"
                return shows(history, exchange, message, "field")
        return None

    refused = [e for e in _asked(history, Purpose.INVALID) if 400 <= status_of(history, e) < 500 and pointers]
    return each(refused, check, "the contract's refusals have no place for the name of a field")


@law("ERR016", "A query that breaks its schema is refused", Severity.VIOLATION, needs=(Purpose.ODD_INPUT,))
def invalid_query_is_refused(history: History) -> Iterator[Deviation | Unjudged]:
    def check(found: tuple[Exchange, str]) -> Deviation | None:
        exchange, name = found
        if status_of(history, exchange) < 300:
            value = query_of(exchange)[name]
            return shows(history, exchange, f"`{name}` was {shown(value)}, answered {exchange.status}", name)
        return None

    asked = [e for e in _asked(history, Purpose.ODD_INPUT) if e.method == "GET"]
    wrong = [(e, name) for e in asked if (name := _wrong_parameter(history, e))]
    return each(wrong, check, "no query was sent that its schema does not allow")


def _places_of_field(history: History) -> list[tuple[str, ...]]:
    """Where `x-job.refusals` has the name of the wrong field in a refusal of a request."""
    rules = (history.contract.document.root.get("x-job") or {}).get("refusals") or {}
    rule = rules.get("invalid_request") or rules.get("default") or {}
    found = pointers_below(rule.get("body")) if isinstance(rule, dict) else ()
    return [place for place, value in found if value in ("{param}", "{field}")]


def _fields_of(history: History, exchange: Exchange) -> set[str]:
    """The names of the fields that a request may have."""
    operation = operations(history).get(exchange.operation)
    schemas = [node.get("schema") or {} for node in operation.body.values()] if operation else []
    return {name for schema in schemas for name in union_of(history.contract.document, schema).properties}


def _is_valid_body(history: History, exchange: Exchange) -> bool:
    """Whether the JSON that was sent is valid; what was no JSON is not looked at here."""
    operation, sent = operations(history).get(exchange.operation), exchange.sent
    node = operation.body.get("application/json") if operation else None
    if sent is NO_JSON or not node or not exchange.request_body:
        return True
    if sent is None and operation and not operation.body_required:
        return True  # a body that may be left out may be nothing
    try:
        return Validator(history.contract.document, node.get("schema") or {}, "request").is_valid(sent)
    except MockserverError:
        return True


def _wrong_parameter(history: History, exchange: Exchange) -> str:
    """The name of a query parameter whose single value its schema does not allow, as a number or as a text; or ''."""
    operation, query = operations(history).get(exchange.operation), query_of(exchange)
    for parameter in operation.parameters if operation else ():
        text = query.get(parameter.name)
        if parameter.place != "query" or text is None or exchange.url.count(f"{parameter.name}=") != 1:
            continue
        try:
            kinds = set(shape_of(history.contract.document, parameter.schema).types)
            if not kinds or kinds & {"array", "object"}:
                continue
            readings: list[Any] = [text]
            if kinds & {"integer", "number"} and re.fullmatch(r"-?\d{1,30}", text):
                readings.append(int(text))
            readings += [text == "true"] * (text in ("true", "false"))
            validator = Validator(history.contract.document, parameter.schema, "request")
        except MockserverError:
            continue
        if not any(validator.is_valid(reading) for reading in readings):
            return parameter.name
    return ""


def declared_not_found(history: History, exchange: Exchange) -> int | None:
    """The status that the contract declares for an unknown id of an operation: by `x-job`, or 404 by its number."""
    declared = declared_status(history, "not_found")
    operation = operations(history).get(exchange.operation)
    if operation and any(answer.status == "404" for answer in operation.answers):
        return declared if declared and any(a.status == str(declared) for a in operation.answers) else 404
    return declared


def _asked(history: History, purpose: str) -> list[Exchange]:
    return [e for e in history.of(purpose) if not came_too_often(history, e)]


def _refused(history: History, purpose: str, what: str) -> Iterator[Deviation | Unjudged]:
    def check(exchange: Exchange) -> Deviation | None:
        if status_of(history, exchange) < 300:
            detail = f" ({exchange.detail})" if exchange.detail else ""
            return shows(history, exchange, f"{what}{detail} was answered {exchange.status}", exchange.detail)
        return None

    return each(_asked(history, purpose), check, f"{what} was not sent")


def _messages(history: History) -> Iterable[tuple[Exchange, str, Any]]:
    """Refusals with the declared name of their message, and the object that ought to hold it."""
    document, words = history.contract.document, history.contract.vocabulary
    for exchange in history.exchanges:
        operation = operations(history).get(exchange.operation)
        status = status_of(history, exchange)
        answer = operation.answer_for(status) if operation and 400 <= status < 500 else None
        media = answer.json_media() if answer else None
        value = exchange.json
        if media is None or value is NO_JSON or not isinstance(value, dict):
            continue
        try:
            shape = shape_of(document, media[1].get("schema") or {})
            inner = words.best("roles", "error", list(shape.properties))
            if inner:
                nested = shape_of(document, shape.properties[inner])
                if nested.is_object:
                    shape, value = nested, value.get(inner)
            name = words.best("error", "message", list(shape.properties))
        except MockserverError:
            continue
        if name and isinstance(value, dict):
            yield exchange, name, value
