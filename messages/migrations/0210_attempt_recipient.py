"""Drops the foreign key of attempts: its check took more of each claim than the row itself. See decision 210."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("mail", "0160_dated_at")]
    operations = [
        migrations.AlterField(
            model_name="attempt",
            name="recipient",
            field=models.ForeignKey(
                db_constraint=False,
                db_index=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="attempts",
                to="mail.recipient",
            ),
        ),
    ]
