"""The kinds of personal data that are looked for, and how sensitive each is unless the settings say otherwise."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple

from unified_api.types import Sensitivity

__all__ = ["LABELS", "Found", "Kind"]

Kind = Literal[
    "email", "phone", "street_address", "date_of_birth", "ip_address", "mac_address", "vin",
    "card", "iban", "national_id", "health_id", "passport", "driving_licence", "crypto_address", "secret",
    "name",
]  # fmt: skip

LABELS: Mapping[Kind, Sensitivity] = {
    "email": "confidential",
    "phone": "confidential",
    "street_address": "confidential",
    "date_of_birth": "confidential",
    "ip_address": "internal",
    "mac_address": "internal",
    "vin": "confidential",
    "card": "restricted",
    "iban": "restricted",
    "national_id": "restricted",
    "health_id": "restricted",
    "passport": "restricted",
    "driving_licence": "restricted",
    "crypto_address": "confidential",
    "secret": "restricted",
    "name": "confidential",
}
"""What lets somebody pay, sign in or be taken for the person is restricted; what reaches or finds a person is
confidential; what only names a machine is internal."""


class Found(NamedTuple):
    """A value in a text, from character `start` up to `end`."""

    kind: Kind
    start: int
    end: int
