"""Laws of lists: each job once, in order, page by page to an end, and shown as its own retrieve shows it."""

from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from contract_tests.finding import Deviation, Severity, Unjudged
from contract_tests.history import AFTER_THE_END, NO_JSON, Exchange, History, JobStory, Purpose, Sighting
from contract_tests.laws import law
from contract_tests.laws.facts import RANK, input_names, is_scalar, same_input
from contract_tests.laws.instants import read
from contract_tests.laws.seen import (
    ABSENT,
    at,
    deviation,
    each,
    has_role,
    is_good,
    looks,
    memory,
    operations,
    part_of,
    query_of,
    role_field,
    shown,
    shows,
    value_of,
)
from contract_tests.playing.seeing import bare_id
from mockserver.jobs.lifecycle import TERMINAL, State
from mockserver.jobs.resource import Action, JobOperation

LONG_PROMPT = 20  # characters; so long a text is nobody else's
PROBES = (Purpose.UNKNOWN_ID, Purpose.NO_KEY, Purpose.BAD_KEY, Purpose.INVALID, Purpose.ODD_INPUT, Purpose.BROKEN_JSON)
NO_LIST = "no list was fetched"
SAME_IN_LISTS = ("result", "error", "completed", "created")  # roles that a list tells as a retrieve does


@dataclass(frozen=True, slots=True)
class Page:
    """One answer of a list: what stands in it, and what it tells of itself by the names in the vocabulary."""

    exchange: Exchange
    part: JobOperation
    items: tuple[Any, ...]
    holders: tuple[dict[str, Any], ...]

    @property
    def ids(self) -> list[Any]:
        """The id of each item, None where there is none."""
        pointer = self.part.view.fields["id"][0] if self.part.view and "id" in self.part.view.fields else ("id",)
        found = [at(item, pointer) for item in self.items]
        return [None if id is ABSENT else id for id in found]

    def told(self, history: History, role: str) -> Any:
        """What the page tells (has more, total, …); ABSENT where it tells nothing of it."""
        for holder in self.holders:
            name = history.contract.vocabulary.best("paging", role, list(holder))
            if name:
                return holder[name]
        return ABSENT

    def asked(self, history: History, role: str) -> str | None:
        """What the request asked for (limit, order, …)."""
        query = query_of(self.exchange)
        name = history.contract.vocabulary.best("paging", role, list(query))
        return query[name] if name else None

    def ends(self, history: History) -> bool | None:
        """Whether the page says that it is the last one; None where it says nothing."""
        more = self.told(history, "has more")
        if isinstance(more, bool):
            return not more
        pages, page = self.told(history, "pages"), self.told(history, "page number")
        if isinstance(pages, int) and isinstance(page, int):
            return page >= pages
        following = self.told(history, "next")
        if following is None or following == "":
            return True
        return None if following is ABSENT else False


@law("LST001", "A list holds each job once", Severity.SILENT, level="readable", needs=(Purpose.LIST,))
def each_once(history: History) -> Iterator[Deviation | Unjudged]:
    def check(walk: list[Page]) -> Iterator[Deviation]:
        seen: dict[Any, Page] = {}
        for page in walk:
            for id in page.ids:
                if id not in (None, "") and _hashable(id) in seen:
                    where = "twice on one page" if seen[_hashable(id)] is page else "on two pages"
                    first = seen[_hashable(id)].exchange.number
                    found = shows(history, page.exchange, f"{shown(id)} stands {where}", where)
                    numbers = tuple(dict.fromkeys((first, page.exchange.number)))
                    yield Deviation(found.message, found.operation, numbers, found.pointer, where)
                    return
                seen[_hashable(id)] = page

    return each(_walks(history), check, NO_LIST)


