"""The verdict on a client: each finding is earned by a small client that behaves ill, and missed by one that does not.

Clients run in this process. The machine's time is handed in, so that one can be hasty without being quick, and wait
without sleeping; only the official SDK, which really waits, runs on the real one.
"""

import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import httpx2
import pytest
from in_process import CREATES, KEY, START, key_headers, run
from openai import AsyncOpenAI

from mockserver.clock import Clock, ClockMode
from mockserver.jobs.declaration import REFUSALS
from mockserver.loading.providers import load_provider
from mockserver.plans.progression import Mover, Progression
from mockserver.plans.scenario import read_scenarios
from mockserver.provider import Provider
from mockserver.sandbox.findings import RULES, Severity
from mockserver.sandbox.sandbox import Sandbox, Sandboxes
from mockserver.sandbox.verdict import Verdict, case_of, known_operations, lines_of, verdict, verdict_on
from mockserver.web.faults import BrokenConnection
from mockserver.web.server import Settings, build_app

DOCS = Path(__file__).parent.parent / "docs" / "verdict.md"
PLANS = read_scenarios(
    {
        "lost": {"summary": "x", "requests": [{"on": "create", "nth": 1, "connection": "lost"}]},
        "slow": {"summary": "x", "requests": [{"on": "create", "nth": 1, "delay": 0.001}]},
        "down": {"summary": "x", "requests": [{"on": "create", "nth": 1, "refuse": {"kind": "server_error"}}]},
        "busy": {"summary": "x", "requests": [{"on": "start", "refuse": {"kind": "unavailable", "retry-after": 2}}]},
        "limit": {"summary": "x", "requests": [{"on": "start", "refuse": {"kind": "rate_limited", "retry-after": 2}}]},
        "blip": {"summary": "x", "requests": [{"on": "poll", "refuse": {"kind": "server_error"}}]},
        "cut": {"summary": "x", "requests": [{"on": "poll", "connection": "reset"}]},
        "refused": {"summary": "x", "requests": [{"on": "create", "refuse": {"kind": "moderated"}}]},
        "failing": {"summary": "x", "job": {"end": "failed", "at": 50}},
        "endless": {"summary": "x", "job": {"run": "never"}},
    },
    frozenset(REFUSALS),
    "here",
)  # fmt: skip


@dataclass
class Stage:
    """A server in this process, and a client of it. `machine` is the machine's time."""

    provider: Provider
    clock: Clock
    client: httpx2.AsyncClient
    sandboxes: Sandboxes
    machine: list[float] = field(default_factory=list)

    @property
    def sandbox(self) -> Sandbox:
        return self.sandboxes.of(KEY)

    def call(self, method: str, path: str, **more: Any) -> httpx2.Response:
        return run(self.client.request(method, path, **more))

    def wait(self, seconds: float) -> None:
        self.machine[0] += seconds

    def switch_on(self, name: str, times: int | None = None) -> None:
        self.sandbox.switch_on(PLANS[name], times)

    def create(self, prompt: str = "a cat", **more: Any) -> str:
        response = self.call("POST", "/videos", json={"prompt": prompt}, **more)
        return str(response.json().get("id", ""))

    def poll(self, id: str) -> str:
        return str(self.call("GET", f"/videos/{id}").json().get("status", ""))

    def poll_to_the_end(self, id: str, every: float = 5.0) -> None:
        while self.poll(id) not in ("completed", "failed"):
            self.wait(every)

    def finish(self, id: str) -> None:
        """What a client does that behaves well."""
        self.poll_to_the_end(id)
        self.call("GET", f"/videos/{id}/content")
        self.call("DELETE", f"/videos/{id}")

    def verdict(self, *sandboxes: Sandbox) -> Verdict:
        return verdict_on(sandboxes or [self.sandbox], {self.provider.name: self.provider})


def stage(name: str = "openai", mode: ClockMode = ClockMode.REAL) -> Stage:
    provider, machine = load_provider(name), [START]
    clock = Clock(lambda: machine[0], mode)
    app = build_app({"": provider}, Settings(), clock)
    headers = key_headers(provider.contract)
    client = httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://mock.test", headers=headers)
    return Stage(provider, clock, client, app.sandboxes, machine)


@pytest.fixture
def it() -> Stage:
    return stage()


def codes(found: Verdict, *, notes: bool = False) -> set[str]:
    return {f.code for f in found.findings if notes or f.severity is not Severity.NOTE}


