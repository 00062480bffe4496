"""A pause as the commands print it."""

from messages.models import Pause


def describe_pause(pause: Pause) -> dict[str, object]:
    return {
        "id": pause.pk,
        "project": pause.project.name if pause.project else None,
        "kind": pause.kind,
        "value": pause.label or pause.value,
        "per_minute": pause.per_minute,
        "only_opt_out": pause.only_opt_out,
        "made_by": pause.made_by,
        "reason": pause.reason,
        "created_at": pause.created_at,
        "ended_at": pause.ended_at,
    }
