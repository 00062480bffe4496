import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("mail", "0004_drop_bodies"), ("accounts", "0001_initial")]

    operations = [
        migrations.AddField(
            "attempt",
            "project",
            models.ForeignKey(
                db_constraint=False,
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.DO_NOTHING,
                related_name="+",
                to="accounts.project",
            ),
        ),
    ]
