"""Reports: each writer over reports written by hand (good, bad, hostile, empty), read again by a real reader."""

import json
import re
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import replace
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree as ET

import jsonschema_rs
import pytest
from markdown_it import MarkdownIt

from contract_tests.contract import load_contract
from contract_tests.finding import (
    NOT_ASKED,
    Clause,
    Coverage,
    Evidence,
    Finding,
    Outcome,
    Report,
    Severity,
    Verdict,
)
from contract_tests.history import Exchange, History, JobStory, Purpose, Sighting
from contract_tests.laws import all_laws
from contract_tests.report import as_json, badge, baseline, html, junit, markdown, matrix, sarif, terminal
from contract_tests.report.coverage import UNDECLARED, cover, rows, told
from contract_tests.report.evidence import check_line, curl, evidence, quoted
from contract_tests.report.levels import claims, highest, levels
from contract_tests.report.page import CSP
from contract_tests.report.shown import line, shown
from contract_tests.report.summary import summary, word_of
from contract_tests.report.timelines import MOST as MOST_JOBS
from contract_tests.report.timelines import pictures, watched
from mockserver.errors import DocumentError
from mockserver.jobs.lifecycle import State
from mockserver.masking import Masking

DOCS = Path(__file__).parent.parent / "docs" / "reports.md"
KEY = "sk-live-0123456789abcdef"
EVIL = (
    "<script>alert(1)</script><img src=x onerror=alert(1)>\"'&{{7*7}}{0}[a](http://evil.example)|`x`|"
    "\x1b[31mred\x1b]0;title\x07\x9b2J\r\b\x00\x7f\u202eevil\u2066\u200b\ufeff\ud800\uffff\u2028]]>-->"
    "@team #1 https://evil.example www.evil.example ::error::x $x$" + "e" + "\u0301" * 40
)
ABOUT = {
    "spec": "specs/films/openapi.yaml",
    "url": "https://films.example/v1",
    "mode": "full",
    "started": "2026-11-20T12:00:00.000Z",
    "seconds": 12.345,
    "requests": 268,
    "jobs_created": 5,
    "spent": None,
    "phases": {"laws": {"seconds": 4.5, "requests": 120}, "schema": {"seconds": 7.8, "requests": 148}},
}
LAWS = {"JOB001": "readable", "LST001": "readable", "JOB002": "working", "KEY001": "strict"}


def ok(code: str, *reasons: str) -> Outcome:
    return Outcome(code, f"Law {code} is kept", Verdict.CONFORMS, reasons)


def broken(code: str, *findings: Finding) -> Outcome:
    return Outcome(code, f"Law {code} is kept", Verdict.VIOLATES, (), findings)


def unjudged(code: str, *reasons: str) -> Outcome:
    return Outcome(code, f"Law {code} is kept", Verdict.UNJUDGED, reasons)


def finding(code: str, severity: Severity = Severity.VIOLATION, **fields: object) -> Finding:
    made = Finding(
        code,
        f"Law {code} is kept",
        severity,
        "status is 'done'; expected one of queued, running, succeeded",
        "GET /films/{id}",
        Clause("specs/films/openapi.yaml", "/paths/~1films~1{id}/get", 42, "enum: [queued, running, succeeded]"),
        (Evidence(7, "GET https://films.example/v1/films/1", "200 after 0.010 s\n\n{}", "2026-11-20T12:00:01.000Z"),),
        ("curl -sS https://films.example/v1/films/1", f"mockserver check https://films.example --only {code}"),
        3,
        "done",
    )
    return replace(made, **fields)  # type: ignore[arg-type]


