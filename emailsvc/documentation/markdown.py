"""Pages written in Markdown: HTML with anchors, highlighted code, and samples in several languages as tabs.

A code block's info string is its language and, for the tests that run it, what it needs: `python needs=sent_email`.
Blocks in different languages of `SAMPLES` that follow each other directly are one sample and become tabs. A block in
`http` is a request, and is shown as a sample in every language.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count, pairwise

from django.template.loader import render_to_string
from markdown_it import MarkdownIt
from markdown_it.token import Token
from pygments import highlight
from pygments.formatters.html import HtmlFormatter
from pygments.lexers import get_lexer_by_name
from pygments.lexers.special import TextLexer
from pygments.util import ClassNotFound

from emailsvc.documentation.samples import build_samples, read_call

# Languages of samples that a reader may run, as their tabs are called.
SAMPLES = {"bash": "curl", "javascript": "JavaScript", "python": "Python"}
REQUEST = "http"
# What is filled in by the site, where a page says `<!-- here: name -->`.
HERE = re.compile(r"<!-- here: (\w+) -->\s*")
_PICTURE = re.compile(r"images/(?P<name>[a-z-]+\.png)")
_OTHER_PAGE = re.compile(r"(?P<name>[a-z-]+)\.md(?P<anchor>#.*)?")
_NOT_IN_ANCHORS = re.compile(r"[^\w\- ]")


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeBlock:
    """A code block; `needs` is what its info string says beside the language."""

    language: str
    needs: Mapping[str, str]
    code: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Heading:
    """A heading below the title, with the words up to the next one."""

    level: int
    anchor: str
    text: str
    body: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A page that was read. `lead` is its first paragraph, `html` all that follows the title."""

    title: str
    lead: str
    html: str
    headings: Sequence[Heading]
    blocks: Sequence[CodeBlock]


def new_parser() -> MarkdownIt:
    """CommonMark with tables. HTML is switched off: what looks like it is shown as text."""
    return MarkdownIt("commonmark", {"html": False}).enable("table")


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """What a page needs to know of the site: the service's URL for its samples, the URL of another page by its name,
    the HTML for `<!-- here: name -->`.
    """

    base: str
    link_to: Callable[[str], str]
    fill: Callable[[str], str]


def read_document(source: str, site: Site) -> Document:
    """Read a page."""
    parser = new_parser()
    tokens = parser.parse(source)
    title, tokens = take_title(tokens)
    anchor_headings(tokens)
    rewrite_links(tokens, site.link_to)
    headings = list(find_headings(tokens))
    lead = next((find_text(token) for token in tokens if token.type == "inline"), "")
    show_anchors(tokens)
    return Document(
        title=title,
        lead=lead,
        html="".join(render(parser, tokens, site)),
        headings=headings,
        blocks=[block for token in tokens if token.type == "fence" for block in read_blocks(token, site.base)],
    )


def take_title(tokens: Sequence[Token]) -> tuple[str, list[Token]]:
    """The text of the page's `#` heading, and what follows it."""
    if len(tokens) < 3 or tokens[0].tag != "h1":
        raise ValueError("a page begins with its title, a heading of the first level")
    return find_text(tokens[1]), list(tokens[3:])


def find_text(inline: Token) -> str:
    """What an inline token says, without marks."""
    breaks = {"softbreak": " ", "hardbreak": " "}
    return "".join(breaks.get(child.type, child.content) for child in inline.children or [])


def anchor_headings(tokens: Sequence[Token]) -> None:
    """Give each heading an id made of its words, as GitHub does, so that links work in both places."""
    seen: dict[str, int] = {}
    for token, inline in pairwise(tokens):
        if token.type == "heading_open":
            anchor = name_anchor(find_text(inline))
            seen[anchor] = seen.get(anchor, -1) + 1
            token.attrSet("id", f"{anchor}-{seen[anchor]}" if seen[anchor] else anchor)


def show_anchors(tokens: Sequence[Token]) -> None:
    """End each heading in a link to itself."""
    for token, inline in pairwise(tokens):
        if token.type == "heading_open" and inline.children is not None:
            link = f' <a class="anchor" href="#{token.attrGet("id")}" aria-label="Link to this part">#</a>'
            inline.children.append(Token("html_inline", "", 0, content=link))


def name_anchor(text: str) -> str:
    return _NOT_IN_ANCHORS.sub("", text.lower()).strip().replace(" ", "-")


