"""The official Python SDK, unchanged, against a served process: what an application sees.

Each story is told twice, by the blocking client and by the asynchronous one. Clients never retry here, so that
nothing is smoothed over. Jobs move on the server's clock, and the SDK waits between polls as the server tells it.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from fractions import Fraction
from io import BytesIO
from pathlib import Path
from typing import Any, cast, get_args

import av
import httpx2
import pytest
from openai import (
    APIStatusError,
    AsyncOpenAI,
    AuthenticationError,
    BadRequestError,
    NotFoundError,
    OpenAI,
    omit,
)
from openai.resources.videos import Videos
from openai.types import Video
from openai.types.video_model import VideoModel
from openai.types.video_seconds import VideoSeconds
from openai.types.video_size import VideoSize
from PIL import Image
from serving import Urls, serving

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # the SDK marks all its video methods so

MODELS = get_args(get_args(VideoModel)[1])  # the type is a union of any string and the known names
SIZES = get_args(VideoSize)
SECONDS = get_args(VideoSeconds)
FRAMES_A_SECOND = 24
LEFT_OUT = cast(Any, omit)

Connect = Callable[[str, str], Videos]  # the videos of a client with this base URL and key


class InTurn:
    """An asynchronous client's methods, called as those of a blocking one: each call is run to its end."""

    def __init__(self, asynchronous: Any, runner: asyncio.Runner) -> None:
        self._asynchronous = asynchronous
        self._runner = runner

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._asynchronous, name)
        if not callable(found):
            return InTurn(found, self._runner)

        def call(*args: Any, **kwargs: Any) -> Any:
            answer = found(*args, **kwargs)
            return self._runner.run(_gather(answer) if hasattr(answer, "__aiter__") else answer)

        return call


async def _gather(items: Any) -> list[Any]:
    return [item async for item in items]


@pytest.fixture(params=[OpenAI, AsyncOpenAI], ids=["OpenAI", "AsyncOpenAI"])
def connect(request: pytest.FixtureRequest) -> Iterator[Connect]:
    """How to connect: with the blocking client, and again with the asynchronous one."""
    with ExitStack() as stack:
        runner = stack.enter_context(asyncio.Runner())

        def connect(base_url: str, api_key: str) -> Videos:
            client = request.param(base_url=base_url, api_key=api_key, max_retries=0)
            if isinstance(client, OpenAI):
                stack.callback(client.close)
                return client.videos
            stack.callback(lambda: runner.run(client.close()))
            return cast(Videos, InTurn(client.videos, runner))

        yield connect


@pytest.fixture
def videos(connect: Connect, served: Urls, api_key: str) -> Videos:
    """The videos of the `openai` provider, where jobs are done in no time."""
    return connect(served["openai"], api_key)


@pytest.fixture
def lasting_videos(connect: Connect, served_at_leisure: Urls, api_key: str) -> Videos:
    """The videos of the `openai` provider, where there is time to fetch a result before it expires."""
    return connect(served_at_leisure["openai"], api_key)


def picture() -> bytes:
    """A small PNG, as a user would send it."""
    file = BytesIO()
    Image.new("RGB", (64, 48), "teal").save(file, format="PNG")
    return file.getvalue()


def assert_clip(data: bytes, size: str, seconds: int) -> None:
    """The bytes are an MP4 with H.264 of this size and length, which can be decoded."""
    with av.open(BytesIO(data), "r") as clip:
        stream = clip.streams.video[0]
        assert stream.codec_context.name == "h264"
        assert f"{stream.width}x{stream.height}" == size
        assert Fraction(clip.duration or 0, av.time_base) == seconds
        assert sum(packet.size > 0 for packet in clip.demux(stream)) == seconds * FRAMES_A_SECOND
        clip.seek(0)
        first = next(clip.decode(stream))
    assert f"{first.width}x{first.height}" == size


# -- a job from its order to its end ----------------------------------------------------------------


@pytest.mark.parametrize("seconds", SECONDS)
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("model", MODELS)
def test_a_job_of_every_model_size_and_length_is_completed_as_ordered(
    videos: Videos, model: VideoModel, size: VideoSize, seconds: VideoSeconds
) -> None:
    prompt = f"A calico cat plays the piano for {seconds} seconds — 钢琴"
    video = videos.create_and_poll(model=model, size=size, seconds=seconds, prompt=prompt)

    assert (video.object, video.status, video.progress, video.error) == ("video", "completed", 100, None)
    assert (video.model, video.size, video.seconds, video.prompt) == (model, size, seconds, prompt)
    assert video.remixed_from_video_id is None
    assert video.completed_at is not None
    assert video.completed_at >= video.created_at
    assert video.expires_at is not None
    assert video.expires_at > video.completed_at


