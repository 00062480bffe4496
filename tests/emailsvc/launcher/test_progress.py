"""What is told while something takes its time."""

from io import StringIO

import pytest

from emailsvc.launcher.progress import CLEAR, Progress, print_line


class Terminal(StringIO):
    """A stream of 40 columns that a person looks at."""

    def isatty(self) -> bool:
        return True


class Clock:
    """Seconds, moved by hand."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_a_log_gets_a_line_for_each_state_and_one_now_and_then(clock: Clock) -> None:
    log = StringIO()
    progress = Progress("installing", stream=log, clock=clock)
    for count in range(25):
        clock.now += 1
        progress.show(f"{count} fetched")
    progress.enter("compiling")
    progress.end()
    assert log.getvalue().splitlines() == [
        "installing",
        "installing: 9 fetched, 10 s",
        "installing: 19 fetched, 20 s",
        "installing: compiling, 25 s",
        "installing: done in 25 s",
    ]


def test_a_terminal_has_one_line_that_is_written_anew(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "20")
    terminal = Terminal()
    progress = Progress("installing", stream=terminal, clock=clock)
    for _ in range(3):
        clock.now += 0.1
        progress.show("one, two, three")
    progress.end()
    assert terminal.getvalue().split(CLEAR) == ["", "installing", "installing: one, tw", "installing: done in\n"]


def test_a_line_of_its_own_takes_the_place_of_the_progress(clock: Clock) -> None:
    terminal, log = Terminal(), StringIO()
    Progress("installing", stream=terminal, clock=clock)
    for stream in (terminal, log):
        print_line("it failed", stream=stream)
    assert terminal.getvalue() == f"{CLEAR}installing{CLEAR}it failed\n"
    assert log.getvalue() == "it failed\n"
