"""Services that mean harm to those who check them: secrets told back, answers without an end, odd values."""

import gzip
import json
from contextlib import suppress
from typing import Any

import orjson
import pytest
import requests
from click.testing import CliRunner
from raw_server import answer, listening
from requests.exceptions import ContentDecodingError, InvalidURL, ReadTimeout

from contract_tests import bounded
from contract_tests.bounded import MOST_SILENT, Bounds, requests_within
from contract_tests.checking import Wishes, check, check_har, recorded
from contract_tests.finding import Verdict
from contract_tests.history import Exchange, Purpose
from contract_tests.playing.har import HarError
from contract_tests.playing.pace import advice
from contract_tests.playing.target import is_loopback, may_follow
from contract_tests.report.as_json import write as as_json
from contract_tests.report.html import write as as_html
from mockserver.cli import main

KEY = "sk-secret-0123456789abcdef"
OPEN_ENDED = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n"


def test_a_key_that_is_told_back_is_in_no_report_and_in_no_har() -> None:
    """In an error's message, in an id, in a state, in a header, and in what is no text."""

    def echo(request: bytes) -> bytes:
        if request.startswith(b"POST"):
            job = {"id": f"job-{KEY}", "object": "video", "status": KEY, "progress": KEY, "model": KEY}
            return answer(json.dumps(job).encode(), "200 OK", "content-type: application/json", f"x-request-id: {KEY}")
        if b"/content" in request:
            return answer(b"\x00\xff" + KEY.encode(), "200 OK", f"content-type: video/mp4; of={KEY}")
        return answer(json.dumps({"error": {"message": f"bad key {KEY}", "code": KEY}}).encode(), "404 Not Found")

    with listening(echo) as url:
        wishes = Wishes(url, "openai", key=KEY, schema=False)
        report, history = check(wishes)
    assert history.is_reached
    for written in (as_json(report), as_html(report), recorded(history, wishes)):
        text = written if isinstance(written, str) else written.decode()
        assert KEY not in text


# -- fuzzing ----------------------------------------------------------------------------------------


def test_an_answer_that_drips_ends_the_fuzzing_of_a_service(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounded, "WHOLE", 0.05)

    def respond(request: bytes) -> bytes:
        return OPEN_ENDED if b"chemathesis" in request else answer(b"{}", "404 Not Found")

    with listening(respond, b" ") as url:
        report, _ = check(Wishes(url, "openai", key=KEY, only=frozenset({"SCH001", "SCH005"})))
    reasons = [reason for outcome in report.outcomes for reason in outcome.reasons]
    assert any(f"{MOST_SILENT} requests in a row got no whole answer" in reason for reason in reasons), reasons
    assert not any(outcome.verdict is Verdict.CONFORMS for outcome in report.outcomes)


def test_what_is_packed_is_unpacked_within_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounded, "MOST_BYTES", 1 << 20)
    packed = answer(gzip.compress(bytes(1 << 24)), "200 OK", "content-encoding: gzip")
    is_refused = pytest.raises(ContentDecodingError, match="more than 1,048,576 bytes")
    with listening(lambda request: packed) as url, requests_within(Bounds(), url), is_refused:
        requests.get(url, timeout=5)


def test_a_run_that_was_given_up_sends_nothing() -> None:
    bounds, sent = Bounds(), []
    with listening(lambda request: sent.append(request) or answer(b"{}")) as url, requests_within(bounds, url):
        assert requests.get(url, timeout=5).json() == {}
        for _ in range(MOST_SILENT):
            bounds.answered(False)
        with pytest.raises(ReadTimeout):
            requests.get(url, timeout=5)
    assert (len(sent), bounds.given_up != "") == (1, True)


def test_only_the_service_is_called() -> None:
    """Not what a document's examples refer to, say."""
    with listening(lambda request: answer(b"{}")) as url, listening(lambda request: answer(b"{}")) as other:
        with requests_within(Bounds(), url), pytest.raises(InvalidURL, match="is called"):
            requests.get(other, timeout=5)
        assert requests.get(other, timeout=5).status_code == 200  # it ends with the run


