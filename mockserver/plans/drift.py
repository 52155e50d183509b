"""Drifts: named departures from the contract, read strictly from data. docs/drifts.md tells the format."""

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from mockserver.errors import DeclarationError
from mockserver.jobs.declaration import REFUSALS
from mockserver.jobs.lifecycle import State
from mockserver.plans.reading import as_choice, as_map, as_number, as_text, as_whole
from mockserver.plans.scenario import ACTIONS, GROUPS, NAME, read_job

CODE = r"[DO]\d{3}"  # of one length, so that they sort; O is for what is odd and legal
LEGAL = "legal-"  # how the names of the latter begin
ERRORS = "errors"  # refusals, whatever the operation
DRIFT_ACTIONS = frozenset({*ACTIONS, "", ERRORS})
ANY = "any"
# Roles beside those that the vocabulary knows of a job: what its request asked for, and the name of its kind.
INPUT_ROLES = frozenset({"length", "size", "model", "prompt"})
KIND = "kind"
JOB_ROLES = frozenset({"id", "status", "outcome", "done", "progress", "created", "started", "completed", "updated",
                       "expires", "result", "thumbnail", "error", "source", "poll url", "cancel url", KIND,
                       *INPUT_ROLES})  # fmt: skip
ERROR_ROLES = frozenset({"message", "code", "type", "param", "status"})
PAGE_ROLES = frozenset({"limit", "after", "order", "page", "offset"})  # parameters of a list
LIST_ROLES = frozenset({"first id", "last id", "has more", "next", "previous", "total", "pages", "page number",
                        "page size"})  # fmt: skip  # fields of its answer
CONVERSIONS = frozenset({"other type", "other time", "milliseconds", "other scale", "other shape", "object", "link",
                         "message", "path", "fraction", "offset"})  # fmt: skip
CASES = frozenset({"upper", "pascal", "padded"})
ITEMS = frozenset({"repeat", "reverse", "drop last", "null first"})
MENDS = frozenset({"key", "owner", "body"})
FRAMINGS = frozenset({"chunked", "until-close", "titled"})
OPTIONAL = frozenset({"left out", "null"})
TAGS = frozenset({"weak", "of body"})
THERE = (301, 302, 303, 307, 308)
# What `{…}` in texts stands for: docs/drifts.md.
PLACEHOLDERS = frozenset({"body", "json", "job", "items", "error", "message", "code", "type", "id", "url", "status",
                          "site", "count", "now", "date"})  # fmt: skip


