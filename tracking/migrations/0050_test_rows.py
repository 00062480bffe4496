from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("tracking", "0001_initial"), ("mail", "0001_initial")]

    operations = [
        migrations.AddField("event", "is_test", models.BooleanField(db_default=False, default=False)),
        migrations.AddField(
            "suppression", "is_test", models.BooleanField(db_default=False, default=False, editable=False)
        ),
        migrations.AddConstraint(
            "suppression",
            models.UniqueConstraint(
                fields=("project", "address", "reason", "stream", "is_test"),
                name="suppression_in_world_once",
                nulls_distinct=False,
            ),
        ),
        migrations.RemoveConstraint("suppression", "suppression_once"),
    ]