# -- those who behave well --------------------------------------------------------------------------


def test_a_client_that_behaves_well_earns_nothing_but_notes(it: Stage) -> None:
    it.finish(it.create())
    found = it.verdict()
    assert codes(found) == set()
    assert (found.passed, found.exit_code(), found.exit_code(strict=True)) == (True, 0, 0)
    [job] = found.jobs
    assert (found.requests, found.creates, found.paid_twice) == (job.polls + 3, 1, 0)
    assert (job.fastest_poll_ms, job.median_poll_ms, job.end_seen, job.result_fetched) == (5000, 5000, True, True)
    assert job.waited_ms == 5000 * (job.polls - 1) == job.seconds * 1000  # type: ignore[operator]


@pytest.mark.parametrize("mode", [ClockMode.SKIPPING, ClockMode.SCALED])
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_the_official_sdk_behaves_well(mode: ClockMode) -> None:
    provider = load_provider("openai")
    clock = Clock(Clock(_steady).now)
    app = build_app({"": provider}, Settings(), clock)
    clock.change(mode, 2000)
    app.sandboxes.server.update()
    transport = httpx2.ASGITransport(app)

    async def story() -> None:
        async with httpx2.AsyncClient(transport=transport) as http:
            client = AsyncOpenAI(base_url="http://mock.test", api_key=KEY, http_client=http)
            video = await client.videos.create_and_poll(prompt="a cat")
            assert video.status == "completed"
            await client.videos.download_content(video.id)
            await client.videos.delete(video.id)

    run(story())
    found = verdict_on([app.sandboxes.of(KEY)], {"openai": provider})
    assert codes(found) == set()
    assert found.passed
    assert found.creates == 1


def _steady() -> float:
    from mockserver.realtime import steady_time

    return steady_time()


@pytest.mark.parametrize("name", sorted(CREATES))
def test_every_provider_can_be_used_without_an_error(name: str) -> None:
    it = stage(name)
    path, body = CREATES[name]
    it.call("POST", path, **body)
    [own] = [sandbox for sandbox in it.sandboxes if len(sandbox.account(name).store)]
    [job] = own.account(name).store
    resource = it.provider.contract.resources[0]
    polled = next(part for part in resource.operations if part.action.value == "retrieve").operation.path
    for _ in range(100):
        it.wait(5)
        it.call("GET", polled.partition("{")[0] + job.id + polled.partition("}")[2])
    found = it.verdict(own)
    assert not codes(found) - {"V02", "V11", "V13", "V17"}  # nobody looked at the status
    assert found.jobs[0].end_seen


def test_nothing_asked_cannot_be_judged(it: Stage) -> None:
    found = it.verdict()
    assert (found.passed, found.exit_code(), found.as_data()["passed"]) == (None, 2, None)
    assert [*lines_of(found.as_data())][-1].startswith("NOTHING TO JUDGE")


# -- each finding, and its near miss ----------------------------------------------------------------

Story = Callable[[Stage], None]


def hasty_poll(it: Stage) -> None:
    id = it.create()
    it.poll(id)
    it.wait(0.5)
    it.finish(id)


def poll_as_asked(it: Stage) -> None:
    id = it.create()
    it.poll(id)
    it.wait(1.0)
    it.finish(id)


def poll_on(it: Stage) -> None:
    id = it.create()
    it.poll_to_the_end(id)
    for _ in range(2):
        it.wait(5)
        it.poll(id)
    it.finish(id)


def poll_until_deleted(it: Stage) -> None:
    id = it.create()
    it.finish(id)
    it.poll(id)  # is it really gone?


def fetch_at_once(it: Stage) -> None:
    id = it.create()
    it.call("GET", f"/videos/{id}/content")
    it.finish(id)


def fetch_at_the_end(it: Stage) -> None:
    it.finish(it.create())


def insist(it: Stage) -> None:
    it.switch_on("refused", 2)
    it.create("something odd")
    it.create("something odd")


def take_no_for_an_answer(it: Stage) -> None:
    it.switch_on("refused", 2)
    it.create("something odd")
    it.create("something else")


def hammer(it: Stage) -> None:
    it.switch_on("limit", 1)
    it.create()
    it.wait(0.3)
    it.finish(it.create())


