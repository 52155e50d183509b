"""What all tests share: served processes and keys. Each xdist worker has processes of its own."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from hashlib import blake2b
from typing import Any

import pytest
from serving import Urls, serving

from mockserver.client import Control


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


PLANS = {  # six virtual minutes, but for the clock that is as slow as the machine's
    "real": {"queue": 0.2, "run": 0.2},
    "scaled": {"queue": "1m", "run": "5m"},
    "frozen": {"queue": "1m", "run": "5m"},
    "skipping": {"queue": "1m", "run": "5m"},
}


@pytest.fixture(scope="session", params=PLANS)
def clocked(request: pytest.FixtureRequest) -> Iterator[tuple[str, str]]:
    """A clock mode, and the base URL of a server whose clock is in it."""
    options = ["--speed", "1000"] if request.param == "scaled" else ["--clock", request.param]
    with serving("openai", *options, "--seed", "1") as urls:
        yield request.param, urls["openai"]


@pytest.fixture
def in_clock_mode(clocked: tuple[str, str], api_key: str) -> Callable[[Callable[[str], Any]], Any]:
    """Runs what a client does with a server's URL; a frozen clock is moved as soon as the client has polled."""
    mode, url = clocked

    def run(client: Callable[[str], Any]) -> Any:
        with Control(url) as control, ThreadPoolExecutor(1) as pool:
            sandbox = control.open_sandbox(api_key)["sandbox"]["id"]
            control.activate_scenario("six-minutes", None, sandbox, {"job": PLANS[mode]})
            working = pool.submit(client, url)
            polled = False
            while mode == "frozen" and not polled and not working.done():
                polled = bool(control.journal(sandbox, action="retrieve")["data"])
            if mode == "frozen":
                control.advance("10m", sandbox=sandbox)
            return working.result()

    return run
