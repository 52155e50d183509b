"""Webhooks: a real receiver is told of the ends of jobs, signed, on the sandbox's clock; and nobody else is."""

import asyncio
import json
import re
import threading
from base64 import b64encode
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml
from in_process import KEY, START, Service, run, start
from openai import InvalidWebhookSignatureError, OpenAI
from standardwebhooks import Webhook, WebhookVerificationError

from mockserver.clock import ClockMode
from mockserver.errors import DeclarationError
from mockserver.instants import read_instant
from mockserver.jobs.lifecycle import State
from mockserver.loading.providers import load_provider
from mockserver.plans.scenario import LATE, Scenario, read_scenario
from mockserver.realtime import steady_time
from mockserver.sandbox.outbox import (
    BACKOFF,
    MAX_DELIVERIES,
    MAX_ENDPOINTS,
    Endpoint,
    own_secret,
    read_endpoint,
    why_refused,
)
from mockserver.sandbox.sandbox import Sandbox
from mockserver.signing import is_secret
from mockserver.web.app import App
from mockserver.web.listener import make_listener

SECRET = "whsec_" + b64encode(b"a secret of twenty-four b").decode()
NOBODY: frozenset[str] = frozenset()


class Arrival(NamedTuple):
    """One request that came to the receiver."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]


class Receiver:
    """A server on loopback that keeps what arrives. `answers` are the statuses to come; after them 204."""

    def __init__(self) -> None:
        self.arrived: list[Arrival] = []
        self.answers: list[int] = []
        self.location = ""
        self.came = threading.Event()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                headers = {name.lower(): value for name, value in self.headers.items()}
                receiver.arrived.append(Arrival(self.command, self.path, headers, body))
                self.send_response(receiver.answers.pop(0) if receiver.answers else 204)
                if receiver.location:
                    self.send_header("location", receiver.location)
                self.send_header("content-length", "0")
                self.end_headers()
                receiver.came.set()

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/hook"
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def types(self) -> list[str]:
        return [arrival.json["type"] for arrival in self.arrived]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    yield made
    made.server.shutdown()
    made.server.server_close()


def app_of(service: Service) -> App:
    return service.client._transport.app  # type: ignore[attr-defined,no-any-return]


def sandbox_of(service: Service, key: str = KEY) -> Sandbox:
    return app_of(service).sandboxes.of(key)


def tell(service: Service, url: str, **more: Any) -> Endpoint:
    """Register an endpoint for the sandbox of the usual key."""
    sandbox = sandbox_of(service)
    endpoint = read_endpoint({"url": url, "secret": SECRET, **more}, sandbox.outbox, NOBODY, 1)
    sandbox.outbox.add(endpoint)
    sandbox.update()
    return endpoint


def move(service: Service, seconds: float) -> None:
    """Advance the clock, and deliver what falls due until then."""
    service.clock.advance(seconds)
    run(app_of(service).settle([sandbox_of(service)]))


def create(service: Service, **more: Any) -> str:
    return str(service.post("/videos", json={"prompt": "a cat", **more}).json()["id"])


def deliveries(service: Service) -> list[dict[str, Any]]:
    return sandbox_of(service).outbox.deliveries()


def verified(arrival: Arrival, secret: str = SECRET) -> Any:
    return Webhook(secret).verify(arrival.body, arrival.headers)


def written(tmp_path: Path, document: dict[str, Any], **start_with: Any) -> Service:
    """A service of a document of one's own."""
    file = tmp_path / "openapi.yaml"
    file.write_text(yaml.safe_dump(document, sort_keys=False))
    return start(load_provider(str(file)), key="", **start_with)


# -- what arrives -----------------------------------------------------------------------------------


