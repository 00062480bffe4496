"""Splits a Liquid source into text and markup, in linear time.

The library's own lexer is one regular expression that takes quadratic time for unclosed tags: 200 KB of `{% raw %}`
take minutes. This lexer finds every end with one forward search. `placeholders` replaces the same pieces, so that all
modules agree on the markup.
"""

import re
from collections.abc import Iterator
from enum import Enum, auto
from html import unescape
from typing import NamedTuple

from liquid import Token
from liquid.token import TOKEN_CONTENT, TOKEN_EXPRESSION, TOKEN_OUTPUT, TOKEN_TAG

from templates_app.errors import TemplateLimitError, TemplateSyntaxError
from templates_app.liquid.limits import (
    MAX_BRACKETS,
    MAX_EXPRESSION,
    MAX_EXPRESSIONS,
    MAX_MARKUP,
    MAX_OPERATORS,
    MAX_SOURCE,
)


class PieceKind(Enum):
    TEXT = auto()
    OUTPUT = auto()
    TAG = auto()
    # Text that is printed unchanged: {% raw %}…{% endraw %}.
    RAW = auto()
    # {% comment %}…{% endcomment %}, {% doc %}…{% enddoc %} and {% # … %}.
    COMMENT = auto()


class Piece(NamedTuple):
    """`source[start:end]`; `inner` is the text between the delimiters, and begins at `inner_start`.

    `name` is a tag's name. `trims_left` and `trims_right` are set for `{%-` and `-%}`.
    """

    kind: PieceKind
    start: int
    end: int
    inner: str
    inner_start: int
    name: str = ""
    trims_left: bool = False
    trims_right: bool = False


OPENING = re.compile(r"\{[{%]")
TAG_NAME = re.compile(r"\s*(#|\w+)\s*")
OPERATOR = re.compile(r"\b(?:and|or|contains)\b|[=<>!]=?")
# Consecutive blanks inside a liquid tag, whose tokenizer retries each of them at each character.
MAX_BLANKS = 80
BLANKS = re.compile(rf"[ \t\r]{{{MAX_BLANKS + 1}}}")
# Blocks whose content is not Liquid.
RAW_ENDS = {"raw": "endraw", "comment": "endcomment", "doc": "enddoc"}


def count_line(source: str, index: int) -> int:
    """The line number of `index`, from 1."""
    return source.count("\n", 0, index) + 1


def cut_source(source: str) -> Iterator[Piece]:
    """The pieces of `source` in order; together they are the whole source."""
    position = 0
    while opening := OPENING.search(source, position):
        if opening.start() > position:
            yield cut_text(source, position, opening.start())
        piece = cut_markup(source, opening.start())
        if piece.kind is PieceKind.TAG and piece.name in RAW_ENDS:
            piece = cut_block(source, piece)
        yield piece
        position = piece.end
    if position < len(source):
        yield cut_text(source, position, len(source))


def cut_text(source: str, start: int, end: int) -> Piece:
    return Piece(PieceKind.TEXT, start, end, source[start:end], start)


def cut_markup(source: str, start: int) -> Piece:
    """The tag or output at `start`."""
    is_tag = source[start + 1] == "%"
    # A delimiter's two characters do not count as its end: {%} is not a whole tag.
    closing = source.find("%}" if is_tag else "}}", start + 2)
    if closing < 0:
        raise TemplateSyntaxError(f"{source[start : start + 2]} is not closed", line=count_line(source, start))
    inner_start, inner_end = start + 2, closing
    trims_left = source.startswith("-", inner_start) and inner_start < inner_end
    inner_start += trims_left
    trims_right = source.startswith("-", inner_end - 1) and inner_start < inner_end
    inner_end -= trims_right
    name = ""
    if is_tag:
        match = TAG_NAME.match(source, inner_start, inner_end)
        if not match:
            raise TemplateSyntaxError("a tag has no name", line=count_line(source, start))
        name, inner_start = match[1], match.end()
    kind = PieceKind.COMMENT if name == "#" else PieceKind.TAG if is_tag else PieceKind.OUTPUT
    inner = source[inner_start:inner_end]
    lead = len(inner) - len(inner.lstrip())
    return Piece(kind, start, closing + 2, inner.strip(), inner_start + lead, name, trims_left, trims_right)


