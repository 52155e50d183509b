"""Serve videos, pictures and sounds made from the fixture files, each made once and kept within a limit of bytes."""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from functools import lru_cache
from pathlib import Path
from typing import Final

from mockserver.media import images, mp4, sounds

DEFAULT_MAX_BYTES: Final = 32 * 1024 * 1024

_POSTER: Final = "poster.png"
_CLIP_SUFFIX: Final = ".h264"
# A length costs some microseconds to work out: enough entries for the sizes one test run asks for.
_LENGTHS_KEPT: Final = 256


class MediaLibrary:
    """Videos and pictures by size, from a folder of `<width>x<height>.h264` clips and `poster.png`.

    Files are read at first use and clips stay in memory. Made results are kept while they have at most
    `max_bytes` together, the least recently used going first. For one thread only.
    """

    def __init__(self, folder: Path, max_bytes: int = DEFAULT_MAX_BYTES) -> None:
        self._folder = folder
        self._max_bytes = max_bytes
        self._kept: OrderedDict[Hashable, bytes] = OrderedDict()
        self._kept_bytes = 0
        self._grids: tuple[tuple[int, int], ...] = ()
        self._clips: dict[tuple[int, int], mp4.Clip] = {}
        self._poster: bytes | None = None
        self._length = lru_cache(maxsize=_LENGTHS_KEPT)(self._video_bytes)

    @property
    def kept_bytes(self) -> int:
        """The bytes of all results kept at present; never more than `max_bytes`."""
        return self._kept_bytes

    def video(self, width: int, height: int, seconds: float) -> bytes:
        """An MP4 file of width x height pixels and a length in seconds, as mp4.video brings them in range.

        Raises ValueError when `seconds` is not finite or the folder has no clip that is large enough.
        """
        key = "video", mp4.frame_size(width, height), mp4.frame_count(seconds)
        return self._get(key, lambda: mp4.video(self._clip(width, height), width, height, seconds))

    def video_bytes(self, width: int, height: int, seconds: float) -> int:
        """The length in bytes of video(...) with the same arguments, without making it; raises as it does."""
        return self._length(width, height, seconds)

    def sound(self, seconds: float, media_type: str) -> bytes:
        """A sound of so many seconds as audio/mpeg, or as a WAV file for any other type."""
        return self._get(("sound", round(seconds, 1), media_type), lambda: sounds.sound(seconds, media_type))

    def still(self, width: int, height: int, media_type: str) -> bytes:
        """One frame of the video of that size (so sides are even) as image/jpeg, image/png or image/webp.

        Raises ValueError on another media type.
        """
        size = mp4.frame_size(width, height)
        return self._get(("still", size, media_type), lambda: images.still(self._poster_bytes(), *size, media_type))

    def spritesheet(self, width: int, height: int, media_type: str) -> bytes:
        """Ten frames of the video of that size, scaled down, in two rows of five; types as for `still`."""
        size = mp4.frame_size(width, height)
        return self._get(
            ("spritesheet", size, media_type),
            lambda: images.spritesheet(self._poster_bytes(), *size, media_type),
        )

    def _get(self, key: Hashable, make: Callable[[], bytes]) -> bytes:
        found = self._kept.get(key)
        if found is not None:
            self._kept.move_to_end(key)
            return found
        made = make()
        # Larger than everything together: keeping it would only throw all the others out.
        if len(made) > self._max_bytes:
            return made
        self._kept[key] = made
        self._kept_bytes += len(made)
        while self._kept_bytes > self._max_bytes:
            _, dropped = self._kept.popitem(last=False)
            self._kept_bytes -= len(dropped)
        return made

    def _video_bytes(self, width: int, height: int, seconds: float) -> int:
        return mp4.video_bytes(self._clip(width, height), width, height, seconds)

    def _clip(self, width: int, height: int) -> mp4.Clip:
        wanted = mp4.frame_size(width, height)
        if not self._grids:
            self._grids = _listed_grids(self._folder)
        # The list goes from the fewest pixels up: the first that holds the size is the cheapest to decode.
        grid = next((grid for grid in self._grids if grid[0] >= wanted[0] and grid[1] >= wanted[1]), None)
        if grid is None:
            raise ValueError(f"video size is {wanted}, expected one within the clips {list(self._grids)}")
        if grid not in self._clips:
            self._clips[grid] = _read_clip(self._folder, grid)
        return self._clips[grid]

    def _poster_bytes(self) -> bytes:
        if self._poster is None:
            self._poster = (self._folder / _POSTER).read_bytes()
        return self._poster


def _listed_grids(folder: Path) -> tuple[tuple[int, int], ...]:
    # The names tell the sizes, so that a clip is read only when it is used.
    grids = []
    for path in folder.glob(f"*{_CLIP_SUFFIX}"):
        width, _, height = path.stem.partition("x")
        if not (width.isdecimal() and height.isdecimal()):
            raise ValueError(f"clip is named {path.name!r}, expected <width>x<height>{_CLIP_SUFFIX}")
        grids.append((int(width), int(height)))
    return tuple(sorted(grids, key=lambda grid: (grid[0] * grid[1], grid)))


def _read_clip(folder: Path, grid: tuple[int, int]) -> mp4.Clip:
    path = folder / f"{grid[0]}x{grid[1]}{_CLIP_SUFFIX}"
    clip = mp4.parse_clip(path.read_bytes())
    if (clip.width, clip.height) != grid:
        raise ValueError(f"clip {path.name} has pictures of {clip.width}x{clip.height}, expected its name's size")
    return clip
