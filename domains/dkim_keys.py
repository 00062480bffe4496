"""DKIM keys through their lives: made, waiting until their record is seen, signing, retired, forgotten."""

import secrets
from collections.abc import Iterable
from datetime import datetime

from django.db import transaction
from django.utils import timezone

from delivery.dkim.signing import generate_key, public_record
from domains.models import DkimKey, Domain
from domains.published_records import KEEP_RETIRED

Algorithm = DkimKey.Algorithm
# Base32's digits in lower case: DNS names have one case, and people read selectors aloud.
DIGITS = "abcdefghijklmnopqrstuvwxyz234567"


def new_selector(now: datetime) -> str:
    """A selector that tells its month and that no other project's key at the same domain has: 40 random bits."""
    return f"es{now:%y%m}{''.join(secrets.choice(DIGITS) for _ in range(8))}"


def build_key(domain: Domain, algorithm: Algorithm) -> DkimKey:
    """A fresh key, not saved. Takes up to a second of CPU for RSA: outside of transactions."""
    private_key = generate_key(algorithm.value)
    return DkimKey(
        domain=domain,
        selector=new_selector(timezone.now()),
        algorithm=algorithm,
        private_key=private_key,
        public_record=public_record(private_key),
    )


def rotate_dkim(domain: Domain, algorithms: Iterable[Algorithm] = ()) -> list[DkimKey]:
    """The keys that wait for their records after this: new ones, or those that wait already.

    Without `algorithms`, those that the domain has. Naming one that it does not have adds it. Nothing changes for mail
    until a check sees the new record; then the new key signs, and the old one's record stays listed for `KEEP_RETIRED`.
    """
    wanted = list_algorithms(domain, algorithms)
    keep_keys(domain, build_missing_keys(domain, wanted))
    return list(domain.dkim_keys.filter(activated_at=None, algorithm__in=wanted).order_by("algorithm"))


def list_algorithms(domain: Domain, algorithms: Iterable[Algorithm]) -> set[Algorithm]:
    """`algorithms`, or those of the domain's keys."""
    present = domain.dkim_keys.filter(retired_at=None).values_list("algorithm", flat=True)
    return set(algorithms) or {Algorithm(name) for name in present}


def build_missing_keys(domain: Domain, algorithms: Iterable[Algorithm] = ()) -> list[DkimKey]:
    """Fresh keys, not saved, for those of `algorithms` of which no key waits: outside of transactions."""
    waiting = set(domain.dkim_keys.filter(activated_at=None).values_list("algorithm", flat=True))
    return [build_key(domain, name) for name in sorted(list_algorithms(domain, algorithms)) if name not in waiting]


def keep_keys(domain: Domain, made: Iterable[DkimKey]) -> None:
    """Store fresh keys. Of two rotations at once the second one's keys meet the constraint and are dropped."""
    with transaction.atomic():
        Domain.objects.select_for_update().get(pk=domain.pk)
        DkimKey.objects.bulk_create(made, ignore_conflicts=True)


def activate_keys(seen: Iterable[DkimKey], now: datetime) -> None:
    """Let every waiting key among those whose record was seen sign, and retire the one that signed until now.

    Inside the transaction that holds the domain's row.
    """
    for key in seen:
        if key.activated_at is None:
            signing = DkimKey.objects.filter(
                domain_id=key.domain_id, algorithm=key.algorithm, activated_at__isnull=False, retired_at=None
            )
            signing.update(retired_at=now)
            key.activated_at = now
            key.save(update_fields=["activated_at"])


def forget_retired_keys(domain: Domain, now: datetime) -> None:
    """Remove, for good, the keys whose records need not be published any longer."""
    domain.dkim_keys.filter(retired_at__lt=now - KEEP_RETIRED).delete()
