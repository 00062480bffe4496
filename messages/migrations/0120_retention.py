import django.db.models.deletion
import django.db.models.functions.datetime
from django.contrib.postgres.operations import AddConstraintNotValid
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("mail", "0102_saved_searches"), ("accounts", "0120_retention")]

    operations = [
        migrations.CreateModel(
            name="LatePurge",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("kind", models.TextField()),
            ],
        ),
        migrations.CreateModel(
            name="PurgeState",
            fields=[
                (
                    "project",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="+",
                        serialize=False,
                        to="accounts.project",
                    ),
                ),
                ("looked_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("bodies_until", models.UUIDField(db_default="00000000-0000-0000-0000-000000000000")),
                ("attachments_until", models.UUIDField(db_default="00000000-0000-0000-0000-000000000000")),
                ("attempts_until", models.UUIDField(db_default="00000000-0000-0000-0000-000000000000")),
            ],
        ),
        migrations.RemoveConstraint(
            model_name="content",
            name="content_has_body",
        ),
        migrations.AddField(
            model_name="attachment",
            name="size",
            field=models.IntegerField(null=True),
        ),
        migrations.AddField(
            model_name="content",
            name="bodies_purged_at",
            field=models.DateTimeField(null=True),
        ),
        migrations.AlterField(
            model_name="attachment",
            name="content",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="attachments",
                to="mail.attachmentcontent",
            ),
        ),
        migrations.AlterField(
            model_name="incidentresend",
            name="copy",
            field=models.ForeignKey(
                null=True, on_delete=django.db.models.deletion.SET_NULL, related_name="+", to="mail.message"
            ),
        ),
        AddConstraintNotValid(
            "content",
            models.CheckConstraint(
                condition=models.Q(
                    models.Q(("html", ""), _negated=True),
                    models.Q(("text", ""), _negated=True),
                    ("bodies_purged_at__isnull", False),
                    _connector="OR",
                ),
                name="content_has_body_or_had",
            ),
        ),
        migrations.AddField(
            model_name="latepurge",
            name="message",
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="+", to="mail.message"),
        ),
        migrations.AddField(
            model_name="latepurge",
            name="project",
            field=models.ForeignKey(
                db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name="+", to="accounts.project"
            ),
        ),
        migrations.AddIndex(
            model_name="purgestate",
            index=models.Index(fields=["looked_at"], name="purge_looked_at"),
        ),
        migrations.AddConstraint(
            model_name="latepurge",
            constraint=models.UniqueConstraint(fields=("project", "kind", "message"), name="late_purge_once"),
        ),
    ]
