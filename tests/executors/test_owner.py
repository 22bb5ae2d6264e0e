from __future__ import annotations

import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from executors.owner import is_gone, new_owner, retire, revive, this_owner

posix = pytest.mark.skipif(os.name != "posix", reason="no other system tells whether a process lives")


def test_this_process_is_not_gone():
    assert not is_gone(this_owner())


@posix
def test_another_process_is_gone_once_it_has_ended():
    program = "from executors.owner import this_owner; print(this_owner(), flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        owner = other.stdout.readline().strip()
        assert not is_gone(owner)
        other.communicate("\n")
    assert is_gone(owner)


@posix
def test_a_process_id_that_was_given_to_another_process_is_told_apart():
    host, pid, birth = this_owner().rsplit("/", 2)
    assert is_gone(f"{host}/{pid}/{birth}0")


def test_a_process_of_another_host_is_given_the_benefit_of_the_doubt():
    assert not is_gone(f"not-{platform.node()}/1/2")


def test_one_of_several_in_this_process_is_gone_when_it_is_not_in_use():
    one, other = new_owner(), new_owner()
    revive(one)
    revive(other)
    retire(one)
    assert is_gone(one)
    assert not is_gone(other)
    retire(other)


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="nothing tells the state of a process")
def test_a_process_that_ended_and_was_not_asked_how_is_gone():
    program = "from executors.owner import this_owner; print(this_owner(), flush=True)"
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        owner = other.stdout.readline().strip()
        assert other.stdout.read() == ""
        os.waitid(os.P_PID, other.pid, os.WEXITED | os.WNOWAIT)  # it has ended, and is there still
        assert is_gone(owner)
