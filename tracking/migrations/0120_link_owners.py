from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("tracking", "0100_release_permission")]

    operations = [
        migrations.CreateModel(
            name="LinkOwner",
            fields=[
                ("recipient_id", models.UUIDField(primary_key=True, serialize=False)),
                ("message_id", models.UUIDField()),
            ],
            options={
                "indexes": [models.Index(fields=["message_id"], name="link_owner_message")],
            },
        ),
    ]
