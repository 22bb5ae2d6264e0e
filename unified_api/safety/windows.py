"""The pieces of a stream that are held back until they are judged: pure, fed with chunks and told of verdicts.

Everything that comes is held, in its order. A window of a text is the end of what was judged before (`overlap`
characters, which are still held) and all that came since, so that whatever lies across a border is seen whole before
any of it is shown. After a good verdict all is handed on but the last `overlap` characters of each text that may go on;
a tool call is held until its answer is complete, since half of one is of no use to anybody.

What an answer says is one text, and what it shows of its thinking another, however many parts they come in. While
something else comes between two parts the first is not held: its end is judged once more with what follows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import takewhile

from unified_api.safety.held import HeldChunk, HeldText, Window, inside, left_of, marked, outside, touching
from unified_api.safety.stream_parts import Speech, StreamParts
from unified_api.safety.texts import called, cited, shown
from unified_api.safety.verdicts import Piece
from unified_api.types import (
    AlternativeChunk,
    Chunk,
    CitationChunk,
    FinishChunk,
    LogprobsChunk,
    PartChunk,
    ReasoningChunk,
    RefusalChunk,
    TextChunk,
    ToolCallChunk,
)

__all__ = ["Windows"]

_MOST_HELD = 4_000_000
"""Characters in all, far more than any answer has; what is longer cannot be judged."""
_CHUNK = 64
"""What a chunk counts for in that besides its text."""


class Windows:
    """Holds the chunks of one stream. `window` and `overlap` are in characters."""

    def __init__(self, window: int, overlap: int) -> None:
        self._window = window
        self._overlap = overlap
        self._step = window - overlap
        self._held: list[HeldChunk] = []
        self._texts: list[HeldText] = []
        self._speech: dict[tuple[int, bool], HeldText] = {}
        """By answer, and whether it is thinking."""
        self._open: dict[int, HeldText] = {}
        """The speech of an answer that may go on."""
        self._parts: dict[int, StreamParts] = {}
        self._calls: dict[tuple[int, int], HeldText] = {}
        self._fresh = 0
        self._weight = 0
        self._urgent = False
        self._ended = False

    def split(self, chunk: Chunk) -> Sequence[Chunk]:
        """The chunk in pieces that are added one by one: a long text is several, so that only its bad part is cut.

        Not where the probabilities of its tokens stand before it: they may not be shown before the whole of it may.
        """
        if not isinstance(chunk, Speech) or len(chunk.text) <= self._step:
            return (chunk,)
        if self._waits_for_text():
            return (chunk,)
        starts = range(0, len(chunk.text), self._step)
        pieces = [type(chunk)(chunk.text[start : start + self._step]) for start in starts]
        if not isinstance(chunk, RefusalChunk) and chunk.state is not None:
            pieces.append(replace(chunk, text=""))
        return pieces

    def add(self, chunk: Chunk) -> None:
        answer, inner = inside(chunk)
        match inner:
            case TextChunk() | ReasoningChunk() | RefusalChunk():
                self._add_speech(chunk, answer, inner)
            case ToolCallChunk():
                self._add_call(chunk, answer, inner)
            case PartChunk():
                self._close_speech(answer)
                self._add_whole(chunk, answer, shown(inner.part))
                self._urgent = True
            case CitationChunk():
                self._add_citation(answer, inner)
            case LogprobsChunk() if self._of(answer).touched:
                pass
            case FinishChunk():
                self._close(answer)
                self._hold(chunk, None, "")
                self._urgent = True
            case _:
                self._hold(chunk, None, "")

    @property
    def due(self) -> bool:
        """Whether what is held should be judged now, or needs no verdict."""
        if self._urgent or not self._texts:
            return True
        return self._fresh >= self._step and sum(text.size for text in self._texts) >= self._window

    @property
    def full(self) -> bool:
        """Whether more is held than may be."""
        return self._weight > _MOST_HELD

    def windows(self) -> list[Window]:
        """What a verdict is needed for."""
        found: list[Window] = []
        for text in self._texts:
            found += [Window(piece, text) for piece in text.whole if piece]
            if text.fresh and text.kind == "speech":
                found.append(Window(text.tail + "".join(text.fresh), text))
            elif text.fresh and text.closed:
                found.append(Window(called(text.name, text.tail + "".join(text.fresh)), text))
        return found

    def release(self) -> list[Chunk]:
        """What may be handed on, now that all that is held was judged and what was unsafe is cut out."""
        for text in self._texts:
            if text.fresh and (text.kind == "speech" or text.closed):
                text.tail += "".join(text.fresh)
                text.fresh = []
                if text.kind == "speech":
                    text.tail = text.tail[-self._overlap :] if self._overlap else ""
            text.whole = ()
        self._fresh, self._urgent = 0, False
        return self._hand_on(self._free())

    def close(self) -> None:
        """The stream has ended, or no more of it can be held: nothing that is held waits for what follows."""
        for text in self._texts:
            text.closed = True
        self._open.clear()
        self._urgent = self._ended = True

    def plain(self) -> list[Chunk]:
        """What is held that shows nothing of the answer, such as its usage so far."""
        return [one.chunk for one in self._held if one.text is None and not isinstance(one.chunk, _TELLING)]

    def _free(self) -> int:
        """How many of the held chunks may go."""
        left = {id(text): text.size for text in self._texts}
        free = 0
        for place, one in enumerate(self._held):
            text = one.text
            if text is None:
                continue
            left[id(text)] -= one.size
            if not text.closed and (text.kind == "call" or left[id(text)] < self._overlap):
                return free
            free = place + 1
        waiting = not self._ended and self._waits_for_text()
        return free if waiting or any(not text.closed for text in self._texts) else len(self._held)

    def _waits_for_text(self) -> bool:
        """Whether probabilities of tokens are last, which may have come before their text."""
        last = takewhile(lambda one: one.text is None, reversed(self._held))
        return any(isinstance(inside(one.chunk)[1], LogprobsChunk) for one in last)

    def _hand_on(self, count: int) -> list[Chunk]:
        if not count:
            return []
        given, self._held = self._held[:count], self._held[count:]
        for one in given:
            self._weight -= one.size + _CHUNK
            if one.text is not None:
                one.text.size -= one.size
        still = {id(one.text) for one in self._held}
        for text in self._texts:
            text.listed = id(text) in still or not text.closed
        self._texts = [text for text in self._texts if text.listed]
        return [self._as_it_ends(one.chunk) for one in given]

    def _as_it_ends(self, chunk: Chunk) -> Chunk:
        """An answer all of whose tool calls were cut out asks for none."""
        answer, inner = inside(chunk)
        if not isinstance(inner, FinishChunk) or inner.finish_reason != "tool_calls":
            return chunk
        if any(not text.gone for (number, _), text in self._calls.items() if number == answer):
            return chunk
        if not any(number == answer for number, _ in self._calls):
            return chunk
        ended = FinishChunk("content_filter")
        return AlternativeChunk(answer, ended) if answer else ended

    def cut(self, window: Window, marker: str) -> None:
        """Leave out every chunk that the unsafe window touches, with `marker` in their place; what stands before it was
        judged before. What remains is released next.
        """
        text = window.text
        parts = self._of(text.answer)
        touched = touching(self._held, text)
        parts.touched = True
        for place in touched:
            text.size -= self._held[place].size
            if text.kind == "speech":
                parts.cut.add(self._held[place].part)
        held: list[HeldChunk] = []
        gone = set(touched)
        for place, one in enumerate(self._held):
            if place not in gone:
                held += left_of(one, text.answer, parts)
            elif place == touched[0]:
                held.append(HeldChunk(marked(one.chunk, marker), None, 0))
        self._held = held
        self._weight = sum(one.size + _CHUNK for one in held)
        text.tail, text.fresh, text.whole, text.closed, text.gone = "", [], (), True, text.kind == "call"
        if self._open.get(text.answer) is text:
            del self._open[text.answer]

    def _of(self, answer: int) -> StreamParts:
        parts = self._parts.get(answer)
        if parts is None:
            parts = self._parts[answer] = StreamParts()
        return parts

    def _hold(self, chunk: Chunk, text: HeldText | None, said: str, part: int = 0) -> None:
        size = len(said)
        self._held.append(HeldChunk(chunk, text, size, part))
        self._weight += size + _CHUNK
        if text is not None and size:
            text.fresh.append(said)
            text.size += size
            if text.kind == "speech":
                self._fresh += size

    def _list(self, text: HeldText) -> HeldText:
        if not text.listed:
            text.listed = True
            self._texts.append(text)
        return text

    def _add_speech(self, chunk: Chunk, answer: int, inner: Speech) -> None:
        parts = self._of(answer)
        part = parts.spoken(inner)
        if part in parts.cut:
            kept = parts.speech(inner, part)
            if kept is None:
                return
            chunk = chunk if kept is inner else outside(answer, kept)
        self._hold(chunk, self._spoken(answer, type(inner)), inner.text, part)

    def _spoken(self, answer: int, kind: type[Speech]) -> HeldText:
        which = (answer, kind is ReasoningChunk)
        text = self._speech.get(which)
        if text is None:
            text = self._speech[which] = HeldText(answer, "speech")
        if self._open.get(answer) is not text:
            if answer in self._open:
                self._open[answer].closed = True
            self._open[answer] = self._list(text)
            text.closed = False
        return text

    def _add_call(self, chunk: Chunk, answer: int, call: ToolCallChunk) -> None:
        text = self._calls.get((answer, call.index))
        if text is None:
            self._urgent |= answer in self._open  # what was said before it need not wait for its end
            self._close_speech(answer)
            text = self._calls[answer, call.index] = HeldText(answer, "call")
        if not text.gone:
            text.name += call.name or ""
            self._hold(chunk, self._list(text), call.arguments)
            if call.name and not call.arguments:
                text.fresh.append("")  # the name alone is judged too

    def _add_citation(self, answer: int, chunk: CitationChunk) -> None:
        parts = self._of(answer)
        part = parts.cited(chunk)
        kept = parts.citation(chunk, part)
        if kept is not None:
            self._add_whole(outside(answer, kept), answer, (cited(kept.citation),), part)

    def _add_whole(self, chunk: Chunk, answer: int, pieces: tuple[Piece, ...], part: int = 0) -> None:
        size = sum(len(piece) for piece in pieces if isinstance(piece, str))
        text = self._list(HeldText(answer, "part", whole=pieces, closed=True, size=size))
        self._held.append(HeldChunk(chunk, text, size, part))
        self._weight += size + _CHUNK
        self._fresh += size

    def _close_speech(self, answer: int) -> None:
        self._of(answer).end()
        text = self._open.pop(answer, None)
        if text is not None:
            text.closed = True

    def _close(self, answer: int) -> None:
        for text in self._texts:
            if text.answer == answer:
                text.closed = True
        self._open.pop(answer, None)


_TELLING = LogprobsChunk | AlternativeChunk | FinishChunk
