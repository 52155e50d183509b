"""A contract of pictures: lists by status, results of the asked format and size, a result that may be null before."""

from io import BytesIO

import pytest
from in_process import Service, start
from PIL import Image

SPEC = "tests/documents/pictures.yaml"
WORDS = ("PENDING", "RUNNING", "SUCCEEDED", "CANCELLED")


@pytest.fixture
def service() -> Service:
    """Four jobs: one that has succeeded, one that was cancelled, one at work, and one that waits."""
    service = start(SPEC, rate=0)
    for _ in range(2):
        draw(service)
    service.post(f"/tasks/{ids(service)[0]}/cancel")
    service.clock.advance(3600)
    draw(service)
    moved = 0.0
    while moved < 600 and status(service, ids(service)[0]) != "RUNNING":
        service.clock.advance(0.5)
        moved += 0.5
    draw(service)
    return service


def draw(service: Service, **inputs: object) -> str:
    body = {"model": "pixel-1", "prompt": "a cat", **inputs}
    return str(service.post("/tasks", json=body).json()["data"]["task_id"])


def status(service: Service, id: str) -> str:
    return str(service.get(f"/tasks/{id}").json()["data"]["task_status"])


def ids(service: Service, **query: str) -> list[str]:
    return [item["task_id"] for item in service.get("/tasks", params=query).json()["data"]["items"]]


@pytest.mark.parametrize("word", WORDS)
def test_a_list_by_status_holds_those_jobs_alone(service: Service, word: str) -> None:
    page = service.get("/tasks", params={"status": word}).json()["data"]
    assert {item["task_status"] for item in page["items"]} == {word}
    assert page["total"] == len(page["items"]) == 1


def test_lists_by_status_are_paged(service: Service) -> None:
    for _ in range(3):
        draw(service)
    waiting = ids(service, status="PENDING")
    pages = [ids(service, status="PENDING", page_size="2", page=str(n)) for n in (1, 2, 3)]
    assert pages == [waiting[:2], waiting[2:], []]
    assert len(ids(service)) == 7


def test_a_status_that_no_job_has_lists_none_and_one_that_is_none_is_refused(service: Service) -> None:
    assert ids(service, status="FAILED") == []
    assert service.get("/tasks", params={"status": "done"}).status_code == 400


@pytest.mark.parametrize(("asked", "kind"), [(None, "PNG"), ("png", "PNG"), ("jpeg", "JPEG")])
def test_a_picture_has_the_format_and_the_size_that_were_asked_for(asked: str | None, kind: str) -> None:
    service = start(SPEC, rate=0)
    id = draw(service, width=128, height=256, **({"output_format": asked} if asked else {}))
    assert service.get(f"/tasks/{id}").json()["data"]["images"] is None
    service.clock.advance(3600)
    job = service.get(f"/tasks/{id}").json()["data"]
    (image,) = job["images"]
    assert (image["format"], image["width"], image["height"]) == (asked or "png", 128, 256)
    with Image.open(BytesIO(service.get(image["url"]).content)) as picture:
        assert (picture.format, picture.size) == (kind, (128, 256))
