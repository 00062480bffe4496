"""`doctor --send`: a mail of our own through each way and from each domain, and what was seen of it.

It goes past the queue, so that the way is the one that is looked at, and leaves no row. Its bounces are not ours to
suppress anybody for: they name no recipient of a message.
"""

import re
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import urlsplit

from django.conf import settings

from common.ids import new_id
from delivery.dkim.signing import sign_all
from delivery.dns import RecordType
from delivery.envelope import Delivery, Outcome, Reply
from delivery.mime.fields import HeadLimits, split_fields
from delivery.mime.headers import Mailbox
from delivery.mime.message import MessageContent, build
from domains.alignment import AlignmentState, Authenticated, find_alignment
from domains.dns.resolver import Resolver, default_resolver
from domains.domain_status import DomainStatus
from domains.models import Domain
from domains.public_suffixes import find_registered_domain
from domains.signing_identities import Identity, identities
from emailsvc.doctor.finding import Finding, failure, fine, warn
from inbox.models import Mail
from messages.feedback.return_paths import find_return_path
from providers.models import Provider, ProviderKind
from providers.routing.selection import ProviderRef, build_provider_ref
from providers.transports import build_transport

# What keeps a mail on this machine.
LOCAL_KINDS = frozenset({ProviderKind.INBOX, ProviderKind.SIMULATOR})
# These authenticate mail by themselves too.
RELAYED_KINDS = frozenset({ProviderKind.SMTP, ProviderKind.ESP})
MOST_DOMAINS = 20
MOST_FIELDS = 200
SEEN_SECONDS = 5.0
SUBJECT = "A test of the mail service"
FIRST_FIELD = re.compile(rb"^From:", re.IGNORECASE | re.MULTILINE)
TEXT = "This mail was sent by `doctor --send`, to see by which ways mail goes out and how it arrives.\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One mail by one way from one domain; without a domain the sender is at the service's own name."""

    provider: ProviderRef
    domain: Domain | None
    to: str

    @property
    def name(self) -> str:
        return f"send by {self.provider.name}" + (f" from {self.domain.name}" if self.domain else "")

    @property
    def sender_domain(self) -> str:
        return self.domain.name if self.domain else urlsplit(settings.PUBLIC_URL).hostname or "localhost"

    @property
    def identity(self) -> Identity | None:
        return identities.of(self.domain.pk) if self.domain else None


def list_trials(to: str) -> list[Trial]:
    """Each enabled provider with each domain that may send by it: a project's own with the domains of the project."""
    senders = [DomainStatus.VERIFIED, DomainStatus.WARNING]
    trials: list[Trial] = []
    for row in Provider.objects.filter(is_enabled=True).select_related("project").order_by("project_id", "name"):
        domains = Domain.objects.filter(status__in=senders, **({"project": row.project} if row.project else {}))
        chosen: list[Domain | None] = list(domains.order_by("name")[:MOST_DOMAINS])
        trials += [Trial(provider=build_provider_ref(row), domain=domain, to=to) for domain in chosen or [None]]
    return trials


def leaves_this_machine(trials: list[Trial]) -> bool:
    return any(trial.provider.kind not in LOCAL_KINDS for trial in trials)


def examine_sending(trials: list[Trial]) -> Iterator[Finding]:
    resolver = default_resolver()
    for trial in trials:
        delivery = compose_trial(trial)
        reply = transmit_trial(trial, delivery)
        is_taken = reply.outcome in {Outcome.ACCEPTED, Outcome.DELIVERED}
        detail = f"{reply.outcome} by {reply.remote_host or 'the provider'}: {reply.code or ''} {reply.text}".strip()
        if is_taken:
            yield fine(trial.name, detail)
        else:
            yield failure(trial.name, detail, "Correct the provider, or what its reply names.")
            continue
        yield judge_tls(trial, reply)
        yield judge_spf_record(trial, delivery, resolver)
        yield judge_signature(trial)
        yield judge_policy(trial, delivery, resolver)
        yield judge_feedback(trial, delivery)
        if trial.provider.kind is ProviderKind.INBOX:
            yield judge_arrival(trial, delivery)


def compose_trial(trial: Trial) -> Delivery:
    recipient_id = new_id()
    identity, sender = trial.identity, f"doctor@{trial.sender_domain}"
    content = MessageContent(
        from_=Mailbox(name="Doctor", address=sender),
        to=[Mailbox(address=trial.to)],
        subject=SUBJECT,
        date=datetime.now(UTC),
        message_id=f"{recipient_id}@{trial.sender_domain}",
        text=TEXT,
    )
    message = build(content)
    return Delivery(
        recipient_id=recipient_id,
        message_id=recipient_id,
        return_path=find_return_path(trial.domain.pk if trial.domain else None, recipient_id) or sender,
        address=trial.to,
        content=sign_all(message, identity.signers) + message if identity and identity.signers else message,
        message=content,
    )


def transmit_trial(trial: Trial, delivery: Delivery) -> Reply:
    with closing(build_transport(trial.provider)) as transport:
        ((_, reply),) = transport.transmit([delivery], lambda ids: ids)
    return reply


