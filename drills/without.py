"""Parts taken out of the product, in the nursery and so in the drills' own programs only: drills must notice."""

from messages import claims, leases


class NotThereError(Exception):
    """The product has changed: what was to be taken out is not where it was."""


def sweeper() -> None:
    """Nobody looks for leases that ran out."""
    if not callable(getattr(leases, "sweep_lost_leases", None)):
        raise NotThereError("messages.leases.sweep_lost_leases")
    leases.sweep_lost_leases = lambda: 0


# What makes sure that one worker at a time holds a recipient: locks, leases, and tokens that differ.
GUARDS = (
    ("FOR NO KEY UPDATE SKIP LOCKED", ""),
    ("lease_token IS NULL AND ", ""),
    ("lease_token = %(token)s", "lease_token = '00000000-0000-4000-8000-000000000000'"),
)


def claim() -> None:
    """Due recipients are taken as a plain SELECT finds them, and everybody holds them under the same token."""
    for name in ("_HEALTHY", "_SUSPECT"):
        setattr(claims, name, strip(getattr(claims, name)))


def strip(sql: str) -> str:
    for guard, nothing in GUARDS:
        if guard not in sql:
            raise NotThereError(f"{guard} in the claim")
        sql = sql.replace(guard, nothing)
    return sql
