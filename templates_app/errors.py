"""What can be wrong with a template or its variables, before it is known which field of a request is to blame."""

from typing import ClassVar


class TemplateError(Exception):
    """`str()` of it is a sentence for the author. `part` is the field of the template that is wrong, where one is."""

    code: ClassVar[str]

    def __init__(self, message: str, *, part: str = "", line: int | None = None) -> None:
        super().__init__(message)
        self.part = part
        self.line = line

    def __str__(self) -> str:
        where = f"Line {self.line}: " if self.line else ""
        return f"{where}{self.args[0]}"


class TemplateSyntaxError(TemplateError):
    """It cannot be parsed, or uses what does not exist."""

    code = "template_syntax_error"


class TemplateLimitError(TemplateError):
    """It is too large, too deep or takes too long."""

    code = "template_limit_exceeded"

    def __str__(self) -> str:
        return f"The template was stopped: {super().__str__()}."


class VariableMissingError(TemplateError):
    """Variables are used and were not given. `paths` holds each as the template writes it, such as `order.lines[0]`."""

    code = "template_variable_missing"

    def __init__(self, *paths: str) -> None:
        super().__init__(f"The template needs {', '.join(paths)}.")
        self.paths = paths


class TemplateRenderError(TemplateError):
    """A filter or an operator cannot work with the value that it was given."""

    code = "template_render_error"


class EmptyResultError(TemplateError):
    """Nothing is left after rendering."""

    code = "template_result_empty"


class UnsafeResultError(TemplateError):
    """The rendered part holds what must not be mailed, such as a line end in the subject or a `javascript:` link."""

    code = "template_result_unsafe"


class UnsafeLinkError(UnsafeResultError):
    """A link leads where mail must not lead."""

    def __init__(self, address: str) -> None:
        super().__init__(
            f"The HTML holds a link that is neither http, https, mailto nor tel: {address.strip()[:80]}", part="html"
        )
        self.address = address


class MjmlError(TemplateError):
    """The MJML cannot be made HTML."""

    code = "mjml_error"


class InlineCssError(TemplateError):
    """The styles cannot be moved into the elements."""

    code = "inline_css_error"


class LayoutError(TemplateError):
    """The layout cannot hold this template."""

    code = "layout_error"
