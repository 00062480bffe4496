"""What the page on our own clients shows exists."""

import ast
import importlib
import re
import shlex
from datetime import date

from emailsvc_client.cli.main import build_parser
from emailsvc_client.django.reading import OPTIONS

from emailsvc.documentation.pages import find_folder, read_page


def test_what_the_python_examples_import_exists() -> None:
    blocks = [block for block in read_page("clients", "", date(2030, 1, 1)).blocks if block.language == "python3"]
    nodes = [node for block in blocks for node in ast.walk(ast.parse(block.code)) if isinstance(node, ast.ImportFrom)]
    names = [(node.module or "", alias.name) for node in nodes for alias in node.names]
    assert len(names) >= 6
    assert [name for name in names if not hasattr(importlib.import_module(name[0]), name[1])] == []


def test_the_commands_that_it_shows_are_taken() -> None:
    lines = re.findall(r"^emailsvc (.+)$", (find_folder() / "clients.md").read_text("utf-8"), re.MULTILINE)
    assert len(lines) == 5
    assert [build_parser().parse_args(shlex.split(line)).command for line in lines] == [
        line.split()[0] for line in lines
    ]


def test_it_names_every_option_of_a_django_message() -> None:
    text = (find_folder() / "clients.md").read_text("utf-8")
    assert {name for name in OPTIONS if f"`{name}`" not in text} == set()
