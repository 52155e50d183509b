"""Judging by a reference: what a client of one contract meets at an endpoint that keeps another, from real answers."""

import re
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import orjson
import pytest
import yaml
from click.testing import CliRunner

from contract_tests import sdk_reading
from contract_tests.checking import Wishes, check_har, recorded
from contract_tests.comparing import Effect
from contract_tests.contract import load_contract
from contract_tests.explaining import catalogue
from contract_tests.finding import NOT_ASKED, Finding, Outcome, Severity, Verdict
from contract_tests.history import History, Purpose
from contract_tests.judging import FAILED
from contract_tests.playing.seeing import stories_of
from contract_tests.power import Bench, bench
from contract_tests.reference import TITLES, UNSEEN, UNSHOWN, judge_by_reference, ranked
from contract_tests.sdk_reading import Reader
from mockserver.cli.judging import check
from mockserver.errors import DeclarationError, MockserverError
from mockserver.jobs.declaration import read_declaration
from mockserver.jobs.resource import Action, Sdk

ROOT = Path(__file__).parents[1]
REFERENCE = "openai"
# Jobs that end with another answer, and jobs whose end is a flag.
DOCUMENTS = ("tests/documents/conversions.yaml", "tests/documents/films.yaml")
OTHERS = ("hingnet-sora", "hingnet-veo", "aitoearn", "agicto-sora")


@pytest.fixture(scope="module")
def running() -> Iterator[Bench]:
    with bench([REFERENCE, *OTHERS, *DOCUMENTS]) as started:
        yield started


class Played:
    """What was played with each provider, and what that came to, once for all tests."""

    def __init__(self, running: Bench) -> None:
        self.history = cache(lambda spec: running.play(spec, 6))
        self.outcomes = cache(lambda spec: judge_by_reference(self.history(spec), REFERENCE, spec))

    def told(self, spec: str, code: str) -> list[Finding]:
        return [f for outcome in self.outcomes(spec) for f in outcome.findings if f.code == code]

    def one(self, spec: str, code: str, about: str) -> Finding:
        [found] = [f for f in self.told(spec, code) if about in f.message]
        return found


@pytest.fixture(scope="module")
def played(running: Bench) -> Played:
    return Played(running)


def changed(history: History, edit: Any, *purposes: str) -> History:
    """A history whose served answers of some purposes say something else."""
    exchanges = [
        replace(e, body=orjson.dumps(edit(e.json)))
        if e.purpose in purposes and e.status == 200 and isinstance(e.json, dict)
        else e
        for e in history.exchanges
    ]
    made = replace(history, exchanges=exchanges)
    made.jobs = stories_of(made.contract, exchanges)
    return made


def by_code(outcomes: list[Outcome]) -> dict[str, Outcome]:
    return {outcome.code: outcome for outcome in outcomes}


# -- served by the simulator ------------------------------------------------------------------------


def test_the_reference_serves_its_own_clients(played: Played) -> None:
    outcomes = played.outcomes(REFERENCE)
    assert [f.message for outcome in outcomes for f in outcome.findings] == []
    assert {outcome.code for outcome in outcomes} == set(TITLES)
    assert {outcome.verdict for outcome in outcomes} == {Verdict.CONFORMS}


@pytest.mark.parametrize("spec", [*OTHERS, *DOCUMENTS])
def test_each_contract_serves_its_own_clients(spec: str, played: Played) -> None:
    outcomes = judge_by_reference(played.history(spec), spec, spec)
    assert [f"{f.code}: {f.message}" for outcome in outcomes for f in outcome.findings] == []


def test_other_words_make_a_loop_leave_early_or_never_end(played: Played) -> None:
    running = played.one("hingnet-sora", "REF010", "`processing`")
    assert "expected `in_progress`" in running.message
    assert "leaves early" in running.message
    assert running.message.endswith("It fails silently.")
    done = played.one("hingnet-sora", "REF010", "`success`")
    assert "never ends" in done.message
    assert done.message.endswith("It costs money.")
    assert done.severity is Severity.SILENT
    assert done.clause is not None
    assert "openai" in done.clause.file


