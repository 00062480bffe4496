"""The format of counts, shares and durations on the pages of statistics."""

from django import template

register = template.Library()


@register.filter
def thousands(count: int | None) -> str:
    """`12,345`; a dash for None."""
    return "–" if count is None else f"{count:,}"


@register.filter
def percent(share: float | None) -> str:
    """`97.8 %`; a dash for None."""
    return "–" if share is None else f"{share * 100:.3g} %"


@register.filter
def seconds(duration: float | None) -> str:
    """`180 ms`, `38 s`, `12 min`, `5.2 h`; a dash for None."""
    if duration is None:
        return "–"
    for unit, size in (("h", 3600), ("min", 60), ("s", 1)):
        if duration >= 2 * size or (unit == "s" and duration >= 1):
            return f"{duration / size:.2g} {unit}"
    return f"{duration * 1000:.0f} ms"
