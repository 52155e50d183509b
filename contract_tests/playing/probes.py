"""Requests that should be refused, or are odd: keys, ids, methods, queries and bodies."""

from dataclasses import replace

import orjson

from contract_tests.history import (
    Purpose,
)
from contract_tests.playing.bodies import Variation
from contract_tests.playing.calls import MALFORMED, Asking, media_types
from contract_tests.playing.player import ENDING, KEPT_FOR_PROBES, READ_ONLY, SAFE, Kind, Player
from contract_tests.playing.seeing import is_success, told_id
from mockserver.jobs.resource import STARTS, Action, JobOperation
from mockserver.openapi.document import is_json
from mockserver.openapi.schema import shape_of

MOST_WRONG = 40  # invalid or odd requests of one operation
MOST_BOUNDS = 12  # creates with a value at a bound


def probe_all(player: Player, kind: Kind) -> None:
    """Requests that should be refused, by those that cost nothing first."""
    main, resource = kind.main, kind.resource
    known = main.id if main else player.unknown_id(resource)
    if not player.options.second_key:
        player.skip(Purpose.SECOND_KEY, "no second key was given")
    for part in player.parts(kind, *SAFE):
        probe_keys(player, part, known)
        probe_words(player, part, known)
    probe_ids(player, kind)
    probe_methods(player, kind, known)
    for part in player.parts(kind, Action.LIST):
        probe_queries(player, part)
    for part in player.parts(kind, Action.CREATE, Action.FOLLOW_UP):
        probe_creating(player, kind, part, known)
    probe_bodies(player, kind)


def probe_keys(player: Player, part: JobOperation, job: str) -> None:
    """No key, wrong ones, and that of somebody else."""
    if player.calls.is_open(part.operation):
        return
    player.send(part, Purpose.NO_KEY, Asking(job=job))
    player.send(part, Purpose.BAD_KEY, Asking(player.bad_key, job), "refused")
    player.send(part, Purpose.BAD_KEY, Asking(MALFORMED, job), "malformed")
    if player.options.second_key:
        player.send(part, Purpose.SECOND_KEY, Asking(player.options.second_key, job))
    if part.action is Action.RETRIEVE and player.options.key:
        probe_spelling(player, part, job)


def probe_words(player: Player, part: JobOperation, job: str) -> None:
    """Words that a query parameter does not have; and a list of the second key with its usual parameters."""
    for parameter in part.operation.parameters:
        if parameter.place == "query" and shape_of(player.contract.document, parameter.schema).constants:
            asking = player.asking(job=job, query={parameter.name: "no-such-value"})
            player.send(part, Purpose.ODD_INPUT, asking, f"{parameter.name}=no-such-value")
    names = [p.name for p in part.operation.parameters]
    limit = player.contract.vocabulary.best("paging", "limit", names) if part.action is Action.LIST else None
    if limit and player.options.second_key and not player.calls.is_open(part.operation):
        player.send(part, Purpose.SECOND_KEY, Asking(player.options.second_key, query={limit: 10}), f"{limit}=10")


def probe_spelling(player: Player, part: JobOperation, job: str) -> None:
    """The right key, written wrongly; and its scheme, in other letters."""
    key = player.options.key
    call = player.calls.call(part.operation, player.asking(job=job), part, player.resource_of(part))
    for number, (name, value) in enumerate(call.headers):
        scheme, space, credential = value.partition(" ")
        if name.lower() != "authorization" or not space or credential != key:
            continue
        for spelled, purpose, detail in (
            (scheme, Purpose.BAD_KEY, "empty"),
            (f"{scheme.swapcase()} {key}", Purpose.SCHEME_SPELLED, ""),
        ):
            headers = (*call.headers[:number], (name, spelled), *call.headers[number + 1 :])
            player.send_call(replace(call, headers=headers), purpose, detail)


