from django.db import migrations

# Processes cache rows of this table: `ledger.cached_rows`.
NOTE_CHANGES = """
CREATE TRIGGER providers_provider_noted AFTER INSERT OR DELETE OR TRUNCATE ON providers_provider
    FOR EACH STATEMENT EXECUTE FUNCTION accounts_note_change();
CREATE TRIGGER providers_provider_change_noted AFTER UPDATE ON providers_provider
    FOR EACH ROW WHEN ((OLD.project_id, OLD.kind, OLD.is_enabled, OLD.is_operated) IS DISTINCT FROM
        (NEW.project_id, NEW.kind, NEW.is_enabled, NEW.is_operated))
    EXECUTE FUNCTION accounts_note_change();
"""
NOTE_NO_CHANGES = """
DROP TRIGGER providers_provider_noted ON providers_provider;
DROP TRIGGER providers_provider_change_noted ON providers_provider;
"""


class Migration(migrations.Migration):
    dependencies = [("providers", "0001_initial"), ("accounts", "0010_settings_changes")]

    operations = [
        migrations.RunSQL(NOTE_CHANGES, NOTE_NO_CHANGES),
    ]
