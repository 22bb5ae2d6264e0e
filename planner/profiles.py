"""How tasks sound that a ready workflow does, and where in their words its inputs stand."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from planner.clauses import split_clauses
from planner.lexicon import word_set
from planner.masking import MASK, mask
from unified_api.types import Json

__all__ = ["PROFILES", "Profile", "instruction_of", "material_of"]

Inputs = dict[str, Json]

_LANGUAGES = word_set(
    """
    afrikaans arabic bengali bulgarian catalan chinese croatian czech danish dutch english esperanto estonian finnish
    french german greek hebrew hindi hungarian icelandic indonesian irish italian japanese korean latin latvian
    lithuanian malay mandarin norwegian persian polish portuguese romanian russian serbian slovak slovenian spanish
    swahili swedish tamil thai turkish ukrainian urdu vietnamese welsh
    """
)
_INTO = re.compile(r"\b(?:in)?to\s+(?P<first>[A-Za-z]+)(?:\s+(?P<second>[A-Za-z]+))?", re.IGNORECASE)
_SHORTEST = 12
"""Characters; a shorter quotation is rather a name than a text."""
_FENCE = re.compile(r"```(?P<language>[\w+#-]*)[ \t]*\n?(?P<code>.*?)```", re.DOTALL)
_TAGGED = re.compile(r"<(?P<tag>\w{1,40})>(?P<text>.*?)</(?P=tag)>", re.DOTALL)
_QUOTED = re.compile(r"\"([^\"]+)\"|“([^”]+)”|«([^»]+)»|(?<![\w])'(\S[^\n]*\S)'(?!\w)", re.DOTALL)
_AFTER_COLON = re.compile(r":\s*\n+(?P<text>\S.*)\Z|:\s+(?P<inline>\S[^\n]*)\Z", re.DOTALL)
_SUBJECT = re.compile(
    r"\b(?:(?:research|investigate|look into|find out(?: more)?(?: about)?)\s+(?:on\s+|into\s+|about\s+)?"
    r"(?!(?:brief|report|overview|dossier|paper)\b)|(?:brief(?:ing)?|report|overview|dossier)\s+(?:on|about|into)\s+)"
    r"(?P<subject>[^.?!;\n]+?)"
    r"(?=\s*(?:[.?!;\n]|$)|,?\s+(?:and|then)\s+(?:then\s+)?(?:write|make|give|produce|prepare|join|summari[sz]e|"
    r"create)\b)",
    re.IGNORECASE,
)
_FIELDS = re.compile(
    r"\b(?:extract|pull(?: out)?|read|get|find|return|"
    r"parse)\s+(?:me\s+)?(?:the\s+)?(?:following\s+)?(?:fields?\s*:?\s*)?(?P<fields>[^:\n]+?)\s+(?:from|out of|in|"
    r"as|into)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Profile:
    """What speaks for one workflow: every cue must be heard, and no verb beyond its own."""

    cues: tuple[re.Pattern[str], ...]
    verbs: frozenset[str]
    """Verbs that the workflow takes care of; a task with another one asks for more than it does."""
    examples: tuple[str, ...]
    """Tasks in other words, for the comparison by meaning."""
    inputs: Callable[[str], Inputs]
    """The inputs that are certain from the task's words; those that are not are left out."""


def material_of(task: str) -> str | None:
    """The one text that the task is about: fenced, tagged, after a colon, or the only quotation; None when unsure."""
    for pattern, group in ((_FENCE, "code"), (_TAGGED, "text")):
        found = [match.group(group).strip("\n") for match in pattern.finditer(task)]
        if found:
            return str(found[0]) if len(found) == 1 else None
    quoted = [str(next(filter(None, match.groups()))) for match in _QUOTED.finditer(task)]
    if quoted:
        return quoted[0] if len(quoted) == 1 and len(quoted[0]) > _SHORTEST else None
    after = _AFTER_COLON.search(task)
    return str(after["text"] or after["inline"]).strip() if after else None


