"""Documents from files: YAML with the types of JSON, references, overlays in their order, and the cache."""

from pathlib import Path
from typing import Any

import orjson
import pytest

from mockserver.errors import DocumentError, MockserverError
from mockserver.loading import cache
from mockserver.loading.providers import bundled, bundled_names, load_provider
from mockserver.loading.trees import read_tree
from mockserver.openapi.overlay import apply_overlay

TASKS = """
openapi: 3.0.3
info: {title: Tasks, version: '1'}
paths:
  /tasks:
    post:
      operationId: make
      responses: {200: {description: made, content: {application/json: {schema: {$ref: 'JOB'}}}}}
  /tasks/{id}:
    get:
      operationId: read
      parameters: [{name: id, in: path, required: true, schema: {type: string}}]
      responses: {200: {description: one, content: {application/json: {schema: {$ref: 'JOB'}}}}}
components:
  schemas:
    Job:
      type: object
      properties: {id: {type: string}, status: {type: string, enum: [queued, done, failed]}}
"""
INSIDE = TASKS.replace("JOB", "#/components/schemas/Job")


@pytest.fixture(autouse=True)
def cache_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Each test has a cache of its own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "mockserver"


def tree(tmp_path: Path, text: str, name: str = "x.yaml") -> Any:
    path = tmp_path / name
    path.write_text(text)
    return read_tree(path)


def outcome(path: Path, *overlays: Path) -> tuple[dict[str, Any], list[str]]:
    """The document of a path with its overlays, and what is concluded from it."""
    contract = load_provider(str(path), tuple(map(str, overlays))).contract
    return contract.document.root, [f"{c.topic}={c.value}" for c in contract.conclusions]


# -- YAML and JSON ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text", ["yes", "no", "on", "off", "y", "2026-01-01", "2026-01-01T00:00:00Z", "1:30", "12:30:45", "1_000", "0x1F",
             "0o17", "1.2.3", "=", "v1", "nan"]
)  # fmt: skip
def test_what_only_looks_like_another_type_stays_text(tmp_path: Path, text: str) -> None:
    assert tree(tmp_path, f"a: {text}\n") == {"a": text}


@pytest.mark.parametrize(
    ("text", "value"),
    [("true", True), ("False", False), ("null", None), ("~", None), ("", None), ("12", 12), ("-3", -3), ("1.5", 1.5),
     ("1e3", 1000.0), ("'12'", "12"), ("[1, a]", [1, "a"]), ("猫", "猫")],
)  # fmt: skip
def test_types_of_json(tmp_path: Path, text: str, value: Any) -> None:
    assert tree(tmp_path, f"a: {text}\n") == {"a": value}


