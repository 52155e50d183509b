"""Lists: both dialects of paging, one stable order, and limits as the contract has them."""

from typing import Any

import pytest
from in_process import Service, key_headers, start

from mockserver.jobs.declaration import read_declaration
from mockserver.jobs.inference import read_contract
from mockserver.loading.providers import load_profiles, load_vocabulary
from mockserver.openapi.document import Document
from mockserver.provider import Provider

TASKS = "/api/ai/video/generations"
CURSOR_LISTS = {"openai": "/videos", "hingnet-sora": "/v1/videos"}


def made(service: Service, path: str, count: int, every: float = 0.0, **body: Any) -> list[str]:
    """The ids of some new jobs, one made every so many seconds; 0: all at the same instant."""
    ids = []
    for _ in range(count):
        job = service.post(path, json={"prompt": "x", **body}).json()
        ids.append(job.get("data", job)["id"])
        service.clock.advance(every)
    return ids


def ids_of(response: Any) -> list[str]:
    assert response.status_code == 200, response.text
    body = response.json()
    items = body["data"]["list"] if "code" in body else body["data"]
    return [item["id"] for item in items]


def walked(service: Service, path: str, limit: int, after: str = "", order: str = "desc") -> list[str]:
    """All ids, page by page, as a client follows the cursor."""
    ids: list[str] = []
    for _ in range(100):
        cursor = {"after": ids[-1] if ids else after} if ids or after else {}
        page = ids_of(service.get(path, params={"limit": limit, "order": order, **cursor}))
        ids += page
        if len(page) < limit:
            return ids
    raise AssertionError(f"the list has no end: {ids}")


@pytest.mark.parametrize("name", CURSOR_LISTS)
def test_newest_first_unless_asked_otherwise(name: str) -> None:
    service, path = start(name), CURSOR_LISTS[name]
    ids = made(service, path, 5, every=1)
    assert ids_of(service.get(path)) == ids[::-1]
    assert ids_of(service.get(path, params={"order": "desc"})) == ids[::-1]
    assert ids_of(service.get(path, params={"order": "asc"})) == ids
    assert service.get(path, params={"order": "sideways"}).status_code == 400


@pytest.mark.parametrize("name", CURSOR_LISTS)
@pytest.mark.parametrize("order", ["asc", "desc"])
def test_jobs_of_one_instant_keep_one_order_on_pages_of_any_size(name: str, order: str) -> None:
    service, path = start(name), CURSOR_LISTS[name]
    first = made(service, path, 4)
    service.clock.advance(1)
    second = made(service, path, 5)
    expected = [*sorted(first), *sorted(second)]  # by creation, then by id
    if order == "desc":
        expected.reverse()
    for limit in range(1, 12):
        assert walked(service, path, limit, order=order) == expected


@pytest.mark.parametrize("name", CURSOR_LISTS)
def test_pages_neither_repeat_nor_skip_while_jobs_come_and_go(name: str) -> None:
    service, path = start(name), CURSOR_LISTS[name]
    ids = made(service, path, 6, every=1)
    page = ids_of(service.get(path, params={"limit": 3}))
    made(service, path, 2, every=1)
    assert page + walked(service, path, 2, after=page[-1]) == ids[::-1]


def test_first_and_last_id_and_the_sign_of_the_end() -> None:
    service = start("openai")
    ids = made(service, "/videos", 3, every=1)[::-1]
    table = [({"limit": 2}, ids[:2], True), ({"limit": 3}, ids, False), ({"limit": 2, "after": ids[1]}, ids[2:], False),
             ({"limit": 1, "after": ids[0]}, ids[1:2], True), ({"after": ids[2]}, [], False),
             ({"limit": 0}, [], True)]  # fmt: skip
    for query, expected, more in table:
        body = service.get("/videos", params=query).json()
        ends = (expected[0], expected[-1]) if expected else (None, None)
        assert [job["id"] for job in body["data"]] == expected
        assert (body["first_id"], body["last_id"], body["has_more"]) == (*ends, more)


def test_empty_lists() -> None:
    assert start("openai").get("/videos").json() == {
        "object": "list", "data": [], "first_id": None, "last_id": None, "has_more": False}  # fmt: skip
    assert start("hingnet-sora").get("/v1/videos").json() == {"object": "list", "data": []}
    assert start("aitoearn").get(TASKS).json()["data"] == {
        "page": 1, "pageSize": 10, "totalPages": 0, "total": 0, "list": []}  # fmt: skip


@pytest.mark.parametrize(
    ("name", "limit", "status"),
    [
        ("openai", "0", 200),
        ("openai", "100", 200),
        ("openai", "101", 400),
        ("openai", "-1", 400),
        ("openai", "ten", 400),
        ("openai", "1.5", 400),
        ("openai", "", 400),
        ("hingnet-sora", "0", 400),
        ("hingnet-sora", "1", 200),
        ("hingnet-sora", "101", 200),
        ("hingnet-sora", "999999999999999999", 200),
        ("hingnet-sora", "9" * 40, 200),
    ],
)
def test_limits_are_those_of_the_schema(name: str, limit: str, status: int) -> None:
    response = start(name).get(CURSOR_LISTS[name], params={"limit": limit})
    assert response.status_code == status
    if status == 400:
        assert "'limit'" in response.json()["error"]["message"]


