"""`python -m emailsvc.launcher.start_gate DESCRIPTOR MODULE ARGUMENT…`: load emailsvc, wait, then run that module.

Loading takes each program a second or more of processor time, so it happens while the database is being prepared.
The gate opens when the other end of the inherited pipe is closed, and stays open for restarted programs.
"""

import gc
import os
import runpy
import sys
from importlib import import_module

import django

# Modules that a program needs beside the apps; a management command imports none of them.
LOADS = {"gunicorn": "emailsvc.urls", "celery": "emailsvc.celery_worker"}


def main() -> None:
    descriptor, module, *arguments = sys.argv[1:]
    # Next to nothing of what is loaded is garbage, and the search takes a fifth of the loading.
    gc.disable()
    django.setup()
    if module in LOADS:
        import_module(LOADS[module])
    gc.freeze()
    gc.enable()
    while os.read(int(descriptor), 1):
        pass
    # From here on as if `python -m MODULE ARGUMENT…` had been called.
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
