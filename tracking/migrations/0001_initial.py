import django.contrib.postgres.fields
import django.contrib.postgres.indexes
import django.db.models.deletion
import django.db.models.functions.datetime
from django.db import migrations, models

import common.ids

# For rows that are not written by `tracking.events.record_facts`, which says the same inline.
POSITION = """
CREATE FUNCTION tracking_position() RETURNS bigint LANGUAGE sql VOLATILE AS $$
    SELECT greatest(pg_current_xact_id()::text::bigint + 1, pg_snapshot_xmax(pg_current_snapshot())::text::bigint)
        + COALESCE((SELECT base FROM tracking_feedbase), 0)
$$
"""


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("accounts", "0001_initial"),
        ("mail", "0001_initial"),
    ]

    operations = [
        migrations.CreateModel(
            name="FeedBase",
            fields=[
                ("id", models.SmallIntegerField(default=1, primary_key=True, serialize=False)),
                ("base", models.BigIntegerField()),
            ],
            options={
                "constraints": [models.CheckConstraint(condition=models.Q(("id", 1)), name="feed_base_once")],
            },
        ),
        migrations.RunSQL("CREATE SEQUENCE tracking_event_serial", "DROP SEQUENCE tracking_event_serial"),
        migrations.RunSQL(POSITION, "DROP FUNCTION tracking_position()"),
        migrations.CreateModel(
            name="StatsCursor",
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
                ("position", models.BigIntegerField()),
                ("serial", models.BigIntegerField()),
                ("counted_at", models.DateTimeField()),
            ],
        ),
        migrations.CreateModel(
            name="TrackedLinks",
            fields=[
                ("message_id", models.UUIDField(primary_key=True, serialize=False)),
                ("project_id", models.UUIDField()),
                ("urls", django.contrib.postgres.fields.ArrayField(base_field=models.TextField(), size=None)),
            ],
        ),
        migrations.CreateModel(
            name="Visit",
            fields=[
                ("id", models.UUIDField(editable=False, primary_key=True, serialize=False)),
                ("project_id", models.UUIDField()),
                ("message_id", models.UUIDField()),
                ("recipient_id", models.UUIDField()),
                ("address", models.TextField()),
                ("is_click", models.BooleanField()),
                ("url", models.TextField(blank=True)),
                ("link", models.IntegerField(null=True)),
                ("method", models.TextField()),
                ("user_agent", models.TextField(blank=True)),
                ("purpose", models.TextField(blank=True)),
                ("ip", models.TextField(blank=True)),
                ("network", models.TextField(blank=True)),
                ("visited_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("is_early", models.BooleanField()),
                ("actor", models.TextField()),
                ("actor_reason", models.TextField()),
                ("is_fixed", models.BooleanField(default=False)),
                ("due_at", models.DateTimeField(null=True)),
            ],
            options={
                "indexes": [
                    models.Index(condition=models.Q(("due_at__isnull", False)), fields=["due_at"], name="visit_due"),
                    models.Index(fields=["recipient_id", "visited_at"], name="visit_recipient"),
                    models.Index(fields=["project_id", "network", "visited_at"], name="visit_network"),
                ],
            },
        ),
        migrations.CreateModel(
            name="Event",
            fields=[
                ("id", models.UUIDField(default=common.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ("project_id", models.UUIDField()),
                ("message_id", models.UUIDField()),
                ("address", models.TextField(blank=True)),
                (
                    "type",
                    models.TextField(
                        choices=[
                            ("email.scheduled", "Scheduled"),
                            ("email.queued", "Queued"),
                            ("email.cancelled", "Cancelled"),
                            ("email.sent", "Sent"),
                            ("email.delivering", "Delivering"),
                            ("email.delivered", "Delivered"),
                            ("email.bounced", "Bounced"),
                            ("email.failed", "Failed"),
                            ("email.suppressed", "Suppressed"),
                            ("email.opened", "Opened"),
                            ("email.clicked", "Clicked"),
                            ("email.opened.settled", "Opened Settled"),
                            ("email.clicked.settled", "Clicked Settled"),
                            ("email.complained", "Complained"),
                            ("email.unsubscribed", "Unsubscribed"),
                        ]
                    ),
                ),
                ("data", models.JSONField(default=dict)),
                ("occurred_at", models.DateTimeField()),
                (
                    "position",
                    models.BigIntegerField(db_default=models.Func(function="tracking_position"), editable=False),
                ),
                (
                    "serial",
                    models.BigIntegerField(
                        db_default=models.Func(models.Value("tracking_event_serial"), function="nextval"),
                        editable=False,
                    ),
                ),
                (
                    "recipient",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="events",
                        to="mail.recipient",
                    ),
                ),
            ],
            options={
                "indexes": [
                    models.Index(fields=["message_id", "id"], name="event_message"),
                    models.Index(fields=["project_id", "position", "serial"], name="event_feed"),
                    models.Index(
                        condition=models.Q(("type__in", ["email.opened", "email.clicked"])),
                        fields=["recipient"],
                        name="event_visits",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Rollup",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                (
                    "dimension",
                    models.TextField(
                        choices=[
                            ("all", "All"),
                            ("tag", "Tag"),
                            ("template", "Template"),
                            ("provider", "Provider"),
                            ("domain", "Domain"),
                        ]
                    ),
                ),
                ("starts_at", models.DateTimeField()),
                ("value", models.TextField(null=True)),
                ("emails", models.IntegerField()),
                ("accepted", models.IntegerField()),
                ("sent", models.IntegerField()),
                ("delivered", models.IntegerField()),
                ("bounced", models.IntegerField()),
                ("bounced_late", models.IntegerField()),
                ("failed", models.IntegerField()),
                ("suppressed", models.IntegerField()),
                ("cancelled", models.IntegerField()),
                ("complained", models.IntegerField()),
                ("unsubscribed", models.IntegerField()),
                ("opens", models.IntegerField()),
                ("opens_human", models.IntegerField()),
                ("opens_shown", models.IntegerField()),
                ("opened", models.IntegerField()),
                ("clicks", models.IntegerField()),
                ("clicks_human", models.IntegerField()),
                ("clicks_shown", models.IntegerField()),
                ("clicked", models.IntegerField()),
                ("handoff", models.JSONField(default=dict)),
                ("delivery", models.JSONField(default=dict)),
                (
                    "project",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="accounts.project",
                    ),
                ),
            ],
            options={
                "verbose_name": "figures",
                "verbose_name_plural": "statistics",
                "constraints": [
                    models.UniqueConstraint(
                        fields=("project", "dimension", "starts_at", "value"), name="rollup_once", nulls_distinct=False
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="Suppression",
            fields=[
                ("id", models.UUIDField(default=common.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ("address", models.TextField()),
                (
                    "reason",
                    models.TextField(
                        choices=[
                            ("bounce", "Bounce"),
                            ("complaint", "Complaint"),
                            ("unsubscribe", "Unsubscribe"),
                            ("manual", "Manual"),
                        ]
                    ),
                ),
                ("stream", models.TextField(blank=True, null=True)),
                ("note", models.TextField(blank=True)),
                ("message_id", models.UUIDField(null=True)),
                (
                    "way",
                    models.TextField(
                        choices=[
                            ("one_click", "One Click"),
                            ("page", "Page"),
                            ("mailto", "Mailto"),
                            ("feedback", "Feedback"),
                            ("import", "Import"),
                            ("api", "Api"),
                        ],
                        default="feedback",
                    ),
                ),
                ("ip", models.GenericIPAddressField(null=True)),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                (
                    "project",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="suppressions", to="accounts.project"
                    ),
                ),
            ],
            options={
                "indexes": [
                    models.Index(fields=["project", "-id"], name="suppression_list"),
                    django.contrib.postgres.indexes.GinIndex(
                        fields=["address"], name="suppression_part", opclasses=["gin_trgm_ops"]
                    ),
                ],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("project", "address", "reason", "stream"),
                        name="suppression_once",
                        nulls_distinct=False,
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("reason__in", ["bounce", "complaint", "unsubscribe", "manual"])),
                        name="suppression_reason_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("way__in", ["one_click", "page", "mailto", "feedback", "import", "api"])),
                        name="suppression_way_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("stream__isnull", True), ("reason__in", ["unsubscribe", "manual"]), _connector="OR"
                        ),
                        name="suppression_of_stream_has_reason",
                    ),
                ],
            },
        ),
        migrations.RunSQL(
            "ALTER SEQUENCE tracking_event_serial OWNED BY tracking_event.serial", migrations.RunSQL.noop
        ),
        migrations.CreateModel(
            name="RefusalCount",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("likeness", models.TextField()),
                ("slot_at", models.DateTimeField()),
                ("domain", models.TextField()),
                ("count", models.IntegerField()),
            ],
            options={
                "indexes": [models.Index(fields=["slot_at"], name="refusal_count_age")],
                "constraints": [
                    models.UniqueConstraint(fields=("likeness", "slot_at", "domain"), name="refusal_count_once")
                ],
            },
        ),
        migrations.CreateModel(
            name="RefusedAddress",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("likeness", models.TextField()),
                ("project_id", models.UUIDField()),
                ("address", models.TextField()),
                ("refused_at", models.DateTimeField()),
            ],
            options={
                "indexes": [models.Index(fields=["refused_at"], name="refused_address_age")],
                "constraints": [
                    models.UniqueConstraint(fields=("likeness", "project_id", "address"), name="refused_address_once")
                ],
            },
        ),
        migrations.CreateModel(
            name="SuppressionWave",
            fields=[
                ("id", models.UUIDField(default=common.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ("words", models.TextField()),
                ("likeness", models.TextField()),
                ("opened_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("closed_at", models.DateTimeField(null=True)),
                (
                    "decision",
                    models.TextField(
                        blank=True, choices=[("applied", "Applied"), ("dropped", "Dropped"), ("expired", "Expired")]
                    ),
                ),
                ("entry_count", models.IntegerField(null=True)),
            ],
            options={
                "verbose_name": "held suppressions",
                "verbose_name_plural": "held suppressions",
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("closed_at", None)), fields=("likeness",), name="wave_open_once"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("closed_at", None), ("decision", "")),
                            models.Q(("closed_at__isnull", False), ("decision__in", ["applied", "dropped", "expired"])),
                            _connector="OR",
                        ),
                        name="wave_closed_by_decision",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="HeldSuppression",
            fields=[
                ("id", models.UUIDField(default=common.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ("address", models.TextField()),
                ("note", models.TextField(blank=True)),
                ("message_id", models.UUIDField(null=True)),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                (
                    "project",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="accounts.project",
                    ),
                ),
                (
                    "wave",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="entries",
                        to="tracking.suppressionwave",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("project", "address", "wave"), name="held_suppression_once")
                ],
            },
        ),
    ]
