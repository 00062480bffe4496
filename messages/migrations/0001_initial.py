import django.contrib.postgres.fields
import django.contrib.postgres.indexes
import django.db.models.deletion
import django.db.models.functions.datetime
import django.db.models.functions.text
from django.contrib.postgres.operations import TrigramExtension
from django.db import migrations, models

import common.ids


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("accounts", "0001_initial"),
        ("domains", "0001_initial"),
        ("providers", "0001_initial"),
        ("templates", "0001_initial"),
    ]

    operations = [
        # Trigrams make a part of a subject findable by an index.
        TrigramExtension(),
        migrations.CreateModel(
            name="Message",
            fields=[
                ("id", models.UUIDField(default=common.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ("is_test", models.BooleanField(default=False)),
                (
                    "status",
                    models.TextField(
                        choices=[
                            ("scheduled", "Scheduled"),
                            ("queued", "Queued"),
                            ("sent", "Sent"),
                            ("delivering", "Delivering"),
                            ("delivered", "Delivered"),
                            ("failed", "Failed"),
                            ("bounced", "Bounced"),
                            ("suppressed", "Suppressed"),
                            ("cancelled", "Cancelled"),
                        ]
                    ),
                ),
                (
                    "status_reason",
                    models.TextField(
                        blank=True,
                        choices=[
                            ("", "None"),
                            ("no_provider", "No Provider"),
                            ("suppressed", "Suppressed"),
                            ("expired", "Expired"),
                            ("sender_suspended", "Sender Suspended"),
                            ("sender_not_verified", "Sender Not Verified"),
                            ("worker_crash", "Worker Crash"),
                            ("refused", "Refused"),
                            ("provider_error", "Provider Error"),
                            ("uncertain", "Uncertain"),
                            ("deferred", "Deferred"),
                            ("settled", "Settled"),
                        ],
                    ),
                ),
                ("from_name", models.TextField(blank=True)),
                ("from_address", models.TextField()),
                ("reply_to", models.JSONField(default=list)),
                ("subject", models.TextField()),
                ("html", models.TextField(blank=True)),
                ("text", models.TextField(blank=True)),
                ("headers", models.JSONField(default=list)),
                (
                    "tags",
                    django.contrib.postgres.fields.ArrayField(base_field=models.TextField(), default=list, size=None),
                ),
                ("metadata", models.JSONField(default=dict)),
                ("track_opens", models.BooleanField(default=False)),
                ("track_clicks", models.BooleanField(default=False)),
                ("stream", models.TextField(default="default")),
                ("locale", models.TextField(blank=True)),
                ("enable_unsubscribe", models.BooleanField(default=False)),
                (
                    "tracked_places",
                    django.contrib.postgres.fields.ArrayField(base_field=models.IntegerField(), null=True, size=None),
                ),
                (
                    "priority",
                    models.TextField(
                        choices=[("critical", "Critical"), ("normal", "Normal"), ("bulk", "Bulk")], default="normal"
                    ),
                ),
                ("on_uncertain", models.TextField(choices=[("retry", "Retry"), ("hold", "Hold")], default="retry")),
                ("is_forwarded", models.BooleanField(default=False)),
                ("created_at", models.DateTimeField()),
                ("scheduled_at", models.DateTimeField(null=True)),
                ("expires_at", models.DateTimeField(null=True)),
                ("queued_at", models.DateTimeField(null=True)),
                ("sent_at", models.DateTimeField(null=True)),
                ("delivered_at", models.DateTimeField(null=True)),
                ("failed_at", models.DateTimeField(null=True)),
                ("bounced_at", models.DateTimeField(null=True)),
                ("cancelled_at", models.DateTimeField(null=True)),
                (
                    "api_key",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="accounts.apikey",
                    ),
                ),
                (
                    "sender_basis",
                    models.TextField(
                        choices=[("verified", "Verified"), ("trusted", "Trusted"), ("local_only", "Local Only")]
                    ),
                ),
                (
                    "domain",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="domains.domain",
                    ),
                ),
                (
                    "project",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="messages",
                        to="accounts.project",
                    ),
                ),
                (
                    "resent_from",
                    models.ForeignKey(
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="resends",
                        to="mail.message",
                    ),
                ),
                (
                    "template",
                    models.ForeignKey(
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to="templates.template",
                    ),
                ),
                (
                    "template_version",
                    models.ForeignKey(
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to="templates.version",
                    ),
                ),
            ],
            options={
                "permissions": [("act_message", "Can cancel, resend and settle messages")],
            },
        ),
        migrations.CreateModel(
            name="AttachmentContent",
            fields=[
                ("id", models.UUIDField(default=common.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ("sha256", models.BinaryField(max_length=32)),
                ("size", models.IntegerField()),
                ("data", models.BinaryField(null=True)),
                ("storage_name", models.TextField(blank=True)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                (
                    "project",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="+", to="accounts.project"
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="Subject",
            fields=[
                (
                    "message",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="searched_subject",
                        serialize=False,
                        to="mail.message",
                    ),
                ),
                ("text", models.TextField()),
                ("metadata", models.JSONField(default=dict)),
            ],
        ),
        migrations.CreateModel(
            name="Attachment",
            fields=[
                ("id", models.UUIDField(default=common.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ("position", models.SmallIntegerField()),
                ("filename", models.TextField()),
                ("content_type", models.TextField()),
                ("cid", models.TextField(blank=True)),
                (
                    "content",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="attachments",
                        to="mail.attachmentcontent",
                    ),
                ),
                (
                    "message",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="attachments", to="mail.message"
                    ),
                ),
            ],
            options={
                "ordering": ["position"],
            },
        ),
        migrations.CreateModel(
            name="ReceivedFeedback",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("key", models.TextField()),
                ("content", models.JSONField(default=dict)),
                ("due_at", models.DateTimeField(null=True)),
                ("postponed_count", models.SmallIntegerField(default=0)),
                ("received_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
            options={
                "verbose_name_plural": "received feedback",
                "indexes": [
                    models.Index(condition=models.Q(("due_at__isnull", False)), fields=["due_at"], name="feedback_due"),
                    models.Index(fields=["received_at"], name="feedback_age"),
                ],
                "constraints": [models.UniqueConstraint(fields=("key",), name="feedback_once")],
            },
        ),
        migrations.CreateModel(
            name="Recipient",
            fields=[
                ("next_attempt_at", models.DateTimeField(null=True)),
                ("lease_token", models.UUIDField(null=True)),
                ("lease_until", models.DateTimeField(null=True)),
                ("id", models.UUIDField(default=common.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ("kind", models.TextField(choices=[("to", "To"), ("cc", "Cc"), ("bcc", "Bcc")])),
                ("position", models.SmallIntegerField()),
                ("name", models.TextField(blank=True)),
                ("address", models.TextField()),
                ("domain", models.TextField()),
                (
                    "status",
                    models.TextField(
                        choices=[
                            ("scheduled", "Scheduled"),
                            ("queued", "Queued"),
                            ("sent", "Sent"),
                            ("delivering", "Delivering"),
                            ("delivered", "Delivered"),
                            ("failed", "Failed"),
                            ("bounced", "Bounced"),
                            ("suppressed", "Suppressed"),
                            ("cancelled", "Cancelled"),
                        ]
                    ),
                ),
                (
                    "status_reason",
                    models.TextField(
                        blank=True,
                        choices=[
                            ("", "None"),
                            ("no_provider", "No Provider"),
                            ("suppressed", "Suppressed"),
                            ("expired", "Expired"),
                            ("sender_suspended", "Sender Suspended"),
                            ("sender_not_verified", "Sender Not Verified"),
                            ("worker_crash", "Worker Crash"),
                            ("refused", "Refused"),
                            ("provider_error", "Provider Error"),
                            ("uncertain", "Uncertain"),
                            ("deferred", "Deferred"),
                            ("settled", "Settled"),
                        ],
                    ),
                ),
                ("last_reply", models.TextField(blank=True)),
                ("lane", models.TextField(choices=[("critical", "Critical"), ("normal", "Normal"), ("bulk", "Bulk")])),
                ("is_simulated", models.BooleanField(default=False)),
                ("sender_id", models.UUIDField(null=True)),
                ("expires_at", models.DateTimeField()),
                ("attempt_count", models.SmallIntegerField(default=0)),
                ("deferral_count", models.SmallIntegerField(default=0)),
                ("crash_count", models.SmallIntegerField(default=0)),
                (
                    "message",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="recipients",
                        to="mail.message",
                    ),
                ),
                (
                    "project",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="accounts.project",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="Attempt",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("number", models.SmallIntegerField()),
                ("lease_token", models.UUIDField()),
                (
                    "phase",
                    models.TextField(
                        choices=[
                            ("claimed", "Claimed"),
                            ("started", "Started"),
                            ("dot_sent", "Dot Sent"),
                            ("done", "Done"),
                        ]
                    ),
                ),
                ("provider_name", models.TextField(blank=True)),
                ("claimed_at", models.DateTimeField()),
                ("started_at", models.DateTimeField(null=True)),
                ("finished_at", models.DateTimeField(null=True)),
                ("outcome", models.TextField(blank=True)),
                ("code", models.SmallIntegerField(null=True)),
                ("enhanced_code", models.TextField(blank=True)),
                ("reply", models.TextField(blank=True)),
                ("reason", models.TextField(blank=True, db_default="")),
                ("about", models.TextField(blank=True, db_default="")),
                ("remote_host", models.TextField(blank=True)),
                ("tls", models.TextField(blank=True)),
                ("next_attempt_at", models.DateTimeField(null=True)),
                ("decision", models.JSONField(null=True)),
                ("remote_id", models.TextField(blank=True, db_default="")),
                (
                    "provider",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="providers.provider",
                    ),
                ),
                (
                    "recipient",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="attempts",
                        to="mail.recipient",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="Upload",
            fields=[
                ("name", models.TextField(primary_key=True, serialize=False)),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
            options={
                "indexes": [models.Index(fields=["created_at"], name="upload_age")],
            },
        ),
        migrations.AddConstraint(
            model_name="attachmentcontent",
            constraint=models.UniqueConstraint(fields=("project", "sha256"), name="attachment_content_once"),
        ),
        migrations.AddConstraint(
            model_name="attachmentcontent",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("data__isnull", False), ("storage_name", "")),
                    models.Q(("data__isnull", True), models.Q(("storage_name", ""), _negated=True)),
                    _connector="OR",
                ),
                name="attachment_content_in_one_place",
            ),
        ),
        migrations.AddIndex(
            model_name="subject",
            index=django.contrib.postgres.indexes.GinIndex(
                fields=["text"], name="subject_part", opclasses=["gin_trgm_ops"]
            ),
        ),
        migrations.AddIndex(
            model_name="subject",
            index=django.contrib.postgres.indexes.GinIndex(
                condition=models.Q(("metadata", {}), _negated=True),
                fields=["metadata"],
                name="subject_metadata",
                opclasses=["jsonb_path_ops"],
            ),
        ),
        migrations.AddIndex(
            model_name="message",
            index=models.Index(fields=["project", "-id"], name="message_list"),
        ),
        migrations.AddIndex(
            model_name="message",
            index=models.Index(fields=["status", "project", "-id"], name="message_list_status"),
        ),
        migrations.AddIndex(
            model_name="message",
            index=models.Index(
                models.F("project"),
                django.db.models.functions.text.Lower("from_address"),
                models.OrderBy(models.F("id"), descending=True),
                name="message_list_from",
            ),
        ),
        migrations.AddIndex(
            model_name="message",
            index=models.Index(
                condition=models.Q(("template__isnull", False)),
                fields=["template", "-id"],
                name="message_list_template",
            ),
        ),
        migrations.AddIndex(
            model_name="message",
            index=models.Index(
                condition=models.Q(("resent_from__isnull", False)), fields=["resent_from"], name="message_resends"
            ),
        ),
        migrations.AddIndex(
            model_name="message",
            index=django.contrib.postgres.indexes.GinIndex(
                condition=models.Q(("tags", []), _negated=True), fields=["tags"], name="message_tags"
            ),
        ),
        migrations.AddIndex(
            model_name="message",
            index=models.Index(
                condition=models.Q(("status", "scheduled")), fields=["scheduled_at"], name="message_due"
            ),
        ),
        migrations.AddConstraint(
            model_name="message",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    (
                        "status__in",
                        [
                            "scheduled",
                            "queued",
                            "sent",
                            "delivering",
                            "delivered",
                            "failed",
                            "bounced",
                            "suppressed",
                            "cancelled",
                        ],
                    )
                ),
                name="message_status_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="message",
            constraint=models.CheckConstraint(
                condition=models.Q(("priority__in", ["critical", "normal", "bulk"])), name="message_priority_known"
            ),
        ),
        migrations.AddConstraint(
            model_name="message",
            constraint=models.CheckConstraint(
                condition=models.Q(("sender_basis__in", ["verified", "trusted", "local_only"])),
                name="message_sender_basis_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="message",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("html", ""), _negated=True), models.Q(("text", ""), _negated=True), _connector="OR"
                ),
                name="message_has_content",
            ),
        ),
        migrations.AddConstraint(
            model_name="message",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("status", "scheduled"), _negated=True), ("scheduled_at__isnull", False), _connector="OR"
                ),
                name="message_scheduled_has_time",
            ),
        ),
        migrations.AddIndex(
            model_name="recipient",
            index=models.Index(
                condition=models.Q(("lease_token__isnull", True), ("next_attempt_at__isnull", False)),
                fields=["lane", "next_attempt_at"],
                name="recipient_due",
            ),
        ),
        migrations.AddIndex(
            model_name="recipient",
            index=models.Index(
                condition=models.Q(
                    ("crash_count__gt", 0), ("lease_token__isnull", True), ("next_attempt_at__isnull", False)
                ),
                fields=["lane", "next_attempt_at"],
                name="recipient_suspect",
            ),
        ),
        migrations.AddIndex(
            model_name="recipient",
            index=models.Index(
                condition=models.Q(("status_reason", "sender_suspended")),
                fields=["sender_id"],
                name="recipient_sender_waits",
            ),
        ),
        migrations.AddIndex(
            model_name="recipient",
            index=models.Index(
                condition=models.Q(("lease_token__isnull", False)), fields=["lease_until"], name="recipient_leased"
            ),
        ),
        migrations.AddIndex(
            model_name="recipient",
            index=models.Index(
                condition=models.Q(("status__in", ["delivering", "queued"])),
                fields=["lane", "expires_at"],
                name="recipient_expiry",
            ),
        ),
        migrations.AddIndex(
            model_name="recipient",
            index=models.Index(
                models.F("project"),
                django.contrib.postgres.indexes.OpClass(
                    django.db.models.functions.text.Lower("address"), name="text_pattern_ops"
                ),
                models.OrderBy(models.F("message"), descending=True),
                name="recipient_address",
            ),
        ),
        migrations.AddConstraint(
            model_name="recipient",
            constraint=models.UniqueConstraint(fields=("message", "address"), name="recipient_once_per_message"),
        ),
        migrations.AddConstraint(
            model_name="recipient",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    (
                        "status__in",
                        [
                            "scheduled",
                            "queued",
                            "sent",
                            "delivering",
                            "delivered",
                            "failed",
                            "bounced",
                            "suppressed",
                            "cancelled",
                        ],
                    )
                ),
                name="recipient_status_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="recipient",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("next_attempt_at__isnull", True), ("status__in", ["delivering", "queued"]), _connector="OR"
                ),
                name="recipient_due_is_open",
            ),
        ),
        migrations.AddConstraint(
            model_name="recipient",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("lease_token__isnull", True), ("lease_until__isnull", True)),
                    models.Q(("lease_token__isnull", False), ("lease_until__isnull", False)),
                    _connector="OR",
                ),
                name="recipient_lease_whole",
            ),
        ),
        migrations.AddIndex(
            model_name="attempt",
            index=models.Index(
                condition=models.Q(("remote_id", ""), _negated=True), fields=["remote_id"], name="attempt_remote_id"
            ),
        ),
        migrations.AddConstraint(
            model_name="attempt",
            constraint=models.UniqueConstraint(fields=("recipient", "number"), name="attempt_number_once"),
        ),
        migrations.AddConstraint(
            model_name="attempt",
            constraint=models.CheckConstraint(
                condition=models.Q(("phase__in", ["claimed", "started", "dot_sent", "done"])),
                name="attempt_phase_known",
            ),
        ),
        # These rows are written several times soon after they are born: room on their pages lets PostgreSQL rewrite
        # them in place, without touching the indexes.
        migrations.RunSQL(
            "ALTER TABLE mail_attempt SET (fillfactor = 50); ALTER TABLE mail_recipient SET (fillfactor = 70);"
            "ALTER TABLE mail_message SET (fillfactor = 80);",
            migrations.RunSQL.noop,
        ),
    ]
