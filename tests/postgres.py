"""A PostgreSQL server for tests: an ordinary user's, on a loopback port, in a folder of its own, gone afterwards."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["Unavailable", "postgres"]

_START_S = 30.0
_STOP_S = 10.0
_USER, _DATABASE = "ledger", "postgres"


class Unavailable(Exception):
    """No server can be started here; says why."""


@contextmanager
def postgres() -> Iterator[str]:
    """The address of a server that runs while the block does. Raises Unavailable where PostgreSQL is not installed."""
    programs = _programs()
    account = _account()
    folder = Path(tempfile.mkdtemp(prefix="postgres-"))
    try:
        if account is not None:
            os.chown(folder, *account)
        _initialise(programs, folder, account)
        port = _free_port()
        server = _start(programs, folder, account, port)
        try:
            _until_ready(programs, server, folder, port)
            yield f"postgresql://{_USER}@127.0.0.1:{port}/{_DATABASE}"
        finally:
            _stop(server)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _programs() -> Path:
    """The folder with the server's programs: Debian keeps them off the path, one folder a version."""
    named = shutil.which("initdb")
    found = [Path(named).resolve().parent] if named else []
    found += sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=_version, reverse=True)
    for folder in found:
        if all((folder / name).is_file() for name in ("initdb", "postgres", "pg_isready")):
            return folder
    raise Unavailable("PostgreSQL is not installed (initdb, postgres)")


def _version(folder: Path) -> float:
    part = folder.parent.name
    return float(part) if part.replace(".", "", 1).isdigit() else 0.0


def _account() -> tuple[int, int] | None:
    """User and group of an ordinary account, as the server refuses to run as root; None for whoever is one already."""
    if os.name != "posix":
        raise Unavailable("these servers are started on POSIX systems only")
    if os.geteuid() != 0:
        return None
    import pwd

    for name in ("postgres", "nobody"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return entry.pw_uid, entry.pw_gid
    raise Unavailable("run as root, and there is no ordinary account to start a server as")


def _becoming(account: tuple[int, int] | None) -> dict[str, object]:
    return {} if account is None else {"user": account[0], "group": account[1], "extra_groups": []}


def _initialise(programs: Path, folder: Path, account: tuple[int, int] | None) -> None:
    command = [programs / "initdb", "-D", folder / "data", "-U", _USER, "--auth=trust", "-E", "UTF8", "--locale=C"]
    ended = subprocess.run(
        [*command, "--no-sync"],
        capture_output=True,
        text=True,
        timeout=_START_S * 2,
        cwd=folder,
        check=False,
        **_becoming(account),
    )
    if ended.returncode != 0:
        raise Unavailable(f"initdb failed: {ended.stderr.strip()[-500:]}")


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def _start(programs: Path, folder: Path, account: tuple[int, int] | None, port: int) -> subprocess.Popen[bytes]:
    settings = {
        "listen_addresses": "127.0.0.1",
        "port": port,
        "unix_socket_directories": "",
        # What is written is for one test; a crash of the machine may lose it.
        "fsync": "off",
        "shared_buffers": "32MB",
        "max_connections": 60,
    }
    options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
    with (folder / "log").open("wb") as log:
        return subprocess.Popen(
            [programs / "postgres", "-D", folder / "data", *options],
            stdout=log,
            stderr=log,
            cwd=folder,
            start_new_session=True,  # a Ctrl-C is for the test, which stops the server itself
            **_becoming(account),
        )


def _until_ready(programs: Path, server: subprocess.Popen[bytes], folder: Path, port: int) -> None:
    ask = [programs / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(port)]
    _until(
        lambda: server.poll() is not None or subprocess.run(ask, timeout=_START_S, check=False).returncode == 0,
        seconds=_START_S,
    )
    if server.poll() is not None:
        raise Unavailable(f"the server did not start: {(folder / 'log').read_text(errors='replace')[-500:]}")


def _until(holds: Callable[[], bool], *, seconds: float) -> None:
    end = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > end:
            raise Unavailable(f"the server was not ready within {seconds:g} s")
        time.sleep(0.05)


def _stop(server: subprocess.Popen[bytes]) -> None:
    """Its own process alone, by its id: a fast shutdown, and force where that takes too long."""
    for how in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):
        if server.poll() is not None:
            return
        server.send_signal(how)
        try:
            server.wait(timeout=_STOP_S)
        except subprocess.TimeoutExpired:
            continue
