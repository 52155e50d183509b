"""Documents that say a thing in a wrong or an older way: what is made of it, and that it is noted."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from in_process import start

from mockserver.loading.providers import load, load_provider
from mockserver.loading.trees import read_tree
from mockserver.openapi.document import Document
from mockserver.openapi.schema import Validator

Node = dict[str, Any]
TEXT = {"type": "string"}


@pytest.fixture(autouse=True)
def cache_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test has a cache of its own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def ref(name: str) -> Node:
    return {"$ref": f"#/components/schemas/{name}"}


def document(version: str = "3.0.3", **schemas: Any) -> Document:
    return Document({"openapi": version, "paths": {}, "components": {"schemas": schemas}}, "x.yaml")


def accepts(document: Document, schema: Any, value: Any, direction: str = "request") -> bool:
    return bool(Validator(document, schema, direction).is_valid(value))


def an_object(*required: str, **properties: Any) -> Node:
    return {"type": "object", "required": list(required), "properties": properties}


# -- schemas ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", ["3.0.3", "3.1.0"])
@pytest.mark.parametrize(
    ("schema", "good", "bad"),
    [
        ({"type": "string", "nullable": True}, [None, "x"], [1]),
        ({"type": ["string", "null"]}, [None, "x"], [1]),
        ({"type": "string", "enum": ["a"], "nullable": True}, [None, "a"], ["b"]),
        ({**ref("T"), "nullable": True}, [None, "x"], [1]),
        ({"type": "integer", "exclusiveMinimum": 3}, [4], [3]),
        ({"type": "integer", "minimum": 3, "exclusiveMinimum": True}, [4], [3]),
        ({"type": "number", "exclusiveMaximum": 3.5}, [3], [3.5]),
    ],
)
def test_what_belongs_to_another_version(version: str, schema: Node, good: list[Any], bad: list[Any]) -> None:
    read = document(version, T=TEXT)
    assert [accepts(read, schema, value) for value in good] == [True] * len(good)
    assert [accepts(read, schema, value) for value in bad] == [False] * len(bad)


CLOSED = {**an_object("a", a=TEXT), "additionalProperties": False}
WHOLES: dict[str, Node] = {
    "closed beside allOf": {"allOf": [ref("A"), ref("B")], "additionalProperties": False},
    "a closed part": {"allOf": [ref("Closed"), ref("B")]},
    "two closed parts": {"allOf": [ref("Closed"), {**an_object("b", b=TEXT), "additionalProperties": False}]},
    "a closed part inside a part": {"allOf": [{"allOf": [ref("Closed")]}, ref("B")]},
    "own properties": {"allOf": [ref("Closed")], **an_object("b", b=TEXT)},
    "unevaluated in a part": {"allOf": [{**an_object("a", a=TEXT), "unevaluatedProperties": False}, ref("B")]},
    "closed beside branches": {**an_object("a", a=TEXT), "additionalProperties": False, "anyOf": [ref("B")]},
    "a closed branch": {**an_object("b", b=TEXT), "oneOf": [ref("Closed")]},
}


@pytest.mark.parametrize("schema", WHOLES.values(), ids=WHOLES)
def test_parts_are_closed_together(schema: Node) -> None:
    read = document(A=an_object("a", a=TEXT), B=an_object("b", b=TEXT), Closed=CLOSED, Whole=schema)
    for whole in (schema, ref("Whole")):
        assert accepts(read, whole, {"a": "1", "b": "2"})
        assert not accepts(read, whole, {"a": "1", "b": "2", "c": "3"})
        assert not accepts(read, whole, {"a": "1"})
    assert not accepts(read, ref("Closed"), {"a": "1", "b": "2"}), "what is used alone stays as strict as it is"
    assert any("components.schemas.Whole: as written" in note for note in read.notes)


def test_overlapping_branches_are_any_of_them_and_noted() -> None:
    both = {"oneOf": [an_object(a=TEXT), an_object(b=TEXT)]}
    apart = {"oneOf": [an_object("k", k={"const": "x"}), an_object("k", k={"const": "y"})]}
    types = {"oneOf": [TEXT, {"type": "array", "items": TEXT}]}
    read = document("3.1.0", Both=both, Apart=apart, Types=types)
    assert accepts(read, both, {"a": "1", "b": "2"})
    assert accepts(read, both, {})
    assert not accepts(read, both, {"a": 1, "b": 2})
    assert not accepts(read, apart, {"k": "z"})
    assert read.notes == (
        "x.yaml: components.schemas.Both: branches 1 and 2 of `oneOf` overlap; it is read as `anyOf`.",
    )


def test_branches_that_exclude_each_other_on_purpose_still_do() -> None:
    schema = {**an_object(a=TEXT, b=TEXT), "oneOf": [{"required": ["a"]}, {"required": ["b"]}]}
    read = document("3.1.0", S=schema)
    assert accepts(read, schema, {"a": "1"})
    assert not accepts(read, schema, {"a": "1", "b": "2"})
    assert not accepts(read, schema, {})
    assert read.notes == ()


def test_read_only_properties_are_not_asked_for_wherever_they_are_required() -> None:
    base = an_object(id={**TEXT, "readOnly": True}, name=TEXT)
    schema = {"allOf": [ref("Base"), {"required": ["id", "name"]}]}
    nested = {"allOf": [{"allOf": [ref("Names")]}, ref("Base")]}
    read = document(Base=base, Names={"required": ["id", "name"]})
    for each in (schema, nested):
        assert accepts(read, each, {"name": "x"})
        assert not accepts(read, each, {})
        assert not accepts(read, each, {"name": "x"}, "response")


@pytest.mark.parametrize(
    ("format", "good", "bad"),
    [
        ("date-time", ["2024-01-01T00:00:00", "2024-01-01T00:00:00Z", "2024-01-01T00:00:00.123456789+00:00",
                       "2024-01-01 00:00:00", "2024-01-01t00:00:00z", "2016-12-31T23:59:60Z", "2024-01-01"],
         ["yesterday", "2024-13-01T00:00:00Z", ""]),
        ("date", ["2024-01-01", "20240101", "2024-01-01T00:00:00Z"], ["2024-02-30", "x"]),
        ("time", ["12:30", "12:30:00Z", "T12:30:00+01:00"], ["25:00", "x"]),
    ],
)  # fmt: skip
def test_requests_may_write_times_as_sdks_do(format: str, good: list[str], bad: list[str]) -> None:
    schema = {**TEXT, "format": format, "pattern": "^only-this$"}
    read = document(S=schema)
    assert [text for text in good if not accepts(read, schema, text)] == []
    assert [text for text in bad if accepts(read, schema, text)] == []
    assert any("components.schemas.S: requests may write" in note for note in read.notes)
    strict = {**TEXT, "format": "date-time"}
    assert not accepts(read, strict, "2024-01-01T00:00:00", "response")


def test_notes_name_the_place() -> None:
    schemas = {"N": an_object(x={"type": "string", "nullable": True}), "E": {"items": {"exclusiveMinimum": True}}}
    assert document("3.1.0", **schemas).notes == (
        "x.yaml: components.schemas.N.x: `nullable` is no keyword since 3.1; it is read as in 3.0.",
        "x.yaml: components.schemas.E.items: a boolean as `exclusiveMinimum` is no 3.1.0; it is read as in 3.0.",
    )
    assert document("3.0.0", E={"exclusiveMinimum": 1, "type": ["string"]}).notes == (
        "x.yaml: components.schemas.E: a list of types is no 3.0; it is read as in 3.1.",
        "x.yaml: components.schemas.E: a number as `exclusiveMinimum` is no 3.0; it is read as in 3.1.",
    )


# -- files --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["x.json", "x.yaml"])
def test_surrogates_in_json(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_text(r'{"a": "\ud83d\ude00", "b": "\ud83d", "c": "\\ud83d \\\ude00!", "d": "\ude00\ud83d"}')
    read = {"a": "😀", "b": "\ufffd", "c": "\\ud83d \\\ufffd!", "d": "\ufffd\ufffd"}
    assert read_tree(path) == read
    path.write_text(r'{"a": "\ud83d\ude00"}')
    assert read_tree(path) == {"a": "😀"}


def jobs(status: Node | None = None) -> Node:
    job = an_object("id", "status", id=TEXT, status=status or {**TEXT, "enum": ["queued", "running", "done", "failed"]})
    content = {"content": {"application/json": {"schema": ref("Job")}}}
    return {
        "openapi": "3.0.3",
        "info": {},
        "paths": {
            "/jobs": {"post": {"requestBody": {"content": {"application/json": {"schema": an_object(p=TEXT)}}},
                               "responses": {"200": content}}},
            "/jobs/{id}": {"get": {"parameters": [{"name": "id", "in": "path", "required": True, "schema": TEXT}],
                                   "responses": {"200": content}}},
        },
        "components": {"schemas": {"Job": job}},
    }  # fmt: skip


def test_notes_of_the_files_survive_the_cache(tmp_path: Path) -> None:
    path = tmp_path / "api.json"
    path.write_text(json.dumps({**jobs(), "info": {"title": "HALF"}}).replace("HALF", "\\ud83d"))
    first = load_provider(str(path)).contract.document
    assert first.root["info"] == {"title": "\ufffd"}
    assert "U+FFFD" in first.notes[0]
    again = load_provider(str(path)).contract.document
    assert (again.root, again.notes) == (first.root, first.notes)


def test_files_that_are_referred_to_are_cached_and_their_changes_seen(tmp_path: Path) -> None:
    root = jobs()
    part = tmp_path / "parts" / "a job.yaml"
    part.parent.mkdir()
    part.write_text(yaml.safe_dump(root["components"]["schemas"].pop("Job")))
    path = tmp_path / "api.yaml"
    path.write_text(json.dumps(root).replace("#/components/schemas/Job", "parts/a%20job.yaml"))
    first = load(str(path))
    assert part in first.files
    assert load(str(path)).key == first.key
    assert load(str(path)).files == first.files
    part.write_text(part.read_text().replace("done", "completed"))
    changed = load(str(path))
    assert changed.key != first.key
    assert "completed" in json.dumps(changed.provider.contract.document.root)


# -- Swagger 2.0 --------------------------------------------------------------------------------------

SWAGGER = """
swagger: '2.0'
info: {title: T, version: '1'}
host: api.example.com
basePath: /v2
consumes: [application/json]
produces: [application/json]
securityDefinitions:
  key: {type: apiKey, name: X-Key, in: header}
  login: {type: basic}
  oauth: {type: oauth2, flow: accessCode, authorizationUrl: 'https://a', tokenUrl: 'https://t', scopes: {x: y}}
