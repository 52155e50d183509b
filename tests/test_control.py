"""The control API: clocks, sandboxes, jobs, scenarios and the journal, as a user moves them over HTTP."""

import asyncio
import json
import re
from inspect import signature
from typing import Any, cast

import httpx2
import pytest
from in_process import KEY, Service, run, start

from mockserver.client import AsyncControl, Control, ControlRefused
from mockserver.sandbox.sandbox import IDLE_SECONDS, sandbox_id

HOST = "mock.test"
ME = sandbox_id(KEY)
OTHER = "sk-somebody-else"


class Controlled:
    """A service and the control API of the same application."""

    def __init__(self, spec: str = "openai", **settings: Any) -> None:
        self.service: Service = start(spec, allowed_hosts=(HOST,), **settings)
        self.service.get("/videos")  # the sandbox is there from its first request on

    def call(self, method: str, path: str, body: Any = None, **more: Any) -> httpx2.Response:
        arguments = {} if body is None else {"json": body}
        headers = {"authorization": "", **more.pop("headers", {})}
        return self.service.request(method, f"/__mockserver{path}", headers=headers, **arguments, **more)

    def good(self, method: str, path: str, body: Any = None, **more: Any) -> Any:
        response = self.call(method, path, body, **more)
        assert response.status_code == 200, response.text
        return response.json()

    def bad(self, method: str, path: str, body: Any = None, **more: Any) -> tuple[int, str, str]:
        response = self.call(method, path, body, **more)
        error = response.json()["error"]
        return response.status_code, error["code"], error["message"]

    def create(self, key: str = KEY, **body: Any) -> dict[str, Any]:
        headers = {"authorization": f"Bearer {key}"}
        made: dict[str, Any] = self.service.post("/videos", json={"prompt": "x", **body}, headers=headers).json()
        return made

    def status(self, id: str, key: str = KEY) -> str:
        return str(self.service.get(f"/videos/{id}", headers={"authorization": f"Bearer {key}"}).json()["status"])


@pytest.fixture
def it() -> Controlled:
    return Controlled()


# -- clocks -----------------------------------------------------------------------------------------


def test_a_frozen_clock_moves_by_advance_alone(it: Controlled) -> None:
    clock = it.good("POST", f"/sandboxes/{ME}/clock", {"mode": "frozen", "now": "2030-01-01T00:00:00Z"})
    assert clock == {
        "object": "clock", "id": ME, "mode": "frozen", "rate": 0.0, "now": "2030-01-01T00:00:00.000Z",
        "status": "ready", "own": True,
    }  # fmt: skip
    id = it.create()["id"]
    assert [it.status(id) for _ in range(3)] == ["queued"] * 3
    for by in ("20s", 5, "PT1M30S", "1h"):
        clock = it.good("POST", f"/sandboxes/{ME}/clock/advance", {"by": by})
    assert clock["now"] == "2030-01-01T01:01:55.000Z"
    assert it.status(id) == "completed"
    clock = it.good("POST", f"/sandboxes/{ME}/clock/advance", {"to": "2031-01-01T00:00:00+01:00"})
    assert clock["now"] == "2030-12-31T23:00:00.000Z"
    assert it.good("GET", f"/sandboxes/{ME}/clock") == clock


def test_time_goes_forward_only(it: Controlled) -> None:
    it.create()
    code, word, text = it.bad("POST", f"/sandboxes/{ME}/clock/advance", {"to": "2001-01-01T00:00:00Z"})
    assert (code, word) == (409, "conflict")
    assert "2001-01-01T00:00:00.000Z was asked for" in text
    assert it.bad("POST", f"/sandboxes/{ME}/clock", {"mode": "frozen", "now": "2001-01-01T00:00:00Z"})[0] == 409
    assert it.bad("POST", f"/sandboxes/{ME}/clock/advance", {"by": "3000000d"})[0] in (409, 422)


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({"by": "soon"}, "'soon' is no duration; expected seconds as a number, `90s`"),
        ({"by": "P1M"}, "no duration"),
        ({"to": "tomorrow"}, "'tomorrow' is no instant; expected an RFC 3339 instant"),
        ({"to": "2030-01-01T00:00:00"}, "no instant"),
        ({"by": 1, "to": "2030-01-01T00:00:00Z"}, "at most 1"),
        ({}, "at least 1"),
        ({"by": -1}, "'by'"),
        ({"past": 3}, "'past'"),
    ],
)
def test_what_is_wrong_with_an_advance_is_said(it: Controlled, body: Any, text: str) -> None:
    status, _, message = it.bad("POST", f"/sandboxes/{ME}/clock/advance", body)
    assert status in (400, 422)
    assert text in message


