"""The text part for mail that has only HTML: the readable text of the HTML."""

import re
from collections.abc import Callable
from functools import lru_cache

from delivery.html.text_layout import Flow, Page
from delivery.html.tokenizer import Tag, tokens, unescape


def words(names: str) -> frozenset[str]:
    return frozenset(names.split())


PARAGRAPHS = words("p h1 h2 h3 h4 h5 h6 dl pre figure hr fieldset address blockquote")
LINES = words(
    "div section article header footer main aside nav center form figcaption dt dd option legend details summary "
    "body html caption thead tbody tfoot textarea xmp"
)
UNSEEN = words("script style title iframe noembed noframes svg math template select datalist object")
VOID = words("area base br col embed hr img input link meta param source track wbr")
BREAKS = dict.fromkeys(PARAGRAPHS, 2) | dict.fromkeys(LINES, 1)

# Results for documents up to this size are kept: the mails of a campaign often have the same HTML.
KEPT_SIZE = 65_536
HIDING = re.compile(
    r"display\s*:\s*none|visibility\s*:\s*hidden|mso-hide\s*:\s*all|opacity\s*:\s*0(?![.\d])", re.IGNORECASE
)
NO_HEIGHT = re.compile(r"max-height\s*:\s*0(?![.\d])", re.IGNORECASE)
NO_OVERFLOW = re.compile(r"overflow\s*:\s*hidden", re.IGNORECASE)
SHOWN_URL = re.compile(r"(?!(?:javascript|vbscript|data|cid|about|file):)(?:[a-z][a-z0-9+.-]*:|//|\{\{)", re.IGNORECASE)
URL_PREFIX = re.compile(r"(?:https?://|mailto:|tel:|sms:)?(?:www\.)?")
LINE_ENDS = str.maketrans("", "", "\t\r\n\f")


def text_from_html(html: str) -> str:
    """The readable text of `html`, without a last line end; `""` when there is none.

    Empty lines separate paragraphs, a table's short rows are one line each, list items have a mark, links become
    `text (url)`, images their alternative text. Parts that a mail client does not show (styles, hidden preheaders,
    comments for Outlook) are left out. Lines are not wrapped, since clients wrap them, and URLs stay whole. Never
    raises; the time is linear in the length of `html`.
    """
    return (_read_kept if len(html) <= KEPT_SIZE else _read_text)(html)


def _read_text(html: str) -> str:
    if not may_hide(html):
        return Reader(html, is_hiding=False).read()
    return Reader(html).read() or Reader(html, is_hiding=False).read()


_read_kept = lru_cache(maxsize=32)(_read_text)


class Reader:
    """One pass over a document's tags and texts."""

    def __init__(self, html: str, *, is_hiding: bool = True) -> None:
        self.html = html
        self.is_hiding = is_hiding
        self.page = Page()
        self.link: tuple[Flow, int, str] | None = None
        self.pre_depth = 0
        self.hidden = ""
        self.hidden_depth = 0
        self.hidden_tables = 0

    def read(self) -> str:
        is_hiding = self.is_hiding
        for token in tokens(self.html):
            if isinstance(token, str):
                if not self.hidden:
                    self.write(unescape(token))
            elif self.hidden:
                self.pass_hidden(token)
            elif is_hiding or token.name in ACTING:
                self.visit(token)
        self.end_link()
        return self.page.finish()

    def write(self, text: str) -> None:
        if self.pre_depth:
            self.page.write_raw(text)
        else:
            self.page.write(text)

    def visit(self, tag: Tag) -> None:
        name = tag.name
        if tag.is_end:
            handler = ENDS.get(name)
        elif (name in UNSEEN or (self.is_hiding and is_hidden(tag))) and name not in VOID:
            self.hidden, self.hidden_depth, self.hidden_tables = name, 1, int(name == "table")
            self.page.break_line(BREAKS.get(name, 0))
            return
        else:
            handler = STARTS.get(name)
        if lines := BREAKS.get(name):
            self.page.break_line(lines)
        if handler:
            handler(self, tag)

    def pass_hidden(self, tag: Tag) -> None:
        """Leave the hidden element at its end tag, or where the standard implies one."""
        step = -1 if tag.is_end else 1
        if tag.name == self.hidden:
            self.hidden_depth += step
        if tag.name == "table":
            self.hidden_tables += step
        if self.hidden_depth == 0:
            self.hidden = ""
        elif self.hidden_tables <= 0 and self.implies_end(tag):
            self.hidden = ""
            self.visit(tag)

    def implies_end(self, tag: Tag) -> bool:
        if tag.is_end:
            return tag.name in {"td", "th", "tr", "table", "body", "html"} and tag.name != self.hidden
        match self.hidden:
            case "p":
                return tag.name in BREAKS or tag.name in {"table", "ul", "ol", "li"}
            case "td" | "th":
                return tag.name in {"td", "th", "tr"}
            case "tr" | "li":
                return tag.name == self.hidden
        return False

    def start_link(self, tag: Tag) -> None:
        self.end_link()
        flow = self.page.flow()
        self.link = (flow, len(flow.parts), shown_url(tag.get("href") or ""))

    def end_link(self, _: Tag | None = None) -> None:
        if not self.link:
            return
        flow, start, url = self.link
        self.link = None
        text = "".join(flow.parts[start:]).strip()
        if not url or bare(text) == bare(url):
            return
        if text:
            flow.parts.append(
                f" ({url})"
            )  # before a pending line break, which the end of the link's last paragraph may have added
        else:
            flow.write(url)

    def image(self, tag: Tag) -> None:
        self.page.write(tag.get("alt") or "")

    def line_break(self, _: Tag) -> None:
        self.page.flow().add_break()

    def rule(self, _: Tag) -> None:
        self.page.write("-" * 40)
        self.page.break_line(2)

    def pre(self, tag: Tag) -> None:
        self.pre_depth = max(0, self.pre_depth + (-1 if tag.is_end else 1))

    def start_list(self, tag: Tag) -> None:
        start = tag.get("start") or ""
        first = int(start) if start.isdecimal() and len(start) < 7 else 1
        self.page.open_list(first if tag.name == "ol" else None)

    def end_list(self, _: Tag) -> None:
        self.page.close("list", within="cell")


