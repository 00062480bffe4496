"""The ESPs that we can send through: what each needs to be told, and what it can do.

Sending and reading their events is django-anymail's; `providers.esp.transport` and `.events` use this table.
"""

from collections.abc import Mapping
from dataclasses import dataclass

# Where an ESP's API is, when it is not the usual place: another region, or a stand-in.
API_URL = "api_url"
# `user:password` that the ESP was told to send with its events (HTTP Basic), beside the secret in their address.
EVENT_LOGIN = "event_login"

# The SNS topics that SES's events may come by, with commas between; of no other one is anything believed.
TOPICS = "sns_topics"


@dataclass(frozen=True, slots=True, kw_only=True)
class Esp:
    """One ESP.

    `name` is the word for it in settings, `title` that for people. `needed` and `possible` name its settings,
    `secrets` those that are never shown. `backend` and `event_view` are django-anymail's classes. `takes_envelope`
    tells that who gets a mail and whom its header names may differ, so that each recipient's own copy can go by
    itself; `takes_raw` that it takes our own bytes, signature and all, where the others build the message anew from
    its parts. `takes_metadata` tells that its events bring back what we gave it with the mail, `names_recipient`
    that they say whom they are about, and `takes_silence` that it can be told, for one mail, to leave links and
    pixels alone. `taken_status` is the one with which it takes a mail, where its answer has no body to tell by.
    `idempotency_header` is the HTTP header, `idempotency_field` the header field of the mail, by which it knows a
    repeated request. `event_key` names the setting that its events are signed with, empty where the ESP signs
    nothing and the secret in their address stands alone. `login` is the HTTP header and the value that its API
    wants, `probe` a path that answers whoever has a good key, and costs nothing.
    """

    name: str
    title: str
    backend: str
    event_view: str
    needed: tuple[str, ...]
    possible: tuple[str, ...] = ()
    secrets: frozenset[str] = frozenset()
    takes_envelope: bool = False
    takes_raw: bool = False
    takes_metadata: bool = True
    names_recipient: bool = True
    takes_silence: bool = False
    taken_status: int | None = None
    idempotency_header: str = ""
    idempotency_field: str = ""
    event_key: str = ""
    login: tuple[str, str] = ("Authorization", "Bearer {api_key}")
    probe: str = ""


_ALL = (
    Esp(
        name="brevo",
        title="Brevo",
        backend="anymail.backends.brevo.EmailBackend",
        event_view="anymail.webhooks.brevo.BrevoTrackingWebhookView",
        needed=("api_key",),
        secrets=frozenset({"api_key"}),
        idempotency_field="idempotencyKey",
        login=("api-key", "{api_key}"),
        probe="account",
    ),
    Esp(
        name="mailersend",
        title="MailerSend",
        backend="anymail.backends.mailersend.EmailBackend",
        event_view="anymail.webhooks.mailersend.MailerSendTrackingWebhookView",
        needed=("api_token",),
        possible=("signing_secret",),
        secrets=frozenset({"api_token", "signing_secret"}),
        takes_metadata=False,
        takes_silence=True,
        taken_status=202,
        event_key="signing_secret",
        login=("Authorization", "Bearer {api_token}"),
        probe="api-quota",
    ),
    Esp(
        name="mailgun",
        title="Mailgun",
        backend="anymail.backends.mailgun.EmailBackend",
        event_view="anymail.webhooks.mailgun.MailgunTrackingWebhookView",
        needed=("api_key",),
        possible=("sender_domain", "webhook_signing_key"),
        secrets=frozenset({"api_key", "webhook_signing_key"}),
        takes_envelope=True,
        takes_raw=True,
        takes_silence=True,
        event_key="webhook_signing_key",
        login=("Authorization", "Basic api:{api_key}"),
        probe="domains",
    ),
    Esp(
        name="mailjet",
        title="Mailjet",
        backend="anymail.backends.mailjet.EmailBackend",
        event_view="anymail.webhooks.mailjet.MailjetTrackingWebhookView",
        needed=("api_key", "secret_key"),
        secrets=frozenset({"api_key", "secret_key"}),
        takes_silence=True,
        login=("Authorization", "Basic {api_key}:{secret_key}"),
        # Beside the sending API, which is v3.1.
        probe="/v3/REST/myprofile",
    ),
    Esp(
        name="postmark",
        title="Postmark",
        backend="anymail.backends.postmark.EmailBackend",
        event_view="anymail.webhooks.postmark.PostmarkTrackingWebhookView",
        needed=("server_token",),
        possible=("message_stream",),
        secrets=frozenset({"server_token"}),
        takes_silence=True,
        login=("X-Postmark-Server-Token", "{server_token}"),
        probe="server",
    ),
    Esp(
        name="resend",
        title="Resend",
        backend="anymail.backends.resend.EmailBackend",
        event_view="anymail.webhooks.resend.ResendTrackingWebhookView",
        needed=("api_key",),
        possible=("signing_secret",),
        secrets=frozenset({"api_key", "signing_secret"}),
        names_recipient=False,
        idempotency_header="Idempotency-Key",
        event_key="signing_secret",
        probe="domains",
    ),
    Esp(
        name="sendgrid",
        title="SendGrid",
        backend="anymail.backends.sendgrid.EmailBackend",
        event_view="anymail.webhooks.sendgrid.SendGridTrackingWebhookView",
        needed=("api_key",),
        possible=("tracking_webhook_verification_key",),
        secrets=frozenset({"api_key"}),
        takes_silence=True,
        taken_status=202,
        event_key="tracking_webhook_verification_key",
        probe="scopes",
    ),
    Esp(
        name="ses",
        title="Amazon SES",
        backend="anymail.backends.amazon_ses.EmailBackend",
        event_view="anymail.webhooks.amazon_ses.AmazonSESTrackingWebhookView",
        needed=("region_name",),
        # Without an access key, boto3 looks for credentials where AWS's own programs do.
        possible=("aws_access_key_id", "aws_secret_access_key", "configuration_set_name", TOPICS),
        secrets=frozenset({"aws_access_key_id", "aws_secret_access_key"}),
        takes_envelope=True,
        takes_raw=True,
        event_key=TOPICS,
    ),
    Esp(
        name="sparkpost",
        title="SparkPost",
        backend="anymail.backends.sparkpost.EmailBackend",
        event_view="anymail.webhooks.sparkpost.SparkPostTrackingWebhookView",
        needed=("api_key",),
        possible=("subaccount",),
        secrets=frozenset({"api_key"}),
        takes_envelope=True,
        takes_silence=True,
        login=("Authorization", "{api_key}"),
        probe="account",
    ),
)
ESPS: Mapping[str, Esp] = {esp.name: esp for esp in _ALL}


def list_settings(esp: Esp) -> tuple[str, ...]:
    """All settings of an ESP, those that it needs first."""
    return (*esp.needed, *esp.possible, API_URL, EVENT_LOGIN)


def is_secret(esp: Esp, name: str) -> bool:
    return name in esp.secrets or name == EVENT_LOGIN
