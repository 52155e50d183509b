"""What happens while a check runs is told: a bar on a terminal, a line for each phase elsewhere."""

from io import StringIO

from rich.console import Console

from contract_tests.report.progress import Telling


def console(is_terminal: bool) -> Console:
    return Console(file=StringIO(), force_terminal=is_terminal, width=120, highlight=False, color_system=None)


def told(on: Console) -> str:
    assert isinstance(on.file, StringIO)
    return on.file.getvalue()


def test_without_a_terminal_each_phase_is_a_line() -> None:
    on = console(is_terminal=False)
    with Telling(on) as telling:
        for number in range(3):
            telling("create", f"POST /videos 200 ({number})")
        telling("watch", "waiting for 2 of 3 jobs ('queued')", 0.25)
        telling("watch", "GET /videos/v1 200 (poll)")
    assert told(on).splitlines() == ["create: POST /videos 200 (0)", "watch: waiting for 2 of 3 jobs ('queued')"]


def test_on_a_terminal_a_bar_shows_how_far_jobs_are() -> None:
    on = console(is_terminal=True)
    with Telling(on) as telling:
        telling("create", "POST /videos 200")
        telling("watch", "waiting for 1 of 2 jobs", 0.5)
        bar = telling._bar
        assert bar is not None
        (task,) = bar.tasks
        assert (task.description, task.completed, task.total) == ("watch", 0.5, 1.0)
        telling("watch", "GET /videos/v1 200 (poll)")
        assert bar.tasks[0].completed == 0.5  # what says nothing of it leaves it
        assert bar.tasks[0].fields["message"] == "GET /videos/v1 200 (poll)"


def test_what_a_service_says_cannot_steer_the_terminal() -> None:
    on = console(is_terminal=False)
    with Telling(on) as telling:
        telling("create", "GET /\x1b[2J[bold]x[/bold] 200")
    assert "\x1b" not in told(on)
    assert "[bold]x[/bold]" in told(on)
