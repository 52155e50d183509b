"""Laws of results: there when success is claimed, as declared and as asked for, playable, served as HTTP has it."""

import re
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from math import gcd
from typing import Any
from urllib.parse import urlsplit

from contract_tests.finding import Deviation, Severity, Unjudged
from contract_tests.history import ANOTHER_TAG, Exchange, History, JobStory, Purpose, Sighting
from contract_tests.laws import law
from contract_tests.laws.facts import RANK
from contract_tests.laws.seen import (
    ABSENT,
    came_too_often,
    declared_media,
    declared_status,
    deviation,
    each,
    field_shape,
    has_role,
    is_good,
    looks,
    operations,
    part_of,
    polls,
    query_of,
    role_field,
    shown,
    shows,
    status_of,
    value_of,
)
from contract_tests.media import KNOWN, Medium, read_medium
from mockserver.jobs.lifecycle import State
from mockserver.jobs.resource import Action
from mockserver.jobs.vocabulary import Vocabulary
from mockserver.openapi.schema import Shape, shape_of

LEVELS = 3  # of a result's schema that are looked through for links
# What formats of results are called in requests, and what their bytes are.
FORMATS = {
    "png": "image/png", "jpeg": "image/jpeg", "jpg": "image/jpeg", "webp": "image/webp", "gif": "image/gif",
    "mp4": "video/mp4", "mov": "video/quicktime", "webm": "video/webm",
    "mp3": "audio/mpeg", "wav": "audio/wav", "ogg": "audio/ogg", "flac": "audio/flac",
}  # fmt: skip
NOT_NOW = (400, 409, 422, 425)  # statuses by which services say "not yet"
NO_RESULT = "no result was fetched"
LENGTH_TOLERANCE = 0.1  # of what was asked for; encoders end on a whole frame, services on a whole second
_SIZE = re.compile(r"(\d{2,5})\s*[xX×*]\s*(\d{2,5})")
_TAG = re.compile(r'(W/)?"[^"]*"')  # RFC 9110, 8.8.3
_RATIO = re.compile(r"(\d{1,2}):(\d{1,2})")
_SAME_KIND = ({"video/mp4", "video/quicktime", "audio/mp4", "audio/m4a", "audio/x-m4a", "video/x-m4v"},
              {"audio/wav", "audio/x-wav", "audio/wave", "audio/vnd.wave"}, {"audio/mpeg", "audio/mp3"},
              {"video/webm", "audio/webm", "video/x-matroska"}, {"audio/ogg", "video/ogg", "application/ogg"},
              {"image/jpeg", "image/jpg"}, {"text/html", "application/xhtml+xml", "application/xml", "text/xml",
                                            "image/svg+xml"})  # fmt: skip


@law("RES001", "A job that has succeeded holds its result", Severity.SILENT, level="working")
def result_is_held(history: History) -> Iterator[Deviation | Unjudged]:
    def check(sighting: Sighting) -> Deviation | None:
        value = value_of(sighting, "result")
        texts = list(_texts(value))
        if _holds_links(history, sighting):
            texts = [*_links(history.contract.vocabulary, value), *(t for t in texts if "://" in t or t[:5] == "data:")]
        else:
            texts = texts or ["data"] * isinstance(value, (list, dict))  # what is no link may be empty
        is_data = value not in (ABSENT, None, "", [], {}) and not isinstance(value, (list, dict))
        if texts or is_data:
            return None
        found = "is not there" if value is ABSENT else f"is {shown(value)}"
        message = f"the status is {shown(sighting.word)} and `{role_field(sighting, 'result')}` {found}"
        return deviation(history, sighting, message, "result")

    done = [s for story in history.jobs for s in polls(story) if s.state is State.SUCCEEDED and has_role(s, "result")]
    return each(done, check, "no job succeeded, or jobs hold no result")


