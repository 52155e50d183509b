"""The result of a job: which size and length was asked for, and the links that lead to it."""

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Protocol
from urllib.parse import quote

from mockserver.jobs.job import Job
from mockserver.jobs.vocabulary import Vocabulary
from mockserver.message import CONTROL

ASSETS = f"{CONTROL}assets/"
# Suffixes of the files that can be made, with their media types.
IMAGES = {"webp": "image/webp", "jpg": "image/jpeg", "jpeg": "image/jpeg", "png": "image/png"}
SOUNDS = {"mp3": "audio/mpeg", "wav": "audio/wav"}
DEFAULT_SIZE = (1280, 720)
DEFAULT_SECONDS = 5.0
_PIXELS = re.compile(r"(\d{2,5})\s*[x*×X]\s*(\d{2,5})")
_RATIO = re.compile(r"(\d{1,3}(?:\.\d{1,6})?)\s*:\s*(\d{1,3}(?:\.\d{1,6})?)")
_LINES = re.compile(r"(\d{3,4})p", re.IGNORECASE)
_NUMBER = re.compile(r"\d+(\.\d+)?")


class Media(Protocol):
    """What makes the bytes. Sizes in pixels, lengths in seconds."""

    def video(self, width: int, height: int, seconds: float) -> bytes: ...
    def video_bytes(self, width: int, height: int, seconds: float) -> int: ...
    def sound(self, seconds: float, media_type: str) -> bytes: ...
    def still(self, width: int, height: int, media_type: str) -> bytes: ...
    def spritesheet(self, width: int, height: int, media_type: str) -> bytes: ...


class ResultFacts:
    """Facts about the results of one kind of job."""

    def __init__(self, vocabulary: Vocabulary, media: Media) -> None:
        self._vocabulary = vocabulary
        self._media = media

    def size(self, job: Job) -> tuple[int, int]:
        """Width and height in pixels."""
        texts = [str(v) for name, v in job.inputs.items() if self._means("size", name)]
        width, height = (self._number(job.inputs, role) for role in ("width", "height"))
        if width and height:
            return int(width), int(height)
        return size_of(texts)

    def seconds(self, job: Job) -> float:
        """The length of the result."""
        return self._number(job.inputs, "length") or DEFAULT_SECONDS

    def video(self, job: Job) -> bytes:
        """The bytes of the video."""
        return self._media.video(*self.size(job), self.seconds(job))

    def video_bytes(self, job: Job) -> int:
        """How many bytes the video has."""
        return self._media.video_bytes(*self.size(job), self.seconds(job))

    def sound(self, job: Job, media_type: str) -> bytes:
        """The bytes of the sound."""
        return self._media.sound(self.seconds(job), media_type)

    def still(self, job: Job, media_type: str) -> bytes:
        """The bytes of a picture of the video."""
        return self._media.still(*self.size(job), media_type)

    def spritesheet(self, job: Job, media_type: str) -> bytes:
        """The bytes of a sheet of pictures of the video."""
        return self._media.spritesheet(*self.size(job), media_type)

    @staticmethod
    def url(job: Job, site: str, suffix: str) -> str:
        """An absolute link to the result as a file of some kind, which works without a key, as a storage link does."""
        return f"{site}{ASSETS}{job.owner}/{quote(job.id, safe='')}.{suffix}"

    def video_url(self, job: Job, site: str) -> str:
        """A link to the video."""
        return self.url(job, site, "mp4")

    def sound_url(self, job: Job, site: str, usual: str) -> str:
        """A link to the sound, in the format that was asked for or else the usual one."""
        return self.url(job, site, self.format(job, SOUNDS, usual))

    def still_url(self, job: Job, site: str) -> str:
        """A link to a picture, in the format that was asked for."""
        return self.url(job, site, self.format(job, IMAGES, "webp"))

    def format(self, job: Job, known: Collection[str], usual: str) -> str:
        """The format that was asked for, if it is one of some that can be made; else the usual one."""
        for name, value in job.inputs.items():
            if self._means("format", name):
                asked = str(value).lower().rpartition("/")[2]  # `image/png` is asked for, too
                return asked if asked in known else usual
        return usual

    def word_for(self, job: Job, words: Sequence[str]) -> str:
        """The word of some (`jpeg`, `image/jpeg`, `JPG`) that means the format of a job's picture; else the first."""
        made = IMAGES[self.format(job, IMAGES, "webp")]
        return next((w for w in words if IMAGES.get(w.lower().rpartition("/")[2]) == made), words[0])

    def _means(self, role: str, name: str) -> bool:
        return self._vocabulary.rank("inputs", role, name) is not None

    def _number(self, inputs: Mapping[str, Any], role: str) -> float:
        for name, value in inputs.items():
            if self._means(role, name) and (found := _NUMBER.search(str(value))):
                return min(float(found[0]), 100_000.0)
        return 0.0


def size_of(texts: list[str]) -> tuple[int, int]:
    """Pixels from words such as `720x1280`, `16:9` and `1080p`, which may stand in several fields."""
    joined = " ".join(texts)
    if pixels := _PIXELS.search(joined):
        return int(pixels[1]), int(pixels[2])
    lines = int(found[1]) if (found := _LINES.search(joined)) else DEFAULT_SIZE[1]
    if (ratio := _RATIO.search(joined)) and float(ratio[1]) and float(ratio[2]):
        share = float(ratio[1]) / float(ratio[2])
        return (round(lines * share), lines) if share >= 1 else (lines, round(lines / share))
    return round(lines * DEFAULT_SIZE[0] / DEFAULT_SIZE[1]), lines
