"""The videos and pictures of the media library, judged by a real demuxer, decoder and picture reader."""

import itertools
import math
import re
import struct
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from io import BytesIO
from pathlib import Path

import av
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from mockserver.media import images, mp4
from mockserver.media.library import MediaLibrary

FOLDER = Path(__file__).parent.parent / "fixtures" / "media"
CLIPS = sorted(FOLDER.glob("*.h264"))
LIBRARY = MediaLibrary(FOLDER)

# Every kind of damage FFmpeg can look for, each of them an error and not something to conceal.
STRICT = {"err_detect": "crccheck+bitstream+buffer+explode+careful+compliant+aggressive"}

SIZES = [
    (720, 1280),
    (1280, 720),
    (1024, 1792),
    (1792, 1024),
    (1920, 1080),
    (1080, 1920),
    (640, 360),
    (848, 480),
    (1078, 606),
    (1440, 1440),
    (3840, 2160),
    (2160, 3840),
    (4096, 4096),
    (640, 640),
    (16, 16),
    (2, 2),
]
LENGTHS = [
    (4, 96),
    (5.5, 132),
    (8, 192),
    (12, 288),
    (20, 480),
    (1 / 24, 1),
    (0.5, 12),
    (1.02, 24),
    (1.05, 25),
]
MEDIA_TYPES = [("image/webp", "WEBP"), ("image/jpeg", "JPEG"), ("image/png", "PNG")]


@dataclass(frozen=True, slots=True)
class Seen:
    """What a player sees of a file: pixels, frames, seconds, and where the key frames are."""

    width: int
    height: int
    frames: int
    duration: Fraction
    keys: tuple[int, ...]


def watch(file: bytes) -> Seen:
    """Decode all of a file strictly; fail on any error, warning, odd picture size or gap in time."""
    av.logging.set_level(av.logging.WARNING)
    with (
        av.logging.Capture(local=False) as messages,
        av.open(BytesIO(file), "r", options=STRICT) as container,
    ):
        (stream,) = container.streams.video
        assert len(container.streams) == 1
        assert stream.codec_context.name == "h264"
        assert stream.average_rate == 24
        stream.codec_context.options = STRICT
        frames = list(container.decode(stream))
        assert {(frame.width, frame.height) for frame in frames} == {(stream.width, stream.height)}
        assert [frame.time for frame in frames] == pytest.approx([n / 24 for n in range(len(frames))])
        assert not any(frame.is_corrupt for frame in frames)
        assert stream.duration is not None
        assert stream.time_base is not None
        assert container.duration is not None
        duration = stream.duration * stream.time_base
        assert container.duration == pytest.approx(float(duration) * av.time_base, abs=1)
        assert stream.frames == len(frames)
        keys = tuple(number for number, frame in enumerate(frames) if frame.key_frame)
        seen = Seen(stream.width, stream.height, len(frames), duration, keys)
    assert messages == []
    return seen


def boxes(data: bytes) -> Iterator[tuple[str, bytes]]:
    """The boxes laid end to end in `data`, as name and body; they must fill it exactly."""
    at = 0
    while at < len(data):
        size, kind = struct.unpack_from(">I4s", data, at)
        assert 8 <= size <= len(data) - at
        yield kind.decode(), data[at + 8 : at + size]
        at += size


def within(data: bytes, *path: str) -> bytes:
    """The body of the only box at that path of names."""
    for name in path:
        (data,) = [body for kind, body in boxes(data) if kind == name]
    return data


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_video_has_the_size_asked_for(width: int, height: int) -> None:
    file = LIBRARY.video(width, height, 1.25)
    assert watch(file) == Seen(width, height, 30, Fraction(5, 4), (0, 24))
    assert LIBRARY.video_bytes(width, height, 1.25) == len(file)


@pytest.mark.parametrize(("seconds", "frames"), LENGTHS)
@pytest.mark.parametrize(("width", "height"), [(320, 180), (720, 1280)])
def test_video_has_the_length_asked_for(width: int, height: int, seconds: float, frames: int) -> None:
    file = LIBRARY.video(width, height, seconds)
    assert watch(file) == Seen(width, height, frames, Fraction(frames, 24), tuple(range(0, frames, 24)))
    assert LIBRARY.video_bytes(width, height, seconds) == len(file)


@pytest.mark.parametrize(
    ("asked", "given"), [((1079, 607), (1080, 608)), ((0, -5), (2, 2)), ((9999, 4095), (4096, 4096))]
)
def test_odd_and_far_sizes_are_brought_in_range(asked: tuple[int, int], given: tuple[int, int]) -> None:
    assert mp4.frame_size(*asked) == given
    assert LIBRARY.video(*asked, 0.25) == LIBRARY.video(*given, 0.25)


@pytest.mark.parametrize(("seconds", "frames"), [(-3, 1), (0, 1), (600, 14_400), (1e9, 14_400)])
def test_far_lengths_are_brought_in_range(seconds: float, frames: int) -> None:
    assert mp4.frame_count(seconds) == frames
    file = LIBRARY.video(320, 180, seconds)
    assert LIBRARY.video_bytes(320, 180, seconds) == len(file)
    with av.open(BytesIO(file), "r", options=STRICT) as container:
        assert container.streams.video[0].frames == frames


