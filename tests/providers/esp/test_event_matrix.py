"""Every event type that the ESPs document, and what it means here. Pure: no database, no server."""

import json
from collections.abc import Mapping
from importlib import import_module
from typing import Any

import pytest

from delivery.judging.model import Category
from delivery.judging.terms import HARD, Reason
from providers.esp.catalog import ESPS
from providers.esp.event_model import EspEvent
from providers.esp.events import convert
from providers.esp.signatures import Posted

WHO = "jane@rcpt.test"
POSTED = Posted(body=b'{"MessageId": "m-1"}', headers={"svix-id": "msg_1"})


def read(name: str, *items: Any) -> list[EspEvent]:
    """The events that have a meaning; KeyError-like failures of a module would be counted and so leave none."""
    events, unknown = convert(ESPS[name], items, POSTED)
    assert not unknown, unknown
    return events


def tell(name: str, item: Any) -> str:
    """The meaning of one event: its kind, `+` if the class alone says that there is no such mailbox, `~` if vague."""
    events = read(name, item)
    if not events:
        return "ignored"
    (event,) = events
    is_hard = event.category is not None and event.category.reason in HARD
    return f"{event.kind}{'+' if is_hard else ''}{'~' if event.is_vague else ''}"


def write_brevo(event: str, **more: Any) -> Any:
    return {"event": event, "email": WHO, "message-id": "<1@x>", "ts_epoch": 1795998000000, **more}


def write_mailersend(type_: str, **more: Any) -> Any:
    email = {"message": {"id": "1"}, "recipient": {"email": WHO}}
    return {"type": type_, "data": {"id": "a1", "email": email, **more}}


def write_mailgun(event: str, **more: Any) -> Any:
    return {"event-data": {"event": event, "recipient": WHO, "message": {"headers": {"message-id": "1@x"}}, **more}}


def write_mailjet(event: str, **more: Any) -> Any:
    return {"event": event, "email": WHO, "MessageID": 1, "time": 1795998000, **more}


def write_postmark(record: str, type_: str = "", **more: Any) -> Any:
    return {"RecordType": record, "MessageID": "1", "Recipient": WHO, **({"Type": type_} if type_ else {}), **more}


def write_resend(type_: str, **data: Any) -> Any:
    return {"type": type_, "created_at": "2026-11-30T00:00:00.000Z", "data": {"email_id": "1", "to": [WHO], **data}}


def write_sendgrid(event: str, **more: Any) -> Any:
    return {"event": event, "email": WHO, "smtp-id": "<1@x>", "timestamp": 1795998000, **more}


def write_ses(type_: str, field: str, **detail: Any) -> Any:
    return {"eventType": type_, field: detail, "mail": {"messageId": "1", "destination": [WHO]}}


def write_sparkpost(type_: str, **more: Any) -> Any:
    return {"msys": {"message_event": {"type": type_, "raw_rcpt_to": WHO, "transmission_id": "1", **more}}}


def bounce(type_: str, subtype: str, **more: Any) -> Any:
    return write_ses(
        "Bounce", "bounce", bounceType=type_, bounceSubType=subtype, bouncedRecipients=[{"emailAddress": WHO, **more}]
    )


def prefer(**new: Any) -> Any:
    return write_ses("Subscription", "subscription", contactList="all", newTopicPreferences=new)


def suppressed_by(origin: str, reason: str, *, is_suppressed: bool = True) -> Any:
    more = {"Origin": origin, "SuppressionReason": reason, "SuppressSending": is_suppressed}
    return write_postmark("SubscriptionChange", **more)


