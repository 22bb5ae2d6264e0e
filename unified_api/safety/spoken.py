"""What a whole answer says, as one text however many parts it comes in; and what it shows of its thinking."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate

from unified_api.types import Part, ReasoningPart, RefusalPart, TextPart

__all__ = ["SPOKEN", "Spoken", "spoken"]

SPOKEN = (TextPart, ReasoningPart, RefusalPart)


@dataclass(frozen=True, slots=True, eq=False)
class Spoken:
    """The texts of several parts as their reader sees them, one after the other."""

    text: str
    numbers: tuple[int, ...]
    """Which parts of the answer they are."""
    starts: tuple[int, ...]
    """Where each begins in the text."""

    def parts_of(self, start: int, end: int) -> Iterator[tuple[int, tuple[int, int]]]:
        """The parts that a span lies in, each with the span in its own text."""
        for place in range(max(0, bisect_right(self.starts, start) - 1), len(self.starts)):
            begins = self.starts[place]
            ends = self.starts[place + 1] if place + 1 < len(self.starts) else len(self.text)
            if begins >= end:
                return
            if max(start, begins) < min(end, ends):
                yield self.numbers[place], (max(start, begins) - begins, min(end, ends) - begins)


def spoken(parts: Sequence[Part]) -> list[Spoken]:
    """The answer's text with its refusals, and its thinking; none that is empty."""
    answer = [number for number, part in enumerate(parts) if isinstance(part, TextPart | RefusalPart)]
    thinking = [number for number, part in enumerate(parts) if isinstance(part, ReasoningPart)]
    made = (_joined(parts, numbers) for numbers in (thinking, answer))
    return [one for one in made if one.text]


def _joined(parts: Sequence[Part], numbers: Sequence[int]) -> Spoken:
    texts = [part.text for number in numbers if isinstance(part := parts[number], SPOKEN)]
    starts = tuple(accumulate(map(len, texts), initial=0))[: len(texts)]
    return Spoken("".join(texts), tuple(numbers), starts)
