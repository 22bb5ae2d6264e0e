"""The environment's variables, read in one place."""

from __future__ import annotations

from collections.abc import Mapping

from unified_api.errors import ConfigurationError

__all__ = ["Environment"]


class Environment:
    """The environment's variables as they were; never shown, because some are secrets."""

    __slots__ = ("_variables",)

    def __init__(self, variables: Mapping[str, str] | None = None) -> None:
        self._variables = dict(variables or {})

    def __repr__(self) -> str:
        return f"Environment(<{len(self._variables)} variables>)"

    def get(self, name: str) -> str | None:
        """The variable without the white space around it; None when it is unset or blank."""
        return self._variables.get(name, "").strip() or None

    def key(self, name: str) -> str | None:
        """A key to be sent in a header. ConfigurationError for one that no header can hold."""
        value = self.get(name)
        if value is not None and not (value.isascii() and value.isprintable() and " " not in value):
            raise ConfigurationError(
                f"the environment variable {name} holds characters that no key has (spaces, line ends or non-ASCII "
                "ones); copy the key again, without quotes"
            )
        return value
