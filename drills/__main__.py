"""`./run drills [--only NAME]… [--repeat N] [--json] [--without PART]…`: fault drills, each with its own proof.

Everything runs in a folder that is thrown away, on servers and ports of its own. Exit status 0 when all have passed.
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
            # Models can be imported from here on, and not before.
            program = import_module("drills.harness.program")
            return int(program.run(ground, options))
    except EmbeddedError as error:
        print(f"drills: {error}", file=sys.stderr)
        return 1


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="./run drills", description="Fault drills on servers of their own.")
    parser.add_argument("--only", action="append", choices=DRILLS, metavar="NAME", help=", ".join(DRILLS))
    parser.add_argument("--repeat", type=int, default=1, metavar="N", help="play each drill so many times")
    parser.add_argument("--json", action="store_true", help="one JSON line for each drill")
    parser.add_argument("--without", action="append", default=[], choices=PARTS, help="show that the drills notice")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="copy logs and the sinks' journals there")
    # ./run hands them on; drills have a folder and ports of their own.
    parser.add_argument("--data", help=argparse.SUPPRESS)
    parser.add_argument("--port", help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
