"""`./run bench [NAME]…`: measured comparisons with what others use, both sides in the same run.

Each module here but this one and `measure` is a benchmark: it has a `run()`, and its docstring's first line says what
it compares. Without a name all run.
"""

import sys
from importlib import import_module
from pkgutil import iter_modules

import bench

NOT_BENCHES = {"__main__", "measure"}


def main(names: list[str]) -> int:
    known = sorted(module.name for module in iter_modules(bench.__path__) if module.name not in NOT_BENCHES)
    unknown = [name for name in names if name not in known]
    if unknown:
        print(f"bench: no such benchmark: {', '.join(unknown)}. There are: {', '.join(known)}", file=sys.stderr)
        return 2
    for name in names or known:
        module = import_module(f"bench.{name}")
        print(f"\n{name}: {(module.__doc__ or '').splitlines()[0]}")
        module.run()
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