def test_a_list_without_the_references_cursor_ends_early(played: Played) -> None:
    for name in ("has_more", "last_id"):
        assert played.one("hingnet-sora", "REF021", f"`{name}`").operation == "GET /v1/videos"
    assert played.one("hingnet-sora", "REF054", "stops after this page")


def test_a_field_that_may_be_null_and_is_missing_is_a_note(played: Played) -> None:
    for found in played.told("hingnet-sora", "REF004"):
        is_nullable = re.search("`(completed_at|expires_at|error|remixed_from_video_id)`", found.message)
        assert (found.severity is Severity.NOTE) == bool(is_nullable), found.message


def test_integer_seconds_are_no_text(played: Played) -> None:
    assert played.one("hingnet-veo", "REF005", "`seconds` is 4, expected string")
    read = played.one("hingnet-veo", "REF051", "`seconds` is 4, of type int")
    assert "The SDK reads" in read.message


def test_an_envelope_hides_the_job_that_was_paid_for(played: Played) -> None:
    create, poll = played.told("aitoearn", "REF003")
    assert create.message.endswith("It costs money.")
    assert "/data" in create.message
    assert poll.message.endswith("It fails loudly.")
    assert played.told("aitoearn", "REF004") == []  # every field is missing, for this one reason
    lost = played.one("aitoearn", "REF050", "`id`, `created_at`")
    assert lost.message.endswith("It costs money.")
    assert played.one("aitoearn", "REF020", "/data/list/*, expected at /data/*")
    assert played.one("aitoearn", "REF054", "holds no job")


def test_a_refusal_under_the_status_of_a_success_is_no_refusal(played: Played) -> None:
    assert played.one("aitoearn", "REF041", "answered 200").severity is Severity.SILENT


def test_paths_of_its_own_are_not_found(played: Played) -> None:
    assert {f.operation for f in played.told("aitoearn", "REF001")} >= {"POST /api/ai/video/generations"}
    assert played.told("hingnet-sora", "REF001") == []  # /v1 belongs to the base URL


def test_a_result_that_is_linked_is_not_found_by_who_downloads(played: Played) -> None:
    found = played.one("agicto-sora", "REF030", "`video_url`")
    assert found.message.endswith("It costs money.")


def test_not_ready_has_another_status(played: Played) -> None:
    assert played.one("hingnet-sora", "REF042", "`not_ready` is told with 404, expected 400")
    failed = [f for f in played.told("hingnet-sora", "REF042") if "`failed_content`" in f.message]
    assert bool(failed) != bool(played.told("hingnet-sora", "CMP051"))  # seen, or by the documents


def test_the_sdk_reads_a_word_outside_its_literal(played: Played) -> None:
    found = played.one("hingnet-sora", "REF052", "`processing`")
    assert "The SDK reads GET /v1/videos/{video_id}: `status` is `processing`, none of 'queued'" in found.message
    assert "leaves early" in found.message


def test_what_the_documents_alone_say_is_told_apart_and_not_twice(played: Played) -> None:
    for spec in OTHERS:
        for outcome in played.outcomes(spec):
            for found in outcome.findings:
                is_static = found.message.startswith((UNSEEN, UNSHOWN))
                assert is_static == found.code.startswith("CMP"), found.message
    assert played.one("hingnet-sora", "CMP001", "DELETE")  # nobody asked for it
    assert not played.told("hingnet-sora", "CMP010")  # the words were seen
    assert not played.told("hingnet-sora", "CMP041")
    shown = played.one("hingnet-veo", "CMP022", "`created_at`")
    assert shown.severity is Severity.NOTE
    assert shown.message.startswith(UNSHOWN)


def test_the_worst_comes_first(played: Played) -> None:
    found = ranked(played.outcomes("aitoearn"))
    effects = [list(Effect).index(effect) for effect, _ in found]
    assert effects == sorted(effects)
    assert found[0][0] is Effect.COSTS
    assert len(found) == sum(len(outcome.findings) for outcome in played.outcomes("aitoearn"))


# -- answers that are changed on their way ----------------------------------------------------------


