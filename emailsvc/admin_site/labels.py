"""Labels of fields in the admin, with abbreviations as the field spells them."""

from django.apps import apps

# A word of a field's name → its spelling. The test lists more, which no name may hold in another form.
SPELLINGS = {
    "api": "API",
    "css": "CSS",
    "dkim": "DKIM",
    "dns": "DNS",
    "html": "HTML",
    "id": "ID",
    "ip": "IP",
    "mjml": "MJML",
    "tls": "TLS",
    "url": "URL",
}


def spell_label(label: str) -> str:
    return " ".join(SPELLINGS.get(word, word) for word in label.split(" "))


def spell_labels() -> None:
    """Sets them in all models. A label that Django makes of a field's name is in no migration."""
    for model in apps.get_models():
        for field in model._meta.local_fields:
            # Others are translated by their package.
            if isinstance(field.verbose_name, str):
                field.verbose_name = spell_label(field.verbose_name)