def test_the_end_of_a_job_arrives_signed_with_real_time_outside_and_virtual_time_inside(receiver: Receiver) -> None:
    service = start("openai", rate=0.0)
    tell(service, receiver.url)
    job = create(service)
    move(service, 1)
    assert not receiver.arrived
    move(service, 300)
    (arrival,) = receiver.arrived
    ended = service.get(f"/videos/{job}").json()["completed_at"]
    told = verified(arrival)
    assert re.fullmatch(r"evt_[0-9a-f]{32}", told["id"])
    assert told == {
        "id": told["id"], "object": "event", "created_at": ended, "type": "video.completed", "data": {"id": job},
    }  # fmt: skip
    assert arrival.id == told["id"]
    assert abs(int(arrival.headers["webhook-timestamp"]) - steady_time()) < 60
    assert abs(ended - START) < 300
    assert arrival.headers["content-type"] == "application/json"
    (delivery,) = deliveries(service)
    assert (delivery["state"], delivery["event"], delivery["job"]) == ("delivered", "video.completed", job)
    assert SECRET not in json.dumps(deliveries(service))


def test_the_official_sdk_verifies_it(receiver: Receiver) -> None:
    service = start("openai", rate=1.0)
    tell(service, receiver.url)
    job = create(service)
    move(service, 300)
    (arrival,) = receiver.arrived
    client = OpenAI(api_key="sk-anything", webhook_secret=SECRET)
    event = client.webhooks.unwrap(arrival.body, arrival.headers)
    assert (event.type, event.data.id) == ("video.failed", job)  # type: ignore[comparison-overlap,union-attr]
    with pytest.raises(InvalidWebhookSignatureError):
        client.webhooks.verify_signature(arrival.body + b" ", arrival.headers)


def test_events_come_in_the_order_of_the_ends_of_jobs(receiver: Receiver) -> None:
    service = start("openai", rate=0.0)
    tell(service, receiver.url)
    slow, fast = create(service, model="sora-2-pro"), create(service)
    ends = {job: sandbox_of(service).account("openai").store.get(job).timeline.ended for job in (slow, fast)}  # type: ignore[union-attr]
    move(service, 1000)
    assert [each.json["data"]["id"] for each in receiver.arrived] == sorted(ends, key=ends.__getitem__)


def test_the_same_seed_gives_the_same_events_and_secrets(receiver: Receiver) -> None:
    def told() -> tuple[str, str]:
        service = start("openai", rate=0.0, seed=7)
        sandbox = sandbox_of(service)
        endpoint = read_endpoint({"url": receiver.url}, sandbox.outbox, NOBODY, 7)
        sandbox.outbox.add(endpoint)
        sandbox.update()
        create(service)
        move(service, 300)
        assert verified(receiver.arrived[-1], endpoint.secret)
        return receiver.arrived[-1].body.decode(), endpoint.secret

    first = told()
    assert is_secret(first[1])
    assert told() == first


def test_an_endpoint_that_is_added_late_hears_of_jobs_that_still_run(receiver: Receiver) -> None:
    service = start("openai", rate=0.0)
    over = create(service)
    service.clock.advance(300)
    running = create(service)
    tell(service, receiver.url)
    move(service, 300)
    assert [each.json["data"]["id"] for each in receiver.arrived] == [running]
    assert over != running


def test_an_endpoint_hears_only_of_the_events_that_it_asks_for(receiver: Receiver) -> None:
    service = start("openai", rate=0.0)
    tell(service, receiver.url, events=["video.failed"])
    create(service)
    move(service, 300)
    assert receiver.arrived == []
    assert deliveries(service) == []


def test_two_keys_hear_of_their_own_jobs_and_the_servers_endpoint_of_all(receiver: Receiver) -> None:
    service = start("openai", rate=0.0)
    registry = app_of(service).sandboxes
    other = registry.of("sk-another-key")
    registry.server.outbox.add(
        read_endpoint({"url": f"{receiver.url}/all", "secret": SECRET}, registry.server.outbox, NOBODY, 1)
    )
    registry.server.update()
    tell(service, f"{receiver.url}/mine")
    mine = create(service)
    theirs = service.post(
        "/videos", json={"prompt": "a dog"}, headers={"Authorization": "Bearer sk-another-key"}
    ).json()["id"]
    service.clock.advance(300)
    run(app_of(service).settle([sandbox_of(service), other]))
    told = {(each.path, each.json["data"]["id"]) for each in receiver.arrived}
    assert told == {("/hook/all", mine), ("/hook/mine", mine), ("/hook/all", theirs)}
    assert {each["job"] for each in other.outbox.deliveries()} == {theirs}
    assert {each["endpoint"] for each in deliveries(service)} == {"we_server_1", "we_1"}


