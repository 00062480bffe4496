"""Ties a child process to its parent: our children end with us, even if we are killed with SIGKILL."""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1
# Looked up before any fork: a child should not load libraries between fork and exec.
_prctl = ctypes.CDLL(None, use_errno=True).prctl if sys.platform == "linux" else None


def die_with_parent(parent: int, death_signal: signal.Signals) -> None:
    """Have the kernel send us `death_signal` when the process `parent` ends; exit now if it has ended already.

    For use between fork and exec, after any change of user, which clears the setting. Linux only; other systems only
    run the check.
    """
    if _prctl is not None:
        _prctl(PR_SET_PDEATHSIG, death_signal)
    if os.getppid() != parent:
        os._exit(1)
