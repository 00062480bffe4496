from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("mail", "0122_closed_reason")]

    operations = [
        migrations.AddField("message", "dated_at", models.DateTimeField(editable=False, null=True)),
    ]
