"""Whole answers: judged, and withheld or cut where they must be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from unified_api.call import AnyCall
from unified_api.errors import ContentRefusedError
from unified_api.safety.judging import Findings, Judge
from unified_api.safety.spoken import SPOKEN, Spoken, spoken
from unified_api.safety.texts import cut, shown
from unified_api.safety.verdicts import Piece, Verdict
from unified_api.safety.withholding import Cut, finish_after, marker, refusal, without_spans
from unified_api.types import Alternative, Image, ImagePart, ImageResponse, Part, RefusalPart, Response, TextPart

__all__ = ["judged_images", "judged_response"]

_Answer = TypeVar("_Answer", Response, Alternative)


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a piece stands: the answer, and in which text of it, or in which part and where among that part's."""

    answer: int
    spoken: Spoken | None = None
    span: tuple[int, int] = (0, 0)
    part: int = 0
    piece: int = 0


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
        for text in spoken(parts):
            for span in cut(text.text, size, settings.overlap):
                places.append(_Place(answer, text, span))
                pieces.append(text.text[slice(*span)])
        for number, part in enumerate(parts):
            for which, piece in enumerate(shown(part)):
                if which or not isinstance(part, SPOKEN):
                    places.append(_Place(answer, part=number, piece=which))
                    pieces.append(piece)
    return places, pieces


def _withheld(answer: _Answer, why: str) -> _Answer:
    return replace(answer, parts=(RefusalPart(refusal(why)),), finish_reason="content_filter", logprobs=())


def _cut(judge: Judge, answer: _Answer, judged: Sequence[tuple[_Place, Verdict]]) -> _Answer:
    """The answer without its unsafe pieces, where those are to be cut out."""
    unsafe = [(place, verdict) for place, verdict in judged if verdict.ruling == "unsafe"]
    if judge.settings.action != "redact" or not unsafe:
        return answer
    parts: list[Part | None] = list(answer.parts)
    for number, words in _cut_spans(unsafe).items():
        parts[number] = without_spans(answer.parts[number], words)
    for place, verdict in unsafe:
        part = parts[place.part]
        if place.spoken is None and part is not None:
            parts[place.part] = _cut_part(part, place.piece, marker(verdict.categories))
    kept = tuple(part for part in parts if part is not None)
    return replace(
        answer, parts=kept, finish_reason=finish_after(answer.finish_reason, answer.parts, kept), logprobs=()
    )


def _cut_spans(unsafe: Sequence[tuple[_Place, Verdict]]) -> dict[int, list[Cut]]:
    """What is to be cut out of each part. Where it lies across several, the marker stands in the first."""
    found: dict[int, list[Cut]] = {}
    texts = {id(place.spoken): place.spoken for place, _ in unsafe}
    for text in texts.values():
        if text is None:
            continue
        for start, end, codes in _merged(
            [(*place.span, one.categories) for place, one in unsafe if place.spoken is text]
        ):
            words = marker(codes)
            for number, span in text.parts_of(start, end):
                found.setdefault(number, []).append(Cut(*span, words))
                words = ""
    return found


def _merged(spans: Sequence[tuple[int, int, tuple[str, ...]]]) -> list[tuple[int, int, tuple[str, ...]]]:
    """The spans in their order, those that overlap or touch as one."""
    made: list[tuple[int, int, tuple[str, ...]]] = []
    for start, end, codes in sorted(spans, key=lambda one: one[:2]):
        if made and start <= made[-1][1]:
            first, last, before = made.pop()
            made.append((first, max(last, end), tuple(dict.fromkeys((*before, *codes)))))
        else:
            made.append((start, end, codes))
    return made


def _cut_part(part: Part, piece: int, words: str) -> Part:
    """A part of which something is unsafe that is no speech; what a citation says takes the citations away."""
    if piece and isinstance(part, TextPart):
        return replace(part, citations=())
    return TextPart(words)
