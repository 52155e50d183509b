"""Webhooks that a check judges: laws over histories, deliveries of the simulator, a service that misbehaves."""

import json
import socket
import threading
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2
import orjson
import pytest
import yaml
from click.testing import CliRunner
from serving import Urls, serving
from standardwebhooks import Webhook

from contract_tests.checking import Wishes, check, check_har, recorded
from contract_tests.contract import ContractUnderTest, load_contract
from contract_tests.finding import NOT_ASKED, Finding, Outcome, Severity, Verdict
from contract_tests.history import Exchange, History, Listening, Purpose, Signature
from contract_tests.judging import FAILED, judge
from contract_tests.playing.budget import Budget
from contract_tests.playing.har import from_har, to_har
from contract_tests.playing.listening import (
    MOST,
    MOST_BODY,
    Hearing,
    ListenError,
    Receiver,
    address_of,
    below,
    signature_of,
)
from contract_tests.playing.player import Options
from contract_tests.playing.seeing import stories_of
from contract_tests.playing.stories import play
from contract_tests.playing.target import Service
from contract_tests.promising import called_back, registered, tells_of_ends
from mockserver.cli import main
from mockserver.jobs.lifecycle import State
from mockserver.jobs.resource import Action
from mockserver.realtime import steady_time
from mockserver.signing import verifier

HOOKS = ("HOOK001", "HOOK002", "HOOK003", "HOOK004", "HOOK005")
SECRET = "whsec_" + b64encode(b"a secret of twenty-four b").decode()
KEY = "sk-check-0123456789"
START = 1_790_000_000

TEXT = {"type": "string"}
RENDER = {
    "type": "object",
    "required": ["id", "status"],
    "properties": {"id": TEXT, "status": {"type": "string", "enum": ["queued", "in_progress", "completed", "failed"]}},
}
ENDED = {**RENDER, "properties": {"id": TEXT, "status": {"type": "string", "enum": ["completed", "failed"]}}}
PROBLEM = {"type": "object", "required": ["error"], "properties": {"error": TEXT}}


def answer(schema: dict[str, Any]) -> dict[str, Any]:
    return {"description": "It is.", "content": {"application/json": {"schema": schema}}}


RENDERS: dict[str, Any] = {
    "openapi": "3.1.0",
    "info": {"title": "Renders", "version": "1"},
    "paths": {
        "/renders": {
            "post": {
                "operationId": "createRender",
                "requestBody": {
                    "required": True,
                    "content": {"application/json": {"schema": {
                        "type": "object",
                        "required": ["prompt"],
                        "properties": {"prompt": TEXT, "callback_url": {"type": "string", "format": "uri"},
                                       "webhook_secret": TEXT},
                        "additionalProperties": False,
                    }}},
                },
                "responses": {"201": answer(RENDER), "4XX": answer(PROBLEM)},
            }
        },
        "/renders/{id}": {
            "get": {
                "operationId": "getRender",
                "parameters": [{"name": "id", "in": "path", "required": True, "schema": TEXT}],
                "responses": {"200": answer(RENDER), "4XX": answer(PROBLEM)},
            }
        },
    },
}  # fmt: skip
ENDINGS = {
    "post": {
        "requestBody": {"content": {"application/json": {"schema": ENDED}}},
        "responses": {"200": {"description": "Taken."}},
    }
}
CALLBACKS = {"onEnd": {"{$request.body#/callback_url}": ENDINGS}}


def written(folder: Path, *, callbacks: Any = None, headers: Any = None, **more: Any) -> ContractUnderTest:
    document = json.loads(json.dumps(RENDERS)) | more
    if callbacks:
        document["paths"]["/renders"]["post"]["callbacks"] = json.loads(json.dumps(callbacks))
        if headers:
            item = document["paths"]["/renders"]["post"]["callbacks"]["onEnd"]["{$request.body#/callback_url}"]
            item["post"]["parameters"] = headers
    file = folder / "renders.yaml"
    file.write_text(yaml.safe_dump(document, sort_keys=False))
    return load_contract(str(file))


def outcomes(history: History) -> dict[str, Outcome]:
    found = {each.code: each for each in judge(history, HOOKS, clause_of=lambda pointer: None)}
    assert not [reason for each in found.values() for reason in each.reasons if FAILED in reason]
    return found


def findings(history: History) -> list[Finding]:
    return [finding for each in outcomes(history).values() for finding in each.findings]


def codes(history: History) -> dict[str, Severity]:
    return {finding.code: finding.severity for finding in findings(history)}


# -- what a contract promises -----------------------------------------------------------------------


def test_events_that_are_declared_are_promised_to_registered_addresses() -> None:
    contract = load_contract("openai")
    promised = registered(contract, contract.resources[0])
    assert promised[State.SUCCEEDED].event == "video.completed"
    assert promised[State.FAILED].event == "video.failed"
    assert all(promise.template["object"] == "event" for promise in promised.values())