@pytest.mark.parametrize("limits", [{"max_jobs": 2}, {"max_spend": 1.0}])
def test_fuzzing_within_a_budget_sends_nothing_that_could_cost(limits: dict[str, Any]) -> None:
    """As the service sees it: what is told of a run could be wrong."""
    sent: list[bytes] = []

    def respond(request: bytes) -> bytes:
        if b"chemathesis" in request:
            sent.append(request.split()[0])
        return answer(json.dumps({"object": "list", "data": [], "has_more": False}).encode())

    with listening(respond) as url:
        check(Wishes(url, "openai", key=KEY, prices={"*": 0.1}, **limits))
    assert len(sent) > 50
    assert {*sent} <= {b"GET", b"HEAD", b"OPTIONS"}


# -- odd values -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://127.0.0.1:4000", True),
        ("http://localhost/v1", True),
        ("http://[::1]:4000", True),
        ("https://127.evil.com", False),
        ("https://localhost.evil.com", False),
    ],
)
def test_what_is_on_this_machine_is_told_by_the_address(url: str, expected: bool) -> None:
    assert is_loopback(url) == expected


@pytest.mark.parametrize(
    "address", ["http://0x7f.1/", "http://2130706433/", "http://[::ffff:127.0.0.1]/", "http://metadata/"]
)
def test_a_service_leads_nobody_into_a_private_network(address: str) -> None:
    assert not may_follow("https://93.184.216.34/v1", address)


@pytest.mark.parametrize("value", ["1e999", "nan", "Fri, 31 Dec 99999 23:59:59 GMT", "9" * 400])
def test_odd_advice_is_none(value: str) -> None:
    headers = (("retry-after", value), ("poll-after-ms", value))
    exchange = Exchange(1, Purpose.POLL, "", "", "GET", "http://a/", (), b"", 200, headers, b"{}", 0.0, 0.0)
    assert advice(exchange, "poll-after-ms") is None


@pytest.mark.parametrize(
    ("options", "variables", "text"),
    [
        (("--max-spend", "nan"), {"ONE": KEY}, "expected an amount of money"),
        (("--max-spend", "inf"), {"ONE": KEY}, "expected an amount of money"),
        (("--price", "video=nan"), {"ONE": KEY}, "--price"),
        ((), {"ONE": "sk-two\nlines"}, "holds what no header can"),
        ((), {"ONE": "sk-schlüssel"}, "holds what no header can"),
        (("--baseline", "nowhere.json"), {"ONE": KEY}, "nowhere.json"),
        (("--har", "."), {"ONE": KEY}, "is a folder"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_sent(
    options: tuple[str, ...], variables: dict[str, str], text: str
) -> None:
    sent: list[bytes] = []
    with listening(lambda request: sent.append(request) or answer(b"{}")) as url:
        command = ["check", url, "--spec", "openai", "--key-env", "ONE", "--no-schema", *options]
        done = CliRunner().invoke(main, command, env=variables)
    assert (done.exit_code, sent) == (2, []), done.output
    assert text in done.output
    assert KEY not in done.output


ENTRY: dict[str, Any] = {
    "startedDateTime": "2026-01-01T00:00:00Z",
    "time": 1,
    "request": {"method": "GET", "url": "http://a/videos/video_1", "headers": []},
    "response": {"status": 200, "headers": [], "content": {"mimeType": "application/json", "text": '{"id": "\ud800"}'}},
}


@pytest.mark.parametrize(
    "wrong",
    [
        {"startedDateTime": "9999-12-31T23:59:59Z", "time": 1e300},
        {"time": float("inf")},
        {"_number": 10**30},
        {"response": {"status": 10**9, "headers": [], "content": {}}},
        {"response": {"status": 200, "headers": [], "content": {"size": float("inf")}}},
        {"response": {"status": 200, "headers": [{"name": "etag"}], "content": {}}},
    ],
)
def test_an_odd_har_is_refused_with_a_line_or_read(wrong: dict[str, Any]) -> None:
    with suppress(HarError):
        report, history = check_har({"log": {"entries": [{**ENTRY, **wrong}]}}, "openai")
        orjson.loads(as_json(report))
        recorded(history, Wishes("", "openai"))


def test_half_a_character_in_a_har_is_written_again() -> None:
    report, history = check_har({"log": {"entries": [ENTRY]}}, "openai")
    orjson.loads(as_json(report))
    orjson.loads(recorded(history, Wishes("", "openai")))
