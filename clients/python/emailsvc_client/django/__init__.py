"""For Django: `EMAIL_BACKEND = "emailsvc_client.django.EmailBackend"`, its error, and signals."""

from emailsvc_client.django.backend import EmailBackend
from emailsvc_client.django.sending import MessagesRefusedError
from emailsvc_client.django.signals import event_received, message_accepted, message_refused

__all__ = ["EmailBackend", "MessagesRefusedError", "event_received", "message_accepted", "message_refused"]
