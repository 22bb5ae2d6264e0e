"""What in a text decides its meaning and hardly moves its vector."""

from __future__ import annotations

import re

__all__ = ["marks"]

_TOKEN = re.compile(
    r"(?P<quoted>\"[^\"]+\"|“[^”]+”|`[^`]+`|(?<!\w)'[^']+'(?!\w))"
    r"|(?P<word>[^\W_]+(?:[-._/:@'’][^\W_]+)*)"
    r"|(?P<sign>(?:_|[^\w\s])+)"
)
_TURNING = re.compile(
    r"(?:not|no|never|none|nor|neither|without|cannot|except|\w+n['’]t|un\w{4,}|non\w{3,}|dis(?:able|agree|like)\w*"
    r"|\w{3,}(?:er|est)|more|most|less|least|few|many|much|all|any|some|every|both|either|only|first|last|next|previous"
    r"|before|after|above|below|over|under|up|down|in|out|on|off|left|right|top|bottom|with|true|false|yes"
    r"|same|different|equal|high|low|best|worst|good|bad|long|short|big|small|large|old|new|young|early|late|fast|slow"
    r"|min\w*|max\w*|increase\w*|decrease\w*|add\w*|remove\w*|start\w*|stop\w*|begin\w*|end\w*|open\w*|close\w*"
    r"|enable\w*|allow\w*|forbid\w*|buy\w*|sell\w*|send\w*|receive\w*|encode\w*|decode\w*|encrypt\w*|decrypt\w*"
    r"|import\w*|export\w*|upload\w*|download\w*|north\w*|south\w*|east\w*|west\w*|male|female|men|women"
    r"|from|to|into|by|versus|vs|minus|plus|times|divided"
    r"|(?:i|me|my|mine|we|us|our|ours|you|your|yours|he|him|his|she|her|hers|they|them|their|theirs|who|whom|whose)"
    r"(?:['’]\w+|self|selves)?)",
    re.IGNORECASE,
)
"""Words of which one changes what is asked: denials, comparisons, amounts, persons, and those that have an opposite."""
_FILLERS = frozenset({"a", "an", "the", "is", "are", "am"})
"""Words that come and go between a question and its indirect form. Persons, auxiliaries and what asks are none: `what
is Bob like` is not `what does Bob like`."""
_LEAD = re.compile(
    r"\s*(?:(?:please|kindly)\b[\s,:]*|(?:hello|hi|hey)(?:\s+there)?\s*[,!.:]\s*|(?:can|could|would|will)\s+you\s+(?:please|kindly)\s+"
    r"|(?:(?:can|could|would|will)\s+you\s+)?tell\s+me\b[\s,:]*(?!about\b)"
    r"|i(?:\s+would|['’]d)\s+like\s+to\s+know(?:\s+this)?\b[\s,:.]*|i\s+(?:want|need)\s+to\s+know(?:\s+this)?\b[\s,:.]*)",
    re.IGNORECASE,
)
_TAIL = re.compile(
    r"(?<=[.!?,\n])\s*(?:please|(?:many\s+)?thanks|thank\s+you)(?:\s+(?:very\s+much|in\s+advance))?[\s.!]*$",
    re.IGNORECASE,
)
"""The polite frame around a question."""
_NO_NAMES = frozenset({"I", "I'm", "I'd", "I've", "I'll", "I’m", "I’d", "I’ve", "I’ll"})
_ENDS = frozenset(".!?:\n")
_PUNCTUATION = frozenset(".,;:!?…\"'“”‘’")


def marks(text: str, *, same_words: bool) -> tuple[str, ...]:
    """What two texts that mean the same must both have, in this order.

    It is names, numbers, quotations, signs, and words that turn a meaning; with `same_words` all words but fillers.

    Vectors of sentences hardly see them: `in 2019` and `in 2020` are as good as equal, and so are `Did A beat B` and
    `Did B beat A`.
    """
    text = _unframed(text)
    found: list[str] = []
    first = True
    for match in _TOKEN.finditer(text):
        token, after = match[0], text[match.end() : match.end() + 1]
        if match["word"] is None:
            first = first or not _ENDS.isdisjoint(token)
            if match["quoted"] is not None or not _ends_words(token, before=text[: match.start()][-1:], after=after):
                found.append(token)
            continue
        word = token.casefold()
        named = token[:1].isupper() and not first and token not in _NO_NAMES
        first = False
        if named:
            found.append(f"^{word}")
        elif word not in _FILLERS if same_words else _decides(word):
            found.append(word)
    return tuple(found)


def _unframed(text: str) -> str:
    """The text without its polite frame."""
    text = _TAIL.sub("", text.strip())
    while (match := _LEAD.match(text)) and match.end() < len(text):
        text = text[match.end() :]
    return text


def _ends_words(token: str, *, before: str, after: str) -> bool:
    """Whether this is the punctuation of a sentence, and no sign as in `5!`, `.5`, `1,5` or `!done`."""
    return _PUNCTUATION.issuperset(token) and not after.strip() and not (before.isdigit() and token[0] == "!")


def _decides(word: str) -> bool:
    return any(char.isdigit() or char in "./:@" for char in word) or _TURNING.fullmatch(word) is not None
