"""A job: who owns it, what was asked for, and its timeline. Everything else about it is worked out."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mockserver.jobs.timeline import Timeline


@dataclass(frozen=True, slots=True)
class Job:
    """A record that never changes.

    `kind` names its resource; `inputs` are the fields of the request that an answer may repeat, under the
    request's names; `source` is the id of the job that it was made from, if any.
    """

    id: str
    kind: str
    owner: str
    inputs: Mapping[str, Any]
    timeline: Timeline
    source: str | None = None