@law("LST002", "A list is in the order that was asked for", Severity.VIOLATION, level="readable", needs=(Purpose.LIST,))
def in_order(history: History) -> Iterator[Deviation | Unjudged]:
    def check(found: tuple[Page, str, list[float]]) -> Deviation | None:
        page, order, instants = found
        if same := _same_turned(history, page):
            message = f"the same jobs in the same order, whether {same.asked(history, 'order')} or {order} is asked for"
            return shows(history, page.exchange, message, "ignored")
        rising = order == "asc"
        if all((a <= b) if rising else (a >= b) for a, b in pairwise(instants)):
            return None
        asked = page.asked(history, "order")
        words = f"asked for was {asked}" if asked else f"declared is {order} where nothing is asked for"
        return shows(history, page.exchange, f"jobs are not in order of creation; {words}", order)

    known = [
        (p, order, times)
        for p in _pages(history)
        if (order := _order(history, p)) and (len(set(times := _created(p))) > 1 or _same_turned(history, p))
    ]
    return each(known, check, "no list of jobs that were created one after the other was fetched in a known order")


@law("LST003", "A list holds no more than was asked for", Severity.VIOLATION, level="readable", needs=(Purpose.LIST,))
def limit_is_honoured(history: History) -> Iterator[Deviation | Unjudged]:
    def check(found: tuple[Page, int]) -> Deviation | None:
        page, limit = found
        if len(page.items) > limit:
            return shows(history, page.exchange, f"{len(page.items)} jobs, asked for were {limit}", "limit")
        return None

    limited = [(p, int(limit)) for p in _pages(history) if (limit := p.asked(history, "limit")) and limit.isdigit()]
    return each([found for found in limited if found[1]], check, "no list was asked for with a limit")


@law("LST004", "The pages of a list come to an end", Severity.BREAKS, level="readable", needs=(Purpose.LIST,))
def pages_end(history: History) -> Iterator[Deviation | Unjudged]:
    def check(walk: list[Page]) -> Deviation | None:
        last = walk[-1]
        if last.ends(history) is False and not last.items:
            return shows(history, last.exchange, "an empty page says that there is more", "empty")
        total = last.told(history, "total")
        if last.ends(history) is False and isinstance(total, int) and 0 < total <= sum(len(p.items) for p in walk):
            return shows(history, last.exchange, "the last page says that there is more", "last")
        known = _must_hold(history, walk[0].exchange)
        limit = last.asked(history, "limit")
        held = {_hashable(id) for page in walk for id in page.ids}
        is_short = limit is not None and limit.isdigit() and len(last.items) < int(limit)
        if last.ends(history) is False and is_short and known and known <= held:
            message = f"a page for {limit} jobs holds {len(last.items)}, and says that there is more"
            return shows(history, last.exchange, message, "short")
        return None

    told = [w for w in _walks(history) if w[-1].ends(history) is not None and w[-1].asked(history, "limit") != "0"]
    return each(told, check, "no list tells whether there is more")


@law("LST005", "A list holds what was created", Severity.SILENT, level="readable", needs=(Purpose.LIST, Purpose.CREATE))
def created_is_listed(history: History) -> Iterator[Deviation | Unjudged]:
    def check(walk: list[Page]) -> Iterator[Deviation]:
        held = {str(id) for page in walk for id in page.ids}
        missing = [id for id in sorted(_must_hold(history, walk[0].exchange)) if not any(id in one for one in held)]
        if missing:
            message = f"{len(missing)} of {len(held) + len(missing)} jobs are missing ({shown(missing[0])})"
            yield shows(history, walk[-1].exchange, message, "missing")

    whole = [w for w in _walks(history) if _is_whole(history, w) and _must_hold(history, w[0].exchange)]
    return each(whole, check, "no list was fetched to its end after a job had been created")


@law("LST006", "The total that a list tells is right", Severity.VIOLATION, needs=(Purpose.LIST,))
def total_is_right(history: History) -> Iterator[Deviation | Unjudged]:
    def check(found: tuple[list[Page], int]) -> Deviation | None:
        walk, total = found
        count = len({_hashable(id) for page in walk for id in page.ids})
        last, limit = walk[-1], walk[-1].asked(history, "limit")
        is_end = last.ends(history) is True or (limit is not None and limit.isdigit() and len(last.items) < int(limit))
        if total < count or (_is_whole(history, walk) and total > count and is_end):
            return shows(history, walk[-1].exchange, f"the total is {total}, the list holds {count}", "total")
        return None

    totals = [(walk, walk[-1].told(history, "total")) for walk in _walks(history)]
    known = [(walk, total) for walk, total in totals if isinstance(total, int) and not isinstance(total, bool)]
    return each(known, check, "no list tells a total")