@law("RES002", "The link to a result is one that can be followed", Severity.BREAKS, level="working")
def link_is_whole(history: History) -> Iterator[Deviation | Unjudged]:
    def check(found: tuple[Sighting, str]) -> Deviation | None:
        sighting, link = found
        parts = urlsplit(link) if link.isascii() and not re.search(r"[\s[\]]", link) else None
        if link.startswith("data:") or (parts and parts.scheme and parts.netloc.strip(".")):
            return None
        return deviation(history, sighting, f"the link to the result is {shown(link)}", "result", cause="link")

    links = [
        (sighting, link)
        for story in history.jobs
        for sighting in story.sightings
        if sighting.state is State.SUCCEEDED and _holds_links(history, sighting)
        for link in _links(history.contract.vocabulary, value_of(sighting, "result"))
    ]
    return each(links, check, "no job that succeeded held a link")


@law(
    "RES003",
    "The result of a job that has succeeded can be fetched",
    Severity.BREAKS,
    level="working",
    needs=(Purpose.FETCH,),
)
def result_is_served(history: History) -> Iterator[Deviation | Unjudged]:
    def check(fetch: Exchange) -> Deviation | None:
        status = status_of(history, fetch)
        if status >= 400:
            return shows(history, fetch, f"the job has succeeded and its result was answered {status}", str(status))
        return None

    usable = [e for e in history.of(Purpose.FETCH) if not came_too_often(history, e) and _had_succeeded(history, e)]
    return each(usable, check, NO_RESULT)


@law("RES004", "The link to a result leads to it", Severity.BREAKS, level="working", needs=(Purpose.LINK,))
def link_leads_somewhere(history: History) -> Iterator[Deviation | Unjudged]:
    with_key = {e.url for e in history.of(Purpose.LINK) if 200 <= e.status < 300}

    def check(link: Exchange) -> Deviation | None:
        told = " without the key" if link.url in with_key else ""
        if link.status >= 400:
            return shows(history, link, f"the link to the result was answered {link.status}{told}", str(link.status))
        return None

    for broken in history.of(Purpose.LINK):
        if not broken.status and "complete message body" in broken.problem:
            message = f"what the link to the result leads to breaks off: {broken.problem}"
            yield shows(history, broken, message, "broken off")
    plain = [e for e in history.of(Purpose.LINK) if e.status not in (0, 429) and _asks_for_all(e)]
    yield from each(plain, check, "no link to a result could be followed from here")
    for part in history.of(Purpose.LINK):
        if part.method == "GET" and part.status in (404, 410) and part.url in with_key and not _asks_for_all(part):
            yield shows(history, part, f"the link was served once, then answered {part.status}", "once")


@law("RES005", "A result has the media type that is declared", Severity.VIOLATION, needs=(Purpose.FETCH,))
def type_is_declared(history: History) -> Iterator[Deviation | Unjudged]:
    def check(fetch: Exchange) -> Deviation | None:
        part, operation = part_of(history, fetch), operations(history).get(fetch.operation)
        answer = operation.answer_for(status_of(history, fetch)) if operation else None
        if fetch.redirects or answer is None or not answer.content:
            return None  # what another host answers is its own affair
        if declared_media(answer, fetch.media_type) is None:
            told = ", ".join(answer.content)
            return shows(
                history, fetch, f"the result is labelled {shown(fetch.media_type)}, declared is {told}", "label"
            )
        variant = query_of(fetch).get(part.variant_parameter, "") if part else ""
        wanted = part.variants.get(variant) if part else None
        if wanted and fetch.media_type != wanted:
            kind = shown(fetch.media_type)
            message = f"the variant {shown(variant)} is labelled {kind}; of the declared types its name tells {wanted}"
            return shows(history, fetch, message, "variant")
        return None

    return each(_fetched(history), check, NO_RESULT)


