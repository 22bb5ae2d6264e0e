"""The page on seeing what happens: its examples run, and it names what there is."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import pytest

from unified_api.settings import RecordSettings, Settings
from unified_api.telemetry.call_record import OPERATIONS, CallRecord
from unified_api.types import AttemptOutcome

PAGE = (Path(__file__).parents[2] / "docs" / "observability.md").read_text("utf-8")


def test_every_key_outcome_and_field_stands_there() -> None:
    told = {name for name in CallRecord.__dataclass_fields__ if name not in ("call", "content")}
    names = {*RecordSettings.model_fields, *get_args(AttemptOutcome), *told}
    assert [name for name in sorted(names) if f"`{name}`" not in PAGE] == []
    assert [name for name in OPERATIONS.values() if f"`{name}" not in PAGE] == []


@pytest.mark.parametrize("table", re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL))
def test_the_configuration_is_valid(table: str, tmp_path: Path) -> None:
    path = tmp_path / "orchestrator.toml"
    path.write_text(table, "utf-8")
    assert Settings.load(path, environ={}).record.is_set_up
