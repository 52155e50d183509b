"""Jobs that have ended: what is asked of them again, and their results, fetched in all ways."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import urljoin

from contract_tests.history import (
    ANOTHER_TAG,
    Purpose,
    Sighting,
)
from contract_tests.playing.player import Job, Kind, Player
from contract_tests.playing.target import Call, parts_of
from mockserver.jobs.lifecycle import TERMINAL, State
from mockserver.jobs.resource import Action, JobOperation

MOST_LINKS = 4


def look_at_finished(player: Player, kind: Kind, job: Job) -> None:
    """Ask for a job twice more, at once, and for its head."""
    for part in player.parts(kind, Action.RETRIEVE):
        for _ in range(2):
            player.send(part, Purpose.AGAIN, player.asking(job=job.id))
        if part.operation.method == "GET":
            player.send(part, Purpose.HEAD, player.asking(job=job.id, method="HEAD"))


def look_again(player: Player, kind: Kind) -> None:
    """Whether a job that has ended still is as it was."""
    for part in player.parts(kind, Action.RETRIEVE)[:1]:
        for job in kind.jobs:
            if job.last and job.last.state in TERMINAL:
                player.send(part, Purpose.AGAIN, player.asking(job=job.id))


def fetch_all(player: Player, kind: Kind) -> None:
    """The results of a job that has succeeded, in all ways; those of one that has failed should be refused."""
    done = next((j for j in kind.jobs if j.last and j.last.state is State.SUCCEEDED), None)
    failed = next((j for j in kind.jobs if j.last and j.last.state in (State.FAILED, State.CANCELLED)), None)
    parts = player.parts(kind, Action.CONTENT, Action.RESULT)
    if failed:
        for part in parts:
            player.send(part, Purpose.FETCH_EARLY, player.asking(job=failed.id), f"after it was {failed.last.state}"
                      if failed.last else "")  # fmt: skip
    if done is None:
        if kind.jobs:
            look_behind(player, kind, parts)
            for purpose in (Purpose.FETCH, Purpose.LINK):
                player.skip(purpose, f"no {kind.resource.name} was seen to succeed")
        return
    for part in parts:
        variants = [None, *part.variants] if part.variants else [None]
        tags = []
        for variant in variants:
            query = {} if variant is None else {part.variant_parameter: variant}
            asking = player.asking(job=done.id, query=query)
            exchange = player.send(part, Purpose.FETCH, asking, variant or "", follow=True)
            tags.append((exchange.header("etag"), exchange.header("last-modified")))
        if part.operation.method != "GET" or part.action is not Action.CONTENT:
            continue
        player.send(part, Purpose.FETCH_HEAD, player.asking(job=done.id, method="HEAD"), follow=True)
        for what, wanted in (("first", "bytes=0-99"), ("last", "bytes=-50"), ("beyond", "bytes=9999999999-")):
            asking = player.asking(job=done.id, headers=(("Range", wanted),))
            player.send(part, Purpose.FETCH_RANGE, asking, what, follow=True)
        if tags[0][0]:
            for tag, detail in ((tags[0][0], ""), ('"another-0123456789"', ANOTHER_TAG)):
                asking = player.asking(job=done.id, headers=(("If-None-Match", tag),))
                player.send(part, Purpose.FETCH_CONDITIONAL, asking, detail, follow=True)
    if done.last:
        follow_links(player, done, done.last)
    other = next((j for j in kind.jobs if j.is_varied and j.last and j.last.state is State.SUCCEEDED), None)
    if other and other is not done and other.last:
        for part in player.parts(kind, Action.CONTENT):
            player.send(part, Purpose.FETCH, player.asking(job=other.id), follow=True)
        follow_links(player, other, other.last, only_first=True)


def look_behind(player: Player, kind: Kind, parts: Sequence[JobOperation]) -> None:
    """Whether the result of a job that was waited for in vain is there, whatever the job says."""
    unended = (State.QUEUED, State.RUNNING)
    late = next((j for j in kind.jobs if j.is_over and j.last and j.last.state in unended), None)
    if late is None:
        return
    for part in parts:
        player.send(part, Purpose.FETCH, player.asking(job=late.id), "although it has not ended", follow=True)
        player.poll(late)


def follow_links(player: Player, job: Job, seen: Sighting, only_first: bool = False) -> None:
    """Fetch what a job's result links to; or no more than the first of it, once."""
    links = [(role, url) for role in ("result", "thumbnail") for url in _urls(seen.fields.get(role))]
    site = parts_of(player.service.base_url)
    for role, url in list(dict.fromkeys(links))[:MOST_LINKS]:
        whole = urljoin(f"{player.service.base_url}/", url) if parts_of(url).path or parts_of(url).netloc else url
        call = Call("GET", whole, operation=seen.part.operation.name, action=str(seen.part.action), job=job.id)
        exchange = player.send_call(call, Purpose.LINK, role, follow=True)
        if exchange.status in (401, 403) and player.options.key and parts_of(whole).netloc == site.netloc:
            signed = player.calls.call(seen.part.operation, player.asking(job=job.id), seen.part, job.resource)
            call = replace(call, headers=signed.headers, secrets=signed.secrets)
            exchange = player.send_call(call, Purpose.LINK, f"{role}, with the key", follow=True)
        if only_first:
            return
        if 200 <= exchange.status <= 299:
            player.send_call(replace(call, method="HEAD"), Purpose.LINK, f"{role}, head", follow=True)
            ranged = replace(call, headers=(*call.headers, ("Range", "bytes=0-99")))
            player.send_call(ranged, Purpose.LINK, f"{role}, range", follow=True)


def _urls(value: Any) -> Iterator[str]:
    """The URLs in a job's result."""
    if isinstance(value, str):
        if value.startswith(("http://", "https://")) or (
            value.startswith("/") and "/" in value[1:] and " " not in value
        ):
            yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from _urls(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _urls(inner)
