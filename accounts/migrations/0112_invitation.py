import django.db.models.deletion
import django.db.models.functions.datetime
from django.conf import settings
from django.db import migrations, models

import common.ids


class Migration(migrations.Migration):
    dependencies = [("accounts", "0111_sessions"), migrations.swappable_dependency(settings.AUTH_USER_MODEL)]

    operations = [
        migrations.CreateModel(
            name="Invitation",
            fields=[
                (
                    "id",
                    models.UUIDField(default=common.ids.new_id, editable=False, primary_key=True, serialize=False),
                ),
                ("email", models.CharField(max_length=254, verbose_name="address")),
                (
                    "role",
                    models.TextField(
                        choices=[
                            ("support", "Support"),
                            ("developer", "Developer"),
                            ("operator", "Operator"),
                            ("owner", "Owner"),
                        ]
                    ),
                ),
                ("invited_by", models.CharField(max_length=200)),
                (
                    "created_at",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False),
                ),
                ("expires_at", models.DateTimeField()),
                ("message_id", models.UUIDField(null=True)),
                ("hidden_at", models.DateTimeField(null=True)),
                ("accepted_at", models.DateTimeField(null=True)),
                (
                    "accepted_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "project",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="invitations",
                        to="accounts.project",
                    ),
                ),
            ],
            options={
                "ordering": ("-id",),
                "indexes": [
                    models.Index(condition=models.Q(("hidden_at", None)), fields=["id"], name="invitation_open")
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("role__in", ["support", "developer", "operator", "owner"])),
                        name="invitation_role_known",
                    )
                ],
            },
        ),
    ]