def judge_tls(trial: Trial, reply: Reply) -> Finding:
    check = f"{trial.name}: TLS"
    if reply.tls or trial.provider.kind is ProviderKind.ESP:
        return fine(check, reply.tls or "HTTPS")
    if trial.provider.kind in LOCAL_KINDS:
        return fine(check, "none: it stays on this machine")
    return warn(check, "none: the mail went out readable", "Use STARTTLS or smtps:// with this provider.")


def judge_spf_record(trial: Trial, delivery: Delivery, resolver: Resolver) -> Finding:
    """SPF looks at the domain of the return path (RFC 7208, 2.4)."""
    check, host = f"{trial.name}: SPF", delivery.return_path.rpartition("@")[2]
    if trial.provider.kind is ProviderKind.ESP:
        return fine(check, "the email service puts its own return path in place of ours")
    record = find_record(resolver, host, "v=spf1")
    if record:
        return fine(check, f"{host}: {record}")
    return warn(check, f"{host} has no SPF record", f"Publish the records of return paths at {host}.")


def judge_signature(trial: Trial) -> Finding:
    check, identity = f"{trial.name}: DKIM", trial.identity
    if identity and identity.signers:
        return fine(check, "signed by " + ", ".join(f"{each.selector} ({each.algorithm})" for each in identity.signers))
    mend = "Add the domain, publish its records, and verify it." if identity is None else "Publish its DKIM record."
    return warn(check, "not signed by us", mend)


def judge_policy(trial: Trial, delivery: Delivery, resolver: Resolver) -> Finding:
    """DMARC: the policy, and whether SPF or DKIM speaks for the domain of From (RFC 7489)."""
    check, identity = f"{trial.name}: DMARC", trial.identity
    kind, own_host = trial.provider.kind, delivery.return_path.rpartition("@")[2]
    alignment = find_alignment(
        Authenticated(
            sender_domain=trial.sender_domain,
            return_host=own_host,
            is_signed=bool(identity and identity.signers),
            is_relayed=kind in RELAYED_KINDS,
            has_foreign_path=kind is ProviderKind.ESP,
        )
    )
    names = dict.fromkeys((trial.sender_domain, find_registered_domain(trial.sender_domain) or trial.sender_domain))
    record = next((found for name in names if (found := find_record(resolver, f"_dmarc.{name}", "v=DMARC1"))), "")
    detail = f"SPF {alignment.spf}, DKIM {alignment.dkim}; {record or 'no policy is published'}"
    if record and alignment.dmarc is not AlignmentState.NOT_ALIGNED:
        return fine(check, detail)
    return warn(check, detail, "Publish the DKIM, return path and DMARC records that domain_records shows.")


def judge_feedback(trial: Trial, delivery: Delivery) -> Finding:
    """The way on which a bounce would come back."""
    check, host = f"{trial.name}: feedback", delivery.return_path.rpartition("@")[2]
    if trial.provider.kind is ProviderKind.ESP:
        return fine(check, "by the events that the email service posts")
    if delivery.return_path.startswith("b+"):
        return fine(check, f"bounces come to {host}, whose mail goes to run_report_listener")
    if trial.provider.mailbox_address:
        return fine(check, "bounces come to the provider's bounce mailbox")
    mend = "Publish the domain's return path, set REPORT_DOMAIN, or give the provider a bounce mailbox."
    return warn(check, f"bounces go to the sender's own address at {host}", mend)


def judge_arrival(trial: Trial, delivery: Delivery) -> Finding:
    """What the inbox has received: whether our signatures still fit it."""
    check = f"{trial.name}: as seen"
    until = time.monotonic() + SEEN_SECONDS
    mail = None
    while mail is None and time.monotonic() < until:
        mail = Mail.objects.filter(rcpt_folded__contains=[trial.to.lower()]).order_by("-pk").first()
        if mail is not None and str(delivery.recipient_id).encode() not in bytes(mail.raw):
            mail = None
        if mail is None:
            time.sleep(0.1)
    if mail is None:
        return failure(check, "the inbox took it and does not show it", "Look at the log of run_inbox.")
    found = count_fitting(bytes(mail.raw), trial.identity)
    signers = len(trial.identity.signers) if trial.identity else 0
    if found < signers:
        mend = "Something on the way changes mail: switch it off."
        return failure(check, f"{found} of {signers} DKIM signatures fit what arrived", mend)
    signed = f"{found} DKIM signatures fit" if signers else "unsigned"
    return fine(check, f"arrived in the inbox from {mail.remote_host or 'this machine'}; {signed}")


def count_fitting(raw: bytes, identity: Identity | None) -> int:
    """How many signatures fit the mail: the same mail and key always give the same signature."""
    if identity is None:
        return 0
    fields, _ = split_fields(raw, (0, len(raw)), HeadLimits(fields=MOST_FIELDS))
    given = {
        "".join(field.raw.decode("ascii", "replace").split())
        for field in fields
        if field.name.lower() == "dkim-signature"
    }
    # What servers write, and the signatures, stand above our first field.
    begin = FIRST_FIELD.search(raw)
    bare = raw[begin.start() :] if begin else raw
    made = {"".join(signer.sign(bare).decode("ascii").partition(":")[2].split()) for signer in identity.signers}
    return len(given & made)


def find_record(resolver: Resolver, name: str, begin: str) -> str:
    """The TXT record at a name that begins so; empty if there is none."""
    values = resolver.look_up(name, RecordType.TXT).values
    return next((value for value in values if value.lower().startswith(begin.lower())), "")
