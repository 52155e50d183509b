"""Stories are played with the served simulator and with broken servers, within a budget, and can be kept as HAR."""

import json
import socket
from collections.abc import Iterator

import httpx2
import pytest
from in_process import start
from raw_server import Answer, answer, listening
from serving import ROOT, Urls, serving

from contract_tests.contract import ContractUnderTest, load_contract
from contract_tests.history import Exchange, History, JobStory, Purpose
from contract_tests.judging import judge
from contract_tests.playing.budget import Budget, budget_for
from contract_tests.playing.calls import Calls
from contract_tests.playing.har import HarError, from_har, to_har
from contract_tests.playing.pace import advice
from contract_tests.playing.planning import plan
from contract_tests.playing.player import Options
from contract_tests.playing.prices import Prices
from contract_tests.playing.seeing import is_success, sightings
from contract_tests.playing.stories import play
from contract_tests.playing.target import Call, Limits, Service, may_follow
from mockserver.jobs.lifecycle import TERMINAL, State

PROVIDERS = ("agicto-sora", "aitoearn", "hingnet-sora", "hingnet-veo", "openai")
DOCUMENTS = ("conversions", "films", "speech", "batches", "pages", "actions")
KEY, OTHER = "sk-check-0123456789", "sk-other-0123456789"
SHORT = Limits(connect=1.0, read=0.2, whole=0.4, kept=100_000)


@pytest.fixture(scope="module")
def urls() -> Iterator[Urls]:
    documents = [str(ROOT / f"tests/documents/{name}.yaml") for name in DOCUMENTS]
    with serving(*PROVIDERS, *documents, "--seed", "7") as urls:
        yield urls


@pytest.fixture(scope="module")
def contracts() -> dict[str, ContractUnderTest]:
    specs = [*PROVIDERS, *(str(ROOT / f"tests/documents/{name}.yaml") for name in DOCUMENTS)]
    return {contract.name: contract for contract in map(load_contract, specs)}


def played(contract: ContractUnderTest, url: str, budget: Budget | None = None, key: str = KEY) -> History:
    with Service(url) as service:
        return play(contract, service, budget or Budget(), Options(key=key, second_key=OTHER))


def watched(history: History) -> list[JobStory]:
    """The jobs that were followed; those with a value at a bound are looked at no further."""
    return [story for story in history.jobs if story.created_by.purpose != Purpose.BOUND]


def created(history: History) -> int:
    """How many requests made a job, whatever they were sent for."""
    buying = ("create", "follow-up")
    return sum(e.action in buying and is_success(history.contract, e) for e in history.exchanges)


# -- against the simulator --------------------------------------------------------------------------


@pytest.mark.parametrize("name", [*PROVIDERS, *DOCUMENTS])
def test_a_job_is_followed_from_its_create_to_its_end(
    name: str, urls: Urls, contracts: dict[str, ContractUnderTest]
) -> None:
    history = played(contracts[name], urls[name])
    states = [{s.state for s in story.sightings} for story in history.jobs]
    assert any(State.SUCCEEDED in seen and State.RUNNING in seen for seen in states)
    assert all(story.end for story in watched(history))
    assert not [e for e in history.exchanges if e.status == 0 and "127.0.0.1" in e.url]
    assert not [e for e in history.exchanges if e.status >= 500]
    assert all(is_success(history.contract, e) for e in history.of(Purpose.CREATE, Purpose.POLL, Purpose.PAGE))
    if State.FAILED in history.contract.resources[0].words:
        assert any(State.FAILED in seen for seen in states)  # the simulator is asked to let one fail
    refused = (Purpose.INVALID, Purpose.UNKNOWN_ID, Purpose.WRONG_TYPE, Purpose.NO_KEY, Purpose.BAD_KEY)
    assert not [e.detail for e in history.of(*refused) if is_success(history.contract, e)]


