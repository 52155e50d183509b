"""The served process: the real command on a free port, stopped as a person at a terminal would stop it."""

import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Timer
from typing import IO

ROOT = Path(__file__).parent.parent
PATIENCE = 60  # seconds until a process that neither speaks nor ends is killed; one that works never gets there

Urls = dict[str, str]  # the base URL of each provider, by its name


@contextmanager
def serving(*arguments: str) -> Iterator[Urls]:
    """Run `mockserver serve` with these arguments while the block runs; gives the base URL of each provider.

    The block begins when the process has said that it is ready. After the block the process is interrupted and has
    to end in good order: exit code 0, `stopped` as its last word, and not one complaint since it started.
    """
    command = [sys.executable, "-m", "mockserver", "serve", *arguments, "--port", "0"]
    with (
        tempfile.TemporaryFile("w+", encoding="utf-8") as complaints,
        subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=complaints, text=True) as process,
    ):
        try:
            assert process.stdout is not None
            urls = _read_urls(process, process.stdout)
            if not urls:
                raise RuntimeError(f"{' '.join(command)} ended before it was ready:\n{_all_of(complaints)}")
            yield urls
            process.send_signal(signal.SIGINT)
            last_words, _ = process.communicate(timeout=PATIENCE)
        finally:
            process.kill()  # does nothing to a process that has ended
        complained = _all_of(complaints)
        assert (process.returncode, last_words, complained) == (0, "stopped\n", ""), complained


def _read_urls(process: "subprocess.Popen[str]", lines: IO[str]) -> Urls:
    """The URLs of lines that begin `name URL`, up to the line with the seed, the last; none if the process ended."""
    watchdog = Timer(PATIENCE, process.kill)  # the end of the process ends its output, and with it the reading
    watchdog.start()
    try:
        urls: Urls = {}
        for line in lines:
            if line.startswith("seed "):
                return urls
            name, url, *_ = line.split()
            urls[name] = url
        return {}
    finally:
        watchdog.cancel()


def _all_of(file: IO[str]) -> str:
    file.seek(0)
    return file.read()
