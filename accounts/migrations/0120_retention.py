import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("accounts", "0114_identity")]

    operations = [
        migrations.CreateModel(
            name="Retention",
            fields=[
                (
                    "project",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="retention",
                        serialize=False,
                        to="accounts.project",
                    ),
                ),
                (
                    "bodies",
                    models.PositiveIntegerField(
                        blank=True,
                        db_default=30,
                        default=30,
                        help_text="Days for the bodies of emails. Empty: for good.",
                        null=True,
                    ),
                ),
                (
                    "attachments",
                    models.PositiveIntegerField(
                        blank=True,
                        db_default=30,
                        default=30,
                        help_text="Days for the files of emails. Empty: for good.",
                        null=True,
                    ),
                ),
                (
                    "messages",
                    models.PositiveIntegerField(
                        blank=True,
                        db_default=90,
                        default=90,
                        help_text="Days for emails with their recipients. Empty: for good.",
                        null=True,
                    ),
                ),
                (
                    "events",
                    models.PositiveIntegerField(
                        blank=True,
                        db_default=90,
                        default=90,
                        help_text="Days for the events of emails. Empty: for good.",
                        null=True,
                    ),
                ),
                (
                    "attempts",
                    models.PositiveIntegerField(
                        blank=True,
                        db_default=90,
                        default=90,
                        help_text="Days for attempts, at most as long as their email. Empty: for good.",
                        null=True,
                    ),
                ),
                (
                    "webhook_log",
                    models.PositiveIntegerField(
                        blank=True,
                        db_default=90,
                        default=90,
                        help_text="Days for posts to webhook endpoints. Empty: for good.",
                        null=True,
                    ),
                ),
                (
                    "audit",
                    models.PositiveIntegerField(
                        blank=True,
                        db_default=90,
                        default=90,
                        help_text="Days for the audit log. Empty: for good.",
                        null=True,
                    ),
                ),
                (
                    "statistics",
                    models.PositiveIntegerField(
                        blank=True,
                        db_default=730,
                        default=730,
                        help_text="Days for the figures of hours and days. Empty: for good.",
                        null=True,
                    ),
                ),
                (
                    "bounced_suppressions",
                    models.PositiveIntegerField(
                        blank=True,
                        db_default=None,
                        default=None,
                        help_text="Days for suppressions that bounces made. Empty: for good.",
                        null=True,
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "retention",
            },
        ),
    ]
