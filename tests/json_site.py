"""A small web server on 127.0.0.1 that answers paths with JSON, for steps that send requests."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from unified_api.settings import HttpSettings, Settings

__all__ = ["allowing", "site"]


@contextmanager
def site(pages: Mapping[str, Any]) -> Iterator[str]:
    """A server that answers these paths with JSON, in which `{site}` is its own address, and any other with 404."""

    class Pages(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found = self.path in pages
            body = json.dumps(pages.get(self.path)).replace("{site}", address).encode()
            self.send_response(200 if found else 404)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Pages) as server:
        address = f"http://127.0.0.1:{server.server_port}"
        threading.Thread(target=lambda: server.serve_forever(poll_interval=0.02), daemon=True).start()
        try:
            yield address
        finally:
            server.shutdown()


def allowing(address: str) -> Settings:
    """Settings that let workflows reach it."""
    return Settings(http=HttpSettings(hosts=[address.removeprefix("http://")], private_addresses=True))
