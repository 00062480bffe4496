"""The documentation for programs that read text: `/llms.txt` (https://llmstxt.org), and each page as Markdown.

Links are absolute, so that a text means the same wherever it is read.
"""

import re
from collections.abc import Iterable
from datetime import date
from functools import lru_cache

from markdown_it.token import Token

from emailsvc.documentation import pages
from emailsvc.documentation.inserts import INSERTS, Table
from emailsvc.documentation.markdown import HERE, new_parser, read_blocks

_LINK = re.compile(
    r"\]\((?:(?P<page>[a-z-]+)\.md|(?P<picture>images/[a-z-]+\.png)|(?P<path>/[^)\s#]*)|(?=#))(?P<anchor>#[^)\s]*)?\)"
)
SUMMARY = """\
# emailsvc

> A self-hosted transactional email service: an application posts an email to a REST API; the service stores it, \
signs it, delivers it, follows what becomes of it, and tells the application.

The API is at {base}/api/v1; its OpenAPI document is at {base}/api/schema. Agents get tools by MCP: see the page Agents.
"""


def url_of_text(name: str) -> str:
    """The path of a page as Markdown."""
    return f"{pages.url_of(name)}.md"


def write_index(base: str, today: date) -> str:
    """`/llms.txt`: every page with its title and its first paragraph."""
    parts = [SUMMARY.format(base=base)]
    for section, names in pages.list_pages().items():
        documents = {name: pages.read_page(name, base, today) for name in names}
        lines = [f"- [{page.title}]({base}{url_of_text(name)}): {page.lead}" for name, page in documents.items()]
        parts.append("\n".join([f"## {section}", "", *lines, ""]))
    return "\n".join(parts)


@lru_cache(maxsize=100)
def write_page(name: str, base: str, today: date) -> str:
    """A page as Markdown, with samples for the service at `base`; those of requests are in curl."""
    source = pages.read_source(name, base, today)
    lines = source.splitlines(keepends=True)
    pieces, place = [], 0
    for fence in new_parser().parse(source):
        if fence.type == "fence" and fence.map:
            start, end = fence.map
            pieces += [write_prose(lines[place:start], name, base), write_fence(fence, base)]
            place = end
    return "".join([*pieces, write_prose(lines[place:], name, base)])


def write_fence(fence: Token, base: str) -> str:
    """A block of code without the words for the tests that run it."""
    block = read_blocks(fence, base)[0]
    return f"{fence.markup}{block.language}\n{block.code.rstrip()}\n{fence.markup}\n"


def write_prose(lines: Iterable[str], name: str, base: str) -> str:
    """Text between blocks of code, with absolute links and the tables that the site makes."""

    def link(found: re.Match[str]) -> str:
        path = (
            found["path"] or (found["picture"] and pages.url_of(found["picture"])) or url_of_text(found["page"] or name)
        )
        return f"]({base}{path}{found['anchor'] or ''})"

    return HERE.sub(lambda found: write_table(INSERTS[found[1]]()) + "\n", _LINK.sub(link, "".join(lines)))


def write_table(table: Table) -> str:
    rows = [table.head, ["---"] * len(table.head), *table.rows]
    written = [" | ".join(cell.replace("|", r"\|") for cell in row) for row in rows]
    return "".join(f"| {row} |\n" for row in written)
