"""The safety layer around whole answers and streams, with back ends that are scripted."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from unified_api.errors import ConfigurationError, ContentRefusedError, InvalidRequestError, TruncatedStreamError
from unified_api.gateway import Gateway
from unified_api.models import DataPolicy, Model, Prices
from unified_api.settings import SafetySettings, Settings
from unified_api.testing import ManualClock, ScriptedModel, scripted_gateway
from unified_api.types import (
    Alternative,
    AudioPart,
    BuiltinToolPart,
    Chunk,
    Citation,
    FinishChunk,
    Image,
    ImagePart,
    ImageRequest,
    Message,
    Moderation,
    ModerationRequest,
    ModerationResponse,
    PartChunk,
    Policy,
    ReasoningChunk,
    ReasoningPart,
    RefusalChunk,
    Request,
    Response,
    TextChunk,
    TextPart,
    TokenLogprob,
    ToolCallChunk,
    ToolCallPart,
    Usage,
    UsageChunk,
)

ASK = Request(model="a/writer", messages=(Message.user("Tell me"),))
CALM = "The tide comes in twice a day. " * 4
BAD = "GRIM words"


def text_of(request: Request) -> str:
    return "".join(part.text for part in request.messages[-1].parts if isinstance(part, TextPart))


def guard(request: Request) -> str:
    return "unsafe\nS1" if "GRIM" in text_of(request) else "safe"


def gateway(reply: Any, *, judge: Any = guard, clock: Any = None, prices: Any = None, **table: Any) -> Gateway:
    table = {"backend": "llama_guard", "model": "g/llama-guard3:8b", "window": 80, "overlap": 20, **table}
    return scripted_gateway(
        {"a/writer": reply, table["model"]: judge},
        settings=Settings(safety=SafetySettings(**table)),
        clock=clock,
        prices=prices,
    )


def notes(answer: Any) -> list[tuple[str, str]]:
    return [
        (one.error or "", one.message or "")
        for one in answer.attempts
        if one.model == "safety" and one.error != "consulted"
    ]


def words(text: str) -> list[Chunk]:
    return [TextChunk(f"{word} ") for word in text.split()]


async def read(gateway: Gateway, request: Request = ASK, policy: Policy = Policy()) -> tuple[list[Chunk], Any]:
    async with gateway.stream(request, policy) as stream:
        chunks = [chunk async for chunk in stream]
    return chunks, stream.response


async def gather(gateway: Gateway, got: list[Chunk]) -> None:
    async with gateway.stream(ASK) as stream:
        async for chunk in stream:
            got.append(chunk)  # noqa: PERF401  # what came before an error is kept


def seen(chunks: list[Chunk]) -> str:
    return "".join(getattr(one, "text", "") or getattr(one, "arguments", "") for one in chunks)


async def test_a_safe_answer_is_the_answer_and_says_that_it_was_judged() -> None:
    answer = await gateway(CALM).chat(ASK)
    assert (answer.text, answer.finish_reason) == (CALM, "stop")
    assert notes(answer) == [("safe", "1 piece judged by g/llama-guard3:8b")]


async def test_an_unsafe_answer_is_a_refusal_that_keeps_its_cost_and_is_not_routed_around() -> None:
    said = Response(
        model="a/writer",
        provider="a",
        parts=(ReasoningPart("Hm"), TextPart(CALM + BAD)),
        finish_reason="stop",
        usage=Usage(input_tokens=10, output_tokens=20),
        logprobs=(TokenLogprob("GRIM", -0.1),),
    )
    writer = ScriptedModel(lambda _: said)
    answer = await gateway(writer, prices=Prices(input=Decimal(1), output=Decimal(1))).chat(ASK)
    assert answer.finish_reason == "content_filter"
    assert answer.refusal == "This answer was withheld by the safety check: g/llama-guard3:8b judged it unsafe (S1)."
    assert (answer.text, len(answer.parts), answer.logprobs) == ("", 1, ())
    assert (answer.cost_usd, answer.usage) == (Decimal("0.00003"), said.usage)
    assert writer.calls == 1
    assert ("unsafe", "withheld: S1, by g/llama-guard3:8b") in notes(answer)


async def test_redacting_cuts_the_unsafe_windows_out_of_a_whole_answer() -> None:
    text = CALM * 2 + BAD + " " + CALM * 2
    answer = await gateway(text, action="redact").chat(ASK)
    assert "GRIM" not in answer.text
    assert answer.text.count("[removed by the safety check: S1]") == 1
    assert answer.text.startswith(CALM)
    assert answer.text.endswith(CALM)
    assert answer.finish_reason == "stop"


async def test_flagging_delivers_and_notes() -> None:
    whole = await gateway(CALM + BAD, action="flag").chat(ASK)
    chunks, streamed = await read(gateway(CALM + BAD, action="flag", fail="open"))
    assert whole.text == streamed.text == seen(chunks) == CALM + BAD
    assert ("unsafe", "delivered: S1, by g/llama-guard3:8b") in notes(whole)
    assert ("unsafe", "delivered: S1, by g/llama-guard3:8b") in notes(streamed)


@pytest.mark.parametrize(
    "part",
    [
        ReasoningPart(BAD),
        ToolCallPart("c", "send", '{"text": "GRIM"}'),
        TextPart("Fine.", (Citation(quote=BAD),)),
        BuiltinToolPart("a", "web_search_tool_result", {"hits": [{"title": BAD}, {"blob": "x" * 400}]}),
        AudioPart(data=b"x", media_type="audio/wav", transcript=BAD),
    ],
)
@pytest.mark.parametrize("action", ["block", "redact"])
async def test_every_part_that_is_shown_is_judged(part: Any, action: str) -> None:
    finish: Any = "tool_calls" if isinstance(part, ToolCallPart) else "stop"
    said = Response(model="a/writer", provider="a", parts=(part,), finish_reason=finish)
    answer = await gateway(lambda _: said, action=action).chat(ASK)
    chunks, streamed = await read(gateway(lambda _: said, action=action))
    assert "GRIM" not in repr(answer.parts)
    assert "GRIM" not in repr(chunks)
    assert (answer.refusal is not None) == (streamed.refusal is not None) == (action == "block")
    assert answer.tool_calls == streamed.tool_calls == ()
    assert (answer.finish_reason == "content_filter") == (action == "block" or finish == "tool_calls")
    assert streamed.finish_reason == answer.finish_reason


async def test_each_further_answer_is_judged_on_its_own() -> None:
    def said(_: Request) -> Response:
        other = Alternative(parts=(TextPart(BAD),), finish_reason="stop")
        return Response(
            model="a/writer", provider="a", parts=(TextPart(CALM),), finish_reason="stop", alternatives=(other,)
        )

    answer = await gateway(said).chat(replace(ASK, n=2))
    assert answer.text == CALM
    assert [one.finish_reason for one in answer.alternatives] == ["content_filter"]
    assert "GRIM" not in repr(answer)


async def test_a_blocked_stream_ends_with_a_refusal_and_leaves_the_model() -> None:
    chunks = [*words(CALM * 3), TextChunk(BAD), *words(CALM * 20), FinishChunk("stop")]
    writer = ScriptedModel(lambda _: chunks)
    got, answer = await read(gateway(writer))
    assert "GRIM" not in seen(got)
    assert got[-1] == FinishChunk("content_filter")
    assert isinstance(got[-2], RefusalChunk)
    assert (answer.refusal or "").startswith("The rest of this answer was withheld by the safety check")
    assert answer.text
    assert (CALM * 3).startswith(answer.text)
    assert any(one.outcome == "cancelled" and one.model == "a/writer" for one in answer.attempts)


async def test_an_answer_that_had_come_whole_still_tells_its_usage() -> None:
    chunks = [TextChunk(BAD), FinishChunk("stop"), UsageChunk(Usage(output_tokens=3), cost_usd=Decimal("0.5"))]
    got, answer = await read(gateway(lambda _: chunks))
    assert [type(one) for one in got] == [RefusalChunk, FinishChunk, UsageChunk]
    assert (answer.cost_usd, answer.finish_reason) == (Decimal("0.5"), "content_filter")
    assert (answer.refusal or "").startswith("This answer was withheld")


async def test_a_redacted_stream_goes_on_after_its_mark() -> None:
    chunks = [*words(CALM * 3), TextChunk(BAD), *words(CALM * 3), FinishChunk("stop")]
    got, answer = await read(gateway(lambda _: chunks, action="redact"))
    assert "GRIM" not in seen(got)
    assert "[removed by the safety check: S1]" in answer.text
    assert (answer.finish_reason, answer.text.strip().endswith("twice a day.")) == ("stop", True)


@pytest.mark.parametrize("fail", ["open", "closed"])
@pytest.mark.parametrize(
    ("judge", "why"),
    [
        ("I think it is fine", "g/llama-guard3:8b answered neither safe nor unsafe"),
        (InvalidRequestError("the text GRIM is wrong"), "g/llama-guard3:8b failed (invalid_request)"),
    ],
)
async def test_without_a_verdict_the_settings_decide(fail: str, judge: Any, why: str) -> None:
    said: Any = judge if isinstance(judge, str) else (lambda _: judge)
    answer = await gateway(CALM + BAD, judge=said, fail=fail, clock=ManualClock()).chat(ASK)
    chunks, streamed = await read(gateway(CALM + BAD, judge=said, fail=fail, clock=ManualClock()))
    if fail == "open":
        assert answer.text == streamed.text == CALM + BAD
        assert ("no_verdict", f"delivered without a verdict: {why}") in notes(answer)
    else:
        assert seen(chunks[:-2]) == answer.text == ""
        assert answer.refusal == streamed.refusal == refused(why)
        assert ("no_verdict", f"withheld without a verdict: {why}") in notes(streamed)
    assert "GRIM" not in repr(notes(answer)) + repr(notes(streamed))


def refused(why: str) -> str:
    return f"This answer was withheld by the safety check: there is no verdict on it: {why}."


async def test_a_verdict_that_takes_too_long_is_none() -> None:
    clock = ManualClock()

    async def slow(_: Request) -> str:
        await clock.sleep(60)
        return "safe"

    answer = await gateway(CALM, judge=slow, clock=clock, timeout_s=5).chat(ASK)
    assert answer.refusal == refused("g/llama-guard3:8b gave no verdict within 5 s")


async def test_a_back_end_without_clearance_is_not_asked() -> None:
    judge = ScriptedModel("safe")
    cleared = {"g/llama-guard3:8b": "public", "a/writer": "restricted"}
    models = [
        Model(
            id=name,
            provider=name[0],
            name=name[2:],
            wire="scripted",
            capabilities=frozenset({"chat", "streaming"}),
            data_policy=DataPolicy(clearance=label),  # type: ignore[arg-type]
        )
        for name, label in cleared.items()
    ]
    table = SafetySettings(backend="llama_guard", model="g/llama-guard3:8b")
    gateway = scripted_gateway(
        {"a/writer": CALM, "g/llama-guard3:8b": judge}, models=models, settings=Settings(safety=table)
    )
    answer = await gateway.chat(ASK, Policy(sensitivity="confidential"))
    assert judge.calls == 0
    assert "is cleared for public data, and this is confidential" in (answer.refusal or "")


async def test_the_local_classifier_has_a_clearance_too() -> None:
    table = SafetySettings(clearance="internal", fail="closed")
    gateway = scripted_gateway({"a/writer": CALM}, settings=Settings(safety=table))
    assert (await gateway.chat(ASK, Policy(sensitivity="internal"))).text == CALM
    answer = await gateway.chat(ASK, Policy(sensitivity="restricted"))
    assert answer.refusal == refused("the local classifier is cleared for internal data, and this is restricted")


async def test_an_answer_that_breaks_is_judged_as_far_as_it_came_and_stays_broken() -> None:
    broken = TruncatedStreamError("cut")
    for last, shown in (("calm", True), (BAD, False)):
        chunks = [*words(CALM), TextChunk(last), broken]
        got: list[Chunk] = []
        with pytest.raises(TruncatedStreamError):
            await gather(gateway(lambda _, chunks=chunks: chunks, window=400), got)
        assert bool(got) is shown
        assert "GRIM" not in seen(got)


async def test_a_reader_who_leaves_early_leaves_the_model_too() -> None:
    chunks = [*words(CALM * 20), FinishChunk("stop")]
    async with gateway(lambda _: chunks).stream(ASK) as stream:
        await anext(stream)
    assert [one.outcome for one in stream._trail.records if one.number] == ["cancelled"]


async def test_a_stream_that_another_task_reads_can_be_blocked() -> None:
    """The upstream belongs to the task that opened it, and is left there."""
    chunks = [*words(CALM * 3), TextChunk(BAD), *words(CALM * 20), FinishChunk("stop")]
    got: list[Chunk] = []
    async with gateway(lambda _: chunks).stream(ASK) as stream:

        async def reading() -> None:
            got.extend([chunk async for chunk in stream])

        async with anyio.create_task_group() as group:
            group.start_soon(reading)
    assert got[-1] == FinishChunk("content_filter")
    assert [one.outcome for one in stream._trail.records if one.number] == ["cancelled"]


async def test_thinking_is_held_back_and_told_apart_from_the_answer() -> None:
    chunks = [ReasoningChunk("a " * 100), *words(CALM), FinishChunk("stop")]
    _, answer = await read(gateway(lambda _: chunks, judge="safe"))
    assert answer.parts == (ReasoningPart("a " * 100), TextPart(CALM))


async def test_a_tool_call_comes_whole_or_not_at_all() -> None:
    call = [ToolCallChunk(0, id="c", name="send", arguments='{"text": "')]
    call += [ToolCallChunk(0, arguments="x" * 50)] * 10
    good = [*call, ToolCallChunk(0, arguments='"}'), FinishChunk("tool_calls")]
    bad = [*call, ToolCallChunk(0, arguments='GRIM"}'), FinishChunk("tool_calls")]
    assert (await read(gateway(lambda _: good)))[0] == good
    got, answer = await read(gateway(lambda _: bad))
    assert [type(one) for one in got] == [RefusalChunk, FinishChunk]
    assert answer.tool_calls == ()


PICTURE = ImagePart(data=b"x", media_type="image/png")


@pytest.mark.parametrize("flagged", [True, False])
async def test_pictures_are_judged_by_a_moderation_model(flagged: bool) -> None:
    asked: list[ModerationRequest] = []

    def judge(request: ModerationRequest) -> list[bool]:
        asked.append(request)
        return [flagged]

    table: dict[str, Any] = {"backend": "moderation", "model": "m/eyes"}
    chunks = [PartChunk(PICTURE), FinishChunk("stop")]
    _, streamed = await read(gateway(lambda _: chunks, judge=judge, **table))
    drawing = gateway(Image("image/png", data=b"x"), judge=judge, **table)
    request = ImageRequest(model="a/writer", prompt="a tide")
    if flagged:
        assert streamed.parts[0].text.startswith("This answer was withheld")
        with pytest.raises(ContentRefusedError, match="m/eyes judged it unsafe") as caught:
            await drawing.image(request)
        assert caught.value.billable
        assert any(one.outcome == "succeeded" for one in caught.value.attempts)
    else:
        assert streamed.parts == (PICTURE,)
        assert len((await drawing.image(request)).images) == 1
    assert all(one.inputs == (PICTURE,) for one in asked)


@pytest.mark.parametrize("table", [{}, {"backend": "llama_guard", "model": "g/llama-guard3:8b"}])
async def test_a_back_end_that_cannot_see_says_so(table: dict[str, Any]) -> None:
    chunks = [PartChunk(PICTURE), FinishChunk("stop")]
    for fail in ("open", "closed"):
        safety = SafetySettings(**table, fail=fail)
        scripts: Any = {"a/writer": lambda _: chunks, "g/llama-guard3:8b": "safe"}
        _, answer = await read(scripted_gateway(scripts, settings=Settings(safety=safety)))
        assert (PICTURE in answer.parts) == (fail == "open")
        assert [code for code, _ in notes(answer)] == ["no_verdict"]


async def test_what_judges_is_not_judged_itself() -> None:
    judge = ScriptedModel("unsafe\nS1")
    await gateway(CALM, judge=judge).chat(ASK)
    assert judge.calls == 1


async def test_moderation_goes_by_flags_categories_or_thresholds() -> None:
    def verdict(_: ModerationRequest) -> ModerationResponse:
        one = Moderation(
            flagged=True, categories={"hate": True, "violence": False}, scores={"hate": 0.8, "violence": 0.4}
        )
        return ModerationResponse(model="m/mod", provider="m", results=(one,))

    async def codes(**table: Any) -> str:
        made = gateway(CALM, judge=verdict, backend="moderation", model="m/mod", **table)
        return notes(await made.chat(ASK))[-1][1]

    assert await codes() == "withheld: hate 0.80, by m/mod"
    assert await codes(categories=("violence",)) == "1 piece judged by m/mod"
    assert await codes(categories=("violence",), thresholds={"violence": 0.3}) == "withheld: violence 0.40, by m/mod"
    assert await codes(thresholds={"hate": 0.9}) == "1 piece judged by m/mod"
    assert await codes(categories=("sexual",)) == "withheld without a verdict: m/mod says nothing of sexual"


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ({"categories": ("self harm",)}, "unknown category 'self harm'; did you mean 'self-harm'"),
        ({"thresholds": {"hat": 0.5}}, "unknown category 'hat'; did you mean 'hate'"),
        ({"categories": ("hate",), "thresholds": {"violence": 0.5}}, "the threshold of 'violence' has no effect"),
        ({"backend": "llama_guard"}, "needs the model to ask"),
        ({"backend": "llama_guard", "model": "g/some-guard"}, "does not say which Llama Guard it is"),
        ({"backend": "llama_guard", "model": "g/llama-guard3:1b", "categories": ("S14",)}, "valid: S1, S2"),
        ({"backend": "llama_guard", "model": "g/llama-guard3:1b", "thresholds": {"S1": 0.5}}, "Llama Guard gives none"),
        ({"model": "g/llama-guard3:1b"}, "the local one asks no model"),
        ({"backend": "moderation", "model": "m/x", "prompt": "written"}, "belong to backend = 'llama_guard'"),
        ({"window": 100, "overlap": 60}, "more than half of the window"),
        ({"backend": "moderation", "model": "m/x", "clearance": "public"}, "clearance belongs to the local"),
    ],
)
def test_settings_that_cannot_work_are_errors(table: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        SafetySettings(**table)


def test_a_wrong_key_in_the_file_names_the_nearest(tmp_path: Path) -> None:
    path = tmp_path / "orchestrator.toml"
    path.write_text('[safety]\nbackends = "local"\n', "utf-8")
    with pytest.raises(ConfigurationError, match=r"unknown key 'backends' in .safety.; did you mean 'backend'"):
        Settings.load(path, environ={})


def test_any_key_turns_the_layer_on_unless_it_says_otherwise() -> None:
    assert not SafetySettings().active
    assert SafetySettings(action="flag").active
    assert SafetySettings(enabled=True).active
    assert not SafetySettings(enabled=False, action="flag").active


async def test_a_model_that_cannot_judge_is_an_error_before_anything_is_asked() -> None:
    writer = ScriptedModel(CALM)

    def gateway(model: str) -> Gateway:
        return scripted_gateway(
            {"a/writer": writer, "m/mood": "hm", "m/mod": [False]},
            capabilities={"m/mood": frozenset({"chat"}), "m/mod": frozenset({"moderation"})},
            settings=Settings(safety=SafetySettings(backend="moderation", model=model)),
        )

    # What a bare name means is known when it is asked: a server may list it only then.
    with pytest.raises(ConfigurationError, match=r"'mood' cannot judge(.|\n)*models that can be asked:.*m/mod"):
        await gateway("mood").chat(ASK)
    with pytest.raises(ConfigurationError, match="cannot judge"):
        async with gateway("mood").stream(ASK):
            pass
    with pytest.raises(ConfigurationError, match=r"\[safety\] model: 'm/mood' cannot do 'moderation'"):
        gateway("m/mood")
    with pytest.raises(ConfigurationError, match=r"\[safety\] model: the model 'x/y' is not known"):
        gateway("x/y")
    assert writer.calls == 0


texts = st.lists(st.text(st.characters(codec="utf-8", exclude_characters="#"), max_size=60), min_size=1, max_size=30)


@settings(max_examples=40)
@given(
    texts, st.lists(st.tuples(st.integers(0, 29), st.integers(0, 20)), max_size=3), st.sampled_from(["block", "redact"])
)
async def test_readers_see_all_that_is_safe_and_nothing_of_a_window_that_is_not(
    pieces: list[str], places: list[tuple[int, int]], action: str
) -> None:
    """Planted spans fall on any border of any chunk."""
    for place, at in places:
        if place < len(pieces):
            pieces[place] = pieces[place][:at] + "###"[: 1 + at % 3]
    judged: list[str] = []

    def judge(request: Request) -> str:
        judged.append(text_of(request))
        return "unsafe\nS1" if "##" in text_of(request) else "safe"

    chunks = [*(TextChunk(piece) for piece in pieces), FinishChunk("stop")]
    got, answer = await read(gateway(lambda _: chunks, judge=judge, action=action))
    shown = "".join(one.text for one in got if isinstance(one, TextChunk))
    assert "##" not in shown
    if not any("##" in window for window in judged):
        assert shown == answer.text == "".join(pieces)
    elif action == "block":
        assert "".join(pieces).startswith(shown)
        assert answer.finish_reason == "content_filter"
    else:
        assert "[removed by the safety check: S1]" in shown