# -- attempts ---------------------------------------------------------------------------------------


def test_what_is_not_taken_is_tried_again_on_the_clock_with_the_same_id_and_a_new_signature(receiver: Receiver) -> None:
    service = start("openai", rate=0.0)
    tell(service, receiver.url)
    receiver.answers = [500, 503]
    create(service)
    move(service, 150)
    assert [each["status"] for each in deliveries(service)[0]["attempts"]] == [500, 503]
    assert deliveries(service)[0]["state"] == "waiting"
    move(service, 600)
    (delivery,) = deliveries(service)
    assert delivery["state"] == "delivered"
    ended = delivery["occurred"]
    assert delivery["attempts"][0]["virtual_time"] == ended
    assert len({each.id for each in receiver.arrived}) == 1
    assert len({each.body for each in receiver.arrived}) == 1
    assert all(verified(each) for each in receiver.arrived)
    assert _seconds_between(delivery) == [BACKOFF[0], BACKOFF[1]]


def _seconds_between(delivery: dict[str, Any]) -> list[float]:
    times = [read_instant(each["virtual_time"]) for each in delivery["attempts"]]
    return [round(b - a, 1) for a, b in pairwise(times)]


def test_it_is_given_up_after_the_last_attempt(receiver: Receiver) -> None:
    service = start("openai", rate=0.0)
    tell(service, receiver.url)
    receiver.answers = [500] * 20
    create(service)
    move(service, 7 * 86_400)
    (delivery,) = deliveries(service)
    assert (delivery["state"], delivery["due"], len(receiver.arrived)) == ("failed", None, 1 + len(BACKOFF))
    assert _seconds_between(delivery) == list(BACKOFF)


def test_a_receiver_that_is_gone_is_asked_no_more(receiver: Receiver) -> None:
    service = start("openai", rate=0.0)
    tell(service, receiver.url)
    receiver.answers = [410]
    create(service)
    move(service, 86_400)
    assert len(receiver.arrived) == 1
    assert "410" in deliveries(service)[0]["reason"]


def test_nobody_at_home_is_an_error_that_is_told_and_tried_again(receiver: Receiver) -> None:
    receiver.server.server_close()
    service = start("openai", rate=0.0)
    tell(service, receiver.url)
    create(service)
    move(service, 300)
    (delivery,) = deliveries(service)
    assert delivery["state"] == "waiting"
    assert delivery["attempts"][0]["status"] is None
    assert "Connect" in delivery["attempts"][0]["error"]


def test_redirects_are_not_followed(receiver: Receiver) -> None:
    service = start("openai", rate=0.0)
    tell(service, receiver.url)
    receiver.answers, receiver.location = [307], receiver.url.replace("/hook", "/elsewhere")
    create(service)
    move(service, 90)
    move(service, 30)
    assert {each.path for each in receiver.arrived} == {"/hook"}
    assert "redirects are not followed" in deliveries(service)[0]["attempts"][0]["error"]


def test_a_removed_endpoint_gets_nothing_more(receiver: Receiver) -> None:
    service = start("openai", rate=0.0)
    endpoint = tell(service, receiver.url)
    receiver.answers = [500]
    create(service)
    ended = sandbox_of(service).outbox.next_due()
    move(service, ended - service.clock.now())
    assert len(receiver.arrived) == 1
    del sandbox_of(service).outbox.endpoints[endpoint.id]
    sandbox_of(service).update()
    move(service, 600)
    assert len(receiver.arrived) == 1
    assert deliveries(service)[0]["reason"] == "the endpoint was removed"


# -- delivery faults --------------------------------------------------------------------------------


def test_never(receiver: Receiver) -> None:
    service = start("openai", rate=0.0)
    tell(service, receiver.url, faults=["never"])
    create(service)
    move(service, 86_400)
    assert receiver.arrived == []
    assert deliveries(service)[0]["reason"] == "not sent: the delivery fault 'never'"