@pytest.mark.parametrize("name", ["agicto-sora", "aitoearn", "hingnet-sora", "hingnet-veo"])
def test_a_contract_without_webhooks_is_not_asked_for_any(name: str) -> None:
    contract = load_contract(name)
    assert not tells_of_ends(contract)
    for outcome in outcomes(History(contract)).values():
        assert outcome.verdict is Verdict.UNJUDGED
        assert all(reason.startswith(NOT_ASKED) for reason in outcome.reasons)


def test_a_field_for_an_address_promises_success_and_a_callback_its_body(tmp_path: Path) -> None:
    plain = written(tmp_path)
    create = plain.resources[0].first(Action.CREATE)
    assert create
    promised = called_back(plain, plain.resources[0], create)
    assert {state: (promise.is_named, promise.schema) for state, promise in promised.items()} == {
        State.SUCCEEDED: (False, None),
        State.FAILED: (False, None),
    }
    described = written(tmp_path, callbacks={"onFailure": CALLBACKS["onEnd"]})
    create = described.resources[0].first(Action.CREATE)
    assert create
    promised = called_back(described, described.resources[0], create)
    assert [(state, promise.is_named, promise.schema) for state, promise in promised.items()] == [
        (State.FAILED, True, ENDED)
    ]


# -- laws over histories that are written by hand ---------------------------------------------------

ID = "video_" + "0a" * 24
OTHER = "video_" + "0b" * 24
JOB = {
    "id": ID, "object": "video", "model": "sora-2", "status": "queued", "progress": 0, "created_at": START,
    "completed_at": None, "expires_at": None, "prompt": "a cat", "size": "720x1280", "seconds": "4",
    "remixed_from_video_id": None, "error": None,
}  # fmt: skip
RUNNING = {**JOB, "status": "in_progress", "progress": 40}
DONE = {**JOB, "status": "completed", "progress": 100, "completed_at": START + 30, "expires_at": START + 3680}


def event(type: str = "video.completed", id: str = ID, **more: Any) -> dict[str, Any]:
    return {"id": "evt_1", "object": "event", "created_at": START, "type": type, "data": {"id": id}, **more}


class Story:
    """A create, polls and deliveries, in order."""

    def __init__(self, contract: ContractUnderTest, url: str = "") -> None:
        self.history = History(contract, listening=Listening("http://127.0.0.1:1", not url, 10.0))
        self.url = url

    def add(self, purpose: str, operation: str, answered: Any, at: float, **more: Any) -> "Story":
        numbered = len(self.history.exchanges) + 1
        method, _, path = operation.partition(" ")
        exchange = Exchange(
            numbered, purpose, operation, "create" if purpose == Purpose.CREATE else "retrieve", method,
            f"http://service.test{path}", (("content-type", "application/json"),), b"", 200,
            (("content-type", "application/json"),), orjson.dumps(answered), START + at, 0.01, **more,
        )  # fmt: skip
        self.history.exchanges.append(exchange)
        return self

    def create(self, body: dict[str, Any], operation: str = "POST /videos") -> "Story":
        self.add(Purpose.CREATE, operation, body, 0.0, job=body["id"])
        sent = {"prompt": "a cat", **({"callback_url": self.url} if self.url else {})}
        self.history.exchanges[-1] = replace(self.history.exchanges[-1], request_body=orjson.dumps(sent))
        return self

    def poll(self, body: dict[str, Any], at: float, operation: str = "GET /videos/{video_id}") -> "Story":
        return self.add(Purpose.POLL, operation, body, at, job=body["id"])

    def hook(self, body: Any, at: float, id: str = "msg_1", detail: str = Signature.RIGHT, status: int = 204,
             job: str = ID, headers: tuple[tuple[str, str], ...] = ()) -> "Story":  # fmt: skip
        sent = body if isinstance(body, bytes) else orjson.dumps(body)
        headers = (("content-type", "application/json"), *([("webhook-id", id)] if id else []), *headers)
        self.history.exchanges.append(Exchange(
            len(self.history.exchanges) + 1, Purpose.WEBHOOK, "", "", "POST", self.url or "http://127.0.0.1:1/",
            headers, sent, status, (), b"", START + at, 0.0, job=job, detail=detail,
        ))  # fmt: skip
        return self

    def told(self) -> History:
        self.history.jobs = stories_of(self.history.contract, self.history.exchanges)
        return self.history


@pytest.fixture(scope="module")
def openai() -> ContractUnderTest:
    return load_contract("openai")


@pytest.fixture
def story(openai: ContractUnderTest) -> Story:
    return Story(openai).create(JOB).poll(RUNNING, 10)


