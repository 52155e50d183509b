"""The control API, sandboxes, journal, scenarios and webhooks under what nobody in their right mind would send."""

import asyncio
from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import pytest
from in_process import KEY, frozen_clock, run, start
from test_control import ME, Controlled

from mockserver.client import Control, ControlRefused
from mockserver.clock import MOST, Clock, ClockMode
from mockserver.jobs.lifecycle import State
from mockserver.message import Request
from mockserver.sandbox import journal as journals
from mockserver.sandbox import sandbox as sandboxes_module
from mockserver.sandbox.outbox import Attempt, Delivery, Event, why_refused
from mockserver.sandbox.sandbox import Sandboxes, sandbox_id
from mockserver.web import server

END = "9999-12-31T23:59:30Z"


@pytest.fixture
def it() -> Controlled:
    return Controlled()


@pytest.fixture(autouse=True)
def no_internal_errors(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    failures: list[str] = []
    monkeypatch.setattr(server, "report_error", lambda error, request: failures.append(repr(error)))
    yield
    assert not failures


def sandboxes_of(it: Controlled) -> Sandboxes:
    found: Sandboxes = it.service.client._transport.app.sandboxes  # type: ignore[attr-defined]
    return found


def answer(it: Controlled, path: str, headers: list[tuple[bytes, bytes]], messages: list[Any]) -> list[Any]:
    """What the application sends to a request whose body arrives in these messages."""
    sent: list[Any] = []

    async def receive() -> Any:
        return messages.pop(0) if messages else await asyncio.sleep(3600)

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "POST", "scheme": "http",
        "path": path, "raw_path": path.encode(), "query_string": b"", "headers": headers,
        "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 80),
    }  # fmt: skip
    run(it.service.client._transport.app(scope, receive, send))  # type: ignore[attr-defined]
    return sent


# -- who may call -----------------------------------------------------------------------------------


@pytest.mark.parametrize("origin", ["http://[", "http://[::1", "//", "null", "http://evil", "http://mock.test@evil"])
def test_an_origin_that_is_none_is_refused(it: Controlled, origin: str) -> None:
    assert it.bad("GET", "/sandboxes", headers={"origin": origin})[:2] == (403, "wrong_origin")


def test_names_of_hosts_are_compared_in_any_case(it: Controlled) -> None:
    it.good("GET", "/sandboxes", headers={"host": "MOCK.test", "origin": "http://mock.TEST"})
    upper = start("openai", allowed_hosts=("Mock.Test",))
    assert upper.get("/__mockserver/sandboxes", headers={"authorization": ""}).status_code == 200


# -- bodies -----------------------------------------------------------------------------------------


def test_a_client_that_hangs_up_leaves_no_traceback(it: Controlled) -> None:
    headers = [(b"host", b"localhost"), (b"content-type", b"application/json"), (b"content-length", b"100")]
    part = {"type": "http.request", "body": b"{", "more_body": True}
    sent = answer(it, "/__mockserver/sandboxes", headers, [part, {"type": "http.disconnect"}])
    assert sent[0]["status"] == 400


def test_a_body_that_does_not_come_is_not_waited_for_for_ever(it: Controlled) -> None:
    app = it.service.client._transport.app  # type: ignore[attr-defined]
    it.good("GET", "/health")
    app._endpoint._body_seconds = 0.01
    headers = [(b"host", b"localhost"), (b"content-type", b"application/json"), (b"content-length", b"100")]
    sent = answer(it, "/__mockserver/sandboxes", headers, [])
    assert sent[0]["status"] == 408
    assert (b"connection", b"close") in sent[0]["headers"]


def test_a_body_that_is_announced_as_too_large_is_not_read(it: Controlled) -> None:
    headers = [(b"host", b"localhost"), (b"content-length", b"9" * 30)]
    assert answer(it, "/__mockserver/sandboxes", headers, [])[0]["status"] == 413


# -- clocks -----------------------------------------------------------------------------------------


def test_a_clock_that_runs_while_it_is_advanced_is_no_step_backwards() -> None:
    ticks = iter(range(1_000_000))
    clock = Clock(lambda: float(next(ticks)), ClockMode.SCALED, 1000.0)
    before = clock.now()
    clock.advance(0.0)
    assert clock.now() > before


def test_a_fast_clock_stops_at_the_end_of_the_year_9999() -> None:
    real = [0.0]
    clock = Clock(lambda: real[0], ClockMode.SCALED, 1e9, now=1.8e9)
    real[0] = 1e6
    assert clock.now() == MOST


@pytest.mark.parametrize("rate", [1e-300, 5e-324])
def test_a_clock_that_hardly_moves_asks_for_waits_that_can_be_told(it: Controlled, rate: float) -> None:
    sandboxes_of(it).clock.change(ClockMode.SCALED, rate)
    sandboxes_of(it).server.update()
    answer = it.service.get("/videos", headers={"prefer": "scenario=rate-limited"})
    assert answer.status_code == 429
    assert int(answer.headers["retry-after-ms"]) <= 1e12


