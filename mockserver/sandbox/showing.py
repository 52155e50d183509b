"""Journal entries as they are shown: chosen by filters, as plain JSON data, with secrets masked."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from mockserver.form import FormError, read_urlencoded
from mockserver.instants import read_instant, write_instant
from mockserver.masking import Masking, masking, pairs_of
from mockserver.message import RawHeaders
from mockserver.sandbox.journal import MAX_BODY, MAX_TEXT, Entry

VIOLATION = ("place", "field", "kind", "found", "expected")
NOTHING: frozenset[str] = frozenset()
_CONTROLS = frozenset(range(32)) - frozenset(b"\t\n\r\x1b\f")


# -- filters ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Filter:
    """Which entries are wanted; None: whichever.

    `status` is a number (404, '404') or a class ('4XX'). `since` and `until`, both inclusive, are an entry's number
    (an int) or an instant of the sandbox as RFC 3339 (a text). `text` stands in the URL or in one of the bodies as they
    are shown, in any case. Raises ValueError for a status or an instant that is none.
    """

    operation: str | None = None
    action: str | None = None
    provider: str | None = None
    method: str | None = None
    status: int | str | None = None
    job: str | None = None
    refusal: str | None = None
    scenario: str | None = None
    drift: str | None = None
    since: int | str | None = None
    until: int | str | None = None
    text: str | None = None

    def __post_init__(self) -> None:
        first, rest = str(self.status or "200")[:1], str(self.status or "200")[1:].lower()
        if first not in "12345" or not (rest == "xx" or (len(rest) == 2 and rest.isdecimal())):
            raise ValueError(f"{self.status!r} is no status; expected a number such as 404, or a class such as 4XX")
        for moment in (self.since, self.until):
            if isinstance(moment, str):
                read_instant(moment)


def matches(entry: Entry, wanted: Filter, names: frozenset[str] = NOTHING, keys: frozenset[str] = NOTHING) -> bool:
    """Whether an entry is one of those that are wanted. `names` and `keys` as for `entry_data`."""
    return (
        wanted.operation in (None, entry.operation)
        and wanted.action in (None, entry.action)
        and wanted.provider in (None, entry.provider)
        and (wanted.method is None or wanted.method.upper() == entry.method)
        and (wanted.status is None or _has_status(entry.status, str(wanted.status)))
        and wanted.job in (None, entry.job)
        and wanted.refusal in (None, entry.refusal)
        and (wanted.scenario is None or wanted.scenario in entry.scenarios)
        and (wanted.drift is None or wanted.drift in entry.drifts)
        and (wanted.since is None or _moment(entry, wanted.since) >= 0)
        and (wanted.until is None or _moment(entry, wanted.until) <= 0)
        and (wanted.text is None or _holds(entry, wanted.text.lower(), masking(names, keys)))
    )


def _has_status(status: int, wanted: str) -> bool:
    return str(status) == wanted or (wanted[1:].lower() == "xx" and str(status)[0] == wanted[0])


def _moment(entry: Entry, moment: int | str) -> float:
    """How far an entry is behind a moment."""
    if isinstance(moment, int):
        return entry.number - moment
    return round(entry.now, 3) - round(read_instant(moment), 3)  # instants are written to the millisecond


def _holds(entry: Entry, text: str, masked: Masking) -> bool:
    """Whether a text stands in what is shown: what is masked cannot be guessed by asking for it."""
    answer = _shown_body(entry.answer, masked, len(entry.answer) < entry.answer_size)
    body = shown_form(entry, masked) or _shown_body(entry.body, masked, is_request_cut(entry))
    url = f"{masked.text(entry.path)}?{masked.query(entry.query)}"
    return any(text in shown.lower() for shown in (url, *(each for part in (body, answer) for each in _texts(part))))


def _texts(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [text for name, inner in value.items() for text in (str(name), *_texts(inner))]
    if isinstance(value, list):
        return [text for inner in value for text in _texts(inner)]
    return [] if value is None else [str(value)]


# -- as data ----------------------------------------------------------------------------------------


def entry_data(entry: Entry, names: frozenset[str] = NOTHING, keys: frozenset[str] = NOTHING) -> dict[str, Any]:
    """An entry as plain JSON data, without secrets.

    `names`, in lower case, are the headers, parameters and cookies that carry keys by the contracts; `keys` are the
    keys of sandboxes, which are masked wherever they stand. A body is the JSON value if it is JSON, else its text, else
    `{"bytes": n}`; null if there is none. A form is a list of `{name, value}` and `{name, file: {name, type, bytes}}`.
    `truncated` is true where only the beginning of a body was kept.
    """
    masked = masking(names, keys)
    is_cut, is_answer_cut = is_request_cut(entry), len(entry.answer) < entry.answer_size
    form = shown_form(entry, masked)
    path, query = masked.text(entry.path), masked.query(entry.query)
    return {
        "number": entry.number,
        "real": write_instant(entry.real),
        "now": write_instant(entry.now),
        "provider": entry.provider,
        "operation": masked.known(entry.operation),
        "action": entry.action,
        "method": masked.known(entry.method),
        "path": path,
        "query": query,
        "url": f"{path}?{query}" if query else path,
        "request": {
            "headers": shown_headers(entry.headers, masked),
            "body": None if form is not None else _shown_body(entry.body, masked, is_cut),
            "form": form,
            "truncated": is_cut,
        },
        "status": entry.status,
        "answer": {
            "headers": shown_headers(entry.answer_headers, masked),
            "body": _shown_body(entry.answer, masked, is_answer_cut, entry.answer_size),
            "bytes": entry.answer_size,
            "truncated": is_answer_cut,
        },
        "job": {"id": masked.known(entry.job), "state": entry.state} if entry.job else None,
        "refusal": entry.refusal or None,
        "violations": [shown_violation(violation, masked) for violation in entry.violations],
        "scenarios": list(entry.scenarios),
        "drifts": list(entry.drifts),
        "fault": entry.fault or None,
        "truncated": is_cut or is_answer_cut,
    }


def shown_headers(headers: Mapping[bytes, bytes] | RawHeaders, masked: Masking) -> dict[str, str]:
    """Headers by name; those that stand more than once are joined, as RFC 9110 has it."""
    shown: dict[str, str] = {}
    for name, value in pairs_of(headers):
        told, by = masked.header(name, value), masked.known(name)
        shown[by] = f"{shown[by]}, {told}" if by in shown else told
    return shown


def shown_violation(violation: tuple[str, ...], masked: Masking) -> dict[str, str]:
    """One thing that was wrong with a request: place, field, kind, found, expected."""
    told = dict(zip(VIOLATION, violation, strict=False))
    last = told.get("field", "").rpartition(".")[2].partition("[")[0]
    secret = masked.names(last) and told.get("kind") not in ("required", "unknown")
    shown = {name: masked.text(str(value)) for name, value in told.items()}
    return {**shown, "found": "a secret"} if secret else shown


def is_request_cut(entry: Entry) -> bool:
    """Whether only the beginning of a request's body, path or query was kept."""
    if len(entry.path) == MAX_TEXT or len(entry.query) == MAX_TEXT:
        return True
    if entry.form is not None:
        return sum(len(value) for _, value in entry.form if isinstance(value, str)) >= MAX_BODY
    told = entry.headers.get(b"content-length", b"")
    return len(entry.body) >= MAX_BODY and (not told.isdigit() or int(told) > len(entry.body))


