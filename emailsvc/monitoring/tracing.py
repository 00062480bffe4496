"""Exports spans by OpenTelemetry, over OTLP/HTTP, once a second. Its own OTEL_* variables configure it.

The libraries are an extra, and are imported when the first span of the process is exported.
"""

import os
from typing import Any

from delivery.optional import load_when_used
from ledger.telemetry.spans import SpanFact, SpanRef, facts

NAME = "emailsvc"
# By the name of a span. All others are INTERNAL.
KINDS = {"attempt": "CLIENT", "webhook": "CLIENT"}
SERVER_NAMES = ("GET ", "HEAD ", "POST ", "PUT ", "PATCH ", "DELETE ", "OPTIONS ", "other ")
NANOSECONDS = 1_000_000_000


class GivenIds:
    """The SDK's source of ids, which gives those of the span that is made."""

    trace_id = span_id = 1

    def generate_trace_id(self) -> int:
        return self.trace_id

    def generate_span_id(self) -> int:
        return self.span_id

    def is_trace_id_random(self) -> bool:
        return True


class Tracing:
    """The SDK in this process. `processor` is where ended spans go; by default to the collector, in batches."""

    def __init__(self, processor: Any = None) -> None:
        self._trace = load_when_used("opentelemetry.trace")
        sdk, export = load_when_used("opentelemetry.sdk.trace"), load_when_used("opentelemetry.sdk.trace.export")
        self._ids = GivenIds()
        self.provider = sdk.TracerProvider(id_generator=self._ids, resource=describe_service())
        self.provider.add_span_processor(processor or export.BatchSpanProcessor(build_exporter()))
        self._tracer = self.provider.get_tracer(NAME)

    def export(self, fact: SpanFact) -> None:
        """Hand a span to the processor, if its trace is sampled."""
        self._ids.trace_id, self._ids.span_id = fact.ref.trace_id, fact.ref.span_id
        above = self._context_of(fact.parent) if fact.parent else None
        links = [self._trace.Link(self._context_of(fact.link))] if fact.link else []
        span = self._tracer.start_span(
            fact.name,
            context=self._trace.set_span_in_context(self._trace.NonRecordingSpan(above)) if above else {},
            kind=self._trace.SpanKind[find_kind(fact.name)],
            attributes=name_attributes(fact.attributes),
            links=links,
            start_time=int(fact.began_at * NANOSECONDS),
        )
        if fact.has_failed:
            span.set_status(self._trace.StatusCode.ERROR)
        span.end(end_time=int(max(fact.ended_at, fact.began_at) * NANOSECONDS))

    def _context_of(self, ref: SpanRef) -> Any:
        is_sampled = ref.is_sampled
        if is_sampled is None:
            # The same in each process, since it goes by the id of the trace.
            result = self.provider.sampler.should_sample(None, ref.trace_id, "accept")
            is_sampled = result.decision.is_sampled()
        flags = self._trace.TraceFlags(self._trace.TraceFlags.SAMPLED if is_sampled else 0)
        return self._trace.SpanContext(ref.trace_id, ref.span_id, is_remote=True, trace_flags=flags)


def build_exporter() -> Any:
    return load_when_used("opentelemetry.exporter.otlp.proto.http.trace_exporter").OTLPSpanExporter()


def describe_service() -> Any:
    """The resource: our name, unless OTEL_SERVICE_NAME or OTEL_RESOURCE_ATTRIBUTES says another."""
    resources = load_when_used("opentelemetry.sdk.resources")
    told = resources.OTELResourceDetector().detect()
    return resources.Resource.create({"service.name": NAME, **told.attributes})


def find_kind(name: str) -> str:
    return "SERVER" if name.startswith(SERVER_NAMES) else KINDS.get(name, "INTERNAL")


def name_attributes(given: Any) -> dict[str, Any]:
    """Attributes under our name, unless theirs is one of OpenTelemetry; those without a value are left out."""
    named = {key if "." in key else f"{NAME}.{key}": value for key, value in given.items()}
    return {key: show(value) for key, value in named.items() if value not in (None, "", [], ())}


def show(value: object) -> object:
    if isinstance(value, bool | int | float):
        return value
    return [str(each) for each in value] if isinstance(value, list | tuple) else str(value)


# That of this process; a forked child makes its own, with connections of its own.
_tracing: list[Tracing] = []
os.register_at_fork(after_in_child=_tracing.clear)


def write_spans() -> bool:
    """Export what has been gathered: a part for the gatherer of a process that is traced."""
    if facts and not _tracing:
        _tracing.append(Tracing())
    for _ in range(len(facts)):
        _tracing[0].export(facts.popleft())
    return False
