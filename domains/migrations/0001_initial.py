import django.contrib.postgres.fields
import django.db.models.deletion
from django.db import migrations, models

import common.fields
import common.ids


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("accounts", "0001_initial"),
    ]

    operations = [
        migrations.CreateModel(
            name="Domain",
            fields=[
                ("id", models.UUIDField(default=common.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ("name", models.TextField()),
                ("default_from", models.TextField(blank=True)),
                ("ownership_token", models.TextField(editable=False)),
                (
                    "status",
                    models.TextField(
                        choices=[
                            ("pending", "Pending"),
                            ("verified", "Verified"),
                            ("warning", "Warning"),
                            ("suspended", "Suspended"),
                        ],
                        default="pending",
                    ),
                ),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                (
                    "verified_at",
                    models.DateTimeField(blank=True, help_text="Time of the first verification.", null=True),
                ),
                ("checked_at", models.DateTimeField(blank=True, help_text="Start of the last check.", null=True)),
                (
                    "failing_since",
                    models.DateTimeField(
                        blank=True, help_text="Time at which a necessary record was first missing.", null=True
                    ),
                ),
                ("next_check_at", models.DateTimeField(help_text="Time of the next periodic check.")),
                ("is_tracking_usable", models.BooleanField(default=False, editable=False)),
                ("tracking_fault", models.TextField(blank=True, editable=False)),
                (
                    "project",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="domains", to="accounts.project"
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="DkimKey",
            fields=[
                ("id", models.UUIDField(default=common.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ("selector", models.TextField()),
                ("algorithm", models.TextField(choices=[("rsa-sha256", "Rsa"), ("ed25519-sha256", "Ed25519")])),
                ("private_key", common.fields.EncryptedTextField()),
                ("public_record", models.TextField()),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                (
                    "activated_at",
                    models.DateTimeField(
                        blank=True,
                        help_text="Time at which a check found the record; the key signs since then.",
                        null=True,
                    ),
                ),
                (
                    "retired_at",
                    models.DateTimeField(
                        blank=True, help_text="Time at which a newer key replaced this one.", null=True
                    ),
                ),
                (
                    "domain",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="dkim_keys", to="domains.domain"
                    ),
                ),
            ],
            options={
                "verbose_name": "DKIM key",
            },
        ),
        migrations.CreateModel(
            name="RecordCheck",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "purpose",
                    models.TextField(
                        choices=[
                            ("ownership", "ownership"),
                            ("dkim", "dkim"),
                            ("return_path", "return_path"),
                            ("tracking", "tracking"),
                            ("dmarc", "dmarc"),
                        ]
                    ),
                ),
                (
                    "type",
                    models.TextField(
                        choices=[("TXT", "TXT"), ("CNAME", "CNAME"), ("MX", "MX"), ("A", "A"), ("AAAA", "AAAA")]
                    ),
                ),
                ("name", models.TextField()),
                ("value", models.TextField()),
                (
                    "status",
                    models.TextField(
                        choices=[
                            ("ok", "ok"),
                            ("missing", "missing"),
                            ("wrong", "wrong"),
                            ("several", "several"),
                            ("unknown", "unknown"),
                        ]
                    ),
                ),
                (
                    "found",
                    django.contrib.postgres.fields.ArrayField(base_field=models.TextField(), default=list, size=None),
                ),
                ("advice", models.TextField(blank=True)),
                ("checked_at", models.DateTimeField(help_text="Time of the verdict.", null=True)),
                (
                    "domain",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="record_checks", to="domains.domain"
                    ),
                ),
            ],
        ),
        migrations.AddIndex(
            model_name="domain",
            index=models.Index(fields=["next_check_at"], name="domain_due"),
        ),
        migrations.AddConstraint(
            model_name="domain",
            constraint=models.UniqueConstraint(fields=("project", "name"), name="domain_once_per_project"),
        ),
        migrations.AddConstraint(
            model_name="domain",
            constraint=models.CheckConstraint(
                condition=models.Q(("status__in", ["pending", "verified", "warning", "suspended"])),
                name="domain_status_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="domain",
            constraint=models.CheckConstraint(
                condition=models.Q(("status", "pending"), ("verified_at__isnull", False), _connector="OR"),
                name="domain_was_verified",
            ),
        ),
        migrations.AddConstraint(
            model_name="dkimkey",
            constraint=models.UniqueConstraint(fields=("domain", "selector"), name="dkim_selector_once"),
        ),
        migrations.AddConstraint(
            model_name="dkimkey",
            constraint=models.UniqueConstraint(
                condition=models.Q(("activated_at__isnull", False), ("retired_at__isnull", True)),
                fields=("domain", "algorithm"),
                name="dkim_one_signs",
            ),
        ),
        migrations.AddConstraint(
            model_name="dkimkey",
            constraint=models.UniqueConstraint(
                condition=models.Q(("activated_at__isnull", True), ("retired_at__isnull", True)),
                fields=("domain", "algorithm"),
                name="dkim_one_waits",
            ),
        ),
        migrations.AddConstraint(
            model_name="dkimkey",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("retired_at__isnull", True),
                    models.Q(("activated_at__isnull", False), ("activated_at__lte", models.F("retired_at"))),
                    _connector="OR",
                ),
                name="dkim_signs_before_it_retires",
            ),
        ),
        migrations.AddConstraint(
            model_name="recordcheck",
            constraint=models.UniqueConstraint(fields=("domain", "name"), name="record_check_once"),
        ),
    ]
