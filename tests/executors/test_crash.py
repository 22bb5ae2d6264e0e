from __future__ import annotations

import os
from pathlib import Path

import pytest
from crashing import BOUNDARIES, STEPS, crashes

EVERY = 10


@pytest.mark.skipif(not hasattr(os, "fork"), reason="programs are killed and begun anew by forks")
def test_a_run_killed_at_any_boundary_of_its_journal_pays_for_no_recorded_step_again(tmp_path: Path) -> None:
    """`python -m benchmarks crash` dies at every one of them."""
    # An odd stride, so that before and after, intents and results all come in turn.
    points = [0, *range(1, BOUNDARIES + 1, EVERY - 1), BOUNDARIES, BOUNDARIES + 1]
    found = list(crashes(tmp_path, points))
    assert [one.point for one in found] == points
    outputs = found[0].outputs
    assert outputs["end5"]
    for one in found:
        assert one.status == "succeeded"
        assert one.outputs == outputs
        assert one.died == (1 <= one.point <= BOUNDARIES)
        assert one.interrupted == (["crashing"] if one.died else [])
        assert one.asked == STEPS
        assert one.again == 0
        assert one.twice <= one.cut_off
    assert any(one.recorded and one.twice for one in found), "some died with calls under way"