@law("RES006", "A result is a whole file of the kind that it is labelled as", Severity.SILENT, level="working")
def file_is_whole(history: History) -> Iterator[Deviation | Unjudged]:
    def check(fetch: Exchange) -> Deviation | None:
        medium = read_medium(fetch.body)
        if medium is None and fetch.media_type in KNOWN:
            start = fetch.body[:12].hex(" ")
            message = f"the result is labelled {shown(fetch.media_type)}; no such file begins with {start}"
            return shows(history, fetch, message, "kind")
        if medium is None or (not fetch.body and fetch.size):
            return None
        if not medium.kind or not _is_kind(medium.kind, fetch.media_type):
            found = medium.problem or f"these bytes are {medium.kind}"
            return shows(history, fetch, f"the result is labelled {shown(fetch.media_type)}; {found}", "kind")
        if medium.problem and not fetch.is_cut:
            return shows(history, fetch, medium.problem, "whole")
        return None

    return each(_media(history), check, NO_RESULT)


@law("RES007", "A result is as long as was asked for", Severity.SILENT)
def length_is_right(history: History) -> Iterator[Deviation | Unjudged]:
    def check(found: tuple[Exchange, float, float]) -> Deviation | None:
        fetch, wanted, seconds = found
        if abs(seconds - wanted) > max(0.5, wanted * LENGTH_TOLERANCE):
            return shows(history, fetch, f"the file plays for {seconds:.1f} s, asked for were {wanted:g} s", "length")
        return None

    told = [(fetch, wanted, medium.seconds) for fetch, medium, wanted in _asked(history, "length", _seconds)]
    known = [(fetch, float(wanted), seconds) for fetch, wanted, seconds in told if seconds]
    return each(known, check, "no file was fetched whose length was asked for and can be read")


@law("RES008", "A result is as large as was asked for", Severity.SILENT)
def size_is_right(history: History) -> Iterator[Deviation | Unjudged]:
    def check(found: tuple[Exchange, tuple[int, int, bool], Medium]) -> Deviation | None:
        fetch, (width, height, is_ratio), medium = found
        real = (medium.width or 0, medium.height or 0)
        fits = (
            abs(real[0] * height - real[1] * width) <= 0.05 * real[1] * width if is_ratio else real == (width, height)
        )
        sign = ":" if is_ratio else "x"
        message = f"the file is {real[0]}x{real[1]}, asked for was {width}{sign}{height}"
        return None if fits else shows(history, fetch, message, "size")

    sizes = [*_asked(history, "size", _size), *_asked_sides(history)]
    known = [(fetch, size, medium) for fetch, medium, size in sizes if medium.width]
    return each(known, check, "no file was fetched whose size was asked for and can be read")


@law("RES017", "A result has the format that was asked for", Severity.SILENT)
def format_is_right(history: History) -> Iterator[Deviation | Unjudged]:
    def check(found: tuple[Exchange, Medium, str]) -> Deviation | None:
        fetch, medium, wanted = found
        if medium.kind and not _is_kind(medium.kind, FORMATS[wanted]) and _may_be_sent(history, fetch, FORMATS[wanted]):
            return shows(history, fetch, f"these bytes are {medium.kind}, asked for was {wanted}", "format")
        return None

    known = list(_asked(history, "format", lambda value: str(value).lower() if str(value).lower() in FORMATS else None))
    return each(known, check, "no file was fetched whose format was asked for")


@law("RES009", "A result is refused before it is there", Severity.SILENT, level="working", needs=(Purpose.FETCH_EARLY,))
def early_is_refused(history: History) -> Iterator[Deviation | Unjudged]:
    def check(fetch: Exchange) -> Deviation | None:
        if status_of(history, fetch) < 300:
            what = f"{fetch.status} ({shown(fetch.media_type)}, {fetch.size} bytes)"
            message = f"the result was answered {what} before the job had ended"
            return shows(history, fetch, message, "early")
        return None

    return each(_early(history), check, "no result was asked for before the job had ended")


