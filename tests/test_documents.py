"""Small documents that carry the shapes of job APIs: what is concluded of each, and that its jobs run."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner
from in_process import start
from survey import Survey, documents_in, name_of

from mockserver.cli import main
from mockserver.jobs.lifecycle import State
from mockserver.jobs.resource import Action, Contract, JobResource
from mockserver.loading.providers import bundled_names, load, load_provider

DOCUMENTS = Path(__file__).parent / "documents"
PLAIN = {"paintings.yaml"}  # nothing is found in these without a declaration
FLAG = {"queued": False, "running": False, "succeeded": True, "failed": True, "cancelled": True, "expired": True}

# What must be concluded of each kind: its operations; where its id is read and its id's format; the job's place in the
# retrieve answer, its fields and its words there. `{alnum:24}` is what ids look like where nothing is known of them.
EXPECTED: dict[str, dict[str, dict[str, Any]]] = {
    "actions.yaml": {
        "job": {
            "create": ["POST /?Action=SubmitSubtitleJob"],
            "retrieve": ["GET /?Action=GetSubtitleJob"],
            "id": ("query", "/JobId", "j-{digits:8}"),
            "made": "/Result/JobId",
            "at": "/Result",
            "fields": {"id": "/JobId", "status": "/Status", "created": "/CreateTime", "error": "/FailReason"},
            "words": {"queued": "Waiting", "running": "Running", "succeeded": "Finished", "failed": "Failed"},
        }
    },
    "batches.yaml": {
        "batch": {
            "create": ["POST /batches"],
            "retrieve": ["GET /batches/{id}"],
            "list": ["GET /batches"],
            "cancel": ["POST /batches/{id}/cancel"],
            "delete": ["DELETE /batches/{id}"],
            "id": ("path", "/id", "{digits:9}"),
            "made": "/id",
            "at": "",
            "fields": {"id": "/id", "status": "/state", "progress": "/percent_complete", "created": "/created",
                       "completed": "/finished", "result": "/output_url", "error": "/fail_reason"},
            "words": {"queued": "PENDING", "running": "RUNNING", "succeeded": "DONE", "failed": "ERROR",
                      "cancelled": "CANCELED"},
        }
    },
    "batchwork.yaml": {
        "batch": {
            "create": ["POST /batch/submit"],
            "retrieve": ["GET /batch/state/{batchId}"],
            "id": ("path", "/batchId", "batch_{alnum:24}"),
            "made": "/data/batchId",
            "at": "/data",
            "fields": {"id": "/batchId", "status": "/status", "progress": "/progress", "result": "/results",
                       "error": "/failReason"},
            "words": {"queued": 0, "running": 1, "succeeded": 2, "failed": 3},
        }
    },
    "clips.yaml": {
        "task": {
            "create": ["POST /text_to_clip", "POST /still_to_clip"],
            "retrieve": ["GET /tasks/{task_id}"],
            "list": ["GET /tasks"],
            "id": ("path", "/task_id", "task_{alnum:24}"),
            "made": "/data/task_id",
            "at": "/data",
            "fields": {"id": "/task_id", "status": "/task_status", "created": "/created_at", "result": "/task_result"},
            "words": {"queued": "submitted", "running": "processing", "succeeded": "succeed", "failed": "failed"},
        }
    },
    "conversions.yaml": {
        "conversion": {
            "create": ["POST /conversions"],
            "retrieve": ["GET /conversions/{conversion_id}"],
            "id": ("path", "/conversion_id", "{uuid}"),
            "made": None,
            "at": "",
            "fields": {"status": "/status", "progress": "/percent"},
            "words": {"queued": "queued", "running": "converting", "succeeded": "HTTP 200", "failed": "failed"},
        }
    },
    "dreams.yaml": {
        "dream": {
            "create": ["POST /v1/dreams"],
            "retrieve": ["GET /v1/dreams/{id}"],
            "list": ["GET /v1/dreams"],
            "delete": ["DELETE /v1/dreams/{id}"],
            "id": ("path", "/id", "drm_{alnum:24}"),
            "made": "/generation/id",
            "at": "",
            "fields": {"id": "/id", "status": "/state", "progress": "/progress", "created": "/created_at",
                       "result": "/assets", "error": "/failure_reason"},
            "words": {"queued": "THROTTLED", "running": "dreaming", "succeeded": "completed", "failed": "failed"},
        }
    },
    "films.yaml": {
        "job": {
            "create": ["POST /v1/films:render"],
            "retrieve": ["GET /v1/{name}"],
            "list": ["GET /v1/operations"],
            "cancel": ["POST /v1/{name}:cancel"],
            "id": ("path", "/name", "job_{alnum:24}"),
            "made": "/name",
            "at": "",
            "fields": {"id": "/name", "status": "/done", "result": "/response", "error": "/error"},
            "words": FLAG,
        }
    },
    "pages.yaml": {
        "rendering": {
            "create": ["POST /renderings"],
            "retrieve": ["GET /renderings/{rendering_id}"],
            "list": ["GET /renderings"],
            "id": ("path", "/rendering_id", "{uuid}"),
            "made": "/data/id",
            "at": "/data",
            "fields": {"id": "/id", "status": "/attributes/status", "created": "/attributes/created_at",
                       "result": "/attributes/download_url", "error": "/attributes/error_message"},
            "words": {"queued": "pending", "running": "rendering", "succeeded": "ready", "failed": "error"},
        }
    },
    "paintings.yaml": {},
    "pictures.yaml": {
        "task": {
            "create": ["POST /tasks"],
            "retrieve": ["GET /tasks/{task_id}"],
            "list": ["GET /tasks"],
            "cancel": ["POST /tasks/{task_id}/cancel"],
            "id": ("path", "/task_id", "task_{alnum:24}"),
            "made": "/data/task_id",
            "at": "/data",
            "fields": {"id": "/task_id", "status": "/task_status", "progress": "/progress", "created": "/created_at",
                       "started": "/started_at", "completed": "/finished_at", "result": "/images", "error": "/error"},
            "words": {"queued": "PENDING", "running": "RUNNING", "succeeded": "SUCCEEDED", "failed": "FAILED",
                      "cancelled": "CANCELLED"},
        }
    },
    "portraits.yaml": {
        "portrait": {
            "create": ["POST /portraits"],
            "retrieve": ["GET /portraits/{uid}"],
            "list": ["GET /portraits"],
            "id": ("path", "/uid", "{alnum:20}"),
            "made": "/*/uid",
            "at": "",
            "fields": {"id": "/uid", "status": "/status", "created": "/created_at", "result": "/output",
                       "error": "/error"},
            "words": {"running": "starting", "succeeded": "succeeded", "failed": "failed", "cancelled": "canceled"},
        }
    },
    "postcards.yaml": {
        "postcard": {
            "create": ["POST /postcards"],
            "retrieve": ["GET /postcards/{postcard_id}"],
            "delete": ["DELETE /postcards/{postcard_id}"],
            "id": ("path", "/postcard_id", "postcard_{alnum:24}"),
            "made": "/postcard_id",
            "at": "",
            "fields": {"id": "/postcard_id", "status": "/status", "progress": "/progress", "created": "/created_at",
                       "result": "/url", "error": "/error"},
            "words": {"queued": "pending", "succeeded": "done", "failed": "failed"},
        }
    },
    "queue.yaml": {
        "job": {
            "create": ["POST /jobs"],
            "retrieve": ["GET /jobs/{id}"],
            "list": ["GET /jobs"],
            "id": ("path", "/id", "job_{alnum:24}"),
            "made": "/id",
            "at": "",
            "fields": {"id": "/id", "status": "/status", "created": "/created_at", "result": "/video_url",
                       "error": "/error"},
            "words": {"queued": "queued", "running": "running", "succeeded": "succeeded", "failed": "failed"},
        }
    },
    "reels.yaml": {
        "reel_generation": {
            "create": ["POST /v1/reel_generation"],
            "retrieve": ["GET /v1/query/reel_generation"],
            "id": ("query", "/task_id", "{digits:15}"),
            "made": "/task_id",
            "at": "",
            "fields": {"id": "/task_id", "status": "/status", "result": "/file_id"},
            "words": {"queued": "Queueing", "running": "Preparing", "succeeded": "Success", "failed": "Fail"},
        }
    },
    "shop.yaml": {
        "job": {
            "create": ["POST /jobs"],
            "retrieve": ["GET /jobs/{job_id}"],
            "id": ("path", "/job_id", "job_{hex:16}"),
            "made": "/id",
            "at": "",
            "fields": {"id": "/id", "status": "/status"},
            "words": {"queued": "queued", "running": "in_progress", "succeeded": "completed", "failed": "failed"},
        }
    },
    "speech.yaml": {
        "speech": {
            "create": ["POST /speech/create"],
            "retrieve": ["POST /speech/query"],
            "id": ("body", "/speech_id", "{digits:9}"),
            "made": "/speech_id",
            "at": "",
            "fields": {"id": "/speech_id", "status": "/status", "result": "/audio_url", "error": "/error_message"},
            "words": {"queued": 0, "running": 1, "succeeded": 2, "failed": 3},
        }
    },
    "stories.yaml": {
        "story": {
            "create": ["POST /tell_story"],
            "retrieve": ["GET /stories/{story_id}"],
            "id": ("path", "/story_id", "story_{alnum:24}"),
            "made": "/story_id",
            "at": "",
            "fields": {"id": "/story_id", "status": "/status", "result": "/audio_url, /text"},
            "words": {"queued": "waiting", "running": "generating", "succeeded": "completed", "failed": "errored"},
        }
    },
    "studio": {
        "dub": {
            "create": ["POST /dubs"],
            "retrieve": ["GET /dubs/{dub_id}"],
            "list": ["GET /dubs"],
            "content": ["GET /dubs/{dub_id}/audio"],
            "delete": ["DELETE /dubs/{dub_id}"],
            "id": ("path", "/dub_id", "/^dub_[0-9a-f]{12}$/"),
            "made": "/dub_id",
            "at": "",
            "fields": {"id": "/dub_id", "status": "/state", "completed": "/finished_at", "expires": "/expires_at"},
            "words": {"queued": "accepted", "running": "dubbing", "succeeded": "ready", "failed": "failed",
                      "expired": "expired"},
        },
        "mix": {
            "create": ["POST /mixes"],
            "retrieve": ["GET /mixes/{mix_id}"],
            "id": ("path", "/mix_id", "mix_{alnum:24}"),
            "made": "/mix_id",
            "at": "",
            "fields": {"id": "/mix_id", "status": "/state", "result": "/outputs"},
            "words": {"queued": "in_queue", "running": "mixing", "succeeded": "mixed", "failed": "error",
                      "cancelled": "canceled"},
        },
    },
    "tasks.yaml": {
        "task": {
            "create": ["POST /image_to_video"],
            "retrieve": ["GET /tasks/{task_id}"],
            "id": ("path", "/task_id", "{uuid}"),
            "made": "/data/task_id",
            "at": "/data",
            "fields": {"id": "/task_id", "status": "/task_status", "created": "/created_at", "result": "/task_result"},
            "words": {"queued": "SUBMITTED", "running": "PROCESSING", "succeeded": "SUCCEED", "failed": "FAILED"},
        }
    },
    "transcripts.yaml": {
        "transcript": {
            "create": ["POST /transcripts"],
            "retrieve": ["GET /transcripts/{id}"],
            "list": ["GET /transcripts"],
            "delete": ["DELETE /transcripts/{id}"],
            "id": ("path", "/id", "tr-{alnum:24}"),
            "made": "/id",
            "at": "",
            "fields": {"id": "/id", "status": "/state", "created": "/created", "result": "/text, /words",
                       "error": "/error"},
            "words": {"queued": "SCHEDULED", "running": "TRANSCRIBING", "succeeded": "TRANSCRIBED", "failed": "ERROR",
                      "cancelled": "CANCELED"},
        }
    },
    "tunings.yaml": {
        "job": {
            "create": ["POST /tuning/jobs"],
            "retrieve": ["GET /tuning/jobs/{job_id}"],
            "list": ["GET /tuning/jobs"],
            "cancel": ["POST /tuning/jobs/{job_id}/cancel"],
            "id": ("path", "/job_id", "tune-{alnum:24}"),
            "made": "/id",
            "at": "",
            "fields": {"id": "/id", "status": "/status", "created": "/created_at", "completed": "/finished_at",
                       "error": "/error"},
            "words": {"queued": "queued", "running": "validating_files", "succeeded": "succeeded", "failed": "failed",
                      "cancelled": "cancelled"},
        }
    },
    "upscales.yaml": {
        "request": {
            "create": ["POST /upscale"],
            "retrieve": ["GET /requests/{request_id}/status"],
            "result": ["GET /requests/{request_id}"],
            "cancel": ["PUT /requests/{request_id}/cancel"],
            "id": ("path", "/request_id", "{uuid}"),
            "made": "/request_id",
            "at": "",
            "fields": {"id": "/request_id", "status": "/status"},
            "words": {"queued": "IN_QUEUE", "running": "IN_PROGRESS", "succeeded": "COMPLETED", "failed": "FAILED",
                      "cancelled": "CANCELLED"},
        }
    },
}  # fmt: skip
# What is read otherwise than written, and must be said: parts of the notes.
NOTES = {
    "clips.yaml": ["`exclusiveMinimum`"],
    "conversions.yaml": ["date-time in any way of ISO 8601"],
    "pages.yaml": ["taken together, then closed"],
    "studio": ["anyOf", "nullable"],
    "transcripts.yaml": ["Swagger 2.0"],
}
COLLECTIONS = {"shop.yaml": ["pet", "visit"], "studio": ["voice"], "transcripts.yaml": ["vocabulary"],
               "paintings.yaml": ["painting"]}  # fmt: skip
PATHS = {name_of(path): path for path in documents_in(DOCUMENTS)}
ALL = pytest.mark.parametrize("name", sorted(PATHS))
WITH_JOBS = pytest.mark.parametrize("name", sorted(PATHS.keys() - PLAIN))


def contract_of(name: str, *overlays: Path) -> Contract:
    spec = str(PATHS[name]) if name in PATHS else name
    return load(spec, tuple(map(str, overlays)), needs_job=False).provider.contract


def written(pointer: tuple[str, ...]) -> str:
    return "".join(f"/{token}" for token in pointer)


def concluded(resource: JobResource) -> dict[str, Any]:
    """What was concluded of a kind, as the table has it."""
    told: dict[str, Any] = {}
    for action in Action:
        names = [part.operation.name for part in resource.operations if part.action is action]
        if names:
            told[action.value] = names
    create, retrieve = resource.first(Action.CREATE), resource.first(Action.RETRIEVE)
    assert create is not None
    assert retrieve is not None
    assert retrieve.view is not None
    assert retrieve.id_place is not None
    made = create.view and create.view.fields.get("id")
    view = retrieve.view
    return {
        **told,
        "id": (retrieve.id_place.place, written(retrieve.id_place.pointer), resource.id_format),
        "made": written((*create.view.pointer, *made[0])) if create.view and made else None,
        "at": written(view.pointer),
        "fields": {role: ", ".join(map(written, pointers)) for role, pointers in view.fields.items()},
        "words": {state.value: view.words[state] for state in State if state in view.words},
    }


@ALL
def test_the_conclusions(name: str) -> None:
    contract = contract_of(name)
    assert {resource.name: concluded(resource) for resource in contract.resources} == EXPECTED[name]
    assert [collection.name for collection in contract.collections] == COLLECTIONS.get(name, [])


@ALL
def test_what_is_read_otherwise_than_written_is_said(name: str) -> None:
    notes = contract_of(name).document.notes
    for part in NOTES.get(name, []):
        assert any(part in note for note in notes), (part, notes)
    assert bool(notes) == (name in NOTES), notes


@ALL
def test_its_jobs_run_as_they_should(name: str) -> None:
    survey = Survey(PATHS[name])
    survey.run()
    assert survey.outcome.problems == []
    assert survey.outcome.invalid == []
    assert survey.outcome.kinds == list(EXPECTED[name])
    assert survey.outcome.whole == len(EXPECTED[name])
    assert survey.outcome.answers > 0


def test_json_with_surrogate_pairs_is_read_whatever_the_file_is_called() -> None:
    text = PATHS["speech.yaml"].read_text()
    assert "\\ud83d\\udd0a" in text
    assert yaml.safe_load(text) != json.loads(text), "a YAML reader takes the halves of a pair for characters"
    title = contract_of("speech.yaml").document.root["info"]["description"]
    assert title.endswith("\N{SPEAKER WITH THREE SOUND WAVES}")


# -- inspect ----------------------------------------------------------------------------------------

INSPECTED = pytest.mark.parametrize("name", sorted([*(PATHS.keys() - PLAIN), *bundled_names()]))


def inspected(*arguments: str) -> str:
    done = CliRunner().invoke(main, ["inspect", *arguments], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout


def spec_of(name: str) -> str:
    return str(PATHS[name]) if name in PATHS else name


def kept(contract: Contract) -> list[Any]:
    """What an overlay must not change: all that requests and answers follow from."""
    return [
        (
            resource.name, resource.id_format, resource.id_text, resource.words, resource.profile, resource.echo,
            [(p.operation.name, p.action, p.id_place, p.sums, p.links_source, p.variants, p.ended and p.ended.status,
              p.view and (p.view.pointer, p.view.fields, p.view.words, p.view.phases))
             for p in sorted(resource.operations, key=lambda part: part.operation.name)],
        )
        for resource in contract.resources
    ]  # fmt: skip


@INSPECTED
def test_the_overlay_that_inspect_writes_changes_nothing(name: str, tmp_path: Path) -> None:
    overlay = tmp_path / "overlay.yaml"
    assert "wrote" in inspected(spec_of(name), "--overlay", str(overlay))
    before, after = contract_of(name), contract_of(name, overlay)
    assert kept(after) == kept(before)
    assert inspected(spec_of(name), "--apply", str(overlay), "--overlay", "-").strip()


@INSPECTED
def test_inspect_as_json_tells_the_same(name: str) -> None:
    contract = contract_of(name)
    told = json.loads(inspected(spec_of(name), "--json"))
    assert [(c["topic"], c["value"], c["confidence"]) for c in told["conclusions"]] == [
        (c.topic, c.value, c.confidence) for c in contract.conclusions
    ]
    assert told["notes"] == list(contract.document.notes)
    for said, resource in zip(told["resources"], contract.resources, strict=True):
        assert (said["name"], said["id_format"]) == (resource.name, resource.id_format)
        assert said["words"] == {state.value: word for state, word in resource.words.items()}
        assert [(o["operation"], o["action"]) for o in said["operations"]] == [
            (p.operation.name, p.action.value) for p in resource.operations
        ]


@INSPECTED
def test_each_conclusion_has_evidence_and_a_confidence(name: str) -> None:
    contract = contract_of(name)
    assert contract.conclusions
    for conclusion in contract.conclusions:
        assert conclusion.topic
        assert conclusion.value
        assert conclusion.evidence
        assert 0 <= conclusion.confidence <= 1
        for value, confidence in conclusion.others:
            assert value != conclusion.value
            assert 0 <= confidence <= conclusion.confidence
        assert bool(conclusion.declare) or not conclusion.others, "what could be otherwise can be declared"
    topics = {c.topic for c in contract.conclusions}
    for resource in contract.resources:
        assert {f"{resource.name}: {part.action.value}" for part in resource.operations} <= topics
        view = next(p.view for p in resource.operations if p.action is Action.RETRIEVE)
        assert view is not None
        assert {f"{resource.name}: {role} field" for role in view.fields} <= topics
        assert {f"{resource.name}: state {state.value}" for state in view.words} <= topics


def decided(name: str, topic: str, tmp_path: Path) -> JobResource:
    """The first kind of a document, where the line that inspect prints below a conclusion is put into it."""
    lines = inspected(str(PATHS[name])).splitlines()
    at = next(number for number, line in enumerate(lines) if line[2:].startswith(f"{topic}  "))
    line = next(line for line in lines[at:] if "to decide otherwise: " in line)
    document = tmp_path / "api.yaml"
    document.write_text(PATHS[name].read_text() + line.partition("to decide otherwise: ")[2] + "\n")
    return load_provider(str(document)).contract.resources[0]


def test_another_field_is_taken_for_the_status_with_its_own_words(tmp_path: Path) -> None:
    lines = inspected(str(PATHS["stories.yaml"]))
    assert "or /phase 0.4" in lines
    story = decided("stories.yaml", "story: status field", tmp_path)
    retrieve = story.first(Action.RETRIEVE)
    assert retrieve is not None
    assert retrieve.view is not None
    assert retrieve.view.fields["status"] == (("phase",),)
    states = (State.QUEUED, State.RUNNING, State.SUCCEEDED, State.FAILED)
    assert [story.words[state] for state in states] == ["queued", "processing", "done", "failed"]
    service = start(str(tmp_path / "api.yaml"))
    id = service.post("/tell_story", json={"plot": "a cat"}).json()["story_id"]
    assert service.get(f"/stories/{id}").json()["phase"] == "queued"
    service.clock.advance(1000)
    assert service.get(f"/stories/{id}").json()["phase"] == "done"


def test_another_operation_is_taken_for_the_one_that_reads(tmp_path: Path) -> None:
    assert "or read by getStoryReport" in inspected(str(PATHS["stories.yaml"]))
    story = decided("stories.yaml", "story: create", tmp_path)
    retrieve, create = story.first(Action.RETRIEVE), story.first(Action.CREATE)
    assert retrieve is not None
    assert create is not None
    assert (create.operation.id, retrieve.operation.id) == ("tellStory", "getStoryReport")
    service = start(str(tmp_path / "api.yaml"))
    id = service.post("/tell_story", json={"plot": "a cat"}).json()["story_id"]
    assert service.get(f"/story_reports/{id}").json()["state"] == "pending"


def test_another_word_is_taken_for_a_state(tmp_path: Path) -> None:
    reel = decided("reels.yaml", "reel_generation: state running", tmp_path)
    assert reel.words[State.RUNNING] == "Processing"


def test_another_format_is_taken_for_the_ids(tmp_path: Path) -> None:
    assert decided("clips.yaml", "task: id", tmp_path).id_format == "{uuid}"


def test_a_word_that_nothing_is_known_of_is_given_a_state(tmp_path: Path) -> None:
    assert decided("stories.yaml", "story: status word 'telling'", tmp_path).words[State.RUNNING] == "telling"
