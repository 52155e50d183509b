"""Each bundled provider as its documentation has it: the life of a job, its fields in each state, its refusals."""

import re
from typing import Any

import pytest
from in_process import CREATES, KEY, START, Service, key_headers, start

NOW = int(START)
FILE = ("ref.png", b"\x89PNG\r\n\x1a\n" + b"0" * 100_000, "image/png")
CLIP = ("clip.mp4", b"0" * 1000, "video/mp4")


def seen_by_poller(service: Service, path: str) -> list[dict[str, Any]]:
    """Every new body that a poller sees every five seconds, until half an hour has passed."""
    seen: list[dict[str, Any]] = []
    for _ in range(360):
        body = service.get(path).json()
        body.pop("requestId", None)
        if not seen or body != seen[-1]:
            seen.append(body)
        service.clock.advance(5)
    return seen


def said(bodies: list[dict[str, Any]], name: str) -> list[Any]:
    """The values of a field in order, each once."""
    return list(dict.fromkeys(body.get(name) for body in bodies))


def finished(service: Service, path: str, **arguments: Any) -> dict[str, Any]:
    """A job that was created and has come to its end, as the create answer showed it."""
    job: dict[str, Any] = service.post(path, **arguments).json()
    service.clock.advance(1000)
    return job


def error(response: Any, status: int) -> dict[str, Any]:
    assert response.status_code == status, response.text
    body: dict[str, Any] = response.json()
    assert list(body) == ["error"]
    return body["error"]  # type: ignore[no-any-return]


# -- openai -----------------------------------------------------------------------------------------


def test_openai_job_goes_from_queue_to_video() -> None:
    service = start("openai", rate=0.0)
    created = service.post("/videos", json={"prompt": "a cat", "seconds": "8", "size": "1280x720"})
    job = created.json()
    assert re.fullmatch(r"video_[0-9a-f]{48}", job["id"])
    assert job == {
        "id": job["id"], "object": "video", "model": "sora-2", "status": "queued", "progress": 0, "created_at": NOW,
        "completed_at": None, "expires_at": None, "prompt": "a cat", "size": "1280x720", "seconds": "8",
        "remixed_from_video_id": None, "error": None,
    }  # fmt: skip
    seen = seen_by_poller(service, f"/videos/{job['id']}")
    assert said(seen, "status") == ["queued", "in_progress", "completed"]
    assert said(seen, "progress") == sorted(set(said(seen, "progress")))
    assert all(body["completed_at"] is body["expires_at"] is None for body in seen[:-1])
    last = seen[-1]
    assert last["progress"] == 100
    assert NOW + 60 < last["completed_at"] < NOW + 121
    assert last["expires_at"] == last["completed_at"] + 3600
    assert last["error"] is None
    assert all(list(body) == list(job) for body in seen)  # 13 fields, and no URL among them


def test_openai_failed_job_says_why_and_has_no_expiry() -> None:
    service = start("openai", rate=1.0)
    seen = seen_by_poller(service, f"/videos/{service.post('/videos', json={'prompt': 'x'}).json()['id']}")
    assert said(seen, "status") == ["queued", "in_progress", "failed"]
    assert [body["error"] for body in seen[:-1]] == [None] * (len(seen) - 1)
    assert seen[-1]["error"] == {
        "code": "moderation_blocked",
        "message": "Your request was blocked by our moderation system.",
    }
    assert seen[-1]["expires_at"] is None
    assert seen[-1]["progress"] < 100


@pytest.mark.parametrize(
    "form",
    [
        {"prompt": (None, "a cat")},
        {"prompt": (None, "a cat"), "input_reference": FILE},
        {"prompt": (None, "a cat"), "input_reference[image_url]": (None, "https://example.com/a.png")},
        {"prompt": (None, "a cat"), "input_reference[file_id]": (None, "file-1")},
    ],
)
def test_openai_takes_forms_and_fills_in_its_defaults(form: dict[str, Any]) -> None:
    job = start("openai").post("/videos", files=form).json()
    assert (job["model"], job["seconds"], job["size"], job["prompt"]) == ("sora-2", "4", "720x1280", "a cat")