@pytest.mark.parametrize("seconds", [math.nan, math.inf, -math.inf])
def test_a_length_that_is_no_number_is_refused(seconds: float) -> None:
    with pytest.raises(ValueError, match="expected a finite number"):
        LIBRARY.video(320, 180, seconds)
    with pytest.raises(ValueError, match="expected a finite number"):
        LIBRARY.video_bytes(320, 180, seconds)


@settings(max_examples=25, deadline=None, derandomize=True)
@given(
    width=st.integers(1, 640).map(lambda side: 2 * side),
    height=st.integers(1, 640).map(lambda side: 2 * side),
    frames=st.integers(1, 60),
)
def test_any_size_and_length_plays(width: int, height: int, frames: int) -> None:
    file = LIBRARY.video(width, height, frames / 24)
    assert watch(file) == Seen(width, height, frames, Fraction(frames, 24), tuple(range(0, frames, 24)))


@settings(max_examples=200, deadline=None, derandomize=True)
@given(width=st.integers(-1, 4100), height=st.integers(-1, 4100), seconds=st.floats(-1, 30))
def test_length_is_known_before_the_file_is_made(width: int, height: int, seconds: float) -> None:
    assert LIBRARY.video_bytes(width, height, seconds) == len(LIBRARY.video(width, height, seconds))


def test_file_is_ready_to_stream_and_says_one_size_everywhere() -> None:
    file = LIBRARY.video(1078, 606, 5.5)
    assert [kind for kind, _ in boxes(file)] == ["ftyp", "moov", "mdat"]
    track = within(file, "moov", "trak")
    assert struct.unpack(">II", within(track, "tkhd")[-8:]) == (1078 << 16, 606 << 16)
    entry = within(within(track, "mdia", "minf", "stbl", "stsd")[8:], "avc1")
    assert struct.unpack_from(">HH", entry, 24) == (1078, 606)
    for name, path, at in (("mvhd", ("moov",), 12), ("mdhd", ("moov", "trak", "mdia"), 12)):
        scale, duration = struct.unpack_from(">II", within(file, *path, name), at)
        assert Fraction(duration, scale) == Fraction(11, 2)
    (offset,) = struct.unpack(">I", within(track, "mdia", "minf", "stbl", "stco")[8:])
    assert file[offset - 4 : offset] == b"mdat"


@pytest.mark.parametrize(("at", "key"), [(0.5, 0), (4.0, 4), (6.7, 6), (7.99, 7)])
def test_seeking_lands_on_the_key_frame_before(at: float, key: int) -> None:
    with av.open(BytesIO(LIBRARY.video(1280, 720, 8)), "r") as container:
        stream = container.streams.video[0]
        assert stream.time_base is not None
        container.seek(int(at / stream.time_base), stream=stream)
        frame = next(container.decode(stream))
        assert frame.key_frame
        assert frame.time == key


def test_every_second_shows_the_same_moving_picture() -> None:
    with av.open(BytesIO(LIBRARY.video(640, 360, 2)), "r") as container:
        frames = [bytes(frame.reformat(format="gray").planes[0]) for frame in container.decode(video=0)]
    assert frames[:24] == frames[24:]
    assert len(set(frames)) == 24


def test_the_strict_decoder_sees_damage() -> None:
    # Without this, the tests above would prove nothing if the options were not heard.
    file = bytearray(LIBRARY.video(640, 360, 1))
    middle = file.index(b"mdat") + 1500
    file[middle : middle + 40] = bytes(range(40))
    with pytest.raises((av.error.FFmpegError, AssertionError)):
        watch(bytes(file))


@pytest.mark.parametrize("path", CLIPS, ids=lambda path: path.stem)
def test_cropping_agrees_with_ffmpeg(path: Path) -> None:
    clip = mp4.parse_clip(path.read_bytes())
    width, height = clip.width - 130, clip.height - 22
    with av.open(BytesIO(path.read_bytes()), "r", format="h264") as container:
        stream = container.streams.video[0]
        crop = av.BitStreamFilterContext("h264_metadata=crop_right=130:crop_bottom=22", stream)
        packet = next(packet for packet in container.demux(stream) for packet in crop.filter(packet))
    sps = re.split(rb"\0{2,}\x01", bytes(packet))[1]
    assert sps[0] & 31 == 7
    assert sps in mp4.video(clip, width, height, 1)


@pytest.mark.parametrize(("old", "new", "message"), [
    (b"", b"", "NAL unit types"),
    (b"\x65\x88", b"\x41\x88", "NAL unit types"),
    (b"\x65\x88", b"\x65\x48", "several slices"),
    (b"\x67\x4d", b"\x67\x64", "profile_idc 100"),
])  # fmt: skip
def test_a_clip_of_another_kind_is_refused(old: bytes, new: bytes, message: str) -> None:
    stream = CLIPS[0].read_bytes().replace(old, new) if old else b""
    with pytest.raises(ValueError, match=message):
        mp4.parse_clip(stream)


