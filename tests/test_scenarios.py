"""Scenarios: what each does to a client, how they are chosen, counted and put together, and how files are read."""

import json
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from time import perf_counter
from typing import Any

import httpx2
import jsonschema_rs
import openai
import orjson
import pytest
from in_process import CREATES, KEY, START, Service, key_headers, start
from serving import serving
from test_every_operation import path_of
from test_odd_contracts import a_document, an_operation, jobs, ref

from mockserver.clock import ClockMode
from mockserver.errors import MockserverError
from mockserver.form import MultipartReader
from mockserver.jobs.declaration import REFUSALS
from mockserver.jobs.resource import Action, JobOperation
from mockserver.loading.plans import load_scenarios
from mockserver.loading.providers import bundled_names
from mockserver.message import Request, Response
from mockserver.openapi.schema import json_schema
from mockserver.plans.scenario import Scenario, read_scenario
from mockserver.sandbox.sandbox import Sandbox, Sandboxes
from mockserver.web.faults import BrokenConnection

ROOT = Path(__file__).parent.parent
DAY = 86_400
CAT = {"prompt": "a cat"}


def sandboxes_of(service: Service) -> Sandboxes:
    registry: Sandboxes = service.client._transport.app.sandboxes  # type: ignore[attr-defined]
    return registry


def sandbox_of(service: Service, key: str = KEY) -> Sandbox:
    return sandboxes_of(service).of(key)


def define(service: Service, name: str = "mine", **plan: Any) -> Scenario:
    """A scenario of one's own, known from now on."""
    made = read_scenario(name, {"summary": "Mine.", **plan}, frozenset(REFUSALS), "test")
    sandboxes_of(service).server.own[name] = made
    return made


def prefer(name: str) -> dict[str, str]:
    return {"Prefer": f"scenario={name}"}


def create(service: Service, scenario: str = "", **more: Any) -> httpx2.Response:
    return service.post("/videos", json={**CAT, **more}, headers=prefer(scenario) if scenario else {})


def job_of(service: Service, scenario: str = "", **more: Any) -> str:
    """The path of a job that was created."""
    response = create(service, scenario, **more)
    assert response.status_code == 200, response.text
    return f"/videos/{response.json()['id']}"


def statuses(service: Service, path: str, polls: int, every: float = 0) -> list[Any]:
    """What so many polls see: the job's status, or what stands in its place."""
    seen = []
    for _ in range(polls):
        seen.append(glance(service, "GET", path)[1])
        service.clock.advance(every)
    return seen


def glance(service: Service, method: str, path: str, **arguments: Any) -> tuple[Any, str]:
    """A request: the job that it answered, if it did, and in short what came."""
    try:
        response = service.request(method, path, **arguments)
    except BrokenConnection as broken:
        return None, str(broken).split()[-1]
    entry = list(sandbox_of(service).journal)[-1]
    late = "late " if entry.fault == "delay" else ""
    if response.status_code != 200 or not response.headers["content-type"].startswith("application/json"):
        return None, f"{late}{response.status_code}"
    body = response.json()
    if body["object"] == "list":
        return None, f"{late}{len(body['data'])}"
    ended = f" {body['progress']} {body['error']['code']}" if body["error"] else ""
    return body, f"{late}{body['status']}{ended}"


# -- what each of them does -------------------------------------------------------------------------

