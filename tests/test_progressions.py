"""What moves jobs on: time, polls, or nothing; and a clock that skips to the next event with each look."""

from typing import Any

import httpx2
import pytest
from in_process import CREATES, KEY, Service, start
from test_every_operation import path_of
from test_scenarios import job_of, prefer, sandbox_of, sandboxes_of, statuses

from mockserver.clock import ClockMode
from mockserver.errors import DeclarationError
from mockserver.jobs.resource import Action
from mockserver.loading.plans import load_scenarios
from mockserver.loading.providers import bundled_names
from mockserver.plans.progression import read_progression

IMMEDIATE = {"by": "immediate"}
POLLS = {"by": "polls"}


def progress(service: Service, **by: Any) -> None:
    """Say what moves jobs on, by model; `all` stands for `*`."""
    box = sandbox_of(service)
    for model, data in by.items():
        box.progressions["*" if model == "all" else model] = read_progression(data, "test")
    box.update()


def skip(service: Service) -> None:
    service.clock.change(ClockMode.SKIPPING)
    sandboxes_of(service).server.update()


# -- polls ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("polls", "seen"),
    [
        (1, ["in_progress", "completed", "completed"]),
        (2, ["queued", "in_progress", "in_progress", "completed"]),
        (3, ["queued", "queued", "in_progress", "in_progress", "in_progress", "completed"]),
    ],
)
def test_polls_move_a_job_on_and_time_does_not(polls: int, seen: list[str]) -> None:
    service = start("openai", rate=0.0)
    progress(service, all={"by": "polls", "polls": polls})
    path = job_of(service)
    service.clock.advance(1000)
    assert service.get("/videos").json()["data"][0]["status"] == "queued"  # a list is no poll of a job
    assert statuses(service, path, len(seen), 1000) == seen


def test_a_job_that_polls_moved_ends_at_the_poll_and_expires_after_it() -> None:
    service = start("openai", rate=0.0)
    progress(service, all=POLLS)
    path = job_of(service)
    service.clock.advance(10_000)
    statuses(service, path, 2)
    job = service.get(path).json()
    assert job["completed_at"] == int(service.clock.now())
    assert job["expires_at"] == job["completed_at"] + 3600
    assert service.get(f"{path}/content").status_code == 200


def test_two_pollers_of_two_jobs_do_not_move_each_other() -> None:
    service = start("openai", rate=0.0)
    progress(service, all=POLLS)
    first, second = job_of(service), job_of(service)
    assert statuses(service, first, 2) == ["in_progress", "completed"]
    assert statuses(service, second, 1) == ["in_progress"]


def test_a_scenario_says_how_it_ends_and_polls_say_when() -> None:
    service = start("openai")
    progress(service, all=POLLS)
    assert statuses(service, job_of(service, "fails-halfway"), 2, 60) == [
        "in_progress", "failed 50 generation_failed",
    ]  # fmt: skip
    assert statuses(service, job_of(service, "stuck-in-queue"), 3) == ["queued"] * 3
    assert statuses(service, job_of(service, "never-ends"), 3) == ["in_progress"] * 3
    assert statuses(service, job_of(service, "server-error-on-poll"), 3) == ["in_progress", "500", "completed"]


def test_jobs_go_on_as_they_were_made_when_the_progression_is_another() -> None:
    service = start("openai", rate=0.0)
    progress(service, all=POLLS)
    path = job_of(service)
    sandbox_of(service).progressions.clear()
    sandbox_of(service).update()
    other = job_of(service)
    service.clock.advance(1000)
    assert statuses(service, path, 2) == ["in_progress", "completed"]
    assert statuses(service, other, 1) == ["completed"]


def test_what_waited_for_a_deleted_job_is_forgotten() -> None:
    service = start("openai")
    progress(service, all=POLLS)
    service.delete(job_of(service))
    assert sandbox_of(service).account("openai").held == {}


# -- at once, and by model --------------------------------------------------------------------------


def test_a_job_may_be_done_when_its_create_is_answered() -> None:
    service = start("openai", rate=0.0)
    progress(service, all=IMMEDIATE)
    made = service.post("/videos", json={"prompt": "a cat"}).json()
    assert (made["status"], made["progress"], made["completed_at"]) == ("completed", 100, made["created_at"])
    assert service.get(f"/videos/{made['id']}/content").status_code == 200
    failed = service.post("/videos", json={"prompt": "a cat"}, headers=prefer("fails-late")).json()
    assert (failed["status"], failed["completed_at"]) == ("failed", failed["created_at"])
    stuck = service.post("/videos", json={"prompt": "a cat"}, headers=prefer("stuck-in-queue")).json()
    assert stuck["status"] == "queued"


def test_a_model_has_its_own_progression_and_a_key_its_own() -> None:
    service = start("openai", rate=0.0)
    progress(service, all=IMMEDIATE, **{"sora-2-pro": POLLS})
    server = sandboxes_of(service).server
    server.progressions["*"] = read_progression(POLLS, "test")
    server.update()
    assert statuses(service, job_of(service), 1) == ["completed"]
    assert statuses(service, job_of(service, model="sora-2-pro"), 2) == ["in_progress", "completed"]
    headers = {"Authorization": "Bearer sk-other"}
    other = service.post("/videos", json={"prompt": "a cat"}, headers=headers).json()
    assert other["status"] == "queued"
    assert service.get(f"/videos/{other['id']}", headers=headers).json()["status"] == "in_progress"