def wait_as_told(it: Stage) -> None:
    it.switch_on("limit", 1)
    it.create()
    it.wait(2.0)
    it.finish(it.create())


def lose(it: Stage, **more: Any) -> None:
    it.switch_on("lost", 1)
    with suppress(BrokenConnection):
        it.create(**more)
    it.wait(60)


def retry_a_lost_create(it: Stage) -> None:
    lose(it)
    it.finish(it.create())
    [other] = it.sandbox.accounts["openai"].store
    it.finish(other.id)


def retry_with_a_key(it: Stage) -> None:
    headers = {"Idempotency-Key": "order-1"}
    it.switch_on("down", 1)
    it.create(headers=headers)
    it.wait(60)
    it.finish(it.create(headers=headers))


def retry_a_500(it: Stage) -> None:
    it.switch_on("down", 1)
    it.create()
    it.wait(60)
    it.finish(it.create())


def retry_with_a_new_key(it: Stage) -> None:
    it.switch_on("down", 1)
    it.create(headers={"Idempotency-Key": "try-1"})
    it.wait(60)
    it.finish(it.create(headers={"Idempotency-Key": "try-2"}))


def retry_when_told_to(it: Stage) -> None:
    it.switch_on("busy", 1)
    it.create()
    it.wait(2)
    it.finish(it.create())


def look_for_the_lost_one(it: Stage) -> None:
    lose(it)
    listed = it.call("GET", "/videos").json()["data"]
    it.finish(listed[0]["id"])


def click_twice(it: Stage) -> None:
    one = it.create()
    it.wait(1)
    two = it.create()
    it.finish(one)
    it.finish(two)


def ask_again_later(it: Stage) -> None:
    one = it.create()
    it.finish(one)
    it.finish(it.create())


def give_up(it: Stage) -> None:
    id = it.create()
    it.poll(id)
    it.wait(5)
    it.switch_on("blip", 1)
    it.poll(id)


def give_up_when_cut(it: Stage) -> None:
    id = it.create()
    it.poll(id)
    it.wait(5)
    it.switch_on("cut", 1)
    with suppress(BrokenConnection):
        it.poll(id)


def carry_on(it: Stage) -> None:
    id = it.create()
    it.switch_on("blip", 1)
    it.poll(id)
    it.wait(5)
    it.finish(id)


def look_away(it: Stage) -> None:
    it.switch_on("failing", 1)
    it.poll(it.create())
    it.wait(1000)


def read_the_error(it: Stage) -> None:
    it.switch_on("failing", 1)
    id = it.create()
    it.poll_to_the_end(id)
    it.call("DELETE", f"/videos/{id}")


def fetch_regardless(it: Stage) -> None:
    it.switch_on("failing", 1)
    it.finish(it.create())


def leave_the_result(it: Stage) -> None:
    id = it.create()
    it.poll_to_the_end(id)
    it.call("DELETE", f"/videos/{id}")


def time_out(it: Stage) -> None:
    it.poll(it.create())
    it.wait(1000)


def walk_away(it: Stage) -> None:
    it.switch_on("endless", 1)
    it.poll(it.create())
    it.wait(1000)


def stop_it(it: Stage) -> None:
    it.switch_on("endless", 1)
    id = it.create()
    it.poll(id)
    it.call("DELETE", f"/videos/{id}")


def leave_it_there(it: Stage) -> None:
    id = it.create()
    it.poll_to_the_end(id)
    it.call("GET", f"/videos/{id}/content")


def misspell(it: Stage) -> None:
    it.call("POST", "/videos", json={"prompt": "a cat", "seconds": "7"})
    it.call("POST", "/videos", json={"prompt": "a cat", "seconds": "9"})


def refused_by_a_scenario(it: Stage) -> None:
    it.switch_on("refused", 1)
    it.create()


def hammer_an_ended_job(it: Stage) -> None:
    id = it.create()
    it.poll_to_the_end(id)
    for _ in range(3):
        it.wait(5)
        it.poll(id)
    it.finish(id)


EARNED: Mapping[str, tuple[Story, Story]] = {
    "V01": (hasty_poll, poll_as_asked),
    "V02": (poll_on, poll_until_deleted),
    "V03": (fetch_at_once, fetch_at_the_end),
    "V04": (insist, take_no_for_an_answer),
    "V05": (hammer, wait_as_told),
    "V06": (retry_a_lost_create, look_for_the_lost_one),
    "V07": (click_twice, ask_again_later),
    "V08": (give_up, carry_on),
    "V09": (look_away, read_the_error),
    "V10": (fetch_regardless, read_the_error),
    "V11": (leave_the_result, fetch_at_the_end),
    "V12": (walk_away, stop_it),
    "V13": (leave_it_there, fetch_at_the_end),
    "V14": (misspell, refused_by_a_scenario),
}


