"""The page on the data policy: its examples run, and it names every kind and key."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import get_args

import pytest

from unified_api.privacy.kinds import LABELS, Kind
from unified_api.settings import PrivacySettings

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "privacy.md").read_text("utf-8")
BLOCKS = re.findall(r"```(python|toml)\n(.*?)```", PAGE, re.DOTALL)


@pytest.mark.parametrize("example", [text for language, text in BLOCKS if language == "toml"])
def test_an_example_of_settings_is_one(example: str) -> None:
    assert PrivacySettings.model_validate(tomllib.loads(example)["privacy"]).active


def test_every_kind_stands_with_its_label_and_every_key_on_both_pages() -> None:
    for kind in get_args(Kind):
        (row,) = (
            line for line in PAGE.splitlines() if line.startswith("|") and f"`{kind}`" in line and LABELS[kind] in line
        )
        assert row.split("|")[2].strip() == LABELS[kind]
    configuration = (DOCS / "configuration.md").read_text("utf-8")
    assert [
        key for key in PrivacySettings.model_fields if f"`{key}`" not in PAGE or f"`{key}`" not in configuration
    ] == []
