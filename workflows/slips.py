"""What was likely meant where a text stops being JSON: the message and the mend for a reader's error."""

from __future__ import annotations

import re
from json import JSONDecodeError
from typing import Final

__all__ = ["syntax_fix", "syntax_message"]

_MARKS: Final = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|[{}\[\]]', re.DOTALL)
_CLOSING: Final = {"{": "}", "[": "]"}
_WORD: Final = re.compile(r"[A-Za-z_$][\w$-]*")
_QUOTES: Final = tuple("'`‘’“”„«»")
_MEANT: Final = {
    "none": "null", "nil": "null", "null": "null", "undefined": "null", "true": "true", "false": "false",
    "yes": "true", "no": "false", "on": "true", "off": "false",
}  # fmt: skip
_MOST_CLOSING: Final = 10
_DOCUMENT: Final = 'Write a JSON object: `{"workflow": "1", ...}`.'
_KEYS: Final = "Put double quotes around keys"
_OF_SIGNS: Final = {
    "+": "Leave out the plus sign.",
    ".": "Write a digit before the decimal point, such as `0.5`.",
    "(": "Write a list between `[` and `]`.",
}


def syntax_message(text: str, error: JSONDecodeError) -> str:
    """What was expected, and what was found there."""
    if not text.strip():
        return "the text is empty"
    if error.msg == "Extra data":
        return f"the text goes on after the JSON document has ended, found {_shown(text[error.pos :])}"
    if error.msg.startswith("Expecting property name"):
        expected = "expected a key in double quotes"
    elif error.msg.startswith("Expecting ','"):
        expected = f"expected a comma or the end of the {_inside(text, error.pos)}"
    elif error.msg.startswith("Expecting"):
        expected = "expected a colon" if "':'" in error.msg else "expected a value"
    else:
        told = error.msg.removesuffix(" at").removesuffix(" starting")
        return f"the text is not JSON: {told[0].lower()}{told[1:]}"
    return f"the text is not JSON: {expected}, found {_shown(text[error.pos :])}"


def _shown(rest: str) -> str:
    shown = rest.lstrip()[:20].split("\n", 1)[0]
    return repr(shown) if shown else "the end of the text"


def syntax_fix(text: str, error: JSONDecodeError) -> str:
    """The mend of the likeliest slip, in one imperative sentence."""
    rest = text[error.pos :].lstrip()
    before = text[: error.pos].rstrip()
    if fix := _of_other_language(text) or _of_text(error, text):
        return fix
    if not rest:
        return _of_end(text)
    if error.msg == "Extra data":
        bracket = rest[0] if rest[0] in "}]" else ""
        return f"Leave out the extra `{bracket}`." if bracket else "Leave out what stands behind the document's end."
    return _of_sign(rest, before) or _of_expectation(error.msg, rest, before, text)


def _of_other_language(text: str) -> str | None:
    start = text.lstrip()[:200]
    if not start:
        return _DOCUMENT
    if start.startswith("```"):
        return "Leave out the ``` fences: the file must hold the JSON alone."
    if start.startswith("<"):
        return f"This looks like XML or HTML. {_DOCUMENT}"
    if start.startswith(("---", "#", "//", "/*")) or re.match(r"[A-Za-z_][\w -]*:(\s|$)", start):
        return "A workflow is a JSON file; this looks like YAML or has comments. Write a JSON object without comments."
    return None


def _of_text(error: JSONDecodeError, text: str) -> str | None:
    """For what is wrong inside the quotes of a text."""
    if error.msg.startswith("Unterminated string"):
        return 'Close the text with a double quote (`"`).'
    if error.msg.startswith("Invalid control character"):
        sign = text[error.pos : error.pos + 1]
        if sign in {"\n", "\r"}:
            return r"Close the text with a double quote, or write a line break inside of it as `\n`."
        return r"Write a tab inside of a text as `\t`." if sign == "\t" else rf"Write it as `\u{ord(sign):04x}`."
    if error.msg.startswith("Invalid \\"):
        return r"Write a backslash inside of a text twice (`\\`); `\u` needs four hexadecimal digits."
    return None


