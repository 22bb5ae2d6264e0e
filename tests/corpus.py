"""Where the recorded corpora lie, and how their plans become workflows. Tests skip, saying why, without them."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(os.environ.get("ORCHESTRATOR_CORPORA") or Path(__file__).resolve().parents[2] / "shared" / "corpora")

needs_corpora = pytest.mark.skipif(
    not ROOT.is_dir(), reason=f"the recorded corpora are not at {ROOT} (set ORCHESTRATOR_CORPORA to their folder)"
)


def rows(pattern: str) -> Iterator[dict[str, Any]]:
    """The JSON lines of every file that matches, with the file's name under `_file`."""
    for path in sorted(ROOT.glob(pattern)):
        with path.open(encoding="utf-8") as lines:
            for line in lines:
                yield {**json.loads(line), "_file": path.name}
