"""A kind of pause for the emails that a caller groups by a batch id. Rows stay as they are."""

from django.db import migrations, models

KINDS = [
    ("project", "Project"),
    ("key", "Key"),
    ("stream", "Stream"),
    ("template", "Template"),
    ("tag", "Tag"),
    ("batch", "Batch"),
    ("sender_domain", "Sender Domain"),
    ("recipient_domain", "Recipient Domain"),
    ("provider", "Provider"),
    ("mailbox_provider", "Mailbox Provider"),
]


class Migration(migrations.Migration):
    dependencies = [("mail", "0210_attempt_recipient")]

    operations = [
        migrations.AlterField("pause", "kind", models.TextField(choices=KINDS)),
        migrations.AlterField("guardcount", "kind", models.TextField(choices=KINDS)),
        migrations.RemoveConstraint("pause", "pause_kind_known"),
        migrations.AddConstraint(
            "pause",
            models.CheckConstraint(
                condition=models.Q(("kind__in", [name for name, _ in KINDS])), name="pause_kind_known"
            ),
        ),
    ]
