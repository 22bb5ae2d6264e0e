"""Times and tokens of calls as histograms of OpenTelemetry, by its conventions for generative AI.

https://github.com/open-telemetry/semantic-conventions-genai/blob/main/docs/gen-ai/gen-ai-metrics.md (November 2026)
"""

from __future__ import annotations

from collections.abc import Mapping

from unified_api.telemetry.call_record import CallRecord, named

__all__ = ["Metrics"]

_SECONDS = [0.01 * 2**power for power in range(14)]
_TOKENS = [4.0**power for power in range(14)]


class Metrics:
    """Labels are few, so that no number of users or runs makes many series; nor do names that mean no model."""

    def __init__(self, known_as: Mapping[str, str]) -> None:
        """`known_as`: providers whose name is another in the conventions."""
        from opentelemetry import metrics

        self._known_as = known_as
        meter = metrics.get_meter("unified_api")
        self._duration = meter.create_histogram(
            "gen_ai.client.operation.duration",
            unit="s",
            description="GenAI operation duration.",
            explicit_bucket_boundaries_advisory=_SECONDS,
        )
        self._first = meter.create_histogram(
            "gen_ai.client.operation.time_to_first_chunk",
            unit="s",
            description="Time to receive the first chunk.",
            explicit_bucket_boundaries_advisory=_SECONDS,
        )
        self._tokens = meter.create_histogram(
            "gen_ai.client.token.usage",
            unit="{token}",
            description="Number of input and output tokens used.",
            explicit_bucket_boundaries_advisory=_TOKENS,
        )

    def __call__(self, record: CallRecord) -> None:
        labels = {"gen_ai.operation.name": record.operation}
        if record.is_of_a_model:
            labels["gen_ai.request.model"] = named(record.call.request.model)[1]
        if record.provider and record.is_of_a_model:
            labels["gen_ai.provider.name"] = self._known_as.get(record.provider, record.provider)
            labels["gen_ai.response.model"] = (record.model or "").removeprefix(f"{record.provider}/")
        if record.first_chunk_s is not None:
            self._first.record(record.first_chunk_s, labels)
        if record.usage is not None and not record.cached and record.provider:
            used = record.usage
            counts = {
                "input": used.input_tokens if used.billed_input_tokens is None else used.billed_input_tokens,
                "output": used.output_tokens if used.billed_output_tokens is None else used.billed_output_tokens,
            }
            for kind, count in counts.items():
                if count is not None:
                    self._tokens.record(count, {**labels, "gen_ai.token.type": kind})
        if record.error is not None:
            labels["error.type"] = record.error
        self._duration.record(record.seconds, labels)