def test_a_scaled_clock_runs_as_fast_as_asked(it: Controlled) -> None:
    clock = it.good("POST", f"/sandboxes/{ME}/clock", {"mode": "scaled", "rate": 60})
    assert (clock["mode"], clock["rate"]) == ("scaled", 60)
    made = it.service.post("/videos", json={"prompt": "x"})
    assert made.headers["openai-poll-after-ms"] == "17"
    assert it.bad("POST", f"/sandboxes/{ME}/clock", {"mode": "scaled"})[2] == "A scaled clock needs a rate."
    assert it.bad("POST", f"/sandboxes/{ME}/clock", {"mode": "frozen", "rate": 3})[0] == 422


def test_a_skipping_clock_ends_a_loop_in_as_many_polls_as_there_are_events(it: Controlled) -> None:
    it.good("POST", f"/sandboxes/{ME}/clock", {"mode": "skipping"})
    made = it.service.post("/videos", json={"prompt": "x"})
    assert made.headers["openai-poll-after-ms"] == "1"
    assert [it.status(made.json()["id"]) for _ in range(3)] == ["in_progress", "completed", "completed"]


def test_the_servers_clock_is_that_of_all_who_have_none(it: Controlled) -> None:
    mine, theirs = it.create()["id"], it.create(OTHER)["id"]
    it.good("POST", f"/sandboxes/{ME}/clock", {"mode": "frozen"})
    it.good("POST", "/sandboxes/server/clock/advance", {"by": "10m"})
    assert (it.status(mine), it.status(theirs, OTHER)) == ("queued", "completed")
    assert it.good("DELETE", f"/sandboxes/{ME}/clock")["own"] is False
    assert it.good("GET", f"/sandboxes/{ME}/jobs")["data"] == []  # they were on the clock that is gone


def test_polls_of_one_key_skip_no_time_of_another(it: Controlled) -> None:
    it.good("POST", "/sandboxes/server/clock", {"mode": "skipping"})
    mine, theirs = it.create()["id"], it.create(OTHER)["id"]
    assert [it.status(mine) for _ in range(2)] == ["in_progress", "completed"]
    jobs = it.good("GET", f"/sandboxes/{sandbox_id(OTHER)}/jobs")["data"]
    assert [(job["id"], job["state"]) for job in jobs] == [(theirs, "queued")]


def test_on_a_server_that_skips_time_goes_forward_for_each(it: Controlled) -> None:
    server = "/sandboxes/server/clock"
    it.good("POST", server, {"mode": "skipping"})
    id = it.create()["id"]
    assert [it.status(id) for _ in range(2)] == ["in_progress", "completed"]
    to = it.good("POST", f"{server}/advance", {"to": "2031-01-01T00:00:00Z"})["now"]
    assert it.good("GET", f"/sandboxes/{ME}/clock")["now"] == to
    second = it.create()["id"]
    assert [it.status(second) for _ in range(2)] == ["in_progress", "completed"]
    it.good("POST", server, {"mode": "frozen"})
    assert it.status(second) == "completed"  # time does not go back
    it.good("POST", server, {"mode": "skipping", "now": "2032-01-01T00:00:00Z"})
    it.create(OTHER)
    assert it.good("GET", f"/sandboxes/{sandbox_id(OTHER)}/clock")["now"].startswith("2032-01-01")


def test_a_sandbox_that_is_advanced_has_a_time_of_its_own_from_then_on(it: Controlled) -> None:
    mine, theirs = it.create()["id"], it.create(OTHER)["id"]
    it.good("POST", f"/sandboxes/{ME}/clock/advance", {"by": "10m"})
    assert (it.status(mine), it.status(theirs, OTHER)) == ("completed", "queued")


