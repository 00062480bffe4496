"""Tables of pages that are made from the code: the codes of errors."""

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from django.template.loader import render_to_string
from markdown_it import MarkdownIt

from common.errors import ApiError
from common.openapi import sentence_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A table whose cells are Markdown of one line."""

    head: Sequence[str]
    rows: Sequence[Sequence[str]]


def show_table(table: Table) -> str:
    """The table in HTML."""
    inline = MarkdownIt("commonmark", {"html": False})
    cells = [[inline.renderInline(cell) for cell in row] for row in table.rows]
    html: str = render_to_string("emailsvc/docs/table.html", {"head": table.head, "rows": cells})
    return html


def list_errors() -> list[type[ApiError]]:
    """Every error that an answer may be, one for each code, in the order of their status and code."""
    by_code = {kind.code: kind for kind in walk_subclasses(ApiError)}
    return sorted(by_code.values(), key=lambda kind: (int(kind.status), kind.code))


def walk_subclasses(kind: type[ApiError]) -> Iterator[type[ApiError]]:
    for child in kind.__subclasses__():
        yield from walk_subclasses(child)
        # One without words of its own only groups others.
        if "code" in vars(child) and inspect.getdoc(child):
            yield child


def tabulate_errors() -> Table:
    rows = [(str(int(kind.status)), f"`{kind.code}`", sentence_of(kind)) for kind in list_errors()]
    return Table(head=("status", "code", "meaning"), rows=rows)


INSERTS: Mapping[str, Callable[[], Table]] = {
    "errors": tabulate_errors,
}
