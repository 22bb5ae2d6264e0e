"""What a back end says of a piece of an answer, and what may be judged at all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol, TypeAlias

from unified_api.call import AnyCall
from unified_api.errors import GatewayError, NoCandidateError
from unified_api.types import ImagePart, Quality

__all__ = ["Guard", "Opaque", "Piece", "Verdict", "failed", "no_verdict"]


@dataclass(frozen=True, slots=True)
class Opaque:
    """A part of an answer that no back end reads; `what` says what it is, such as `a video`."""

    what: str


Piece: TypeAlias = str | ImagePart | Opaque
"""What is judged at once: a text, a picture, or what nobody can judge."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What a back end says of one piece. It never holds anything of the piece itself."""

    ruling: Literal["safe", "unsafe", "none"]
    categories: tuple[str, ...] = ()
    """What the piece is unsafe for, in the back end's own words."""
    scores: Mapping[str, float] = field(default_factory=dict)
    """Category -> how sure the back end is, from 0 to 1, where it says so."""
    why: str | None = None
    """Why there is no verdict."""
    advice: str | None = None
    """What whoever wrote the settings can do about that; for the trail, not for readers."""
    quality: Quality | None = None
    """`demo` where the back end is too small to be relied on."""

    @property
    def words(self) -> str:
        """The verdict for the trail, such as `violence 0.91, hate`."""
        if self.ruling == "none":
            return self.why or "no verdict"
        scored = (f"{name} {self.scores[name]:.2f}" if name in self.scores else name for name in self.categories)
        return ", ".join(scored) or self.ruling


def no_verdict(why: str) -> Verdict:
    """There is no verdict, and why; `why` must not hold anything of what was to be judged."""
    return Verdict(ruling="none", why=why)


_ADVICE = (
    "let [safety] ask a model that may be shown all that answers hold (private data that [privacy] detects in an "
    "answer raises the label of what judges it)"
)


def failed(model: str, error: GatewayError) -> Verdict:
    """There is no verdict, as the model could not be asked. A provider's own words may repeat what it was sent."""
    if isinstance(error, NoCandidateError):
        why = " ".join(error.message.split())
        return Verdict(ruling="none", why=why, advice=_ADVICE)
    return no_verdict(f"{model} failed ({error.code})")


class Guard(Protocol):
    """Judges pieces of answers. One instance serves many calls at once."""

    @property
    def name(self) -> str:
        """For the trail and for readers."""

    @property
    def longest(self) -> int:
        """Characters that it judges well at once; a longer text is judged in pieces."""

    @property
    def waits(self) -> bool:
        """Whether it waits for anything, and so may take too long."""

    async def judge(self, call: AnyCall, pieces: Sequence[Piece]) -> Sequence[Verdict]:
        """One verdict a piece. `call` is the one that is being answered."""
