"""docs/configuration.md against what the settings really take."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from unified_api.providers import ProfileRow, ProviderRow, builtin_rows
from unified_api.settings import PlannerSettings, Route, RunSettings, Settings, Timeouts

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "configuration.md").read_text("utf-8")


@pytest.mark.parametrize("table", [ProviderRow, ProfileRow, Route, Timeouts, PlannerSettings, RunSettings])
def test_the_page_names_every_key(table: type) -> None:
    missing = [key for key in table.model_fields if f"`{key}`" not in PAGE]
    assert missing == []


def test_the_page_lists_every_builtin_provider_with_its_key() -> None:
    for name, row in builtin_rows().items():
        if row.api_key_env is not None:
            assert re.search(rf"`{name}`[^|]*\| `{row.api_key_env}`", PAGE), name


def test_the_pages_own_examples_are_valid_together(tmp_path: Path) -> None:
    examples = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    assert len(examples) >= 4
    path = tmp_path / "orchestrator.toml"
    path.write_text("\n".join(examples), "utf-8")
    settings = Settings.load(path, environ={})
    assert set(settings.providers) == {"ollama", "acme"}
    assert tomllib.loads(examples[0])


def test_the_pages_defaults_are_the_real_ones() -> None:
    for key, field in Timeouts.model_fields.items():
        assert re.search(rf"\| `{key}` \|.*\| {field.default:g} \|", PAGE), key


async def test_the_pages_python_example_passes() -> None:
    source = re.search(r"```python\n(.*?)```", PAGE, re.DOTALL)[1]
    names: dict = {}
    exec(source, names)  # the page's own text
    await names["test_a_busy_model_is_asked_again"]()