# A client creates (at most three times, until it has a job), lists, polls at these instants until the job has ended,
# downloads it twice, and once by its link. The durations are those of the seed 0.
MOMENTS = (0, 20, 40, 60, 130, 900, 5 * 3600, 26 * 3600)
LIFE = "queued | 1 | queued, in_progress, in_progress, in_progress, completed"
WELL = f"{LIFE} | 200, 200, 200"
SECOND = "queued | 1 | queued, {}, in_progress, in_progress, completed | 200, 200, 200"
A_WHILE = "queued | 1 | queued, {0}, {0}, {0}, {0}, completed | 200, 200, 200"
NOTHING = ", ".join(["{0}"] * 3)
EXPECTED = {
    "quick": "queued | 1 | queued, completed | 200, 200, 200",
    "slow": "queued | 1 | queued, queued, queued, queued, in_progress, completed | 200, 200, 200",
    "very-slow": "queued | 1 | queued, queued, queued, queued, queued, queued, completed | 404, 404, 404",
    "long-queue": "queued | 1 | queued, queued, queued, queued, queued, completed | 200, 200, 200",
    "done-at-once": "completed | 1 | completed | 200, 200, 200",
    "fails-at-once": "failed 0 generation_failed | 1 | failed 0 generation_failed | 400, 400, 400",
    "fails-at-start": "queued | 1 | queued, failed 0 generation_failed | 400, 400, 400",
    "fails-halfway": ("queued | 1 | queued, in_progress, in_progress, failed 50 generation_failed | 400, 400, 400"),
    "fails-late": f"{LIFE.replace('completed', 'failed 90 moderation_blocked')} | 400, 400, 400",
    "fails-without-reason": "queued | 1 | queued, in_progress, in_progress, failed 50 internal_error | 400, 400, 400",
    "times-out": (
        "queued | 1 | queued, queued, queued, in_progress, in_progress, in_progress, in_progress, failed 99 timeout"
        " | 400, 400, 400"
    ),
    "moderated-late": f"{LIFE.replace('completed', 'failed 90 moderation_blocked')} | 400, 400, 400",
    "stuck-in-queue": f"queued | 1 | {', '.join(['queued'] * 8)} | 400, 400, 400",
    "never-ends": f"queued | 1 | queued, {', '.join(['in_progress'] * 7)} | 400, 400, 400",
    "stuck-at-99": f"queued | 1 | queued, {', '.join(['in_progress'] * 7)} | 400, 400, 400",
    "ends-expired": f"{LIFE.replace('completed', 'failed 99 expired')} | 400, 400, 400",
    "expires-in-queue": f"queued | 1 | {', '.join(['queued'] * 7)}, failed 0 expired | 400, 400, 400",
    "ends-cancelled": "queued | 1 | queued, in_progress, in_progress, failed 50 cancelled | 400, 400, 400",
    "result-expires-at-once": f"{LIFE} | 404, 404, 404",
    "result-expires-soon": WELL,
    "queue-of-one": WELL,
    "queue-of-three": WELL,
    "moderated-at-create": NOTHING.format("400"),
    "moderated-on-poll": f"queued | 1 | queued, {', '.join(['400'] * 7)} | 404, 404, 404",
    "moderated-on-content": f"{LIFE} | 403, 403, 403",
    "rate-limited-at-create": f"429, 429, {WELL}",
    "rate-limited-on-poll": "queued | 1 | queued, 429, 429, 429, completed | 200, 200, 200",
    "rate-limited-without-advice": "queued | 1 | queued, 429, 429, 429, completed | 200, 200, 200",
    "rate-limited": NOTHING.format("429"),
    "two-creates-a-minute": WELL,
    "ten-polls-a-minute": WELL,
    "quota-exhausted": NOTHING.format("429"),
    "server-error-at-create": NOTHING.format("500"),
    "server-error-at-create-once": f"500, {WELL}",
    "server-error-on-poll": SECOND.format("500"),
    "server-error-for-a-while": A_WHILE.format("500"),
    "bad-gateway-at-create": f"502, {WELL}",
    "bad-gateway-on-poll": SECOND.format("502"),
    "bad-gateway-for-a-while": A_WHILE.format("502"),
    "bad-gateway-on-content": f"{LIFE} | 502, 200, 200",
    "server-error-on-content": f"{LIFE} | 500, 500, 500",
    "server-error-on-list": WELL.replace("| 1 |", "| 500 |"),
    "unavailable-at-create": f"503, 503, {WELL}",
    "unavailable-on-poll": SECOND.format("503"),
    "unavailable-for-a-while": A_WHILE.format("503"),
    "gateway-timeout-on-poll": SECOND.format("504"),
    "flaky-polls": SECOND.format("502"),
    "flaky": WELL.replace("| 1 |", "| 500 |").replace(", completed", ", 500, completed"),
    "visible-late": "queued | 1 | 404, 404, in_progress, in_progress, completed | 200, 200, 200",
    "job-forgotten": f"queued | 1 | queued, in_progress, {', '.join(['404'] * 6)} | 404, 404, 404",
    "key-refused-on-poll": f"queued | 1 | queued, in_progress, {', '.join(['401'] * 6)} | 404, 404, 404",
    "link-expired": f"{LIFE} | 404, 404, 404",
    "link-forbidden": f"{LIFE} | 403, 403, 403",
    "reset-at-create": f"reset, {WELL}",
    "reset-on-poll": SECOND.format("reset"),
    "reset-on-content": f"{LIFE} | reset, 200, 200",
    "flaky-network": WELL.replace("| 1 |", "| reset |"),
    "lost-after-create": f"lost, {WELL}".replace("| 1 |", "| 2 |"),  # two jobs: it would have been paid for twice
    "lost-on-poll": SECOND.format("lost"),
    "truncated-on-poll": SECOND.format("truncate"),
    "truncated-content": f"{LIFE} | truncate, 200, 200",
    "always-truncated-content": f"{LIFE} | truncate, truncate, truncate",
    "stalled-content": f"{LIFE} | stall, 200, 200",
    "corrupt-content": WELL,
    "slow-answers": (
        "late queued | late 1 | late queued, late in_progress, late in_progress, late in_progress, late completed"
        " | late 200, late 200, late 200"
    ),
    "slow-create": f"late {WELL}",
    "slow-poll": SECOND.format("late in_progress"),
    "slow-content": f"{LIFE} | late 200, late 200, late 200",
    "webhook-never": WELL,
    "webhook-late": WELL,
    "webhook-twice": WELL,
    "webhook-out-of-order": WELL,
    "webhook-bad-signature": WELL,
}


def story(service: Service, name: str, *, in_prompt: bool = False) -> str:
    """What a client sees that asks for a scenario; waiting is ten thousand times as short."""
    registry, box = sandboxes_of(service), sandbox_of(service)
    known = registry.scenarios[name]
    steps = tuple(replace(s, delay=s.delay / 10_000, seconds=s.seconds / 10_000) for s in known.steps)
    registry.server.own[name] = replace(known, steps=steps)
    prompt = f"a cat scenario:{name}" if in_prompt else "a cat"
    headers = {} if in_prompt else prefer(name)
    created: list[str] = []
    job = None
    while job is None and len(created) < 3:
        job, came = glance(service, "POST", "/videos", json={"prompt": prompt}, headers=headers)
        created.append(came)
    if job is None:
        return ", ".join(created)
    listed = glance(service, "GET", "/videos", headers=prefer(name))[1]
    polled: list[str] = []
    for moment in MOMENTS:
        service.clock.advance(START + moment - service.clock.now())
        seen, came = glance(service, "GET", f"/videos/{job['id']}")
        polled.append(came)
        if seen and seen["status"] in ("completed", "failed"):
            break
    results = [f"/videos/{job['id']}/content"] * 2 + [f"/__mockserver/assets/{box.id}/{job['id']}.mp4"]
    fetched = [glance(service, "GET", path)[1] for path in results]
    return " | ".join([", ".join(created), listed, ", ".join(polled), ", ".join(fetched)])


@pytest.mark.parametrize("name", load_scenarios())
def test_what_a_client_sees_of_a_scenario(name: str) -> None:
    assert story(start("openai"), name) == EXPECTED[name]


@pytest.mark.parametrize("name", ["fails-halfway", "server-error-at-create-once", "moderated-on-poll", "slow-poll"])
def test_a_prompt_does_what_the_header_does(name: str) -> None:
    assert story(start("openai"), name, in_prompt=True) == EXPECTED[name]


def test_every_scenario_has_a_row_in_the_docs_a_source_and_a_line_that_says_what_it_does() -> None:
    found = load_scenarios()
    docs = (ROOT / "docs" / "scenarios.md").read_text()
    assert set(EXPECTED) == set(found)
    for scenario in found.values():
        assert f"| `{scenario.name}` | {scenario.summary} |" in docs
        assert scenario.source, scenario.name
        assert scenario.summary.endswith("."), scenario.name


def test_every_kind_of_refusal_is_in_the_docs() -> None:
    docs = (ROOT / "docs" / "x-job.md").read_text()
    assert all(f"`{kind}`" in docs for kind in REFUSALS)


# -- every provider ---------------------------------------------------------------------------------


def answer(service: Service, method: str, path: str, key: str, headers: Any = None, **arguments: Any) -> Response:
    """What the engine answers, with the fault that the connection would have."""
    own = key_headers(service.provider.contract, key) | (headers or {})
    request = service.client.build_request(method, path, headers=own, **arguments)
    body, raw = request.read(), {name.lower(): value for name, value in request.headers.raw}
    form = None
    if raw.get(b"content-type", b"").startswith(b"multipart"):
        reader = MultipartReader(raw[b"content-type"].decode())
        reader.feed(body)
        form, body = reader.finish(), b""
    target = Request(method, request.url.raw_path.decode(), "", raw, body, form, "http://mock.test")
    response: Response = service.client._transport.app.engine("").handle(target)  # type: ignore[attr-defined]
    return response


