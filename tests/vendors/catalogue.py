"""The clients that are tried, with their pinned versions, and our own. A newer version is a change of this table."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class VendorClient:
    """A client of another service.

    `page` is the page of the documentation that describes its door. `packages` are requirements of pip or of npm,
    as `script` is a program of Python or of Node. `project` is the folder of a client of our own, which is built with
    these packages.
    """

    name: str
    page: str
    script: str
    packages: tuple[str, ...]
    project: str = ""

    @property
    def is_node(self) -> bool:
        return self.script.endswith(".mjs")

    @property
    def version(self) -> str:
        """That of the first package; "" for what comes with the language, and for our own."""
        if self.project:
            return ""
        return self.packages[0].replace("==", "@").rpartition("@")[2] if self.packages else ""


ANYMAIL = ("django-anymail[amazon-ses,postmark,resend,sendgrid]==15.2", "Django==5.2.9")


def anymail(service: str) -> VendorClient:
    return VendorClient(name=f"anymail-{service}", page=service, script="python/anymail_backends.py", packages=ANYMAIL)


CLIENTS: tuple[VendorClient, ...] = (
    VendorClient(
        name="emailsvc-client",
        page="clients",
        script="python/our_client.py",
        packages=("hatchling==1.33.0",),
        project="clients/python",
    ),
    VendorClient(
        name="emailsvc",
        page="clients",
        script="node/our_client.mjs",
        packages=("typescript@5.9.3", "@types/node@22.20.7"),
        project="clients/javascript",
    ),
    VendorClient(
        name="resend-python", page="resend", script="python/resend_sdk.py", packages=("resend==2.51.0", "svix==2.9.1")
    ),
    VendorClient(
        name="resend-python-old",
        page="resend",
        script="python/resend_sdk.py",
        packages=("resend==2.19.0", "svix==2.9.1"),
    ),
    VendorClient(name="resend-node", page="resend", script="node/resend.mjs", packages=("resend@6.38.0",)),
    anymail("resend"),
    VendorClient(name="postmark.js", page="postmark", script="node/postmark.mjs", packages=("postmark@5.1.0",)),
    anymail("postmark"),
    VendorClient(
        name="@sendgrid/mail",
        page="sendgrid",
        script="node/sendgrid.mjs",
        packages=("@sendgrid/mail@8.1.6", "@sendgrid/client@8.1.6", "@sendgrid/eventwebhook@8.0.0"),
    ),
    VendorClient(
        name="sendgrid-python", page="sendgrid", script="python/sendgrid_sdk.py", packages=("sendgrid==6.12.5",)
    ),
    anymail("sendgrid"),
    VendorClient(
        name="mailgun.js", page="mailgun", script="node/mailgun.mjs", packages=("mailgun.js@14.0.1", "form-data@4.0.6")
    ),
    anymail("mailgun"),
    VendorClient(name="boto3", page="ses", script="python/boto3_sesv2.py", packages=("boto3==1.44.5",)),
    anymail("ses"),
    VendorClient(name="smtplib", page="smtp", script="python/smtp_library.py", packages=()),
    VendorClient(name="nodemailer", page="smtp", script="node/nodemailer.mjs", packages=("nodemailer@10.6.0",)),
)