def probe_ids(player: Player, kind: Kind) -> None:
    """Ids that nobody was given, and odd ones."""
    for part in player.parts(kind, *SAFE, *ENDING):
        if part.id_place is None:
            continue
        if part.action in ENDING and player.budget.is_read_only:
            continue
        player.send(part, Purpose.UNKNOWN_ID, player.asking(job=player.unknown_id(kind.resource)))
    retrieve = kind.resource.first(Action.RETRIEVE)
    for what, id in _ODD_IDS if retrieve and retrieve.id_place else ():
        assert retrieve is not None
        player.send(retrieve, Purpose.ODD_INPUT, player.asking(job=id), f"id: {what}")


def probe_methods(player: Player, kind: Kind, job: str) -> None:
    """A method that a path does not have, on each path once. It is none that creates or deletes."""
    if player.budget.is_read_only:
        player.skip(Purpose.WRONG_METHOD, READ_ONLY)  # nobody knows what a PUT does that is not declared
        return
    seen: set[str] = set()
    buying = {part.operation.path for part in player.contract.parts if part.action in STARTS}
    declared: dict[str, set[str]] = {}
    for operation in player.contract.document.operations:
        declared.setdefault(operation.path, set()).add(operation.method)
    for part in kind.resource.operations:
        path = part.operation.path
        method = next((m for m in ("PUT", "PATCH") if m not in declared[path]), None)
        if path in seen or method is None or "?" in path:
            continue
        seen.add(path)
        asking = player.asking(job=job, method=method)
        if path in buying:  # who does not look at the method could take it for the one that creates
            try_wrong(player, kind, part, Purpose.WRONG_METHOD, asking, method)
        else:
            player.send(part, Purpose.WRONG_METHOD, asking, method)


def probe_queries(player: Player, part: JobOperation) -> None:
    """Odd parameters of a list."""
    vocabulary, names = player.contract.vocabulary, [p.name for p in part.operation.parameters if p.place == "query"]
    limit = vocabulary.best("paging", "limit", names)
    if limit:
        for value in ("-1", "0", "many", "99999999999999999999", ["1", "2"]):
            said = "&".join(f"{limit}={v}" for v in (value if isinstance(value, list) else [value]))
            player.send(part, Purpose.ODD_INPUT, player.asking(query={limit: value}), said)
    if order := vocabulary.best("paging", "order", names):
        player.send(part, Purpose.ODD_INPUT, player.asking(query={order: "sideways"}), f"{order}=sideways")
    if after := vocabulary.best("paging", "after", names):
        player.send(part, Purpose.ODD_INPUT, player.asking(query={after: "日本 语\n\x00"}), f"{after}: unicode")
        player.send(part, Purpose.ODD_INPUT, player.asking(query={after: "x" * 5000}), f"{after}: 5,000 characters")
    player.send(part, Purpose.ODD_INPUT, player.asking(query={"x_unknown": "ü&=%"}), "an unknown parameter")