def test_openai_list_and_delete() -> None:
    service = start("openai")
    job = finished(service, "/videos", json={"prompt": "x"})
    listed = service.get("/videos").json()
    assert list(listed) == ["object", "data", "first_id", "last_id", "has_more"]
    assert listed["data"] == [service.get(f"/videos/{job['id']}").json()]
    assert (listed["object"], listed["first_id"], listed["last_id"], listed["has_more"]) == (
        "list", job["id"], job["id"], False)  # fmt: skip
    gone = service.delete(f"/videos/{job['id']}")
    assert gone.json() == {"object": "video.deleted", "deleted": True, "id": job["id"]}
    assert service.get("/videos").json()["data"] == []
    for method, path in (("GET", ""), ("DELETE", ""), ("GET", "/content"), ("POST", "/remix")):
        response = service.request(method, f"/videos/{job['id']}{path}", json={"prompt": "x"} if path else None)
        assert error(response, 404)["type"] == "invalid_request_error"


@pytest.mark.parametrize("as_form", [False, True])
def test_openai_follow_ups_start_from_a_finished_video(as_form: bool) -> None:
    service = start("openai")
    source = finished(service, "/videos", json={"prompt": "x", "seconds": "8", "size": "1792x1024"})["id"]

    def send(path: str, **fields: str) -> dict[str, Any]:
        body: dict[str, Any] = {"json": {"prompt": "y", **fields}}
        if "remix" not in path:
            body["json"]["video"] = {"id": source}
        if as_form:
            body = {"files": {"prompt": (None, "y"), **{n: (None, v) for n, v in fields.items()}}}
            if "remix" not in path:
                body["files"]["video[id]"] = (None, source)
        response = service.post(path, **body)
        assert response.status_code == 200, response.text
        return response.json()  # type: ignore[no-any-return]

    remix, edit = send(f"/videos/{source}/remix"), send("/videos/edits")
    for job in (remix, edit):
        assert job["id"] != source
        assert (job["status"], job["prompt"], job["seconds"], job["size"]) == ("queued", "y", "8", "1792x1024")
    assert (remix["remixed_from_video_id"], edit["remixed_from_video_id"]) == (source, None)
    longer = send("/videos/extensions", seconds="16")
    assert (longer["seconds"], longer["size"]) == ("24", "1792x1024")  # what was there and what was added
    service.clock.advance(1000)
    source = longer["id"]
    assert send("/videos/extensions", seconds="4")["seconds"] == "28"


@pytest.mark.parametrize("path", ["/videos/edits", "/videos/extensions"])
def test_openai_follow_up_of_an_uploaded_video_is_described_in_real_words(path: str) -> None:
    form: dict[str, Any] = {"prompt": (None, "y"), "video": CLIP}
    if "extensions" in path:
        form["seconds"] = (None, "4")
    job = start("openai").post(path, files=form).json()
    assert (job["status"], job["model"], job["size"]) == ("queued", "sora-2", "720x1280")
    assert job["seconds"].isdigit()


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/videos/{}/remix", {"prompt": "y"}),
        ("/videos/edits", {"prompt": "y", "video": {"id": "{}"}}),
        ("/videos/extensions", {"prompt": "y", "video": {"id": "{}"}, "seconds": "4"}),
    ],
)
def test_openai_follow_ups_need_a_finished_source(path: str, body: dict[str, Any]) -> None:
    for rate, seconds in ((0.0, 0), (0.0, 20), (1.0, 1000)):
        service = start("openai", rate=rate)
        id = service.post("/videos", json={"prompt": "x"}).json()["id"]
        service.clock.advance(seconds)
        sent = {**body, "video": {"id": id}} if "video" in body else body
        assert error(service.post(path.format(id), json=sent), 400)["code"] == "video_not_ready"
        unknown = {**sent, "video": {"id": "video_x"}} if "video" in body else sent
        error(service.post(path.format("video_x"), json=unknown), 404)