def test_only_a_prompt_is_needed_and_the_documented_defaults_apply(videos: Videos) -> None:
    video = videos.create(prompt="A kite")
    assert (video.status, video.progress) == ("queued", 0)
    assert (video.completed_at, video.expires_at) == (None, None)
    assert (video.model, video.size, video.seconds) == ("sora-2", "720x1280", "4")


def test_address_and_key_can_come_from_the_environment(
    served: Urls, api_key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", served["openai"])
    monkeypatch.setenv("OPENAI_API_KEY", api_key)

    with OpenAI() as client:
        first = client.videos.create_and_poll(prompt="Configured by the environment")

    async def again() -> Video:
        async with AsyncOpenAI() as client:
            return await client.videos.retrieve(first.id)

    assert first.status == "completed"
    assert asyncio.run(again()) == first


def test_a_client_is_told_when_to_poll_until_there_is_nothing_more_to_wait_for(videos: Videos) -> None:
    created = videos.with_raw_response.create(prompt="A lighthouse")
    assert int(created.headers["openai-poll-after-ms"]) > 0
    video = videos.poll(created.parse().id)

    retrieved = videos.with_raw_response.retrieve(video.id)
    assert "openai-poll-after-ms" not in retrieved.headers
    assert retrieved.parse() == video
    assert retrieved.request_id


def test_a_picture_can_be_uploaded_as_the_reference(videos: Videos, tmp_path: Path) -> None:
    file = tmp_path / "reference.png"
    file.write_bytes(picture())
    by_path = videos.create_and_poll(prompt="From a path", input_reference=file)
    by_bytes = videos.create_and_poll(prompt="From memory", input_reference=("a.png", picture(), "image/png"))
    assert [by_path.status, by_bytes.status] == ["completed", "completed"]
    assert [by_path.prompt, by_bytes.prompt] == ["From a path", "From memory"]


@pytest.mark.parametrize(
    "reference",
    [
        {"image_url": "https://example.com/cat.png"},
        {"image_url": "data:image/png;base64,iVBORw0KGgo="},
        {"file_id": "file-123"},
    ],
    ids=["address", "data URL", "file id"],
)
def test_a_picture_can_be_named_as_the_reference(videos: Videos, reference: dict[str, str]) -> None:
    # By `extra_body`, since the SDK's own argument has the type of this object but then accepts files alone.
    video = videos.create(prompt="From an address", extra_body={"input_reference": reference})
    assert videos.poll(video.id).status == "completed"


def test_a_reference_that_names_its_picture_twice_is_refused(videos: Videos) -> None:
    twice = {"image_url": "https://example.com/cat.png", "file_id": "file-123"}
    with pytest.raises(BadRequestError) as refused:
        videos.create(prompt="From two places", extra_body={"input_reference": twice})
    assert refused.value.param == "input_reference"


def test_200_jobs_at_once_all_complete_under_ids_of_their_own(served: Urls, api_key: str) -> None:
    async def run_all() -> list[Video]:
        async with AsyncOpenAI(base_url=served["openai"], api_key=api_key, max_retries=0) as client:
            return await asyncio.gather(*(client.videos.create_and_poll(prompt=f"Job {n}") for n in range(200)))

    done = asyncio.run(run_all())
    assert Counter((video.status, video.progress) for video in done) == {("completed", 100): 200}
    assert [video.prompt for video in done] == [f"Job {n}" for n in range(200)]
    assert len({video.id for video in done}) == 200


# -- lists ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("order", ["asc", "desc"])
def test_turning_the_pages_of_25_jobs_shows_each_once_and_in_order(videos: Videos, order: Any) -> None:
    ids = [videos.create(prompt=f"Job {n}").id for n in range(25)]
    listed = [video.id for video in videos.list(limit=10, order=order)]
    assert listed == (ids if order == "asc" else ids[::-1])


def test_25_jobs_are_three_pages_of_at_most_ten_newest_first(served: Urls, api_key: str) -> None:
    with OpenAI(base_url=served["openai"], api_key=api_key, max_retries=0) as client:
        ids = [client.videos.create(prompt=f"Job {n}").id for n in range(25)]
        pages = [[video.id for video in page.data] for page in client.videos.list(limit=10).iter_pages()]
    assert pages == [ids[:14:-1], ids[14:4:-1], ids[4::-1]]


def test_a_key_that_has_made_nothing_sees_an_empty_list(videos: Videos) -> None:
    assert list(videos.list()) == []


# -- results ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("size", "seconds"), [("720x1280", "4"), ("1280x720", "8"), ("1024x1792", "12"), ("1792x1024", "4")]
)
def test_the_downloaded_video_has_the_size_and_length_that_was_ordered(
    lasting_videos: Videos, size: VideoSize, seconds: VideoSeconds
) -> None:
    video = lasting_videos.create_and_poll(prompt="A river", size=size, seconds=seconds)
    content = lasting_videos.download_content(video.id)
    assert content.response.headers["content-type"] == "video/mp4"
    assert_clip(content.read(), size, int(seconds))


