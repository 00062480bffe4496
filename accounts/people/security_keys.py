"""Security keys and passkeys as second factors (W3C, Web Authentication level 2), by the library webauthn.

The browser asks the key to sign a challenge of ours, which the caller keeps until the answer comes and gives back once.
"""

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import idna
import structlog
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.crypto import salted_hmac

from accounts.models import SecurityKey
from accounts.people.factors import make_first_codes, remove_last_codes
from accounts.services import write_audit
from common.client_ip import parse_ip
from delivery.optional import load_when_used

log = structlog.get_logger(__name__)

MAX_KEYS = 20
MAX_NAME = 60
MAX_ID_BYTES = 1023
# An answer without an attestation has about 1 KiB.
MAX_ANSWER = 16 * 1024
# How long the browser waits for its person.
WAIT_MS = 2 * 60 * 1000
DEFAULT_PORTS = {"https": 443, "http": 80}
# What the library and those below it raise, beside its own errors, for an answer that is not what it should be.
MALFORMED = (
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    ArithmeticError,
    RecursionError,
    UnsupportedAlgorithm,
    InvalidSignature,
)


class SecurityKeyError(Exception):
    """A key cannot be added; the text says why."""


@dataclass(frozen=True, slots=True)
class Party:
    """This service as browsers know it: the id that keys are bound to, and the origin of its pages."""

    id: str
    origin: str


@dataclass(frozen=True, slots=True)
class Question:
    """What the browser is to ask a key, as JSON, and the challenge in it."""

    options: str
    challenge: bytes


def find_party() -> Party | None:
    """None where browsers allow no keys: PUBLIC_URL needs a name and https, or is at localhost."""
    parts = urlsplit(settings.PUBLIC_URL)
    host = (parts.hostname or "").lower()
    is_local = host == "localhost" or host.endswith(".localhost")
    if parse_ip(host) is not None or not (parts.scheme == "https" or is_local):
        return None
    name = host if host.isascii() else idna.encode(host, uts46=True).decode()
    port = "" if parts.port in {None, DEFAULT_PORTS[parts.scheme]} else f":{parts.port}"
    return Party(name, f"{parts.scheme}://{name}{port}")


def ask_for_new_key(user: User, party: Party) -> Question:
    """The question for a key that the user does not have here yet."""
    webauthn, structs = load_when_used("webauthn"), load_when_used("webauthn.helpers.structs")
    options = webauthn.generate_registration_options(
        rp_id=party.id,
        rp_name="emailsvc",
        # The browser keeps it; it tells nobody more than that two keys are of one person.
        user_id=salted_hmac("accounts.people.security_keys", str(user.pk), algorithm="sha256").digest(),
        user_name=user.get_username(),
        timeout=WAIT_MS,
        # A passkey if the device can keep one; a key with or without a PIN: the password is asked for too.
        authenticator_selection=structs.AuthenticatorSelectionCriteria(
            resident_key=structs.ResidentKeyRequirement.PREFERRED,
            user_verification=structs.UserVerificationRequirement.PREFERRED,
        ),
        exclude_credentials=describe_keys(user),
    )
    return Question(webauthn.options_to_json(options), options.challenge)


def add_key(user: User, name: str, answer: str, *, challenge: bytes, party: Party) -> list[str]:
    """Keep the key that gave this answer, under a name. Returns recovery codes if it is the user's first factor.

    Raises `SecurityKeyError`.
    """
    name = "".join(char for char in name if char.isprintable()).strip()[:MAX_NAME]
    if not name:
        raise SecurityKeyError("Give the key a name.")
    made = verify_new_key(answer, challenge, party)
    row = SecurityKey(
        user=user,
        name=name,
        credential_id=made.credential_id,
        public_key=made.credential_public_key,
        sign_count=made.sign_count,
        transports=read_transports(answer),
        is_verifying=made.user_verified,
    )
    with transaction.atomic():
        if SecurityKey.objects.filter(user=user).count() >= MAX_KEYS:
            raise SecurityKeyError(f"There are {MAX_KEYS} keys already. Remove one first.")
        SecurityKey.objects.bulk_create([row], ignore_conflicts=True)
        if not SecurityKey.objects.filter(pk=row.pk).exists():
            raise SecurityKeyError("This key, or one of this name, is there already.")
        write_audit(user.get_username(), "add_security_key", user.get_username(), name=name)
        return make_first_codes(user)