def test_the_three_progressions(it: Controlled) -> None:
    path = f"/sandboxes/{ME}/progressions"
    it.good("PUT", path, {"*": {"by": "polls", "polls": 2}, "sora-2-pro": {"by": "immediate"}})
    id = it.create()["id"]
    assert [it.status(id) for _ in range(5)] == ["queued", "in_progress", "in_progress", "completed", "completed"]
    assert it.create(model="sora-2-pro")["status"] == "completed"
    assert it.good("GET", path)["*"] == {"by": "polls", "polls": 2}
    it.good("PUT", path, {})
    id = it.create()["id"]
    assert [it.status(id) for _ in range(5)] == ["queued"] * 5
    assert it.bad("PUT", path, {"*": {"by": "time", "polls": 3}})[0] == 422


# -- sandboxes --------------------------------------------------------------------------------------


def test_two_keys_never_see_each_other(it: Controlled) -> None:
    it.good("POST", f"/sandboxes/{ME}/scenarios", {"name": "never-ends"})
    mine, theirs = it.create()["id"], it.create(OTHER)["id"]
    it.good("POST", "/sandboxes/server/clock/advance", {"by": "10m"})
    assert it.status(mine) == "in_progress"
    assert it.status(theirs, OTHER) == "completed"
    assert [job["id"] for job in it.good("GET", f"/sandboxes/{sandbox_id(OTHER)}/jobs")["data"]] == [theirs]
    assert all(theirs not in json.dumps(entry) for entry in it.good("GET", f"/sandboxes/{ME}/journal")["data"])


def test_a_sandbox_that_is_reset_does_the_same_again(it: Controlled) -> None:
    def play() -> list[Any]:
        it.good("POST", f"/sandboxes/{ME}/reset")
        made = [it.create() for _ in range(3)]
        return [made, it.service.get("/videos").json()]

    first = play()
    assert play() == first


def test_the_same_seed_gives_two_keys_the_same_ids(it: Controlled) -> None:
    ids = []
    for key in ("sk-one", "sk-two"):
        opened = it.good("POST", "/sandboxes", {"api_key": key, "seed": 7, "name": "a test"})
        assert opened["api_key"] is None
        assert opened["sandbox"]["key"] == "***"
        ids.append([it.create(key)["id"] for _ in range(3)])
    assert ids[0] == ids[1]
    assert len(it.good("GET", "/sandboxes")["data"]) == 3


def test_a_key_can_be_made_up(it: Controlled) -> None:
    opened = it.good("POST", "/sandboxes", {"clock": {"mode": "frozen", "now": "2031-01-01T00:00:00Z"}})
    made = it.create(opened["api_key"])
    assert made["created_at"] == 1924992000
    id = opened["sandbox"]["id"]
    assert it.good("GET", f"/sandboxes/{id}")["jobs"] == 1
    assert it.good("DELETE", f"/sandboxes/{id}") == {"id": id, "deleted": True}
    assert it.bad("GET", f"/sandboxes/{id}")[0] == 404


def test_what_is_exported_goes_on_elsewhere_as_if_nothing_had_happened(it: Controlled) -> None:
    it.good("PUT", f"/sandboxes/{ME}/progressions", {"*": {"by": "polls", "polls": 2}})
    it.good("POST", f"/sandboxes/{ME}/scenarios", {"name": "fails-late"})
    it.good("POST", f"/sandboxes/{ME}/clock", {"mode": "frozen"})
    id = it.create()["id"]
    it.status(id)
    state = it.good("GET", f"/sandboxes/{ME}/state")
    assert KEY not in json.dumps(state)
    there = Controlled()
    there.good("PUT", f"/sandboxes/{ME}/state", state)
    assert there.good("GET", f"/sandboxes/{ME}/state") == state
    for one in (it, there):
        assert one.good("POST", f"/sandboxes/{ME}/clock/advance", {"by": "5s"})["mode"] == "frozen"
    assert it.service.get(f"/videos/{id}").content == there.service.get(f"/videos/{id}").content
    assert it.create() == there.create()


def test_time_goes_with_a_state_also_that_of_the_server(it: Controlled) -> None:
    id = it.create()["id"]
    it.good("POST", "/sandboxes/server/clock/advance", {"by": "30m"})
    assert it.status(id) == "completed"
    there = Controlled()
    there.good("PUT", f"/sandboxes/{ME}/state", it.good("GET", f"/sandboxes/{ME}/state"))
    assert there.status(id) == "completed"


