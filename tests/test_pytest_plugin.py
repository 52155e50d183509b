"""The pytest plugin, as a project that installed the package would use it."""

from textwrap import dedent

import pytest

pytest_plugins = ["pytester"]

# What every test of these runs begins with; warnings of the SDK about the end of its service are not ours.
HEAD = "import pytest\nimport openai\n"


def run(pytester: pytest.Pytester, text: str, *arguments: str) -> pytest.RunResult:
    """A project with this one test file, run in a process of its own."""
    pytester.makepyfile(HEAD + dedent(text))
    return pytester.runpytest_subprocess("-p", "no:cacheprovider", "-W", "ignore", *arguments)


def test_a_job_of_six_minutes_ends_at_once_with_the_unchanged_sdk(pytester: pytest.Pytester) -> None:
    result = run(pytester, """
        def test_it(mockserver):
            mockserver.scenario("slow-but-sure", definition={"job": {"queue": "60s", "run": "5m"}})
            video = openai.OpenAI().videos.create_and_poll(prompt="A cat")
            assert video.status == "completed"
            assert video.completed_at - video.created_at == 360
            assert [job["state"] for job in mockserver.jobs] == ["succeeded"]
            assert [entry["action"] for entry in mockserver.journal] == ["create", "retrieve", "retrieve"]
    """)  # fmt: skip
    result.assert_outcomes(passed=1)


def test_the_clock_is_moved_by_hand(pytester: pytest.Pytester) -> None:
    result = run(pytester, """
        @pytest.mark.mockserver(clock="frozen", now="2030-01-01T00:00:00Z")
        def test_it(mockserver):
            client = openai.OpenAI()
            video = client.videos.create(prompt="A cat")
            assert (video.status, video.created_at) == ("queued", 1893456000)
            assert mockserver.clock.advance("30s") == "2030-01-01T00:00:30.000Z"
            assert client.videos.retrieve(video.id).status == "in_progress"
            mockserver.clock.advance("10m")
            assert client.videos.retrieve(video.id).status == "completed"
            mockserver.clock.scale(1000)
            mockserver.clock.freeze()
            assert mockserver.clock.now > "2030-01-01T00:10:30"
    """)  # fmt: skip
    result.assert_outcomes(passed=1)


def test_a_failure_on_demand(pytester: pytest.Pytester) -> None:
    result = run(pytester, """
        def test_failed(mockserver):
            mockserver.scenario("mine", definition={"job": {"end": "failed", "at": 40, "error": {"code": "boom"}}})
            video = openai.OpenAI().videos.create_and_poll(prompt="A cat")
            assert (video.status, video.progress, video.error.code) == ("failed", 40, "boom")

        def test_forced(mockserver):
            client = openai.OpenAI()
            video = client.videos.create(prompt="A cat")
            mockserver.force(video.id, "failed", {"message": "No power."})
            assert client.videos.retrieve(video.id).error.message == "No power."

        @pytest.mark.mockserver(scenario="never-ends", clock="scaled", rate=1000000)
        def test_marked(mockserver):
            client = openai.OpenAI()
            video = client.videos.create(prompt="A cat")
            mockserver.clock.advance("1h")
            assert client.videos.retrieve(video.id).status == "in_progress"

        def test_by_polls(mockserver):
            mockserver.progression("polls", 2)
            client = openai.OpenAI()
            video = client.videos.create(prompt="A cat")
            mockserver.clock.freeze()
            seen = [client.videos.retrieve(video.id).status for _ in range(4)]
            assert seen == ["queued", "in_progress", "in_progress", "completed"]

        def test_a_verdict(mockserver):
            assert mockserver.verdict()["passed"] is None
    """)  # fmt: skip
    result.assert_outcomes(passed=5)


def test_tests_do_not_see_each_other_also_in_several_processes(pytester: pytest.Pytester) -> None:
    text = """
        @pytest.mark.parametrize("number", range(30))
        def test_it(mockserver, number):
            client = openai.OpenAI()
            made = [client.videos.create(prompt=f"{number}-{n}").id for n in range(number % 4 + 1)]
            assert {video.id for video in client.videos.list()} == set(made)
            assert len(mockserver.jobs) == len(made)
    """
    run(pytester, text, "-n", "2").assert_outcomes(passed=30)


def test_ids_are_the_same_in_each_run(pytester: pytest.Pytester) -> None:
    text = """
        def test_it(mockserver):
            print("made", openai.OpenAI().videos.create(prompt="A cat").id)
    """
    made = [[line for line in run(pytester, text, "-s").outlines if "made" in line] for _ in range(2)]
    assert made[0] == made[1] != []


def test_in_process_nothing_listens(pytester: pytest.Pytester) -> None:
    result = run(pytester, """
        import asyncio

        pytestmark = pytest.mark.mockserver(in_process=True)

        def test_sync(mockserver):
            client = openai.OpenAI(http_client=mockserver.http_client(), max_retries=0)
            assert client.videos.create_and_poll(prompt="A cat").status == "completed"
            mockserver.scenario("mine", definition={"requests": [{"on": "create", "connection": "reset"}]})
            with pytest.raises(openai.APIConnectionError):
                client.videos.create(prompt="A cat")

        def test_async(mockserver):
            async def story():
                client = openai.AsyncOpenAI(http_client=mockserver.async_http_client())
                return await client.videos.create_and_poll(prompt="A cat")
            assert asyncio.run(story()).status == "completed"
            assert len(mockserver.jobs) == 1
    """)  # fmt: skip
    result.assert_outcomes(passed=2)


def test_another_document_and_other_variables(pytester: pytest.Pytester) -> None:
    pytester.makeini("""
        [pytest]
        mockserver_spec = hingnet-sora
        mockserver_url_env = CLIPS_URL
        mockserver_key_env = CLIPS_KEY
        mockserver_clock = frozen
    """)
    result = run(pytester, """
        import os

        def test_it(mockserver):
            assert os.environ["CLIPS_URL"] == mockserver.url
            assert "OPENAI_BASE_URL" not in os.environ
            client = openai.OpenAI(base_url=mockserver.url + "/v1", api_key=os.environ["CLIPS_KEY"])
            video = client.videos.create(prompt="A cat", model="sora-2")
            mockserver.clock.advance("1h")
            assert client.videos.retrieve(video.id).status == "success"

        @pytest.mark.mockserver(spec="openai", drift="no-such-drift")
        def test_wrong_drift(mockserver):
            pass

        @pytest.mark.mockserver(colour="red")
        def test_wrong_option(mockserver):
            pass
    """)  # fmt: skip
    result.assert_outcomes(passed=1, errors=2)
    result.stdout.fnmatch_lines(["*'no-such-drift' is not known*", "*found colour; known are clock, drift*"])


@pytest.fixture(autouse=True)
def without_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_BASE_URL", "OPENAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)