def probe_creating(player: Player, kind: Kind, part: JobOperation, job: str) -> None:
    """Requests that should create nothing. Each is paid for by the budget if it does."""
    body, media_type = player.calls.body_for(part.operation, part, job=job)
    if not player.calls.is_open(part.operation):
        ways = [(Purpose.NO_KEY, "", ""), (Purpose.BAD_KEY, player.bad_key, "refused"),
                (Purpose.BAD_KEY, MALFORMED, "malformed")]  # fmt: skip
        for purpose, key, detail in ways:
            try_wrong(player, kind, part, purpose, Asking(key, job, body=body, media_type=media_type), detail)
        if player.options.second_key and part.id_place:
            asking = Asking(player.options.second_key, job, body=body, media_type=media_type)
            try_wrong(player, kind, part, Purpose.SECOND_KEY, asking, "")
    if part.id_place:
        unknown = player.unknown_id(kind.resource)
        odd, kind_of_body = player.calls.body_for(part.operation, part, job=unknown)
        asking = player.asking(job=unknown, body=odd, media_type=kind_of_body)
        try_wrong(player, kind, part, Purpose.UNKNOWN_ID, asking, "")
    if not media_type:
        return
    text = orjson.dumps(body, default=str) if isinstance(body, dict) else b"{}"
    if is_json(media_type):
        broken = [("cut off", text[: len(text) // 2] or b"{"), ("not UTF-8", b'{"a": "\xff\xfe"}')]
        if part.operation.body_required:
            broken.append(("empty", b""))
        for detail, raw in broken:
            asking = player.asking(job=job, raw=raw, media_type=media_type)
            try_wrong(player, kind, part, Purpose.BROKEN_JSON, asking, detail)
    if "*/*" not in part.operation.body:
        for wrong in ("text/plain", "application/xml"):
            if wrong not in part.operation.body:
                asking = player.asking(job=job, raw=text, media_type=wrong)
                try_wrong(player, kind, part, Purpose.WRONG_TYPE, asking, wrong)


def probe_bodies(player: Player, kind: Kind) -> None:
    """Bodies that are wrong in one place, then odd ones, those last that are valid."""
    waiting: list[tuple[JobOperation, str, Variation]] = []
    main = kind.main.id if kind.main else ""
    for part in player.parts(kind, Action.CREATE, Action.FOLLOW_UP):
        if part.action is Action.FOLLOW_UP and not main:
            continue
        for media_type in media_types(part.operation)[: 2 if part.action is Action.CREATE else 1]:
            body, _ = player.calls.body_for(part.operation, part, media_type, job=main)
            if body is None:
                continue
            schema, is_form = part.operation.body[media_type].get("schema") or {}, not is_json(media_type)
            for each in player.calls.bodies.broken(schema, body, is_form)[:MOST_WRONG]:
                try_variation(player, kind, part, Purpose.INVALID, each, media_type)
            if part.action is Action.FOLLOW_UP:
                continue
            odd = player.calls.bodies.odd(schema, body, is_form)[:MOST_WRONG]
            waiting += [(part, media_type, each) for each in odd]
    for part in player.parts(kind, Action.CREATE):
        for media_type in media_types(part.operation)[:1]:
            body, _ = player.calls.body_for(part.operation, part, media_type)
            schema, is_form = part.operation.body[media_type].get("schema") or {}, not is_json(media_type)
            for each in player.calls.bodies.at_bounds(schema, body, is_form)[:MOST_BOUNDS]:
                try_variation(player, kind, part, Purpose.BOUND, each, media_type, KEPT_FOR_PROBES)
    for part, media_type, each in sorted(waiting, key=lambda one: not one[2].is_refused):
        keep = 0 if each.is_refused else KEPT_FOR_PROBES
        try_variation(player, kind, part, Purpose.ODD_INPUT, each, media_type, keep)


def try_variation(
    player: Player, kind: Kind, part: JobOperation, purpose: str, each: Variation, media_type: str, keep: int = 0
) -> None:
    detail = each.detail if is_json(media_type) else f"{each.detail} (in a form)"
    raw = b"null" if each.body is None else None
    job = kind.main.id if kind.main else ""
    asking = player.asking(job=job, body=each.body, media_type=media_type, raw=raw)
    try_wrong(player, kind, part, purpose, asking, detail, keep)


def try_wrong(
    player: Player, kind: Kind, part: JobOperation, purpose: str, asking: Asking, detail: str, keep: int = 0
) -> None:
    """Send what should be refused, and remember the job that comes of it all the same."""
    exchange = player.buy(part, purpose, asking, detail, keep)
    if exchange is not None and is_success(player.contract, exchange) and (id := told_id(player.contract, exchange)):
        kind.strays.append(id)


_ODD_IDS = (
    ("unicode", "vidéo-日本-🎬"),
    ("5,000 characters", "x" * 5000),
    ("a path", "../../etc/passwd"),
    ("a NUL", "a\x00b"),
    ("markup", "<script>alert(1)</script>"),
    ("a space", " "),
)
