"""The command line: what it prints, how it ends, and that a process serves as it was told."""

import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
from click.testing import CliRunner, Result

from mockserver.cli import main
from mockserver.loading.providers import bundled, bundled_names

HEADERS = {"authorization": "Bearer sk-1"}


def called(*arguments: str) -> Result:
    """The result of a command that ends by itself."""
    return CliRunner().invoke(main, list(arguments))


@contextmanager
def running(*arguments: str, stop: int = signal.SIGINT) -> Iterator[tuple[str, list[str], list[str]]]:
    """A server process with its URL and first lines; at the end it is interrupted, and its last lines are added."""
    command = [sys.executable, "-m", "mockserver", "serve", "--port", "0", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout
            first: list[str] = []
            while not first or not first[-1].startswith("seed "):
                line = process.stdout.readline()
                assert line, process.stderr and process.stderr.read()
                first.append(line.rstrip())
            port = re.search(r"http://127\.0\.0\.1:(\d+)", first[0])
            last: list[str] = []
            yield f"http://127.0.0.1:{port[1]}" if port else "", first, last
            process.send_signal(stop)
            out, errors = process.communicate(timeout=20)
            last += [*out.splitlines(), *errors.splitlines(), str(process.returncode)]
        finally:
            process.kill()


# -- what ends by itself ----------------------------------------------------------------------------


def test_help_and_version() -> None:
    for arguments, words in (
        (["--help"], ["serve", "inspect"]),
        (["-h"], ["serve", "inspect"]),
        (["serve", "--help"], ["--port", "--seed", "--speed", "--api-key", "--no-auth", "--overlay", "--public-url"]),
        (["inspect", "-h"], ["SPEC", "--overlay"]),
        (["--version"], ["mockserver"]),
    ):
        result = called(*arguments)
        assert result.exit_code == 0
        assert all(word in result.output for word in words)


def test_a_busy_port_is_one_clear_line() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        result = called("serve", "openai", "--port", str(port))
    assert result.exit_code == 1
    assert result.stdout == ""
    [line] = result.stderr.splitlines()
    assert f"127.0.0.1:{port}" in line
    assert "--port 0" in line


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["serve", "nobody"], 2, ["nobody", *bundled_names()]),
        (["inspect", "nobody"], 2, ["nobody", "openai"]),
        (["serve", "openai", "--port", "70000"], 1, ["70000", "65535"]),
        (["serve", "openai", "--port", "x"], 2, ["--port"]),
        (["serve", "openai", "--speed", "0"], 2, ["--speed"]),
        (["serve", "openai", "--max-jobs", "0"], 2, ["--max-jobs"]),
        (["serve", "openai", "--poll-after-ms", "-1"], 2, ["--poll-after-ms"]),
        (["serve", "openai", "--seed", "x"], 2, ["--seed"]),
        (["serve", "openai", "openai"], 2, ["same name"]),
        (["serve", "--overlay", "x.yaml"], 2, ["--overlay needs exactly one SPEC"]),
        (["serve", "openai", "--overlay", "missing.yaml"], 2, ["missing.yaml", "cannot be read"]),
        (["inspect", str(bundled("specs") / "hingnet-veo" / "openapi.yaml")], 2, ["no operation creates what is read"]),
        (["nonsense"], 2, ["nonsense"]),
        ([], 2, ["serve", "inspect"]),
    ],
)
def test_what_the_user_can_mend_is_a_message_and_an_exit_code(arguments: list[str], code: int, words: list[str]) -> None:
    result = called(*arguments)
    assert result.exit_code == code
    assert all(word in result.output for word in words), result.output
    assert "Traceback" not in result.output


@pytest.mark.parametrize("name", bundled_names())
def test_inspect_tells_conclusions_with_their_evidence(name: str) -> None:
    result = called("inspect", name)
    assert result.exit_code == 0
    first, *lines = result.output.splitlines()
    assert re.fullmatch(rf"{name}/openapi\.yaml: OpenAPI 3\.[01]\.\d, \d+ operations", first)
    unsure = [line for line in lines if line.startswith("? ")]
    assert all(re.fullmatch(r"[ ?] \S.*  \S.*  \(.+\)", line) for line in lines if not re.match(r"\d", line))
    assert any(re.match(r"  video: create +POST /", line) for line in lines)
    assert len(unsure) == (name == "agicto-sora")
    assert ("1 uncertain" in lines[-1]) == bool(unsure)