def test_the_reference_is_asked_everything(urls: Urls, contracts: dict[str, ContractUnderTest]) -> None:
    history = played(contracts["openai"], urls["openai"])
    known = {value for name, value in vars(Purpose).items() if name.isupper()}
    not_there = {Purpose.LINK, Purpose.CANCEL}  # this contract has neither
    assert {e.purpose for e in history.exchanges} == known - not_there
    assert list(history.skipped) == ["clean up of POST /videos/characters"]  # which nothing in this contract deletes
    main = history.jobs[0]
    progress = [s.progress for s in main.sightings if s.exchange.purpose == Purpose.POLL]
    assert progress == sorted(progress)
    assert len(set(progress)) > 5
    assert sum(e.seconds for e in history.exchanges) < 10
    assert [e.number for e in history.exchanges] == sorted(e.number for e in history.exchanges)


def test_time_in_the_history_is_that_of_the_service(urls: Urls, contracts: dict[str, ContractUnderTest]) -> None:
    for story in played(contracts["openai"], urls["openai"]).jobs:
        for sighting in story.sightings:
            if sighting.exchange.purpose == Purpose.CREATE:
                assert abs(sighting.fields["created"] - sighting.at) < 2
            elif "completed" in sighting.fields:
                assert sighting.fields["completed"] <= sighting.at + 1


@pytest.mark.parametrize("clock", ["frozen", "skipping", "scaled"])
def test_every_clock_mode_shows_jobs_to_their_end(clock: str, contracts: dict[str, ContractUnderTest]) -> None:
    options = ["--speed", "20000"] if clock == "scaled" else ["--clock", clock]
    with serving("openai", *options) as urls:
        history = played(contracts["openai"], urls["openai"])
    assert watched(history)
    assert all(story.end for story in watched(history))
    assert [e.status for e in history.of(Purpose.FETCH)] == [200] * 4


def test_without_the_control_api_jobs_are_waited_for(contracts: dict[str, ContractUnderTest]) -> None:
    with serving("openai", "--speed", "1000", "--no-control") as urls:
        history = played(contracts["openai"], urls["openai"], Budget(max_jobs=2))
    assert [story.end is not None for story in history.jobs] == [True]


def test_an_application_in_this_process_is_played_with(contracts: dict[str, ContractUnderTest]) -> None:
    app = start("openai").client._transport.app  # type: ignore[attr-defined]
    with Service("http://localhost/v1", transport=httpx2.ASGITransport(app=app)) as service:
        history = play(contracts["openai"], service, Budget(), Options(key=KEY))
    assert any(story.end and story.end.state is State.SUCCEEDED for story in history.jobs)


# -- the budget -------------------------------------------------------------------------------------


def test_read_only_creates_nothing_and_says_so(urls: Urls, contracts: dict[str, ContractUnderTest]) -> None:
    history = played(contracts["openai"], urls["openai"], Budget(max_jobs=0), "sk-nobody-0123456789")
    assert history.read_only
    assert {e.method for e in history.exchanges} <= {"GET", "HEAD"}
    assert not history.of(action="create")
    assert "read-only" in history.skipped[Purpose.CREATE]
    assert history.of(Purpose.NO_KEY, Purpose.UNKNOWN_ID)
    assert "read-only" in history.skipped[Purpose.WRONG_METHOD]


def test_read_only_looks_at_the_jobs_that_are_listed(urls: Urls, contracts: dict[str, ContractUnderTest]) -> None:
    key = "sk-earlier-0123456789"
    with Service(urls["openai"]) as service:
        body = b'{"prompt": "A cat"}'
        headers = (("Authorization", f"Bearer {key}"), ("Content-Type", "application/json"))
        service.send(Call("POST", "/videos", headers, body), Purpose.OTHER)
    history = played(contracts["openai"], urls["openai"], Budget(max_jobs=0), key)
    assert len(history.jobs) == 1
    assert history.of(Purpose.POLL, job=history.jobs[0].id)
    assert len(history.of(Purpose.AGAIN, job=history.jobs[0].id)) == 2


