"""Every operation of every bundled contract, in every state of a job, answers validly against its own schema."""

from collections.abc import Iterator
from typing import Any

import jsonschema_rs
import orjson
import pytest
from in_process import CREATES, Service, providers, start

from mockserver.jobs.lifecycle import State
from mockserver.jobs.resource import Action, JobOperation, JobResource
from mockserver.loading.providers import bundled_names
from mockserver.openapi.schema import json_schema

CASES = [
    (provider.name, outcome)
    for provider in providers()
    for outcome in (State.SUCCEEDED, State.FAILED)
    if outcome in provider.contract.resources[0].words  # one contract has no word for failure
]


def check(service: Service, part: JobOperation | Any, response: Any, *, refused: bool = False) -> None:
    """The answer's status is declared, and its body is valid against the schema declared for it."""
    operation = part.operation if isinstance(part, JobOperation) else part
    answer = operation.answer_for(response.status_code)
    assert answer is not None, f"{operation.name}: {response.status_code} is not declared: {response.text[:200]}"
    assert response.status_code < 500
    media_type = response.headers.get("content-type", "")
    if media_type.startswith("application/json"):
        media = answer.json_media()
        assert media is not None, f"{operation.name} answers JSON that is not declared"
        schema = json_schema(service.provider.contract.document, media[1]["schema"], "response")
        validator = jsonschema_rs.validator_for(schema, validate_formats=True)
        errors = [f"{e.instance_path}: {e.message}" for e in validator.iter_errors(orjson.loads(response.content))]
        assert not errors, f"{operation.name} {response.status_code}: {errors}\n{response.text}"
    elif response.content:
        assert media_type in answer.content


def moments(service: Service, outcome: State) -> Iterator[State]:
    """Move the clock through the states of a job that was just created, stopping in each."""
    yield State.QUEUED
    service.clock.advance(35)
    yield State.RUNNING
    service.clock.advance(3600)
    yield outcome
    service.clock.advance(400_000)
    yield outcome


def id_of(service: Service, resource: JobResource, response: Any) -> str:
    part = resource.first(Action.CREATE)
    assert part is not None
    assert part.view is not None
    body = response.json()
    for token in (*part.view.pointer, *part.view.fields["id"][0]):
        body = body[token]
    return str(body)


def path_of(part: JobOperation, id: str) -> str:
    return part.operation.path.split("{")[0] + id + part.operation.path.split("}")[-1]


@pytest.mark.parametrize(("name", "outcome"), CASES)
def test_every_operation_in_every_state_of_a_job(name: str, outcome: State) -> None:
    service = start(name, rate=1.0 if outcome is State.FAILED else 0.0)
    resource = service.provider.contract.resources[0]
    path, arguments = CREATES[name]
    created = service.post(path, **arguments)
    create = resource.first(Action.CREATE)
    check(service, create, created)
    id = id_of(service, resource, created)
    seen: list[Any] = []
    for state in moments(service, outcome):
        for part in resource.operations:
            if part.action in (Action.RETRIEVE, Action.CONTENT):
                response = service.get(path_of(part, id))
                check(service, part, response)
                if part.action is Action.RETRIEVE:
                    seen.append(word_in(part, response))
                    assert seen[-1] in set(part.view.words.values()), state
            elif part.action is Action.LIST:
                check(service, part, service.get(part.operation.path))
            elif part.action is Action.FOLLOW_UP and part.id_place:
                check(service, part, follow_up(service, part, id))
    assert seen == sorted(seen, key=seen.index)
    assert seen[-1] == resource.words[outcome]
    for part in resource.operations:
        if part.action is Action.DELETE:
            check(service, part, service.delete(path_of(part, id)))
            check(service, part, service.delete(path_of(part, id)))


def word_in(part: JobOperation, response: Any) -> str:
    assert part.view
    body = response.json()
    for token in (*part.view.pointer, *part.view.fields["status"][0]):
        body = body[token]
    return str(body)


def follow_up(service: Service, part: JobOperation, id: str) -> Any:
    assert part.id_place
    body: dict[str, Any] = {"prompt": "again"}
    if part.id_place.place == "body":
        outer, inner = part.id_place.pointer
        body[outer] = {inner: id}
    if part.sums:
        body["seconds"] = "4"
    path = path_of(part, id) if "{" in part.operation.path else part.operation.path
    return service.post(path, json=body)


@pytest.mark.parametrize("name", bundled_names())
def test_operations_that_are_no_part_of_a_job_answer_validly(name: str) -> None:
    service = start(name)
    contract = service.provider.contract
    placed = {part.operation.name for resource in contract.resources for part in resource.operations}
    placed |= {part.operation.name for collection in contract.collections for part in collection.operations}
    for operation in contract.document.operations:
        if operation.name not in placed:
            response = service.request(operation.method, operation.path)
            assert response.status_code == 200
            check(service, operation, response)


@pytest.mark.parametrize("name", bundled_names())
def test_every_refusal_has_the_providers_shape(name: str) -> None:
    service = start(name)
    contract = service.provider.contract
    retrieve = contract.resources[0].first(Action.RETRIEVE)
    create = contract.resources[0].first(Action.CREATE)
    assert retrieve is not None
    assert create is not None
    unknown = path_of(retrieve, "nobody-made-this")
    check(service, retrieve, service.get(unknown))
    check(
        service, create, service.post(create.operation.path, content=b"{", headers={"content-type": "application/json"})
    )
    check(service, create, service.post(create.operation.path, content=b"x", headers={"content-type": "text/csv"}))
    check(
        service,
        create,
        service.post(create.operation.path, content=b"\xff\xfe", headers={"content-type": "application/json"}),
    )
    if create.operation.security:
        for headers in (
            {},
            {"authorization": "Bearer invalid-1", "x-api-key": "invalid-1"},
            {"authorization": "Nonsense"},
        ):
            anonymous = start(service.provider, key="")
            check(anonymous, retrieve, anonymous.get(unknown, headers=headers))
