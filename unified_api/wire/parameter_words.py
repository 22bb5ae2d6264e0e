"""The providers' words for the fields of a request, and which of them an error's words refuse.

Only some servers say in `param` what they refuse. The others name it in a sentence, beside words such as "is not
supported", "does not support", "may only be" or "must be one of".
"""

from __future__ import annotations

import re
from collections.abc import Mapping

__all__ = ["fields_of", "refused_in_words"]

_FIELDS = (
    "temperature", "top_p", "top_k", "frequency_penalty", "presence_penalty", "max_tokens", "stop", "seed",
    "reasoning_effort", "reasoning_budget", "show_reasoning", "logprobs", "n", "user", "metadata", "tool_choice",
    "parallel_tool_calls", "dimensions", "purpose", "size", "negative_prompt", "top_n",
)  # fmt: skip
"""What a request can do without."""
_BUDGET = ("reasoning_budget", "reasoning_effort")
"""A wire without efforts is sent a budget for them."""
_THINKING = ("reasoning_budget", "reasoning_effort", "show_reasoning")
_WIRE_WORDS: Mapping[str, tuple[str, ...]] = {
    "max_completion_tokens": ("max_tokens",), "max_output_tokens": ("max_tokens",), "num_predict": ("max_tokens",),
    "stop_sequences": ("stop",), "random_seed": ("seed",), "p": ("top_p",), "k": ("top_k",),
    "top_logprobs": ("logprobs",), "response_logprobs": ("logprobs",),
    "penalty": ("frequency_penalty", "presence_penalty"),
    "reasoning": ("reasoning_effort", "reasoning_budget", "show_reasoning"), "effort": ("reasoning_effort",),
    "thinking": _THINKING, "thinking_config": _THINKING, "thinking_level": ("reasoning_effort",),
    "thinking_budget": _BUDGET, "budget_tokens": _BUDGET, "budget_0": _BUDGET,
    "include_thoughts": ("show_reasoning",), "summary": ("show_reasoning",), "reasoning_summary": ("show_reasoning",),
    "candidate_count": ("n",), "multiple_candidates": ("n",), "num_generations": ("n",), "num_images": ("n",),
    "user_id": ("user",), "safety_identifier": ("user",), "end_user_id": ("user",), "request_metadata": ("metadata",),
    "output_dimension": ("dimensions",), "output_dimensionality": ("dimensions",), "input_type": ("purpose",),
    "task_type": ("purpose",), "disable_parallel_tool_use": ("parallel_tool_calls",), "aspect_ratio": ("size",),
}  # fmt: skip
_PLAIN = frozenset({"dimensions", "k", "n", "p", "purpose", "size", "stop", "summary", "user"})
"""Words that mean a field only where they are marked as one."""
_CONTENT = frozenset({"contents", "input", "messages", "prompt", "system", "tools"})


def fields_of(param: str) -> tuple[str, ...]:
    """Our names for what an error's `param` means, the likeliest first: `generationConfig.topK` is `top_k`.

    Nothing for a place in the content of a request, whose steps may be called like a field.
    """
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", re.sub(r"\[\w*\]", "", param)).lower().split(".")
    if len(words) > 1 and words[0] in _CONTENT:
        return ()
    return tuple(name for word in reversed(words) for name in _WIRE_WORDS.get(word, (word,)))


def _spelt(words: frozenset[str]) -> str:
    """Any of `words`, longest first, in snake_case, camelCase or with spaces."""
    return "|".join(word.replace("_", "[_ -]?") for word in sorted(words, key=lambda word: (-len(word), word)))


