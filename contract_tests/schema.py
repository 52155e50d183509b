"""A contract as a schemathesis schema: configuration, transport, and where schemathesis itself would be wrong."""

from collections import Counter
from collections.abc import Sequence, Set
from json import dumps
from typing import Any

import schemathesis
from schemathesis.core import NotSet
from schemathesis.core.failures import AcceptedNegativeData, Failure
from schemathesis.core.parameters import ParameterLocation
from schemathesis.core.transport import Response
from schemathesis.generation.case import Case
from schemathesis.hooks import HookContext
from schemathesis.openapi.checks import (
    AuthScenario,
    EnsureResourceAvailability,
    IgnoredAuth,
    RejectedPositiveData,
    UndefinedStatusCode,
)
from schemathesis.specs.openapi.schemas import OpenApiSchema
from schemathesis.transport import SerializationContext
from schemathesis.transport.requests import REQUESTS_TRANSPORT, RequestsTransport, multipart_serializer
from schemathesis.transport.serialization import Binary

from contract_tests.bounded import READ
from contract_tests.contract import ContractUnderTest
from contract_tests.refusals import Refusals
from mockserver.jobs.resource import STARTS, Action
from mockserver.openapi.document import Document
from mockserver.openapi.schema import Validator, shape_of, union_of

SEED = 20260924
HISTORIES = 2  # for each fuzzed request of an operation; histories are few where operations are many
ENDS = {Action.CANCEL, Action.DELETE}
FAR = 2**31  # pages that no list has
OF_A_VALUE = {400, 404, 422}  # statuses by which a value is refused
STATE_WANTED = {Action.FOLLOW_UP, Action.CANCEL, Action.DELETE}  # of the job that they name
FINISHED_JOB_WANTED = {Action.CONTENT, Action.FOLLOW_UP}
FRAMING = {"connection", "content-length", "expect", "host", "te", "trailer", "transfer-encoding", "upgrade"}
REFUSALS = {400, 401, 403, 404, 405, 406, 409, 410, 413, 414, 415, 422, 429}
SAFE = {"GET", "HEAD", "OPTIONS"}
NOT_NOW = {"not_ready", "failed_content", "expired_content"}


class ContractSchema(OpenApiSchema):
    """A schema with a transport of its own: a hook would miss the requests that checks send by themselves."""

    def __init__(self, contract: ContractUnderTest, config: schemathesis.Config, unsent: Sequence[str] = ()) -> None:
        root = contract.document.root
        super().__init__(root, config.projects.get(root))
        self.excuses = Excuses(contract)
        self.hooks.register_hook_with_name(self.excuses.is_fault, "filter_failure")
        if unsent:  # configuration alone does not keep them out: only the command line of schemathesis reads that
            self.filter_set = self.filter_set.with_exclude(name=list(unsent))
        self._transport = _Transport(contract.refusals, unsent)

    @property
    def transport(self) -> RequestsTransport:
        return self._transport


def build_schema(
    contract: ContractUnderTest, base_url: str, key: str, max_examples: int, refused_as_said: Set[int] = frozenset(),
    *, only_reads: bool = False, covers: bool = True, rate_limit: str = "",
) -> ContractSchema:  # fmt: skip
    """The schema that the engine runs. All checks are on; `max_examples` are fuzzed for each operation.

    `refused_as_said` are statuses by which valid requests may be refused for what no schema can say. `only_reads`:
    nothing is sent but what reads, so that nothing is bought and nobody's job is deleted. `covers`: whether all that
    schemas tell of parameters is tried one by one, some hundred requests for each operation. `rate_limit` is `5/s`
    or `90/m`; without one a service that says by Retry-After when to come again is obeyed.
    """
    settings: dict[str, Any] = {
        "base-url": base_url,
        "seed": SEED,
        "continue-on-failure": True,
        "request-timeout": READ,
        "cache": {"enabled": False},  # what an earlier run learned must not decide what this one does
        "suppress-health-check": ["too_slow"],  # that is the machine's fault, not the contract's
        "generation": {"max-examples": max_examples, "no-shrink": True, "database": "none"},
        "phases": {"stateful": {"generation": {"max-examples": HISTORIES * max_examples}}},
    }
    settings["rate-limit"] = rate_limit or "auto"
    writes: list[str] = []
    if only_reads:
        changing = {part.operation.name for part in contract.parts if part.action in {*STARTS, *ENDS}}
        writes = [o.name for o in contract.document.operations if o.method != "GET" or o.name in changing]
        settings["phases"]["coverage"] = {"enabled": covers, "unexpected-methods": []}
    if refused_as_said:
        usual = ["2xx", "401", "403", "404", "409", "5xx"]
        accepted = [*usual, *map(str, sorted(refused_as_said))]
        settings["checks"] = {"positive_data_acceptance": {"expected-statuses": accepted}}
    if credentials := contract.credentials(key):
        settings["auth"] = {"openapi": credentials}
    return ContractSchema(contract, schemathesis.Config.from_dict(settings), writes)


