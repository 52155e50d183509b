"""What is concluded about the jobs of a document, and how a wrong declaration is told from a right one."""

import re
from typing import Any

import pytest
from in_process import Service, start

from mockserver.errors import DeclarationError, NoJobError
from mockserver.jobs.declaration import read_declaration
from mockserver.jobs.inference import read_contract
from mockserver.jobs.lifecycle import State
from mockserver.jobs.resource import Action, Contract, JobResource, RecordAction
from mockserver.loading.providers import bundled, bundled_names, load_profiles, load_provider, load_vocabulary
from mockserver.openapi.document import Document
from mockserver.provider import Provider

TEXT = {"type": "string"}
STATUS = {"type": "string", "enum": ["queued", "processing", "succeeded", "failed"]}
LATER = 1000  # seconds; every job has ended by then


def an_object(*required: str, **properties: Any) -> dict[str, Any]:
    return {"type": "object", "required": list(required), "properties": properties}


def answer(schema: dict[str, Any]) -> dict[str, Any]:
    return {"200": {"description": "ok", "content": {"application/json": {"schema": schema}}}}


def a_document(job: dict[str, Any], body: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    """A document with an operation that makes a task and one that reads it."""
    content = {"application/json": {"schema": body or an_object(prompt=TEXT)}}
    id = {"name": "task_id", "in": "path", "required": True, "schema": TEXT}
    read = {"operationId": "read", "parameters": [id], "responses": answer(job)}
    return {
        "openapi": "3.0.3",
        "info": {"title": "Tasks", "version": "1"},
        "paths": {
            "/tasks": {"post": {"operationId": "make", "requestBody": {"content": content}, "responses": answer(job)}},
            "/tasks/{task_id}": {"get": read},
        },
        **more,
    }


def contract_of(root: dict[str, Any]) -> Contract:
    declaration = read_declaration(root.get("x-job"), "api.yaml: x-job")
    return read_contract(Document(root, "api.yaml"), load_vocabulary(), declaration, load_profiles())


def resource_of(root: dict[str, Any]) -> JobResource:
    return contract_of(root).resources[0]


def served(root: dict[str, Any]) -> Service:
    return start(Provider("api", contract_of(root)))


def life(service: Service, *way: str) -> list[Any]:
    """The bodies of a new task when it was made, at work and at its end; `way` leads to its id."""
    bodies = [service.post("/tasks", json={"prompt": "a cat"}).json()]
    id: Any = bodies[0]
    for token in way:
        id = id[token]
    for seconds in (30, LATER):
        service.clock.advance(seconds)
        response = service.get(f"/tasks/{id}")
        assert response.status_code == 200, response.text
        bodies.append(response.json())
    return bodies


# -- the bundled contracts --------------------------------------------------------------------------

ACTIONS = {
    "openai": ["retrieve", "list", "create", "follow-up", "follow-up", "delete", "content", "follow-up"],
    "hingnet-sora": ["retrieve", "list", "create", "content", "follow-up"],
    "hingnet-veo": ["retrieve", "create", "content"],
    "aitoearn": ["retrieve", "list", "create"],
    "agicto-sora": ["retrieve", "create"],
}
WORDS = {
    "openai": ["queued", "in_progress", "completed", "failed"],
    "hingnet-sora": ["queued", "processing", "success", "failed"],
    "hingnet-veo": ["queued", "in_progress", "completed", "failed"],
    "aitoearn": ["SUBMITTED", "InProgress", "SUCCESS", "FAILURE"],
    "agicto-sora": ["queued", "in_progress", "completed", None],
}


@pytest.mark.parametrize("name", bundled_names())
def test_bundled_contracts(name: str) -> None:
    contract = load_provider(name).contract
    video = contract.resources[0]
    assert video.name == "video"
    assert sorted(part.action.value for part in video.operations) == sorted(ACTIONS[name])
    states = (State.QUEUED, State.RUNNING, State.SUCCEEDED, State.FAILED)
    assert [video.words.get(state) for state in states] == WORDS[name]
    assert len(contract.resources) == 1
    assert [c.name for c in contract.collections] == (["character"] if name == "openai" else [])
    unsure = [c.topic for c in contract.conclusions if not c.certain]
    assert unsure == (["video: state failed"] if name == "agicto-sora" else [])


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("hingnet-sora", "no operation reads a job by its id, with a status (it has GET /v1/videos)"),
        ("aitoearn", "no operation reads a job by its id, with a status (it has GET /api/ai/video/generations)"),
        ("hingnet-veo", "no operation creates what is read (it has GET /v1/videos/{video_id})"),
        ("agicto-sora", "no operation creates what is read (it has GET /v1/videos/{id})"),
    ],
)
def test_published_documents_of_one_operation_are_refused_with_the_reason(name: str, reason: str) -> None:
    with pytest.raises(NoJobError) as refused:
        load_provider(str(bundled("specs") / name / "openapi.yaml"))
    assert f"{name}/openapi.yaml" in str(refused.value)
    assert reason in str(refused.value)
    assert "an overlay can say so" in str(refused.value)