def test_openai_characters_are_there_at_once() -> None:
    service = start("openai")
    made = service.post("/videos/characters", files={"video": CLIP, "name": (None, "Tom")}).json()
    assert made == {"id": made["id"], "name": "Tom", "created_at": NOW}
    service.clock.advance(50)
    assert service.get(f"/videos/characters/{made['id']}").json() == made
    error(service.get(f"/videos/{made['id']}"), 404)  # a character is no video
    error(service.get("/videos/characters/char_x"), 404)
    refused = error(service.post("/videos/characters", files={"video": CLIP, "name": (None, "x" * 81)}), 400)
    assert refused["param"] == "name"
    assert error(service.post("/videos/characters", files={"name": (None, "Tom")}), 400)["param"] == "video"


def test_openai_errors_have_four_fields() -> None:
    service = start("openai")
    refused = error(service.post("/videos", json={"prompt": "x", "seconds": 8}), 400)
    assert list(refused) == ["message", "type", "param", "code"]
    assert (refused["type"], refused["param"], refused["code"]) == ("invalid_request_error", "seconds", "invalid_type")
    assert error(service.post("/videos", json={"prompt": "x", "seconds": "5"}), 400)["code"] == "invalid_value"
    assert error(service.post("/videos", json={}), 400)["code"] == "missing_required_parameter"
    for response in (service.get("/videos/x"), start("openai", key="").get("/videos")):
        assert list(response.json()["error"]) == ["message", "type", "param", "code"]


# -- hingnet-sora -----------------------------------------------------------------------------------

SORA = {"id", "object", "created_at", "model", "status", "prompt", "progress", "seconds", "size"}


def test_hingnet_sora_shows_result_and_times_only_in_success() -> None:
    service = start("hingnet-sora", rate=0.0)
    body = {"model": "sora-2", "prompt": "百事可乐宣传片", "seconds": 8, "size": "720x1280",
            "input_reference": {"image_url": "https://example.com/ref.jpg"}}  # fmt: skip
    job = service.post("/v1/videos", json=body).json()
    assert set(job) == SORA
    assert (job["status"], job["seconds"], job["created_at"]) == ("queued", "8", NOW)  # 8 was sent, "8" comes back
    seen = seen_by_poller(service, f"/v1/videos/{job['id']}")
    assert said(seen, "status") == ["queued", "processing", "success"]
    assert all(set(body) == SORA for body in seen[:-1])
    done = seen[-1]
    assert set(done) == SORA | {"completed_at", "expires_at", "assets"}
    assert done["expires_at"] == done["completed_at"] + 3600
    [asset] = done["assets"]
    assert (asset["quality"], asset["duration"]) == ("720x1280", 8)
    assert service.get("/v1/videos").json() == {"object": "list", "data": [done]}


def test_hingnet_sora_failure() -> None:
    service = start("hingnet-sora", rate=1.0)
    seen = seen_by_poller(service, f"/v1/videos/{service.post('/v1/videos', json={'prompt': 'x'}).json()['id']}")
    assert said(seen, "status") == ["queued", "processing", "failed"]
    assert all("error" not in body for body in seen[:-1])
    assert seen[-1]["error"] == {"code": "generation_failed", "message": "视频生成失败，请重试"}
    assert not {"assets", "expires_at", "completed_at"} & set(seen[-1])


