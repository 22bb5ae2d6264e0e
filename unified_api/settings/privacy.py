"""`[privacy]`: how personal data in requests is found, labelled and replaced."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from unified_api.privacy.kinds import Kind
from unified_api.settings.table import Table
from unified_api.types import Sensitivity

__all__ = ["PrivacySettings"]


class PrivacySettings(Table):
    """`[privacy]`."""

    detect: bool = False
    """Whether requests are searched for personal data and secrets, and what is found raises their label."""
    redact: Literal["off", "placeholders"] = "off"
    """`placeholders` puts `<EMAIL_1>` and the like in the place of what is found before anything else sees the request,
    and the values back into the answer; it searches as `detect` does."""
    labels: dict[Kind, Sensitivity] = Field(default={})
    """How sensitive a request with something of that kind is, where the built-in label does not fit."""
    ignore: frozenset[Kind] = frozenset()
    """Kinds that are not looked for."""
    unread_media: Sensitivity | None = None
    """The least label of a request with images, sound, films or documents, which nobody looks into; unset: the
    caller's."""

    names: str | None = Field(default=None, min_length=1)
    """A spaCy pipeline that finds the names of persons too: an installed package, or a folder."""

    @model_validator(mode="after")
    def _names_are_looked_for(self) -> Self:
        if self.names is not None and not self.searches:
            raise ValueError(f"names = {self.names!r} finds nothing alone: set detect = true, or redact")
        if self.names is not None and "name" in self.ignore:
            raise ValueError(f"names = {self.names!r} looks for what ignore = ['name'] passes over: leave out one")
        return self

    @property
    def searches(self) -> bool:
        return self.detect or self.redact != "off"

    @property
    def active(self) -> bool:
        """Whether there is anything to do."""
        return self.searches or self.unread_media is not None