def test_each_kind_of_wrong_field_has_its_code(played: Played) -> None:
    def edit(body: dict[str, Any]) -> dict[str, Any]:
        body = {key: value for key, value in body.items() if key != "created_at"}
        return {**body, "progress": "40%", "model": None, "object": "film"}

    outcomes = by_code(judge_by_reference(changed(played.history(REFERENCE), edit, Purpose.POLL), REFERENCE))
    for code, about in {
        "REF004": "`created_at`", "REF005": "`progress` is `40%`, expected integer", "REF006": "`model` is null",
        "REF007": "`object`", "REF050": "`created_at` is None", "REF051": "`progress` is `40%`", "REF052": "`film`",
    }.items():  # fmt: skip
        assert [f for f in outcomes[code].findings if about in f.message], code
        assert outcomes[code].verdict is Verdict.VIOLATES


def test_a_list_that_is_an_array_is_more_than_the_sdk_can_read(played: Played) -> None:
    history = changed(played.history(REFERENCE), lambda body: body["data"], Purpose.LIST, Purpose.PAGE)
    [found] = by_code(judge_by_reference(history, REFERENCE, codes={"REF053"}))["REF053"].findings
    assert "cannot make a SyncConversationCursorPage" in found.message


def test_an_error_without_a_text_cannot_be_read(played: Played) -> None:
    history = played.history(REFERENCE)
    exchanges = [
        replace(e, body=orjson.dumps({"msg": "no"})) if e.purpose == Purpose.UNKNOWN_ID else e
        for e in history.exchanges
    ]
    outcomes = by_code(judge_by_reference(replace(history, exchanges=exchanges), REFERENCE))
    assert "has no `error.message`" in outcomes["REF040"].findings[0].message
    assert "message is null" in outcomes["REF055"].findings[0].message


# -- what could not be judged -----------------------------------------------------------------------


def test_nothing_seen_is_nothing_judged() -> None:
    outcomes = judge_by_reference(History(load_contract(REFERENCE)), REFERENCE)
    assert {outcome.verdict for outcome in outcomes} == {Verdict.UNJUDGED}
    assert all(outcome.reasons for outcome in outcomes)


def test_what_was_not_served_is_said_beside_what_conforms(played: Played) -> None:
    history = played.history(REFERENCE)
    kept = [e for e in history.exchanges if e.action != "delete"]
    outcome = by_code(judge_by_reference(replace(history, exchanges=kept), REFERENCE))["REF003"]
    assert outcome.verdict is Verdict.CONFORMS
    assert "DELETE /videos/{video_id}: it was not served, or not asked for" in outcome.reasons


def test_hostile_answers_cost_no_traceback(played: Played) -> None:
    history = played.history(REFERENCE)
    bodies = [b"[]", b"null", b'"x"', b"{}", b'{"data": {"*": 1}}',
              b'{"_fields_set": 1, "self": 2, "data": [[[]], 7]}',
              b'{"id": {"id": []}, "status": ["queued"], "error": 3, "progress": 1e999}', b"\xff\xfe", b""]  # fmt: skip
    exchanges = [replace(e, body=bodies[e.number % len(bodies)]) for e in history.exchanges]
    edited = replace(history, exchanges=exchanges)
    edited.jobs = stories_of(edited.contract, exchanges)
    outcomes = judge_by_reference(edited, REFERENCE)
    assert not [why for outcome in outcomes for why in outcome.reasons if why.startswith(FAILED)]
    assert by_code(outcomes)["REF053"].findings


def test_an_sdk_that_is_not_installed_judges_nothing(played: Played, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sdk_reading, "packages_distributions", dict)
    outcomes = by_code(judge_by_reference(played.history("hingnet-veo"), REFERENCE, "hingnet-veo"))
    for code in ("REF050", "REF051", "REF055"):
        assert outcomes[code].verdict is Verdict.UNJUDGED
        assert outcomes[code].reasons == ("the Python package `openai` is not installed",)
    assert outcomes["REF005"].verdict is Verdict.VIOLATES  # the reference's schema is still there


def test_a_reference_without_an_sdk_does_not_ask_for_one(played: Played) -> None:
    outcomes = by_code(judge_by_reference(played.history("hingnet-veo"), "hingnet-veo"))
    assert outcomes["REF050"].reasons[0].startswith(NOT_ASKED)
    assert [f.message for outcome in outcomes.values() for f in outcome.findings] == []


