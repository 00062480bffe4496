"""The types of the tools' arguments.

Texts are plain strings whose empty value counts as absent: the SDK reads JSON out of strings for any other type, and a
body may look like JSON.
"""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Text = Annotated[str, Field()]
Addresses = Annotated[
    list[str] | str, Field(description="One address or a list of them, each `a@b.c` or `Name <a@b.c>`.")
]
Sender = Annotated[str, Field(description="The sender, `a@b.c` or `Name <a@b.c>`. Default: the project's own.")]
Time = Annotated[str, Field(description="ISO 8601 with an offset, such as 2030-01-31T12:00:00Z.")]
Html = Annotated[str, Field(description="The HTML part. Without `text` the text part is made from it.")]
TemplateRef = Annotated[str, Field(description="Id or alias of a published template, in place of subject and content.")]
Stream = Annotated[str, Field(description="The name of one of the project's streams.")]
Cursor = Annotated[str, Field(description="The `next` of the page before.")]
Limit = Annotated[int, Field(ge=1, le=100, description="Rows of a page.")]
EmailId = Annotated[str, Field(min_length=1, max_length=100, description="The id of an email.")]
Characters = Annotated[
    int, Field(ge=0, le=2_000_000, description="The most characters of each body that are returned.")
]
DryRunFlag = Annotated[
    bool, Field(description="True, the default: tell what would be sent to whom. False: really send the email.")
]
Key = Annotated[
    str,
    Field(max_length=256, description="A text of your choice: a second call with it sends nothing a second time."),
]
Step = Literal["hour", "day"]
Group = Literal["tag", "template", "provider", "domain", "stream"]
Status = Literal["", "queued", "scheduled", "sent", "delivering", "delivered", "failed", "bounced", "cancelled"]
Reason = Literal["", "bounce", "complaint", "unsubscribe", "manual"]


class File(BaseModel):
    """A file to attach."""

    model_config = ConfigDict(extra="forbid")

    filename: str
    content_type: str = Field(description="Such as application/pdf.")
    content_b64: str = Field(description="The bytes in base64.")
    content_id: str | None = Field(None, description="For an inline image: the name after `cid:` in the HTML.")
