"""What the first page says of models and wires."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from unified_api.catalog import Catalog
from unified_api.fitting import left_out, way_of
from unified_api.gateway import Gateway
from unified_api.providers import builtin_rows
from unified_api.settings import Settings
from unified_api.types import Message, OutputSchema, Policy, Request

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "README.md").read_text("utf-8")


def test_the_counts_are_those_of_the_catalog() -> None:
    told = re.search(r"(\d+) providers and ([\d,]+) models", PAGE)
    assert told is not None
    assert int(told[1]) == len(builtin_rows())
    # The price data lists more models with each of its releases.
    assert int(told[2].replace(",", "")) == pytest.approx(len(Catalog(Settings()).models), rel=0.05)


def test_the_example_leaves_out_what_it_says_and_nothing_else() -> None:
    (name,) = re.findall(r'Request\(model="([^"]+)"', PAGE)
    model = Catalog(Settings()).get(name)
    assert model is not None
    request = Request(model=name, messages=(Message.user("?"),), output_schema=OutputSchema({}), temperature=0.2)
    assert left_out(request, Policy(on_unsupported="drop"), model.unsupported) == ("temperature",)
    assert way_of(model) == "native"


def test_the_pages_it_names_are_there() -> None:
    links = re.findall(r"\]\(([^)#:]+)\)", PAGE)
    assert len(links) > 10
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_its_python_is_python() -> None:
    for code in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL):
        compile(code, "README.md", "exec")


def test_its_settings_can_be_used(tmp_path: Path) -> None:
    for number, tables in enumerate(re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)):
        path = tmp_path / f"{number}.toml"
        path.write_text(tables)
        gateway = Gateway(Settings.load(path, {"ORCHESTRATOR_HOME": str(tmp_path)}))
        assert gateway.catalog.models
