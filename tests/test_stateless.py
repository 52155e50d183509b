"""Operations that are no part of a job: examples, samples, preferences, media types, headers."""

import json
import re
from pathlib import Path
from typing import Any

import orjson
import pytest
import yaml
from in_process import Service, start

from mockserver.engine.preferences import Preferences, read_preferences
from mockserver.errors import DocumentError
from mockserver.jobs.declaration import read_declaration
from mockserver.jobs.inference import read_contract
from mockserver.loading.providers import load, load_profiles, load_vocabulary
from mockserver.openapi.document import Document
from mockserver.provider import Provider

SHOP = str(Path(__file__).parent / "documents" / "shop.yaml")


@pytest.fixture
def shop() -> Service:
    return start(SHOP)


def weather(service: Service, prefer: str = "", **headers: str) -> Any:
    wish = {"prefer": prefer} if prefer else {}
    return service.get("/weather", params={"city": "Oslo"}, headers={**headers, **wish})


# -- the usual answer ------------------------------------------------------------------------------------


def test_a_request_is_validated_and_then_answered_with_the_example(shop: Service) -> None:
    assert shop.get("/weather").status_code == 400
    answer = weather(shop)
    assert answer.status_code == 200
    assert answer.json() == {"city": "Oslo", "degrees": 4, "sky": "rain"}


def test_the_same_seed_gives_the_same_answer() -> None:
    first, again, other = (start(SHOP, seed=seed) for seed in (5, 5, 6))
    pictures = [service.post("/chat", json={}).json() for service in (first, again)]
    assert pictures[0] == pictures[1]
    turns = {"prefer": "dynamic=true"}
    drawn = [[s.get("/weather?city=x", headers=turns).json() for _ in range(5)] for s in (first, again, other)]
    assert drawn[0] == drawn[1]
    assert drawn[0] != drawn[2]


def test_headers_are_given_where_they_are_required_or_have_an_example(shop: Service) -> None:
    headers = weather(shop).headers
    assert headers["x-rate-limit"] == "60"
    assert "x-seldom" not in headers
    assert headers["x-bad"] == "aX-Injected: 1", "a line break in an example begins no header"


def test_answers_without_a_body_and_redirects(shop: Service) -> None:
    gone = shop.delete("/nothing")
    assert (gone.status_code, gone.content) == (204, b"")
    away = shop.get("/away", follow_redirects=False)
    assert away.status_code == 302
    assert away.headers["location"].startswith("https://")


# -- media types -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("accept", "media_type", "begin"),
    [
        ("*/*", "application/json", b"{"),
        ("text/plain", "text/plain", b"rain"),
        ("text/csv;q=0.5, text/plain;q=0.1", "text/csv", b""),
        ("application/json;q=0, application/xml", "application/xml", b"<?xml"),
        ("text/*;q=0.9, application/json", "application/json", b"{"),
        ("application/pdf", "application/json", b"{"),
        ("nonsense;;;q=x,,", "application/json", b"{"),
    ],
)
def test_the_media_type_is_what_the_client_accepts(shop: Service, accept: str, media_type: str, begin: bytes) -> None:
    answer = weather(shop, accept=accept)
    assert answer.headers["content-type"] == media_type
    assert answer.content.startswith(begin)


def test_a_stream_is_sent_to_who_asks_for_one(shop: Service) -> None:
    assert "text" in shop.post("/chat", json={}).json()
    for answer in (
        shop.post("/chat", json={"stream": True}),
        shop.post("/chat", json={}, headers={"accept": "text/event-stream"}),
    ):
        assert answer.headers["content-type"] == "text/event-stream"
        first, last = answer.text.removesuffix("\n\n").split("\n\n")
        assert isinstance(orjson.loads(first.removeprefix("data: "))["delta"], str)
        assert last == "data: [DONE]", "as the document says of its streams"


@pytest.mark.parametrize(
    ("path", "media_type", "begin"),
    [("/speech", "audio/wav", b"RIFF"), ("/picture", "image/png", b"\x89PNG"), ("/film", "video/mp4", b"\0\0\0")],
)
def test_media_is_real(shop: Service, path: str, media_type: str, begin: bytes) -> None:
    answer = shop.get(path)
    assert answer.headers["content-type"] == media_type
    assert answer.content.startswith(begin)
    assert shop.get(path, headers={"range": "bytes=0-3"}).content == answer.content[:4]


# -- preferences -----------------------------------------------------------------------------------------


def test_a_declared_code_is_answered(shop: Service) -> None:
    answer = weather(shop, "code=404")
    assert answer.status_code == 404
    assert answer.json() == {"message": "Not Found", "code": 404}
    assert answer.headers["preference-applied"] == "code=404"
    assert weather(shop, "code=418").status_code == 418, "by its range"
    assert weather(shop, "code=503").status_code == 503, "by default"