def test_what_was_counted_and_answered_goes_with_a_state(it: Controlled) -> None:
    it.good("POST", f"/sandboxes/{ME}/scenarios", {"name": "unavailable-at-create"})  # the first two creates
    body, headers = {"prompt": "x"}, {"idempotency-key": "once"}
    assert [it.service.post("/videos", json=body).status_code for _ in range(3)] == [503, 503, 200]
    made = it.service.post("/videos", json=body, headers=headers).json()["id"]
    state = it.good("GET", f"/sandboxes/{ME}/state")
    for one in (it, Controlled()):
        one.good("PUT", f"/sandboxes/{ME}/state", state)
        assert one.service.post("/videos", json=body).status_code == 200
        assert one.service.post("/videos", json=body, headers=headers).json()["id"] == made


def test_what_is_on_for_the_server_is_in_its_state(it: Controlled) -> None:
    it.good("POST", "/sandboxes/server/scenarios", {"name": "mine", "definition": {"job": {"run": "never"}}})
    it.good("PUT", "/sandboxes/server/progressions", {"*": {"by": "polls", "polls": 3}})
    state = it.good("GET", "/sandboxes/server/state")
    there = Controlled()
    there.good("PUT", "/sandboxes/server/state", state)
    assert there.good("GET", "/sandboxes/server/scenarios") == it.good("GET", "/sandboxes/server/scenarios")
    assert there.good("GET", "/sandboxes/server/progressions") == {"*": {"by": "polls", "polls": 3}}


@pytest.mark.parametrize(
    ("place", "wrong", "text"),
    [
        (("accounts",), [1], "sandboxes[0].accounts: found '[1]', expected a map"),
        (("accounts", "openai", "held"), {"nobody": {}}, "held.nobody: there is no such job"),
        (("definitions",), 3, "sandboxes[0].definitions: found '3', expected a map"),
        (("name",), {"a": 1}, "sandboxes[0].name: found {'a': 1}"),
        (("progressions",), [], "sandboxes[0].progressions"),
        (("colour",), 1, "unknown key 'colour'"),
        (("clock",), None, "sandboxes[0].clock"),
    ],
)
def test_a_state_is_read_strictly(it: Controlled, place: tuple[str, ...], wrong: Any, text: str) -> None:
    id = it.create()["id"]
    state = it.good("GET", f"/sandboxes/{ME}/state")
    holder = state["sandboxes"][0]
    for token in place[:-1]:
        holder = holder[token]
    holder[place[-1]] = wrong
    status, _, message = it.bad("PUT", f"/sandboxes/{ME}/state", state)
    assert status == 422
    assert text in message
    assert it.status(id) == "queued"


def test_a_servers_state_waits_for_keys_that_are_yet_to_come(it: Controlled) -> None:
    mine, theirs = it.create()["id"], it.create(OTHER)["id"]
    state = it.good("GET", "/sandboxes/server/state")
    there = Controlled(seed=99)
    there.good("PUT", "/sandboxes/server/state", state)
    assert there.status(mine) in ("queued", "in_progress")
    assert there.status(theirs, OTHER) in ("queued", "in_progress")


def test_a_broken_state_changes_nothing(it: Controlled) -> None:
    id = it.create()["id"]
    state = it.good("GET", f"/sandboxes/{ME}/state")
    state["sandboxes"][0]["accounts"]["openai"]["jobs"][0]["timeline"]["outcome"] = "exploded"
    status, _, text = it.bad("PUT", f"/sandboxes/{ME}/state", state)
    assert status == 422
    assert "sandboxes[0].accounts.openai.jobs[0].timeline.outcome: found 'exploded'" in text
    assert [job["id"] for job in it.good("GET", f"/sandboxes/{ME}/jobs")["data"]] == [id]


# -- jobs -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("state", "status"),
    [("queued", "queued"), ("running", "in_progress"), ("succeeded", "completed"), ("failed", "failed"),
     ("cancelled", "failed"), ("expired", "failed")],
)  # fmt: skip
def test_a_job_is_forced_to_a_state_and_stays_in_it(it: Controlled, state: str, status: str) -> None:
    id = it.create()["id"]
    job = it.good("PATCH", f"/sandboxes/{ME}/jobs/{id}", {"state": state})
    assert (job["state"], job["status"]) == (state, status)
    it.good("POST", f"/sandboxes/{ME}/clock/advance", {"by": "50m"})
    assert it.status(id) == status
    assert (it.service.get(f"/videos/{id}/content").status_code == 200) is (state == "succeeded")
    assert it.good("GET", f"/sandboxes/{ME}/jobs/{id}")["state"] == state
    assert it.good("DELETE", f"/sandboxes/{ME}/jobs/{id}")["deleted"] is True
    assert it.bad("GET", f"/sandboxes/{ME}/jobs/{id}")[0] == 404