security: [{key: []}]
paths:
  /jobs:
    parameters: [{$ref: '#/parameters/Order'}]
    post:
      operationId: make
      responses: {200: {description: ok, schema: {$ref: '#/definitions/Job'}}, 400: {$ref: '#/responses/Bad'}}
  /jobs/{id}:
    get:
      parameters:
        - {$ref: '#/parameters/Id'}
        - {name: tags, in: query, type: array, items: {type: string}, collectionFormat: pipes}
        - {name: odd, in: query, type: array, items: {type: string}, collectionFormat: tsv}
      responses: {200: {description: ok, schema: {$ref: '#/definitions/Job'}, examples: {application/json: {id: j1}}}}
  /uploads:
    post:
      consumes: [multipart/form-data]
      parameters:
        - {name: file, in: formData, type: file, required: true}
        - {name: size, in: formData, type: integer, minimum: 1}
      responses: {201: {description: ok}}
parameters:
  Id: {name: id, in: path, required: true, type: string}
  Order: {name: body, in: body, required: true, schema: {$ref: '#/definitions/Order'}}
responses: {Bad: {description: bad, schema: {$ref: '#/definitions/Error'}}}
definitions:
  Order:
    type: object
    required: [prompt]
    properties: {prompt: {type: string}, note: {type: string, x-nullable: true}}
  Error: {type: object, properties: {message: {type: string}}}
  Animal: {type: object, discriminator: kind, properties: {kind: {type: string}}}
  Job:
    type: object
    required: [id, status]
    properties: {id: {type: string}, status: {type: string, enum: [queued, running, succeeded, failed]}}
