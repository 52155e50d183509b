"""The states of a job and the moves between them, as a table."""

from enum import StrEnum


class State(StrEnum):
    """Our word for where a job is; a provider's own word for it is data."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"


MOVES: dict[State, frozenset[State]] = {
    State.QUEUED: frozenset({State.RUNNING, State.FAILED, State.CANCELLED, State.EXPIRED}),
    State.RUNNING: frozenset({State.SUCCEEDED, State.FAILED, State.CANCELLED, State.EXPIRED}),
    State.SUCCEEDED: frozenset(),
    State.FAILED: frozenset(),
    State.CANCELLED: frozenset(),
    State.EXPIRED: frozenset(),
}

TERMINAL = frozenset(state for state, moves in MOVES.items() if not moves)

# Which state's word stands in where a contract has no word for a state.
_STAND_INS = {
    State.QUEUED: (State.RUNNING,),
    State.RUNNING: (State.QUEUED,),
    State.CANCELLED: (State.FAILED,),
    State.EXPIRED: (State.FAILED,),
}


def complete_words(words: dict[State, str]) -> dict[State, str]:
    """A word for every state that the contract can express.

    A waiting job may be called running and the reverse; an ended one may be called failed. Success and
    failure have no stand-in: a contract without a word for failure cannot say that a job failed.
    """
    full = dict(words)
    for state, others in _STAND_INS.items():
        for other in others:
            if state not in full and other in words:
                full[state] = words[other]
    return full
