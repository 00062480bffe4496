"""What all views below /compat/sendgrid share."""

from gateways.compat.viewsets import CompatViewSet
from gateways.sendgrid.errors import handle_exception


class SendGridViewSet(CompatViewSet):
    """A resource in SendGrid's form."""

    handler = handle_exception