def test_keys_are_text_and_aliases_and_merges_are_written_out(tmp_path: Path) -> None:
    assert tree(tmp_path, "200: a\nyes: b\n1.0: c\nnull: d\n") == {"200": "a", "yes": "b", "1.0": "c", "null": "d"}
    text = "base: &base {a: 1, b: 2}\nmore: {<<: *base, b: 3}\nagain: *base\n"
    assert tree(tmp_path, text) == {"base": {"a": 1, "b": 2}, "more": {"a": 1, "b": 3}, "again": {"a": 1, "b": 2}}
    text = "deep: {er: {est: &x {<<: {a: 1}, a: 2}}}\nlist: [{<<: [*x, {b: 3, a: 4}], c: 5}]\nflat: {<<: *x, a: 6}\n"
    assert tree(tmp_path, text) == {
        "deep": {"er": {"est": {"a": 2}}}, "list": [{"a": 2, "b": 3, "c": 5}], "flat": {"a": 6}}  # fmt: skip


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: 1\na: 2\n", "line 2, column 1: the key 'a' stands here twice"),
        ("a: [1\n", "broken YAML at line 2"),
        ("a: {b: *nobody}\n", "broken YAML at line 1"),
        ("a: &a [*a]\n", "contains itself"),
        ("", "the file is empty"),
        ("just text", "expected an OpenAPI document"),
        ("- 1\n", "expected an OpenAPI document"),
        ("swagger: '1.2'\n", "this is Swagger 1.2"),
        ("openapi: 4.0.0\n", "`openapi` is '4.0.0'"),
        ("title: x\n", "no `openapi` field"),
        ("openapi: 3.0.3\npaths: [a]\n", "`paths` is a list"),
        ("openapi: 3.0.3\npaths: {tasks: {}}\n", "a path begins with '/'"),
    ],
)
def test_broken_documents_are_refused_with_the_place(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "api.yaml"
    path.write_text(text)
    with pytest.raises(DocumentError) as refused:
        load_provider(str(path))
    assert words in str(refused.value)
    assert f"{tmp_path.name}/api.yaml" in str(refused.value)
    assert "\n" not in str(refused.value)


def test_json_documents_say_the_same_as_yaml(tmp_path: Path) -> None:
    as_yaml = tmp_path / "api.yaml"
    as_yaml.write_text(INSIDE)
    as_json = tmp_path / "api.json"
    as_json.write_bytes(orjson.dumps(tree(tmp_path, INSIDE)))
    assert outcome(as_json) == outcome(as_yaml)
    as_json.write_text('{"openapi": "3.0.3",')
    with pytest.raises(DocumentError, match="broken JSON"):
        load_provider(str(as_json))


def test_what_can_be_named_as_a_spec(tmp_path: Path) -> None:
    folder = tmp_path / "my-api"
    folder.mkdir()
    with pytest.raises(DocumentError, match=r"the folder holds none of openapi\.yaml, openapi\.yml, openapi\.json"):
        load_provider(str(folder))
    (folder / "openapi.yaml").write_text(INSIDE)
    assert load_provider(str(folder)).name == load_provider(str(folder / "openapi.yaml")).name == "my-api"
    assert load_provider(str((folder / "openapi.yaml").rename(folder / "tasks.yaml"))).name == "tasks"
    with pytest.raises(DocumentError) as refused:
        load_provider("nobody")
    assert all(name in str(refused.value) for name in bundled_names())


# -- references -------------------------------------------------------------------------------------


def test_references_to_files_of_the_same_folder(tmp_path: Path) -> None:
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / "job.yaml").write_text(
        "Job:\n  type: object\n  properties: {id: {type: string}, status: {$ref: 'words.json#/a~1b'}, "
        "self: {$ref: '#/Job/properties/id'}, back: {$ref: '../api.yaml#/components/schemas/Job'}}\n"
    )
    (tmp_path / "parts" / "words.json").write_text('{"a/b": {"type": "string", "enum": ["queued", "done", "failed"]}}')
    path = tmp_path / "api.yaml"
    path.write_text(TASKS.replace("JOB", "./parts/job.yaml#/Job"))
    inside = tmp_path / "inside.yaml"
    inside.write_text(INSIDE)
    assert [c for c in outcome(path)[1] if "state" in c] == [c for c in outcome(inside)[1] if "state" in c]
    before = outcome(path)[1]
    (tmp_path / "parts" / "words.json").write_text('{"a/b": {"type": "string", "enum": ["pending", "ok", "error"]}}')
    assert outcome(path)[1] != before  # a change of a file beside it is seen


@pytest.mark.parametrize(
    ("ref", "words"),
    [
        ("https://example.com/job.yaml#/Job", "is remote; nothing is fetched"),
        ("../outside.yaml#/Job", "leads out of the document's folder"),
        ("/etc/passwd", "leads out of the document's folder"),
        ("missing.yaml", "there is no such file"),
        ("#/components/schemas/Nobody", "points to nothing"),
    ],
)
def test_references_that_cannot_be_followed(tmp_path: Path, ref: str, words: str) -> None:
    folder = tmp_path / "here"
    folder.mkdir()
    (tmp_path / "outside.yaml").write_text("Job: {}\n")
    path = folder / "api.yaml"
    path.write_text(TASKS.replace("JOB", ref))
    with pytest.raises(DocumentError) as refused:
        load_provider(str(path))
    assert words in str(refused.value)
    assert ref in str(refused.value)


