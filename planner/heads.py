"""Reads the beginning of a clause: order words, polite frames, and the verb that makes it an instruction."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from planner.lexicon import AMBIGUOUS, BASE_OF, DETERMINERS, LISTABLE, VERBS
from planner.masking import MASK

__all__ = ["Head", "Order", "is_question", "opening_of", "read_head", "starts_clause"]

Order = Literal["none", "first", "then", "finally", "parallel"]

_DONE = r"(?:done|finished|completed?|ready|available|over)"
_ORDER = {
    "finally": (
        r"finally|lastly|last|last of all|ultimately|at the (?:very )?end|in the end|to (?:finish|conclude|"
        r"wrap up)|as a (?:last|final) step"
    ),
    "then": (
        r"then|and then|next|after (?:that|this|which|these|both|all(?: of)?(?: that| this)?)|after(?:wards?)|"
        r"subsequently|later(?: on)?|following (?:that|this)|thereafter|from there|"
        r"eventually|second(?:ly)?|third(?:ly)?|fourth(?:ly)?|fifth(?:ly)?|followed by|"
        rf"(?:once|when|as soon as|after) [^,.;:!?]{{0,60}}\b{_DONE}|"
        rf"with (?:that|this|both|those) {_DONE}|having {_DONE}[^,.;:!?]{{0,40}}|"
        r"based on (?:that|this|it|these|those|both|the (?:results?|outcomes?|answers?|findings|above))(?=,)|"
        r"using (?:that|this|it|these|those|both|the (?:results?|outcomes?|answers?|findings|above))(?=,)|"
        r"(?:from|with) (?:that|this|it|these|those|both)(?=,)|in turn|step \d{1,2}"
    ),
    "first": r"first(?: of all)?|firstly|to start(?: with)?|to begin(?: with)?|initially|step (?:1|one)",
    "parallel": (
        r"at the same time|meanwhile|in parallel|simultaneously|in the meantime|concurrently|"
        r"(?:separately|independently)|in addition(?: to (?:that|this))?|additionally|also|furthermore|moreover|"
        r"besides|plus|as well"
    ),
}
_FRAME = (
    r"please|kindly|just|(?:would like|want|need|wish)(?: you)? to|simply|"
    r"(?:help|assist) (?:me|us) (?:in|with)(?= \w+ing\b)|help (?:me|us)(?: to)?|(?:can|could|"
    r"would|will) you(?: please| kindly| also| then| help me(?: to)?)*|"
    r"(?:can|could|may) (?:i|we)|(?:i|we) (?:(?:also|then|would|will|just|really|finally|further|now) )*"
    r"(?:want|need|wish|like|love|plan|intend|have|require|hope|prefer)(?: (?:you|help|assistance|us|me))?(?: to|"
    r"(?= \w+ing\b))|"
    r"(?:i|we)(?:['’]d| would) (?:also |then |really |finally )*(?:like|love|want|need|prefer)(?: you| help)?(?: to)|"
    r"(?:i['’]?m|i am|we are|we['’]re) (?:looking|trying|going|hoping|planning|interested in)(?: to| for a way to)?|"
    r"(?:you|we|i) (?:should|must|need to|can|will|have to|could|may)(?: also| then)?|your (?:task|job|goal) is to|"
    r"(?:my|the|our) (?:task|goal|aim|job) is to|(?:the )?(?:user|client|customer|he|she|they) (?:wants?|needs?|"
    r"would like|wishes)(?: you)? to|let['’]?s|let us|go ahead and|(?:make|be) sure (?:to|you)|try to|"
    r"don['’]t forget to|remember to|feel free to|proceed to|continue to|i['’]ll need(?: you)? to|"
    r"i (?:was wondering|wonder) if you (?:can|could)|"
    r"would it be possible to|is it possible to|it would be (?:great|nice|good|helpful|ideal) (?:if you (?:can|"
    r"could)|to)|hey|hi|hello|ok|okay|so|and|but|to"
)
_ADVERB = (
    r"(?:automatically|carefully|briefly|quickly|accurately|properly|further|again|now|directly|immediately|"
    r"simply|concisely)"
)

_LEAD = re.compile(
    r"(?P<order>"
    + "|".join(f"(?P<{name}>(?:{pattern})(?![\\w-]))" for name, pattern in sorted(_ORDER.items()))
    + rf")|(?P<frame>(?:{_FRAME})(?![\w-]))|(?P<adverb>{_ADVERB}\b)",
    re.IGNORECASE,
)
_TELLING = re.compile(  # order words that also say something: what is to be over first, how the thing is to be done
    rf"(?P<phrase>\b(?:(?:once|when|as soon as|after) (?!(?:it|that|this)\b)[^,.;:!?]{{2,60}}\b{_DONE}|"
    r"(?:based on|using) (?:the )?\w+(?=,))(?![\w-]))|\b(?P<adverb>(?!now\b|again\b)"
    rf"{_ADVERB[3:]}\b",
    re.IGNORECASE,
)
_LONGEST_LEAD = 160
"""Characters within which a clause comes to its verb."""
_GAP = re.compile(r"[\s,:;—–-]*")
_WORD = re.compile(r"[A-Za-z][a-z]*(?:-[a-z]+)?(?![\w'’])")
_AFTER = re.compile(r"\s*(?P<word>[\w'’-]+)?(?P<rest>[^\w\s]?)")
_OPENERS = frozenset({MASK, "$", "€", "£", "#", "@", "+", "/"})
_QUESTION = re.compile(
    r"(?:what|which|who|whom|whose|where|when|why|how|is|are|was|were|do|does|did|has|have|had|can|could|should|"
    r"would|will|in (?:what|which))\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Head:
    """How a clause begins: `end` is the offset of its verb, or of its first word when it has no known verb."""

    end: int
    verb: str | None
    order: Order
    framed: bool
    """A frame such as `I want to` stands before the verb, which leaves no doubt that it is one."""
    gerund: bool = False
    start: int = -1
    """Where the reading began, before order words and frames; -1 where it began at the verb."""


def read_head(masked: str, start: int, end: int) -> Head:
    """The head of the clause in `masked[start:end]`."""
    order: Order = "none"
    framed = False
    at = _gap(masked, start)
    stop = min(end, at + _LONGEST_LEAD)
    while at < stop and (lead := _LEAD.match(masked, at, end)):
        if lead["frame"] is not None:
            framed = framed or lead["frame"].lower() not in {"and", "but", "so", "hey", "hi", "hello", "ok", "okay"}
        elif lead["order"] is not None:
            if _is_object(masked, lead.end()):
                break
            order = _stronger(order, next(name for name in _ORDER if lead[name] is not None))
        at = _gap(masked, lead.end())
    word = _WORD.match(masked, at, end)
    said = word[0].lower() if word else ""
    if said in VERBS:
        return Head(at, said, order, framed, start=start)
    if said.endswith("ing") and said in BASE_OF:
        return Head(at, BASE_OF[said], order, framed, gerund=True, start=start)
    return Head(at, None, order, framed, start=start)


def opening_of(text: str, masked: str, head: Head) -> str:
    """The words before the verb that say more than an order: "once the sale is complete, ", "briefly "."""
    found = list(_TELLING.finditer(masked, max(head.start, 0), head.end)) if head.start >= 0 else []
    return "".join(text[match.start() : match.end()] + (", " if match["phrase"] else " ") for match in found)


def _gap(masked: str, at: int) -> int:
    return _GAP.match(masked, at).end()  # type: ignore[union-attr]  # the pattern also matches nothing


def _is_object(masked: str, at: int) -> bool:
    """`last` in "last week", `second` in "second paragraph": not an order word, for a noun follows."""
    after = _WORD.match(masked, _gap(masked, at))
    before_comma = masked[at : at + 1] in {",", ":"}
    return (
        not before_comma
        and after is not None
        and after[0].lower() not in VERBS
        and BASE_OF.get(after[0].lower()) is None
        and _LEAD.match(masked, after.start()) is None
        and masked[:at].rsplit(None, 1)[-1].lower()
        in {"last", "second", "third", "fourth", "fifth", "first", "next", "later"}
    )


def _stronger(old: Order, new: str) -> Order:
    rank: tuple[Order, ...] = ("none", "parallel", "first", "then", "finally")
    return max(old, next(order for order in rank if order == new), key=rank.index)


def starts_clause(masked: str, head: Head, end: int, *, listed: bool = False) -> bool:
    """Whether the word at the head really is the verb of a new clause, and not a noun in a list.

    `listed` says that instructions stand before it in the same list, and `, and` in front of it.
    """
    sure = head.framed or head.order in {"then", "finally"}
    word = _WORD.match(masked, head.end, end)
    if head.verb is None or word is None:
        return False
    # A capital inside a sentence begins a name: "The Mask, Run Lola Run".
    if not sure and (head.gerund or word[0][0].isupper()):
        return False
    after = _AFTER.match(masked, word.end(), end)
    following, rest = (after["word"] or "", after["rest"]) if after else ("", "")
    if following == "of":
        return False
    return sure or _has_own_object(masked, head.verb, word.end(), end, following=following, rest=rest, listed=listed)


def _has_own_object(masked: str, verb: str, at: int, end: int, *, following: str, rest: str, listed: bool) -> bool:
    """Whether what follows the verb is its object, so that it cannot be a noun that ends a list."""
    if following in {"and", "or"}:
        partner = _WORD.match(masked, _gap(masked, masked.index(following, at) + len(following)), end)
        return verb not in AMBIGUOUS and partner is not None and partner[0] in VERBS
    if verb not in AMBIGUOUS:
        return bool(following) or rest in _OPENERS
    if listed and verb in LISTABLE and following not in {"", "to", "for", "in", "on", "is", "are"}:
        return True
    return rest == MASK or following.lower() in DETERMINERS or following[:1].isdigit() or following[:1].isupper()


def is_question(masked: str, start: int, end: int) -> bool:
    """A sentence that asks: by its mark, or by its first word."""
    text = masked[start:end].rstrip()
    return text.endswith(("?", "？", "؟")) and (_QUESTION.match(text.lstrip()) is not None or "?" in text)
