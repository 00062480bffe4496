"""Programs that are forks of this process, which has loaded once what they all need.

A fork shares the pages of what was loaded, and starts in milliseconds. It takes along whatever is open: so there may be
no thread before a fork, which `fork_program` refuses, and no connection to a server; and the child closes every
descriptor that is not its own.
"""

import os
import runpy
import signal
import sys
import traceback
from collections.abc import Callable, Collection, Sequence
from functools import partial
from io import TextIOWrapper
from pathlib import Path
from typing import NoReturn

from emailsvc.embedded.parent_death import die_with_parent
from emailsvc.embedded.programs import Program
from emailsvc.launcher.process_title import show_title

TASKS = Path("/proc/self/task")
DESCRIPTORS = Path("/dev/fd")


class ForkedProcess:
    """Our child, with the part of `subprocess.Popen` that a supervisor uses."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.returncode: int | None = None

    def wait(self) -> int:
        """Wait for the end; the exit status, or the negative number of the signal."""
        if self.returncode is None:
            self.returncode = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        return self.returncode

    def send_signal(self, number: int) -> None:
        # Until it is waited for, no other process can have its number.
        if self.returncode is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def fork_program(program: Program) -> ForkedProcess:
    """Start the program as a fork; its arguments are a module and the words for it, as behind `python -m`.

    The environment of the program is this process's: it has been read. Raises RuntimeError when a thread runs.
    """
    refuse_threads()
    parent = os.getpid()
    # A signal that comes before the child has its own handlers would be lost in ours.
    blocked = signal.pthread_sigmask(signal.SIG_SETMASK, signal.valid_signals())
    pid = os.fork()
    if pid == 0:
        become(program.arguments, partial(leave_home, program, parent))
    signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
    return ForkedProcess(pid)


def refuse_threads() -> None:
    """A thread does not exist in the child, but the locks that it holds do."""
    if TASKS.is_dir() and (count := len(list(TASKS.iterdir()))) > 1:
        raise RuntimeError(f"{count} threads run: nothing may be forked")


def leave_home(program: Program, parent: int) -> None:
    """Give a fork its own session, signals, output, descriptors, folder and title, and end it with its parent."""
    os.setsid()
    die_with_parent(parent, program.death_signal)
    reset_signals()
    write_to(program.log)
    close_others({0, 1, 2, *program.inherited})
    os.chdir(program.folder)
    show_title(f"emailsvc {program.name}: {' '.join(program.arguments)}")


def reset_signals() -> None:
    """Handle each signal as a program does that was just started, and let them come again."""
    signal.set_wakeup_fd(-1)
    for number in signal.valid_signals():
        if callable(signal.getsignal(number)):
            signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def write_to(log: Path) -> None:
    """Read nothing, and append each line that is written to stdout and stderr to the log at once."""
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
    for stream, number in ((sys.stdout, 1), (sys.stderr, 2)):
        os.dup2(descriptor, number)
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(line_buffering=True)


def close_others(kept: Collection[int]) -> None:
    """Close the parent's descriptors: locks, pipes and sockets would stay held as long as the child lives."""
    for number in map(int, os.listdir(DESCRIPTORS)):  # noqa: PTH208 - names of numbers
        if number not in kept:
            try:
                os.close(number)
            except OSError:
                # The one that listed them.
                continue


def become(words: Sequence[str], prepare: Callable[[], None]) -> NoReturn:
    """Call `prepare`, then be the program `python -m WORDS…` until its end. For a fork: nothing of what its parent was
    about to do is done, whatever happens.
    """
    code = 1
    try:
        prepare()
        sys.argv = list(words)
        runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 0 if end.code is None else 1
        if code and not isinstance(end.code, int):
            sys.stderr.write(f"{end.code}\n")
    except BaseException:  # noqa: BLE001 - whatever it is, it belongs in the log
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