MATRIX: Mapping[str, list[tuple[Any, str]]] = {
    "brevo": [
        *((write_brevo(name), "accepted") for name in ("request", "sent")),
        (write_brevo("delivered"), "delivered"),
        (write_brevo("deferred"), "delayed"),
        (write_brevo("hard_bounce"), "bounced+"),
        (write_brevo("invalid_email"), "bounced+"),
        (write_brevo("soft_bounce"), "bounced"),
        (write_brevo("blocked"), "listed"),
        (write_brevo("error"), "failed"),
        *((write_brevo(name), "complained") for name in ("spam", "complaint")),
        *((write_brevo(name), "unsubscribed") for name in ("unsubscribe", "unsubscribed")),
        *((write_brevo(name), "opened") for name in ("opened", "unique_opened", "proxy_open", "unique_proxy_open")),
        (write_brevo("click"), "clicked"),
        *(
            (write_brevo(name), "ignored")
            for name in ("list_addition", "contact_updated", "contact_deleted", "inbound_email_processed", "reply")
        ),
    ],
    "mailersend": [
        (write_mailersend("activity.sent"), "accepted"),
        (write_mailersend("activity.delivered"), "delivered"),
        (write_mailersend("activity.deferred"), "delayed"),
        (write_mailersend("activity.soft_bounced"), "bounced"),
        (write_mailersend("activity.hard_bounced"), "bounced+"),
        (write_mailersend("activity.unsubscribed"), "unsubscribed"),
        (write_mailersend("activity.spam_complaint"), "complained"),
        (write_mailersend("activity.opened"), "opened"),
        (write_mailersend("activity.clicked"), "clicked"),
        *(
            (write_mailersend(name), "ignored")
            for name in (
                *("activity.opened_unique", "activity.clicked_unique", "activity.survey_opened"),
                *("activity.survey_submitted", "recipient.on_hold_added", "recipient.on_hold_removed"),
                *("sender_identity.verified", "maintenance.start", "maintenance.end", "inbound_forward.failed"),
                *("inbound_message.rejected", "inbound.message", "email_single.verified", "email_list.verified"),
                *("bulk_email.completed", "webhook.test"),
            )
        ),
    ],
    "mailgun": [
        (write_mailgun("accepted"), "accepted"),
        (write_mailgun("delivered"), "delivered"),
        (write_mailgun("failed", severity="temporary", reason="generic"), "delayed"),
        (write_mailgun("failed", severity="permanent", reason="bounce"), "bounced+"),
        (write_mailgun("failed", severity="permanent", reason="generic"), "bounced"),
        (write_mailgun("failed", severity="permanent", reason="suppress-bounce"), "listed"),
        (write_mailgun("failed", severity="permanent", reason="suppress-complaint"), "listed"),
        (write_mailgun("failed", severity="permanent", **{"delivery-status": {"code": 606}}), "listed"),
        (write_mailgun("rejected", reject={"reason": "Sandbox"}), "failed"),
        (write_mailgun("complained"), "complained"),
        (write_mailgun("unsubscribed"), "unsubscribed"),
        (write_mailgun("opened"), "opened"),
        (write_mailgun("clicked"), "clicked"),
        *(
            (write_mailgun(name), "ignored")
            for name in (
                *("stored", "email_validation", "list_member_uploaded", "list_member_upload_error", "list_uploaded"),
            )
        ),
    ],
    "mailjet": [
        (write_mailjet("sent"), "delivered"),
        (write_mailjet("bounce", hard_bounce=True, error="user unknown"), "bounced+"),
        (write_mailjet("bounce", hard_bounce=True, error="no mail host"), "bounced+"),
        (write_mailjet("bounce", hard_bounce=False, error="quota exceeded"), "bounced"),
        (write_mailjet("bounce", hard_bounce=False, error="greylisted"), "delayed"),
        (write_mailjet("blocked", error="preblocked"), "listed"),
        (write_mailjet("blocked", error="spam reporter"), "listed"),
        (write_mailjet("blocked", error="content blocked"), "failed"),
        (write_mailjet("spam"), "complained"),
        (write_mailjet("unsub"), "unsubscribed"),
        (write_mailjet("open"), "opened"),
        (write_mailjet("click"), "clicked"),
    ],
    "postmark": [
        (write_postmark("Delivery"), "delivered"),
        (write_postmark("Bounce", "HardBounce"), "bounced+"),
        (write_postmark("Bounce", "BadEmailAddress"), "bounced+"),
        *(
            (write_postmark("Bounce", name), "bounced")
            for name in ("SoftBounce", "Blocked", "SpamNotification", "VirusNotification", "DMARCPolicy", "Unknown")
        ),
        *((write_postmark("Bounce", name), "delayed") for name in ("Transient", "DnsError")),
        (write_postmark("Bounce", "ManuallyDeactivated"), "listed"),
        *(
            (write_postmark("Bounce", name), "failed")
            for name in ("Unconfirmed", "SMTPApiError", "TemplateRenderingFailed")
        ),
        (write_postmark("Bounce", "SpamComplaint"), "complained"),
        (write_postmark("Bounce", "Unsubscribe"), "unsubscribed"),
        *(
            (write_postmark("Bounce", name), "ignored")
            for name in (
                *("Subscribe", "AutoResponder", "AddressChange", "ChallengeVerification", "OpenRelayTest"),
                "InboundError",
            )
        ),
        (write_postmark("SpamComplaint", "SpamComplaint"), "complained"),
        (suppressed_by("Recipient", "ManualSuppression"), "unsubscribed"),
        (suppressed_by("Admin", "ManualSuppression"), "ignored"),
        (suppressed_by("Recipient", "HardBounce"), "ignored"),
        (suppressed_by("Recipient", "ManualSuppression", is_suppressed=False), "ignored"),
        (write_postmark("Open"), "opened"),
        (write_postmark("Click"), "clicked"),
        (write_postmark("Inbound"), "ignored"),
    ],
    "resend": [
        (write_resend("email.sent"), "accepted"),
        (write_resend("email.delivered"), "delivered"),
        (write_resend("email.delivery_delayed"), "delayed"),
        (write_resend("email.bounced", bounce={"type": "Permanent", "subType": "General"}), "bounced+"),
        (write_resend("email.bounced", bounce={"type": "Permanent", "subType": "Suppressed"}), "listed"),
        (write_resend("email.bounced", bounce={"type": "Transient", "subType": "MailboxFull"}), "bounced"),
        (write_resend("email.bounced", bounce={"type": "Transient", "subType": "General", "message": "x"}), "bounced~"),
        (write_resend("email.suppressed", suppressed={"message": "x", "type": "OnAccountSuppressionList"}), "listed"),
        (write_resend("email.failed", failed={"reason": "reached_daily_quota"}), "failed"),
        (write_resend("email.complained"), "complained"),
        (write_resend("email.opened"), "opened"),
        (write_resend("email.clicked", click={"link": "https://x.test/"}), "clicked"),
        *(
            (write_resend(name), "ignored")
            for name in (
                *("email.scheduled", "email.received", "contact.created", "contact.updated", "contact.deleted"),
                *("domain.created", "domain.updated", "domain.deleted"),
            )
        ),
    ],
    "sendgrid": [
        (write_sendgrid("processed"), "accepted"),
        (write_sendgrid("delivered", response="250 OK"), "delivered"),
        (write_sendgrid("deferred", response="451 later"), "delayed"),
        (write_sendgrid("bounce", type="bounce", bounce_classification="Invalid Address"), "bounced+"),
        (write_sendgrid("bounce", type="bounce", bounce_classification="Reputation"), "bounced"),
        (write_sendgrid("bounce", type="bounce", bounce_classification="Unclassified"), "bounced"),
        (write_sendgrid("bounce", type="bounce"), "bounced+"),
        (write_sendgrid("bounce", type="blocked"), "bounced"),
        (write_sendgrid("dropped", reason="Bounced Address"), "listed"),
        (write_sendgrid("dropped", reason="Unsubscribed Address"), "listed"),
        (write_sendgrid("dropped", reason="Spam Content"), "failed"),
        (write_sendgrid("spamreport"), "complained"),
        (write_sendgrid("unsubscribe"), "unsubscribed"),
        (write_sendgrid("group_unsubscribe"), "unsubscribed"),
        (write_sendgrid("group_resubscribe"), "ignored"),
        (write_sendgrid("account_status_change", type="compliance_suspend"), "ignored"),
        (write_sendgrid("open"), "opened"),
        (write_sendgrid("click"), "clicked"),
    ],
    "ses": [
        (write_ses("Send", "send"), "accepted"),
        (write_ses("Delivery", "delivery", recipients=[WHO], smtpResponse="250 2.6.0 ok"), "delivered"),
        (write_ses("DeliveryDelay", "deliveryDelay", delayedRecipients=[{"emailAddress": WHO}]), "delayed"),
        (bounce("Permanent", "General"), "bounced+"),
        (bounce("Permanent", "NoEmail"), "bounced+"),
        (bounce("Permanent", "Suppressed"), "listed"),
        (bounce("Permanent", "OnAccountSuppressionList"), "listed"),
        (bounce("Permanent", "UnsubscribedRecipient"), "listed"),
        (bounce("Transient", "MailboxFull"), "bounced"),
        (bounce("Transient", "CustomTimeoutExceeded"), "bounced"),
        (bounce("Transient", "General", status="4.4.7", diagnosticCode="smtp; 554 4.4.7 expired"), "bounced"),
        (bounce("Transient", "General"), "bounced~"),
        (bounce("Undetermined", "Undetermined"), "bounced~"),
        (write_ses("Complaint", "complaint", complainedRecipients=[{"emailAddress": WHO}]), "complained"),
        (
            write_ses("Complaint", "complaint", complaintSubType="OnAccountSuppressionList", complainedRecipients=[]),
            "listed",
        ),
        (write_ses("Reject", "reject", reason="Bad content"), "failed"),
        (write_ses("Rendering Failure", "failure", errorMessage="x", templateName="t"), "failed"),
        (prefer(unsubscribeAll=True), "unsubscribed"),
        (prefer(topicSubscriptionStatus=[{"topicName": "a", "subscriptionStatus": "OptOut"}]), "unsubscribed"),
        (prefer(topicSubscriptionStatus=[{"topicName": "a", "subscriptionStatus": "OptIn"}]), "ignored"),
        (write_ses("Open", "open", userAgent="x"), "opened"),
        (write_ses("Click", "click", link="https://x.test/"), "clicked"),
        (write_ses("Received", "receipt"), "ignored"),
    ],
    "sparkpost": [
        (write_sparkpost("injection"), "accepted"),
        (write_sparkpost("delivery"), "delivered"),
        (write_sparkpost("delay", bounce_class="20"), "delayed"),
        *((write_sparkpost("bounce", bounce_class=code), "bounced+") for code in ("10", "30")),
        *(
            (write_sparkpost("bounce", bounce_class=code), "bounced")
            for code in ("1", "20", "21", "22", "23", "24", "40", "50", "51", "52", "53", "54", "70")
        ),
        (write_sparkpost("bounce", bounce_class="25", raw_reason="550 5.7.1 recipient address suppressed"), "listed"),
        (write_sparkpost("bounce", bounce_class="25", raw_reason="550 no"), "failed"),
        *((write_sparkpost("out_of_band", bounce_class=code), "ignored") for code in ("60", "80", "100")),
        (write_sparkpost("out_of_band", bounce_class="90"), "unsubscribed"),
        (write_sparkpost("out_of_band", bounce_class="10"), "bounced+"),
        (write_sparkpost("policy_rejection", raw_reason="550 5.7.1 suppressed due to customer policy"), "listed"),
        *(
            (write_sparkpost(name), "failed")
            for name in ("policy_rejection", "generation_failure", "generation_rejection")
        ),
        (write_sparkpost("spam_complaint"), "complained"),
        *((write_sparkpost(name), "unsubscribed") for name in ("list_unsubscribe", "link_unsubscribe")),
        *((write_sparkpost(name), "opened") for name in ("open", "amp_open")),
        *((write_sparkpost(name), "clicked") for name in ("click", "amp_click")),
        *(
            (write_sparkpost(name), "ignored")
            for name in (
                *("initial_open", "amp_initial_open", "sms_status", "relay_injection", "relay_rejection"),
                *("relay_delivery", "relay_tempfail", "relay_permfail", "ab_test_completed", "ab_test_cancelled"),
                *("success", "error"),
            )
        ),
        ({"msys": {}}, "ignored"),
    ],
}


