"""Random workflows on the engine, beside an interpreter that runs one step after the other."""

from __future__ import annotations

import pytest
from engine_runs import compared
from random_workflows import made

SEEDS = 300
CHUNKS = 6


@pytest.mark.parametrize("chunk", range(CHUNKS))
async def test_a_run_comes_to_what_running_one_step_after_the_other_comes_to(chunk: int):
    size = SEEDS // CHUNKS
    for seed in range(chunk * size, (chunk + 1) * size):
        assert await compared(made(seed, labels=seed % 2 == 0), seed) == [], seed


async def test_the_random_workflows_hold_everything_that_workflows_can_hold():
    written = "".join(str(made(seed).document) + str(made(seed).workflows) for seed in range(SEEDS))
    words = ["'map'", "'loop'", "'branch'", "'workflow'", "'when'", "'after'", "'keep'", "'drop'", "'skip'", "'retry'"]
    assert [
        word for word in [*words, "'else'", "'on_limit'", "'outputs'", "'max_parallel'"] if word not in written
    ] == []