@pytest.mark.parametrize("code", EARNED)
def test_an_ill_behaved_client_earns_its_finding(it: Stage, code: str) -> None:
    EARNED[code][0](it)
    found = it.verdict()
    [finding] = [f for f in found.findings if f.code == code]
    assert finding.count >= 1
    numbers = {entry.number for entry in it.sandbox.journal}
    assert set(finding.evidence) <= numbers
    assert finding.evidence
    assert finding.details
    severe = any(f.severity is Severity.ERROR for f in found.findings)
    assert (found.passed, found.exit_code()) == (not severe, int(severe))
    assert found.exit_code(strict=True) == 1
    assert any(code in line for line in lines_of(found.as_data()))
    json.dumps(found.as_data())


@pytest.mark.parametrize("code", EARNED)
def test_a_near_miss_does_not(it: Stage, code: str) -> None:
    EARNED[code][1](it)
    assert code not in codes(it.verdict())


@pytest.mark.parametrize("code", EARNED)
def test_what_earns_a_finding_earns_hardly_another(it: Stage, code: str) -> None:
    EARNED[code][0](it)
    beside = {"V08": {"V12"}, "V10": set(), "V12": set()}.get(code, set())
    assert codes(it.verdict()) <= {code, "V13", *beside}


@pytest.mark.parametrize(
    ("story", "paid_twice"),
    [
        (retry_a_lost_create, 1),
        (retry_a_500, 1),
        (retry_with_a_new_key, 1),
        (retry_with_a_key, 0),
        (retry_when_told_to, 0),
        (look_for_the_lost_one, 0),
        (click_twice, 0),
    ],
)
def test_what_would_have_been_paid_for_twice(it: Stage, story: Story, paid_twice: int) -> None:
    story(it)
    found = it.verdict()
    assert found.paid_twice == paid_twice
    assert ("V06" in codes(found)) == bool(paid_twice)


def test_a_create_that_is_sent_again_with_its_key_counts_once(it: Stage) -> None:
    first = it.create(headers={"Idempotency-Key": "order-1"})
    assert it.create(headers={"Idempotency-Key": "order-1"}) == first
    found = it.verdict()
    assert (found.creates, found.paid_twice) == (1, 0)
    assert not {"V06", "V07", "V18"} & codes(found, notes=True)
    it.create("another")
    assert "V18" in codes(it.verdict(), notes=True)


def test_a_client_that_gave_up_waiting_made_its_job_twice(it: Stage) -> None:
    it.switch_on("slow", 1)
    it.create()
    entries = list(it.sandbox.journal)
    assert (entries[-1].fault, entries[-1].delay) == ("delay", 0.001)
    it.create()  # within that millisecond, since the machine's time stands still
    assert it.verdict().paid_twice == 1


def test_a_create_whose_answer_was_bent_is_made_twice_too(it: Stage) -> None:
    it.create()
    it.wait(60)
    it.create()
    whole = case_of(it.sandbox)
    assert verdict([whole]).paid_twice == 0
    bent = [entry._replace(drifts=("html",)) if entry.number == 1 else entry for entry in whole.entries]
    assert verdict([replace(whole, entries=bent)]).paid_twice == 1


def test_a_poll_that_was_cut_off_and_not_repeated_is_giving_up(it: Stage) -> None:
    give_up_when_cut(it)
    assert "V08" in codes(it.verdict())


def test_a_timeout_of_its_own_loses_the_result(it: Stage) -> None:
    time_out(it)
    [finding] = [f for f in it.verdict().findings if f.code == "V11"]
    assert "never seen" in finding.details[0]


def test_who_does_not_know_the_end_fails(it: Stage) -> None:
    hammer_an_ended_job(it)
    found = it.verdict()
    assert [f.severity for f in found.findings if f.code == "V02"] == [Severity.ERROR]
    assert found.passed is False


