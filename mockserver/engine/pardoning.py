"""Requests as they should have been: what a server that looks away takes them for."""

from base64 import b64encode
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlencode

import orjson

from mockserver.engine.sampling import Sampler
from mockserver.errors import DocumentError
from mockserver.form import FormPart
from mockserver.jobs.resource import Contract
from mockserver.jobs.vocabulary import Vocabulary
from mockserver.message import Request
from mockserver.openapi.document import Operation, is_json
from mockserver.sandbox.exchange import Exchange

ACCEPTED = "accepted"  # the key in place of one that is refused or missing
_KEYS = frozenset({"unauthenticated", "refused_key"})
_WRONG = frozenset({"invalid_request", "malformed_body", "unsupported_media_type"})
_STEERING = frozenset({b"prefer", b"idempotency-key"})


def pardoned(exchange: Exchange, contract: Contract, options: Mapping[str, Any]) -> Request | None:
    """The request of an exchange, written otherwise as a drift asks for; None where there is nothing to be changed.

    `without` are roles of a list's parameters and `headers` names of headers that are taken away; `mend` is what is
    put right: a refused `key`, the `owner` of a job that another key created, a `body` that is invalid. `limit` is the
    most that a page holds, where a list has pages that are found by what the one before ends with.
    """
    request, operation = exchange.request, exchange.operation
    refusal = exchange.marks.refusal if exchange.marks else ""
    mend = options["mend"]
    if mend:
        if operation is None:
            return None
        if mend == "key":
            key = (_owner(exchange) or ACCEPTED) if refusal in _KEYS else None
            changed = _with_key(request, contract, operation, key) if key else None
        elif mend == "owner":
            key = _owner(exchange) if refusal == "not_found" else None
            changed = _with_key(request, contract, operation, key) if key else None
        else:
            changed = _mended(exchange, contract, operation) if refusal in _WRONG else None
    elif request.method not in ("GET", "HEAD"):
        return None
    else:
        query = _without(request.query, options["without"], contract.vocabulary)
        if options["limit"]:
            query = _limited(query, options["limit"], operation, contract.vocabulary)
        headers = {n: v for n, v in request.headers.items() if n.decode("latin-1") not in options["headers"]}
        is_same = query == request.query and len(headers) == len(request.headers)
        changed = None if is_same else request._replace(query=query, headers=headers)
    if changed is None:
        return None
    return changed._replace(headers={n: v for n, v in changed.headers.items() if n not in _STEERING})


def _without(query: str, roles: frozenset[str], vocabulary: Vocabulary) -> str:
    """A query string without the parameters of some roles."""
    given = query.split("&") if query and roles else []
    kept = [
        pair
        for pair in given
        if all(vocabulary.rank("paging", role, unquote(pair.partition("=")[0])) is None for role in roles)
    ]
    return "&".join(kept) if given else query


def _limited(query: str, most: int, operation: Operation | None, vocabulary: Vocabulary) -> str:
    """A query string that asks for pages of so many at most; as it is where pages are counted, or have no size."""
    named = [each.name for each in operation.parameters if each.place == "query"] if operation else []
    limit, after = (vocabulary.best("paging", role, named) for role in ("limit", "after"))
    if limit is None or after is None:
        return query
    pairs = parse_qsl(query, keep_blank_values=True)
    asked = next((value for name, value in pairs if name == limit), "")
    if asked and (not asked.isdigit() or int(asked) <= most):
        return query
    return urlencode([*(pair for pair in pairs if pair[0] != limit), (limit, str(most))])


def _with_key(request: Request, contract: Contract, operation: Operation, key: str) -> Request | None:
    """The request with a key, as the first way of the contract to show one has it."""
    document = contract.document
    schemes = (document.root.get("components") or {}).get("securitySchemes") or {}
    wanted = next((requirement for requirement in operation.security if requirement), None)
    if wanted is None:
        return None
    headers, query = dict(request.headers), request.query
    for name in wanted:
        scheme = document.resolve(schemes.get(name) or next(iter(schemes.values()), None))
        if not isinstance(scheme, dict):
            return None
        kind, spoken = str(scheme.get("type", "")).lower(), str(scheme.get("name", ""))
        if kind == "apikey" and scheme.get("in") == "query":
            others = [pair for pair in parse_qsl(query, keep_blank_values=True) if pair[0] != spoken]
            query = urlencode([*others, (spoken, key)])
        elif kind == "apikey" and scheme.get("in") == "cookie":
            headers[b"cookie"] = f"{spoken}={quote(key)}".encode()
        elif kind == "apikey":
            headers[spoken.lower().encode()] = key.encode("latin-1", "replace")
        elif kind == "http" and str(scheme.get("scheme", "")).lower() == "basic":
            headers[b"authorization"] = b"Basic " + b64encode(key.encode())
        else:
            headers[b"authorization"] = b"Bearer " + key.encode("latin-1", "replace")
    return request._replace(headers=headers, query=query)


def _owner(exchange: Exchange) -> str | None:
    """Another key, which created the job that a request names; None if there is none."""
    request, provider = exchange.request, exchange.account.provider
    named = [unquote(segment) for segment in request.path.split("/")]
    named += [value for _, value in parse_qsl(request.query)]
    for sandbox in exchange.sandbox.registry:
        account = sandbox.accounts.get(provider)
        if account is None or sandbox is exchange.sandbox or not (sandbox.key and sandbox.key.isprintable()):
            continue
        if any(account.store.get(name) is not None for name in named):
            return sandbox.key
    return None


def _mended(exchange: Exchange, contract: Contract, operation: Operation) -> Request | None:
    """The request without what is wrong with it, and with what it lacks."""
    request = exchange.request
    violations = exchange.marks.violations if exchange.marks else ()
    wrong = {(v.place, v.field.partition(".")[0].partition("[")[0]) for v in violations}
    of_query = {field for place, field in wrong if place == "query"}
    pairs = [pair for pair in parse_qsl(request.query, keep_blank_values=True) if pair[0] not in of_query]
    if of_query:
        request = request._replace(query=urlencode(pairs))
    if not operation.body:
        return request if of_query else None
    media_type = next((name for name in operation.body if is_json(name)), next(iter(operation.body)))
    try:
        needed = Sampler(
            contract.document, operation.body[media_type].get("schema") or {}, lean=True, direction="request"
        ).draw()
    except DocumentError:
        return None
    if not isinstance(needed, dict):
        return None
    of_body = {field for place, field in wrong if place == "body"}
    parts = request.form if isinstance(request.form, tuple) else ()
    if is_json(media_type):
        given = {**_object(request.body), **{part.name: part.value for part in parts if isinstance(part.value, str)}}
        body = {**needed, **{name: value for name, value in given.items() if name not in of_body}}
        headers = {**request.headers, b"content-type": media_type.encode()}
        return request._replace(body=orjson.dumps(body), form=None, headers=headers)
    kept = [part for part in parts if part.name not in of_body]
    names = {part.name for part in kept}
    lacking = [FormPart(name, str(value)) for name, value in needed.items() if name not in names]
    headers = {**request.headers, b"content-type": f"{media_type}; boundary=x".encode()}
    return request._replace(body=b"", form=(*kept, *lacking), headers=headers)


def _object(body: bytes) -> dict[str, Any]:
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
    return value if isinstance(value, dict) else {}
