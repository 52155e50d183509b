"""Strict and lenient: what an id means that nobody created."""

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from in_process import CREATES, START, Service, start
from openai import OpenAI
from serving import ROOT, serving

from mockserver.jobs.lifecycle import State
from mockserver.jobs.resource import Action
from mockserver.loading.providers import bundled_names
from mockserver.openapi.schema import Validator

DOCUMENTS = Path(__file__).parent / "documents"
SHOP = str(DOCUMENTS / "shop.yaml")
MODE = "(strict mode: only created ids are known; --lenient accepts any)"
ANY_IDS = ["video_123", "video_id", "string", "0", "a b", "%C3%A9%0D%0Ax", "x" * 200, "%22%3E%3Cscript%3E"]

RENDERS = """\
openapi: 3.1.0
info: {title: renders, version: '1'}
paths:
  /studios/{studio}/renders:
    post:
      parameters: [{name: studio, in: path, required: true, schema: {type: string}}]
      requestBody:
        required: true
        content:
          application/json:
            schema:
              type: object
              required: [title]
              properties:
                title: {type: string}
                scene: {type: string}
                scenes: {type: array, items: {type: string}}
              anyOf: [{required: [scene]}, {required: [scenes]}]
      responses: {'200': {description: '', content: {application/json: {schema: {$ref: '#/components/schemas/Render'}}}}}
  /studios/{studio}/renders/{render_id}:
    parameters: &named
    - {name: studio, in: path, required: true, schema: {type: string}}
    - {name: render_id, in: path, required: true, schema: {type: string, pattern: '^rnd_[0-9a-f]{8}$'}, example: rnd_00000001}
    get:
      parameters: [{name: size, in: query, schema: {type: integer}}]
      responses: {'200': {description: '', content: {application/json: {schema: {$ref: '#/components/schemas/Render'}}}}}
    delete:
      responses: {'204': {description: gone}}
  /studios/{studio}/renders/{render_id}/cancel:
    parameters: *named
    post:
      responses: {'200': {description: '', content: {application/json: {schema: {$ref: '#/components/schemas/Render'}}}}}
  /studios/{studio}/renders/{render_id}/log:
    parameters: *named
    get:
      responses: {'200': {description: '', content: {application/json: {schema: {type: object}}}}}
components:
  schemas:
    Render:
      type: object
      required: [id, status, title, created_at]
      properties:
        id: {type: string}
        title: {type: string}
        status: {type: string, enum: [queued, running, succeeded, failed, cancelled]}
        created_at: {type: integer}
        finished_at: {type: [integer, 'null']}
"""  # noqa: E501


@pytest.fixture
def renders(tmp_path: Path) -> str:
    path = tmp_path / "renders.yaml"
    path.write_text(RENDERS)
    return str(path)


def retrieve_path(service: Service, id: str) -> str:
    part = service.provider.contract.resources[0].first(Action.RETRIEVE)
    assert part
    assert part.id_place
    return part.operation.path.replace(f"{{{part.id_place.pointer[0]}}}", id)


def job_in(service: Service, body: Any) -> Mapping[str, Any]:
    part = service.provider.contract.resources[0].first(Action.RETRIEVE)
    assert part
    assert part.view
    for token in part.view.pointer:
        body = body[token]
    assert isinstance(body, dict)
    return body


# -- strict -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", bundled_names())
def test_by_default_no_invented_id_is_known_and_the_refusal_says_why(name: str) -> None:
    service = start(name)
    answer = service.get(retrieve_path(service, "video_123"))
    assert MODE in answer.text or name == "aitoearn", "that contract has a fixed text for it"
    assert answer.headers["mockserver-mode"] == "strict"


def test_strict_refusals_that_do_not_depend_on_the_mode_do_not_speak_of_it() -> None:
    assert "strict" not in start("openai").post("/videos", json={}).text
    assert "strict" not in start("openai").get("/nowhere").text


def test_in_strict_mode_examples_of_the_document_are_unknown_too(renders: str) -> None:
    assert start(renders).get("/studios/a/renders/rnd_00000001").status_code == 404


# -- jobs -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", bundled_names())
def test_any_id_is_a_finished_job(name: str) -> None:
    service = start(name, lenient=True)
    contract = service.provider.contract
    resource = contract.resources[0]
    part = resource.first(Action.RETRIEVE)
    assert part
    validator = Validator(contract.document, part.schema, "response")
    for id in ("video_123", "string"):
        answer = service.get(retrieve_path(service, id))
        assert (answer.status_code, list(validator.iter_errors(answer.json()))) == (200, [])
        job = job_in(service, answer.json())
        assert id in job.values()
        assert resource.words[State.SUCCEEDED] in job.values()
        assert job_in(service, service.get(retrieve_path(service, id)).json()) == job, "it stays what it was"


