"""Lists page by page: a client that follows what each style of paging tells sees every job once, and then the end."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2
import pytest
from in_process import Service, start

COUNT = 25
TEXT = {"type": "string"}
URL = {"type": "string", "format": "uri"}
INTEGER = {"type": "integer", "minimum": 0}
JOB = {
    "type": "object",
    "required": ["id", "status"],
    "properties": {"id": TEXT, "status": {"type": "string", "enum": ["queued", "running", "done", "failed"]}},
}
THING = {"type": "object", "required": ["id", "label"], "properties": {"id": TEXT, "label": TEXT}}


def answer(schema: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"200": {"description": "ok", "content": {"application/json": {"schema": schema}}, **more}}


def begin(
    folder: Path, parameters: dict[str, Any], around: dict[str, Any] | None, thing: Any = JOB, **headers: Any
) -> Service:
    """A service with a list that has these query parameters, and these fields round its items (None: a bare array)."""
    items = {"type": "array", "items": {"$ref": "#/components/schemas/Thing"}}
    whole = items if around is None else {
        "type": "object", "required": ["items"], "properties": {"items": items, **around}}  # fmt: skip
    one = answer({"$ref": "#/components/schemas/Thing"})
    body = {"content": {"application/json": {"schema": {"type": "object", "properties": {"label": TEXT}}}}}
    told = {"headers": {name: {"schema": schema} for name, schema in headers.items()}} if headers else {}
    asked = [{"name": name, "in": "query", "schema": schema} for name, schema in parameters.items()]
    id = {"name": "id", "in": "path", "required": True, "schema": TEXT}
    root = {
        "openapi": "3.1.0",
        "info": {"title": "Things", "version": "1"},
        "servers": [{"url": "/v1"}],
        "paths": {
            "/things": {
                "post": {"requestBody": body, "responses": one},
                "get": {"parameters": asked, "responses": answer(whole, **told)},
            },
            "/things/{id}": {"get": {"parameters": [id], "responses": one}},
            "/jobs": {"post": {"responses": answer(JOB)}},
            "/jobs/{id}": {"get": {"parameters": [id], "responses": answer(JOB)}},
        },
        "components": {"schemas": {"Thing": thing}},
    }
    path = folder / "things.json"
    path.write_text(json.dumps(root))
    return start(str(path))


def made(service: Service) -> list[str]:
    """The ids of new things, the newest first."""
    ids = []
    for number in range(COUNT):
        ids.append(service.post("/v1/things", json={"label": f"thing {number}"}).json()["id"])
        service.clock.advance(1)
    return ids[::-1]


Follow = Callable[[httpx2.Response, int], str | dict[str, Any] | None]


def walked(service: Service, follow: Follow) -> list[str]:
    """All ids, by following what each page tells of the next: its URL, or its query."""
    ids: list[str] = []
    size = {"limit": 10}
    response = service.get("/v1/things", params=size)
    for pages in range(1, COUNT + 2):
        assert response.status_code == 200, response.text
        body = response.json()
        ids += [each["id"] for each in (body["items"] if isinstance(body, dict) else body)]
        onward = follow(response, pages)
        if onward is None:
            return ids
        response = service.get(onward) if isinstance(onward, str) else service.get(
            "/v1/things", params={**size, **onward})  # fmt: skip
    raise AssertionError("the list has no end")


def by_link(response: httpx2.Response, pages: int) -> str | None:
    found = re.search(r'<([^>]+)>; rel="next"', response.headers["link"])
    return found[1] if found else None


def by_url(*way: str) -> Follow:
    def follow(response: httpx2.Response, pages: int) -> str | None:
        value = response.json()
        for token in way:
            value = value.get(token)
        assert value is None or value.startswith("http://mock.test/v1/things?"), value
        return value

    return follow


def by_value(parameter: str, *way: str) -> Follow:
    def follow(response: httpx2.Response, pages: int) -> dict[str, Any] | None:
        value = response.json()
        for token in way:
            value = value.get(token)
        return {parameter: value} if value else None

    return follow


def by_count(parameter: str, first: int, step: int) -> Follow:
    def follow(response: httpx2.Response, pages: int) -> dict[str, Any] | None:
        total = response.json()["total"]
        assert total == COUNT
        return {parameter: first + pages * step} if pages * 10 < total else None

    return follow


LIMIT = {"limit": {"type": "integer", "minimum": 1, "maximum": 100}}
PAGE, CURSOR, OFFSET = {"page": INTEGER, **LIMIT}, {"cursor": TEXT, **LIMIT}, {"offset": INTEGER, **LIMIT}
NULLABLE = {"anyOf": [URL, {"type": "null"}]}
STYLES: dict[str, tuple[dict[str, Any], dict[str, Any] | None, dict[str, Any], Follow]] = {
    "page number": ({"page": {**INTEGER, "minimum": 1}, **LIMIT}, {"total": INTEGER}, {}, by_count("page", 1, 1)),
    "page from 0": (PAGE, {"total": INTEGER}, {}, by_count("page", 0, 1)),
    "next page": (PAGE, {"next_page": {"type": ["integer", "null"]}}, {}, by_value("page", "next_page")),
    "offset": (OFFSET, {"total": INTEGER}, {}, by_count("offset", 0, 10)),
    "next offset": (OFFSET, {"next_offset": {"type": ["integer", "null"]}}, {}, by_value("offset", "next_offset")),
    "cursor": (CURSOR, {"next_cursor": {"type": ["string", "null"]}}, {}, by_value("cursor", "next_cursor")),
    "token": ({"page_token": TEXT, **LIMIT}, {"next_page_token": TEXT}, {}, by_value("page_token", "next_page_token")),
    "in a part": (CURSOR, {"meta": {"type": "object", "properties": {"next_cursor": TEXT}}}, {},
                  by_value("cursor", "meta", "next_cursor")),
    "link header, cursor": (CURSOR, None, {"Link": TEXT}, by_link),
    "link header, page": (PAGE, None, {"Link": TEXT, "X-Total-Count": INTEGER}, by_link),
    "link header, offset": (OFFSET, None, {"link": TEXT}, by_link),
    "next is a url, page": (PAGE, {"next": NULLABLE}, {}, by_url("next")),
    "next is a url, cursor": (CURSOR, {"next": {"type": ["string", "null"], "format": "uri"}}, {}, by_url("next")),
    "next is a url by its example": (OFFSET, {"next": {"type": ["string", "null"], "example": "https://x.example/v1/things?offset=10"}},
                                     {}, by_url("next")),
    "next is a url by its name": (CURSOR, {"next_url": {"type": ["string", "null"]}}, {}, by_url("next_url")),
    "links in a part": (PAGE, {"links": {"type": "object", "properties": {"next": NULLABLE, "prev": NULLABLE}}}, {},
                        by_url("links", "next")),
}  # fmt: skip
NESTED = {"in a part", "links in a part"}  # which plain collections do not have


@pytest.mark.parametrize("style", STYLES)
def test_a_walk_through_all_jobs(style: str, tmp_path: Path) -> None:
    parameters, around, headers, follow = STYLES[style]
    service = begin(tmp_path, parameters, around, **headers)
    assert "thing" in [resource.name for resource in service.provider.contract.resources]
    ids = made(service)
    seen = walked(service, follow)
    assert len(seen) == COUNT
    assert sorted(seen) == sorted(ids)
    assert seen == ids


@pytest.mark.parametrize("style", sorted(STYLES.keys() - NESTED))
def test_a_walk_through_all_records(style: str, tmp_path: Path) -> None:
    parameters, around, headers, follow = STYLES[style]
    service = begin(tmp_path, parameters, around, THING, **headers)
    assert [collection.name for collection in service.provider.contract.collections] == ["thing"]
    ids = made(service)
    assert walked(service, follow) == ids


def test_link_headers_lead_both_ways_and_keep_what_was_asked_for(tmp_path: Path) -> None:
    service = begin(tmp_path, {**PAGE, "filter": TEXT}, None, Link=TEXT, **{"X-Total-Count": INTEGER})
    ids = made(service)
    response = service.get("/v1/things", params={"filter": "a b&c", "limit": 5, "page": 1})
    links = dict(re.findall(r'<([^>]+)>; rel="(\w+)"', response.headers["link"]))
    assert set(links.values()) == {"next", "prev", "first"}
    assert response.headers["x-total-count"] == str(COUNT)
    for url in links:
        assert httpx2.URL(url).params["filter"] == "a b&c"
        assert httpx2.URL(url).params["limit"] == "5"
    back = next(url for url, rel in links.items() if rel == "prev")
    assert [each["id"] for each in service.get(back).json()] == ids[:5]
    last = service.get("/v1/things", params={"limit": 5, "page": 4}).headers["link"]
    assert 'rel="next"' not in last


def test_a_list_of_nothing_has_no_next_page(tmp_path: Path) -> None:
    response = begin(tmp_path, CURSOR, {"next": NULLABLE}, Link=TEXT).get("/v1/things")
    assert response.json() == {"items": [], "next": None}
    assert 'rel="next"' not in response.headers["link"]
