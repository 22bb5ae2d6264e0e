"""The page on safety: its examples run one after the other, and it names what there is."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from unified_api.settings import SafetySettings
from unified_api.settings.safety import guard_version

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "safety.md").read_text("utf-8")
CONFIGURATION = (DOCS / "configuration.md").read_text("utf-8")


def test_the_configuration_that_is_shown_is_valid() -> None:
    (table,) = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    settings = SafetySettings(**tomllib.loads(table)["safety"])
    assert settings.active
    assert guard_version(settings.model or "") == "4-12b"


def test_every_key_is_on_the_page_of_the_configuration_with_its_default() -> None:
    section = CONFIGURATION.partition("\n## Safety\n")[2].partition("\n## ")[0]
    for key, field in SafetySettings.model_fields.items():
        (line,) = (line for line in section.splitlines() if line.startswith(f"| `{key}` |"))
        if isinstance(field.default, int | float) and not isinstance(field.default, bool):
            assert line.endswith(f"| {field.default:g} |"), key
        elif isinstance(field.default, str):
            assert line.endswith(f"| `{field.default}` |"), key