# -- overlays ---------------------------------------------------------------------------------------


def overlaid(root: dict[str, Any], *actions: dict[str, Any]) -> dict[str, Any]:
    return apply_overlay(root, {"overlay": "1.0.0", "info": {}, "actions": list(actions)}, "o.yaml")


@pytest.mark.parametrize(
    ("actions", "expected"),
    [
        ([{"target": "$.a", "update": {"y": 2}}], {"a": {"x": 1, "y": 2}, "l": [1, 2]}),
        ([{"target": "$", "update": {"a": {"x": 3}}}], {"a": {"x": 3}, "l": [1, 2]}),
        ([{"target": "$.l", "update": [3, 4]}], {"a": {"x": 1}, "l": [1, 2, 3, 4]}),
        ([{"target": "$.l", "update": 3}], {"a": {"x": 1}, "l": [1, 2, 3]}),
        ([{"target": "$", "update": {"l": [3]}}], {"a": {"x": 1}, "l": [1, 2, 3]}),
        ([{"target": "$.l[0]", "remove": True}], {"a": {"x": 1}, "l": [2]}),
        ([{"target": "$.l[*]", "remove": True}], {"a": {"x": 1}, "l": []}),
        ([{"target": "$.l[?@ == 2]", "remove": True}], {"a": {"x": 1}, "l": [1]}),
        ([{"target": "$.a", "remove": True}], {"l": [1, 2]}),
        ([{"target": "$.a", "remove": True, "update": {"y": 1}}], {"l": [1, 2]}),
        ([{"target": "$.a", "remove": True}, {"target": "$", "update": {"a": {"y": 2}}}], {"a": {"y": 2}, "l": [1, 2]}),
        ([{"target": "$.a", "update": {"x": 2}}, {"target": "$.a", "update": {"x": 3}}], {"a": {"x": 3}, "l": [1, 2]}),
        ([{"target": "$", "update": {"a": None}, "x-why": "test"}], {"a": None, "l": [1, 2]}),
        ([{"target": "$", "update": {"b": {"x": 1}}}, {"target": "$['a','b']", "update": {"z": 1}}],
         {"a": {"x": 1, "z": 1}, "l": [1, 2], "b": {"x": 1, "z": 1}}),
    ],
)  # fmt: skip
def test_actions(actions: list[dict[str, Any]], expected: dict[str, Any]) -> None:
    assert overlaid({"a": {"x": 1}, "l": [1, 2]}, *actions) == expected


def test_what_is_added_in_two_places_is_not_shared() -> None:
    root = overlaid({"a": {}, "b": {}}, {"target": "$.*", "update": {"n": {}}}, {"target": "$.a.n", "update": {"x": 1}})
    assert root == {"a": {"n": {"x": 1}}, "b": {"n": {}}}


@pytest.mark.parametrize(
    ("overlay", "words"),
    [
        ({"overlay": "1.0.0", "actions": [{"target": "$.nope", "update": {}}]}, "(target '$.nope') matches nothing"),
        ({"overlay": "1.0.0", "actions": [{"target": "$.[", "update": {}}]}, "not a JSONPath"),
        ({"overlay": "1.0.0", "actions": [{"target": "$.a.x", "update": {}}]}, "needs a map or a list"),
        ({"overlay": "1.0.0", "actions": [{"target": "$", "remove": True}]}, "cannot be removed"),
        ({"overlay": "1.0.0", "actions": [{"target": "$"}]}, "neither `update` nor `remove: true`"),
        ({"overlay": "1.0.0", "actions": [{"update": {}}]}, "action 1 has no `target`"),
        ({"overlay": "1.0.0", "actions": [{"target": "$", "updat": {}}]}, "unknown keys ['updat']"),
        ({"overlay": "1.0.0", "actions": []}, "at least one action"),
        ({"overlay": "2.0.0", "actions": [{"target": "$", "update": {}}]}, "version 1.0 is read"),
        ({"openapi": "3.1.0"}, "not an OpenAPI Overlay"),
        ([], "not an OpenAPI Overlay"),
    ],
)  # fmt: skip
def test_wrong_overlays(overlay: Any, words: str) -> None:
    with pytest.raises(DocumentError) as refused:
        apply_overlay({"a": {"x": 1}}, overlay, "o.yaml")
    assert words in str(refused.value)
    assert str(refused.value).startswith("o.yaml: ")


