"""The examples on a page of docs/ run, one after the other as they are read, and what they assert holds."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[1] / "docs"
EXAMPLES = {
    page.name: re.findall(r"```python\n(.*?)```", page.read_text("utf-8"), re.DOTALL) for page in DOCS.glob("*")
}


@pytest.mark.parametrize("page", sorted(name for name, examples in EXAMPLES.items() if examples))
async def test_the_examples_of_a_page_run_and_what_they_assert_holds(
    page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ORCHESTRATOR_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {"__name__": "example"}
    for example in EXAMPLES[page]:
        code = compile(example, f"docs/{page}", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        if "assert" not in example:  # it asks real models
            continue
        running = eval(code, names)
        if running is not None:
            await running


def test_nearly_all_examples_assert_something() -> None:
    every = [example for examples in EXAMPLES.values() for example in examples]
    assert sum("assert" in example for example in every) > 0.75 * len(every)
