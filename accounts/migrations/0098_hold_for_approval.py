from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("accounts", "0096_signing_pairs")]

    operations = [
        migrations.AddField(
            model_name="apikey",
            name="hold_for_approval",
            field=models.BooleanField(
                db_default=False,
                default=False,
                help_text="Mail of this key waits until a person approves it in the admin.",
            ),
        ),
    ]
