"""Replaces a file's text as a whole: at every moment there is the old text or the new one, never half of it."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

__all__ = ["replace_text"]


def replace_text(path: Path, text: str) -> None:
    """Writes the file, keeping its permissions; a link stays one. Raises OSError, and then nothing has changed."""
    target = path.resolve()
    fresh = target.with_name(f".{target.name[:60]}.{secrets.token_hex(4)}.part")
    try:
        with fresh.open("x", encoding="utf-8", newline="") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        if target.exists():
            fresh.chmod(target.stat().st_mode & 0o7777)
        fresh.replace(target)
    finally:
        fresh.unlink(missing_ok=True)