def test_the_published_openai_document_is_enough_by_itself() -> None:
    provider = load_provider(str(bundled("specs") / "openai" / "openapi.yaml"))
    [video], [character] = provider.contract.resources, provider.contract.collections
    assert sorted(part.action.value for part in video.operations) == sorted(ACTIONS["openai"])
    assert character.first(RecordAction.CREATE)
    service = start(provider)
    job = service.post("/videos", json={"prompt": "x", "seconds": "8", "size": "1280x720", "model": "sora-2"}).json()
    service.clock.advance(LATER)
    done = service.get(f"/videos/{job['id']}").json()
    assert (done["status"], done["seconds"], done["progress"]) == ("completed", "8", 100)
    assert service.get(f"/videos/{job['id']}/content").headers["content-type"] == "video/mp4"
    later = service.post("/videos", json={"prompt": "y"}).json()
    assert [job["id"] for job in service.get("/videos").json()["data"]] == [later["id"], job["id"]]
    refused = service.get("/videos/nobody")
    assert (refused.status_code, refused.headers["content-type"]) == (404, "application/problem+json")


# -- small documents --------------------------------------------------------------------------------


def test_a_job_in_an_envelope() -> None:
    data = an_object("id", "status", id=TEXT, status=STATUS, url=TEXT, prompt=TEXT)
    envelope = an_object("code", "data", code={"type": "integer", "enum": [0]}, data=data, request_id=TEXT)
    bodies = life(served(a_document(envelope)), "data", "id")
    assert [body["data"]["status"] for body in bodies] == ["queued", "processing", "succeeded"]
    assert [body["code"] for body in bodies] == [0, 0, 0]
    assert all(body["data"]["prompt"] == "a cat" for body in bodies)
    assert ["url" in body["data"] for body in bodies] == [False, False, True]
    assert len({body["request_id"] for body in bodies}) == 3


def test_another_name_for_the_id_and_the_status() -> None:
    job = an_object(
        "task_id", task_id=TEXT, task_status={"type": "string", "enum": ["PENDING", "RUNNING", "SUCCEEDED"]}
    )
    bodies = life(served(a_document(job)), "task_id")
    assert [body["task_status"] for body in bodies] == ["PENDING", "RUNNING", "SUCCEEDED"]


@pytest.mark.parametrize(
    "description",
    [
        "One of queued, running, done or error.",
        "Moves queued->running->done, or error.",
        "One of:\n- queued\n- running\n- done\n- error",
        "| it | is |\n|---|---|\n| `queued` | waits |\n| `running` | works |\n| `done` | ends |\n| `error` | bad |",
        "任务状态：queued 排队，running 处理中，done 完成，error 失败",
    ],
)
def test_words_that_stand_only_in_a_description(description: str) -> None:
    job = an_object(id=TEXT, status={"type": "string", "description": description})
    assert [body["status"] for body in life(served(a_document(job)), "id")] == ["queued", "running", "done"]


