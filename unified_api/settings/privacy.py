"""`[privacy]`: how personal data in requests is found, labelled and replaced."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

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

    @property
    def searches(self) -> bool:
        return self.detect or self.redact != "off"

    @property
    def active(self) -> bool:
        """Whether there is anything to do."""
        return self.searches or self.unread_media is not None
