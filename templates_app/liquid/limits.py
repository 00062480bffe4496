"""Limits on a template's cost, and the budget that a rendering spends.

python-liquid's own limits leave gaps: its loop limit multiplies nested loops and ignores consecutive loops, its
namespace limit counts the slots of a list and not their content, and nothing limits time, a filter's result or a
reversed range.
"""

from collections.abc import Iterable, Iterator
from time import monotonic, thread_time
from typing import TypeVar

from templates_app.errors import TemplateLimitError

# The source of one part, in characters. Images inlined as data: URIs are common and cheap.
MAX_SOURCE = 2 * 1024 * 1024
# Number of tags and outputs of one part, characters of one, and of all together: these limit the parsing time.
MAX_MARKUP = 5_000
MAX_EXPRESSION = 4_000
MAX_EXPRESSIONS = 100_000
# For each opening bracket the library's tokenizer looks ahead to the end of the expression.
MAX_BRACKETS = 40
# Each operator is one level of recursion, in the parser and in evaluation.
MAX_OPERATORS = 100
MAX_LAYOUTS = 3

# Passes of all loops of one rendering together.
MAX_ITERATIONS = 20_000
# Bytes of a rendered part, as for mail that comes with its content.
MAX_OUTPUT = 2 * 1024 * 1024
# RFC 5322, 2.1.1.
MAX_SUBJECT = 998
# One value, and all values that filters and captures create in one rendering, in bytes.
MAX_VALUE = 4 * 1024 * 1024
MAX_VALUES = 64 * 1024 * 1024
# Bits of an integer: larger than any double, small enough to be fast.
MAX_BITS = 4_096
# Seconds of processor time, so that a busy machine does not reject an honest template.
MAX_SECONDS = 0.75
# Lengths of the date filter's input and format.
MAX_DATE = 100

Item = TypeVar("Item")


class RenderBudget:
    """The remaining budget of one rendering. Every method raises `TemplateLimitError` when it is used up."""

    __slots__ = ("clock_end", "iterations", "processor_end", "size")

    def __init__(self, seconds: float = MAX_SECONDS) -> None:
        self.iterations = MAX_ITERATIONS
        self.size = MAX_VALUES
        self.processor_end = thread_time() + seconds
        self.clock_end = monotonic() + seconds

    def check_time(self) -> None:
        """Called for each variable read, loop pass and filter, so it reads the cheaper clock first."""
        if monotonic() > self.clock_end and thread_time() > self.processor_end:
            raise TemplateLimitError("the template takes too long")

    def spend_iterations(self, count: int) -> None:
        self.iterations -= count
        if self.iterations < 0:
            raise TemplateLimitError(f"the loops have more than {MAX_ITERATIONS} passes")

    def spend_size(self, size: int) -> None:
        self.size -= size
        if size > MAX_VALUE or self.size < 0:
            raise TemplateLimitError("the values grow too large")

    def watch(self, items: Iterable[Item]) -> Iterator[Item]:
        """The same items, with a check of the time before each."""
        for item in items:
            self.check_time()
            yield item


def measure_value(value: object) -> int:
    """The approximate size of `value` written out, in bytes, shared parts repeated; stops above `MAX_VALUE`."""
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
