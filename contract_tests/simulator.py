"""The simulator as a process of its own, known by its command line and by what it prints."""

import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from threading import Timer
from typing import IO

# Virtual seconds in a real one. Jobs of the bundled contracts take 15 to 250 seconds and most results are gone an hour
# later, so a client that sends a request every 5 to 50 ms meets jobs at work, finished and expired.
SPEED = 20_000
SEED = 1
PATIENCE = 60  # seconds until a process that neither speaks nor ends is killed


@contextmanager
def simulator(
    specs: Sequence[str],
    key: str,
    options: Sequence[str] = ("--speed", str(SPEED), "--seed", str(SEED)),
    second_key: str = "",
) -> Iterator[Mapping[str, str]]:
    """The base URL of each spec, by its provider's name, while the block runs. No other keys are accepted ('': any)."""
    keys = [part for each in (key, second_key) if each for part in ("--api-key", each)]
    command = [sys.executable, "-m", "mockserver", "serve", *specs, "--port", "0", *options, *keys]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        watchdog = Timer(PATIENCE, process.kill)
        try:
            assert process.stdout is not None
            watchdog.start()
            urls = dict(_read_urls(process.stdout))
            watchdog.cancel()
            if not urls:
                raise RuntimeError(f"{' '.join(command)} ended before it was ready; its last words are above.")
            yield urls
            process.send_signal(signal.SIGINT)
            process.wait(PATIENCE)
        finally:
            watchdog.cancel()
            process.kill()  # does nothing to a process that has ended


def _read_urls(lines: IO[str]) -> Iterator[tuple[str, str]]:
    """Names and URLs from the first lines, `NAME URL …`, up to the one that names the seed."""
    for line in lines:
        if line.startswith("seed "):
            return
        name, _, rest = line.partition(" http")
        yield name.strip(), "http" + rest.split()[0]