@law("RES010", "What is not ready is refused as the contract has it", Severity.VIOLATION, needs=(Purpose.FETCH_EARLY,))
def early_is_refused_as_declared(history: History) -> Iterator[Deviation | Unjudged]:
    named = declared_status(history, "not_ready")
    kinds = history.contract.refusals.kinds

    def wanted_for(fetch: Exchange) -> int | None:
        operation = operations(history).get(fetch.operation)
        numbers = [int(a.status) for a in operation.answers if a.status in ("409", "425")] if operation else []
        return named or next(iter(numbers), None)

    def check(fetch: Exchange) -> Deviation | None:
        status, wanted = status_of(history, fetch), wanted_for(fetch)
        if 400 <= status < 500 and status != wanted:
            is_mixed = "not_found" in kinds(status, fetch.json)
            told = " as if the job were unknown" if is_mixed else ""
            message = f"what is not ready was answered {status}{told}, the contract says {wanted}"
            found = shows(history, fetch, message, str(status))
            # Another status that HTTP has for this, and that the operation declares too, misleads nobody.
            return found if is_mixed or status not in NOT_NOW else replace(found, severity=Severity.NOTE)
        return None

    usable = [e for e in _early(history) if wanted_for(e)]
    return each(usable, check, "no result was asked for early, or no status is declared for that")


@law(
    "RES011",
    "A part of a result can be fetched where that is offered",
    Severity.VIOLATION,
    needs=(Purpose.FETCH_RANGE,),
)
def range_is_honoured(history: History) -> Iterator[Deviation | Unjudged]:
    def check(found: tuple[Exchange, Exchange | None]) -> Iterator[Deviation]:
        part, whole = found
        if part.status in (200, 203):
            yield shows(history, part, f"a part was asked for and the whole was sent ({part.status})", "ignored")
        elif part.status == 206:
            span = re.fullmatch(r"bytes (\d+)-(\d+)/(\d+|\*)", part.header("content-range") or "")
            if span is None and part.media_type != "multipart/byteranges":
                yield shows(history, part, f"Content-Range is {shown(part.header('content-range'))}", "content-range")
            elif span and not part.is_cut:
                first, last = int(span[1]), int(span[2])
                asked = _first_asked(part, whole)
                if asked is not None and first != asked and first <= last:
                    yield shows(history, part, f"the part begins at {first}, asked for was {asked}", "place")
                if last - first + 1 != part.size:
                    yield shows(history, part, f"Content-Range says {span[0]}, sent were {part.size} bytes", "length")
                elif whole and not whole.is_cut and part.body != whole.body[first : last + 1]:
                    yield shows(history, part, "the part is not the same bytes as in the whole", "bytes")
                elif whole and not whole.is_cut and span[3] not in ("*", str(whole.size)):
                    yield shows(
                        history, part, f"Content-Range says {span[0]}, the whole has {whole.size} bytes", "total"
                    )
        elif part.status != 416 and part.status >= 400 and not came_too_often(history, part):
            yield shows(history, part, f"a part was asked for and answered {part.status}", str(part.status))

    wholes = {e.job: e for e in history.of(Purpose.FETCH) if is_good(history, e) and not query_of(e)}
    offered = [(e, wholes.get(e.job)) for e in history.of(Purpose.FETCH_RANGE) if _offers_parts(history, e)]
    return each(
        [(e, w) for e, w in offered if e.status], check, "no part was asked for of a result that is offered in parts"
    )


@law("RES012", "HEAD of a result tells what GET sends", Severity.VIOLATION, needs=(Purpose.FETCH_HEAD,))
def head_matches_get(history: History) -> Iterator[Deviation | Unjudged]:
    return each(_heads(history, Purpose.FETCH_HEAD), lambda pair: head_differs(history, *pair), "HEAD was not tried")


@law("RES013", "A result that the client has is not sent again", Severity.VIOLATION, needs=(Purpose.FETCH_CONDITIONAL,))
def condition_is_honoured(history: History) -> Iterator[Deviation | Unjudged]:
    def check(again: Exchange) -> Deviation | None:
        sent = next((v for k, v in again.request_headers if k.lower() == "if-none-match"), "")
        if again.status == 200 and again.header("etag") in (sent, None):
            return shows(history, again, f"If-None-Match was {shown(sent)}, and the whole was sent", "sent again")
        if again.status == 304 and again.detail == ANOTHER_TAG:
            return shows(
                history, again, f"If-None-Match was {shown(sent)}, which is another tag, and 304 came", "other"
            )
        if again.detail == ANOTHER_TAG:
            return None
        if again.status == 304 and again.body:
            return shows(history, again, "304 came with a body", "body")
        return None

    return each(history.of(Purpose.FETCH_CONDITIONAL), check, "the result has no entity tag")


