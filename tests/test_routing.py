"""Which operation a path means, with values that hold slashes and paths in other styles than OpenAPI's."""

from typing import Any
from urllib.parse import quote

import pytest

from mockserver.engine.routing import Router
from mockserver.openapi.document import Document, plain_path


def document(paths: dict[str, Any], **more: Any) -> Document:
    return Document({"openapi": "3.1.0", "paths": paths, **more}, "x.yaml")


def reading(*parameters: dict[str, Any]) -> dict[str, Any]:
    return {"get": {"parameters": list(parameters), "responses": {}}}


def in_path(name: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "in": "path", "required": True, "schema": {"type": "string"}, **more}


def found(document: Document, path: str, method: str = "GET") -> tuple[str, dict[str, str]] | None:
    """The path of the operation that is found, as it is read, and the parameters."""
    match = Router(document.operations, "/base").find(path)
    if match is None or method not in match[0]:
        return None
    route = match[0][method]
    return route.operation.path, dict(zip(route.names, match[1], strict=True))


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("/a/{id}", "/a/{id}"), ("/a/<id>/b", "/a/{id}/b"), ("/a/<int:id>", "/a/{id}"), ("/a/:id", "/a/{id}"),
        ("/a/:id/b/:n", "/a/{id}/b/{n}"), ("/a:go", "/a:go"), ("/a/{id}:go", "/a/{id}:go"),
        ("/v1/{+name}", "/v1/{name}"),
        ("/v1/{name=jobs/*}:cancel", "/v1/{name}:cancel"), ("/v1/{name=**}", "/v1/{name}"),
        ("/files/{path*}", "/files/{path}"),
    ],
)  # fmt: skip
def test_paths_in_other_styles(written: str, read: str) -> None:
    path = plain_path(written)
    assert path.text == read
    assert path.changed is (written != read)


def test_a_changed_path_and_a_parameter_that_is_not_declared_are_noted() -> None:
    read = document({"/a/<id>": reading(), "/b/{n}": reading(in_path("m"))})
    assert found(read, "/a/1") == ("/a/{id}", {"id": "1"})
    assert [p.name for o in read.operations for p in o.parameters] == ["id", "n"]
    notes = "\n".join(read.notes)
    assert "x.yaml: paths./a/<id> is read as /a/{id}." in notes
    assert "{id} is not declared" in notes
    assert "the path has no {m}" in notes


def test_literals_then_one_segment_then_several() -> None:
    read = document(
        {
            "/v1/{name=**}": reading(),
            "/v1/{id}": reading(in_path("id")),
            "/v1/jobs/{id}": reading(in_path("id")),
            "/v1/operations/{rest}": reading(in_path("rest", allowReserved=True)),
        }
    )
    assert found(read, "/v1/x") == ("/v1/{id}", {"id": "x"})
    assert found(read, "/v1/jobs/x") == ("/v1/jobs/{id}", {"id": "x"})
    assert found(read, "/v1/jobs/x/y") == ("/v1/{name}", {"name": "jobs/x/y"})
    assert found(read, "/base/v1/operations/a/b") == ("/v1/operations/{rest}", {"rest": "a/b"})
    assert found(read, "/v1/operations%2Fa") == ("/v1/{id}", {"id": "operations/a"})
    assert found(read, "/v2/x") is None
    assert found(read, "/v1/" + "x/" * 3000) is None


def test_verbs_after_values_with_slashes() -> None:
    read = document(
        {
            "/v1/{name=operations/**}": reading(),
            "/v1/{name=projects/*/operations/*}": reading(),
            "/v1/{name=projects/*/operations/*}:cancel": {"post": {"responses": {}}},
            "/v1/{name}:wait": {"post": {"parameters": [in_path("name", schema={"pattern": "^jobs/[^/]+$"})]}},
        }
    )
    assert found(read, "/v1/operations/a/b") == ("/v1/{name}", {"name": "operations/a/b"})
    assert found(read, "/v1/projects/p/operations/o") == ("/v1/{name}", {"name": "projects/p/operations/o"})
    assert found(read, "/v1/projects/p/operations/o:cancel", "POST") == (
        "/v1/{name}:cancel", {"name": "projects/p/operations/o"})  # fmt: skip
    assert found(read, "/v1/jobs/1:wait", "POST") == ("/v1/{name}:wait", {"name": "jobs/1"})
    assert found(read, "/v1/other/a/b") is None


@pytest.mark.parametrize(
    ("parameter", "is_wide"),
    [
        ({"schema": {"type": "string", "pattern": "^operations/.+$"}}, True),
        ({"schema": {"type": "string", "example": "operations/abc"}}, True),
        ({"example": "operations/abc"}, True),
        ({"allowReserved": True}, True),
        ({"example": "https://example.com/x"}, False),
        ({"schema": {"type": "string", "pattern": "^[^/]+$"}}, False),
        ({}, False),
    ],
)
def test_what_shows_that_a_value_holds_slashes(parameter: dict[str, Any], is_wide: bool) -> None:
    read = document({"/v1/{name}": reading(in_path("name", **parameter))})
    assert (found(read, "/v1/operations/abc") is not None) is is_wide
    assert found(read, "/v1/abc") == ("/v1/{name}", {"name": "abc"})


def test_a_pattern_of_the_whole_path_is_not_applied_to_one_segment() -> None:
    parameter = in_path("jobsId", schema={"type": "string", "pattern": "^jobs/[^/]+$"})
    read = document({"/jobs/{jobsId}:cancel": {"post": {"parameters": [parameter], "responses": {}}}})
    assert found(read, "/jobs/a:cancel", "POST") == ("/jobs/{jobsId}:cancel", {"jobsId": "a"})
    assert "pattern" not in read.operations[0].parameters[0].schema
    assert any("says jobs/ again" in note for note in read.notes)


def test_what_is_new_in_3_2() -> None:
    item = {
        "query": {"responses": {"200": {"content": {"text/event-stream": {"itemSchema": {"type": "object"}}}}}},
        "additionalOperations": {"COPY": {"responses": {}}},
    }
    read = document({"/a": item}, openapi="3.2.0")
    assert [o.name for o in read.operations] == ["QUERY /a", "COPY /a"]
    assert read.operations[0].answers[0].content["text/event-stream"]["schema"] == {"type": "object"}
    assert any("stream" in note for note in read.notes)


def test_paths_that_are_read_as_the_same_are_told_apart() -> None:
    read = document({"/v1/{name=jobs/*}": reading(), "/v1/{name=files/*}": reading()})
    assert [o.name for o in read.operations] == ["GET /v1/{name}", "GET /v1/{name=files/*}"]
    routes = Router(read.operations, "")
    assert [routes.find(path)[0]["GET"].operation for path in ("/v1/jobs/1", "/v1/files/1")] == read.operations  # type: ignore[index]


@pytest.mark.parametrize("name", ["My Job", "a/b", "a~b", "100%", "a%20b", "ä", "a b%2Fc"])
def test_references_with_spaces_and_escapes(name: str) -> None:
    read = document({}, components={"schemas": {name: {"type": "string"}}})
    pointer = name.replace("~", "~0").replace("/", "~1")
    encoded = quote(pointer, safe="~")
    for written in (pointer, encoded):
        assert read.resolve({"$ref": f"#/components/schemas/{written}"}) == {"type": "string"}
