import django.db.models.expressions
from django.db import migrations, models

# For rows that are not written by `tracking.events.record`, which says the same inline.
POSITION = """
CREATE FUNCTION tracking_position() RETURNS bigint LANGUAGE sql VOLATILE AS $$
    SELECT greatest(pg_current_xact_id()::text::bigint + 1, pg_snapshot_xmax(pg_current_snapshot())::text::bigint)
        + COALESCE((SELECT base FROM tracking_feedbase), 0)
$$
"""


class Migration(migrations.Migration):
    dependencies = [
        ("tracking", "0001_events_and_suppressions"),
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
        migrations.AddField(
            model_name="event",
            name="position",
            field=models.BigIntegerField(
                db_default=django.db.models.expressions.Func(function="tracking_position"), editable=False
            ),
        ),
        migrations.AddField(
            model_name="event",
            name="serial",
            field=models.BigIntegerField(
                db_default=django.db.models.expressions.Func(models.Value("tracking_event_serial"), function="nextval"),
                editable=False,
            ),
        ),
        migrations.RunSQL(
            "ALTER SEQUENCE tracking_event_serial OWNED BY tracking_event.serial", migrations.RunSQL.noop
        ),
        migrations.RemoveIndex(model_name="event", name="event_project"),
        migrations.AddIndex(
            model_name="event",
            index=models.Index(fields=["project_id", "position", "serial"], name="event_feed"),
        ),
    ]