def test_late(receiver: Receiver) -> None:
    service = start("openai", rate=0.0)
    tell(service, receiver.url, faults=["late"])
    create(service)
    ended = sandbox_of(service).outbox.next_due()
    move(service, ended - START + LATE - 1)
    assert receiver.arrived == []
    move(service, 1.5)
    assert receiver.types() == ["video.completed"]
    assert receiver.arrived[0].json["created_at"] == int(ended)


def test_twice(receiver: Receiver) -> None:
    service = start("openai", rate=0.0)
    tell(service, receiver.url, faults=["twice"])
    create(service)
    move(service, 300)
    first, second = receiver.arrived
    assert (first.id, first.body) == (second.id, second.body)
    assert deliveries(service)[0]["state"] == "delivered"


def test_out_of_order(receiver: Receiver) -> None:
    service = start("openai", rate=0.0)
    tell(service, receiver.url, faults=["out-of-order"])
    first = create(service)
    service.clock.advance(120)
    second = create(service)
    move(service, 200)
    assert [each.json["data"]["id"] for each in receiver.arrived] == [second, first]
    alone = create(service)
    move(service, 120)
    assert len(receiver.arrived) == 2
    move(service, LATE)
    assert receiver.arrived[-1].json["data"]["id"] == alone  # nothing overtook it


def test_bad_signature(receiver: Receiver) -> None:
    service = start("openai", rate=0.0)
    tell(service, receiver.url, faults=["bad-signature"])
    create(service)
    move(service, 300)
    with pytest.raises(WebhookVerificationError):
        verified(receiver.arrived[0])


def test_the_scenario_of_a_job_says_how_its_event_is_told(receiver: Receiver) -> None:
    service = start("openai", rate=0.0)
    tell(service, receiver.url)
    plan = {"summary": "told twice", "job": {"webhook": "twice"}}
    sandbox = sandbox_of(service)
    sandbox.registry.server.own["told-twice"] = _scenario("told-twice", plan)
    sandbox.switch_on(sandbox.registry.scenarios["told-twice"], times=1)
    create(service)
    create(service)
    move(service, 300)
    assert len(receiver.arrived) == 3


def _scenario(name: str, data: dict[str, Any]) -> Scenario:
    return read_scenario(name, data, frozenset(), "a test")


# -- what really happened ---------------------------------------------------------------------------

TASKS: dict[str, Any] = {
    "openapi": "3.1.0",
    "info": {"title": "Tasks", "version": "1"},
    "paths": {
        "/tasks": {
            "post": {
                "operationId": "createTask",
                "requestBody": {
                    "required": True,
                    "content": {
                        "application/json": {
                            "schema": {
                                "type": "object",
                                "required": ["prompt"],
                                "properties": {
                                    "prompt": {"type": "string"},
                                    "callback_url": {"type": "string", "format": "uri"},
                                    "webhook_secret": {"type": "string"},
                                },
                            }
                        }
                    },
                },
                "responses": {
                    "201": {
                        "description": "Made.",
                        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Task"}}},
                    }
                },
            }
        },
        "/tasks/{task_id}": {
            "parameters": [{"name": "task_id", "in": "path", "required": True, "schema": {"type": "string"}}],
            "get": {
                "operationId": "getTask",
                "responses": {
                    "200": {
                        "description": "It.",
                        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Task"}}},
                    }
                },
            },
            "delete": {"operationId": "deleteTask", "responses": {"204": {"description": "Gone."}}},
        },
        "/tasks/{task_id}/cancel": {
            "parameters": [{"name": "task_id", "in": "path", "required": True, "schema": {"type": "string"}}],
            "post": {
                "operationId": "cancelTask",
                "responses": {
                    "200": {
                        "description": "It.",
                        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Task"}}},
                    }
                },
            },
        },
    },
    "components": {
        "schemas": {
            "Task": {
                "type": "object",
                "required": ["id", "status"],
                "properties": {
                    "id": {"type": "string"},
                    "status": {"enum": ["queued", "running", "succeeded", "failed", "cancelled"]},
                    "created_at": {"type": "string", "format": "date-time"},
                    "output_url": {"type": ["string", "null"], "format": "uri"},
                },
            }
        }
    },
}