def check(service: Service, part: JobOperation, response: Response, validators: dict[int, Any]) -> None:
    """It is no failure of the simulator, and valid where the document declares its status."""
    assert b"The simulator failed" not in response.body
    declared = part.operation.answer_for(response.status)
    media = declared.json_media() if declared else None
    if media is None or not dict(response.headers).get(b"content-type", b"").startswith(b"application/json"):
        return
    node = media[1]
    if id(node) not in validators:
        schema = json_schema(service.provider.contract.document, node["schema"], "response")
        validators[id(node)] = jsonschema_rs.validator_for(schema, validate_formats=True)
    errors = [f"{e.instance_path}: {e.message}" for e in validators[id(node)].iter_errors(orjson.loads(response.body))]
    assert not errors, f"{part.operation.name} {response.status}: {errors}\n{response.body!r}"


@pytest.mark.parametrize("name", bundled_names())
def test_every_scenario_at_every_provider_answers_validly(name: str) -> None:
    service = start(name)
    registry, resource = sandboxes_of(service), service.provider.contract.resources[0]
    (path, arguments), making = CREATES[name], resource.first(Action.CREATE)
    assert making
    validators: dict[int, Any] = {}
    for scenario in load_scenarios().values():
        for asks in (True, False):
            key = f"sk-{scenario.name}-{asks}" if making.operation.security else ""
            box = registry.of(key)
            box.reset()
            if not asks:
                box.switch_on(scenario)
            jobs = box.account(name).store
            for _ in range(4):
                if not len(jobs):
                    headers = prefer(scenario.name) if asks else {}
                    check(service, making, answer(service, "POST", path, key, headers, **arguments), validators)
            for job in jobs:
                for seconds in (0, 1, 40, 60, 500, DAY):
                    service.clock.advance(seconds)
                    for part in resource.operations:
                        if part.action in (Action.RETRIEVE, Action.CONTENT, Action.LIST):
                            where = part.operation.path if part.action is Action.LIST else path_of(part, job.id)
                            check(service, part, answer(service, "GET", where, key), validators)
                    link = answer(service, "GET", f"/__mockserver/assets/{box.id}/{job.id}.mp4", key)
                    assert b"The simulator failed" not in link.body


@pytest.mark.parametrize("name", [name for name in bundled_names() if name != "agicto-sora"])  # it has no such words
@pytest.mark.parametrize("scenario", ["fails-halfway", "ends-cancelled", "ends-expired", "moderated-late"])
def test_the_error_of_a_job_is_that_of_its_scenario(name: str, scenario: str) -> None:
    service = start(name)
    path, arguments = CREATES[name]
    assert service.post(path, headers=prefer(scenario), **arguments).status_code == 200
    service.clock.advance(1000)
    job = next(iter(sandbox_of(service).account(name).store))
    part = service.provider.contract.resources[0].first(Action.RETRIEVE)
    assert part
    plan = load_scenarios()[scenario].job
    assert plan
    assert json.dumps(plan.error["message"])[1:-1] in service.get(path_of(part, job.id)).text


def test_an_envelope_says_it_where_the_status_does_not() -> None:
    service = start("aitoearn")
    path, arguments = CREATES["aitoearn"]

    def said(scenario: str) -> tuple[int, int]:
        response = service.post(path, headers=prefer(scenario), **arguments)
        return response.status_code, response.json()["code"]

    assert said("rate-limited") == (200, 429)
    assert said("moderated-at-create") == (200, 12301)
    assert said("server-error-at-create") == (200, 500)
    assert said("bad-gateway-at-create") == (502, 502)  # what stands in front knows nothing of the envelope
    assert said("unavailable-at-create") == (503, 503)


# -- how they are chosen ----------------------------------------------------------------------------


def test_prefer_is_told_as_applied_only_when_it_was() -> None:
    service = start("openai")
    made = create(service, "server-error-on-poll")
    path = f"/videos/{made.json()['id']}"
    assert made.headers["preference-applied"] == "scenario=server-error-on-poll"
    plain = job_of(service)
    assert "preference-applied" not in service.get(plain, headers=prefer("fails-late")).headers  # it was created before
    assert "preference-applied" not in service.get(plain, headers=prefer("server-error-on-poll")).headers  # the first
    assert service.get(plain, headers=prefer("server-error-on-poll")).headers["preference-applied"]
    assert [service.get(path).status_code for _ in range(3)] == [200, 500, 200]


def test_code_and_example_are_preferred_beside_a_scenario() -> None:
    service = start("openai")
    before = len(sandbox_of(service).account("openai").store)
    answer = service.post("/videos", json=CAT, headers={"Prefer": "code=404, scenario=fails-late"})
    assert answer.status_code == 404
    assert answer.headers.get_list("preference-applied") == ["code=404"]  # no job was made that could fail
    assert len(sandbox_of(service).account("openai").store) == before
    answer = service.post("/videos", json=CAT, headers={"Prefer": "code=404, scenario=quota-exhausted"})
    assert (answer.status_code, answer.headers["preference-applied"]) == (429, "scenario=quota-exhausted")
    assert service.get("/videos", headers={"Prefer": "code=404"}).status_code == 404


@pytest.mark.parametrize(
    "sent",
    [
        {"json": CAT, "headers": prefer("fails-lat")},
        {"json": {"prompt": "scenario:fails-lat"}},
        {"json": {"prompt": "x", "model": "scenario:fails-lat"}},
        {"files": {"prompt": (None, "scenario:fails-lat")}},
    ],
)
def test_an_unknown_name_is_refused_with_the_nearest(sent: dict[str, Any]) -> None:
    response = start("openai").post("/videos", **sent)
    assert response.status_code == 400
    message = response.json()["error"]["message"]
    assert "found 'fails-lat', expected a scenario that is known (did you mean 'fails-late'?)" in message


@pytest.mark.parametrize(
    "sent",
    [
        {"json": {"prompt": "A cat. scenario:fails-at-once"}},
        {"json": {"prompt": "a cat", "model": "scenario:fails-at-once"}},
        {"json": {"prompt": "a cat", "input_reference": {"image_url": "https://example.com/scenario:fails-at-once"}}},
        {"files": {"prompt": (None, "scenario:fails-at-once")}},
        {"files": {"prompt": (None, "a cat"), "model": (None, "scenario:fails-at-once")}},
    ],
)
def test_any_text_of_a_create_may_name_one(sent: dict[str, Any]) -> None:
    assert start("openai").post("/videos", **sent).json()["status"] == "failed"
    assert start("openai", magic=False).post("/videos", **sent).json()["status"] == "queued"