def test_polling_far_too_often(it: Stage) -> None:
    """Once a second, as advised, is never too often; a hundred times a second is."""
    id = it.create()
    it.poll_to_the_end(id, every=1.0)
    assert "V17" not in codes(it.verdict())
    other = it.create("another")
    for _ in range(200):
        it.wait(0.01)
        it.poll(other)
    assert {"V01", "V17"} <= codes(it.verdict())


def test_a_clock_that_is_moved_by_hand_excuses_a_quick_poll() -> None:
    it = stage(mode=ClockMode.FROZEN)
    id = it.create()
    it.poll(id)
    it.clock.advance(30)
    it.poll(id)
    assert "V01" not in codes(it.verdict())
    it.poll(id)
    assert "V01" in codes(it.verdict())


def test_jobs_that_move_by_polls_are_judged_as_any(it: Stage) -> None:
    it.sandbox.progressions["*"] = Progression(Mover.POLLS, 2)
    it.sandbox.update()
    it.finish(it.create())
    assert codes(it.verdict()) == set()


def test_refused_keys_and_unknown_paths_are_seen_where_no_key_is(it: Stage) -> None:
    it.call("GET", "/videos", headers={"Authorization": "Bearer invalid-key"})
    it.call("GET", "/clips")
    found = it.verdict(it.sandboxes.of(""))
    assert codes(found) == {"V15", "V16"}
    assert found.passed is False
    it.call("GET", "/videos")
    assert not {"V15", "V16"} & codes(it.verdict())


def test_operations_that_were_never_used_are_noted(it: Stage) -> None:
    it.finish(it.create())
    [finding] = [f for f in it.verdict().findings if f.code == "V19"]
    assert "GET /videos" in finding.details
    assert "POST /videos" not in finding.details
    assert finding.severity is Severity.NOTE


def test_several_sandboxes_are_judged_each_by_itself(it: Stage) -> None:
    fetch_at_once(it)
    it.call("POST", "/videos", json={}, headers={"Authorization": "Bearer sk-another-key"})
    other = it.sandboxes.of("sk-another-key")
    found = it.verdict(it.sandbox, other)
    assert {(f.code, f.sandbox) for f in found.findings if f.severity is Severity.ERROR} == {
        ("V03", it.sandbox.id),
        ("V14", other.id),
    }


def test_a_journal_that_is_not_whole_accuses_nobody_of_what_it_has_forgotten(it: Stage) -> None:
    id = it.create()
    it.finish(id)
    other = it.create("left behind")
    it.poll_to_the_end(other)
    it.call("GET", f"/videos/{other}/content")
    entries = it.sandbox.journal
    assert it.verdict().journal_complete
    while len(entries) > 1:
        entries.drop_oldest()
    entries.drop_oldest()
    found = it.verdict()
    assert not found.journal_complete
    assert not {"V08", "V09", "V11", "V12", "V19"} & codes(found, notes=True)
    assert any("not complete" in line for line in lines_of(found.as_data()))


def test_keys_are_masked_in_what_is_told(it: Stage) -> None:
    it.call("POST", "/videos", json={"prompt": "a cat", "seconds": KEY})
    it.call("GET", f"/nothing/{KEY}")
    both = [it.sandbox, it.sandboxes.of("")]
    assert KEY not in json.dumps(it.verdict(*both).as_data())
    assert {"V14", "V15"} <= codes(it.verdict(*both))


def test_entries_alone_can_be_judged(it: Stage) -> None:
    fetch_at_once(it)
    case = case_of(it.sandbox)
    found = verdict([case])  # nothing is known of the contract
    assert "V03" in codes(found)
    known = [*known_operations("openai", it.provider.contract)]
    assert {each.action for each in known} >= {"create", "retrieve", "list", "content", "delete", "follow-up"}


# -- the docs ---------------------------------------------------------------------------------------


def test_every_code_is_documented_with_its_reason() -> None:
    text = DOCS.read_text()
    rows = {row.split("|")[1].strip(" `"): row for row in text.splitlines() if row.startswith("| `V")}
    assert list(rows) == sorted(RULES)
    for code, rule in RULES.items():
        cells = [cell.strip() for cell in rows[code].strip("|").split("|")]
        assert len(cells) == 5
        assert all(cells)
        assert rule.title in cells[1]
        assert rule.severity.value in cells[2]


def test_every_code_has_a_story() -> None:
    told = {*EARNED, "V15", "V16", "V17", "V18", "V19"}
    assert told == set(RULES)
