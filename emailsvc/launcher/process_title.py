"""The command line that `ps`, `top` and `/proc/PID/cmdline` show for a process that was forked (Linux).

The kernel reads it from where it put the arguments when the program was executed, so it can be written anew there. Once
the last byte of the arguments is no NUL, the kernel reads on into the environment behind them, as setproctitle(3) has
it.
"""

import ctypes
import os
from pathlib import Path

STAT = Path("/proc/self/stat")


def show_title(title: str) -> None:
    """Show `title` as the command line of this process, as far as there is room. Does nothing without Linux's /proc."""
    if not STAT.exists():
        return
    # proc(5): arg_start, arg_end, env_start and env_end are the fields 48 to 51; behind the name comes the third.
    fields = STAT.read_text().rpartition(")")[2].split()
    start, end, environment_start, environment_end = map(int, fields[45:49])
    text = os.fsencode(title)
    if environment_start == end and len(text) >= end - start:
        move_environment()
        end = environment_end
    room = end - start
    if room > 0:
        ctypes.memmove(start, text[: room - 1].ljust(room, b"\0"), room)


def move_environment() -> None:
    """Have the C library keep the variables elsewhere: it copies what it is told to set."""
    for name, value in os.environb.items():
        os.environb[name] = value
