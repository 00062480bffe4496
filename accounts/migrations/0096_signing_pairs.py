import django.db.models.deletion
import django.db.models.functions.datetime
from django.db import migrations, models

import common.fields


class Migration(migrations.Migration):
    dependencies = [("accounts", "0063_key_usage")]

    operations = [
        migrations.CreateModel(
            name="SigningPair",
            fields=[
                (
                    "access_key_id",
                    models.CharField(editable=False, max_length=20, primary_key=True, serialize=False),
                ),
                ("secret", common.fields.EncryptedTextField()),
                (
                    "created_at",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False),
                ),
                (
                    "api_key",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="signing_pair",
                        to="accounts.apikey",
                    ),
                ),
            ],
        ),
    ]
