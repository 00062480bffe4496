"""The admin's appearance: settings of django-unfold."""

from typing import Any

from django.urls import reverse_lazy

# The blue of the inbox and of our pages, from light to dark.
PRIMARY = {
    "50": "oklch(97% .014 268)",
    "100": "oklch(94% .03 268)",
    "200": "oklch(88% .06 268)",
    "300": "oklch(80% .1 268)",
    "400": "oklch(71% .14 268)",
    "500": "oklch(60% .18 268)",
    "600": "oklch(49% .18 267)",
    "700": "oklch(43% .16 267)",
    "800": "oklch(37% .13 267)",
    "900": "oklch(32% .1 267)",
    "950": "oklch(24% .07 267)",
}

# Callables are named by path, since settings are read before any app is loaded.
UNFOLD: dict[str, Any] = {
    "SITE_TITLE": "emailsvc",
    "SITE_HEADER": "emailsvc",
    "SITE_SUBHEADER": "Transactional email",
    "SITE_URL": "/",
    "SITE_ICON": "emailsvc.admin_site.navigation.find_icon",
    "SITE_FAVICONS": [{"rel": "icon", "type": "image/svg+xml", "href": "emailsvc.admin_site.navigation.find_icon"}],
    "COLORS": {"primary": PRIMARY},
    "SIDEBAR": {
        "show_search": False,
        "show_all_applications": False,
        "navigation": "emailsvc.admin_site.navigation.build_navigation",
    },
    "ACCOUNT": {"navigation": [{"title": "Your account", "link": reverse_lazy("account")}]},
    "DASHBOARD_CALLBACK": "emailsvc.admin_site.overview.page.fill_overview",
    "STYLES": ["emailsvc.admin_site.navigation.find_style"],
}