def with_callbacks(callbacks: dict[str, Any]) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(json.dumps(TASKS))
    document["paths"]["/tasks"]["post"]["callbacks"] = callbacks
    return document


def sent(schema: dict[str, Any]) -> dict[str, Any]:
    content = {"application/json": {"schema": schema}}
    return {"post": {"requestBody": {"content": content}, "responses": {"200": {"description": "Thanks."}}}}


def hear(service: Service, url: str) -> None:
    sandbox = sandbox_of(service, "")
    sandbox.outbox.add(read_endpoint({"url": url, "secret": SECRET}, sandbox.outbox, NOBODY, 1))
    sandbox.update()


def pass_time(service: Service, seconds: float) -> None:
    service.clock.advance(seconds)
    run(app_of(service).settle(list(app_of(service).sandboxes)))


def make_task(service: Service, **more: Any) -> str:
    answer = service.post("/tasks", json={"prompt": "a cat", **more})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


def test_without_a_word_of_the_contract_an_event_is_its_type_its_time_and_the_job(
    tmp_path: Path, receiver: Receiver
) -> None:
    service = written(tmp_path, TASKS)
    hear(service, receiver.url)
    id = make_task(service)
    pass_time(service, 600)
    shown = service.get(f"/tasks/{id}").json()
    (arrival,) = receiver.arrived
    assert arrival.json["type"] == f"task.{shown['status']}"
    assert arrival.json["data"] == shown
    assert re.fullmatch(r"2026-\d\d-\d\dT[\d:]+\.\d{3}Z", arrival.json["timestamp"])


def test_a_cancelled_job_is_told_of_at_once_and_a_deleted_one_never(tmp_path: Path, receiver: Receiver) -> None:
    service = written(tmp_path, TASKS)
    hear(service, receiver.url)
    stopped, gone = make_task(service), make_task(service)
    assert service.post(f"/tasks/{stopped}/cancel").status_code == 200
    assert service.delete(f"/tasks/{gone}").status_code == 204
    pass_time(service, 0)
    assert receiver.types() == ["task.cancelled"]
    pass_time(service, 3600)
    assert receiver.types() == ["task.cancelled"]


def test_a_job_that_ended_is_told_of_though_it_is_deleted_before_anyone_looked(
    tmp_path: Path, receiver: Receiver
) -> None:
    service = written(tmp_path, TASKS, rate=0.0)
    hear(service, receiver.url)
    id = make_task(service)
    service.clock.advance(600)
    service.delete(f"/tasks/{id}")
    pass_time(service, 0)
    assert receiver.types() == ["task.succeeded"]


def test_a_job_that_is_forced_to_another_end_is_told_of_as_it_ended(tmp_path: Path, receiver: Receiver) -> None:
    service = written(tmp_path, TASKS, rate=0.0)
    hear(service, receiver.url)
    id = make_task(service)
    account = next(iter(sandbox_of(service, "").accounts.values()))

    def force(outcome: State) -> None:
        job = account.store.get(id)
        assert job is not None
        timeline = job.timeline._replace(ended=service.clock.now(), outcome=outcome, expires=None)
        account.store.replace(job._replace(timeline=timeline))

    force(State.FAILED)
    pass_time(service, 0)
    pass_time(service, 600)
    assert receiver.types() == ["task.failed"]
    force(State.SUCCEEDED)
    pass_time(service, 0)
    assert receiver.types() == ["task.failed", "task.succeeded"]


# -- addresses in requests --------------------------------------------------------------------------


def test_an_address_in_a_request_is_told_though_nothing_is_switched_on(tmp_path: Path, receiver: Receiver) -> None:
    service = written(tmp_path, TASKS, rate=0.0)
    id = make_task(service, callback_url=receiver.url, webhook_secret=SECRET)
    make_task(service)
    assert not sandbox_of(service, "").steered
    pass_time(service, 600)
    (arrival,) = receiver.arrived
    assert verified(arrival)["data"]["id"] == id
    (delivery,) = sandbox_of(service, "").outbox.deliveries()
    assert (delivery["endpoint"], delivery["state"]) == ("callback", "delivered")