def test_a_webhook_as_it_should_be(story: Story) -> None:
    history = story.hook(event(), 20).poll(DONE, 30).told()
    assert {each.verdict for each in outcomes(history).values()} == {Verdict.CONFORMS}
    assert findings(history) == []


def test_no_other_law_takes_a_webhook_for_an_answer(openai: ContractUnderTest) -> None:
    history = Story(openai).hook(event(), 20, status=413).hook(b"\xff", 30).told()
    assert {each.verdict for each in judge(history, clause_of=lambda pointer: None)} == {Verdict.UNJUDGED}


def test_a_webhook_that_never_comes(story: Story) -> None:
    assert codes(story.poll(DONE, 30).told()) == {"HOOK001": Severity.BREAKS}


def test_a_webhook_of_another_job_does_not_count(story: Story) -> None:
    assert codes(story.poll(DONE, 30).hook(event(id=OTHER), 31, job="").told()) == {"HOOK001": Severity.BREAKS}


def test_what_was_lost_here_is_not_held_against_the_service(story: Story) -> None:
    history = story.poll(DONE, 30).told()
    history.listening = Listening("http://127.0.0.1:1", True, 10.0, lost=3)
    outcome = outcomes(history)["HOOK001"]
    assert outcome.findings == ()
    assert "no room" in outcome.reasons[0]


def test_a_webhook_that_comes_late(story: Story) -> None:
    assert codes(story.poll(DONE, 30).hook(event(), 300).told()) == {"HOOK001": Severity.WARNING}


def test_a_job_that_was_not_seen_to_end_promises_nothing(story: Story) -> None:
    outcome = outcomes(story.told())["HOOK001"]
    assert (outcome.verdict, len(outcome.reasons)) == (Verdict.UNJUDGED, 1)


@pytest.mark.parametrize(("id", "severity"), [("msg_1", Severity.VIOLATION), ("msg_2", Severity.SILENT),
                                              ("", Severity.SILENT)])  # fmt: skip
def test_a_webhook_that_comes_twice(story: Story, id: str, severity: Severity) -> None:
    history = story.hook(event(), 20).hook(event(), 21, id=id).poll(DONE, 30).told()
    assert codes(history) == {"HOOK002": severity}
    (finding,) = findings(history)
    assert ("one webhook-id" in finding.message) is (id == "msg_1")


def test_what_was_not_taken_may_come_again(story: Story) -> None:
    assert codes(story.hook(event(), 20, status=503).hook(event(), 25).poll(DONE, 30).told()) == {}


def test_one_webhook_id_for_two_jobs(story: Story) -> None:
    story.hook(event(), 20).poll(DONE, 30)
    story.create({**JOB, "id": OTHER}).poll({**DONE, "id": OTHER}, 40).hook(event(id=OTHER), 41, job=OTHER)
    assert codes(story.told()) == {"HOOK002": Severity.SILENT}


@pytest.mark.parametrize(
    ("detail", "severity"),
    [
        (f"{Signature.WRONG}: No matching signature found", Severity.BREAKS),
        (f"{Signature.NONE}, and a secret was agreed on", Severity.BREAKS),
        (Signature.NONE, Severity.WARNING),
        (f"{Signature.UNKNOWN}: no secret is known", None),
    ],
)
def test_signatures(story: Story, detail: str, severity: Severity | None) -> None:
    history = story.hook(event(), 20, detail=detail).poll(DONE, 30).told()
    assert codes(history) == ({"HOOK003": severity} if severity else {})
    outcome = outcomes(history)["HOOK003"]
    assert (outcome.verdict is Verdict.UNJUDGED) is (severity is None)
    assert severity or "--webhook-secret-env" in outcome.reasons[0]


def test_a_signature_of_another_kind_is_not_judged(story: Story) -> None:
    signed = (("X-Hub-Signature", "sha256=0a"),)
    outcome = outcomes(story.hook(event(), 20, detail=Signature.NONE, headers=signed).poll(DONE, 30).told())["HOOK003"]
    assert (outcome.verdict, outcome.findings) == (Verdict.UNJUDGED, ())
    assert "x-hub-signature" in outcome.reasons[0]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (event("video.failed"), Severity.SILENT),
        (event(object="webhook"), Severity.BREAKS),
        ({k: v for k, v in event().items() if k != "created_at"}, Severity.BREAKS),
        (event(data={"id": ID, "status": "failed"}), Severity.SILENT),
        (b"<html>", Severity.BREAKS),
        (b"\xff\xfe", Severity.BREAKS),
    ],
)
def test_what_is_not_true(story: Story, body: Any, code: Severity) -> None:
    assert codes(story.hook(body, 20).poll(DONE, 30).told()) == {"HOOK004": code}


