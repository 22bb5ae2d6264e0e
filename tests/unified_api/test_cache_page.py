"""The page on kept answers: its examples run, and it names every key with its default and every field that counts."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from unified_api.caching.keys import MEANING, NO_MEANING
from unified_api.settings import CacheSettings, Settings
from unified_api.settings.cache import SemanticSettings
from unified_api.types import Policy

PAGE = (Path(__file__).parents[2] / "docs" / "caching.md").read_text("utf-8")


@pytest.mark.parametrize("table", [CacheSettings, SemanticSettings])
def test_every_key_stands_there_with_its_default(table: type) -> None:
    for key, field in table.model_fields.items():
        if key in ("semantic", "operations", "enabled"):
            continue
        shown = str(field.default).lower() if isinstance(field.default, bool) else f"{field.default}".removesuffix(".0")
        assert re.search(rf"\| `{key}` \|.*\| `?{re.escape(shown)}`? \|", PAGE), key


def test_every_field_of_a_policy_that_counts_is_named() -> None:
    assert [name for name in MEANING[Policy] - {"sensitivity"} if f"`{name}`" not in PAGE] == []
    assert [name for name in NO_MEANING[Policy] - {"cache", "caller"} if f"`{name}`" not in PAGE] == []


def test_the_configuration_is_valid(tmp_path: Path) -> None:
    path = tmp_path / "orchestrator.toml"
    path.write_text("\n".join(re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)), "utf-8")
    assert Settings.load(path, environ={}).cache.active
