"""The laws: quiet over what is right and over what is merely odd, and each one loud over what it is for."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
import yaml
from test_hooks import SCENARIOS, SERVICES

from contract_tests.contract import ContractUnderTest, load_contract
from contract_tests.finding import Deviation, Severity, Unjudged, Verdict
from contract_tests.history import AFTER_THE_END, Exchange, History, Purpose
from contract_tests.history import CREATED as CREATED_OTHER
from contract_tests.history import READ as READ_OTHER
from contract_tests.judging import FAILED, judge
from contract_tests.laws import LAWS, all_laws, law
from contract_tests.laws.instants import read
from contract_tests.media import read_medium
from contract_tests.playing.seeing import stories_of
from contract_tests.power import OTHERS, Bench, bench, pairs
from mockserver.loading.providers import bundled_names
from mockserver.media.library import MediaLibrary

ROOT = Path(__file__).parents[1]
START = 1_790_000_000
ID = "video_" + "0a" * 24
JOB = {
    "id": ID, "object": "video", "model": "sora-2", "status": "queued", "progress": 0, "created_at": START,
    "completed_at": None, "expires_at": None, "prompt": "a cat", "size": "720x1280", "seconds": "4",
    "remixed_from_video_id": None, "error": None,
}  # fmt: skip
DONE = {**JOB, "status": "completed", "progress": 100, "completed_at": START + 80, "expires_at": START + 3680}
LEVELS = ("readable", "working", "strict", "compatible")


class Book:
    """A history that is written by hand: each line is one request about one job, with its answer."""

    def __init__(self, contract: ContractUnderTest) -> None:
        self.history = History(contract)

    def add(
        self, purpose: str, operation: str, body: Any, status: int = 200, *, detail: str = "", job: str = ID,
        sent: Any = None, at: float = 0.0, headers: dict[str, str] | None = None, query: str = "", method: str = "",
        asked: tuple[tuple[str, str], ...] = (),
    ) -> Exchange:  # fmt: skip
        raw = body if isinstance(body, bytes) else orjson.dumps(body)
        told = {"content-type": "application/json", **(headers or {})}
        action = next((str(p.action) for p in self.history.contract.parts if p.operation.name == operation), "")
        exchange = Exchange(
            number=len(self.history.exchanges) + 1, purpose=purpose, operation=operation, action=action,
            method=method or operation.partition(" ")[0],
            url="http://service.test" + re.sub(r"\{[^}]+\}", job, operation.partition(" ")[2]) + query,
            request_headers=(("content-type", "application/json"), *asked),
            request_body=orjson.dumps(sent) if sent is not None else b"", status=status,
            headers=tuple(told.items()), body=raw, started=START + at, seconds=0.01, job=job, detail=detail,
            size=len(raw),
        )  # fmt: skip
        self.history.exchanges.append(exchange)
        return exchange

    def story(self, *polls: dict[str, Any], lists: tuple[dict[str, Any], ...] = ()) -> "Book":
        """A create, then polls."""
        sent = {"prompt": "a cat", "model": "sora-2", "seconds": "4", "size": "720x1280"}
        self.add(Purpose.CREATE, "POST /videos", JOB, sent=sent)
        for number, body in enumerate(polls, 1):
            self.add(Purpose.POLL, "GET /videos/{video_id}", body, at=30.0 * number)
        for body in lists:
            self.add(Purpose.LIST, "GET /videos", body, job="")
        return self

    def codes(self) -> set[str]:
        """The laws that find something above a note."""
        self.history.jobs = stories_of(self.history.contract, self.history.exchanges)
        found = [finding for outcome in judge(self.history) for finding in outcome.findings]
        return {finding.code for finding in found if finding.severity is not Severity.NOTE}


@pytest.fixture(scope="module")
def contract() -> ContractUnderTest:
    return load_contract("openai")


@pytest.fixture
def book(contract: ContractUnderTest) -> Book:
    return Book(contract)


@pytest.fixture(scope="module")
def running() -> Iterator[Bench]:
    with bench([*bundled_names(), *OTHERS]) as started:
        yield started


# -- what the laws are ------------------------------------------------------------------------------


def test_each_law_has_a_title_a_level_and_an_entry_in_the_catalogue() -> None:
    entries = yaml.safe_load((ROOT / "contract_tests/catalogue.yaml").read_text("utf-8"))

    assert sorted(entries) == sorted(all_laws())
    for code, entry in entries.items():
        assert re.fullmatch(r"[A-Z]{3,4}\d{3}", code), code
        assert set(entry) == {"law", "why", "report", "fix"}, code
        assert all(isinstance(text, str) and text for text in entry.values()), code
        assert all_laws()[code].level in LEVELS, code
        assert all_laws()[code].title, code


def test_each_law_has_a_row_in_the_docs() -> None:
    text = (ROOT / "docs/laws.md").read_text("utf-8")

    rows = re.findall(r"^\| ([A-Z]+\d{3}) \| (.+?) \| (.+?) \| (.+?) \|", text, re.M)
    laws = {code: (known.title, str(known.severity), known.level) for code, known in all_laws().items()}
    assert {row[0]: row[1:] for row in rows} == laws


def test_a_law_that_fails_is_named_and_costs_no_other(book: Book) -> None:
    @law("TST001", "A law that breaks", Severity.NOTE)
    def broken(history: History) -> Iterator[Deviation | Unjudged]:
        raise KeyError("surprise")

    try:
        outcomes = {outcome.code: outcome for outcome in judge(book.story(DONE).history)}
    finally:
        del LAWS["TST001"]

    assert outcomes["TST001"].verdict is Verdict.UNJUDGED
    assert FAILED in outcomes["TST001"].reasons[0]
    assert "TST001" in outcomes["TST001"].reasons[0]
    assert len(outcomes) == len(all_laws()) + 1


def test_nothing_is_said_to_conform_that_was_not_seen(contract: ContractUnderTest) -> None:
    outcomes = judge(History(contract))

    assert {outcome.verdict for outcome in outcomes} == {Verdict.UNJUDGED}
    assert all(outcome.reasons for outcome in outcomes)


def test_the_same_cause_is_one_finding_with_its_count(book: Book) -> None:
    strange = {**JOB, "status": "processing"}
    book.story(strange, strange, strange)
    book.history.jobs = stories_of(book.history.contract, book.history.exchanges)

    (outcome,) = judge(book.history, ["JOB011"])

    (finding,) = outcome.findings
    assert (finding.count, finding.operation) == (3, "GET /videos/{video_id}")
    assert "`processing`" in finding.message
    assert finding.clause
    assert finding.clause.line
    assert outcome.verdict is Verdict.VIOLATES


def test_the_same_cause_on_several_operations_is_one_finding_that_names_them(book: Book) -> None:
    wrong = {**JOB, "status": "in_progress", "seconds": 4}
    book.story(wrong, lists=({"object": "list", "data": [wrong], "first_id": ID, "last_id": ID, "has_more": False},))
    book.history.jobs = stories_of(book.history.contract, book.history.exchanges)

    (outcome,) = judge(book.history, ["ANS004"])

    (finding,) = outcome.findings
    assert finding.operations == ("GET /videos/{video_id}", "GET /videos")
    assert finding.where == "GET /videos/{video_id}, GET /videos"
    assert finding.count == 2
    assert {each.number for each in finding.evidence} == {2, 3}
    assert finding.clause
    assert finding.clause.pointer == "/components/schemas/VideoResource/properties/seconds/type"


def test_the_same_fault_of_two_schemas_is_two_findings(book: Book) -> None:
    book.add(Purpose.FETCH, "DELETE /videos/{video_id}", {"object": "video.deleted", "deleted": True})
    book.add(Purpose.POLL, "GET /videos/{video_id}", {k: v for k, v in DONE.items() if k != "id"})

    (outcome,) = judge(book.history, ["ANS004"])

    assert [finding.operations for finding in outcome.findings] == [
        ("DELETE /videos/{video_id}",),
        ("GET /videos/{video_id}",),
    ]


def test_why_a_purpose_was_not_tried_is_told(book: Book) -> None:
    book.history.skipped[Purpose.SECOND_KEY] = "no second key was given"

    (outcome,) = judge(book.history, ["KEY004"])

    assert outcome.reasons == ("second key: no second key was given",)


# -- what is right, and what is merely odd ----------------------------------------------------------

RUNNING = {**JOB, "status": "in_progress", "progress": 40}
DATED = "sora-2-2025-10-06"
FAILURE = {"code": "generation_failed", "message": "It could not be made."}


def test_a_life_as_it_should_be(book: Book) -> None:
    assert book.story(RUNNING, DONE, DONE).codes() == set()


@pytest.mark.parametrize(
    "polls",
    [
        pytest.param([DONE], id="a state is skipped"),
        pytest.param([{**RUNNING, "progress": 0}, {**RUNNING, "progress": 0}, DONE], id="progress stays flat"),
        pytest.param([{**RUNNING, "progress": 5}, {**RUNNING, "progress": 90}, DONE], id="progress jumps"),
        pytest.param([RUNNING, {**JOB, "status": "failed", "progress": 40, "error": FAILURE}], id="a job fails"),
        pytest.param([{**RUNNING, "queue_position": 3}, DONE], id="an extra field"),
        pytest.param([dict(reversed(RUNNING.items())), DONE], id="another order of keys"),
        pytest.param([{**RUNNING, "model": DATED}, {**DONE, "model": DATED}], id="a dated model"),
    ],
)
def test_what_is_legal_is_not_reported(book: Book, polls: list[dict[str, Any]]) -> None:
    assert book.story(*polls).codes() == set()


def test_legal_oddities_of_answers(book: Book) -> None:
    book.story(DONE)
    book.add(Purpose.POLL, "GET /videos/{video_id}", DONE, headers={"content-type": "application/json; charset=UTF-8"})
    error = {"error": {"message": "Slow down.", "type": "requests", "param": None, "code": None}}
    book.add(Purpose.POLL, "GET /videos/{video_id}", error, 429, headers={"retry-after": "7"})

    assert book.codes() == set()


# -- what is wrong ----------------------------------------------------------------------------------


LIVES = [
    ([{**RUNNING, "status": "processing"}], "JOB011"),
    ([{**RUNNING, "status": "IN_PROGRESS"}], "JOB011"),
    ([{k: v for k, v in RUNNING.items() if k != "status"}], "JOB010"),
    ([RUNNING, JOB], "JOB012"),
    ([DONE, {**DONE, "status": "failed", "error": FAILURE}], "JOB013"),
    ([DONE, {**DONE, "quality": "low"}], "JOB015"),
    ([{**RUNNING, "progress": 140}], "JOB020"),
    ([RUNNING, {**RUNNING, "progress": 20}], "JOB021"),
    ([{**DONE, "progress": 99}], "JOB022"),
    ([{**RUNNING, "progress": 100}], "JOB023"),
    ([{**RUNNING, "progress": "45%"}], "JOB024"),
    ([{**RUNNING, "created_at": START + 40}], "JOB004"),
    ([{**RUNNING, "created_at": START * 1000}], "JOB030"),
    ([{**DONE, "completed_at": START - 60}], "JOB031"),
    ([{**DONE, "completed_at": START + 9000, "expires_at": START + 9999}], "JOB033"),
    ([{**DONE, "expires_at": START + 10}], "JOB034"),
    ([{**RUNNING, "error": FAILURE}], "JOB040"),
    ([{**RUNNING, "completed_at": START + 20}], "JOB042"),
    ([{**DONE, "completed_at": None}], "JOB044"),
    ([{**JOB, "status": "failed"}], "JOB045"),
    ([{**RUNNING, "id": "video_other"}], "JOB003"),
    ([{**RUNNING, "seconds": "8"}], "JOB005"),
    ([{**RUNNING, "prompt": "a dog"}, RUNNING], "JOB006"),
    ([{**RUNNING, "seconds": 4}], "ANS004"),
]


@pytest.mark.parametrize(("polls", "code"), LIVES)
def test_what_is_wrong_with_a_life_is_found(book: Book, polls: list[dict[str, Any]], code: str) -> None:
    assert code in book.story(*polls).codes()


def test_a_job_that_is_unknown_right_after_its_create(book: Book) -> None:
    book.add(Purpose.CREATE, "POST /videos", JOB)
    book.add(
        Purpose.POLL,
        "GET /videos/{video_id}",
        {"error": {"message": "?", "type": "x", "param": None, "code": None}},
        404,
    )

    assert book.codes() == {"JOB002"}


def test_two_creates_with_one_id_are_told_of_once(book: Book) -> None:
    """What differs between their jobs comes of that, and is no fault of its own."""
    book.story(RUNNING)
    book.add(Purpose.CREATE, "POST /videos", {**JOB, "created_at": START + 40}, at=40.0, sent={"prompt": "a cat"})
    book.add(Purpose.POLL, "GET /videos/{video_id}", {**RUNNING, "created_at": START + 40}, at=60.0)

    assert book.codes() == {"JOB008"}


def test_who_looks_at_no_input_is_told_so_once(book: Book) -> None:
    book.story(DONE)
    for field in ("prompt", "model", "seconds", "size"):
        for what in ("an object", "a list"):
            book.add(Purpose.INVALID, "POST /videos", JOB, job="", detail=f"{field}: {what}")
    book.history.jobs = stories_of(book.history.contract, book.history.exchanges)

    (finding,) = judge(book.history, ["ERR009"])[0].findings
    assert finding.count == 8
    assert finding.message.startswith("8 of 8 invalid inputs were taken")


def test_a_creation_that_is_no_instant(book: Book) -> None:
    book.add(Purpose.CREATE, "POST /videos", {**JOB, "created_at": 0})

    assert book.codes() == {"JOB032"}


def test_a_job_that_goes_by_another_id_is_judged_all_the_same(book: Book) -> None:
    """Which is said once, and hides nothing else."""
    other = {**RUNNING, "id": "task_7", "status": "processing"}

    assert book.story(other, {**DONE, "id": "task_7"}).codes() == {"JOB003", "JOB011", "ANS004"}


def test_the_jobs_of_another_key_are_told_by_their_ids(book: Book) -> None:
    book.story(DONE)
    shared = {**DONE, "id": "video_other", "prompt": f"as in {ID}"}
    page = {"object": "list", "first_id": "video_other", "last_id": "video_other", "has_more": False}
    book.add(Purpose.SECOND_KEY, "GET /videos", {**page, "data": [shared]}, job="")
    assert "KEY007" not in book.codes()

    book.add(Purpose.SECOND_KEY, "GET /videos", {**page, "first_id": ID, "last_id": ID, "data": [DONE]}, job="")
    assert "KEY007" in book.codes()


def test_a_job_that_never_ends(book: Book) -> None:
    book.story(RUNNING)
    book.add(Purpose.POLL, "GET /videos/{video_id}", RUNNING, at=100_000.0)

    assert book.codes() == {"JOB014"}


def listed(*jobs: dict[str, Any], more: bool = False) -> dict[str, Any]:
    ids = [job["id"] for job in jobs] or [None]
    return {"object": "list", "data": list(jobs), "first_id": ids[0], "last_id": ids[-1], "has_more": more}


OTHER = {**DONE, "id": "video_" + "0b" * 24, "created_at": START - 500, "completed_at": START - 400}


LISTS = [
    (listed(DONE, OTHER, DONE), "", "LST001"),
    (listed(OTHER, DONE), "", "LST002"),
    (listed(DONE, OTHER), "?order=asc", "LST002"),
    (listed(DONE, OTHER), "?limit=1", "LST003"),
    (listed(more=True), "", "LST004"),
    (listed(OTHER), "", "LST005"),
    ({**listed(DONE, OTHER), "last_id": ID}, "", "LST007"),
    (listed(RUNNING), "", "LST008"),
    (listed({**DONE, "completed_at": START + 50}), "", "LST009"),
    (listed(OTHER), "?limit=1", "LST011"),
    ([DONE], "", "ANS004"),
]


@pytest.mark.parametrize(("answer", "query", "code"), LISTS)
def test_what_is_wrong_with_a_list_is_found(book: Book, answer: Any, query: str, code: str) -> None:
    book.story(RUNNING, DONE)
    if code == "LST011":
        book.add(Purpose.CREATE, "POST /videos", {**JOB, "id": OTHER["id"]}, job=OTHER["id"])
        book.add(Purpose.POLL, "GET /videos/{video_id}", OTHER, job=OTHER["id"])
    book.add(Purpose.LIST, "GET /videos", answer, job="", query=query)

    assert code in book.codes()


def test_a_list_as_it_should_be(book: Book) -> None:
    book.story(RUNNING, DONE)
    book.add(Purpose.LIST, "GET /videos", listed(DONE, OTHER), job="")
    book.add(Purpose.LIST, "GET /videos", listed(OTHER, DONE), job="", query="?order=asc")
    book.add(Purpose.LIST, "GET /videos", listed(DONE, more=True), job="", query="?limit=1")
    book.add(Purpose.PAGE, "GET /videos", listed(OTHER), job="", query=f"?limit=1&after={ID}")

    assert book.codes() == set()


def test_a_cursor_that_is_ignored(book: Book) -> None:
    book.story(DONE)
    book.add(Purpose.LIST, "GET /videos", listed(DONE, more=True), job="", query="?limit=1")
    book.add(Purpose.PAGE, "GET /videos", listed(DONE, more=True), job="", query=f"?limit=1&after={ID}")

    assert {"LST001", "LST010"} <= book.codes()


GONE = {"id": ID, "object": "video.deleted", "deleted": True}
PROBLEM = {"error": {"message": "No.", "type": "invalid_request_error", "param": None, "code": None}}


REFUSALS = [
    (Purpose.UNKNOWN_ID, "GET /videos/{video_id}", 200, JOB, "ERR004"),
    (Purpose.UNKNOWN_ID, "GET /videos/{video_id}", 400, PROBLEM, "ERR005"),
    (Purpose.UNKNOWN_ID, "GET /videos/{video_id}", 500, PROBLEM, "ERR001"),
    (Purpose.UNKNOWN_ID, "GET /videos/{video_id}", 404, {"detail": "no"}, "ERR012"),
    (Purpose.UNKNOWN_ID, "GET /videos/{video_id}", 404, b"<html>", "ERR012"),
    (Purpose.UNKNOWN_ID, "GET /videos/{video_id}", 404, {"error": {**PROBLEM["error"], "message": " "}}, "ERR013"),
    (Purpose.INVALID, "POST /videos", 200, JOB, "ERR009"),
    (Purpose.BROKEN_JSON, "POST /videos", 200, JOB, "ERR008"),
    (Purpose.WRONG_TYPE, "POST /videos", 200, JOB, "ERR007"),
    (Purpose.WRONG_METHOD, "GET /videos", 405, PROBLEM, "ERR006"),
    (Purpose.CREATE, "POST /videos", 400, PROBLEM, "ERR003"),
    (Purpose.NO_KEY, "GET /videos", 200, listed(), "KEY001"),
    (Purpose.BAD_KEY, "GET /videos", 200, listed(), "KEY002"),
    (Purpose.BAD_KEY, "GET /videos", 403, PROBLEM, "KEY003"),
    (Purpose.SECOND_KEY, "GET /videos/{video_id}", 200, DONE, "KEY004"),
    (Purpose.SECOND_KEY, "DELETE /videos/{video_id}", 200, GONE, "KEY006"),
    (Purpose.POLL, "GET /videos/{video_id}", 429, PROBLEM, "HDR001"),
    (Purpose.POLL, "GET /videos/{video_id}", 202, b"", "ANS001"),
    (Purpose.FETCH_EARLY, "GET /videos/{video_id}/content", 200, b"{}", "RES009"),
    (Purpose.FETCH_EARLY, "GET /videos/{video_id}/content", 404, PROBLEM, "RES010"),
]


@pytest.mark.parametrize(("purpose", "operation", "status", "body", "code"), REFUSALS)
def test_what_is_wrong_with_a_refusal_is_found(
    book: Book, purpose: str, operation: str, status: int, body: Any, code: str
) -> None:
    book.add(Purpose.CREATE, "POST /videos", JOB)
    book.add(Purpose.POLL, "GET /videos/{video_id}", RUNNING)
    book.add(purpose, operation, body, status, method="PUT" if purpose == Purpose.WRONG_METHOD else "")

    assert code in book.codes()


def test_what_was_deleted_is_gone_everywhere(book: Book) -> None:
    book.story(DONE)
    book.add(Purpose.DELETE, "DELETE /videos/{video_id}", {"id": ID, "object": "video.deleted", "deleted": True})
    child = {**DONE, "id": OTHER["id"], "remixed_from_video_id": ID}
    book.add(Purpose.AFTER_DELETE, "GET /videos", listed(child))  # another job may still name it
    assert book.codes() == set()

    book.add(Purpose.AFTER_DELETE, "GET /videos", listed(DONE))
    assert book.codes() == {"JOB052"}


# -- laws that no drift shows: what breaks each of them, and its twin, of which no law complains -------

KEY = "sk-0123456789abcdef"
ONE, ALL, CONTENT = "GET /videos/{video_id}", "GET /videos", "GET /videos/{video_id}/content"
FAILED_JOB = {**JOB, "status": "failed", "progress": 40, "error": FAILURE}
REMIX = {**JOB, "id": OTHER["id"], "created_at": START + 100, "prompt": "a dog"}
LIBRARY = MediaLibrary(ROOT / "fixtures/media")
FILM = {"headers": {"content-type": "video/mp4"}}
TAGGED = {"content-type": "application/json; charset=utf-8"}
# Of other contracts: one whose answers have fields of a state, one that declares a header, one with few refusals.
HOSTED = {k: v for k, v in JOB.items() if v is not None}
HOSTED_DONE = {
    **HOSTED, "status": "success", "progress": 100, "completed_at": START + 80, "expires_at": START + 3680,
    "assets": [{"url": "https://cdn.test/a.mp4", "quality": "720x1280", "duration": 4, "size_bytes": 30_000}],
}  # fmt: skip
HOSTED_UNSAID = {k: v for k, v in HOSTED_DONE.items() if k != "completed_at"}
CONVERTED = "2b1c0f1e-3f0a-4c43-9a47-5d1e0c7f1a11"

Request = tuple[tuple[Any, ...], dict[str, Any]]


def asked(purpose: str, operation: str, body: Any, status: int = 200, **more: Any) -> Request:
    return (purpose, operation, body, status), more


CREATED = asked(Purpose.CREATE, "POST /videos", JOB, sent={"prompt": "a cat", "seconds": "4", "size": "720x1280"})
BEGUN = (CREATED, asked(Purpose.POLL, ONE, RUNNING, at=30.0))
ENDED = (*BEGUN, asked(Purpose.POLL, ONE, DONE, at=90.0))
FAILED_NOW = (*BEGUN, asked(Purpose.POLL, ONE, FAILED_JOB, at=60.0))
HOSTED_BEGUN = (
    asked(Purpose.CREATE, "POST /v1/videos", HOSTED),
    asked(Purpose.POLL, "GET /v1/videos/{video_id}", HOSTED),
)
SECOND = {**JOB, "id": OTHER["id"], "created_at": START + 5}
PROMPT = "a red ball on a wooden table"
PROMPTED = {**JOB, "prompt": PROMPT}
CREATED_BY_PROMPT = (asked(Purpose.CREATE, "POST /videos", PROMPTED, sent={"prompt": PROMPT}),
                     asked(Purpose.POLL, ONE, PROMPTED))  # fmt: skip
LONGER = {**REMIX, "seconds": "8"}
TRACE = {"error": {**PROBLEM["error"], "message": 'Traceback (most recent call last):\n  File "/srv/app.py", line 7'}}
MISNAMED = {"error": {**PROBLEM["error"], "param": "seconds"}}
# A contract of pictures, whose jobs have a width, a format and a start, and can be cancelled and filtered.
PICTURES, PICTURE_JOB = "tests/documents/pictures.yaml", "GET /tasks/{task_id}"
PICTURE = {
    "task_id": ID, "task_status": "PENDING", "model": "pixel-1", "prompt": "a cat", "negative_prompt": None,
    "width": 512, "height": 512, "n": 1, "output_format": "png", "seed": 7, "progress": 0,
    "created_at": "2026-09-21T14:13:20Z", "started_at": None, "finished_at": None, "images": None, "error": None,
}  # fmt: skip
DRAWING = {**PICTURE, "task_status": "RUNNING", "started_at": "2026-09-21T14:13:30Z", "progress": 40}
DRAWN = {
    **DRAWING, "task_status": "SUCCEEDED", "progress": 100, "finished_at": "2026-09-21T14:14:00Z",
    "images": [{"url": "http://cdn.test/1.jpg", "width": 512, "height": 512, "format": "png"}],
}  # fmt: skip
TOLD = {"x-request-id": "req-0123456789"}


def enveloped(data: Any) -> dict[str, Any]:
    return {"code": 0, "message": "ok", "data": data}


def paged(*items: Any, size: int = 10) -> dict[str, Any]:
    return enveloped({"items": list(items), "page": 1, "page_size": size, "total": len(items)})


def drawn(body: Any, at: float = 0.0, **sent: Any) -> tuple[Request, Request]:
    """A picture that was asked for, and how it was read."""
    begun = enveloped({"task_id": ID, "task_status": "PENDING"})
    asked_for = {"model": "pixel-1", "prompt": "a cat", **sent}
    return (asked(Purpose.CREATE, "POST /tasks", begun, 202, sent=asked_for, headers=TOLD),
            asked(Purpose.POLL, PICTURE_JOB, enveloped(body), at=at, headers=TOLD))  # fmt: skip


NAMED, MAKES_ONE = {"name": "Ann"}, "POST /videos/characters"
CHARACTER, A_CHARACTER = {"id": "c1", "name": "Ann", "created_at": START}, "GET /videos/characters/{character_id}"
STOPS_ONE = "POST /tasks/{task_id}/cancel"
TOO_LATE = {"code": 40900, "message": "It has ended.", "data": None}
CANCELLED = {**DRAWING, "task_status": "CANCELLED", "finished_at": "2026-09-21T14:13:45Z"}
JPEG, PNG = ({"headers": {"content-type": kind}} for kind in ("image/jpeg", "image/png"))

# Code, contract, what goes before, the request that breaks the law, and its twin.
TWINS: list[tuple[str, str, tuple[Request, ...], Request, Request]] = [
    ("ERR002", "openai", BEGUN, asked(Purpose.POLL, ONE, b"", 0), asked(Purpose.POLL, ONE, RUNNING)),
    ("ERR010", "openai", BEGUN, asked(Purpose.INVALID, "POST /videos", PROBLEM, 403),
     asked(Purpose.INVALID, "POST /videos", PROBLEM, 400)),
    ("ERR011", "tests/documents/clips.yaml", (),
     asked(Purpose.INVALID, "POST /text_to_clip", {"code": 7, "message": "No."}, 422),
     asked(Purpose.INVALID, "POST /text_to_clip", {"code": 7, "message": "No."}, 400)),
    ("ERR015", "openai", BEGUN, asked(Purpose.ODD_INPUT, ALL, b"", 302, job="", detail="after: unicode"),
     asked(Purpose.ODD_INPUT, ALL, PROBLEM, 400, job="", detail="after: unicode")),
    ("ERR016", "openai", BEGUN, asked(Purpose.ODD_INPUT, ALL, listed(), query="?limit=many", job=""),
     asked(Purpose.ODD_INPUT, ALL, PROBLEM, 400, query="?limit=-1", job="")),
    ("ERR016", "openai", BEGUN, asked(Purpose.ODD_INPUT, ALL, listed(), query="?limit=many", job=""),
     asked(Purpose.ODD_INPUT, ALL, listed(), query="?limit=1&limit=2", job="")),
    ("ERR017", "openai", ENDED, asked(Purpose.LIST, ALL, PROBLEM, 404, job=""),
     asked(Purpose.LIST, ALL, listed(DONE), job="")),
    ("HDR002", "openai", BEGUN, asked(Purpose.POLL, ONE, PROBLEM, 503, headers={"retry-after": "soon"}),
     asked(Purpose.POLL, ONE, PROBLEM, 503, headers={"retry-after": "Wed, 21 Oct 2026 07:28:00 GMT"})),
    ("HDR003", "openai", BEGUN, asked(Purpose.POLL, ONE, RUNNING, headers={"content-type": ""}),
     asked(Purpose.POLL, ONE, RUNNING)),
    ("HDR004", "openai", BEGUN, asked(Purpose.HEAD, ONE, b"", method="HEAD", headers={"content-type": "text/html"}),
     asked(Purpose.HEAD, ONE, b"", method="HEAD", headers=TAGGED)),
    ("HDR005", "tests/documents/conversions.yaml", (),
     asked(Purpose.CREATE, "POST /conversions", b"", 202, job=CONVERTED),
     asked(Purpose.CREATE, "POST /conversions", b"", 202, job=CONVERTED,
           headers={"location": f"http://service.test/conversions/{CONVERTED}"})),
    ("HDR007", "openai", BEGUN, asked(Purpose.POLL, ONE, RUNNING, headers={"content-length": "5"}),
     asked(Purpose.POLL, ONE, RUNNING, headers={"content-length": str(len(orjson.dumps(RUNNING)))})),
    ("JOB007", "openai", ENDED,
     asked(Purpose.FOLLOW_UP, "POST /videos/{video_id}/remix", REMIX, sent={"prompt": "a dog"}, at=100.0),
     asked(Purpose.FOLLOW_UP, "POST /videos/{video_id}/remix", {**REMIX, "remixed_from_video_id": ID},
           sent={"prompt": "a dog"}, at=100.0)),
    ("JOB008", "openai", BEGUN, CREATED, asked(Purpose.CREATE, "POST /videos", SECOND, job=SECOND["id"], at=5.0)),
    ("JOB043", "hingnet-sora", HOSTED_BEGUN,
     asked(Purpose.POLL, "GET /v1/videos/{video_id}", HOSTED_UNSAID, at=90.0),
     asked(Purpose.POLL, "GET /v1/videos/{video_id}", HOSTED_DONE, at=90.0)),
    ("KEY005", "openai", ENDED, asked(Purpose.SECOND_KEY, CONTENT, LIBRARY.video(720, 1280, 4), **FILM),
     asked(Purpose.SECOND_KEY, CONTENT, PROBLEM, 404)),
    ("KEY007", "openai", ENDED, asked(Purpose.SECOND_KEY, ALL, listed(DONE), job=""),
     asked(Purpose.SECOND_KEY, ALL, listed(), job="")),
    ("KEY008", "openai", BEGUN,
     asked(Purpose.POLL, ONE, {**RUNNING, "echo": f"Bearer {KEY}"}, asked=(("authorization", f"Bearer {KEY}"),)),
     asked(Purpose.POLL, ONE, {**RUNNING, "echo": "Bearer ***"}, asked=(("authorization", f"Bearer {KEY}"),))),
    ("RES007", "openai", ENDED, asked(Purpose.FETCH, CONTENT, LIBRARY.video(720, 1280, 8), **FILM),
     asked(Purpose.FETCH, CONTENT, LIBRARY.video(720, 1280, 4), **FILM)),
    ("RES008", "openai", ENDED, asked(Purpose.FETCH, CONTENT, LIBRARY.video(1280, 720, 4), **FILM),
     asked(Purpose.FETCH, CONTENT, LIBRARY.video(720, 1280, 4), **FILM)),
    ("ANS005", "openai", (asked(Purpose.OTHER, MAKES_ONE, CHARACTER, detail=CREATED_OTHER, job="c1", sent=NAMED),),
     asked(Purpose.OTHER, A_CHARACTER, {**CHARACTER, "name": "Bob"}, detail=READ_OTHER, job="c1"),
     asked(Purpose.OTHER, A_CHARACTER, CHARACTER, detail=READ_OTHER, job="c1")),
    ("JOB009", PICTURES, drawn(PICTURE)[:1], drawn({**PICTURE, "height": 768})[1], drawn(PICTURE)[1]),
    ("JOB047", PICTURES, drawn(PICTURE)[:1], drawn({**PICTURE, "started_at": PICTURE["created_at"]})[1],
     drawn(PICTURE)[1]),
    ("JOB053", PICTURES, drawn(DRAWN, at=60.0),
     asked(Purpose.CANCEL, STOPS_ONE, enveloped(DRAWN), at=61.0),
     asked(Purpose.CANCEL, STOPS_ONE, TOO_LATE, 409, at=61.0)),
    ("JOB055", PICTURES, (*drawn(PICTURE), asked(Purpose.CANCEL, STOPS_ONE, TOO_LATE, 409, at=5.0)),
     drawn(PICTURE, at=6.0)[1], drawn(DRAWN, at=60.0)[1]),
    ("JOB054", "openai", ENDED,
     asked(Purpose.FOLLOW_UP, "POST /videos/extensions", LONGER, sent={"prompt": "a dog", "seconds": "8"}, at=100.0),
     asked(Purpose.FOLLOW_UP, "POST /videos/extensions", {**LONGER, "seconds": "12"},
           sent={"prompt": "a dog", "seconds": "8"}, at=100.0)),
    ("ERR018", "openai", BEGUN, asked(Purpose.UNKNOWN_ID, ONE, TRACE, 404),
     asked(Purpose.UNKNOWN_ID, ONE, PROBLEM, 404)),
    ("ERR019", "openai", BEGUN, asked(Purpose.INVALID, "POST /videos", MISNAMED, 400, detail="prompt: missing"),
     asked(Purpose.INVALID, "POST /videos", MISNAMED, 400, detail="seconds: a word that is not in its enum")),
    ("ERR020", PICTURES, drawn(PICTURE),
     asked(Purpose.BOUND, "POST /tasks", {"code": 40000, "message": "Too small.", "data": None}, 400,
           detail="width: its minimum"),
     asked(Purpose.BOUND, "POST /tasks", enveloped({"task_id": "task_2", "task_status": "PENDING"}), 202,
           detail="width: its minimum", job="task_2", headers=TOLD)),
    ("HDR008", "openai", ENDED, asked(Purpose.FETCH, CONTENT, b"", 302),
     asked(Purpose.FETCH, CONTENT, b"", 302, headers={"location": "https://cdn.test/1.mp4"})),
    ("KEY009", "openai", BEGUN, asked(Purpose.SCHEME_SPELLED, ONE, PROBLEM, 401),
     asked(Purpose.SCHEME_SPELLED, ONE, RUNNING)),
    ("LST012", PICTURES, drawn(DRAWN, at=60.0),
     asked(Purpose.LIST, "GET /tasks", paged(DRAWN), job="", query="?page_size=5"),
     asked(Purpose.LIST, "GET /tasks", paged(DRAWN, size=5), job="", query="?page_size=5")),
    ("LST013", "openai", CREATED_BY_PROMPT,
     asked(Purpose.LIST, ALL, listed({**SECOND, "prompt": PROMPT}, PROMPTED), job="", at=6.0),
     asked(Purpose.LIST, ALL, listed(SECOND, PROMPTED), job="", at=6.0)),
    ("LST014", "openai", (*ENDED, asked(Purpose.LIST, ALL, listed(DONE), job="")),
     asked(Purpose.PAGE, ALL, listed(DONE), job="", query=f"?after={ID}", detail=AFTER_THE_END),
     asked(Purpose.PAGE, ALL, listed(), job="", query=f"?after={ID}", detail=AFTER_THE_END)),
    ("LST015", PICTURES, drawn(DRAWN, at=60.0),
     asked(Purpose.LIST, "GET /tasks", paged(DRAWN), job="", query="?status=FAILED"),
     asked(Purpose.LIST, "GET /tasks", paged(DRAWN), job="", query="?status=SUCCEEDED")),
    ("RES017", PICTURES, drawn({**DRAWN, "output_format": "jpeg"}, at=60.0, output_format="jpeg"),
     asked(Purpose.LINK, PICTURE_JOB, LIBRARY.still(512, 512, "image/png"), **PNG),
     asked(Purpose.LINK, PICTURE_JOB, LIBRARY.still(512, 512, "image/jpeg"), **JPEG)),
    ("RES016", "openai", FAILED_NOW, asked(Purpose.FETCH_EARLY, CONTENT, LIBRARY.video(720, 1280, 4), **FILM),
     asked(Purpose.FETCH_EARLY, CONTENT, PROBLEM, 404)),
]  # fmt: skip


@pytest.mark.parametrize(
    ("code", "spec", "before", "wrong", "right"), TWINS, ids=[f"{n}-{twin[0]}" for n, twin in enumerate(TWINS)]
)
def test_a_law_tells_what_is_wrong_from_its_twin(
    code: str, spec: str, before: tuple[Request, ...], wrong: Request, right: Request
) -> None:
    contract = load_contract(spec)
    bad, good = Book(contract), Book(contract)
    for book, last in ((bad, wrong), (good, right)):
        for positional, named in (*before, last):
            book.add(*positional, **named)

    assert good.codes() == set()
    assert code in bad.codes()


def test_no_law_can_be_taken_away_without_a_test_that_fails() -> None:
    """Each has a drift that it ought to see (tests/test_power.py), or a history here; all of these are judged."""
    needed = {pair.law for pair in pairs().values()} | {
        each[-1] for table in (LIVES, LISTS, REFUSALS) for each in table
    }
    needed |= {twin[0] for twin in TWINS}
    needed |= {code for _, found in (*SCENARIOS, *SERVICES) for code in found}

    assert set(all_laws()) - needed == set()


def test_files_are_read_from_their_bytes() -> None:
    assert read_medium(b"") is not None
    assert read_medium(b'{"error": 1}').kind == "application/json"
    assert read_medium(b"\x00\x01\x02\x03\x04\x05\x06\x07\x08") is None
    assert read(1_790_000_000_000) == (1_790_000_000.0, "ms")
    assert read("2026-11-20T12:00:00Z") is not None
    assert read(True) is None
    assert read(0) is None


# -- real histories ---------------------------------------------------------------------------------


@pytest.mark.parametrize("spec", [*bundled_names(), *OTHERS])
def test_a_clean_simulator_gets_no_finding_above_a_note(running: Bench, spec: str) -> None:
    outcomes = judge(running.play(spec), clause_of=lambda pointer: None)

    bad = [f for o in outcomes for f in o.findings if f.severity is not Severity.NOTE]
    assert bad == []
    assert not [o for o in outcomes if any(FAILED in reason for reason in o.reasons)]


def test_what_is_in_a_film(running: Bench) -> None:
    history = running.play("openai")
    fetch = next(e for e in history.of(Purpose.FETCH) if not e.detail and e.status == 200)

    medium = read_medium(fetch.body)

    assert medium is not None
    assert (medium.kind, medium.problem) == ("video/mp4", "")
    assert (medium.width, medium.height) == (720, 1280)
    assert medium.seconds == pytest.approx(4, abs=0.1)
    assert read_medium(fetch.body[:-100]).problem
