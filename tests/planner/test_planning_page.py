from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_the_page_lists_every_code_that_only_planning_finds():
    page = (ROOT / "docs" / "planning.md").read_text(encoding="utf-8")
    sources = "\n".join((ROOT / "planner" / name).read_text(encoding="utf-8") for name in ("ask.py", "faults.py"))
    codes = set(re.findall(r"(?:code=|fault\()\"(\w+)\"", sources)) - {"unknown_model"}
    listed = set(re.findall(r"^   \| `(\w+)` \|", page, re.MULTILINE))
    assert codes == listed