@pytest.mark.parametrize("name", ESPS)
def test_every_documented_event_has_its_meaning(name: str) -> None:
    assert [(item, tell(name, item)) for item, _ in MATRIX[name]] == MATRIX[name]


@pytest.mark.parametrize("name", ESPS)
def test_the_matrix_has_every_type_of_the_table(name: str) -> None:
    module = import_module(f"providers.esp.services.{name}")
    told = json.dumps([item for item, _ in MATRIX[name]])
    types = {*module.EVENTS, *getattr(module, "BOUNCES", ())}
    assert [type_ for type_ in types if f'"{type_}"' not in told] == []


@pytest.mark.parametrize("name", ESPS)
def test_events_name_their_mail_and_keep_their_keys(name: str) -> None:
    items = [item for item, meaning in MATRIX[name] if meaning != "ignored"]
    first, again = read(name, *items), read(name, *items)
    assert {event.remote_id for event in first} <= {"1", "<1@x>"}
    assert {event.address for event in first} == ({WHO} if ESPS[name].names_recipient else {""})
    assert [event.key for event in first] == [event.key for event in again]


def test_an_event_of_ses_about_several_recipients_is_told_for_each_or_for_none() -> None:
    both = [WHO, "joe@rcpt.test"]
    delayed = write_ses("DeliveryDelay", "deliveryDelay", delayedRecipients=[{"emailAddress": who} for who in both])
    assert [event.address for event in read("ses", delayed)] == both
    complaint = write_ses("Complaint", "complaint", complainedRecipients=[{"emailAddress": who} for who in both])
    assert {event.address for event in read("ses", complaint)} == {""}


