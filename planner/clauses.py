"""Cuts a task in English into the clauses that each ask for one thing."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from planner.heads import Head, Order, is_question, read_head, starts_clause
from planner.lexicon import BASE_OF, VERBS
from planner.masking import MASK, mask

__all__ = ["Clause", "split_clauses"]


@dataclass(frozen=True, slots=True)
class Clause:
    """One thing that the task asks for."""

    text: str
    """The words of the task, without order words and polite frames at the beginning."""
    masked: str
    """`text` with quotations and the like masked, of the same length."""
    verb: str | None
    """The base form of the verb, or None for a question or a wish without one."""
    order: Order
    sentence: int
    """Clauses of one sentence have the same number."""
    lead: str = ""
    """A phrase before the verb that says what the clause builds on ("After editing the image")."""
    number: int | None = None
    """The number that a list gave the clause."""


@dataclass(frozen=True, slots=True)
class _Sentence:
    start: int
    end: int
    number: int | None = None
    ordered: bool = False


_ITEM = re.compile(
    r"(?m)^[ \t]*(?:(?:step[ \t]+)?\(?(?P<number>\d{1,2})[.):][ \t]+|(?P<bullet>[-*•–][ \t]+|\(?[a-h]\)[ \t]+))",
    re.IGNORECASE,
)
_INLINE = re.compile(r"(?:^|(?<=[\s,;:]))\(?(\d{1,2})\)[ \t]+|(?:^|(?<=[,;:.] ))(\d{1,2})\.[ \t]+(?=[A-Za-z])")
_STOP = re.compile(r"[.!?]+(?=[\s\ue000]|$)|[。！？；؟]|;|\n\s*\n|\n(?=[ \t]*\S)")
_SEQUENCE = re.compile(
    r"\b(?:in (?:this |the following )?order|step[- ]by[- ]step|steps|one after (?:the other|another)|in sequence|sequentially)\b",
    re.IGNORECASE,
)
_SEPARATOR = re.compile(
    r"\s*(?:[,;]|\s—|\s–)\s*(?:(?:and|but|plus|as well as)\b)?|\s(?:and|but|plus|as well as|then|followed by|before|after which)\b",
    re.IGNORECASE,
)
_HOW_TO = re.compile(
    r"\b(?:how (?:to|i|we|you|one|people|they|can|do|does|could|should)|ways? to|what to|steps to|tips (?:to|for|on)|(?:in order|needs?|able|wants?|have|has) to|so that|where i can|which)\b",
    re.IGNORECASE,
)
_RELATIVE = re.compile(r"\b(?:that|who|which|while|whose|when|if|where)\b", re.IGNORECASE)
_CONDITION = re.compile(r"\s*(?:and\s+|but\s+)?(?:if|unless|whether|in case|otherwise|else)\b", re.IGNORECASE)
_BACKWARD = re.compile(
    r"\s*(?:(?:and|then|finally|next)[\s,]+)*(?P<word>after|once|when|as soon as|before|based on|using|with|from|given|for|in|by|while|during|upon|following|considering|as)\s[^,]{2,200},\s*",
    re.IGNORECASE,
)
_RIDER = re.compile(
    r"\s*(?:please\s+|also\s+|and\s+)*(?:keep\b|make sure\b|ensure\b|avoid\b|do not\b|don['’]t\b|never\b|always\b|remember that\b|note that\b|be (?:sure|careful|brief|concise|creative|specific)\b|"
    r"include\b|limit\b|(?:answer|reply|respond|write|format) (?:it |everything |all )?(?:in|as|with|only)\b(?! (?:a|an) )|no more than\b|at most\b|mention\b|use (?!.*\bto\b)|"
    r"(?:the|each|every|your) [\w ]{1,40}\b(?:should|must|needs? to|has to|is to|are to)\b|"
    r"(?:finally,?\s+)?(?:provide|give|show|return|send|present|output|deliver|share|save|let)\s+(?:me\s+|us\s+|it\b)?(?:with\s+)?(?:(?:the|your|a)\s+)?(?:final|resulting|processed|finished|completed?|modified|edited|result|output|answer|it\b|know\b))",
    re.IGNORECASE,
)
_WISH = re.compile(
    r"\s*(?:(?:and|also|then|finally|please)[\s,]+)*(?:i|we)(?:['’]d| would)? (?:also |then |really )*(?:want|need|like|require|wish for|am looking for)\s+(?!help\b|assistance\b|some help\b|your help\b|to\b|you\b)(?P<rest>.+)",
    re.IGNORECASE | re.DOTALL,
)
_REQUEST = re.compile(
    r"\s*(?:(?:and|so|but|now|then|also)[\s,]+)*(?:please|i\b|we\b|can|could|would|will|help|let)", re.IGNORECASE
)
_RELATIVE_S = re.compile(r"\b(?:that|who|which)\s+(?:\w+ly\s+)?\w+[^s\W]s\b")


def split_clauses(text: str) -> tuple[Clause, ...]:
    """The clauses of `text` in its order; empty when nothing in it asks for anything."""
    masked = mask(text)
    clauses: list[Clause] = []
    for index, sentence in enumerate(_sentences(masked)):
        _read_sentence(text, masked, sentence, index=index, clauses=clauses)
    return tuple(clauses)


def _sentences(masked: str) -> list[_Sentence]:
    """Sentences and list items; a list that is no list of instructions stays with the sentence before it."""
    items = _numbered(masked) or _bulleted(masked)
    if not items:
        return _prose(masked, 0, len(masked))
    ordered = _SEQUENCE.search(masked, 0, items[0].start) is not None
    found = _prose(masked, 0, items[0].start)
    found += [replace(item, ordered=ordered or item.ordered) for item in items]
    return found + _prose(masked, items[-1].end, len(masked))


def _numbered(masked: str) -> list[_Sentence]:
    """`1. ... 2. ...` on lines of their own or inside a sentence, numbered from 1 without gaps."""
    for pattern in (_ITEM, _INLINE):
        marks = [match for match in pattern.finditer(masked) if match[1] is not None or match.lastindex == 2]
        numbered = [(match, int(digits)) for match in marks if (digits := match[1] or match[2]).strip().isdigit()]
        expected = [number for _, number in numbered]
        if len(numbered) < 2 or expected != list(range(1, len(numbered) + 1)):
            continue
        ends = [match.start() for match, _ in numbered[1:]] + [_item_end(masked, numbered[-1][0].end())]
        found = [
            _Sentence(match.end(), end, number, ordered="step" in match[0].lower())
            for (match, number), end in zip(numbered, ends, strict=True)
        ]
        if _instructs(masked, found):
            return found
    return []


def _bulleted(masked: str) -> list[_Sentence]:
    marks = [match for match in _ITEM.finditer(masked) if match["bullet"]]
    if len(marks) < 2:
        return []
    ends = [match.start() for match in marks[1:]] + [_item_end(masked, marks[-1].end())]
    found = [_Sentence(match.end(), end) for match, end in zip(marks, ends, strict=True)]
    return found if _instructs(masked, found) else []


def _item_end(masked: str, start: int) -> int:
    end = masked.find("\n", start)
    if end == -1:
        stop = re.compile(r"[.!?](?=\s+[A-Z])").search(masked, start)
        end = stop.end() if stop else len(masked)
    return end


def _instructs(masked: str, items: list[_Sentence]) -> bool:
    """Whether most items begin with a verb or ask something: a list of options or of data does neither."""
    asking = sum(_asks(masked, item) for item in items)
    return asking * 5 >= len(items) * 4


def _asks(masked: str, sentence: _Sentence) -> bool:
    head = read_head(masked, sentence.start, sentence.end)
    return is_question(masked, sentence.start, sentence.end) or (
        head.verb is not None and not _is_statement(masked, head, sentence.end)
    )


def _is_statement(masked: str, head: Head, end: int) -> bool:
    """`Book reviews are fun`: the first word could be a verb, but another one follows as the sentence's own."""
    if head.framed or head.gerund:
        return not head.framed
    return not starts_clause(masked, replace(head, order="none"), end) and _bare(masked, head, end)