unknown: 1
"""


def test_swagger_is_served(tmp_path: Path) -> None:
    path = tmp_path / "swagger.yaml"
    path.write_text(SWAGGER)
    provider = load_provider(str(path))
    read = provider.contract.document
    assert read.base_path == "/v2"
    schemas = read.root["components"]["schemas"]
    assert schemas["Order"]["properties"]["note"] == {"type": "string", "nullable": True}
    assert schemas["Animal"]["discriminator"] == {"propertyName": "kind"}
    assert {name: s["type"] for name, s in read.root["components"]["securitySchemes"].items()} == {
        "key": "apiKey", "login": "http", "oauth": "oauth2"}  # fmt: skip
    tags = next(p for p in read.find("GET /jobs/{id}").parameters if p.name == "tags")  # type: ignore[union-attr]
    assert (tags.style, tags.explode) == ("pipeDelimited", False)
    notes = "\n".join(read.notes)
    assert "this is Swagger 2.0; it is read as OpenAPI 3.0." in notes
    assert "collectionFormat 'tsv' of 'odd'" in notes
    assert "the key 'unknown'" in notes
    assert load_provider(str(path)).contract.document.notes == read.notes  # from the cache
    service = start(provider)
    made = service.post("/v2/jobs", json={"prompt": "x", "note": None})
    assert made.status_code == 200, made.text
    assert service.get(f"/v2/jobs/{made.json()['id']}", params={"tags": "a|b"}).json()["status"] == "queued"
    assert service.post("/v2/jobs", json={}).status_code == 400
    assert (
        service.post("/v2/uploads", files={"file": ("a.png", b"x", "image/png"), "size": (None, "2")}).status_code
        == 201
    )
    assert service.post("/v2/uploads", files={"size": (None, "0")}).status_code == 400


@pytest.mark.parametrize(
    "text", ["", "paths: 5\n", "paths: {/a: {get: 1}}\n", "paths: {/a: {get: {parameters: [1], responses: [2]}}}\n"]
)
def test_broken_swagger_is_refused(tmp_path: Path, text: str) -> None:
    from mockserver.errors import DocumentError

    path = tmp_path / "swagger.yaml"
    path.write_text(f"swagger: '2.0'\n{text}")
    with pytest.raises(DocumentError, match=r"swagger\.yaml"):
        load_provider(str(path))


# -- what can never be valid --------------------------------------------------------------------------

IMPOSSIBLE = {
    "bounds that cross": ({"type": "integer", "minimum": 5, "maximum": 3}, "minimum is 5, maximum is 3"),
    "lengths that cross": ({"type": "string", "minLength": 5, "maxLength": 3}, "minLength is 5"),
    "words of another type": ({"type": "integer", "enum": ["a"]}, "none of which is of the type integer"),
    "no word at all": ({"enum": []}, "empty"),
    "a forbidden property": (
        {"type": "object", "required": ["x"], "properties": {"y": TEXT}, "additionalProperties": False},
        "'x' is required"),
    "nothing": ({"not": {}}, "nothing is allowed"),
    "no branch": ({"anyOf": [{"type": "integer", "minimum": 5, "maximum": 3}]}, "no branch of anyOf"),
}  # fmt: skip


@pytest.mark.parametrize(("schema", "words"), IMPOSSIBLE.values(), ids=IMPOSSIBLE)
def test_a_schema_that_nothing_satisfies_is_found_at_start(tmp_path: Path, schema: Node, words: str) -> None:
    root = jobs()
    root["paths"]["/jobs"]["post"]["requestBody"]["content"]["application/json"]["schema"] = an_object("p", p=schema)
    path = tmp_path / "api.json"
    path.write_text(json.dumps(root))
    for _ in range(2):  # the second time from the cache
        loaded = load(str(path))
        assert loaded.problems is not None
        assert [problem.fatal for problem in loaded.problems] == [False]
        text = loaded.problems[0].text
        assert text.startswith("POST /jobs: a body of application/json can never be valid: p: ")
        assert words in text


def test_good_schemas_are_not_found_fault_with(tmp_path: Path) -> None:
    path = tmp_path / "api.json"
    path.write_text(json.dumps(jobs()))
    assert load(str(path)).problems == ()
