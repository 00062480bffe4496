"""`./run fuzz [TARGET]… [--minutes N] [--list]`: fuzzing of what strangers reach, each target in a process of its own.

Found inputs are kept as files of `tests/fuzz_corpus/`, which the tests read. Exit status 1 if there is a finding.
"""

import argparse
import json
import os
import subprocess
import sys

from drills.fuzz.corpus import ROOT

NAMES = (
    *("reports", "mime", "mime-requests", "html", "links", "smtp-server", "smtp-client", "smtp-login", "submission"),
    *("return-paths", "tokens", "esp-events", "esp-answers", "webhook-answers", "json"),
)
# What the settings need. No server is there, and none is asked for anything.
ENVIRONMENT = {
    "SECRET_KEY": "f" * 50,
    "ENCRYPTION_KEYS": "A" * 43 + "=",
    "DATABASE_URL": "postgresql://nobody@127.0.0.1:9/nothing",
    "REDIS_URL": "redis://127.0.0.1:9/0",
    "REPORT_DOMAIN": "reports.test",
    "LOG_LEVEL": "ERROR",
}
ROW = "{:<16} {:<11} {:>9}  {}"


def main() -> int:
    options = read_options()
    if options.list:
        print("\n".join(NAMES))
        return 0
    print(ROW.format("target", "engine", "inputs", "findings"), flush=True)
    failed = [name for name in options.targets or NAMES if not fuzz(name, options.minutes * 60)]
    print(f"findings in {', '.join(failed)}" if failed else "no findings", file=sys.stderr)
    return 1 if failed else 0


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="./run fuzz", description="Fuzzing of what strangers reach.")
    parser.add_argument("targets", nargs="*", choices=[[], *NAMES], metavar="TARGET", help=", ".join(NAMES))
    parser.add_argument("--list", action="store_true", help="print the names of the targets")
    parser.add_argument("--minutes", type=float, default=1.0, metavar="N", help="time for each target (1)")
    # ./run passes these on.
    parser.add_argument("--data", help=argparse.SUPPRESS)
    parser.add_argument("--port", help=argparse.SUPPRESS)
    return parser.parse_args()


def fuzz(name: str, seconds: float) -> bool:
    """Fuzz one target and print its row; whether nothing was found."""
    command = [sys.executable, "-m", "drills.fuzz.one_target", name, str(seconds)]
    ended = subprocess.run(
        command, cwd=ROOT, env=os.environ | ENVIRONMENT, check=False, capture_output=True, text=True, errors="replace"
    )
    *told, last = ended.stdout.splitlines() or [""]
    for line in told:
        print(line, flush=True)
    try:
        result = json.loads(last)
    except ValueError:
        # libFuzzer has ended it: a crash of the interpreter, or an input without end. It has written the input.
        print(f"{name}: ended with {ended.returncode}\n{ended.stderr[-3000:]}", flush=True)
        return False
    found = "; ".join(result["findings"]) or "none"
    print(ROW.format(name, result["engine"], result["inputs"], found), flush=True)
    return not result["findings"]


if __name__ == "__main__":
    sys.exit(main())