def test_a_download_can_be_streamed_to_a_file(served_at_leisure: Urls, api_key: str, tmp_path: Path) -> None:
    file = tmp_path / "river.mp4"
    with OpenAI(base_url=served_at_leisure["openai"], api_key=api_key, max_retries=0) as client:
        video = client.videos.create_and_poll(prompt="A river")
        with client.videos.with_streaming_response.download_content(video.id, variant="video") as content:
            content.stream_to_file(file)
    assert_clip(file.read_bytes(), "720x1280", 4)


def test_the_thumbnail_is_a_webp_picture_of_the_videos_shape(lasting_videos: Videos) -> None:
    video = lasting_videos.create_and_poll(prompt="A river", size="1280x720")
    content = lasting_videos.download_content(video.id, variant="thumbnail")
    assert content.response.headers["content-type"] == "image/webp"
    with Image.open(BytesIO(content.read())) as thumbnail:
        assert thumbnail.format == "WEBP"
        assert thumbnail.width * 720 == thumbnail.height * 1280


def test_the_spritesheet_is_a_jpeg_picture(lasting_videos: Videos) -> None:
    video = lasting_videos.create_and_poll(prompt="A river", size="1280x720")
    content = lasting_videos.download_content(video.id, variant="spritesheet")
    assert content.response.headers["content-type"] == "image/jpeg"
    with Image.open(BytesIO(content.read())) as sheet:
        assert sheet.format == "JPEG"
        assert sheet.getcolors(1000) is None, "there is something to see on it"


def test_a_result_that_is_not_there_yet_is_refused_as_documented(
    connect: Connect, served_in_real_time: Urls, api_key: str
) -> None:
    videos = connect(served_in_real_time["openai"], api_key)
    video = videos.create(prompt="Soon")
    with pytest.raises(APIStatusError) as refused:
        videos.download_content(video.id)
    assert (refused.value.status_code, refused.value.code) == (400, "video_not_ready")
    assert videos.retrieve(video.id).status in ("queued", "in_progress")


# -- what grows out of a finished video -------------------------------------------------------------


def test_a_remix_names_the_video_that_it_came_from_and_keeps_its_shape(videos: Videos) -> None:
    source = videos.create_and_poll(prompt="A dog", model="sora-2-pro", size="1792x1024", seconds="8")
    remix = videos.poll(videos.remix(source.id, prompt="The same dog, in the rain").id)
    assert remix.status == "completed"
    assert remix.id != source.id
    assert remix.remixed_from_video_id == source.id
    assert remix.prompt == "The same dog, in the rain"
    assert (remix.model, remix.size, remix.seconds) == ("sora-2-pro", "1792x1024", "8")


# The SDK's `video` argument of edit and extend is typed as a file or {"id": ...}, but then accepts files alone;
# an id travels by `extra_body`.


def test_an_edit_keeps_what_it_does_not_change(videos: Videos) -> None:
    source = videos.create_and_poll(prompt="A dog", size="1280x720", seconds="8")
    named = {"video": {"id": source.id}}
    edit = videos.poll(videos.edit(prompt="Paint the dog blue", video=LEFT_OUT, extra_body=named).id)
    assert (edit.status, edit.prompt) == ("completed", "Paint the dog blue")
    assert (edit.model, edit.size, edit.seconds) == ("sora-2", "1280x720", "8")
    assert edit.id != source.id


