"""Cuts tasks in other languages than English, only where that is sure: at numbered lists and words for "then"."""

from __future__ import annotations

import re
from dataclasses import dataclass

from planner.clauses import Clause
from planner.heads import read_head
from planner.masking import MASK, mask

__all__ = ["is_english", "split_other"]

_ENGLISH = re.compile(
    r"(?<![\w'’-])(?:the|an|and|to|of|for|with|please|my|you|is|are|was|were|does|did|what|which|who|how|why|when|"
    r"where|has|"
    r"have|or|both|more|then|it|into|from|about|this|that|by|there|if|would|could|can|me|i|a|write|find|make|"
    r"create)(?![\w'’-])",
    re.IGNORECASE,
)
_OTHER = re.compile(
    r"(?<![\w'’-])(?:der|die|das|den|dem|ins|im|zu|von|auf|ist|und|ein|eine|bitte|mir|mit|le|la|les|un|une|et|du|des|pour|el|los|las|una|por|"
    r"para|que|il|lo|gli|per|di|della|o|os|um|uma|em|het|een|en|van|och|att|på|i|na|się|oraz|ve|bir|için)(?![\w'’-])",
    re.IGNORECASE,
)
_UNSPACED = (
    r"然后|然後|接着|接著|随后|隨後|最后|最後に?|之后再|之後再|再把|再将|"
    r"その後|次に|それから|つぎに|그런 ?다음|그다음|그 다음|마지막으로|다음으로"
)
_SPACED = (
    r"ثم|وأخير[اً]+|أخير[اً]+|بعد ذلك|ومن ثم|затем|потом|после этого|наконец|в конце|далее|потім|нарешті|"
    r"luego|después|a continuación|por último|finalmente|puis|ensuite|enfin|après cela|dann|danach|anschließend|"
    r"schließlich|zum schluss|"
    r"poi|dopodiché|infine|depois|em seguida|por fim|daarna|vervolgens|ten slotte|sedan|därefter|slutligen|"
    r"następnie|potem|na koniec|"
    r"sonra|daha sonra|son olarak|फिर|उसके बाद|इसके बाद|अंत में|אחר כך|לבסוף|לאחר מכן"
)
_THEN = re.compile(
    rf"[\s,，、;；.。]*(?:(?:und|et|y|e|и|en|och|i|ve|और|ו)\s+)?(?:{_UNSPACED}|(?<!\w)(?:{_SPACED})(?!\w))[\s,，、:：]*",
    re.IGNORECASE,
)
_ITEM = re.compile(
    r"(?m)(?:^|"
    r"(?<=[\s，。；;,:：]))\(?([0-9\u0660-\u0669\u06f0-\u06f9\uff10-\uff19\u0966-\u096f]{1,2})[.)、．）:：][ \t]*(?=\S)"
)  # digits and dots of other scripts
_CLOSING = " \t\n,，、;；.。!！:："


def is_english(text: str) -> bool:
    """Whether the English rules may be used: Latin letters, and English small words or, failing those, verbs."""
    masked = mask(text).replace(MASK, "")
    letters = [character for character in masked if character.isalpha()]
    latin = sum(character < "\u0250" for character in letters)
    if not letters or latin < 0.7 * len(letters):
        return not letters
    english, other = len(_ENGLISH.findall(masked)), len(_OTHER.findall(masked))
    if english == other:
        return read_head(masked, 0, len(masked)).verb is not None
    return english > other


def split_other(text: str) -> tuple[Clause, ...]:
    """The parts of a task in another language, each building on the one before; one part where nothing is sure."""
    masked = mask(text)
    parts = _listed(masked) or _sequence(masked)
    kept = [one for one in parts if len(masked[one.start : one.end].strip(_CLOSING)) >= 2]
    if len(kept) < 2:
        kept = [_Stretch(0, 0, len(text))]
    return tuple(_clause(text, masked, stretch, index=index) for index, stretch in enumerate(kept))


@dataclass(frozen=True, slots=True)
class _Stretch:
    """A part's place in the text; `mark` is where the word for "then" or the number before it begins."""

    mark: int
    start: int
    end: int
    number: int | None = None


def _listed(masked: str) -> list[_Stretch]:
    marks = [(match, int(match[1])) for match in _ITEM.finditer(masked)]
    if len(marks) < 2 or [number for _, number in marks] != list(range(1, len(marks) + 1)):
        return []
    ends = [match.start() for match, _ in marks[1:]] + [len(masked)]
    return [_Stretch(match.start(), match.end(), end, number) for (match, number), end in zip(marks, ends, strict=True)]


def _sequence(masked: str) -> list[_Stretch]:
    marks = [(0, 0), *(match.span() for match in _THEN.finditer(masked))]
    ends = [mark for mark, _ in marks[1:]] + [len(masked)]
    return [_Stretch(mark, start, end) for (mark, start), end in zip(marks, ends, strict=True)]


def _clause(text: str, masked: str, stretch: _Stretch, *, index: int) -> Clause:
    start, end = stretch.start, stretch.end
    left = len(text[start:end]) - len(text[start:end].lstrip(_CLOSING))
    said = text[start + left : end].rstrip(_CLOSING)
    hidden = masked[start + left : start + left + len(said)]
    spans = ((stretch.mark, end),)
    return Clause(said, hidden, None, "then" if index else "none", index, number=stretch.number, spans=spans)
