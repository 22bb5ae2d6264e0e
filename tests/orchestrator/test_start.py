from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import orchestrator

ROOT = Path(__file__).resolve().parents[2]
HEAVY = ("httpx", "aiohttp", "sqlalchemy", "networkx", "jsonschema", "genai_prices", "xllamacpp", "numpy", "rich.live")


def test_every_public_name_is_sorted_and_there():
    assert orchestrator.__all__ == sorted(orchestrator.__all__)
    for name in orchestrator.__all__:
        assert getattr(orchestrator, name) is not None
    assert set(orchestrator.__all__) <= set(dir(orchestrator))


def test_a_name_that_is_not_there_is_an_attribute_error():
    with pytest.raises(AttributeError, match="'nobody'"):
        _ = orchestrator.nobody  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "code",
    [
        "import orchestrator",
        "from orchestrator import Orchestrator",
        "from orchestrator.cli import main; assert main(['--help']) == 0",
    ],
)
def test_a_start_imports_nothing_heavy(code: str):
    probe = f"{code}; import sys; print([name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)"
    ended = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True, timeout=60)
    assert ended.stderr == "[]\n"


def test_what_a_start_costs_keeps_to_its_limits():
    sys.path.insert(0, str(ROOT))
    try:
        from benchmarks.start import LIMITS, SUBJECTS, measure
    finally:
        sys.path.remove(str(ROOT))
    for name, (cpu, memory) in LIMITS.items():
        cost = measure(SUBJECTS[name], rounds=2)
        assert cost.cpu_s <= cpu
        assert memory is None or cost.rss_mb <= memory


@pytest.mark.parametrize("name", ["tools.py", "task.py", "stream.py"])
def test_the_examples_run(name: str, tmp_path: Path):
    from loopback import loopback

    with loopback(lambda _: "one sentence") as server:
        (tmp_path / "orchestrator.toml").write_text(
            f'[providers.mine]\nbase_url = "{server.url}"\n[planner]\nmodel = "rules"\n'
        )
        ended = subprocess.run(
            [sys.executable, str(ROOT / "examples" / name)],
            env={"PATH": os.environ["PATH"], "ORCHESTRATOR_HOME": str(tmp_path)},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert ended.stderr == ""
    assert ended.returncode == 0
    assert ("one sentence" if name != "tools.py" else "'average': 16.5") in ended.stdout


def test_the_example_workflow_passes_its_check(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    from orchestrator.cli import main

    monkeypatch.setenv("ORCHESTRATOR_HOME", str(tmp_path))
    assert main(["check", str(ROOT / "examples" / "two-views.json")]) == 0
