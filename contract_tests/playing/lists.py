"""Lists, as they are read: in their usual order, by small pages to the end, by state, and in both orders."""

from typing import Any
from urllib.parse import parse_qs

from contract_tests.history import (
    AFTER_THE_END,
    Exchange,
    Purpose,
)
from contract_tests.playing.player import Job, Kind, Player
from contract_tests.playing.results import fetch_all, look_at_finished
from contract_tests.playing.seeing import is_success, sightings
from contract_tests.playing.target import parts_of
from mockserver.jobs.resource import Action, JobOperation
from mockserver.jobs.vocabulary import plain
from mockserver.openapi.schema import shape_of

MOST_PAGES = 12
DIRECTIONS = ("order", "sortorder", "direction", "orderdirection", "sortdirection")  # names, written plainly
LARGEST_PAGE = 1000  # items that are asked for at once, where a list allows that


def read_lists(player: Player, kind: Kind) -> None:
    """Lists in their usual order, by small pages to the end, and in both orders."""
    for part in player.parts(kind, Action.LIST):
        vocabulary, names = player.contract.vocabulary, [p.name for p in part.operation.parameters]
        first = player.send(part, Purpose.LIST, player.asking())
        adopt(player, kind, part, first)
        limit = vocabulary.best("paging", "limit", names)
        if limit:
            size = 1 if len(kind.jobs) < 6 and not player.budget.is_read_only else 2
            page = player.send(part, Purpose.LIST, player.asking(query={limit: size}), f"{limit}={size}")
            turn_pages(player, part, page, {limit: size})
            for bound in bounds_of(player, part, limit):
                player.send(part, Purpose.LIST, player.asking(query={limit: bound}), f"{limit}={bound}")
        order = vocabulary.best("paging", "order", names)
        if order:
            schema = next(p.schema for p in part.operation.parameters if p.name == order)
            shape = shape_of(player.contract.document, schema)
            told = f"{shape.get('description') or ''} {shape.get('default') or ''}".lower()
            is_direction = (
                "asc" in told or "desc" in told or plain(order) in DIRECTIONS
            )  # else it may be a field's name
            for word in shape.constants or (["asc", "desc"] if is_direction else []):
                player.send(part, Purpose.LIST, player.asking(query={order: word}), f"{order}={word}")
        filter_list(player, kind, part)
        if part.operation.method == "GET":
            player.send(part, Purpose.HEAD, player.asking(method="HEAD"))


def filter_list(player: Player, kind: Kind, part: JobOperation) -> None:
    """The jobs in one state, where a list can be asked for those."""
    parameters = {p.name: p for p in part.operation.parameters if p.place == "query"}
    name = player.contract.vocabulary.best("roles", "status", list(parameters))
    if name is None:
        return
    known = shape_of(player.contract.document, parameters[name].schema).constants
    seen = [job.last.word for job in kind.jobs if job.last and isinstance(job.last.word, str)]
    for word in dict.fromkeys([*seen, *(known or [])]):
        if isinstance(word, str) and (known is None or word in known):
            player.send(part, Purpose.LIST, player.asking(query={name: word}), f"{name}={word}")


def bounds_of(player: Player, part: JobOperation, limit: str) -> list[int]:
    """The smallest and the largest page that a list may be asked for, by its schema."""
    schema = next(p.schema for p in part.operation.parameters if p.name == limit)
    shape = shape_of(player.contract.document, schema)
    told = [shape.number("minimum"), shape.number("maximum")]
    return [int(bound) for bound in told if bound is not None and 0 <= bound <= LARGEST_PAGE]


def turn_pages(player: Player, part: JobOperation, page: Exchange, query: dict[str, Any]) -> None:
    """Follow a list's cursor to its end."""
    vocabulary, names = player.contract.vocabulary, [p.name for p in part.operation.parameters]
    best = {role: vocabulary.best("paging", role, names) for role in ("after", "page", "offset")}
    seen, number = 0, 1
    for _ in range(MOST_PAGES):
        items = sightings(player.contract, page)
        seen, number = seen + len(items), number + 1
        if not is_success(player.contract, page) or not items:
            return
        more, after = page_end(player, page)
        if more is False:
            if best["after"] and not tells_next(player, part) and items[-1].id is not None:
                last = {**query, best["after"]: items[-1].id}
                player.send(part, Purpose.PAGE, player.asking(query=last), AFTER_THE_END)
            return
        if best["after"]:
            cursor = after if after is not None or tells_next(player, part) else items[-1].id
            if cursor is None:
                return
            query = {**query, best["after"]: cursor}
        elif best["page"]:
            query = {**query, best["page"]: number}
        elif best["offset"]:
            query = {**query, best["offset"]: seen}
        else:
            return
        detail = "&".join(f"{name}={value}" for name, value in query.items())
        page = player.send(part, Purpose.PAGE, player.asking(query=query), detail)


def tells_next(player: Player, part: JobOperation) -> bool:
    """Whether a list's answer is said to tell the cursor of the next page, so that none means the end."""
    shape = shape_of(player.contract.document, part.schema) if part.schema is not None else None
    shapes = [shape, *(shape_of(player.contract.document, s) for s in shape.properties.values())] if shape else []
    vocabulary = player.contract.vocabulary
    return any(s and vocabulary.best("paging", "next", list(s.properties)) is not None for s in shapes)


def page_end(player: Player, page: Exchange) -> tuple[bool | None, Any]:
    """What a page tells of the next one: whether there is one (None: not told), and its cursor."""
    vocabulary, body = player.contract.vocabulary, page.json
    places = [body, *body.values()] if isinstance(body, dict) else []
    for place in places:
        if not isinstance(place, dict):
            continue
        names = list(place)
        more = vocabulary.best("paging", "has more", names)
        after = vocabulary.best("paging", "next", names)
        last = vocabulary.best("paging", "last id", names)
        if more or after or last:
            is_more = place[more] if more and isinstance(place[more], bool) else None
            cursor = place[after] if after else place[last] if last else None
            if after and not cursor and is_more is None:
                is_more = False
            if isinstance(cursor, str) and "://" in cursor:
                known = {name: values[0] for name, values in parse_qs(parts_of(cursor).query).items()}
                name = vocabulary.best("paging", "after", list(known))
                cursor = known[name] if name else None
            return is_more, cursor
    return None, None


def adopt(player: Player, kind: Kind, part: JobOperation, listed: Exchange) -> None:
    """Without jobs of our own, read those that the list shows."""
    if kind.jobs:
        return
    for seen in sightings(player.contract, listed)[: player.options.several]:
        if isinstance(seen.id, (str, int)) and seen.id != "" and player.parts(kind, Action.RETRIEVE):
            job = Job(str(seen.id), kind.resource, part, player.pace.now())
            player.poll(job)
            look_at_finished(player, kind, job)
            reader = Kind(kind.resource, [job])
            fetch_all(player, reader)