@pytest.mark.parametrize("url", ["http://[", "http://[::1", "http://127.0.0.1:x"])
def test_an_address_that_is_none_is_refused_by_the_client(url: str) -> None:
    with pytest.raises(ControlRefused):
        Control(url).health()


def test_a_refused_advance_gives_no_clock_of_its_own(it: Controlled) -> None:
    assert it.bad("POST", f"/sandboxes/{ME}/clock/advance", {"to": "2001-01-01T00:00:00Z"})[0] == 409
    assert it.good("GET", f"/sandboxes/{ME}/clock")["own"] is False


def test_at_the_end_of_time_all_is_told_still(it: Controlled) -> None:
    it.good("POST", f"/sandboxes/{ME}/clock/advance", {"to": END})
    id = it.create()["id"]
    state = it.good("GET", f"/sandboxes/{ME}/state")
    it.good("PUT", f"/sandboxes/{ME}/state", state)
    forced = it.good("PATCH", f"/sandboxes/{ME}/jobs/{id}", {"state": "succeeded"})
    assert (forced["expires"], forced["next_event"]) == (None, None)
    for path in ("jobs", "journal", "journal.har", "state", "verdict", "webhooks/deliveries"):
        it.good("GET", f"/sandboxes/{ME}/{path}")


def test_one_sandbox_at_the_end_of_time_does_not_stop_the_others() -> None:
    it = Controlled()
    it.good("POST", "/sandboxes/server/clock", {"mode": "skipping"})
    it.good("POST", f"/sandboxes/{ME}/clock/advance", {"to": END})
    it.good("POST", "/sandboxes/server/clock/advance", {"by": "1h"})
    assert it.good("GET", f"/sandboxes/{ME}/clock")["now"].startswith("9999-12-31T23:59:59")


# -- states that were not exported ------------------------------------------------------------------


def _tiny_rate(entry: Any, account: Any) -> None:
    entry["clock"] = {"mode": "scaled", "rate": 1e-300, "now": 1.8e9}


def _negative_word(entry: Any, account: Any) -> None:
    entry["draws"][1][3] = -5


def _beyond_time(entry: Any, account: Any) -> None:
    account["jobs"][0]["timeline"]["ended"] = 1e12


def _ends_before(entry: Any, account: Any) -> None:
    job = account["jobs"][0]
    drawn = {**job["timeline"], "started": None}
    account["held"] = {job["id"]: {"every": 1, "left": 0, "slots": 3, "drawn": drawn}}


def _bad_record(entry: Any, account: Any) -> None:
    account["records"] = [{"place": ["x", []], "id": "1"}]


def _late_record(entry: Any, account: Any) -> None:
    about = {"place": ["x", []], "id": "1", "kind": "x", "updated": 1e9, "fields": {}}
    account["records"] = [{**about, "created": 1e300}]


def _record_twice(entry: Any, account: Any) -> None:
    about = {"place": ["x", []], "id": "1", "kind": "x", "created": 1e9, "updated": 1e9, "fields": {}}
    account["records"] = [about, about]


def _steering_id(entry: Any, account: Any) -> None:
    account["jobs"][0]["id"] = "a\r\nset-cookie: b"


def _steering_header(entry: Any, account: Any) -> None:
    reply = {"operation": "x", "key": "k", "digest": "00", "status": 200, "body": ""}
    account["replies"] = [{**reply, "headers": [["x", "a\r\nset-cookie: b"]]}]


def _wrong_length(entry: Any, account: Any) -> None:
    reply = {"operation": "x", "key": "k", "digest": "00", "status": 200, "body": "abc"}
    account["replies"] = [{**reply, "headers": [["content-length", "7"]]}]


def _many_switches(entry: Any, account: Any) -> None:
    entry["scenarios"] = [{"id": f"act_{n}", "name": "slow", "left": 5} for n in range(1, 5000)]


def _large_definition(entry: Any, account: Any) -> None:
    entry["definitions"] = {"mine": {"summary": "Mine.", "job": {"end": "failed", "error": {"message": "x" * 100_000}}}}


@pytest.mark.parametrize(
    "spoil",
    [
        _tiny_rate, _negative_word, _beyond_time, _ends_before, _bad_record, _late_record, _record_twice, _steering_id,
        _steering_header, _wrong_length, _many_switches, _large_definition,
    ],
)  # fmt: skip
def test_a_state_with_something_wrong_in_it_changes_nothing(it: Controlled, spoil: Any) -> None:
    it.create()
    kept = it.good("GET", f"/sandboxes/{ME}/state")
    state = deepcopy(kept)
    spoil(state["sandboxes"][0], state["sandboxes"][0]["accounts"]["openai"])
    assert it.bad("PUT", f"/sandboxes/{ME}/state", state)[:2] == (422, "unprocessable")
    assert it.good("GET", f"/sandboxes/{ME}/state") == kept