@dataclass(frozen=True, slots=True)
class When:
    """Which of the answers that a drift is about it touches.

    `states`: the job is in one of them. `refusals`: it is a refusal of one of these kinds (None: it is none; `any`: of
    whatever kind). `first` to `last` and `every`: which of the answers about one job, counted from 1 (`every: 2`: each
    second one). `methods`: those of the request. `keyless`: the request brought no key.
    """

    states: frozenset[State] | None = None
    refusals: frozenset[str] | None = None
    first: int = 1
    last: int | None = None
    every: int = 1
    methods: frozenset[str] | None = None
    keyless: bool = False

    @property
    def counts(self) -> bool:
        """Whether it matters which answer it is."""
        return self.first > 1 or self.last is not None or self.every > 1

    def is_due(self, number: int) -> bool:
        """Whether it touches the answer of this number."""
        return self.first <= number and (self.last is None or number <= self.last) and number % self.every == 0


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that is done to an answer: the name of a primitive, and what it asks for."""

    kind: str
    options: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Drift:
    """One departure: `code` is stable, `changes` are made to answers of some `actions`.

    One whose code begins with O is an oddity: what it makes of an answer is legal, and is left where it is not.
    """

    name: str
    code: str
    summary: str
    source: str
    actions: frozenset[str]
    changes: tuple[Change, ...]
    when: When = When()

    @property
    def as_data(self) -> dict[str, Any]:
        """What a list of drifts tells of it."""
        return {"name": self.name, "code": self.code, "summary": self.summary, "source": self.source}

    @property
    def is_legal(self) -> bool:
        """Whether it departs from what is usual, not from the contract."""
        return self.code.startswith("O")


def read_drifts(data: Any, where: str) -> dict[str, Drift]:
    """The drifts of a data file, by name. Raises DeclarationError."""
    if not isinstance(data, dict) or not data:
        raise DeclarationError(f"{where}: expected a map of names to drifts.")
    found: dict[str, Drift] = {}
    codes: dict[str, str] = {}
    for name, entry in data.items():
        if not isinstance(name, str) or not re.fullmatch(NAME, name):
            raise DeclarationError(f"{where}: {name!r} is no name; expected small letters, digits and hyphens.")
        drift = found[name] = _read_drift(name, entry, f"{where}: {name}")
        if (other := codes.setdefault(drift.code, name)) != name:
            raise DeclarationError(f"{where}: {name}.code: {drift.code} is the code of {other}; expected another.")
    return found


def _read_drift(name: str, data: Any, where: str) -> Drift:
    entry = as_map(data, {"code", "summary", "source", "on", "when", "change"}, where)
    code = as_text(entry.get("code"), f"{where}.code")
    if not re.fullmatch(CODE, code):
        expected = "D and three digits, such as D007; O and three digits for what is legal"
        raise DeclarationError(f"{where}.code: found {code!r}, expected {expected}.")
    if code.startswith("O") != name.startswith(LEGAL):
        raise DeclarationError(f"{where}: names that begin with {LEGAL} have codes that begin with O, and no others.")
    summary = as_text(entry.get("summary"), f"{where}.summary", 200)
    if "\n" in summary:
        raise DeclarationError(f"{where}.summary: expected one line.")
    return Drift(
        name,
        code,
        summary,
        as_text(entry.get("source"), f"{where}.source"),
        _read_actions(entry.get("on"), f"{where}.on"),
        _read_changes(entry.get("change"), f"{where}.change"),
        _read_when(entry.get("when", {}), f"{where}.when"),
    )


def _read_actions(value: Any, where: str) -> frozenset[str]:
    actions: set[str] = set()
    for word in value if isinstance(value, list) else [value]:
        chosen = as_choice(word, {*(DRIFT_ACTIONS - {""}), *GROUPS}, where)
        actions |= GROUPS.get(chosen, {chosen})
    if not actions:
        raise DeclarationError(f"{where}: found an empty list, expected at least one action.")
    return frozenset(actions)


def _read_when(data: Any, where: str) -> When:
    entry = as_map(data, {"states", "refusals", "first", "last", "every", "methods", "keyless"}, where)
    states = _words(entry, "states", {state.value for state in State}, where)
    refusals = _words(entry, "refusals", {*REFUSALS, ANY}, where)
    first = as_whole(entry.get("first", 1), f"{where}.first", 1, 1_000_000)
    return When(
        frozenset(State(state) for state in states) if states else None,
        frozenset(refusals) if refusals else None,
        first,
        as_whole(entry["last"], f"{where}.last", first, 1_000_000) if "last" in entry else None,
        as_whole(entry.get("every", 1), f"{where}.every", 1, 1000),
        frozenset(_words(entry, "methods", {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"}, where)) or None,
        _flag(entry, "keyless", where),
    )


def _words(entry: Mapping[str, Any], key: str, choices: Collection[str], where: str) -> list[str]:
    """A word, or a list of words; none if the key is not there."""
    if key not in entry:
        return []
    value = entry[key]
    words = value if isinstance(value, list) else [value]
    if not words:
        raise DeclarationError(f"{where}.{key}: found an empty list, expected at least one word.")
    return [as_choice(word, choices, f"{where}.{key}") for word in words]


def _texts(value: Any, where: str) -> list[str]:
    """A text, or a list of texts."""
    texts = value if isinstance(value, list) else [value]
    if not texts:
        raise DeclarationError(f"{where}: found an empty list, expected at least one text.")
    return [as_text(text, where, 200) for text in texts]


def _flag(entry: Mapping[str, Any], key: str, where: str) -> bool:
    value = entry.get(key, False)
    if not isinstance(value, bool):
        raise DeclarationError(f"{where}.{key}: found {value!r}, expected true or false.")
    return value


def _one_of(entry: Mapping[str, Any], keys: Collection[str], where: str) -> str:
    """The one of some keys that is there. Raises DeclarationError for none and for several."""
    given = [key for key in entry if key in keys]
    if len(given) != 1:
        found = " and ".join(given) or "none"
        raise DeclarationError(f"{where}: found {found}, expected exactly one of {', '.join(sorted(keys))}.")
    return given[0]


# -- the primitives ---------------------------------------------------------------------------------


def _read_changes(data: Any, where: str) -> tuple[Change, ...]:
    maps = data if isinstance(data, list) else [data]
    changes: list[Change] = []
    for entry in maps:
        for kind, options in as_map(entry, _PRIMITIVES, where).items():
            changes.append(Change(kind, _PRIMITIVES[kind](options, f"{where}.{kind}")))
    if not changes:
        raise DeclarationError(f"{where}: expected at least one of {', '.join(sorted(_PRIMITIVES))}.")
    return tuple(changes)


def _read_word(data: Any, where: str) -> Mapping[str, Any]:
    entry = as_map(data, {"of", "to", "case", "number", "state"}, where)
    key = _one_of(entry, {"to", "case", "number", "state"}, where)
    states = _words(entry, "of", {*(state.value for state in State), ANY}, where) or [ANY]
    of = frozenset(State) if ANY in states else frozenset(State(state) for state in states)
    value: Any = entry[key]
    if key == "to":
        value = tuple(_texts(value, f"{where}.to"))
    elif key == "case":
        value = as_choice(value, CASES, f"{where}.case")
    elif key == "state":
        value = State(as_choice(value, {state.value for state in State}, f"{where}.state"))
    elif not _flag(entry, key, where):
        raise DeclarationError(f"{where}.number: found false, expected true.")
    return {"of": of, key: value}


_OPERATIONS = {"remove", "set", "now", "convert", "scale", "add", "suffix", "rename", "move", "copy", "link", "query"}


def _field_reader(roles: Collection[str]) -> Callable[[Any, str], Mapping[str, Any]]:
    def read(data: Any, where: str) -> Mapping[str, Any]:
        entry = as_map(data, {"role", "least", *_OPERATIONS}, where)
        if "role" not in entry:
            raise DeclarationError(f"{where}: expected `role`, the field that it is about.")
        operation = _one_of(entry, _OPERATIONS, where)
        value: Any = entry[operation]
        if operation in ("remove", "now"):
            if not _flag(entry, operation, where):
                raise DeclarationError(f"{where}.{operation}: found false, expected true.")
        elif operation == "convert":
            value = as_choice(value, CONVERSIONS, f"{where}.convert")
        elif operation in ("scale", "add"):
            value = as_number(value, f"{where}.{operation}", -1e9, 1e9)
        elif operation in ("suffix", "query"):
            value = as_text(value, f"{where}.{operation}", 200)
        elif operation == "link":
            if not isinstance(value, str):
                raise DeclarationError(f"{where}.link: found {value!r}, expected a text.")
        elif operation in ("rename", "move"):
            value = tuple(_texts(value, f"{where}.{operation}"))
        elif operation == "copy":
            value = as_choice(value, roles, f"{where}.copy")
        least = as_number(entry["least"], f"{where}.least", -1e9, 1e9) if "least" in entry else None
        return {"roles": tuple(_words(entry, "role", roles, where)), "operation": operation, "value": value,
                "least": least}  # fmt: skip

    return read


def _read_only(data: Any, where: str) -> Mapping[str, Any]:
    entry = as_map(data, {"roles"}, where)
    return {"roles": tuple(_words(entry, "roles", JOB_ROLES, where))}


def _read_extra(data: Any, where: str) -> Mapping[str, Any]:
    if not isinstance(data, dict) or not data or not all(isinstance(name, str) for name in data):
        raise DeclarationError(f"{where}: found {data!r}, expected a map of field names to values.")
    return {"fields": dict(data)}


def _read_pages(data: Any, where: str) -> Mapping[str, Any]:
    entry = as_map(data, {"roles", "remove", "set"}, where)
    operation = _one_of(entry, {"remove", "set"}, where)
    if operation == "remove" and not _flag(entry, "remove", where):
        raise DeclarationError(f"{where}.remove: found false, expected true.")
    roles = _words(entry, "roles", LIST_ROLES, where)
    if not roles:
        raise DeclarationError(f"{where}: expected `roles`, one or more of {', '.join(sorted(LIST_ROLES))}.")
    return {"roles": tuple(roles), "operation": operation, "value": entry[operation]}


def _read_status(data: Any, where: str) -> Mapping[str, Any]:
    if not isinstance(data, dict):
        return {"to": as_whole(data, where, 200, 599), "of": {}}
    codes = {}
    for found, wanted in data.items():
        code = int(found) if isinstance(found, str) and re.fullmatch("[0-9]{3}", found) else found  # keys become texts
        codes[as_whole(code, where, 200, 599)] = as_whole(wanted, f"{where}.{found}", 200, 599)
    if not codes:
        raise DeclarationError(f"{where}: found an empty map, expected HTTP statuses, each with another.")
    return {"to": None, "of": codes}


def _read_text(data: Any, where: str) -> Mapping[str, Any]:
    entry = as_map(data, {"type", "body"}, where)
    body = entry.get("body")
    if not isinstance(body, str):
        raise DeclarationError(f"{where}.body: found {body!r}, expected a text.")
    return {"type": _header_value(entry.get("type", "text/plain"), f"{where}.type"), "body": body}


def _read_headers(data: Any, where: str) -> Mapping[str, Any]:
    entry = as_map(data, {"remove", "set"}, where)
    wanted = entry.get("set", {})
    if not isinstance(wanted, dict) or not entry:
        raise DeclarationError(f"{where}: expected `remove`, a list of headers, or `set`, a map of headers to texts.")
    names = _texts(entry["remove"], f"{where}.remove") if "remove" in entry else []
    for name in (*names, *wanted):
        if not isinstance(name, str) or not re.fullmatch(r"[a-z0-9-]+", name) or name == "content-length":
            raise DeclarationError(
                f"{where}: found {name!r}, expected a header's name in small letters, other than content-length."
            )
    return {
        "remove": tuple(names),
        "set": {name: _header_value(value, f"{where}.set.{name}") for name, value in wanted.items()},
    }


def _header_value(value: Any, where: str) -> str:
    text = as_text(value, where, 200)
    if not text.isascii() or not text.isprintable():
        raise DeclarationError(f"{where}: found {text!r}, expected one line of ASCII.")
    return text


def _read_share(data: Any, where: str) -> Mapping[str, Any]:
    return {"share": as_number(data, where, 0, 1)}


def _read_refuse(data: Any, where: str) -> Mapping[str, Any]:
    return {"kind": as_choice(data, REFUSALS, where)}


def _read_items(data: Any, where: str) -> Mapping[str, Any]:
    return {"how": as_choice(data, ITEMS, where)}


def _read_ask(data: Any, where: str) -> Mapping[str, Any]:
    entry = as_map(data, {"without", "headers", "mend", "limit"}, where)
    if not entry:
        raise DeclarationError(f"{where}: expected `without`, `headers` or `mend`, or `limit`.")
    headers = _texts(entry["headers"], f"{where}.headers") if "headers" in entry else []
    return {
        "without": frozenset(_words(entry, "without", PAGE_ROLES, where)),
        "headers": frozenset(header.lower() for header in headers),
        "mend": as_choice(entry["mend"], MENDS, f"{where}.mend") if "mend" in entry else "",
        "limit": as_whole(entry["limit"], f"{where}.limit", 1, 1000) if "limit" in entry else 0,
    }


def _read_json(data: Any, where: str) -> Mapping[str, Any]:
    entry = as_map(data, {"reversed", "floats", "indent", "ascii", "parameter"}, where)
    if not entry:
        raise DeclarationError(f"{where}: expected at least one of ascii, floats, indent, parameter, reversed.")
    return {
        **{key: _flag(entry, key, where) for key in ("reversed", "floats", "ascii")},
        "indent": as_whole(entry["indent"], f"{where}.indent", 0, 8) if "indent" in entry else None,
        "parameter": _header_value(entry["parameter"], f"{where}.parameter") if "parameter" in entry else "",
    }


_LIFE = {"queue", "run", "pace", "end", "at", "error", "expires-after"}


def _read_life(data: Any, where: str) -> Mapping[str, Any]:
    entry = dict(as_map(data, {*_LIFE, "steps", "id"}, where))
    id = as_text(entry.pop("id"), f"{where}.id", 64) if "id" in entry else ""
    if id and not re.fullmatch(r"[\w.~-]*\{id\}[\w.~-]*", id, re.ASCII):
        raise DeclarationError(f"{where}.id: found {id!r}, expected {{id}} and letters, digits, - . _ ~ round it.")
    steps = as_whole(entry.pop("steps"), f"{where}.steps", 1, 1000) if "steps" in entry else None
    if not entry and steps is None and not id:
        raise DeclarationError(f"{where}: expected at least one of {', '.join(sorted({*_LIFE, 'steps', 'id'}))}.")
    return {"plan": read_job(entry, where) if entry else None, "steps": steps, "id": id}


def _read_redirect(data: Any, where: str) -> Mapping[str, Any]:
    entry = as_map(data, {"status", "relative"}, where)
    status = as_whole(entry.get("status", 302), f"{where}.status", 301, 308)
    if status not in THERE:
        raise DeclarationError(f"{where}.status: found {status}, expected one of {', '.join(map(str, THERE))}.")
    return {"status": status, "relative": _flag(entry, "relative", where)}


def _choice_reader(key: str, choices: Collection[str]) -> Callable[[Any, str], Mapping[str, Any]]:
    return lambda data, where: {key: as_choice(data, choices, where)}


def _always(data: Any, where: str) -> Mapping[str, Any]:
    if data is not True:
        raise DeclarationError(f"{where}: found {data!r}, expected true.")
    return {}


_PRIMITIVES: Mapping[str, Callable[[Any, str], Mapping[str, Any]]] = {
    "word": _read_word,
    "field": _field_reader(JOB_ROLES),
    "only": _read_only,
    "extra": _read_extra,
    "keys": _always,
    "error": _field_reader(ERROR_ROLES),
    "pages": _read_pages,
    "items": _read_items,
    "body": lambda data, where: {"template": data},
    "text": _read_text,
    "status": _read_status,
    "headers": _read_headers,
    "share": _read_share,
    "refuse": _read_refuse,
    "undo": _always,
    "ask": _read_ask,
    "json": _read_json,
    "job": _read_life,
    "redirect": _read_redirect,
    "tag": _choice_reader("how", TAGS),
    "optional": _choice_reader("how", OPTIONAL),
    "framing": _choice_reader("kind", FRAMINGS),
}
