"""Odd contracts that a review found to be misread or answered wrongly: one small document and one test for each."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from in_process import Service, start
from test_every_operation import check

from mockserver.errors import DocumentError
from mockserver.jobs.resource import Action
from mockserver.loading.providers import load

JSON = "application/json"
FORM = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data"
TEXT = {"type": "string"}
INTEGER = {"type": "integer"}
STATUS = {"type": "string", "enum": ["queued", "processing", "succeeded", "failed", "cancelled"]}
LATER = 1000  # seconds; every job has ended by then
Node = dict[str, Any]


# -- building documents -----------------------------------------------------------------------------


def ref(name: str, kind: str = "schemas") -> Node:
    return {"$ref": f"#/components/{kind}/{name}"}


def an_object(*required: str, **properties: Any) -> Node:
    return {"type": "object", "required": list(required), "properties": properties}


def a_list(of: Node) -> Node:
    return an_object("data", data={"type": "array", "items": of})


JOB = an_object("id", "status", id=TEXT, status=STATUS, prompt=TEXT)
BODY = an_object("prompt", prompt=TEXT)
ERROR = an_object("message", message=TEXT, code=TEXT)


def answers(schema: Node | None, status: str = "200") -> Node:
    return {status: {"description": "", **({"content": {JSON: {"schema": schema}}} if schema else {})}}


def an_operation(
    answer: Node | None = None, body: Node | None = None, *, media: tuple[str, ...] = (JSON,), **more: Any
) -> Node:
    """An operation that answers 200 with a schema, and takes a body of another; `query` holds its parameters."""
    query = [{"name": n, "in": "query", "schema": s} for n, s in more.pop("query", {}).items()]
    made: Node = {"responses": answers(answer), "parameters": query}
    if body:
        made["requestBody"] = {"required": True, "content": {name: {"schema": body} for name in media}}
    return {**made, **more}


def a_document(operations: Mapping[str, Node], schemas: Node | None = None, **more: Any) -> Node:
    """A document of operations by their names (`GET /jobs/{id}`); parameters of the path are added."""
    paths: Node = {}
    for name, operation in operations.items():
        method, path = name.split(" ")
        names = [piece.split("}")[0] for piece in path.split("{")[1:]]
        ids = [{"name": n, "in": "path", "required": True, "schema": operation.get("x-id", TEXT)} for n in names]
        item = {k: v for k, v in operation.items() if k != "x-id"}
        paths.setdefault(path, {})[method.lower()] = {**item, "parameters": [*ids, *operation["parameters"]]}
    components = {"schemas": {"Job": JOB, **(schemas or {})}, **more.pop("components", {})}
    info = {"title": "Odd", "version": "1"}
    return {"openapi": "3.0.3", "info": info, "paths": paths, "components": components, **more}


def jobs(job: Node | None = None, body: Node | None = None, **more: Any) -> dict[str, Node]:
    """The operations of most documents here: a job is made by POST /jobs and read by GET /jobs/{id}."""
    job = job or ref("Job")
    return {
        "POST /jobs": an_operation(job, body or BODY, **more),
        "GET /jobs/{id}": an_operation(job, **{k: v for k, v in more.items() if k == "responses"}),
    }


def an_xjob(**resource: Any) -> Node:
    return {"resources": {"job": resource}}


class Bench:
    """A folder for the documents of one test."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def write(self, root: Node) -> str:
        path = self.folder / "api.json"
        path.write_text(json.dumps(root))
        return str(path)

    def serve(self, root: Node, **settings: Any) -> Service:
        return start(self.write(root), **settings)


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    """What was read before is kept elsewhere, so that every document is checked anew."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return Bench(tmp_path)


def called(service: Service, name: str, id: Any = "", **arguments: Any) -> Any:
    """The answer of an operation that must succeed, valid against its schema."""
    method, path = name.split(" ")
    for piece in path.split("{")[1:]:
        path = path.replace("{" + piece.split("}")[0] + "}", str(id))
    response = service.request(method, path, **arguments)
    operation = service.provider.contract.document.find(name)
    assert response.status_code < 300, f"{name}: {response.status_code} {response.text[:500]}"
    check(service, operation, response)
    return response.json() if response.content else None


def refused(service: Service, name: str, response: Any, status: int) -> Any:
    """The body of a refusal, valid against the schema that is declared for it."""
    assert response.status_code == status, response.text[:500]
    check(service, service.provider.contract.document.find(name), response)
    return response.json()


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


SCHEMES = {
    "securitySchemes": {
        "bearer": {"type": "http", "scheme": "bearer"},
        "app": {"type": "apiKey", "in": "header", "name": "X-App"},
    }
}


# -- jobs and what is kept of them ------------------------------------------------------------------


def test_an_id_that_comes_back_after_a_delete_never_shows_the_earlier_job(bench: Bench) -> None:
    operations = {
        **jobs(),
        "DELETE /jobs/{id}": an_operation(),
        "GET /jobs": an_operation(a_list(ref("Job"))),
    }
    more: Node = {"components": SCHEMES, "security": [{"bearer": []}], "x-job": an_xjob(**{"id-format": "j{digits:1}"})}
    service = bench.serve(a_document(operations, **more), key="")
    first, second = bearer("first"), bearer("second")
    id = called(service, "POST /jobs", json={"prompt": "secret"}, headers=first)["id"]
    assert called(service, "GET /jobs/{id}", id, headers=first)["prompt"] == "secret"
    assert called(service, "GET /jobs", headers=first)["data"][0]["prompt"] == "secret"
    called(service, "DELETE /jobs/{id}", id, headers=first)
    made = {called(service, "POST /jobs", json={"prompt": "mine"}, headers=second)["id"] for _ in range(10)}
    assert id in made, "there are ten ids"
    assert called(service, "GET /jobs/{id}", id, headers=second)["prompt"] == "mine"
    assert {job["prompt"] for job in called(service, "GET /jobs", headers=second)["data"]} == {"mine"}
    assert service.get(f"/jobs/{id}", headers=first).status_code == 404
    full = service.post("/jobs", json={"prompt": "no room"}, headers=second)
    assert full.status_code == 503


def test_a_job_schema_that_refers_to_itself_is_served(bench: Bench) -> None:
    children = {"type": "array", "items": ref("Job")}
    job = an_object("id", "status", id=TEXT, status=STATUS, prompt=TEXT, parent_job=ref("Job"), children=children)
    service = bench.serve(a_document(jobs(), {"Job": job}))
    id = called(service, "POST /jobs", json={"prompt": "a cat"})["id"]
    for word in ("queued", "processing", "succeeded"):
        body = called(service, "GET /jobs/{id}", id)
        assert (body["id"], body["status"], body["prompt"]) == (id, word, "a cat")
        service.clock.advance(30 if word == "queued" else LATER)


def test_every_job_with_an_integer_id_is_read_by_it(bench: Bench) -> None:
    job = an_object("id", "status", id=INTEGER, status=STATUS, prompt=TEXT)
    operations = jobs()
    operations["GET /jobs/{id}"]["x-id"] = INTEGER
    service = bench.serve(a_document(operations, {"Job": job}))
    for number in range(200):
        id = called(service, "POST /jobs", json={"prompt": str(number)})["id"]
        body = called(service, "GET /jobs/{id}", id)
        assert (body["id"], body["prompt"]) == (id, str(number))


def test_an_integer_id_is_read_where_the_path_calls_it_text(bench: Bench) -> None:
    job = an_object("id", "status", id=INTEGER, status=STATUS, prompt=TEXT)
    service = bench.serve(a_document(jobs(), {"Job": job}))
    ids = [called(service, "POST /jobs", json={"prompt": "a cat"})["id"] for _ in range(50)]
    assert [called(service, "GET /jobs/{id}", id)["id"] for id in ids] == ids


@pytest.mark.parametrize("seconds", [1e300, 1e308, -1e300, [4], {"a": 1}, "4", "1e400", "nan", "x", True, 2**63])
def test_a_follow_up_that_sums_strange_seconds_is_answered(bench: Bench, seconds: Any) -> None:
    job = an_object("id", "status", id=TEXT, status=STATUS, seconds={"type": "number"})
    body = an_object(prompt=TEXT, seconds={})
    operations = {**jobs(body=body), "POST /jobs/{id}/extend": an_operation(ref("Job"), body)}
    declared = an_xjob(**{"follow-ups": {"POST /jobs/{id}/extend": {"sum": ["seconds"]}}})
    service = bench.serve(a_document(operations, {"Job": job}, **{"x-job": declared}))
    for earlier in (4, 1e308, seconds):
        id = called(service, "POST /jobs", json={"seconds": earlier})["id"]
        service.clock.advance(LATER)
        extended = called(service, "POST /jobs/{id}/extend", id, json={"seconds": seconds})["id"]
        service.clock.advance(LATER)
        again = called(service, "POST /jobs/{id}/extend", extended, json={"seconds": seconds})["id"]
        assert called(service, "GET /jobs/{id}", again)["id"] == again


def test_a_deeper_request_field_is_echoed(bench: Bench) -> None:
    body = an_object("input", input=an_object("text", text=TEXT))
    declared = an_xjob(echo={"/prompt": "/input/text"})
    service = bench.serve(a_document(jobs(body=body), **{"x-job": declared}))
    created = called(service, "POST /jobs", json={"input": {"text": "a cat"}})
    assert created["prompt"] == "a cat"
    assert called(service, "GET /jobs/{id}", created["id"])["prompt"] == "a cat"


def test_a_remix_takes_its_sources_seconds_and_not_the_contracts_default(bench: Bench) -> None:
    job = an_object("id", "status", id=TEXT, status=STATUS, prompt=TEXT, seconds=INTEGER)
    body = an_object("prompt", prompt=TEXT, seconds={**INTEGER, "default": 4})
    operations = {**jobs(body=body), "POST /jobs/{id}/remix": an_operation(ref("Job"), body)}
    service = bench.serve(a_document(operations, {"Job": job}))
    created = called(service, "POST /jobs", json={"prompt": "a cat", "seconds": 12})
    usual = called(service, "POST /jobs", json={"prompt": "a cat"})
    assert (created["seconds"], usual["seconds"]) == (12, 4)
    service.clock.advance(LATER)
    remixed = called(service, "POST /jobs/{id}/remix", created["id"], json={"prompt": "a dog"})
    assert (remixed["prompt"], remixed["seconds"]) == ("a dog", 12)
    other = called(service, "POST /jobs/{id}/remix", created["id"], json={"prompt": "a dog", "seconds": 8})
    assert other["seconds"] == 8


@pytest.mark.parametrize("media", [JSON, FORM, MULTIPART])
def test_a_field_longer_than_usual_is_accepted_where_its_limit_allows_it(bench: Bench, media: str) -> None:
    body = an_object("prompt", prompt={**TEXT, "maxLength": 200_000}, text=TEXT)
    job = an_object("id", "status", id=TEXT, status=STATUS, prompt=TEXT, text=TEXT)
    service = bench.serve(a_document(jobs(body=body, media=(media,)), {"Job": job}))

    def sent(**fields: str) -> dict[str, Any]:
        files = {name: (None, value) for name, value in fields.items()}
        ways: dict[str, Node] = {JSON: {"json": fields}, FORM: {"data": fields}, MULTIPART: {"files": files}}
        return ways[media]

    long = "é" * 150_000
    created = called(service, "POST /jobs", **sent(prompt=long))
    assert created["prompt"] == long
    assert called(service, "GET /jobs/{id}", created["id"])["prompt"] == long
    too_long = service.post("/jobs", **sent(prompt="x" * 200_001))
    assert too_long.status_code == 400
    assert "'prompt'" in too_long.text
    unlimited = service.post("/jobs", **sent(prompt="a cat", text="x" * 100_001))
    assert unlimited.status_code == 400, "no limit is declared, so this server's own counts"
    assert "'text'" in unlimited.text


# -- models and hash seeds --------------------------------------------------------------------------

FAST, SLOW = {"queue": [1, 1], "run": [1, 1]}, {"queue": [500, 500], "run": [500, 500]}
PROBE = """
import sys
from in_process import start
service = start(sys.argv[1])
job = service.post("/jobs", json={"prompt": "a cat", "engine": "fast", "model_id": "slow", "model_name": "fast"}).json()
service.clock.advance(100)
print(service.get("/jobs/" + job["id"]).json()["status"])
"""


def with_models(**fields: Node) -> Node:
    profile = {**FAST, "models": {"slow": SLOW, "fast": FAST}}
    return a_document(jobs(body=an_object("prompt", prompt=TEXT, **fields)), **{"x-job": an_xjob(profile=profile)})


@pytest.mark.parametrize("name", ["model", "model_id", "modelName", "engine"])
def test_the_model_that_chooses_a_profile_is_found_under_its_name(bench: Bench, name: str) -> None:
    service = bench.serve(with_models(**{name: TEXT}))
    slow = called(service, "POST /jobs", json={"prompt": "a cat", name: "slow"})["id"]
    fast = called(service, "POST /jobs", json={"prompt": "a cat", name: "fast"})["id"]
    service.clock.advance(100)
    assert called(service, "GET /jobs/{id}", fast)["status"] == "succeeded"
    assert called(service, "GET /jobs/{id}", slow)["status"] == "queued"


def test_the_field_of_the_model_does_not_depend_on_the_hash_seed(bench: Bench) -> None:
    path = bench.write(with_models(engine=TEXT, model_id=TEXT, model_name=TEXT))
    here = Path(__file__).parent
    for seed in ("0", "1", "2", "3"):
        environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": f"{here}{os.pathsep}{here.parent}"}
        command = [sys.executable, "-c", PROBE, path]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
        assert done.stdout.strip() == "queued", f"seed {seed}: {done.stdout}{done.stderr}"


# -- words ------------------------------------------------------------------------------------------


def with_words(*words: str, **more: Any) -> Node:
    job = an_object("id", "status", id=TEXT, status={**TEXT, "enum": list(words)}, prompt=TEXT)
    return a_document(jobs(), {"Job": job}, **more)


def test_a_single_word_that_is_not_understood_is_taken_for_success(bench: Bench) -> None:
    service = bench.serve(with_words("queued", "processing", "erledigt"))
    id = called(service, "POST /jobs", json={"prompt": "a cat"})["id"]
    service.clock.advance(LATER)
    assert called(service, "GET /jobs/{id}", id)["status"] == "erledigt"
    assert any(c.value == "erledigt" and not c.certain for c in service.provider.contract.conclusions)


@pytest.mark.parametrize("unclear", [(), ("erledigt", "verworfen")])
def test_without_a_word_for_success_a_document_is_refused(bench: Bench, unclear: tuple[str, ...]) -> None:
    with pytest.raises(DocumentError, match=r"x-job\.resources\.job\.words\.succeeded"):
        bench.serve(with_words("queued", "processing", *unclear))


def test_a_declared_word_for_success_helps(bench: Bench) -> None:
    declared = an_xjob(words={"succeeded": "erledigt", "failed": "verworfen"})
    service = bench.serve(with_words("queued", "processing", "erledigt", "verworfen", **{"x-job": declared}), rate=0.0)
    id = called(service, "POST /jobs", json={"prompt": "a cat"})["id"]
    service.clock.advance(LATER)
    assert called(service, "GET /jobs/{id}", id)["status"] == "erledigt"


# -- refusals ---------------------------------------------------------------------------------------


def test_a_recursive_error_schema_is_filled_in(bench: Bench) -> None:
    error = an_object("message", message=TEXT, inner=ref("Err"), causes={"type": "array", "items": ref("Err")})
    operations = jobs()
    operations["GET /jobs/{id}"]["responses"] |= answers(ref("Err"), "404")
    operations["POST /jobs"]["responses"] |= answers(ref("Err"), "400")
    service = bench.serve(a_document(operations, {"Err": error}))
    unknown = refused(service, "GET /jobs/{id}", service.get("/jobs/nobody-made-this"), 404)
    assert "nobody-made-this" in unknown["message"]
    wrong = refused(service, "POST /jobs", service.post("/jobs", json={"prompt": 3}), 400)
    assert "'prompt'" in wrong["message"]


@pytest.mark.parametrize("is_declared", [False, True])
def test_a_status_that_has_no_name_is_sent(bench: Bench, is_declared: bool) -> None:
    operations = jobs()
    if is_declared:
        operations["GET /jobs/{id}"]["responses"] |= answers(ERROR, "499")
    declared = {"refusals": {"not_found": {"status": 499}}}
    service = bench.serve(a_document(operations, **{"x-job": declared}))
    response = service.get("/jobs/nobody-made-this")
    assert response.status_code == 499
    assert "nobody-made-this" in response.json()["message" if is_declared else "detail"]


def fastapi() -> tuple[dict[str, Node], Node]:
    """The operations and schemas that FastAPI declares: 422 with a list of violations, and no other error."""
    place = {"type": "array", "items": {"anyOf": [TEXT, INTEGER]}}
    one = an_object("loc", "msg", "type", loc=place, msg=TEXT, type=TEXT)
    whole = an_object(detail={"type": "array", "items": ref("ValidationError")})
    operations = jobs(body=an_object("prompt", prompt=TEXT, seconds=INTEGER), query={"count": INTEGER})
    for operation in operations.values():
        operation["responses"] |= answers(ref("HTTPValidationError"), "422")
    return operations, {"ValidationError": one, "HTTPValidationError": whole}


def test_fastapis_shape_has_an_entry_for_each_violation(bench: Bench) -> None:
    service = bench.serve(a_document(*fastapi()))
    response = service.post("/jobs", params={"count": "many"}, json={"seconds": "x"})
    detail = refused(service, "POST /jobs", response, 422)["detail"]
    assert len(detail) == 3
    found = {tuple(one["loc"]): one for one in detail}
    for place, name in (("query", "count"), ("body", "prompt"), ("body", "seconds")):
        assert f"'{name}'" in found[place, name]["msg"]
    assert len({one["msg"] for one in detail}) == 3
    malformed = service.post("/jobs", content=b"{", headers={"content-type": JSON})
    assert malformed.status_code in (400, 422)
    assert malformed.json()["detail"][0]["msg"]
    unknown = service.get("/jobs/nobody-made-this")
    assert unknown.status_code == 404
    assert "nobody-made-this" in unknown.json()["detail"][0]["msg"]


def test_an_operation_that_declares_its_job_as_default_does_not_refuse_with_a_job(bench: Bench) -> None:
    service = bench.serve(a_document(jobs(responses=answers(ref("Job"), "default"))))
    created = called(service, "POST /jobs", json={"prompt": "a cat"})
    assert called(service, "GET /jobs/{id}", created["id"])["status"] == "queued"
    for response, status in ((service.post("/jobs", json={}), 400), (service.get("/jobs/nobody-made-this"), 404)):
        assert response.status_code == status
        assert response.headers["content-type"] == "application/problem+json"
        assert not {"id", "prompt"} & set(response.json())


def test_an_error_that_is_declared_as_default_is_used(bench: Bench) -> None:
    responses = {**answers(ref("Job")), **answers(ERROR, "default")}
    service = bench.serve(a_document(jobs(responses=responses)))
    body = refused(service, "GET /jobs/{id}", service.get("/jobs/nobody-made-this"), 404)
    assert "nobody-made-this" in body["message"]


# -- what a request may say -------------------------------------------------------------------------


def test_a_pattern_is_read_as_javascript_reads_it(bench: Bench) -> None:
    name = {**TEXT, "pattern": "^[\\w-.]+$"}
    operations = jobs(body=an_object("prompt", prompt=TEXT, name=name), query={"label": name})
    service = bench.serve(a_document(operations))
    called(service, "POST /jobs", json={"prompt": "a cat", "name": "a-b.c_d"}, params={"label": "a-b.c"})
    for arguments in (
        {"json": {"prompt": "a cat", "name": "a b"}},
        {"json": {"prompt": "a"}, "params": {"label": "+"}},
    ):
        wrong = service.post("/jobs", **arguments)
        assert wrong.status_code == 400
        assert "[\\w-.]" in wrong.json()["detail"].replace("\\-", "-")


def test_a_pattern_that_nobody_can_compile_is_noted_and_not_applied(bench: Bench) -> None:
    body = an_object("prompt", prompt={**TEXT, "pattern": "^(a"})
    service = bench.serve(a_document(jobs(body=body, query={"label": {**TEXT, "pattern": "["}})))
    notes = service.provider.contract.document.notes
    assert any("prompt" in note and "pattern" in note for note in notes), notes
    assert any("label" in note and "pattern" in note for note in notes), notes
    called(service, "POST /jobs", json={"prompt": "a cat"}, params={"label": "x"})


def test_an_answer_that_no_value_fits_is_said_and_sent_without_it(bench: Bench) -> None:
    job = an_object("id", "status", "size", id=TEXT, status=STATUS, size={**INTEGER, "minimum": 2, "maximum": 1})
    loaded = load(bench.write(a_document(jobs(), {"Job": job})))
    told = [problem.text for problem in loaded.problems or ()]
    assert "POST /jobs: its answer can never be valid: size: minimum is 2, maximum is 1." in told
    made = start(loaded.provider).post("/jobs", json={"prompt": "a cat"}).json()
    assert made["status"] == "queued"
    assert "size" not in made


def test_an_unknown_security_scheme_is_read_as_the_only_one_there_is(bench: Bench) -> None:
    only = {"securitySchemes": {"app": SCHEMES["securitySchemes"]["app"]}}
    service = bench.serve(a_document(jobs(), components=only, security=[{"oauth": []}]), key="")
    notes = service.provider.contract.document.notes
    assert any("the security scheme 'oauth', which" in note and "the only one there is" in note for note in notes)
    refused = service.post("/jobs", json={"prompt": "a cat"})
    assert refused.status_code == 401, "that scheme is asked for"


@pytest.mark.parametrize("components", [{}, SCHEMES], ids=["none", "two"])
def test_an_unknown_security_scheme_is_none_where_there_is_not_one_other(bench: Bench, components: Node) -> None:
    service = bench.serve(a_document(jobs(security=[{"oauth": []}]), components=components), key="")
    assert any("'oauth'" in note and "no key is asked for" in note for note in service.provider.contract.document.notes)
    assert service.post("/jobs", json={"prompt": "a cat"}).status_code < 300


@pytest.mark.parametrize("media", [FORM, MULTIPART])
def test_a_form_with_properties_and_branches_is_read_in_the_right_types(bench: Bench, media: str) -> None:
    fields: Node = {"seconds": INTEGER, "urgent": {"type": "boolean"}, "tags": {"type": "array", "items": INTEGER}}
    body = {**an_object(prompt=TEXT, text=TEXT, **fields), "anyOf": [{"required": ["prompt"]}, {"required": ["text"]}]}
    del body["required"]
    job = an_object("id", "status", id=TEXT, status=STATUS, prompt=TEXT, **fields)
    service = bench.serve(a_document(jobs(body=body, media=(media,)), {"Job": job}))
    as_files = media == MULTIPART

    def sent(values: dict[str, Any]) -> dict[str, Any]:
        pairs = [(n, v) for n, values_ in values.items() for v in (values_ if isinstance(values_, list) else [values_])]
        return {"files": [(n, (None, v)) for n, v in pairs]} if as_files else {"data": values}

    made = called(service, "POST /jobs", **sent({"prompt": "1", "seconds": "5", "urgent": "true", "tags": ["1", "2"]}))
    assert (made["prompt"], made["seconds"], made["urgent"], made["tags"]) == ("1", 5, True, [1, 2])
    called(service, "POST /jobs", **sent({"text": "a", "tags": "3"}))
    assert service.post("/jobs", **sent({"seconds": "5"})).status_code == 400
    wrong = service.post("/jobs", **sent({"prompt": "a", "seconds": "five"}))
    assert wrong.status_code == 400
    assert "'seconds'" in wrong.text


def test_a_query_parameter_with_a_type_and_branches_is_read_in_its_type(bench: Bench) -> None:
    size = {"type": "integer", "anyOf": [{"enum": [2]}, {"minimum": 10}]}
    operations = {**jobs(), "GET /jobs": an_operation(a_list(ref("Job")), query={"limit": size})}
    service = bench.serve(a_document(operations))
    for _ in range(3):
        called(service, "POST /jobs", json={"prompt": "a cat"})
    assert len(called(service, "GET /jobs", params={"limit": "2"})["data"]) == 2
    assert len(called(service, "GET /jobs", params={"limit": "10"})["data"]) == 3
    assert service.get("/jobs", params={"limit": "5"}).status_code == 400
    assert service.get("/jobs", params={"limit": "x"}).status_code == 400


@pytest.mark.parametrize("media", [JSON, FORM])
def test_a_required_read_only_property_is_not_demanded_of_a_request(bench: Bench, media: str) -> None:
    known = {"owner": {**TEXT, "readOnly": True}, "stamp": ref("Stamp")}
    job = an_object("id", "status", "owner", "stamp", id=TEXT, status=STATUS, prompt=TEXT, **known)
    schemas = {"Job": job, "Stamp": {**TEXT, "readOnly": True}}
    body = an_object("prompt", "owner", "stamp", prompt=TEXT, **known)
    service = bench.serve(a_document(jobs(body=body, media=(media,)), schemas))
    sent = "json" if media == JSON else "data"
    created = called(service, "POST /jobs", **{sent: {"prompt": "a cat"}})
    assert {"owner", "stamp"} <= set(created), "an answer still has them"
    wrong = service.post("/jobs", **{sent: {"owner": "me"}})
    assert wrong.status_code == 400
    assert "'prompt'" in wrong.text


# -- kinds of jobs ----------------------------------------------------------------------------------


def two_kinds(first: str, second: str) -> Node:
    """Two collections whose operations answer with one schema."""
    operations: dict[str, Node] = {}
    for path in (first, second):
        operations[f"POST {path}"] = an_operation(ref("Job"), BODY)
        operations[f"GET {path}"] = an_operation(a_list(ref("Job")))
        operations[f"GET {path}/{{id}}"] = an_operation(ref("Job"))
    return a_document(operations)


@pytest.mark.parametrize(
    ("first", "second"),
    [("/v1/videos", "/v1/images"), ("/v1/video/tasks", "/v1/image/tasks"), ("/a/{shop}/jobs", "/b/{shop}/jobs")],
)
def test_two_collections_that_answer_with_one_schema_are_two_kinds_of_jobs(
    bench: Bench, first: str, second: str
) -> None:
    service = bench.serve(two_kinds(first, second))
    resources = service.provider.contract.resources
    assert len({resource.name for resource in resources}) == 2
    for path, resource in zip((first, second), resources, strict=True):
        placed = {part.action: part.operation.name for part in resource.operations}
        wanted = {Action.CREATE: f"POST {path}", Action.LIST: f"GET {path}", Action.RETRIEVE: f"GET {path}/{{id}}"}
        assert placed == wanted
    paths = [path.replace("{shop}", "7") for path in (first, second)]
    made = [service.post(path, json={"prompt": path}).json()["id"] for path in paths for _ in range(2)]
    assert len(set(made)) == 4
    for here, there, ids in ((paths[0], paths[1], made[:2]), (paths[1], paths[0], made[2:])):
        listed = service.get(here).json()["data"]
        assert {job["id"] for job in listed} == set(ids)
        assert {job["prompt"] for job in listed} == {here}
        for id in ids:
            assert service.get(f"{here}/{id}").json()["prompt"] == here
            assert service.get(f"{there}/{id}").status_code == 404


# -- paths ------------------------------------------------------------------------------------------


def test_paths_with_a_slash_at_their_end_are_found_and_served(bench: Bench) -> None:
    operations = {
        "POST /jobs/": an_operation(ref("Job"), BODY),
        "GET /jobs/": an_operation(a_list(ref("Job"))),
        "GET /jobs/{id}/": an_operation(ref("Job")),
        "DELETE /jobs/{id}/": an_operation(),
    }
    service = bench.serve(a_document(operations))
    [resource] = service.provider.contract.resources
    assert {p.action for p in resource.operations} == {Action.CREATE, Action.LIST, Action.RETRIEVE, Action.DELETE}
    id = called(service, "POST /jobs/", json={"prompt": "a cat"})["id"]
    assert called(service, "GET /jobs/{id}/", id)["prompt"] == "a cat"
    assert [job["id"] for job in called(service, "GET /jobs/")["data"]] == [id]
    called(service, "DELETE /jobs/{id}/", id)
    assert service.get(f"/jobs/{id}/").status_code == 404


def test_parts_below_a_job_are_found_under_another_parameter_and_after_a_colon(bench: Bench) -> None:
    video = {"200": {"description": "", "content": {"video/mp4": {"schema": {**TEXT, "format": "binary"}}}}}
    operations = {
        **jobs(),
        "GET /jobs/{job_id}/content": {**an_operation(), "responses": video},
        "POST /jobs/{id}:cancel": an_operation(ref("Job")),
    }
    service = bench.serve(a_document(operations))
    [resource] = service.provider.contract.resources
    found = {p.operation.name: p.action for p in resource.operations}
    assert found["GET /jobs/{job_id}/content"] is Action.CONTENT
    assert found["POST /jobs/{id}:cancel"] is Action.CANCEL
    first, second = (called(service, "POST /jobs", json={"prompt": "a cat"})["id"] for _ in range(2))
    assert called(service, "POST /jobs/{id}:cancel", first)["status"] == "cancelled"
    service.clock.advance(LATER)
    assert called(service, "GET /jobs/{id}", first)["status"] == "cancelled"
    assert called(service, "GET /jobs/{id}", second)["status"] == "succeeded"
    content = service.get(f"/jobs/{second}/content")
    assert (content.status_code, content.headers["content-type"]) == (200, "video/mp4")
    assert service.get(f"/jobs/{first}/content").status_code == 409


def test_a_comment_below_a_job_is_no_follow_up(bench: Bench) -> None:
    comment = an_object("id", "text", id=TEXT, text=TEXT)
    operations = {
        **jobs(),
        "GET /jobs": an_operation(a_list(ref("Job"))),
        "POST /jobs/{id}/comments": an_operation(ref("Comment"), an_object("text", text=TEXT)),
    }
    service = bench.serve(a_document(operations, {"Comment": comment}))
    [resource] = service.provider.contract.resources
    assert resource.first(Action.FOLLOW_UP) is None
    id = called(service, "POST /jobs", json={"prompt": "a cat"})["id"]
    called(service, "POST /jobs/{id}/comments", id, json={"text": "nice"})
    assert [job["id"] for job in called(service, "GET /jobs")["data"]] == [id]


@pytest.mark.parametrize("status", [200, 204])
def test_a_delete_answers_with_the_status_that_is_declared_and_no_body(bench: Bench, status: int) -> None:
    operations = {
        **jobs(),
        "DELETE /jobs/{id}": an_operation(responses=answers(None, str(status))),
        "POST /cleanup": an_operation(responses=answers(None, str(status))),
    }
    service = bench.serve(a_document(operations))
    id = called(service, "POST /jobs", json={"prompt": "a cat"})["id"]
    for response in (service.delete(f"/jobs/{id}"), service.post("/cleanup")):
        assert (response.status_code, response.content) == (status, b"")
        assert response.headers.get("content-length") == (None if status == 204 else "0")
    assert service.get(f"/jobs/{id}").status_code == 404


def test_an_example_by_reference_is_answered(bench: Bench) -> None:
    value = {"models": ["a", "b"]}
    media = {"schema": an_object("models", models={"type": "array", "items": TEXT})}
    content = {JSON: {**media, "examples": {"a": ref("A", "examples")}}}
    operations = {**jobs(), "GET /models": an_operation(responses={"200": {"description": "", "content": content}})}
    service = bench.serve(a_document(operations, components={"examples": {"A": {"value": value}}}))
    assert called(service, "GET /models") == value


# -- keys -------------------------------------------------------------------------------------------


def test_two_schemes_together_take_two_allowed_keys(bench: Bench) -> None:
    both = a_document(jobs(), components=SCHEMES, security=[{"bearer": [], "app": []}])
    service = bench.serve(both, key="", api_keys=("one", "two"))
    good = {**bearer("one"), "X-App": "two"}
    id = called(service, "POST /jobs", json={"prompt": "a cat"}, headers=good)["id"]
    assert called(service, "GET /jobs/{id}", id, headers=good)["id"] == id
    for wrong in (
        {**bearer("one"), "X-App": "three"},
        {**bearer("three"), "X-App": "two"},
        bearer("one"),
        {"X-App": "two"},
        {},
    ):
        assert service.get(f"/jobs/{id}", headers=wrong).status_code == 401, wrong
    any_key = bench.serve(both, key="")
    for wrong in ({**bearer("invalid-1"), "X-App": "two"}, {**bearer("one"), "X-App": "invalid-1"}):
        assert any_key.post("/jobs", json={"prompt": "a cat"}, headers=wrong).status_code == 401, wrong


def test_a_good_key_counts_where_another_that_could_be_sent_instead_is_refused(bench: Bench) -> None:
    service = bench.serve(a_document(jobs(), components=SCHEMES, security=[{"bearer": []}, {"app": []}]), key="")
    for headers in ({**bearer("invalid-1"), "X-App": "two"}, {**bearer("one"), "X-App": "invalid-1"}):
        id = called(service, "POST /jobs", json={"prompt": "a cat"}, headers=headers)["id"]
        assert called(service, "GET /jobs/{id}", id, headers=headers)["id"] == id
    neither = service.post("/jobs", json={"prompt": "a cat"}, headers={**bearer("invalid-1"), "X-App": "invalid-2"})
    assert neither.status_code == 401


def test_an_operation_that_needs_no_key_reads_a_keyed_job(bench: Bench) -> None:
    operations = jobs()
    operations["GET /jobs/{id}"]["security"] = []
    service = bench.serve(a_document(operations, components=SCHEMES, security=[{"bearer": []}]), key="")
    id = called(service, "POST /jobs", json={"prompt": "a cat"}, headers=bearer("one"))["id"]
    assert called(service, "GET /jobs/{id}", id)["prompt"] == "a cat"
    assert service.post("/jobs", json={"prompt": "a cat"}).status_code == 401


# -- paging -----------------------------------------------------------------------------------------


def pages_of(service: Service, names: tuple[str, str], starts: range, size: int) -> list[list[str]]:
    found = []
    for begin in starts:
        body = called(service, "GET /jobs", params={names[0]: begin, names[1]: size})
        found.append([job["id"] for job in body["data"]])
    return found


def five_jobs(bench: Bench, **query: Node) -> tuple[Service, list[str]]:
    """A list with these parameters, and the ids of five jobs in it, newest first."""
    page = an_object("data", data={"type": "array", "items": ref("Job")}, page=INTEGER, has_more={"type": "boolean"})
    service = bench.serve(a_document({**jobs(), "GET /jobs": an_operation(page, query=query)}))
    ids = []
    for number in range(5):
        ids.append(called(service, "POST /jobs", json={"prompt": str(number)})["id"])
        service.clock.advance(1)
    return service, ids[::-1]


@pytest.mark.parametrize("least", [0, 1])
def test_page_numbers_begin_where_the_schema_says(bench: Bench, least: int) -> None:
    service, ids = five_jobs(bench, page={**INTEGER, "minimum": least}, page_size=INTEGER)
    found = pages_of(service, ("page", "page_size"), range(least, least + 4), 2)
    assert found == [ids[:2], ids[2:4], ids[4:], []]
    first = called(service, "GET /jobs", params={"page_size": 2})
    assert (first["page"], [job["id"] for job in first["data"]], first["has_more"]) == (least, ids[:2], True)
    assert called(service, "GET /jobs", params={"page": least + 2, "page_size": 2})["has_more"] is False


@pytest.mark.parametrize("name", ["offset", "skip"])
def test_offsets_walk_all_jobs_once(bench: Bench, name: str) -> None:
    service, ids = five_jobs(bench, **{name: INTEGER, "limit": INTEGER})
    assert pages_of(service, (name, "limit"), range(0, 6, 2), 2) == [ids[:2], ids[2:4], ids[4:]]
    assert pages_of(service, (name, "limit"), range(1, 2), 3) == [ids[1:4]]
    assert pages_of(service, (name, "limit"), range(9, 10), 3) == [[]]


# -- what the suites of SDKs found ------------------------------------------------------------------


def test_what_was_asked_for_is_repeated_only_where_the_answer_may_hold_it(bench: Bench) -> None:
    part = an_object("text", text=TEXT)
    job = an_object("id", "status", "content", id=TEXT, status=STATUS, content={"type": "array", "items": part})
    body = an_object("content", content={"anyOf": [TEXT, {"type": "array", "items": part}]})
    operations = {"POST /jobs": an_operation(job, body), "GET /jobs/{id}": an_operation(job)}
    service = bench.serve(a_document(operations))
    told = service.post("/jobs", json={"content": "in a word"}).json()["content"]
    assert all(isinstance(item, dict) for item in told)
    assert service.post("/jobs", json={"content": [{"text": "x"}]}).json()["content"] == [{"text": "x"}]


def test_forms_that_a_tag_tells_apart_do_not_change_with_the_state(bench: Bench) -> None:
    said = an_object("id", "type", "status", "words", id=TEXT, type={"enum": ["said"]}, status=STATUS, words=TEXT)
    done = an_object("id", "type", "status", "output", id=TEXT, type={"enum": ["done"]}, status=STATUS, output=TEXT)
    item = {"oneOf": [ref("Said"), ref("Done")], "discriminator": {"propertyName": "type"}}
    operations = {"POST /items": an_operation(item, BODY), "GET /items/{id}": an_operation(item)}
    service = bench.serve(a_document(operations, {"Said": said, "Done": done}))
    id = service.post("/items", json={"prompt": "x"}).json()["id"]
    types = [service.get(f"/items/{id}").json()["type"]]
    service.clock.advance(LATER)
    types.append(service.get(f"/items/{id}").json()["type"])
    assert types == ["said", "said"]


def test_json_of_a_type_of_its_own_is_labelled_as_declared() -> None:
    service = start(str(Path(__file__).parent / "documents" / "pages.yaml"))
    assert (
        service.get("/renderings", auth=("user", "secret-0123456789")).headers["content-type"]
        == "application/vnd.api+json"
    )
