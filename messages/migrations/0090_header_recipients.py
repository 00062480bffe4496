from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("mail", "0080_months")]

    operations = [
        migrations.AddField("content", "header_recipients", models.JSONField(null=True)),
        migrations.AddField("content", "original_message_id", models.TextField(blank=True, default="", db_default="")),
    ]
