"""With HTTPS every cookie is bound to this host, and browsers keep to HTTPS for a year."""

import json
import os
import subprocess
import sys
from pathlib import Path

from django.conf import settings

from emailsvc.admin_site.page_messages import HostCookieStorage

ROOT = Path(__file__).parents[2]
# In a process of its own: the settings are read once.
SHOW = """
import json
from django.conf import settings
from emailsvc.admin_site.page_messages import HostCookieStorage
print(json.dumps([settings.SESSION_COOKIE_NAME, settings.CSRF_COOKIE_NAME, HostCookieStorage.cookie_name,
                  settings.SESSION_COOKIE_SECURE and settings.CSRF_COOKIE_SECURE, settings.SESSION_COOKIE_PATH,
                  settings.SESSION_COOKIE_DOMAIN, settings.SECURE_HSTS_SECONDS]))
"""


def test_cookies_are_bound_to_this_host_where_there_is_https() -> None:
    environment = os.environ | {"PUBLIC_URL": "https://mail.test", "DJANGO_SETTINGS_MODULE": "emailsvc.settings"}
    shown = subprocess.run([sys.executable, "-c", SHOW], cwd=ROOT, env=environment, capture_output=True, check=True)
    *names, is_secure, path, domain, hsts = json.loads(shown.stdout)
    assert names == ["__Host-sessionid", "__Host-csrftoken", "__Host-messages"]
    # The prefix asks for these.
    assert (is_secure, path, domain, hsts) == (True, "/", None, 365 * 86_400)


def test_without_https_browsers_take_the_plain_names() -> None:
    names = [settings.SESSION_COOKIE_NAME, settings.CSRF_COOKIE_NAME, HostCookieStorage.cookie_name]
    assert names == ["sessionid", "csrftoken", "messages"]
    assert settings.SECURE_HSTS_SECONDS == 0
