"""Who pays for a run, from the caller's name to what `orchestrate budgets` shows."""

from __future__ import annotations

import json
import time
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from orchestrator import Orchestrator
from orchestrator.budgets import account_states
from orchestrator.cli import main
from orchestrator.doctor import _budgets, examine
from unified_api.clock import MonotonicClock
from unified_api.ledger import Account, Ledger, Share, month_of
from unified_api.models import Prices
from unified_api.settings import BudgetSettings, Environment, Settings
from unified_api.testing import scripted_gateway
from unified_api.types import Caller
from workflows.model import Workflow

PRICES = Prices(input=Decimal(1), output=Decimal(10))
CAPS = {"default": {"per_user_month_usd": 0.05, "per_run_usd": 1}, "users": {"carol": {"month_usd": 7}}}
TWO = Workflow.model_validate(
    {
        "workflow": "1",
        "name": "two",
        "inputs": {},
        "steps": [
            {"id": "a", "kind": "llm", "model": "scripted/writer", "prompt": "First", "max_tokens": 1000},
            {
                "id": "b",
                "kind": "llm",
                "model": "scripted/writer",
                "prompt": "{{ steps.a.output }}",
                "max_tokens": 1000,
            },
        ],
    }
)


def settings(home: Path) -> Settings:
    environment = Environment({"ORCHESTRATOR_HOME": str(home)})
    return Settings(budgets=BudgetSettings.model_validate(CAPS), environment=environment)


def orchestrator(home: Path, script: Any) -> Orchestrator:
    return Orchestrator(gateway=scripted_gateway({"scripted/writer": script}, prices=PRICES, settings=settings(home)))


async def spent(home: Path) -> dict[tuple[str, str], Decimal]:
    return {(one.kind, one.name): one.spent_usd for one in await account_states(settings(home), runs=True)}


async def test_every_step_of_a_run_is_charged_to_its_user_and_to_the_run(tmp_path: Path):
    async with orchestrator(tmp_path, "word " * 100) as made:
        result = await made.run(TWO, caller=Caller(user="alice", run="r1"))
        other = await made.run(TWO, caller=Caller(user="bob"))
    assert result.run_id == "r1"
    assert result.cost_usd
    found = await spent(tmp_path)
    assert found["user", "alice"] == found["run", "r1"] >= result.cost_usd
    assert found["user", "bob"] == found["run", other.run_id]


async def test_a_run_whose_user_has_spent_it_all_fails_and_says_whose_budget_it_was(tmp_path: Path):
    async with orchestrator(tmp_path, "word " * 3_000) as made:
        result = await made.run(TWO, caller=Caller(user="alice"))
    assert result.status == "failed"
    assert result.error is not None
    assert result.error.code == "budget_exceeded"
    assert "user 'alice'" in result.error.message


async def test_planning_is_charged_to_the_run_that_it_is_for(tmp_path: Path):
    plan = {
        "workflow": "1",
        "name": "note",
        "steps": [{"id": "note", "kind": "llm", "model": "scripted/writer", "prompt": "Write a note about the tide"}],
    }
    async with orchestrator(tmp_path, [json.dumps(plan), "A note"]) as made:
        result = await made.run("Write a note about the tide", caller=Caller(user="carol", run="r2"))
    assert result.status == "succeeded", result.error
    found = await spent(tmp_path)
    assert result.cost_usd is not None
    assert found["user", "carol"] == found["run", "r2"] > result.cost_usd


async def test_a_caller_of_another_type_is_refused_in_words(tmp_path: Path):
    async with orchestrator(tmp_path, "x") as made:
        with pytest.raises(TypeError, match=r"Caller\(user='alice'\)"):
            await made.run(TWO, caller="alice")  # type: ignore[arg-type]


