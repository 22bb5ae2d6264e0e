"""Recognises sentences that qualify what is asked for instead of asking for more."""

from __future__ import annotations

import re

__all__ = ["is_rider", "says_with", "stands_for_all"]

_RIDER = re.compile(
    r"\s*(?:(?:please|also|and|finally|lastly)[\s,]+)*(?:(?:keep|make sure|ensure|avoid|do not|don['’]t|never|always|"
    r"remember that|note that|be (?:sure|careful|brief|concise|creative|specific)|include|limit|no more than|at most|"
    r"mention)\b|(?:answer|reply|respond|write|format)\s+(?:it |everything |all )?(?:in|as|with|only)\b(?!\s+an?\b)|"
    r"use\s(?!.*\bto\b)|(?:the|each|every|your)\s[\w ]{1,40}\b(?:should|must|needs? to|has to|is to|are to)\b|"
    r"(?:save|let)\s+(?:me\s+)?(?:the|your|it|know)\b)",
    re.IGNORECASE | re.DOTALL,
)
_FIRST_RIDER = re.compile(
    r"\s*(?:please\s+)?(?:(?:keep|avoid|do not|don['’]t|never|always|be (?:careful|brief|concise|creative))\b|"
    r"(?:answer|reply|respond|write)\s+(?:everything |all )?(?:in|as|with|only)\s+(?!an?\b)\w+(?:\s\w+){0,3}\s*[.!;]|"
    r"use (?:plain|simple|easy|short|formal|informal|british|american)\b(?!.*\bto\b))",
    re.IGNORECASE | re.DOTALL,
)
_SAYS_WITH = re.compile(  # `Can you do that with the following text: ...`: the material of what was asked
    r"\s*(?:(?:so|please|can|could|would|will|you|kindly|help|me|us|to)[\s,]+)*do\s+(?:that|this|it|so)\b",
    re.IGNORECASE,
)
_NEAR = re.compile(r"\b(?:it|its|itself|this|these|them|their|that one)\b", re.IGNORECASE)
_NAMED = re.compile(r"\b(?:the|that|this|your|each|every) (?:[\w-]+ )?(?P<noun>[a-z-]{3,})\b", re.IGNORECASE)
_OVERALL = re.compile(
    r"\b(?:all|both|each|every|everything|everywhere|throughout|overall|whole|your (?:answers?|responses?|replies))\b",
    re.IGNORECASE,
)


def is_rider(masked: str, start: int, end: int, *, first: bool) -> bool:
    """Whether the sentence is a wish about the form; as the `first` of a task it must be sure to ask for nothing."""
    return (_FIRST_RIDER if first else _RIDER).match(masked, start, end) is not None


def says_with(masked: str, start: int, end: int) -> bool:
    """Whether the sentence only gives the material of what was asked before."""
    return _SAYS_WITH.match(masked, start, end) is not None


def stands_for_all(rider: str, before: str, *, last: bool) -> bool:
    """Whether a wish about the form that follows the clause `before` is one for every part of the task."""
    if _OVERALL.search(rider) is not None:
        return True
    if _NEAR.search(rider) is not None:
        return False
    named = [match["noun"].lower() for match in _NAMED.finditer(rider)]
    return not any(noun in before.lower() for noun in named) if named else last