@law("RES014", "The entity tag of a result that does not change stays the same", Severity.WARNING)
def tag_stays(history: History) -> Iterator[Deviation | Unjudged]:
    def check(pair: tuple[Exchange, Exchange]) -> Deviation | None:
        before, after = pair
        tag = after.header("etag") or ""
        if tag and not _TAG.fullmatch(tag):
            return shows(history, after, f"the entity tag is {shown(tag)}, expected one in quotes", "quotes")
        same = after.status in (206, 304) or before.body == after.body or not after.body
        if same and before.header("etag") != after.header("etag") and after.header("etag"):
            message = f"the entity tag was {shown(before.header('etag'))}, then {shown(after.header('etag'))}"
            return shows(history, after, message, "etag")
        return None

    purposes = (Purpose.FETCH, Purpose.FETCH_HEAD, Purpose.FETCH_RANGE, Purpose.FETCH_CONDITIONAL)
    tagged: dict[tuple[str, str], list[Exchange]] = {}
    for fetch in history.of(*purposes):
        if fetch.header("etag") and fetch.status in (200, 206, 304):
            tagged.setdefault((fetch.job, fetch.url), []).append(fetch)
    return each(
        (p for found in tagged.values() for p in pairwise(found)), check, "no result was asked for twice with a tag"
    )


@law("RES015", "HEAD is served where GET is", Severity.WARNING)
def head_is_served(history: History) -> Iterator[Deviation | Unjudged]:
    def check(head: Exchange) -> Deviation | None:
        if head.status in (405, 501, 404):
            found = shows(history, head, f"HEAD was answered {head.status} where GET is served", str(head.status))
            is_told = head.status == 405 and "GET" in (head.header("allow") or "")  # a client can know what there is
            return replace(found, severity=Severity.NOTE) if is_told else found
        return None

    pairs = [*_heads(history, Purpose.FETCH_HEAD, any_status=True), *_heads(history, Purpose.HEAD, any_status=True)]
    return each([head for head, _ in pairs], check, "HEAD was not tried where GET is served")


@law("RES016", "A job that did not succeed has no result to fetch", Severity.SILENT)
def failed_has_no_result(history: History) -> Iterator[Deviation | Unjudged]:
    def check(fetch: Exchange) -> Deviation | None:
        if status_of(history, fetch) < 300:
            return shows(history, fetch, f"the job had failed and its result was answered {fetch.status}", "served")
        return None

    bad = (State.FAILED, State.CANCELLED)
    asked = [e for e in history.of(Purpose.FETCH_EARLY, Purpose.FETCH) if not came_too_often(history, e)]
    failed = [e for e in asked if (before := _around(history, e)[0]) and before.state in bad]
    return each(failed, check, "no result of a job that failed was asked for")


# -- what the laws have in common -------------------------------------------------------------------


def head_differs(history: History, head: Exchange, get: Exchange) -> Iterator[Deviation]:
    """Where HEAD tells otherwise than GET of the same thing."""
    if head.body:
        yield shows(history, head, "HEAD was answered with a body", "body")
    kinds = ("content-type", head.media_type or None, get.media_type or None)
    for name, told, real in (kinds, ("content-length", head.header("content-length"), get.header("content-length"))):
        if told is not None and real is not None and told != real:
            yield shows(history, head, f"HEAD says {name}: {told}, GET says {real}", name)


def _first_asked(part: Exchange, whole: Exchange | None) -> int | None:
    """The first byte that a request for one part asks for; None where that is not known."""
    asked = next((value for name, value in part.request_headers if name.lower() == "range"), "")
    found = re.fullmatch(r"bytes=(\d*)-(\d*)", asked)
    if not found or (not found[1] and (whole is None or whole.is_cut)):
        return None
    return int(found[1]) if found[1] else max(0, (whole.size if whole else 0) - int(found[2] or 0))


