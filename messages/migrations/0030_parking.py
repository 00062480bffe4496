from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("mail", "0022_fill_attempt_project")]

    operations = [
        migrations.AddField("recipient", "parked_by", models.TextField(blank=True, default="", db_default="")),
    ]