def test_hingnet_sora_form_remix_and_the_source_of_a_remix() -> None:
    service = start("hingnet-sora")
    form = {"prompt": (None, "x"), "seconds": (None, "12"), "size": (None, "1024x1792"), "input_reference": FILE}
    source = finished(service, "/v1/videos", files=form)
    assert (source["seconds"], source["size"], source["model"]) == ("12", "1024x1792", "sora-2")
    for arguments in ({"files": {"prompt": (None, "y")}}, {"json": {"prompt": "y"}}):
        remix = service.post(f"/v1/videos/{source['id']}/remix", **arguments).json()
        assert set(remix) == SORA | {"remixed_from_video_id"}
        assert remix["remixed_from_video_id"] == source["id"]
        assert (remix["seconds"], remix["size"], remix["status"]) == ("12", "1024x1792", "queued")
    assert "remixed_from_video_id" not in service.get(f"/v1/videos/{source['id']}").json()
    error(service.post(f"/v1/videos/{source['id']}/remix", json={"prompt": "x" * 1001}), 400)


@pytest.mark.parametrize(
    "reference", [["https://example.com/a.jpg"], "https://example.com/a.jpg", {}, {"image_url": "a", "file_id": "b"}]
)
def test_hingnet_sora_takes_one_object_as_reference(reference: Any) -> None:
    response = start("hingnet-sora").post("/v1/videos", json={"prompt": "x", "input_reference": reference})
    assert "input_reference" in error(response, 400)["message"]


def test_hingnet_sora_refuses_content_of_an_unfinished_job_with_404() -> None:
    service = start("hingnet-sora", rate=0.0)
    id = service.post("/v1/videos", json={"prompt": "x"}).json()["id"]
    for seconds in (0, 30):
        service.clock.advance(seconds)
        refused = error(service.get(f"/v1/videos/{id}/content"), 404)
        assert set(refused) == {"message", "type", "code"}
    service.clock.advance(1000)
    assert service.get(f"/v1/videos/{id}/content").status_code == 200


# -- hingnet-veo ------------------------------------------------------------------------------------

VEO = {"model": "veo-3.1-fast-generate-preview", "prompt": "A cinematic lion at sunset"}


def test_hingnet_veo_has_a_link_only_when_completed() -> None:
    service = start("hingnet-veo", rate=0.0)
    body = {**VEO, "seconds": 6, "size": "1920x1080", "input_reference": ["https://example.com/1.jpg"]}
    job = service.post("/v1/videos", json=body).json()
    path = f"/v1/videos/{job['id']}"
    assert (job["status"], job["seconds"], job["size"]) == ("queued", 6, "1920x1080")
    assert error(service.get(f"{path}/content"), 400)["code"] == "video_not_ready"
    seen = seen_by_poller(service, f"{path}?duration=6")
    assert said(seen, "status") == ["queued", "in_progress", "completed"]
    assert all(not {"video_url", "completed_at", "error"} & set(body) for body in seen[:-1])
    assert seen[-1]["video_url"].startswith("http://mock.test/")
    assert seen[-1]["seconds"] == 6
    assert service.get(f"{path}/content").headers["content-type"] == "video/mp4"


def test_hingnet_veo_failure_and_form() -> None:
    service = start("hingnet-veo", rate=1.0)
    form = {"model": (None, VEO["model"]), "prompt": (None, "x"), "seconds": (None, "8"), "input_reference": FILE}
    job = finished(service, "/v1/videos", files=form)
    assert (job["seconds"], job["size"]) == (8, "1280x720")
    failed = service.get(f"/v1/videos/{job['id']}").json()
    assert (failed["status"], set(failed["error"])) == ("failed", {"code", "message"})
    assert "video_url" not in failed


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"input_reference": ["a"]}, 200),
        ({"input_reference": ["a", "b", "c"]}, 200),
        ({"input_reference": []}, 400),
        ({"input_reference": ["a", "b", "c", "d"]}, 400),
        ({"input_reference": "a"}, 400),
        ({"input_reference": [1]}, 400),
        *[({"seconds": seconds}, 200) for seconds in (4, 6, 8)],
        *[({"seconds": seconds}, 400) for seconds in (5, 12, "6", 6.5)],
        *[({"size": size}, 200) for size in ("1280x720", "720x1280", "1920x1080", "1080x1920")],
        *[({"size": size}, 400) for size in ("1024x1792", "16:9")],
        ({"model": "sora-2"}, 400),
        ({"prompt": ""}, 400),
    ],
)
def test_hingnet_veo_panel(fields: dict[str, Any], status: int) -> None:
    response = start("hingnet-veo").post("/v1/videos", json={**VEO, **fields})
    assert response.status_code == status, response.text
    if status == 400:
        assert next(iter(fields)) in error(response, 400)["message"]


