"""Replaces Liquid by placeholder words, so that HTML and MJML tools can process a source, and restores it."""

import re
from collections.abc import Iterator
from zlib import crc32

from templates_app.liquid.lexer import PieceKind, cut_source


class Placeholders:
    """A source with words in place of its tags and outputs. `text` is that source; `restore` puts the markup back.

    Words are lower-case letters and digits that occur nowhere else in the source, fit for a CSS identifier, and are
    numbered in order.
    """

    def __init__(self, source: str) -> None:
        self.prefix = choose_prefix(source)
        self.pattern = re.compile(rf"<!--{self.prefix}(\d+)x-->|{self.prefix}(\d+)x(?:=\"\")?")
        self.originals: list[str] = []
        # Numbers of the words for tags, whose order matters; outputs are not included.
        self.tags: list[int] = []
        self.text = "".join(self.replace(source))

    def replace(self, source: str) -> Iterator[str]:
        for piece in cut_source(source):
            if piece.kind is PieceKind.TEXT:
                yield piece.inner
            elif piece.kind is not PieceKind.COMMENT:
                if piece.kind is PieceKind.TAG:
                    self.tags.append(len(self.originals))
                yield f"{self.prefix}{len(self.originals)}x"
                self.originals.append(source[piece.start : piece.end])

    def find(self, text: str) -> list[int]:
        """The numbers of the words in `text`, in order."""
        return [int(match[1] or match[2]) for match in self.pattern.finditer(text)]

    def find_tags(self, text: str) -> list[int]:
        """The numbers that stand for tags."""
        tags = set(self.tags)
        return [number for number in self.find(text) if number in tags]

    def hide(self, text: str) -> str:
        """`text` with its words as HTML comments, which stay in place where words would not, as in a table."""
        return self.pattern.sub(lambda match: f"<!--{match[0]}-->", text)

    def restore(self, text: str) -> str:
        """`text` with each word, in any of its forms, replaced by its markup."""
        return self.pattern.sub(lambda match: self.originals[int(match[1] or match[2])], text)


def choose_prefix(source: str) -> str:
    """Letters that do not occur in `source`; the same for the same source."""
    number = crc32(source.encode(errors="surrogatepass"))
    while (prefix := f"lq{number:08x}n") in source.lower():
        number = (number + 1) % 2**32
    return prefix
