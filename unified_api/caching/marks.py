"""What in a text decides its meaning and hardly moves its vector."""

from __future__ import annotations

import re

__all__ = ["marks"]

_QUOTED = re.compile(r"\"[^\"]+\"|“[^”]+”|`[^`]+`|(?<!\w)'[^']+'(?!\w)")
_WORD = re.compile(r"[^\W_]+(?:[-._/:@'’][^\W_]+)*")
_TURNING = re.compile(
    r"\b(?:not|no|never|none|nor|neither|without|cannot|except|\w+n['’]t|un\w{4,}|non\w{3,}|dis(?:able|agree|like)\w*"
    r"|\w{3,}(?:er|est)|more|most|less|least|few|many|much|all|any|some|every|both|either|only|first|last|next|previous"
    r"|before|after|above|below|over|under|up|down|in|out|on|off|left|right|top|bottom|with|true|false|yes"
    r"|same|different|equal|high|low|best|worst|good|bad|long|short|big|small|large|old|new|young|early|late|fast|slow"
    r"|min\w*|max\w*|increase\w*|decrease\w*|add\w*|remove\w*|start\w*|stop\w*|begin\w*|end\w*|open\w*|close\w*"
    r"|enable\w*|allow\w*|forbid\w*|buy\w*|sell\w*|send\w*|receive\w*|encode\w*|decode\w*|encrypt\w*|decrypt\w*"
    r"|import\w*|export\w*|upload\w*|download\w*|north\w*|south\w*|east\w*|west\w*|male|female|men|women)\b",
    re.IGNORECASE,
)
"""Words of which one changes what is asked: denials, comparisons, amounts, and those that have an opposite."""
_DIRECTION = re.compile(r"\b(?:than|from|to|into|by|between|versus|vs|minus|divided)\b", re.IGNORECASE)
"""Words beside which the order of the names counts."""


_FILLERS = frozenset({
    "a", "an", "the", "of", "is", "are", "am", "be", "do", "does", "can", "could", "would", "will", "i", "i'd",
    "me", "my", "you", "your", "we", "us", "it", "its", "that", "this", "these", "there", "and", "please", "kindly",
    "thanks", "thank", "hello", "hi", "hey", "dear", "so", "just", "also", "like", "want", "need", "know", "tell",
    "give", "say", "show", "let", "help", "what", "which", "question", "answer",
})  # fmt: skip
"""Words that a polite frame or another order of the sentence adds or takes away."""
_NO_NAMES = frozenset({"I", "I'm", "I'd", "I've", "I'll", "I’m", "I’d", "I’ve", "I’ll"})
_ENDS = frozenset(".!?:\n")


def marks(text: str, *, same_words: bool) -> frozenset[str]:
    """What two texts that mean the same must both have: names, numbers, quotations, and words that turn a meaning.

    Vectors of sentences hardly see them: `in 2019` and `in 2020` are as good as equal. With `same_words` it is every
    word but the fillers, in any order where the order says nothing.
    """
    found = {quoted.strip("\"“”`'").casefold() for quoted in _QUOTED.findall(text)}
    rest = _QUOTED.sub(" ", text)
    names: list[str] = []
    first = True
    for match in _WORD.finditer(rest):
        word = match[0]
        named = word[:1].isupper() and not first and word not in _NO_NAMES
        if named or any(char.isdigit() for char in word) or any(char in word for char in "./:@"):
            names.append(word.casefold())
        first = rest[match.end() : match.end() + 1] in _ENDS
    found.update(names)
    found.update(match[0].casefold() for match in _TURNING.finditer(rest))
    if same_words:
        names = [word for match in _WORD.finditer(rest) if (word := match[0].casefold()) not in _FILLERS]
        found.add(" ".join(sorted(names)))
    if _DIRECTION.search(rest):
        found.add(" > ".join(names))
    return frozenset(found)