def test_inspect_applies_overlays(tmp_path: Path) -> None:
    overlay = tmp_path / "o.yaml"
    overlay.write_text(
        "overlay: 1.0.0\nactions:\n- target: $['x-job'].resources.video\n  update: {words: {failed: broken}}\n"
    )
    assert re.search(r"state failed +broken  \(declared\)", called("inspect", "openai", "--overlay", str(overlay)).output)


# -- what runs --------------------------------------------------------------------------------------


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_all_providers_below_their_names_until_stopped(stop: int) -> None:
    with running("--speed", "1000000", stop=stop) as (url, first, last):
        assert [line.split()[0] for line in first[:-1]] == bundled_names()
        with httpx2.Client(base_url=url, headers=HEADERS) as client:
            assert client.get("/").json()["mockserver"] == bundled_names()
            assert client.get("/nobody/v1/videos").status_code == 404
            bases = {line.split()[0]: line.split()[1] for line in first[:-1]}
            assert bases["openai"] == f"{url}/openai/v1"
            id = client.post(f"{bases['openai']}/videos", json={"prompt": "x"}).json()["id"]
            job = client.get(f"{bases['openai']}/videos/{id}").json()
            assert (job["status"], job["progress"]) == ("completed", 100)  # a million times as fast
            created = client.post("/hingnet-sora/v1/videos", json={"prompt": "x"})
            assert created.headers["openai-poll-after-ms"] == "5"
            done = client.get(f"/hingnet-sora/v1/videos/{created.json()['id']}").json()
            assert done["assets"][0]["url"].startswith(f"{url}/hingnet-sora/")
    assert "stopped" in last or stop == signal.SIGTERM
    assert last[-1] == ("0" if stop == signal.SIGINT else str(-signal.SIGTERM))
    assert not [line for line in last if "Traceback" in line or "Error" in line]


def answers_with_seed(seed: str) -> list[Any]:
    """The bodies that a fresh server gives to the same requests, without the times of the day."""
    bodies = []
    with (
        running("openai", "--seed", seed, "--speed", "0.001") as (url, first, _),
        httpx2.Client(base_url=f"{url}/v1", headers=HEADERS) as client,
    ):
        assert first[-1].startswith(f"seed {seed}")
        for body in ({"prompt": "x"}, {"prompt": "y", "seconds": "8"}, {"prompt": "x"}):
            job = client.post("/videos", json=body).json()
            bodies.append({**job, "created_at": 0})
        other = client.post("/videos", json={"prompt": "x"}, headers={"authorization": "Bearer sk-2"})
        bodies.append({**other.json(), "created_at": 0})
    return bodies


def test_a_seed_repeats_a_run() -> None:
    first, again, different = answers_with_seed("7"), answers_with_seed("7"), answers_with_seed("8")
    assert first == again
    assert len({body["id"] for body in [*first, *different]}) == 8


def test_a_server_does_as_it_was_told(tmp_path: Path) -> None:
    overlay = tmp_path / "o.yaml"
    overlay.write_text(
        "overlay: 1.0.0\nactions:\n- target: $['x-job'].resources.video\n  update: {id-format: 'told_{digits:6}'}\n"
    )
    told = ["--api-key", "k1", "--api-key", "k2", "--poll-after-ms", "77", "--max-jobs", "1", "--overlay", str(overlay)]
    with (
        running("hingnet-veo", *told, "--speed", "1e9", "--public-url", "https://x.example/api/") as (_, first, _),
    ):
        assert first[0].split()[:2] == ["hingnet-veo", "https://x.example/api"]
    with (
        running("hingnet-veo", *told, "--speed", "0.001") as (url, _, last),
        httpx2.Client(base_url=url) as client,
    ):
        body = {"model": "veo-3.1-generate-preview", "prompt": "x"}

        def create(key: str) -> httpx2.Response:
            return client.post("/v1/videos", json=body, headers={"authorization": f"Bearer {key}"})

        assert create("k3").status_code == 401
        made = create("k1")
        assert re.fullmatch(r"told_\d{6}", made.json()["id"])
        assert made.headers["openai-poll-after-ms"] == "77"
        assert create("k2").status_code == 429  # one job is all there is room for, and it is not finished
    assert last == ["stopped", "0"]


def test_no_auth_and_the_port_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORT", "70000")
    assert called("serve", "openai").exit_code == 1
    with running("aitoearn", "--no-auth") as (url, _, _):
        answer = httpx2.get(f"{url}/api/ai/video/generations").json()
        assert answer["code"] == 0
