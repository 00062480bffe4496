"""Only `delivery.tls` creates TLS contexts, and all TLS connections use them."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.architecture.sources import ROOT, find_sources, parse, walk

MAKER = Path("delivery/tls.py")
# Names by which Python makes a context; `ssl.SSLContext` as a type is free.
MAKING = {
    *("create_default_context", "_create_default_https_context", "_create_unverified_context"),
    *("_create_stdlib_context", "PROTOCOL_TLS", "PROTOCOL_TLS_CLIENT", "PROTOCOL_TLS_SERVER"),
}
# What makes a context of its own unless it is given one, by this argument.
TAKING = {
    **dict.fromkeys(("HTTPSConnection", "SMTP_SSL", "starttls", "stls"), "context"),
    **dict.fromkeys(("IMAP4_SSL",), "ssl_context"),
    **dict.fromkeys(("POP3_SSL",), "context"),
    **dict.fromkeys(("ConnectionPool", "AsyncConnectionPool", "HTTPConnectionPool", "PoolManager"), "ssl_context"),
    **dict.fromkeys(("AsyncClient",), "verify"),
}
# Libraries that speak TLS in their own way. `requests` and botocore do so over our wire alone.
OWN_WAYS = {"urllib.request", "urllib3", "httpx", "aiohttp", "requests", "boto3", "botocore"}
OVER_OUR_WIRE = Path("providers/esp/http_adapter.py")


# Runs by the standard library alone, before anything is installed.
BEFORE_THE_INSTALL = Path("emailsvc/launcher/pip_wheel")


def find_faults(path: Path, tree: ast.Module) -> Iterator[str]:
    for node in walk(tree):
        for fault in _find_faults(node, path):
            yield f"{path}:{getattr(node, 'lineno', 0)}: {fault}"


def _find_faults(node: ast.AST, path: Path) -> Iterator[str]:
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name) | ast.alias(name=name) if name in MAKING:
            yield name
        case ast.alias(asname=str(other), name="SSLContext"):
            yield f"SSLContext as {other}"
        case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name), keywords=keywords):
            given = {keyword.arg for keyword in keywords}
            if name == "SSLContext" or TAKING.get(name) not in {None, *given}:
                yield name
        case ast.Import(names=names) if path != OVER_OUR_WIRE:
            yield from (each.name for each in names if is_own_way(each.name))
        case ast.ImportFrom(module=str(module)) if path != OVER_OUR_WIRE and is_own_way(module):
            yield module


def is_own_way(module: str) -> bool:
    return any(module == name or module.startswith(f"{name}.") for name in OWN_WAYS)


def find_all() -> Iterator[Path]:
    yield from find_sources()
    for folder in ("bench", "drills"):
        yield from (path.relative_to(ROOT) for path in sorted((ROOT / folder).rglob("*.py")))


def test_one_module_makes_every_context() -> None:
    found = [
        fault
        for path in find_all()
        if path != MAKER and BEFORE_THE_INSTALL not in path.parents
        for fault in find_faults(path, parse(path))
    ]
    assert found == []


def test_that_module_is_looked_for_and_found() -> None:
    assert MAKER in set(find_all())
    assert list(find_faults(MAKER, parse(MAKER)))


@pytest.mark.parametrize(
    "source",
    [
        "import ssl\ncontext = ssl.create_default_context()",
        "from ssl import create_default_context as make",
        "from ssl import SSLContext as Made",
        "import ssl\nssl.SSLContext()",
        "imaplib.IMAP4_SSL('host')",
        "smtp.starttls()",
        "httpcore.ConnectionPool(max_connections=1)",
        "import urllib.request",
        "from requests import get",
    ],
)
def test_each_way_round_it_is_noticed(source: str) -> None:
    assert list(find_faults(Path("x.py"), ast.parse(source)))


@pytest.mark.parametrize(
    "source",
    [
        "import ssl\ndef f(context: ssl.SSLContext) -> ssl.SSLContext: return context",
        "imaplib.IMAP4_SSL('host', ssl_context=context)",
        "from ssl import SSLContext",
    ],
)
def test_what_is_allowed_is_allowed(source: str) -> None:
    assert list(find_faults(Path("x.py"), ast.parse(source))) == []
