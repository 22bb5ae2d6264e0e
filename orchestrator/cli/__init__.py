"""The command `orchestrate`: one module per command, results on stdout, words for people on stderr."""

from __future__ import annotations

import sys
from collections.abc import Sequence

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line (default `sys.argv`) and give its exit status.

    0 done, 1 failed, 2 the command line is wrong, 130 interrupted.
    """
    try:
        from orchestrator.cli import app, streams

        streams.open_missing()
        return app.main(argv)
    except KeyboardInterrupt:  # before a command had begun, while its packages were imported
        if sys.stderr is not None:
            sys.stderr.write("Interrupted.\n")
        return 130