def test_without_a_secret_of_its_own_a_callback_is_signed_with_the_sandboxs(tmp_path: Path, receiver: Receiver) -> None:
    service = written(tmp_path, TASKS)
    make_task(service, callback_url=receiver.url)
    make_task(service, callback_url=receiver.url, webhook_secret="any words")
    pass_time(service, 600)
    keys = {own_secret(sandbox_of(service, "").secret_seed), b"any words"}
    assert {key for key in keys for each in receiver.arrived if _is_signed(each, key)} == keys


def _is_signed(arrival: Arrival, key: str | bytes) -> bool:
    try:
        Webhook(key).verify(arrival.body, arrival.headers)
    except WebhookVerificationError:
        return False
    return True


def test_a_refused_address_does_not_hinder_the_job_and_is_listed(tmp_path: Path) -> None:
    service = written(tmp_path, TASKS)
    id = make_task(service, callback_url="http://169.254.169.254/latest/meta-data")
    pass_time(service, 600)
    (delivery,) = sandbox_of(service, "").outbox.deliveries()
    assert (delivery["job"], delivery["state"], delivery["attempts"]) == (id, "refused", [])
    assert "169.254.169.254" in delivery["reason"]


def test_a_host_that_is_allowed_by_name_is_sent_to(tmp_path: Path, receiver: Receiver) -> None:
    service = written(tmp_path, TASKS, webhook_hosts=("hooks.invalid",))
    make_task(service, callback_url="http://hooks.invalid/hook")
    pass_time(service, 600)
    (delivery,) = sandbox_of(service, "").outbox.deliveries()
    assert delivery["state"] == "waiting"  # the name leads nowhere, but it was tried
    assert delivery["attempts"][0]["status"] is None


def test_a_callback_of_the_document_gets_the_body_that_it_describes(tmp_path: Path, receiver: Receiver) -> None:
    document = with_callbacks(
        {"taskDone": {"{$request.body#/callback_url}?from=tasks": sent({"$ref": "#/components/schemas/Task"})}}
    )
    service = written(tmp_path, document, rate=0.0)
    id = make_task(service, callback_url=receiver.url)
    pass_time(service, 600)
    (arrival,) = receiver.arrived
    assert arrival.path == "/hook?from=tasks"
    assert arrival.json == service.get(f"/tasks/{id}").json()


def test_callbacks_are_told_of_the_ends_that_they_are_named_for(tmp_path: Path, receiver: Receiver) -> None:
    notice = {
        "type": "object",
        "required": ["event", "task"],
        "properties": {
            "event": {"enum": ["task.succeeded", "task.failed"]},
            "sent_at": {"type": "integer"},
            "task": {"$ref": "#/components/schemas/Task"},
        },
    }
    document = with_callbacks(
        {
            "onProgress": {"{$request.query.notify}/progress": sent({"type": "object"})},
            "onSuccess": {"{$request.query.notify}/good": sent(notice)},
            "onFailure": {"{$request.header.X-Failures}": sent(notice)},
        }
    )
    query = {"name": "notify", "in": "query", "schema": {"type": "string"}}
    document["paths"]["/tasks"]["post"]["parameters"] = [query]
    service = written(tmp_path, document, rate=0.0)
    headers = {"X-Failures": f"{receiver.url}/bad"}
    answer = service.post("/tasks", params={"notify": receiver.url}, headers=headers, json={"prompt": "a cat"})
    pass_time(service, 600)
    (arrival,) = receiver.arrived
    assert arrival.path == "/hook/good"
    ended = sandbox_of(service, "").outbox.deliveries()[0]["occurred"]
    assert arrival.json["event"] == "task.succeeded"
    assert isinstance(arrival.json["sent_at"], int), ended
    assert arrival.json["task"] == service.get(f"/tasks/{answer.json()['id']}").json()


