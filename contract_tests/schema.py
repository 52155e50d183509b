"""A contract as a schemathesis schema: its configuration, its transport, and what schemathesis itself is wrong about."""

from json import dumps
from typing import Any

import schemathesis
from schemathesis.core.failures import AcceptedNegativeData, Failure
from schemathesis.core.transport import Response
from schemathesis.generation.case import Case
from schemathesis.hooks import HookContext
from schemathesis.openapi.checks import EnsureResourceAvailability, RejectedPositiveData
from schemathesis.specs.openapi.schemas import OpenApiSchema
from schemathesis.transport import SerializationContext
from schemathesis.transport.requests import REQUESTS_TRANSPORT, RequestsTransport, multipart_serializer
from schemathesis.transport.serialization import Binary

from contract_tests.contract import TestedContract
from contract_tests.refusals import Refusals
from mockserver.jobs.resource import Action
from mockserver.openapi.document import Document
from mockserver.openapi.schema import Validator, shape_of

SEED = 20260924
FINISHED_JOB_WANTED = {Action.CONTENT, Action.FOLLOW_UP}
NOT_NOW = {"not_ready", "failed_content", "expired_content"}


def build_schema(contract: TestedContract, base_url: str, key: str, max_examples: int) -> OpenApiSchema:
    """The schema that the engine runs; all checks are on."""
    settings: dict[str, Any] = {
        "base-url": base_url,
        "seed": SEED,
        "continue-on-failure": True,
        "cache": {"enabled": False},  # what an earlier run learned must not decide what this one does
        "generation": {"max-examples": max_examples, "no-shrink": True, "database": "none"},
    }
    if credentials := contract.credentials(key):
        settings["auth"] = {"openapi": credentials}
    config = schemathesis.Config.from_dict(settings)
    schema = _Schema(contract.document.root, config.projects.get(contract.document.root))
    schema.send_with(contract.refusals)
    schema.hooks.register_hook_with_name(_Excuses(contract).is_fault, "filter_failure")
    return schema


class _Schema(OpenApiSchema):
    """A schema with a transport of its own; a hook would miss the requests that checks send by themselves."""

    @property
    def transport(self) -> RequestsTransport:
        return self._transport

    def send_with(self, refusals: Refusals) -> None:
        self._transport = _Transport(refusals)


class _Transport(RequestsTransport):
    """HTTP, with uploads named as files and refusals under the status that they stand for."""

    def __init__(self, refusals: Refusals) -> None:
        super().__init__()
        self._copy_serializers_from(REQUESTS_TRANSPORT)
        self.serializer("multipart/form-data")(_multipart_with_named_files)
        self._refusals = refusals

    def send(self, case: Case, **kwargs: Any) -> Response:
        response = super().send(case, **kwargs)
        response.status_code = self._refusals.shown_status(response.status_code, _json(response))
        return response


def _multipart_with_named_files(context: SerializationContext, value: Any) -> dict[str, Any]:
    """Schemathesis gives a file name only where a file is all that a schema allows.

    Where a file is one of several forms (`oneOf`), it sends the bytes without a name: a text field that is not UTF-8.
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


class _Excuses:
    """Failures that are none, because a schema cannot say all that a request depends on. Each is as narrow as can be."""

    def __init__(self, contract: TestedContract) -> None:
        self._contract = contract
        self._actions = {part.operation.name: part.action for part in contract.parts()}

    def is_fault(self, context: HookContext, failure: Failure, case: Case, response: Response) -> bool:
        """Whether a failure stands; schemathesis' `filter_failure` hook."""
        match failure:
            case RejectedPositiveData():
                return not (self._came_at_the_wrong_time(case, response) or self._has_a_cursor(case))
            case EnsureResourceAvailability():
                return not self._came_at_the_wrong_time(case, response)
            case AcceptedNegativeData():
                return not self._is_valid_as_a_form(case)
        return True

    def _came_at_the_wrong_time(self, case: Case, response: Response) -> bool:
        """A result is asked for, or a follow-up of it, while the job has none: the request is valid all the same."""
        kinds = self._contract.refusals.kinds(response.status_code, _json(response))
        return self._actions.get(case.operation.label) in FINISHED_JOB_WANTED and not kinds.isdisjoint(NOT_NOW)

    def _has_a_cursor(self, case: Case) -> bool:
        """A list that begins after a made-up id may be refused; ids in paths and bodies get a 404, which is accepted."""
        name = self._contract.provider.contract.vocabulary.best("paging", "after", list(case.query))
        return self._actions.get(case.operation.label) is Action.LIST and name is not None

    def _is_valid_as_a_form(self, case: Case) -> bool:
        """A form is text, so `null` is a string there. Schemathesis knows it, but not of forms that hold a file."""
        operation = self._contract.document.find(case.operation.label)
        if operation is None or not isinstance(case.body, dict) or not str(case.media_type).startswith("multipart/"):
            return False
        document, schema = self._contract.document, operation.body[str(case.media_type)].get("schema") or {}
        properties = shape_of(document, schema).properties
        sent = {n: _as_sent(document, properties.get(n, {}), v) for n, v in case.body.items()}
        return Validator(document, schema, "request").is_valid(sent)


def _as_sent(document: Document, schema: Any, value: Any) -> Any:
    """A value as text, if it is valid as text. A file is text to a validator."""
    text = "" if isinstance(value, (bytes, Binary)) else value if isinstance(value, str) else dumps(value)
    return text if Validator(document, schema, "request").is_valid(text) else value