def instruction_of(task: str) -> str:
    """What the task says without the material: what is compared by meaning."""
    masked = mask(task)
    material = material_of(task)
    if material is not None and (start := task.find(material)) >= 0:
        masked = masked[:start] + MASK * len(material) + masked[start + len(material) :]
    return " ".join(re.sub(f"{MASK}+", " ", masked).split())[:600]


def _given(name: str) -> Callable[[str], Inputs]:
    def inputs(task: str) -> Inputs:
        material = material_of(task)
        return {name: material} if material else {}

    return inputs


def _subject(name: str) -> Callable[[str], Inputs]:
    def inputs(task: str) -> Inputs:
        match = _SUBJECT.search(task)
        subject = match["subject"].strip(" ,.\"'") if match else ""
        return {name: subject} if 2 <= len(subject) <= 400 else {}

    return inputs


def _whole(name: str) -> Callable[[str], Inputs]:
    return lambda task: {name: task.strip()}


def _first_part(name: str) -> Callable[[str], Inputs]:
    """What the task asks for first: the rest of it is what the workflow does anyway."""

    def inputs(task: str) -> Inputs:
        clauses = split_clauses(task)
        return {name: clauses[0].text} if clauses else {}

    return inputs


def _code(task: str) -> Inputs:
    fences = list(_FENCE.finditer(task))
    if len(fences) != 1 or not fences[0]["code"].strip():
        return {}
    language = fences[0]["language"]
    return {"code": fences[0]["code"].strip("\n"), **({"language": language} if language else {})}


def _translation(task: str) -> Inputs:
    inputs = _given("text")(task)
    found = {language for match in _INTO.finditer(mask(task)) if (language := _language(match)) is not None}
    if len(found) == 1:
        inputs["language"] = found.pop()
    return inputs


def _language(match: re.Match[str]) -> str | None:
    """`French` in "to French and", `Brazilian Portuguese` in "into Brazilian Portuguese"."""
    first, second = match["first"], match["second"] or ""
    if first.lower() in _LANGUAGES:
        return first
    return f"{first} {second}" if second.lower() in _LANGUAGES and first[0].isupper() else None


def _extraction(task: str) -> Inputs:
    inputs = _given("text")(task)
    match = _FIELDS.search(mask(task))
    if match is not None:
        parts = re.split(r"\s*,\s*(?:and\s+)?|\s+and\s+", match["fields"])
        fields = [
            re.sub(r"^(?:the|its|their|all|any|every|each)\s+", "", part.strip(), flags=re.IGNORECASE) for part in parts
        ]
        if fields and all(0 < len(field.split()) <= 4 and MASK not in field for field in fields):
            inputs["fields"] = list(fields)
    return inputs


def _cues(*patterns: str) -> tuple[re.Pattern[str], ...]:
    return tuple(re.compile(rf"\b(?:{pattern})", re.IGNORECASE) for pattern in patterns)