def verify_new_key(answer: str, challenge: bytes, party: Party) -> Any:
    webauthn, helpers = load_when_used("webauthn"), load_when_used("webauthn.helpers")
    wrong = load_when_used("webauthn.helpers.exceptions").WebAuthnException
    try:
        made = webauthn.verify_registration_response(
            credential=answer, expected_challenge=challenge, expected_rp_id=party.id, expected_origin=party.origin
        )
        # A key that cannot verify is found now, not at the next sign-in.
        helpers.decoded_public_key_to_cryptography(helpers.decode_credential_public_key(made.credential_public_key))
    except (wrong, *MALFORMED) as error:
        raise SecurityKeyError("The key's answer is not valid. Try again.") from error
    if len(made.credential_id) > MAX_ID_BYTES:
        raise SecurityKeyError("The key's answer is not valid. Try again.")
    return made


def read_transports(answer: str) -> list[str]:
    parsed = load_when_used("webauthn.helpers").parse_registration_credential_json(answer)
    return sorted({each.value for each in parsed.response.transports or ()})


def ask_for_key(user: User, party: Party) -> Question | None:
    """The question for one of the user's keys; None if there is none."""
    webauthn = load_when_used("webauthn")
    known = describe_keys(user)
    if not known:
        return None
    options = webauthn.generate_authentication_options(rp_id=party.id, timeout=WAIT_MS, allow_credentials=known)
    return Question(webauthn.options_to_json(options), options.challenge)


def check_key(user: User, answer: str, *, challenge: bytes, party: Party) -> bool:
    """Whether one of the user's own keys gave this answer to this challenge, at our pages, for this sign-in."""
    webauthn, helpers = load_when_used("webauthn"), load_when_used("webauthn.helpers")
    wrong = load_when_used("webauthn.helpers.exceptions").WebAuthnException
    try:
        parsed = helpers.parse_authentication_credential_json(answer)
        row = SecurityKey.objects.filter(user=user, credential_id=bytes(parsed.raw_id)).first()
        if row is None:
            return False
        # The count is judged below, by an answer whose signature holds: only then does it tell of a copy.
        proven = webauthn.verify_authentication_response(
            credential=parsed,
            expected_challenge=challenge,
            expected_rp_id=party.id,
            expected_origin=party.origin,
            credential_public_key=bytes(row.public_key),
            credential_current_sign_count=0,
            require_user_verification=row.is_verifying,
        )
    except (wrong, *MALFORMED) as error:
        log.warning("security_key_refused", reason=str(error)[:200])
        return False
    return count_use(row, proven.new_sign_count)


def count_use(row: SecurityKey, count: int) -> bool:
    """Take the key's count. One that did not grow is refused, and told in the audit log: the key has a copy."""
    growing = Q(sign_count__lt=count) if count else Q(sign_count=0)
    if SecurityKey.objects.filter(growing, pk=row.pk).update(sign_count=count, last_used_at=Now()):
        return True
    name = row.user.get_username()
    write_audit(name, "refuse_security_key", name, name=row.name, kept_count=row.sign_count, given_count=count)
    return False


def remove_key(user: User, key_id: UUID) -> bool:
    """Remove a key of the user. Recovery codes stay as long as there is another factor. False if it is not theirs."""
    with transaction.atomic():
        row = SecurityKey.objects.filter(user=user, pk=key_id).first()
        if row is None:
            return False
        row.delete()
        write_audit(user.get_username(), "remove_security_key", user.get_username(), name=row.name)
        remove_last_codes(user)
    return True


def describe_keys(user: User) -> list[Any]:
    """The user's keys, as a browser is told of them."""
    structs = load_when_used("webauthn.helpers.structs")
    known = {each.value: each for each in structs.AuthenticatorTransport}
    return [
        structs.PublicKeyCredentialDescriptor(
            id=bytes(row.credential_id), transports=[known[each] for each in row.transports if each in known] or None
        )
        for row in SecurityKey.objects.filter(user=user)
    ]
