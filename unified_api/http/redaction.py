"""The secrets of a provider, struck out of what is said of its calls."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cached_property

from unified_api.errors import ProviderError

__all__ = ["Redaction"]

_SHORTEST = 8
_STARS = "***"


class Redaction:
    """The secrets of a provider, struck out of what is said of its calls.

    A key shorter than eight characters is no secret but a word that servers without keys want, and may be part of any
    other word.
    """

    def __init__(self, secrets: Iterable[str]) -> None:
        longest_first = sorted(secrets, key=len, reverse=True)
        self._secrets = tuple(secret for secret in longest_first if len(secret) >= _SHORTEST)

    def __repr__(self) -> str:
        return f"Redaction(<{len(self._secrets)} secrets>)"

    def text(self, said: str) -> str:
        """`said` without the secrets, whether plain or as JSON, `repr` and addresses write them."""
        return self._pattern.sub(_STARS, said) if self._secrets else said

    def apply(self, error: ProviderError) -> None:
        """Takes the secrets out of all that `error` tells of what a server said."""
        error.message = self.text(error.message)
        error.args = (error.message,)
        error.request_id = self._word(error.request_id)
        error.provider_code = self._word(error.provider_code)
        error.param = self._word(error.param)

    def _word(self, word: str | None) -> str | None:
        """A word may also be a piece of a secret, by where somebody took it for the name of a parameter."""
        if word is None or (len(word) >= _SHORTEST and any(word in secret for secret in self._secrets)):
            return word and _STARS
        return self.text(word)

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        return re.compile("|".join("".join(map(_written, secret)) for secret in self._secrets))


def _written(character: str) -> str:
    """The ways to write one character: `\\/` and `\\u002f` of JSON, once more escaped by `repr`, and `%2F`."""
    code = f"{ord(character):02x}"
    return rf"(?:\\+u00(?i:{code})|%(?i:{code})|\\*{re.escape(character)})"