def test_the_words_of_the_recipients_server_are_kept_with_their_codes() -> None:
    status = {"code": 550, "enhanced-code": "5.1.1", "message": "no such user"}
    (event,) = read("mailgun", write_mailgun("failed", severity="permanent", **{"delivery-status": status}))
    assert event.reply == "550 5.1.1 no such user"
    (event,) = read("sendgrid", write_sendgrid("bounce", status="5.1.1", reason="550 5.1.1 no such user"))
    assert event.reply == "550 5.1.1 no such user"
    (event,) = read("sparkpost", write_sparkpost("bounce", error_code="550", raw_reason="550 5.7.1 listed"))
    assert event.reply == "550 5.7.1 listed"


def test_a_number_that_no_time_can_hold_costs_its_event_only() -> None:
    good = {"event": "delivered", "email": WHO, "message-id": "1"}
    events, unknown = convert(ESPS["brevo"], [good, {**good, "ts_epoch": 10**400}, good], POSTED)
    assert (len(events), unknown) == (2, {"(malformed)": 1})


def test_a_class_of_an_esp_is_a_reason_of_ours() -> None:
    (event,) = read("mailjet", write_mailjet("bounce", hard_bounce=True, error="mailbox inactive"))
    assert event.category == Category(Reason.DISABLED)