@pytest.mark.parametrize("most", [1, 2, 5])
def test_no_more_jobs_are_created_than_the_budget_has(
    most: int, urls: Urls, contracts: dict[str, ContractUnderTest]
) -> None:
    budget = Budget(max_jobs=most)
    history = played(contracts["openai"], urls["openai"], budget, f"sk-budget-{most}-0123456789")
    assert 1 <= created(history) == budget.created <= most
    assert any(story.end and story.end.state is State.SUCCEEDED for story in history.jobs)
    tried = {e.purpose for e in history.exchanges}
    known = {value for name, value in vars(Purpose).items() if name.isupper()} - {Purpose.LINK, Purpose.CANCEL}
    known -= {Purpose.BOUND, Purpose.OTHER}  # which come last
    share = len(tried & known) / len(known)
    assert share >= (1.0 if most == 5 else 0.6)
    assert all("budget" in why for why in history.skipped.values())


def test_what_is_accepted_wrongly_counts(contracts: dict[str, ContractUnderTest]) -> None:
    """A service that takes whatever it gets creates jobs with requests that should have been refused."""
    job = {"id": "video_1", "object": "video", "status": "completed", "progress": 100, "created_at": 1}
    with listening(lambda request: answer(json.dumps(job).encode())) as url:
        budget = Budget(max_jobs=4)
        history = played(contracts["openai"], url, budget)
    assert created(history) <= budget.created == 4
    assert Purpose.INVALID in history.skipped or f"{Purpose.INVALID}, in part" in history.skipped


def test_a_budget_of_money_needs_prices() -> None:
    dear = Budget(max_spend=1.0, prices={"sora-2-pro": 0.9, "*": 0.4})
    assert dear.reserve(0.9)
    assert not dear.reserve(0.4)
    dear.settle(is_created=False)
    assert dear.reserve(0.4)
    dear.settle(is_created=True)
    assert (dear.created, dear.spent) == (1, 0.4)
    assert not dear.reserve(None)
    assert not Budget(max_spend=1.0).reserve(None)


def test_what_a_job_costs(contracts: dict[str, ContractUnderTest]) -> None:
    """By the user's prices, else by the declared ones: the model's for each second that is asked for."""
    calls = Calls(contracts["openai"])
    parts = {part.operation.name: part for part in contracts["openai"].parts}
    create, remix, longer = (parts[f"POST /videos{path}"] for path in ("", "/{video_id}/remix", "/extensions"))

    declared = Prices(calls, {})
    assert (declared.are_known, declared.currency) == (True, "USD")
    assert declared.of(create, {"prompt": "x"}) == 0.4  # both have a default
    assert declared.of(create, {"prompt": "x", "seconds": "8", "model": "sora-2-pro"}) == 5.6
    assert declared.of(create, {"prompt": "x", "seconds": "12345"}) == 2.0  # the longest that can be asked for, at most
    assert declared.of(create, {"prompt": "x", "seconds": ["?"], "model": "no-such"}) == 14.0  # the dearest of all
    assert declared.of(remix, {"prompt": "x"}) == 0.4  # as its source
    assert declared.of(longer, {"prompt": "x", "seconds": "20"}) == 2.0

    given = Prices(calls, {"sora-2-pro": 0.9, "POST /videos/{video_id}/remix": 0.1})
    assert given.of(create, {"model": "sora-2-pro"}) == 0.9
    assert given.of(remix, {}) == 0.1
    assert given.of(create, {}) is None
    assert not Prices(Calls(contracts["aitoearn"]), {}).are_known


def test_money_ends_what_is_created(urls: Urls, contracts: dict[str, ContractUnderTest]) -> None:
    budget = Budget(max_spend=1.3)
    history = played(contracts["openai"], urls["openai"], budget, "sk-money-0123456789")
    assert created(history) == budget.created == 2  # and one is kept for what should be refused
    assert budget.spent == 0.8


def test_an_endpoint_elsewhere_is_read_only_unless_told() -> None:
    assert budget_for("https://api.example.com/v1").is_read_only
    assert not budget_for("https://api.example.com/v1", max_jobs=1).is_read_only
    assert not budget_for("http://127.0.0.1:4747/v1").is_read_only


def test_requests_and_seconds_end_a_run(urls: Urls, contracts: dict[str, ContractUnderTest]) -> None:
    history = played(contracts["openai"], urls["openai"], Budget(max_requests=12))
    assert len(history.asked) == 12
    assert "12 requests" in history.skipped["all that follows"]
    assert played(contracts["openai"], urls["openai"], Budget(seconds=0)).exchanges == []