def _bare(masked: str, head: Head, end: int) -> bool:
    return (
        re.match(r"\w+(?:\s+\w+){0,3}\s+(?:is|are|was|were|has|have|had|can|will|do|does)\b", masked[head.end : end])
        is not None
    )


def _prose(masked: str, start: int, end: int) -> list[_Sentence]:
    found: list[_Sentence] = []
    at = start
    for stop in _STOP.finditer(masked, start, end):
        if stop[0] == "\n" and not _asks(masked, _Sentence(stop.end(), _line_end(masked, stop.end(), end))):
            continue
        if masked[at : stop.start()].strip():
            found.append(_Sentence(at, stop.end()))
        at = stop.end()
    if masked[at:end].strip():
        found.append(_Sentence(at, end))
    return found


def _line_end(masked: str, start: int, end: int) -> int:
    newline = masked.find("\n", start, end)
    return end if newline == -1 else newline


def _read_sentence(text: str, masked: str, sentence: _Sentence, *, index: int, clauses: list[Clause]) -> None:
    """Adds the sentence's clauses to `clauses`, or its words to the clause that it qualifies."""
    start, end = sentence.start, sentence.end
    if clauses and _RIDER.match(masked, start, end):
        _append(clauses, text[start:end], masked[start:end])
        return
    if _CONDITION.match(masked, start, end):
        if (
            clauses
            or "?" in masked[start:end]
            or any(word in VERBS for word in re.findall(r"[a-z]+", masked[start:end].lower()))
        ):
            clauses.append(
                _clause(
                    text,
                    masked,
                    start,
                    end,
                    head=Head(start, None, "none", framed=False),
                    index=index,
                    sentence=sentence,
                )
            )
        return
    lead, body = _leading_phrase(text, masked, sentence, index=index, clauses=clauses)
    head = read_head(masked, body, end)
    if (
        lead
        and head.order == "none"
        and re.match(r"\s*(?:\w+\s+)?(?:after|once|when|as soon as|upon|following)\b", lead, re.IGNORECASE)
    ):
        head = replace(head, order="then")
    if head.verb is None or _is_statement(masked, head, end):
        if (late := _late_head(masked, start, end)) is not None:
            clauses.extend(_split(text, masked, late, end, index=index, sentence=sentence, lead=""))
        elif is_question(masked, start, end) or _WISH.match(masked, body, end):
            clauses.append(
                _clause(
                    text,
                    masked,
                    body if head.framed else head.end,
                    end,
                    head=replace(head, verb=None),
                    index=index,
                    sentence=sentence,
                    lead=lead,
                )
            )
        return
    clauses.extend(_split(text, masked, head, end, index=index, sentence=sentence, lead=lead))


