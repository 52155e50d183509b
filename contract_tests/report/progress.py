"""What happens while a check runs: a bar on a terminal, a line for each phase (and now and then one more) elsewhere."""

from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from contract_tests.report.shown import line
from mockserver.realtime import steady_time

QUIET = 10.0  # seconds after which a phase that goes on is told of again where no bar can move
_MOST = 100  # characters of a message


class Telling:
    """Tells people of a run, on stderr: a `Tell`. Use it as a context manager."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(stderr=True, highlight=False)
        columns = (
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=20),
            TimeElapsedColumn(),
            TextColumn("{task.fields[message]}", markup=False),
        )
        self._bar = Progress(*columns, console=self._console, transient=True) if self._console.is_terminal else None
        self._phase = ""
        self._told = 0.0

    def __enter__(self) -> Self:
        if self._bar:
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar:
            self._bar.stop()

    def __call__(self, phase: str, message: str, share: float | None = None) -> None:
        is_new, self._phase = phase != self._phase, phase
        if self._bar is None:
            if is_new or steady_time() - self._told > QUIET:
                self._told = steady_time()
                self._console.print(f"{phase}: {line(message, _MOST)}", markup=False, soft_wrap=True)
            return
        if is_new:
            for task in self._bar.task_ids:
                self._bar.remove_task(task)
            self._bar.add_task(phase, total=None, message="")
        task = self._bar.task_ids[-1]
        if share is not None:
            self._bar.update(task, total=1.0, completed=share)
        self._bar.update(task, message=line(message, _MOST))
