"""What an answer tells of jobs: each job in it, with its id, its state and what plays which role there."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

from contract_tests.contract import ContractUnderTest
from contract_tests.history import NO_JSON, Exchange, JobStory, Purpose, Sighting
from contract_tests.playing.calls import decoded
from mockserver.jobs.lifecycle import State
from mockserver.jobs.resource import Action, JobOperation, JobResource, Pointer, View, dig
from mockserver.jobs.vocabulary import plain

MOST_ITEMS = 1000  # jobs of one answer that are looked at
MOST_ID = 500  # characters; what is longer is no id
# Where several states have the same word, as with a flag that says only whether a job is over.
_LIKELIEST = (State.RUNNING, State.SUCCEEDED, State.FAILED, State.CANCELLED, State.EXPIRED, State.QUEUED)
_BAD = (State.FAILED, State.CANCELLED, State.EXPIRED)
_STARTS = (Purpose.CREATE, Purpose.FOLLOW_UP, Purpose.BOUND)
# Answers to those who should see nothing, and to what should have been refused, tell nothing of the job's own life.
_ELSEWHERE = (
    Purpose.SECOND_KEY,
    Purpose.NO_KEY,
    Purpose.BAD_KEY,
    Purpose.UNKNOWN_ID,
    Purpose.AFTER_DELETE,
    Purpose.WRONG_METHOD,
    Purpose.WRONG_TYPE,
    Purpose.BROKEN_JSON,
    Purpose.INVALID,
    Purpose.ODD_INPUT,
)


def sightings(contract: ContractUnderTest, exchange: Exchange) -> list[Sighting]:
    """The jobs that an answer shows; none for a refusal, and for what is no JSON."""
    found = part_of(contract, exchange.operation)
    if found is None or not is_success(contract, exchange) or exchange.method == "HEAD":
        return []
    resource, part = found
    if part.ended is not None and str(exchange.status) == part.ended.status:
        word = f"HTTP {exchange.status}"
        state = next((s for s, w in (part.view.words if part.view else {}).items() if w == word), State.SUCCEEDED)
        return [Sighting(exchange, part, exchange.job or None, word, state, None, {}, {})]
    if part.view is None or exchange.json is NO_JSON:
        return []
    items = islice(_objects(exchange.json, part.view.pointer), MOST_ITEMS)
    jobs = (_sighting(contract, exchange, resource, part, job) for job in items)
    return [job for job in jobs if job.fields]


def is_success(contract: ContractUnderTest, exchange: Exchange) -> bool:
    """Whether an answer is a success, also where refusals have the status of one."""
    if not 200 <= exchange.status <= 299:
        return False
    body = exchange.json
    return 200 <= contract.refusals.shown_status(exchange.status, None if body is NO_JSON else body) <= 299


def part_of(contract: ContractUnderTest, operation: str) -> tuple[JobResource, JobOperation] | None:
    """The kind of job and the part that an operation plays for it."""
    for resource in contract.resources:
        for part in resource.operations:
            if part.operation.name == operation:
                return resource, part
    return None


def told_id(contract: ContractUnderTest, exchange: Exchange) -> str:
    """The id of the job that an answer tells, as requests name it; '' if it tells none. A header can tell it too."""
    for sighting in sightings(contract, exchange):
        if isinstance(sighting.id, (str, int)) and 0 < len(str(sighting.id)) <= MOST_ID:
            return str(sighting.id)
    found = part_of(contract, exchange.operation)
    if found is None or not is_success(contract, exchange):
        return ""
    resource, retrieve = found[0], found[0].first(Action.RETRIEVE)
    if retrieve is None or retrieve.id_place is None:
        return ""
    name = retrieve.id_place.pointer[-1]
    for header, value in exchange.headers:
        if contract.vocabulary.rank("answer headers", "poll url", header) is not None:
            if id := _id_in_url(retrieve, value):
                return str(bare_id(resource, id))
        elif len(plain(name)) > 2 and plain(header).endswith(plain(name)):
            return str(bare_id(resource, value))
    return ""


def bare_id(resource: JobResource, id: Any) -> Any:
    """An id without the resource name that answers may write it in (`operations/7` → `7`)."""
    if isinstance(id, float) and id.is_integer():  # `7.0` is the integer 7 (JSON Schema 2020-12, 4.2.3)
        id = int(id)
    if not isinstance(id, str) or resource.id_text == "{id}":
        return id
    before, _, after = resource.id_text.partition("{id}")
    pattern = re.sub(r"\\\{[^{}]+\\\}", "[^/]+", re.escape(before))
    found = re.fullmatch(f"(?:.*/)?{pattern}(.+?){re.escape(after)}", id)
    return found[1] if found else id


def state_of(resource: JobResource, view: View, word: Any, job: Mapping[str, Any]) -> State | None:
    """The state that a word means in an answer; None for one that the contract does not know."""
    others = [part.view for part in resource.operations if part.view is not None and part.view is not view]
    for known in (view, *others):
        states = [s for s, words in known.phases.items() if any(_same(word, w) for w in words)]
        states += [s for s, w in known.words.items() if s not in states and _same(word, w)]
        if states:
            return _likeliest(states, view, job)
    states = [state for state, known_word in resource.words.items() if _same(word, known_word)]
    return _likeliest(states, view, job) if states else None


def stories_of(contract: ContractUnderTest, exchanges: Sequence[Exchange]) -> list[JobStory]:
    """The jobs that were created, each with all that was seen of it; without any, those that lists showed.

    What is seen under an id that several creates were answered with is of the last one of them.
    """
    created: dict[Exchange, JobStory] = {}
    for exchange in exchanges:
        found = part_of(contract, exchange.operation)
        if found and exchange.purpose in _STARTS and (id := told_id(contract, exchange)):
            created[exchange] = JobStory(id, found[0], exchange, inputs_of(exchange))
    known: dict[str, JobStory] = {story.id: story for story in reversed(created.values())}
    stories = list(created.values())
    if not stories:
        for exchange in exchanges:
            found = part_of(contract, exchange.operation)
            if found and exchange.purpose in (Purpose.LIST, Purpose.POLL):
                for each in sightings(contract, exchange):
                    if each.id not in (None, "") and (
                        exchange.purpose == Purpose.POLL or _is_polled(exchanges, each.id)
                    ):
                        known.setdefault(str(each.id), JobStory(str(each.id), found[0], exchange, {}))
        stories = list(known.values())
    for exchange in exchanges:
        if exchange.purpose in _ELSEWHERE:
            continue
        if exchange in created:
            known[created[exchange].id] = created[exchange]
        for sighting in sightings(contract, exchange):
            id = sighting.id if sighting.id is not None else exchange.job
            is_renamed = str(id) not in known and exchange.purpose in (Purpose.POLL, Purpose.AGAIN)
            if story := known.get(exchange.job if is_renamed and not _is_many(sighting) else str(id)):
                story.sightings.append(sighting)
    return stories


def of_job(seen: Sequence[Sighting], id: str) -> list[Sighting]:
    """Those that show a job which was asked for. An answer about one job is about that one, whatever it calls it."""
    return [each for each in seen if str(each.id or id) == id] or [each for each in seen if not _is_many(each)]


def _is_many(sighting: Sighting) -> bool:
    """Whether a job was one of several in its answer."""
    return sighting.part.view is not None and "*" in sighting.part.view.pointer


def inputs_of(exchange: Exchange) -> dict[str, Any]:
    """What a request asked for: the fields of its body."""
    kind = next((value for name, value in exchange.request_headers if name.lower() == "content-type"), "")
    return decoded(exchange.request_body, kind)


def _is_polled(exchanges: Iterable[Exchange], id: Any) -> bool:
    return any(each.purpose == Purpose.POLL and each.job == str(id) for each in exchanges)


def _sighting(
    contract: ContractUnderTest, exchange: Exchange, resource: JobResource, part: JobOperation, job: Mapping[str, Any]
) -> Sighting:
    assert part.view is not None
    fields: dict[str, Any] = {}
    for role, pointers in part.view.fields.items():
        for pointer in pointers:
            value = dig(job, pointer)
            if value is not None:
                fields.setdefault(role, value)
    word = fields.get("status")
    state = state_of(resource, part.view, word, job) if word is not None else None
    if state is State.SUCCEEDED and isinstance(outcome := fields.get("outcome"), str):
        state = contract.vocabulary.state(outcome) or state
    id = bare_id(resource, fields.get("id"))
    return Sighting(exchange, part, id, word, state, fields.get("progress"), fields, job)


def _objects(body: Any, pointer: Pointer) -> Iterator[Mapping[str, Any]]:
    """The objects at a place; `*` stands for each item of a list."""
    if not pointer:
        if isinstance(body, dict):
            yield body
    elif pointer[0] == "*":
        for item in body if isinstance(body, list) else ():
            yield from _objects(item, pointer[1:])
    elif isinstance(body, dict):
        yield from _objects(body.get(pointer[0]), pointer[1:])


def _same(word: Any, known: Any) -> bool:
    return type(word) is type(known) and bool(word == known)


def _likeliest(states: Sequence[State], view: View, job: Mapping[str, Any]) -> State:
    """Of several states that have the same word: a bad one if the job has an error."""
    if len(states) == 1:
        return states[0]
    has_error = any(dig(job, pointer) for pointer in view.fields.get("error", ()))
    bad = [state for state in _BAD if state in states]
    if has_error and bad:
        return bad[0]
    return next(state for state in _LIKELIEST if state in states)


def _id_in_url(retrieve: JobOperation, url: str) -> str:
    """The id in a URL that leads to where a job is read."""
    assert retrieve.id_place is not None
    name, path = retrieve.id_place.pointer[-1], retrieve.operation.path
    if retrieve.id_place.place == "query":
        found = re.search(rf"[?&]{re.escape(name)}=([^&#]+)", url)
        return found[1] if found else ""
    pattern = re.sub(r"\\\{([^{}]+)\\\}", lambda m: "([^/?#]+)" if m[1] == name else "[^/?#]+", re.escape(path))
    found = re.search(f"{pattern}/?(?:[?#].*)?$", url)
    return found[1] if found else ""