def test_a_code_that_is_not_declared_is_refused_with_those_that_are(shop: Service) -> None:
    answer = shop.delete("/nothing", headers={"prefer": "code=404"})
    assert answer.status_code == 400
    assert "'404'" in answer.text
    assert "one of 204" in answer.text
    assert weather(shop, "code=nonsense").status_code == 400


def test_an_example_is_answered_by_its_name(shop: Service) -> None:
    assert weather(shop, "example=rain").json()["degrees"] == 4
    mended = weather(shop, "example=broken").json()
    assert mended["sky"] == "rain"
    assert isinstance(mended["degrees"], int), "an example that is wrong is put right"
    unknown = weather(shop, "example=snow")
    assert unknown.status_code == 404
    assert "broken, rain" in unknown.json()["message"]


def test_dynamic_answers_differ(shop: Service) -> None:
    seen = [weather(shop, "dynamic=true") for _ in range(12)]
    assert len({answer.text for answer in seen}) > 6
    assert seen[0].headers["preference-applied"] == "dynamic=true"
    assert {answer.json()["sky"] for answer in seen} == {"clear", "rain", "snow"}


def test_a_job_is_not_made_for_who_asks_for_a_code(shop: Service) -> None:
    job = shop.post("/jobs", json={"prompt": "x"}).json()
    assert shop.get(f"/jobs/{job['id']}", headers={"prefer": "code=404"}).status_code == 404
    assert shop.get("/jobs/nobody", headers={"prefer": "code=200"}).status_code == 200
    assert shop.get("/jobs/nobody", headers={"prefer": "dynamic=true"}).status_code == 404
    assert shop.get("/jobs/nobody", headers={"prefer": "wait=5"}).status_code == 404


@pytest.mark.parametrize(
    ("header", "wishes"),
    [
        ("code=404", Preferences("404")),
        ("Code = 404 , EXAMPLE=a", Preferences("404", "a")),
        ('example="a, \\"b\\""; q=1, dynamic', Preferences("", 'a, "b"', True)),
        ("respond-async, wait=100, code=500;x=\"y,z\", code=200", Preferences("500")),
        ("dynamic=false", None),
        ("return=minimal", None),
        (",,=;, code=201", Preferences("201")),
        ("", None),
        ('example="open', None),
    ],
)  # fmt: skip
def test_preferences_are_read_as_the_standard_has_them(header: str, wishes: Preferences | None) -> None:
    assert read_preferences(header.encode()) == wishes


def test_preferences_may_stand_in_several_headers(shop: Service) -> None:
    headers = [("prefer", "code=200"), ("prefer", "example=rain")]
    answer = shop.get("/weather?city=x", headers=headers)
    assert answer.headers["preference-applied"] == "code=200, example=rain"


# -- at the start ----------------------------------------------------------------------------------------


def test_a_schema_that_cannot_be_satisfied_is_said_at_the_start(tmp_path: Path) -> None:
    text = Path(SHOP).read_text().replace("minimum: -60, maximum: 60", "minimum: 60, maximum: -60")
    path = tmp_path / "shop.yaml"
    path.write_text(text)
    loaded = load(str(path))
    [problem] = loaded.problems or ()
    assert re.search(r"GET /weather cannot be served: answer 200: .*/degrees", problem.text)
    assert not problem.fatal, "it is no part of a job: the rest is served"
    service = start(loaded.provider)
    assert service.get("/weather", params={"city": "Oslo"}).status_code == 500
    assert service.post("/jobs", json={"prompt": "a cat"}).status_code == 200


def test_a_job_that_cannot_be_served_refuses_the_document(tmp_path: Path) -> None:
    root = yaml.safe_load(Path(SHOP).read_text())
    body = root["paths"]["/jobs"]["post"]["requestBody"]["content"]["application/json"]
    body["schema"]["properties"]["prompt"] = {"$ref": "#/components/schemas/Nowhere"}
    path = tmp_path / "shop.json"
    path.write_text(json.dumps(root))
    with pytest.raises(DocumentError, match="Nowhere"):
        load(str(path))


def test_a_preferred_code_that_only_default_stands_for_is_in_the_error() -> None:
    error = {"type": "object", "required": ["code"], "properties": {"code": {"type": "integer"}, "title": {}}}
    media = {"application/json": {"schema": error}}
    root = {
        "openapi": "3.0.3",
        "info": {},
        "paths": {"/x": {"get": {"responses": {"204": {"description": "none"}, "default": {"content": media}}}}},
    }
    read = Document(root, "x.json")
    contract = read_contract(read, load_vocabulary(), read_declaration(None, ""), load_profiles(), needs_job=False)
    answer = start(Provider("x", contract)).get("/x", headers={"prefer": "code=503"})
    assert (answer.status_code, answer.json()["code"]) == (503, 503)
