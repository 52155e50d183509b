"""Requests are read as the contract declares them, and everything that is wrong with one is named at once."""

from pathlib import Path
from typing import Any

import pytest
from in_process import CREATES, Service, start

from mockserver.loading.providers import load_provider

JSON = {"content-type": "application/json"}
FORM = {"content-type": "application/x-www-form-urlencoded"}
FILE = ("a.png", b"\x89PNG\r\n\x1a\n0000", "image/png")

OWN = """
openapi: 3.1.0
info: {title: Jobs with every kind of parameter, version: '1'}
paths:
  /jobs:
    post:
      requestBody:
        content:
          application/x-www-form-urlencoded:
            schema:
              type: object
              required: [prompt]
              properties:
                prompt: {type: string}
                seconds: {type: integer}
                scale: {type: number}
                loop: {type: boolean}
                tags: {type: array, items: {type: string}}
                numbers: {type: array, items: {type: integer}, maxItems: 2}
                image: {type: object, required: [url], properties: {url: {type: string}, width: {type: integer}}}
      responses:
        '201': {description: made, content: {application/json: {schema: {$ref: '#/components/schemas/Job'}}}}
    get:
      parameters:
        - {name: limit, in: query, schema: {type: integer, minimum: 1, maximum: 10}}
        - {name: ratio, in: query, schema: {type: number}}
        - {name: done, in: query, schema: {type: boolean}}
        - {name: tag, in: query, schema: {type: array, items: {type: string, enum: [a, b]}}}
        - {name: n, in: query, explode: false, schema: {type: array, items: {type: integer}}}
        - {name: p, in: query, style: pipeDelimited, explode: false, schema: {type: array, items: {type: integer}}}
        - name: filter
          in: query
          style: deepObject
          schema: {type: object, properties: {state: {type: string, enum: [on]}, least: {type: integer}}}
        - {name: X-Page, in: header, schema: {type: integer}}
        - {name: X-Numbers, in: header, schema: {type: array, items: {type: integer}}}
        - {name: lang, in: cookie, schema: {type: string, enum: [en]}}
      responses:
        '200':
          description: all
          content:
            application/json:
              schema: {type: object, properties: {data: {type: array, items: {$ref: '#/components/schemas/Job'}}}}
  /jobs/{id}/{number}:
    get:
      parameters:
        - {name: id, in: path, required: true, schema: {type: string, pattern: '^job_'}}
        - {name: number, in: path, required: true, schema: {type: integer, maximum: 9}}
      responses:
        '200': {description: one part, content: {application/json: {schema: {type: object}}}}
  /jobs/{id}:
    get:
      parameters: [{name: id, in: path, required: true, schema: {type: string}}]
      responses:
        '200': {description: one, content: {application/json: {schema: {$ref: '#/components/schemas/Job'}}}}
components:
  schemas:
    Job:
      type: object
      required: [id, status]
      properties:
        id: {type: string, example: job_0123456789abcdef}
        status: {type: string, enum: [queued, running, done, failed]}
        prompt: {type: string}
        seconds: {type: integer}
        scale: {type: number}
        loop: {type: boolean}
        tags: {type: array, items: {type: string}}
        numbers: {type: array, items: {type: integer}}
        image: {type: object, properties: {url: {type: string}, width: {type: integer}}}
"""


@pytest.fixture
def own(tmp_path: Path) -> Service:
    """A server of the document above."""
    path = tmp_path / "jobs.yaml"
    path.write_text(OWN)
    return start(load_provider(str(path)), key="")


def message(response: Any, status: int = 400) -> str:
    """What a refusal says."""
    assert response.status_code == status, response.text
    body = response.json()
    return str(body["error"]["message"] if "error" in body else body["detail"])


def sent(body: str) -> dict[str, Any]:
    """The arguments of a request with an urlencoded form."""
    return {"content": body.encode(), "headers": FORM}


# -- bodies -----------------------------------------------------------------------------------------


def test_form_texts_are_read_in_the_types_of_the_schema(own: Service) -> None:
    body = "prompt=a+b%20c&seconds=8&scale=1.5&loop=true&tags=x&tags=7&numbers=1&image[url]=u&image[width]=5"
    job = own.post("/jobs", **sent(body)).json()
    del job["id"], job["status"]
    assert job == {
        "prompt": "a b c", "seconds": 8, "scale": 1.5, "loop": True, "tags": ["x", "7"], "numbers": [1],
        "image": {"url": "u", "width": 5},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("body", "field", "value"),
    [
        ("prompt=x&tags[]=a&tags[]=b", "tags", ["a", "b"]),
        ("prompt=x&numbers[0]=1&numbers[1]=2", "numbers", [1, 2]),
        ('prompt=x&image={"url":"u","width":3}', "image", {"url": "u", "width": 3}),
        ("prompt=007", "prompt", "007"),
        ("prompt=true", "prompt", "true"),
        ("prompt=x&scale=3", "scale", 3),
        ("prompt=x&loop=False", "loop", False),
        ("prompt=%E7%8C%AB", "prompt", "猫"),
    ],
)
def test_ways_to_write_a_form(own: Service, body: str, field: str, value: Any) -> None:
    response = own.post("/jobs", **sent(body))
    assert response.status_code == 201, response.text
    assert response.json()[field] == value


