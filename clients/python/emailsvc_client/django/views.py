"""The view for the service's webhooks: `path("mail-events/", receive_event)`."""

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST
from emailsvc_client.django.signals import event_received
from emailsvc_client.webhooks import InvalidSignatureError, Webhook

SECRET = "EMAILSVC_WEBHOOK_SECRET"  # noqa: S105 - the setting's name


@csrf_exempt
@require_POST
def receive_event(request: HttpRequest) -> HttpResponse:
    """Send `event_received` for a genuine post: 204; 400 for any other.

    The setting `EMAILSVC_WEBHOOK_SECRET` is the endpoint's secret, or a list of them while it is rotated. An exception
    in a receiver makes a 500, and the service posts the event again: receivers skip an `event_id` that they know.
    """
    secret = getattr(settings, SECRET, None)
    if not secret:
        raise ImproperlyConfigured(f"{SECRET} is not set")
    try:
        event = Webhook(secret).verify(request.body, request.headers)
    except InvalidSignatureError as error:
        return HttpResponse(str(error), status=400, content_type="text/plain")
    event_id = request.headers.get("webhook-id") or request.headers.get("svix-id", "")
    event_received.send(sender=None, event=event, event_type=event["type"], event_id=event_id)
    return HttpResponse(status=204)
