"""What a contract promises of webhooks, and what a delivery says: read alike by the play, the laws and a HAR."""

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from contract_tests.contract import ContractUnderTest
from contract_tests.history import NO_JSON, Exchange, JobStory, Purpose
from contract_tests.playing.calls import decoded
from contract_tests.playing.seeing import bare_id
from mockserver.errors import DocumentError
from mockserver.jobs.hooks import (
    AddressPlace,
    address_places,
    callback_items,
    callback_key,
    declared_event,
    described_events,
    operation_sent,
    schema_sent,
)
from mockserver.jobs.lifecycle import TERMINAL, State
from mockserver.jobs.resource import STARTS, JobOperation, JobResource
from mockserver.jobs.vocabulary import plain
from mockserver.openapi.document import Operation, pointer_text

CALLBACK: Final = "check-callback"  # the path below our address at which the create of a number is told of
_CREATE = re.compile(rf"/{CALLBACK}/(\d{{1,9}})(?!\w)")
MOST_VALUES = 5_000  # of one body that are looked at
MOST_LEVELS = 40
_USUAL = (State.SUCCEEDED, State.FAILED)


@dataclass(frozen=True, slots=True)
class Promise:
    """What a contract says of being told of one end of a job.

    `event` is the event's name ('' where the contract gives none), `schema` that of its body (None: nothing is said),
    `template` the body as `x-job` declares it, `pointer` the place in the document, `sent` the request that is
    described there. `is_named`: the contract names this end; else it only has a place for an address.
    """

    event: str = ""
    schema: Any = None
    template: Any = None
    pointer: str = ""
    sent: Mapping[str, Any] | None = None
    is_named: bool = True


def tells_of_ends(contract: ContractUnderTest) -> bool:
    """Whether a contract has webhooks for the ends of its jobs."""
    return any(registered(contract, r) or has_places(contract, r) for r in contract.resources)


def has_places(contract: ContractUnderTest, resource: JobResource) -> bool:
    """Whether a request that starts a job of a kind can name an address."""
    return any(places(contract, resource, part) for part in resource.operations if part.action in STARTS)


def places(contract: ContractUnderTest, resource: JobResource, part: JobOperation) -> list[AddressPlace]:
    """Where a request can name an address: of those that are told of the same end the first."""
    found: list[AddressPlace] = []
    taken: set[State] = set()
    for place in address_places(contract.document, contract.vocabulary, resource, part.operation):
        ends = place.ends or TERMINAL
        if place.source and place.pointer and not (taken & ends):
            taken |= ends
            found.append(place)
    return found


def registered(contract: ContractUnderTest, resource: JobResource) -> dict[State, Promise]:
    """What an address that was registered is told of a kind of job."""
    if resource.events:
        pointer = pointer_text(("x-job", "resources", resource.name, "events"))
        names = {state: declared_event(resource, state) for state in TERMINAL}
        return {s: Promise(n, None, resource.event_body, pointer) for s, n in names.items() if n}
    found = described_events(contract.document, contract.vocabulary, contract.resources, resource)
    return {
        state: Promise(
            event.type, event.schema, resource.event_body, pointer_text(event.place), _sent(contract, event.place)
        )
        for state, event in found.items()
    }


def called_back(contract: ContractUnderTest, resource: JobResource, part: JobOperation) -> dict[State, Promise]:
    """What an address that a request names is told of the job that it starts."""
    known = registered(contract, resource)
    found: dict[State, Promise] = {}
    for place in places(contract, resource, part):
        described = _of_callback(contract, part.operation, place) if place.key else None
        for state in place.ends or TERMINAL:
            promise = known.get(state)
            if resource.events and promise is None:
                continue  # such an end has no event
            if described is not None and resource.event_body is None:
                is_named = state in place.ends or promise is not None
                event = promise.event if promise else ""
                promise = Promise(event, described.schema, None, described.pointer, described.sent, is_named)
            if promise is None and (not known or place.ends):
                pointer = pointer_text(_where(part.operation))
                promise = Promise("", None, resource.event_body, pointer, is_named=state in place.ends)
            if promise is not None and (promise.is_named or state in _USUAL):
                found.setdefault(state, promise)
    return found


def _of_callback(contract: ContractUnderTest, operation: Operation, place: AddressPlace) -> Promise | None:
    for name, expression, item in callback_items(contract.document, operation):
        if callback_key(operation, name) == place.key:
            try:
                schema = schema_sent(contract.document, item)
            except DocumentError:
                schema = None
            at = (*_where(operation), "callbacks", name, expression)
            return Promise("", schema, None, pointer_text(at), operation_sent(item))
    return None


def _where(operation: Operation) -> tuple[str, ...]:
    return "paths", operation.written or operation.path, operation.method.lower()


def _sent(contract: ContractUnderTest, place: tuple[str, ...]) -> Mapping[str, Any]:
    node: Any = contract.document.root
    for token in place:
        node = node.get(token) if isinstance(node, dict) else None
    return operation_sent(contract.document.resolve(node))


# -- who was told to tell ---------------------------------------------------------------------------


def number_in(text: str) -> str:
    """The number of the create that an address of ours stands for; '' if there is none in a text."""
    found = _CREATE.search(text)
    return found[1] if found else ""


def number_asked(create: Exchange) -> str:
    """The number under which a create asked to be told; '' if it did not."""
    texts = [create.url, *(value for _, value in create.request_headers)]
    texts.append(create.request_body.decode("utf-8", "replace"))
    unquoted = (text.replace("%2F", "/").replace("%2f", "/").replace("\\/", "/") for text in texts)
    return next((number for text in unquoted if (number := number_in(text))), "")


