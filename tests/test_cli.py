"""The command line: what it prints, how it ends, and that a process serves as it was told."""

import re
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx2
import pytest
from click.testing import CliRunner, Result
from serving import serving

from mockserver.cli import main
from mockserver.loading.providers import bundled, bundled_names

HEADERS = {"authorization": "Bearer sk-1"}
VEO = {"model": "veo-3.1-generate-preview", "prompt": "x"}


def called(*arguments: str) -> Result:
    """The result of a command that ends by itself."""
    return CliRunner().invoke(main, list(arguments))


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
        (["serve", "openai", "--public-url", "example.com"], 2, ["--public-url", "http(s)://"]),
        (["serve", "openai", "openai"], 2, ["same name"]),
        (["serve", "--overlay", "x.yaml"], 2, ["--overlay needs exactly one SPEC"]),
        (["serve", "openai", "--overlay", "missing.yaml"], 2, ["missing.yaml", "cannot be read"]),
        (["inspect", str(bundled("specs") / "hingnet-veo" / "openapi.yaml")], 2, ["no operation creates what is read"]),
        (["nonsense"], 2, ["nonsense"]),
        ([], 2, ["serve", "inspect"]),
    ],
)
def test_what_the_user_can_mend_is_a_message_and_an_exit_code(
    arguments: list[str], code: int, words: list[str]
) -> None:
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
    told = [line for line in lines if not re.match(r"\d|  read otherwise|  +(or|to decide otherwise:) ", line)]
    assert all(re.fullmatch(r"[ ?] \S.*  \S.*  \(.+\)( [01]\.\d\d)?", line) for line in told)
    assert any(re.match(r"  video: create +POST /", line) for line in lines)
    assert len(unsure) == (name == "agicto-sora")
    assert ("1 uncertain" in lines[-1]) == bool(unsure)


def test_inspect_applies_overlays(tmp_path: Path) -> None:
    overlay = tmp_path / "o.yaml"
    overlay.write_text(
        "overlay: 1.0.0\nactions:\n- target: $['x-job'].resources.video\n  update: {words: {queued: in_progress}}\n"
    )
    assert re.search(
        r"state queued +in_progress  \(declared\)", called("inspect", "openai", "--apply", str(overlay)).output
    )


# -- what runs --------------------------------------------------------------------------------------


def test_all_providers_below_their_names_in_a_hurry() -> None:
    with serving("--speed", "1000000") as urls, httpx2.Client(headers=HEADERS) as client:
        assert list(urls) == bundled_names()
        site = urls["openai"].removesuffix("/openai/v1")
        assert client.get(site).json()["mockserver"] == bundled_names()
        assert client.get(f"{site}/nobody/v1/videos").status_code == 404
        id = client.post(f"{urls['openai']}/videos", json={"prompt": "x"}).json()["id"]
        job = client.get(f"{urls['openai']}/videos/{id}").json()
        assert (job["status"], job["progress"]) == ("completed", 100)  # a million times as fast
        created = client.post(f"{urls['hingnet-veo']}/v1/videos", json=VEO)
        assert created.headers["openai-poll-after-ms"] == "5"
        done = client.get(f"{urls['hingnet-veo']}/v1/videos/{created.json()['id']}").json()
        link = client.get(done["video_url"], headers={"authorization": ""})
        assert done["video_url"].startswith(f"{site}/hingnet-veo/")
        assert (link.status_code, link.headers["content-type"]) in ((200, "video/mp4"), (404, "application/json"))


@pytest.mark.parametrize(("stop", "code", "words"), [(signal.SIGINT, 0, "stopped\n"), (signal.SIGTERM, -15, None)])
def test_a_server_stops_cleanly_with_a_request_under_way(stop: int, code: int, words: str | None) -> None:
    command = [sys.executable, "-m", "mockserver", "serve", "openai", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout
            found = re.search(r"http://127\.0\.0\.1:(\d+)/v1", process.stdout.readline())
            assert found
            assert "Ctrl-C stops" in process.stdout.readline()
            with socket.create_connection(("127.0.0.1", int(found[1]))) as connection:
                connection.sendall(b"POST /v1/videos HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")
                process.send_signal(stop)
                connection.shutdown(socket.SHUT_WR)
                out, errors = process.communicate(timeout=20)
        finally:
            process.kill()
    assert (process.returncode, errors) == (code, "")
    assert words is None or out == words


def ids_with_seed(seed: str) -> list[Any]:
    """The bodies that a fresh server gives to the same requests, without the time of the day."""
    with serving("openai", "--seed", seed, "--speed", "0.001") as urls, httpx2.Client(headers=HEADERS) as client:
        sent: list[Any] = [{"prompt": "x"}, {"prompt": "y", "seconds": "8"}, {"prompt": "x"}]
        answers = [client.post(f"{urls['openai']}/videos", json=body) for body in sent]
        answers.append(client.post(f"{urls['openai']}/videos", json=sent[0], headers={"authorization": "Bearer sk-2"}))
    return [{**answer.json(), "created_at": 0} for answer in answers]


def test_a_seed_repeats_a_run() -> None:
    first, again, different = ids_with_seed("7"), ids_with_seed("7"), ids_with_seed("8")
    assert first == again
    assert len({body["id"] for body in [*first, *different]}) == 8


def test_a_server_does_as_it_was_told(tmp_path: Path) -> None:
    overlay = tmp_path / "o.yaml"
    overlay.write_text(
        "overlay: 1.0.0\nactions:\n- target: $['x-job'].resources.video\n  update: {id-format: 'told_{digits:6}'}\n"
    )
    told = ["--api-key", "k1", "--api-key", "k2", "--poll-after-ms", "77", "--max-jobs", "1", "--overlay", str(overlay)]
    with (
        serving("hingnet-veo", *told, "--speed", "0.001") as urls,
        httpx2.Client(base_url=urls["hingnet-veo"]) as client,
    ):

        def create(key: str) -> httpx2.Response:
            return client.post("/v1/videos", json=VEO, headers={"authorization": f"Bearer {key}"})

        assert create("k3").status_code == 401
        made = create("k1")
        assert re.fullmatch(r"told_\d{6}", made.json()["id"])
        assert made.headers["openai-poll-after-ms"] == "77"
        assert create("k2").status_code == 429  # one job is all there is room for, and it is not finished


def test_no_auth_and_a_public_url() -> None:
    with serving("openai", "aitoearn", "--no-auth", "--public-url", "https://x.example/api/") as urls:
        assert [url.split("/", 3)[3] for url in urls.values()] == ["openai/v1", "aitoearn"]
        assert all(url.startswith("http://127.0.0.1:") for url in urls.values()), (
            "where it listens, not where links lead"
        )
    with serving("aitoearn", "--no-auth") as urls:
        assert httpx2.get(f"{urls['aitoearn']}/api/ai/video/generations").json()["code"] == 0


def test_the_port_comes_from_the_environment_unless_it_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORT", "70000")
    assert "--port is 70000" in called("serve", "openai").output
    assert "--port is 80000" in called("serve", "openai", "--port", "80000").output
