"""Text set in lines, paragraphs, rows, lists and quotes: the page that `plaintext` writes on."""

import re
from dataclasses import dataclass, field

MAXIMUM_DEPTH = 60  # each level copies the text inside it once; deeper ones are joined to what is around them
MAXIMUM_INDENTS = 5  # each puts a prefix before every line inside it
ROW_WIDTH = 120  # characters; a row of cells that is longer, or has a cell of several lines, is set below one another

# soft hyphen, combining grapheme joiner, zero width space, word joiner, byte order mark: fillers of hidden preheaders
INVISIBLE = re.compile("[\u00ad\u034f\u200b\u2060\ufeff]")


@dataclass(slots=True, kw_only=True)
class Flow:
    """A stretch of text in the making; `kind` is document, table, row, cell, list, item or quote.

    `breaks` line ends are due before the next text, or a space if `is_spaced`.
    """

    kind: str
    parts: list[str] = field(default_factory=list)
    cells: list[str] = field(default_factory=list)
    breaks: int = 0
    is_spaced: bool = False
    next_number: int | None = None
    mark: str = ""

    def write(self, text: str) -> None:
        """Put `text`, white space folded by the caller, after what is due."""
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
    """The document and what is open inside it, the innermost last."""

    def __init__(self) -> None:
        self.stack = [Flow(kind="document")]
        self.indents = 0

    def flow(self) -> Flow:
        """Where text goes now."""
        if self.stack[-1].kind == "row":
            self.open("cell")
        return self.stack[-1]

    def write(self, text: str) -> None:
        """Write running text: white space of any length is one space, at a line's start none."""
        if not text.isascii():
            text = INVISIBLE.sub("", text)
        words = text.split()
        if not words:
            self.stack[-1].is_spaced |= bool(text)
            return
        flow = self.flow()
        flow.is_spaced |= text[0].isspace()
        flow.write(" ".join(words))
        flow.is_spaced = text[-1].isspace()

    def write_raw(self, text: str) -> None:
        """Write preformatted text, its lines and spaces as they are."""
        text = text.replace("\r\n", "\n").replace("\r", "\n")
        if text:
            self.flow().write(text)

    def break_line(self, count: int) -> None:
        self.stack[-1].break_line(count)

    def open(self, kind: str, *, mark: str = "", next_number: int | None = None) -> None:
        """Begin a stretch of its own, unless there are too many already."""
        is_indented = kind in {"item", "quote"}
        if len(self.stack) >= MAXIMUM_DEPTH or (is_indented and self.indents >= MAXIMUM_INDENTS):
            self.stack[-1].break_line(1)
            return
        self.indents += is_indented
        self.stack.append(Flow(kind=kind, mark=mark, next_number=next_number))

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
        """End the innermost `kind`, and all that is open inside it, if there is one inside the innermost `within`."""
        for depth in range(len(self.stack) - 1, 0, -1):
            found = self.stack[depth].kind
            if found == kind:
                while len(self.stack) > depth:
                    self.pop()
                return
            if found in {within, "table"}:
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
    """Set `text` on lines of its own; apart by an empty line if it has several, when `breaks` does not say."""
    breaks = breaks or (2 if "\n" in text else 1)
    parent.break_line(breaks)
    if text:
        parent.write(text)
        parent.break_line(breaks)


def set_row(cells: list[str]) -> str:
    """A table's row: on one line if it is short, else its cells below one another."""
    filled = [cell for cell in cells if cell]
    if any("\n" in cell for cell in filled):
        return "\n\n".join(filled)
    line = "  ".join(filled)
    return line if len(line) <= ROW_WIDTH else "\n".join(filled)


def indent(text: str, first: str, others: str) -> str:
    """`text` with `first` before its first line and `others` before the rest; empty lines stay without white space."""
    if not text:
        return ""
    return first + text.replace("\n", "\n" + others).replace(others + "\n", others.rstrip() + "\n")