def rewrite_links(tokens: Sequence[Token], link_to: Callable[[str], str]) -> None:
    """Lead from `other.md#part` to the other page's URL, and from `images/one.png` to the picture's."""
    for inline in tokens:
        for child in inline.children or []:
            if child.type == "image" and (picture := _PICTURE.fullmatch(str(child.attrGet("src")))):
                child.attrSet("src", f"{link_to('images')}/{picture['name']}")
            match = _OTHER_PAGE.fullmatch(str(child.attrGet("href"))) if child.type == "link_open" else None
            if match:
                child.attrSet("href", link_to(match["name"]) + (match["anchor"] or ""))


def find_headings(tokens: Sequence[Token]) -> Iterator[Heading]:
    words: list[str] = []
    found: Heading | None = None
    for place, token in enumerate(tokens):
        if token.type == "heading_open":
            if found:
                yield finish_heading(found, words)
            text = find_text(tokens[place + 1])
            found = Heading(level=int(token.tag[1]), anchor=str(token.attrGet("id")), text=text)
            words = []
        elif token.type == "inline":
            words.append(find_text(token))
        elif token.type == "fence":
            words.append(token.content)
    if found:
        yield finish_heading(found, words)


def finish_heading(heading: Heading, words: Sequence[str]) -> Heading:
    # The first of the words are the heading's own.
    return Heading(level=heading.level, anchor=heading.anchor, text=heading.text, body=" ".join(words[1:]))


def render(parser: MarkdownIt, tokens: Sequence[Token], site: Site) -> Iterator[str]:
    """The page piece by piece: runs of code blocks as samples, all between them as CommonMark has it."""
    numbers = count(1)
    rest: list[Token] = []
    place = 0
    while place < len(tokens):
        token = tokens[place]
        if token.type == "fence":
            yield render_tokens(parser, rest)
            fences, blocks = read_run(tokens, place, site.base)
            yield render_samples(blocks, f"sample-{next(numbers)}")
            rest, place = [], place + fences
        elif token.type == "inline" and (here := HERE.fullmatch(token.content)):
            # Its paragraph began before it, and ends behind it.
            yield render_tokens(parser, rest[:-1])
            yield site.fill(here[1])
            rest, place = [], place + 2
        else:
            rest.append(token)
            place += 1
    yield render_tokens(parser, rest)


def render_tokens(parser: MarkdownIt, tokens: Sequence[Token]) -> str:
    html = str(parser.renderer.render(list(tokens), parser.options, {}))
    # Tables wider than a phone scroll by themselves, not the page.
    return html.replace("<table>", '<div class="scroll" tabindex="0"><table>').replace("</table>", "</table></div>")


def read_run(tokens: Sequence[Token], place: int, base: str) -> tuple[int, list[CodeBlock]]:
    """The code block here, with those behind it that say the same in another language; how many tokens that were."""
    run: list[CodeBlock] = []
    fences = 0
    for token in tokens[place:]:
        blocks = read_blocks(token, base) if token.type == "fence" else []
        languages = {block.language for block in (*run, *blocks)}
        if not blocks or (run and not (languages <= SAMPLES.keys() and len(languages) == len(run) + len(blocks))):
            break
        run += blocks
        fences += 1
    return fences, run


def read_blocks(fence: Token, base: str) -> list[CodeBlock]:
    """What a code block holds: itself, or a request in every language."""
    language, *words = fence.info.split() or [""]
    needs = dict(word.split("=", 1) for word in words)
    if language != REQUEST:
        return [CodeBlock(language=language, needs=needs, code=fence.content)]
    samples = build_samples(read_call(fence.content, file=needs.pop("file", "")), base)
    return [CodeBlock(language=name, needs=needs, code=code) for name, code in samples.items()]


def render_samples(blocks: Sequence[CodeBlock], name: str) -> str:
    """One block, or several as tabs; `name` is unique on its page."""
    panes = [
        {
            "language": block.language,
            "label": SAMPLES.get(block.language, ""),
            "html": highlight_code(block.code, block.language),
        }
        for block in blocks
    ]
    return render_to_string("emailsvc/docs/samples.html", {"panes": panes, "name": name})


_FORMATTER = HtmlFormatter(nowrap=True)


def highlight_code(code: str, language: str) -> str:
    """HTML for the inside of `<code>`, safe whatever the code holds; plain for a language that nobody knows."""
    try:
        lexer = get_lexer_by_name(language) if language else TextLexer()
    except ClassNotFound:
        lexer = TextLexer()
    return str(highlight(code, lexer, _FORMATTER)).rstrip("\n")