def test_hingnet_veo_query_and_documented_404() -> None:
    service = start("hingnet-veo")
    id = service.post("/v1/videos", json=VEO).json()["id"]
    for duration, status in (("6", 200), ("x", 400), ("0", 400)):
        assert service.get(f"/v1/videos/{id}", params={"duration": duration}).status_code == status
    for path in ("/v1/videos/video_abc123", "/v1/videos/video_abc123/content"):
        assert set(error(service.get(path), 404)) == {"message", "type", "code"}


# -- aitoearn ---------------------------------------------------------------------------------------

TASKS = "/api/ai/video/generations"
TASK = {"id", "model", "status", "input", "submittedAt", "startedAt"}


def business(response: Any, code: int) -> Any:
    """The data of an answer in AiToEarn's envelope; HTTP always says 200."""
    assert response.status_code == 200
    body = response.json()
    assert body["code"] == code, body
    if code == 0:
        assert list(body) == ["code", "message", "data", "requestId"]
        assert (body["message"], body["requestId"]) == ("请求成功", response.headers["x-request-id"])
    else:
        assert list(body) == ["code", "message", "data", "timestamp"]
        assert body["data"] == {}
        assert body["timestamp"] >= NOW * 1000
    return body["data"]


def test_aitoearn_task_moves_on_a_grid_of_30_seconds() -> None:
    service = start("aitoearn", rate=0.0)
    request = {"model": "m", "prompt": "a cat", "duration": 5, "ratio": "16:9", "resolution": "720p",
               "video_url": "https://example.com/in.mp4", "images": ["https://example.com/1.png"],
               "watermark": False}  # fmt: skip
    made = business(service.post(TASKS, json=request), 0)
    assert made == {"id": made["id"], "status": "SUBMITTED"}
    assert re.fullmatch(r"[0-9a-f]{24}", made["id"])
    task = business(service.get(f"{TASKS}/{made['id']}"), 0)
    assert task["input"] == {
        "prompt": "a cat", "duration": 5, "aspectRatio": "16:9", "resolution": "720p", "watermark": False,
        "videoUrl": "https://example.com/in.mp4", "images": ["https://example.com/1.png"],
    }  # fmt: skip
    assert task["submittedAt"] == task["startedAt"] == "2026-09-21T14:13:20.250Z"
    changes: dict[str, int] = {}
    for second in range(400):
        task = business(service.get(f"{TASKS}/{made['id']}"), 0)
        changes.setdefault(task["status"], second)
        assert set(task) == TASK | ({"videoUrl", "coverUrl", "finishedAt"} if task["status"] == "SUCCESS" else set())
        service.clock.advance(1)
    assert list(changes) == ["SUBMITTED", "InProgress", "SUCCESS"]
    assert all(second % 30 == 0 for second in changes.values())
    minutes, seconds = divmod(changes["SUCCESS"] + 20, 60)
    assert task["finishedAt"] == f"2026-09-21T14:{13 + minutes}:{seconds:02}.250Z"


