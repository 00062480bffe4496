"""What a template may cost: the one table of limits, and the purse that rendering spends from.

python-liquid has limits of its own, but they leave holes: its loop limit multiplies nested loops and forgets loops that
follow each other, its namespace limit counts the slots of a list and not what is in them, and nothing bounds time, one
filter's result or a reversed range.
"""

from collections.abc import Iterable, Iterator
from time import monotonic, thread_time
from typing import TypeVar

from templates_app.errors import TemplateLimitError

# The source of one part, in characters. Images inlined as data: URIs are common and cheap.
MAX_SOURCE = 2 * 1024 * 1024
# Tags and outputs of one part, the characters of one, and of all together: these bound the time that parsing takes.
MAX_MARKUP = 5_000
MAX_EXPRESSION = 4_000
MAX_EXPRESSIONS = 100_000
# Each opening bracket makes the library's tokenizer look ahead to the end of the expression.
MAX_BRACKETS = 40
# Each operator is one level of recursion, in the parser and when it is evaluated.
MAX_OPERATORS = 100
MAX_LAYOUTS = 3

# Passes of all loops of one rendering together.
MAX_ITERATIONS = 20_000
# Bytes of a rendered part, as for mail that comes with its content.
MAX_OUTPUT = 2 * 1024 * 1024
# RFC 5322, 2.1.1.
MAX_SUBJECT = 998
# One value, and all values that filters and captures make in one rendering, in bytes.
MAX_VALUE = 4 * 1024 * 1024
MAX_VALUES = 64 * 1024 * 1024
# Bits of an integer: larger than any double, too small to be slow.
MAX_BITS = 4_096
# Seconds of processor time: a busy machine refuses no honest template.
MAX_SECONDS = 0.75
# Text that names a moment, and text that tells how to print it, in the date filter.
MAX_DATE = 100

Item = TypeVar("Item")


class RenderBudget:
    """What one rendering may still spend. Every method raises `TemplateLimitError` when it is empty."""

    __slots__ = ("clock_end", "iterations", "processor_end", "size")

    def __init__(self, seconds: float = MAX_SECONDS) -> None:
        self.iterations = MAX_ITERATIONS
        self.size = MAX_VALUES
        self.processor_end = thread_time() + seconds
        self.clock_end = monotonic() + seconds

    def check_time(self) -> None:
        """Called once for each variable read, loop pass and filter, so it asks the cheaper clock first."""
        if monotonic() > self.clock_end and thread_time() > self.processor_end:
            raise TemplateLimitError("it takes too long")

    def spend_iterations(self, count: int) -> None:
        self.iterations -= count
        if self.iterations < 0:
            raise TemplateLimitError(f"its loops have more than {MAX_ITERATIONS} passes")

    def spend_size(self, size: int) -> None:
        self.size -= size
        if size > MAX_VALUE or self.size < 0:
            raise TemplateLimitError("its values grow too large")

    def watch(self, items: Iterable[Item]) -> Iterator[Item]:
        """The same items, with a look at the time before each."""
        for item in items:
            self.check_time()
            yield item


def measure_value(value: object) -> int:
    """About how many bytes `value` has when written out, counting shared parts each time; stops beyond `MAX_VALUE`."""
    if isinstance(value, str):
        return len(value) * 4 if not value.isascii() else len(value)
    total, waiting = 0, [value]
    while waiting and total <= MAX_VALUE:
        item = waiting.pop()
        total += 64 + (len(item) if isinstance(item, str) else 0)
        if isinstance(item, dict):
            waiting.extend(item.keys())
            waiting.extend(item.values())
        elif isinstance(item, list | tuple):
            waiting.extend(item)
    return total
