from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("accounts", "0120_retention")]

    operations = [
        migrations.RemoveConstraint(
            model_name="apikey",
            name="api_key_scopes_known",
        ),
        migrations.AddConstraint(
            model_name="apikey",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    (
                        "scopes__contained_by",
                        [
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
                            "stats:read",
                            "streams:read",
                            "streams:write",
                            "suppressions:read",
                            "suppressions:write",
                            "templates:read",
                            "templates:write",
                            "webhooks:read",
                            "webhooks:write",
                        ],
                    )
                ),
                name="api_key_scopes_known",
            ),
        ),
    ]
