"""All URL paths of this service."""

from django.conf import settings
from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView

from common.routers import api_path
from emailsvc.admin_site import account, joining, second_factor, sign_in, sign_on
from emailsvc.documentation import views as documentation
from emailsvc.openapi.schema import show_document
from emailsvc.web import health, pages
from gateways.mailgun import errors as mailgun_errors
from gateways.postmark import errors as postmark_errors
from gateways.resend import errors as resend_errors
from gateways.sendgrid import errors as sendgrid_errors
from gateways.ses import errors as ses_errors

BASES = {
    "mailgun": mailgun_errors.show_unknown_path,
    "postmark": postmark_errors.show_unknown_path,
    "resend": resend_errors.show_unknown_path,
    "sendgrid": sendgrid_errors.show_unknown_path,
    "ses": ses_errors.show_unknown_path,
}

urlpatterns = [
    # First, because every email comes this way.
    path("api/v1/", include("messages.urls")),
    path("", pages.show_landing, name="landing"),
    path("docs", documentation.show_home, name="docs"),
    path("docs/search", documentation.show_search, name="docs_search"),
    path("docs/api/<slug:tag>", documentation.show_group, name="docs_api"),
    path("docs/<slug:name>", documentation.show_page, name="docs_page"),
    path("docs/<slug:name>.md", documentation.show_page_text, name="docs_page_text"),
    path("docs/images/<slug:name>.png", documentation.show_picture, name="docs_picture"),
    path("llms.txt", documentation.show_index, name="docs_index"),
    path("favicon.ico", RedirectView.as_view(url=f"/{settings.STATIC_URL}emailsvc/icon.svg")),
    path("docs/", RedirectView.as_view(pattern_name="docs")),
    path("docs/<path:rest>/", RedirectView.as_view(url="/docs/%(rest)s")),
    path("healthz", health.healthz),
    path("readyz", health.readyz),
    path("", include("tracking.engagement.urls")),
    path("", include("messages.feedback.urls")),
    api_path("api/schema", show_document, name="schema"),
    path("api/v1/", include("accounts.urls")),
    path("api/v1/", include("domains.urls")),
    path("api/v1/", include("providers.urls")),
    path("api/v1/", include("templates_app.urls")),
    path("api/v1/", include("webhooks.urls")),
    path("api/v1/", include("tracking.urls")),
    path("compat/mailgun/", include("gateways.mailgun.urls")),
    path("compat/postmark/", include("gateways.postmark.urls")),
    path("compat/resend/", include("gateways.resend.urls")),
    path("compat/sendgrid/", include("gateways.sendgrid.urls")),
    path("compat/ses/", include("gateways.ses.urls")),
    # A base without its slash is answered in its service's form too.
    *(path(f"compat/{name}", view) for name, view in BASES.items()),
    path("inbox", RedirectView.as_view(pattern_name="inbox")),
    path("inbox/", include("inbox.urls")),
    path("admin/join/<str:token>/", joining.join, name="join"),
    path("admin/login/", sign_in.sign_in),
    path("admin/login/sso/", sign_on.go_to_issuer, name="sign_on"),
    path("admin/login/sso/back/", sign_on.come_back, name="sign_on_back"),
    path("admin/login/second/", sign_in.enter_factor, name="second_factor"),
    path(
        "admin/account/authenticator/",
        admin.site.admin_view(second_factor.show_authenticator),
        name="authenticator",
    ),
    path("admin/account/keys/", admin.site.admin_view(second_factor.show_new_key), name="new_security_key"),
    path("admin/account/factor/", admin.site.admin_view(second_factor.change_factor), name="change_factor"),
    path("admin/account/", admin.site.admin_view(account.show_account), name="account"),
    path("admin/account/sessions/", admin.site.admin_view(account.end_own_sessions), name="account_sessions"),
    path("admin/", admin.site.urls),
]
handler400 = "common.problems.bad_request"
handler403 = "common.problems.permission_denied"
handler404 = "common.problems.not_found"
handler500 = "common.problems.server_error"
