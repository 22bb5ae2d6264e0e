"""The events of ConverseStream as chunks, whatever framing they came in.

https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ConverseStreamOutput.html
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from unified_api.errors import FailedGenerationError, ProviderError
from unified_api.types import Chunk, FinishChunk, FinishReason, Json, JsonObject, Usage, UsageChunk
from unified_api.wire.base import WireProfile
from unified_api.wire.bedrock.blocks import BlockReader
from unified_api.wire.bedrock.usage import read_usage
from unified_api.wire.errors import embedded_error

__all__ = ["EventReader", "exception_error", "finish_reason"]

_FINISH_REASONS: Mapping[str, FinishReason] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "tool_use": "tool_calls",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "guardrail_intervened": "content_filter",
    "content_filtered": "content_filter",
    "malformed_model_output": "error",
    "malformed_tool_use": "error",
}
_STATUS = {
    "accessdeniedexception": 403, "internalserverexception": 500, "modelerrorexception": 424,
    "modelnotreadyexception": 429, "modelstreamerrorexception": 424, "modeltimeoutexception": 408,
    "resourcenotfoundexception": 404, "serviceunavailableexception": 503, "throttlingexception": 429,
    "validationexception": 400,
}  # fmt: skip
"""The status that the same exception has as an HTTP answer (API_runtime_Converse.html#API_runtime_Converse_Errors)."""


class EventReader:
    """Reads the events of one answer. `finished` is set by the event that ends the message; usage comes after it."""

    finished: bool
    error: ProviderError | None
    """What the answer turned out to be instead of one."""

    def __init__(self, *, provider: str, model: str, profile: WireProfile) -> None:
        self.finished = False
        self.error = None
        self._provider = provider
        self._model = model
        self._profile = profile
        self._blocks = BlockReader(provider)
        self._readers: Mapping[str, Callable[[JsonObject], list[Chunk]]] = {
            "contentBlockStart": self._start,
            "contentBlockDelta": self._delta,
            "contentBlockStop": lambda event: self._blocks.stop(_index(event)),
            "messageStop": self._stop,
            "metadata": self.metadata,
        }

    def read(self, name: str, event: JsonObject) -> list[Chunk]:
        """The chunks of the event called `name`; an unknown one says nothing."""
        reader = self._readers.get(name)
        return [] if reader is None else reader(event)

    def message(self, content: list[Json]) -> list[Chunk]:
        """The chunks of a message's content that came at once."""
        return [
            chunk
            for index, block in enumerate(content)
            if isinstance(block, dict)
            for chunk in self._blocks.whole(index, block)
        ]

    def metadata(self, event: JsonObject) -> list[Chunk]:
        """Usage, and the model that a prompt router chose."""
        usage, model = event.get("usage"), _invoked_model(event.get("trace"))
        if not isinstance(usage, dict) and model is None:
            return []
        return [UsageChunk(read_usage(usage) if isinstance(usage, dict) else Usage(), model)]

    def _start(self, event: JsonObject) -> list[Chunk]:
        start = event.get("start")
        return self._blocks.start(_index(event), start) if isinstance(start, dict) else []

    def _delta(self, event: JsonObject) -> list[Chunk]:
        delta = event.get("delta")
        return self._blocks.delta(_index(event), delta) if isinstance(delta, dict) else []

    def _stop(self, event: JsonObject) -> list[Chunk]:
        if self.finished:
            return []
        chunks = self._blocks.end()
        word = event.get("stopReason")
        reason = finish_reason(word, self._profile, called=self._blocks.called)
        if reason == "error":
            self.error = _ended_in_error(word, provider=self._provider, model=self._model)
            return chunks
        self.finished = True
        return [*chunks, FinishChunk(reason)]


def finish_reason(word: Json, profile: WireProfile, *, called: bool) -> FinishReason:
    """Why the answer ended, in our words; what holds a call and ended well is `tool_calls`."""
    if not isinstance(word, str):
        return "tool_calls" if called else "unknown"
    reason = profile.finish_reasons.get(word) or _FINISH_REASONS.get(word.lower(), "unknown")
    return "tool_calls" if called and reason == "stop" else reason


def exception_error(kind: str, payload: Json, *, provider: str, model: str, profile: WireProfile) -> ProviderError:
    """The error that an exception inside a stream means.

    A modelStreamErrorException may tell the status and the words of what failed behind Bedrock.
    """
    said = payload if isinstance(payload, dict) else {"message": payload}
    original = said.get("originalStatusCode")
    status = original if type(original) is int and 400 <= original < 600 else _STATUS.get(kind.lower(), 500)
    error: JsonObject = {
        "message": said.get("message") or said.get("Message"),
        "detail": said.get("originalMessage"),
        "type": kind,
        "status_code": status,
    }
    return embedded_error(error, provider=provider, model=model, profile=profile)


def _ended_in_error(word: Json, *, provider: str, model: str) -> ProviderError:
    return FailedGenerationError(
        f"{provider} ended the answer of {model!r} with the stop reason {word!r}: try again or allow a fallback",
        provider=provider,
        model=f"{provider}/{model}",
        provider_code=str(word),
    )


def _index(event: JsonObject) -> int:
    index = event.get("contentBlockIndex")
    return index if type(index) is int else 0


def _invoked_model(trace: Json) -> str | None:
    router = trace.get("promptRouter") if isinstance(trace, dict) else None
    model = router.get("invokedModelId") if isinstance(router, dict) else None
    return model.rpartition("/")[2] if isinstance(model, str) and model else None
