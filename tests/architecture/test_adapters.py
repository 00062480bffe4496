"""One adapter for each library that speaks with the network: no other module of the packages imports it."""

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.architecture.sources import find_sources, parse, walk

ADAPTERS = {"dns": Path("delivery/dns.py"), "httpcore": Path("delivery/http_client.py")}


def list_imports(tree: ast.AST) -> Iterator[str]:
    """The top-level packages that a module imports; relative imports are of its own."""
    for node in walk(tree):
        match node:
            case ast.Import(names=names):
                yield from (each.name.partition(".")[0] for each in names)
            case ast.ImportFrom(module=str(module), level=0):
                yield module.partition(".")[0]


def find_detours(modules: Mapping[Path, ast.AST]) -> set[str]:
    """Imports of a library in a module that is not its adapter."""
    return {
        f"{path}: {library}"
        for path, tree in modules.items()
        for library in list_imports(tree)
        if library in ADAPTERS and ADAPTERS[library] != path
    }


def test_each_library_is_imported_by_its_adapter_alone() -> None:
    assert find_detours({path: parse(path) for path in find_sources()}) == set()


@pytest.mark.parametrize("library", ADAPTERS)
def test_each_adapter_imports_its_library(library: str) -> None:
    assert library in set(list_imports(parse(ADAPTERS[library])))


@pytest.mark.parametrize(
    ("code", "library"),
    [
        ("import dns.resolver", "dns"),
        ("import dns.resolver as resolver", "dns"),
        ("from dns import resolver", "dns"),
        ("from dns.resolver import Resolver", "dns"),
        ("def f():\n import os, dns.asyncresolver", "dns"),
        ("import httpcore", "httpcore"),
        ("from httpcore import AsyncConnectionPool as Pool", "httpcore"),
    ],
)
def test_each_way_round_an_adapter_is_found(code: str, library: str) -> None:
    assert find_detours({Path("messages/x.py"): ast.parse(code)}) == {f"messages/x.py: {library}"}


def test_the_adapter_itself_is_no_detour() -> None:
    code = (
        "from delivery import dns, http_client\nfrom delivery.dns import DnsClient\nfrom . import dns\nimport dnsmasq"
    )
    assert find_detours({Path("messages/x.py"): ast.parse(code)}) == set()