def test_a_forced_end_lets_the_queue_move_up(it: Controlled) -> None:
    it.good("POST", f"/sandboxes/{ME}/clock", {"mode": "frozen"})
    it.good("POST", f"/sandboxes/{ME}/scenarios", {"name": "queue-of-one"})
    first, second, third = (it.create()["id"] for _ in range(3))
    it.good("POST", f"/sandboxes/{ME}/clock/advance", {"by": "20s"})
    assert it.good("GET", f"/sandboxes/{ME}/jobs/{second}")["started"] is None
    it.good("PATCH", f"/sandboxes/{ME}/jobs/{first}", {"state": "succeeded"})
    assert it.good("GET", f"/sandboxes/{ME}/jobs/{second}")["started"] is not None
    it.good("DELETE", f"/sandboxes/{ME}/jobs/{second}")
    assert it.good("GET", f"/sandboxes/{ME}/jobs/{third}")["started"] is not None
    assert it.bad("PATCH", f"/sandboxes/{ME}/jobs/{third}", {"state": "succeeded", "error": {}})[0] == 422


def test_a_forced_failure_says_what_it_is_told_to(it: Controlled) -> None:
    id = it.create()["id"]
    it.good("PATCH", f"/sandboxes/{ME}/jobs/{id}", {"state": "failed", "error": {"message": "The GPU melted."}})
    error = it.service.get(f"/videos/{id}").json()["error"]
    assert error["message"] == "The GPU melted."


def test_an_end_that_the_contract_has_no_word_for_is_told_by_an_error() -> None:
    it = Controlled("agicto-sora")
    anonymous = "/sandboxes/anonymous"
    it.good("POST", f"{anonymous}/clock", {"mode": "skipping"})
    it.good("POST", f"{anonymous}/scenarios", {"name": "fails-late"})
    form = {name: (None, value) for name, value in
            {"model": "sora-2", "prompt": "x", "seconds": "10", "size": "720x1280"}.items()}  # fmt: skip
    id = it.service.post("/v1/videos", files=form).json()["id"]
    answers = [it.service.get(f"/v1/videos/{id}") for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 409]
    assert "error" in answers[1].json()
    found = it.good("GET", f"{anonymous}/verdict")["findings"]
    assert {finding["code"] for finding in found} == {"V15", "V18"}  # an unknown path, no Idempotency-Key


def test_a_sandbox_that_nobody_uses_expires() -> None:
    it = Controlled()
    sandboxes = cast(Any, it.service.client)._transport.app.sandboxes
    sandboxes.real = lambda: it.service.clock.source() + 2 * IDLE_SECONDS
    assert it.good("GET", "/sandboxes")["data"] == []


# -- scenarios and drifts ---------------------------------------------------------------------------


def test_a_scenario_for_the_next_two_requests(it: Controlled) -> None:
    path = f"/sandboxes/{ME}/scenarios"
    on = it.good("POST", path, {"name": "fails-late", "times": 2})
    assert on["left"] == 2
    ids = [it.create()["id"] for _ in range(3)]
    assert it.good("GET", path)["data"] == []
    it.good("POST", f"/sandboxes/{ME}/clock/advance", {"by": "50m"})
    assert [it.status(id) for id in ids] == ["failed", "failed", "completed"]


def test_a_scenario_of_ones_own(it: Controlled) -> None:
    path = f"/sandboxes/{ME}/scenarios"
    own = {"requests": [{"on": "retrieve", "nth": [1, 2], "refuse": {"kind": "unavailable", "retry-after": "3s"}}]}
    it.good("POST", path, {"name": "shaky", "definition": own})
    id = it.create()["id"]
    answers = [it.service.get(f"/videos/{id}").status_code for _ in range(4)]
    assert answers == [503, 503, 200, 200]
    it.good("DELETE", f"{path}/shaky")
    assert it.bad("DELETE", f"{path}/shaky")[0] == 404
    status, _, text = it.bad(
        "POST", path, {"name": "other", "definition": {"requests": [{"on": "pole", "delay": "1s"}]}}
    )
    assert status == 422
    assert "definition.requests[0].on: found 'pole' (did you mean 'poll'?), expected one of any" in text
    assert "did you mean 'never-ends'" in it.bad("POST", path, {"name": "never-end"})[2]


