"""The page on calling models: its examples run, and it names what there is."""

from __future__ import annotations

import re
from pathlib import Path

import unified_api
from unified_api.gateway import Gateway
from unified_api.routing.filters import HINTS

PAGE = (Path(__file__).parents[2] / "docs" / "gateway.md").read_text("utf-8")
EXAMPLES = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


def test_every_name_that_an_example_imports_is_offered() -> None:
    for line in re.findall(r"^from unified_api import (.*)$", "\n".join(EXAMPLES), re.MULTILINE):
        assert all(hasattr(unified_api, name.strip()) for name in line.split(","))


def test_the_page_names_every_call_and_every_hint() -> None:
    calls = ("chat", "stream", "embed", "image", "rerank", "moderate", "estimate")
    assert all(callable(getattr(Gateway, name)) and f"{name}(request" in PAGE for name in calls)
    assert [name for name in HINTS if f"`{name}`" not in PAGE and "penalty" not in name] == []
