"""The OpenMP library that the embedded model's engine needs."""

from __future__ import annotations

import os
import sys

import pytest

from unified_api.local.openmp import missing_library, threads_sleep


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the wheel carries its own library")
def test_a_library_that_the_system_lacks_is_named() -> None:
    assert missing_library("libsurelynosuchthing.so.9") == "libsurelynosuchthing.so.9"


def test_a_library_that_the_system_has_is_not_missed() -> None:
    assert missing_library("libc.so.6") is None


def test_threads_are_told_to_sleep_only_for_the_moment_and_only_without_a_wish_of_the_user(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)
    with threads_sleep():
        assert os.environ["OMP_WAIT_POLICY"] == "passive"
    assert "OMP_WAIT_POLICY" not in os.environ
    monkeypatch.setenv("OMP_WAIT_POLICY", "active")
    with threads_sleep():
        assert os.environ["OMP_WAIT_POLICY"] == "active"