@pytest.mark.parametrize(
    ("field", "value"),
    [("image", "https://a"), ("image", ["https://a", "https://b"]), ("duration", 2.5), ("duration", 10),
     ("audios", ["https://a"]), ("groupId", "g1"), ("watermark", True), ("resolution", "1080p")],
)  # fmt: skip
def test_aitoearn_repeats_what_was_asked_for(field: str, value: Any) -> None:
    service = start("aitoearn")
    id = business(service.post(TASKS, json={"model": "m", "prompt": "x", field: value}), 0)["id"]
    assert business(service.get(f"{TASKS}/{id}"), 0)["input"] == {"prompt": "x", field: value}


def test_aitoearn_failure_has_an_error_and_no_video() -> None:
    service = start("aitoearn", rate=1.0)
    id = business(service.post(TASKS, json={"model": "m", "prompt": "x"}), 0)["id"]
    service.clock.advance(1000)
    task = business(service.get(f"{TASKS}/{id}"), 0)
    assert set(task) == TASK | {"error", "finishedAt"}
    assert (task["status"], task["error"]) == ("FAILURE", {"message": "Video task failed"})


def test_aitoearn_models_need_no_key() -> None:
    answer = start("aitoearn", key="").get("/api/ai/models/video/generation")
    assert (answer.status_code, answer.json()["code"]) == (200, 0)
    [model] = answer.json()["data"]
    assert {"name", "modes", "resolutions", "durations", "pricing"} <= set(model)


def test_aitoearn_says_200_to_every_error() -> None:
    service = start("aitoearn")
    business(service.post(TASKS, json={"prompt": "x"}), 10002)
    business(service.get(TASKS, params={"page": "0"}), 10002)
    business(service.get(f"{TASKS}/6a465b40c2f1a7d3e8b90412"), 12302)
    business(service.post(TASKS, content=b"{", headers={"content-type": "application/json"}), 400)
    business(service.post(TASKS, content=b"x", headers={"content-type": "text/plain"}), 415)
    business(service.get("/nope"), 404)
    business(service.delete(TASKS), 405)
    for headers in ({}, {"x-api-key": "invalid-1"}, {"x-api-key": "no spaces"}, {"authorization": f"Bearer {KEY}"}):
        response = start("aitoearn", key="").get(TASKS, headers=headers)
        business(response, 401)
        assert response.json()["message"] == "Unauthorized"


# -- agicto-sora ------------------------------------------------------------------------------------


def test_agicto_needs_no_key_and_has_a_link_when_completed() -> None:
    service = start("agicto-sora", key="")
    path, arguments = CREATES["agicto-sora"]
    job = service.post(path, **arguments).json()
    assert job == {
        "id": job["id"], "object": "video", "model": "sora-2", "status": "queued", "progress": 0, "created_at": NOW,
        "seconds": "10", "size": "720x1280",
    }  # fmt: skip
    assert re.fullmatch(r"video_[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", job["id"])
    seen = seen_by_poller(service, f"{path}/{job['id']}")
    assert said(seen, "status") == ["in_progress", "completed"]
    assert all(set(body) == set(job) for body in seen[:-1])
    assert set(seen[-1]) == {*job, "completed_at", "video_url"}
    somebody_else = service.get(f"{path}/{job['id']}", headers={"authorization": "Bearer any"})
    assert somebody_else.json() == seen[-1]
    assert service.post(path, json={"model": "sora-2", "prompt": "x"}).status_code == 415
    error(service.get(f"{path}/video_x"), 404)


# -- all of them ------------------------------------------------------------------------------------


def job_path(name: str, service: Service) -> str:
    """The path of a job that was just created."""
    path, arguments = CREATES[name]
    body = service.post(path, **arguments).json()
    return f"{path}/{body.get('data', body)['id']}"


@pytest.mark.parametrize("name", CREATES)
def test_unknown_paths_and_wrong_methods(name: str) -> None:
    service = start(name)
    always_200 = name == "aitoearn"
    unknown = service.get("/v1/nothing/here")
    assert unknown.status_code == (200 if always_200 else 404)
    path = job_path(name, service)
    methods = {"GET", "HEAD", "OPTIONS"} | ({"DELETE"} if name == "openai" else set())
    wrong = service.request("PATCH", path)
    assert wrong.status_code == (200 if always_200 else 405)
    assert set(wrong.headers["allow"].split(", ")) == methods
    for response in (unknown, wrong):
        assert set(response.json()) == ({"code", "message", "data", "timestamp"} if always_200 else {"error"})


