from django.db import migrations, models

MAY_SEND_CRITICAL = "Every key of the project may send critical mail; otherwise a key needs the scope for it."
SCOPES = [
    "domains:read",
    "domains:write",
    "emails:read",
    "emails:send",
    "emails:send:critical",
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
]


class Migration(migrations.Migration):
    dependencies = [("accounts", "0010_settings_changes")]

    operations = [
        migrations.AddField(
            "project",
            "turn_weight",
            models.PositiveSmallIntegerField(
                default=1,
                db_default=1,
                help_text="The project's mail gets this many turns where another project's gets one, 1 to 100.",
            ),
        ),
        migrations.AddConstraint(
            "project",
            models.CheckConstraint(name="project_turn_weight", condition=models.Q(turn_weight__range=(1, 100))),
        ),
        # Projects that are there already go on sending critical mail with the keys that they have.
        migrations.AddField(
            "project",
            "may_send_critical",
            models.BooleanField(default=True, db_default=True, help_text=MAY_SEND_CRITICAL),
        ),
        migrations.AlterField(
            "project",
            "may_send_critical",
            models.BooleanField(default=False, db_default=False, help_text=MAY_SEND_CRITICAL),
        ),
        migrations.RemoveConstraint("apikey", "api_key_scopes_known"),
        migrations.AddConstraint(
            "apikey",
            models.CheckConstraint(name="api_key_scopes_known", condition=models.Q(scopes__contained_by=SCOPES)),
        ),
    ]
