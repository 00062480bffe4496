"""The project's own modules, for tests that analyse them."""

import ast
import gc
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = (
    *("emailsvc", "gateways", "inbox", "messages", "tracking", "templates_app", "webhooks", "domains", "providers"),
    *("accounts", "ledger", "common", "delivery"),
)


def find_sources() -> Iterator[Path]:
    """Every module of every package, relative to the project; without migrations, which are generated."""
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            if "migrations" not in path.parts:
                yield path.relative_to(ROOT)


@cache
def parse(path: Path) -> ast.Module:
    """The syntax tree of a module. All are kept: to look through them for garbage takes longer than to make them."""
    gc.disable()
    try:
        return ast.parse((ROOT / path).read_text(encoding="utf-8"))
    finally:
        gc.freeze()
        gc.enable()


@cache
def walk(tree: ast.AST) -> tuple[ast.AST, ...]:
    """`ast.walk`, whose result is kept: many tests look at every node of every module."""
    return tuple(ast.walk(tree))
