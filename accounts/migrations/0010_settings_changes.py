from django.db import migrations, models
from django.db.models.functions import Now

# Processes cache rows of the tables with these triggers: `ledger.cached_rows`. The time of a key's last use is written
# every minute and is of no interest.
NOTE_CHANGES = """
CREATE FUNCTION accounts_note_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO accounts_settingschange DEFAULT VALUES;
    PERFORM pg_notify('emailsvc_settings', '');
    RETURN NULL;
END
$$;
CREATE TRIGGER accounts_project_noted AFTER INSERT OR DELETE OR TRUNCATE ON accounts_project
    FOR EACH STATEMENT EXECUTE FUNCTION accounts_note_change();
CREATE TRIGGER accounts_project_change_noted AFTER UPDATE ON accounts_project
    FOR EACH ROW WHEN (OLD.* IS DISTINCT FROM NEW.*) EXECUTE FUNCTION accounts_note_change();
CREATE TRIGGER accounts_apikey_noted AFTER INSERT OR DELETE OR TRUNCATE ON accounts_apikey
    FOR EACH STATEMENT EXECUTE FUNCTION accounts_note_change();
CREATE TRIGGER accounts_apikey_change_noted AFTER UPDATE ON accounts_apikey
    FOR EACH ROW WHEN ((to_jsonb(OLD) - 'last_used_at') IS DISTINCT FROM (to_jsonb(NEW) - 'last_used_at'))
    EXECUTE FUNCTION accounts_note_change();
CREATE TRIGGER accounts_stream_noted AFTER INSERT OR DELETE OR TRUNCATE ON accounts_stream
    FOR EACH STATEMENT EXECUTE FUNCTION accounts_note_change();
CREATE TRIGGER accounts_stream_change_noted AFTER UPDATE ON accounts_stream
    FOR EACH ROW WHEN (OLD.* IS DISTINCT FROM NEW.*) EXECUTE FUNCTION accounts_note_change();
"""
NOTE_NO_CHANGES = """
DROP TRIGGER accounts_project_noted ON accounts_project;
DROP TRIGGER accounts_project_change_noted ON accounts_project;
DROP TRIGGER accounts_apikey_noted ON accounts_apikey;
DROP TRIGGER accounts_apikey_change_noted ON accounts_apikey;
DROP TRIGGER accounts_stream_noted ON accounts_stream;
DROP TRIGGER accounts_stream_change_noted ON accounts_stream;
DROP FUNCTION accounts_note_change();
"""


class Migration(migrations.Migration):
    dependencies = [("accounts", "0001_initial")]

    operations = [
        migrations.CreateModel(
            name="SettingsChange",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("changed_at", models.DateTimeField(db_default=Now())),
            ],
        ),
        migrations.RunSQL(NOTE_CHANGES, NOTE_NO_CHANGES),
    ]