def test_all_violations_of_a_form_are_named_with_field_found_and_expected(own: Service) -> None:
    body = "seconds=abc&scale=z&loop=maybe&numbers=1&numbers=q&numbers=3&image[width]=1"
    response = own.post("/jobs", **sent(body))
    text = message(response)
    for part in (
        "'prompt'", "'seconds': found 'abc', expected an integer", "'scale': found 'z', expected a number",
        "'loop': found 'maybe', expected a boolean", "'numbers[1]': found 'q', expected an integer",
        "at most 2 items", "'image.url'",
    ):  # fmt: skip
        assert part in text
    named = {v["field"]: v["kind"] for v in response.json()["violations"]}
    assert named == {
        "prompt": "required", "seconds": "type", "scale": "type", "loop": "type", "numbers": "maxItems",
        "numbers[1]": "type", "image.url": "required",
    }  # fmt: skip


def test_all_violations_of_json_are_named_and_param_is_the_first() -> None:
    body = {"seconds": 5, "size": "1x1", "prompt": "", "input_reference": {"image_url": "no url"}}
    response = start("openai").post("/videos", json=body)
    text = message(response)
    for part in (
        "'seconds': found an integer (5), expected one of '4', '8', '12'",
        "'size': found '1x1', expected one of '720x1280', '1280x720', '1024x1792', '1792x1024'",
        "'prompt': found '', expected at least 1 characters",
        "'input_reference.image_url': found 'no url', expected text of the format uri",
    ):
        assert part in text
    first = min(("seconds", "size", "prompt", "input_reference"), key=lambda field: text.index(f"'{field}"))
    assert response.json()["error"]["param"] == first


@pytest.mark.parametrize(
    ("reference", "field"),
    [
        ([{"image_url": "https://example.com/a.png"}], "input_reference"),
        ("https://example.com/a.png", "input_reference"),
        ({"image_url": "https://example.com/a.png", "file_id": "file-1"}, "input_reference"),
        ({"image_url": 3}, "input_reference.image_url"),
    ],
)
def test_wrong_references_in_json(reference: Any, field: str) -> None:
    response = start("openai").post("/videos", json={"prompt": "x", "input_reference": reference})
    assert response.status_code == 400
    assert response.json()["error"]["param"] == field


def test_forms_with_files() -> None:
    service = start("openai")
    for good in (
        {"input_reference": FILE},
        {"input_reference[image_url]": (None, "https://example.com/a.png")},
        {"input_reference[file_id]": (None, "file-1")},
    ):
        assert service.post("/videos", files={"prompt": (None, "x"), **good}).status_code == 200
    for name, value, words in (
        ("input_reference", (None, "https://example.com/a.png"), "found a string, expected a file"),
        ("prompt", FILE, "found a file, expected a string"),
        ("input_reference[image_url]", (None, "no url"), "'input_reference.image_url'"),
        ("seconds", (None, "5"), "expected one of '4', '8', '12'"),
    ):
        assert words in message(service.post("/videos", files={"prompt": (None, "x"), name: value}))
    form = {"model": (None, "veo-3.1-generate-preview"), "prompt": (None, "x"), "seconds": (None, "6")}
    assert start("hingnet-veo").post("/v1/videos", files=form).json()["seconds"] == 6


@pytest.mark.parametrize("name", CREATES)
def test_media_types(name: str) -> None:
    service, path = start(name), CREATES[name][0]
    media_types = {"text/plain", "application/xml", "application/octet-stream", "application/x-www-form-urlencoded"}
    if name == "agicto-sora":
        media_types.add("application/json")
    if name == "aitoearn":
        media_types.add("multipart/form-data; boundary=b")
    for media_type in media_types:
        response = service.post(path, content=b"prompt=x", headers={"content-type": media_type})
        text = response.json()["message"] if name == "aitoearn" else message(response, 415)
        assert media_type.split(";")[0] in text
        assert ("application/json" in text) == (name != "agicto-sora") or media_type == "application/json"


@pytest.mark.parametrize("accept", ["application/binary", "text/html", "application/json;q=0", "nonsense"])
def test_accept_is_never_a_reason_to_refuse(accept: str) -> None:
    for name, (path, arguments) in CREATES.items():
        response = start(name).post(path, **arguments, headers={"accept": accept})
        assert (response.status_code, response.headers["content-type"]) == (200, "application/json")


@pytest.mark.parametrize(
    "content_type",
    ["application/json", "application/json; charset=utf-8", "Application/JSON", "application/foo+json", ""],
)
def test_ways_to_say_json(content_type: str) -> None:
    headers = {"content-type": content_type} if content_type else {}
    response = start("openai").post("/videos", content=b' {"prompt": "x"}', headers=headers)
    assert response.status_code == 200, response.text