@pytest.mark.parametrize("id", ANY_IDS)
def test_the_id_may_have_any_form(id: str) -> None:
    service = start("openai", lenient=True)
    answer = service.get(f"/videos/{id}")
    assert (answer.status_code, answer.json()["status"]) == (200, "completed")
    film = service.get(f"/videos/{id}/content")
    assert (film.status_code, film.headers["content-type"]) == (200, "video/mp4")


def test_its_life_lies_a_little_before_now_and_its_result_never_expires() -> None:
    service = start("openai", lenient=True)
    for _ in range(6):
        now = service.clock.now()
        video = service.get("/videos/video_123").json()
        assert video["created_at"] < video["completed_at"] <= now < video["expires_at"]
        assert now - video["created_at"] < 7200
        assert service.get("/videos/video_123/content").status_code == 200
        service.clock.advance(5000)


def test_it_repeats_what_a_valid_request_would_have_asked_for() -> None:
    service = start("openai", lenient=True)
    video = service.get("/videos/video_123").json()
    assert video["prompt"]
    assert video["model"]
    assert {video["size"], video["seconds"]} <= {"720x1280", "1280x720", "1024x1792", "1792x1024", "4", "8", "12"}


def test_the_same_seed_gives_the_same_job() -> None:
    first, again, other = (
        start("openai", lenient=True, seed=seed).get("/videos/video_123").json() for seed in (1, 1, 2)
    )
    assert first == again
    assert first["created_at"] != other["created_at"]


def test_whatever_was_deleted_before() -> None:
    service = start("openai", lenient=True)
    for _ in range(2):
        assert service.delete("/videos/video_123").json() == {
            "id": "video_123", "object": "video.deleted", "deleted": True,
        }  # fmt: skip
        assert service.get("/videos/video_123").json()["status"] == "completed"
    id = service.post("/videos", json={"prompt": "x"}).json()["id"]
    assert service.delete(f"/videos/{id}").status_code == 200
    assert service.get(f"/videos/{id}").json()["status"] == "completed"


def test_a_job_that_was_created_is_served_as_it_is() -> None:
    service = start("openai", lenient=True)
    id = service.post("/videos", json={"prompt": "mine"}).json()["id"]
    assert service.get(f"/videos/{id}").json()["status"] == "queued"
    refused = service.get(f"/videos/{id}/content")
    assert refused.status_code >= 400
    assert "lenient mode" in refused.text
    stranger = service.get(f"/videos/{id}", headers={"authorization": "Bearer sk-other"}).json()
    assert (stranger["status"], stranger["prompt"] == "mine") == ("completed", False)
    assert [video["id"] for video in service.get("/videos").json()["data"]] == [id]


def test_jobs_are_started_from_it() -> None:
    service = start("openai", lenient=True)
    made = service.post("/videos/video_123/remix", json={"prompt": "again"}).json()
    assert (made["status"], made["remixed_from_video_id"]) == ("queued", "video_123")


def test_a_link_to_its_result_leads_there() -> None:
    service = start("hingnet-veo", lenient=True)
    url = service.get("/v1/videos/a%20b%22c").json()["video_url"]
    assert service.get(url, headers={"authorization": ""}).headers["content-type"] == "video/mp4"


def test_a_cursor_that_nobody_was_given_begins_at_the_start() -> None:
    service = start("openai", lenient=True)
    ids = [service.post("/videos", json={"prompt": "x"}).json()["id"] for _ in range(3)]
    page = service.get("/videos", params={"after": "video_123", "order": "asc"}).json()
    assert {video["id"] for video in page["data"]} == set(ids)
    assert start("openai").get("/videos", params={"after": "video_123"}).status_code == 400


def test_it_can_be_cancelled_and_deleted(renders: str) -> None:
    service = start(renders, lenient=True)
    for id in ("string", "rnd_00000001"):
        way = f"/studios/a/renders/{id}"
        stopped = service.post(f"{way}/cancel").json()
        assert (stopped["id"], stopped["status"]) == (id, "cancelled")
        assert service.get(way).json()["status"] == "succeeded"
        assert service.delete(way).status_code == 204
        assert service.get(f"{way}/log").status_code == 200


