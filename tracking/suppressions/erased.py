"""Erased addresses: what stands in their place, and how they go on being suppressed without being stored.

A suppression of an erased address has a keyed hash in place of the address. Mail to that address is looked up by both.
The key comes from SECRET_KEY, so that a dump alone does not tell whether it holds an address.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from hashlib import sha256
from typing import TypeVar
from uuid import UUID

from django.conf import settings

from delivery.short_macs import make_mac

# RFC 2606, 2: no mail can be sent there.
ERASED_DOMAIN = "erased.invalid"
# In texts. A recipient gets an address of its own, since a message has each address once.
ERASED_ADDRESS = f"erased@{ERASED_DOMAIN}"
# No address begins so: its local part would hold a colon.
PREFIX = "erased:"
T = TypeVar("T")


def hash_address(project_id: UUID, address: str) -> str:
    """The stored form of an erased address on a project's suppression list. Case does not matter."""
    return _hash(_derive_hash_key(settings.SECRET_KEY), project_id, address)


def list_stored_forms(project_id: UUID, address: str) -> list[str]:
    """All forms in which the list may hold an address: as it is, and hashed under the present or an earlier key."""
    secrets = (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)
    hashed = [_hash(_derive_hash_key(secret), project_id, address) for secret in secrets]
    return [address.lower(), *hashed]


def map_stored_forms(project_id: UUID, addresses: Iterable[str]) -> dict[str, str]:
    """The lower-case address of each stored form."""
    return {form: address.lower() for address in addresses for form in list_stored_forms(project_id, address)}


def join_by_address(found: Mapping[str, Sequence[T]], forms: Mapping[str, str]) -> dict[str, list[T]]:
    """What was found by stored form, by lower-case address; `forms` is the result of `map_stored_forms`."""
    joined: dict[str, list[T]] = {}
    for form, items in found.items():
        joined.setdefault(forms.get(form, form), []).extend(items)
    return joined


def _hash(key: bytes, project_id: UUID, address: str) -> str:
    return PREFIX + make_mac(key, project_id.bytes + address.lower().encode()).hex()


@lru_cache(maxsize=16)
def _derive_hash_key(secret: str) -> bytes:
    return sha256(b"emailsvc erased addresses\0" + secret.encode()).digest()
