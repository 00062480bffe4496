from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("tracking", "0080_months")]

    operations = [
        migrations.AlterModelOptions(
            "suppression", {"permissions": [("release_suppression", "Can release suppressions, with a note")]}
        ),
    ]
