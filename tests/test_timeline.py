"""The laws of a job's life, for any timeline and any two instants."""

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from mockserver.jobs.lifecycle import MOVES, TERMINAL, State
from mockserver.jobs.profile import Profile
from mockserver.jobs.timeline import Timeline, draw_timeline

spans = st.floats(0, 100_000, allow_nan=False)
ranges = st.tuples(spans, spans).map(lambda pair: (min(pair), max(pair)))
profiles = st.builds(
    Profile,
    queue=ranges,
    run=ranges,
    progress_steps=st.integers(1, 200),
    expires_after=st.none() | spans,
    tick=st.sampled_from([0.0, 0.5, 15.0, 30.0]),
    failure_rate=st.sampled_from([0.0, 0.5, 1.0]),
)
created = st.floats(0, 4e9, allow_nan=False)
timelines = st.builds(
    lambda profile, seed, at: draw_timeline(profile, Random(seed), at), profiles, st.integers(), created
)
offsets = st.floats(0, 300_000, allow_nan=False)

ORDER = {State.QUEUED: 0, State.RUNNING: 1, State.SUCCEEDED: 2, State.FAILED: 2}


@given(timelines, offsets, offsets)
def test_a_job_only_moves_forward_and_an_ended_one_stays(timeline: Timeline, first: float, second: float) -> None:
    earlier, later = sorted((timeline.created + first, timeline.created + second))
    before, after = timeline.state_at(earlier), timeline.state_at(later)
    assert ORDER[before] <= ORDER[after]
    if before in TERMINAL:
        assert before is after
    elif before is not after:
        assert after in MOVES[before] or after in MOVES[State.RUNNING]


@given(timelines, offsets, offsets)
def test_progress_never_falls_and_is_100_exactly_at_success(timeline: Timeline, first: float, second: float) -> None:
    earlier, later = sorted((timeline.created + first, timeline.created + second))
    assert 0 <= timeline.progress_at(earlier) <= timeline.progress_at(later) <= 100
    for now in (earlier, later):
        assert type(timeline.progress_at(now)) is int
        assert (timeline.progress_at(now) == 100) is (timeline.state_at(now) is State.SUCCEEDED)


@given(timelines, offsets)
def test_what_belongs_to_a_state_is_there_only_in_it(timeline: Timeline, offset: float) -> None:
    now = timeline.created + offset
    state = timeline.state_at(now)
    assert (timeline.ended_at(now) is not None) is (state in TERMINAL)
    if state is State.QUEUED:
        assert timeline.started_at(now) is None
        assert timeline.progress_at(now) == 0
    if timeline.outcome is State.FAILED:
        assert timeline.expires is None
    elif timeline.expires is not None:
        assert timeline.expires >= timeline.ended


@given(timelines)
def test_the_instants_of_a_timeline_are_in_order(timeline: Timeline) -> None:
    assert timeline.created <= timeline.started <= timeline.ended
    assert timeline.state_at(timeline.ended) is timeline.outcome


@given(timelines, offsets)
def test_nothing_happens_before_the_next_event(timeline: Timeline, offset: float) -> None:
    now = timeline.created + offset
    event = timeline.next_event_after(now)
    if event is None:
        assert timeline.state_at(now) in TERMINAL
    else:
        assert event > now
        between = now + (event - now) / 2
        if between < event:
            assert timeline.state_at(between) is timeline.state_at(now)


@given(profiles, st.integers(), created)
def test_the_same_seed_draws_the_same_timeline(profile: Profile, seed: int, at: float) -> None:
    assert draw_timeline(profile, Random(seed), at) == draw_timeline(profile, Random(seed), at)


@given(profiles, st.integers(), st.integers(0, 10_000_000))
def test_a_tick_lets_changes_show_only_on_its_grid(profile: Profile, seed: int, at: int) -> None:
    timeline = draw_timeline(profile, Random(seed), float(at))
    if profile.tick:
        assert (timeline.started - at) % profile.tick == 0
        assert (timeline.ended - at) % profile.tick == 0


def test_a_contract_without_a_word_for_failure_never_fails() -> None:
    profile = Profile((0, 1), (1, 2), failure_rate=1.0)
    assert draw_timeline(profile, Random(1), 0.0, can_fail=False).outcome is State.SUCCEEDED


@given(st.floats(0.5, 10_000), st.integers(1, 9), st.floats(0, 1e9))
def test_a_job_that_fails_on_a_step_has_come_to_it(run: float, step: int, later: float) -> None:
    began = 1_790_000_000.25 + later
    ended = began + run * step / 10
    timeline = Timeline(began, began, ended, State.FAILED, began + run)
    assert timeline.progress_at(ended) == 10 * step
