"""The journal as HAR 1.2 (http://www.softwareishard.com/blog/har-12-spec/), as plain data, with secrets masked.

What HAR has no place for stands in fields that begin with `_`: both clocks, the job, what was refused and why.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import unquote_plus

from mockserver import __version__
from mockserver.instants import write_instant
from mockserver.masking import Masking, masking, pairs_of
from mockserver.message import PHRASES
from mockserver.sandbox.conduct import CUT
from mockserver.sandbox.journal import Entry
from mockserver.sandbox.showing import NOTHING, is_request_cut, shown_form, shown_violation, text_of

_HTTP = "HTTP/1.1"  # the only one that is served
_HOST = re.compile(r"[\w.~-]{1,255}(:\d{1,5})?|\[[0-9A-Fa-f:.]{2,45}\](:\d{1,5})?")
_UNKNOWN = "http://localhost"  # where a request had no Host that can be used


def as_har(
    entries: Iterable[Entry],
    names: frozenset[str] = NOTHING,
    keys: frozenset[str] = NOTHING,
    prefixes: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """A HAR log of entries, oldest first. `names` and `keys` are masked as in `entry_data`.

    `prefixes` are what the paths of providers hang below (`/prefix`), by name. Times are the machine's; how long an
    answer took is not measured, but for how long a scenario held it back.
    """
    masked = masking(names, keys)
    creator = {"name": "mockserver", "version": __version__}
    return {
        "log": {"version": "1.2", "creator": creator, "entries": [_entry(e, masked, prefixes or {}) for e in entries]}
    }


def _entry(entry: Entry, masked: Masking, prefixes: Mapping[str, str]) -> dict[str, Any]:
    broken = entry.fault if entry.fault in CUT else ""
    comment = f"the connection was broken: {broken}" if broken else ""
    held = round(entry.delay * 1000)  # milliseconds that a scenario held the answer back
    return {
        "startedDateTime": write_instant(entry.real),
        "time": held,
        "request": _request(entry, masked, prefixes),
        "response": _response(entry, masked),
        "cache": {},
        "timings": {"send": 0, "wait": held, "receive": 0},
        **({"comment": comment} if comment else {}),
        "_number": entry.number,
        "_real": write_instant(entry.real),
        "_now": write_instant(entry.now),
        "_provider": entry.provider,
        "_operation": masked.known(entry.operation),
        "_action": entry.action,
        "_job": masked.known(entry.job),
        "_state": entry.state,
        "_refusal": entry.refusal,
        "_violations": [shown_violation(violation, masked) for violation in entry.violations],
        "_scenarios": list(entry.scenarios),
        "_drifts": list(entry.drifts),
        "_fault": entry.fault,
    }


def _request(entry: Entry, masked: Masking, prefixes: Mapping[str, str]) -> dict[str, Any]:
    headers = pairs_of(entry.headers)
    host = entry.headers.get(b"host", b"").decode("latin-1")
    site = f"http://{host}" if _HOST.fullmatch(host) else _UNKNOWN
    site += prefixes.get(entry.provider, "")
    query = f"?{masked.query(entry.query)}" if entry.query else ""
    length = entry.headers.get(b"content-length", b"")
    post = _post_data(entry, masked)
    return {
        "method": masked.known(entry.method),
        "url": f"{masked.known(site)}{masked.text(entry.path)}{query}",
        "httpVersion": _HTTP,
        "cookies": _cookies([value for name, value in headers if name == "cookie"], masked),
        "headers": _records(headers, masked),
        "queryString": _parameters(entry.query, masked),
        **({"postData": post} if post else {}),
        "headersSize": -1,
        "bodySize": int(length) if length.isdigit() and len(length) < 16 else len(entry.body) if post is None else -1,
    }


def _post_data(entry: Entry, masked: Masking) -> dict[str, Any] | None:
    """What was posted: params of a form, else text."""
    form = shown_form(entry, masked)
    if form is None and not entry.body:
        return None
    media_type = masked.text(entry.headers.get(b"content-type", b"").decode("latin-1"))
    data: dict[str, Any] = {"mimeType": media_type}
    comments = []
    if form is not None:
        data["params"] = [_param(part) for part in form]
        if any("file" in part for part in form):
            comments.append("the content of files is not kept")
    else:
        text = text_of(entry.body, is_request_cut(entry))
        data["text"] = "" if text is None else masked.text(text)
        if text is None:
            comments.append(f"{len(entry.body)} bytes that are no text are not shown")
    if is_request_cut(entry):
        comments.append("only the beginning was kept")
    return {**data, "comment": "; ".join(comments)} if comments else data


def _param(part: Mapping[str, Any]) -> dict[str, Any]:
    if "file" not in part:
        return {"name": part["name"], "value": part["value"]}
    file = part["file"]
    told = {"name": part["name"], "fileName": file["name"], "contentType": file["type"]}
    return {**told, "comment": f"{file['bytes']} bytes"}


def _response(entry: Entry, masked: Masking) -> dict[str, Any]:
    headers = pairs_of(entry.answer_headers)
    by_name = dict(headers)
    kept, size = entry.answer, entry.answer_size
    content: dict[str, Any] = {"size": size, "mimeType": masked.text(by_name.get("content-type", ""))}
    text = text_of(kept, len(kept) < size)
    if kept and text is None:
        content["comment"] = f"{size} bytes that are no text are not shown"
    elif kept:
        content["text"] = masked.text(text or "")
        if len(kept) < size:
            content["comment"] = f"the first {len(kept)} of {size} bytes were kept"
    return {
        "status": entry.status,
        "statusText": PHRASES.get(entry.status, ""),
        "httpVersion": _HTTP,
        "cookies": _cookies([value.partition(";")[0] for name, value in headers if name == "set-cookie"], masked),
        "headers": _records(headers, masked),
        "content": content,
        "redirectURL": masked.text(by_name.get("location", "")),
        "headersSize": -1,
        "bodySize": size,
    }


def _records(pairs: Iterable[tuple[str, str]], masked: Masking) -> list[dict[str, str]]:
    return [{"name": masked.known(name), "value": masked.header(name, value)} for name, value in pairs]


def _parameters(query: str, masked: Masking) -> list[dict[str, str]]:
    found = []
    for piece in filter(None, query.split("&")):
        name, _, value = piece.partition("=")
        plain = unquote_plus(name)
        found.append({"name": masked.text(plain), "value": masked.field(plain, unquote_plus(value))})
    return found


def _cookies(values: Iterable[str], masked: Masking) -> list[dict[str, str]]:
    shown = (masked.header("cookie", piece) for value in values for piece in value.split(";") if piece.strip())
    return [{"name": name, "value": value} for name, _, value in (cookie.partition("=") for cookie in shown)]
