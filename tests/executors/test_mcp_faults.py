"""MCP servers that do not what they should: each costs a typed error, within its time, and no more than that."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

import pytest
from mcp_servers import failed, gone, opened, pids, program, written

from unified_api.settings import McpServerSettings


@pytest.fixture
def script(tmp_path: Path) -> Path:
    return written(tmp_path)


async def test_a_server_that_cannot_be_started_is_told_and_the_others_are_not_in_its_way(
    script: Path, tmp_path: Path
) -> None:
    broken = tmp_path / "broken.py"
    broken.write_text("import sys; sys.exit('no such database')")
    others = {
        "missing": McpServerSettings(command=("/nowhere/at-all",)),
        "broken": McpServerSettings(command=(sys.executable, str(broken))),
        "mute": McpServerSettings(command=(sys.executable, "-c", "import sys; sys.stdin.read()"), timeout_s=1),
    }
    async with opened(program(script), **others) as servers:
        before = time.monotonic()
        await servers.load()
        assert time.monotonic() - before < 10
        assert "test.add" in servers.specs
        assert servers.troubles.keys() == others.keys()
        assert "/nowhere/at-all" in servers.troubles["missing"]
        assert "no such database" in servers.troubles["broken"]
        assert "within 1 s" in servers.troubles["mute"]
        assert (await failed(servers, "broken.tool"))[0] == "unknown_tool"


async def test_a_tool_that_hangs_costs_its_timeout_and_the_server_lives_on(script: Path) -> None:
    async with opened(program(script, timeout_s=2)) as servers:
        await servers.load()
        before = time.monotonic()
        code, message = await failed(servers, "test.sleep", seconds=60)
        assert (code, "within 2 s" in message) == ("timed_out", True)
        assert time.monotonic() - before < 6
        assert await servers.call("test.sleep", {"seconds": 0}) == {"result": "awake"}
        assert len(pids(script)) == 1


async def test_a_result_that_is_too_large_is_an_error_and_the_next_call_finds_a_new_server(script: Path) -> None:
    async with opened(program(script, max_bytes=200_000, repeatable=["huge"])) as servers:
        code, message = await failed(servers, "test.huge", bytes_=5_000_000)
        assert (code, "200,000 bytes" in message) == ("malformed_result", True)
        assert await servers.call("test.add", {"terms": [1]}) == {"total": 1, "terms": [1]}


async def test_what_is_no_message_is_passed_over(script: Path) -> None:
    async with opened(program(script)) as servers:
        assert await servers.call("test.babble", {}) == {"result": "said"}


async def test_a_server_that_dies_is_started_once_more_where_a_second_call_does_no_harm(script: Path) -> None:
    async with opened(program(script, repeatable=["die_once", "die"])) as servers:
        assert await servers.call("test.die_once", {}) == {"result": "alive"}
        assert len(pids(script)) == 2
        code, message = await failed(servers, "test.die")
        assert (code, "about to die" in message) == ("tool_failed", True)
        assert (script.parent / "deaths").read_text() == "xx"


async def test_a_server_that_dies_during_a_call_with_effects_is_not_called_again(script: Path) -> None:
    async with opened(program(script)) as servers:
        code, message = await failed(servers, "test.die")
        assert (code, "about to die" in message, "repeatable" in message) == ("unknown_outcome", True, True)
        assert (script.parent / "deaths").read_text() == "x"
        assert await servers.call("test.add", {"terms": [1]}) == {"total": 1, "terms": [1]}


async def test_a_server_that_was_killed_between_two_calls_is_started_again(script: Path) -> None:
    async with opened(program(script)) as servers:
        await servers.call("test.add", {"terms": [1]})
        os.kill(pids(script)[0], signal.SIGKILL)
        await gone(pids(script)[0])
        assert await servers.call("test.add", {"terms": [2]}) == {"total": 2, "terms": [2]}
        assert len(pids(script)) == 2


async def test_a_server_that_floods_is_given_up_in_time(script: Path) -> None:
    async with opened(program(script, timeout_s=3)) as servers:
        await servers.load()
        before = time.monotonic()
        assert (await failed(servers, "test.flood"))[0] in {"timed_out", "unknown_outcome"}
        assert time.monotonic() - before < 10
    await gone(pids(script)[0])
