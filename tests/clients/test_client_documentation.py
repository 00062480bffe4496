"""What the page on our own clients shows exists."""

import ast
import asyncio
import importlib
import re
import shlex
from datetime import date

from emailsvc_client.cli.main import build_parser
from emailsvc_client.configuration import Account
from emailsvc_client.django.reading import OPTIONS
from emailsvc_client.mcp_server.server import build_server
from mcp import Client

from emailsvc.documentation.pages import find_folder, read_page


def test_what_the_python_examples_import_exists() -> None:
    blocks = [block for block in read_page("clients", "", date(2030, 1, 1)).blocks if block.language == "python3"]
    nodes = [node for block in blocks for node in ast.walk(ast.parse(block.code)) if isinstance(node, ast.ImportFrom)]
    names = [(node.module or "", alias.name) for node in nodes for alias in node.names]
    assert len(names) >= 6
    assert [name for name in names if not hasattr(importlib.import_module(name[0]), name[1])] == []


def test_the_commands_that_it_shows_are_taken() -> None:
    pages = [(find_folder() / f"{name}.md").read_text("utf-8") for name in ("clients", "agents")]
    lines = [line for page in pages for line in re.findall(r"^emailsvc (.+)$", page, re.MULTILINE)]
    assert len(lines) == 7
    assert [build_parser().parse_args(shlex.split(line)).command for line in lines] == [
        line.split()[0] for line in lines
    ]


def test_it_names_every_option_of_a_django_message() -> None:
    text = (find_folder() / "clients.md").read_text("utf-8")
    assert {name for name in OPTIONS if f"`{name}`" not in text} == set()


def test_the_page_for_agents_names_every_tool() -> None:
    async def list_tools() -> list[str]:
        async with Client(build_server(lambda _context: Account(url="http://x.test", api_key="k"))) as client:
            return [tool.name for tool in (await client.list_tools()).tools]

    rows = re.findall(r"^\| `(\w+)` \|", (find_folder() / "agents.md").read_text("utf-8"), re.MULTILINE)
    assert sorted(rows) == sorted(asyncio.run(list_tools()))
