"""Keys may have the scope `requests:read`."""

from django.db import migrations, models

SCOPES = [
    "admin",
    "domains:read",
    "domains:write",
    "emails:read",
    "emails:send",
    "emails:send:critical",
    "erasures:write",
    "events:read",
    "providers:read",
    "providers:write",
    "requests:read",
    "stats:read",
    "streams:read",
    "streams:write",
    "suppressions:read",
    "suppressions:write",
    "templates:read",
    "templates:write",
    "webhooks:read",
    "webhooks:write",
]


class Migration(migrations.Migration):
    dependencies = [("accounts", "0122_closings")]

    operations = [
        migrations.RemoveConstraint("apikey", "api_key_scopes_known"),
        migrations.AddConstraint(
            "apikey",
            models.CheckConstraint(name="api_key_scopes_known", condition=models.Q(scopes__contained_by=SCOPES)),
        ),
    ]
