from __future__ import annotations

import json
from pathlib import Path

import pytest

from orchestrator.cli import main

READY = Path(__file__).parents[2] / "examples" / "routes.toml"
SPLIT = """
[providers.acme]
base_url = "https://acme.example/v1"
clearance = "internal"
models = ["small", "large", "spare"]
[routes.split]
models = ["acme/small", "acme/large", "openai/gpt-4o"]
last_resort = ["acme/spare"]
strategy = "weighted"
weights = { "acme/small" = 2, "acme/large" = 1, "openai/gpt-4o" = 1 }
hedge = true
[routes.split.timeouts]
total_s = 9
[routes.split.escalate]
evaluator = "judge"
judge = "acme/large"
threshold = 0.6
[[routes.split.when]]
category = "code"
models = ["acme/large"]
"""


@pytest.fixture
def configured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("OPENAI_API_KEY", "ORCHESTRATOR_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("ORCHESTRATOR_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "orchestrator.toml").write_text(SPLIT, "utf-8")
    return tmp_path


def test_a_route_is_shown_with_who_may_be_asked_who_not_and_its_rules(
    configured: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["routes", "split"]) == 0
    shown = capsys.readouterr().out
    for words in (
        "route/split, where the category is code:",
        "  1. acme/small (50%)",
        "  2. acme/large (25%)",
        "   - openai/gpt-4o (25%): the environment variable OPENAI_API_KEY is not set",
        "  3. acme/spare (last resort)",
        "by chance with weights",
        "raced by the next one",
        "total_s = 9",
        "judge (acme/large) scores below 0.6",
    ):
        assert words in shown


def test_a_label_drops_whoever_is_not_cleared_for_it(configured: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["routes", "split", "--sensitivity", "confidential", "--json"]) == 0
    shape = json.loads(capsys.readouterr().out)
    assert {one["dropped"]["code"] for one in shape["models"]} == {"insufficient_clearance"}
    assert [one["model"] for one in shape["models"] if one["last_resort"]] == ["acme/spare"]
    assert shape["when"][0]["condition"] == "the category is code"
    assert shape["escalate"]["threshold"] == 0.6


def test_all_routes_are_listed_by_name(
    configured: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ORCHESTRATOR_CONFIG", str(READY))
    assert main(["routes"]) == 0
    listed = capsys.readouterr().out
    assert "document-analysis: mistral/mistral-large-latest, openai/gpt-4o\n" in listed
    assert "(and 3 conditions)" in listed
    assert main(["routes", "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)) == 5


def test_without_routes_the_way_to_one_is_told(
    configured: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (configured / "orchestrator.toml").write_text("", "utf-8")
    assert main(["routes"]) == 0
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "[routes.NAME]" in captured.err


def test_a_route_that_is_not_there_is_named_with_the_nearest(
    configured: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["routes", "splt"]) == 2
    assert "did you mean 'split'?" in capsys.readouterr().err


def test_a_route_that_cannot_be_is_told_before_anything_is_shown(
    configured: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (configured / "orchestrator.toml").write_text('[routes.r]\nmodels = ["gpt-nosuch"]', "utf-8")
    assert main(["routes"]) != 0
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "gpt-nosuch" in captured.err
