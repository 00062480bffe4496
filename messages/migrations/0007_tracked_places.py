import django.contrib.postgres.fields
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("mail", "0006_support_sees_statistics"),
    ]

    operations = [
        migrations.AddField(
            model_name="message",
            name="tracked_places",
            field=django.contrib.postgres.fields.ArrayField(base_field=models.IntegerField(), null=True, size=None),
        ),
    ]