def test_a_scenario_that_one_key_defines_is_nobody_elses(it: Controlled) -> None:
    opened = it.good("POST", "/sandboxes", {"api_key": OTHER})["sandbox"]["id"]
    for id, end in ((ME, "failed"), (opened, "succeeded")):
        it.good("POST", f"/sandboxes/{id}/scenarios", {"name": "mine", "definition": {"job": {"run": 9, "end": end}}})
    ids = [it.create(key)["id"] for key in (KEY, OTHER)]
    state = it.good("GET", f"/sandboxes/{ME}/state")
    it.good("POST", "/sandboxes/server/clock/advance", {"by": "50m"})
    assert [it.status(id, key) for id, key in zip(ids, (KEY, OTHER), strict=True)] == ["failed", "completed"]
    there = Controlled()
    there.good("PUT", f"/sandboxes/{ME}/state", state)
    assert there.good("GET", f"/sandboxes/{ME}/scenarios")["data"][0]["scenario"] == "mine"
    assert it.bad("POST", "/sandboxes/server/scenarios", {"name": "mine"})[0] == 422


def test_what_is_on_for_the_server_is_on_for_all(it: Controlled) -> None:
    it.good("POST", "/sandboxes/server/scenarios", {"name": "never-ends"})
    ids = [it.create(key)["id"] for key in (KEY, OTHER)]
    it.good("POST", "/sandboxes/server/clock/advance", {"by": "50m"})
    assert [it.status(id, key) for id, key in zip(ids, (KEY, OTHER), strict=True)] == ["in_progress"] * 2
    it.good("DELETE", "/sandboxes/server/scenarios")
    it.good("POST", "/reset")
    assert it.good("GET", "/sandboxes")["data"] == []


# -- the journal ------------------------------------------------------------------------------------


def test_the_journal_tells_what_happened_without_secrets(it: Controlled) -> None:
    it.good("POST", f"/sandboxes/{ME}/reset")
    id = it.create()["id"]
    it.status(id)
    it.service.post("/videos", json={"prompt": 3})
    entries = it.good("GET", f"/sandboxes/{ME}/journal")["data"]
    assert [entry["status"] for entry in entries] == [200, 200, 400]
    assert [entry["action"] for entry in entries] == ["create", "retrieve", "create"]
    assert entries[2]["violations"]
    assert KEY not in json.dumps(entries)
    some = it.good("GET", f"/sandboxes/{ME}/journal", params={"action": "create", "status": "4XX"})["data"]
    assert [entry["number"] for entry in some] == [3]
    for since, wanted in (("2", [2, 3]), (entries[0]["now"], [1, 2, 3]), ("2100-01-01T00:00:00Z", [])):
        found = it.good("GET", f"/sandboxes/{ME}/journal", params={"since": since})["data"]
        assert [entry["number"] for entry in found] == wanted
    har = it.good("GET", f"/sandboxes/{ME}/journal.har")
    assert [entry["response"]["status"] for entry in har["log"]["entries"]] == [200, 200, 400]
    assert KEY not in json.dumps(har)
    assert it.good("DELETE", f"/sandboxes/{ME}/journal") == {"data": [], "dropped": 0}


# -- who may ----------------------------------------------------------------------------------------


def test_it_is_called_by_its_own_names_and_pages_alone(it: Controlled) -> None:
    for headers in ({"host": "evil.example"}, {"host": "evil.example:4747"}, {"origin": "https://evil.example"}):
        response = it.call("POST", "/reset", headers=headers)
        assert response.status_code == 403
        assert "access-control-allow-origin" not in response.headers
    for host in ("localhost:1", "127.0.0.1", "[::1]:80", HOST):
        assert it.call("GET", "/sandboxes", headers={"host": host}).status_code == 200
    assert it.call("GET", "/sandboxes", headers={"origin": f"http://{HOST}"}).status_code == 200


