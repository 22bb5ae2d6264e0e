"""Which of our import packages another distribution has taken.

Several of our import names are ordinary words that other distributions use too: pip then overwrites our files
without a word. Nothing here imports the packages it looks at, so it works when they are broken.
"""

from __future__ import annotations

import base64
import hashlib
import json
import sys
from dataclasses import dataclass
from importlib import metadata
from importlib.machinery import PathFinder
from pathlib import Path
from urllib.parse import unquote, urlsplit

__all__ = ["DISTRIBUTION", "PACKAGES", "Clash", "clashes"]

DISTRIBUTION = "meta-orchestrator"
PACKAGES = ("executors", "orchestrator", "planner", "unified_api", "workflows")


@dataclass(frozen=True, slots=True, kw_only=True)
class Clash:
    """One import package of ours that is not, or not only, ours in this environment."""

    package: str
    claimants: tuple[str, ...]
    """Other installed distributions that install files into it, with their versions."""
    found: Path | None
    """The `__init__.py` that an import runs; None when there is none."""
    source: str
    """What our distribution was installed from, as pip takes it."""
    broken: bool
    """Whether an import gets something else than our code; otherwise the files merely share a folder."""

    @property
    def message(self) -> str:
        owners = " and ".join(self.claimants) or "something that is no installed distribution"
        if not self.broken:
            return f"{self.package!r} is also installed by {owners}: removing or updating it may break ours"
        if self.found is None:
            shared = f"; {owners} installs it, too" if self.claimants else ""
            return f"{self.package!r} is missing{shared}"
        return f"{self.package!r} is not ours but that of {owners} (found at {self.found})"

    @property
    def fix(self) -> str:
        reinstall = f"pip install --force-reinstall --no-deps {self.source}"
        if self.claimants:
            names = " ".join(claimant.split()[0] for claimant in self.claimants)
            return f"Keep the two in separate environments, or: pip uninstall {names} && {reinstall}"
        if self.found is not None and self.broken:
            return f"Rename or move {self.found.parent}, or take its folder off PYTHONPATH; else: {reinstall}"
        return f"Run: {reinstall}"


def clashes(path: list[str] | None = None) -> tuple[Clash, ...]:
    """Every clash seen on `path` (default `sys.path`), by package name."""
    where = sys.path if path is None else path
    claimants = _claimants(where)
    found = (_clash(package, claimants.get(package, ()), where) for package in PACKAGES)
    return tuple(clash for clash in found if clash is not None)


def _clash(package: str, claimants: tuple[str, ...], path: list[str]) -> Clash | None:
    found = _found(package, path)
    broken = found is None or not _is_ours(package, found, path)
    if not broken and not claimants:
        return None
    return Clash(package=package, claimants=claimants, found=found, source=_source(path), broken=broken)


def _claimants(path: list[str]) -> dict[str, tuple[str, ...]]:
    """The other distributions that list files in one of our packages, by package."""
    owners: dict[str, set[str]] = {}
    for distribution in metadata.distributions(path=path):
        name = distribution.metadata["Name"] or ""
        if _normal(name) == DISTRIBUTION:
            continue
        for package in PACKAGES:
            if _installs(distribution, package):
                owners.setdefault(package, set()).add(f"{name} {distribution.version}")
    return {package: tuple(sorted(names)) for package, names in owners.items()}


def _installs(distribution: metadata.Distribution, package: str) -> bool:
    # The text is searched unparsed: environments hold hundreds of thousands of files.
    text = f"\n{distribution.read_text('RECORD') or ''}"
    named = package in (distribution.read_text("top_level.txt") or "").split()
    return named or any(f"\n{start}" in text for start in (f"{package}/", f"{package}.py,"))


def _found(package: str, path: list[str]) -> Path | None:
    """The file that `import package` would run, by the path or by our own editable install."""
    spec = PathFinder.find_spec(package, path)
    if spec is not None and spec.origin is not None:
        return Path(spec.origin)
    editable = _home() / package / "__init__.py"
    return editable if editable.is_file() and _record(path) is not None else None


def _is_ours(package: str, found: Path, path: list[str]) -> bool:
    """Beside this very package, and unchanged since it was installed where the installer kept a digest."""
    if found.resolve() != (_home() / package / "__init__.py").resolve():
        return False
    digest = (_record(path) or {}).get(f"{package}/__init__.py")
    return digest is None or digest == _digest(found)


def _record(path: list[str]) -> dict[str, str] | None:
    """Our installed files and their digests; None when we are not installed on `path`."""
    for distribution in metadata.distributions(name=DISTRIBUTION, path=path):
        return {str(file): file.hash.value for file in distribution.files or () if file.hash is not None}
    return None


def _source(path: list[str]) -> str:
    """The folder or address we were installed from (PEP 610), else our name on the package index."""
    for distribution in metadata.distributions(name=DISTRIBUTION, path=path):
        try:
            url = str(json.loads(distribution.read_text("direct_url.json") or "{}").get("url", ""))
        except ValueError:
            break
        return (unquote(urlsplit(url).path) if url.startswith("file:") else url) or DISTRIBUTION
    return DISTRIBUTION


def _digest(file: Path) -> str:
    """As RECORD files write it (PEP 376 and 427): urlsafe base64 of the sha256, unpadded."""
    return base64.urlsafe_b64encode(hashlib.sha256(file.read_bytes()).digest()).rstrip(b"=").decode()


def _home() -> Path:
    return Path(__file__).resolve().parent.parent


def _normal(name: str) -> str:
    return name.lower().replace("_", "-").replace(".", "-")
