"""The `x-job` declaration, read strictly: what a contract's author says where inference cannot know."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import inf
from typing import Any

from mockserver.errors import DeclarationError
from mockserver.jobs.identity import id_maker
from mockserver.jobs.lifecycle import TERMINAL, State
from mockserver.jobs.resource import Action, Pointer, PriceList, RefusalRule, Sdk
from mockserver.openapi.document import pointer_tokens

ROOT_KEYS = {"resources", "refusals", "codes", "headers", "sdk"}
SINGLE = {Action.CREATE, Action.RETRIEVE, Action.LIST, Action.CONTENT, Action.RESULT, Action.CANCEL,
          Action.DELETE}  # fmt: skip
RESOURCE_KEYS = {a.value for a in SINGLE} | {
    "follow-ups", "id-format", "words", "fields", "echo", "failure", "profile", "variants", "only-in",
    "events", "event-body", "callback", "prices"}  # fmt: skip
FOLLOW_UP_KEYS = {"sum", "source", "links-source"}
ROLES = {"id", "status", "progress", "created", "started", "completed", "updated", "expires", "result", "thumbnail",
         "error", "source"}  # fmt: skip
# Kinds of refusal with the HTTP status that each has unless a declaration says otherwise (RFC 9110, 6585).
REFUSALS = {
    "invalid_request": 400,
    "malformed_body": 400,
    "unauthenticated": 401,
    "refused_key": 401,
    "not_found": 404,
    "unknown_path": 404,
    "method_not_allowed": 405,
    "not_ready": 409,
    "failed_content": 409,
    "expired_content": 410,
    "conflict": 409,
    "unsupported_media_type": 415,
    "too_large": 413,
    "too_many_headers": 431,
    "too_many_jobs": 503,
    "timeout": 408,
    "internal": 500,
    "idempotency_mismatch": 422,
    "moderated": 400,
    "moderated_content": 403,
    "rate_limited": 429,
    "quota_exceeded": 429,
    "server_error": 500,
    "bad_gateway": 502,
    "unavailable": 503,
}
# What a refusal's body may hold in braces.
PLACEHOLDERS = {
    "message",
    "param",
    "field",
    "code",
    "place",
    "found",
    "id",
    "kind",
    "now_ms",
    "request_id",
    "violations",
}
EVENT_PLACEHOLDERS = {"event_id", "type", "id", "status", "job", "now", "now_ms", "instant"}
_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")  # a token (RFC 9110, 5.6.2)
HEADERS = {"poll-after", "request-id"}
PRICE_KEYS = {"models", "per", "currency"}
PRICED_BY = {"job", "second"}
SDK_LANGUAGES = {"python"}
SDK_KEYS = {"package", "page", "next-page", "error", "error-at", "parse"} | {a.value for a in Action}
_PACKAGE = re.compile(r"[A-Za-z]\w*(\.[A-Za-z]\w*)*", re.ASCII)
_MODEL = re.compile(r"([A-Za-z]\w*(?:\.[A-Za-z]\w*)*):[A-Za-z]\w*", re.ASCII)
_METHOD = re.compile(r"[A-Za-z]\w*", re.ASCII)


@dataclass(frozen=True, slots=True)
class FollowUpDeclaration:
    """How a follow-up comes from its source: inputs that add up, and where the source's id stands."""

    sums: tuple[str, ...] = ()
    source: Pointer | None = None
    links_source: bool = True


@dataclass(frozen=True, slots=True)
class ResourceDeclaration:
    """What is declared of one kind of job; all of it is optional."""

    operations: Mapping[Action, str] = field(default_factory=dict)
    follow_ups: Mapping[str, FollowUpDeclaration] = field(default_factory=dict)
    id_format: str = ""
    words: Mapping[State, str] = field(default_factory=dict)
    fields: Mapping[str, tuple[Pointer, ...]] = field(default_factory=dict)
    echo: Mapping[Pointer, Pointer] = field(default_factory=dict)
    failure: Mapping[str, Any] = field(default_factory=dict)
    profile: Any = None
    variants: Mapping[str, str] = field(default_factory=dict)
    only_in: Mapping[Pointer, frozenset[State]] = field(default_factory=dict)
    events: Mapping[State, str] = field(default_factory=dict)
    event_body: Any = None
    callback: Pointer = ()
    prices: PriceList | None = None
    where: str = ""