def test_overlays_apply_in_order_after_the_folders_own(tmp_path: Path) -> None:
    folder = tmp_path / "api"
    folder.mkdir()
    (folder / "openapi.yaml").write_text(INSIDE)
    for name, version in (("api/overlay.yaml", "own"), ("a.yaml", "a"), ("b.yaml", "b")):
        action = f"[{{target: $.info, update: {{version: {version}, {version}: true}}}}]"
        (tmp_path / name).write_text(f"overlay: 1.0.0\nactions: {action}\n")
    info = outcome(folder, tmp_path / "a.yaml", tmp_path / "b.yaml")[0]["info"]
    assert info == {"title": "Tasks", "version": "b", "own": True, "a": True, "b": True}
    assert outcome(folder, tmp_path / "b.yaml", tmp_path / "a.yaml")[0]["info"]["version"] == "a"
    assert outcome(folder)[0]["info"]["version"] == "own"
    assert outcome((folder / "openapi.yaml").rename(folder / "alone.yaml"))[0]["info"] == {
        "title": "Tasks", "version": "1"}  # fmt: skip
    with pytest.raises(DocumentError, match="cannot be read"):
        outcome(folder / "alone.yaml", tmp_path / "nobody.yaml")


# -- the cache --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", bundled_names())
def test_the_cache_changes_nothing(name: str, cache_folder: Path) -> None:
    path = bundled("specs") / name
    first = outcome(path)
    kept = list(cache_folder.iterdir())
    assert kept
    assert outcome(path) == first
    assert sorted(cache_folder.iterdir()) == sorted(kept)


def test_a_changed_document_is_read_anew(tmp_path: Path) -> None:
    path = tmp_path / "api.yaml"
    path.write_text(INSIDE)
    before = outcome(path)
    path.write_text(INSIDE.replace("done", "completed"))
    assert outcome(path)[1] == [line.replace("done", "completed") for line in before[1]]


@pytest.mark.parametrize("content", [b"", b"{", b"null", b"[]", b"3", b"\xff", b'"text"'])
def test_corrupt_entries_are_passed_over(tmp_path: Path, cache_folder: Path, content: bytes) -> None:
    path = tmp_path / "api.yaml"
    path.write_text(INSIDE)
    first = outcome(path)
    for entry in cache_folder.iterdir():
        entry.write_bytes(content)
    assert outcome(path) == first


def test_a_cache_that_cannot_be_written_is_done_without(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "api.yaml"
    path.write_text(INSIDE)
    first = outcome(path)
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert outcome(path) == first


def test_the_cache_keeps_a_limited_number_of_entries(cache_folder: Path) -> None:
    for number in range(cache.MAX_ENTRIES + 10):
        cache.save(cache.key_of(b"%d" % number), {"n": number})
    assert len(list(cache_folder.iterdir())) == cache.MAX_ENTRIES
    assert cache.load(cache.key_of(b"%d" % (cache.MAX_ENTRIES + 9))) == {"n": cache.MAX_ENTRIES + 9}


def test_every_refusal_is_something_that_the_user_can_mend() -> None:
    assert issubclass(DocumentError, MockserverError)
    assert MockserverError.exit_code == 2
