"""The ESPs that we can send through, one module of `providers.esp.services` for each."""

from collections.abc import Mapping

from providers.esp.model import Esp
from providers.esp.services import brevo, mailersend, mailgun, mailjet, postmark, resend, sendgrid, ses, sparkpost

_ALL = (brevo, mailersend, mailgun, mailjet, postmark, resend, sendgrid, ses, sparkpost)
ESPS: Mapping[str, Esp] = {service.ESP.name: service.ESP for service in _ALL}