def test_with_a_token_it_is_asked_for() -> None:
    it = Controlled(control_token="t0ken")
    assert it.bad("GET", "/sandboxes")[:2] == (401, "unauthenticated")
    assert it.bad("GET", "/sandboxes", headers={"authorization": "Bearer other"})[0] == 401
    assert it.call("GET", "/sandboxes", headers={"authorization": "Bearer t0ken", "host": "any"}).status_code == 200


def test_it_can_be_taken_away() -> None:
    it = Controlled(control=False)
    response = it.call("GET", "/health")
    assert (response.status_code, "--no-control" in response.text) == (404, True)


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "text"),
    [
        ("GET", "/nowhere", None, 404, "There is no /nowhere here"),
        ("PUT", "/health", None, 405, "Allowed: GET"),
        ("GET", "/sandboxes/sbx_nobody", None, 404, "There is no sandbox 'sbx_nobody'"),
        ("POST", "/sandboxes", {"api_key": "two words"}, 400, "api_key"),
        ("POST", "/sandboxes", {"colour": 1}, 400, "'colour'"),
        ("DELETE", "/sandboxes/server", None, 409, "one sandbox"),
        ("PUT", f"/sandboxes/{ME}/drifts", {"names": ["no-such-drift"]}, 422, "'no-such-drift' is not known"),
        ("POST", f"/sandboxes/{ME}/clock", {"mode": "sideways"}, 400, "'sideways'"),
        ("GET", f"/sandboxes/{ME}/journal?colour=1", None, 400, "colour"),
    ],
)
def test_what_is_wrong_is_said(it: Controlled, method: str, path: str, body: Any, status: int, text: str) -> None:
    found = it.bad(method, path, body)
    assert found[0] == status
    assert text in found[2]


def test_broken_and_large_bodies(it: Controlled) -> None:
    headers = {"content-type": "application/json"}
    assert it.call("POST", "/sandboxes", headers=headers, content=b"{").status_code == 400
    assert it.call("POST", "/sandboxes", headers={"content-type": "text/plain"}, content=b"{}").status_code == 415
    assert it.call("POST", "/sandboxes", headers=headers, content=b" " * (33 << 20)).status_code == 413


# -- the client -------------------------------------------------------------------------------------


def test_the_client_of_the_package(it: Controlled) -> None:
    async def story() -> None:
        control = AsyncControl("http://mock.test/v1", http=it.service.client)
        me = (await control.open_sandbox(KEY, clock={"mode": "frozen"}))["sandbox"]["id"]
        assert me == ME
        await control.activate_scenario("never-ends", times=1, sandbox=me)
        assert (await control.advance("90s", sandbox=me))["mode"] == "frozen"
        with pytest.raises(ControlRefused, match="There is no job 'nothing'") as refused:
            await control.job("nothing", me)
        assert (refused.value.status, refused.value.code) == (404, "not_found")

    run(story())


@pytest.mark.parametrize("client", [Control, AsyncControl])
def test_the_client_knows_every_operation(it: Controlled, client: type[Control] | type[AsyncControl]) -> None:
    asked: set[tuple[str, str]] = set()

    class Recording(client):  # type: ignore[misc, valid-type]
        def call(self, method: str, path: str, json: Any = None, params: Any = None) -> Any:
            asked.add((method, re.sub(r"(?<=/)x\w*", "{}", path)))
            return asyncio.sleep(0) if client is AsyncControl else {}

    recording: Any = Recording("http://127.0.0.1:1")
    for name, method in vars(client.__mro__[1]).items():
        if name[0] == "_" or name == "call" or not callable(method):
            continue
        wanted = [p for p in signature(method).parameters.values() if p.default is p.empty and p.name != "self"]
        names = [p.name for p in wanted if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
        found = getattr(recording, name)(
            **{**dict.fromkeys(names, "x"), **({"sandbox": "x"} if "sandbox" in str(signature(method)) else {})}
        )
        if client is AsyncControl:
            run(found)
    document = it.good("GET", "/openapi.json")
    known = {
        (method.upper(), re.sub(r"\{\w+\}", "{}", path))
        for path, item in document["paths"].items()
        for method in item
        if method != "parameters"
    }
    assert known - asked == {("GET", "/openapi.json")}


def test_settings_are_for_all_from_the_start() -> None:
    it = Controlled(scenario="never-ends")
    id = it.create()["id"]
    it.good("POST", "/sandboxes/server/clock/advance", {"by": "50m"})
    assert it.status(id) == "in_progress"