def test_a_page_is_twenty_items_where_the_contract_names_no_default() -> None:
    service = start("openai")
    made(service, "/videos", 25)
    assert len(ids_of(service.get("/videos"))) == 20
    assert len(ids_of(service.get("/videos", params={"limit": 100}))) == 25


@pytest.mark.parametrize("name", CURSOR_LISTS)
def test_an_unknown_cursor_is_refused(name: str) -> None:
    service, path = start(name), CURSOR_LISTS[name]
    [mine, deleted] = made(service, path, 2)
    strangers = service.post(path, json={"prompt": "x"}, headers=key_headers(service.provider.contract, "sk-other"))
    cursors = ["nobody-made-this", strangers.json()["id"]]
    if name == "openai":
        assert service.delete(f"{path}/{deleted}").status_code == 200
        cursors.append(deleted)
    for cursor in cursors:
        response = service.get(path, params={"after": cursor})
        assert response.status_code == 400
        assert "'after'" in response.json()["error"]["message"]
    assert service.get(path, params={"after": mine}).status_code == 200


# -- by page number ---------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 2, 3, 7, 8, 1000])
def test_numbered_pages_cover_everything_once(size: int) -> None:
    service = start("aitoearn")
    ids = [*made(service, TASKS, 4, every=1, model="m"), *sorted(made(service, TASKS, 3, model="m"))]
    pages, found = -(-len(ids) // size), []
    for number in range(1, pages + 2):
        data = service.get(TASKS, params={"page": number, "pageSize": size}).json()["data"]
        assert [data[k] for k in ("page", "pageSize", "totalPages", "total")] == [number, size, pages, 7]
        found += [task["id"] for task in data["list"]]
    assert found == ids[::-1]  # newest first; the page after the last is empty


def test_numbered_pages_default_and_bounds() -> None:
    service = start("aitoearn")
    made(service, TASKS, 11, model="m")
    data = service.get(TASKS).json()["data"]
    assert (data["page"], data["pageSize"], data["totalPages"], data["total"], len(data["list"])) == (1, 10, 2, 11, 10)
    for query, code in (
        ({"page": 0}, 10002), ({"page": -1}, 10002), ({"page": "x"}, 10002), ({"pageSize": 0}, 10002),
        ({"pageSize": 1001}, 10002), ({"pageSize": 1000}, 0), ({"page": 10**15}, 0),
    ):  # fmt: skip
        body = service.get(TASKS, params=query).json()
        assert body["code"] == code
        if code:
            assert next(iter(query)) in body["message"]


def test_totals_count_the_callers_own_jobs() -> None:
    service = start("aitoearn")
    made(service, TASKS, 3, model="m")
    other = service.get(TASKS, headers={"X-Api-Key": "somebody-else"}).json()["data"]
    assert (other["total"], other["totalPages"], other["list"]) == (0, 0, [])


def test_a_list_below_something_shows_what_was_created_below_it() -> None:
    job = {"type": "object", "required": ["id", "status"], "properties": {
        "id": {"type": "string"}, "status": {"type": "string", "enum": ["queued", "done", "failed"]}}}  # fmt: skip

    def answers(schema: dict[str, object]) -> dict[str, object]:
        return {"200": {"content": {"application/json": {"schema": schema}}}}

    paths = {
        "/rooms/{room}/jobs": {
            "post": {"requestBody": {"content": {"application/json": {}}}, "responses": answers(job)},
            "get": {"responses": answers({"type": "array", "items": job})},
        },
        "/rooms/{room}/jobs/{id}": {"get": {"responses": answers(job)}, "delete": {"responses": {"204": {}}}},
    }
    read = Document({"openapi": "3.1.0", "info": {}, "paths": paths}, "rooms.json")
    contract = read_contract(read, load_vocabulary(), read_declaration(None, ""), load_profiles())
    service = start(Provider("rooms", contract))
    ids = {room: service.post(f"/rooms/{room}/jobs", json={}).json()["id"] for room in ("blue", "red")}
    assert [job["id"] for job in service.get("/rooms/blue/jobs").json()] == [ids["blue"]]
    assert [job["id"] for job in service.get("/rooms/red/jobs").json()] == [ids["red"]]
    assert service.get("/rooms/green/jobs").json() == []
    assert service.get(f"/rooms/blue/jobs/{ids['blue']}").status_code == 200
    assert service.delete(f"/rooms/blue/jobs/{ids['blue']}").status_code == 204
    assert service.get("/rooms/blue/jobs").json() == []