def test_a_webhook_before_the_end(story: Story) -> None:
    history = story.hook(event(), 15).poll(RUNNING, 20).poll(DONE, 30).told()
    assert codes(history) == {"HOOK005": Severity.SILENT}


def test_events_of_progress_are_no_ends(tmp_path: Path) -> None:
    contract = written(tmp_path, callbacks=CALLBACKS)
    story = Story(contract, "http://127.0.0.1:1/check-callback/1").create(
        {"id": "r_1", "status": "queued"}, "POST /renders"
    )
    for at in (10, 15):
        story.hook({"id": "r_1", "status": "in_progress"}, at, id=f"m{at}", job="r_1")
    story.poll({"id": "r_1", "status": "in_progress"}, 20, "GET /renders/{id}")
    story.hook({"id": "r_1", "status": "completed"}, 25, id="m", job="r_1")
    assert codes(story.poll({"id": "r_1", "status": "completed"}, 30, "GET /renders/{id}").told()) == {}


def called(contract: ContractUnderTest, body: Any, ended: str = "completed", job: str = "r_1", **more: Any) -> History:
    story = Story(contract, "http://127.0.0.1:1/check-callback/1").create(
        {"id": "r_1", "status": "queued"}, "POST /renders"
    )
    story.poll({"id": "r_1", "status": ended}, 10, "GET /renders/{id}")
    return (story.hook(body, 11, job=job, **more) if body is not None else story).told()


@pytest.mark.parametrize(
    ("body", "job", "found"),
    [
        ({"id": "r_1", "status": "completed"}, "r_1", {}),
        ({"id": "r_2", "status": "completed"}, "", {"HOOK004": Severity.SILENT}),
        ({"status": "completed"}, "", {"HOOK004": Severity.BREAKS}),  # and its schema asks for the id
        ({"id": "r_1", "status": "done"}, "r_1", {"HOOK004": Severity.BREAKS}),
        ({"id": "r_1", "status": "failed"}, "r_1", {"HOOK004": Severity.SILENT}),
        ({"event": "render.failed", "id": "r_1", "status": "completed"}, "r_1", {"HOOK004": Severity.SILENT}),
        (None, "", {"HOOK001": Severity.BREAKS}),
    ],
)
def test_what_an_address_of_a_create_is_told(tmp_path: Path, body: Any, job: str, found: dict[str, Severity]) -> None:
    history = called(written(tmp_path, callbacks=CALLBACKS), body, job=job)
    worst = {f.code: min((g.severity for g in findings(history) if g.code == f.code), key=lambda s: s.rank)
             for f in findings(history)}  # fmt: skip
    assert worst == found


def test_a_word_for_any_end_is_no_lie(tmp_path: Path) -> None:
    body = {"event": "render.finished", "id": "r_1", "status": "failed"}
    assert codes(called(written(tmp_path), body, "failed")) == {}
    assert codes(called(written(tmp_path), {**body, "event": "render.completed"}, "failed")) == {
        "HOOK004": Severity.SILENT
    }


def test_a_failure_that_no_contract_names_is_a_warning(tmp_path: Path) -> None:
    assert codes(called(written(tmp_path), None, "failed")) == {"HOOK001": Severity.WARNING}
    assert codes(called(written(tmp_path), None)) == {"HOOK001": Severity.BREAKS}


def test_a_header_that_the_contract_requires_is_there(tmp_path: Path) -> None:
    header = {"name": "X-Render-Signature", "in": "header", "required": True, "schema": {"type": "string"}}
    contract = written(tmp_path, callbacks=CALLBACKS, headers=[header])
    body = {"id": "r_1", "status": "completed"}
    assert codes(called(contract, body, detail=Signature.NONE)) == {"HOOK003": Severity.BREAKS}
    signed = called(contract, body, detail=Signature.NONE, headers=(("x-render-signature", "0a"),))
    assert outcomes(signed)["HOOK003"].verdict is Verdict.UNJUDGED


# -- signatures on arrival --------------------------------------------------------------------------


def test_what_a_signature_is_found_to_be() -> None:
    now, body = steady_time(), b'{"a":1}'
    headers = signed_headers(body)
    verify = verifier(SECRET)
    assert signature_of(headers, body, verify, now) == Signature.RIGHT
    assert signature_of(headers, body, None, now).startswith(Signature.UNKNOWN)
    assert signature_of({}, body, verify, now) == Signature.NONE
    for wrong in (
        {**headers, "webhook-signature": ""},
        {**headers, "webhook-timestamp": "soon"},
        {**headers, "webhook-timestamp": str(int(now) - 400)},
        {**headers, "webhook-signature": "v1"},
        {**headers, "webhook-signature": "v1,####"},
        {**headers, "webhook-id": "another"},
    ):
        assert signature_of(wrong, body, verify, now).startswith(Signature.WRONG)
    assert signature_of(headers, b"\xff", verify, now).startswith(Signature.WRONG)


