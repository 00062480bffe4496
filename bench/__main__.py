"""`./run bench [NAME]…`: benchmarks against common alternatives, both sides in the same run.

Each module here with a `run(options)` is a benchmark, and each folder with such a module `bench`; the first line of its
docstring describes the comparison. Without a name all modules run; folders are long and run by name.
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
    "claim_rows",
    "copying",
    "feed_writing",
    "filling",
    "listing_rows",
    "measure",
    "service",
    "stats_rows",
}


def list_benches() -> dict[str, str]:
    """Each benchmark's name and module."""
    found = [module for module in iter_modules(bench.__path__) if module.name not in NOT_BENCHES]
    return {each.name: f"bench.{each.name}.bench" if each.ispkg else f"bench.{each.name}" for each in found}


def main(arguments: list[str]) -> int:
    known = list_benches()
    parser = argparse.ArgumentParser(prog="./run bench", description="Measured comparisons.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(known))
    parser.add_argument("--port", type=int, help="for benchmarks that start the web server")
    parser.add_argument("--data", type=Path, help="for benchmarks that start servers")
    parser.add_argument("--rounds", type=int, help="peers: rounds of each comparison (3)")
    parser.add_argument("--only", action="append", default=[], metavar="ROW", help="peers: this row; repeatable")
    parser.add_argument("--quick", action="store_true", help="peers, growth: small sizes, to see that it runs")
    parser.add_argument(
        "--check", action="store_true", help="peers: exit 1 below a wanted figure, or for a skipped row"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="peers, growth: write the figures there")
    given = parser.parse_args(arguments)
    if unknown := [name for name in given.names if name not in known]:
        parser.error(f"no such benchmark: {', '.join(unknown)}. There are: {', '.join(known)}")
    options = Options(
        port=given.port,
        data=given.data,
        rounds=given.rounds,
        only=given.only,
        is_quick=given.quick,
        is_check=given.check,
        json=given.json,
    )
    failed = False
    for name in given.names or [name for name, path in known.items() if path == f"bench.{name}"]:
        module = import_module(known[name])
        print(f"\n{name}: {(module.__doc__ or '').splitlines()[0]}", flush=True)
        failed |= bool(module.run(options))
    return int(failed)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
