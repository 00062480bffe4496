"""The admin of suppressions that are held back: staff apply or drop all of a wave together."""

from collections.abc import Sequence

from django.contrib import admin, messages
from django.db.models import Count, QuerySet
from django.http import HttpRequest
from django.utils.html import format_html_join
from django.utils.safestring import SafeString
from unfold.admin import ModelAdmin

from accounts.services import write_audit
from tracking.models import SuppressionWave
from tracking.suppressions.wave_decisions import decide
from tracking.suppressions.wave_models import WaveDecision

MAX_SHOWN = 100


@admin.register(SuppressionWave)
class WaveAdmin(ModelAdmin):  # type: ignore[misc]
    """Held suppressions by their common words, the open ones first."""

    list_display = ("words", "opened_at", "address_count", "decision", "closed_at")
    ordering = ("-closed_at", "-opened_at")  # PostgreSQL sorts nulls first: open ones
    fields = ("words", "opened_at", "address_count", "decision", "closed_at", "held_addresses")
    readonly_fields = fields
    actions = ("apply", "drop")
    show_full_result_count = False

    def get_queryset(self, request: HttpRequest) -> QuerySet[SuppressionWave]:
        found: QuerySet[SuppressionWave] = super().get_queryset(request)
        return found.annotate(held_count=Count("entries"))

    @admin.display(description="Addresses")
    def address_count(self, wave: SuppressionWave) -> int:
        held: int = wave.held_count  # type: ignore[attr-defined]
        return held if wave.entry_count is None else wave.entry_count

    @admin.display(description="Held addresses")
    def held_addresses(self, wave: SuppressionWave) -> SafeString | str:
        rows = wave.entries.select_related("project").order_by("id")[:MAX_SHOWN]
        shown = [(row.address, row.project.name, row.note[:200]) for row in rows]
        return format_html_join("", "<div><bdi>{}</bdi> ({}): <bdi>{}</bdi></div>", shown) or "None"

    def has_add_permission(self, *_: object) -> bool:
        return False

    def has_change_permission(self, *_: object) -> bool:
        return False

    def has_delete_permission(self, *_: object) -> bool:
        return False

    def has_decide_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("tracking.change_suppressionwave")

    @admin.action(description="Suppress these addresses", permissions=["decide"])
    def apply(self, request: HttpRequest, queryset: QuerySet[SuppressionWave]) -> None:
        """Suppress all addresses of each wave."""
        self.decide(request, list(queryset), WaveDecision.APPLIED)

    @admin.action(description="Drop the held suppressions", permissions=["decide"])
    def drop(self, request: HttpRequest, queryset: QuerySet[SuppressionWave]) -> None:
        """Suppress none of the addresses."""
        self.decide(request, list(queryset), WaveDecision.DROPPED)

    def decide(self, request: HttpRequest, waves: Sequence[SuppressionWave], decision: WaveDecision) -> None:
        for wave in waves:
            count = decide(wave, decision)
            if count is None:
                self.message_user(request, f"“{wave}” was decided on before.", messages.WARNING)
                continue
            write_audit(
                request.user.get_username(), decision, f"held suppressions {wave.pk}", words=wave.words, count=count
            )
            self.message_user(request, f"{count} suppressions {decision}.", messages.SUCCESS)
