"""The checks of an email that need the project's data, before anything is stored."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar
from uuid import UUID

from accounts.acting_for import Caller
from accounts.lifetimes.errors import ProjectClosedError
from accounts.models import StreamType
from accounts.permissions import MissingScopeError
from accounts.scopes import EMAILS_SEND_CRITICAL
from accounts.services import RecipientNotAllowedError
from accounts.streams import StreamTypes
from common.addresses import Address
from common.errors import ApiError, FieldError, FieldErrors, InvalidFieldsError
from delivery.html.plaintext import text_from_html
from delivery.simulator.script import DOMAIN as SIMULATED_DOMAIN
from delivery.simulator.script import ScenarioError, read_script
from domains.admitted_senders import AdmittedSender
from domains.services import Senders
from messages.accepting.control_headers import check_control_headers
from messages.accepting.draft import Draft
from messages.models import RecipientField
from messages.states import Lane
from providers.routing.selection import routes
from templates_app.processor_time import processor_time_of
from templates_app.services import Rendered, Renderer
from templates_app.unsubscribe_placeholder import (
    describe_broken_placeholder,
    has_broken_placeholder,
    has_placeholder,
)
from tracking.engagement.link_finding import LinkFinder
from tracking.engagement.link_rules import Found

MAX_RECIPIENTS = 50
# The service writes these headers if the email offers an opt-out (RFC 2369, RFC 8058).
UNSUBSCRIBE_HEADERS = frozenset({"list-unsubscribe", "list-unsubscribe-post"})
# The part of an error's path that follows the field's own name.
FIELD = re.compile(r"[.\[].*", re.DOTALL)
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """One recipient of an admitted draft."""

    kind: RecipientField
    address: Address


@dataclass(frozen=True, slots=True, kw_only=True)
class Admitted:
    """A draft that passed all checks: content rendered, sender verified, duplicate recipients removed."""

    draft: Draft
    sender: Address
    recipients: Sequence[Envelope]
    admitted_sender: AdmittedSender
    # The links and places in the HTML that tracking changes; None without tracking.
    tracked: Found | None = None
    template_id: UUID | None = None
    template_version_id: UUID | None = None
    resent_from_id: UUID | None = None
    is_forwarded: bool = False


class Findings(FieldErrors):
    """Collects the errors of a draft: all invalid fields, and the first error of another kind."""

    def __init__(self, errors: Iterable[FieldError]) -> None:
        super().__init__(errors)
        self.wrong = {FIELD.sub("", error.field) for error in self.errors}
        self.refusal: ApiError | None = None

    def attempt(self, check: Callable[[], T], *needed: str) -> T | None:
        """Run `check` and keep its error. Returns None when it raises or a field in `needed` is already invalid."""
        if self.wrong.intersection(needed):
            return None
        try:
            return check()
        except InvalidFieldsError as error:
            self.errors += error.errors
        except ApiError as error:
            self.refusal = self.refusal or error
        return None

    def raise_first(self) -> None:
        """Raise the collected field errors, else the first other error, else nothing."""
        self.raise_all()
        if self.refusal:
            raise self.refusal


class Admission:
    """The checks of one request. Data that its emails share is looked up once."""

    def __init__(self, key: Caller) -> None:
        """Raises ProjectClosedError."""
        project = key.owner
        if project.closed_at is not None:
            raise ProjectClosedError
        self.key = key
        self.project = project
        self.senders = Senders(project, is_local_only=key.is_test or routes.is_local_only(project.id))
        self.renderer = Renderer(project)
        self.links = LinkFinder()
        self.streams = StreamTypes(project.id)

    def admit(self, draft: Draft, errors: Iterable[FieldError] = ()) -> Admitted:
        """Check and complete a draft. Raises InvalidFieldsError for all invalid fields, else the first other ApiError.

        `errors` belong to fields that are missing from the draft. Checks that need such a field are skipped, and the
        errors of all other checks are raised together with `errors`.
        """
        findings = Findings(errors)
        found = findings.attempt(lambda: self.choose_sender(draft), "from_", "domain_id")
        recipients = findings.attempt(lambda: self.find_recipients(draft), "to", "cc", "bcc")
        if self.key.is_test:
            findings.attempt(lambda: check_scenarios(draft))
        offers_opt_out = findings.attempt(lambda: self.offer_opt_out(draft), "stream", "enable_unsubscribe", "priority")
        findings.attempt(lambda: check_priority(self.key, draft), "priority")
        findings.attempt(lambda: check_headers(draft, offers_opt_out=bool(offers_opt_out)), "headers")
        findings.attempt(lambda: check_control_headers(self.project, draft.headers), "headers")
        rendered = findings.attempt(lambda: self.render(draft), "template_id", "template_vars")
        findings.raise_first()
        assert found is not None
        assert recipients is not None
        sender, admitted_sender = found
        draft = draft.but(enable_unsubscribe=offers_opt_out)
        if rendered:
            # A draft may bring a subject of its own: some services' APIs have one beside the template.
            subject = draft.subject or rendered.subject
            draft = draft.but(subject=subject, html=rendered.html or "", text=rendered.text or "")
        check_unsubscribe(draft)
        if draft.html and not draft.text:
            # Content is fixed at accept, so GET shows the generated text part too.
            with processor_time_of(self.key.owner_id):
                draft = draft.but(text=text_from_html(draft.html))
        return Admitted(
            draft=draft,
            sender=sender,
            recipients=recipients,
            admitted_sender=admitted_sender,
            tracked=self.find_tracked(draft, rendered.html_pieces if rendered else ()),
            template_id=rendered.template_id if rendered else None,
            template_version_id=rendered.version_id if rendered else None,
        )

    def find_tracked(self, draft: Draft, pieces: Sequence[str]) -> Found | None:
        is_tracked = draft.track_opens or draft.track_clicks
        return self.links.find(draft.html, pieces) if draft.html and is_tracked else None

    def choose_sender(self, draft: Draft) -> tuple[Address, AdmittedSender]:
        sender = draft.from_ or self.choose_default(draft)
        return sender, self.senders.admit(sender.domain, draft.domain_id)

    def offer_opt_out(self, draft: Draft) -> bool:
        """Whether the email offers an opt-out: every one of a broadcast stream does. Raises InvalidFieldsError."""
        if self.streams.find(draft.stream) is StreamType.TRANSACTIONAL:
            return bool(draft.enable_unsubscribe)
        errors = FieldErrors()
        if draft.enable_unsubscribe is False:
            message = f"Every email of the broadcast stream {draft.stream} offers an opt-out."
            errors.add("enable_unsubscribe", "opt_out_required", message)
        if draft.priority == Lane.CRITICAL:
            message = f"An email of the broadcast stream {draft.stream} cannot be critical."
            errors.add("priority", "not_in_broadcast", message)
        errors.raise_all()
        return True

    def find_recipients(self, draft: Draft) -> list[Envelope]:
        recipients = fold_recipients(draft)
        check_recipients(self.key, draft)
        return recipients

    def render(self, draft: Draft) -> Rendered | None:
        return self.renderer.render(draft.template, draft.template_vars, draft.locale) if draft.template else None

    def choose_default(self, draft: Draft) -> Address:
        """The default sender of the draft's domain or of the project. Raises InvalidFieldsError when there is none."""
        default = self.senders.find_default(draft.domain_id)
        if default is None:
            raise InvalidFieldsError(
                [FieldError("from_", "required", "A sender is required, because there is no default sender.")]
            )
        return default


