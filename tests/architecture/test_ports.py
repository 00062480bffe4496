"""Code uses a port's number only while a socket holds it: in the product, tests, drills and benchmarks."""

import ast
import re
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from emailsvc.launcher.ports import held_port
from tests.architecture.sources import ROOT, find_sources, parse, walk
from tests.port_guard import UnheldPortError

# What names the port of a socket or of a stand-in.
TELLS = {"getsockname", "server_address", "server_port", "port"}
# A file without these words has nothing to look for.
WORDS = re.compile(rf"\.(?:{'|'.join(TELLS)})\b|\bheld_port\(")


def find_all() -> list[Path]:
    beside = (path for folder in ("tests", "bench", "drills") for path in sorted((ROOT / folder).rglob("*.py")))
    return [*find_sources(), *(path.relative_to(ROOT) for path in beside)]


def find_telling() -> list[Path]:
    return [path for path in find_all() if WORDS.search((ROOT / path).read_text(encoding="utf-8"))]


def find_escapes(tree: ast.AST) -> Iterator[int]:
    """Lines at which the port of what a `with` statement has closed is returned or read."""
    for function in walk(tree):
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            for block in walk(function):
                if isinstance(block, ast.With | ast.AsyncWith):
                    yield from find_escapes_of(block, function)


def find_escapes_of(block: ast.With | ast.AsyncWith, function: ast.AST) -> Iterator[int]:
    opened = {item.optional_vars.id for item in block.items if isinstance(item.optional_vars, ast.Name)}
    inside = [node for statement in block.body for node in ast.walk(statement)]
    numbers = {name for item in block.items for name in name_held(item)}
    for node in inside:
        if isinstance(node, ast.Assign | ast.AnnAssign) and node.value and tells_port(node.value, opened):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            numbers |= {target.id for target in targets if isinstance(target, ast.Name)}
    for node in inside:
        if (
            isinstance(node, ast.Return)
            and node.value
            and (tells_port(node.value, opened) or reads(node.value, numbers))
        ):
            yield node.lineno
    for node in ast.walk(function):
        if isinstance(node, ast.expr) and node.lineno > (block.end_lineno or 0) and reads_itself(node, opened, numbers):
            yield node.lineno


def name_held(item: ast.withitem) -> Iterator[str]:
    """The name in `held_port() as name`."""
    match item:
        case ast.withitem(context_expr=ast.Call(func=ast.Name(id="held_port")), optional_vars=ast.Name(id=name)):
            yield name


def tells_port(node: ast.AST, opened: set[str]) -> bool:
    return any(reads_itself(each, opened, set()) for each in ast.walk(node))


def reads(node: ast.AST, numbers: set[str]) -> bool:
    return any(reads_itself(each, set(), numbers) for each in ast.walk(node))


def reads_itself(node: ast.AST, opened: set[str], numbers: set[str]) -> bool:
    match node:
        case ast.Attribute(value=ast.Name(id=name), attr=attribute):
            return name in opened and attribute in TELLS
        case ast.Name(id=name, ctx=ast.Load()):
            return name in numbers
    return False


def test_no_port_is_used_once_its_socket_is_closed() -> None:
    telling = find_telling()
    assert len(telling) > 50
    found = {f"{path}:{line}" for path in telling for line in find_escapes(parse(path))}
    assert found == set()


@pytest.mark.parametrize(
    "code",
    [
        "def free():\n with socket.create_server(place) as s:\n  return s.getsockname()[1]",
        "def free():\n with listen(0) as s:\n  port: int = s.getsockname()[1]\n  return port",
        "def free():\n with socket() as s:\n  s.bind(place)\n  port = s.getsockname()[1]\n use(port)",
        "def down():\n with held_port() as port:\n  pass\n use(port)",
        "def down():\n with SmtpServer() as a:\n  pass\n use(a.port)",
    ],
)
def test_a_port_that_is_let_go_is_found(code: str) -> None:
    assert list(find_escapes(ast.parse(code)))


def test_a_port_that_is_yielded_is_held() -> None:
    code = "def held():\n with listen(0) as s:\n  port = s.getsockname()[1]\n  use(port)\n  yield port"
    assert list(find_escapes(ast.parse(code))) == []


def test_a_port_cannot_be_bound_by_its_number_alone() -> None:
    with held_port() as port, socket.create_server(("127.0.0.1", port)) as server:
        assert server.getsockname()[1] == port
    with socket.socket() as server, pytest.raises(UnheldPortError):
        server.bind(("127.0.0.1", 50_000))