def _late_head(masked: str, start: int, end: int) -> Head | None:
    """The first instruction of a sentence that begins with a statement: `I have a video, and I want to cut it`."""
    for separator in _SEPARATOR.finditer(masked, start, end):
        head = read_head(masked, _head_start(separator), end)
        if (
            head.framed
            and head.verb is not None
            and starts_clause(masked, head, end)
            and _REQUEST.match(masked, separator.end(), head.end)
        ):
            return head
    return None


def _append(clauses: list[Clause], text: str, masked: str) -> None:
    last = clauses[-1]
    clauses[-1] = replace(last, text=f"{last.text}. {text.strip()}", masked=f"{last.masked}. {masked.strip()}")


def _leading_phrase(
    text: str, masked: str, sentence: _Sentence, *, index: int, clauses: list[Clause]
) -> tuple[str, int]:
    """`After editing the image, ...`: the phrase and where the rest begins. An action that nothing before asked for is a clause."""
    phrase = _BACKWARD.match(masked, sentence.start, sentence.end)
    if phrase is None or read_head(masked, phrase.end(), sentence.end).verb is None:
        return "", sentence.start
    inner = phrase.start("word") + len(phrase["word"])
    first = re.compile(r"\s+([a-z]+ing)\b").match(masked, inner, phrase.end())
    if phrase["word"].lower() in {"after", "once", "upon"} and not clauses and first and first[1] in BASE_OF:
        verb = BASE_OF[first[1]]
        said = text[first.end() : phrase.end()].rstrip(" ,")
        hidden = masked[first.end() : phrase.end()].rstrip(" ,")
        clauses.append(Clause(verb.capitalize() + said, verb.capitalize() + hidden, verb, "none", index))
    return text[sentence.start : phrase.end()].strip(" ,\n"), phrase.end()


