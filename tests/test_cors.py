"""Browser apps on other origins may call every path, read every answer and play every result."""

from typing import Any

import pytest
from in_process import CREATES, start

ORIGIN = {"origin": "https://app.example"}
ASK = {**ORIGIN, "access-control-request-method": "POST",
       "access-control-request-headers": "authorization,content-type,x-api-key"}  # fmt: skip


def readable(response: Any) -> bool:
    """Whether a browser shows the answer to a page of another origin, with the headers that clients use."""
    exposed = response.headers.get("access-control-expose-headers", "")
    return bool(response.headers.get("access-control-allow-origin") == "*" and "x-request-id" in exposed)


@pytest.mark.parametrize("name", CREATES)
def test_preflight_allows_what_the_path_allows(name: str) -> None:
    service = start(name, key="")  # a preflight never carries a key
    path = CREATES[name][0]
    for url in (path, f"{path}/any-id"):
        response = service.request("OPTIONS", url, headers=ASK)
        assert (response.status_code, response.content) == (204, b"")
        assert readable(response)
        methods = response.headers["access-control-allow-methods"].split(", ")
        assert methods == response.headers["allow"].split(", ")
        assert ("POST" in methods) == (url == path)
        assert ("GET" in methods) == (url != path or name in ("openai", "hingnet-sora", "aitoearn"))
        assert response.headers["access-control-allow-headers"] == ASK["access-control-request-headers"]
        assert int(response.headers["access-control-max-age"]) > 0


def test_preflight_from_the_web_to_a_machine_at_home() -> None:
    headers = {**ASK, "access-control-request-private-network": "true"}
    response = start("openai").request("OPTIONS", "/videos", headers=headers)
    assert response.headers["access-control-allow-private-network"] == "true"


def test_plain_options_tell_people_what_is_allowed() -> None:
    response = start("openai").request("OPTIONS", "/videos")
    assert (response.status_code, response.headers["allow"]) == (204, "GET, HEAD, OPTIONS, POST")
    assert not [name for name in response.headers if name.startswith("access-control")]


def test_all_answers_are_readable_across_origins() -> None:
    service = start("openai")
    created = service.post("/videos", json={"prompt": "x"}, headers=ORIGIN)
    assert readable(created)
    id = created.json()["id"]
    service.clock.advance(1000)
    link = f"/__mockserver/assets/{id}.mp4"
    etag = service.get(f"/videos/{id}/content").headers["etag"]
    requests: list[tuple[str, str, dict[str, Any]]] = [
        ("GET", f"/videos/{id}", {}),
        ("GET", "/videos", {}),
        ("GET", f"/videos/{id}/content", {}),
        ("GET", f"/videos/{id}/content", {"range": "bytes=0-9"}),
        ("GET", f"/videos/{id}/content", {"range": "bytes=999999999-"}),
        ("GET", f"/videos/{id}/content", {"if-none-match": etag}),
        ("GET", link, {}),
        ("GET", "/videos/nobody", {}),
        ("GET", "/nope", {}),
        ("PATCH", "/videos", {}),
        ("POST", "/videos", {}),
        ("GET", "/videos", {"authorization": "Bearer invalid"}),
        ("GET", f"/videos?x={'y' * 20_000}", {}),
    ]
    statuses = []
    for method, path, headers in requests:
        response = service.request(method, path, headers={**ORIGIN, **headers})
        assert readable(response), (method, path, response.status_code)
        statuses.append(response.status_code)
    assert statuses == [200, 200, 200, 206, 416, 304, 200, 404, 404, 405, 400, 401, 400]


def test_result_links_answer_a_preflight() -> None:
    ask = {**ORIGIN, "access-control-request-method": "GET", "access-control-request-headers": "range,authorization"}
    response = start("openai").request("OPTIONS", "/__mockserver/assets/video_1.mp4", headers=ask)
    assert response.status_code == 204
    assert "GET" in response.headers["access-control-allow-methods"]
    assert readable(response)


def test_programs_that_are_no_browsers_get_no_such_headers() -> None:
    assert not [name for name in start("openai").get("/videos").headers if name.startswith("access-control")]