def test_a_form_of_one_line_may_name_one(tmp_path: Path) -> None:
    form = "application/x-www-form-urlencoded"
    folder = tmp_path / "api.json"
    folder.write_text(json.dumps(a_document(jobs(media=(form,)))))
    service = start(str(folder))
    assert service.post("/jobs", data={"prompt": "scenario:fails-at-once"}).json()["status"] == "failed"


@pytest.mark.parametrize("prompt", ["Scenario: two cats", "a scenario:", "myscenario:x", "scenario: fails-late"])
def test_other_prompts_are_prompts(prompt: str) -> None:
    assert create(start("openai"), prompt=prompt).json()["prompt"] == prompt


def test_a_default_at_the_start_and_a_file_of_ones_own(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(
        "mine:\n  summary: Mine.\n  job: {queue: 0s, run: 30s}\nquick:\n  summary: Ours.\n  job: {run: never}\n"
    )
    service = start("openai", scenario="mine", scenario_files=(str(file),))
    assert statuses(service, job_of(service), 2, 30) == ["in_progress", "completed"]
    assert statuses(service, job_of(service, "quick"), 2, 1000) == ["in_progress", "in_progress"]  # it replaces ours
    with pytest.raises(MockserverError, match=r"--scenario: 'mime' is not known .did you mean 'mine'"):
        start("openai", scenario="mime", scenario_files=(str(file),))


def test_times_counts_creates_that_were_bound() -> None:
    service = start("openai")
    box = sandbox_of(service)
    box.switch_on(sandboxes_of(service).scenarios["fails-at-once"], 2)
    assert create(service, prompt="").status_code == 400  # invalid: it counts for nothing
    assert [create(service).json()["status"] for _ in range(3)] == ["failed", "failed", "queued"]
    assert box.activations == []


def test_times_counts_what_was_done_to_other_requests() -> None:
    service = start("openai")
    path = job_of(service)
    sandbox_of(service).switch_on(define(service, requests=[{"on": "poll", "refuse": {"kind": "unavailable"}}]), 2)
    assert service.get("/videos").status_code == 200
    assert statuses(service, path, 3) == ["503", "503", "queued"]
    sandboxes_of(service).server.switch_on(sandboxes_of(service).scenarios["never-ends"], 1)
    followed, other = job_of(service), job_of(service)
    service.clock.advance(1000)
    assert [statuses(service, each, 1) for each in (followed, other)] == [["in_progress"], ["completed"]]


def test_what_is_on_for_a_key_and_for_the_server_is_counted_apart() -> None:
    service = start("openai")
    once = sandboxes_of(service).scenarios["server-error-at-create-once"]
    sandboxes_of(service).server.switch_on(once, 1)
    sandbox_of(service).switch_on(once, 1)
    assert [create(service).status_code for _ in range(3)] == [500, 500, 200]


def test_a_job_stays_with_its_scenario_and_others_know_nothing_of_it() -> None:
    service = start("openai")
    mine = create(service, "server-error-for-a-while").json()["id"]
    plain = job_of(service)
    assert statuses(service, f"/videos/{mine}", 3) == ["queued", "500", "500"]
    assert statuses(service, plain, 3) == ["queued"] * 3
    again = job_of(service, "server-error-for-a-while")
    assert statuses(service, again, 2) == ["queued", "500"]  # each job is counted by itself
    assert statuses(service, f"/videos/{mine}", 3) == ["500", "500", "queued"]


def test_a_remix_may_have_a_scenario_too() -> None:
    service = start("openai")
    path = job_of(service)
    service.clock.advance(200)
    remix = service.post(f"{path}/remix", json={"prompt": "scenario:fails-at-once"})
    assert remix.json()["status"] == "failed"
    early = service.post(f"/videos/{remix.json()['id']}/remix", json=CAT, headers=prefer("never-ends"))
    assert early.status_code == 400
    assert "preference-applied" not in early.headers  # its source was found, and no job was made


def test_a_create_that_is_sent_again_comes_to_the_next_step_and_another_begins_anew() -> None:
    service = start("openai")

    def tried(**more: Any) -> list[int]:
        return [create(service, "rate-limited-at-create", **more).status_code for _ in range(3)]

    assert tried() == tried() == tried(prompt="a dog") == [429, 429, 200]
    sandbox_of(service).switch_on(sandboxes_of(service).scenarios["rate-limited-at-create"])
    assert [create(service).status_code for _ in range(6)] == [429, 429, 200, 200, 200, 200]  # counted for the key


def test_a_link_is_refused_by_the_header_too() -> None:
    service = start("openai")
    id = job_of(service).rpartition("/")[2]
    service.clock.advance(200)
    link = f"/__mockserver/assets/{sandbox_of(service).id}/{id}.mp4"
    refused = service.get(link, headers=prefer("link-forbidden"))
    assert (refused.status_code, refused.headers["preference-applied"]) == (403, "scenario=link-forbidden")
    assert service.get(link).status_code == 200


def test_an_operation_that_is_no_part_of_a_job_is_steered_too(tmp_path: Path) -> None:
    file = tmp_path / "api.json"
    file.write_text(json.dumps(a_document({**jobs(), "GET /health": an_operation(ref("Job"))})))
    service = start(str(file))
    assert service.get("/health", headers=prefer("rate-limited")).status_code == 429
    assert service.get("/health", headers=prefer("moderated-at-create")).status_code == 200


def test_the_journal_knows_what_was_applied() -> None:
    service = start("openai")
    path = job_of(service, "server-error-on-poll")
    statuses(service, path, 3)
    entries = [(e.scenarios, e.refusal, e.status) for e in sandbox_of(service).journal]
    told = ("server-error-on-poll",)
    assert entries == [(told, "", 200), ((), "", 200), (told, "server_error", 500), ((), "", 200)]


# -- several at once --------------------------------------------------------------------------------


def test_scenarios_compose() -> None:
    service = start("openai", scenario="slow")
    box = sandbox_of(service)
    box.switch_on(define(service, "twice", job={"pace": 2}))
    box.switch_on(sandboxes_of(service).scenarios["server-error-on-poll"])
    path = job_of(service, "fails-halfway")
    job = next(iter(box.account("openai").store))
    assert job.scenarios == ("fails-halfway", "server-error-on-poll", "twice", "slow")
    timeline = job.timeline
    assert 2 * 30 <= timeline.started - START <= 2 * 120  # the queue of slow, at the pace of twice
    assert 600 <= timeline.due - timeline.started <= 2 * 780
    assert timeline.ended == pytest.approx((timeline.started + timeline.due) / 2)  # the end of fails-halfway
    assert statuses(service, path, 3, 1000) == ["queued", "500", "failed 50 generation_failed"]


def test_what_was_asked_for_has_the_last_word() -> None:
    service = start("openai", scenario="stuck-in-queue")
    box = sandbox_of(service)
    box.switch_on(sandboxes_of(service).scenarios["ends-expired"])
    assert statuses(service, job_of(service), 2, 1000) == ["queued", "queued"]  # neither contradicts the other
    path = job_of(service, "done-at-once")
    assert statuses(service, path, 1) == ["completed"]
    path = job_of(service, "fails-at-once")
    assert statuses(service, path, 1) == ["failed 0 generation_failed"]
    both = service.post("/videos", json={"prompt": "scenario:quota-exhausted"}, headers=prefer("moderated-at-create"))
    assert both.json()["error"]["code"] == "moderation_blocked"


def test_a_delay_and_a_lost_answer_are_one_fault() -> None:
    service = start("openai")
    define(service, requests=[{"on": "start", "connection": "lost", "delay": "10ms"}])
    define(service, "later", requests=[{"on": "any", "delay": "20ms"}])
    sandbox_of(service).switch_on(sandboxes_of(service).scenarios["later"])
    response = answer(service, "POST", "/videos", KEY, prefer("mine"), json=CAT)
    assert response.fault is not None
    assert (response.fault.kind, response.fault.delay) == ("lost", pytest.approx(0.03))


# -- limits and advice ------------------------------------------------------------------------------


def test_a_429_says_how_long_to_wait_in_real_time() -> None:
    service = start("openai")
    box = sandbox_of(service)

    def advice() -> tuple[str, ...]:
        headers = create(service, "rate-limited").headers
        names = ("retry-after", "retry-after-ms", "x-ratelimit-limit-requests", "x-ratelimit-remaining-requests")
        return (*(headers[name] for name in names), headers["x-ratelimit-reset-requests"])

    assert advice() == ("1", "1", "60", "0", "0s")  # a frozen clock moves on request alone
    service.clock.change(ClockMode.REAL)
    assert advice() == ("60", "60000", "60", "0", "60s")
    service.clock.change(ClockMode.SCALED, 40)
    box.update()
    assert advice() == ("2", "1500", "60", "0", "1.5s")
    assert "retry-after" not in create(service, "quota-exhausted").headers


def test_a_quota_lasts_for_its_window_on_the_clock() -> None:
    service = start("openai")
    sandbox_of(service).switch_on(sandboxes_of(service).scenarios["two-creates-a-minute"])
    made = [create(service) for _ in range(2)]
    assert [each.headers["x-ratelimit-remaining-requests"] for each in made] == ["1", "0"]
    service.clock.advance(59.5)
    service.clock.change(ClockMode.REAL)
    refused = create(service)
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "1")
    assert 0 < int(refused.headers["retry-after-ms"]) <= 500
    service.clock.change(ClockMode.FROZEN)
    service.clock.advance(1)
    assert [create(service).status_code for _ in range(3)] == [200, 200, 429]


