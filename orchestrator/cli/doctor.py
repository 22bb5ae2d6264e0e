"""`orchestrate doctor`: looks at the installation and says what to mend."""

from __future__ import annotations

import dataclasses
from textwrap import indent

from orchestrator.cli import console
from orchestrator.cli.options import JsonOption

__all__ = ["doctor"]

_MARKS = {"ok": ("ok     ", "green"), "warning": ("warning", "yellow"), "error": ("ERROR  ", "red")}


def doctor(as_json: JsonOption = False) -> int:
    """Look at the installation: Python, packages, clashes of names, settings, keys, local servers, weights, folders.

    Exit status 0 if nothing is broken, 1 otherwise. Keys are named, never shown.

    \b
    Examples:
      orchestrate doctor
      orchestrate doctor --json
    """
    import anyio

    from orchestrator.doctor import examine

    found = anyio.run(examine)
    broken = any(diagnosis.verdict == "error" for diagnosis in found)
    if as_json:
        console.print_json({"ok": not broken, "checks": [dataclasses.asdict(diagnosis) for diagnosis in found]})
        return 1 if broken else 0
    for diagnosis in found:
        mark, style = _MARKS[diagnosis.verdict]
        console.print_line(f"{mark}  {diagnosis.name}: {diagnosis.message}", style=style)
        if diagnosis.fix:
            console.print_line(indent(diagnosis.fix, " " * 9))
    return 1 if broken else 0