def test_all_else_is_validated(renders: str) -> None:
    service = start(renders, lenient=True)
    assert service.get("/studios/a/renders/string", params={"size": "big"}).status_code == 400
    assert service.post("/studios/a/renders", json={}).status_code == 400
    assert start(renders).get("/studios/a/renders/string").status_code == 400


def test_which_fields_stand_together_is_not_asked(renders: str) -> None:
    for body in ({"title": "x"}, {"title": "x", "scene": "a", "scenes": ["a"]}):
        assert start(renders, lenient=True).post("/studios/a/renders", json=body).status_code == 200
    assert start(renders).post("/studios/a/renders", json={"title": "x"}).status_code == 400


def test_nothing_is_kept_of_what_is_read() -> None:
    service = start("openai", lenient=True)
    for number in range(50):
        service.get(f"/videos/video_{number}")
        service.delete(f"/videos/video_{number}")
    assert service.get("/videos").json()["data"] == []


def test_a_key_may_be_written_in_words() -> None:
    words = {"authorization": "Bearer My API Key"}
    assert start("openai", lenient=True).get("/videos", headers=words).status_code == 200
    assert start("openai").get("/videos", headers=words).status_code == 401
    assert start("openai", lenient=True).get("/videos", headers={"authorization": "Bearer "}).status_code == 401
    assert start("openai", lenient=True, api_keys=("sk-1",)).get("/videos", headers=words).status_code == 401


# -- records ----------------------------------------------------------------------------------------


def test_any_id_is_a_record() -> None:
    service = start(SHOP, lenient=True)
    pet = service.get("/pets/string").json()
    assert pet["id"] == "string"
    assert pet["name"]
    assert pet["created_at"] == int(START)
    assert service.get("/pets/string").json() == pet
    assert service.delete("/pets/string").json() == {"id": "string", "deleted": True}
    assert service.get("/pets").json()["data"] == []
    assert service.get("/pets", params={"after": "string"}).status_code == 200
    assert MODE in start(SHOP).get("/pets/string").text


def test_a_changed_record_stays_changed() -> None:
    service = start(SHOP, lenient=True)
    assert service.request("PATCH", "/pets/string", json={"name": "Kim"}).json()["name"] == "Kim"
    assert service.get("/pets/string").json()["name"] == "Kim"
    assert [pet["id"] for pet in service.get("/pets").json()["data"]] == ["string"]


# -- the suites of SDKs -----------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of the SDK, on the end of that service
def test_calls_as_sdks_own_suites_make_them() -> None:
    """Invented ids and values, keys in words, the bare address: raw, streamed, and parsed by the SDK's own types."""
    with serving("openai", "--lenient") as urls:
        address = urls["openai"].removesuffix("/v1")
        with OpenAI(base_url=address, api_key="My API Key", max_retries=0, _strict_response_validation=True) as client:
            videos = client.videos
            for video in (
                videos.retrieve("video_123"),
                videos.create(
                    prompt="x", model="string", seconds="4", size="720x1280", input_reference=b"Example data"
                ),
                videos.remix("video_123", prompt="x"),
                videos.with_raw_response.retrieve("video_id").parse(),
            ):
                assert (type(video).__name__, video.object) == ("Video", "video")
            with videos.with_streaming_response.retrieve("video_123") as streamed:
                assert streamed.http_response.status_code == 200
                assert streamed.parse().id == "video_123"
            assert videos.delete("video_123").deleted
            assert videos.list(after="after", limit=0, order="asc").data == []
            assert videos.download_content("video_123", variant="video").read()[4:8] == b"ftyp"


@pytest.mark.parametrize(
    ("options", "mode"), [((), "strict: only created ids are known"), (("--lenient",), "lenient:")]
)
def test_the_mode_is_printed_at_the_start(options: tuple[str, ...], mode: str) -> None:
    command = [sys.executable, "-m", "mockserver", "serve", "openai", "--port", "0", *options]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        last = next(line for line in process.stdout if line.startswith("seed "))
        process.terminate()
    assert mode in last


def test_every_refusal_says_which_mode_is_on() -> None:
    for lenient, mode in ((False, "strict"), (True, "lenient")):
        service = start("openai", lenient=lenient)
        for refused in (service.get("/nowhere"), service.post("/videos", json={}), service.delete("/videos")):
            assert (refused.status_code >= 400, refused.headers["mockserver-mode"]) == (True, mode)


def test_create_still_needs_what_it_needs() -> None:
    for name, (path, arguments) in CREATES.items():
        service = start(name, lenient=True)
        assert service.post(path, **arguments).status_code < 300
        refused = service.post(path, json={})
        assert refused.status_code >= 400 or refused.json().get("code")