@pytest.mark.parametrize(("more", "total"), [("4", "12"), ("8", "16"), ("12", "20"), ("16", "24"), ("20", "28")])
def test_the_length_of_an_extension_is_that_of_both_parts_together(videos: Videos, more: Any, total: str) -> None:
    source = videos.create_and_poll(prompt="A dog", size="1280x720", seconds="8")
    named = {"video": {"id": source.id}}
    longer = videos.poll(videos.extend(prompt="It runs on", seconds=more, video=LEFT_OUT, extra_body=named).id)
    assert (longer.status, longer.size, longer.seconds) == ("completed", "1280x720", total)


def test_the_downloaded_extension_has_both_parts(lasting_videos: Videos) -> None:
    source = lasting_videos.create_and_poll(prompt="A dog", seconds="4")
    named = {"video": {"id": source.id}}
    longer = lasting_videos.extend(prompt="It runs on", seconds=cast(Any, "20"), video=LEFT_OUT, extra_body=named)
    longer = lasting_videos.poll(longer.id)
    assert_clip(lasting_videos.download_content(longer.id).read(), "720x1280", 24)


def test_an_uploaded_video_can_be_edited(lasting_videos: Videos) -> None:
    edit = lasting_videos.edit(prompt="Paint it blue", video=("clip.mp4", b"\0\0\0\x18ftypmp42", "video/mp4"))
    edit = lasting_videos.poll(edit.id)
    assert edit.status == "completed"
    assert edit.model in MODELS
    assert edit.size in SIZES
    assert edit.seconds.isdigit()
    assert_clip(lasting_videos.download_content(edit.id).read(), edit.size, int(edit.seconds))


def test_an_uploaded_video_can_be_extended(lasting_videos: Videos) -> None:
    clip = ("clip.mp4", b"\0\0\0\x18ftypmp42", "video/mp4")
    longer = lasting_videos.poll(lasting_videos.extend(prompt="It runs on", seconds="8", video=clip).id)
    assert longer.status == "completed"
    assert longer.model in MODELS
    assert longer.size in SIZES
    assert int(longer.seconds) >= 8
    assert_clip(lasting_videos.download_content(longer.id).read(), longer.size, int(longer.seconds))


def test_nothing_can_grow_out_of_an_unfinished_video(connect: Connect, served_in_real_time: Urls, api_key: str) -> None:
    videos = connect(served_in_real_time["openai"], api_key)
    source = videos.create(prompt="Soon")
    named = {"video": {"id": source.id}}
    attempts: list[Callable[[], object]] = [
        lambda: videos.remix(source.id, prompt="Sooner"),
        lambda: videos.edit(prompt="Sooner", video=LEFT_OUT, extra_body=named),
        lambda: videos.extend(prompt="Sooner", seconds="4", video=LEFT_OUT, extra_body=named),
    ]
    for attempt in attempts:
        with pytest.raises(BadRequestError) as refused:
            attempt()
        assert refused.value.code == "video_not_ready"
    assert [video.id for video in videos.list()] == [source.id]


def test_a_character_made_from_a_video_can_be_looked_up(videos: Videos) -> None:
    made = videos.create_character(name="Mossy", video=("mossy.mp4", b"\0\0\0\x18ftypmp42", "video/mp4"))
    assert made.id
    assert made.name == "Mossy"
    found = videos.get_character(made.id)
    assert found.to_dict() == made.to_dict()
    assert list(videos.list()) == [], "a character is no video"


# -- the end of a job -------------------------------------------------------------------------------


def test_a_deleted_video_is_gone_everywhere(videos: Videos) -> None:
    kept = videos.create_and_poll(prompt="Keep me")
    video = videos.create_and_poll(prompt="Forget me")

    answer = videos.delete(video.id)
    assert (answer.id, answer.deleted, answer.object) == (video.id, True, "video.deleted")

    for attempt in (videos.retrieve, videos.download_content, videos.delete):
        with pytest.raises(NotFoundError):
            attempt(video.id)
    with pytest.raises(NotFoundError):
        videos.remix(video.id, prompt="Remember me")
    assert [video.id for video in videos.list()] == [kept.id]


