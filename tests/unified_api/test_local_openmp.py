"""The OpenMP library that the embedded model's engine needs."""

from __future__ import annotations

import os
import platform
import sys
from pathlib import Path

import pytest

from unified_api.local import openmp

on_linux = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the wheel carries its own library")


@on_linux
def test_a_library_that_the_system_lacks_is_missed() -> None:
    assert openmp.missing_from_system("libsurelynosuchthing.so.9")
    assert not openmp.missing_from_system("libc.so.6")


def test_a_fetched_copy_counts_as_present(tmp_path: Path) -> None:
    copy = tmp_path / "models" / openmp.LIBRARY
    copy.parent.mkdir()
    copy.write_bytes(b"ELF")
    assert not openmp.absent(tmp_path)


def test_a_packed_library_gets_back_the_name_that_the_linker_looks_for(tmp_path: Path) -> None:
    renamed = tmp_path / "libgomp-870cb1d0.so.1.0.0"
    renamed.write_bytes(b"\x7fELF code\0libgomp-870cb1d0.so.1.0.0\0more")
    openmp._name_back(renamed, tmp_path / openmp.LIBRARY)
    named = (tmp_path / openmp.LIBRARY).read_bytes()
    assert len(named) == renamed.stat().st_size
    assert named.startswith(b"\x7fELF code\0libgomp.so.1\0")
    assert named.endswith(b"\0more")
    assert b"870cb1d0" not in named


def test_nothing_is_fetched_for_a_system_that_has_the_library(tmp_path: Path) -> None:
    if openmp.missing_from_system():
        pytest.skip(f"this {platform.system()} has no {openmp.LIBRARY}")
    openmp.pull(tmp_path, fetch=lambda *_: pytest.fail("fetched"))
    assert list(tmp_path.iterdir()) == []


def test_threads_are_told_to_sleep_only_for_the_moment_and_only_without_a_wish_of_the_user(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)
    with openmp.threads_sleep():
        assert os.environ["OMP_WAIT_POLICY"] == "passive"
    assert "OMP_WAIT_POLICY" not in os.environ
    monkeypatch.setenv("OMP_WAIT_POLICY", "active")
    with openmp.threads_sleep():
        assert os.environ["OMP_WAIT_POLICY"] == "active"
