"""`python -m drills.fuzz.one_target NAME SECONDS`: fuzzes one target in this process; the last line is its result.

Exit status 1 if there was a finding. libFuzzer ends its process itself, so each target has one.
"""

import json
import os
import sys
import time

from drills.fuzz.corpus import KEPT, list_inputs
from drills.fuzz.engines import choose_engine, load_targets, run_atheris, run_hypothesis


def main(name: str, seconds: float) -> int:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "emailsvc.settings")
    engine = choose_engine()
    findings = load_targets(engine).FailureLog(name=name)
    (KEPT / name).mkdir(parents=True, exist_ok=True)
    for data in list_inputs(KEPT / name):
        findings.try_input(data)
    until = time.monotonic() + seconds

    def tell() -> int:
        print(json.dumps({"inputs": findings.count, "engine": engine, "findings": findings.kinds}), flush=True)
        return 1 if findings.kinds else 0

    def try_until(data: bytes) -> None:
        findings.try_input(data)
        if time.monotonic() > until:
            os._exit(tell())

    if engine == "atheris":
        run_atheris(name, try_until, seconds)
    run_hypothesis(name, findings.try_input, seconds)
    return tell()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], float(sys.argv[2])))
