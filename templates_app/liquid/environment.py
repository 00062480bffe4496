"""Liquid for templates: python-liquid, restricted to plain data and to our limits.

From a variable only items of objects and lists can be reached, never an attribute. A variable that is printed,
looped over or filtered must be given; conditions and `default` may use a missing one.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from io import StringIO
from time import monotonic
from typing import Any, TextIO

from liquid import BoundTemplate, Environment, FalsyStrictUndefined, RenderContext, Token
from liquid.builtin.expressions.primitive import RangeLiteral
from liquid.builtin.tags.case_tag import MultiExpressionBlockNode
from liquid.builtin.tags.for_tag import ForLoop
from liquid.builtin.tags.tablerow_tag import TableRow
from liquid.token import TOKEN_CONTENT, TOKEN_ILLEGAL, TOKEN_OUTPUT
from liquid.undefined import UNDEFINED

from templates_app.errors import TemplateLimitError
from templates_app.liquid.filters import OURS, apply_filter
from templates_app.liquid.limits import MAX_ITERATIONS, MAX_OUTPUT, RenderBudget

# Listed one by one: additions of later versions of the library are reviewed first. `include` and `render` are left
# out, since layouts replace them.
# fmt: off
TAGS = frozenset(
    (
        "assign", "break", "capture", "case", "comment", "continue", "cycle", "decrement", "echo", "for",
        "if", "ifchanged", "increment", "liquid", "tablerow", "unless", "#",
    )
)
FILTERS = frozenset(
    (
        "abs", "at_least", "at_most", "ceil", "divided_by", "floor", "minus", "modulo", "plus", "round",
        "times",
        "append", "base64_decode", "base64_encode", "base64_url_safe_decode", "base64_url_safe_encode",
        "capitalize", "downcase", "escape", "escape_once", "escapejs", "lstrip", "newline_to_br", "prepend",
        "remove", "remove_first", "remove_last", "replace", "replace_first", "replace_last", "rstrip", "safe",
        "slice", "split", "squish", "strip", "strip_html", "strip_newlines", "truncate", "truncatewords",
        "upcase", "url_decode", "url_encode",
        "compact", "concat", "find", "find_index", "first", "has", "join", "last", "map", "reject", "reverse",
        "sort", "sort_natural", "sum", "uniq", "where",
        "date", "default", "fixed", "json", "money", "size",
    )
)
# fmt: on


class Missing(FalsyStrictUndefined):
    """Stands for a missing variable. Using it raises the library's `UndefinedError` with its path."""

    def __init__(self, name: str, *, token: Token | None, obj: object = UNDEFINED, hint: str | None = None) -> None:
        super().__init__(name, token=token, obj=obj, hint=hint or name)

    def __eq__(self, other: object) -> bool:
        """In a condition a missing variable equals nil and false, and another missing one."""
        return other is None or other is False or isinstance(other, Missing)

    __hash__ = None  # type: ignore[assignment]


def write_path(segments: list[object]) -> str:
    """`order.lines[0]["unit price"]`, as in a template."""
    root, *others = segments
    return str(root) + "".join(write_segment(segment) for segment in others)


def write_segment(segment: object) -> str:
    if isinstance(segment, str) and segment.isidentifier():
        return f".{segment}"
    return f'["{segment}"]' if isinstance(segment, str) else f"[{segment}]"


class BoundedRange(RangeLiteral):
    """`(1..n)`, limited in length like loops: reversing, joining or searching a range would iterate over all of it."""

    __slots__ = ()

    def evaluate(self, context: RenderContext) -> range:
        numbers = super().evaluate(context)
        if numbers.stop - numbers.start > MAX_ITERATIONS:
            raise TemplateLimitError(f"a range is longer than {MAX_ITERATIONS}")
        return numbers


class SingleWhen(MultiExpressionBlockNode):
    """Printed once, even if several of its values match: nested `{% when 1, 1, 1 %}` would be an unlimited loop."""

    __slots__ = ()

    def render_to_output(self, context: RenderContext, buffer: TextIO) -> int:
        return self.block.render(context, buffer) if any(self.expression.evaluate(context)) else -1


# The parser creates these by names that cannot be replaced from outside, so its results are changed afterwards.
REPLACEMENTS: Mapping[type, type] = {RangeLiteral: BoundedRange, MultiExpressionBlockNode: SingleWhen}


class PaidBuffer(StringIO):
    """The output of a capture."""

    def __init__(self, budget: RenderBudget) -> None:
        super().__init__()
        self.budget = budget

    def write(self, text: str) -> int:
        self.budget.spend_size(len(text))
        return super().write(text)


class TemplateText(str):
    """Text of a template itself: its type tells it apart from the printed values among the pieces of a rendering."""

    __slots__ = ()


class OutputBuffer:
    """The output of a part. It is called for every piece of text, so it does as little as possible."""

    __slots__ = ("pieces", "room")

    def __init__(self) -> None:
        self.pieces: list[str] = []
        self.room = MAX_OUTPUT

    def write(self, text: str) -> int:
        size = len(text)
        self.room -= size
        if self.room < 0:
            raise TemplateLimitError(f"the result is larger than {MAX_OUTPUT} bytes")
        self.pieces.append(text)
        return size

    def getvalue(self) -> str:
        return "".join(self.pieces)


class BoundedContext(RenderContext):
    """Looks up variables, and checks the budget at every operation that can be repeated often."""

    __slots__ = ("budget", "locale")

    def __init__(
        self, template: BoundTemplate, variables: Mapping[str, object], budget: RenderBudget, locale: str = ""
    ) -> None:
        super().__init__(template, globals=variables)
        self.budget = budget
        # The language of the result, for filters that print by its rules; empty for English.
        self.locale = locale

    def get(self, path: list[object], *, token: Token | None, default: object = UNDEFINED) -> object:  # noqa: ARG002
        if monotonic() > self.budget.clock_end:
            self.budget.check_time()
        try:
            value: object = self.scope[path[0]]  # type: ignore[index]  # not only strings are asked for
            for key in path[1:]:
                value = self.get_item(value, key)
        except (KeyError, TypeError, IndexError):
            value = None
        # A null from outside is a variable without a value; the template's own nil is a value.
        if value is None and (path[0] not in self.locals or len(path) > 1):
            return self.env.undefined(str(path[0]), hint=write_path(path), token=token)
        return value

    def filter(self, name: str, token: Token | None) -> Any:
        return partial(apply_filter, self.budget, name, super().filter(name, token))

    @contextmanager
    def loop(self, namespace: Mapping[str, object], forloop: ForLoop | TableRow) -> Iterator[RenderContext]:
        self.budget.spend_iterations(forloop.length)
        forloop.it = self.budget.watch(forloop.it)
        with super().loop(namespace, forloop) as context:
            yield context

    def get_buffer(self, buf: TextIO | None = None) -> StringIO:  # noqa: ARG002
        return PaidBuffer(self.budget)


class LiquidEnvironment(Environment):
    """The tags and filters above, and no others."""

    def setup_tags_and_filters(self, *, extra: bool = False) -> None:  # noqa: ARG002
        super().setup_tags_and_filters()
        kept = TAGS | {TOKEN_CONTENT, TOKEN_OUTPUT, TOKEN_ILLEGAL}
        self.tags = {name: tag for name, tag in self.tags.items() if name in kept}
        self.filters = {name: function for name, function in (self.filters | OURS).items() if name in FILTERS}


# The first escapes values unless they are `safe`; the second does not: for subjects and text parts.
HTML = LiquidEnvironment(undefined=Missing, autoescape=True)
PLAIN = LiquidEnvironment(undefined=Missing, autoescape=False)