def test_the_documents_webhooks_name_and_shape_the_events(tmp_path: Path, receiver: Receiver) -> None:
    def event(name: str) -> dict[str, Any]:
        properties = {
            "id": {"type": "string"},
            "object": {"const": "event"},
            "created_at": {"type": "integer"},
            "type": {"const": name},
            "data": {"type": "object", "required": ["id"], "properties": {"id": {"type": "string"}}},
        }
        return sent({"type": "object", "required": list(properties), "properties": properties})

    document = {**TASKS, "webhooks": {"task_ok": event("task.completed"), "task_bad": event("task.failed")}}
    service = written(tmp_path, document, rate=0.0)
    hear(service, receiver.url)
    id = make_task(service)
    pass_time(service, 600)
    (arrival,) = receiver.arrived
    told = verified(arrival)
    assert (told["type"], told["data"], told["object"]) == ("task.completed", {"id": id}, "event")
    assert told["id"] == arrival.id
    assert START < told["created_at"] < START + 600


def test_what_is_declared_of_events_comes_first(tmp_path: Path, receiver: Receiver) -> None:
    events = {"succeeded": "done"}
    body = {"what": "{type}", "text": "{id} is {status}", "at": "{now_ms}", "when": "{instant}", "it": "{job}"}
    declared = {"task": {"events": events, "event-body": body, "callback": "/prompt"}}
    service = written(tmp_path, {**TASKS, "x-job": {"resources": declared}}, rate=0.0)
    id = str(service.post("/tasks", json={"prompt": receiver.url}).json()["id"])
    pass_time(service, 600)
    (arrival,) = receiver.arrived
    shown = service.get(f"/tasks/{id}").json()
    assert arrival.json["what"] == "done"
    assert arrival.json["text"] == f"{id} is succeeded"
    assert arrival.json["it"] == shown
    assert isinstance(arrival.json["at"], int)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"events": {"running": "x"}}, "events: unknown keys"),
        ({"events": {"failed": 3}}, "expected the name of an event"),
        ({"event-body": {"a": "{what}"}}, "event-body: found"),
        ({"callback": "url"}, "is not a JSON Pointer"),
    ],
)
def test_a_wrong_declaration_is_refused(tmp_path: Path, wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(DeclarationError, match=re.escape(said)):
        written(tmp_path, {**TASKS, "x-job": {"resources": {"task": wrong}}})


# -- clocks that move by themselves -----------------------------------------------------------------


async def _until_it_comes(receiver: Receiver) -> None:
    loop = asyncio.get_running_loop()
    assert await loop.run_in_executor(None, receiver.came.wait, 10)


def test_on_a_running_clock_an_event_is_sent_when_it_falls_due(tmp_path: Path, receiver: Receiver) -> None:
    service = written(tmp_path, TASKS, rate=0.0)
    hear(service, receiver.url)
    service.clock.change(ClockMode.SCALED, 2000)
    app_of(service).sandboxes.server.update()
    receiver.answers = [500]

    async def story() -> None:
        await service.client.post("/tasks", json={"prompt": "a cat"})
        await _until_it_comes(receiver)
        receiver.came.clear()
        await _until_it_comes(receiver)  # the second attempt
        await app_of(service).courier.stop()

    run(story())
    assert receiver.types() == ["task.succeeded"] * 2


def test_a_poll_that_skips_time_tells_of_what_it_skipped_to(tmp_path: Path, receiver: Receiver) -> None:
    service = written(tmp_path, TASKS, rate=0.0)
    service.clock.change(ClockMode.SKIPPING)
    app_of(service).sandboxes.server.update()

    async def story() -> None:
        made = await service.client.post("/tasks", json={"prompt": "a cat", "callback_url": receiver.url})
        for _ in range(2):
            await service.client.get(f"/tasks/{made.json()['id']}")
        await _until_it_comes(receiver)
        await app_of(service).courier.stop()

    run(story())
    assert receiver.types() == ["task.succeeded"]


def test_on_a_frozen_clock_no_task_is_left_waiting(receiver: Receiver) -> None:
    service = start("openai", rate=0.0)
    tell(service, receiver.url)
    create(service)

    async def others() -> set[Any]:
        await asyncio.sleep(0)
        return asyncio.all_tasks() - {asyncio.current_task()}

    assert run(others()) == set()


# -- bounds, and reading ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/hook", "http://169.254.169.254/", "http://10.0.0.1/", "http://0.0.0.0/", "http://[::]/",
        "http://[::ffff:127.0.0.1]/", "http://2130706433/", "http://0x7f.1/", "http://127.1/", "ftp://127.0.0.1/",
        "file:///etc/passwd", "127.0.0.1", "http://", "http://user@127.0.0.1/", "http://127.0.0.1@example.com/",
        "http://127.0.0.1\\@example.com/", "http://127.0.0.1 /", "http://127.0.0.1/\n", "http://localhost.example.com/",
        "http://127.0.0.1:99999/", "http://127.0.0.1:0/", "http://lоcalhost/", "http://[::1/", "javascript:alert(1)",
        "http://127.0.0.1/" + "a" * 2000, "",
    ],
)  # fmt: skip
def test_no_other_machine_is_ever_sent_to(url: str) -> None:
    assert why_refused(url)
    sandbox = sandbox_of(start("openai"))
    with pytest.raises(DeclarationError, match=r"endpoint\.url"):
        read_endpoint({"url": url}, sandbox.outbox, NOBODY, 1)


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:1/", "https://127.8.9.1/a?b=c#d", "http://[::1]:80/", "HTTP://LocalHost/x"]
)
def test_this_machine_may_be_sent_to(url: str) -> None:
    assert why_refused(url) == ""


