import django.db.models.functions.datetime
from django.db import migrations, models

import common.ids


class Migration(migrations.Migration):
    dependencies = [("accounts", "0121_erasure_scope")]

    operations = [
        migrations.AddField(
            model_name="project",
            name="closed_at",
            field=models.DateTimeField(editable=False, null=True),
        ),
        migrations.CreateModel(
            name="Closing",
            fields=[
                ("id", models.UUIDField(default=common.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ("project_id", models.UUIDField(unique=True)),
                ("project_name", models.CharField(max_length=100)),
                ("closed_by", models.CharField(max_length=200)),
                ("closed_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("stopped_at", models.DateTimeField(null=True)),
                ("delete_at", models.DateTimeField()),
                ("step", models.TextField(blank=True)),
                ("place", models.TextField(blank=True)),
                ("counts", models.JSONField(default=dict)),
                ("deleted_at", models.DateTimeField(null=True)),
            ],
            options={
                "ordering": ("-id",),
                "indexes": [models.Index(condition=models.Q(("deleted_at", None)), fields=["id"], name="closing_open")],
            },
        ),
    ]