_NOUN = r"(?:parameter|argument|field|option|property|setting|name)s?"
_KNOWN = frozenset(_FIELDS) | _WIRE_WORDS.keys()
_FIELD = re.compile(
    rf"(?<![\w/-])(?:(?P<bare>{_spelt(_KNOWN - _PLAIN)})(?![\w/-])"
    rf"|(?:(?<=['\"`\[])|(?:(?<=argument )|(?<=parameter )|(?<=parameter: )|(?<=field )|(?<=model: )))"
    rf"(?P<marked>{_spelt(_PLAIN)})(?=['\"`\]]|\s*[.;]?\s*$|\s+{_NOUN}\b|[.;]\s))",
    re.IGNORECASE,
)
_ABLE = "(?:supported|allowed|permitted|enabled|available|accepted|configurable|applicable|implemented)"
_BEHIND = re.compile(
    rf"(?:(?:is|are|was)\s+(?:currently\s+)?not(?:\s+yet)?|(?:is|are)n't|\bnot)\s+{_ABLE}|(?:\b(?:is|are)\s+)?\bunsupported\b"
    rf"|\bonly\b.{{1,40}}?\b(?:is|are)\s+{_ABLE}|(?:is|are)\s+only\s+{_ABLE}|(?:may|can|must)\s+only\b"
    rf"|\bmust\s+be\s+one\s+of\b|\bmust\s+be\b.{{0,60}}?\bunset\b|\bmust\s+(?:not\s+be\s+(?:set|used)|be\s+omitted)\b"
    rf"|\b(?:cannot|can't|can\s+not|may\s+not)\s+(?:both\s+)?be\b|\bis\s+deprecated\s+for\b"
    rf"|\bis\s+invalid\.\s+this\s+model\s+only\b"
    rf"|(?<=['\"`])\s*(?:does\s+not|doesn't)\s+support|extra\s+(?:inputs|fields)\s+are\s+not\s+permitted",
    re.IGNORECASE,
)
"""What is said of a field, behind its name."""
_BEFORE = re.compile(
    r"\b(?:(?:does|do)\s+not|(?:does|do)n't)\s+(?:support|accept|allow)"
    r"|\bnot\s+supported\s+(?:on|by|for|with|in)\b[^:;]{0,60}:|\bis\s+not\s+a\s+supported\b|\bunsupported\b|\bunrecognized\b|\bunknown\b",
    re.IGNORECASE,
)
"""What is said of a field, before its name."""
_VALUE = r"['\"`][^'\"`\s]*['\"`]|-?\d[\d.]*|(?-i:[A-Z][A-Z_]{2,})"
_TO_REFUSAL = re.compile(
    rf"['\"`\])]*(?:\s*[=:,]?\s*(?:(?:{_NOUN}|values?|levels?|of|and|or)\b|{_VALUE})){{0,4}}\s*[:,]?\s*", re.IGNORECASE
)
_TO_FIELD = re.compile(
    rf"(?:\s*(?:the|setting|specifying|request|{_NOUN}|values?|supplied)\b)*\s*:?\s*['\"`\[(]*(?:\w+\.)*", re.IGNORECASE
)
_ELSEWHERE = re.compile(
    r"\bschema\b|\bproperties\b|\b(?:messages|contents?|input|tools|functions)['\"`]?\s*[.\[]\s*\d|\bcontent blocks?\b"
    r"|#/",
    re.IGNORECASE,
)
"""Where words are about the content of a request or a schema, whose own names may be those of fields."""
_NEAR = 120


def refused_in_words(message: str) -> str | None:
    """The field, as the server spells it, that `message` says this model or request cannot have; None for no one."""
    if _ELSEWHERE.search(message):
        return None
    for said in _BEFORE.finditer(message):
        named = _FIELD.search(message, said.end(), said.end() + _NEAR)
        if named is not None and _TO_FIELD.fullmatch(message, said.end(), named.start()):
            return _word(named)
    for said in _BEHIND.finditer(message):
        named = _last_field(message, said.start())
        if named is not None and _TO_REFUSAL.fullmatch(message, named.end(), said.start()):
            return _word(named)
    return None


def _last_field(message: str, end: int) -> re.Match[str] | None:
    """The field that is named last before `end`."""
    return max(_FIELD.finditer(message, max(end - _NEAR, 0), end), key=lambda found: found.end(), default=None)


def _word(named: re.Match[str]) -> str:
    return re.sub("[ -]", "_", named.group("bare") or named.group("marked"))
