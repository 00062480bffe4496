from argparse import ArgumentParser
from collections.abc import Iterator
from typing import Any

from common.commands import ServiceCommand, make_printable
from common.times import format_time
from messages.admin.page import MessageStory, RecipientStory, build_message_story, with_page
from messages.api.responses import EmailOutput
from messages.explain.explain import explain
from messages.explain.model import StateExplanation
from messages.explain.serializers import EXPLANATION
from messages.explain.wording import say_time
from messages.management.selection import find_message
from messages.models import Message
from messages.selectors import find_detailed


class Command(ServiceCommand):
    help = "Show an email with the explanation of its state, each recipient's attempts, and the timeline."

    def add_options(self, parser: ArgumentParser) -> None:
        parser.add_argument("id", metavar="ID")

    def handle(self, *, id: str, **_: Any) -> None:
        message = find_message(id)
        if self.is_json:
            detailed = find_detailed(message.project.messages.all(), message.pk)
            explained = EXPLANATION.to_representation(explain(detailed))
            self.emit({**EmailOutput(detailed).data, "explanation": explained})
            return
        summary = build_message_story(with_page(Message.objects.filter(pk=message.pk)).get())
        self.stdout.write(make_printable("\n".join(describe_story(summary))))


def describe_story(story: MessageStory) -> Iterator[str]:
    message = story.message
    yield f"{message.subject or '(no subject)'}"
    yield from describe_summary(f"{message.status.upper()}: ", story.explanation.summary, "")
    yield ""
    for decision in story.explanation.decisions:
        yield f"  {decision}"
    yield ""
    yield f"  id         {message.pk}"
    yield f"  project    {message.project}"
    yield f"  from       {story.sender}"
    for name, value in (
        ("accepted", message.created_at),
        ("scheduled", message.scheduled_at),
        ("expires", message.expires_at),
    ):
        if value:
            yield f"  {name:<10} {format_time(value)}"
    yield f"  priority   {message.priority}"
    if message.tags:
        yield f"  tags       {', '.join(message.tags)}"
    if message.resent_from_id:
        yield f"  resent of  {message.resent_from_id}"
    for resend in story.resends:
        yield f"  resent as  {resend.pk} ({resend.status})"
    for recipient in story.recipients:
        yield ""
        yield from describe_recipient(recipient, is_only=len(story.recipients) == 1)
    yield ""
    yield "Timeline"
    for moment in story.timeline:
        yield f"  {format_time(moment.at)}  {moment.title} {moment.address}".rstrip()


def describe_recipient(story: RecipientStory, *, is_only: bool) -> Iterator[str]:
    begin = f"{story.row.kind.capitalize()} {story.mailbox}: {story.row.status}"
    if is_only:
        yield begin
    else:
        yield from describe_summary(f"{begin}. ", story.explanation.summary, "  ")
    for decision in story.explanation.decisions:
        yield f"  {decision}"
    for attempt in story.attempts:
        row = attempt.row
        said = " ".join(str(part) for part in (row.code, row.enhanced_code, row.reply) if part)
        via = f" via {row.provider_name}" if row.provider_name else ""
        host = f" at {row.remote_host}" if row.remote_host else ""
        host += f" as {row.remote_id}" if row.remote_id else ""
        yield f"  #{row.number} {format_time(row.started_at or row.claimed_at)}{via}{host}: {attempt.state}"
        if said:
            yield f"     {said}"
        if attempt.meaning:
            yield f"     (that is: {attempt.meaning})"
        if row.next_attempt_at:
            yield f"     next attempt {format_time(row.next_attempt_at)}"


def describe_summary(begin: str, summary: StateExplanation, indent: str) -> Iterator[str]:
    """The reason, the next step and the advice, one line each."""
    yield f"{begin}{summary.why}"
    if summary.next:
        at = f"{say_time(summary.next_at)}: " if summary.next_at else ""
        yield f"{indent}Next: {at}{summary.next}"
    for advice in summary.advice:
        yield f"{indent}What to do: {advice}"
