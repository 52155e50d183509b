"""What a server does beside answering: looking for operations that cannot be served, and taking up changed files."""

import os
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from threading import Event, Thread

from mockserver.errors import MockserverError, Problem
from mockserver.loading.providers import Loaded, load
from mockserver.provider import Provider

Say = Callable[[str], None]
PAUSE = 0.001  # seconds between two operations, so that requests are answered meanwhile
LOOK_MS = 500  # how often files are looked at where the system does not tell of changes
JOIN_SECONDS = 5.0


class Background:
    """One thread for all of it, started when the server listens and ended with it.

    `complain` is given what a user should know, `tell` what is merely so; `take_up` puts a changed provider in place.
    """

    def __init__(
        self,
        loaded: dict[str, Loaded],
        *,
        complain: Say,
        tell: Say,
        take_up: Callable[[str, Provider], None] | None = None,
        specs: dict[str, tuple[str, tuple[str, ...]]] | None = None,
    ) -> None:
        self._loaded = loaded
        self._complain = complain
        self._tell = tell
        self._take_up = take_up
        self._specs = specs or {}
        self._stop = Event()
        self._thread = Thread(target=self._run, name="background", daemon=True)
        self._seen = {prefix: _stamps(each.files) for prefix, each in loaded.items()} if take_up else {}

    def start(self) -> None:
        """Begin, if there is anything to do. What is known already is said at once."""
        for each in self._loaded.values():
            for problem in each.problems or ():
                self._report(each, problem)
        if self._take_up or any(each.problems is None for each in self._loaded.values()):
            self._thread.start()

    def stop(self) -> None:
        """End, and wait for it: a thread that prints while the interpreter ends would be a crash."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(JOIN_SECONDS)

    def _run(self) -> None:
        _step_back()
        for each in self._loaded.values():
            self._examine(each)
        if self._take_up:
            self._watch(self._take_up)

    def _examine(self, loaded: Loaded) -> None:
        if loaded.problems is not None:
            return
        for problem in loaded.find_problems():
            if problem is not None:
                self._report(loaded, problem)
            if self._stop.wait(PAUSE):
                return

    def _report(self, loaded: Loaded, problem: Problem) -> None:
        self._complain(f"mockserver: {loaded.provider.contract.document.origin}: {problem.text}")

    def _watch(self, take_up: Callable[[str, Provider], None]) -> None:
        from watchfiles import watch

        while not self._stop.is_set():
            folders = self._folders()
            looks = watch(
                *folders,
                watch_filter=None,
                stop_event=self._stop,
                rust_timeout=LOOK_MS,
                yield_on_timeout=True,
                raise_interrupt=False,
                recursive=False,
            )
            for _ in looks:
                for prefix in self._loaded:
                    self._look(prefix, take_up)
                if self._folders() != folders:
                    break

    def _folders(self) -> list[Path]:
        found = set()
        for file in (file for each in self._loaded.values() for file in each.files):
            with suppress(OSError, RuntimeError):  # links in a circle
                found.add(file.resolve().parent)
        return sorted(folder for folder in found if folder.is_dir())

    def _look(self, prefix: str, take_up: Callable[[str, Provider], None]) -> None:
        """Read a provider anew if one of its files is another than before; the old one stays if that fails."""
        old = self._loaded[prefix]
        stamps = _stamps(old.files)
        if stamps == self._seen[prefix]:
            return
        self._seen[prefix] = stamps
        origin = old.provider.contract.document.origin
        try:
            new = load(*self._specs[prefix], needs_job=False)
            if new.key == old.key:
                return
            take_up(prefix, new.provider)
        except MockserverError as error:
            self._complain(f"mockserver: {origin} has changed, but what was read before is still served: {error}")
            return
        except Exception as error:  # a fault of ours must not end the watching
            what = f"{type(error).__name__}: {str(error)[:200]}"
            self._complain(f"mockserver: {origin} has changed, but reading it failed inside mockserver ({what}).")
            return
        self._loaded[prefix] = new
        if set(new.files) != set(old.files):
            self._seen[prefix] = _stamps(new.files)
        self._tell(f"reloaded {new.provider.name}: {origin}")
        for problem in new.problems or ():
            self._report(new, problem)
        self._examine(new)


def _stamps(files: tuple[Path, ...]) -> dict[Path, tuple[int, int, int] | None]:
    """What tells two states of files apart without reading them; None for one that is not there."""
    found: dict[Path, tuple[int, int, int] | None] = {}
    for file in files:
        try:
            facts = file.stat()
            found[file] = (facts.st_mtime_ns, facts.st_size, facts.st_ino)
        except OSError:
            found[file] = None
    return found


def _step_back() -> None:
    """Let the thread that answers requests go first, where the system can order threads."""
    if sys.platform == "linux":
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, 0, 10)  # Linux counts a thread as a process here