def test_upper_case_words_and_texts_for_numbers() -> None:
    words = {"type": "string", "enum": ["NOT_START", "IN_PROGRESS", "SUCCESS", "FAILURE"]}
    times = {"type": "string", "format": "date-time"}
    job = an_object(id=TEXT, status=words, progress={"type": "string", "example": "45%"}, submit_time=times)
    bodies = life(served(a_document(job)), "id")
    assert [body["status"] for body in bodies] == ["NOT_START", "IN_PROGRESS", "SUCCESS"]
    assert [bodies[0]["progress"], bodies[2]["progress"]] == ["0%", "100%"]
    assert bodies[0]["submit_time"] == "2026-09-21T14:13:20.250Z"


def test_milliseconds_and_shares_of_one() -> None:
    job = an_object(
        id=TEXT,
        status=STATUS,
        progress={"type": "number", "minimum": 0, "maximum": 1},
        created_at={"type": "integer", "example": 1764347090922},
    )
    bodies = life(served(a_document(job)), "id")
    assert [bodies[0]["progress"], bodies[2]["progress"], bodies[0]["created_at"]] == [0, 1, 1_790_000_000_250]


def test_whole_numbers_as_ids() -> None:
    service = served(a_document(an_object("id", "status", id={"type": "integer"}, status=STATUS)))
    bodies = life(service, "id")
    assert isinstance(bodies[0]["id"], int)
    assert [body["status"] for body in bodies] == ["queued", "processing", "succeeded"]
    assert life(service, "id")[0]["id"] != bodies[0]["id"]


def test_schemas_put_together_from_parts() -> None:
    parts = [an_object("id", id=TEXT), {"$ref": "#/components/schemas/State"}]
    more = {"components": {"schemas": {"State": an_object("status", status=STATUS)}}}
    bodies = life(served(a_document({"allOf": parts}, **more)), "id")
    assert [body["status"] for body in bodies] == ["queued", "processing", "succeeded"]
    either = {"oneOf": [an_object("id", "status", id=TEXT, status=STATUS), an_object("error", error=TEXT)]}
    assert life(served(a_document(either)), "id")[2]["status"] == "succeeded"


def test_nothing_that_looks_like_a_job() -> None:
    for job in (an_object(id=TEXT, name=TEXT), an_object(id=TEXT, status={"type": "string", "enum": ["on", "off"]})):
        with pytest.raises(NoJobError, match="no operation reads a job by its id, with a status"):
            contract_of(a_document(job))
    with pytest.raises(NoJobError, match="has no operations"):
        contract_of({"openapi": "3.1.0", "info": {}, "paths": {}})


def test_uncertain_words_are_said_to_be_uncertain() -> None:
    job = an_object(id=TEXT, status={"type": "string", "enum": ["queued", "done", "marinated"]})
    unsure = {c.topic: c.value for c in contract_of(a_document(job)).conclusions if not c.certain}
    assert unsure.pop("task: id").startswith("task_")  # no example shows what ids look like
    assert set(unsure) == {"task: state failed", "task: status word 'marinated'"}


# -- declarations -----------------------------------------------------------------------------------

JOB = an_object("id", "status", id=TEXT, status=STATUS, video_url=TEXT, error=TEXT, ratio=TEXT)


def declared(**task: Any) -> dict[str, Any]:
    """A document whose `x-job` says this of its tasks."""
    return a_document(JOB, an_object(prompt=TEXT, aspect=TEXT), **{"x-job": {"resources": {"task": task}}})


