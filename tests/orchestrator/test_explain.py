from __future__ import annotations

import json
import os
import platform
import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, get_args

import anyio
import pytest

from executors.events import RunFinished, RunStarted, StepError, StepFinished, StepStarted
from executors.journal.decoding import event_of
from executors.journal.encoding import dumps
from executors.journal.errors import RunNotFoundError
from executors.journal.rows import event_row
from executors.journal.store import SqlJournal
from orchestrator import Orchestrator
from orchestrator.cli import main
from orchestrator.explain import Explanation, StepNotFoundError, explain
from unified_api.errors import InvalidRequestError, RateLimitError
from unified_api.models import Prices
from unified_api.settings import CacheSettings, Environment, Settings
from unified_api.testing import ManualClock, scripted_gateway
from unified_api.types import Attempt, AttemptOutcome
from workflows.model import Workflow

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
STEPS = [
    {"id": "draft", "kind": "llm", "prompt": "Write.", "model": {"tier": "premium", "needs": ["tools"]}},
    {"id": "judge", "kind": "llm", "prompt": "Judge {{ steps.draft.output }}", "model": "route/main"},
    {"id": "note", "kind": "set", "value": "{{ steps.judge.output }}"},
]
WORKFLOW = Workflow.model_validate({"workflow": "1", "name": "two-calls", "steps": STEPS})

EVERY = (
    Attempt(number=0, model="privacy", outcome="noted", error="raised", message="found an e-mail: confidential"),
    Attempt(number=0, model="a/cold", outcome="skipped", error="open", message="its breaker is open for 12 s"),
    Attempt(number=1, model="b/busy", outcome="failed", error="rate_limit", message="too many requests", seconds=0.4),
    Attempt(number=2, model="b/busy", outcome="failed", error="timed_out", message="silent", seconds=9, billable=True,
            received=120),
    Attempt(number=3, model="c/cheap", outcome="rejected", message="it repeats itself", seconds=1, confidence=0.31,
            cost_usd=Decimal("0.0002")),
    Attempt(number=4, model="d/slow", outcome="cancelled", seconds=3, cost_usd=Decimal("0.01")),
    Attempt(number=5, model="e/good", outcome="succeeded", seconds=2, cost_usd=Decimal("0.02"), confidence=0.9),
    Attempt(number=0, model="f/far", outcome="dropped", error="other_region", message="it is not in eu"),
    Attempt(number=0, model="g/far", outcome="dropped", error="other_region", message="it is not in eu"),
    Attempt(number=0, model="h/blind", outcome="dropped", error="missing_capability", message="it cannot see"),
)  # fmt: skip
AGAIN = (Attempt(number=0, model="e/good", outcome="cached", message="kept 12.0 s ago", cost_usd=Decimal(0)),)


def ended(step: str, **fields: Any) -> StepFinished:
    usual = {"kind": "llm", "status": "succeeded", "at": NOON + timedelta(seconds=20), "started": NOON}
    return StepFinished(**{"run_id": "01AAAA", "step_id": step, **usual, **fields})


def started(run_id: str = "01AAAA") -> RunStarted:
    return RunStarted(run_id=run_id, at=NOON, workflow="two-calls", steps=3, definition=WORKFLOW, inputs={})


@pytest.fixture
def record(tmp_path: Path) -> SqlJournal:
    return SqlJournal(tmp_path / "data" / "runs.sqlite")


@pytest.fixture
def full(record: SqlJournal) -> SqlJournal:
    """A run that failed in its second step."""
    record(started())
    record(ended("draft", attempts=EVERY + AGAIN, model="e/good", provider="e", cost_usd=Decimal("0.03")))
    error = StepError("rate_limit", "step 'judge': too many requests")
    attempts = (Attempt(number=1, model="b/busy", outcome="failed", error="rate_limit", message="too many", seconds=1),)
    record(ended("judge", status="failed", error=error, attempts=attempts))
    record(ended("note", kind="set", status="cancelled", started=None))
    record(RunFinished(run_id="01AAAA", at=NOON, status="failed", outputs={}, cost_usd=None, seconds=20.5, error=error))
    record.close()
    return record


