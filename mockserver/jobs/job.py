"""A job: who owns it, what was asked for, and its timeline. Everything else about it is worked out."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from mockserver.jobs.timeline import Timeline


class Job(NamedTuple):
    """A record that never changes. A named tuple, like its timeline: a third of the time to make.

    `kind` names its resource; `inputs` are the fields of the request that an answer may repeat, under the
    request's names; `source` is the id of the job that it was made from, if any. `failure` is what its error says
    where a scenario has it otherwise, `scenarios` the names of those that it follows.
    """

    id: str
    kind: str
    owner: str
    inputs: Mapping[str, Any]
    timeline: Timeline
    source: str | None = None
    failure: Mapping[str, Any] | None = None
    scenarios: tuple[str, ...] = ()