def promises_of(
    contract: ContractUnderTest, story: JobStory, part: JobOperation | None, is_registered: bool
) -> dict[State, Promise]:
    """What a job's creator was promised: by the address in the create, else by the one that was registered."""
    if part is not None and number_asked(story.created_by):
        return called_back(contract, story.resource, part)
    return registered(contract, story.resource) if is_registered else {}


# -- what a delivery says ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Said:
    """What a delivery says: its body (NO_JSON: none that can be read), the event's name, the job's status there, and
    the states that these can mean (None: they say nothing of an end)."""

    body: Any
    event: str
    word: Any
    by_event: frozenset[State] | None
    by_word: frozenset[State] | None

    @property
    def is_of_progress(self) -> bool:
        """Whether it tells of a job that goes on, as far as can be told."""
        told = self.by_event if self.by_event is not None else self.by_word
        return told is not None and not (told & TERMINAL)


def body_of(delivery: Exchange) -> Any:
    """The body of a delivery: JSON, or the fields of a form; NO_JSON if it is neither."""
    if delivery.sent is not NO_JSON:
        return delivery.sent
    kind = next((v for n, v in delivery.request_headers if n.lower() == "content-type"), "")
    return decoded(delivery.request_body, kind) or NO_JSON if "form" in kind.lower() else NO_JSON


def job_named(contract: ContractUnderTest, body: Any, ids: Collection[str]) -> str:
    """The job that a body names, of those that are known; '' for none. A field that is called like an id counts first,
    and the outermost one, since a job may name another that it was made from."""
    best: tuple[bool, int, int] | None = None
    found = ""
    for order, (name, level, value) in enumerate(values_in(body)):
        if isinstance(value, bool) or not isinstance(value, (str, int)):
            continue
        texts = {str(value), *(str(bare_id(resource, value)) for resource in contract.resources)}
        known = next((text for text in texts if text in ids), "")
        is_other = contract.vocabulary.rank("roles", "id", name) is None
        rank = is_other, level, order
        if known and (best is None or rank < best):
            best, found = rank, known
    return found


def said(contract: ContractUnderTest, resource: JobResource, delivery: Exchange) -> Said:
    """What a delivery says of a job of a kind."""
    body = body_of(delivery)
    vocabulary = contract.vocabulary
    outer = body if isinstance(body, dict) else {}
    name = vocabulary.best("callbacks", "type", [n for n in outer if isinstance(outer[n], str)])
    event = str(outer[name]) if name else ""
    by_event = _states_of_event(contract, resource, event) if event else None
    word = _word(contract, body, delivery.job)
    return Said(body, event, word, by_event, _states_of_word(contract, resource, word))


def _states_of_event(contract: ContractUnderTest, resource: JobResource, event: str) -> frozenset[State] | None:
    promised = registered(contract, resource)
    if known := frozenset(state for state, promise in promised.items() if promise.event == event):
        return known
    state = contract.vocabulary.state(event)
    word = resource.words.get(State.SUCCEEDED)
    if state is State.SUCCEEDED and not (isinstance(word, str) and plain(event).endswith(plain(word))):
        return None  # such a word (finished) can stand for any end, where the contract itself has another for success
    return _alike(resource, state) if state else None


def _states_of_word(contract: ContractUnderTest, resource: JobResource, word: Any) -> frozenset[State] | None:
    known = frozenset(s for s, w in resource.words.items() if type(w) is type(word) and w == word)
    if known or not isinstance(word, str):
        return known or None
    state = contract.vocabulary.state(word)
    return _alike(resource, state) if state else None


def _alike(resource: JobResource, state: State) -> frozenset[State]:
    """A state with those that the contract calls by the same word."""
    word = resource.words.get(state)
    return frozenset({state, *(s for s, w in resource.words.items() if word is not None and w == word)})


def _word(contract: ContractUnderTest, body: Any, job: str) -> Any:
    """The status in the object that names the job; else in the outermost one that has one."""
    found: Any = None
    for inner in _objects(body):
        name = contract.vocabulary.best("roles", "status", list(inner))
        if name is None or isinstance(inner[name], (dict, list)):
            continue
        if job and job_named(contract, {n: v for n, v in inner.items() if not isinstance(v, (dict, list))}, {job}):
            return inner[name]
        found = inner[name] if found is None else found
    return found


def _objects(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
    for _, _, inner in values_in(value):
        if isinstance(inner, dict):
            yield inner


def values_in(body: Any) -> Iterator[tuple[str, int, Any]]:
    """What stands in a body: name, level, value; the outer ones first, and no more than can be looked at."""
    waiting, count = [("", 0, body)], 0
    while waiting and count < MOST_VALUES:
        following: list[tuple[str, int, Any]] = []
        for name, level, value in waiting:
            count += 1
            if count > MOST_VALUES:
                return
            if level:
                yield name, level, value
            if level >= MOST_LEVELS:
                continue
            if isinstance(value, dict):
                following += [(str(key), level + 1, inner) for key, inner in value.items()]
            elif isinstance(value, list):
                following += [(name, level + 1, inner) for inner in value]
        waiting = following


def deliveries(exchanges: Collection[Exchange]) -> list[Exchange]:
    """What has arrived, in order."""
    return [each for each in exchanges if each.purpose == Purpose.WEBHOOK]