def test_polls_beyond_a_quota_are_counted_for_each_job() -> None:
    service = start("openai")
    first, second = job_of(service, "ten-polls-a-minute"), job_of(service, "ten-polls-a-minute")
    assert statuses(service, first, 11) == ["queued"] * 10 + ["429"]
    assert statuses(service, second, 10) == ["queued"] * 10
    service.clock.advance(60)
    assert statuses(service, first, 1) == ["in_progress"]


def test_further_headers_and_bodies_are_told() -> None:
    service = start("openai")
    refuse = {"kind": "rate_limited", "code": "slow_down", "type": "limits", "headers": {"X-Should-Retry": "false"}}
    define(service, requests=[{"on": "start", "refuse": refuse}])
    response = create(service, "mine")
    assert response.headers["x-should-retry"] == "false"
    assert {k: response.json()["error"][k] for k in ("code", "type")} == {"code": "slow_down", "type": "limits"}
    define(service, requests=[{"on": "start", "refuse": {"kind": "moderated", "status": 451, "body": ["no"]}}])
    response = create(service, "mine")
    assert (response.status_code, response.json()) == (451, ["no"])


def test_rates_are_drawn_from_the_seed() -> None:
    def seen(seed: int) -> list[int]:
        service = start("openai", seed=seed)
        path = job_of(service, "flaky-polls")
        return [answer(service, "GET", path, KEY).status for _ in range(400)]

    first, again, other = seen(1), seen(1), seen(2)
    assert first == again != other
    assert 8 <= first.count(502) <= 35  # 5 % of 400
    assert set(first) == {200, 502}


# -- results ----------------------------------------------------------------------------------------


def test_a_download_that_comes_too_early_does_not_count() -> None:
    service = start("openai")
    path = job_of(service, "truncated-content")
    assert service.get(f"{path}/content").status_code == 400
    service.clock.advance(200)
    with pytest.raises(BrokenConnection, match="truncate"):
        service.get(f"{path}/content")
    rest = service.get(f"{path}/content", headers={"Range": "bytes=1000-"})
    assert rest.status_code == 206


def test_corrupt_bytes_have_the_size_and_type_of_good_ones() -> None:
    service = start("openai")
    good, bad = job_of(service), job_of(service, "corrupt-content")
    service.clock.advance(200)
    well, ill = (service.get(f"{path}/content") for path in (good, bad))
    assert len(well.content) == len(ill.content)
    assert well.content[:24] == ill.content[:24]
    assert well.content[24:] != ill.content[24:]
    assert ill.headers["content-type"] == "video/mp4"


def test_progress_comes_to_99_and_stays() -> None:
    service = start("openai")
    path = job_of(service, "stuck-at-99")
    service.clock.advance(10 * DAY)
    assert service.get(path).json()["progress"] == 99
    path = job_of(service, "never-ends")
    service.clock.advance(10 * DAY)
    assert service.get(path).json()["progress"] == 0