@law("LST007", "The ends that a page tells are those that it has", Severity.BREAKS, needs=(Purpose.LIST,))
def ends_are_right(history: History) -> Iterator[Deviation | Unjudged]:
    def check(page: Page) -> Iterator[Deviation]:
        for role, index in (("first id", 0), ("last id", -1)):
            told = page.told(history, role)
            if told is not ABSENT and told != page.ids[index]:
                message = f"the {role} is {shown(told)}, the page has {shown(page.ids[index])} there"
                yield shows(history, page.exchange, message, role)

    told = [p for p in _pages(history) if p.items and p.told(history, "last id") is not ABSENT]
    return each(told, check, "no list tells the ids at its ends")


@law(
    "LST008",
    "A list shows a job as far as its own answers do",
    Severity.SILENT,
    level="readable",
    needs=(Purpose.LIST, Purpose.POLL),
)
def list_is_up_to_date(history: History) -> Iterator[Deviation | Unjudged]:
    def check(pair: tuple[Sighting, Sighting]) -> Deviation | None:
        before, listed = pair
        lags = before.state in TERMINAL and listed.state is not before.state and listed.state is not State.EXPIRED
        falls = before.state in RANK and listed.state in RANK and RANK[listed.state] < RANK[before.state]
        if lags or falls:
            message = f"the list says {shown(listed.word)}, the job had said {shown(before.word)}"
            return deviation(history, listed, message, "status", before.exchange)
        return None

    return each(_listed_after(history), check, "no job was listed after it had been polled")


@law(
    "LST009", "A list tells of a job what its own answers tell", Severity.VIOLATION, needs=(Purpose.LIST, Purpose.POLL)
)
def list_tells_the_same(history: History) -> Iterator[Deviation | Unjudged]:
    def check(pair: tuple[Sighting, Sighting]) -> Iterator[Deviation]:
        before, listed = pair
        for role in SAME_IN_LISTS:
            if not (has_role(before, role) and has_role(listed, role)) or before.state is not listed.state:
                continue
            own, told = value_of(before, role), value_of(listed, role)
            if own == told or (_nothing(own) and _nothing(told)):
                continue
            same_instant = read(own), read(told)
            is_same = all(same_instant) and abs(same_instant[0].at - same_instant[1].at) <= 1  # type: ignore[union-attr]
            is_there = not _nothing(own) and not _nothing(told) and role in ("result", "error")
            if not is_same and not is_there:
                shown_as = ["nothing" if _nothing(value) else shown(value) for value in (told, own)]
                message = (
                    f"`{role_field(listed, role)}` is {shown_as[0]} in the list, {shown_as[1]} in the job's own answer"
                )
                yield deviation(history, listed, message, role, before.exchange)
        for name in input_names(history, _story_of(history, before)):
            own, told = at(before.body, (name,)), at(listed.body, (name,))
            if is_scalar(own) and is_scalar(told) and not same_input(own, told):
                message = f"`{name}` is {shown(told)} in the list, {shown(own)} in the job's own answer"
                yield deviation(history, listed, message, name, before.exchange)

    return each(_listed_after(history), check, "no job was listed after it had been polled")


@law("LST012", "A page tells what was asked for", Severity.VIOLATION, needs=(Purpose.LIST,))
def page_tells_what_was_asked(history: History) -> Iterator[Deviation | Unjudged]:
    """Where a page tells its number and its size: those of the request, if that names them."""

    def check(found: tuple[Page, str, int, int]) -> Deviation | None:
        page, role, told, asked = found
        if told == asked:
            return None
        return shows(history, page.exchange, f"the {role} is {told}, asked for was {asked}", role)

    told = [
        (page, role, value, int(asked))
        for page in _pages(history)
        for role, parameter in (("page number", "page"), ("page size", "limit"))
        if isinstance(value := page.told(history, role), int) and not isinstance(value, bool)
        if (asked := page.asked(history, parameter)) and asked.isdigit()
    ]
    return each(told, check, "no page tells its number or its size")