def test_a_cut_off_parameter_set_is_refused() -> None:
    stream = CLIPS[0].read_bytes()
    pps = stream.index(b"\0\0\0\1\x68")
    for end in range(5, 13):
        with pytest.raises(ValueError, match="clip"):
            mp4.parse_clip(stream[:end] + stream[pps:])


def test_a_clip_smaller_than_the_video_is_refused() -> None:
    clip = mp4.parse_clip((FOLDER / "640x640.h264").read_bytes())
    with pytest.raises(ValueError, match="642x640, expected at most the clip's 640x640"):
        mp4.video(clip, 642, 640, 1)


@pytest.mark.parametrize(("media_type", "name"), MEDIA_TYPES)
@pytest.mark.parametrize(("width", "height"), [(720, 1280), (1280, 720), (1920, 1080), (2, 2)])
def test_still_has_the_size_and_the_type(width: int, height: int, media_type: str, name: str) -> None:
    with Image.open(BytesIO(LIBRARY.still(width, height, media_type))) as picture:
        picture.load()
        assert (picture.size, picture.format, picture.mode) == ((width, height), name, "RGB")


@pytest.mark.parametrize(("media_type", "name"), MEDIA_TYPES)
def test_spritesheet_has_ten_different_frames(media_type: str, name: str) -> None:
    with Image.open(BytesIO(LIBRARY.spritesheet(720, 1280, media_type))) as picture:
        assert (picture.size, picture.format, picture.mode) == ((720, 512), name, "RGB")
        cells = [picture.crop((x, y, x + 144, y + 256)).tobytes() for y in (0, 256) for x in range(0, 720, 144)]
    for one, other in itertools.combinations(cells, 2):
        apart = [abs(a - b) for a, b in zip(one[::97], other[::97], strict=True)]
        assert sum(apart) / len(apart) > 10


def test_still_looks_like_the_first_frame() -> None:
    with av.open(BytesIO(LIBRARY.video(1152, 1152, 1)), "r") as container:
        frame = next(container.decode(video=0)).reformat(format="rgb24", src_colorspace="ITU709")
    with Image.open(BytesIO(LIBRARY.still(1152, 1152, "image/png"))) as picture:
        still = picture.tobytes()
    shown = bytes(frame.planes[0])
    apart = [abs(a - b) for a, b in zip(still[::997], shown[::997], strict=True)]
    assert sum(apart) / len(apart) < 3


def test_unknown_picture_types_and_sizes_are_refused() -> None:
    poster = (FOLDER / "poster.png").read_bytes()
    with pytest.raises(ValueError, match="'image/gif', expected one of image/jpeg"):
        LIBRARY.still(16, 16, "image/gif")
    with pytest.raises(ValueError, match="0x16, expected sides of 1 to 16383"):
        images.still(poster, 0, 16, "image/png")
    with pytest.raises(ValueError, match="0 columns"):
        images.spritesheet(poster, 16, 16, "image/png", columns=0)


def test_results_are_kept_within_the_limit() -> None:
    first = len(LIBRARY.video(320, 180, 2))
    library = MediaLibrary(FOLDER, max_bytes=3 * first + 200)
    oldest = library.video(320, 180, 2)
    other = library.video(322, 180, 2)
    assert library.video(321, 180, 2.001) is other
    assert library.video(320, 180, 2) is oldest
    for width in range(324, 340, 2):
        library.video(width, 180, 2)
        assert library.video(320, 180, 2) is oldest
        assert library.kept_bytes <= 3 * first + 200
    assert library.video(322, 180, 2) is not other
    kept = library.kept_bytes
    assert len(library.video(320, 180, 60)) > 3 * first + 200
    assert library.kept_bytes == kept


def test_a_folder_without_clips_or_with_wrong_names_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="expected one within the clips"):
        MediaLibrary(tmp_path).video(320, 180, 1)
    (tmp_path / "640x360.h264").write_bytes((FOLDER / "640x640.h264").read_bytes())
    with pytest.raises(ValueError, match="pictures of 640x640"):
        MediaLibrary(tmp_path).video(320, 180, 1)
    (tmp_path / "large.h264").write_bytes(b"")
    with pytest.raises(ValueError, match=r"'large\.h264', expected <width>x<height>"):
        MediaLibrary(tmp_path).video(320, 180, 1)


def test_fixtures_are_small() -> None:
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) < 400_000


def test_pillow_and_codecs_are_not_loaded_for_video() -> None:
    code = (
        "import sys; from pathlib import Path; from mockserver.media.library import MediaLibrary;"
        "MediaLibrary(Path(sys.argv[1])).video(720, 1280, 8);"
        "print(sorted({name.partition('.')[0] for name in sys.modules} & {'PIL', 'av', 'numpy'}))"
    )
    done = subprocess.run([sys.executable, "-c", code, str(FOLDER)], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
