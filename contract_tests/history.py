"""What was sent and answered, in order, and what it told of jobs: all that the laws look at.

Recorded once, by playing stories against a service or by reading a HAR; laws are functions of it and send nothing.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import orjson

from contract_tests.contract import ContractUnderTest
from mockserver.jobs.lifecycle import State
from mockserver.jobs.resource import JobOperation, JobResource

NO_JSON: Final = object()  # the body of an answer that is no JSON
ALL_THAT_FOLLOWS: Final = "all that follows"  # stands in `skipped` where a play ended early
INTERRUPTED: Final = "it was interrupted"  # why, if by Ctrl-C
AFTER_THE_END: Final = "after the end"  # the detail of the page after the one that says it is the last
ANOTHER_TAG: Final = "another tag"  # the detail of a conditional request that is no repetition
CREATED, READ = "made", "read again"  # details of what is no job
OTHER_VALUES: Final = "other values"  # the detail of a create that may ask for more than is made


class Purpose:
    """Why a request was sent. A law looks for the exchanges of a purpose; stories give them."""

    CREATE = "create"
    POLL = "poll"  # until the job has ended
    AGAIN = "poll again"  # at once, of a job that has ended or stands still: the answers should be equal
    HEAD = "head"
    LIST = "list"
    PAGE = "page"  # a further page of a list, by its cursor
    FETCH = "fetch"  # the result of a job that has succeeded
    FETCH_EARLY = "fetch early"
    FETCH_RANGE = "fetch range"
    FETCH_HEAD = "fetch head"
    FETCH_CONDITIONAL = "fetch conditional"  # If-None-Match with the tag that was told
    LINK = "link"  # a result's URL
    CANCEL = "cancel"
    DELETE = "delete"
    AFTER_DELETE = "after delete"
    SECOND_KEY = "second key"  # another valid key asks for the first one's job
    NO_KEY = "no key"
    BAD_KEY = "bad key"
    SCHEME_SPELLED = "scheme in other letters"  # the right key, with `bearer` for `Bearer`
    UNKNOWN_ID = "unknown id"
    WRONG_METHOD = "wrong method"
    WRONG_TYPE = "wrong media type"
    BROKEN_JSON = "broken JSON"
    ODD_INPUT = "odd input"  # unicode, nulls, long texts, duplicated parameters: `detail` says which
    INVALID = "invalid input"  # breaks the schema in one place: `detail` says which
    BOUND = "value at a bound"  # a create with the least or most that its schema allows: `detail` says of what
    FOLLOW_UP = "follow-up"
    WEBHOOK = "webhook"  # not sent by us: what the service posted to us, and what we answered
    OTHER = "what is no job"


@dataclass(frozen=True, slots=True, eq=False)
class Exchange:
    """One request and what came back.

    `operation` is the contract's name for it ('' for none), `action` what that does to jobs. `started` is in seconds of
    the machine since the epoch, `seconds` how long it took. `status` 0: no answer came, and `problem` says why.
    `is_cut`: the body was longer than what is kept. Header names of answers are in lower case. `detail` narrows the
    purpose. `job` is the id that the request named or, for a create, that its answer told.

    Of a webhook the request is the service's and the answer ours; `operation` is '', `job` the id that the body names,
    and `detail` what the signature was found to be when it arrived (see `Signature`).
    """

    number: int
    purpose: str
    operation: str
    action: str
    method: str
    url: str
    request_headers: tuple[tuple[str, str], ...]
    request_body: bytes
    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes
    started: float
    seconds: float
    job: str = ""
    detail: str = ""
    problem: str = ""
    is_cut: bool = False
    size: int = 0  # bytes of the whole body
    redirects: tuple[str, ...] = ()  # the URLs that led to the answer, the last one being where it came from

    def header(self, name: str) -> str | None:
        """The first value of an answer's header."""
        return next((value for known, value in self.headers if known == name.lower()), None)

    @property
    def media_type(self) -> str:
        """The answer's media type without parameters, in lower case."""
        return (self.header("content-type") or "").partition(";")[0].strip().lower()

    @property
    def json(self) -> Any:
        """The answer's body as JSON; NO_JSON if it is none."""
        try:
            return orjson.loads(self.body)
        except orjson.JSONDecodeError:
            return NO_JSON

    @property
    def sent(self) -> Any:
        """The request's body as JSON; NO_JSON if it is none."""
        try:
            return orjson.loads(self.request_body)
        except orjson.JSONDecodeError:
            return NO_JSON