def test_jobs_for_which_there_is_no_room_are_not_taken_in() -> None:
    large, small = Controlled(), Controlled(max_jobs=2)
    for _ in range(3):
        large.create()
    mine = small.create()["id"]
    state = large.good("GET", f"/sandboxes/{ME}/state")
    assert small.bad("PUT", f"/sandboxes/{ME}/state", state)[:2] == (422, "unprocessable")
    assert [job["id"] for job in small.good("GET", f"/sandboxes/{ME}/jobs")["data"]] == [mine]


def test_states_that_wait_for_their_keys_are_limited(it: Controlled, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mockserver.control.state.MAX_PENDING", 2)
    state = it.good("GET", f"/sandboxes/{ME}/state")
    for number, status in ((1, 200), (2, 200), (2, 200), (3, 422)):
        state["sandboxes"][0]["id"] = f"sbx_{number}"
        assert it.call("PUT", "/sandboxes/server/state", state).status_code == status
    assert len(sandboxes_of(it).pending) == 2


def test_a_state_whose_scenario_is_gone_when_its_key_comes_fails_no_request(it: Controlled) -> None:
    definition = {"summary": "Mine.", "job": {"end": "failed"}}
    it.good("POST", "/sandboxes/server/scenarios", {"name": "mine", "definition": definition})
    other = "sk-another-key"
    state = it.good("GET", f"/sandboxes/{ME}/state")
    state["sandboxes"][0] |= {"id": sandbox_id(other), "definitions": {}}
    state["sandboxes"][0]["scenarios"] = [{"id": "act_1", "name": "mine", "left": None}]
    it.good("PUT", "/sandboxes/server/state", state)
    it.good("POST", "/sandboxes/server/reset", {"keep": ["journal"]})
    headers = {"authorization": f"Bearer {other}"}
    assert it.service.get("/videos", headers=headers).status_code == 200


# -- what grows -------------------------------------------------------------------------------------


def test_many_keys_cost_each_as_little_as_few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandboxes_module, "MAX_SANDBOXES", 2000)
    registry = Sandboxes(frozen_clock())
    looks: list[int] = []
    expire = registry.expire
    monkeypatch.setattr(registry, "expire", lambda: looks.append(1) or expire())  # type: ignore[func-returns-value]
    for number in range(3000):
        registry.of(f"key-{number}")
    assert len(looks) == 1
    assert list(registry.by_key) == [f"key-{number}" for number in range(1000, 3000)]
    assert registry.find(sandbox_id("key-5")) is None
    assert registry.find(sandbox_id("key-2500")) is registry.of("key-2500")


def test_the_journals_of_many_keys_together_keep_within_their_bytes() -> None:
    service = start("openai")
    app = service.client._transport.app  # type: ignore[attr-defined]
    shelf = app.sandboxes.shelf
    shelf.most_bytes = 400_000
    body = b'{"prompt":"' + b"x" * 10_000 + b'"}'
    for number in range(200):  # of each key fewer than were counted before anybody looked
        headers = {b"authorization": b"Bearer sk-key-%d" % number, b"content-type": b"application/json"}
        assert app.engine("").handle(Request("POST", "/videos", "", headers, body, None, "")).status == 200
        assert shelf.bytes <= shelf.most_bytes
    assert shelf.bytes == sum(journal.bytes for journal in shelf.journals.values())
    app.sandboxes.reset()
    assert shelf.bytes == 0


def test_an_empty_journal_is_no_reason_to_fail() -> None:
    shelf = journals.Shelf(0)
    journals.Journal(shelf)
    shelf.bytes = 1
    shelf.make_room()


def test_counts_of_a_quota_are_limited(it: Controlled, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandboxes_module, "MAX_COUNTS", 30)
    step = {"on": "retrieve", "beyond": {"requests": 5, "per": "1s"}, "refuse": {"kind": "rate_limited"}}
    definition = {"summary": "Mine.", "requests": [step]}
    it.good("POST", f"/sandboxes/{ME}/scenarios", {"name": "mine", "definition": definition})
    for number in range(100):
        it.service.get(f"/videos/video_{number}")
    assert len(sandboxes_of(it).of(KEY).counts) <= 30


def test_a_scenario_is_no_larger_than_one_that_somebody_wrote(it: Controlled) -> None:
    steps = [{"on": "any", "nth": 2, "refuse": {"kind": "internal"}}] * 500
    large = {"summary": "Mine.", "job": {"end": "failed", "error": {"message": "x" * 100_000}}}
    for definition in ({"summary": "Mine.", "requests": steps}, large):
        given = {"name": "mine", "definition": definition}
        assert it.bad("POST", f"/sandboxes/{ME}/scenarios", given)[:2] == (422, "unprocessable")