def test_a_model_that_the_package_does_not_have_is_told() -> None:
    reader = Reader(Sdk("openai", {Action.CREATE: "openai.types:Film"}))
    with pytest.raises(MockserverError, match=r"has no openai\.types:Film"):
        list(reader.answer(Action.CREATE, {}))


# -- the declaration --------------------------------------------------------------------------------


def test_the_sdk_is_read_from_the_declaration() -> None:
    told = {"package": "films", "create": "films.types:Film", "list": "films:Film", "error-at": "/error"}
    sdk = read_declaration({"sdk": {"python": told}}, "here").sdk["python"]
    assert sdk == Sdk("films", {Action.CREATE: "films.types:Film", Action.LIST: "films:Film"}, error_at=("error",))


@pytest.mark.parametrize(
    ("told", "place"),
    [
        ({"cobol": {}}, "here.sdk: unknown keys"),
        ({"python": {}}, "here.sdk.python.package is None"),
        ({"python": {"package": "films", "made": "films:Film"}}, "here.sdk.python: unknown keys"),
        ({"python": {"package": "films", "create": "os:path"}}, "here.sdk.python.create is 'os:path'"),
        ({"python": {"package": "films", "create": "filmstrip:Film"}}, "expected a model of films"),
        ({"python": {"package": "films", "create": ["films:Film"]}}, "here.sdk.python.create"),
        ({"python": {"package": "films", "parse": "_private"}}, "here.sdk.python.parse is '_private'"),
        ({"python": {"package": "films", "error-at": "error"}}, "here.sdk.python.error-at"),
    ],
)
def test_a_wrong_sdk_is_refused_with_its_place(told: Any, place: str) -> None:
    with pytest.raises(DeclarationError) as refused:
        read_declaration({"sdk": told}, "here")
    assert place in str(refused.value)


# -- the whole check --------------------------------------------------------------------------------


def test_a_check_tells_of_the_reference(played: Played, tmp_path: Path) -> None:
    har = recorded(played.history("hingnet-sora"), Wishes("", "hingnet-sora"))
    report, _ = check_har(orjson.loads(har), "hingnet-sora", reference=REFERENCE)
    assert report.about["reference"] == REFERENCE
    found = next(f for f in report.findings if f.code == "REF010")
    assert found.evidence
    assert found.repeat[-1].endswith("--reference openai --only REF010")
    (tmp_path / "kept.har").write_bytes(har)
    arguments = ["--from-har", str(tmp_path / "kept.har"), "--spec", "hingnet-sora", "--reference", REFERENCE]
    result = CliRunner().invoke(check, [*arguments, "--only", "REF010", "--only", "REF052"])
    assert result.exit_code == 1
    last = result.output.strip().splitlines()[-1]
    assert last == (
        "places where a client of openai breaks: "
        "2 × costs money, 2 × fails silently, 0 × fails loudly (4 of them seen live)"
    )


def test_a_reference_that_is_not_there_is_one_line() -> None:
    result = CliRunner().invoke(check, ["http://127.0.0.1:9", "--spec", REFERENCE, "--reference", "nowhere.yaml"])
    assert result.exit_code == 2
    assert "nowhere.yaml" in result.output


# -- what is told of each code ----------------------------------------------------------------------


def test_each_code_is_explained_and_documented() -> None:
    entries = yaml.safe_load((ROOT / "contract_tests/catalogue_reference.yaml").read_text("utf-8"))
    page = (ROOT / "docs/laws.md").read_text("utf-8")
    assert list(entries) == list(TITLES)
    for code, entry in entries.items():
        assert set(entry) == {"title", "law", "why", "report", "fix"}, code
        assert all(isinstance(text, str) and text for text in entry.values()), code
        assert entry["title"] == TITLES[code] == catalogue()[code]["title"]
        assert f"| `{code}` | {TITLES[code]} | {entry['law']} |" in page, code


def test_no_provider_is_known_to_the_code() -> None:
    for name in ("reference.py", "sdk_reading.py"):
        text = (ROOT / "contract_tests" / name).read_text("utf-8").lower()
        assert not [word for word in (REFERENCE, *OTHERS, "sora") if word in text], name
