"""`orchestrate workflow fmt`: one layout for every workflow, in which nothing means anything else than before."""

from __future__ import annotations

import io
import json
import random
import re
import stat
from pathlib import Path
from typing import Any

import pytest
from corpus import needs_corpora, rows
from gold import workflow as gold_workflow
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.cli import main
from orchestrator.formatting import COLUMNS, formatted
from workflows.findings import WorkflowError
from workflows.parse import parse

ROOT = Path(__file__).parents[2]
FILES = sorted(
    path
    for folder in ("workflows/library", "examples", "tests/workflows/translations", "orchestrator/starters")
    for path in (ROOT / folder).glob("*.json")
)
MESSY = (
    '{"steps": [{"prompt": "Say \\u00e9", "kind":"llm",\r\n"id": "a", "temperature": 1.0}], "name":"x","workflow":"1"}'
)


def shuffled(value: Any, chance: random.Random, *, ordered: bool = False) -> Any:
    """The same document with the keys of the language's own objects in another order."""
    if isinstance(value, list):
        return [shuffled(one, chance) for one in value]
    if not isinstance(value, dict):
        return value
    keys = list(value)
    # The order of what the author names is the author's: an input, an output, a value, a schema.
    if not ordered and ({"kind", "workflow", "steps", "when"} & value.keys()):
        chance.shuffle(keys)
    free = {
        "inputs",
        "outputs",
        "value",
        "arguments",
        "output",
        "result",
        "initial",
        "show",
        "body",
        "query",
        "headers",
    }
    return {key: value[key] if key in free else shuffled(value[key], chance) for key in keys}


def same(before: str | bytes, after: str) -> bool:
    return parse(before) == parse(after) and formatted(after) == after


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_layout_of_a_workflow_becomes_the_one_layout(path: Path) -> None:
    text = path.read_text("utf-8")
    once = formatted(text)
    assert once == text, "what comes with the product has the layout"
    for seed in range(3):
        chance = random.Random(seed)
        other = json.dumps(shuffled(json.loads(text), chance), indent=chance.choice([None, 1, 7]))
        assert formatted(other) == once


@needs_corpora
def test_gold_plans_mean_the_same_in_the_one_layout() -> None:
    count = 0
    for row in rows("plans/*.jsonl"):
        document = gold_workflow(row)
        try:
            before = json.dumps(document)
            parse(before)
        except WorkflowError:
            continue
        count += 1
        assert same(before, formatted(before))
        if count == 400:
            break
    assert count > 100


LEAVES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(
    st.characters(codec="utf-8")
)  # fmt: skip
VALUES = st.recursive(
    LEAVES, lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(codec="utf-8")), inner)
)


@given(VALUES)
@settings(max_examples=200, deadline=None)
def test_any_value_stays_what_it_is_and_in_its_order(value: Any) -> None:
    text = json.dumps({"workflow": "1", "name": "x", "steps": [{"id": "a", "kind": "set", "value": value}]})
    try:
        parse(text)
    except WorkflowError:
        return  # such as a number that no machine holds: it is left alone
    once = formatted(text)
    assert same(text, once)
    assert json.dumps(json.loads(once)["steps"][0].get("value")) == json.dumps(value)


def test_numbers_stay_as_they_are_written() -> None:
    value = "[1.0, 1e3, 0.10, -0, 12345678901234567890]"
    told = f'{{"workflow":"1","name":"x","steps":[{{"id":"a","kind":"set","value":{value}}}]}}'
    assert value in formatted(told)


def test_what_fits_stands_on_one_line_and_a_step_never_shares_one() -> None:
    text = formatted((ROOT / "examples/route-inquiries.json").read_bytes())
    lines = text.splitlines()
    # Only a text that cannot be broken makes a line longer.
    assert all(len(line) <= COLUMNS or line.count('"') >= 2 for line in lines)
    assert all(line.count('"kind": "llm"') <= 1 for line in lines)
    assert '"model": {"tier": "economy"},' in text
    assert lines[1] == '  "workflow": "1",'


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ORCHESTRATOR_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_files_are_laid_out_in_place_and_checked(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = folder / "messy.json"
    file.write_bytes(MESSY.encode())
    file.chmod(0o640)
    assert main(["workflow", "fmt", "--check", "messy.json"]) == 1
    assert file.read_bytes() == MESSY.encode()
    assert main(["workflow", "fmt", "messy.json"]) == 0
    assert parse(file.read_bytes()) == parse(MESSY)
    assert '"prompt": "Say é"' in file.read_text("utf-8")
    assert '"temperature": 1.0' in file.read_text("utf-8")
    assert stat.S_IMODE(file.stat().st_mode) == 0o640
    before = file.stat().st_mtime_ns
    assert main(["workflow", "fmt", "--check", "messy.json"]) == 0
    assert main(["workflow", "fmt", "messy.json"]) == 0
    assert file.stat().st_mtime_ns == before, "what has the layout is not written again"
    assert [path.name for path in folder.iterdir()] == ["messy.json"]
    assert "1 file already so" in capsys.readouterr().err


@pytest.mark.parametrize("content", ["{", '{"workflow": "1"}', '{"workflow": "1", "workflow": "1"}', "\xff\xfe", "[]"])
def test_a_file_that_is_no_workflow_is_left_with_its_findings_and_the_others_are_laid_out(
    folder: Path, capsys: pytest.CaptureFixture[str], content: str
) -> None:
    (folder / "bad.json").write_bytes(content.encode("latin-1"))
    (folder / "good.json").write_text(MESSY)
    assert main(["workflow", "fmt", "bad.json", "good.json"]) == 1
    assert (folder / "bad.json").read_bytes() == content.encode("latin-1")
    assert (folder / "good.json").read_text("utf-8") == formatted(MESSY)
    told = capsys.readouterr().err
    assert "error" in told
    assert "bad.json" in told


def test_a_link_stays_one(folder: Path) -> None:
    (folder / "real.json").write_text(MESSY)
    (folder / "link.json").symlink_to("real.json")
    assert main(["workflow", "fmt", "link.json"]) == 0
    assert (folder / "link.json").is_symlink()
    assert (folder / "real.json").read_text("utf-8") == formatted(MESSY)


def test_standard_input_is_laid_out_on_standard_output(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(MESSY.encode())))
    assert main(["workflow", "fmt", "-"]) == 0
    assert capsys.readouterr().out == formatted(MESSY)


def test_a_file_that_cannot_be_read_is_one_clear_message(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["workflow", "fmt", "missing.json"]) == 1
    assert "cannot read 'missing.json'" in capsys.readouterr().err


def test_the_digest_of_a_workflow_is_the_same_in_every_layout(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "messy.json").write_bytes(MESSY.encode())

    def digest() -> str:
        assert main(["workflow", "show", "messy.json", "--digest"]) == 0
        return capsys.readouterr().out.strip()

    before = digest()
    assert re.fullmatch("sha256:[0-9a-f]{64}", before)
    assert main(["workflow", "fmt", "messy.json"]) == 0
    capsys.readouterr()
    assert digest() == before
    (folder / "messy.json").write_bytes(MESSY.replace("Say", "Tell").encode())
    assert digest() != before
    assert main(["workflow", "show", "messy.json", "--digest", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"workflow": "x", "version": "1.0.0", "digest": digest()}
