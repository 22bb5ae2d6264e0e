"""How long a step waits before it is tried again."""

from __future__ import annotations

from random import Random

from workflows.model import Retry

__all__ = ["MAX_DELAY_S", "delay_s"]

MAX_DELAY_S = 3600.0
"""No wait is longer, however often the backoff doubles."""


def delay_s(retry: Retry, *, failed: int, random: Random) -> float:
    """Seconds after the `failed`th failure: full jitter below an exponentially growing ceiling.

    Full jitter (uniform from 0) spreads steps that failed together best: AWS Architecture Blog, "Exponential
    Backoff And Jitter", 2015.
    """
    return random.uniform(0, min(MAX_DELAY_S, retry.backoff_s * 2 ** (failed - 1)))