def cut_block(source: str, opening: Piece) -> Piece:
    """The whole block of raw text or comment that `opening` begins."""
    depth, position = 1, opening.end
    while (start := source.find("{%", position)) >= 0:
        name = TAG_NAME.match(source, start + 2 + source.startswith("-", start + 2))
        position = start + 2
        if not name:
            continue
        # Comments nest; raw text ends at the first end tag.
        if name[1] == opening.name and name[1] == "comment":
            depth += 1
        elif name[1] == RAW_ENDS[opening.name]:
            depth -= 1
        if not depth:
            ending = cut_markup(source, start)
            kind = PieceKind.RAW if opening.name == "raw" else PieceKind.COMMENT
            inner = source[opening.end : start]
            return Piece(
                kind,
                opening.start,
                ending.end,
                inner,
                opening.end,
                opening.name,
                opening.trims_left,
                ending.trims_right,
            )
    raise TemplateSyntaxError(f"{opening.name} is not closed", line=count_line(source, opening.start))


def tokenize(source: str) -> list[Token]:
    """The library's tokens of `source`, within the limits."""
    if len(source) > MAX_SOURCE:
        raise TemplateLimitError(f"the source is longer than {MAX_SOURCE} characters")
    tokens: list[Token] = []
    markup_count = expressions_size = 0
    trims = False
    pieces = list(cut_source(source))
    for index, piece in enumerate(pieces):
        follower = pieces[index + 1] if index + 1 < len(pieces) else None
        if piece.kind in {PieceKind.TEXT, PieceKind.RAW}:
            text = piece.inner
            if piece.kind is PieceKind.TEXT:
                text = text.lstrip() if trims else text
                text = text.rstrip() if follower and follower.trims_left else text
            if text:
                tokens.append(Token(TOKEN_CONTENT, text, piece.start, source))
        elif piece.kind in {PieceKind.OUTPUT, PieceKind.TAG}:
            markup_count += 1
            expressions_size += len(piece.inner)
            check_markup(piece, markup_count, expressions_size)
            tokens += tokenize_markup(piece, source)
        trims = piece.trims_right
    return tokens


def read_expression(piece: Piece) -> str:
    """What is between the delimiters. React and editors escape quotes and comparisons there too: `&quot;`, `&gt;`."""
    is_escaped = "&" in piece.inner and '"' not in piece.inner and "'" not in piece.inner
    return unescape(piece.inner) if is_escaped else piece.inner


def tokenize_markup(piece: Piece, source: str) -> Iterator[Token]:
    if piece.kind is PieceKind.OUTPUT:
        yield Token(TOKEN_OUTPUT, source[piece.start : piece.end], piece.start, source)
    else:
        yield Token(TOKEN_TAG, piece.name, piece.start, source)
    if piece.inner or piece.kind is PieceKind.OUTPUT:
        yield Token(TOKEN_EXPRESSION, read_expression(piece), piece.inner_start, source)


def check_markup(piece: Piece, markup_count: int, expressions_size: int) -> None:
    if markup_count > MAX_MARKUP:
        raise TemplateLimitError(f"the source has more than {MAX_MARKUP} tags and outputs")
    if expressions_size > MAX_EXPRESSIONS:
        raise TemplateLimitError(f"the tags and outputs together have more than {MAX_EXPRESSIONS} characters")
    if len(piece.inner) > MAX_EXPRESSION:
        raise TemplateLimitError(f"a tag has more than {MAX_EXPRESSION} characters")
    if len(OPERATOR.findall(piece.inner)) > MAX_OPERATORS:
        raise TemplateLimitError(f"a tag has more than {MAX_OPERATORS} operators")
    if piece.name == "liquid" and BLANKS.search(piece.inner):
        raise TemplateLimitError(f"a liquid tag has more than {MAX_BLANKS} blanks in a row")
    if piece.inner.count("(") + piece.inner.count("[") > MAX_BRACKETS:
        raise TemplateLimitError(f"a tag has more than {MAX_BRACKETS} brackets")