class _Transport(RequestsTransport):
    """HTTP, with uploads named as files, true framing, and refusals under the status that says what they are."""

    def __init__(self, refusals: Refusals, unsent: Sequence[str]) -> None:
        super().__init__()
        self._copy_serializers_from(REQUESTS_TRANSPORT)
        self.serializer("multipart/form-data")(_with_named_files)
        self._refusals = refusals
        self._unsent = frozenset(unsent)

    def send(self, case: Case[Any], **kwargs: Any) -> Response:
        if case.operation.label in self._unsent or (self._unsent and case.method.upper() not in SAFE):
            raise RuntimeError(f"{case.method} {case.operation.label} may cost something and was not to be sent")
        # Invented, these make no wrong request but no HTTP: a server's parser answers, and no contract says how.
        case.headers = type(case.headers)({k: v for k, v in case.headers.items() if k.lower() not in FRAMING})
        response = super().send(case, **kwargs)
        if response.status_code in self._refusals.success_statuses:
            response.status_code = self._refusals.shown_status(response.status_code, _json(response))
        return response


def _with_named_files(context: SerializationContext, value: Any) -> dict[str, Any]:
    """A form in which every file has a file name.

    Schemathesis gives one only where a schema allows nothing but a file. Where a file is one of several forms
    (`oneOf`) it sends the bytes without a name, and that makes them a text field that is not UTF-8.
    """
    extra = multipart_serializer(context, value)
    uploads = {n for n, v in value.items() if isinstance(v, (bytes, Binary))} if isinstance(value, dict) else set()
    for index, (name, (filename, *rest)) in enumerate(extra.get("files") or []):
        if name in uploads:
            extra["files"][index] = (name, (filename or name, *rest))
    return extra


def _json(response: Response) -> Any:
    try:
        return response.json()
    except ValueError:
        return None


