"""The table of models: how it is read, and that it is what its tool makes of its sources."""

from __future__ import annotations

import importlib.util
import re
import sys
from decimal import Decimal
from importlib import metadata
from importlib.resources import files
from pathlib import Path
from types import ModuleType

import pytest
from corpus import ROOT, needs_corpora

from unified_api.facts import facts, listed
from unified_api.models import Prices
from unified_api.providers import builtin_rows
from unified_api.types import Capability

TABLE = files("unified_api").joinpath("models.tsv").read_text("utf-8")


def tool(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    path = Path(__file__).resolve().parents[2] / "tools" / "model_facts.py"
    spec = importlib.util.spec_from_file_location("model_facts", path)
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "model_facts", module)  # where dataclasses look for their own module
    spec.loader.exec_module(module)
    return module


@needs_corpora
def test_the_table_is_what_its_tool_makes_of_its_sources(monkeypatch: pytest.MonkeyPatch) -> None:
    made_with = re.search(r"genai-prices (\S+) has none", TABLE)[1]
    if metadata.version("genai-prices") != made_with:
        pytest.skip(f"made with genai-prices {made_with}, and another version is installed")
    assert "".join(tool(monkeypatch).main(ROOT / "misc" / "prices")) == TABLE


def test_every_line_is_of_a_builtin_provider_and_no_model_is_there_twice() -> None:
    lines = [line.split("\t") for line in TABLE.splitlines() if not line.startswith("#")]
    assert {len(line) for line in lines} == {7}
    assert {line[0] for line in lines} <= builtin_rows().keys()
    assert len({(line[0], line[1]) for line in lines}) == len(lines)


def test_every_fact_can_be_read_and_is_of_a_word_that_is_known() -> None:
    known = set(Capability.__args__) | {"temperature"}
    for provider in builtin_rows():
        for name in listed(provider):
            found = facts(provider, name)
            assert found.can | found.cannot <= known, (provider, name)
            assert not found.can & found.cannot
            assert found.context is None or found.context > 0
            if found.prices is not None:
                assert found.prices.input > 0
                assert found.prices.cached_input is None or found.prices.cached_input <= found.prices.input


def test_a_dated_name_is_the_undated_model_and_an_unknown_one_is_nothing() -> None:
    assert facts("openai", "gpt-5.1-2031-01-31") == facts("openai", "gpt-5.1")
    assert facts("anthropic", "claude-sonnet-5-20310131") == facts("anthropic", "claude-sonnet-5")
    assert facts("openai", "gpt-5.1-nova") is None
    assert facts("nobody", "gpt-5.1") is None


def test_what_somebody_states_who_knows_better_is_taken_out() -> None:
    found = facts("openai", "gpt-5.1")
    assert (found.kind, found.says("vision")) == ("chat", True)
    without = found.without({"vision", "chat"})
    assert (without.kind, without.says("vision"), without.says("tools")) == (None, None, True)
    assert found.without(()) is found


def test_prices_are_read_exactly() -> None:
    assert facts("dashscope", "qwen-flash").prices == Prices(input=Decimal("0.05"), output=Decimal("0.4"))
