from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from unified_api.errors import UnknownPriceError
from unified_api.gateway import Gateway
from unified_api.models import Model, Prices
from unified_api.pricing import cost
from unified_api.settings import BudgetSettings, Environment, Settings
from unified_api.testing import scripted_gateway
from unified_api.types import (
    AudioPart,
    BuiltinTool,
    Caller,
    ImageRequest,
    Message,
    Policy,
    Request,
    TextPart,
    Usage,
)
from unified_api.unbounded import why_unbounded
from unified_api.worst_prices import dearest

OPENAI = "https://api.openai.com/v1"
GOOGLE = "https://generativelanguage.googleapis.com/v1beta"
CLAUDE = "https://api.anthropic.com/v1"
MODELS = [(OPENAI, "gpt-4o"), (CLAUDE, "claude-sonnet-4-5"), (GOOGLE, "gemini-2.5-pro"), (OPENAI, "gpt-audio")]
KEYS = {"OPENAI_API_KEY": "x", "ANTHROPIC_API_KEY": "x", "GEMINI_API_KEY": "x", "GOOGLE_API_KEY": "x"}


@pytest.mark.parametrize("tokens", [1, 127_999, 200_000, 200_001, 272_001, 1_000_000])
@pytest.mark.parametrize(("address", "name"), MODELS)
def test_no_bill_is_above_the_dearest_prices(address: str, name: str, tokens: int) -> None:
    prices = dearest(address, name, tokens=tokens)
    assert prices is not None
    for usage in (Usage(), Usage(cached_input_tokens=tokens), Usage(cache_write_tokens=tokens)):
        told = Usage(
            input_tokens=tokens,
            output_tokens=777,
            cached_input_tokens=usage.cached_input_tokens,
            cache_write_tokens=usage.cache_write_tokens,
        )
        billed = cost(told, base_url=address, names=(name,))
        assert billed is None or billed <= prices.cost(tokens, 777)


def test_what_is_priced_by_the_hour_counts_at_its_dearest() -> None:
    prices = dearest("https://api.deepseek.com", "deepseek-chat", tokens=1_000)
    billed = cost(
        Usage(input_tokens=1_000, output_tokens=100), base_url="https://api.deepseek.com", names=("deepseek-chat",)
    )
    assert prices is not None
    assert billed is not None
    assert prices.cost(1_000, 100) >= billed


def test_whom_the_price_data_does_not_know_has_no_dearest_price() -> None:
    assert dearest(OPENAI, "nobodys-model", tokens=1) is None
    assert dearest(None, "gpt-4o", tokens=1) is None


def gateway() -> Gateway:
    return Gateway(Settings(environment=Environment(KEYS)))


def chat(model: str, *parts: Any, **wishes: Any) -> Request:
    return Request(model=model, messages=(Message("user", parts or (TextPart("Hi"),)),), max_tokens=1_000, **wishes)


@pytest.mark.parametrize(
    ("request_", "address", "usage"),
    [
        (
            ImageRequest(model="openai/gpt-image-1.5", prompt="a cat"),
            OPENAI,
            Usage(input_tokens=20, output_tokens=6_240, output_image_tokens=6_240),
        ),
        (
            ImageRequest(model="google/gemini-2.5-flash-image", prompt="a cat"),
            GOOGLE,
            Usage(input_tokens=10, output_tokens=1_290, output_image_tokens=1_290),
        ),
        (
            chat("openai/gpt-audio"),
            OPENAI,
            Usage(input_tokens=10, output_tokens=1_000, output_audio_tokens=1_000),
        ),
        (
            chat("openai/gpt-audio", AudioPart(data=b"0" * 9_000, media_type="audio/mp3")),
            OPENAI,
            Usage(input_tokens=380, output_tokens=0, input_audio_tokens=370),
        ),
        (
            chat(
                "anthropic/claude-sonnet-4-0",
                builtin_tools=(BuiltinTool("anthropic", {"type": "web_search_20250305", "max_uses": 5}),),
            ),
            CLAUDE,
            Usage(input_tokens=40_000, output_tokens=300, web_searches=5),
        ),
    ],
    ids=["image", "image by Google", "speech", "sound", "search"],
)
def test_an_estimate_is_not_below_the_bill_of_what_is_not_text(request_: Any, address: str, usage: Usage) -> None:
    billed = cost(usage, base_url=address, names=(request_.model.partition("/")[2],))
    worst = gateway().estimate(request_)
    assert billed is not None
    assert worst is not None
    assert worst >= billed


MODEL = Model(id="a/m", provider="a", name="m", wire="openai_chat", context=1_000)


@pytest.mark.parametrize(
    "extra",
    [
        {"n": 10},
        {"service_tier": "priority"},
        {"max_completion_tokens": 9},
        {"generationConfig": {"candidateCount": 3}},
    ],
    ids=str,
)
def test_parameters_that_make_an_answer_dearer_leave_it_without_a_bound(extra: Any) -> None:
    assert why_unbounded(chat("a/m", extra={"a": extra}), MODEL) is not None
    assert why_unbounded(chat("a/m", extra={"b": extra}), MODEL) is None
    assert why_unbounded(chat("a/m", extra={"a": {"user_label": "x"}}), MODEL) is None


def test_a_tool_that_may_be_used_without_end_leaves_a_call_without_a_bound() -> None:
    assert "max_uses" in (why_unbounded(chat("a/m", builtin_tools=(BuiltinTool("a", {"type": "x"}),)), MODEL) or "")


async def test_who_has_a_cap_cannot_go_round_it_by_parameters_of_a_providers_own(tmp_path: Any) -> None:
    settings = Settings(
        budgets=BudgetSettings.model_validate({"default": {"per_user_month_usd": 5}}),
        environment=Environment({"ORCHESTRATOR_HOME": str(tmp_path)}),
    )
    prices = Prices(input=Decimal(1), output=Decimal(1))
    async with scripted_gateway({"scripted/a": "hi"}, settings=settings, prices=prices) as made:
        request = chat("scripted/a", extra={"scripted": {"n": 9}})
        with pytest.raises(UnknownPriceError, match="'n' in `extra`"):
            await made.chat(request, Policy(caller=Caller(user="alice")))
        assert (await made.chat(request)).text == "hi"
