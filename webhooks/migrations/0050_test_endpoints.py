from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("webhooks", "0001_initial")]

    operations = [
        migrations.AddField(
            "endpoint", "is_test", models.BooleanField(db_default=False, default=False, editable=False)
        ),
    ]