def test_a_right_declaration_is_followed() -> None:
    root = declared(**{
        "id-format": "t-{digits:9}", "profile": {"queue": [5, 5], "run": [10, 10]}, "echo": {"/ratio": "/aspect"},
        "retrieve": "read", "create": "POST /tasks"})  # fmt: skip
    service = served(root)
    job = service.post("/tasks", json={"prompt": "x", "aspect": "16:9"}).json()
    assert job["ratio"] == "16:9"
    assert len(job["id"]) == 11
    words = []
    for _ in range(4):
        words.append(service.get(f"/tasks/{job['id']}").json()["status"])
        service.clock.advance(5)
    assert words == ["queued", "processing", "processing", "succeeded"]


def test_one_declared_word_leaves_the_others_as_they_are() -> None:
    task = resource_of(declared(words={"running": "queued"}))
    assert [task.words[s] for s in (State.QUEUED, State.RUNNING, State.SUCCEEDED, State.FAILED)] == [
        "queued", "queued", "succeeded", "failed"]  # fmt: skip


def test_a_declared_word_that_no_status_says_is_refused_with_the_choices() -> None:
    with pytest.raises(DeclarationError, match=r"words\.running: no status says 'succeeding'\. It has: .*'queued'"):
        resource_of(declared(words={"running": "succeeding"}))


def test_a_declared_retrieve_needs_no_known_words() -> None:
    root = declared(retrieve="read", words={"queued": "alpha", "running": "beta", "succeeded": "gamma"})
    root["paths"]["/tasks/{task_id}"]["get"]["responses"] = answer(an_object("id", "status", id=TEXT, status=TEXT))
    root["paths"]["/tasks"]["post"]["responses"] = answer(an_object("id", "status", id=TEXT, status=TEXT))
    assert [body["status"] for body in life(served(root), "id")] == ["alpha", "beta", "gamma"]


