"""What all tests share: served processes and keys. Each xdist worker has processes of its own."""

from collections.abc import Iterator
from hashlib import blake2b

import pytest
from serving import Urls, serving


@pytest.fixture(scope="session")
def served() -> Iterator[Urls]:
    """All bundled providers, in a hurry: a job of 90 seconds takes 45 ms, and its result is gone 2 s later."""
    with serving("--speed", "2000", "--seed", "1") as urls:
        yield urls


@pytest.fixture(scope="session")
def served_at_leisure() -> Iterator[Urls]:
    """All bundled providers, at a pace that leaves 18 s to fetch a result; a job of 90 seconds takes half of one."""
    with serving("--speed", "200", "--seed", "1") as urls:
        yield urls


@pytest.fixture(scope="session")
def served_in_real_time() -> Iterator[Urls]:
    """All bundled providers, as slow as the real ones: no Sora job is finished while a test looks at it."""
    with serving("--seed", "1") as urls:
        yield urls


@pytest.fixture
def api_key(request: pytest.FixtureRequest) -> str:
    """A key that no other test uses, so that a test sees its own jobs alone; the same in each run."""
    return f"sk-{blake2b(request.node.nodeid.encode(), digest_size=16).hexdigest()}"