def test_a_result_is_there_for_a_minute() -> None:
    service = start("openai")
    path = job_of(service, "result-expires-soon")
    job = next(iter(sandbox_of(service).account("openai").store))
    service.clock.advance(job.timeline.ended - service.clock.now() + 59)
    assert service.get(f"{path}/content").status_code == 200
    assert service.get(path).json()["expires_at"] == service.get(path).json()["completed_at"] + 60
    service.clock.advance(1)
    assert service.get(f"{path}/content").status_code == 404


# -- the queue --------------------------------------------------------------------------------------


def line(service: Service, paths: list[str]) -> list[tuple[str, str | None, str | None]]:
    names = ("mockserver-queue-position", "mockserver-queue-wait")
    answers = [service.get(path) for path in paths]
    return [(a.json()["status"], *(a.headers.get(name) for name in names)) for a in answers]  # type: ignore[misc]


def hour_long(service: Service, slots: int) -> None:
    define(service, job={"slots": slots, "queue": 0, "run": "1h"})
    sandbox_of(service).switch_on(sandboxes_of(service).scenarios["mine"])


def test_jobs_wait_in_line_for_a_slot_and_are_told_for_how_long() -> None:
    service = start("openai")
    hour_long(service, 1)
    first = job_of(service)
    service.clock.advance(600)
    second = create(service)
    assert (second.headers["mockserver-queue-position"], second.headers["mockserver-queue-wait"]) == ("1", "3000")
    paths = [first, f"/videos/{second.json()['id']}", job_of(service)]
    assert line(service, paths) == [("in_progress", None, None), ("queued", "1", "3000"), ("queued", "2", "6600")]
    service.clock.advance(3000)
    assert line(service, paths) == [("completed", None, None), ("in_progress", None, None), ("queued", "1", "3600")]
    service.clock.advance(3600)
    assert line(service, paths)[2] == ("in_progress", None, None)


def test_three_jobs_run_at_a_time() -> None:
    service = start("openai")
    hour_long(service, 3)
    paths = [job_of(service) for _ in range(7)]
    waiting = [wait for _, _, wait in line(service, paths)]
    assert waiting == [None, None, None, "3600", "3600", "3600", "7200"]
    assert [position for _, position, _ in line(service, paths)] == [None, None, None, "1", "2", "3", "4"]


def test_jobs_move_up_when_one_before_them_is_deleted() -> None:
    service = start("openai")
    hour_long(service, 1)
    paths = [job_of(service) for _ in range(3)]
    service.clock.advance(600)
    service.delete(paths[1])
    assert line(service, paths[2:]) == [("queued", "1", "3000")]
    service.delete(paths[0])
    assert line(service, paths[2:]) == [("in_progress", None, None)]
    service.clock.advance(3600)
    assert line(service, paths[2:])[0][0] == "completed"  # it takes no longer than it would have


def test_jobs_behind_one_that_never_ends_move_up_when_it_is_cancelled(tmp_path: Path) -> None:
    file = tmp_path / "api.json"
    operations = {**jobs(), "POST /jobs/{id}/cancel": an_operation(ref("Job"))}
    file.write_text(json.dumps(a_document(operations)))
    service = start(str(file))

    def made(*scenarios: str) -> str:
        prompt = " ".join(f"scenario:{each}" for each in ("queue-of-one", *scenarios))
        return f"/jobs/{service.post('/jobs', json={'prompt': prompt}).json()['id']}"

    stuck, second, third = made("never-ends"), made(), made()
    service.clock.advance(DAY)
    assert line(service, [stuck, second, third]) == [
        ("processing", None, None), ("queued", "1", None), ("queued", "2", None),
    ]  # fmt: skip
    assert service.post(f"{stuck}/cancel").status_code == 200
    assert line(service, [second, third])[0][0] == "processing"
    assert line(service, [third])[0][1] == "1"
    service.clock.advance(300)
    assert [status for status, _, _ in line(service, [stuck, second, third])] == ["cancelled", "succeeded", "succeeded"]


def test_jobs_move_up_when_one_before_them_is_forced_to_an_end() -> None:
    service = start("openai")
    hour_long(service, 1)
    paths = [job_of(service) for _ in range(2)]
    store = sandbox_of(service).account("openai").store
    first = next(iter(store))
    service.clock.advance(600)
    store.replace(first._replace(timeline=first.timeline.cancelled(service.clock.now())))
    service.clock.advance(60)
    assert line(service, paths[1:]) == [("in_progress", None, None)]


# -- Idempotency-Key --------------------------------------------------------------------------------


def once(service: Service, token: str = "k1", scenario: str = "", **more: Any) -> httpx2.Response:
    headers = {"Idempotency-Key": token} | (prefer(scenario) if scenario else {})
    return service.post("/videos", json={**CAT, **more}, headers=headers)


def test_a_create_with_a_key_happens_once() -> None:
    service = start("openai")
    first, second = once(service), once(service)
    assert first.json() == second.json()
    assert ("idempotent-replayed" in first.headers, second.headers["idempotent-replayed"]) == (False, "true")
    assert len(service.get("/videos").json()["data"]) == 1
    assert once(service, "k2").json()["id"] != first.json()["id"]
    other = once(service, prompt="a dog")
    assert other.status_code == 422
    assert other.json()["error"]["code"] == "idempotency_key_reused"
    assert len(service.get("/videos").json()["data"]) == 2


def test_an_answer_that_was_lost_is_given_again() -> None:
    service = start("openai")
    with pytest.raises(BrokenConnection, match="lost"):
        once(service, scenario="lost-after-create")
    again = once(service, scenario="lost-after-create")
    assert again.headers["idempotent-replayed"] == "true"
    assert [job["id"] for job in service.get("/videos").json()["data"]] == [again.json()["id"]]


def test_a_refused_create_is_not_remembered() -> None:
    service = start("openai")
    assert [once(service, scenario="server-error-at-create-once").status_code for _ in range(3)] == [500, 200, 200]
    assert len(service.get("/videos").json()["data"]) == 1
    assert once(service, "x" * 256).status_code == 400


def test_another_key_may_use_the_same_token() -> None:
    service = start("openai")
    mine, headers = once(service), {"Authorization": "Bearer sk-other", "Idempotency-Key": "k1"}
    other = service.post("/videos", json={"prompt": "a dog"}, headers=headers)
    assert other.status_code == 200
    assert other.json()["id"] != mine.json()["id"]


# -- over a socket ----------------------------------------------------------------------------------

