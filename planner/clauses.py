"""Cuts a task in English into the clauses that each ask for one thing."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from planner.constraints import leading_constraint
from planner.heads import Head, Order, is_question, opening_of, read_head, starts_clause
from planner.lexicon import BASE_OF, DERIVED, VERBS
from planner.masking import MASK, mask
from planner.riders import is_rider, says_with, stands_for_all
from planner.sentences import Sentence, is_statement, sentences

__all__ = ["MOST_CLAUSES", "Clause", "split_clauses"]

MOST_CLAUSES = 48


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
    asked: bool = False
    """The sentence begins with `please`, `can you` or the like."""
    opening: str = ""
    """What the order words say beyond the order ("once the sale is complete, "), shown before the text."""
    spans: tuple[tuple[int, int], ...] = ()
    """Where in the task its words stand, order words and frames included."""

    @property
    def whole(self) -> str:
        """All it says, from its lead on."""
        return f"{self.lead.rstrip(',')}, {self.opening}{self.text}" if self.lead else self.opening + self.text


_SEPARATOR = re.compile(
    r"\s*(?:[,;]|\s—|\s–)\s*(?:(?:and|but|plus|as well as)\b)?|\s(?:and|but|plus|as well as|then|followed by|before)\b",
    re.IGNORECASE,
)
_LATE = re.compile(_SEPARATOR.pattern + r"|(?<=[\s,])(?:that|which)(?=\s+(?:i|we)\b)", re.IGNORECASE)
_REQUEST = re.compile(
    r"\s*(?:(?:and|so|but|now|then|also)[\s,]+)*(?:please|want|need|would|i|we|can|could|will|help|let)\b",
    re.IGNORECASE,
)
_HOW_TO = re.compile(
    r"\b(?:how (?:to|i|we|you|one|people|they|can|do|does|could|should)|ways? to|what to|steps to|"
    r"tips (?:to|(?:for|on) \w+ing)|(?:in order|needs?|able|wants?|have|has) to|so that|where i can|which)\b",
    re.IGNORECASE,
)
_RELATIVE = re.compile(
    r"\b(?:who|which|while|whose|when|if|where)\b|"
    r"\bthat\b(?=\s+(?:is|are|was|were|can|could|will|would|should|has|have|do|i|we|you|they|he|she|it|\w+s|\w+ed)\b)",
    re.IGNORECASE,
)
_AFTER_PHRASE = re.compile(
    r"\s*(?:and\s+)?(?P<said>(?:after|once|upon)\s(?!(?:that|this|which)\b)[^,.;:!?]{2,60},)",
    re.IGNORECASE,
)
_RELATIVE_S = re.compile(r"\b(?:that|who|which)\s+(?:\w+ly\s+)?\w+[^s\W]s\b")
_RELATIVE_END = re.compile(r"[\s,](?:that|which)\s*\Z", re.IGNORECASE)
_CONDITION = re.compile(r"\s*(?:and\s+|but\s+)?(?:if|unless|whether|in case|otherwise|else)\b", re.IGNORECASE)
_BACKWARD = re.compile(
    r"\s*(?:(?:and|then|finally|next)[\s,]+)*(?P<word>after|once|when|as soon as|before|based on|using|with|from|given|"
    r"for|in|by|while|during|upon|following|considering|as)\s[^,]{2,200},\s*",
    re.IGNORECASE,
)
_AFTERWARDS = re.compile(r"(?:\w+\s+)?(?:after|once|when|as soon as|upon|following)\b", re.IGNORECASE)
_GERUND = re.compile(r"\s+([a-z]+ing)\b")
_ASKED = re.compile(
    r"\s*(?:(?:so|then|now)[\s,]+)*(?:please|kindly|can you|could you|would you|help me)\b", re.IGNORECASE
)
_GREETING = re.compile(
    r"\b(?:help (?:me|us) with (?:the following|this|that|these)|the following|do that|do this)\s*\?", re.IGNORECASE
)
_TEXT_FOLLOWS = re.compile(
    r"\b(?:text|description|prompt|question|sentence|instructions?|paragraph|passage|message|caption|quote|phrase|words)\b"
    rf"[^:,.]{{0,30}}:\s*[^\s{MASK}]",
    re.IGNORECASE,
)
_TO_VERB = re.compile(r"\bto\s+([a-z]+)$")
_WISH = re.compile(
    r"\s*(?:(?:and|also|then|finally|please)[\s,]+)*"
    r"(?P<wish>(?:i|we)(?:['’]d| would)? (?:(?:also|then|really|finally) )*"
    r"(?:want|need|like|require|wish for|am looking for))\s+"
    r"(?!(?:help|assistance|some help|your help|to|you)\b)\S",
    re.IGNORECASE,
)
_MEDIA = frozenset({"text", "video", "audio", "speech", "sound", "voice", "film"})
_PARTICLES = frozenset({"carefully", "briefly", "then", "also", "up", "out"})


def split_clauses(text: str) -> tuple[Clause, ...]:
    """The clauses of `text` in its order; empty when nothing in it asks for anything.

    Reading stops soon after `MOST_CLAUSES`: so many instructions are rather a text than a task.
    """
    masked = mask(text)
    clauses: list[Clause] = []
    found = sentences(masked)
    for index, sentence in enumerate(found):
        if len(clauses) > MOST_CLAUSES:
            break
        start = leading_constraint(masked, sentence.start, sentence.end) if not clauses else sentence.start
        reader = _Reader(text, masked, replace(sentence, start=start), index, last=index == len(found) - 1)
        reader.read(clauses)
    return tuple(clauses)


@dataclass(frozen=True, slots=True)
class _Reader:
    """One sentence on its way to clauses."""

    text: str
    masked: str
    sentence: Sentence
    index: int
    last: bool

    def read(self, clauses: list[Clause]) -> None:
        """Adds the sentence's clauses to `clauses`, or its words to the clause that it qualifies."""
        start, end = self.sentence.start, self.sentence.end
        if clauses and says_with(self.masked, start, end):
            self.append(clauses)
        elif is_rider(self.masked, start, end, first=not clauses) and not self.sentence.listed:
            if clauses and not stands_for_all(self.masked[start:end], clauses[-1].masked, last=self.last):
                self.append(clauses)
        elif _CONDITION.match(self.masked, start, end):
            if "?" in self.masked[start:end] or VERBS & set(re.findall(r"[a-z]+", self.masked[start:end].lower())):
                clauses.append(self.clause(Head(start, None, "none", framed=False), end))
        else:
            clauses.extend(self.instructions(clauses))

    def instructions(self, before: list[Clause]) -> list[Clause]:
        start, end = self.sentence.start, self.sentence.end
        head = read_head(self.masked, start, end)
        opening: list[Clause] = []
        lead, body = "", start
        if head.verb is None:
            opening, lead, body = self.leading_phrase(first=not before)
            head = read_head(self.masked, body, end) if lead else head
        if lead and head.order == "none" and _AFTERWARDS.match(lead):
            head = replace(head, order="then")
        if head.verb is not None and not is_statement(self.masked, head, end):
            return opening + self.split(head, lead=lead)
        wish = _WISH.match(self.masked, body if head.framed else head.end, end)
        late = None if lead or wish else self.late_head()
        if late is not None:
            relative = _RELATIVE_END.search(self.masked, start, max(late.start, start)) is not None
            return opening + self.split(late, lead=self.statement(late) if relative else "", bare=relative)
        asks = is_question(self.masked, start, end) and _GREETING.search(self.masked, start, end) is None
        if asks or self.sentence.listed or wish:
            return opening + self.split(
                replace(head, verb=None, end=body if head.framed else head.end), lead=lead, strict=True
            )
        return opening

    def late_head(self) -> Head | None:
        """The first instruction of a sentence that begins with a statement: `I have a video, and I want to cut it`."""
        for separator in _LATE.finditer(self.masked, self.sentence.start, self.sentence.end):
            head = read_head(self.masked, _head_start(separator), self.sentence.end)
            if head.framed and _REQUEST.match(self.masked, separator.end(), head.end) and self.starts(head):
                return head
            if (wish := _WISH.match(self.masked, separator.end(), self.sentence.end)) is not None:
                return Head(wish.start("wish"), None, head.order, framed=True, start=separator.end())
        return None

    def statement(self, late: Head) -> str:
        """What the sentence says before `that I would like to`: the object of the verb that follows."""
        said = _RELATIVE_END.split(self.masked[self.sentence.start : late.start])[0]
        return self.text[self.sentence.start : self.sentence.start + len(said)].strip(" ,\n")

    def starts(self, head: Head, *, listed: bool = False) -> bool:
        return starts_clause(self.masked, head, self.sentence.end, listed=listed)

    def leading_phrase(self, *, first: bool) -> tuple[list[Clause], str, int]:
        """`After editing the image, ...`: the phrase, and where the rest begins.

        An action in it that nothing before asked for is a clause of its own.
        """
        start, end = self.sentence.start, self.sentence.end
        phrase = _BACKWARD.match(self.masked, start, end)
        if phrase is None or not (
            read_head(self.masked, phrase.end(), end).verb or _WISH.match(self.masked, phrase.end(), end)
        ):
            return [], "", start
        opening: list[Clause] = []
        gerund = _GERUND.match(self.masked, phrase.end("word"), phrase.end())
        if first and phrase["word"].lower() in {"after", "once", "upon"} and gerund and gerund[1] in BASE_OF:
            opening.append(
                self.clause(Head(gerund.start(1), BASE_OF[gerund[1]], "none", framed=True, gerund=True), phrase.end())
            )
        return opening, self.text[start : phrase.end()].strip(" ,\n"), phrase.end()

    def split(self, head: Head, *, lead: str, strict: bool = False, bare: bool = False) -> list[Clause]:
        """The clauses from `head` to the end of the sentence.

        `strict` cuts only where the words leave no doubt; `bare` says that the first verb needs no object.
        """
        found: list[Clause] = []
        current, at = head, head.end
        while len(found) <= MOST_CLAUSES and (separator := _SEPARATOR.search(self.masked, at, self.sentence.end)):
            following = self.next_head(separator)
            sure = following.framed or following.order in {"then", "finally"}
            complete = (bare and not found) or _has_object(self.masked[current.end : separator.start()])
            if (
                complete
                and (sure or not strict)
                and self.is_boundary(separator, current, following, listed=bool(found))
            ):
                found.append(self.clause(current, separator.start(), lead=lead))
                before = separator[0].strip().lower() == "before"
                current, lead, at = replace(following, order="then") if before else following, "", following.end
            else:
                at = max(separator.end(), at + 1)
        found.append(self.clause(current, self.sentence.end, lead=lead))
        return found

    def next_head(self, separator: re.Match[str]) -> Head:
        """The head after the separator; `and after the purchase, I would like to ...` is a `then` in other words."""
        end = self.sentence.end
        phrase = _AFTER_PHRASE.match(self.masked, separator.end(), end)
        if phrase is not None and (head := read_head(self.masked, phrase.end(), end)).verb is not None:
            return replace(head, order="then", start=separator.end())
        return read_head(self.masked, _head_start(separator), end)

    def is_boundary(self, separator: re.Match[str], current: Head, following: Head, *, listed: bool) -> bool:
        """Whether a new clause begins after the separator."""
        said = separator[0].strip().lower()
        body = self.masked[current.end : separator.start()]
        if said == "before":
            return following.gerund
        if not self.starts(following, listed=listed and "," in said and "and" in said):
            return False
        if following.order in {"then", "finally"}:
            return True
        between = self.masked[separator.end() : following.end].strip().lower()
        if (between == "to" and "and" not in said) or re.match(r"(?:i|we)\s+(?:will|can)\b", between):
            return False
        if _HOW_TO.search(body) or _TEXT_FOLLOWS.search(body) or _ends_in_purpose(body):
            return False
        return "," in said or following.framed or not _RELATIVE.search(body) or _RELATIVE_S.search(body) is not None

    def clause(self, head: Head, end: int, *, lead: str = "") -> Clause:
        said, hidden = self.text[head.end : end], self.masked[head.end : end]
        if head.gerund and head.verb is not None:
            cut = len(re.split(r"(?<=ing)\b", hidden, maxsplit=1)[0])
            said, hidden = head.verb + said[cut:], head.verb + hidden[cut:]
        length = len(hidden.rstrip(" \t\n,;:.!-–—" + ("?" if head.verb else "")))
        left = length - len(hidden[:length].lstrip())
        first = (self.sentence.number or 1) == 1
        order: Order = "then" if self.sentence.ordered and head.order == "none" and not first else head.order
        asked = _ASKED.match(self.masked, self.sentence.start, self.sentence.end) is not None
        text, masked, number = said[left:length], hidden[left:length], self.sentence.number
        begin = self.sentence.start if lead else max(head.start, self.sentence.start)
        spans = ((head.end if head.start < 0 and not lead else begin, end),)
        opening = self.opening(head)
        return Clause(text, masked, head.verb, order, self.index, lead, number, asked, opening, spans)

    def opening(self, head: Head) -> str:
        phrase = _AFTER_PHRASE.match(self.masked, head.start, head.end) if head.start >= 0 else None
        told = "" if phrase is None else self.text[slice(*phrase.span("said"))] + " "
        return told + opening_of(self.text, self.masked, head if phrase is None else replace(head, start=phrase.end()))

    def append(self, clauses: list[Clause]) -> None:
        """Adds the sentence's words to the last clause, which they qualify."""
        last, start, end = clauses[-1], self.sentence.start, self.sentence.end
        text = f"{last.text}. {self.text[start:end].strip()}"
        masked = f"{last.masked}. {self.masked[start:end].strip()}"
        clauses[-1] = replace(last, text=text, masked=masked, spans=(*last.spans, (start, end)))


def _head_start(separator: re.Match[str]) -> int:
    """`then` and `followed by` are order words that the head itself must see; the other separators are not."""
    said = separator[0].strip().lower()
    return separator.start() if said in {"then", "followed by"} else separator.end()


def _ends_in_purpose(body: str) -> bool:
    """`use the tool to identify` and label the objects: the next verb belongs to the purpose; not after `to text`."""
    purpose = _TO_VERB.search(body)
    return purpose is not None and purpose[1] in VERBS - DERIVED - _MEDIA


def _has_object(body: str) -> bool:
    """A clause that is only a verb shares the object of the next one: `translate and summarise the text`."""
    words = re.findall(rf"[\w{MASK}]+", body)
    return len(words) >= 2 and not (len(words) == 2 and words[1].lower() in _PARTICLES)
