"""What Django's admin finds: it looks for `messages.admin` alone."""

from messages.admin import messages_admin as messages_admin