@dataclass(frozen=True, slots=True, eq=False)
class Sighting:
    """A job as one answer showed it.

    `fields` maps roles (status, progress, created, ended, result, error, …) to what stands there, absent where nothing
    does; `body` is the job's object. `state` is None for a word that the contract does not know.
    """

    exchange: Exchange
    part: JobOperation
    id: Any
    word: Any
    state: State | None
    progress: Any
    fields: Mapping[str, Any]
    body: Mapping[str, Any]

    @property
    def at(self) -> float:
        """When it was seen, in seconds of the machine since the epoch."""
        return self.exchange.started


@dataclass(slots=True, eq=False)
class JobStory:
    """One job that was created: what was asked for, and all that was seen of it, in order."""

    id: str
    resource: JobResource
    created_by: Exchange
    inputs: Mapping[str, Any]
    sightings: list[Sighting] = field(default_factory=list)

    @property
    def end(self) -> Sighting | None:
        """The first sight of its end, if that was seen."""
        return next((s for s in self.sightings if s.state is not None and s.state not in _UNENDED), None)

    def seen(self, *states: State) -> Iterator[Sighting]:
        """The sightings in some states."""
        return (sighting for sighting in self.sightings if sighting.state in states)


_UNENDED = (State.QUEUED, State.RUNNING)


class Signature:
    """What the signature of a webhook was found to be: how `detail` begins. It can only be judged on arrival."""

    RIGHT = "signed"
    UNKNOWN = "not verified"  # it looks as it should, and no secret is known to verify it with
    WRONG = "wrong signature"
    NONE = "no signature"


@dataclass(frozen=True, slots=True)
class Listening:
    """How webhooks were listened for.

    `url` is where the service was asked to send them. `is_registered`: the service tells of all jobs there; else only
    of those whose create named an address. `waited`: seconds that were waited for what had not come. `lost`: how many
    deliveries came that there was no room for.
    """

    url: str
    is_registered: bool = False
    waited: float = 0.0
    lost: int = 0


@dataclass(slots=True, eq=False)
class History:
    """All of one run, for the laws. `read_only`: nothing was created; `patience` is how long a job was waited for."""

    contract: ContractUnderTest
    exchanges: list[Exchange] = field(default_factory=list)
    jobs: list[JobStory] = field(default_factory=list)
    read_only: bool = False
    patience: float = 0.0
    deadline: float = 0.0  # seconds within which a job has to end, as who has it checked says; 0: nobody says
    skipped: dict[str, str] = field(default_factory=dict)  # purpose → why it was not tried (budget, no second key, …)
    phases: dict[str, tuple[float, int]] = field(default_factory=dict)  # phase of the play → seconds, requests
    simulated: bool = False  # our simulator, on a clock that was moved: its instants are not the machine's
    listening: Listening | None = None  # None: nothing listened for webhooks

    @property
    def asked(self) -> list[Exchange]:
        """The exchanges in which the service was the one that answered."""
        return [each for each in self.exchanges if each.purpose != Purpose.WEBHOOK]

    @property
    def ended_early(self) -> str:
        """Why the play ended before its end; '' if it did not."""
        return self.skipped.get(ALL_THAT_FOLLOWS, "")

    @property
    def is_reached(self) -> bool:
        """Whether any answer came."""
        return any(exchange.status for exchange in self.exchanges)

    def of(self, *purposes: str, operation: str = "", action: str = "", job: str = "") -> list[Exchange]:
        """The exchanges of some purposes, in order."""
        return [
            each
            for each in self.exchanges
            if (not purposes or each.purpose in purposes)
            and operation in ("", each.operation)
            and action in ("", each.action)
            and job in ("", each.job)
        ]
