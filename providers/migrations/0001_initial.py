import django.contrib.postgres.fields
import django.db.models.deletion
import django.db.models.functions.datetime
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
            name="Provider",
            fields=[
                ("id", models.UUIDField(default=common.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ("name", models.TextField()),
                (
                    "kind",
                    models.TextField(
                        choices=[
                            ("smtp", "Smtp"),
                            ("mx", "Mx"),
                            ("esp", "Esp"),
                            ("inbox", "Inbox"),
                            ("simulator", "Simulator"),
                        ]
                    ),
                ),
                ("url", common.fields.EncryptedTextField(blank=True)),
                ("priority", models.SmallIntegerField(default=0)),
                ("weight", models.SmallIntegerField(default=1)),
                ("rate_limit", models.FloatField(null=True)),
                ("connection_limit", models.SmallIntegerField(null=True)),
                ("is_enabled", models.BooleanField(default=True)),
                ("is_operated", models.BooleanField(default=True)),
                ("is_paused", models.BooleanField(default=False)),
                ("paused_until", models.DateTimeField(null=True)),
                ("has_refused", models.BooleanField(default=False)),
                ("pause_reason", models.TextField(blank=True)),
                ("event_secret", common.fields.EncryptedTextField(blank=True)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("updated_at", models.DateTimeField(auto_now=True)),
                (
                    "project",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="providers",
                        to="accounts.project",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("project", "name"), name="provider_name_once", nulls_distinct=False
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("kind__in", ["smtp", "mx", "esp", "inbox", "simulator"])),
                        name="provider_kind_known",
                    ),
                    models.CheckConstraint(condition=models.Q(("weight__gt", 0)), name="provider_weight_positive"),
                    models.CheckConstraint(
                        condition=models.Q(("rate_limit", None), ("rate_limit__gt", 0), _connector="OR"),
                        name="provider_rate_limit_positive",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("connection_limit", None), ("connection_limit__gt", 0), _connector="OR"),
                        name="provider_connection_limit_positive",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="BounceMailbox",
            fields=[
                ("next_attempt_at", models.DateTimeField(null=True)),
                ("lease_token", models.UUIDField(null=True)),
                ("lease_until", models.DateTimeField(null=True)),
                ("id", models.UUIDField(default=common.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ("protocol", models.TextField()),
                ("host", models.TextField()),
                ("port", models.IntegerField()),
                ("username", models.TextField()),
                ("password", common.fields.EncryptedTextField()),
                ("folder", models.TextField()),
                ("is_kept", models.BooleanField(default=False)),
                ("is_operated", models.BooleanField(default=True)),
                (
                    "seen",
                    django.contrib.postgres.fields.ArrayField(base_field=models.TextField(), default=list, size=None),
                ),
                ("fetched_at", models.DateTimeField(null=True)),
                ("failure", models.TextField(blank=True)),
                ("failed_count", models.SmallIntegerField(default=0)),
                (
                    "provider",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="bounce_mailbox",
                        to="providers.provider",
                    ),
                ),
            ],
            options={
                "indexes": [models.Index(fields=["next_attempt_at"], name="bounce_mailbox_due")],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("protocol__in", ["imaps", "pop3s"])), name="bounce_mailbox_protocol_known"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("port__gt", 0), ("port__lt", 65536)), name="bounce_mailbox_port_valid"
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="UnknownEvent",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("name", models.TextField()),
                ("count", models.BigIntegerField()),
                ("first_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("last_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                (
                    "provider",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="unknown_events",
                        to="providers.provider",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("provider", "name"), name="unknown_event_once"),
                    models.CheckConstraint(condition=models.Q(("count__gt", 0)), name="unknown_event_counted"),
                ],
            },
        ),
    ]