def _heads(history: History, purpose: str, any_status: bool = False) -> list[tuple[Exchange, Exchange]]:
    """HEAD requests with the last GET of the same URL that was served."""
    found = []
    for head in history.of(purpose):
        gets = [e for e in history.exchanges if e.method == "GET" and e.url == head.url and e.status == 200]
        gets = [e for e in gets if is_good(history, e)]
        if gets and head.method == "HEAD" and (any_status or 200 <= head.status < 300):
            found.append((head, min(gets, key=lambda get: abs(get.number - head.number))))
    return found


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str) and value:
        yield value
    elif isinstance(value, (list, dict)):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _texts(item)


def _links(vocabulary: Vocabulary, value: Any, name: str = "url") -> Iterator[str]:
    """The texts of a result that are links: those in fields that are called so."""
    if isinstance(value, str):
        if value and _is_link_name(vocabulary, name):
            yield value
    elif isinstance(value, list):
        for item in value:
            yield from _links(vocabulary, item, name)
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _links(vocabulary, item, key)


def _holds_links(history: History, sighting: Sighting) -> bool:
    """Whether a job's result is declared as links, not as text or data."""
    pointers = sighting.part.view.fields.get("result", ()) if sighting.part.view else ()
    if not pointers:
        return False
    name, vocabulary = pointers[0][-1], history.contract.vocabulary
    shape = field_shape(history, sighting, pointers[0])
    return _is_link_name(vocabulary, name) or (shape is not None and _tells_links(history, shape, LEVELS))


def _is_link_name(vocabulary: Vocabulary, name: str) -> bool:
    return vocabulary.rank("asset", "url", name) is not None or vocabulary.ends_like("link", name)


def _tells_links(history: History, shape: Shape, levels: int) -> bool:
    """Whether a schema says that there are links in a value."""
    if shape.get("format") in ("uri", "url"):
        return True
    document, vocabulary = history.contract.document, history.contract.vocabulary
    inner = [schema for name, schema in shape.properties.items() if _is_link_name(vocabulary, name)]
    if inner:
        return True
    below = [*shape.properties.values(), *([shape.items] if shape.items is not None else [])]
    return levels > 0 and any(
        _tells_links(history, shape_of(document, each_schema), levels - 1) for each_schema in below
    )


def _story(history: History, exchange: Exchange) -> JobStory | None:
    return next((s for s in history.jobs if s.id == exchange.job), None)


def _around(history: History, exchange: Exchange) -> tuple[Sighting | None, Sighting | None]:
    """How a job was last seen before an exchange, and first after it."""
    story = _story(history, exchange)
    seen = [s for s in looks(story) if s.state] if story else []
    before = [s for s in seen if s.exchange.number < exchange.number]
    after = [s for s in seen if s.exchange.number > exchange.number]
    return (before[-1] if before else None), (after[0] if after else None)


def _had_succeeded(history: History, fetch: Exchange) -> bool:
    before, _ = _around(history, fetch)
    return before is not None and before.state is State.SUCCEEDED


def _early(history: History) -> list[Exchange]:
    """Results that were asked for while their jobs had surely not ended: unended before and after."""
    found = []
    for fetch in history.of(Purpose.FETCH_EARLY):
        before, after = _around(history, fetch)
        if (
            before
            and before.state in RANK
            and (after is None or after.state in RANK)
            and not came_too_often(history, fetch)
        ):
            found.append(fetch)
    return found


def _fetched(history: History) -> list[Exchange]:
    """Results that were sent by the operation that is for that."""
    return [e for e in history.of(Purpose.FETCH) if is_good(history, e)]


def _media(history: History) -> list[Exchange]:
    """Files, from the operation or by a link; what is declared as JSON or text is none."""
    found = [e for e in history.of(Purpose.FETCH, Purpose.LINK) if 200 <= e.status < 300 and _asks_for_all(e)]
    return [e for e in found if part_of(history, e) is None or _is_file(history, e)]


def _asks_for_all(exchange: Exchange) -> bool:
    return exchange.method == "GET" and not any(name.lower() == "range" for name, _ in exchange.request_headers)


