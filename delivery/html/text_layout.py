"""The text layout for `plaintext`: lines, paragraphs, rows, lists and quotes."""

import re

MAXIMUM_DEPTH = 60  # each level copies the text inside it once; deeper levels are merged into their parent
MAXIMUM_INDENTS = 5  # each level adds a prefix to every line inside it
ROW_WIDTH = (
    120  # characters; the cells of a longer row, or of a row with a multi-line cell, are set one below the other
)

# soft hyphen, combining grapheme joiner, zero width space, word joiner, byte order mark: fillers of hidden preheaders
INVISIBLE = re.compile("[\u00ad\u034f\u200b\u2060\ufeff]")


class Flow:
    """A block of text under construction; `kind` is document, table, row, cell, list, item or quote.

    `breaks` line ends are due before the next text, or a space if `is_spaced`.
    """

    __slots__ = ("breaks", "cells", "is_spaced", "kind", "mark", "next_number", "parts")

    def __init__(self, kind: str, mark: str = "", next_number: int | None = None) -> None:
        self.kind = kind
        self.parts: list[str] = []
        self.cells: list[str] = []
        self.breaks = 0
        self.is_spaced = False
        self.next_number = next_number
        self.mark = mark

    def write(self, text: str) -> None:
        """Append the pending line breaks or space, then `text`, whose white space the caller has folded."""
        if self.parts:
            if self.breaks:
                self.parts.append("\n" * self.breaks)
            elif self.is_spaced:
                self.parts.append(" ")
        self.parts.append(text)
        self.breaks, self.is_spaced = 0, False

    def break_line(self, count: int) -> None:
        if count > self.breaks:
            self.breaks = count

    def add_break(self) -> None:
        if self.breaks < 2:
            self.breaks += 1

    def render(self) -> str:
        return "".join(self.parts).strip()


class Page:
    """The document and its open blocks, the innermost last."""

    def __init__(self) -> None:
        self.stack = [Flow("document")]
        self.indents = 0

    def flow(self) -> Flow:
        """The block that receives text; opens a cell inside a row."""
        if self.stack[-1].kind == "row":
            self.open("cell")
        return self.stack[-1]

    def write(self, text: str) -> None:
        """Write running text. Runs of white space become one space, or nothing at the start of a line."""
        if not text.isascii():
            text = INVISIBLE.sub("", text)
        words = text.split()
        if not words:
            if text:
                self.stack[-1].is_spaced = True
            return
        flow = self.flow()
        flow.is_spaced |= text[0].isspace()
        flow.write(" ".join(words))
        flow.is_spaced = text[-1].isspace()

    def write_raw(self, text: str) -> None:
        """Write preformatted text with its line breaks and spaces."""
        text = text.replace("\r\n", "\n").replace("\r", "\n")
        if text:
            self.flow().write(text)

    def break_line(self, count: int) -> None:
        self.stack[-1].break_line(count)

    def open(self, kind: str, *, mark: str = "", next_number: int | None = None) -> None:
        """Open a block, unless too many are open already."""
        is_indented = kind in {"item", "quote"}
        if len(self.stack) >= MAXIMUM_DEPTH or (is_indented and self.indents >= MAXIMUM_INDENTS):
            self.stack[-1].break_line(1)
            return
        self.indents += is_indented
        self.stack.append(Flow(kind, mark, next_number))

    def open_row(self) -> None:
        self.close("row", within="table")
        self.open("row")

    def open_cell(self) -> None:
        self.close("cell", within="row")
        self.open("cell")

    def open_list(self, first: int | None) -> None:
        self.open("list", next_number=first)

    def open_item(self) -> None:
        self.close("item", within="list")
        surrounding = self.stack[-1]
        mark = "- "
        if surrounding.kind == "list" and surrounding.next_number is not None:
            mark = f"{surrounding.next_number}. "
            surrounding.next_number += 1
        self.open("item", mark=mark)

    def close(self, kind: str, *, within: str = "document") -> None:
        """Close the innermost block of `kind` and all blocks inside it, if it lies inside the innermost `within`."""
        innermost = self.stack[-1].kind  # which decides in nearly all documents
        if innermost == kind:
            self.pop()
            return
        if innermost == within or innermost == "table":
            return
        for depth in range(len(self.stack) - 1, 0, -1):
            found = self.stack[depth].kind
            if found == kind:
                while len(self.stack) > depth:
                    self.pop()
                return
            if found == within or found == "table":
                return

    def pop(self) -> None:
        flow = self.stack.pop()
        parent = self.stack[-1]
        text = flow.render()
        match flow.kind:
            case "cell" if parent.kind == "row":
                parent.cells.append(text)
            case "row":
                place(parent, set_row([text, *flow.cells]))
            case "item":
                self.indents -= 1
                place(parent, indent(text, flow.mark, " " * len(flow.mark)), 1)
            case "quote":
                self.indents -= 1
                place(parent, indent(text, "> ", "> "), 2)
            case "list":
                place(parent, text, 1 if parent.kind == "item" else 2)
            case _:
                place(parent, text)

    def finish(self) -> str:
        while len(self.stack) > 1:
            self.pop()
        return self.stack[0].render()


def place(parent: Flow, text: str, breaks: int = 0) -> None:
    """Add `text` on separate lines. Without `breaks`, empty lines surround a text of several lines."""
    breaks = breaks or (2 if "\n" in text else 1)
    parent.break_line(breaks)
    if text:
        parent.write(text)
        parent.break_line(breaks)


def set_row(cells: list[str]) -> str:
    """A table's row: on one line if it is short, else one cell below the other."""
    filled = [cell for cell in cells if cell]
    line = "  ".join(filled)
    if "\n" in line:
        return "\n\n".join(filled)
    return line if len(line) <= ROW_WIDTH else "\n".join(filled)


def indent(text: str, first: str, others: str) -> str:
    """`text` with `first` before its first line and `others` before the rest; empty lines get no trailing space."""
    if not text:
        return ""
    return first + text.replace("\n", "\n" + others).replace(others + "\n", others.rstrip() + "\n")