class Excuses:
    """Failures that are none, since a schema cannot say all that an answer depends on. `given` counts them."""

    def __init__(self, contract: ContractUnderTest) -> None:
        self.given: Counter[str] = Counter()
        self._contract = contract
        self._actions = {part.operation.name: part.action for part in contract.parts}
        self._named_in_bodies = {p.operation.name for p in contract.parts if p.id_place and p.id_place.place == "body"}

    def is_fault(self, context: HookContext, failure: Failure, case: Case[Any], response: Response) -> bool:
        """Whether a failure stands: schemathesis' hook `filter_failure`."""
        reason = self._reason(failure, case, response)
        self.given.update([reason] if reason else [])
        return not reason

    def _reason(self, failure: Failure, case: Case[Any], response: Response) -> str:
        match failure:
            case RejectedPositiveData() | EnsureResourceAvailability() if self._came_at_the_wrong_time(case, response):
                return "a result that was not there"
            case EnsureResourceAvailability() if case.operation.label in self._named_in_bodies:
                return "an id in a body"  # schemathesis watches ids in paths: a deleted one in a body is news to it
            case RejectedPositiveData() if self._has_a_cursor(case):
                return "a made-up cursor"
            case RejectedPositiveData() if self._is_about_a_state(case, response):
                return "a job in another state"
            case RejectedPositiveData() if self._is_beyond_all(case):
                return "a page beyond all"
            case RejectedPositiveData() if response.status_code in OF_A_VALUE and self._has_a_model(case):
                return "a made-up model"
            case RejectedPositiveData() if self._has_left_out_its_body(case):
                return "a body that was left out"
            case UndefinedStatusCode() if response.status_code in REFUSALS:
                return "a refusal that is not declared"  # the document's gap: ERR011 notes it, and LNT060
            case AcceptedNegativeData() if self._is_valid_as_a_form(case):
                return "a form that is valid as text"
            case IgnoredAuth() if failure.scenario is AuthScenario.INVALID_AUTH:
                # A service may take any key that looks like one. KEY002 tries those that must be refused.
                return "a made-up key"
        return ""

    def _came_at_the_wrong_time(self, case: Case[Any], response: Response) -> bool:
        """A job that has no result, not yet or no more, is there all the same, and so was the request for it valid."""
        if self._actions.get(case.operation.label) not in FINISHED_JOB_WANTED:
            return False
        return not self._contract.refusals.kinds(response.status_code, _json(response)).isdisjoint(NOT_NOW)

    def _has_a_cursor(self, case: Case[Any]) -> bool:
        """A cursor that nobody was given may be refused. (Made-up ids elsewhere get a 404, which passes by itself.)"""
        cursor = self._contract.vocabulary.best("paging", "after", list(case.query))
        return self._actions.get(case.operation.label) is Action.LIST and cursor is not None

    def _is_about_a_state(self, case: Case[Any], response: Response) -> bool:
        """What is done to a job can be refused for the state that it is in."""
        is_named = self._actions.get(case.operation.label) in STATE_WANTED
        return is_named and response.status_code in {*OF_A_VALUE, 403, 409, 423, 425}

    def _is_beyond_all(self, case: Case[Any]) -> bool:
        """Where a schema sets no bound, a service may still not count so far."""
        numbers = [value for value in case.query.values() if isinstance(value, int) and not isinstance(value, bool)]
        return self._actions.get(case.operation.label) is Action.LIST and any(abs(n) >= FAR for n in numbers)

    def _has_a_model(self, case: Case[Any]) -> bool:
        """A service has the models that it has, and where a schema lists none, any other name may be refused."""
        operation = self._contract.document.find(case.operation.label)
        fields = list(case.body) if isinstance(case.body, dict) else []
        name = self._contract.vocabulary.best("inputs", "model", fields)
        if operation is None or name is None:
            return False
        schemas = [node.get("schema") or {} for node in operation.body.values()]
        properties = [union_of(self._contract.document, schema).properties.get(name) for schema in schemas]
        return not any(union_of(self._contract.document, node).constants for node in properties if node is not None)

    def _has_left_out_its_body(self, case: Case[Any]) -> bool:
        """Documents forget that a body is required. Where its schema asks for fields, to send none may be refused."""
        operation = self._contract.document.find(case.operation.label)
        if operation is None or not isinstance(case.body, NotSet):
            return False
        schemas = [node.get("schema") or {} for node in operation.body.values()]
        return any(shape_of(self._contract.document, schema).required for schema in schemas)

    def _is_valid_as_a_form(self, case: Case[Any]) -> bool:
        """A form is text, so its `null` is a string. Schemathesis knows it, but not of a form that holds a file."""
        wrong = {place for place in ParameterLocation if case.meta and case.meta.is_negative_at(place)}
        if case.media_type != "multipart/form-data" or wrong != {ParameterLocation.BODY}:
            return False
        document, operation = self._contract.document, self._contract.document.find(case.operation.label)
        if operation is None or not isinstance(case.body, dict):
            return False
        schema = operation.body[case.media_type].get("schema") or {}
        return Validator(document, schema, "request").is_valid(_as_sent(document, schema, case.body))


def _as_sent(document: Document, schema: Any, body: dict[str, Any]) -> dict[str, Any]:
    """A form's fields as they are on the wire: text where that is valid, a list of one as that one, no empty list."""
    properties = shape_of(document, schema).properties
    sent = {}
    for name, value in body.items():
        lone = value[0] if isinstance(value, list) and len(value) == 1 else value
        # Of a file the validator knows no more than that it is text.
        text = "" if isinstance(lone, (bytes, Binary)) else lone if isinstance(lone, str) else dumps(lone, default=str)
        if lone != []:
            is_text = Validator(document, properties.get(name, {}), "request").is_valid(text)
            sent[name] = text if is_text and not isinstance(lone, list) else lone
    return sent
