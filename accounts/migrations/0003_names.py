"""How people call a key."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("accounts", "0002_audit_of_an_object")]

    operations = [
        migrations.AlterModelOptions(name="apikey", options={"ordering": ("-id",), "verbose_name": "API key"}),
    ]
