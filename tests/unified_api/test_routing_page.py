"""The page on choosing models: its examples run, its tables load, and it names every key there is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from unified_api.catalog import Catalog
from unified_api.settings import Settings
from unified_api.settings.routes import Escalate, Route, RouteTimeouts, When

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "routing.md").read_text("utf-8")
CONFIGURATION = (DOCS / "configuration.md").read_text("utf-8")
TABLES = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
SERVERS = '\n[providers.acme]\nbase_url = "https://api.acme.example/v1"\n'


@pytest.mark.parametrize("table", TABLES)
def test_a_table_loads(table: str, tmp_path: Path) -> None:
    file = tmp_path / "orchestrator.toml"
    file.write_text(table + SERVERS, "utf-8")
    assert Catalog(Settings.load(file, environ={})).routes.names


@pytest.mark.parametrize("page", [PAGE, CONFIGURATION], ids=["routing", "configuration"])
@pytest.mark.parametrize("table", [Route, When, Escalate, RouteTimeouts])
def test_every_key_is_named(page: str, table: type[Route]) -> None:
    assert [key for key in table.model_fields if f"`{key}`" not in page] == []