@law("LST013", "A list holds no job that nobody created", Severity.WARNING, needs=(Purpose.LIST, Purpose.CREATE))
def nothing_is_doubled(history: History) -> Iterator[Deviation | Unjudged]:
    """A job that came beside ours, with its prompt, was made by the same request, and costs as much.

    Or somebody else has the service checked with this key at this time, so that it is but a warning.
    """
    creates = history.of(Purpose.CREATE, Purpose.FOLLOW_UP)
    first = creates[0].number
    mine, prompts = {s.id for s in history.jobs}, {_prompt_of(history, story.inputs) for story in history.jobs} - {""}
    known = {str(id) for page in _pages(history) for id in page.ids if page.exchange.number < first}
    begun = min(
        (c.at for s in history.jobs for look in looks(s)[:1] if (c := read(value_of(look, "created")))), default=None
    )

    def check(page: Page) -> Deviation | None:
        for item, id in zip(page.items, page.ids, strict=True):
            is_new = id is not None and str(id) not in known and str(_bare(history, page, id)) not in mine
            is_ours = begun is not None and _created_at(page, item) >= begun - 1
            if is_new and is_ours and _prompt_of(history, item) in prompts:
                message = f"{shown(id)} has a prompt that was sent once, for another job"
                return shows(history, page.exchange, message, "twice")
        return None

    # What should be refused may be taken, and a create that got no answer may have made a job.
    until = min((e.number for e in history.of(*PROBES) if e.number > first), default=1 << 62)
    is_sure = all(0 < e.status < 500 for e in creates)
    after = [p for p in _pages(history) if first < p.exchange.number < until and is_sure]
    told = [p for p in after if any(_prompt_of(history, item) for item in p.items)]
    return each(told, check, "no list tells what its jobs were asked for, or a create was not answered")


@law("LST015", "A list of jobs in one state holds no others", Severity.SILENT, needs=(Purpose.LIST,))
def filter_is_honoured(history: History) -> Iterator[Deviation | Unjudged]:
    def check(found: tuple[Page, str]) -> Deviation | None:
        page, wanted = found
        words = [_word_of(page, item) for item in page.items]
        other = next((word for word in words if isinstance(word, str) and word != wanted), None)
        if other is not None:
            return shows(
                history, page.exchange, f"asked for were jobs that are {shown(wanted)}, one is {shown(other)}", "other"
            )
        if not page.items and _is_known_in(history, page, wanted):
            return shows(history, page.exchange, f"no job is {shown(wanted)}, though one was seen so", "empty")
        return None

    filtered = [(p, w) for p in _pages(history) if (w := _filter_of(history, p)) in _status_words(history, p)]
    return each(filtered, check, "no list was asked for the jobs in one state")


@law("LST014", "After the last job of a list there is none", Severity.BREAKS, needs=(Purpose.LIST,))
def nothing_comes_after_the_end(history: History) -> Iterator[Deviation | Unjudged]:
    def check(page: Page) -> Deviation | None:
        before = [p for p in _pages(history) if p.exchange.number < page.exchange.number]
        again = {str(id) for id in page.ids if id not in (None, "")} & {str(id) for p in before for id in p.ids}
        if again:
            message = f"{len(again)} jobs that had been listed come again after the last one"
            return shows(history, page.exchange, message, "again")
        return None

    return each([p for p in _pages(history) if p.exchange.detail == AFTER_THE_END], check, "no list told its end")


@law(
    "LST010",
    "A page that was asked for by a cursor is the next one",
    Severity.BREAKS,
    level="readable",
    needs=(Purpose.PAGE,),
)
def cursor_is_honoured(history: History) -> Iterator[Deviation | Unjudged]:
    def check(walk: list[Page]) -> Iterator[Deviation]:
        for before, after in pairwise(walk):
            is_same = before.ids[:1] == after.ids[:1] and before.ids[:1] not in ([], [None], [""])
            if is_same and before.exchange.url != after.exchange.url:
                yield shows(history, after.exchange, "the page after a cursor begins like the page before it", "cursor")
                return

    return each([walk for walk in _walks(history) if len(walk) > 1], check, "no list had a second page")


