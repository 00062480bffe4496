"""How Django writes times on its own pages. Its formats of a language win over the settings, also with USE_I18N off."""

from django.conf import settings

DATE_FORMAT, TIME_FORMAT, DATETIME_FORMAT = settings.DATE_FORMAT, settings.TIME_FORMAT, settings.DATETIME_FORMAT
