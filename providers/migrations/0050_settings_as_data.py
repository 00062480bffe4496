from django.db import migrations, models

import common.fields


class Migration(migrations.Migration):
    dependencies = [("providers", "0010_settings_changes")]

    operations = [
        migrations.AddField("provider", "settings", common.fields.EncryptedJsonField(null=True)),
        migrations.AddField("provider", "unreadable_at", models.DateTimeField(null=True)),
        # These read more leniently; the columns stay as they are.
        migrations.AlterField("provider", "url", common.fields.LenientSecretField(blank=True)),
        migrations.AlterField("provider", "event_secret", common.fields.LenientSecretField(blank=True)),
        migrations.AlterField("bouncemailbox", "password", common.fields.LenientSecretField()),
    ]