def test_the_command_shows_what_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.delenv("ORCHESTRATOR_CONFIG", raising=False)
    monkeypatch.setenv("ORCHESTRATOR_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    assert main(["budgets"]) == 0
    assert "No caps are set" in capsys.readouterr().err
    (tmp_path / "orchestrator.toml").write_text(
        "[budgets.default]\nper_user_month_usd = 0.05\nper_run_usd = 1\n[budgets.users.carol]\nmonth_usd = 7\n"
    )
    orchestrator(tmp_path / "home", "word " * 100).run_sync(TWO, caller=Caller(user="alice", run="r1"))
    assert main(["budgets"]) == 0
    shown = capsys.readouterr().out
    assert [line.split()[:2] for line in shown.splitlines()] == [
        ["account", "month"],
        ["user", "alice"],
        ["user", "carol"],
    ]
    assert main(["budgets", "--json", "--runs"]) == 0
    states = json.loads(capsys.readouterr().out)
    assert [(one["kind"], one["name"], one["cap_usd"]) for one in states] == [
        ("user", "alice", 0.05),
        ("user", "carol", 7.0),
        ("run", "r1", 1.0),
    ]
    assert states[0]["spent_usd"] == states[2]["spent_usd"] > 0
    assert states[0]["left_usd"] == pytest.approx(0.05 - states[0]["spent_usd"])
    assert main(["budgets", "--month", "November"]) == 2
    assert main(["budgets", "--month", "2020-01", "--json"]) == 0
    assert [one["name"] for one in json.loads(capsys.readouterr().out)] == ["carol"]


async def test_a_user_of_a_tenant_who_is_named_is_shown_before_and_after_spending(tmp_path: Path):
    budgets = BudgetSettings.model_validate(
        {"users": {"acme/bob": {"month_usd": 3}}, "tags": {"a/b": {"month_usd": 4}, "/c": {"month_usd": 5}}}
    )
    settings = Settings(budgets=budgets, environment=Environment({"ORCHESTRATOR_HOME": str(tmp_path)}))
    wanted = [("user", "acme", "bob", 3), ("tag", "", "/c", 5), ("tag", "a", "b", 4)]
    found = await account_states(settings)
    assert [(one.kind, one.tenant, one.name, one.cap_usd) for one in found] == wanted
    ledger = Ledger.of(settings, clock=MonotonicClock())
    month = month_of(time.time())
    # This one has no tenant, and its name is written alike.
    for account in (Account("user", "bob", "acme", month), Account("tag", "a/b", month=month)):
        await ledger.settle(await ledger.reserve([Share(account, 9)], 2, tries=1, lease_s=60, until=0), 1)
    await ledger.aclose()
    wanted[1:] = [("tag", "", "/c", 5), ("tag", "", "a/b", 4)]
    found = await account_states(settings)
    assert [(one.kind, one.tenant, one.name, one.cap_usd) for one in found] == wanted
    assert [int(one.spent_usd * 1_000_000) for one in found] == [1, 0, 1]


async def test_the_doctor_opens_the_ledger_and_makes_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("ORCHESTRATOR_HOME", str(tmp_path))
    monkeypatch.delenv("ORCHESTRATOR_CONFIG", raising=False)
    monkeypatch.chdir(tmp_path)
    assert await _budgets() == []
    (tmp_path / "orchestrator.toml").write_text("[budgets.users.carol]\nmonth_usd = 7\n")
    path = tmp_path / "data" / "budgets.sqlite"
    (found,) = await _budgets()
    assert (found.verdict, path.exists()) == ("ok", False)
    assert f"makes the ledger at {path}" in found.message
    await spend(path)
    (found,) = await _budgets()
    assert (found.verdict, found.message) == ("ok", f"the ledger at {path} has 1 account")
    path.write_bytes(b"this is no database, " * 100)
    (found,) = await _budgets()
    assert found.verdict == "error"
    assert "file is not a database" in found.message
    assert found.fix is not None
    assert found.fix.startswith("Move the file away")
    assert "budgets" in [one.name for one in await examine()]


async def spend(path: Path) -> None:
    ledger = Ledger(path, clock=MonotonicClock())
    await ledger.reserve([Share(Account("user", "carol"), 9)], 2, tries=1, lease_s=60, until=0)
    await ledger.aclose()