@pytest.mark.parametrize("name", bundled_names())
@pytest.mark.parametrize("by", [IMMEDIATE, POLLS])
def test_every_provider_shows_the_end_it_has_words_for(name: str, by: dict[str, Any]) -> None:
    service = start(name, rate=0.0)
    server = sandboxes_of(service).server
    server.progressions["*"] = read_progression(by, "test")
    server.update()
    path, arguments = CREATES[name]
    assert service.post(path, **arguments).status_code == 200
    resource = service.provider.contract.resources[0]
    part = resource.first(Action.RETRIEVE)
    assert part
    store = next(box.account(name).store for box in sandboxes_of(service) if len(box.account(name).store))
    job = next(iter(store))
    seen = [service.get(path_of(part, job.id)) for _ in range(2)]
    assert [each.status_code for each in seen] == [200, 200]
    assert ".mp4" in seen[-1].text or any(p.action is Action.CONTENT for p in resource.operations)
    assert next(iter(store)).timeline.ended <= service.clock.now()


@pytest.mark.parametrize(
    ("data", "says"),
    [
        ("polls", "test: found 'polls', expected a map with keys of by, polls"),
        ({"by": "poll"}, "test.by: found 'poll' (did you mean 'polls'?), expected one of immediate, polls, time"),
        ({"polls": 2}, "test.by: found None"),
        ({"by": "time", "polls": 2}, "test: `polls` stands only beside `by: polls`"),
        ({"by": "polls", "polls": 0}, "test.polls: found 0, expected a whole number from 1"),
        ({"by": "polls", "times": 2}, "test: unknown key 'times'"),
    ],
)
def test_what_is_wrong_with_a_progression_is_said(data: Any, says: str) -> None:
    with pytest.raises(DeclarationError) as found:
        read_progression(data, "test")
    assert says in str(found.value)


# -- a clock that skips -----------------------------------------------------------------------------


def test_a_loop_ends_in_as_many_polls_as_the_job_has_events() -> None:
    service = start("openai", rate=0.0)
    skip(service)
    path = job_of(service)
    assert statuses(service, path, 3) == ["in_progress", "completed", "completed"]
    job = service.get(path).json()
    assert 60 < job["completed_at"] - job["created_at"] < 121
    assert statuses(service, job_of(service, "very-slow"), 2) == ["in_progress", "completed"]


def test_a_waiting_job_tells_clients_to_poll_at_once() -> None:
    service = start("openai", rate=0.0)
    skip(service)
    made = service.post("/videos", json={"prompt": "a cat"})
    assert made.headers["openai-poll-after-ms"] == "1"
    assert service.get(f"/videos/{made.json()['id']}").headers["openai-poll-after-ms"] == "1"


def test_lists_and_downloads_move_time_too_and_nothing_else_does() -> None:
    service = start("openai", rate=0.0)
    skip(service)
    path = job_of(service)

    def listed() -> str:
        return str(service.get("/videos").json()["data"][0]["status"])

    assert [listed() for _ in range(3)] == ["in_progress", "completed", "completed"]
    path = job_of(service)
    assert [service.get(f"{path}/content").status_code for _ in range(2)] == [400, 200]
    job_of(service)
    now = sandbox_of(service).now()
    service.get(path)  # it has ended
    service.get("/videos/nobody")
    service.delete(path)
    assert sandbox_of(service).now() == now


@pytest.mark.parametrize("name", load_scenarios())
def test_no_scenario_keeps_a_loop_waiting_on_a_clock_that_skips(name: str) -> None:
    """Some end in six polls, and some never do; none fails, and none needs more time than a client has."""
    service = start("openai", rate=0.0)
    skip(service)
    scenario = load_scenarios()[name]
    if any(step.delay or step.connection for step in scenario.steps):
        return
    made = [service.post("/videos", json={"prompt": "a cat"}, headers=prefer(name)) for _ in range(3)]
    paths = [f"/videos/{each.json()['id']}" for each in made if each.status_code == 200]
    ends = ["completed", "failed"]
    for path in paths[-1:]:
        seen = statuses(service, path, 6)
        lasting = name.startswith(("stuck", "never", "moderated-on-poll", "job-forgotten", "key-refused"))
        assert lasting or seen[-1].split()[0] in ends, seen


def test_the_sandboxes_of_a_skipping_server_skip_by_themselves() -> None:
    service = start("openai", rate=0.0)
    skip(service)
    first = job_of(service)
    headers = {"Authorization": "Bearer sk-other"}
    other: httpx2.Response = service.post("/videos", json={"prompt": "a cat"}, headers=headers)
    assert statuses(service, first, 2) == ["in_progress", "completed"]
    assert service.get(f"/videos/{other.json()['id']}", headers=headers).json()["status"] == "in_progress"
    assert sandboxes_of(service).of("sk-other").now() < sandboxes_of(service).of(KEY).now()