def signed_headers(body: bytes, secret: str = SECRET, id: str = "msg_1") -> dict[str, str]:
    from datetime import UTC, datetime

    at = datetime.fromtimestamp(int(steady_time()), UTC)
    return {
        "webhook-id": id,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": Webhook(secret).sign(id, at, body.decode()),
    }


# -- the receiver -----------------------------------------------------------------------------------


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    yield made
    made.close()


def test_what_arrives_is_kept_within_limits(receiver: Receiver, capfd: pytest.CaptureFixture[str]) -> None:
    with httpx2.Client(trust_env=False) as client:
        assert client.get(receiver.url).status_code == 204
        assert client.post(f"{receiver.url}/a?b=c", content=b"\xff\x00").status_code == 204
        assert client.post(receiver.url, content=iter([b"chunks", b"!"])).status_code == 204
        assert client.post(receiver.url, content=b"x" * (MOST_BODY + 1)).status_code == 413
        statuses = [client.post(receiver.url, content=b"{}").status_code for _ in range(MOST + 20)]
    arrived = receiver.take()
    assert (len(arrived), receiver.lost) == (MOST, 23)
    assert [a.body for a in arrived[:2]] == [b"\xff\x00", b"chunks!"]
    assert arrived[0].url == f"{receiver.url}/a?b=c"
    assert (arrived[2].status, len(arrived[2].body) <= 4096) == (413, True)
    assert set(statuses) == {204, 503}
    for junk in (
        b"\x00\x01\x02\r\n\r\n",
        b"POST / HTTP/1.1\r\ncontent-length: 10\r\n\r\nhalf",
        b"GET " + b"a" * 200_000,
    ):
        with socket.create_connection(("127.0.0.1", int(receiver.url.rpartition(":")[2]))) as sender:
            sender.sendall(junk)
    threading.Event().wait(0.1)
    assert capfd.readouterr() == ("", "")


