"""Documents that no overlay was written for: their jobs are found and lived through all the same."""

from pathlib import Path
from typing import Any

import pytest
from in_process import Service, start

from mockserver.errors import NoJobError
from mockserver.loading.providers import load_provider

DOCUMENTS = Path(__file__).parent / "documents"


def begin(name: str, **settings: Any) -> Service:
    return start(str(DOCUMENTS / name), **settings)


def test_a_task_is_created_on_one_path_and_read_on_another_in_an_envelope() -> None:
    service = begin("tasks.yaml")
    created = service.post("/image_to_video", json={"image_url": "https://example.com/a.png", "duration": 5})
    assert created.status_code == 202
    task = created.json()["data"]["task_id"]
    assert service.get(f"/api/v2/tasks/{task}").json()["data"]["task_status"] == "SUBMITTED"
    service.clock.advance(300)
    data = service.get(f"/tasks/{task}").json()["data"]
    assert data["task_status"] == "SUCCEED"
    assert data["created_at"] == 1_790_000_000_250, "its example counts milliseconds"
    [video] = data["task_result"]["videos"]
    assert video["duration"] == "5"
    assert service.get(video["url"]).headers["content-type"] == "video/mp4"


def test_refusals_take_the_error_shape_that_is_declared_nearest() -> None:
    service = begin("tasks.yaml")
    unknown = service.get("/tasks/00000000-0000-4000-8000-000000000000")
    assert unknown.status_code == 404
    assert unknown.json()["code"] == 404
    wrong = service.post("/image_to_video", json={"duration": 7})
    assert wrong.status_code == 400
    assert "'image_url'" in wrong.json()["message"]
    assert "expected one of 5, 10" in wrong.json()["message"]


def test_a_batch_lives_from_pending_to_done() -> None:
    service = begin("batches.yaml")
    created = service.post("/api/v3/batches", data={"input": "x", "urgent": "true", "tags": ["a", "b"]})
    assert created.status_code == 201
    batch = created.json()
    assert batch["state"] == "PENDING"
    assert batch["percent_complete"] == 0
    assert (batch["urgent"], batch["tags"], batch["priority"]) == (True, ["a", "b"], "3")
    assert batch["finished"] is None
    assert "output_url" not in batch
    service.clock.advance(60)
    assert 0 < service.get(f"/batches/{batch['id']}").json()["percent_complete"] < 1
    service.clock.advance(60)
    done = service.get(f"/batches/{batch['id']}").json()
    assert (done["state"], done["percent_complete"]) == ("DONE", 1)
    assert done["finished"].endswith("Z")
    assert service.get(done["output_url"]).status_code == 200


def test_a_batch_is_cancelled_once_and_stays_so() -> None:
    service = begin("batches.yaml")
    batch = service.post("/batches", data={"input": "x"}).json()["id"]
    service.clock.advance(30)
    before = service.get(f"/batches/{batch}").json()["percent_complete"]
    cancelled = service.post(f"/batches/{batch}/cancel").json()
    assert (cancelled["state"], cancelled["percent_complete"]) == ("CANCELED", before)
    service.clock.advance(1000)
    assert service.get(f"/batches/{batch}").json() == cancelled
    again = service.post(f"/batches/{batch}/cancel")
    assert again.status_code == 409
    assert again.headers["content-type"] == "application/problem+json", "no error is declared: RFC 9457"


def test_a_list_is_paged_by_its_cursor_and_a_deleted_batch_is_gone() -> None:
    service = begin("batches.yaml")
    ids = {service.post("/batches", data={"input": str(n)}).json()["id"] for n in range(5)}
    seen: list[int] = []
    cursor = None
    while True:
        page = service.get("/batches", params={"cursor": cursor} if cursor else {}).json()
        assert page["total_count"] == 5
        seen += [batch["id"] for batch in page["results"]]
        if (cursor := page["next"]) is None:
            break
    assert len(seen) == 5
    assert set(seen) == ids
    gone = service.delete(f"/batches/{seen[0]}")
    assert (gone.status_code, gone.content) == (204, b"")
    assert service.get(f"/batches/{seen[0]}").status_code == 404


def test_a_document_of_its_own_words_is_refused_with_what_to_declare() -> None:
    with pytest.raises(NoJobError, match=r"Say which: x-job\.resources\.painting\.words\.succeeded"):
        load_provider(str(DOCUMENTS / "paintings.yaml"))


def test_a_document_of_its_own_words_is_served_as_it_is_declared(tmp_path: Path) -> None:
    readme = (DOCUMENTS.parent.parent / "docs" / "x-job.md").read_text()
    example = readme.split("words of its own for everything")[1].split("```yaml\n")[1].split("```")[0]
    update = "".join(f"    {line}\n" for line in example.splitlines())
    overlay = tmp_path / "overlay.yaml"
    overlay.write_text(f"overlay: 1.0.0\nactions:\n- target: $\n  update:\n{update}")
    service = start(load_provider(str(DOCUMENTS / "paintings.yaml"), (str(overlay),)))
    ref = service.post("/paintings", json={"motif": "a cat"}).json()["ref"]
    seen = []
    for _ in range(5):
        painting = service.get(f"/paintings/{ref}").json()
        seen.append((painting["phase"], painting["motif"], "picture" in painting))
        service.clock.advance(12)
    assert seen[0] == ("sketching", "a cat", False)
    assert ("painting", "a cat", False) in seen
    assert seen[-1] == ("hung", "a cat", True)
    assert [p["ref"] for p in service.get("/paintings").json()] == [ref]
    assert service.get(painting["picture"]).headers["content-type"] == "image/webp", "a field called so holds a picture"
