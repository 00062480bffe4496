from argparse import ArgumentParser

from django.core.management.base import CommandError
from django.db import transaction
from django.db.models import Count

from accounts.services import write_audit
from common.commands import ServiceCommand
from common.ids import parse_id
from tracking.models import SuppressionWave
from tracking.suppressions.wave_decisions import decide
from tracking.suppressions.wave_models import WaveDecision


class Command(ServiceCommand):
    help = "List the suppressions that are held back, each wave with its words; apply or drop a wave."

    def add_options(self, parser: ArgumentParser) -> None:
        choice = parser.add_mutually_exclusive_group()
        choice.add_argument("--apply", metavar="ID", help="Suppress all addresses of this wave.")
        choice.add_argument("--drop", metavar="ID", help="Suppress none of them.")

    def handle(self, *, apply: str | None, drop: str | None, **_: object) -> None:
        if apply:
            self.decide(apply, WaveDecision.APPLIED)
        elif drop:
            self.decide(drop, WaveDecision.DROPPED)
        else:
            self.list_open()

    def list_open(self) -> None:
        for wave in SuppressionWave.objects.filter(closed_at=None).annotate(n=Count("entries")).order_by("opened_at"):
            item = {"id": wave.pk, "words": wave.words, "addresses": wave.n, "opened_at": wave.opened_at}
            self.emit(item, f"{wave.pk}  {wave.n} addresses  {wave.words}")

    def decide(self, text: str, decision: WaveDecision) -> None:
        wave_id = parse_id(text)
        wave = SuppressionWave.objects.filter(pk=wave_id).first() if wave_id else None
        if wave is None:
            raise CommandError(f"There are no held suppressions with the id {text}.")
        with transaction.atomic():
            count = decide(wave, decision)
            if count is None:
                raise CommandError("They were decided on before.")
            write_audit("command", decision, f"held suppressions {wave.pk}", words=wave.words, count=count)
        self.emit({"id": wave.pk, "decision": decision, "addresses": count}, f"{count} suppressions {decision}.")
