"""Ways to switch a defence off, each by the defence's row in docs/threat-model.md."""

import hmac
import re
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import timedelta
from ipaddress import IPv6Network
from types import SimpleNamespace
from typing import Any

from django.db.models import TextField

from accounts.requests.models import RequestEntry
from common.ids import new_id
from delivery.mime.attachments import ContentType
from messages.models import Message
from templates_app.html.link_policy import SCHEMES
from tests.security import undefended
from tracking.engagement.tokens import LAYOUT, TokenPurpose


@dataclass(frozen=True, slots=True)
class Mutant:
    """What stands at `target`, an attribute by its path, is replaced by `instead`.

    `leaves_traces`: fixtures keep what the test did without the defence, so that it passes with fresh ones alone.
    """

    defence: str
    target: str
    instead: Any
    leaves_traces: bool = False


def always(answer: object) -> Any:
    return lambda *_args, **_named: answer


nothing = always(None)
NEVER = re.compile("(?!)")
NEVER_BYTES = re.compile(b"(?!)")
ANYTHING = re.compile("(?s).*")
HUGE = 10**9
# A comparison that finds everything equal.
EQUAL = SimpleNamespace(compare_digest=always(True), digest=hmac.digest)
# Tokens that are all written for the same purpose.
SAME_PURPOSE = SimpleNamespace(
    pack=lambda _purpose, *rest: LAYOUT.pack(TokenPurpose.UNSUBSCRIBE, *rest), unpack=LAYOUT.unpack
)

# A pattern of addresses of SNS in which every host counts.
ANY_HOST = SimpleNamespace(fullmatch=always({"region": "eu-west-1"}))
# Feedback whose key may have been taken before.
TAKE_ALWAYS = """
INSERT INTO mail_receivedfeedback (key, content, due_at, postponed_count)
VALUES (%s || clock_timestamp(), '{}', NULL, 0) RETURNING id
"""

