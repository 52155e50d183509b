"""Reading a contract takes time in proportion to the document, whatever stands in it; what is remembered meanwhile
is remembered of the schema alone, not of the operation that was looked at first."""

import json
from time import perf_counter
from typing import Any

import pytest

from mockserver.jobs.declaration import read_declaration
from mockserver.jobs.inference import read_contract
from mockserver.jobs.lifecycle import State
from mockserver.jobs.resource import Contract
from mockserver.jobs.statuses import MAX_TEXT, read_words
from mockserver.jobs.views import Setting, find_view
from mockserver.loading.providers import load_profiles, load_vocabulary
from mockserver.openapi.document import Document
from tests.bench.documents import large

Node = dict[str, Any]
SECONDS = 5.0  # on a slow machine; what is meant took minutes
JOB: Node = {
    "type": "object",
    "properties": {
        "id": {"type": "string"},
        "status": {"type": "string", "enum": ["queued", "running", "succeeded", "failed"]},
    },
}
LONG = {
    "one word": "a",
    "hyphens": "a-",
    "underscores": "A_",
    "capitals": "aB",
    "words of words": "or",
    "commas": "a,",
    "commas without words": ",",
    "separators": "a or , / | ; and ",
    "arrows": "queued->x->",
    "blank lines": "\n",
    "blank lines with spaces": " \n",
    "spaces": " ",
    "bullets": "\n- ",
    "quotes": "`",
    "quoted": "`a ",
    "bold": "**a",
    "tags": "<code>a",
    "digits": "1",
    "numbers": "1: a",
    "letters and digits": "a1",
    "no ASCII": "状a",
}


def document(paths: Node, schemas: Node | None = None) -> Document:
    root = {"openapi": "3.1.0", "info": {}, "paths": paths, "components": {"schemas": schemas or {}}}
    return Document(root, "test")


def read(root: Document) -> Contract:
    return read_contract(root, load_vocabulary(), read_declaration(None, "test"), load_profiles())


def answers(schema: Any) -> Node:
    return {"200": {"content": {"application/json": {"schema": schema}}}}


@pytest.mark.parametrize("kind", ["string", "integer"])
@pytest.mark.parametrize("text", LONG.values(), ids=LONG)
def test_long_descriptions_take_no_time(text: str, kind: str) -> None:
    whole = text * (MAX_TEXT // len(text))
    begun = perf_counter()
    read_words(document({}), load_vocabulary(), "status", {"type": kind, "description": whole}, [whole + "."])
    assert perf_counter() - begun < 1


@pytest.mark.parametrize(
    "text",
    [
        "queued, running, succeeded or failed",
        "状态：queued、running、succeeded、failed",
        "x1: queued | running | succeeded | failed",
        "queued -> running --> succeeded -> failed",
        "\n\n* queued\n\n* running\n* succeeded\n* failed",
    ],
)
def test_words_in_lists_are_found(text: str) -> None:
    words = read_words(document({}), load_vocabulary(), "status", {"type": "string", "description": text}).by_state
    expected = {"queued": "queued", "running": "running", "succeeded": "succeeded", "failed": "failed"}
    assert {state.value: word for state, word in words.items()} == expected


def test_many_kinds_of_job_take_no_time() -> None:
    paths: Node = {}
    for number in range(300):
        schema = {**JOB, "title": f"Job {number}"}
        order = {"content": {"application/json": {"schema": {"type": "object"}}}}
        paths[f"/things{number}"] = {"post": {"requestBody": order, "responses": answers(schema)}}
        paths[f"/things{number}/{{id}}"] = {"get": {"responses": answers(schema)}}
    begun = perf_counter()
    assert len(read(document(paths)).resources) == 300
    assert perf_counter() - begun < SECONDS


def test_dense_documents_take_no_time() -> None:
    root = Document(json.loads(large(400, 4)), "test")
    begun = perf_counter()
    assert read(root).resources
    assert perf_counter() - begun < SECONDS


def test_what_one_operation_says_of_a_status_is_not_said_of_others() -> None:
    schema = {"type": "object", "properties": {"id": {"type": "string"}, "status": {"type": "string"}}}
    root, vocabulary = document({}, {"Job": schema}), load_vocabulary()
    ref = {"$ref": "#/components/schemas/Job"}
    told = find_view(root, vocabulary, ref, setting=Setting(texts=["It is waiting, active, complete or broken."]))
    other = find_view(root, vocabulary, ref, setting=Setting(texts=["It is `queued`, `done` or `failed`."]))
    silent = find_view(root, vocabulary, ref)
    shown = find_view(root, vocabulary, ref, setting=Setting(examples=[{"status": "succeeded"}]))
    assert told is not None
    assert told.words[State.SUCCEEDED] == "complete"
    assert other is not None
    assert other.words[State.SUCCEEDED] == "done"
    assert silent is not None
    assert not silent.words
    assert shown is not None
    assert shown.words == {State.SUCCEEDED: "succeeded"}


def test_each_operation_has_the_id_that_its_path_names() -> None:
    schema = {"type": "object", "properties": {n: {"type": "string"} for n in ("clip_ref", "task_ref", "status")}}
    root, vocabulary = document({}, {"Job": schema}), load_vocabulary()
    ref = {"$ref": "#/components/schemas/Job"}
    for wanted in ("taskref", "clipref", "taskref"):
        view = find_view(root, vocabulary, ref, setting=Setting(ids=[wanted]))
        assert view is not None
        assert view.fields["id"] == ((f"{wanted[:4]}_ref",),)
    view = find_view(root, vocabulary, ref)
    assert view is None or "id" not in view.fields
