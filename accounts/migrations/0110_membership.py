import django.db.models.deletion
import django.db.models.functions.datetime
from django.conf import settings
from django.db import migrations, models

import common.ids


class Migration(migrations.Migration):
    dependencies = [("accounts", "0098_hold_for_approval"), migrations.swappable_dependency(settings.AUTH_USER_MODEL)]

    operations = [
        migrations.CreateModel(
            name="Membership",
            fields=[
                (
                    "id",
                    models.UUIDField(default=common.ids.new_id, editable=False, primary_key=True, serialize=False),
                ),
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
                (
                    "created_at",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False),
                ),
                (
                    "project",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="memberships",
                        to="accounts.project",
                    ),
                ),
                (
                    "user",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="memberships",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "ordering": ("id",),
                "constraints": [
                    models.UniqueConstraint(
                        fields=("user", "project"), name="membership_one_role_in_project", nulls_distinct=False
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("role__in", ["support", "developer", "operator", "owner"])),
                        name="membership_role_known",
                    ),
                ],
            },
        ),
    ]
