"""The official Node SDK, unchanged, against a served process: what a JavaScript application sees.

`node/checks.mjs` does what an application would do and prints what it has found, one check a run; here stands what
that should be. Two releases are tried: the last that supports Node 20, and a current one.
"""

import fcntl
import json
import os
import shutil
import subprocess
from collections import Counter
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any, NoReturn

import av
import pytest
from PIL import Image
from serving import Urls

pytestmark = pytest.mark.node

FOLDER = Path(__file__).parent / "node"
PINNED = {
    name: version.rpartition("@")[2]
    for name, version in json.loads((FOLDER / "package.json").read_text())["dependencies"].items()
}
PATIENCE = 300  # seconds until a program that does not end is killed; none should come near it

MODELS = ["sora-2", "sora-2-pro", "sora-2-2025-10-06", "sora-2-pro-2025-10-06", "sora-2-2025-12-08"]
SIZES = ["720x1280", "1280x720", "1024x1792", "1792x1024"]
SECONDS = ["4", "8", "12"]

Check = Callable[..., Any]  # run a check of checks.mjs, against a base URL, with further settings; gives its facts


@pytest.fixture(scope="session")
def node(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The path of Node, with the pinned SDKs in place."""
    found, npm = shutil.which("node"), shutil.which("npm")
    if not found or not npm:
        give_up(f"{'npm' if found else 'node'} is not installed")
    # One worker installs, the others wait for it.
    with (tmp_path_factory.getbasetemp().parent / "npm-install.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if installed() != PINNED:
            command = [npm, "install", "--no-package-lock", "--no-audit", "--no-fund"]
            done = subprocess.run(command, cwd=FOLDER, capture_output=True, text=True, timeout=PATIENCE, check=False)
            if done.returncode:
                give_up(f"npm could not install {PINNED}:\n{done.stderr}")
    assert installed() == PINNED
    return found


def give_up(reason: str) -> NoReturn:
    """On a person's machine these tests may be skipped; where CI runs, a missing part is a failure."""
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


def installed() -> dict[str, str]:
    """The versions of the SDKs that are in node_modules."""
    manifests = {name: FOLDER / "node_modules" / name / "package.json" for name in PINNED}
    return {name: json.loads(path.read_text())["version"] for name, path in manifests.items() if path.is_file()}


@pytest.fixture(params=PINNED)
def check(request: pytest.FixtureRequest, node: str, api_key: str, tmp_path: Path) -> Check:
    """Run one check with one release of the SDK, in the test's own folder and with the test's own key."""

    def run(name: str, url: str, **more: Any) -> Any:
        settings = json.dumps({"url": url, "key": api_key, "folder": str(tmp_path), **more})
        environment = {**os.environ, "OPENAI_BASE_URL": url, "OPENAI_API_KEY": api_key}
        command = [node, str(FOLDER / "checks.mjs"), request.param, name, settings]
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, encoding="utf-8", timeout=PATIENCE, check=False
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return run


# -- a job from its order to its end ----------------------------------------------------------------


@pytest.mark.parametrize("model", MODELS)
def test_jobs_of_every_size_and_length_are_completed_as_ordered(check: Check, served: Urls, model: str) -> None:
    orders = [
        {"model": model, "size": size, "seconds": seconds, "prompt": f"{seconds} s of {size} — 钢琴"}
        for size, seconds in product(SIZES, SECONDS)
    ]
    done = check("orders", served["openai"], orders=orders)
    assert [{name: video[name] for name in orders[0]} for video in done] == orders
    for video in done:
        assert (video["object"], video["status"], video["progress"]) == ("video", "completed", 100)
        assert (video["error"], video["remixed_from_video_id"]) == (None, None)
        assert video["created_at"] <= video["completed_at"] < video["expires_at"]


def test_a_job_is_polled_to_its_end_in_every_clock_mode(
    check: Check, in_clock_mode: Callable[[Callable[[str], Any]], Any], clocked: tuple[str, str]
) -> None:
    (video,) = in_clock_mode(lambda url: check("orders", url, orders=[{"prompt": "Six minutes"}]))
    assert (video["status"], video["progress"]) == ("completed", 100)
    if clocked[0] != "real":
        assert video["completed_at"] - video["created_at"] == 360


def test_address_and_key_can_come_from_the_environment(check: Check, served: Urls) -> None:
    facts = check("environment", served["openai"])
    assert facts["seen"] == [facts["made"]]


def test_a_picture_can_be_uploaded_or_named_as_the_reference(check: Check, served: Urls, tmp_path: Path) -> None:
    Image.new("RGB", (64, 48), "teal").save(tmp_path / "reference.png")
    assert [video["status"] for video in check("references", served["openai"])] == ["completed"] * 4


def test_a_reference_that_names_its_picture_twice_is_refused(check: Check, served: Urls) -> None:
    refused = check("both_references", served["openai"])
    assert (refused["error"], refused["param"]) == ("BadRequestError", "input_reference")


def test_200_jobs_at_once_all_complete_under_ids_of_their_own(check: Check, served: Urls) -> None:
    done = check("crowd", served["openai"])
    assert Counter((video["status"], video["progress"]) for video in done) == {("completed", 100): 200}
    assert [video["prompt"] for video in done] == [f"Job {n}" for n in range(200)]
    assert len({video["id"] for video in done}) == 200


# -- lists ------------------------------------------------------------------------------------------


def test_turning_the_pages_of_25_jobs_shows_each_once_and_in_order(check: Check, served: Urls) -> None:
    facts = check("paging", served["openai"])
    oldest_first = facts["made"]
    newest_first = oldest_first[::-1]
    assert len(set(oldest_first)) == 25
    assert facts["asc"] == oldest_first
    assert facts["desc"] == newest_first
    assert facts["pages"] == [newest_first[:10], newest_first[10:20], newest_first[20:]]


# -- results ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("size", "seconds"), [("720x1280", 4), ("1280x720", 8), ("1024x1792", 12)])
def test_downloads_have_the_shape_that_was_ordered(
    check: Check, served_at_leisure: Urls, tmp_path: Path, size: str, seconds: int
) -> None:
    types = check("downloads", served_at_leisure["openai"], size=size, seconds=str(seconds))
    assert types == {"result.mp4": "video/mp4", "result.webp": "image/webp", "result.jpg": "image/jpeg"}

    with av.open(str(tmp_path / "result.mp4"), "r") as clip:
        stream = clip.streams.video[0]
        assert (stream.codec_context.name, f"{stream.width}x{stream.height}") == ("h264", size)
        assert clip.duration == seconds * av.time_base
        assert sum(packet.size > 0 for packet in clip.demux(stream)) == seconds * 24
    with Image.open(tmp_path / "result.webp") as thumbnail:
        width, height = map(int, size.split("x"))
        assert thumbnail.format == "WEBP"
        assert thumbnail.width * height == thumbnail.height * width
    with Image.open(tmp_path / "result.jpg") as sheet:
        assert sheet.format == "JPEG"


def test_a_result_that_is_not_there_yet_is_refused_as_documented(check: Check, served_in_real_time: Urls) -> None:
    refused = check("unfinished", served_in_real_time["openai"])
    assert (refused["status"], refused["code"]) == (400, "video_not_ready")


# -- what grows out of a finished video -------------------------------------------------------------


def test_remix_edit_and_extension_keep_what_they_do_not_change(check: Check, served: Urls) -> None:
    facts = check("follow_ups", served["openai"])
    shapes = {kind: tuple(video[name] for name in ("model", "size", "seconds")) for kind, video in facts.items()}
    as_before = ("sora-2-pro", "1792x1024", "8")
    longer = ("sora-2-pro", "1792x1024", "20")  # the length of an extension is the total
    assert shapes == {"source": as_before, "remix": as_before, "edit": as_before, "extension": longer}
    assert [video["status"] for video in facts.values()] == ["completed"] * 4
    assert [facts[kind]["prompt"] for kind in ("remix", "edit", "extension")] == [
        "In the rain",
        "Paint it blue",
        "It runs on",
    ]
    assert facts["remix"]["remixed_from_video_id"] == facts["source"]["id"]


def test_an_uploaded_video_can_be_edited_and_extended(check: Check, served: Urls) -> None:
    for video in check("uploads", served["openai"]):
        assert video["model"] in MODELS
        assert video["size"] in SIZES
        assert video["seconds"].isdigit()


def test_a_character_made_from_a_video_can_be_looked_up(check: Check, served: Urls) -> None:
    facts = check("characters", served["openai"])
    assert facts["made"]["name"] == "Mossy"
    assert facts["found"] == facts["made"]
    assert facts["listed"] == [], "a character is no video"


# -- the end of a job -------------------------------------------------------------------------------


def test_a_deleted_video_is_gone_everywhere(check: Check, served: Urls) -> None:
    facts = check("deletion", served["openai"])
    assert facts["answer"] == {"id": facts["id"], "deleted": True, "object": "video.deleted"}
    assert [refused["error"] for refused in facts["refusals"]] == ["NotFoundError"] * 3
    assert facts["listed"] == [facts["kept"]]


# -- refusals ---------------------------------------------------------------------------------------


def test_a_length_outside_the_list_is_refused_by_name(check: Check, served: Urls) -> None:
    refused = check("refused_length", served["openai"])
    assert (refused["error"], refused["status"]) == ("BadRequestError", 400)
    assert (refused["param"], refused["code"], refused["type"]) == ("seconds", "invalid_value", "invalid_request_error")
    assert refused["requestID"]


def test_a_missing_prompt_is_refused_by_name(check: Check, served: Urls) -> None:
    refused = check("missing_prompt", served["openai"])
    assert refused["error"] == "BadRequestError"
    assert (refused["param"], refused["code"]) == ("prompt", "missing_required_parameter")


def test_a_key_that_begins_with_invalid_is_refused(check: Check, served: Urls) -> None:
    refused = check("refused_key", served["openai"])
    assert (refused["error"], refused["status"], refused["code"]) == ("AuthenticationError", 401, "invalid_api_key")
    assert "invalid-key-of-this-test" not in refused["message"]


def test_the_job_of_another_key_is_as_unknown_as_none(check: Check, served: Urls) -> None:
    facts = check("other_key", served["openai"])
    assert [refused["error"] for refused in facts["refusals"]] == ["NotFoundError"] * 3
    assert facts["still"]
