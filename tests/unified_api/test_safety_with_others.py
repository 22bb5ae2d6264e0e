"""The safety layer between the layers that lie around it."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

from unified_api.gateway import Gateway
from unified_api.models import Prices
from unified_api.settings import (
    BudgetSettings,
    CacheSettings,
    Environment,
    PrivacySettings,
    RecordSettings,
    SafetySettings,
    Settings,
)
from unified_api.testing import ScriptedModel, scripted_gateway
from unified_api.types import Caller, FinishChunk, Message, Policy, Request, TextChunk, TextPart, Usage, UsageChunk

PRICES = Prices(input=Decimal(1), output=Decimal(10))
GUARD = "g/llama-guard3:8b"
ALICE = Policy(caller=Caller(user="alice"))
BAD = "GRIM words"
STREAM = [*[TextChunk("calm ")] * 60, TextChunk(BAD), *[TextChunk("calm ")] * 200, FinishChunk("stop")]


def judge(request: Request) -> str:
    text = "".join(part.text for part in request.messages[-1].parts if isinstance(part, TextPart))
    return "unsafe\nS1" if "GRIM" in text else "safe"


def gateway(script: Any, home: Path, *, guard: Any = judge, **tables: Any) -> Gateway:
    safety = SafetySettings(backend="llama_guard", model=GUARD, window=80, overlap=20)
    settings = Settings(safety=safety, environment=Environment({"ORCHESTRATOR_HOME": str(home)}), **tables)
    return scripted_gateway({"a/writer": script, GUARD: guard}, settings=settings, prices=PRICES)


def ask(text: str = "Tell me", **more: Any) -> Request:
    return Request(model="a/writer", messages=(Message.user(text),), **more)


async def standing(gateway: Gateway) -> tuple[int, int]:
    """What has been spent and what is still held, in millionths of a dollar."""
    assert gateway._ledger is not None
    balances = await gateway._ledger.balances()
    return sum(one.spent for one in balances), sum(one.held for one in balances)


BUDGETS = BudgetSettings.model_validate({"default": {"per_user_month_usd": 1}})


async def test_a_blocked_stream_is_left_at_once_and_paid_for(tmp_path: Path) -> None:
    made = gateway(lambda _: STREAM, tmp_path, budgets=BUDGETS)
    async with made:
        async with made.stream(ask(max_tokens=1_000), ALICE) as stream:
            async for _ in stream:
                pass
            assert stream.response.finish_reason == "content_filter"
            (left,) = (one for one in stream.response.attempts if one.number)
            assert (left.outcome, left.cost_usd is not None) == ("cancelled", True)
        spent, held = await standing(made)
        judging = sum(one.cost_usd or 0 for one in stream.response.attempts if one.error == "consulted")
        assert spent == (judging + (left.cost_usd or 0)) * 1_000_000
        assert held == 0


async def test_what_judges_is_paid_by_the_same_account_and_once(tmp_path: Path) -> None:
    def told(text: str) -> list[Any]:
        return [TextChunk(text), FinishChunk("stop"), UsageChunk(Usage(input_tokens=100, output_tokens=10))]

    guard = ScriptedModel(lambda _: told("safe"))
    made = gateway(lambda _: told("calm"), tmp_path, guard=guard, budgets=BUDGETS)
    async with made:
        answer = await made.chat(ask(max_tokens=1_000), ALICE)
        assert answer.cost_usd == Decimal("0.0002")
        assert await standing(made) == (400, 0)
        async with made.stream(ask(max_tokens=1_000), ALICE) as stream:
            assert "".join([one.text async for one in stream if isinstance(one, TextChunk)]) == "calm"
        assert await standing(made) == (800, 0)
    assert guard.calls == 2


async def test_a_judge_for_which_there_is_no_room_gives_no_verdict(tmp_path: Path) -> None:
    small = BudgetSettings.model_validate({"default": {"per_user_month_usd": 0.0105}, "wait_s": 0})
    made = gateway("calm " * 790, tmp_path, budgets=small)
    async with made:
        answer = await made.chat(ask(max_tokens=1_000), ALICE)
    assert (answer.finish_reason, answer.text) == ("content_filter", "")
    assert "failed (budget_exceeded)" in (answer.refusal or "")


async def test_what_judges_sees_placeholders_and_the_reader_the_values(tmp_path: Path) -> None:
    def answer(request: Any) -> str:
        text: str = request.messages[-1].parts[0].text
        return text

    guard = ScriptedModel(judge)
    made = gateway(answer, tmp_path, guard=guard, privacy=PrivacySettings(redact="placeholders"))
    whole = await made.chat(ask("Write to ann.lee@example.org now"))
    async with made.stream(ask("Write to ann.lee@example.org now")) as stream:
        streamed = "".join([one.text async for one in stream if isinstance(one, TextChunk)])
    assert whole.text == streamed == "Write to ann.lee@example.org now"
    assert guard.calls == 2
    assert "ann.lee" not in repr(guard.requests)


async def test_a_blocked_answer_is_not_kept_and_a_kept_one_is_not_judged_again(tmp_path: Path) -> None:
    guard = ScriptedModel(judge)
    writer = ScriptedModel(lambda request: BAD if "bad" in repr(request.messages) else "calm")
    made = gateway(writer, tmp_path, guard=guard, cache=CacheSettings(enabled=True))
    async with made:
        for _ in range(2):
            assert (await made.chat(ask("be bad"))).finish_reason == "content_filter"
            assert (await made.chat(ask("be good"))).text == "calm"
    assert writer.calls == 3
    assert guard.calls == 3


async def test_a_record_tells_the_verdict_and_nothing_of_the_answer(tmp_path: Path) -> None:
    path = tmp_path / "calls.jsonl"
    made = gateway(BAD, tmp_path, record=RecordSettings(file=str(path)))
    async with made:
        await made.chat(ask())
    told = path.read_text("utf-8")
    assert "withheld: S1" in told
    assert "GRIM" not in told


async def test_private_words_of_an_answer_raise_the_label_of_what_judges_it(tmp_path: Path) -> None:
    """The back end is a recipient too: an answer shown to one without clearance would be a leak."""
    guard = ScriptedModel(judge)
    made = scripted_gateway(
        {"a/writer": lambda _: "Write to ann.lee@example.org", GUARD: guard},
        settings=Settings(
            safety=SafetySettings(backend="llama_guard", model=GUARD),
            privacy=PrivacySettings(detect=True),
            environment=Environment({"ORCHESTRATOR_HOME": str(tmp_path)}),
        ),
        clearance="internal",
    )
    answer = await made.chat(ask())
    assert guard.calls == 0
    assert answer.finish_reason == "content_filter"
    (note,) = (one.message or "" for one in answer.attempts if one.error == "no_verdict")
    assert "is cleared for internal data, and this is confidential" in note
    assert "let [safety] ask a model that may be shown all that answers hold" in note
    assert "[privacy]" not in (answer.refusal or "")
    assert "ann.lee" not in repr(answer)
