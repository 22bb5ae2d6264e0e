"""`python -m benchmarks` runs `main()` of every benchmark here; names after it choose some."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path


def main(names: list[str]) -> None:
    present = sorted(path.stem for path in Path(__file__).parent.glob("*.py") if not path.stem.startswith("_"))
    unknown = set(names) - set(present)
    if unknown:
        raise SystemExit(f"no benchmark {', '.join(sorted(unknown))}; there are {', '.join(present)}")
    for name in names or present:
        run = getattr(importlib.import_module(f"benchmarks.{name}"), "main", None)
        if run is not None:
            print(f"\n== {name}", flush=True)
            run()


if __name__ == "__main__":
    main(sys.argv[1:])
