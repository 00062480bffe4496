"""Operations on sending domains. Checks are in `verification`, keys in `dkim_keys`."""

import secrets
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from accounts.models import Project
from common.addresses import Address, AddressError, parse_address
from common.errors import ApiError, ConflictError, FieldError, FieldErrors, InvalidFieldsError
from domains.admitted_senders import AdmittedSender, SenderBasis
from domains.dkim_keys import Algorithm, build_key
from domains.domain_names import DomainNameError, canonical_name
from domains.domain_status import PENDING_CHECK, SENDING, DomainStatus
from domains.models import DkimKey, Domain
from domains.signing_identities import identities
from domains.trusted_senders import is_trusted, trust_id
from ledger.cached_rows import cached_rows
from ledger.unique_values import is_taken


class DomainExistsError(ConflictError):
    """The project already has the domain {name}."""

    code = "domain_exists"


class SenderNotVerifiedError(ApiError):
    """Mail cannot be sent from {domain}: {reason}"""

    code = "sender_not_verified"
    status = HTTPStatus.FORBIDDEN


UNKNOWN_DOMAIN = "the project has no such domain. Add it, publish its records and verify it; subdomains are separate."
OTHER_DOMAIN = "domain_id refers to a different domain, {name}."
REASONS = {
    DomainStatus.PENDING: "the domain is not verified yet. Publish its records and verify it.",
    DomainStatus.SUSPENDED: "the domain is suspended, as necessary records are missing. Publish and verify them again.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class NewDomain:
    """A domain and its keys, validated but not stored."""

    domain: Domain
    keys: Sequence[DkimKey]


def add_domain(
    project: Project, *, name: str, default_from: str = "", algorithms: Collection[Algorithm] = (Algorithm.RSA,)
) -> Domain:
    """Add a domain with its keys, in status `pending`. Errors as of `build_domain` and `store_domain`."""
    return store_domain(build_domain(project, name=name, default_from=default_from, algorithms=algorithms))


def build_domain(
    project: Project, *, name: str, default_from: str = "", algorithms: Collection[Algorithm] = (Algorithm.RSA,)
) -> NewDomain:
    """A new domain with its keys. Generating RSA keys takes up to a second of CPU: call it outside transactions.

    InvalidFieldsError for an invalid name or default sender, DomainExistsError when the project has the domain.
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
    """Store a new domain with its keys. DomainExistsError when another request added it meanwhile."""
    domain = new.domain
    with transaction.atomic():
        if is_taken(domain, project_id=domain.project_id, name=domain.name):
            raise DomainExistsError(name=domain.name)
        domain.save(force_insert=True)
        DkimKey.objects.bulk_create(new.keys)
    return domain


def change_default_from(domain: Domain, default_from: str) -> Domain:
    """Set the default sender, or clear it with `""`. InvalidFieldsError when its domain is a different one."""
    domain.default_from = check_default_from(default_from, domain.name)
    domain.save(update_fields=["default_from"])
    return domain


def remove_domain(domain: Domain) -> None:
    """Delete a domain with its keys. Mail that was accepted from it and is not sent yet fails, when its turn comes."""
    pk = domain.pk  # Django clears it on the instance
    domain.delete()
    identities.forget(pk)


def admit_sender(
    project: Project, *, from_domain: str, domain_id: UUID | None = None, is_local_only: bool = False
) -> AdmittedSender:
    """Admit a sender at `from_domain`, with the reason and the project's domain of that name, if it has one.

    `from_domain` is the `domain` of a parsed address and must equal the domain's name exactly. A sender is admitted if
    its domain is verified or listed in TRUSTED_SENDER_DOMAINS, or if `is_local_only`, since the project's mail then
    reaches only the inbox and the simulator. InvalidFieldsError when the project has no domain `domain_id`;
    SenderNotVerifiedError when `domain_id` is a different domain or the sender is not admitted.
    """
    domain = find_domain(project, from_domain, domain_id)
    if not (domain and domain.can_send) and not is_local_only and not is_trusted(from_domain):
        # Nobody is refused because of what was cached.
        domain = find_domain(project, from_domain, domain_id, is_fresh=True)
    if domain and domain.can_send:
        return AdmittedSender(basis=SenderBasis.VERIFIED, domain=domain, sender_id=domain.pk)
    if is_trusted(from_domain):
        return AdmittedSender(basis=SenderBasis.TRUSTED, domain=domain, sender_id=trust_id(from_domain))
    if is_local_only:
        return AdmittedSender(basis=SenderBasis.LOCAL_ONLY, domain=domain, sender_id=project.pk)
    reason = REASONS[DomainStatus(domain.status)] if domain else UNKNOWN_DOMAIN
    raise SenderNotVerifiedError(domain=from_domain, reason=reason)


def find_domain(project: Project, from_domain: str, domain_id: UUID | None, *, is_fresh: bool = False) -> Domain | None:
    """The project's domain of that name. With `domain_id` it must be that one."""
    if domain_id is None:
        return read_domain(project, "name", from_domain, is_fresh=is_fresh)
    domain = read_domain(project, "pk", domain_id, is_fresh=is_fresh) or read_domain(
        project, "pk", domain_id, is_fresh=True
    )
    if domain is None:
        raise InvalidFieldsError([FieldError("domain_id", "not_found", "The project has no such domain.")])
    if domain.name != from_domain:
        raise SenderNotVerifiedError(domain=from_domain, reason=OTHER_DOMAIN.format(name=domain.name))
    return domain


def read_domain(project: Project, name: str, value: object, *, is_fresh: bool = False) -> Domain | None:
    """A domain of the project by a column; cached for a short time (`ledger.cached_rows`)."""
    return cached_rows.get(
        ("domain", project.pk, name, value),
        lambda: project.domains.filter(**{name: value}).first(),
        is_fresh=is_fresh,
    )


def default_sender(project: Project, *, domain_id: UUID | None = None) -> Address | None:
    """The default sender: of the domain, else of the project, else of the oldest verified domain; None without any."""
    named = read_default(project, domain_id)
    return named or read_default(project, domain_id, is_fresh=True)


def read_default(project: Project, domain_id: UUID | None, *, is_fresh: bool = False) -> Address | None:
    """As `default_sender`; cached for a short time (`ledger.cached_rows`)."""

    def load() -> Address | None:
        default = find_default(Project.objects.get(pk=project.pk) if is_fresh else project, domain_id)
        return parse_address(default) if default else None

    return cached_rows.get(("default sender", project.pk, domain_id), load, is_fresh=is_fresh)


def find_default(project: Project, domain_id: UUID | None) -> str:
    if domain_id is not None:
        named = project.domains.filter(pk=domain_id).exclude(default_from="").first()
        if named:
            return named.default_from
    if project.default_from:
        return project.default_from
    first = project.domains.filter(status__in=SENDING).exclude(default_from="").order_by("id").first()
    return first.default_from if first else ""


class Senders:
    """A cache of `admit_sender` and `default_sender` for one project and one request.

    The emails of a batch mostly have one sender, and a query for each would be the most expensive part of accepting.
    """

    def __init__(self, project: Project, *, is_local_only: bool) -> None:
        self.project = project
        self.is_local_only = is_local_only
        self.chosen: dict[tuple[str, UUID | None], AdmittedSender | ApiError] = {}
        self.defaults: dict[UUID | None, Address | None] = {}

    def admit(self, from_domain: str, domain_id: UUID | None) -> AdmittedSender:
        """See `admit_sender`, also for errors."""
        if (from_domain, domain_id) not in self.chosen:
            self.chosen[from_domain, domain_id] = self._choose(from_domain, domain_id)
        found = self.chosen[from_domain, domain_id]
        if isinstance(found, ApiError):
            raise found
        return found

    def _choose(self, from_domain: str, domain_id: UUID | None) -> AdmittedSender | ApiError:
        try:
            return admit_sender(
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
    """The sender in stored form. InvalidFieldsError when it is invalid or not at the domain `name`, if given."""
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
