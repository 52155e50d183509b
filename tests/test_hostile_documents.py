"""Documents of any shape: one message that names the file and what is wrong, or a server that never answers with a 5xx.

A small good document is broken in every way that came to mind; what is still accepted is served, and all of its
operations are called.
"""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from pathlib import Path
from time import perf_counter
from typing import Any

import pytest
import yaml
from click.testing import CliRunner
from in_process import run, start

from mockserver.cli import main
from mockserver.errors import MockserverError
from mockserver.loading.files import MAX_FILE_BYTES
from mockserver.loading.providers import load, load_provider
from mockserver.web import server as web_server

ROOT = Path(__file__).parent.parent
Node = dict[str, Any]
Change = Callable[[Node], Any]

GOOD: Node = {
    "openapi": "3.1.0",
    "info": {"title": "Jobs", "version": "1"},
    "servers": [{"url": "https://{region}.example.com/v1", "variables": {"region": {"default": "eu"}}}],
    "security": [{"key": []}],
    "paths": {
        "/jobs": {
            "post": {
                "operationId": "createJob",
                "requestBody": {
                    "required": True,
                    "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Order"}}},
                },
                "responses": {
                    "200": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Job"}}}},
                    "400": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}},
                },
            },
            "get": {
                "parameters": [
                    {"name": "limit", "in": "query", "schema": {"type": "integer", "minimum": 1}},
                    {"name": "after", "in": "query", "schema": {"type": "string"}},
                ],
                "responses": {
                    "200": {
                        "content": {
                            "application/json": {
                                "schema": {
                                    "type": "object",
                                    "properties": {
                                        "data": {"type": "array", "items": {"$ref": "#/components/schemas/Job"}}
                                    },
                                }
                            }
                        }
                    }
                },
            },
        },
        "/jobs/{id}": {
            "get": {
                "operationId": "getJob",
                "parameters": [{"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}],
                "responses": {
                    "200": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Job"}}}},
                    "404": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}},
                },
            }
        },
        "/other": {"get": {"responses": {"200": {"content": {"application/json": {"schema": {"type": "object"}}}}}}},
    },
    "components": {
        "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
        "schemas": {
            "Order": {
                "type": "object",
                "required": ["prompt"],
                "properties": {"prompt": {"type": "string"}, "n": {"type": ["integer", "string"]}},
            },
            "Job": {
                "type": "object",
                "required": ["id", "status"],
                "properties": {
                    "id": {"type": "string"},
                    "status": {"type": "string", "enum": ["queued", "running", "succeeded", "failed"]},
                    "created_at": {"type": "integer"},
                    "n": {"type": "integer"},
                    "url": {"type": "string"},
                },
            },
            "Error": {"type": "object", "properties": {"error": {"properties": {"message": {"type": "string"}}}}},
        },
    },
}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder is the test's own, and so is the cache: every document is read anew."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(autouse=True)
def failures(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """What failed inside the application; nothing may."""
    found: list[str] = []
    monkeypatch.setattr(web_server, "report_error", lambda error, request: found.append(f"{request.path}: {error!r}"))
    yield found
    assert not found


def broken(change: Change) -> Node:
    """The good document, changed."""
    root = deepcopy(GOOD)
    change(root)
    return root


def put(value: Any, *way: str | int) -> Change:
    """A change that puts a value at a place."""

    def change(root: Any) -> None:
        for token in way[:-1]:
            root = root[token]
        root[way[-1]] = value

    return change


def reason(content: Node | str | bytes, *overlays: Any, name: str = "api.json") -> str:
    """Why a document is refused; '' if it is served, in which case all of its operations have been called."""
    raw = json.dumps(content) if isinstance(content, dict) else content
    Path(name).write_bytes(raw if isinstance(raw, bytes) else raw.encode())
    for number, overlay in enumerate(overlays):
        text = overlay if isinstance(overlay, bytes) else json.dumps(overlay).encode()
        Path(f"overlay-{number}.yaml").write_bytes(text)
    began = perf_counter()
    told = ""
    try:
        loaded = load(name, tuple(f"overlay-{n}.yaml" for n in range(len(overlays))))
        told = "".join(f"{Path(name).parent.resolve().name}/{name}: {p.text}" for p in (loaded.problems or ())[:1])
        if not any("cannot be served" in p.text for p in loaded.problems or ()):
            call_everything(loaded.provider)
    except MockserverError as error:
        told = str(error)
    assert perf_counter() - began < 10  # it takes some milliseconds
    if told:
        assert re.match(r"([\w-]+/)?(api|overlay|broken)[\w-]*\.(json|yaml)\b", told), f"no file: {told}"
        assert 20 < len(told) < 1500
    return told


def call_everything(provider: Any) -> None:
    """Call all operations with and without what they ask for, before and after the jobs are done."""
    service = start(provider, key="")
    service.client.headers = {"authorization": "Bearer sk-0123456789", "x-key": "sk-0123456789"}
    ids = ["nobody"]
    for _ in range(2):
        for operation in provider.contract.document.operations[:10]:
            for id in ids[:2]:
                path = re.sub(r"\{[^}]*\}|[^!-~]", lambda _: id, operation.path)  # noqa: B023
                arguments: list[Node] = [{}]
                if operation.method == "POST":
                    arguments += [{"json": {"prompt": "x", "n": "1e999", "extra": 1}}, {"json": []}]
                else:
                    arguments += [{"params": {"limit": "1", "after": id, "n": "x"}}]
                for each in arguments:
                    answer = run(service.client.request(operation.method, path, **each))
                    assert answer.status_code < 500, f"{operation.name}: {answer.status_code} {answer.text[:300]}"
                    assert all(re.fullmatch(rb"[\t -~]*", value) for _, value in answer.headers.raw)
                    found = re.search(r'"id":"([\w-]+)"', answer.text) if operation.method == "POST" else None
                    ids = [found[1], *ids] if found else ids
        service.clock.advance(100_000)


# -- files --------------------------------------------------------------------------------------------

YAML = yaml.safe_dump(GOOD, sort_keys=False)
FILES: dict[str, tuple[str | bytes, str]] = {
    "nothing": ("", "the file is empty"),
    "white space": (" \n\n", "the file is empty"),
    "a comment": ("# x\n", "the file holds nothing"),
    "a word": ("hello", "the file holds text"),
    "a list": ("- 1\n", "the file holds a list"),
    "two documents": ("a: 1\n---\nb: 1\n", "line 2, column 1: expected a single document"),
    "a picture": (b"\x89PNG\r\n\x1a\n" + bytes(range(256)), "unacceptable character"),
    "zeros": (b"\0" * 1000, "unacceptable character"),
    "gzip": (b"\x1f\x8b\x08" + b"\0" * 100, "unacceptable character"),
    "Latin-1": ("a: é".encode("latin-1"), "broken YAML"),
    "UTF-32": ("a: 1".encode("utf-32"), "broken YAML"),
    "a tab": ("paths:\n\t/a: 1\n", "line 2, column 1"),
    "two keys alike": ("a: 1\na: 2\n", "line 2, column 1: the key 'a' stands here twice"),
    "a text without an end": ('a: "x\n', "line 2"),
    "a control character": ("a: \x01\n", "control characters are not allowed"),
    "a list as a key": ("? [a]\n: 1\n", "a key is not plain text"),
    "an alias of nothing": ("a: *b\n", "undefined alias"),
    "one anchor twice": ("a: &x 1\nb: &x 2\n", "line 2, column 4: found duplicate anchor"),
    "another version of YAML": ("%YAML 9.9\n---\na: 1\n", "incompatible YAML"),
    "numbers as keys": ("1: 2\ntrue: 3\n", "no `openapi` field"),
    "Swagger": ("swagger: '1.2'\n", "this is Swagger 1.2"),
    "a version to come": ("openapi: 4.0.0\n", "`openapi` is '4.0.0'"),
    "a version of its own": ("openapi: 3.0abc\n", "`openapi` is '3.0abc'"),
    "a version in a list": ("openapi: [3.0.0]\n", "`openapi` is"),
    "too much": (b"#" * (MAX_FILE_BYTES + 1), f"more than {MAX_FILE_BYTES} bytes"),
    "an object of Python": ("a: !!python/object/apply:os.system [id]\n", "could not determine a constructor"),
    "a tag of its own": ("a: !secret x\n", "could not determine a constructor"),
    "bytes": ("a: !!binary aGk=\n", "could not determine a constructor"),
    "a date": ("a: !!timestamp nope\n", "could not determine a constructor"),
    "a set": ("a: !!set {x}\n", "could not determine a constructor"),
    "no whole number": ("a: !!int nope\n", "does not fit its tag"),
    "no number": ("a: !!float .nan\n", "does not fit its tag"),
    "no boolean": ("a: !!bool nope\n", "does not fit its tag"),
    "no map": ("a: !!map x\n", "does not fit its tag"),
    "no list": ("a: !!seq {b: c}\n", "expected a sequence node"),
    "a merge of a text": ("a: {<<: x}\n", "expected a mapping or list of mappings for merging"),
}


@pytest.mark.parametrize(("content", "words"), FILES.values(), ids=FILES)
def test_files_that_hold_no_document(content: str | bytes, words: str) -> None:
    assert words in reason(content, name="api.yaml")


@pytest.mark.parametrize(
    ("content", "words"),
    [('{"openapi": "3.1.0",}', "trailing comma"), ('{"openapi": "3.1.0" /**/}', "column 21"), ('{"a', "unexpected end"),
     ('{"a": NaN}', "broken JSON"), ("[" * 100_000, "depth limit"),
     ("[" * 500 + "]" * 500, "nested too deeply"), ('{"a":' * 100_000 + "1" + "}" * 100_000, "depth limit")],
)  # fmt: skip
def test_broken_json(content: str, words: str) -> None:
    assert words in reason(content)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_documents_in_other_unicode_are_read(encoding: str) -> None:
    assert reason(json.dumps(GOOD).encode(encoding), name="api.yaml") == ""


@pytest.mark.parametrize("value", ["9" * 5000, "-" + "9" * 30, "1e999", ".inf", "0o17", "2026-01-01", "12:30:45", "~"])
def test_values_that_yaml_reads_in_many_ways_are_answered(value: str) -> None:
    text = re.sub(r"( +)application/json:\n", rf"\g<0>\1  example: {{a: {value}}}\n", YAML)
    assert text.count("example: {a: ") > 3
    assert reason(f"{text}x-value: {value}\n", name="api.yaml") == ""


DEEP = {
    "lists": "[" * 200_000,
    "lists that close": "a: " + "[" * 200_000 + "]" * 200_000,
    "maps": "{a: " * 200_000,
    "dashes": "- " * 200_000 + "x",
    "keys": "? " * 200_000,
}


@pytest.mark.parametrize("content", DEEP.values(), ids=DEEP)
def test_yaml_without_a_floor_ends_no_process(content: str) -> None:
    """In a process of its own: this once overflowed the stack of the parser, which is written in C."""
    Path("api.yaml").write_text(content)
    told = subprocess.run(command("inspect", "api.yaml"), capture_output=True, text=True, timeout=60, check=False)
    assert (told.returncode, told.stdout) == (2, "")
    assert "nested more than 200 levels deep" in told.stderr


def command(*arguments: str) -> list[str]:
    """The command line, from any folder."""
    program = f"import sys; sys.path.insert(0, {str(ROOT)!r}); from mockserver.cli import main; main()"
    return [sys.executable, "-c", program, *arguments]


def tenfold(first: str, following: str) -> str:
    """Lines with an anchor each; where the following say PREVIOUS, ten aliases of the line before stand."""
    lines = [f"x-0: &a0 {first}\n"]
    for n in range(1, 12):
        lines.append(f"x-{n}: &a{n} {following.replace('PREVIOUS', ', '.join([f'*a{n - 1}'] * 10))}\n")
    return "".join(lines)


BOMBS = {
    "aliases of aliases": tenfold("[x]", "[PREVIOUS]"),
    "merges of merges": tenfold("{k: 1}", "{<<: [PREVIOUS]}"),
    "a long text again and again": f"x: &a {'y' * 1_000_000}\nxs: [{', '.join(['*a'] * 1000)}]\n",
    "a middling text, squared": (
        f"x: &a {'y' * 50_000}\nxs: &b [{', '.join(['*a'] * 300)}]\nxss: [{', '.join(['*b'] * 300)}]\n"
    ),
}


@pytest.mark.parametrize("content", BOMBS.values(), ids=BOMBS)
def test_aliases_that_explode(content: str) -> None:
    assert "its YAML aliases stand for more than" in reason(content + YAML, name="api.yaml")


@pytest.mark.parametrize("content", ["a: &a [*a]\n", "a: &a {b: *a}\n", "a: &a {b: &b {c: *a}}\n", "a: &a {<<: *a}\n"])
def test_aliases_that_hold_themselves(content: str) -> None:
    assert "line 1 contains itself" in reason(content, name="api.yaml")


def test_a_change_of_what_has_an_alias_is_no_change_of_its_twin() -> None:
    """The first start and the next one, which reads the cache, must see the same."""
    text = "x-one: &a {description: d, x: 1}\nx-two: *a\n" + "\n".join(
        f"{key}: {json.dumps(value)}" for key, value in GOOD.items()
    )
    actions = [{"target": "$.x-one", "update": {"y": 2}}, {"target": "$..description", "remove": True}]
    overlay = {"overlay": "1.0.0", "info": {}, "actions": actions}
    for _ in range(2):
        assert reason(text, overlay, name="api.yaml") == ""
        root = load_provider("api.yaml", ("overlay-0.yaml",)).contract.document.root
        assert (root["x-one"], root["x-two"]) == ({"x": 1, "y": 2}, {"x": 1})


# -- references ---------------------------------------------------------------------------------------


def extra(schema: Any) -> Change:
    """A change that uses a schema in a job, in the request and the refusals, and alone."""

    def change(root: Node) -> None:
        schemas = root["components"]["schemas"]
        schemas["X"] = schema
        for name in ("Job", "Order", "Error"):
            schemas[name]["properties"]["extra"] = {"$ref": "#/components/schemas/X"}
        schemas["Job"]["required"].append("extra")
        root["paths"]["/jobs"]["get"]["parameters"].append({"name": "n", "in": "query", "schema": schema})
        put(schema, "paths", "/other", "get", "responses", "200", "content", "application/json", "schema")(root)

    return change


REFERENCES = {
    "https://example.com/x.json": "is remote; nothing is fetched",
    "file:///etc/passwd": "is remote; nothing is fetched",
    "//host/x.yaml": "is remote; nothing is fetched",
    "/etc/passwd": "leads out of the document's folder",
    "../outside.yaml": "leads out of the document's folder",
    "%2e%2e/outside.yaml": "leads out of the document's folder",
    "inside/../../outside.yaml": "leads out of the document's folder",
    "link.yaml": "leads out of the document's folder",
    "inside/link/passwd": "leads out of the document's folder",
    "circle.yaml": "no usable file name",
    "dangling.yaml": "there is no such file",
    "pipe": "there is no such file",
    "inside": "there is no such file",
    "nobody.yaml": "there is no such file",
    "x\0.yaml": "no usable file name",
    "x" * 5000: "no usable file name",
    "text.yaml": "a schema is 'hello', expected a map",
    "broken.yaml": "broken.yaml: broken YAML at line",
    "one.yaml": "leads back to itself",
    "part.yaml#/Nobody": "points to nothing",
    "#/components/schemas/Nobody": "points to nothing",
    "#/components/schemas/~2": "points to nothing",
    "#/components/schemas/%ZZ": "points to nothing",
    "#/servers/9": "points to nothing",
    "#/servers/²": "points to nothing",
    "#/openapi/x": "points to nothing",
    "#/components/schemas/X": "",
}


@pytest.mark.parametrize(("ref", "words"), REFERENCES.items(), ids=[ref[:30] for ref in REFERENCES])
def test_references_that_cannot_be_followed(folder: Path, ref: str, words: str) -> None:
    (folder.parent / "outside.yaml").write_text("type: string\n")
    Path("inside").mkdir()
    os.symlink("/etc", "inside/link")
    os.symlink("/etc/passwd", "link.yaml")
    os.symlink("circle.yaml", "circle.yaml")
    os.symlink("nobody.yaml", "dangling.yaml")
    os.mkfifo("pipe")
    Path("text.yaml").write_text("hello")
    Path("broken.yaml").write_text("a: [")
    Path("part.yaml").write_text("a: {type: string}")
    Path("one.yaml").write_text("$ref: two.yaml")
    Path("two.yaml").write_text("$ref: one.yaml")
    told = reason(broken(extra({"$ref": ref})))
    assert words in told
    assert told


def test_references_between_files_of_the_folder_are_followed() -> None:
    Path("parts").mkdir()
    Path("parts/a b.yaml").write_text(
        "X: {properties: {y: {$ref: '#/Y'}, z: {$ref: 'c.yaml'}}}\nY: &y {type: string}\nZ: *y"
    )
    Path("parts/c.yaml").write_text("{$ref: '../api.json#/components/schemas/Error'}")
    for ref in ("parts/a%20b.yaml#/X", "parts/a b.yaml#/Z", "api.json#/components/schemas/Error", "./parts/c.yaml"):
        assert reason(broken(extra({"$ref": ref}))) == ""


CIRCLES: dict[str, Change] = {
    "path": put({"$ref": "#/paths/~1jobs"}, "paths", "/jobs"),
    "paths": lambda root: root["paths"].update({"/a": {"$ref": "#/paths/~1b"}, "/b": {"$ref": "#/paths/~1a"}}),
    "body": put({"$ref": "#/paths/~1jobs/post/requestBody"}, "paths", "/jobs", "post", "requestBody"),
    "parameter": put({"$ref": "#/paths/~1jobs/get/parameters/0"}, "paths", "/jobs", "get", "parameters", 0),
    "answer": put({"$ref": "#/paths/~1jobs/get/responses/200"}, "paths", "/jobs", "get", "responses", "200"),
    "scheme": put({"$ref": "#/components/securitySchemes/key"}, "components", "securitySchemes", "key"),
}


@pytest.mark.parametrize("change", CIRCLES.values(), ids=CIRCLES)
def test_references_in_a_circle(change: Change) -> None:
    assert "leads back to itself" in reason(broken(change))


# -- every part, of another shape -----------------------------------------------------------------------


def places(node: Any, way: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Every place of a document but its root."""
    inner = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, value in inner:
        yield (*way, key)
        yield from places(value, (*way, key))


PLACES = list(places(GOOD))


@pytest.mark.parametrize("value", [None, True, -1, "x", [1], {"a": 1}, {"$ref": "#/nope"}, {"$ref": 5}], ids=json.dumps)
def test_every_part_replaced_by_something_else_is_served_or_refused(value: Any) -> None:
    verdicts = {way: reason(broken(put(value, *way))) for way in PLACES}
    assert any(verdicts.values())


def test_every_part_left_out_is_served_or_refused() -> None:
    def without(way: tuple[str | int, ...]) -> Change:
        def change(root: Any) -> None:
            for token in way[:-1]:
                root = root[token]
            del root[way[-1]]

        return change

    verdicts = {way: reason(broken(without(way))) for way in PLACES}
    assert "no `openapi` field" in verdicts["openapi",]
    assert verdicts["info",] == ""


# -- schemas --------------------------------------------------------------------------------------------

SELF = {"$ref": "#/components/schemas/X"}
WORKING: Mapping[str, Any] = {
    "required twice": {"required": ["a", "a"]},
    "anything": {},
    "true": True,
    "a text that holds itself": {"type": "object", "properties": {"x": SELF}},
    "a hundred that may hold themselves": {"type": "object", "properties": {f"x{n}": SELF for n in range(100)}},
    "a list of itself": {"type": "array", "items": SELF},
    "a map of itself": {"type": "object", "additionalProperties": SELF},
    "a very large number": {"type": "integer", "minimum": 1e308},
    "nothing but null": {"oneOf": [{"type": "null"}]},
    "null": {"const": None},
    "a pattern that is none": {"type": "string", "pattern": "("},
    "a pattern beyond all limits": {"type": "string", "pattern": "(((a{1000}){1000}){1000})"},
    "a slow pattern": {"type": "string", "pattern": "^(a+)+$"},
    "a slow pattern that looks ahead": {"type": "string", "pattern": "^(?=a)(a+)+$"},
    "an example of another type": {"type": "integer", "example": {"a": [1]}},
    "a default of another type": {"type": "integer", "default": "x"},
    "a required field that is not there": {"type": "object", "required": ["nobody"]},
    "a field named $ref": {"type": "object", "properties": {"$ref": {"type": "string"}}},
    "examples in a map": {"type": "string", "examples": {"a": 1}},
    "a schema of its own": {"$id": "http://x/", "$schema": "http://nowhere/", "$anchor": "a b", "discriminator": 5},
}  # fmt: skip
UNSATISFIABLE: Mapping[str, Any] = {
    "one that must hold itself": {"type": "object", "required": ["x"], "properties": {"x": SELF}},
    "ten that must hold themselves": {
        "required": [f"x{n}" for n in range(10)],
        "properties": dict.fromkeys([f"x{n}" for n in range(10)], SELF),
    },
    "a list of a hundred of itself": {"type": "array", "minItems": 100, "items": SELF},
    "a very long text": {"type": "string", "minLength": 10**12},
    "a very long list": {"type": "array", "minItems": 10**12, "items": {"type": "string"}},
    "a number between nothing": {"type": "integer", "minimum": 10, "maximum": 1},
    "a text and a number": {"allOf": [{"type": "string"}, {"type": "integer"}]},
    "no value": {"type": "object", "properties": {"a": False}, "required": ["a"]},
}
REFUSED: Mapping[str, Any] = {
    "a text": "x",
    "a number": 5,
    "a list": [1],
    "itself": SELF,
    "all of itself": {"allOf": [SELF]},
    "one of itself": {"oneOf": [SELF, {"type": "string"}]},
    "a type that is none": {"type": "file"},
    "a type that is a number": {"type": 5},
    "a type that is nothing": {"type": None},
    "a pattern that is a number": {"type": "string", "pattern": 5},
    "a negative length": {"type": "string", "minLength": -1},
    "a length in words": {"type": "string", "minLength": "5"},
    "a bound in words": {"type": "integer", "maximum": "9"},
    "multiples of nothing": {"type": "integer", "multipleOf": 0},
    "an enumeration that is a text": {"enum": "x"},
    "required numbers": {"required": [1]},
    "properties that are none": {"properties": {"a": 5}},
    "items that are a text": {"type": "array", "items": "x"},
    "additional properties that are a text": {"additionalProperties": "x"},
    "all of nothing": {"allOf": []},
    "one of a text": {"oneOf": ["x"]},
    "a format that is a number": {"type": "string", "format": 5},
    "half a condition": {"if": 5},
}


@pytest.mark.parametrize("version", ["3.0.3", "3.1.0"])
@pytest.mark.parametrize("schema", WORKING.values(), ids=WORKING)
def test_strange_schemas_are_served(schema: Any, version: str) -> None:
    root = broken(extra(schema))
    root["openapi"] = version
    assert reason(root) == ""


@pytest.mark.parametrize("version", ["3.0.3", "3.1.0"])
@pytest.mark.parametrize("schema", UNSATISFIABLE.values(), ids=UNSATISFIABLE)
def test_schemas_without_a_value_are_said_at_the_start(schema: Any, version: str) -> None:
    root = broken(extra(schema))
    root["openapi"] = version
    assert re.search(
        r"(GET|POST) /(jobs|other).* (no value is found that its schema allows|can never be valid)", reason(root)
    )


@pytest.mark.parametrize("schema", REFUSED.values(), ids=REFUSED)
def test_schemas_that_are_none_are_refused_with_the_operation(schema: Any) -> None:
    assert re.search(r"(GET|POST) /(jobs|other)|paths\./jobs\.get|leads back to itself", reason(broken(extra(schema))))


def chain(link: Callable[[Node], Node], length: int, end: Any) -> Change:
    """A change that adds schemas, each made from a reference to the next."""

    def change(root: Node) -> None:
        refs = [{"$ref": f"#/components/schemas/A{n}"} for n in range(length + 1)]
        extra(refs[0])(root)
        schemas = {f"A{n}": link(refs[n + 1]) for n in range(length)}
        root["components"]["schemas"].update({**schemas, f"A{length}": end})

    return change


CHAINS = {
    "all of three, twenty times": chain(lambda ref: {"allOf": [ref] * 3}, 20, {"type": "object"}),
    "one of three, twenty times": chain(lambda ref: {"oneOf": [ref] * 3}, 20, {"type": "object"}),
    "any of two, sixty times": chain(lambda ref: {"anyOf": [ref] * 2}, 60, {"type": "integer"}),
    "any of two below a field": chain(
        lambda ref: {"type": "object", "properties": {"x": {"anyOf": [ref] * 2}}}, 60, {"type": "integer"}
    ),
    "five fields, twelve times": chain(
        lambda ref: {"type": "object", "required": list("abcde"), "properties": dict.fromkeys("abcde", ref)}, 12, {}
    ),
    "a hundred items, six times": chain(lambda ref: {"type": "array", "minItems": 100, "items": ref}, 6, {}),
    "references, forty times": chain(lambda ref: ref, 40, {"type": "object"}),
    "references, twenty times": chain(lambda ref: ref, 20, {"type": "object"}),
    "fields, two hundred times": chain(lambda ref: {"type": "object", "properties": {"x": ref}}, 200, {}),
}


@pytest.mark.parametrize("change", CHAINS.values(), ids=CHAINS)
def test_few_schemas_that_mean_billions_cost_little(change: Change) -> None:
    began = perf_counter()
    reason(broken(change))
    assert perf_counter() - began < 4  # without a limit the shortest takes minutes


# -- operations -----------------------------------------------------------------------------------------


def parameter(**fields: Any) -> Change:
    return put({"name": "x", "in": "query", **fields}, "paths", "/jobs", "get", "parameters", 0)


def moved(path: str) -> Change:
    """The operation that reads a job, on another path as well."""
    return lambda root: root["paths"].update({path: deepcopy(root["paths"]["/jobs/{id}"])})


def answering(status: str) -> Change:
    def change(root: Node) -> None:
        for path in ("/jobs", "/jobs/{id}", "/other"):
            for operation in root["paths"][path].values():
                operation["responses"][status] = operation["responses"].pop("200")

    return change


def downloading(media_type: str) -> Change:
    content = {media_type: {"schema": {"type": "string", "format": "binary"}}}
    ids = GOOD["paths"]["/jobs/{id}"]["get"]["parameters"]
    operation = {"get": {"parameters": ids, "responses": {"200": {"content": content}}}}
    return lambda root: root["paths"].update({"/jobs/{id}/content": operation})


OPERATIONS: dict[str, tuple[Change, str]] = {
    "a parameter without a name": (parameter(name=None), ""),
    "a parameter from nowhere": (parameter(**{"in": "nowhere", "required": True}), ""),
    "a parameter without a schema": (parameter(name="limit"), ""),
    "a parameter in JSON": (parameter(name="limit", content={"application/json": {"schema": {"type": "integer"}}}), ""),
    "a limit that is a text": (parameter(name="limit", schema={"type": "string"}), ""),
    "a limit that is a list": (parameter(name="limit", schema={"type": "array"}), ""),
    "a limit with a default in words": (parameter(name="limit", schema={"type": "integer", "default": "ten"}), ""),
    "a limit with a negative default": (parameter(name="limit", schema={"type": "integer", "default": -3}), ""),
    "a cursor that is a number": (parameter(name="after", schema={"type": "integer"}), ""),
    "a cursor that is a list": (parameter(name="after", schema={"type": "array"}), ""),
    "a cursor that is an object": (parameter(name="after", style="deepObject", schema={"type": "object"}), ""),
    "a header beyond Latin-1": (parameter(**{"name": "☃", "in": "header", "required": True}), ""),
    "a path parameter that is not declared": (put([], "paths", "/jobs/{id}", "get", "parameters"), ""),
    "a path without a slash": (moved("jobs"), "paths has the key 'jobs'; a path begins with '/'"),
    "a path that does not close": (moved("/{id"), ""),
    "an empty parameter": (moved("/{}"), ""),
    "two parameters in one": (moved("/{a}{b}"), ""),
    "many parameters in one": (moved("/{a}-{b}.{c}:cancel"), ""),
    "one parameter twice": (moved("/{a}/{a}"), ""),
    "a path of slashes": (moved("//"), ""),
    "a path of three thousand segments": (moved("/a" * 3000), "more than 100 segments"),
    "a path with a query": (moved("/jobs?x=1"), ""),
    "a path with signs that steer a terminal": (moved("/\x1b[2J/{id}"), ""),
    "a status beyond all": (answering("2000"), ""),
    "a status of one figure": (answering("2"), ""),
    "a status in other figures": (answering("2²"), ""),
    "a range of statuses": (answering("2XX"), ""),
    "any status": (answering("default"), ""),
    "a status without a body": (answering("204"), ""),
    "a type with a line break": (downloading("video/mp4\r\nX: y"), "which is no media type"),
    "a type beyond ASCII": (downloading("video/é"), "which is no media type"),
    "a picture that nobody can make": (downloading("image/bmp"), ""),
    "any picture": (downloading("image/*"), ""),
    "examples in a list": (put([1], "paths", "/other", "get", "responses", "200", "content", "application/json", "examples"), ""),  # noqa: E501
    "a key that nobody declared": (put([{"nobody": []}], "security"), ""),
    "a key in a map": (put({"key": []}, "security"), "security is a map, expected a list"),
    "schemes in a list": (put([], "components", "securitySchemes"), "components.securitySchemes is a list"),
    "a scheme of no type": (put({}, "components", "securitySchemes", "key"), ""),
    "a key from nowhere": (put({"type": "apiKey", "in": "nowhere", "name": "X-Key"}, "components", "securitySchemes", "key"), ""),  # noqa: E501
    "a key without a name": (put({"type": "apiKey"}, "components", "securitySchemes", "key"), ""),
    "a key in the query": (put({"type": "apiKey", "in": "query", "name": "k"}, "components", "securitySchemes", "key"), ""),  # noqa: E501
    "a server that is a text": (put(["x"], "servers"), "servers[0] is text, expected a map"),
    "servers in a map": (put({"url": "/"}, "servers"), "servers is a map, expected a list"),
    "a server that is no URL": (put([{"url": "http://["}], "servers"), ""),
    "a server without a URL": (put([{}], "servers"), ""),
    "variables in a list": (put([{"url": "{a}", "variables": [1]}], "servers"), "servers[0].variables is a list"),
    "a variable that is a text": (put([{"url": "{a}", "variables": {"a": "x"}}], "servers"), "variables.a is text"),
    "a server with a path that goes up": (put([{"url": "/v1/../..//"}], "servers"), ""),
}  # fmt: skip


@pytest.mark.parametrize(("change", "words"), OPERATIONS.values(), ids=OPERATIONS)
def test_strange_operations_are_served_or_refused(change: Change, words: str) -> None:
    told = reason(broken(change))
    assert words in told
    assert bool(words) or not told


def test_a_key_in_the_query_among_many_fields_is_looked_for_in_vain() -> None:
    scheme = {"type": "apiKey", "in": "query", "name": "k"}
    Path("api.json").write_text(json.dumps(broken(put(scheme, "components", "securitySchemes", "key"))))
    service = start("api.json", key="")
    assert service.get("/jobs?k=sk-0123456789").status_code == 200
    assert service.get("/jobs?k=sk-0123456789" + "&x=1" * 300).status_code == 401


# -- what the document declares of its jobs ----------------------------------------------------------------

DECLARED: dict[str, tuple[Any, str]] = {
    "a list": ([], "x-job is []"),
    "an unknown key": ({"resource": {}}, "unknown keys ['resource']"),
    "resources in a list": ({"resources": []}, "x-job.resources is []"),
    "a resource that is a text": ({"resources": {"job": "x"}}, "x-job.resources.job is 'x'"),
    "an unknown key of a resource": ({"resources": {"job": {"id": "/id"}}}, "unknown keys ['id']"),
    "an operation that is not there": ({"resources": {"job": {"create": "nobody"}}}, "'nobody'"),
    "an operation that is a list": ({"resources": {"job": {"create": []}}}, "create"),
    "an unknown state": ({"resources": {"job": {"words": {"done": "x"}}}}, "unknown keys ['done']"),
    "words in a list": ({"resources": {"job": {"words": ["x"]}}}, "words is ['x']"),
    "an unknown role": ({"resources": {"job": {"fields": {"name": "/id"}}}}, "unknown keys ['name']"),
    "a field that is no pointer": ({"resources": {"job": {"fields": {"id": "id"}}}}, "not a JSON Pointer"),
    "a field that is not there": ({"resources": {"job": {"fields": {"id": "/nobody"}}}}, "/nobody"),
    "an id of no format": ({"resources": {"job": {"id-format": "x"}}}, "id-format 'x'"),
    "an id of an unknown format": ({"resources": {"job": {"id-format": "{words}"}}}, "id-format '{words}'"),
    "an unknown profile": ({"resources": {"job": {"profile": "nobody"}}}, "known profiles are"),
    "a profile of no time": ({"resources": {"job": {"profile": {"queue": [2, 1]}}}}, "expected [least, most]"),
    "a profile of no steps": ({"resources": {"job": {"profile": {"progress-steps": 0}}}}, "progress-steps"),
    "a rate above one": ({"resources": {"job": {"profile": {"failure-rate": 2}}}}, "failure-rate"),
    "an unknown refusal": ({"refusals": {"nobody": {}}}, "unknown keys ['nobody']"),
    "a status that is none": ({"refusals": {"default": {"status": 600}}}, "expected an HTTP status"),
    "a status in words": ({"refusals": {"default": {"status": "404"}}}, "expected an HTTP status"),
    "a header with a line break": ({"headers": {"poll-after": "x\r\ny: z"}}, "expected a header's name"),
    "a header with a space": ({"headers": {"request-id": "a b"}}, "expected a header's name"),
    "a header that is a number": ({"headers": {"request-id": 5}}, "expected a header's name"),
}


@pytest.mark.parametrize(("declared", "words"), DECLARED.values(), ids=DECLARED)
def test_wrong_declarations_are_refused_with_their_place(declared: Any, words: str) -> None:
    assert words in reason(broken(put(declared, "x-job")))


STRANGE: dict[str, Any] = {
    "a status without a name": {"refusals": {"default": {"status": 499, "body": None}}},
    "a body of placeholders": {"refusals": {"default": {"body": {"a": "{nobody}", "b": "{message}", "c": ["{code}"]}}}},
    "a body that is a text": {"refusals": {"default": {"body": "{message}"}}},
    "a very long time": {"resources": {"job": {"profile": {"queue": [0, 1e300], "run": [0, 1e300]}}}},
    "a very short tick": {"resources": {"job": {"profile": {"queue": [0, 0], "run": [1, 1], "tick": 1e-9}}}},
    "a result that lasts for ever": {"resources": {"job": {"profile": {"expires-after": 1e300}}}},
    "an id that does not fit a header": {"resources": {"job": {"id-format": 'a "b"\r\n☃{hex:8}'}}},
    "an id that does not fit a path": {"resources": {"job": {"id-format": "/../{hex:8}"}}},
}


@pytest.mark.parametrize("declared", STRANGE.values(), ids=STRANGE)
def test_strange_declarations_are_served_or_refused(declared: Any) -> None:
    root = broken(downloading("video/mp4"))
    reason({**root, "x-job": declared})


def test_when_all_ids_are_given_out_the_next_job_is_refused_and_none_is_lost() -> None:
    root = broken(put({"resources": {"job": {"id-format": "job-{digits:1}"}}}, "x-job"))
    Path("api.json").write_text(json.dumps(root))
    service = start("api.json")
    answers = [service.post("/jobs", json={"prompt": "x"}) for _ in range(12)]
    ids = {answer.json()["id"] for answer in answers if answer.status_code == 200}
    assert ids == {f"job-{n}" for n in range(10)}
    assert "retry-after" in answers[-1].headers
    assert all(service.get(f"/jobs/{id}").status_code == 200 for id in ids)


# -- overlays ---------------------------------------------------------------------------------------------


def overlay(*actions: Any, **more: Any) -> Node:
    return {"overlay": "1.0.0", "info": {}, "actions": list(actions), **more}


def update(target: Any, value: Any = None) -> Node:
    return {"target": target, "update": {"x-y": 1} if value is None else value}


OVERLAYS: dict[str, tuple[Any, str]] = {
    "an empty file": (b"", "the file is empty"),
    "broken YAML": (b"a: [", "broken YAML"),
    "a list": ([], "no `overlay` field"),
    "a document": (GOOD, "no `overlay` field"),
    "another version": (overlay(update("$")) | {"overlay": "2.0.0"}, "version 1.0 is read"),
    "an unknown key": (overlay(update("$"), action=1), "unknown keys ['action']"),
    "no action": (overlay(), "`actions` must be a list of at least one action"),
    "actions in a map": ({"overlay": "1.0.0", "actions": {}}, "`actions` must be a list"),
    "an action that is a text": (overlay("x"), "action 1 has no `target`"),
    "a target that is a number": (overlay(update(5)), "action 1 has no `target`"),
    "an action that does nothing": (overlay(update("$"), {"target": "$.info"}), "action 2 has neither `update`"),
    "an unknown key of an action": (overlay({"target": "$", "update": {}, "x": 1}), "action 1: unknown keys ['x']"),
    "a target that matches nothing": (overlay(update("$.nobody")), "action 1 (target '$.nobody') matches nothing"),
    "a filter that matches nothing": (overlay(update("$..parameters[?@.name=='x']")), "matches nothing"),
    "an empty target": (overlay(update("")), "not a JSONPath"),
    "a pointer": (overlay(update("/paths")), "not a JSONPath"),
    "a bracket that does not close": (overlay(update("$.paths[")), "not a JSONPath"),
    "an unknown function": (overlay(update("$[?nobody(@)]")), "function 'nobody' is not defined"),
    "names of keys, which RFC 9535 does not know": (overlay({"target": "$.paths.~", "remove": True}), "not a JSONPath"),
    "five thousand steps": (overlay(update("$" + ".a" * 5000)), "not a JSONPath"),
    "an index beyond all": (overlay(update("$.servers[99999999999999999999]")), "not a JSONPath"),
    "the whole document, removed": (overlay({"target": "$", "remove": True}), "the whole document cannot be removed"),
    "a text, updated": (overlay(update("$.openapi")), "an update needs a map or a list"),
    "a map, updated with a text": (overlay(update("$.info", "x")), "an update needs a map or a list"),
    "the version, removed": (overlay({"target": "$.openapi", "remove": True}), "no `openapi` field"),
    "the paths, replaced": (overlay(update("$", {"paths": 5})), "`paths` is a number"),
    "everything, removed": (overlay({"target": "$..*", "remove": True}), "no `openapi` field"),
    "the jobs, removed": (overlay({"target": "$.paths.*", "remove": True}), "no asynchronous job found"),
    "a circle, added": (
        overlay(update("$.components.schemas.Job", {"allOf": [{"$ref": "#/components/schemas/Job"}]})),
        "nested in itself",
    ),
    "an alias bomb": (BOMBS["aliases of aliases"].encode(), "aliases stand for more than"),
    "a deep hole": (b"[" * 100_000, "overlay"),
}


@pytest.mark.parametrize(("content", "words"), OVERLAYS.values(), ids=OVERLAYS)
def test_overlays_that_cannot_be_applied(content: Any, words: str) -> None:
    assert words in reason(GOOD, content)


@pytest.mark.parametrize(
    "target", ["$", "$..*[?@.x]", "$..responses", "$..properties.id", " $.info\n", "$.paths[*][*]"]
)
def test_wide_targets_are_served_or_refused(target: str) -> None:
    for action in (update(target), update(target, [1]), {"target": target, "remove": True}):
        reason(GOOD, overlay(action))


# -- the command ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "words"),
    [(["x" * 5000], "File name too long"), ([""], "holds none of openapi.yaml"), (["nobody"], "no such file"),
     (["/dev/null"], "no such file"), (["\udcff.json"], "\\udcff.json: no such file"),
     (["good.json", "--apply", "nobody.yaml"], "nobody.yaml: cannot be read: No such file"),
     (["good.json", "--apply", "."], ".: cannot be read: Is a directory"),
     (["good.json", "--apply", "/dev/zero"], "dev/zero: more than"),
     (["good.json", "--apply", "good.json"], "not an OpenAPI Overlay"),
     (["folder"], "folder/openapi.json: the file is empty")],
)  # fmt: skip
def test_names_of_files_that_cannot_be_used(arguments: list[str], words: str) -> None:
    Path("good.json").write_text(json.dumps(GOOD))
    Path("folder").mkdir()
    Path("folder/openapi.json").touch()
    result = CliRunner().invoke(main, ["inspect", *arguments])
    assert (result.exit_code, result.exception.__class__) == (2, SystemExit)
    assert result.output.startswith("mockserver: ")
    assert words in result.output
    assert len(result.output.splitlines()) == 1


def test_a_document_does_not_steer_the_terminal() -> None:
    root = broken(moved("/\x1b[2J\x07\u202e/{id}"))
    Path("api.json").write_text(json.dumps(root))
    told = CliRunner().invoke(main, ["inspect", "api.json"])
    assert told.exit_code == 0
    assert "\\x1b[2J" in told.output
    assert not set("\x1b\x07\u202e") & set(told.output)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [(["api.json"], "schema"), (["good.json", "--speed", "nan"], "--speed"), (["nobody"], "no such file"),
     (["good.json", "--overlay", "api.json"], "not an OpenAPI Overlay")],
)  # fmt: skip
def test_serve_refuses_before_it_listens(arguments: list[str], words: str) -> None:
    Path("good.json").write_text(json.dumps(GOOD))
    Path("api.json").write_text(json.dumps(broken(extra({"type": "file"}))))
    told = subprocess.run(
        command("serve", *arguments, "--port", "0"), capture_output=True, text=True, timeout=60, check=False
    )
    assert (told.returncode, told.stdout) == (2, "")
    assert words in told.stderr
    assert "Traceback" not in told.stderr