@pytest.mark.parametrize("name", CREATES)
def test_head_says_what_get_says_without_the_body(name: str) -> None:
    service = start(name)
    job = job_path(name, service)
    service.clock.advance(1000)
    others = {
        "openai": ["/videos", f"{job}/content"],
        "hingnet-sora": ["/v1/videos", f"{job}/content"],
        "hingnet-veo": [f"{job}/content"],
        "aitoearn": [TASKS, "/api/ai/models/video/generation"],
    }
    for path in (job, *others.get(name, [])):
        head, get = service.request("HEAD", path), service.get(path)
        assert (head.status_code, head.content) == (get.status_code, b"")
        ids = [response.headers.pop("x-request-id") for response in (head, get)]
        assert ids[0] != ids[1]
        assert head.headers == get.headers
        assert int(get.headers["content-length"]) == len(get.content)


def test_paths_answer_with_and_without_the_servers_base_path() -> None:
    service = start("openai")
    id = service.post("/v1/videos", json={"prompt": "x"}).json()["id"]
    for path in (f"/videos/{id}", f"/v1/videos/{id}", f"/videos/{id}/", f"/v1/videos/{id}/"):
        assert service.get(path).json()["id"] == id
    assert service.get("/videos/").json() == service.get("/v1/videos").json()
    assert service.get("/v1/v1/videos").status_code == 404
    assert service.get("/v2/videos").status_code == 404


@pytest.mark.parametrize("name", CREATES)
def test_clients_are_told_when_to_poll_again_while_a_job_is_unfinished(name: str) -> None:
    service = start(name, poll_after_ms=250)
    path, arguments = CREATES[name]
    created = service.post(path, **arguments)
    body = created.json()
    job = f"{path}/{body.get('data', body)['id']}"
    assert created.headers["openai-poll-after-ms"] == "250"
    for seconds, told in ((0, "250"), (35, "250"), (1000, None)):
        service.clock.advance(seconds)
        assert service.get(job).headers.get("openai-poll-after-ms") == told
    assert "openai-poll-after-ms" not in service.get(path).headers  # a list is not polled


@pytest.mark.parametrize("name", CREATES)
def test_every_answer_has_an_id(name: str) -> None:
    service = start(name)
    job = job_path(name, service)
    broken_form = {"content": b"x", "headers": {"content-type": "multipart/form-data; boundary=b"}}
    answers = [
        service.get(job), service.get("/nope"), service.request("PATCH", job), service.request("OPTIONS", job),
        service.request("HEAD", job), start(name, key="").get(job), service.get("/__mockserver/assets/x.mp4"),
        service.post(CREATES[name][0], content=b"{", headers={"content-type": "application/json"}),
        service.post(CREATES[name][0], **broken_form), service.get(job, params={"x": "y" * 20_000}),
    ]  # fmt: skip
    for response in answers:
        assert re.fullmatch(r"req_[0-9a-f]{16}", response.headers["x-request-id"]), response.text
    ids = [r.headers["x-request-id"] for i, r in enumerate(answers) if i != 5]  # that one is another server's
    assert len(set(ids)) == len(ids)


def test_a_key_header_of_each_provider() -> None:
    headers = {name: key_headers(start(name).provider.contract) for name in CREATES}
    assert {name: next(iter(h)) for name, h in headers.items() if name != "agicto-sora"} == {
        "openai": "Authorization", "hingnet-sora": "Authorization", "hingnet-veo": "Authorization",
        "aitoearn": "X-Api-Key",
    }  # fmt: skip
