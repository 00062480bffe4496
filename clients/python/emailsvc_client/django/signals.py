"""Signals of the backend and of the webhook view.

`message_accepted` (`message`, `email_id`) and `message_refused` (`message`, `errors`) have the backend's class as their
sender. `event_received` (`event`, `event_type`, `event_id`) has the view; its sender is None.
"""

from django.dispatch import Signal

message_accepted = Signal()
message_refused = Signal()
event_received = Signal()
