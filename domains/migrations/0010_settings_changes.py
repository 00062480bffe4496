from django.db import migrations

# Processes cache rows of this table: `ledger.cached_rows`.
NOTE_CHANGES = """
CREATE TRIGGER domains_domain_noted AFTER INSERT OR DELETE OR TRUNCATE ON domains_domain
    FOR EACH STATEMENT EXECUTE FUNCTION accounts_note_change();
CREATE TRIGGER domains_domain_change_noted AFTER UPDATE ON domains_domain
    FOR EACH ROW WHEN ((OLD.project_id, OLD.name, OLD.status, OLD.default_from) IS DISTINCT FROM
        (NEW.project_id, NEW.name, NEW.status, NEW.default_from))
    EXECUTE FUNCTION accounts_note_change();
"""
NOTE_NO_CHANGES = """
DROP TRIGGER domains_domain_noted ON domains_domain;
DROP TRIGGER domains_domain_change_noted ON domains_domain;
"""


class Migration(migrations.Migration):
    dependencies = [("domains", "0001_initial"), ("accounts", "0010_settings_changes")]

    operations = [
        migrations.RunSQL(NOTE_CHANGES, NOTE_NO_CHANGES),
    ]