Handler = Callable[[Reader, Tag], None]
STARTS: dict[str, Handler] = {
    "a": Reader.start_link,
    "img": Reader.image,
    "br": Reader.line_break,
    "hr": Reader.rule,
    "pre": Reader.pre,
    "ul": Reader.start_list,
    "ol": Reader.start_list,
    "li": lambda reader, _: reader.page.open_item(),
    "table": lambda reader, _: reader.page.open("table"),
    "tr": lambda reader, _: reader.page.open_row(),
    "td": lambda reader, _: reader.page.open_cell(),
    "th": lambda reader, _: reader.page.open_cell(),
    "blockquote": lambda reader, _: reader.page.open("quote"),
}
ENDS: dict[str, Handler] = {
    "a": Reader.end_link,
    "pre": Reader.pre,
    "ul": Reader.end_list,
    "ol": Reader.end_list,
    "br": Reader.line_break,  # the standard reads </br> as <br>
    "li": lambda reader, _: reader.page.close("item", within="list"),
    "table": lambda reader, _: reader.page.close("table"),
    "tr": lambda reader, _: reader.page.close("row", within="table"),
    "td": lambda reader, _: reader.page.close("cell", within="row"),
    "th": lambda reader, _: reader.page.close("cell", within="row"),
    "blockquote": lambda reader, _: reader.page.close("quote", within="cell"),
}
# All others leave no trace in the text, unless they hide their content.
ACTING = UNSEEN | BREAKS.keys() | STARTS.keys() | ENDS.keys()


def may_hide(text: str) -> bool:
    """Whether a tag may hide its element: most have none of these words, and need no search."""
    lowered = text.lower()
    return "display" in lowered or "hid" in lowered or "opacity" in lowered


def is_hidden(tag: Tag) -> bool:
    """Whether an element's own attributes hide it. A font size of 0 does not count, since layouts set it on cells to
    close gaps and reset it inside.
    """
    attributes = tag.attributes
    if not may_hide(attributes):
        return False
    if HIDING.search(attributes) or (NO_OVERFLOW.search(attributes) and NO_HEIGHT.search(attributes)):
        return True
    return tag.get("hidden") is not None


def shown_url(href: str) -> str:
    """The URL to print for a link, or `""` for one that is useless in text."""
    url = (href if href.isprintable() else href.translate(LINE_ENDS)).strip()
    if not SHOWN_URL.match(url):
        return ""
    scheme, _, rest = url.partition(":")
    return rest.partition("?")[0] if scheme.lower() in {"mailto", "tel", "sms"} else url


def bare(text: str) -> str:
    """The significant part of a URL or a link's text, for comparison of the two."""
    lowered = text.lower()
    prefix = URL_PREFIX.match(lowered)
    return lowered[prefix.end() if prefix else 0 :].rstrip("/")