TOLD = """\
draft (llm): succeeded after 20.0 s, cost $0.0300, answered by e/good
  The workflow asks for any model of tier premium, with tools.
  Call 1 of 2:
    privacy: found an e-mail: confidential.
    a/cold was left alone: its breaker is open for 12 s.
    1. b/busy, the first in order that was not left alone, failed after 0.4 s: too many requests [rate_limit]
    2. b/busy, once more, failed after 9.0 s and 120 characters of its answer: silent [timed_out] (it may be billed)
    3. c/cheap, the next in order after that failure, answered in 1.0 s for $0.0002, and not well enough: it repeats \
itself (confidence 0.31)
    4. d/slow, the next in order for a better answer, was not waited for any longer after 3.0 s, counted as $0.0100
    5. e/good, the next in order as the one before took too long, answered in 2.0 s for $0.0200 (confidence 0.90)
    3 models could not be asked:
      h/blind: it cannot see
      f/far, g/far: it is not in eu
  Call 2 of 2:
    e/good was not asked: its answer was there, kept 12.0 s ago.
"""


def test_every_outcome_is_told_in_words_with_its_reason(full: SqlJournal) -> None:
    (step,) = explain(full, "01AAAA", "draft").steps
    assert "\n".join(step.words) + "\n" == TOLD


def test_no_outcome_is_without_words() -> None:
    for outcome in get_args(AttemptOutcome):
        number = 1 if outcome in {"succeeded", "failed", "cancelled", "rejected"} else 0
        attempt = Attempt(number=number, model="p/model", outcome=outcome)
        step = ended("draft", attempts=(attempt,))
        assert any("p/model" in line for line in words_of(step)), outcome


def words_of(step: StepFinished, as_written: dict[str, Any] | None = None) -> tuple[str, ...]:
    from orchestrator.explain import _ended

    return _ended(step, as_written or {}).words


def test_a_failed_run_is_explained_whole(full: SqlJournal) -> None:
    explanation = explain(full, "01A")
    assert [step.status for step in explanation.steps] == ["succeeded", "failed", "cancelled"]
    told = str(explanation)
    assert told.startswith("Run 01AAAA of two-calls: failed after 20.5 s, cost unknown\n")
    assert "The workflow asks for route/main." in told
    assert "Error: step 'judge': too many requests" in told
    assert told.count("too many requests") == 2


def test_a_run_that_was_interrupted_is_explained_as_far_as_it_came(record: SqlJournal) -> None:
    record(started("01BBBB"))
    record(StepStarted(run_id="01BBBB", at=NOON, step_id="draft", kind="llm"))
    record.flush()
    explanation = explain(record, "01BBBB")
    assert [(step.step_id, step.status) for step in explanation.steps] == [
        *(("draft", "running"), ("judge", "pending"), ("note", "pending"))
    ]
    assert "It had not ended" in str(explanation)
    record.close()


@pytest.mark.skipif(os.name != "posix", reason="only there can it be told that a process is gone")
def test_a_run_whose_process_died_is_explained_as_interrupted(record: SqlJournal) -> None:
    record(started("01CCCC"))
    record(ended("draft", run_id="01CCCC", attempts=AGAIN))
    record(StepStarted(run_id="01CCCC", at=NOON, step_id="judge", kind="llm"))
    record.close()
    with sqlite3.connect(Path(record.address)) as connection:
        connection.execute("UPDATE journal_runs SET owner = ?", (f"{platform.node()}/1/born-long-ago",))
    connection.close()
    explanation = explain(record, "01CCCC")
    assert [step.status for step in explanation.steps] == ["succeeded", "interrupted", "pending"]
    assert explanation.status == "interrupted"
    assert "e/good was not asked" in str(explanation)


