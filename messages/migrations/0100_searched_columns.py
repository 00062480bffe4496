from django.db import migrations, models


class Migration(migrations.Migration):
    # An older program beside this one leaves the columns out: `fill_columns` fills its rows, as those of before.
    dependencies = [("mail", "0098_approval")]

    operations = [
        migrations.AddField("subject", "recipients", models.TextField(null=True)),
        *(
            migrations.AddField("subject", name, models.TextField(blank=True, default="", db_default=""))
            for name in ("sender", "tags", "filenames", "pairs")
        ),
    ]
