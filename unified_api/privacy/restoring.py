"""An answer with the values back in the place of their placeholders."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import replace
from typing import TypeVar

from unified_api.privacy.placeholders import LOOKS_LIKE_ONE, Placeholders
from unified_api.types import (
    Alternative,
    AnyResponse,
    AudioPart,
    Citation,
    ImageResponse,
    Part,
    ReasoningPart,
    RefusalPart,
    Response,
    TextPart,
    ToolCallPart,
)

__all__ = ["Moved", "restored", "restored_citation"]

Answer = TypeVar("Answer", bound=AnyResponse)


def restored(response: Answer, placeholders: Placeholders, *, is_json: bool = False) -> Answer:
    """The response as its caller is to read it. Probabilities are left out: they are those of the placeholders' tokens.

    `is_json`: the text of the answer is JSON, and values are written into it as JSON strings hold them.
    """
    match response:
        case Response():
            return replace(
                response,
                parts=tuple(_part(part, placeholders, is_json=is_json) for part in response.parts),
                alternatives=tuple(_alternative(one, placeholders, is_json=is_json) for one in response.alternatives),
                logprobs=(),
            )
        case ImageResponse():
            images = tuple(
                replace(image, revised_prompt=placeholders.restore(image.revised_prompt))
                if image.revised_prompt
                else image
                for image in response.images
            )
            return replace(response, images=images)
        case _:  # numbers alone
            return response


def _alternative(one: Alternative, placeholders: Placeholders, *, is_json: bool) -> Alternative:
    parts = tuple(_part(part, placeholders, is_json=is_json) for part in one.parts)
    return replace(one, parts=parts, logprobs=())


P = TypeVar("P", bound=Part)


def _part(part: P, placeholders: Placeholders, *, is_json: bool) -> P:
    match part:
        case TextPart():
            moved = Moved()
            moved.add(part.text, placeholders)
            text = placeholders.restore_json(part.text) if is_json else placeholders.restore(part.text)
            citations = tuple(restored_citation(one, placeholders, moved) for one in part.citations)
            return replace(part, text=text, citations=citations)
        case ReasoningPart() | RefusalPart():
            return replace(part, text=placeholders.restore(part.text))
        case ToolCallPart():
            return replace(part, arguments=placeholders.restore_json(part.arguments))
        case AudioPart() if part.transcript:
            return replace(part, transcript=placeholders.restore(part.transcript))
        case _:
            return part


class Moved:
    """How far the places of a text move when its placeholders become values."""

    def __init__(self) -> None:
        self._length = 0
        self._ends: list[int] = []
        self._by: list[int] = []

    def add(self, text: str, placeholders: Placeholders) -> None:
        """More of the text, as it came."""
        for match in LOOKS_LIKE_ONE.finditer(text) if "<" in text else ():
            value = placeholders.value(match[0])
            if value is not None:
                self._ends.append(self._length + match.end())
                self._by.append(len(value) - len(match[0]))
        self._length += len(text)

    def place(self, place: int | None) -> int | None:
        """Where that place is now."""
        if place is None:
            return None
        return place + sum(self._by[: bisect_right(self._ends, place)])


def restored_citation(citation: Citation, placeholders: Placeholders, moved: Moved) -> Citation:
    """The citation, its places moved with the text; its state is the provider's own."""
    return replace(
        citation,
        url=citation.url and placeholders.restore(citation.url),
        title=citation.title and placeholders.restore(citation.title),
        quote=citation.quote and placeholders.restore(citation.quote),
        start=moved.place(citation.start),
        end=moved.place(citation.end),
    )
