import django.contrib.postgres.fields
import django.db.models.deletion
import django.db.models.functions.datetime
from django.db import migrations, models

import common.fields
import common.ids


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="AuditEntry",
            fields=[
                ("id", models.UUIDField(default=common.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ("actor", models.CharField(max_length=200)),
                ("action", models.CharField(max_length=60)),
                ("object", models.CharField(max_length=200)),
                ("data", models.JSONField(blank=True, default=dict)),
                (
                    "at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(), db_index=True, editable=False
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "audit entries",
                "ordering": ("-id",),
                "indexes": [models.Index(fields=["object", "id"], name="audit_object")],
            },
        ),
        migrations.CreateModel(
            name="Project",
            fields=[
                ("id", models.UUIDField(default=common.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ("name", models.CharField(max_length=100, unique=True)),
                (
                    "default_from",
                    models.CharField(
                        blank=True, default="", help_text="The sender of emails that name none.", max_length=600
                    ),
                ),
                (
                    "contact_email",
                    models.CharField(
                        blank=True,
                        default="",
                        help_text="The address that gets this project's notices.",
                        max_length=254,
                    ),
                ),
                (
                    "allowed_headers",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(max_length=128),
                        blank=True,
                        default=list,
                        help_text="Control headers of mail services that emails may have: `X-SMTPAPI` or `X-MC-*`.",
                        size=None,
                    ),
                ),
                (
                    "link_schemes",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(max_length=32),
                        blank=True,
                        default=list,
                        help_text="Schemes of its own that links of its templates may have: `myapp`, `webcal`.",
                        size=None,
                    ),
                ),
                (
                    "created_at",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False),
                ),
            ],
            options={
                "ordering": ("name",),
                "constraints": [
                    models.CheckConstraint(condition=models.Q(("name", ""), _negated=True), name="project_has_name")
                ],
            },
        ),
        migrations.CreateModel(
            name="Notice",
            fields=[
                ("id", models.UUIDField(default=common.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ("kind", models.CharField(max_length=60)),
                ("text", models.TextField()),
                ("data", models.JSONField(blank=True, default=dict)),
                (
                    "created_at",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False),
                ),
                ("read_at", models.DateTimeField(blank=True, null=True)),
                ("mailed_at", models.DateTimeField(blank=True, editable=False, null=True)),
                (
                    "project",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="notices",
                        to="accounts.project",
                    ),
                ),
            ],
            options={
                "ordering": ("-id",),
                "indexes": [
                    models.Index(
                        condition=models.Q(("read_at", None)), fields=["project", "-id"], name="notice_unread"
                    ),
                    models.Index(condition=models.Q(("mailed_at", None)), fields=["id"], name="notice_unmailed"),
                ],
            },
        ),
        migrations.CreateModel(
            name="IdempotencyKey",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("key", models.TextField()),
                ("fingerprint", models.BinaryField(max_length=32)),
                ("status", models.SmallIntegerField(null=True)),
                ("headers", models.JSONField(default=dict)),
                ("body", models.JSONField(null=True)),
                ("secret_body", common.fields.EncryptedTextField(null=True)),
                ("lease_until", models.DateTimeField(null=True)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                (
                    "project",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="+", to="accounts.project"
                    ),
                ),
            ],
            options={
                "indexes": [models.Index(fields=["created_at"], name="idempotency_key_age")],
                "constraints": [models.UniqueConstraint(fields=("project", "key"), name="idempotency_key_once")],
            },
        ),
        migrations.CreateModel(
            name="Stream",
            fields=[
                ("id", models.UUIDField(default=common.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ("name", models.CharField(max_length=63)),
                (
                    "type",
                    models.TextField(
                        choices=[("transactional", "Transactional"), ("broadcast", "Broadcast")],
                        default="transactional",
                    ),
                ),
                (
                    "created_at",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False),
                ),
                (
                    "project",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="streams",
                        to="accounts.project",
                    ),
                ),
            ],
            options={
                "ordering": ("name",),
                "constraints": [
                    models.UniqueConstraint(fields=("project", "name"), name="stream_name_once"),
                    models.CheckConstraint(
                        condition=models.Q(("name__regex", "^[a-z0-9]([a-z0-9_-]{0,61}[a-z0-9])?$")),
                        name="stream_name_is_atom",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("type__in", ["transactional", "broadcast"])), name="stream_type_known"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("name", "default"), _negated=True), ("type", "transactional"), _connector="OR"
                        ),
                        name="stream_default_is_transactional",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="ApiKey",
            fields=[
                ("id", models.UUIDField(default=common.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ("name", models.CharField(blank=True, default="", max_length=100)),
                ("prefix", models.CharField(db_index=True, editable=False, max_length=16)),
                ("key_hash", models.CharField(editable=False, max_length=64, unique=True)),
                (
                    "scopes",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(max_length=40), blank=True, default=list, size=None
                    ),
                ),
                ("is_test", models.BooleanField(default=False)),
                ("expires_at", models.DateTimeField(blank=True, null=True)),
                (
                    "allowed_ips",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(max_length=49),
                        blank=True,
                        default=list,
                        help_text="Addresses or networks; empty allows any.",
                        size=None,
                    ),
                ),
                (
                    "allowed_recipients",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(max_length=256),
                        blank=True,
                        default=list,
                        help_text="`a@example.com` or `*@example.com`; empty allows any.",
                        size=None,
                    ),
                ),
                ("last_used_at", models.DateTimeField(blank=True, editable=False, null=True)),
                ("revoked_at", models.DateTimeField(blank=True, null=True)),
                (
                    "created_at",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False),
                ),
                (
                    "project",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="api_keys", to="accounts.project"
                    ),
                ),
            ],
            options={
                "verbose_name": "API key",
                "ordering": ("-id",),
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            (
                                "scopes__contained_by",
                                [
                                    "domains:read",
                                    "domains:write",
                                    "emails:read",
                                    "emails:send",
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
                    models.CheckConstraint(condition=models.Q(("key_hash__length", 64)), name="api_key_hash_whole"),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("is_test", True), ("prefix__startswith", "es_test_")),
                            models.Q(("is_test", False), ("prefix__startswith", "es_live_")),
                            _connector="OR",
                        ),
                        name="api_key_prefix_tells_test",
                    ),
                ],
            },
        ),
    ]
