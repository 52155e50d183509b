"""The lives of jobs as pictures: what stands where, for a template to draw. Only what was seen is drawn."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite
from typing import Any, Final

from contract_tests.finding import Report
from contract_tests.history import History, Purpose
from contract_tests.report.shown import line
from mockserver.jobs.lifecycle import State

WIDTH: Final = 720.0  # units of the picture
HEIGHT: Final = 34.0  # of the band in which progress rises
MOST: Final = 50  # jobs that are drawn
_MOST_POINTS = 400  # sightings of a job that are drawn
_LEAST = 2.0  # the width of a state that was seen once
_STATES = {state.value for state in State}


@dataclass(frozen=True, slots=True)
class Band:
    """A state, from where it was first seen to where the next one was (or to the last sight of it)."""

    x: float
    width: float
    state: str
    look: str  # one of our own states, or `other`
    start: str
    end: str


@dataclass(frozen=True, slots=True)
class Picture:
    """One job. `progress` are the points of a line, `dots` where it was looked at, in the picture's units."""

    id: str
    kind: str
    bands: tuple[Band, ...]
    progress: tuple[tuple[float, float], ...]
    dots: tuple[float, ...]
    seconds: str
    left_out: int

    @property
    def words(self) -> str:
        """The picture in words, for who cannot see it."""
        return ", ".join(f"{band.state} from {band.start} to {band.end}" for band in self.bands)


def watched(history: History) -> tuple[dict[str, Any], ...]:
    """The jobs of a history as a report keeps them; a status word that is not known is no state (None)."""
    return tuple(
        {
            "id": line(job.id, 200),
            "kind": job.resource.name,
            "points": tuple(
                (
                    round(sighting.at - job.created_by.started, 3),
                    sighting.state.value if sighting.state else None,
                    sighting.progress if _is_number(sighting.progress) else None,
                )
                for sighting in job.sightings
                if sighting.state is not None or sighting.word is not None
            ),
        }
        for job in history.jobs
        if job.created_by.purpose != Purpose.BOUND  # nobody watched what became of these
    )


def pictures(report: Report) -> tuple[list[Picture], int]:
    """The jobs that were watched, and how many more there were."""
    drawn = [_picture(timeline) for timeline in report.timelines[:MOST]]
    return drawn, max(0, len(report.timelines) - MOST)


def _picture(timeline: Mapping[str, Any]) -> Picture:
    given = timeline.get("points", ())
    points = [point for each in given[:_MOST_POINTS] if (point := _point(each))]
    first = min((0.0, *(at for at, _, _ in points)))
    last = max((at for at, _, _ in points), default=0.0)
    scale = WIDTH / (last - first) if last > first else 0.0
    places = [(at - first) * scale for at, _, _ in points]
    progress = [
        (round(x, 1), round(HEIGHT - HEIGHT * min(100.0, max(0.0, told)) / 100, 1))
        for x, (_, _, told) in zip(places, points, strict=True)
        if told is not None
    ]
    return Picture(
        line(timeline.get("id", ""), 80),
        line(timeline.get("kind", ""), 60),
        tuple(_bands(points, places)),
        tuple(progress),
        tuple(round(x, 1) for x in places),
        _seconds(last - first),
        len(given) - len(points),
    )


def _bands(points: list[tuple[float, str, float | None]], places: list[float]) -> list[Band]:
    bands: list[Band] = []
    index = 0
    while index < len(points):
        start, state = index, points[index][1]
        while index < len(points) and points[index][1] == state:
            index += 1
        end = min(index, len(points) - 1)
        x = min(places[start], WIDTH - _LEAST)
        width = max(_LEAST, places[end] - x)
        look = state if state in _STATES else "other"
        bands.append(
            Band(round(x, 1), round(width, 1), state, look, _seconds(points[start][0]), _seconds(points[end][0]))
        )
    return bands


def _point(given: Any) -> tuple[float, str, float | None] | None:
    if not isinstance(given, (list, tuple)) or len(given) != 3 or not _is_number(given[0]):
        return None
    state = "unknown word" if given[1] is None else line(given[1], 40)
    return float(given[0]), state, float(given[2]) if _is_number(given[2]) else None


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < 1e12 and isfinite(value)


def _seconds(value: float) -> str:
    return f"{value:,.3f}".rstrip("0").rstrip(".") + " s"