def test_senders_that_never_end_hold_nothing_up(capfd: pytest.CaptureFixture[str]) -> None:
    receiver = Receiver()
    address = ("127.0.0.1", int(receiver.url.rpartition(":")[2]))
    held = [socket.create_connection(address) for _ in range(60)]
    for sender, said in zip(
        held, [b"", b"POST / HT", b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\n\r\nhalf"] * 20, strict=True
    ):
        sender.sendall(said)
    assert httpx2.post(receiver.url, content=b"{}", trust_env=False).status_code == 204
    before = steady_time()
    receiver.close()
    assert steady_time() - before < 4
    for sender in held:
        sender.close()
    assert [each.body for each in receiver.take()] == [b"{}"]
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("listen", ["nowhere", "127.0.0.1:", "127.0.0.1:99999", ":80", "300.0.0.1:0"])
def test_an_address_that_nobody_can_listen_on_is_said(listen: str) -> None:
    with pytest.raises(ListenError):
        Receiver(listen)
    assert address_of("[::1]:80") == ("::1", 80)


# -- the simulator ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def urls() -> Iterator[Urls]:
    with serving("openai", "--seed", "7") as urls:
        yield urls


def control(service: Service) -> str:
    parts = urlsplit(service.base_url)
    return f"{parts.scheme}://{parts.netloc}/__mockserver"


def simulated(contract: ContractUnderTest, urls: Urls, key: str, scenario: str = "") -> History:
    with Service(urls["openai"]) as service:
        if scenario:
            opened = service.ask("POST", f"{control(service)}/sandboxes", {"api_key": key})
            sandbox = f"{control(service)}/sandboxes/{opened['sandbox']['id']}"
            assert service.ask("POST", f"{sandbox}/scenarios", {"name": scenario}) is not None
        return play(contract, service, Budget(), Options(key=key))


def test_the_simulator_conforms_and_forgets_the_address(openai: ContractUnderTest, urls: Urls) -> None:
    history = simulated(openai, urls, KEY)
    assert history.listening
    assert history.listening.is_registered
    assert {each.verdict for each in outcomes(history).values()} == {Verdict.CONFORMS}, findings(history)
    hooks = history.of(Purpose.WEBHOOK)
    assert {story.id for story in history.jobs if story.end} <= {each.job for each in hooks}
    assert {each.detail for each in hooks} == {Signature.RIGHT}
    numbers = [each.number for each in history.exchanges]
    assert numbers == sorted(set(numbers))
    with Service(urls["openai"]) as service:
        opened = service.ask("POST", f"{control(service)}/sandboxes", {"api_key": KEY})
        path = f"{control(service)}/sandboxes/{opened['sandbox']['id']}/webhooks"
        assert service.ask("GET", path) == {"data": []}


SCENARIOS = (
    ("webhook-never", {"HOOK001": Severity.BREAKS}),
    ("webhook-late", {"HOOK001": Severity.WARNING}),
    ("webhook-twice", {"HOOK002": Severity.VIOLATION}),
    ("webhook-bad-signature", {"HOOK003": Severity.BREAKS}),
)


@pytest.mark.parametrize(("scenario", "found"), SCENARIOS)
def test_what_goes_wrong_with_a_webhook_is_seen(
    scenario: str, found: dict[str, Severity], openai: ContractUnderTest, urls: Urls
) -> None:
    assert codes(simulated(openai, urls, f"sk-{scenario}-0123456789", scenario)) == found


def test_another_order_is_no_fault_and_late_at_most(openai: ContractUnderTest, urls: Urls) -> None:
    found = codes(simulated(openai, urls, "sk-order-0123456789", "webhook-out-of-order"))
    assert found in ({}, {"HOOK001": Severity.WARNING})


def test_a_har_of_webhooks_is_judged_alike_and_shows_no_secret(urls: Urls) -> None:
    hearing = Hearing(secret=SECRET)
    wishes = Wishes(urls["openai"], "openai", key="sk-har-0123456789", schema=False, hearing=hearing)
    report, history = check(wishes)
    har = recorded(history, wishes)
    assert SECRET.encode() not in har
    for each in history.of(Purpose.WEBHOOK):
        signature = next(value for name, value in each.request_headers if name == "webhook-signature")
        assert signature.encode() not in har
    again, _ = check_har(orjson.loads(har), "openai")
    before = {each.code: (each.verdict, each.reasons) for each in report.outcomes if each.code in HOOKS}
    after = {each.code: (each.verdict, each.reasons) for each in again.outcomes if each.code in HOOKS}
    assert before == after
    assert {verdict for verdict, _ in before.values()} == {Verdict.CONFORMS}


def test_read_only_and_endpoints_elsewhere_are_not_listened_for(openai: ContractUnderTest, urls: Urls) -> None:
    with Service(urls["openai"]) as service:
        history = play(openai, service, Budget(max_jobs=0), Options(key=KEY))
    assert history.listening is None
    assert "read-only" in outcomes(history)["HOOK001"].reasons[0]
    with Service("http://gateway.invalid/v1") as service:
        history = play(openai, service, Budget(max_jobs=1), Options(key=KEY))
    assert "--webhook-url" in outcomes(history)["HOOK001"].reasons[0]


@pytest.mark.parametrize(
    "callbacks", [None, CALLBACKS, {**CALLBACKS, "onFailure": {"{$request.body#/callback_url}/failed": ENDINGS}}]
)
def test_the_simulator_is_named_addresses_in_creates(callbacks: Any, tmp_path: Path) -> None:
    contract = written(tmp_path, callbacks=callbacks)
    with serving(str(tmp_path / "renders.yaml"), "--seed", "7") as served, Service(served["renders"]) as service:
        history = play(contract, service, Budget(), Options(key=KEY))
    assert history.listening
    assert not history.listening.is_registered
    assert {each.verdict for each in outcomes(history).values()} == {Verdict.CONFORMS}, findings(history)
    assert {each.detail for each in history.of(Purpose.WEBHOOK)} == {Signature.RIGHT}
    assert all("/check-callback/" in each.url for each in history.of(Purpose.WEBHOOK))


def test_what_is_cut_short_is_waited_for_or_not_judged(openai: ContractUnderTest, tmp_path: Path) -> None:
    options = Options(interval=0.05, hearing=Hearing(patience=2.0))
    with rendering() as url, Service(url) as service:
        history = play(written(tmp_path), service, Budget(max_jobs=1, max_requests=14), options)
    assert "14 requests" in history.skipped["all that follows"]
    assert codes(history) == {}

    def progress(phase: str, message: str, share: float | None = None) -> None:
        if phase == "results":
            raise KeyboardInterrupt

    with rendering() as url, Service(url) as service:
        history = play(written(tmp_path), service, Budget(max_jobs=1), options, progress)
    assert history.listening is None
    assert "interrupted" in outcomes(history)["HOOK001"].reasons[0]


def test_an_address_keeps_its_query() -> None:
    assert below("https://hooks.test/in/?token=a", "x/1") == "https://hooks.test/in/x/1?token=a"
    assert below("http://127.0.0.1:1", "x/1") == "http://127.0.0.1:1/x/1"


# -- a service of one's own -------------------------------------------------------------------------


class Renderer:
    """A small service: a job ends a moment after its create, and whoever named an address is told, more or less."""

    def __init__(self, fault: str = "", sign: bool = True) -> None:
        self.fault, self.sign = fault, sign
        self.jobs: dict[str, str] = {}
        self.threads: list[threading.Thread] = []
        self.pause = threading.Event()  # never set: waiting for it takes time
        renderer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                status = renderer.jobs.get(id := self.path.rpartition("/")[2])
                if status is None or not self.path.startswith("/renders/"):
                    self._say(404, {"error": "No such render."})
                else:
                    self._say(200, {"id": id, "status": status})

            def do_POST(self) -> None:
                raw = self.rfile.read(int(self.headers.get("content-length") or 0))
                try:
                    body = json.loads(raw)
                    known = {"prompt", "callback_url", "webhook_secret"}
                    is_right = (
                        "prompt" in body and set(body) <= known and all(isinstance(v, str) for v in body.values())
                    )
                except (ValueError, TypeError, KeyError):
                    is_right = False
                if not is_right or "json" not in self.headers.get("content-type", "") or self.path != "/renders":
                    self._say(400, {"error": "That is no render."})
                elif renderer.fault == "no addresses" and "callback_url" in body:
                    self._say(400, {"error": "Addresses of this network are not called."})
                else:
                    id = f"r_{len(renderer.jobs) + 1}"
                    renderer.jobs[id] = "in_progress"
                    self._say(201, {"id": id, "status": "in_progress"})
                    thread = threading.Thread(target=renderer.work, args=(id, body), daemon=True)
                    renderer.threads.append(thread)
                    thread.start()

            def _say(self, status: int, body: Any) -> None:
                content = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True

    def work(self, id: str, body: dict[str, Any]) -> None:
        url, secret = body.get("callback_url", ""), body.get("webhook_secret", "")
        if self.fault == "early":
            self.tell(url, secret, {"id": id, "status": "completed"})
        self.pause.wait(0.25)
        self.jobs[id] = "completed"
        told = {"id": "r_0" if self.fault == "wrong id" else id, "status": "completed"}
        if self.fault == "another end":
            told["status"] = "failed"
        if self.fault == "slow":
            self.pause.wait(3.0)
        if self.fault == "junk":
            self.junk(url)
        for n in range({"early": 0, "never": 0, "twice": 2, "twice otherwise": 2}.get(self.fault, 1)):
            self.tell(url, secret, told, f"msg_{id}_{n if self.fault == 'twice otherwise' else ''}")

    def tell(self, url: str, secret: str, body: Any, id: str = "msg") -> None:
        if url:
            content = json.dumps(body).encode()
            headers = signed_headers(content, secret or SECRET, id) if self.sign else {}
            with suppress(httpx2.HTTPError):  # nobody listens any more
                httpx2.post(
                    url, content=content, headers={"content-type": "application/json", **headers}, trust_env=False
                )

    def junk(self, url: str) -> None:
        with suppress(httpx2.HTTPError, httpx2.InvalidURL), httpx2.Client(trust_env=False) as client:
            client.post(url, content=b"x" * (3 << 20))
            client.post(url, content=b"\xff\xfe\x00", headers={"content-type": "application/json"})
            client.post(url, content=b"[" * 100_000)
            client.post(url, content=json.dumps({"id": ["r_1"], "status": {"a": None}}).encode())
            for _ in range(700):
                client.post(url, content=b'{"type": 7}')


@contextmanager
def rendering(fault: str = "", sign: bool = True) -> Iterator[str]:
    renderer = Renderer(fault, sign)
    threading.Thread(target=renderer.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{renderer.server.server_address[1]}"
    finally:
        renderer.server.shutdown()
        renderer.server.server_close()
        for thread in renderer.threads:
            thread.join(5)


def rendered(contract: ContractUnderTest, fault: str = "", sign: bool = True, **hearing: Any) -> History:
    options = Options(interval=0.05, hearing=Hearing(**{"patience": 1.0, **hearing}))
    with rendering(fault, sign) as url, Service(url) as service:
        return play(contract, service, Budget(max_jobs=2, max_requests=60), options)


SERVICES: tuple[tuple[str, dict[str, Severity]], ...] = (
    ("", {}),
    ("never", {"HOOK001": Severity.BREAKS}),
    ("slow", {"HOOK001": Severity.BREAKS}),
    ("twice", {"HOOK002": Severity.VIOLATION}),
    ("twice otherwise", {"HOOK002": Severity.SILENT}),
    ("wrong id", {"HOOK004": Severity.SILENT}),
    ("another end", {"HOOK004": Severity.SILENT}),
    ("early", {"HOOK005": Severity.SILENT}),
)


@pytest.mark.parametrize(("fault", "found"), SERVICES)
def test_a_service_that_is_named_an_address(fault: str, found: dict[str, Severity], tmp_path: Path) -> None:
    contract = written(tmp_path)
    history = rendered(contract, fault)
    assert codes(history) == found
    assert "HOOK001" in found or {each.detail for each in history.of(Purpose.WEBHOOK)} == {Signature.RIGHT}
    again = from_har(contract, json.loads(json.dumps(to_har(history))))
    assert codes(again) == found
    assert again.listening == history.listening


def test_who_does_not_sign_is_told_so(tmp_path: Path) -> None:
    assert codes(rendered(written(tmp_path), sign=False)) == {"HOOK003": Severity.BREAKS}  # a secret was in the create


def test_patience_is_what_it_is(tmp_path: Path) -> None:
    assert codes(rendered(written(tmp_path), "slow", patience=6.0)) == {}


def test_a_service_that_takes_no_address_is_played_with_all_the_same(tmp_path: Path) -> None:
    contract = written(tmp_path)
    history = rendered(contract, "no addresses")
    assert history.jobs
    assert all(story.end for story in history.jobs)
    verdicts = {each.code: each for each in judge(history, clause_of=lambda pointer: None)}
    assert verdicts["ERR003"].verdict is Verdict.CONFORMS
    assert verdicts["HOOK001"].verdict is Verdict.UNJUDGED
    assert "refused with 400" in verdicts["HOOK001"].reasons[0]


def test_junk_is_kept_within_limits_and_stops_nothing(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    contract = written(tmp_path)
    history = rendered(contract, "junk", patience=3.0)
    hooks = history.of(Purpose.WEBHOOK)
    assert history.listening
    assert (len(hooks) <= MOST, history.listening.lost > 0) == (True, True)
    assert sum(len(each.request_body) for each in hooks) < 16 << 20
    assert {"HOOK001", "HOOK004"} >= codes(history).keys() - {"HOOK002", "HOOK003"}
    assert json.dumps(to_har(history))
    assert "Traceback" not in "".join(capfd.readouterr())


def with_webhooks(folder: Path) -> ContractUnderTest:
    """A contract that has no place for an address in its requests, and describes what registered ones are sent."""
    hooks = {"renderCompleted": {"post": {"requestBody": {"content": {"application/json": {"schema": ENDED}}}}}}
    paths = json.loads(json.dumps(RENDERS["paths"]))
    body = paths["/renders"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    del body["properties"]["callback_url"], body["properties"]["webhook_secret"]
    return written(folder, webhooks=hooks, paths=paths)


def test_what_a_document_sends_to_registered_addresses_is_judged_without_a_key_too(tmp_path: Path) -> None:
    contract = with_webhooks(tmp_path)
    with serving(str(tmp_path / "renders.yaml"), "--seed", "7") as served, Service(served["renders"]) as service:
        history = play(contract, service, Budget(), Options())
        sandbox = f"{control(service)}/sandboxes"
        left = [service.ask("GET", f"{sandbox}/{name}/webhooks") for name in ("server", "anonymous")]
    assert history.listening
    assert history.listening.is_registered
    assert {each.verdict for each in outcomes(history).values()} == {Verdict.CONFORMS}, outcomes(history)
    assert left == [{"data": []}, {"data": []}]


def test_an_address_that_the_user_registered(tmp_path: Path) -> None:
    """Such a service is told nothing by the check: who wants it judged says where the webhooks come in."""
    contract = with_webhooks(tmp_path)
    with rendering() as url, Service(url) as service:
        history = play(contract, service, Budget(max_jobs=1, max_requests=20), Options(interval=0.05))
    assert history.listening is None
    assert "--webhook-url" in outcomes(history)["HOOK001"].reasons[0]
    history = rendered(contract, url="http://hooks.test/in", patience=0.3)
    assert codes(history) == {"HOOK001": Severity.BREAKS}


# -- the command ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--webhook-listen", "nowhere"], "expected HOST:PORT"),
        (["--webhook-url", "ftp://a"], "expected http://"),
        (["--webhook-secret-env", "NO_SECRET"], "NO_SECRET is not set"),
        (["--webhook-secret-env", "BAD_SECRET"], "base64"),
    ],
)
def test_options_that_cannot_be_used_are_said_in_a_line(arguments: list[str], text: str) -> None:
    command = ["check", "http://127.0.0.1:1", "--spec", "openai", *arguments]
    done = CliRunner().invoke(main, command, env={"BAD_SECRET": "whsec_short"})
    assert (done.exit_code, text in done.output) == (2, True), done.output
    assert "whsec_short" not in done.output


def test_a_port_that_is_taken_is_said_before_anything_is_sent() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        listen = f"127.0.0.1:{taken.getsockname()[1]}"
        command = ["check", "http://127.0.0.1:1", "--spec", "openai", "--webhook-listen", listen]
        done = CliRunner().invoke(main, command)
    assert (done.exit_code, "cannot listen for webhooks" in done.output) == (2, True), done.output
