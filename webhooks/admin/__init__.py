"""What Django's admin finds: it looks for `webhooks.admin` alone."""

from webhooks.admin import endpoints as endpoints