SEEN = Coverage(
    {"POST /films": {"201": 5, "400": 2, "500": 0}, "GET /films/{id}": {"200": 40, "404": 1}},
    {"queued": 5, "running": 20, "succeeded": 4, "failed": 0},
    {"GET /films/{id}": {"queued": 5, "running": 20, "succeeded": 4}},
)
LIFE = {
    "id": "film_1",
    "kind": "film",
    "points": ((0.0, "queued", 0), (2.0, "running", 10), (6.0, "running", 60), (9.0, "succeeded", 100)),
}
GOOD = Report(ABOUT, (ok("JOB001"), ok("LST001"), ok("JOB002"), ok("KEY001"), ok("SCHEMA001")), SEEN, (LIFE,))
BAD = Report(
    ABOUT,
    (
        ok("JOB001"),
        ok("LST001", "GET /films: no second page was there"),
        broken("JOB002", finding("JOB002", Severity.SILENT), finding("JOB002", Severity.BREAKS, cause="odd")),
        Outcome("ANS001", "Remarks", Verdict.CONFORMS, (), (finding("ANS001", Severity.WARNING, clause=None),)),
        unjudged("KEY001", "second key: no second key was given"),
    ),
    SEEN,
    (LIFE,),
)
EMPTY = Report({}, ())
HOSTILE = Report(
    {**ABOUT, "spec": EVIL, "url": EVIL, EVIL: EVIL, "odd": {EVIL: [EVIL, float("nan"), 2**70, object]}},
    (
        Outcome(EVIL, EVIL, Verdict.UNJUDGED, (EVIL,)),
        Outcome(
            "JOB001",
            EVIL,
            Verdict.VIOLATES,
            (EVIL,),
            (
                Finding(
                    "JOB001",
                    EVIL,
                    Severity.BREAKS,
                    EVIL + "x" * 300_000,
                    EVIL,
                    Clause(EVIL, EVIL, 0, EVIL),
                    (Evidence(1, EVIL + "\n" * 5_000, EVIL, EVIL),),
                    (EVIL,),
                    1,
                    EVIL,
                ),
            ),
        ),
    ),
    Coverage({EVIL: {EVIL: 1}}, {EVIL: 1}, {EVIL: {EVIL: 1}}),
    ({"id": EVIL, "kind": EVIL, "points": ((0, EVIL, EVIL), (float("nan"), "queued", 1), (1e300, None, 5), "odd")},),
)
REPORTS = {"good": GOOD, "bad": BAD, "hostile": HOSTILE, "empty": EMPTY}
WRITERS: Mapping[str, Callable[[Report], str]] = {
    "terminal": terminal.write,
    "json": as_json.write,
    "html": html.write,
    "junit": junit.write,
    "sarif": sarif.write,
    "markdown": markdown.write,
    "badge": badge.write,
    "shields": badge.shields,
    "matrix": lambda report: matrix.write([("a", report), (EVIL, report)]),
}
LIVE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff\uffff]")


