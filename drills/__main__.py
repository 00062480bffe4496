"""`./run drills [--only NAME]… [--repeat N] [--minutes N] [--json] [--without PART]…`: fault drills, each with its own
proof.

`./run drills --soak MINUTES`: all at once for so long, under a mixed load.

Everything runs in a temporary folder, with its own servers and ports. Exit status 0 if all drills pass.
"""

import argparse
import sys
from importlib import import_module
from pathlib import Path

import django

from drills.harness.catalogue import DRILLS, PARTS
from drills.harness.ground import prepared_ground
from emailsvc.embedded.errors import EmbeddedError


def main() -> int:
    options = read_options()
    try:
        with prepared_ground(options.keep) as ground:
            django.setup()
            # Models can be imported only from here on.
            program = import_module("drills.harness.program")
            return int((program.run_soak if options.soak else program.run_drills)(ground, options))
    except EmbeddedError as error:
        print(f"drills: {error}", file=sys.stderr)
        return 1


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="./run drills", description="Fault drills on their own servers.")
    parser.add_argument("--only", action="append", choices=DRILLS, metavar="NAME", help=", ".join(DRILLS))
    parser.add_argument("--repeat", type=int, default=1, metavar="N", help="run each drill this many times")
    parser.add_argument("--minutes", type=float, metavar="N", help="play `machines` or `incident` for so long")
    parser.add_argument("--seed", type=int, metavar="N", help="the first seed of the drill `machines`")
    parser.add_argument("--json", action="store_true", help="print one JSON line for each drill")
    parser.add_argument(
        "--without",
        action="append",
        default=[],
        choices=PARTS,
        help="disable a part of the product, to show that the drills detect it",
    )
    parser.add_argument(
        "--soak", type=float, metavar="MINUTES", help="instead of drills, a mixed load with random faults for so long"
    )
    parser.add_argument(
        "--from",
        dest="from_commit",
        default="",
        metavar="COMMIT",
        help="the commit of this clone where the upgrades begin, in place of their own",
    )
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="copy logs and the sinks' journals to this folder")
    # ./run passes these on; drills have their own folder and ports.
    parser.add_argument("--data", help=argparse.SUPPRESS)
    parser.add_argument("--port", help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
