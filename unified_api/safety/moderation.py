"""The back end that asks a moderation model, such as OpenAI's or Mistral's, by the gateway itself."""

from __future__ import annotations

import re
from collections.abc import Sequence

import anyio

from unified_api.call import AnyCall, Consult
from unified_api.errors import GatewayError
from unified_api.safety.verdicts import Opaque, Piece, Verdict, failed, no_verdict
from unified_api.settings.safety import SafetySettings
from unified_api.types import ImagePart, Moderation, ModerationRequest

__all__ = ["ModerationGuard"]

_NAME = re.compile(r"(?=.{1,40}\Z)(?:[A-Z]?[a-z]+(?:[-_/][A-Za-z]?[a-z]+){0,4}|S\d{1,2})")
"""What a category may be called: a few plain words, or a code such as Llama Guard's."""


class ModerationGuard:
    """Judges texts, and pictures where the model takes them; texts of one answer are asked about together."""

    longest = 8_000
    waits = True

    def __init__(self, settings: SafetySettings, consult: Consult) -> None:
        self._consult = consult
        self._model = settings.model or ""
        self._categories = settings.categories
        self._thresholds = settings.thresholds
        self.name = self._model

    async def judge(self, call: AnyCall, pieces: Sequence[Piece]) -> Sequence[Verdict]:
        verdicts: dict[int, Verdict] = {}
        places = [place for place, piece in enumerate(pieces) if isinstance(piece, str)]

        async def ask(at: Sequence[int]) -> None:
            inputs = tuple(piece for place in at if not isinstance(piece := pieces[place], Opaque))
            request = ModerationRequest(model=self._model, inputs=inputs)
            try:
                response = await self._consult(call, "moderate", request, "safety")
            except GatewayError as error:
                verdicts.update(dict.fromkeys(at, failed(self._model, error)))
            else:
                verdicts.update((place, self._verdict(one)) for place, one in zip(at, response.results, strict=False))

        asked = [places] if places else []
        asked += [[place] for place, piece in enumerate(pieces) if isinstance(piece, ImagePart)]
        if len(asked) == 1:
            await ask(asked[0])
        else:
            async with anyio.create_task_group() as group:
                for at in asked:
                    group.start_soon(ask, at)
        return [verdicts.get(place) or _unseen(piece) for place, piece in enumerate(pieces)]

    def _verdict(self, result: Moderation) -> Verdict:
        """Thresholds decide where there are some, the model's own flags elsewhere."""
        named = self._categories or (
            *result.categories,
            *(one for one in self._thresholds if one not in result.categories),
        )
        missing = [name for name in named if not self._judged(name, result)]
        if missing:
            return no_verdict(f"{self._model} says nothing of {', '.join(map(_shown, missing))}")
        hit = tuple(name for name in named if self._hits(name, result))
        if not hit:
            return _SAFE if self._explained(result) else Verdict(ruling="unsafe", categories=("flagged",))
        scores = {_shown(name): result.scores[name] for name in hit if name in result.scores}
        return Verdict(ruling="unsafe", categories=tuple(dict.fromkeys(map(_shown, hit))), scores=scores)

    def _explained(self, result: Moderation) -> bool:
        """Whether the model's flag says nothing more than categories that do not count, or not so far."""
        if not result.flagged or self._categories:
            return True
        return any(result.categories.get(name) for name in self._thresholds)

    def _judged(self, name: str, result: Moderation) -> bool:
        return name in (result.scores if name in self._thresholds else result.categories)

    def _hits(self, name: str, result: Moderation) -> bool:
        least = self._thresholds.get(name)
        return result.categories[name] if least is None else result.scores[name] >= least


def _shown(name: str) -> str:
    """The category as it may be told of: what is no name could be anything, such as the words of the answer."""
    return name if _NAME.fullmatch(name) else "other"


_SAFE = Verdict(ruling="safe")


def _unseen(piece: Piece) -> Verdict:
    return no_verdict(f"{piece.what} cannot be judged" if isinstance(piece, Opaque) else "the model left a text out")