def is_urlencoded(entry: Entry) -> bool:
    """Whether a request's body is an urlencoded form."""
    return entry.headers.get(b"content-type", b"").lower().startswith(b"application/x-www-form-urlencoded")


def shown_form(entry: Entry, masked: Masking) -> list[dict[str, Any]] | None:
    """The fields of a form without secrets; None if the request brought none."""
    form = entry.form
    if form is None and entry.body and is_urlencoded(entry):
        try:
            form = tuple((part.name, part.value) for part in read_urlencoded(entry.body.decode("utf-8", "replace")))
        except FormError:
            return None
    if form is None:
        return None
    shown: list[dict[str, Any]] = []
    for name, value in form:
        by = masked.text(name)
        if isinstance(value, str):
            shown.append({"name": by, "value": masked.field(name, value)})
        else:
            filename, media_type, size = value[:3]
            file = {"name": masked.text(filename), "type": masked.text(media_type), "bytes": size}
            shown.append({"name": by, "file": file})
    return shown


def text_of(body: bytes, is_cut: bool) -> str | None:
    """A body as text; None if it is no text. The last character may be cut in two."""
    for most in range(4 if is_cut else 1):
        try:
            text = body[: len(body) - most].decode()
        except UnicodeDecodeError:
            continue
        return None if _CONTROLS.intersection(body[:1000]) else text
    return None


def _shown_body(body: bytes, masked: Masking, is_cut: bool, size: int | None = None) -> Any:
    if not body:
        return None
    if not is_cut and body.lstrip()[:1] in (b"{", b"[", b'"'):
        try:
            return masked.value(orjson.loads(body))
        except (ValueError, RecursionError):
            pass  # it is shown as it was sent
    text = text_of(body, is_cut)
    return {"bytes": len(body) if size is None else size} if text is None else masked.text(text)
