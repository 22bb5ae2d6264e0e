"""The page on failures: its examples run, and it names every key with its real default."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from unified_api.settings import BreakerSettings, Settings, Timeouts

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "reliability.md").read_text("utf-8")


@pytest.mark.parametrize("name", ["reliability.md", "configuration.md"])
def test_the_keys_of_the_breaker_stand_with_their_defaults(name: str) -> None:
    page = (DOCS / name).read_text("utf-8")
    for key, field in BreakerSettings.model_fields.items():
        assert re.search(rf"\| `{key}` \|.*\| {field.default:g} \|", page), key


def test_every_timeout_is_named() -> None:
    assert [key for key in Timeouts.model_fields if f"`{key}`" not in PAGE] == []


def test_the_pages_table_is_valid(tmp_path: Path) -> None:
    path = tmp_path / "orchestrator.toml"
    path.write_text("\n".join(re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)), "utf-8")
    assert Settings.load(path, environ={}).breaker == BreakerSettings(failures=3, cooldown_s=30)