def _is_file(history: History, fetch: Exchange) -> bool:
    part = part_of(history, fetch)
    return (
        part is not None
        and part.action in (Action.CONTENT, Action.RETRIEVE)
        and (fetch.purpose == Purpose.LINK or part.action is Action.CONTENT)
    )


def _is_kind(kind: str, label: str) -> bool:
    """Whether bytes of a kind may carry a label. Octet-stream says nothing; no label says nothing either."""
    if kind == label or label in ("", "application/octet-stream", "binary/octet-stream"):
        return kind not in ("text/html", "application/json") or kind == label
    return any(kind in group and label in group for group in _SAME_KIND)


def _asked(history: History, role: str, read: Any) -> Iterator[tuple[Exchange, Medium, Any]]:
    """Files with what was asked for in their jobs: the input that plays a role, else what the job says itself."""
    vocabulary = history.contract.vocabulary
    for fetch in _media(history):
        story, part = _story(history, fetch), part_of(history, fetch)
        medium = None if fetch.is_cut else read_medium(fetch.body)
        if story is None or medium is None or medium.problem or medium.kind.startswith("text/"):
            continue
        if fetch.purpose == Purpose.LINK and fetch.detail.startswith("thumbnail"):
            continue
        variant = query_of(fetch).get(part.variant_parameter, "") if part else ""
        if part and variant and variant != next(iter(part.variants), ""):
            continue  # a thumbnail is as large as it likes
        first = next(iter(looks(story)), None)
        if first is None or first.part.action is not Action.CREATE:
            continue
        last = looks(story)[-1].body
        sources = [{k: v for k, v in each_source.items() if v is not None} for each_source in (story.inputs, last)]
        for source in sources:
            name = vocabulary.best("inputs", role, list(source))
            wanted = read(source[name]) if name else None
            if wanted:
                yield fetch, medium, wanted
                break


def _asked_sides(history: History) -> Iterator[tuple[Exchange, Medium, tuple[int, int, bool]]]:
    """Files whose width and height were asked for, each by an input of its own."""
    heights = {fetch.number: height for fetch, _, height in _asked(history, "height", _pixels)}
    for fetch, medium, width in _asked(history, "width", _pixels):
        if fetch.number in heights:
            yield fetch, medium, (width, heights[fetch.number], False)


def _may_be_sent(history: History, fetch: Exchange, media_type: str) -> bool:
    """Whether what sent a file declares that it sends such; a link may lead to anything."""
    operation = operations(history).get(fetch.operation)
    answer = operation.answer_for(status_of(history, fetch)) if operation else None
    return fetch.purpose == Purpose.LINK or answer is None or declared_media(answer, media_type) is not None


def _pixels(value: Any) -> int | None:
    return int(value) if str(value).isdigit() and 0 < int(value) <= 100_000 else None


def _seconds(value: Any) -> float | None:
    text = str(value).strip().lower().removesuffix("s")
    return float(text) if re.fullmatch(r"\d+(\.\d+)?", text) and 0 < float(text) <= 3600 else None


def _size(value: Any) -> tuple[int, int, bool] | None:
    """Width, height, and whether they are but a ratio."""
    if not isinstance(value, str):
        return None
    if found := _SIZE.fullmatch(value.strip()):
        return int(found[1]), int(found[2]), False
    if found := _RATIO.fullmatch(value.strip()):
        width, height = int(found[1]), int(found[2])
        return (width // gcd(width, height), height // gcd(width, height), True) if width and height else None
    return None


def _offers_parts(history: History, fetch: Exchange) -> bool:
    """Whether a service says that it sends parts: declared 206, or `Accept-Ranges: bytes` of the same thing."""
    operation = operations(history).get(fetch.operation)
    if operation and any(a.status == "206" for a in operation.answers):
        return True
    same = [
        e for e in history.exchanges if e.url == fetch.url and e.number != fetch.number and e.method in ("GET", "HEAD")
    ]
    return any((e.header("accept-ranges") or "").lower() == "bytes" for e in [*same, fetch])
