"""`./run bench [NAME]…`: benchmarks against common alternatives, both sides in the same run.

Each module here with a `run(options)` is a benchmark; the first line of its docstring describes the comparison. Without
a name all run.
"""

import argparse
import sys
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules

import bench
from bench.measure import Options

NOT_BENCHES = {
    "__main__",
    "accepting",
    "feed_writing",
    "filling",
    "listing_rows",
    "measure",
    "service",
    "stats_rows",
}


def main(arguments: list[str]) -> int:
    known = sorted(module.name for module in iter_modules(bench.__path__) if module.name not in NOT_BENCHES)
    parser = argparse.ArgumentParser(prog="./run bench", description="Measured comparisons.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(known))
    parser.add_argument("--port", type=int, help="for benchmarks that start the web server")
    parser.add_argument("--data", type=Path, help="for benchmarks that start servers")
    given = parser.parse_args(arguments)
    if unknown := [name for name in given.names if name not in known]:
        parser.error(f"no such benchmark: {', '.join(unknown)}. There are: {', '.join(known)}")
    for name in given.names or known:
        module = import_module(f"bench.{name}")
        print(f"\n{name}: {(module.__doc__ or '').splitlines()[0]}", flush=True)
        module.run(Options(port=given.port, data=given.data))
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