PROFILES: Mapping[str, Profile] = MappingProxyType(
    {
        "research-brief": Profile(
            _cues(r"research|investigat|look into|find out", r"brief(?:ing)?\b|report\b|overview\b|dossier\b"),
            word_set("research investigate write produce prepare look create give make summarise summarize join"),
            (
                "Research a topic from several angles and write a brief",
                "Look into this subject and give me a short research report",
                "Prepare a briefing on a question",
            ),
            _subject("topic"),
        ),
        "illustrated-answer": Profile(
            _cues(
                r"(?:explain|describe|tell|answer|how|why|what)\b",
                r"illustrat|draw|picture|drawing",
                r"caption|illustrat",
            ),
            word_set("explain describe tell answer draw illustrate caption add give make include write create"),
            (
                "Explain something and draw a picture of it with a caption",
                "Answer a question with an illustration",
                "Describe how it works, illustrate it and write a caption",
            ),
            _whole("request"),
        ),
        "translate-and-review": Profile(
            _cues(
                r"translat",
                r"(?:review|check|verify|proofread|correct|improve)\W+(?:\w+\W+){0,4}?(?:translation|it|result|mistakes|errors)\b|"
                r"(?:translate it|translating it) back|back[- ]translat",
            ),
            word_set("translate review check verify proofread revise correct fix improve back-translate mend make"),
            (
                "Translate a text and review the translation",
                "Translate this into French and check that the translation is faithful",
                "Translate the letter, translate it back and correct mistakes",
            ),
            _translation,
        ),
        "extract-to-json": Profile(
            _cues(r"extract|pull|parse|read|get", r"json\b|structured|fields?\b|key[- ]value"),
            word_set("extract pull parse read get return give output list find put"),
            (
                "Extract the invoice number, the date and the total from a text as JSON",
                "Pull these fields out of the letter as structured data",
                "Parse the email into JSON fields",
            ),
            _extraction,
        ),
        "compare-and-judge": Profile(
            _cues(
                r"two (?:models|answers|different)|several models|both models|models? of different",
                r"judge|better|best|decide|pick|compare",
            ),
            word_set("ask answer compare judge decide pick choose have let get say tell give"),
            (
                "Ask two models the same question and judge which answer is better",
                "Get two answers and pick the better one",
                "Have a strong and a cheap model answer and let a judge decide",
            ),
            _given("question"),
        ),
        "long-document-summary": Profile(
            _cues(
                r"summar|condense|shorten|gist|abstract",
                r"long|document|report|article|paper|transcript|chapter|book|text",
            ),
            word_set("summarise summarize condense shorten give write make provide read"),
            (
                "Summarize this long document",
                "Give me a summary of the following report",
                "Condense the long text into its main points",
            ),
            _given("text"),
        ),
        "code-review": Profile(
            _cues(
                r"review|audit|inspect|check|criti",
                r"(?:code|function|diff|patch|pull request|script|class|snippet|module)\b",
            ),
            word_set(
                "review audit inspect check find list give report look tell criticise criticize suggest identify point"
            ),
            (
                "Review this code for bugs, security and style",
                "Check my function for problems",
                "Do a code review of the diff",
            ),
            _code,
        ),
        "draft-critique-revise": Profile(
            _cues(r"draft|write|compose", r"criti(?:que|ci[sz]e)|feedback|review", r"revis|rewrit|improv|final|polish"),
            word_set(
                "draft write compose critique criticise criticize review revise rewrite improve polish give get make"
            ),
            (
                "Write a draft, critique it and revise it",
                "Draft an essay, criticise the draft and rewrite it by the criticism",
                "Compose a letter, get feedback on it and improve it",
            ),
            _first_part("task"),
        ),
        "meeting-notes-to-actions": Profile(
            _cues(
                r"meeting|minutes|call notes|standup|transcript",
                r"action items?|action points?|to-?dos?|follow-?ups?|decisions|minutes|next steps",
            ),
            word_set(
                "turn extract list find write make get give read pull summarise summarize convert identify draft create"
            ),
            (
                "Turn these meeting notes into action items",
                "List decisions and to-dos from the meeting transcript and write a follow-up message",
                "Make minutes with action points from my notes",
            ),
            _given("notes"),
        ),
        "support-reply-triage": Profile(
            _cues(
                r"customer|client|support|complaint|ticket",
                r"repl(?:y|ies)|answer|respon(?:d|se)",
                r"message|mail|ticket|complaint|request|enquiry|inquiry",
            ),
            word_set(
                "reply answer respond write draft sort classify triage categorise categorize give read escalate flag"
            ),
            (
                "Write a reply to this customer's message",
                "Triage the support ticket and draft an answer",
                "Answer this complaint from a client",
            ),
            _given("message"),
        ),
    }
)
