"""What stands in a request for the values that were found, and the way back."""

from __future__ import annotations

import json
import re
from collections.abc import Collection
from ipaddress import ip_address

from unified_api.privacy.folding import fold
from unified_api.privacy.kinds import Kind
from unified_api.privacy.nesting import Nesting

__all__ = ["CUT", "CUT_IN_JSON", "LOOKS_LIKE_ONE", "Placeholders", "kind_of"]

LOOKS_LIKE_ONE = re.compile(r"<[A-Z][A-Z_]{1,20}_[0-9]{1,6}>")
_IN_JSON = re.compile(r"(?:<|(\\{1,4})u003[cC])([A-Z][A-Z_]{1,20}_[0-9]{1,6})(?:>|\\{1,4}u003[eE])")
CUT = re.compile(r"<(?:[A-Z][A-Z_]{0,21}[0-9]{0,6})?\Z")
"""The end of a text that may go on as a placeholder."""
_ESCAPE_CUT = r"\\{1,4}(?:u(?:0(?:0(?:3)?)?)?)?"
CUT_IN_JSON = re.compile(
    rf"(?:<|\\{{1,4}}u003[cC])(?:[A-Z][A-Z_]{{0,21}}[0-9]{{0,6}}(?:{_ESCAPE_CUT})?)?\Z|{_ESCAPE_CUT}\Z"
)
"""The same where `<` and `>` may be written as JSON escapes."""
_SEPARATORS = re.compile(r"[\s.\-/()]+")
_GROUPED = frozenset[Kind]({
    "card", "iban", "phone", "national_id", "health_id", "passport", "driving_licence"
})  # fmt: skip
"""Kinds whose values are the same with other marks, or none, between their groups."""


class Placeholders:
    """Those of one call: a value has one, however often and in whatever spelling it comes.

    `taken` are texts of the caller's own that look like placeholders; none of them is given to a value.
    """

    def __init__(self, taken: Collection[str] = ()) -> None:
        self._taken = frozenset(taken)
        self._names: dict[tuple[Kind, str], str] = {}
        self._values: dict[str, str] = {}
        self._spellings: dict[str, str] = {}
        self._counts: dict[Kind, int] = {}

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return f"Placeholders(<{len(self)} values>)"

    def of(self, kind: Kind, value: str) -> str:
        """The placeholder of the value, such as `<EMAIL_1>`."""
        key = kind, _meant(kind, value)
        name = self._names.get(key)
        if name is None:
            name = self._names[key] = self._next(kind)
            self._values[name] = value
        self._spellings.setdefault(value, name)
        return name

    @property
    def spellings(self) -> dict[str, str]:
        """The placeholders by all spellings of their values."""
        return dict(self._spellings)

    def value(self, name: str) -> str | None:
        """The value that the placeholder stands for; None where it is none of these."""
        return self._values.get(name)

    def restore(self, text: str) -> str:
        """The text with the values back in it; what only looks like a placeholder stays."""
        if "<" not in text:
            return text
        return LOOKS_LIKE_ONE.sub(lambda match: self._values.get(match[0], match[0]), text)

    def restore_json(self, text: str, nesting: Nesting | None = None) -> str:
        """The same inside a JSON text, where the values are written as a JSON string holds them.

        `nesting` has read what came before the text, and reads the text; without it, nothing came before.
        """
        if nesting is None:
            if "<" not in text and "\\u003" not in text:
                return text
            nesting = Nesting()
        at, written = 0, list[str]()
        for match in _IN_JSON.finditer(text):
            before = text[at : match.start()]
            nesting.feed(before)
            written += before, self._quoted(match, nesting)
            at = match.end()
        nesting.feed(text[at:])
        return "".join((*written, text[at:]))

    def _quoted(self, match: re.Match[str], nesting: Nesting) -> str:
        value = self._values.get(f"<{match[2]}>")
        depth = max(1, nesting.depth)
        # The backslashes of one escape in a string so deep; those before it stand for others.
        escape = 1 << (depth - 1) if match[1] else 0
        slashes = len(match[1] or "")
        if value is None or escape > slashes or (escape and (nesting.slashes + slashes - escape) % (2 * escape)):
            nesting.feed(match[0])
            return match[0]
        nesting.skip()
        for _ in range(depth):
            value = json.dumps(value, ensure_ascii=False)[1:-1]
        return "\\" * (slashes - escape) + value

    def _next(self, kind: Kind) -> str:
        while True:
            self._counts[kind] = self._counts.get(kind, 0) + 1
            name = f"<{kind.upper()}_{self._counts[kind]}>"
            if name not in self._taken:
                return name


def kind_of(name: str) -> Kind:
    """The kind of the value that the placeholder stands for."""
    kind: Kind = name[1 : name.rindex("_")].lower()  # type: ignore[assignment]  # `of` made it of one
    return kind


def _meant(kind: Kind, value: str) -> str:
    """What all spellings of the value have in common, and no other value has."""
    if kind == "secret":
        return value
    plain = fold(value).text
    if kind in _GROUPED:
        plain = _SEPARATORS.sub("", plain)
    if kind == "ip_address":
        return _address(plain)
    return plain.casefold() if kind in {"email", "iban"} else plain


def _address(written: str) -> str:
    try:
        return str(ip_address(written))
    except ValueError:
        return written