def test_a_failed_job_says_why_and_has_no_result(connect: Connect, api_key: str, tmp_path: Path) -> None:
    with serving("openai", "--speed", "2000", "--overlay", profile(tmp_path, failure_rate=1)) as urls:
        videos = connect(urls["openai"], api_key)
        video = videos.create_and_poll(prompt="Something forbidden")
        with pytest.raises(BadRequestError) as refused:
            videos.download_content(video.id)
    assert video.status == "failed"
    assert video.progress < 100
    assert video.error is not None
    assert video.error.code == "moderation_blocked"
    assert video.error.message
    assert refused.value.code == "video_failed"


def test_an_expired_result_is_gone_but_its_job_is_not(connect: Connect, api_key: str, tmp_path: Path) -> None:
    with serving("openai", "--speed", "2000", "--overlay", profile(tmp_path, expires_after=0)) as urls:
        videos = connect(urls["openai"], api_key)
        video = videos.create_and_poll(prompt="A soap bubble")
        with pytest.raises(NotFoundError) as refused:
            videos.download_content(video.id)
        assert videos.retrieve(video.id) == video
    assert video.status == "completed"
    assert video.expires_at == video.completed_at
    assert refused.value.code == "video_expired"


def profile(folder: Path, **changes: object) -> str:
    """The path of an overlay that changes the profile of a provider's videos."""
    target = "$['x-job'].resources.video.profile"
    settings = {name.replace("_", "-"): value for name, value in changes.items()}
    lines = ["overlay: 1.0.0", "info: {title: Another pace, version: 1.0.0}", "actions:"]
    for name in settings:  # first out with the old: what is a list would grow
        lines += [f"  - target: {target}.{name}", "    remove: true"] if isinstance(settings[name], list) else []
    lines += [f"  - target: {target}", f"    update: {settings}"]
    file = folder / "overlay.yaml"
    file.write_text("\n".join(lines))
    return str(file)


def test_create_and_poll_ends_in_every_clock_mode(
    connect: Connect, in_clock_mode: Callable[[Callable[[str], Any]], Any], clocked: tuple[str, str], api_key: str
) -> None:
    video = in_clock_mode(lambda url: connect(url, api_key).create_and_poll(prompt="Six minutes"))
    assert (video.status, video.progress) == ("completed", 100)
    if clocked[0] != "real":
        assert video.completed_at - video.created_at == 360


# -- refusals ---------------------------------------------------------------------------------------


def test_a_length_outside_the_list_is_refused_by_name(videos: Videos) -> None:
    with pytest.raises(BadRequestError) as refused:
        videos.create(prompt="Five seconds", seconds=cast(Any, "5"))
    error = refused.value
    assert (error.status_code, error.param, error.code) == (400, "seconds", "invalid_value")
    assert error.type == "invalid_request_error"
    assert error.request_id
    assert list(videos.list()) == []


def test_a_size_outside_the_list_is_refused_by_name(videos: Videos) -> None:
    with pytest.raises(BadRequestError) as refused:
        videos.create(prompt="A tiny one", size=cast(Any, "2x2"))
    assert (refused.value.param, refused.value.code) == ("size", "invalid_value")


def test_a_missing_prompt_is_refused_by_name(videos: Videos) -> None:
    with pytest.raises(BadRequestError) as refused:
        videos.create(prompt=LEFT_OUT, model="sora-2")
    assert (refused.value.param, refused.value.code) == ("prompt", "missing_required_parameter")


def test_a_key_that_begins_with_invalid_is_refused(connect: Connect, served: Urls) -> None:
    videos = connect(served["openai"], "invalid-key-of-this-test")
    for attempt in (lambda: videos.create(prompt="Let me in"), lambda: videos.retrieve("video_1"), videos.list):
        with pytest.raises(AuthenticationError) as refused:
            attempt()
        assert (refused.value.status_code, refused.value.code) == (401, "invalid_api_key")
        assert "invalid-key-of-this-test" not in refused.value.message


def test_the_job_of_another_key_is_as_unknown_as_none(connect: Connect, served: Urls, api_key: str) -> None:
    mine, theirs = (connect(served["openai"], key) for key in (api_key, f"{api_key}-other"))
    video = mine.create_and_poll(prompt="Mine")
    for attempt in (theirs.retrieve, theirs.download_content, theirs.delete):
        with pytest.raises(NotFoundError):
            attempt(video.id)
    assert list(theirs.list()) == []
    assert mine.retrieve(video.id) == video