@pytest.mark.parametrize(
    ("x_job", "place", "choices"),
    [
        ({"resource": {}}, "x-job: unknown keys ['resource']", "resources"),
        ([], "x-job is []", "resources"),
        ({"resources": []}, "x-job.resources", "a map"),
        ({"resources": {"task": None}}, "x-job.resources.task", "id-format"),
        ({"resources": {"task": {"idformat": "x"}}}, "x-job.resources.task: unknown keys ['idformat']", "id-format"),
        ({"resources": {"task": {"create": "nope"}}}, "x-job.resources.task.create: 'nope'", "make, read"),
        ({"resources": {"task": {"retrieve": "nope"}}}, "retrieve 'nope'", "make, read"),
        ({"resources": {"task": {"create": "read"}}}, "x-job.resources.task.create: 'read'", "plays another part"),
        ({"resources": {"task": {"result": "nope"}}}, "x-job.resources.task.result: 'nope'", "make, read"),
        ({"resources": {"task": {"result": "make", "create": "make"}}}, "task.result: 'make'", "plays another part"),
        ({"resources": {"task": {"id-format": "/(/"}}}, "x-job.resources.task: id-format", "/(/"),
        ({"resources": {"task": {"echo": {"/nope": "/aspect"}}}}, "x-job.resources.task.echo: /nope", "/ratio"),
        ({"resources": {"task": {}, "banana": {}}}, "x-job.resources.banana matches no job", "GET /tasks/{task_id}"),
        ({"resources": {"task": {"follow-ups": {"nope": {}}}}}, "follow-ups: 'nope'", "make, read"),
        ({"resources": {"task": {"follow-ups": {"make": {"sums": 1}}}}}, "follow-ups.make: unknown keys", "source"),
        ({"resources": {"task": {"follow-ups": {"make": {}}}}}, "follow-up 'make'", "source: /field/id"),
        ({"resources": {"task": {"fields": {"id": "task_id"}}}}, "fields.id: 'task_id' is not a JSON", "/data/id"),
        ({"resources": {"task": {"fields": {"status": "/nope"}}}}, "task.fields.status: /nope is no field", "/status"),
        ({"resources": {"task": {"only-in": {"/nope": ["failed"]}}}}, "task.only-in: /nope is no field", "/status"),
        ({"resources": {"task": {"only-in": {"/error": ["broken"]}}}}, "only-in./error is ['broken']", "'failed'"),
        ({"resources": {"task": {"only-in": {"/error": [{}]}}}}, "only-in./error is [{}]", "'failed'"),
        ({"resources": {"task": {"fields": {"identity": "/id"}}}}, "fields: unknown keys ['identity']", "thumbnail"),
        ({"resources": {"task": {"prices": {}}}}, "x-job.resources.task.prices.models is missing", "prices"),
        ({"resources": {"task": {"prices": {"models": {"m": "1"}}}}}, "prices.models.m is '1'", "an amount of money"),
        ({"resources": {"task": {"prices": {"per": "year"}}}}, "prices.per is 'year'", "'second'"),
        ({"resources": {"task": {"echo": {"ratio": "/aspect"}}}}, "x-job.resources.task.echo: 'ratio'", "/data/id"),
        ({"resources": {"task": {"words": {"done": "x"}}}}, "words: unknown keys ['done']", "succeeded"),
        ({"resources": {"task": {"id-format": "t_{hexx:3}"}}}, "x-job.resources.task: id-format", "{hex:n}"),
        ({"resources": {"task": {"id-format": "t"}}}, "x-job.resources.task: id-format", "{uuid}"),
        ({"resources": {"task": {"profile": "fast"}}}, "x-job.resources.task.profile is 'fast'", "default"),
        ({"resources": {"task": {"profile": {"queu": [1, 2]}}}}, "profile: unknown keys ['queu']", "progress-steps"),
        ({"resources": {"task": {"profile": {"run": [5, 1]}}}}, "profile: `run` is [5, 1]", "[least, most]"),
        ({"resources": {"task": {"profile": {"failure-rate": 2}}}}, "`failure-rate` is 2", "from 0 to 1"),
        ({"resources": {"task": {"profile": {"models": {"m": {"run": 3}}}}}}, "profile.models.m: `run` is 3", "[least"),
        ({"refusals": {"nope": {}}}, "x-job.refusals: unknown keys ['nope']", "not_found"),
        ({"refusals": {"not_found": {"status": 99}}}, "x-job.refusals.not_found.status is 99", "an HTTP status"),
        ({"refusals": {"not_found": {"text": ""}}}, "x-job.refusals.not_found: unknown keys ['text']", "body"),
        ({"headers": {"poll": "x"}}, "x-job.headers: unknown keys ['poll']", "poll-after"),
    ],
)  # fmt: skip
def test_a_wrong_declaration_names_the_place_and_the_choices(x_job: Any, place: str, choices: str) -> None:
    with pytest.raises(DeclarationError) as refused:
        contract_of(a_document(JOB, **{"x-job": x_job}))
    text = str(refused.value)
    assert place in text
    assert choices in text
    assert text.startswith("api.yaml: ")
    assert text.count("api.yaml") == 1


def test_fields_that_are_declared_for_some_states_only() -> None:
    bodies = life(served(declared(**{"only-in": {"/video_url": ["running"], "/ratio": []}})), "id")
    assert ["video_url" in body for body in bodies] == [False, False, False]  # a result is there in success alone
    job = an_object(id=TEXT, status=STATUS, prompt=TEXT)
    x_job = {"resources": {"task": {"only-in": {"/prompt": ["running", "succeeded"]}}}}
    assert ["prompt" in body for body in life(served(a_document(job, **{"x-job": x_job})), "id")] == [False, True, True]


def test_a_result_of_its_own_is_declared() -> None:
    root = declared(retrieve="read", result="fetch")
    id = {"name": "ref", "in": "path", "required": True, "schema": TEXT}
    film = an_object("film", film=TEXT)
    root["paths"]["/films/{ref}"] = {"get": {"operationId": "fetch", "parameters": [id], "responses": answer(film)}}
    task = resource_of(root)
    part = task.first(Action.RESULT)
    assert part is not None
    assert part.operation.id == "fetch"
    service = served(root)
    made = service.post("/tasks", json={"prompt": "x"}).json()["id"]
    assert 400 <= service.get(f"/films/{made}").status_code < 500, "it is not there yet"
    service.clock.advance(LATER)
    assert "film" in service.get(f"/films/{made}").json()


