"""`python -m emailsvc.launcher.start_gate DESCRIPTOR MODULE ARGUMENT…`: load emailsvc, wait, and then be that module.

Loading takes each program a second or more of a processor; so it is done while the database is still being made ready.
The gate opens when the other end of the inherited pipe is closed, and stays open for those that are started again.
"""

import os
import runpy
import sys
from importlib import import_module

import django

# What a module will need beside the apps; a management command brings nothing along.
LOADS = {"gunicorn": "emailsvc.urls", "celery": "emailsvc.celery_worker"}


def main() -> None:
    descriptor, module, *arguments = sys.argv[1:]
    django.setup()
    if module in LOADS:
        import_module(LOADS[module])
    while os.read(int(descriptor), 1):
        pass
    # From here on as if `python -m MODULE ARGUMENT…` had been typed.
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