# -- the same client with other providers -----------------------------------------------------------


def test_hingnet_sora_takes_jobs_but_its_words_end_the_wait_too_early(
    connect: Connect, api_key: str, tmp_path: Path
) -> None:
    """Known incompatibility: the SDK waits through `queued` and `in_progress`, and this job is `processing`."""
    for_a_day = profile(tmp_path, queue=[0, 0], run=[86400, 86400])
    with serving("hingnet-sora", "--overlay", for_a_day) as urls:
        videos = connect(f"{urls['hingnet-sora']}/v1", api_key)
        video = videos.create_and_poll(prompt="A street", model="sora-2", seconds="8", size="1280x720")
    assert (video.model, video.seconds, video.size) == ("sora-2", "8", "1280x720")
    assert (video.status, video.progress, video.completed_at) == ("processing", 0, None)


def test_a_hingnet_sora_job_that_is_polled_by_hand_ends_in_success(
    connect: Connect, served_at_leisure: Urls, api_key: str
) -> None:
    videos = connect(f"{served_at_leisure['hingnet-sora']}/v1", api_key)
    video = videos.create(prompt="A street", size="1280x720")
    while cast(str, video.status) in ("queued", "processing"):
        video = videos.retrieve(video.id)
    assert (video.status, video.progress) == ("success", 100)
    assert_clip(videos.download_content(video.id).read(), "1280x720", 4)
    remix = videos.remix(video.id, prompt="The same street at night")
    assert (remix.status, remix.remixed_from_video_id) == ("queued", video.id)


def test_hingnet_soras_list_gives_the_sdk_no_cursor_so_it_stops_after_one_page(
    connect: Connect, served: Urls, api_key: str
) -> None:
    """Known incompatibility: the contract has an `after` but no `last_id` to take it from."""
    videos = connect(f"{served['hingnet-sora']}/v1", api_key)
    ids = [videos.create(prompt=f"Job {n}").id for n in range(12)]
    assert [video.id for video in videos.list(limit=10, order="asc")] == ids[:10]


def test_a_hingnet_veo_job_runs_to_its_end_and_has_a_link(
    connect: Connect, served_at_leisure: Urls, api_key: str
) -> None:
    videos = connect(f"{served_at_leisure['hingnet-veo']}/v1", api_key)
    video = videos.create_and_poll(
        prompt="A lion", model="veo-3.1-fast-generate-preview", seconds=cast(Any, "6"), size="1280x720"
    )
    assert (video.status, video.progress, video.model) == ("completed", 100, "veo-3.1-fast-generate-preview")
    assert cast(Any, video.seconds) == 6, "this contract has a number where OpenAI's has a string"
    assert videos.retrieve(video.id) == video
    link = (video.model_extra or {})["video_url"]
    assert_clip(httpx2.get(link).raise_for_status().content, "1280x720", 6)


@pytest.mark.parametrize("model", ["sora-2", "sora-2-pro", "sora-2-vip", "sora-2-pro-vip"])
def test_an_agicto_job_of_each_model_runs_to_its_end(connect: Connect, served: Urls, api_key: str, model: str) -> None:
    videos = connect(f"{served['agicto-sora']}/v1", api_key)
    video = videos.create_and_poll(prompt="A lake", model=model, seconds=cast(Any, "10"), size="1280x720")
    assert (video.status, video.progress, video.model) == ("completed", 100, model)
    assert (video.seconds, video.size) == ("10", "1280x720")
    assert videos.retrieve(video.id) == video


def test_an_agicto_result_has_a_link(connect: Connect, served: Urls, api_key: str) -> None:
    videos = connect(f"{served['agicto-sora']}/v1", api_key)
    video = videos.create_and_poll(prompt="A lake", model="sora-2", seconds=cast(Any, "10"), size="1280x720")
    link = (video.model_extra or {})["video_url"]  # it never expires
    assert_clip(httpx2.get(link).raise_for_status().content, "1280x720", 10)


def test_agicto_refuses_a_model_that_it_does_not_have(connect: Connect, served: Urls, api_key: str) -> None:
    videos = connect(f"{served['agicto-sora']}/v1", api_key)
    with pytest.raises(BadRequestError) as refused:
        videos.create(prompt="A lake", model="sora-2-2025-12-08")
    assert refused.value.param == "model"
