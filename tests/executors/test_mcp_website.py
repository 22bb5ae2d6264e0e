"""MCP servers at an address, over streamable HTTP."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from mcp_servers import failed, opened, pids, website, written

from unified_api.settings import McpServerSettings


@pytest.fixture
def script(tmp_path: Path) -> Path:
    return written(tmp_path)


async def test_a_server_at_an_address_is_used_alike(script: Path) -> None:
    with website(script) as url:
        settings = McpServerSettings(url=url, timeout_s=2, max_bytes=200_000, token_env="TOKEN")
        async with opened(settings, {"TOKEN": "abc"}) as servers:
            assert await servers.call("test.add", {"terms": [1, 2]}) == {"total": 3, "terms": [1, 2]}
            assert (await failed(servers, "test.fail", why="no bread"))[0] == "tool_failed"
            assert (await failed(servers, "test.sleep", seconds=60))[0] == "timed_out"
            code, message = await failed(servers, "test.huge", bytes_=5_000_000)
            assert (code, "200,000 bytes" in message) == ("malformed_result", True)
            assert await servers.call("test.greet", {"name": "Ada"}) == "Hello, Ada!"
        async with opened(settings) as servers:
            assert "TOKEN" in (await failed(servers, "test.greet"))[1]
    async with opened(McpServerSettings(url=url, timeout_s=2)) as servers:
        await servers.load()
        assert "cannot be reached" in servers.troubles["test"]


async def test_a_server_at_an_address_that_went_away_and_came_back_is_found_again(script: Path) -> None:
    with website(script) as url:
        async with opened(McpServerSettings(url=url, timeout_s=3)) as servers:
            await servers.load()
            os.kill(pids(script)[0], signal.SIGKILL)
            assert (await failed(servers, "test.greet", name="Ada"))[0] in {"unknown_outcome", "server_unreachable"}
            assert (await failed(servers, "test.greet", name="Ada"))[0] == "server_unreachable"
            with website(script, port=int(url.split(":")[2].split("/")[0])):
                assert await servers.call("test.greet", {"name": "Ada"}) == "Hello, Ada!"


@pytest.mark.parametrize("host", ["93.184.216.34", "[2606:2800:220:1::1]", "0x7f000001", "name.invalid"])
async def test_a_token_does_not_go_unencrypted_through_the_internet(host: str) -> None:
    settings = McpServerSettings(url=f"http://{host}/mcp", timeout_s=5, token_env="TOKEN")
    async with opened(settings, {"TOKEN": "abc"}) as servers:
        await servers.load()
    assert "unencrypted" in servers.troubles["test"]
