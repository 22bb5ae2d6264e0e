"""Cuts masked text into sentences and list items; what looks like a list of things stays with its sentence."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from planner.heads import Head, is_question, read_head, starts_clause

__all__ = ["Sentence", "is_statement", "sentences"]

_ITEM = re.compile(r"(?m)^[ \t]*(?:step[ \t]+)?\(?(?P<number>\d{1,2})[.):][ \t]+", re.IGNORECASE)
_INLINE = re.compile(r"(?:^|(?<=[\s,;:]))\(?(?P<number>\d{1,2})\)[ \t]+")
_INLINE_DOT = re.compile(r"(?:^|(?<=[,;:.] ))(?P<number>\d{1,2})\.[ \t]+(?=[A-Za-z])")
_BULLET = re.compile(r"(?m)^[ \t]*(?:[-*•–][ \t]+|\(?[a-h]\)[ \t]+)(?P<number>(?!))?")
_STOP = re.compile(r"[.!?]+(?=[\s\ue000]|$)|[。！？；؟]|;|\n\s*\n|\n(?=[ \t]*\S)|(?<=\ue000)(?P<quoted>\s+)(?=[A-Z])")
_ITEM_STOP = re.compile(r"[.!?](?=\s+[A-Z])")
_ANNOUNCEMENT = re.compile(
    r"\b(?:do|perform|complete|follow|carry out|help me with|work through)\b[^:\n]{0,60}:\s*$", re.IGNORECASE
)
_SEQUENCE = re.compile(
    r"\b(?:in (?:this |the following )?order|step[- ]by[- ]step|steps|one after (?:the other|another)|in sequence|"
    r"sequentially)\b",
    re.IGNORECASE,
)
_PREDICATE = re.compile(r"\w+(?:\s+\w+){0,3}\s+(?:is|are|was|were|has|have|had|can|will|do|does)\b")


@dataclass(frozen=True, slots=True)
class Sentence:
    """A stretch of the text, and the number that a list gave it; `ordered` items follow one after the other.

    `listed` items are instructions whether or not they begin with a known verb.
    """

    start: int
    end: int
    number: int | None = None
    ordered: bool = False
    listed: bool = False


def sentences(masked: str) -> list[Sentence]:
    """The sentences and items of the text in its order."""
    for pattern in (_ITEM, _INLINE, _INLINE_DOT, _BULLET):
        marks = list(pattern.finditer(masked))
        if len(marks) < 2 or not _counts_up(marks):
            continue
        start, items = marks[0].start(), _items(masked, marks)
        if _ANNOUNCEMENT.search(masked, max(0, start - 200), start) or _instructs(masked, items):
            ordered = _SEQUENCE.search(masked, 0, start) is not None
            items = [replace(item, ordered=ordered or item.ordered) for item in items]
            return [*_prose(masked, 0, start), *items, *_prose(masked, items[-1].end, len(masked))]
    return _prose(masked, 0, len(masked))


def _counts_up(marks: list[re.Match[str]]) -> bool:
    """Numbers from 1 without gaps; bullets have none."""
    numbers = [int(mark["number"]) for mark in marks if mark["number"]]
    return not numbers or numbers == list(range(1, len(marks) + 1))


def _items(masked: str, marks: list[re.Match[str]]) -> list[Sentence]:
    """The text after each mark, up to the next one; the last one ends with its line or sentence."""
    last = marks[-1].end()
    newline = masked.find("\n", last)
    stop = _ITEM_STOP.search(masked, last) if newline == -1 else None
    end = stop.end() if stop else (len(masked) if newline == -1 else newline)
    ends = [mark.start() for mark in marks[1:]] + [end]
    return [
        Sentence(mark.end(), end, int(mark["number"] or 0) or None, ordered="step" in mark[0].lower(), listed=True)
        for mark, end in zip(marks, ends, strict=True)
    ]


def _instructs(masked: str, items: list[Sentence]) -> bool:
    """Whether nearly all items begin with a verb or ask something: options and data do neither."""
    return sum(_asks(masked, item) for item in items) * 5 >= len(items) * 4


def _asks(masked: str, sentence: Sentence) -> bool:
    if is_question(masked, sentence.start, sentence.end):
        return True
    head = read_head(masked, sentence.start, sentence.end)
    return head.verb is not None and not is_statement(masked, head, sentence.end)


def is_statement(masked: str, head: Head, end: int) -> bool:
    """`Book reviews are fun`: the first word could be a verb, but the sentence has another one."""
    if head.framed or head.gerund:
        return not head.framed
    predicate = _PREDICATE.match(masked, head.end, end)
    return predicate is not None and not starts_clause(masked, replace(head, order="then"), end)


def _prose(masked: str, start: int, end: int) -> list[Sentence]:
    found: list[Sentence] = []
    at = start
    for stop in _STOP.finditer(masked, start, end):
        if stop["quoted"] and not _begins(masked, stop.end(), end):
            continue
        if stop[0] == "\n" and not _asks(masked, Sentence(stop.end(), _line_end(masked, stop.end(), end))):
            continue
        if masked[at : stop.start()].strip():
            found.append(Sentence(at, stop.end()))
        at = stop.end()
    if masked[at:end].strip():
        found.append(Sentence(at, end))
    return found


def _begins(masked: str, start: int, end: int) -> bool:
    """Whether a sentence visibly begins: after a quotation that holds its own full stop there is no other sign."""
    head = read_head(masked, start, end)
    return (
        head.verb is not None
        or head.framed
        or head.order != "none"
        or masked.startswith(("I ", "I'", "We ", "If "), start)
    )


def _line_end(masked: str, start: int, end: int) -> int:
    newline = masked.find("\n", start, end)
    return end if newline == -1 else newline
