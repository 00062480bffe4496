"""The verbs of sending domains. Checking them is in `verification`, their keys are in `keys`."""

import secrets
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from uuid import UUID

from django.db import IntegrityError, transaction
from django.utils import timezone

from accounts.models import Project
from common.addresses import Address, AddressError, parse_address
from common.errors import ApiError, ConflictError, FieldError, FieldErrors, InvalidFieldsError
from domains.dkim_keys import Algorithm, build_key
from domains.domain_names import DomainNameError, canonical_name
from domains.domain_status import PENDING_CHECK, SENDING, DomainStatus
from domains.models import DkimKey, Domain
from domains.signing_identities import identities
from domains.trusted_senders import is_trusted


class DomainExistsError(ConflictError):
    """The project has the domain {name} already."""

    code = "domain_exists"


class SenderNotVerifiedError(ApiError):
    """Mail cannot be sent from {domain}: {reason}"""

    code = "sender_not_verified"
    status = HTTPStatus.FORBIDDEN


UNKNOWN_DOMAIN = "the project has no such domain. Add it, publish its records and verify it; subdomains are separate."
OTHER_DOMAIN = "domain_id names another domain, {name}."
REASONS = {
    DomainStatus.PENDING: "it is not verified yet. Publish its records and verify it.",
    DomainStatus.SUSPENDED: "it is suspended, since records that it needs are gone. Publish them again and verify it.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class NewDomain:
    """A domain and its keys, checked and not stored."""

    domain: Domain
    keys: Sequence[DkimKey]


def add_domain(
    project: Project, *, name: str, default_from: str = "", algorithms: Collection[Algorithm] = (Algorithm.RSA,)
) -> Domain:
    """A new domain with its keys, waiting for its records. Errors as of `build_domain` and `store_domain`."""
    return store_domain(build_domain(project, name=name, default_from=default_from, algorithms=algorithms))


def build_domain(
    project: Project, *, name: str, default_from: str = "", algorithms: Collection[Algorithm] = (Algorithm.RSA,)
) -> NewDomain:
    """A new domain with its keys. They take up to a second of CPU: outside of transactions.

    InvalidFieldsError for a name or a default sender that will not do, DomainExistsError when the project has it.
    """
    domain = Domain(
        project=project, ownership_token=secrets.token_urlsafe(24), next_check_at=timezone.now() + PENDING_CHECK
    )
    errors = FieldErrors()
    with errors.collect():
        domain.name = check_name(name)
    with errors.collect():
        domain.default_from = check_default_from(default_from, domain.name)
    errors.raise_all()
    if project.domains.filter(name=domain.name).exists():
        raise DomainExistsError(name=domain.name)
    keys = [build_key(domain, algorithm) for algorithm in {Algorithm.RSA, *algorithms}]
    return NewDomain(domain=domain, keys=keys)


def store_domain(new: NewDomain) -> Domain:
    """Write a new domain with its keys. DomainExistsError when another request added it meanwhile."""
    try:
        with transaction.atomic():
            new.domain.save(force_insert=True)
            DkimKey.objects.bulk_create(new.keys)
    except IntegrityError:
        raise DomainExistsError(name=new.domain.name) from None
    return new.domain


def change_default_from(domain: Domain, default_from: str) -> Domain:
    """Set or, with `""`, clear the sender of mail that names none. InvalidFieldsError when it is not of the domain."""
    domain.default_from = check_default_from(default_from, domain.name)
    domain.save(update_fields=["default_from"])
    return domain


def remove_domain(domain: Domain) -> None:
    """Forget a domain, its proof and its keys. Mail that was accepted from it still goes out, unsigned."""
    pk = domain.pk  # Django clears it on the instance
    domain.delete()
    identities.forget(pk)


def choose_sending_domain(
    project: Project, *, from_domain: str, domain_id: UUID | None = None, is_local_only: bool = False
) -> Domain | None:
    """The project's domain that a sender at `from_domain` uses; None when it is admitted without one.

    `from_domain` is the `domain` of a parsed address; it has to equal the domain's name exactly. Admitted are verified
    domains, those of the setting TRUSTED_SENDER_DOMAINS, and all while `is_local_only`: the project's mail can reach
    nothing but the inbox and the simulator. InvalidFieldsError when `domain_id` is none of the project's,
    SenderNotVerifiedError when it is another domain or the sender is not admitted.
    """
    domain = find_domain(project, from_domain, domain_id)
    if (domain and domain.can_send) or is_local_only or is_trusted(from_domain):
        return domain
    reason = REASONS[DomainStatus(domain.status)] if domain else UNKNOWN_DOMAIN
    raise SenderNotVerifiedError(domain=from_domain, reason=reason)


def find_domain(project: Project, from_domain: str, domain_id: UUID | None) -> Domain | None:
    if domain_id is None:
        return project.domains.filter(name=from_domain).first()
    domain = project.domains.filter(pk=domain_id).first()
    if domain is None:
        raise InvalidFieldsError([FieldError("domain_id", "not_found", "The project has no such domain.")])
    if domain.name != from_domain:
        raise SenderNotVerifiedError(domain=from_domain, reason=OTHER_DOMAIN.format(name=domain.name))
    return domain


def default_sender(project: Project, *, domain_id: UUID | None = None) -> Address | None:
    """The sender of mail that names none: the domain's, else the project's, else the oldest sending domain's."""
    if domain_id is not None:
        named = project.domains.filter(pk=domain_id).exclude(default_from="").first()
        if named:
            return parse_address(named.default_from)
    if project.default_from:
        return parse_address(project.default_from)
    first = project.domains.filter(status__in=SENDING).exclude(default_from="").order_by("id").first()
    return parse_address(first.default_from) if first else None


class Senders:
    """A project's answers to `choose_sending_domain` and `default_sender`, each looked up once.

    One may serve a whole request: the emails of a batch mostly have one sender, and a query for each would be the
    dearest part of accepting it.
    """

    def __init__(self, project: Project, *, is_local_only: bool) -> None:
        self.project = project
        self.is_local_only = is_local_only
        self.chosen: dict[tuple[str, UUID | None], Domain | ApiError | None] = {}
        self.defaults: dict[UUID | None, Address | None] = {}

    def choose_domain(self, from_domain: str, domain_id: UUID | None) -> Domain | None:
        """As `choose_sending_domain`, errors too."""
        if (from_domain, domain_id) not in self.chosen:
            self.chosen[from_domain, domain_id] = self._choose(from_domain, domain_id)
        found = self.chosen[from_domain, domain_id]
        if isinstance(found, ApiError):
            raise found
        return found

    def _choose(self, from_domain: str, domain_id: UUID | None) -> Domain | ApiError | None:
        try:
            return choose_sending_domain(
                self.project, from_domain=from_domain, domain_id=domain_id, is_local_only=self.is_local_only
            )
        except ApiError as error:
            return error

    def find_default(self, domain_id: UUID | None) -> Address | None:
        """As `default_sender`."""
        if domain_id not in self.defaults:
            self.defaults[domain_id] = default_sender(self.project, domain_id=domain_id)
        return self.defaults[domain_id]


def check_name(text: str) -> str:
    try:
        return canonical_name(text)
    except DomainNameError as error:
        raise InvalidFieldsError([FieldError("name", "invalid_domain", str(error))]) from None


def check_default_from(text: str, name: str) -> str:
    """The sender as it is kept. InvalidFieldsError when it is not at the domain `name`, where that is known."""
    if not text.strip():
        return ""
    try:
        sender = parse_address(text)
    except AddressError as error:
        raise InvalidFieldsError([FieldError("default_from", error.code, error.message)]) from None
    if name and sender.domain != name:
        message = f"Must be an address at {name}."
        raise InvalidFieldsError([FieldError("default_from", "other_domain", message)])
    return text.strip()