@law(
    "LST011",
    "A page says that there is more only where there is",
    Severity.VIOLATION,
    needs=(Purpose.LIST, Purpose.CREATE),
)
def more_is_told(history: History) -> Iterator[Deviation | Unjudged]:
    def check(found: tuple[Page, set[str]]) -> Deviation | None:
        page, known = found
        held = {str(id) for id in page.ids}
        missing = [id for id in known if not any(id in one for one in held)]
        if missing and page.ends(history) is True:
            return shows(
                history,
                page.exchange,
                f"{len(missing)} more jobs were created, and the page says it is the last",
                "more",
            )
        return None

    firsts = [(walk[0], _must_hold(history, walk[0].exchange)) for walk in _walks(history)]
    told = [(p, known) for p, known in firsts if p.ends(history) is not None and len(known) > len(p.items) > 0]
    yield from each(told, check, "no list was cut off by a limit, or lists do not tell whether there is more")
    for before, after in (pair for walk in _walks(history) for pair in pairwise(walk)):
        is_told_twice = after.ends(history) is False  # which another law speaks of
        if before.told(history, "has more") is True and before.items and not after.items and not is_told_twice:
            message = "a page says that there is more, and the next one is empty"
            yield shows(history, after.exchange, message, "empty")


# -- what the laws have in common -------------------------------------------------------------------


def _pages(history: History) -> list[Page]:
    known = memory(history)
    if "pages" not in known:
        known["pages"] = [
            p for e in history.of(Purpose.LIST, Purpose.PAGE, Purpose.AFTER_DELETE) if (p := page_of(history, e))
        ]
    pages: list[Page] = known["pages"]
    return pages


def page_of(history: History, exchange: Exchange) -> Page | None:
    """An answer as a page of a list; None for what is none."""
    part, body = part_of(history, exchange), exchange.json
    if part is None or part.action is not Action.LIST or part.view is None or body is NO_JSON:
        return None
    if not is_good(history, exchange) or exchange.method != "GET":
        return None
    pointer = part.view.pointer
    items = at(body, pointer[:-1] if pointer[-1:] == ("*",) else pointer)
    if not isinstance(items, list):
        return None
    holders = [value for i in range(len(pointer)) if isinstance(value := at(body, pointer[:i]), dict)]
    return Page(exchange, part, tuple(items), tuple(reversed(holders)))


def _walks(history: History) -> list[list[Page]]:
    """Lists with their further pages, in order."""
    walks: list[list[Page]] = []
    for page in (p for p in _pages(history) if not _filter_of(history, p)):  # which are no wholes
        if page.exchange.purpose != Purpose.PAGE or not walks:
            walks.append([page])
        else:
            walks[-1].append(page)
    return walks


def _is_whole(history: History, walk: list[Page]) -> bool:
    """Whether a walk went through all of a list: its last page says so, or was not full, or nothing can be cut off."""
    last = walk[-1]
    if (
        walk[0].asked(history, "after")
        or walk[0].asked(history, "offset")
        or walk[0].asked(history, "page") not in (None, "1", "0")
    ):
        return False
    ends = last.ends(history)
    if ends is not None:
        return ends
    limit = last.asked(history, "limit")
    if limit is not None and limit.isdigit():
        return len(last.items) < int(limit)
    operation = operations(history).get(last.exchange.operation)
    names = [p.name for p in operation.parameters] if operation else []
    return not any(
        history.contract.vocabulary.best("paging", role, names) for role in ("limit", "after", "page", "offset")
    )


def _must_hold(history: History, exchange: Exchange) -> set[str]:
    """The ids that a list must hold: created before it, read by their own answers, and not deleted before it."""
    deleted = {e.job for e in history.of(Purpose.DELETE) if e.number < exchange.number}
    part = part_of(history, exchange)
    return {
        story.id
        for story in history.jobs
        if story.id
        and part in story.resource.operations
        and story.created_by.number < exchange.number
        and is_good(history, story.created_by)
        and story.id not in deleted
        and _is_seen(story)
    }


def _is_seen(story: JobStory) -> bool:
    return any(s.part.action is Action.RETRIEVE for s in story.sightings)


def _listed_after(history: History) -> list[tuple[Sighting, Sighting]]:
    """How a job was last shown by itself, and how a list showed it next."""
    found = []
    for story in history.jobs:
        own = [s for s in looks(story) if s.state]
        numbers = [s.exchange.number for s in own]
        for listed in story.sightings:
            earlier = bisect_left(numbers, listed.exchange.number)
            if listed.part.action is Action.LIST and listed.state and earlier:
                found.append((own[earlier - 1], listed))
    return found


