"""Every event type that the ESPs document, in the form in which the ESP posts it, and what it means here.

The meanings are those of `tell` in `test_event_matrix`.
"""

from collections.abc import Mapping
from typing import Any

WHO = "jane@rcpt.test"


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
            for name in (
                *("list_addition", "contact_updated", "contact_deleted", "unique_coupon_sent", "reply"),
                "inbound_email_processed",
            )
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
        *(
            (write_mailgun("failed", severity="temporary", reason=reason), "delayed")
            for reason in ("generic", "espblock", "greylisted")
        ),
        (write_mailgun("failed", severity="permanent", reason="bounce"), "bounced+"),
        *(
            (write_mailgun("failed", severity="permanent", reason=reason), "bounced")
            for reason in ("generic", "hardfail", "espblock", "greylisted", "old")
        ),
        *(
            (write_mailgun("failed", severity="permanent", reason=f"suppress-{reason}"), "listed")
            for reason in ("bounce", "complaint", "unsubscribe")
        ),
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
        *(
            (write_mailjet("bounce", hard_bounce=True, error=error), "bounced+")
            for error in ("user unknown", "invalid domain", "no mail host", "typofix")
        ),
        *(
            (write_mailjet("bounce", hard_bounce=True, error=error), "bounced")
            for error in (
                *("mailbox inactive", "relay/access denied", "sender blocked", "content blocked", "policy issue"),
                "",
            )
        ),
        *(
            (write_mailjet("bounce", hard_bounce=False, error=error), "bounced")
            for error in ("quota exceeded", "no mail host", "system issue", "protocol issue", "connection issue")
        ),
        (write_mailjet("bounce", hard_bounce=False, error="greylisted"), "delayed"),
        *(
            (write_mailjet("blocked", error_related_to=related, error=error), "listed")
            for related, error in (
                *(("mailjet", "preblocked"), ("recipient", "blacklisted"), ("recipient", "spam reporter")),
                *(("recipient", "user unknown"), ("recipient", "mailbox inactive"), ("recipient", "quota exceeded")),
                *(("domain", "invalid domain"), ("domain", "no mail host"), ("domain", "typofix")),
            )
        ),
        *(
            (write_mailjet("blocked", error_related_to=related, error=error), "failed")
            for related, error in (
                *(("content", "bad or empty template"), ("content", "error in template language")),
                *(("spam", "sender blocked"), ("spam", "content blocked"), ("spam", "policy issue")),
                *(("system", "system issue"), ("mailjet", "duplicate in campaign")),
            )
        ),
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
                *("domain.created", "domain.updated", "domain.deleted", "suppression.added", "suppression.removed"),
            )
        ),
    ],
    "sendgrid": [
        (write_sendgrid("processed"), "accepted"),
        (write_sendgrid("delivered", response="250 OK"), "delivered"),
        (write_sendgrid("deferred", response="451 later"), "delayed"),
        (write_sendgrid("bounce", type="bounce", bounce_classification="Invalid Address"), "bounced+"),
        *(
            (write_sendgrid("bounce", type="bounce", bounce_classification=class_), "bounced")
            for class_ in (
                *("Content", "Frequency or Volume Too High", "Mailbox Unavailable", "Reputation", "Technical Failure"),
                "Unclassified",
            )
        ),
        (write_sendgrid("bounce", type="bounce"), "bounced+"),
        (write_sendgrid("bounce", type="blocked"), "bounced"),
        (write_sendgrid("bounce", type="blocked", bounce_classification="Invalid Address"), "bounced"),
        (write_sendgrid("bounce", type="new_type"), "bounced"),
        *(
            (write_sendgrid("dropped", reason=reason), "listed")
            for reason in ("Bounced Address", "Unsubscribed Address", "Spam Reporting Address", "Invalid")
        ),
        *(
            (write_sendgrid("dropped", reason=reason), "failed")
            for reason in ("Spam Content", "Invalid SMTPAPI header", "Recipient List over Package Quota")
        ),
        (write_sendgrid("spamreport"), "complained"),
        (write_sendgrid("unsubscribe"), "unsubscribed"),
        (write_sendgrid("group_unsubscribe"), "unsubscribed"),
        (write_sendgrid("group_resubscribe"), "ignored"),
        *(
            (write_sendgrid("account_status_change", type=type_), "ignored")
            for type_ in ("compliance_suspend", "compliance_deactivate", "compliance_ban", "reactivate")
        ),
        (write_sendgrid("open"), "opened"),
        (write_sendgrid("click"), "clicked"),
    ],
    "ses": [
        (write_ses("Send", "send"), "accepted"),
        (write_ses("Delivery", "delivery", recipients=[WHO], smtpResponse="250 2.6.0 ok"), "delivered"),
        (write_ses("DeliveryDelay", "deliveryDelay", delayedRecipients=[{"emailAddress": WHO}]), "delayed"),
        (bounce("Permanent", "General"), "bounced+"),
        (bounce("Permanent", "NoEmail"), "bounced+"),
        *(
            (bounce("Permanent", subtype), "listed")
            for subtype in (
                *("Suppressed", "OnAccountSuppressionList", "OnTenantSuppressionList", "UnsubscribedRecipient"),
                "EmailValidationSuppressed",
            )
        ),
        *(
            (bounce("Transient", subtype), "bounced")
            for subtype in (
                *("MailboxFull", "MessageTooLarge", "CustomTimeoutExceeded", "ContentRejected", "AttachmentRejected"),
            )
        ),
        (bounce("Transient", "General", status="4.4.7", diagnosticCode="smtp; 554 4.4.7 expired"), "bounced"),
        (bounce("Transient", "General"), "bounced~"),
        (bounce("Undetermined", "Undetermined"), "bounced~"),
        (write_ses("Complaint", "complaint", complainedRecipients=[{"emailAddress": WHO}]), "complained"),
        *(
            (write_ses("Complaint", "complaint", complaintSubType=subtype, complainedRecipients=[]), "listed")
            for subtype in ("OnAccountSuppressionList", "OnTenantSuppressionList")
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
        *((write_sparkpost("bounce", bounce_class=code, raw_reason="550 no"), "failed") for code in ("25", "26")),
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
        *((write_sparkpost(name), "opened") for name in ("initial_open", "open", "amp_initial_open", "amp_open")),
        *((write_sparkpost(name), "clicked") for name in ("click", "amp_click")),
        *(
            (write_sparkpost(name), "ignored")
            for name in (
                *("sms_status", "relay_injection", "relay_rejection", "relay_delivery", "relay_tempfail"),
                *("relay_permfail", "ab_test_completed", "ab_test_cancelled", "success", "error"),
            )
        ),
        ({"msys": {}}, "ignored"),
    ],
}
