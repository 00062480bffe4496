"""A cache of signing identities in each process: keys, return path and tracking host of a domain.

Loading an RSA key costs as much as signing a hundred messages, so keys stay loaded. All other data is read again after
`FRESH`, so that a rotation reaches every worker without a message between processes.
"""

from collections import OrderedDict
from dataclasses import dataclass
from datetime import timedelta
from threading import Lock
from time import monotonic
from typing import Generic, TypeVar
from uuid import UUID

from delivery.dkim.signing import Signer
from domains.dns.records import RecordPurpose
from domains.dns.verdicts import RecordStatus
from domains.models import DkimKey, Domain, RecordCheck

FRESH = timedelta(seconds=15)
MAX_IDENTITIES = 5_000
MAX_SIGNERS = 2_000

Kept = TypeVar("Kept")


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """The data of a sending domain that composing a message needs.

    `return_path_host` and `tracking_host` are names below the domain, or None while their records are not ok, or while
    the tracking host does not answer over HTTPS; then the service's own name is used. `signers` is empty until a check
    has found a key's record.
    """

    domain: str
    signers: tuple[Signer, ...]
    return_path_host: str | None
    tracking_host: str | None


class LruCache(Generic[Kept]):
    """A bounded, thread-safe dictionary that drops the least recently used entry."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._items: OrderedDict[UUID, Kept] = OrderedDict()
        self._lock = Lock()

    def get(self, key: UUID) -> Kept | None:
        with self._lock:
            if key in self._items:
                self._items.move_to_end(key)
            return self._items.get(key)

    def put(self, key: UUID, item: Kept) -> None:
        with self._lock:
            self._items[key] = item
            self._items.move_to_end(key)
            while len(self._items) > self._size:
                self._items.popitem(last=False)

    def drop(self, key: UUID) -> None:
        with self._lock:
            self._items.pop(key, None)


class Identities:
    """The identities of this process: at most `MAX_IDENTITIES`, each at most `FRESH` old."""

    def __init__(self) -> None:
        self._identities: LruCache[tuple[float, Identity]] = LruCache(MAX_IDENTITIES)
        self._signers: LruCache[Signer] = LruCache(MAX_SIGNERS)

    def of(self, domain_id: UUID) -> Identity | None:
        """The identity of a domain; None when the domain does not exist."""
        kept = self._identities.get(domain_id)
        if kept and monotonic() - kept[0] < FRESH.total_seconds():
            return kept[1]
        identity = self._read(domain_id)
        if identity:
            self._identities.put(domain_id, (monotonic(), identity))
        else:
            self.forget(domain_id)
        return identity

    def forget(self, domain_id: UUID) -> None:
        """Drop a domain from the cache. Other processes follow within `FRESH`."""
        self._identities.drop(domain_id)

    def _read(self, domain_id: UUID) -> Identity | None:
        found = Domain.objects.filter(pk=domain_id).values_list("name", "is_tracking_usable").first()
        if found is None:
            return None
        name, is_tracking_usable = found
        hosts = dict(
            RecordCheck.objects.filter(
                domain_id=domain_id,
                status=RecordStatus.OK,
                purpose__in=[RecordPurpose.RETURN_PATH, RecordPurpose.TRACKING],
            ).values_list("purpose", "name")
        )
        return Identity(
            domain=name,
            signers=self._read_signers(domain_id, name),
            return_path_host=hosts.get(RecordPurpose.RETURN_PATH),
            tracking_host=hosts.get(RecordPurpose.TRACKING) if is_tracking_usable else None,
        )

    def _read_signers(self, domain_id: UUID, name: str) -> tuple[Signer, ...]:
        signing = DkimKey.objects.filter(domain_id=domain_id, activated_at__isnull=False, retired_at=None)
        ids = list(signing.order_by("algorithm").values_list("pk", flat=True))
        loaded = {key_id: signer for key_id in ids if (signer := self._signers.get(key_id))}
        for key in DkimKey.objects.defer(None).filter(pk__in=set(ids) - set(loaded)):
            loaded[key.pk] = Signer(domain=name, selector=key.selector, private_key=key.private_key)
            self._signers.put(key.pk, loaded[key.pk])
        return tuple(loaded[key_id] for key_id in ids if key_id in loaded)


identities = Identities()
