"""Keys: any well-formed one is somebody and owns its jobs; some are refused, in the provider's own shape."""

from typing import Any

import pytest
from in_process import CREATES, Service, key_headers, start

WITH_KEYS = [name for name in CREATES if name != "agicto-sora"]
WELL_FORMED = ["x", "sk-proj-0123_abc", "oh-1234", "eyJhbGciOiJIUzI1NiJ9.e30.c2ln", "a" * 500, "!#$%&'*+~"]
REFUSED = ["invalid", "invalid-key", "INVALID_1", "expired-1", "revoked_key"]


def is_unauthorized(name: str, response: Any) -> bool:
    """Whether an answer refuses the key in the provider's shape."""
    body = response.json()
    if name == "aitoearn":
        good = (response.status_code, body["code"], body["message"], body["data"]) == (200, 401, "Unauthorized", {})
        return good and isinstance(body["timestamp"], int)
    if response.status_code == 401:
        assert response.headers["www-authenticate"] == "Bearer"
        assert set(body) == {"error"}
        assert {"message", "type", "code"} <= set(body["error"])
    return bool(response.status_code == 401)


def create(service: Service, **arguments: Any) -> Any:
    path, body = CREATES[service.provider.name]
    return service.post(path, **body, **arguments)


@pytest.mark.parametrize("name", WITH_KEYS)
@pytest.mark.parametrize("key", WELL_FORMED)
def test_any_well_formed_key_is_accepted(name: str, key: str) -> None:
    assert not is_unauthorized(name, create(start(name, key=key)))


@pytest.mark.parametrize("name", WITH_KEYS)
@pytest.mark.parametrize("key", REFUSED)
def test_keys_for_trying_refusals(name: str, key: str) -> None:
    response = create(start(name, key=key))
    assert is_unauthorized(name, response)
    assert key not in response.text or len(key) < 8  # a key is never repeated whole


@pytest.mark.parametrize("name", WITH_KEYS)
def test_missing_and_malformed_keys(name: str) -> None:
    header = next(iter(key_headers(start(name).provider.contract)))
    values = ["", " ", "two words", "k\u00e9y".encode().decode("latin-1"), "a" * 5000]
    if header == "Authorization":
        values = [
            *(f"Bearer {value}" for value in values),
            "Bearer",
            "Basic dXNlcjpwYXNz",
            "sk-no-scheme",
            "Bearersk-1",
        ]
    service = start(name, key="")
    assert is_unauthorized(name, create(service))
    for value in values:
        response = create(service, headers={header: value.encode("latin-1")})
        assert is_unauthorized(name, response), value
    other = "Authorization" if header == "X-Api-Key" else "X-Api-Key"
    assert is_unauthorized(name, create(service, headers={other: "Bearer sk-1"}))


def test_the_scheme_is_read_without_regard_to_case() -> None:
    service = start("openai", key="")
    made = create(service, headers={"authorization": "bearer sk-1"}).json()["id"]
    assert service.get(f"/videos/{made}", headers={"Authorization": "BEARER  sk-1 "}).status_code == 200


@pytest.mark.parametrize("name", WITH_KEYS)
def test_the_key_is_asked_for_before_anything_else(name: str) -> None:
    service = start(name, key="")
    path = CREATES[name][0]
    assert is_unauthorized(name, service.post(path, json={"prompt": 3}))
    assert is_unauthorized(name, service.post(path, content=b"{", headers={"content-type": "application/json"}))
    assert is_unauthorized(name, service.get(f"{path}/nobody-made-this"))


def test_a_job_belongs_to_the_key_that_made_it() -> None:
    service = start("openai")
    id = create(service).json()["id"]
    service.clock.advance(1000)
    stranger = key_headers(service.provider.contract, "sk-stranger")
    edit = {"prompt": "y", "video": {"id": id}}
    for method, path, body in (
        ("GET", f"/videos/{id}", None),
        ("HEAD", f"/videos/{id}", None),
        ("GET", f"/videos/{id}/content", None),
        ("DELETE", f"/videos/{id}", None),
        ("POST", f"/videos/{id}/remix", {"prompt": "y"}),
        ("POST", "/videos/edits", edit),
        ("POST", "/videos/extensions", {**edit, "seconds": "4"}),
    ):
        for job in (id, "video_that_nobody_made"):  # the answers are alike, so that nothing is given away
            sent = {**body, "video": {"id": job}} if body and "video" in body else body
            response = service.request(method, path.replace(id, job), json=sent, headers=stranger)
            assert response.status_code == 404
    assert service.get("/videos", headers=stranger).json()["data"] == []
    assert service.get("/videos", params={"after": id}, headers=stranger).status_code == 400
    assert [job["id"] for job in service.get("/videos").json()["data"]] == [id]
    assert service.get(f"/videos/{id}/content").status_code == 200


@pytest.mark.parametrize("name", WITH_KEYS)
def test_strangers_see_nothing_anywhere(name: str) -> None:
    service = start(name)
    body = create(service).json()
    job = f"{CREATES[name][0]}/{body.get('data', body)['id']}"
    stranger = service.get(job, headers=key_headers(service.provider.contract, "sk-stranger"))
    if name == "aitoearn":
        assert stranger.json()["code"] == 12302
    else:
        assert stranger.status_code == 404
    assert "data" not in stranger.json() or stranger.json()["data"] == {}


@pytest.mark.parametrize("name", WITH_KEYS)
def test_only_the_keys_that_were_named(name: str) -> None:
    service = start(name, key="", api_keys=("sk-good", "invalid-but-named"))
    for key, good in (("sk-good", True), ("invalid-but-named", True), ("sk-other", False), ("sk-goo", False)):
        response = create(service, headers=key_headers(service.provider.contract, key))
        assert is_unauthorized(name, response) is not good


@pytest.mark.parametrize("name", CREATES)
def test_without_authentication_everybody_is_served(name: str) -> None:
    service = start(name, key="", auth=False)
    contract = service.provider.contract
    body = create(service).json()
    job = f"{CREATES[name][0]}/{body.get('data', body)['id']}"
    anonymous = service.get(job)
    assert anonymous.status_code == 200
    assert anonymous.json().get("code", 0) == 0
    for headers in ({"Authorization": "Nonsense"}, key_headers(contract, "invalid-1")):
        response = create(service, headers=headers)
        assert response.status_code == 200
        assert response.json().get("code", 0) == 0


def test_with_no_key_declared_all_share_their_jobs() -> None:
    service = start("agicto-sora", key="")
    id = create(service).json()["id"]
    for headers in ({}, {"authorization": "Bearer a"}, {"authorization": "Bearer invalid"}, {"authorization": "?"}):
        assert service.get(f"/v1/videos/{id}", headers=headers).json()["id"] == id