def test_what_is_unknown_is_told_shortly(it: Controlled) -> None:
    state = it.good("GET", f"/sandboxes/{ME}/state")
    state["sandboxes"][0]["x" * 1_000_000] = 1
    assert len(it.bad("PUT", f"/sandboxes/{ME}/state", state)[2]) < 1000


# -- what takes long --------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["journal?text=nothing", "journal", "journal.har", "verdict"])
def test_other_requests_are_answered_while_one_looks_through_the_journals(
    it: Controlled, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mockserver.control.api.AT_A_TIME", 0.0)
    for number in range(40):
        it.create(f"sk-key-{number % 20}")

    async def turns() -> int:
        client, headers = it.service.client, {"authorization": ""}
        look = asyncio.create_task(client.get(f"/__mockserver/sandboxes/server/{path}", headers=headers))
        count = 0
        while not look.done():
            await asyncio.sleep(0)
            count += 1
        assert look.result().status_code == 200
        return count

    assert run(turns()) >= 20, "all of it was done in one turn of the event loop"


def test_a_long_queue_is_not_put_in_order_with_each_poll(it: Controlled) -> None:
    for _ in range(3):
        last = it.service.post("/videos", json={"prompt": "x"}, headers={"prefer": "scenario=queue-of-one"}).json()[
            "id"
        ]
    account = sandboxes_of(it).of(KEY).accounts["openai"]
    it.service.get(f"/videos/{last}")
    changes = account.changes
    for _ in range(3):
        it.service.get(f"/videos/{last}")
    assert account.changes == account.lined == changes
    first = it.good("GET", f"/sandboxes/{ME}/jobs")["data"][0]["id"]
    before = it.good("GET", f"/sandboxes/{ME}/jobs/{last}")["next_event"]
    it.service.delete(f"/videos/{first}")
    assert it.good("GET", f"/sandboxes/{ME}/jobs/{last}")["next_event"] < before, "those who wait move up"


def test_a_link_with_nobodys_name_opens_no_accounts(it: Controlled) -> None:
    registry = sandboxes_of(it)
    registry.of("sk-one-that-asked-elsewhere")
    it.service.get("/__mockserver/assets/video_x.mp4")
    assert not registry.of("sk-one-that-asked-elsewhere").accounts


# -- webhooks ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url", ["http://[::1]evil.com/", "http://[::1%25lo]/", "http://[::1]:80evil/", "http://[v1.a]/"]
)
def test_an_address_that_two_readers_read_in_two_ways_is_refused(url: str) -> None:
    assert why_refused(url)


def test_a_delivery_that_cannot_be_signed_holds_up_nobody(it: Controlled) -> None:
    app = it.service.client._transport.app  # type: ignore[attr-defined]
    id = it.create()["id"]
    outbox = app.sandboxes.of(KEY).outbox
    url = "http://127.0.0.1:9/"
    outbox.post(Event("evt_1", "x", b"{}"), "callback", url, "", ("openai", id), it.service.clock.now(), frozenset())
    it.good("POST", f"/sandboxes/{ME}/clock/advance", {"by": "1d"})
    told = it.good("GET", f"/sandboxes/{ME}/webhooks/deliveries")["data"]
    assert [each["state"] for each in told] == ["failed"]
    assert all(attempt["error"] for attempt in told[0]["attempts"])


def test_what_was_on_its_way_at_a_reset_is_not_taken_for_what_comes_after(it: Controlled) -> None:
    outbox = sandboxes_of(it).of(KEY).outbox

    def post() -> Delivery:
        return outbox.post(
            Event("evt", "x", b"{}"), "callback", "http://127.0.0.1:9/", "s", ("openai", "j"), 1.0, frozenset()
        )

    before = post()
    outbox.forget_events()
    after = post()
    assert before.id == after.id
    outbox.note(before, Attempt(1.0, 1.0, 500))
    assert (before.state, before.retries, after.due) == ("waiting", 0, 1.0)


def test_a_job_of_a_kind_that_is_no_longer_served_is_told_still(it: Controlled) -> None:
    id = it.create()["id"]
    account = sandboxes_of(it).of(KEY).accounts["openai"]
    job = account.store.get(id)
    assert job is not None
    account.store.remove(id)
    account.store.add(job._replace(kind="gone"), 0.0)
    told = it.good("GET", f"/sandboxes/{ME}/jobs")["data"]
    assert told[0]["status"] == State.QUEUED
    assert it.bad("PATCH", f"/sandboxes/{ME}/jobs/{id}", {"state": "failed"})[0] == 409
