"""The drills that take seconds, in their quick form, and the door to all of them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def drills(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "benchmarks.drills", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("name", ["breaker", "outage"])
def test_a_drill_over_sockets_meets_its_bars(name: str) -> None:
    told = drills(name, "--quick")
    assert told.returncode == 0, told.stdout + told.stderr
    assert "MISSED" not in told.stdout
    assert told.stdout.count("   met   ") >= 6


def test_an_unknown_drill_is_an_error_that_names_those_there_are() -> None:
    told = drills("nonsense")
    assert told.returncode == 2
    assert "no drill nonsense; there are outage, faults, breaker" in told.stderr


def test_a_missed_bar_is_told_and_ends_with_code_1(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.syspath_prepend(str(ROOT))
    from benchmarks import drills as door

    for name, value in (("drill_short", "bar.at_most('time', 2, 1)"), ("drill_long", "__import__('time').sleep(60)")):
        body = f"from benchmarks import bar\ndef main(*, quick=False):\n    return {value}\n"
        (tmp_path / f"{name}.py").write_text(body)
    monkeypatch.setattr(door, "DRILLS", {"short": "misses its bar", "long": "takes too long"})
    monkeypatch.setattr(door, "LONGEST_S", {"quick": 20, "full": 0.5})
    monkeypatch.setattr(door, "_RUN", door._RUN.replace("import importlib, sys;", _JOINED.format(str(tmp_path))))
    assert door.run("short", quick=True) is False
    assert door.run("long", quick=False) is False
    with pytest.raises(SystemExit) as ended:
        door.main(["short", "--quick"])
    assert ended.value.code == 1


_JOINED = "import importlib, sys, benchmarks; benchmarks.__path__.append({!r});"
"""Lets modules of another folder be found among the drills."""


def test_bars_are_held_from_their_own_side(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.syspath_prepend(str(ROOT))
    from benchmarks import bar

    assert bar.at_most("a", 1, 1)
    assert not bar.at_most("b", 1.01, 1)
    assert bar.at_least("c", 1, 1)
    assert not bar.at_least("d", 0.99, 1)
    assert not bar.equal("e", 1, 0)
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == [
        "met", "MISSED", "met", "MISSED", "MISSED",
    ]  # fmt: skip
    assert bar.percentile([3.0, 1.0, 2.0], 0.99) == 3.0
    assert bar.percentile([3.0, 1.0, 2.0], 0.5) == 2.0
    assert bar.percentile([], 0.5) == 0.0
