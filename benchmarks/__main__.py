"""`python -m benchmarks` runs `main()` of every benchmark here; names after it choose some.

`python -m benchmarks drills [name ...] [--quick]` is `python -m benchmarks.drills`; among all the others the drills
run in their quick form.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

_PARTS = ("_", "drill_", "speed_worker")
"""How the names of files begin that are no benchmark of their own."""


def main(names: list[str]) -> None:
    if names[:1] == ["drills"]:
        importlib.import_module("benchmarks.drills").main(names[1:])
        return
    present = sorted(path.stem for path in Path(__file__).parent.glob("*.py") if not path.stem.startswith(_PARTS))
    unknown = set(names) - set(present)
    if unknown:
        raise SystemExit(f"no benchmark {', '.join(sorted(unknown))}; there are {', '.join(present)}")
    for name in names or present:
        run = getattr(importlib.import_module(f"benchmarks.{name}"), "main", None)
        if run is not None:
            print(f"\n== {name}", flush=True)
            run(["--quick"]) if name == "drills" else run()


if __name__ == "__main__":
    main(sys.argv[1:])
