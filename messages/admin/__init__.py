"""The module that Django's admin imports, with the registrations of this package."""

from messages.admin import erasures as erasures
from messages.admin import incidents as incidents
from messages.admin import messages_admin as messages_admin
from messages.admin import pauses as pauses
from messages.admin import streams as streams