@pytest.mark.parametrize(
    ("run_id", "step", "error", "words"),
    [
        ("02AAAA", None, RunNotFoundError, "no run has the id '02AAAA'.*did you mean '01AAAA'"),
        ("zzz", None, RunNotFoundError, "no run has the id 'zzz'; `orchestrate runs` lists them$"),
        ("01AAAA", "drfat", StepNotFoundError, "run 01AAAA has no step 'drfat'; did you mean 'draft'"),
        ("01AAAA", "zzz", StepNotFoundError, "has no step 'zzz'; it has draft, judge, note"),
    ],
)
def test_an_unknown_run_or_step_is_an_error_with_the_nearest(
    full: SqlJournal, run_id: str, step: str | None, error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        explain(full, run_id, step)


def kept(step: StepFinished) -> StepFinished:
    """As it is read again."""
    row = event_row(step)
    assert row is not None
    found = event_of({"run_id": step.run_id, "seq": 1, "kind": row.kind, "body": row.packed.body}, {})
    assert isinstance(found, StepFinished)
    return found


def test_attempts_survive_being_written_and_read() -> None:
    step = ended("draft", attempts=EVERY + AGAIN)
    assert kept(step).attempts == EVERY + AGAIN


@pytest.mark.parametrize(
    "written",
    [
        [{"number": 1, "model": "a/b", "outcome": "succeeded"}],
        [{"number": 1, "model": "a/b", "outcome": "succeeded", "cost_usd": None, "told_by_a_newer_release": 1}],
    ],
)
def test_records_of_older_and_newer_releases_are_read(written: list[dict[str, Any]]) -> None:
    row = event_row(ended("draft"))
    assert row is not None
    told = {**json.loads(row.packed.body), "attempts": written}
    found = event_of({"run_id": "r", "seq": 1, "kind": row.kind, "body": dumps(told)}, {})
    assert isinstance(found, StepFinished)
    assert found.attempts == (Attempt(number=1, model="a/b", outcome="succeeded"),)


async def test_a_real_run_is_explained_from_python(tmp_path: Path) -> None:
    environment = Environment({"ORCHESTRATOR_HOME": str(tmp_path)})
    settings = Settings(environment=environment, cache=CacheSettings(enabled=True))
    scripts: dict[str, Any] = {
        "p/first": lambda _: RateLimitError("busy", retry_after=90),
        "p/second": "an answer",
    }
    gateway = scripted_gateway(scripts, settings=settings, clock=ManualClock(), prices=Prices(input=Decimal(1)))
    same = {"kind": "llm", "prompt": "Say it.", "model": "auto"}
    workflow = Workflow.model_validate(
        {"workflow": "1", "name": "twice", "steps": [{"id": "a", **same}, {"id": "b", "after": ["a"], **same}]}
    )
    async with Orchestrator(gateway=gateway, settings=settings) as orchestrator:
        result = await orchestrator.run(workflow)
        whole = orchestrator.explain(result.run_id)
        one = orchestrator.explain(result.run_id, "b")
    assert isinstance(whole, Explanation)
    assert (result.steps[1].cost_usd, result.steps[1].status) == (0, "succeeded")
    assert "1. p/first, the first in order, failed after 0.0 s: busy" in str(whole)
    assert "2. p/second, the next in order after that failure, answered in 0.0 s" in str(whole)
    assert "p/second was not asked: its answer was there, kept" in str(one)


def test_each_call_is_told_with_its_own_decisions_however_it_begins() -> None:
    def try_(model: str, **fields: Any) -> Attempt:
        return Attempt(**{"number": 1, "model": model, "outcome": "succeeded", "cost_usd": Decimal(0), **fields})

    label = Attempt(number=0, model="privacy", outcome="noted", message="found a card")
    cold = Attempt(number=0, model="a/cold", outcome="skipped", message="its breaker is open")
    step = ended("draft", attempts=(try_("a/one"), label, cold, try_("b/two")), shares=(1, 3))
    assert list(words_of(kept(step))[1:]) == [
        "  Call 1 of 2:",
        "    1. a/one, the first in order, answered in 0.0 s for $0",
        "  Call 2 of 2:",
        "    privacy: found a card.",
        "    a/cold was left alone: its breaker is open.",
        "    1. b/two, the first in order that was not left alone, answered in 0.0 s for $0",
    ]


@pytest.mark.parametrize("streamed", [False, True])
async def test_what_a_step_tried_until_it_was_cut_off_is_explained(tmp_path: Path, streamed: bool) -> None:
    settings = Settings(environment=Environment({"ORCHESTRATOR_HOME": str(tmp_path)}))
    asked = anyio.Event()

    async def hang(_: object) -> Any:
        asked.set()
        await anyio.sleep_forever()

    async def fail() -> None:
        await asked.wait()
        raise ValueError("a sibling's own")

    scripts: dict[str, Any] = {"p/first": lambda _: RateLimitError("busy", retry_after=90), "p/second": hang}
    gateway = scripted_gateway(scripts, settings=settings, clock=ManualClock())
    workflow = Workflow.model_validate(
        {
            "workflow": "1",
            "name": "cut",
            "steps": [
                {"id": "a", "kind": "llm", "prompt": "Say it.", "model": "auto"},
                {"id": "b", "kind": "tool", "tool": "fail"},
            ],
        }
    )
    async with Orchestrator(gateway=gateway, settings=settings) as orchestrator:
        orchestrator.tools.tool(fail)
        if streamed:
            ids = {event.run_id async for event in orchestrator.stream(workflow)}
        else:
            ids = {(await orchestrator.run(workflow)).run_id}
        told = str(orchestrator.explain(ids.pop(), "a"))
    assert "a (llm): cancelled" in told
    assert "1. p/first, the first in order, failed after 0.0 s: busy [rate_limit]" in told
    assert (
        "2. p/second, the next in order after that failure, was not waited for any longer after 0.0 s (it may be b"
        in told
    )


def test_a_step_of_an_older_record_that_was_cut_off_says_what_is_not_known() -> None:
    words = words_of(ended("draft", status="cancelled"), {"kind": "llm"})
    assert words[-1] == "  It was cut off, and nothing is on record of what it tried until then."
    assert words_of(ended("draft", status="cancelled", started=None), {"kind": "llm"})[-1].endswith("standard.")


@pytest.mark.parametrize(
    ("asked", "why"), [("auto", "no real model is set up"), ("local/demo", "asked for by its name")]
)
def test_a_stand_in_is_told_as_one_with_its_quality(asked: str, why: str) -> None:
    step = ended("draft", model="local/demo", provider="local", quality="demo", cost_usd=Decimal(0))
    words = words_of(step, {"kind": "llm", "model": asked})
    assert words[0].endswith("answered by local/demo (quality demo)")
    assert any("local/demo is a stand-in" in line and why in line for line in words)


async def test_a_step_that_is_tried_again_takes_no_kept_answer(tmp_path: Path) -> None:
    settings = Settings(
        environment=Environment({"ORCHESTRATOR_HOME": str(tmp_path)}), cache=CacheSettings(enabled=True)
    )
    gateway = scripted_gateway({"p/m": ["[]", "[]", "[]", "[]", '{"a": 1}']}, settings=settings, clock=ManualClock())
    schema = {"type": "object", "required": ["a"]}
    step = {"id": "a", "kind": "llm", "prompt": "Say it.", "model": "p/m", "output": schema, "retry": {"attempts": 2}}
    async with Orchestrator(gateway=gateway, settings=settings) as orchestrator:
        result = await orchestrator.run(Workflow.model_validate({"workflow": "1", "name": "w", "steps": [step]}))
    assert [step.output for step in result.steps] == [{"a": 1}]


async def test_a_run_that_failed_outright_is_explained_too(tmp_path: Path) -> None:
    settings = Settings(environment=Environment({"ORCHESTRATOR_HOME": str(tmp_path)}))
    gateway = scripted_gateway({"p/m": lambda _: InvalidRequestError("bad words")}, settings=settings)
    async with Orchestrator(gateway=gateway, settings=settings) as orchestrator:
        step = {"id": "a", "kind": "llm", "prompt": "Say it.", "model": "p/m"}
        result = await orchestrator.run(Workflow.model_validate({"workflow": "1", "name": "w", "steps": [step]}))
        told = str(orchestrator.explain(result.run_id))
    assert "1. p/m, the first in order, failed after 0.0 s: bad words [invalid_request]" in told


@pytest.fixture
def command(
    full: SqlJournal, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Any]:
    monkeypatch.setenv("ORCHESTRATOR_HOME", str(Path(full.address).parents[1]))
    monkeypatch.chdir(Path(full.address).parent)

    def run(*arguments: str) -> tuple[int, str, str]:
        status = main(arguments)
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return run


def test_the_command_prints_the_words(command: Callable[..., Any], full: SqlJournal) -> None:
    status, out, err = command("explain", "01AAAA", "judge")
    assert (status, err) == (0, "")
    assert out == f"{explain(full, '01AAAA', 'judge')}\n"


def test_the_command_gives_json(command: Callable[..., Any]) -> None:
    status, out, _ = command("explain", "01AAAA", "--json")
    told = json.loads(out)
    assert status == 0
    assert [step["step_id"] for step in told["steps"]] == ["draft", "judge", "note"]
    first, second = told["steps"][0]["calls"]
    assert [one["outcome"] for one in second["attempts"]] == ["cached"]
    assert first["attempts"][4]["confidence"] == 0.31


def test_showing_a_run_with_tries_in_vain_says_where_they_are_explained(command: Callable[..., Any]) -> None:
    status, _, err = command("runs", "show", "01AAAA")
    assert status == 0
    assert "`orchestrate explain 01AAAA` says which models were tried in vain" in err


@pytest.mark.parametrize("arguments", [("explain", "9"), ("explain", "01AAAA", "nothing")])
def test_an_unknown_run_or_step_ends_the_command_with_one_message(
    command: Callable[..., Any], arguments: tuple[str, ...]
) -> None:
    status, out, err = command(*arguments)
    assert (status, out) == (1, "")
    assert err.startswith("Error: ")
    assert "bug" not in err


def test_the_command_teaches(command: Callable[..., Any]) -> None:
    status, out, _ = command("explain", "--help")
    assert status == 0
    assert "orchestrate explain 01K3 draft" in out