def test_the_plan_names_all_that_may_cost(contracts: dict[str, ContractUnderTest]) -> None:
    budget = Budget(max_jobs=5, prices={"*": 0.5})
    planned = plan(contracts["openai"], Options(key=KEY), budget)
    assert (planned.jobs, planned.spend) == (5, 2.5)
    costly = {each.purpose for each in planned.requests if each.may_cost}
    assert {Purpose.CREATE, Purpose.FOLLOW_UP, Purpose.INVALID, Purpose.BROKEN_JSON, Purpose.NO_KEY} <= costly
    assert plan(contracts["openai"], Options(), Budget(max_jobs=0)).jobs == 0
    assert not [each for each in plan(contracts["openai"], Options(), Budget(max_jobs=0)).requests if each.may_cost]


def test_the_plan_is_no_less_than_what_is_sent(urls: Urls, contracts: dict[str, ContractUnderTest]) -> None:
    planned = plan(contracts["openai"], Options(key=KEY, second_key=OTHER), Budget())
    history = played(contracts["openai"], urls["openai"])
    sent = [e for e in history.exchanges if e.action in ("create", "follow-up")]
    assert len(sent) <= sum(each.times for each in planned.requests if each.may_cost)


# -- HAR --------------------------------------------------------------------------------------------


def test_a_history_comes_back_from_its_har(urls: Urls, contracts: dict[str, ContractUnderTest]) -> None:
    history = played(contracts["hingnet-sora"], urls["hingnet-sora"])
    text = json.dumps(to_har(history, [KEY, OTHER]))
    assert KEY not in text
    assert OTHER not in text
    again = from_har(contracts["hingnet-sora"], json.loads(text))
    for before, after in zip(history.exchanges, again.exchanges, strict=True):
        assert (before.purpose, before.operation, before.job, before.detail, before.status) == (
            after.purpose, after.operation, after.job, after.detail, after.status)  # fmt: skip
        assert (before.body, before.size, before.started) == (after.body, after.size, after.started)
    assert shown(history) == shown(again)
    assert (again.skipped, again.phases, again.read_only) == (history.skipped, history.phases, history.read_only)


def test_purposes_are_guessed_in_a_har_of_another_origin(urls: Urls, contracts: dict[str, ContractUnderTest]) -> None:
    history = played(contracts["openai"], urls["openai"])
    wanted = (Purpose.CREATE, Purpose.POLL, Purpose.FETCH, Purpose.FETCH_RANGE, Purpose.PAGE, Purpose.DELETE)
    har = json.loads(json.dumps(to_har(history)))
    del har["log"]["_history"]
    for entry in har["log"]["entries"]:
        for name in [name for name in entry if name.startswith("_")]:
            del entry[name]
    again = from_har(contracts["openai"], har)
    for purpose in wanted:
        found = {e.number for e in again.of(purpose)}
        assert {e.number for e in history.of(purpose)} & found, purpose
    assert {story.id for story in history.jobs} <= {story.id for story in again.jobs}
    assert any(story.end and story.end.state is State.SUCCEEDED for story in again.jobs)


@pytest.mark.parametrize("har", [None, {}, {"log": {}}, {"log": {"entries": [{}]}}, {"log": {"entries": [1]}}])
def test_what_is_no_har_is_refused(har: object, contracts: dict[str, ContractUnderTest]) -> None:
    with pytest.raises(HarError):
        from_har(contracts["openai"], har)


def shown(history: History) -> list[tuple[str, list[tuple[object, ...]]]]:
    return [(j.id, [(s.exchange.number, s.word, s.state, s.progress) for s in j.sightings]) for j in history.jobs]


# -- what answers tell of jobs ----------------------------------------------------------------------


def test_a_word_that_no_contract_knows_has_no_state(contracts: dict[str, ContractUnderTest]) -> None:
    body = {"id": "video_1", "status": "in-progress", "progress": 5}
    seen = sightings(contracts["openai"], an_answer("GET /videos/{video_id}", body))
    assert [(s.id, s.word, s.state, s.progress) for s in seen] == [("video_1", "in-progress", None, 5)]