@dataclass(frozen=True, slots=True)
class Declaration:
    """The whole declaration."""

    resources: Mapping[str, ResourceDeclaration] = field(default_factory=dict)
    refusals: Mapping[str, RefusalRule] = field(default_factory=dict)
    codes: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str | None] = field(default_factory=dict)
    sdk: Mapping[str, Sdk] = field(default_factory=dict)


def read_declaration(data: Any, where: str) -> Declaration:
    """The declaration of a document's `x-job`, empty if there is none. Raises DeclarationError with the place."""
    if data is None:
        return Declaration()
    _check(data, ROOT_KEYS, where)
    resources = _map(data, "resources", where)
    refusals = _map(data, "refusals", where)
    headers = _map(data, "headers", where)
    _check(refusals, {*REFUSALS, "default"}, f"{where}.refusals")
    _check(headers, HEADERS, f"{where}.headers")
    for name, header in headers.items():
        if header is not None and not (isinstance(header, str) and _HEADER_NAME.fullmatch(header)):
            raise DeclarationError(f"{where}.headers.{name} is {header!r}, expected a header's name, or null for none.")
    return Declaration(
        resources={n: _read_resource(r, f"{where}.resources.{n}") for n, r in resources.items()},
        refusals={n: _read_refusal(r, f"{where}.refusals.{n}") for n, r in refusals.items()},
        codes={str(k): v for k, v in _map(data, "codes", where).items()},
        headers=headers,
        sdk=_read_sdks(_map(data, "sdk", where), f"{where}.sdk"),
    )


def _read_sdks(data: dict[str, Any], where: str) -> dict[str, Sdk]:
    _check(data, SDK_LANGUAGES, where)
    return {language: _read_sdk(entry, f"{where}.{language}") for language, entry in data.items()}


def _read_sdk(data: Any, where: str) -> Sdk:
    _check(data, SDK_KEYS, where)
    package = data.get("package")
    if not isinstance(package, str) or not _PACKAGE.fullmatch(package):
        raise DeclarationError(f"{where}.package is {package!r}, expected the name of a package.")

    def model(key: str) -> str:
        """A model's name; one of another package is none of this SDK's."""
        found = data.get(key, "")
        named = _MODEL.fullmatch(found) if isinstance(found, str) else None
        if key in data and not (named and f"{named[1]}.".startswith(f"{package}.")):
            raise DeclarationError(f"{where}.{key} is {found!r}, expected a model of {package}: {package}.module:Name.")
        return str(found)

    def method(key: str, usual: str) -> str:
        found = data.get(key, usual)
        if key in data and not (isinstance(found, str) and _METHOD.fullmatch(found)):
            raise DeclarationError(f"{where}.{key} is {found!r}, expected the name of a method.")
        return str(found)

    return Sdk(
        package=package,
        models={action: model(action.value) for action in Action if action.value in data},
        page=model("page"),
        next_page=method("next-page", ""),
        error=model("error"),
        error_at=_pointer(data["error-at"], f"{where}.error-at") if "error-at" in data else (),
        parse=method("parse", "model_validate"),
    )


def _read_resource(data: Any, where: str) -> ResourceDeclaration:
    _check(data, RESOURCE_KEYS, where)
    words = _map(data, "words", where)
    _check(words, {s.value for s in State}, f"{where}.words")
    fields = _map(data, "fields", where)
    _check(fields, ROLES, f"{where}.fields")
    id_format = str(data.get("id-format", ""))
    if id_format:
        try:
            id_maker(id_format)
        except DeclarationError as error:
            raise DeclarationError(f"{where}: {error}") from None
    return ResourceDeclaration(
        operations={a: str(data[a.value]) for a in Action if a in SINGLE and a.value in data},
        follow_ups=_read_follow_ups(_map(data, "follow-ups", where), f"{where}.follow-ups"),
        id_format=id_format,
        words={State(state): str(word) for state, word in words.items()},
        fields={role: _pointers(value, f"{where}.fields.{role}") for role, value in fields.items()},
        echo={
            _pointer(to, f"{where}.echo"): _pointer(source, f"{where}.echo.{to}")
            for to, source in _map(data, "echo", where).items()
        },
        failure=_map(data, "failure", where),
        profile=data.get("profile"),
        only_in={
            _pointer(to, f"{where}.only-in"): _states(states, f"{where}.only-in.{to}")
            for to, states in _map(data, "only-in", where).items()
        },
        variants={str(k): str(v) for k, v in _map(data, "variants", where).items()},
        events=_read_events(_map(data, "events", where), f"{where}.events"),
        event_body=_event_body(data.get("event-body"), f"{where}.event-body"),
        callback=_pointer(data["callback"], f"{where}.callback") if "callback" in data else (),
        prices=_read_prices(data["prices"], f"{where}.prices") if "prices" in data else None,
        where=where,
    )


