"""Whole answers: judged, and withheld or cut where they must be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from unified_api.call import AnyCall
from unified_api.errors import ContentRefusedError
from unified_api.safety.judging import Findings, Judge
from unified_api.safety.texts import cut, shown
from unified_api.safety.verdicts import Piece, Verdict
from unified_api.safety.withholding import finish_after, marker, refusal, without
from unified_api.types import Alternative, Image, ImagePart, ImageResponse, Part, RefusalPart, Response, TextPart

__all__ = ["judged_images", "judged_response"]

_Answer = TypeVar("_Answer", Response, Alternative)


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a piece stands: the answer, the part, which of the part's pieces it is, and the span of its text."""

    answer: int
    part: int
    piece: int
    span: tuple[int, int] | None


async def judged_response(judge: Judge, call: AnyCall, response: Response) -> Response:
    """The response as its reader may see it; every further answer is judged on its own."""
    places, pieces = _pieces(judge, [response.parts, *(one.parts for one in response.alternatives)])
    verdicts = await judge.verdicts(call, pieces)
    findings = Findings(judge, call)
    if all(one.ruling == "safe" for one in verdicts):
        findings.add(verdicts)
        findings.end()
        return replace(response, attempts=call.trail.story)

    def ruled(number: int, answer: _Answer) -> _Answer:
        mine = [(place, verdict) for place, verdict in zip(places, verdicts, strict=True) if place.answer == number]
        why = findings.add([verdict for _, verdict in mine])
        return _withheld(answer, why) if why is not None else _cut(judge, answer, mine)

    made = ruled(0, response)
    alternatives = tuple(ruled(number, one) for number, one in enumerate(response.alternatives, start=1))
    findings.end()
    return replace(made, alternatives=alternatives, attempts=call.trail.story)


async def judged_images(judge: Judge, call: AnyCall, response: ImageResponse) -> ImageResponse:
    """The images that may be seen. ContentRefusedError where that is none."""
    places: list[int] = []
    pieces: list[Piece] = []
    for number, image in enumerate(response.images):
        for piece in _of_image(image):
            places.append(number)
            pieces.append(piece)
    verdicts = await judge.verdicts(call, pieces)
    findings = Findings(judge, call)
    why = findings.add(verdicts)
    findings.end()
    kept = response.images
    if judge.settings.action == "redact":
        unsafe = {place for place, one in zip(places, verdicts, strict=True) if one.ruling == "unsafe"}
        kept = tuple(image for number, image in enumerate(kept) if number not in unsafe)
        why = why or (None if kept or not unsafe else f"{judge.guard.name} judged every image unsafe")
    if why is not None:
        error = ContentRefusedError(
            refusal(why), provider=response.provider, model=response.model, attempts=call.trail.story
        )
        error.billable = True
        raise error
    return replace(response, images=kept, attempts=call.trail.story)


def _of_image(image: Image) -> list[Piece]:
    picture: Piece = ImagePart(url=image.url, data=image.data, media_type=image.media_type)
    return [picture, image.revised_prompt] if image.revised_prompt else [picture]


def _pieces(judge: Judge, answers: Sequence[Sequence[Part]]) -> tuple[list[_Place], list[Piece]]:
    """All that is judged of the answers; for cutting in windows, and else in pieces as long as can be."""
    settings = judge.settings
    size = judge.guard.longest if settings.action != "redact" else min(settings.window, judge.guard.longest)
    places: list[_Place] = []
    pieces: list[Piece] = []
    for answer, parts in enumerate(answers):
        for number, part in enumerate(parts):
            for which, piece in enumerate(shown(part)):
                for span in cut(piece, size, settings.overlap) if isinstance(piece, str) else [None]:
                    places.append(_Place(answer, number, which, span))
                    pieces.append(piece[slice(*span)] if isinstance(piece, str) and span is not None else piece)
    return places, pieces


def _withheld(answer: _Answer, why: str) -> _Answer:
    return replace(answer, parts=(RefusalPart(refusal(why)),), finish_reason="content_filter", logprobs=())


def _cut(judge: Judge, answer: _Answer, judged: Sequence[tuple[_Place, Verdict]]) -> _Answer:
    """The answer without its unsafe pieces, where those are to be cut out."""
    unsafe = [(place, verdict) for place, verdict in judged if verdict.ruling == "unsafe"]
    if judge.settings.action != "redact" or not unsafe:
        return answer
    parts: list[Part] = list(answer.parts)
    for number, part in enumerate(answer.parts):
        mine = [(place, verdict) for place, verdict in unsafe if place.part == number]
        if mine:
            parts[number] = _cut_part(part, mine)
    finish = finish_after(answer.finish_reason, answer.parts, parts)
    return replace(answer, parts=tuple(parts), finish_reason=finish, logprobs=())


def _cut_part(part: Part, unsafe: Sequence[tuple[_Place, Verdict]]) -> Part:
    """What of a part's own text is unsafe is cut; what a citation of it says takes its citations away."""
    codes = dict.fromkeys(code for _, verdict in unsafe for code in verdict.categories)
    spans = [place.span for place, _ in unsafe if place.piece == 0 and place.span is not None]
    if not isinstance(part, TextPart):
        return without(part, spans or None, marker(tuple(codes)))
    return without(part, spans, marker(tuple(codes))) if spans else replace(part, citations=())
