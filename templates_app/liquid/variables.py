"""The variables that a template reads, found in its syntax tree without rendering."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from liquid import BoundTemplate, Node, RenderContext
from liquid.ast import ConditionalBlockNode
from liquid.builtin.expressions import BooleanExpression, Filter, FilteredExpression, Literal, Path
from liquid.builtin.expressions.logical import (
    ContainsExpression,
    EqExpression,
    GeExpression,
    GtExpression,
    LeExpression,
    LogicalAndExpression,
    LtExpression,
)
from liquid.builtin.tags.case_tag import CaseNode, MultiExpressionBlockNode
from liquid.builtin.tags.for_tag import ForNode
from liquid.builtin.tags.if_tag import IfNode
from liquid.builtin.tags.tablerow_tag import TablerowNode
from liquid.builtin.tags.unless_tag import UnlessNode
from liquid.expression import Expression

# Provided by the service: the unsubscribe link, the slot of a layout, the clock.
GIVEN = frozenset({"unsubscribe_url", "content", "now", "today"})
# Nodes whose variables may be missing.
TESTS = (IfNode, UnlessNode, ConditionalBlockNode, CaseNode, MultiExpressionBlockNode)

# A variable's path: names, indexes, and `EACH` for any item of a list.
Steps = tuple[str | int, ...]
EACH = -1


@dataclass(frozen=True, slots=True)
class Use:
    """A place that reads a variable. `is_needed`: rendering fails there without it. `is_certain`: always read."""

    steps: Steps
    is_needed: bool
    is_certain: bool


@dataclass(frozen=True, slots=True)
class VariableScope:
    """Knowledge at a node: names that the template assigned, as the paths they stand for (None: its own value), and
    the roots that an enclosing condition has found to be given."""

    names: Mapping[str, Steps | None] = field(default_factory=dict)
    guarded: frozenset[str] = frozenset()
    is_certain: bool = True


def list_variables(*templates: BoundTemplate) -> list[str]:
    """The top-level names that `template_vars` must hold, sorted: those used outside of every `default` and condition
    on them."""
    return sorted({str(use.steps[0]) for use in list_uses(*templates) if use.is_needed})


def list_optional_variables(*templates: BoundTemplate) -> list[str]:
    """The other names that the templates read, sorted."""
    needed = set(list_variables(*templates))
    return sorted({str(use.steps[0]) for use in list_uses(*templates)} - needed)


def list_certain_paths(*templates: BoundTemplate) -> list[Steps]:
    """The paths that every rendering reads, whatever the values are."""
    return list({use.steps: None for use in list_uses(*templates) if use.is_needed and use.is_certain})


def build_sample(*templates: BoundTemplate) -> dict[str, object]:
    """An object in the shape that `template_vars` must have, with empty strings as values, to pre-fill a form."""
    sample: dict[str, object] = {}
    for use in list_uses(*templates):
        plant(sample, use.steps)
    return sample


def plant(sample: dict[str, object], steps: Steps) -> None:
    """Add a value at `steps` to `sample`."""
    place: object = sample
    for step, follower in zip(steps, (*steps[1:], None), strict=True):
        fresh: object = "" if follower is None else [] if isinstance(follower, int) else {}
        if isinstance(place, dict) and isinstance(step, str):
            place[step] = place.get(step) or fresh
            place = place[step]
        elif isinstance(place, list):
            if not place:
                place.append(fresh)
            place[0] = place[0] or fresh
            place = place[0]


def list_uses(*templates: BoundTemplate) -> Iterator[Use]:
    """Every use of a variable that comes from outside, in order."""
    for template in templates:
        visitor = Visitor(RenderContext(template))
        for node in template.nodes:
            yield from visitor.visit(node, VariableScope())


class Visitor:
    """Walks one template. `made` holds its assignments so far, which stay known until its end."""

    def __init__(self, context: RenderContext) -> None:
        self.context = context
        self.made: set[str] = set()

    def visit(self, node: Node, scope: VariableScope) -> Iterator[Use]:
        """The uses in `node` and its children."""
        is_test = isinstance(node, TESTS)
        for expression in node.expressions():
            for path, is_strict in list_paths(expression):
                use = self.read(path, scope, is_strict=is_strict and not is_test)
                if use:
                    yield use
        self.made.update(str(name) for name in node.template_scope())
        for child in node.children(self.context):
            yield from self.visit(child, self.enter(node, child, scope))

    def enter(self, node: Node, child: Node, scope: VariableScope) -> VariableScope:
        """The scope inside `child`."""
        match node:
            case IfNode(condition=condition, consequence=first) if child is first:
                return replace(scope, guarded=scope.guarded | find_guards(condition), is_certain=False)
            case ConditionalBlockNode(expression=condition):
                return replace(scope, guarded=scope.guarded | find_guards(condition), is_certain=False)
            case ForNode() | TablerowNode():
                return replace(scope, names={**scope.names, **self.name_items(node, scope)}, is_certain=False)
            case MultiExpressionBlockNode(expression=tested):
                return replace(scope, guarded=scope.guarded | find_case_guard(tested.left, tested.expressions))
            case IfNode() | UnlessNode() | CaseNode():
                return replace(scope, is_certain=False)
        return scope

    def name_items(self, node: ForNode | TablerowNode, scope: VariableScope) -> dict[str, Steps | None]:
        """The names that a loop defines; its items stand for those of the list if that comes from outside."""
        names: dict[str, Steps | None] = {str(name): None for name in node.block_scope()}
        if isinstance(node.expression.iterable, Path):
            source = self.read(node.expression.iterable, scope, is_strict=True)
            names[node.expression.identifier] = (*source.steps, EACH) if source else None
        return names

    def read(self, path: Path, scope: VariableScope, *, is_strict: bool) -> Use | None:
        """The use of `path`; None for variables that the template or the service provides."""
        root, *others = path.path
        if not isinstance(root, str) or (root not in scope.names and root in self.made | GIVEN):
            return None
        base = scope.names.get(root, (root,))
        if base is None:
            return None
        steps = (*base, *list_steps(others))
        is_needed = is_strict and base[0] not in scope.guarded
        return Use(steps, is_needed, is_needed and scope.is_certain)


def list_steps(segments: Iterable[object]) -> Iterator[str | int]:
    """The steps up to the first that is known only when rendered, or that reads a length."""
    for segment in segments:
        if not isinstance(segment, str | int) or segment == "size":
            return
        yield segment


def list_paths(expression: Expression, *, is_strict: bool = True) -> Iterator[tuple[Path, bool]]:
    """Every path in `expression`, and whether it must be given; `default` excuses its subject and its argument."""
    match expression:
        case FilteredExpression(left=left, filters=[Filter(name="default"), *_]):
            yield from list_paths(left, is_strict=False)
            for item in expression.children()[1:]:
                yield from list_paths(item, is_strict=False)
            return
        case Path():
            yield expression, is_strict
    for child in expression.children():
        yield from list_paths(child, is_strict=is_strict)


def find_guards(condition: Expression) -> frozenset[str]:
    """Roots that are given wherever `condition` holds: tested themselves, or compared with a literal."""
    match condition:
        case BooleanExpression(expression=inner):
            return find_guards(inner)
        case LogicalAndExpression(left=left, right=right):
            return find_guards(left) | find_guards(right)
        case Path(path=[str(root), *_]):
            return frozenset({root})
        case EqExpression() | GtExpression() | GeExpression() | LtExpression() | LeExpression() | ContainsExpression():
            match condition.left, condition.right:
                case (Path(path=[str(root), *_]), Literal()) | (Literal(), Path(path=[str(root), *_])):
                    return frozenset({root})
    return frozenset()


def find_case_guard(value: Expression, choices: Iterable[Expression]) -> frozenset[str]:
    """The root that is given where `value` equals one of `choices`."""
    match value:
        case Path(path=[str(root), *_]) if all(isinstance(choice, Literal) for choice in choices):
            return frozenset({root})
    return frozenset()
