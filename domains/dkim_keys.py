"""The life cycle of DKIM keys: created, waiting for their record, signing, retired, deleted."""

import secrets
from collections.abc import Iterable
from datetime import datetime

from django.db import transaction
from django.utils import timezone

from delivery.dkim.signing import generate_key, public_record
from domains.models import DkimKey, Domain
from domains.published_records import KEEP_RETIRED

Algorithm = DkimKey.Algorithm
# Base32's digits in lower case: DNS names ignore case, and people read selectors aloud.
DIGITS = "abcdefghijklmnopqrstuvwxyz234567"


def new_selector(now: datetime) -> str:
    """A selector with year, month and 40 random bits, so that projects with the same domain do not collide."""
    return f"es{now:%y%m}{''.join(secrets.choice(DIGITS) for _ in range(8))}"


def build_key(domain: Domain, algorithm: Algorithm) -> DkimKey:
    """A new key, not saved. RSA takes up to a second of CPU: call it outside transactions."""
    private_key = generate_key(algorithm.value)
    return DkimKey(
        domain=domain,
        selector=new_selector(timezone.now()),
        algorithm=algorithm,
        private_key=private_key,
        public_record=public_record(private_key),
    )


def rotate_dkim(domain: Domain, algorithms: Iterable[Algorithm] = ()) -> list[DkimKey]:
    """Create a new key per algorithm, unless one waits for its record already; the result holds all waiting keys.

    By default the algorithms are those of the domain's keys; a new algorithm adds a key. The old key signs until a
    check finds the new record. Then the new key signs, and the old record stays listed for `KEEP_RETIRED`.
    """
    wanted = list_algorithms(domain, algorithms)
    keep_keys(domain, build_missing_keys(domain, wanted))
    return list(domain.dkim_keys.filter(activated_at=None, algorithm__in=wanted).order_by("algorithm"))


def list_algorithms(domain: Domain, algorithms: Iterable[Algorithm]) -> set[Algorithm]:
    """`algorithms`, or by default those of the domain's keys."""
    present = domain.dkim_keys.filter(retired_at=None).values_list("algorithm", flat=True)
    return set(algorithms) or {Algorithm(name) for name in present}


def build_missing_keys(domain: Domain, algorithms: Iterable[Algorithm] = ()) -> list[DkimKey]:
    """New keys, not saved, for those `algorithms` that have no waiting key. Call it outside transactions."""
    waiting = set(domain.dkim_keys.filter(activated_at=None).values_list("algorithm", flat=True))
    return [build_key(domain, name) for name in sorted(list_algorithms(domain, algorithms)) if name not in waiting]


def keep_keys(domain: Domain, made: Iterable[DkimKey]) -> None:
    """Store new keys. With two concurrent rotations a constraint drops the keys of the second."""
    with transaction.atomic():
        Domain.objects.select_for_update().get(pk=domain.pk)
        DkimKey.objects.bulk_create(made, ignore_conflicts=True)


def activate_keys(seen: Iterable[DkimKey], now: datetime) -> None:
    """Activate each waiting key whose record was found, and retire the key that signed until now.

    Call it inside the transaction that has locked the domain's row.
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
    """Delete the keys whose records are no longer needed."""
    domain.dkim_keys.filter(retired_at__lt=now - KEEP_RETIRED).delete()
