import django.db.models.deletion
from django.db import migrations, models

# Processes cache rows of these tables: `ledger.cached_rows`.
NOTE_CHANGES = """
CREATE TRIGGER accounts_projectlimits_noted AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON accounts_projectlimits
    FOR EACH STATEMENT EXECUTE FUNCTION accounts_note_change();
CREATE TRIGGER accounts_keylimits_noted AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON accounts_keylimits
    FOR EACH STATEMENT EXECUTE FUNCTION accounts_note_change();
"""
NOTE_NO_CHANGES = """
DROP TRIGGER accounts_projectlimits_noted ON accounts_projectlimits;
DROP TRIGGER accounts_keylimits_noted ON accounts_keylimits;
"""


class Migration(migrations.Migration):
    dependencies = [("accounts", "0062_guard")]

    operations = [
        migrations.CreateModel(
            name="KeyUsage",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("day", models.DateField()),
                ("message_count", models.BigIntegerField()),
                (
                    "api_key",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="usage",
                        to="accounts.apikey",
                    ),
                ),
            ],
            options={
                "constraints": [models.UniqueConstraint(fields=("api_key", "day"), name="key_usage_once")],
            },
        ),
        migrations.RunSQL(NOTE_CHANGES, NOTE_NO_CHANGES),
    ]
