"""Makes folders that look like site-packages, with our packages and with those of others."""

from __future__ import annotations

import base64
import hashlib
import shutil
from pathlib import Path

from orchestrator.clash import PACKAGES

ROOT = Path(__file__).resolve().parents[1]


def install(site: Path, name: str, version: str, files: dict[str, str], *, requires: tuple[str, ...] = ()) -> None:
    """What pip leaves behind: files, over those of others, and a RECORD with their digests."""
    for path, content in files.items():
        (site / path).parent.mkdir(parents=True, exist_ok=True)
        (site / path).write_text(content, "utf-8")
    folder = site / f"{name.replace('-', '_')}-{version}.dist-info"
    folder.mkdir(parents=True)
    lines = [f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"]
    lines += [f"Requires-Dist: {requirement}\n" for requirement in requires]
    (folder / "METADATA").write_text("".join(lines), "utf-8")
    rows = [f"{path},sha256={_digest(site / path)},1\n" for path in files]
    (folder / "RECORD").write_text("".join([*rows, f"{folder.name}/RECORD,,\n"]), "utf-8")


def install_ours(site: Path) -> None:
    """The five packages, copied, and recorded as pip records them."""
    files: dict[str, str] = {}
    for package in PACKAGES:
        source = ROOT / package
        for path in source.rglob("*"):
            if path.is_file() and "__pycache__" not in path.parts:
                target = site / package / path.relative_to(source)
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, target)
        files[f"{package}/__init__.py"] = (source / "__init__.py").read_text("utf-8")
    install(site, "meta-orchestrator", "0.1.0", files, requires=("anyio>=4",))


def _digest(path: Path) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(path.read_bytes()).digest()).rstrip(b"=").decode()
