"""The store: one order, a limit, and who makes room when it is reached."""

from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from in_process import CREATES, Service, start

from mockserver.jobs.job import Job
from mockserver.jobs.lifecycle import State
from mockserver.jobs.timeline import Timeline
from mockserver.stores.memory import MemoryStore
from mockserver.stores.protocol import StoreFull


def a_job(number: int, created: float, ended: float, owner: str = "me", kind: str = "video") -> Job:
    # The numbers are shuffled, so that ids do not grow with time.
    return Job(
        f"{number * 7919 % 1009:04}-{number}",
        kind,
        owner,
        {},
        Timeline(created, created, ended, State.SUCCEEDED, ended),
    )


def ids(jobs: Iterable[Job]) -> list[str]:
    return [job.id for job in jobs]


def in_order(jobs: Iterable[Job]) -> list[str]:
    return ids(sorted(jobs, key=lambda job: (job.timeline.created, job.id)))


# -- order and pages, as laws -----------------------------------------------------------------------

INSTANTS = st.integers(0, 4).map(float)  # few, so that many jobs share one
JOBS = st.lists(
    st.tuples(INSTANTS, st.sampled_from(["me", "you"]), st.sampled_from(["video", "character"])), max_size=25
)


@given(JOBS, st.integers(1, 30), st.booleans())
def test_pages_give_every_job_once_in_one_order(jobs: list[Any], size: int, descending: bool) -> None:
    store = MemoryStore()
    made = [a_job(n, at, at, owner, kind) for n, (at, owner, kind) in enumerate(jobs)]
    for job in made:
        store.add(job, 0)
    mine = in_order(job for job in made if (job.owner, job.kind) == ("me", "video"))
    if descending:
        mine.reverse()
    walked: list[Job] = []
    while page := store.page("me", "video", descending, walked[-1] if walked else None, 0, size):
        walked.extend(page)
    assert ids(walked) == mine
    numbered = [store.page("me", "video", descending, None, size * n, size) for n in range(len(mine) // size + 2)]
    assert [id for page in numbered for id in ids(page)] == mine
    assert store.count("me", "video") == len(mine)
    assert ids(store.page("me", "video", descending, None, 0, 0)) == []


@given(JOBS, st.data())
def test_a_cursor_means_the_same_when_its_job_is_gone(jobs: list[Any], data: st.DataObject) -> None:
    store = MemoryStore()
    made = [a_job(n, at, at) for n, (at, *_) in enumerate(jobs)]
    for job in made:
        store.add(job, 0)
    if made:
        cursor = data.draw(st.sampled_from(made))
        before = ids(store.page("me", "video", False, cursor, 0, 100))
        store.remove(cursor.id)
        assert ids(store.page("me", "video", False, cursor, 0, 100)) == before


# -- the limit, against a model ---------------------------------------------------------------------

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.integers(0, 6)),  # seconds until it ends
        st.tuples(st.just("remove"), st.integers(0, 20)),
        st.tuples(st.just("cancel"), st.integers(0, 20)),
        st.tuples(st.just("wait"), st.integers(0, 4)),
    ),
    max_size=60,
)


@given(STEPS, st.integers(1, 6))
def test_the_job_that_finished_first_makes_room(steps: list[tuple[str, int]], most: int) -> None:
    store, kept, now = MemoryStore(most), dict[str, Job](), 0.0
    for number, (step, value) in enumerate(steps):
        chosen = list(kept.values())[value % len(kept)] if kept else None
        if step == "wait":
            now += value / 2
        elif step == "remove" and chosen:
            store.remove(chosen.id)
            del kept[chosen.id]
        elif step == "cancel" and chosen and chosen.timeline.ended > now:
            kept[chosen.id] = chosen._replace(timeline=chosen.timeline.cancelled(now))
            store.replace(kept[chosen.id])
        elif step == "add":
            job = a_job(number, now, now + value)
            if len(kept) < most:
                store.add(job, now)
            else:
                first = min(kept.values(), key=lambda job: (job.timeline.ended, job.id))
                if first.timeline.ended > now:
                    with pytest.raises(StoreFull, match=f"all {most} jobs"):
                        store.add(job, now)
                    continue
                store.add(job, now)
                del kept[first.id]
            kept[job.id] = job
        assert store.count("me", "video") == len(kept) <= most
        assert ids(store.page("me", "video", False, None, 0, 100)) == in_order(kept.values())
        assert all(store.get(id) == job for id, job in kept.items())


def test_that_jobs_are_dropped_is_said_once() -> None:
    said: list[bool] = []
    store = MemoryStore(1, lambda: said.append(True))
    for number in range(4):
        store.add(a_job(number, number, number), number)
    assert said == [True]


# -- seen from outside ------------------------------------------------------------------------------


def create(service: Service) -> Any:
    path, arguments = CREATES[service.provider.name]
    return service.post(path, **arguments)


@pytest.mark.parametrize("name", CREATES)
def test_too_many_unfinished_jobs_are_refused_in_the_providers_shape(name: str) -> None:
    service = start(name, max_jobs=2)
    first, _, refused = create(service), create(service), create(service)
    body = refused.json()
    assert refused.headers["retry-after"] == "10"
    assert "unfinished" in str(body)
    if name == "aitoearn":
        assert (refused.status_code, body["code"], body["data"]) == (200, 429, {})
    else:
        assert (refused.status_code, body["error"]["code"]) == (429, "rate_limit_exceeded")
    service.clock.advance(1000)
    created = create(service)  # there is a finished job to drop now
    assert created.status_code == 200
    assert created.json().get("code", 0) == 0
    known = first.json().get("data", first.json())["id"]
    found = [
        service.get(f"{CREATES[name][0]}/{id}") for id in (known, created.json().get("data", created.json())["id"])
    ]
    assert [r.status_code == 200 and r.json().get("code", 0) == 0 for r in found].count(True) >= 1


def test_the_job_that_finished_first_is_gone_for_its_owner() -> None:
    service = start("openai", max_jobs=3)
    ids = []
    for _ in range(3):
        ids.append(create(service).json()["id"])
        service.clock.advance(300)
    ids.append(create(service).json()["id"])
    assert [service.get(f"/videos/{id}").status_code for id in ids] == [404, 200, 200, 200]
    assert [job["id"] for job in service.get("/videos").json()["data"]] == ids[:0:-1]


def test_ids_are_never_given_twice(capsys: pytest.CaptureFixture[str]) -> None:
    from test_inference import JOB, a_document, served

    service = served(a_document(JOB, **{"x-job": {"resources": {"task": {"id-format": "t{digits:1}"}}}}))
    made = [service.post("/tasks", json={"prompt": "x"}) for _ in range(12)]
    good = [r.json()["id"] for r in made if r.status_code == 200]
    assert sorted(good) == [f"t{n}" for n in range(10)]
    assert [r.status_code for r in made[10:]] == [503, 503]  # there are no more; that is said, and nothing breaks
    assert capsys.readouterr().err == ""
