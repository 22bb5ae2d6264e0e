"""Who is told of calls, as the settings name them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, TypeAlias

from unified_api.errors import ConfigurationError
from unified_api.settings import RecordSettings
from unified_api.telemetry.call_record import CallRecord
from unified_api.telemetry.log import Log, LogFile

if TYPE_CHECKING:
    from unified_api.telemetry.spans import Spans

__all__ = ["Teller", "spans_of", "tellers_of"]

Teller: TypeAlias = Callable[[CallRecord], None]


def tellers_of(settings: RecordSettings, known_as: Mapping[str, str]) -> tuple[Teller, ...]:
    tellers: list[Teller] = []
    if settings.metrics:
        tellers.append(_metrics(known_as))
    if settings.log:
        tellers.append(Log())
    if settings.file is not None:
        tellers.append(LogFile(settings.file.expanduser()))
    return tuple(tellers)


def spans_of(settings: RecordSettings, known_as: Mapping[str, str]) -> Spans | None:
    if not settings.traces:
        return None
    try:
        from unified_api.telemetry.spans import Spans

        return Spans(known_as)
    except ImportError as error:
        raise _missing("traces") from error


def _metrics(known_as: Mapping[str, str]) -> Teller:
    try:
        from unified_api.telemetry.metrics import Metrics

        return Metrics(known_as)
    except ImportError as error:
        raise _missing("metrics") from error


def _missing(key: str) -> ConfigurationError:
    return ConfigurationError(
        f"[record] {key} is on, and OpenTelemetry is not installed: pip install 'meta-orchestrator[otel]'"
    )