FAULTS = """
stalls:
  summary: The download stops in the middle for a moment.
  requests: [{on: download, connection: stall, seconds: 50ms}]
stalls-long:
  summary: The download stops in the middle for a long time.
  requests: [{on: download, connection: stall, seconds: 100s}]
late:
  summary: Answers are late.
  requests: [{on: poll, delay: 200ms}]
cut:
  summary: The answer to each poll breaks off.
  requests: [{on: poll, connection: truncate, share: 0.3}]
"""


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server of its own, whose complaints would fail the test: a fault is no error of the server."""
    file = tmp_path_factory.mktemp("scenarios") / "faults.yaml"
    file.write_text(FAULTS)
    with serving("--speed", "2000", "--seed", "1", "--scenarios", str(file)) as urls:
        yield urls["openai"]


@contextmanager
def calling(base: str, key: str) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=base, headers={"Authorization": f"Bearer {key}"}, timeout=10) as client:
        yield client


def created(client: httpx2.Client, scenario: str) -> str:
    return f"/videos/{client.post('/videos', json=CAT, headers=prefer(scenario)).json()['id']}"


def finished(client: httpx2.Client, scenario: str) -> str:
    path = created(client, scenario)
    while client.get(path).json()["status"] != "completed":
        pass
    return path


def raw(base: str, key: str, method: str, path: str, body: Any = None, **headers: str) -> tuple[bytes, bool]:
    """All bytes that come over a connection until it ends, and whether it was reset."""
    url = httpx2.URL(base)
    content = json.dumps(body).encode() if body else b""
    told = {"host": f"{url.host}:{url.port}", "authorization": f"Bearer {key}", "content-length": str(len(content))}
    told |= {"content-type": "application/json", **headers}
    head = "".join(f"{name}: {value}\r\n" for name, value in told.items())
    with socket.create_connection((str(url.host), url.port or 80), timeout=10) as connection:
        connection.sendall(f"{method} {url.path.rstrip('/')}{path} HTTP/1.1\r\n{head}\r\n".encode() + content)
        got = b""
        try:
            while chunk := connection.recv(1 << 20):
                got += chunk
        except ConnectionResetError:
            return got, True
        return got, False


def test_a_reset_is_a_reset_and_nothing_was_done(base: str, api_key: str) -> None:
    got, was_reset = raw(base, api_key, "POST", "/videos", CAT, prefer="scenario=reset-at-create")
    assert (got, was_reset) == (b"", True)
    with calling(base, api_key) as client:
        assert client.get("/videos").json()["data"] == []


def test_a_lost_answer_leaves_its_job_and_a_closed_connection(base: str, api_key: str) -> None:
    sent = {"prefer": "scenario=lost-after-create", "idempotency-key": "k"}
    assert raw(base, api_key, "POST", "/videos", CAT, **sent) == (b"", False)
    with calling(base, api_key) as client:
        again = client.post("/videos", json=CAT, headers=sent)
        assert [job["id"] for job in client.get("/videos").json()["data"]] == [again.json()["id"]]


def test_a_download_breaks_off_in_the_middle_and_goes_on_by_range(base: str, api_key: str) -> None:
    with calling(base, api_key) as client:
        path = finished(client, "truncated-content")
        got, was_reset = raw(base, api_key, "GET", f"{path}/content")
        head, _, body = got.partition(b"\r\n\r\n")
        length = int(re.findall(rb"content-length: (\d+)", head)[0])
        assert (len(body), was_reset) == (length // 2, False)
        rest = client.get(f"{path}/content", headers={"Range": f"bytes={len(body)}-"})
        assert body + rest.content == client.get(f"{path}/content").content


@pytest.mark.parametrize("scenario", ["cut", "lost-on-poll", "truncated-on-poll", "reset-on-poll"])
def test_clients_call_a_broken_answer_broken(base: str, api_key: str, scenario: str) -> None:
    with calling(base, api_key) as client:
        path = created(client, scenario)
        if scenario != "cut":
            assert client.get(path).status_code == 200
        with pytest.raises((httpx2.RemoteProtocolError, httpx2.ReadError)):
            client.get(path)


def test_a_stalled_download_ends_when_the_client_or_the_server_has_had_enough(base: str, api_key: str) -> None:
    with calling(base, api_key) as client:
        path = finished(client, "stalls")
        with pytest.raises(httpx2.RemoteProtocolError):
            client.get(f"{path}/content")
        path = finished(client, "stalls-long")
        assert client.head(f"{path}/content").status_code == 200  # there is nothing that could stall
        with pytest.raises(httpx2.ReadTimeout):
            client.get(f"{path}/content", timeout=0.1)


def test_a_server_that_stops_waits_for_no_answer_that_is_late(tmp_path: Path) -> None:
    file = tmp_path / "faults.yaml"
    file.write_text(FAULTS.replace("200ms", "100s"))
    with serving("--scenarios", str(file)) as urls, calling(urls["openai"], KEY) as client:
        path, url = created(client, "late"), httpx2.URL(urls["openai"])
        waiting = socket.create_connection((str(url.host), url.port or 80))
        head = f"GET {url.path}{path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {KEY}\r\n\r\n"
        waiting.sendall(head.encode())
        client.get(urls["openai"].partition("/openai")[0])  # by the time of this answer the other one is awaited
    assert waiting.recv(100).startswith(b"HTTP/1.1 200")
    waiting.close()


@pytest.mark.filterwarnings("ignore:The Sora API:DeprecationWarning")
def test_the_sdk_waits_as_it_is_told_and_makes_a_job_twice_when_an_answer_is_lost(base: str, api_key: str) -> None:
    videos = openai.OpenAI(base_url=base, api_key=api_key).videos
    started = perf_counter()
    video = videos.create_and_poll(prompt="a cat", extra_headers=prefer("rate-limited-at-create"))
    assert video.status == "completed"
    assert perf_counter() - started < 1  # without the advice it would wait for half a second, and for a whole one
    videos.create(prompt="a cat", extra_headers=prefer("lost-after-create"))
    assert len(videos.list().data) == 3


def test_a_late_answer_is_whole(base: str, api_key: str) -> None:
    with calling(base, api_key) as client:
        path = created(client, "late")
        with pytest.raises(httpx2.ReadTimeout):
            client.get(path, timeout=0.05)
        assert client.get(path).json()["id"] in path


# -- reading ----------------------------------------------------------------------------------------

GOOD = {"summary": "Mine.", "job": {"end": "failed"}}


@pytest.mark.parametrize(
    ("plan", "says"),
    [
        ({"summary": "Mine."}, "expected `job`, `requests`, or both"),
        ({**GOOD, "summary": None}, "mine.summary: found None, expected a text"),
        ({**GOOD, "summary": "a\nb"}, "mine.summary: expected one line"),
        ({**GOOD, "source": 3}, "mine.source: found 3, expected a text"),
        ({**GOOD, "jobs": {}}, "unknown key 'jobs' (did you mean 'job'?); known are job, requests, source, summary"),
        ({**GOOD, "job": {}}, "mine.job: expected at least one of at, end"),
        ({**GOOD, "job": {"quue": 1}}, "mine.job: unknown key 'quue' (did you mean 'queue'?)"),
        ({**GOOD, "job": {"queue": "soon"}}, "mine.job.queue (or `never`, or [least, most]): 'soon' is no duration"),
        ({**GOOD, "job": {"run": [1]}}, "mine.job.run: found [1], expected [least, most]"),
        ({**GOOD, "job": {"run": [9, 1]}}, "begins with the larger"),
        ({**GOOD, "job": {"end": "fail"}}, "mine.job.end: found 'fail' (did you mean 'failed'?), expected one of"),
        ({**GOOD, "job": {"at": 50}}, "mine.job.at: only a job that fails"),
        ({**GOOD, "job": {"end": "failed", "at": 101}}, "mine.job.at: found 101, expected a number from 0 to 100"),
        ({**GOOD, "job": {"end": "succeeded", "error": {"code": "x"}}}, "mine.job.error: only a job that fails"),
        ({**GOOD, "job": {"end": "failed", "error": "x"}}, "mine.job.error: expected a map"),
        ({**GOOD, "job": {"end": "failed", "error": {"code": {1}}}}, "mine.job.error: this cannot be written as JSON"),
        ({**GOOD, "job": {"end": "failed", "expires-after": 1}}, "this job has no result that could expire"),
        ({**GOOD, "job": {"slots": 0}}, "mine.job.slots: found 0, expected a whole number from 1"),
        ({**GOOD, "job": {"webhook": "often"}}, "mine.job.webhook: found 'often'"),
        ({**GOOD, "requests": {}}, "mine.requests: expected a list of steps"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_scenario_is_said(plan: Any, says: str) -> None:
    assert says in why_refused(plan)


@pytest.mark.parametrize(
    ("step", "says"),
    [
        ({}, "expected refuse, connection, corrupt or delay"),
        ({"on": "poll", "delay": 1, "every": 2}, "unknown key 'every'"),
        ({"on": "pol", "delay": 1}, "requests[0].on: found 'pol' (did you mean 'poll'?), expected one of any, asset"),
        ({"delay": 1}, "requests[0].on: found None"),
        ({"on": [], "delay": 1}, "requests[0].on: found an empty list"),
        ({"on": "poll", "delay": "5m"}, "requests[0].delay: found 300.0, expected a number from 0 to 120"),
        ({"on": "poll", "nth": 0, "delay": 1}, "requests[0].nth (or [first, last]"),
        ({"on": "poll", "nth": [3, 2], "delay": 1}, "requests[0].nth: found 2, expected a whole number from 3"),
        ({"on": "poll", "nth": [1], "delay": 1}, "expected a number, or [first, last]"),
        ({"on": "poll", "rate": 5, "delay": 1}, "requests[0].rate: found 5, expected a number from 0 to 1"),
        ({"on": "poll", "beyond": {"requests": 5}, "delay": 1}, "requests[0].beyond.per: None is no duration"),
        ({"on": "poll", "beyond": {"requests": 5, "per": 0}, "delay": 1}, "expected more than no time"),
        ({"on": "poll", "connection": "cut"}, "requests[0].connection: found 'cut'"),
        ({"on": "poll", "connection": "lost", "share": 0.5}, "stands only beside `connection: truncate` or `stall`"),
        ({"on": "poll", "connection": "truncate", "seconds": 1}, "stands only beside `connection: stall`"),
        ({"on": "poll", "connection": "lost", "refuse": {"kind": "moderated"}}, "contradict each other"),
        ({"on": "poll", "corrupt": "yes"}, "requests[0].corrupt: found 'yes', expected true or false"),
        ({"on": "poll", "refuse": {}}, "requests[0].refuse.kind: found None"),
        ({"on": "poll", "refuse": {"kind": "rate-limited"}}, "found 'rate-limited' (did you mean 'rate_limited'?)"),
        ({"on": "poll", "refuse": {"kind": "moderated", "status": 99}}, "refuse.status: found 99"),
        ({"on": "poll", "refuse": {"kind": "moderated", "status": 204}}, "an answer of 204 has no body"),
        ({"on": "poll", "refuse": {"kind": "moderated", "headers": {"a": "b\r\nc: d"}}}, "texts of one line"),
        ({"on": "poll", "refuse": {"kind": "moderated", "headers": {"Content-Length": "1"}}}, "says how the answer is"),
        ({"on": "poll", "refuse": {"kind": "moderated", "body": {1: 2}}}, "this cannot be written as JSON"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_step_is_said(step: Any, says: str) -> None:
    assert says in why_refused({"summary": "Mine.", "requests": [step]})


def why_refused(plan: Any) -> str:
    with pytest.raises(MockserverError) as found:
        read_scenario("mine", plan, frozenset(REFUSALS), "file.yaml: mine")
    assert str(found.value).startswith("file.yaml: mine")
    return str(found.value)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "the file is empty"),
        ("[1]", "expected a map of names to scenarios"),
        ("My Day: {summary: x, job: {run: never}}", "'My Day' is no name"),
        ("a: {summary: x, job: {run: never}}\na: {summary: y, job: {run: never}}", "'a'"),
        ("a: {summary: x, job: {run: never", ""),
    ],
)
def test_what_is_wrong_with_a_file_is_said_with_its_name(tmp_path: Path, text: str, says: str) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(text)
    with pytest.raises(MockserverError) as found:
        load_scenarios([str(file)])
    assert "mine.yaml" in str(found.value)
    assert says in str(found.value)
    with pytest.raises(MockserverError, match=r"nowhere\.yaml"):
        load_scenarios([str(tmp_path / "nowhere.yaml")])


def test_a_life_beyond_the_last_year_never_comes() -> None:
    service = start("openai")
    define(service, job={"queue": 0, "run": "252000000000s"})
    path = job_of(service, "mine")
    sandbox_of(service).own_clock = service.clock.copy()
    sandbox_of(service).own_clock.change(ClockMode.SKIPPING)  # type: ignore[union-attr]
    sandbox_of(service).update()
    assert statuses(service, path, 3) == ["in_progress"] * 3
    define(service, "kept", job={"queue": 0, "run": 1, "expires-after": "253000000000s"})
    path = job_of(service, "kept")
    assert service.get(path).json()["expires_at"] is None
