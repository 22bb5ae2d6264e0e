"""Which answers may be kept, and which may be given to others who asked the same at the same time."""

from __future__ import annotations

import json
from collections.abc import Iterable

from unified_api.call import AnyResponse
from unified_api.needs import AnyRequest
from unified_api.types import (
    AudioPart,
    BuiltinToolPart,
    DocumentPart,
    FinishReason,
    ImagePart,
    ImageResponse,
    Part,
    RefusalPart,
    Request,
    Response,
    ToolCallPart,
    VideoPart,
)

__all__ = ["keeps_to_schema", "may_be_joined", "may_be_kept"]

_NEVER = (RefusalPart, ToolCallPart, BuiltinToolPart)
"""A refusal may be lifted the next time, a tool call belongs to its conversation, and what a built-in tool found grows
old by the minute."""
_MEDIA = (ImagePart, AudioPart, VideoPart, DocumentPart)
_WHOLE: frozenset[FinishReason] = frozenset({"stop", "tool_calls", "content_filter"})


def may_be_kept(answer: AnyResponse) -> bool:
    """Only whole, plain answers of real models, without what will be gone: nothing cut, blocked, refused or guessed."""
    if answer.quality is not None:
        return False
    if isinstance(answer, ImageResponse):
        return bool(answer.images) and all(image.data is not None for image in answer.images)
    if not isinstance(answer, Response):
        return True
    others = all(one.finish_reason == "stop" and _lasts(one.parts) for one in answer.alternatives)
    whole = answer.finish_reason == "stop" and not answer.skipped_events
    return whole and _says_something(answer) and others and _lasts(answer.parts)


def keeps_to_schema(answer: AnyResponse, request: AnyRequest) -> bool:
    """Whether an answer that was asked for as JSON is JSON at all; if it satisfies the schema its caller checks."""
    if not isinstance(request, Request) or request.output_schema is None or not isinstance(answer, Response):
        return True
    try:
        json.loads(answer.answer)
    except (ValueError, RecursionError):
        return False
    return True


def may_be_joined(answer: AnyResponse, *, limited: bool) -> bool:
    """Whether it is what every caller who asked the same would have been given.

    One that was cut at a length is so only where the request itself `limited` it: else the limit may have been what the
    first caller could pay for.
    """
    if not isinstance(answer, Response):
        return True
    ends = {answer.finish_reason, *(one.finish_reason for one in answer.alternatives)}
    return not answer.skipped_events and (ends <= _WHOLE or (limited and ends <= _WHOLE | {"length"}))


def _says_something(answer: Response) -> bool:
    """What a model thinks aloud in its text is no answer."""
    return bool(answer.answer.strip()) or any(isinstance(part, _MEDIA) for part in answer.parts)


def _lasts(parts: Iterable[Part]) -> bool:
    return not any(isinstance(part, _NEVER) or (isinstance(part, _MEDIA) and _expires(part)) for part in parts)


def _expires(part: ImagePart | AudioPart | VideoPart | DocumentPart) -> bool:
    """The provider keeps it for a while only."""
    return part.url is not None or part.state is not None