def test_every_job_of_a_list_is_seen(contracts: dict[str, ContractUnderTest]) -> None:
    body = {"data": [{"id": "a", "status": "queued"}, "no job", {"id": "b", "status": "failed", "error": {}}]}
    seen = sightings(contracts["openai"], an_answer("GET /videos", body))
    assert [(s.id, s.state) for s in seen] == [("a", State.QUEUED), ("b", State.FAILED)]


def test_a_refusal_with_the_status_of_a_success_shows_no_job(contracts: dict[str, ContractUnderTest]) -> None:
    body = {"code": 401, "message": "Unauthorized", "data": {}}
    assert sightings(contracts["aitoearn"], an_answer("GET /api/ai/video/generations/{taskId}", body)) == []


@pytest.mark.parametrize(
    ("body", "state"),
    [
        ({"name": "operations/7", "done": False}, State.RUNNING),
        ({"name": "operations/7", "done": True, "response": {"x": 1}}, State.SUCCEEDED),
        ({"name": "operations/7", "done": True, "error": {"code": 3}}, State.FAILED),
    ],
)
def test_a_flag_and_an_error_tell_the_state(
    body: object, state: State, contracts: dict[str, ContractUnderTest]
) -> None:
    assert [(s.id, s.state) for s in sightings(contracts["films"], an_answer("GET /v1/{name}", body))] == [("7", state)]


def test_polling_follows_the_advice_of_the_endpoint() -> None:
    assert advice(an_answer("", {}, ("retry-after", "7")), "poll-after-ms") == 7
    assert advice(an_answer("", {}, ("poll-after-ms", "250")), "poll-after-ms") == 0.25
    assert advice(an_answer("", {}, ("retry-after", "soon")), "") is None


def an_answer(operation: str, body: object, *headers: tuple[str, str]) -> Exchange:
    content = json.dumps(body).encode()
    return Exchange(1, Purpose.POLL, operation, "", "GET", "http://a/", (), b"", 200, headers, content, 0.0, 0.0)


# -- broken services --------------------------------------------------------------------------------