def test_a_host_is_allowed_by_its_whole_name() -> None:
    allowed = frozenset({"Hooks.example.com"})
    assert why_refused("https://hooks.example.com/x", allowed) == ""
    assert why_refused("https://evil-hooks.example.com/x", allowed)
    assert why_refused("https://hooks.example.com.evil.org/x", allowed)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ([], "expected a map"),
        ({}, "endpoint.url"),
        ({"url": "http://127.0.0.1/", "hosts": []}, "unknown key 'hosts'"),
        ({"url": "http://127.0.0.1/", "secret": "abc"}, "base64 of 24 to 64 bytes"),
        ({"url": "http://127.0.0.1/", "secret": "whsec_YWJj"}, "base64 of 24 to 64 bytes"),
        ({"url": "http://127.0.0.1/", "faults": ["nevr"]}, "did you mean 'never'"),
        ({"url": "http://127.0.0.1/", "events": "all"}, "expected a list"),
        ({"url": "http://127.0.0.1/", "events": [3]}, "endpoint.events[0]"),
    ],
)
def test_endpoints_are_read_strictly(data: Any, said: str) -> None:
    with pytest.raises(DeclarationError, match=re.escape(said)):
        read_endpoint(data, sandbox_of(start("openai")).outbox, NOBODY, 1)


def test_there_are_bounds(receiver: Receiver) -> None:
    service = start("openai", rate=0.0)
    for _ in range(MAX_ENDPOINTS):
        tell(service, receiver.url, faults=["never"])
    with pytest.raises(DeclarationError, match="remove one first"):
        tell(service, receiver.url)
    for _ in range(MAX_DELIVERIES // MAX_ENDPOINTS + 2):
        create(service)
    move(service, 3600)
    assert len(deliveries(service)) == MAX_DELIVERIES
    sandbox_of(service).reset()
    assert deliveries(service) == []
    assert sandbox_of(service).outbox.endpoints == {}


# -- mockserver webhook listen ----------------------------------------------------------------------


def test_the_listener_shows_and_verifies_what_arrives() -> None:
    said: list[str] = []
    server = make_listener("127.0.0.1", 0, SECRET, pretty=True, say=said.append)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    try:
        service = start("openai", rate=0.0)
        url = f"http://127.0.0.1:{server.server_address[1]}/"
        tell(service, url, faults=["twice"])
        tell(service, url, faults=["bad-signature"])
        create(service)
        move(service, 300)
    finally:
        server.shutdown()
        server.server_close()
    lines = [line for line in said if "evt_" in line and "video.completed" in line and not line.startswith("{")]
    assert [line.split("  ")[-1] for line in lines].count("verified") == 1
    assert sum("NOT VERIFIED: No matching signature found" in line for line in lines) >= 1
    assert any(line.endswith("verified, again") for line in lines)
    assert any('"object": "event"' in text for text in said)
