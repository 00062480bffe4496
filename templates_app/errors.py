"""Errors in a template or its variables, before they are assigned to a field of a request."""

from typing import ClassVar


class TemplateError(Exception):
    """`str()` gives a sentence for the author. `part` is the field of the template that is wrong, if known."""

    code: ClassVar[str]

    def __init__(self, message: str, *, part: str = "", line: int | None = None) -> None:
        super().__init__(message)
        self.part = part
        self.line = line

    def __str__(self) -> str:
        where = f"Line {self.line}: " if self.line else ""
        return f"{where}{self.args[0]}"


class TemplateSyntaxError(TemplateError):
    """The template cannot be parsed, or uses unknown tags, filters or names."""

    code = "template_syntax_error"


class TemplateLimitError(TemplateError):
    """The template is too large, nested too deeply, or takes too long."""

    code = "template_limit_exceeded"

    def __str__(self) -> str:
        return f"The template was stopped: {super().__str__()}."


class VariableMissingError(TemplateError):
    """Required variables are missing. `paths` holds each as the template writes it, such as `order.lines[0]`."""

    code = "template_variable_missing"

    def __init__(self, *paths: str) -> None:
        super().__init__(f"The template needs {', '.join(paths)}.")
        self.paths = paths


class TemplateRenderError(TemplateError):
    """A filter or an operator cannot process a value."""

    code = "template_render_error"


class EmptyResultError(TemplateError):
    """The result is empty."""

    code = "template_result_empty"


class UnsafeResultError(TemplateError):
    """The rendered part contains forbidden content, such as a line end in the subject or a `javascript:` link."""

    code = "template_result_unsafe"


class UnsafeLinkError(UnsafeResultError):
    """The target of a link is not allowed in mail."""

    def __init__(self, address: str) -> None:
        super().__init__(
            f"The HTML contains a link that is not http, https, mailto or tel: {address.strip()[:80]}", part="html"
        )
        self.address = address


class UnsubscribePlaceholderError(TemplateError):
    """The placeholder of the unsubscribe link is damaged, so that it cannot be filled in."""

    code = "unsubscribe_placeholder_invalid"


class MjmlError(TemplateError):
    """The MJML cannot be compiled to HTML."""

    code = "mjml_error"


class InlineCssError(TemplateError):
    """The styles cannot be inlined."""

    code = "inline_css_error"


class LayoutError(TemplateError):
    """The layout and the template do not fit together."""

    code = "layout_error"