OPEN_ENDED = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n"
HOSTILE: dict[str, tuple[Answer, bytes]] = {
    "HTML": (answer(b"<html><script>alert(1)</script></html>", "200 OK", "content-type: text/html"), b""),
    "no HTTP": (b"SSH-2.0-OpenSSH_9.6\r\n", b""),
    "nothing": (b"", b""),
    "silence": (None, b""),
    "half an answer": (b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{", b""),
    "not UTF-8": (answer(b'{"id": "\xff\xfe", "status": "\xc3"}'), b""),
    "an endless stream": (OPEN_ENDED, b"x" * 65536),
    "endless headers": (b"HTTP/1.1 200 OK\r\n", b"x-a: 1\r\n" * 100),
    "a bad encoding": (answer(b"no gzip", "200 OK", "content-encoding: gzip"), b""),
    "a wrong chunk": (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n", b""),
    "another type of JSON": (answer(b'[[[{"id": []}]], null, 1e999]'), b""),
    "nested JSON": (answer(b"[" * 100_000), b""),
    "a redirect": (answer(b"", "302 Found", "location: /videos"), b""),
    "an odd redirect": (answer(b"", "302 Found", "location: file:///etc/passwd"), b""),
    "odd ids": (answer(b'{"id": {"a": [1]}, "status": ["x"], "progress": {}}'), b""),
    "a huge id": (answer(b'{"id": "%s", "status": "queued"}' % (b"x" * 90_000)), b""),
    "a 500": (answer(b"oops", "500 Internal Server Error"), b""),
}


@pytest.mark.parametrize("fault", HOSTILE)
def test_a_broken_service_is_told_and_never_raises(fault: str, contracts: dict[str, ContractUnderTest]) -> None:
    said, endless = HOSTILE[fault]
    with listening(lambda request: said, endless) as url, Service(url, limits=SHORT) as service:
        options = Options(key=KEY, patience=0.1, interval=0.01)
        history = play(contracts["openai"], service, Budget(max_jobs=3, max_requests=40), options)
    assert history.exchanges
    assert history.jobs == []
    assert all(e.status or e.problem for e in history.exchanges)
    to_har(history, [KEY])


def test_a_port_where_nobody_listens_is_given_up_at_once(contracts: dict[str, ContractUnderTest]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    history = played(contracts["openai"], f"http://127.0.0.1:{port}/v1")
    assert [(e.status, "Connect" in e.problem) for e in history.exchanges] == [(0, True)]
    assert "cannot be reached" in history.skipped["all that follows"]


def test_links_that_are_no_links_are_told_and_never_raise(contracts: dict[str, ContractUnderTest]) -> None:
    links = ["http://[bad", "http://a:99999999/x", "https://\x00/", "/relative/film.mp4", "http://" + "x" * 5000]
    for link in links:
        job = {"id": "v1", "status": "completed", "video_url": link, "next_cursor": "http://[bad"}
        with listening(lambda request, job=job: answer(json.dumps(job).encode())) as url, Service(url) as service:
            budget = Budget(max_jobs=1, max_requests=20)
            history = play(contracts["hingnet-veo"], service, budget, Options(key=KEY, interval=0.01))
        assert history.of(Purpose.LINK), link
        to_har(history)


def test_one_request_too_many_is_sent_again_when_it_is_time(contracts: dict[str, ContractUnderTest]) -> None:
    waiting = iter([2, 0, 1, 0, 0, 3, 0] + [0] * 1000)
    left = [0]

    def respond(request: bytes) -> Answer:
        if b"/__mockserver/" in request:
            return answer(b"{}", "404 Not Found")
        if left[0]:
            left[0] -= 1
            return answer(b"{}", "429 Too Many Requests", "content-type: application/json", "retry-after: 0")
        left[0] = next(waiting)
        job = {"id": "v1", "status": "completed", "progress": 100}
        return answer(json.dumps(job).encode())

    with listening(respond) as url, Service(url) as service:
        history = play(contracts["openai"], service, Budget(max_jobs=1, max_requests=30), Options(key=KEY))
    refused = [e for e in history.exchanges if e.status == 429]
    assert len(refused) == 6
    later = {e.number: e for e in history.exchanges}
    assert all(later[e.number + 1].purpose == e.purpose for e in refused)
    assert [story.id for story in history.jobs] == ["v1"]


def test_a_service_that_wants_a_day_to_pass_is_not_waited_for(contracts: dict[str, ContractUnderTest]) -> None:
    refusal = answer(b"{}", "429 Too Many Requests", "content-type: application/json", "retry-after: 86400")
    with listening(lambda request: refusal) as url, Service(url) as service:
        history = play(contracts["openai"], service, Budget(max_jobs=1, max_requests=30), Options(key=KEY))
    assert len(history.exchanges) > 20
    assert "86400 s" in history.skipped["what came too often, again"]


def test_a_service_that_asks_for_more_than_its_contract_gets_another_body(
    contracts: dict[str, ContractUnderTest],
) -> None:
    """A model has a default in this contract, so the cheapest body leaves it out."""

    def respond(request: bytes) -> Answer:
        if b"/__mockserver/" in request:
            return answer(b"{}", "404 Not Found")
        if request.startswith(b"POST") and b"model" not in request.partition(b"\r\n\r\n")[2]:
            return answer(b'{"error": {"message": "model is required"}}', "400 Bad Request")
        return answer(json.dumps({"id": "v1", "status": "completed", "progress": 100}).encode())

    with listening(respond) as url, Service(url) as service:
        history = play(contracts["openai"], service, Budget(max_jobs=4, max_requests=30), Options(key=KEY))
    first, *others = history.of(Purpose.CREATE)
    assert first.status == 400
    assert [story.id for story in history.jobs] == ["v1"]
    assert others[0].request_body != first.request_body


def test_an_interrupted_run_tells_what_is_known(urls: Urls, contracts: dict[str, ContractUnderTest]) -> None:
    told: list[str] = []

    def progress(phase: str, message: str, share: float | None = None) -> None:
        told.append(f"{phase}: {message}")
        if phase == "results":
            raise KeyboardInterrupt

    with Service(urls["openai"]) as service:
        history = play(contracts["openai"], service, Budget(max_jobs=1), Options(key=KEY), progress)
    assert history.skipped["all that follows"] == "it was interrupted"
    assert len(history.jobs) == 1
    assert told[1] == "create: POST /openai/v1/videos 200 (create)"


def test_a_loop_of_redirects_ends_where_results_are_fetched() -> None:
    with listening(lambda request: answer(b"", "302 Found", "location: /again")) as url, Service(url) as service:
        exchange = service.send(Call("GET", "/first"), Purpose.FETCH, follow=True)
    assert (exchange.status, exchange.problem, len(exchange.redirects)) == (0, "more than 3 redirects", 3)


def test_the_key_does_not_go_with_a_redirect_to_another_host() -> None:
    requests: list[bytes] = []

    def elsewhere(request: bytes) -> Answer:
        requests.append(request)
        return answer(b"film", "200 OK", "content-type: video/mp4")

    with listening(elsewhere) as other:
        moved = answer(b"", "302 Found", f"location: {other}/film")
        with listening(lambda request: moved) as url, Service(url) as service:
            call = Call("GET", "/content", (("X-Own", KEY), ("Range", "bytes=0-3")), secrets=frozenset({"x-own"}))
            exchange = service.send(call, Purpose.FETCH, follow=True)
    assert (exchange.status, exchange.body, exchange.redirects) == (200, b"film", (f"{other}/film",))
    assert KEY.encode() not in requests[0]
    assert b"bytes=0-3" in requests[0]


def test_a_service_elsewhere_cannot_send_the_check_into_a_private_network() -> None:
    assert may_follow("https://api.example.com", "https://files.example.net/a.mp4")
    for url in (
        "http://127.0.0.1/",
        "http://169.254.169.254/meta",
        "http://localhost/",
        "http://10.0.0.1/",
        "http://nas/",
    ):
        assert not may_follow("https://api.example.com", url)
    assert may_follow("http://127.0.0.1:4747", "http://localhost:4747/a.mp4")


def test_a_large_body_is_counted_and_its_beginning_kept() -> None:
    body = b"v" * 300_000
    limits = Limits(kept=1000, media=200_000)
    with listening(lambda request: answer(body, "200 OK", "content-type: video/mp4")) as url:
        with Service(url, limits=limits) as service:
            film = service.send(Call("GET", "/film"), Purpose.FETCH)
        with Service(url, limits=Limits(kept=1000)) as service:
            whole = service.send(Call("GET", "/film"), Purpose.FETCH)
    assert (len(film.body), film.is_cut, film.status) == (1000, True, 200)
    assert 200_000 < film.size <= 300_000
    assert (len(whole.body), whole.size) == (1000, 300_000)


def test_the_end_of_the_states_is_the_lifecycle(contracts: dict[str, ContractUnderTest], urls: Urls) -> None:
    history = played(contracts["batches"], urls["batches"])
    assert {story.end.state for story in history.jobs if story.end} <= TERMINAL
    cancelled = [story for story in history.jobs if story.end and story.end.state is State.CANCELLED]
    assert [e.detail for e in history.of(Purpose.CANCEL, job=cancelled[0].id)] == ["at work", "again"]


def test_a_job_that_does_not_end_while_it_is_waited_for_is_a_finding(contracts: dict[str, ContractUnderTest]) -> None:
    job = {"id": "v1", "status": "in_progress", "progress": 5, "created_at": 1}

    def respond(request: bytes) -> Answer:
        is_there = b"/__mockserver/" not in request and b"/content" not in request
        return answer(json.dumps(job).encode()) if is_there else answer(b"{}", "404 Not Found")

    with listening(respond) as url, Service(url) as service:
        options = Options(key=KEY, patience=0.3, interval=0.05)
        history = play(contracts["openai"], service, Budget(max_jobs=1, max_requests=60), options)
    (outcome,) = judge(history, ["JOB014"])
    assert [finding.code for finding in outcome.findings] == ["JOB014"]
    assert "still `in_progress`" in outcome.findings[0].message
    assert "had not ended" in history.skipped["end of a job"]