MUTANTS = (
    Mutant("The value of a header holds no control character.", "delivery.mime.headers.UNSAFE", NEVER),
    Mutant(
        "A value with half a surrogate pair is refused before it is encoded.",
        "delivery.mime.headers.check_value",
        nothing,
    ),
    Mutant("The name of a header is a token.", "delivery.mime.headers.NAME", ANYTHING),
    Mutant(
        "The service alone writes headers such as From and DKIM-Signature.", "delivery.mime.message.RESERVED", NEVER
    ),
    Mutant("A mailbox in a header is an ASCII address.", "delivery.mime.headers.ADDRESS", ANYTHING),
    Mutant(
        "No field of a mail, with any kind of line break, begins another header.", "delivery.mime.headers.UNSAFE", NEVER
    ),
    Mutant("A Content-ID holds neither spaces nor angle brackets.", "delivery.mime.attachments.CONTENT_ID", ANYTHING),
    Mutant("A local part that looks like an encoded word is quoted.", "delivery.mime.headers.LOOKS_ENCODED", NEVER),
    Mutant("Dots at the beginning of lines are doubled.", "delivery.smtp.transaction._DOT", NEVER_BYTES),
    Mutant(
        "A lone CR or LF becomes CRLF before the mail is sent.",
        "delivery.smtp.transaction.has_only_pairs",
        always(True),
    ),
    Mutant(
        "Lines of a body end in CRLF before they are signed.",
        "delivery.dkim.canonical.BARE_LINE_END",
        re.compile(b"\r\n"),
    ),
    Mutant("A submitted mail with a bare CR or LF is refused.", "delivery.smtp.incoming.judge_lines", always("")),
    Mutant("A line of a submitted mail has at most 998 octets.", "delivery.smtp.incoming.LINE_BYTES", HUGE),
    Mutant("A server's reply is shown as one line of printable text.", "delivery.replies.MAX_TEXT", HUGE),
    Mutant(
        "No character of a reply turns or hides the text around it.",
        "delivery.replies.clean_text",
        lambda raw: raw.decode(errors="replace"),
    ),
    Mutant("A server's reply has an end.", "delivery.replies.MAX_REPLY_LINES", HUGE),
    Mutant("An address holds no control character.", "common.addresses.find_control_character", always(None)),
    Mutant(
        "An address holds no character that changes the direction of writing.",
        "common.addresses.find_bidi_control",
        always(None),
    ),
    Mutant(
        "An address is one address, and names with special characters are quoted.", "common.addresses.SPECIALS", NEVER
    ),
    Mutant("Domains that mail cannot be sent to are refused.", "common.addresses.RESERVED", (".nowhere",)),
    Mutant("A local part has at most 64 octets.", "common.addresses.MAX_LOCAL", HUGE),
    Mutant("A sender's domain is verified for its project.", "domains.services.is_trusted", always(True)),
    Mutant("A look-alike domain is another domain.", "domains.services.is_trusted", always(True)),
    Mutant("The domain of another project does not count.", "domains.services.is_trusted", always(True)),
    Mutant("A domain's token is that of its project.", "domains.dns.records.OWNERSHIP_PREFIX", ""),
    Mutant("A public suffix is nobody's domain.", "domains.domain_names.is_public_suffix", always(False)),
    Mutant(
        "A link has a scheme that leads to people and pages.", "templates_app.html.link_policy.is_allowed", always(True)
    ),
    Mutant(
        "Entities in an address are decoded as browsers decode them.", "templates_app.html.link_policy.unescape", str
    ),
    Mutant(
        "The target of a form is checked too.",
        "templates_app.html.link_policy.SCHEMES",
        {"href": SCHEMES["href"], "src": SCHEMES["src"]},
    ),
    Mutant(
        "A source is checked too.",
        "templates_app.html.link_policy.SCHEMES",
        {"href": SCHEMES["href"], "action": SCHEMES["action"]},
    ),
    Mutant("Markup in a variable is escaped in HTML.", "templates_app.liquid.environment.HTML.autoescape", False),
    Mutant("JSON within a script cannot end it.", "templates_app.liquid.filters.JSON_ESCAPES", {}),
    Mutant("A rendered subject holds no CR and no LF.", "templates_app.template_parts.check_subject", nothing),
    Mutant("Elements that fetch by themselves are disarmed.", "delivery.html.defuse.REACHING_VOID", NEVER),
    Mutant("Frames and plugins are disarmed.", "delivery.html.defuse.REACHING_TAG", NEVER),
    Mutant("A meta element does what a header does in no mail.", "delivery.html.defuse.keep_meta", lambda tag: tag[0]),
    Mutant("A dead link leads nowhere.", "delivery.html.defuse.kill_links", lambda tag, attributes: attributes),
    Mutant("A link opens without a hold on the frame.", "delivery.html.defuse.free_links", str),
    Mutant("Inlined images have a size together.", "delivery.html.defuse.MAX_INLINE_BYTES", HUGE),
    Mutant("A hostile body stands in a sandbox.", "messages.admin.html_preview.POLICY", "default-src *"),
    Mutant(
        "Attachments are downloads without content sniffing.",
        "messages.admin.bodies.content_disposition_header",
        always("inline"),
    ),
    Mutant(
        "Pages of the admin run no inline script and load nothing from other hosts.",
        "emailsvc.web.security_headers.ADMIN_POLICY",
        "default-src *",
    ),
    Mutant("IPv4 addresses of special networks are refused.", "delivery.ssrf._CLOSED_V4", []),
    Mutant(
        "IPv6 networks that embed an IPv4 address, or are for documentation, are refused.",
        "delivery.ssrf._CLOSED_V6",
        [],
    ),
    Mutant("IPv6 addresses outside of global unicast are refused.", "delivery.ssrf._OPEN_V6", IPv6Network("::/0")),
    Mutant("Every address of a name is checked.", "delivery.ssrf.Guard.admits", always(True)),
    Mutant("A host that is a number in another form is refused.", "delivery.ssrf._NUMBER", NEVER),
    Mutant("An IPv4 address is four decimal numbers.", "delivery.ssrf._is_dotted", always(True)),
    Mutant(
        "An IPv6 address stands in its canonical form, with no IPv4 address in it.", "delivery.ssrf._check_ipv6", str
    ),
    Mutant("A label of a host has the characters of a name.", "delivery.ssrf._LABEL", ANYTHING),
    Mutant("A URL has a length.", "delivery.ssrf.MAX_URL", HUGE),
    Mutant("Only named networks are opened.", "delivery.ssrf.is_public", always(True)),
    Mutant("A mail exchanger on a private network is refused.", "delivery.ssrf.is_public", always(True)),
    Mutant("A webhook's URL leads to no private network.", "delivery.ssrf.is_public", always(True)),
    Mutant("A project's provider leads to no private network.", "providers.network_policy._check_host", lambda *_: []),
    Mutant("A token in a link is signed.", "tracking.engagement.tokens._is_ours", always(True)),
    Mutant("A token is good for one purpose.", "tracking.engagement.tokens.LAYOUT", SAME_PURPOSE),
    Mutant("A wrong token is 404.", "tracking.engagement.tokens._is_ours", always(True)),
    Mutant("The target of a redirect fits into a header.", "tracking.engagement.redirects.OUTSIDE", NEVER),
    Mutant("A key has at least 160 random bits beyond its prefix.", "accounts.tokens.SECRET", 8),
    Mutant("Only the hash of a key is stored.", "accounts.tokens.hash_of", str),
    Mutant("The whole key counts, by its hash.", "accounts.services.hmac", EQUAL),
    Mutant("An expired key is refused.", "accounts.models.ApiKey.has_expired", always(False)),
    Mutant("A key is limited to networks.", "accounts.models.ApiKey.admits_ip", always(True)),
    Mutant("A key is limited to recipients.", "accounts.models.ApiKey.admits_recipient", always(True)),
    Mutant("An unknown scope is refused.", "accounts.services.check_scopes", sorted),
    Mutant("Every action needs its scope.", "accounts.permissions.require_scope", nothing),
    Mutant("Keys of projects do not serve the management API.", "accounts.permissions.require_scope", nothing),
    Mutant("Many wrong keys of an address are braked.", "accounts.metering.wrong_keys.WrongKeys.note", nothing),
    Mutant("A request signed for SES holds for some minutes.", "gateways.ses.signature.WINDOW", timedelta(days=1)),
    Mutant(
        "A request signed for SES is the one that was signed.", "gateways.ses.signature.write_canonical", always("")
    ),
    Mutant("An idempotency key is that of its payload.", "accounts.idempotent_views.fingerprint", always(b"f" * 32)),
    Mutant("JSON has at most 32 levels.", "common.strict_json.MAX_DEPTH", 150),
    Mutant("An object has at most 1,000 keys.", "common.strict_json.MAX_KEYS", HUGE),
    Mutant("An integer has at most 20 digits.", "common.strict_json.MAX_DIGITS", HUGE),
    Mutant("A number fits a double.", "common.strict_json.isinf", always(False)),
    Mutant("Strings hold neither NUL nor half a surrogate pair.", "common.strict_json.UNSAFE_ESCAPE", NEVER),
    Mutant("A body is measured before anything is built from it.", "common.strict_json.check_bounds", nothing),
    Mutant(
        "multipart and message types are not attached.",
        "delivery.mime.attachments.parse_content_type",
        lambda text: ContentType(text),
    ),
    Mutant("An attached mail has lines that servers take.", "delivery.mime.attachments.has_long_line", always(False)),
    Mutant("Base64 is strict.", "common.large_json.cutting.is_base64", always(True)),
    Mutant("The name of a file has no path.", "messages.api.attachment_fields.PATH_SEPARATOR", NEVER),
    Mutant("A line of a body has at most 998 octets.", "delivery.mime.bodies.has_long_line", always(False)),
    Mutant("A return path is signed.", "delivery.id_tokens.hmac", EQUAL),
    Mutant("The id in a returned mail is signed.", "delivery.id_tokens.hmac", EQUAL),
    Mutant("An automatic reply is no bounce.", "delivery.reports.formats._is_reply", always(False)),
    Mutant("A message of SNS is of a topic of the provider.", "providers.esp.sns.Sns.check", nothing),
    Mutant(
        "A message of SNS is as it was signed.",
        "providers.esp.sns.Sns._find_key",
        always(SimpleNamespace(verify=nothing)),
    ),
    Mutant("An ESP that can sign is not believed without a key.", "providers.esp.events.check_origin", always(True)),
    Mutant("An ESP's id for a mail is text that a row can hold.", "providers.esp.transport.clean_text", bytes.decode),
    Mutant("A signature is not old where each try is signed anew.", "providers.esp.services.resend.check_age", nothing),
    Mutant(
        "Every event webhook needs its signature or its secret address.",
        "providers.esp.services.resend.compare_any",
        nothing,
    ),
    Mutant("A secret is stored encrypted.", "common.fields.encrypt", str),
    Mutant("A secret does not show itself.", "common.fields.SecretText.__repr__", str.__repr__),
    Mutant("Filtering by a secret is refused.", "common.fields.EncryptedTextField.get_lookup", TextField.get_lookup),
    Mutant("A relay's answer that repeats the password is not shown.", "delivery.smtp.connection.LEAST_HIDDEN", HUGE),
    Mutant(
        "A later answer, or one that is no reply, does not show the password either.",
        "delivery.smtp.connection.LEAST_HIDDEN",
        HUGE,
    ),
    Mutant("A dump of the database shows no secret of a webhook.", "common.fields.encrypt", str),
    Mutant("A dump of the database shows no password of a provider.", "common.fields.encrypt", str),
    Mutant("Addresses, keys and passwords are masked in logs.", "emailsvc.logs.MASKS", ()),
    Mutant(
        "After ten wrong passwords an address waits.",
        "emailsvc.admin_site.sign_in_brake.SignInBrake.is_allowed",
        always(True),
    ),
    Mutant("A code of an app is good once.", "accounts.people.totp.DRIFT", 3),
    Mutant("A copy of a security key is refused.", "accounts.people.security_keys.count_use", always(True)),
    Mutant("Only trusted proxies say whose request it is.", "common.client_ip.is_within", always(True)),
    Mutant("Another machine sees no inbox.", "inbox.guard.is_local", always(True)),
    Mutant(
        "Another site's page sees no inbox.",
        "inbox.guard.OWN_SITES",
        {"same-origin", "none", "cross-site", "same-site"},
    ),
    Mutant("Requests above the limit by second are 429.", "accounts.metering.limits.build_limits", always([])),
    Mutant(
        "Mail above the limit of a day is 429, and nothing of it is stored.",
        "accounts.metering.permits.list_limits",
        always([]),
    ),
    Mutant(
        "Without Redis a process applies the limit by itself.",
        "accounts.metering.counters.OwnCounters.note",
        nothing,
    ),
    Mutant(
        "Bytes in clear behind the answer to STARTTLS are refused.",
        "delivery.smtp.connection.Connection.start_tls",
        undefended.start_tls_after_anything,
    ),
    Mutant("What other parsers read as another address is refused.", "common.addresses.SPECIALS", NEVER),
    Mutant("A mail that is read from a stranger keeps no bare line end.", "delivery.mime.fields.UNPRINTABLE", NEVER),
    Mutant(
        "A sender is checked again when its mail is about to be sent.",
        "messages.sending.loop.drop_refused_senders",
        lambda claims, _closed: claims,
        leaves_traces=True,
    ),
    Mutant("The result of a template has at most 2 MiB.", "templates_app.liquid.render.MAX_OUTPUT", HUGE),
    Mutant("A rendering ends where its result becomes too large.", "templates_app.liquid.environment.MAX_OUTPUT", HUGE),
    Mutant("HTML and text have at most 2 MiB each.", "messages.api.fields.MAX_BODY_BYTES", HUGE, leaves_traces=True),
    Mutant("What staff do to mail is in the audit log with who did it.", "messages.admin.actions.store_audit", nothing),
    Mutant(
        "Each reading of a mail's content by staff is in the audit log.",
        "messages.admin.messages_admin.store_audit",
        nothing,
    ),
    Mutant("Changes of users by staff are in the audit log.", "emailsvc.admin.write_audit", nothing),
    Mutant("Loops are limited together.", "templates_app.liquid.limits.RenderBudget.spend_iterations", nothing),
    Mutant(
        "Attributes of objects cannot be reached.",
        "templates_app.liquid.environment.BoundedContext.get_item",
        undefended.get_attribute,
    ),
    Mutant(
        "The frame of a mail fetches nothing.",
        "delivery.html.defuse.frame_policy.__code__",
        (lambda *, images="", sandbox="": "default-src *").__code__,
    ),
    Mutant("A policy host on a private network is refused.", "delivery.ssrf.is_public", always(True)),
    Mutant("A call connects to the address that was checked.", "delivery.ssrf.Guard.admits", always(True)),
    Mutant(
        "The key of tokens is the installation's.",
        "tracking.engagement.tokens._is_ours",
        always(True),
        leaves_traces=True,
    ),
    Mutant(
        "A GET never unsubscribes.",
        "tracking.engagement.views.find_opt_out",
        undefended.opt_out_at_once,
        leaves_traces=True,
    ),
    Mutant(
        "Another project's request is not in the request log.",
        "accounts.requests.views.RequestViewSet.get_queryset",
        lambda self: self.keep_world(RequestEntry.objects.all()),
    ),
    Mutant("A body beyond the limit is 413 before it is read.", "common.parsers.MAX_BODY", HUGE),
    Mutant("The report listener relays nothing.", "gateways.report_listener.read_recipient", always(new_id())),
    Mutant("Mail is not sent in a circle.", "delivery.mx.route.MxRouter._order", undefended.order_with_ourselves),
    Mutant(
        "A stranger's refusal pauses nothing and suppresses nobody.",
        "delivery.envelope.should_pause",
        always(True),
    ),
    Mutant("A certificate of SNS comes from SNS.", "providers.esp.sns.CERTIFICATE", ANY_HOST, leaves_traces=True),
    Mutant(
        "A subscription to an unknown topic is not confirmed.",
        "providers.esp.sns.Sns.check",
        nothing,
        leaves_traces=True,
    ),
    Mutant("An event that comes again counts once.", "messages.feedback.recording._TAKE", TAKE_ALWAYS),
    Mutant("A dump of the database shows no private key.", "common.fields.encrypt", str),
    Mutant(
        "A flow leaves nothing of a mail in logs, metrics and the request log.",
        "emailsvc.logs.mask_text",
        str,
        leaves_traces=True,
    ),
    Mutant(
        "A fault tells no inner words.",
        "common.problems.TRANSLATIONS",
        ((Exception, undefended.tell_everything),),
    ),
    Mutant("Bodies and files go when their time is over.", "messages.lifetimes.purging.KINDS", {}, leaves_traces=True),
    Mutant(
        "A security key's answer is for our page, by the person's own key.",
        "webauthn.verify_authentication_response",
        undefended.prove_anything,
    ),
    Mutant(
        "A login leads to no other host.", "django.contrib.auth.views.url_has_allowed_host_and_scheme", always(True)
    ),
    Mutant(
        "Support staff change and delete nothing.",
        "django.contrib.auth.models.User.has_perm",
        always(True),
    ),
    Mutant("An unsafe request id is replaced.", "common.middleware.SAFE_ID", ANYTHING),
    Mutant("A rebound name sees no inbox.", "django.conf.settings.ALLOWED_HOSTS", ["*"]),
    Mutant(
        "Hostile templates take their project's time alone.",
        "templates_app.processor_time.spent.count_processor_time",
        lambda _project: nullcontext(),
    ),
    Mutant(
        "Another project's email is answered as one that does not exist.",
        "messages.api.views.EmailViewSet.get_queryset",
        lambda self: Message.objects.all(),
        leaves_traces=True,
    ),
)