def _of_end(text: str) -> str:
    opened = _opened(text)
    if not opened:
        return _DOCUMENT
    sign, place = opened[-1]
    line, column = text.count("\n", 0, place) + 1, place - text.rfind("\n", 0, place)
    closing = "".join(_CLOSING[one] for one, _ in reversed(opened))
    missing = f"`{closing}`" if len(closing) <= _MOST_CLOSING else f"the {len(closing)} brackets that are missing"
    return f"Complete the text and write {missing} at its end: the `{sign}` of line {line}, column {column} is open."


def _of_sign(rest: str, before: str) -> str | None:
    """For what is a slip wherever it stands."""
    if rest.startswith(("//", "/*", "#")):
        return "Leave out the comment: JSON has none."
    if rest.startswith("..."):
        return "Write out what `...` stands for, or leave it out."
    last, sign = before[-1:], rest[0]
    if last == ":" and sign in ",}]":
        return "Write a value behind the colon, such as null."
    closing = sign if last == "," else rest[1:].lstrip()[:1] if sign == "," else ""
    if closing in {"}", "]"}:
        return f"Leave out the comma before `{closing}`."
    return "Leave out the comma: nothing stands before it." if sign == "," and last in {",", "[", "{"} else None


def _of_expectation(expected: str, rest: str, before: str, text: str) -> str:
    if expected.startswith("Expecting property name"):
        return _of_key(rest)
    if expected.startswith("Expecting ':'"):
        return f"Write a colon (`:`) {'instead of' if rest[0] in '=,;-' else 'before'} `{rest[0]}`."
    if expected.startswith("Expecting ','"):
        return _of_comma(rest, before, text)
    return _of_value(rest, before)


def _of_key(rest: str) -> str:
    if rest.startswith(_QUOTES):
        return f"{_KEYS}, no single or typographic ones."
    word = _WORD.match(rest)
    return f'{_KEYS}: `"{word[0][:40]}"`.' if word else f"{_KEYS}, or close the object with `}}`."


def _of_comma(rest: str, before: str, text: str) -> str:
    sign, last = rest[0], before[-1:]
    inside = _inside(text, len(before))
    if sign in "}]":
        wanted = "]" if inside == "list" else "}"
        return f"Close the {inside} with `{wanted}` before `{sign}`."
    if sign == ";":
        return "Write a comma instead of `;`."
    if sign == ":":
        return "Put keys and values between `{` and `}`: a list has no keys."
    if last.isdigit() and text.startswith(before + sign) and (sign.isalnum() or sign in "._"):
        return "Write the number in decimal digits, without leading zeros, or between double quotes as a text."
    if last == '"' and (sign.isalpha() or sign in "\\'"):
        return 'Write a double quote inside of a text as `\\"`, or a comma (`,`) between two values.'
    return f"Write a comma (`,`) before `{rest[:20].split(maxsplit=1)[0]}`."


def _of_value(rest: str, before: str) -> str:
    if rest.startswith(_QUOTES):
        return "Put double quotes around texts, no single or typographic ones."
    if word := _WORD.match(rest):
        meant = _MEANT.get(word[0].lower())
        if meant:
            return f"Write `{meant}` instead of `{word[0]}`."
        return f'Put double quotes around texts: `"{word[0][:40]}"`.' if before else _DOCUMENT
    return _OF_SIGNS.get(
        rest[0], "Write a value: a text in double quotes, a number, true, false, null, a list or an object."
    )


def _inside(text: str, end: int) -> str:
    opened = _opened(text[:end])
    return "object" if opened and opened[-1][0] == "{" else "list"


def _opened(text: str) -> list[tuple[str, int]]:
    """The brackets that are open at the end of the text, with their offsets."""
    opened: list[tuple[str, int]] = []
    for mark in _MARKS.finditer(text):
        if mark[0] in _CLOSING:
            opened.append((mark[0], mark.start()))
        elif mark[0] in "}]" and opened:
            opened.pop()
    return opened