def _created(page: Page) -> list[float]:
    pointers = page.part.view.fields.get("created", ()) if page.part.view else ()
    found = [read(at(item, pointers[0])) if pointers and isinstance(item, dict) else None for item in page.items]
    return [instant.at for instant in found if instant]


def _order(history: History, page: Page) -> str:
    """`asc` or `desc`: as was asked for, else as the contract declares; '' where nobody says."""
    operation = operations(history).get(page.exchange.operation)
    names = [p.name for p in operation.parameters if p.place == "query"] if operation else []
    name = history.contract.vocabulary.best("paging", "order", names)
    parameter = next((p for p in operation.parameters if p.name == name), None) if operation and name else None
    text = page.asked(history, "order") or (parameter.schema.get("default") if parameter else None)
    text = str(text or "").lower()
    return "asc" if text in ("asc", "ascending") else "desc" if text in ("desc", "descending") else ""


def _filter_of(history: History, page: Page) -> str:
    """The status that a list was asked for; '' for none."""
    query = query_of(page.exchange)
    name = history.contract.vocabulary.best("roles", "status", list(query))
    return query[name] if name else ""


def _status_words(history: History, page: Page) -> set[str]:
    """The words of a status that a list's items may have; a filter may have others (`all`)."""
    resource = next(r for r in history.contract.resources if page.part in r.operations)
    views = [page.part.view] if page.part.view else []
    words = [*resource.words.values(), *(w for v in views for w in v.words.values())]
    words += [word for view in views for each_word in view.phases.values() for word in each_word]
    return {word for word in words if isinstance(word, str)}


def _word_of(page: Page, item: Any) -> Any:
    pointers = page.part.view.fields.get("status", ()) if page.part.view else ()
    return at(item, pointers[0]) if pointers and isinstance(item, dict) else ABSENT


def _is_known_in(history: History, page: Page, word: str) -> bool:
    """Whether a job was last seen with a status before a list, and so again after it."""
    number = page.exchange.number
    for story in history.jobs:
        seen = [s for s in looks(story) if page.part in story.resource.operations]
        before = [s.word for s in seen if s.exchange.number < number][-1:]
        after = [s.word for s in seen if s.exchange.number > number][:1]
        if before == [word] == after:
            return True
    return False


def _prompt_of(history: History, fields: Any) -> str:
    """The prompt among the fields of a request or of a job, if it is long enough."""
    name = history.contract.vocabulary.best("inputs", "prompt", list(fields)) if isinstance(fields, dict) else None
    text = fields[name] if name else None
    return text if isinstance(text, str) and len(text) >= LONG_PROMPT else ""


def _created_at(page: Page, item: Any) -> float:
    """When an item of a list was created, by what it says; 0 where it says nothing."""
    pointers = page.part.view.fields.get("created", ()) if page.part.view else ()
    created = read(at(item, pointers[0])) if pointers and isinstance(item, dict) else None
    return created.at if created else 0.0


def _bare(history: History, page: Page, id: Any) -> Any:
    """An id of a list's item, without the resource name that answers may write it in."""
    resource = next((r for r in history.contract.resources if page.part in r.operations), None)
    return bare_id(resource, id) if resource else id


def _story_of(history: History, sighting: Sighting) -> JobStory:
    return next(story for story in history.jobs if sighting in story.sightings)


def _nothing(value: Any) -> bool:
    return value is ABSENT or value in (None, "", [], {})


def _same_turned(history: History, page: Page) -> Page | None:
    """The list that was asked for in the other order, if it holds several jobs, and in just this order."""
    order = page.asked(history, "order")
    for other in _pages(history) if order and len(set(map(str, page.ids))) > 1 else ():
        is_turned = {order, other.asked(history, "order")} in ({"asc", "desc"}, {"ascending", "descending"})
        if is_turned and other.exchange.number < page.exchange.number and other.ids == page.ids:
            return other
    return None


def _hashable(id: Any) -> Any:
    return id if isinstance(id, (str, int, type(None))) else str(id)