def fold_recipients(draft: Draft) -> list[Envelope]:
    """The recipients of to, cc and bcc in this order, without duplicates: case does not matter, the first one counts.

    Raises InvalidFieldsError for more than MAX_RECIPIENTS.
    """
    folded: dict[str, Envelope] = {}
    for kind, addresses in lists_of(draft).items():
        for address in addresses:
            folded.setdefault(address.address.lower(), Envelope(kind=kind, address=address))
    if len(folded) > MAX_RECIPIENTS:
        message = f"At most {MAX_RECIPIENTS} recipients in to, cc and bcc together; the email has {len(folded)}."
        raise InvalidFieldsError([FieldError("to", "too_many_recipients", message)])
    return list(folded.values())


def check_priority(key: Caller, draft: Draft) -> None:
    """Raise MissingScopeError for critical mail of a key that may not send it."""
    if draft.priority == Lane.CRITICAL and not key.admits_critical():
        raise MissingScopeError(scope=EMAILS_SEND_CRITICAL)


def check_recipients(key: Caller, draft: Draft) -> None:
    """Raise RecipientNotAllowedError for recipients outside the key's patterns."""
    refused = {
        f"{kind}[{index}]": address.address
        for kind, addresses in lists_of(draft).items()
        for index, address in enumerate(addresses)
        if not key.admits_recipient(address.address)
    }
    if refused:
        message = "This API key may not send to this address."
        raise RecipientNotAllowedError(
            address=", ".join(refused.values()),
            errors=[FieldError(field, "recipient_not_allowed", message) for field in refused],
        )


def check_headers(draft: Draft, *, offers_opt_out: bool) -> None:
    """Raise InvalidFieldsError for unsubscribe headers of the caller if the service writes them."""
    named = [name for name, _ in draft.headers if name.lower() in UNSUBSCRIBE_HEADERS]
    if named and offers_opt_out:
        message = "The service writes this header, because the email offers an opt-out."
        raise InvalidFieldsError([FieldError(f"headers.{name}", "header_reserved", message) for name in named])


def check_scenarios(draft: Draft) -> None:
    """Raise InvalidFieldsError for simulator addresses with an unknown scenario."""
    errors = []
    for kind, addresses in lists_of(draft).items():
        for index, address in enumerate(addresses):
            if address.domain == SIMULATED_DOMAIN:
                try:
                    read_script(address.address)
                except ScenarioError as error:
                    text = f"{str(error).capitalize()}."
                    errors.append(FieldError(f"{kind}[{index}]", "unknown_scenario", text))
    if errors:
        raise InvalidFieldsError(errors)


def check_unsubscribe(draft: Draft) -> None:
    """Refuse placeholders for the unsubscribe link that would reach a recipient as they are."""
    errors = FieldErrors()
    for field in ("subject", "html", "text"):
        content = getattr(draft, field) or ""
        if not has_placeholder(content):
            continue
        # The content of a template has no field of its own in the request.
        name = "template_id" if draft.template else field
        if field == "subject" or has_broken_placeholder(content):
            errors.add(name, "unsubscribe_placeholder_invalid", describe_broken_placeholder(field))
        elif not draft.enable_unsubscribe:
            message = "The content has {{ unsubscribe_url }}: set enable_unsubscribe, which fills it in."
            errors.add(name, "unsubscribe_not_enabled", message)
    errors.raise_all()


def lists_of(draft: Draft) -> Mapping[RecipientField, Sequence[Address]]:
    return {RecipientField.TO: draft.to, RecipientField.CC: draft.cc, RecipientField.BCC: draft.bcc}
