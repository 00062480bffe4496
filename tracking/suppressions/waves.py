"""The safety catch of the suppression list: many refusals alike, with unknown words, suppress nobody by themselves.

A new block list, a broken directory or a misread code shows as refusals with the same words at several domains within
minutes. From SUPPRESSION_WAVE_ADDRESSES on at SUPPRESSION_WAVE_DOMAINS or more within SUPPRESSION_WAVE_SECONDS, in the
whole installation, such suppressions are held back in a wave, also those that it has made already. Mail to these
addresses goes on. A person applies or drops them together (`tracking.suppressions.wave_decisions`).

Counts are kept by likeness, slot of time and domain, so that a check reads few rows: either there are few domains, or
the wave is open before there are many. An advisory lock for each likeness makes workers count one after the other; it
is taken before any suppression is locked.
"""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from django.conf import settings
from django.db import transaction

from accounts.models import Project
from accounts.services import write_notice
from common.ids import new_id
from delivery.judging.likeness import find_common_words, names_mailbox
from ledger.sql import execute, fetch, fetch_column
from tracking.models import HeldSuppression, SuppressionReason, SuppressionWave
from tracking.suppressions.service import Entry, suppress_many

MAX_NOTE = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounce:
    """A refusal about the recipient for good. `words` are the server's, `address` has no display name. `note` stands on
    the list in their place where it is not empty.
    """

    project_id: UUID
    address: str
    words: str
    note: str = ""
    message_id: UUID | None = None

    @property
    def domain(self) -> str:
        return self.address.rpartition("@")[2].lower()


def suppress_bounced(bounces: Sequence[Bounce]) -> list[Bounce]:
    """Suppress the addresses, or hold their suppressions back, in the caller's transaction if there is one.

    Returns the bounces whose addresses are suppressed now.
    """
    if not bounces:
        return []
    with transaction.atomic():
        groups = _group_alike(bounces)
        lock_likenesses(groups)
        waves = _find_open(groups)
        held = [(waves[likeness], those) for likeness, (_, those) in groups.items() if likeness in waves]
        is_held = {id(bounce) for _, those in held for bounce in those}
        done = [bounce for bounce in bounces if id(bounce) not in is_held]
        _suppress(done)
        for wave_id, those in held:
            _hold(wave_id, those)
        for likeness, (words, those) in groups.items():
            if likeness not in waves and is_wave(likeness, _note_new(likeness, those)):
                _open(likeness, words)
                done = [bounce for bounce in done if bounce not in those]
        return done


def hash_words(words: str) -> str:
    """The likeness of refusals with these common words."""
    return hashlib.sha256(words.encode()).hexdigest()[:32]


def _group_alike(bounces: Sequence[Bounce]) -> dict[str, tuple[str, list[Bounce]]]:
    """The bounces that may belong to a wave, by likeness in order, with their common words."""
    groups: dict[str, tuple[str, list[Bounce]]] = {}
    for bounce in bounces:
        if names_mailbox(bounce.words):
            continue
        if words := find_common_words(bounce.words, bounce.address):
            groups.setdefault(hash_words(words), (words, []))[1].append(bounce)
    return dict(sorted(groups.items()))