def _split(text: str, masked: str, head: Head, end: int, *, index: int, sentence: _Sentence, lead: str) -> list[Clause]:
    """The clauses of one sentence that begins with `head`."""
    found: list[Clause] = []
    current, at = head, head.end
    while separator := _SEPARATOR.search(masked, at, end):
        following = read_head(masked, _head_start(separator), end)
        if _is_boundary(masked, separator, current=current, following=following, end=end):
            found.append(
                _clause(
                    text,
                    masked,
                    current.end,
                    separator.start(),
                    head=current,
                    index=index,
                    sentence=sentence,
                    lead=lead,
                )
            )
            current, lead = following, ""
            if separator[0].strip().lower() == "before":
                current = replace(following, order="then")
            at = following.end
        else:
            at = max(separator.end(), at + 1)
    found.append(_clause(text, masked, current.end, end, head=current, index=index, sentence=sentence, lead=lead))
    return found


def _head_start(separator: re.Match[str]) -> int:
    """`then` and `followed by` are order words that the head itself must see; `before` is not."""
    said = separator[0].strip().lower()
    return separator.start() if said in {"then", "followed by"} else separator.end()


def _is_boundary(masked: str, separator: re.Match[str], *, current: Head, following: Head, end: int) -> bool:
    said = separator[0].strip().lower()
    body = masked[current.end : separator.start()]
    if said == "before":
        return following.gerund and _has_object(body)
    if not starts_clause(masked, following, end) or not _has_object(body):
        return False
    if following.order in {"then", "finally"}:
        return True
    if masked[separator.end() : following.end].strip().lower() == "to" and "and" not in said:
        return False
    if _HOW_TO.search(body) or re.match(r"(?:i|we)\s+(?:will|can)\b", masked[separator.end() :].lstrip().lower()):
        return False
    return "," in said or following.framed or not _RELATIVE.search(body) or _RELATIVE_S.search(body) is not None


def _has_object(body: str) -> bool:
    """A clause that is only a verb shares the object of the next one: `translate and summarise the text`."""
    words = re.findall(rf"[\w{MASK}]+", body)
    return len(words) >= 2 and not (
        len(words) == 2 and words[1].lower() in {"carefully", "briefly", "then", "also", "up", "out"}
    )


def _clause(
    text: str, masked: str, start: int, end: int, *, head: Head, index: int, sentence: _Sentence, lead: str = ""
) -> Clause:
    said, hidden = text[start:end], masked[start:end]
    if head.gerund and head.verb is not None:
        gerund = re.match(r"\w+(?:-\w+)?", hidden)
        cut = gerund.end() if gerund else 0
        said, hidden = head.verb + said[cut:], head.verb + hidden[cut:]
    stripped = said.rstrip(" \t\n,;:.!-–—")
    while stripped and hidden[len(stripped) : len(stripped) + 1] == MASK:
        stripped = said[: len(stripped) + 1]
    left = len(stripped) - len(stripped.lstrip())
    order = "then" if sentence.ordered and head.order == "none" and (sentence.number or 1) > 1 else head.order
    return Clause(
        stripped[left:],
        hidden[left : len(stripped)],
        head.verb,
        order,
        index,
        lead,
        sentence.number,
    )