@pytest.mark.parametrize("body", [b"{", b"{'prompt': 'x'}", b'{"prompt": "x",}', b"\xff\xfe", b'{"a": NaN}', b"nul"])
def test_broken_json_is_400(body: bytes) -> None:
    for name in ("openai", "hingnet-sora", "hingnet-veo"):
        response = start(name).post(CREATES[name][0], content=body, headers=JSON)
        assert "not valid JSON" in message(response)
    assert start("aitoearn").post(CREATES["aitoearn"][0], content=body, headers=JSON).json()["code"] == 400


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("multipart/form-data", b"x"),
        ("multipart/form-data; boundary=b", b"x"),
        ("multipart/form-data; boundary=b", b'--b\r\nContent-Disposition: form-data; name="prompt"\r\n\r\nx'),
    ],
)
def test_broken_forms_are_400(content_type: str, body: bytes) -> None:
    response = start("openai").post("/videos", content=body, headers={"content-type": content_type})
    assert "multipart" in message(response)


def test_a_missing_body_is_named() -> None:
    service = start("openai")
    for arguments in ({}, {"headers": JSON}, {"json": None, "headers": JSON}, {"content": b"null", "headers": JSON}):
        response = service.post("/videos", **arguments)
        assert "'prompt'" in message(response)
        assert response.json()["error"]["code"] == "missing_required_parameter"
    for body, kind in ((b"[1]", "an array"), (b'"x"', "'x'"), (b"3", "an integer")):
        text = message(service.post("/videos", content=body, headers=JSON))
        assert f"found {kind}" in text
        assert "expected an object" in text


def test_long_texts() -> None:
    service = start("openai")
    for prompt, status in (("x" * 32_000, 200), ("猫" * 32_000, 200), ("x" * 32_001, 400)):
        response = service.post("/videos", json={"prompt": prompt})
        assert response.status_code == status
        assert len(response.text) < 1000 or response.json()["prompt"] == prompt
    image = {"image_url": f"data:image/png;base64,{'A' * 3_000_000}"}
    assert service.post("/videos", json={"prompt": "x", "input_reference": image}).status_code == 200


def test_unknown_fields_do_no_harm() -> None:
    response = start("openai").post("/videos", json={"prompt": "x", "quality": "standard", "n": 1})
    assert response.status_code == 200
    assert "quality" not in response.json()


# -- parameters -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "headers"),
    [
        ("limit=5&ratio=1.5&done=true", {}),
        ("tag=a&tag=b", {}),
        ("tag[]=a&tag[]=b", {}),
        ("n=1,2", {}),
        ("p=1%7C2", {}),
        ("filter[state]=on&filter[least]=3", {}),
        ("filter%5Bstate%5D=on", {}),
        ("unknown=1", {}),
        ("", {"x-page": "1", "x-numbers": "1,2", "cookie": "a=b; lang=en"}),
        ("", {"x-numbers": "1, 2"}),
    ],
)
def test_good_parameters(own: Service, query: str, headers: dict[str, str]) -> None:
    response = own.get(f"/jobs?{query}", headers=headers)
    assert response.status_code == 200, response.text


@pytest.mark.parametrize(
    ("query", "headers", "field"),
    [
        ("limit=x", {}, "limit"),
        ("limit=0", {}, "limit"),
        ("limit=11", {}, "limit"),
        ("limit=1&limit=2", {}, "limit"),
        ("ratio=x", {}, "ratio"),
        ("done=1", {}, "done"),
        ("tag=z", {}, "tag[0]"),
        ("tag=a,b", {}, "tag[0]"),
        ("tag[]=a&tag[]=z", {}, "tag[1]"),
        ("n=1,z", {}, "n[1]"),
        ("p=a%7C2", {}, "p[0]"),
        ("filter[state]=off", {}, "filter.state"),
        ("filter[least]=x", {}, "filter.least"),
        ("", {"x-page": "x"}, "X-Page"),
        ("", {"x-numbers": "1,x"}, "X-Numbers[1]"),
        ("", {"cookie": "lang=de"}, "lang"),
    ],
)
def test_bad_parameters(own: Service, query: str, headers: dict[str, str], field: str) -> None:
    response = own.get(f"/jobs?{query}", headers=headers)
    assert response.status_code == 400
    [violation] = response.json()["violations"]
    assert violation["field"] == field
    assert violation["found"]
    assert violation["expected"]


def test_bad_parameters_are_named_together(own: Service) -> None:
    response = own.get("/jobs?limit=x&tag=z&filter[least]=x", headers={"x-page": "x"})
    assert [v["field"] for v in response.json()["violations"]] == ["limit", "tag[0]", "filter.least", "X-Page"]


def test_path_parameters(own: Service) -> None:
    assert own.get("/jobs/job_1/9").status_code == 200
    response = own.get("/jobs/1/10")
    assert [(v["place"], v["field"]) for v in response.json()["violations"]] == [("path", "id"), ("path", "number")]
    assert own.get("/jobs/job_1/x").json()["violations"][0]["expected"] == "an integer"