def _read_events(data: dict[str, Any], where: str) -> dict[State, str]:
    ends = {state.value for state in TERMINAL}
    _check(data, ends, where)
    for state, name in data.items():
        if not isinstance(name, str) or not name:
            raise DeclarationError(f"{where}.{state} is {name!r}, expected the name of an event.")
    return {State(state): name for state, name in data.items()}


def _read_prices(data: Any, where: str) -> PriceList:
    _check(data, PRICE_KEYS, where)
    models, per, currency = _map(data, "models", where), data.get("per", "job"), data.get("currency", "")
    if per not in PRICED_BY:
        raise DeclarationError(f"{where}.per is {per!r}, expected one of {sorted(PRICED_BY)}.")
    if not isinstance(currency, str):
        raise DeclarationError(f"{where}.currency is {currency!r}, expected a text.")
    if not models:
        raise DeclarationError(
            f"{where}.models is missing or empty, expected a map from models (`*`: others) to prices."
        )
    for model, price in models.items():
        if isinstance(price, bool) or not isinstance(price, (int, float)) or not 0 <= price < inf:
            raise DeclarationError(f"{where}.models.{model} is {price!r}, expected an amount of money.")
    return PriceList({str(model): float(price) for model, price in models.items()}, per == "second", currency)


def _event_body(data: Any, where: str) -> Any:
    unknown = set(re.findall(r"\{([a-z_]+)\}", str(data))) - EVENT_PLACEHOLDERS
    if unknown or not isinstance(data, (dict, type(None))):
        known = f"a map with placeholders of {sorted(EVENT_PLACEHOLDERS)}"
        raise DeclarationError(f"{where}: found {sorted(unknown) or data!r}, expected {known}.")
    return data


def _read_follow_ups(data: dict[str, Any], where: str) -> dict[str, FollowUpDeclaration]:
    found = {}
    for name, entry in data.items():
        _check(entry or {}, FOLLOW_UP_KEYS, f"{where}.{name}")
        entry = entry or {}
        source = _pointer(entry["source"], f"{where}.{name}.source") if "source" in entry else None
        sums = entry.get("sum", [])
        if not isinstance(sums, list):
            raise DeclarationError(f"{where}.{name}.sum is {sums!r}, expected a list of request fields.")
        found[name] = FollowUpDeclaration(tuple(map(str, sums)), source, bool(entry.get("links-source", True)))
    return found


def _read_refusal(data: Any, where: str) -> RefusalRule:
    _check(data, {"status", "body"}, where)
    status = data.get("status")
    if status is not None and not (isinstance(status, int) and 200 <= status <= 599):
        raise DeclarationError(f"{where}.status is {status!r}, expected an HTTP status.")
    unknown = set(re.findall(r"\{([a-z_]+)\}", str(data.get("body")))) - PLACEHOLDERS
    if unknown:
        raise DeclarationError(
            f"{where}.body: unknown placeholders {sorted(unknown)}; known are {sorted(PLACEHOLDERS)}."
        )
    return RefusalRule(status, data.get("body"))


def _check(data: Any, known: set[str], where: str) -> None:
    if not isinstance(data, dict):
        raise DeclarationError(f"{where} is {data!r}, expected a map with some of the keys {sorted(known)}.")
    if unknown := set(data) - known:
        raise DeclarationError(f"{where}: unknown keys {sorted(unknown)}; known are {sorted(known)}.")


def _map(data: dict[str, Any], key: str, where: str) -> dict[str, Any]:
    value = data.get(key)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise DeclarationError(f"{where}.{key} is {value!r}, expected a map.")
    return value


def _states(value: Any, where: str) -> frozenset[State]:
    known = [state.value for state in State]
    if not isinstance(value, list) or not all(state in known for state in value):
        raise DeclarationError(f"{where} is {value!r}, expected a list of some of {known}.")
    return frozenset(map(State, value))


def _pointers(value: Any, where: str) -> tuple[Pointer, ...]:
    return tuple(dict.fromkeys(_pointer(v, where) for v in (value if isinstance(value, list) else [value])))


def _pointer(value: Any, where: str) -> Pointer:
    if not isinstance(value, str) or not value.startswith("/"):
        raise DeclarationError(f"{where}: {value!r} is not a JSON Pointer (such as /data/id).")
    return tuple(pointer_tokens(value))