def lock_likenesses(likenesses: Iterable[str]) -> None:
    """Lock likenesses until the end of the transaction. The order prevents deadlocks."""
    for likeness in sorted(likenesses):
        fetch("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"wave:{likeness}"])


def _find_open(likenesses: Iterable[str]) -> dict[str, UUID]:
    found = SuppressionWave.objects.filter(likeness__in=list(likenesses), closed_at=None) if likenesses else ()
    return {wave.likeness: wave.pk for wave in found}


def _suppress(bounces: Iterable[Bounce]) -> None:
    entries: dict[UUID, list[Entry]] = defaultdict(list)
    for bounce in bounces:
        entries[bounce.project_id].append(
            Entry(
                address=bounce.address,
                reason=SuppressionReason.BOUNCE,
                note=(bounce.note or bounce.words)[:MAX_NOTE],
                message_id=bounce.message_id,
            )
        )
    for project_id, those in sorted(entries.items()):
        suppress_many(project_id, those)


# Addresses that were counted within the window are left out.
_NOTE_NEW = """
INSERT INTO tracking_refusedaddress AS old (likeness, project_id, address, refused_at)
SELECT DISTINCT ON (project_id, address) %(likeness)s, project_id, address, now()
FROM unnest(%(projects)s::uuid[], %(addresses)s::text[]) AS new (project_id, address)
ORDER BY project_id, address
ON CONFLICT (likeness, project_id, address) DO UPDATE SET refused_at = now()
WHERE old.refused_at < now() - %(window)s
RETURNING address
"""


def _note_new(likeness: str, bounces: Sequence[Bounce]) -> Counter[str]:
    """Note the addresses; the result is the number of new ones by domain."""
    addresses = fetch_column(
        _NOTE_NEW,
        {
            "likeness": likeness,
            "projects": [bounce.project_id for bounce in bounces],
            "addresses": [bounce.address.lower() for bounce in bounces],
            "window": settings.SUPPRESSION_WAVE_WINDOW,
        },
    )
    return Counter(address.rpartition("@")[2] for address in addresses)


# A sixtieth of the window is the precision of the counts.
_COUNT = """
INSERT INTO tracking_refusalcount AS old (likeness, slot_at, domain, count)
SELECT %(likeness)s, date_bin(%(window)s / 60, now(), 'epoch'), domain, count
FROM unnest(%(domains)s::text[], %(counts)s::int[]) AS new (domain, count) ORDER BY domain
ON CONFLICT (likeness, slot_at, domain) DO UPDATE SET count = old.count + EXCLUDED.count
"""
_SUM = """
SELECT COALESCE(sum(count), 0), count(DISTINCT domain) FROM tracking_refusalcount
WHERE likeness = %(likeness)s AND slot_at > now() - %(window)s
"""


def is_wave(likeness: str, counts: Mapping[str, int]) -> bool:
    """Count refusals by domain, under the lock of their likeness; whether there are enough within the window now."""
    if not counts:
        return False
    values = {"likeness": likeness, "window": settings.SUPPRESSION_WAVE_WINDOW}
    execute(_COUNT, {**values, "domains": list(counts), "counts": list(counts.values())})
    ((total, domain_count),) = fetch(_SUM, values)
    return bool(total >= settings.SUPPRESSION_WAVE_ADDRESSES and domain_count >= settings.SUPPRESSION_WAVE_DOMAINS)


# What this likeness has suppressed within the window. Rows are locked in the order of `suppress_many`.
_TAKE_BACK = """
WITH made AS MATERIALIZED (
    SELECT s.id FROM tracking_suppression s JOIN tracking_refusedaddress r
        ON r.project_id = s.project_id AND r.address = s.address
    WHERE r.likeness = %(likeness)s AND r.refused_at > now() - %(window)s
      AND s.reason = %(bounce)s AND NOT s.is_test AND s.created_at > now() - %(window)s
    ORDER BY s.project_id, s.address FOR UPDATE OF s
)
DELETE FROM tracking_suppression s USING made WHERE s.id = made.id
RETURNING s.project_id, s.address, s.note, s.message_id
"""


def _open(likeness: str, words: str) -> None:
    """Open a wave, and hold what it has suppressed so far."""
    wave = SuppressionWave.objects.create(likeness=likeness, words=words)
    values = {
        "likeness": likeness,
        "window": settings.SUPPRESSION_WAVE_WINDOW,
        "bounce": SuppressionReason.BOUNCE,
    }
    made = [
        Bounce(project_id=project_id, address=address, words=note, message_id=message_id)
        for project_id, address, note, message_id in fetch(_TAKE_BACK, values)
    ]
    execute("DELETE FROM tracking_refusalcount WHERE likeness = %s", [likeness])
    execute("DELETE FROM tracking_refusedaddress WHERE likeness = %s", [likeness])
    domains = len({bounce.domain for bounce in made})
    write_notice(
        None,
        kind="suppressions_held",
        text=(
            f"{len(made)} addresses at {domains} domains were refused within minutes with the same words: "
            f"“{words[:300]}”. Their suppressions are held back, and mail to them goes on. Apply or drop them: "
            f"held_suppressions, or the admin. After seven days they are dropped."
        ),
        data={"wave_id": str(wave.pk), "words": words, "addresses": len(made), "domains": domains},
    )
    _hold(wave.pk, made)


def _hold(wave_id: UUID, bounces: Sequence[Bounce]) -> None:
    """Hold suppressions back, and tell each project at its first one."""
    projects = {bounce.project_id for bounce in bounces}
    known = set(
        fetch_column(
            "SELECT p.id FROM unnest(%s::uuid[]) AS p (id) WHERE EXISTS"
            " (SELECT FROM tracking_heldsuppression h WHERE h.wave_id = %s AND h.project_id = p.id)",
            [list(projects), wave_id],
        )
    )
    HeldSuppression.objects.bulk_create(
        [
            HeldSuppression(
                id=new_id(),
                wave_id=wave_id,
                project_id=bounce.project_id,
                address=bounce.address.lower(),
                note=bounce.words[:MAX_NOTE],
                message_id=bounce.message_id,
            )
            for bounce in sorted(bounces, key=lambda one: (one.project_id, one.address.lower()))
        ],
        ignore_conflicts=True,
    )
    for project in Project.objects.filter(pk__in=projects - known):
        write_notice(
            project,
            kind="suppressions_held",
            text=(
                "Many servers refuse mail with the same words, which may not be about the recipients. Suppressions of "
                "refused addresses are held back until a person has looked; mail to them goes on."
            ),
            data={"wave_id": str(wave_id)},
        )
