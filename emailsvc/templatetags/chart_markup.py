"""A chart's table and tips as HTML: hundreds of steps, for which loops of a template take fifteen times as long."""

from collections.abc import Iterable, Sequence
from html import escape

from django import template
from django.utils.safestring import SafeString, mark_safe

from emailsvc.admin_site.overview.charts import HEIGHT, Tip

register = template.Library()


@register.filter
def as_table_rows(rows: Iterable[tuple[str, Sequence[str]]]) -> SafeString:
    """A row for each step: its label, and a cell for each figure."""
    written = (
        f'<tr><th scope="row">{escape(step)}</th><td>{"</td><td>".join(map(escape, figures))}</td></tr>'
        for step, figures in rows
    )
    return mark_safe("".join(written))  # noqa: S308 - each text is escaped


@register.filter
def as_strips(tips: Iterable[Tip]) -> SafeString:
    """An invisible strip of the plot for each tip; the numbers are our own."""
    written = (
        f'<rect class="chart-tip" x="{tip.x}" y="0" width="{tip.width}" height="{HEIGHT}">'
        f"<title>{escape(tip.text)}</title></rect>"
        for tip in tips
    )
    return mark_safe("".join(written))  # noqa: S308 - each text is escaped
