"""A whole answer of the Responses API (https://platform.openai.com/docs/api-reference/responses/object)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from unified_api.errors import ProviderError
from unified_api.types import FinishReason, JsonObject, Part, Response, TokenLogprob, ToolCallPart
from unified_api.wire.answer import answer_object, echoed_model, malformed
from unified_api.wire.base import WireProfile
from unified_api.wire.errors import embedded_error
from unified_api.wire.json_text import parse_json
from unified_api.wire.openai_responses.items import item_kind, objects, read_item, read_logprobs, word
from unified_api.wire.openai_responses.usage import answer_usage

__all__ = ["decode", "failure", "finish_reason"]

_INCOMPLETE: Mapping[str, FinishReason] = {
    "max_output_tokens": "length",
    "max_tokens": "length",
    "length": "length",
    "content_filter": "content_filter",
}
_UNFINISHED = frozenset({"in_progress", "queued"})


def decode(body: bytes, *, provider: str, model: str, profile: WireProfile) -> Response:
    """The answer in `body`, which came under status 200.

    Raises MalformedResponseError when it is no Responses answer, or what the error of a failed one means. One that is
    still being worked on (`background`) has the finish reason `unknown`.
    """
    answer = _answer(body, provider=provider, model=model, profile=profile)
    failed = failure(answer, provider=provider, model=model, profile=profile)
    if failed is not None:
        raise failed
    parts = tuple(_parts(answer, provider))
    usage, cost = answer_usage(answer)
    return Response(
        model=f"{provider}/{echoed_model(answer, model)}",
        provider=provider,
        parts=parts,
        finish_reason=finish_reason(answer, profile, called=any(isinstance(part, ToolCallPart) for part in parts)),
        usage=usage,
        id=word(answer.get("id")) or None,
        cost_usd=cost,
        logprobs=tuple(_logprobs(answer)),
    )


def finish_reason(answer: JsonObject, profile: WireProfile, *, called: bool) -> FinishReason:
    """Why the answer ended, in our words; a call of the client's own function that ended well is `tool_calls`."""
    details = answer.get("incomplete_details")
    reason = word(details.get("reason")) if isinstance(details, dict) else ""
    status = word(answer.get("status"))
    if reason or status == "incomplete":
        return profile.finish_reasons.get(reason) or _INCOMPLETE.get(reason, "unknown")
    if status in _UNFINISHED:
        return "unknown"
    if called:
        return "tool_calls"
    return "stop" if status == "completed" else "unknown"


def failure(answer: JsonObject, *, provider: str, model: str, profile: WireProfile) -> ProviderError | None:
    """The error that an answer with the status `failed` or `cancelled` means, or one that holds an error."""
    status, stated = word(answer.get("status")), answer.get("error")
    if not stated and status not in {"failed", "cancelled"}:
        return None
    error = stated or {"code": "server_error", "message": f"the answer ended with the status {status!r}"}
    return embedded_error({"error": error}, provider=provider, model=model, profile=profile)


def _answer(body: bytes, *, provider: str, model: str, profile: WireProfile) -> JsonObject:
    """The object in `body`; one with an output says itself whether it failed, any other may be an error."""
    try:
        value = parse_json(body)
    except ValueError:
        value = None
    if isinstance(value, dict) and isinstance(value.get("output"), list):
        return value
    answer_object(body, provider=provider, model=model, profile=profile)
    raise malformed("has no output", body, provider=provider, model=model)


def _parts(answer: JsonObject, provider: str) -> Iterator[Part]:
    calls = 0
    for item in objects(answer.get("output")):
        for part in read_item(item, provider=provider, calls=calls):
            calls += isinstance(part, ToolCallPart)
            yield part


def _logprobs(answer: JsonObject) -> Iterator[TokenLogprob]:
    for item in objects(answer.get("output")):
        if item_kind(item) == "message":
            for part in objects(item.get("content")):
                yield from read_logprobs(part)