class Page(HTMLParser):
    """A page as a browser reads it: its elements, and its text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.open: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in ("meta", "br"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def bare(text: str) -> list[str]:
    """Lines without the blanks at their ends."""
    return [row.rstrip() for row in text.splitlines()]


# -- all writers ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", WRITERS)
@pytest.mark.parametrize("kind", REPORTS)
def test_every_writer_writes_every_report_and_nothing_live(name: str, kind: str) -> None:
    text = WRITERS[name](REPORTS[kind])
    assert text.endswith("\n")
    assert not LIVE.search(text)
    assert len(text.encode()) < 300_000, "very long texts are cut"
    if name != "terminal":
        assert "<script" not in text.lower()
        assert "<img" not in text


def test_the_same_report_is_written_the_same_each_time() -> None:
    for write in WRITERS.values():
        assert write(BAD) == write(BAD)


def test_the_three_answers_are_kept_apart() -> None:
    counted = summary(BAD)
    assert (counted.verdict, counted.conform, counted.in_part, counted.broken, counted.unjudged) == (
        Verdict.VIOLATES, 2, 1, 1, 1,
    )  # fmt: skip
    assert summary(GOOD).sentence == "Conforms: all 5 laws were judged, and none is broken."
    partly = replace(GOOD, outcomes=(ok("JOB001"), unjudged("KEY001", "no second key")))
    assert summary(partly).sentence == "No violation was seen: 1 law conforms, 1 could not be judged."
    assert summary(EMPTY).verdict is Verdict.UNJUDGED
    assert summary(replace(GOOD, outcomes=(unjudged("JOB001"),))).verdict is Verdict.UNJUDGED
    assert [word_of(outcome) for outcome in BAD.outcomes] == [
        "conforms",
        "conforms, as far as it was judged",
        "violates",
        "conforms, with remarks",
        "could not be judged",
    ]


# -- each for itself --------------------------------------------------------------------------------


def test_json_fits_its_schema_and_reads_back() -> None:
    validator = jsonschema_rs.Draft202012Validator(as_json.schema())
    for report in REPORTS.values():
        validator.validate(json.loads(as_json.write(report)))
        read = as_json.from_json(as_json.write(report))
        assert as_json.write(read) == as_json.write(as_json.from_json(as_json.write(read)))
    for report in (GOOD, BAD, EMPTY):
        assert as_json.from_json(as_json.write(report)) == report
    told = json.loads(as_json.write(BAD))
    assert (told["verdict"], told["exit_code"], told["numbers"]["unjudged"]) == ("violates", 1, 1)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda data: data.update(version=9), "version 9"),
        (lambda data: data.update(format="other"), "no report"),
        (lambda data: data.update(extra=1), "extra"),
        (lambda data: data["outcomes"][2]["findings"][0].pop("count"), "/outcomes/2/findings/0"),
        (lambda data: data["outcomes"][0].update(verdict="fine"), "/outcomes/0/verdict"),
    ],
)
def test_a_report_that_is_none_is_refused_with_its_place(change: Callable[[dict], None], words: str) -> None:
    data = json.loads(as_json.write(BAD))
    change(data)
    with pytest.raises(DocumentError, match=words) as caught:
        as_json.from_json(json.dumps(data), "old.json")
    assert str(caught.value).startswith("old.json: ")


def test_no_json_at_all_is_refused() -> None:
    for text in ("", "<html>", "[]", "null", b"\xff"):
        with pytest.raises(DocumentError):
            as_json.from_json(text)


def test_html_is_one_well_formed_page_without_scripts_and_remote_assets() -> None:
    for report in REPORTS.values():
        for text in (html.write(report), matrix.write([("one", report), ("two", GOOD)])):
            page = Page(text)
            assert not page.open
            tags = {tag for tag, _ in page.elements}
            assert not tags & {"script", "img", "iframe", "object", "embed", "link", "base", "form", "image", "use"}
            policies = [a for tag, a in page.elements if tag == "meta" and "http-equiv" in a]
            assert [policy["content"] for policy in policies] == [CSP]
            for _, attributes in page.elements:
                assert not [name for name in attributes if name.startswith("on") or name in ("src", "style")]
                assert attributes.get("href", "#").startswith("#")
            ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
            assert len(ids) == len(set(ids))


def test_html_tells_a_manager_first_and_an_engineer_below() -> None:
    page = Page(html.write(BAD))
    places = [
        page.text.index(words)
        for words in ("Violates its contract: 1 law broken", "readable: not claimed", "Laws", "expected one of queued",
                      "Jobs that were watched", "What was seen", "Conditions")
    ]  # fmt: skip
    assert places == sorted(places)
    assert "openapi.yaml:42" in page.text
    assert "500 not seen" in page.text
    assert "second key: no second key was given" in page.text
    assert [tag for tag, _ in page.elements].count("svg") == 1
    assert [tag for tag, _ in page.elements].count("details") >= 3


def test_what_a_page_shows_of_hostile_text_is_that_text() -> None:
    text = html.write(HOSTILE)
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text
    assert "{{7*7}}" in Page(text).text
    assert "49{0}" not in text
    assert "\\x1b[31mred" in Page(text).text
    assert "\\u202eevil" in Page(text).text


def test_junit_has_a_case_for_each_law() -> None:
    suite = ET.fromstring(junit.write(BAD)).find("testsuite")
    assert suite is not None
    assert {name: suite.get(name) for name in ("tests", "failures", "skipped", "errors", "time")} == {
        "tests": "5", "failures": "1", "skipped": "1", "errors": "0", "time": "12.345",
    }  # fmt: skip
    cases = {case.get("name", "").split()[0]: case for case in suite.iter("testcase")}
    assert [child.tag for child in cases["JOB002"]] == ["failure"]
    assert "no second key was given" in cases["KEY001"].find("skipped").get("message")  # type: ignore[union-attr, operator]
    assert [child.tag for child in cases["ANS001"]] == ["system-out"], "a warning is no failure"
    assert "in part" in cases["LST001"].findtext("system-out", "")
    assert not list(cases["JOB001"])
    ET.fromstring(junit.write(HOSTILE))


def test_sarif_points_at_the_line_of_the_contract() -> None:
    run = json.loads(sarif.write(BAD))["runs"][0]
    worst = run["results"][0]
    assert (worst["ruleId"], worst["level"], worst["occurrenceCount"]) == ("JOB002", "error", 3)
    assert run["tool"]["driver"]["rules"][worst["ruleIndex"]]["id"] == "JOB002"
    physical = worst["locations"][0]["physicalLocation"]
    assert physical["artifactLocation"]["uri"] == "specs/films/openapi.yaml"
    assert physical["region"] == {"startLine": 42, "snippet": {"text": "enum: [queued, running, succeeded]"}}
    assert len({result["partialFingerprints"]["codeOperationCause/v1"] for result in run["results"]}) == 3
    notes = [note["message"]["text"] for note in run["invocations"][0]["toolExecutionNotifications"]]
    assert any(text.startswith("KEY001 could not be judged") for text in notes)
    warning = run["results"][-1]
    assert warning["level"] == "warning"
    assert "region" not in warning["locations"][0]["physicalLocation"], "no clause, no line"


def test_sarif_messages_hold_no_links_and_no_placeholders_and_results_have_an_end() -> None:
    message = json.loads(sarif.write(HOSTILE))["runs"][0]["results"][0]["message"]["text"]
    assert "](" not in message
    assert "{{0}}" in message
    many = replace(BAD, outcomes=(broken("JOB002", *(finding("JOB002", cause=str(n)) for n in range(6_000))),))
    run = json.loads(sarif.write(many))["runs"][0]
    assert len(run["results"]) == 5_000
    assert "1000 more" in run["invocations"][0]["toolExecutionNotifications"][-1]["message"]["text"]


def test_markdown_stays_a_table_and_under_a_megabyte() -> None:
    text = markdown.write(HOSTILE)
    for row in text.splitlines():
        if row.startswith("|"):
            assert row.endswith("|")
            assert row.count("|") in (3, 4, 5, 7), row
    assert not re.search(
        r"(?<!&)#1\b|@team|https://evil|www\.evil|\[a\]|`x`", re.sub(r"<pre>.*?</pre>", "", text, flags=re.S)
    )
    for written in (text, markdown.write(BAD)):
        page = Page(MarkdownIt("commonmark", {"html": True}).enable("table").render(written))
        assert {tag for tag, _ in page.elements} <= {
            "h2", "h3", "p", "table", "thead", "tbody", "tr", "th", "td", "details", "summary", "pre",
        }  # fmt: skip
        assert "onerror" not in str([attributes for _, attributes in page.elements])
    many = [finding(f"JOB{n:05}", cause=str(n), message=EVIL * 20, evidence=()) for n in range(3_000)]
    worst = finding("KEY001", Severity.SILENT)
    text = markdown.write(replace(BAD, outcomes=(*(broken(each.code, each) for each in many), broken("KEY001", worst))))
    assert len(text.encode()) < 1_000_000
    assert text.index("KEY001") < text.index("JOB00000")
    assert "did not fit" in text or "more findings" in text


def test_the_terminal_can_be_read_without_colours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    coloured = terminal.write(BAD, colours=True)
    assert "\x1b[" in coloured
    assert "\x1b[" not in terminal.write(BAD)
    assert bare(re.sub(r"\x1b\[[\d;]*m", "", coloured)) == bare(terminal.write(BAD)), "no word is in the colours alone"
    assert not re.search(r"\x1b(?!\[[\d;]*m)", terminal.write(HOSTILE, colours=True)), "only our own colours"
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b" not in terminal.write(BAD, colours=True)
    assert "JOB002 breaks clients silently" in terminal.write(BAD)
    assert "KEY001 Law KEY001 is kept: second key: no second key was given" in terminal.write(BAD)
    assert all(len(row) <= 60 for row in terminal.write(GOOD, width=60).splitlines())


def test_no_row_of_the_terminal_is_a_command_of_a_ci_service() -> None:
    orders = "::error::x\n##vso[task.setvariable]x\n ##[error]x ##teamcity[x]\n" + "word " * 18 + "::set-output::x"
    said = finding("JOB001", message=orders, evidence=(Evidence(1, orders, orders),), operation="", repeat=(orders,))
    text = terminal.write(replace(BAD, outcomes=(broken("JOB001", said),)), width=60)
    assert not re.search(r"^\s*::|##\w*\[", text, re.M)


def test_badges_say_what_the_report_says() -> None:
    ET.fromstring(badge.write(HOSTILE))
    assert badge.words(EMPTY) == ("not judged", "grey")
    assert badge.words(BAD) == ("1 law broken", "red")
    partly = replace(GOOD, outcomes=(ok("JOB001"), unjudged("KEY001", "x")))
    assert badge.words(partly) == ("1 of 2 laws judged", "yellow")
    assert json.loads(badge.shields(GOOD)) == {
        "schemaVersion": 1, "label": "contract", "message": "conforms", "color": "brightgreen",
    }  # fmt: skip


# -- levels, matrix, baseline, coverage -------------------------------------------------------------


def test_a_level_is_claimed_only_if_all_its_laws_were_judged_and_conform() -> None:
    readable, working, strict, compatible = levels(GOOD, LAWS)
    assert readable.codes == ("JOB001", "LST001")
    assert set(strict.codes) == {"JOB001", "LST001", "JOB002", "KEY001", "SCHEMA001"}
    assert (readable.is_claimed, working.is_claimed, strict.is_claimed) == (True, True, True)
    assert (compatible.is_claimed, compatible.verdict, compatible.why) == (
        False,
        Verdict.UNJUDGED,
        "no reference was given",
    )
    assert highest(levels(GOOD, LAWS)) == strict

    readable, working, strict, compatible = levels(BAD, LAWS)
    assert compatible.verdict is Verdict.UNJUDGED, "no reference, no answer"
    assert "in part only: LST001" in readable.why
    assert working.verdict is Verdict.VIOLATES
    assert strict.unjudged == ("LST001", "KEY001")
    assert "the schema was not checked" in strict.why

    only = levels(replace(GOOD, outcomes=(ok("JOB001"),)), LAWS)[0]
    assert (only.is_claimed, only.missing) == (False, ("LST001",))
    assert highest(levels(EMPTY, LAWS)) is None
    no_list = replace(GOOD, outcomes=(ok("JOB001"), unjudged("LST001", f"{NOT_ASKED}: it has no list")))
    assert levels(no_list, LAWS)[0].is_claimed
    assert "not asked for by the contract: LST001" in levels(no_list, LAWS)[0].why
    nothing = replace(GOOD, outcomes=tuple(unjudged(code, NOT_ASKED) for code in LAWS))
    assert not levels(nothing, LAWS)[0].is_claimed, "nothing was seen"


def test_a_report_without_laws_tells_of_no_levels() -> None:
    lint = replace(GOOD, outcomes=(ok("LNT001"), broken("LNT002", finding("LNT002"))))
    assert claims(lint) == []
    assert "level readable" not in terminal.write(lint)
    assert "readable" not in Page(html.write(lint)).text
    assert "| level |" not in markdown.write(lint)
    assert claims(GOOD)


def test_every_law_stands_behind_a_level() -> None:
    report = replace(GOOD, outcomes=tuple(ok(code) for code in all_laws()))
    found = levels(report)
    assert set(found[2].codes) | set(found[3].codes) == set(all_laws())
    assert found[0].codes
    assert highest(found).name == "working"  # type: ignore[union-attr]


def test_a_matrix_lays_providers_side_by_side() -> None:
    page = Page(matrix.write([("films", GOOD), ("films", BAD)]))
    assert "films (2)" in page.text
    assert "3 laws came to different answers" in page.text or "laws came to different answers" in page.text
    for words in ("violates: 2 findings", "not run", "could not be judged", "conforms, as far as it was judged"):
        assert words in page.text


def test_a_baseline_knows_a_cause_by_each_of_its_operations() -> None:
    (finding,) = BAD.findings[:1]
    spread = replace(finding, also=("GET /others",))
    wider = replace(BAD, outcomes=(Outcome(finding.code, finding.title, Verdict.VIOLATES, (), (spread,)),))
    narrow = replace(BAD, outcomes=(Outcome(finding.code, finding.title, Verdict.VIOLATES, (), (finding,)),))

    changes = baseline.compare(wider, baseline.read(baseline.write(narrow)))
    assert [each.operations for each in changes.new] == [spread.operations]

    changes = baseline.compare(narrow, baseline.read(baseline.write(wider)))
    assert (changes.new, len(changes.known), [each.operation for each in changes.fixed]) == ((), 1, ["GET /others"])
    assert as_json.from_json(as_json.write(wider)).findings[0].also == ("GET /others",)


def test_a_baseline_accepts_what_is_known_and_shows_what_is_new_and_fixed() -> None:
    known = baseline.read(baseline.write(BAD))
    assert {each.key for each in known} == {key for each in BAD.findings for key in baseline.keys_of(each)}
    same = baseline.compare(BAD, known)
    assert (same.exit_code, len(same.new), len(same.fixed)) == (0, 0, 0)

    worse = replace(BAD, outcomes=(*BAD.outcomes, broken("ERR001", finding("ERR001"))))
    changes = baseline.compare(worse, known)
    assert ([each.code for each in changes.new], changes.exit_code) == (["ERR001"], 1)

    mended = replace(BAD, outcomes=(ok("JOB002"), unjudged("ANS001", "read-only")))
    changes = baseline.compare(mended, known)
    assert {each.code for each in changes.fixed} == {"JOB002"}
    assert {each.code for each in changes.unseen} == {"ANS001"}, "what was not judged is not fixed"
    assert baseline.lines_of(changes)[0] == "0 new, 0 known, 2 fixed"
    partly = baseline.compare(replace(BAD, outcomes=(ok("JOB002", "no second page"),)), known)
    assert not partly.fixed


def test_writers_mark_what_a_baseline_accepts() -> None:
    report = replace(BAD, outcomes=(*BAD.outcomes, broken("ERR001", finding("ERR001"))))
    report = baseline.told_in(report, baseline.compare(report, baseline.read(baseline.write(BAD))), "known.json")
    assert as_json.from_json(as_json.write(report)) == report
    assert "known: accepted by the baseline" in html.write(report)
    assert "baseline known.json: 1 new, 3 known, 0 fixed" in terminal.write(report)
    assert "1 new" in markdown.write(report)
    results = json.loads(sarif.write(report))["runs"][0]["results"]
    assert sorted(result["baselineState"] for result in results) == ["new", "unchanged", "unchanged", "unchanged"]
    suite = ET.fromstring(junit.write(report)).find("testsuite")
    assert suite is not None
    assert (suite.get("failures"), suite.get("skipped")) == ("1", "2")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "no JSON"),
        ("[]", "expected an object"),
        ('{"format": "x", "version": 1, "findings": []}', "expected 'mockserver-baseline'"),
        ('{"format": "mockserver-baseline", "version": 1}', "has no 'findings'"),
        ('{"format": "mockserver-baseline", "version": 1, "findings": [], "more": 1}', "has 'more'"),
        ('{"format": "mockserver-baseline", "version": 1, "findings": [{"code": 1, "operation": "", "cause": ""}]}',
         "/findings/0/code is int"),
    ],
)  # fmt: skip
def test_a_baseline_is_read_strictly(text: str, words: str) -> None:
    with pytest.raises(DocumentError, match=re.escape(words)):
        baseline.read(text, "known.json")


def test_coverage_is_what_was_really_seen() -> None:
    contract = load_contract("openai")
    part = next(part for part in contract.parts if part.action.value == "retrieve")
    resource = next(each for each in contract.resources if part in each.operations)
    name = part.operation.name
    seen = [exchange(n, status=status, operation=name) for n, status in enumerate((200, 200, 418, 0))]
    story = JobStory("1", resource, seen[0], {})
    story.sightings = [
        Sighting(seen[0], part, "1", "queued", State.QUEUED, 0, {}, {}),
        Sighting(seen[1], part, "1", "odd", None, 0, {}, {}),
        Sighting(seen[1], part, "1", None, None, None, {}, {}),  # an answer that tells no status
    ]
    coverage = cover(History(contract, seen, [story]))
    assert coverage.operations[name]["200"] == 2
    assert sum(coverage.operations[name].values()) == 3, "no answer is no status"
    assert coverage.shown == {name: {"queued": 1, "unknown word": 1}}
    assert coverage.states == {"queued": 1, "running": 0, "succeeded": 0, "failed": 0, "unknown word": 1}
    assert told(coverage).endswith("1 of 4 states of a job were seen")
    (life,) = watched(History(contract, seen, [story]))
    assert life["points"] == ((0.0, "queued", 0), (0.0, None, 0))
    row = next(row for row in rows(coverage) if row.operation == name)
    assert row.seen >= 1
    assert row.declared == len([status for status in row.statuses if status != UNDECLARED])
    assert told(coverage).startswith(f"1 of {len(coverage.operations)} operations were called")


def test_timelines_draw_what_was_seen_and_no_more() -> None:
    drawn, left = pictures(replace(GOOD, timelines=(LIFE, {"id": "none", "kind": "x", "points": ()}) * 30))
    assert (len(drawn), left) == (MOST_JOBS, 60 - MOST_JOBS)
    assert [band.state for band in drawn[0].bands] == ["queued", "running", "succeeded"]
    assert drawn[0].words == "queued from 0 s to 2 s, running from 2 s to 9 s, succeeded from 9 s to 9 s"
    assert drawn[0].progress[-1][1] == 0.0, "100 percent is at the top"
    assert not drawn[1].bands
    odd = pictures(HOSTILE)[0][0]
    assert odd.left_out == 3
    assert {band.look for band in odd.bands} == {"other"}


# -- evidence ---------------------------------------------------------------------------------------


def exchange(number: int = 1, **fields: object) -> Exchange:
    made = Exchange(
        number, Purpose.POLL, "POST /films", "create", "POST", f"https://films.example/v1/films?api_key={KEY}&a=[1]",
        (("authorization", f"Bearer {KEY}"), ("content-type", "application/json"), ("host", "films.example")),
        b'{"prompt": "It\'s a cat", "token": "abcdefghijklmnop"}', 200,
        (("content-type", "application/json"), ("set-cookie", "session=abcdefghijklmnopqrst")),
        b'{"id": "1", "secret": "whsec_0123456789abcdef"}', 1_790_000_000.25, 0.0123,
    )  # fmt: skip
    return replace(made, **fields)  # type: ignore[arg-type]


def test_evidence_is_masked_and_trimmed() -> None:
    masking = Masking(keys=[KEY])
    told = evidence(exchange(), masking)
    for text in (told.request, told.answer):
        for secret in (KEY, "abcdefghijklmnop", "whsec_0123456789abcdef"):
            assert secret not in text
    assert told.request.startswith("POST https://films.example/v1/films?api_key=sk-***ef&a=[1]\n")
    assert told.answer.startswith("200 after 0.012 s\ncontent-type: application/json\n")
    assert told.at == "2026-09-21T14:13:20.250Z"

    long = evidence(exchange(body=b'{"a": "' + b"x" * 500_000 + b'"}', is_cut=True, size=900_000), masking)
    assert len(long.answer) < 3_000
    assert "900,000 bytes" in long.answer
    film = evidence(exchange(body=bytes(range(256)) * 40, headers=(("content-type", "video/mp4"),)), masking)
    assert film.answer.endswith("(10,240 bytes of video/mp4)")
    none = evidence(exchange(status=0, body=b"", problem=f"ConnectError: {KEY} refused"), masking)
    assert none.answer == "no answer: ConnectError: sk-***ef refused"
    cut = evidence(exchange(body=b"x" * 1_990 + KEY.encode()), masking)
    assert KEY[:6] not in cut.answer
    odd = evidence(exchange(body=EVIL.encode("utf-8", "replace"), started=float("inf")), masking)
    assert not LIVE.search(odd.request + odd.answer)


def test_what_was_seen_can_be_repeated_in_a_shell(tmp_path: Path) -> None:
    line = curl(exchange(), Masking(keys=[KEY]))
    assert KEY not in line
    said = said_by(line, tmp_path, KEY="k-1")
    assert said[:4] == ["-sS", "-g", "-i", "-X"]
    assert "https://films.example/v1/films?api_key=k-1&a=[1]" in said
    assert "authorization: Bearer k-1" in said
    assert not any(word.startswith("host:") for word in said)
    assert said[-2:] == ["--data-raw", '{"prompt": "It\'s a cat", "token": "abc***op"}']

    named = said_by(curl(exchange(), Masking(keys=[KEY]), "MY_KEY"), tmp_path, MY_KEY="k-2")
    assert "authorization: Bearer k-2" in named
    refused = curl(exchange(purpose=Purpose.BAD_KEY))
    assert '"authorization: Bearer $BAD_KEY"' in refused
    head = curl(exchange(method="HEAD", request_body=b""))
    assert " -I " in head
    film = curl(exchange(request_body=b"\0\xff"))
    assert "--data-binary @body.bin" in film


def test_a_check_can_be_made_again_by_its_line() -> None:
    url = "https://films.example/v1"
    assert check_line(url, "my spec.yaml") == f"mockserver check {url} --spec 'my spec.yaml'"
    whole = check_line(url, "films", [("--key-env", "MY_KEY"), ("--max-jobs", "0"), ("--no-schema", "")])
    assert whole == f"mockserver check {url} --spec films --key-env MY_KEY --max-jobs 0 --no-schema"
    assert check_line("", "films") == "mockserver check --from-har FILE.har --spec films"


@pytest.mark.parametrize(
    "text", ["", "a b", "it's", "$HOME `id` $(id)", "a\nb\x1b[0m\\", "caté \u202e 猫", "!x", "-n", "\\n'"]
)
def test_quoted_words_come_through_a_shell_as_they_are(text: str, tmp_path: Path) -> None:
    assert quoted(text).isascii()
    assert quoted(text).isprintable()
    assert said_by(f"curl {quoted(text)}", tmp_path) == [text]


def test_hostile_exchanges_make_harmless_commands(tmp_path: Path) -> None:
    evil = EVIL.encode("utf-8", "replace").decode().replace("\0", "")
    odd = exchange(
        url=f"http://x/{evil}; touch {tmp_path}/pwned", method="G'; touch pwned; '",
        request_headers=((evil, evil), ("x-key'$(touch pwned)", "$(touch pwned)")), request_body=evil.encode(),
    )  # fmt: skip
    line = curl(odd, None, "x$(touch pwned)")
    again = check_line(f"http://x/$(touch {tmp_path}/pwned)", "`touch pwned`", [("--key-env", "$(touch pwned)")])
    said_by(line, tmp_path)
    said_by(again.replace("mockserver", "curl"), tmp_path)
    assert not LIVE.search(line + again)
    assert not (tmp_path / "pwned").exists()


def said_by(command: str, folder: Path, **variables: str) -> list[str]:
    """What a command would be called with, by a real shell."""
    program = f"curl() {{ printf '%s\\0' \"$@\"; }}; {command}"
    done = subprocess.run(["bash", "-c", program], cwd=folder, env=variables, capture_output=True, check=True)
    assert not done.stderr
    return done.stdout.decode().split("\0")[:-1]


def test_shown_text_keeps_what_is_harmless() -> None:
    assert shown("Grüße, 猫 🎬\n\tx") == "Grüße, 猫 🎬\n\tx"
    assert shown("a\r\nb\rc") == "a\nb\\x0dc"
    assert line("  a\n b\t c ") == "a b c"
    assert shown("x" * 3_000, 10) == "xxxxxxxxxx… (3,000 characters in all)"
    assert shown("e" + "\u0301" * 40).count("\u0301") == 4
    assert unescape(html.write(replace(GOOD, about={"spec": "Grüße 猫"}))).count("Grüße 猫") >= 2
