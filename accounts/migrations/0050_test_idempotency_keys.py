from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("accounts", "0030_turns")]

    operations = [
        migrations.AddField("idempotencykey", "is_test", models.BooleanField(db_default=False, default=False)),
        migrations.AddConstraint(
            "idempotencykey",
            models.UniqueConstraint(fields=("project", "key", "is_test"), name="idempotency_key_in_world_once"),
        ),
        migrations.RemoveConstraint("idempotencykey", "idempotency_key_once"),
    ]
