"""Laws of headers that clients rely on."""

import re
from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from typing import Any

from contract_tests.finding import Deviation, Severity, Unjudged
from contract_tests.history import Exchange, History, Purpose
from contract_tests.laws import law
from contract_tests.laws.content import _heads, head_differs
from contract_tests.laws.seen import each, operations, place, shown, shows, status_of
from mockserver.errors import MockserverError
from mockserver.openapi.schema import Validator, shape_of

SHORTEST_PAUSE = 10  # milliseconds; a client that polls faster than that was told seconds, not milliseconds


@law("HDR001", "A refusal for too many requests says when to come again", Severity.BREAKS)
def retry_after_is_told(history: History) -> Iterator[Deviation | Unjudged]:
    def check(exchange: Exchange) -> Deviation | None:
        if exchange.header("retry-after") is None:
            return shows(history, exchange, "429 came without Retry-After", "missing")
        return None

    return each([e for e in history.asked if e.status == 429], check, "no request was refused with 429")


@law("HDR002", "Retry-After is seconds or a date", Severity.BREAKS)
def retry_after_is_right(history: History) -> Iterator[Deviation | Unjudged]:
    def check(exchange: Exchange) -> Deviation | None:
        value = exchange.header("retry-after") or ""
        if value.strip().isdigit():
            return None
        try:
            parsedate_to_datetime(value)
        except (ValueError, TypeError, OverflowError):
            return shows(history, exchange, f"Retry-After is {shown(value)}", "value")
        return None

    told = [e for e in history.asked if e.header("retry-after") is not None]
    return each(told, check, "no answer had Retry-After")


@law("HDR008", "A redirect says where to", Severity.BREAKS)
def redirect_leads_somewhere(history: History) -> Iterator[Deviation | Unjudged]:
    def check(exchange: Exchange) -> Deviation | None:
        if not (exchange.header("location") or "").strip():
            return shows(history, exchange, f"{exchange.status} came without Location", "missing")
        return None

    return each([e for e in history.asked if e.status in (301, 302, 303, 307, 308)], check, "nothing was redirected")


@law("HDR003", "An answer with a body says what it is", Severity.VIOLATION, level="readable")
def content_type_is_told(history: History) -> Iterator[Deviation | Unjudged]:
    def check(exchange: Exchange) -> Deviation | None:
        if not exchange.media_type:
            return shows(history, exchange, f"{exchange.status} came with a body and without Content-Type", "missing")
        return None

    return each([e for e in history.asked if e.body and e.status], check, "no answer had a body")


@law("HDR004", "HEAD of a job or a list tells what GET sends", Severity.VIOLATION, needs=(Purpose.HEAD,))
def head_matches_get(history: History) -> Iterator[Deviation | Unjudged]:
    def check(pair: tuple[Exchange, Exchange]) -> Iterator[Deviation]:
        for found in head_differs(history, *pair):
            if found.cause != "content-length":  # the job may have moved on between the two
                yield found

    return each(_heads(history, Purpose.HEAD), check, "HEAD was not tried")


@law("HDR005", "Headers that are declared are there and valid", Severity.VIOLATION)
def declared_headers(history: History) -> Iterator[Deviation | Unjudged]:
    def check(found: tuple[Exchange, str, str, dict[str, Any]]) -> Deviation | None:
        exchange, status, name, node = found
        value = exchange.header(name)
        pointer = place(history, exchange.operation, "responses", status, "headers", name)
        if value is None:
            is_required = node.get("required") is True
            return shows(history, exchange, f"`{name}` is not there", name, pointer) if is_required else None
        if not _is_valid(history, node.get("schema"), value):
            return shows(
                history, exchange, f"`{name}` is {shown(value)}, which its schema does not allow", name, pointer
            )
        return None

    return each(_declared(history), check, "the contract declares no headers of the answers that were seen")


@law("HDR006", "What tells when to poll again can be followed", Severity.WARNING)
def poll_hint_is_usable(history: History) -> Iterator[Deviation | Unjudged]:
    name = (history.contract.vocabulary.headers.get("poll after") or "").lower()

    def check(exchange: Exchange) -> Deviation | None:
        value = (exchange.header(name) or "").strip()
        if not re.fullmatch(r"\d+(\.\d+)?", value):
            return shows(history, exchange, f"`{name}` is {shown(value)}, expected milliseconds", "value")
        if 0 < float(value) < SHORTEST_PAUSE:
            message = f"`{name}` is {value}: so many milliseconds make a client hammer; seconds may be meant"
            return shows(history, exchange, message, "unit")
        return None

    return each(
        [e for e in history.asked if name and e.header(name) is not None], check, "no answer tells when to poll"
    )


@law("HDR007", "Content-Length is the length of what is sent", Severity.BREAKS)
def length_is_right(history: History) -> Iterator[Deviation | Unjudged]:
    def check(exchange: Exchange) -> Deviation | None:
        told = exchange.header("content-length") or ""
        if told.isdigit() and int(told) != exchange.size and not exchange.header("content-encoding"):
            return shows(history, exchange, f"Content-Length is {told}, sent were {exchange.size} bytes", "length")
        return None

    sent = [e for e in history.asked if e.header("content-length") and e.method != "HEAD" and e.body and not e.is_cut]
    return each(sent, check, "no answer told its length")


def _declared(history: History) -> Iterator[tuple[Exchange, str, str, dict[str, Any]]]:
    document = history.contract.document
    for exchange in history.exchanges:
        operation = operations(history).get(exchange.operation)
        if operation is None or not exchange.status or exchange.method != operation.method:
            continue
        if exchange.purpose == Purpose.LINK:
            continue  # what a link leads to is no answer of the operation that told it
        answer = operation.answer_for(status_of(history, exchange))
        headers = answer.raw.get("headers") if answer else None
        for name, raw in (headers or {}).items() if isinstance(headers, dict) else ():
            try:
                node = document.resolve(raw)
            except MockserverError:
                continue
            if isinstance(node, dict) and answer and str(name).lower() != "retry-after":  # that has laws of its own
                yield exchange, answer.status, str(name), node


def _is_valid(history: History, schema: Any, value: str) -> bool:
    """Whether a header's text fits its schema, as the text that it is or as the number that it says."""
    if not isinstance(schema, dict):
        return True
    try:
        kinds = set(shape_of(history.contract.document, schema).types)
        validator = Validator(history.contract.document, schema, "response")
    except MockserverError:
        return True
    readings: list[Any] = [value]
    if kinds & {"integer", "number"} and re.fullmatch(r"-?\d+(\.\d+)?", value):
        readings.append(float(value) if "." in value else int(value))
    if "boolean" in kinds and value in ("true", "false"):
        readings.append(value == "true")
    return bool(kinds & {"array", "object"}) or any(validator.is_valid(reading) for reading in readings)
