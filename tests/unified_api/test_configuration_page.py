"""docs/configuration.md against what the settings really take."""

from __future__ import annotations

import re
import tomllib
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import get_args

import pytest
from loopback import loopback

from unified_api.catalog import Catalog
from unified_api.gateway import Gateway
from unified_api.providers import ProfileRow, ProviderRow, builtin_rows
from unified_api.settings import PlannerSettings, Route, RunSettings, Settings, Timeouts
from unified_api.types import Capability, Message, Policy, Request

PROVIDERS = (Path(__file__).resolve().parents[2] / "docs" / "providers.md").read_text("utf-8")
PAGE = (Path(__file__).resolve().parents[2] / "docs" / "configuration.md").read_text("utf-8")


@pytest.mark.parametrize("table", [ProviderRow, ProfileRow, Route, Timeouts, PlannerSettings, RunSettings])
def test_the_page_names_every_key(table: type) -> None:
    missing = [key for key in table.model_fields if f"`{key}`" not in PAGE]
    assert missing == []


def test_the_providers_page_has_every_row_with_its_variables_and_policy() -> None:
    for name, row in builtin_rows().items():
        if row.wire == "local":
            continue
        (line,) = (line for line in PROVIDERS.splitlines() if line.startswith(f"| `{name}` |"))
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        assert cells[2] == (f"`{row.api_key_env}`" if row.api_key_env else "none"), name
        assert all(f"`{variable}`" in cells[3] for variable in re.findall(r"\$\{(\w+)", row.base_url)), name
        assert cells[4] == f"`{row.wire}`", name
        assert ("¹" in cells[1]) is not row.auto, name
        policy = row.data_policy
        assert (cells[5] == "unknown") is (policy.source is None), name
        assert policy.source is None or f"([{policy.as_of}]({policy.source}))" in cells[5], name
        assert policy.retention is None or policy.retention in cells[5], name
        assert ("does not train" in cells[5]) is (policy.trains is False), name


def test_the_providers_page_names_every_capability_that_can_be_asked_for() -> None:
    assert [able for able in get_args(Capability) if f"`{able}`" not in PROVIDERS] == []


async def test_the_providers_pages_example_is_all_that_a_new_provider_takes(tmp_path: Path) -> None:
    """Its table, with the address of a real server on this machine instead of the made-up one."""
    (table,) = re.findall(r"```toml\n(.*?)```", PROVIDERS, re.DOTALL)
    assert "acme" not in builtin_rows()
    with loopback("Good day.", "Good evening.") as server:
        here = table.replace("https://${ACME_REGION:-eu}.api.acme.example/v1", server.url)
        assert here != table
        path = tmp_path / "orchestrator.toml"
        path.write_text(here, "utf-8")
        settings = Settings.load(path, environ={"ACME_API_KEY": "secret-key"})
        async with Gateway(settings) as gateway:
            named = Request(model="acme/acme-large", messages=(Message.user("Hi"),), max_tokens=9)
            response = await gateway.chat(named)
            chosen = await gateway.chat(replace(named, model="auto"), Policy(tier="economy"))
    assert (response.text, response.provider, response.model) == ("Good day.", "acme", "acme/acme-large")
    assert chosen.model == "acme/acme-small"
    assert [request["max_completion_tokens"] for request in server.requests] == [9, 9]
    assert response.cost_usd == (11 * Decimal("0.5") + 7 * Decimal("1.5")) / 1_000_000


def test_the_providers_pages_example_stands_as_it_is_written(tmp_path: Path) -> None:
    (table,) = re.findall(r"```toml\n(.*?)```", PROVIDERS, re.DOTALL)
    path = tmp_path / "orchestrator.toml"
    path.write_text(table, "utf-8")
    catalog = Catalog(Settings.load(path, environ={"ACME_API_KEY": "k", "ACME_REGION": "us"}))
    assert catalog.base_url("acme") == "https://us.api.acme.example/v1"
    small = catalog.get("acme/acme-small")
    assert small.ready
    assert "seed" in small.unsupported
    assert "vision" in catalog.get("acme/acme-large").capabilities


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
