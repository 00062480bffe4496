"""Makes and finds the pairs with which requests are signed."""

import secrets
import string

from accounts.models import ApiKey, SigningPair

# AWS's SDKs take ids of 16 to 128 letters and digits; AWS's own begin with AKIA.
PREFIX = "ESAK"
ID_ALPHABET = string.ascii_uppercase + "234567"
ID_LENGTH = 20
# 40 letters or digits are 238 random bits.
SECRET_ALPHABET = string.ascii_letters + string.digits
SECRET_LENGTH = 40


def create_signing_pair(key: ApiKey) -> SigningPair:
    """A pair for a key that has none."""
    rest = "".join(secrets.choice(ID_ALPHABET) for _ in range(ID_LENGTH - len(PREFIX)))
    secret = "".join(secrets.choice(SECRET_ALPHABET) for _ in range(SECRET_LENGTH))
    return SigningPair.objects.create(access_key_id=PREFIX + rest, api_key=key, secret=secret)


def find_signing_pair(access_key_id: str) -> SigningPair | None:
    """The pair with its key and project. It is not cached: its secret stays in memory for one request."""
    if len(access_key_id) != ID_LENGTH or "\0" in access_key_id:
        return None
    return SigningPair.objects.select_related("api_key__project").filter(access_key_id=access_key_id).first()
