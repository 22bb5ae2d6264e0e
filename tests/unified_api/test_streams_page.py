"""The page on streams: its examples run, and what it says of models is what their rows say."""

from __future__ import annotations

from pathlib import Path

import pytest

from unified_api.providers import builtin_rows
from unified_api.settings import AffinitySettings

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "streams.md").read_text("utf-8")


def test_the_page_of_settings_names_every_key_of_sessions() -> None:
    page = (DOCS / "configuration.md").read_text("utf-8")
    assert [key for key in AffinitySettings.model_fields if f"`{key}`" not in page] == []


@pytest.mark.parametrize(
    ("provider", "model", "takes"),
    [
        ("anthropic", "claude-haiku-4-5", True),
        ("anthropic", "claude-3-5-sonnet-20241022", True),
        ("anthropic", "claude-opus-4-1-20250805", True),
        ("anthropic", "claude-opus-4-5-20251101", True),
        ("anthropic", "claude-opus-4-6", False),
        ("anthropic", "claude-sonnet-4-6", False),
        ("anthropic", "claude-opus-5-5", False),
        ("anthropic", "claude-sonnet-5", False),
        ("anthropic", "claude-something-new", False),
        ("bedrock", "eu.anthropic.claude-3-haiku-20240307-v1:0", True),
        ("bedrock", "global.anthropic.claude-sonnet-5", False),
        ("bedrock", "amazon.nova-pro-v1:0", False),
        ("mistral", "mistral-large-latest", True),
        ("mistral", "magistral-medium-latest", False),
        ("moonshot", "moonshot-v1-8k", True),
        ("moonshot", "kimi-k2.6", False),
        ("dashscope", "qwen-plus", True),
        ("dashscope", "qwq-plus", False),
        ("vllm", "anything", True),
        ("llamacpp", "anything", True),
        ("local", "smollm2-135m-instruct", True),
        ("openai", "gpt-5.1", False),
        ("google", "gemini-3.8-flash", False),
        ("deepseek", "deepseek-v4-pro", False),
        ("ollama", "llama3", False),
        ("openrouter", "anthropic/claude-sonnet-4.5", False),
    ],
)
def test_a_model_takes_a_beginning_only_where_that_is_known(provider: str, model: str, takes: bool) -> None:
    assert builtin_rows()[provider].takes_prefill(model) is takes


def test_no_row_says_of_a_model_both_that_it_takes_a_beginning_and_that_it_refuses_one() -> None:
    refused = {
        (name, pattern.replace("*", "x").replace("[678]", one))
        for name, row in builtin_rows().items()
        for pattern in row.profile.no_prefill
        for one in "678"
    }
    assert len(refused) > 10
    assert [one for one in refused if builtin_rows()[one[0]].takes_prefill(one[1])] == []
