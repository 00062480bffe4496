"""Parses a part of a template, and renders a parsed one."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple, TextIO, cast

from liquid import BoundTemplate, Markup, Node, RenderContext, TokenStream
from liquid.builtin.content import ContentNode
from liquid.builtin.expressions import FilteredExpression, Path
from liquid.exceptions import (
    BlockNestingError,
    ContextDepthError,
    LiquidError,
    LiquidInterrupt,
    LiquidSyntaxError,
    UndefinedError,
)
from liquid.expression import Expression
from liquid.parser import get_parser

from templates_app.errors import (
    TemplateLimitError,
    TemplateRenderError,
    TemplateSyntaxError,
    UnsafeResultError,
    VariableMissingError,
)
from templates_app.liquid.environment import (
    HTML,
    REPLACEMENTS,
    BoundedContext,
    LiquidEnvironment,
    OutputBuffer,
    TemplateText,
)
from templates_app.liquid.filters import SURPRISES
from templates_app.liquid.lexer import count_line, tokenize
from templates_app.liquid.limits import MAX_OUTPUT, RenderBudget

# Kept unchanged at acceptance; composing fills it in for each recipient.
UNSUBSCRIBE = "unsubscribe_url"
PLACEHOLDER = "{{ unsubscribe_url }}"

UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
DEEP_ERRORS = (BlockNestingError, ContextDepthError, RecursionError)


class Rendering(NamedTuple):
    """The result of a template: `text`, which is all `pieces` in order. The template's own are of `TemplateText`."""

    text: str
    pieces: Sequence[str]


def parse(source: str, environment: LiquidEnvironment = HTML) -> BoundTemplate:
    """The parsed `source`, which may be rendered any number of times, by many threads at once.

    Raises `TemplateSyntaxError` with the line, or `TemplateLimitError`.
    """
    tokens = tokenize(source)
    try:
        template = BoundTemplate(environment, get_parser(environment).parse(TokenStream(iter(tokens))))
        for node in list_nodes(template):
            check_node(node)
            restrict(node)
            for expression in list_expressions(node):
                check_expression(expression, environment)
                restrict(expression)
    except DEEP_ERRORS:
        raise TemplateLimitError("the tags or expressions are nested too deeply") from None
    except LiquidError as error:
        raise TemplateSyntaxError(str(error.message), line=find_line(error, source)) from None
    except SURPRISES as error:
        raise TemplateSyntaxError(f"cannot be read: {error}") from None
    return template


def find_line(error: LiquidError, source: str) -> int:
    """The line that `error` names; otherwise the last line of the source."""
    index = error.token.start_index if error.token else -1
    return count_line(source, index if index >= 0 else len(source))


def list_nodes(template: BoundTemplate) -> Iterator[Node]:
    """Every node, nested ones included."""
    context = RenderContext(template)
    waiting = list(reversed(template.nodes))
    while waiting:
        node = waiting.pop()
        yield node
        waiting.extend(reversed(list(node.children(context))))


def list_expressions(node: Node) -> Iterator[Expression]:
    """Every expression of `node` itself, nested ones included."""
    waiting = list(node.expressions())
    while waiting:
        expression = waiting.pop()
        yield expression
        waiting.extend(expression.children())


def restrict(part: Node | Expression) -> None:
    """Replace `part` by its bounded kind, and text by that which tells what it is."""
    part.__class__ = REPLACEMENTS.get(type(part), type(part))
    if isinstance(part, ContentNode):
        part.text = TemplateText(part.text)


def check_node(node: Node) -> None:
    """Reject a node that assigns the reserved name."""
    for name in (*node.template_scope(), *node.block_scope()):
        if name == UNSUBSCRIBE:
            raise LiquidSyntaxError(f"{UNSUBSCRIBE} is reserved and cannot be assigned", token=node.token)


def check_expression(expression: Expression, environment: LiquidEnvironment) -> None:
    """Reject unknown filters, and filters on the reserved variable, whose value is not known yet."""
    if not isinstance(expression, FilteredExpression) or not expression.filters:
        return
    for item in expression.filters:
        if item.name not in environment.filters:
            raise LiquidSyntaxError(f"unknown filter {item.name}", token=item.token)
    if isinstance(expression.left, Path) and expression.left.path == [UNSUBSCRIBE]:
        raise LiquidSyntaxError(f"{UNSUBSCRIBE} takes no filters: it is filled in later", token=expression.token)


def render(template: BoundTemplate, variables: Mapping[str, object], budget: RenderBudget, locale: str = "") -> str:
    """As `render_pieces`, without the pieces."""
    return render_pieces(template, variables, budget, locale).text


def render_pieces(
    template: BoundTemplate, variables: Mapping[str, object], budget: RenderBudget, locale: str = ""
) -> Rendering:
    """The result of `template` for `variables`, charged to `budget`. The reserved variable stays a placeholder.

    Raises `VariableMissingError` with the path of the first missing one, `TemplateLimitError`, or
    `TemplateRenderError` with the line.
    """
    placeholder = Markup(PLACEHOLDER) if template.env.autoescape else PLACEHOLDER
    context = BoundedContext(template, {**variables, UNSUBSCRIBE: placeholder}, budget, locale)
    buffer = OutputBuffer()
    try:
        for node in template.nodes:
            node.render(context, cast(TextIO, buffer))
    except UndefinedError as error:
        raise VariableMissingError(str(error.message)) from None
    except LiquidInterrupt as error:
        raise TemplateRenderError(f"{error} is outside of a loop") from None
    except DEEP_ERRORS:
        raise TemplateLimitError("the tags or expressions are nested too deeply") from None
    except LiquidError as error:
        line = find_line(error, error.token.source) if error.token else None
        raise TemplateRenderError(str(error.message), line=line) from None
    except SURPRISES:
        raise TemplateRenderError("a value has a type that cannot be used so") from None
    return Rendering(clean_output(buffer.getvalue()), buffer.pieces)


def clean_output(text: str) -> str:
    """`text`, if it is within the limits and PostgreSQL and mail can carry it."""
    if len(text) * 4 > MAX_OUTPUT and len(text.encode(errors="surrogatepass")) > MAX_OUTPUT:
        raise TemplateLimitError(f"the result is larger than {MAX_OUTPUT} bytes")
    if UNSTORABLE.search(text):
        raise UnsafeResultError("The result contains the NUL character or half of a surrogate pair.")
    return text
