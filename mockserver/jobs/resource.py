"""A job resource: which operations of a contract make up one kind of job, and which field plays which role.

This is the result of reading a contract; the engine and the checks stand on it and look at no names again.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from mockserver.jobs.lifecycle import State
from mockserver.jobs.profile import Profile
from mockserver.jobs.vocabulary import Vocabulary
from mockserver.openapi.document import Answer, Document, Operation

SURE = 0.5  # the confidence from which a conclusion is not marked as uncertain
Pointer = tuple[str, ...]  # the tokens of a JSON Pointer; `*` stands for each item of an array


def dig(value: Any, pointer: Pointer) -> Any:
    """What stands at a place of a JSON value, in the first item for `*`; None if there is nothing."""
    for token in pointer:
        if token == "*":
            value = value[0] if isinstance(value, list) and value else None
        else:
            value = value.get(token) if isinstance(value, dict) else None
    return value


class Action(StrEnum):
    """What an operation does to jobs."""

    CREATE = "create"
    FOLLOW_UP = "follow-up"
    RETRIEVE = "retrieve"
    LIST = "list"
    CONTENT = "content"
    RESULT = "result"
    CANCEL = "cancel"
    DELETE = "delete"


STARTS = frozenset({Action.CREATE, Action.FOLLOW_UP})  # the actions that make a job


@dataclass(frozen=True, slots=True)
class View:
    """Where a job stands in an operation's answer, and what its fields mean there.

    `pointer` leads from the body to the job (`('data', 'list', '*')`: each item of data.list);
    `fields` maps roles to pointers inside the job; `words` are the states as this answer spells them (text, numbers,
    or false and true), `phases` all words of a state in the order in which a job has them.
    `unclear_words` mean nothing that is known, `passive_words` are known and never entered (paused, partial, …);
    `sureness`, 0 to 1, is how much the status looks like the life of a job, and `evidence` where its words stand;
    `rivals` are the other fields that could play a role, with how likely that is.
    """

    pointer: Pointer
    schema: Any
    fields: Mapping[str, tuple[Pointer, ...]]
    words: Mapping[State, Any]
    unclear_words: tuple[str, ...] = ()
    phases: Mapping[State, tuple[Any, ...]] = field(default_factory=dict)
    passive_words: tuple[str, ...] = ()
    evidence: str = ""
    sureness: float = 0.0
    rivals: tuple[tuple[str, Pointer, float], ...] = ()


@dataclass(frozen=True, slots=True)
class IdPlace:
    """Where a request names a job: a `path` or `query` parameter, or a `body` field."""

    place: str
    pointer: Pointer


@dataclass(frozen=True, slots=True)
class JobOperation:
    """One operation with the part that it plays for a kind of job.

    `answer` is the declared answer that tells of the job and `schema` that of its body (None: no JSON); `ended` is
    the declared answer that a finished job gets where that is another one (200 after 202). `sums` names inputs of a
    follow-up that add to its source's (an extension's seconds). `variants` maps values of a download's query parameter
    `variant_parameter` to media types.
    """

    operation: Operation
    action: Action
    view: View | None = None
    id_place: IdPlace | None = None
    sums: tuple[str, ...] = ()
    links_source: bool = True
    variant_parameter: str = ""
    variants: Mapping[str, str] = field(default_factory=dict)
    answer: Answer | None = None
    schema: Any = None
    ended: Answer | None = None


@dataclass(frozen=True, slots=True)
class PriceList:
    """What jobs cost by the model that they ask for (`*`: all others): each job, or each second that is asked for."""

    models: Mapping[str, float]
    per_second: bool = False
    currency: str = ""


@dataclass(frozen=True, slots=True)
class JobResource:
    """One kind of job.

    `words` are the states that its contract can express. `echo` maps fields of the answer to fields of the request
    where their names differ; `only_in` lists the states in which a field appears, where that is fewer than its
    role says. `id_text` is how answers write an id, where that is more than the id (`operations/{id}`); names of path
    parameters in braces are those of the request. `events` are the declared names of the events that webhooks are told
    of an end, `event_body` their template, `callback` the request's field that names an address to be told.
    `prices` are those that are declared; None: none are.
    """

    name: str
    operations: tuple[JobOperation, ...]
    words: Mapping[State, Any]
    id_format: str
    profile: Profile
    echo: Mapping[Pointer, Pointer] = field(default_factory=dict)
    failure: Mapping[str, Any] = field(default_factory=dict)
    only_in: Mapping[Pointer, frozenset[State]] = field(default_factory=dict)
    id_text: str = "{id}"
    events: Mapping[State, str] = field(default_factory=dict)
    event_body: Any = None
    callback: Pointer = ()
    prices: PriceList | None = None

    def first(self, action: Action) -> JobOperation | None:
        """The first operation with an action."""
        return next((o for o in self.operations if o.action is action), None)


class RecordAction(StrEnum):
    """What an operation does to the records of a collection."""

    CREATE = "create"
    LIST = "list"
    READ = "read"
    UPDATE = "update"
    DELETE = "delete"


@dataclass(frozen=True, slots=True)
class RecordOperation:
    """One operation with the part that it plays for a collection.

    `pointer` leads from the answer's body to the record (`('data', '*')`: each item of data), None where the answer
    holds none; `id_field` is the record's field that holds its id.
    """

    operation: Operation
    action: RecordAction
    pointer: Pointer | None
    id_field: str
    id_place: IdPlace | None = None


@dataclass(frozen=True, slots=True)
class Collection:
    """Plain records beside the jobs: created, read, and there until they are deleted."""

    name: str
    operations: tuple[RecordOperation, ...]
    id_format: str

    def first(self, action: RecordAction) -> RecordOperation | None:
        """The first operation with an action."""
        return next((o for o in self.operations if o.action is action), None)


@dataclass(frozen=True, slots=True)
class Conclusion:
    """One thing that was concluded about a contract, from what, and how sure that is.

    `confidence` is 0 to 1; below SURE it could well be otherwise. `others` are the runners-up with their own
    confidence; `declare` is the line of `x-job` that decides it, with the runner-up (or what is to be filled in).
    """

    topic: str
    value: str
    evidence: str
    confidence: float = 1.0
    others: tuple[tuple[str, float], ...] = ()
    declare: str = ""

    @property
    def certain(self) -> bool:
        """Whether it need not be looked at again."""
        return self.confidence >= SURE


@dataclass(frozen=True, slots=True)
class RefusalRule:
    """How a provider refuses: HTTP status and body template, with placeholders such as `{message}`."""

    status: int | None
    body: Any


@dataclass(frozen=True, slots=True)
class Sdk:
    """The official client library of one language: what it reads answers with. All of it is data, nothing is loaded.

    `models` maps actions to models (`package.module:Name`), that of `list` being one item of it; `page` is the model of
    a list and `next_page` its method that tells the next page (None: the last one). `parse` is the models' method that
    answers are read by. `error` is the model of an error, and `error_at` where it stands in a refusal's body (where
    nothing stands there, it is the body itself).
    """

    package: str
    models: Mapping[Action, str] = field(default_factory=dict)
    page: str = ""
    next_page: str = ""
    error: str = ""
    error_at: Pointer = ()
    parse: str = "model_validate"


@dataclass(frozen=True, slots=True)
class Contract:
    """A document as a set of job resources, with the provider's way of refusing and what led to it all."""

    document: Document
    resources: tuple[JobResource, ...]
    refusals: Mapping[str, RefusalRule]
    codes: Mapping[str, str]
    headers: Mapping[str, str]
    refused_keys: tuple[str, ...]
    vocabulary: Vocabulary
    conclusions: tuple[Conclusion, ...]
    collections: tuple[Collection, ...] = ()
    sdk: Mapping[str, Sdk] = field(default_factory=dict)  # by language
    # by the name of the operation
    parts: Mapping[str, tuple[JobResource, JobOperation]] = field(init=False, repr=False, compare=False)
    records: Mapping[str, tuple[Collection, RecordOperation]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        parts = {p.operation.name: (r, p) for r in reversed(self.resources) for p in reversed(r.operations)}
        records = {p.operation.name: (c, p) for c in reversed(self.collections) for p in reversed(c.operations)}
        object.__setattr__(self, "parts", parts)
        object.__setattr__(self, "records", records)
