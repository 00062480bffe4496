"""What the Python examples import is what the quickstart has its reader install."""

import ast
import re
import sys
from datetime import date

from emailsvc.documentation.pages import find_folder, list_pages, read_page
from emailsvc.documentation.reference import list_groups

BASE, DAY = "http://127.0.0.1:8000", date(2030, 1, 31)
INSTALL = re.compile(r"^pip install (.+)$", re.MULTILINE)


def list_imports(code: str) -> set[str]:
    """The modules that a program imports, by their top names."""
    nodes = list(ast.walk(ast.parse(code)))
    names = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    names += [node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)]
    return {name.partition(".")[0] for name in names}


def list_programs() -> list[str]:
    """The Python examples of all guides and operations."""
    pages = [read_page(name, BASE, DAY) for names in list_pages().values() for name in names]
    shown = [block.code for page in pages for block in page.blocks if block.language == "python"]
    groups = list_groups(BASE, DAY).values()
    return shown + [operation.samples["python"] for group in groups for operation in group.operations]


def test_the_python_examples_use_what_the_quickstart_installs() -> None:
    installs = INSTALL.findall((find_folder() / "quickstart.md").read_text())
    programs = list_programs()
    assert len(programs) > 80
    imported = {name for code in programs for name in list_imports(code)}
    assert imported - sys.stdlib_module_names == set(" ".join(installs).split())