def test_ids_are_made_to_match_a_declared_pattern() -> None:
    made = served(declared(**{"id-format": "/^task_[0-9a-f]{12}$/"})).post("/tasks", json={"prompt": "x"}).json()["id"]
    assert re.fullmatch("task_[0-9a-f]{12}", made)


def test_a_create_that_is_declared_beside_a_retrieve_is_read_by_that_one() -> None:
    root = declared(create="make", retrieve="look")
    id = {"name": "task_id", "in": "path", "required": True, "schema": TEXT}
    root["paths"]["/looks/{task_id}"] = {"get": {"operationId": "look", "parameters": [id], "responses": answer(JOB)}}
    task = resource_of(root)
    retrieve, create = task.first(Action.RETRIEVE), task.first(Action.CREATE)
    assert retrieve is not None
    assert create is not None
    assert (create.operation.id, retrieve.operation.id) == ("make", "look")


def test_declared_words_are_said_in_the_type_that_the_status_has() -> None:
    numbers = an_object("id", "status", id=TEXT, status={"type": "integer", "enum": [1, 2, 3, 4]})
    words = {"queued": "1", "running": "2", "succeeded": "4", "failed": "3"}
    root = declared(retrieve="read", words=words, fields={"status": "/status"})
    for path, method in (("/tasks", "post"), ("/tasks/{task_id}", "get")):
        root["paths"][path][method]["responses"] = answer(numbers)
    assert [body["status"] for body in life(served(root), "id")] == [1, 2, 4]


def test_declared_headers_and_refusals() -> None:
    x_job = {
        "headers": {"poll-after": None, "request-id": "x-trace"},
        "refusals": {"not_found": {"status": 410, "body": {"gone": "{id}", "why": "No {kind}: {message}"}}},
    }
    response = served(a_document(JOB, **{"x-job": x_job})).get("/tasks/t1")
    assert (response.status_code, response.json()["gone"]) == (410, "t1")
    assert response.json()["why"].startswith("No not_found: No task")
    assert "x-trace" in response.headers
    assert "x-request-id" not in response.headers


def test_an_answer_that_is_told_by_an_example_alone() -> None:
    def shown(status: str) -> dict[str, Any]:
        example = {"task_id": "task_8c1f2e7a90b34d56", "status": status, "url": "https://example.com/a.mp4"}
        return {"200": {"content": {"application/json": {"example": example}}}}

    root = a_document(JOB)
    root["paths"]["/tasks"]["post"]["responses"] = shown("queued")
    root["paths"]["/tasks/{task_id}"]["get"]["responses"] = shown("completed")
    bodies = life(served(root), "task_id")
    assert [body["status"] for body in bodies] == ["queued", "processing", "completed"]
    assert bodies[0]["task_id"].startswith("task_")
    assert bodies[2]["url"].startswith("http://mock.test/")


def test_a_path_of_a_kind_with_all_it_needs_in_its_list() -> None:
    listed = {"200": {"content": {"application/json": {"schema": {"type": "array", "items": JOB}}}}}
    root = a_document({**JOB, "properties": {**JOB["properties"], "room_id": TEXT}})
    root["paths"] = {f"/rooms/{{room_id}}{path}": item for path, item in root["paths"].items()}
    root["paths"]["/rooms/{room_id}/tasks"]["get"] = {"responses": listed}
    [task] = contract_of(root).resources
    [part] = [part for part in task.operations if part.action is Action.LIST]
    assert part.view is not None
    assert part.view.fields["id"] == (("id",),), "not the room's"
