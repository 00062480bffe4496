"""The project's own modules, for tests that analyse them."""

import ast
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
    return ast.parse((ROOT / path).read_text(encoding="utf-8"))
