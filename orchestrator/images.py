"""Writes the images among a run's outputs to files."""

from __future__ import annotations

import base64
import binascii
import mimetypes
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote_to_bytes

__all__ = ["SavedImage", "is_image", "save_images"]


@dataclass(frozen=True, slots=True)
class SavedImage:
    """An image of the outputs: where it was written, or the address where the provider keeps it."""

    name: str
    place: Path | str
    placeholder: bool
    problem: str | None = None
    """Why it could not be written; `place` is then the file it should have been."""


def is_image(value: object) -> bool:
    return isinstance(value, Mapping) and value.get("type") == "image" and isinstance(value.get("url"), str)


def save_images(outputs: Mapping[str, object], folder: Path) -> tuple[dict[str, object], tuple[SavedImage, ...]]:
    """Writes every image in the outputs into `folder`, never over an existing file.

    A folder that has to be made is its owner's alone, as the record of runs is.

    Gives the outputs with each image replaced by its place, and the images.
    """
    saved: list[SavedImage] = []
    replaced = {name: _replaced(value, name, folder=folder, saved=saved) for name, value in outputs.items()}
    return replaced, tuple(saved)


def _replaced(value: object, name: str, *, folder: Path, saved: list[SavedImage]) -> object:
    if isinstance(value, Mapping):
        if is_image(value):
            saved.append(_save(name, value, folder))
            return str(saved[-1].place)
        return {key: _replaced(item, f"{name}-{key}", folder=folder, saved=saved) for key, item in value.items()}
    if isinstance(value, list):
        return [_replaced(item, f"{name}-{index}", folder=folder, saved=saved) for index, item in enumerate(value, 1)]
    return value


def _save(name: str, image: Mapping[str, object], folder: Path) -> SavedImage:
    url = str(image["url"])
    placeholder = bool(image.get("placeholder"))
    content = _content(url)
    if content is None:
        return SavedImage(name, url, placeholder)
    media_type, body = content
    stem = re.sub(r"[^\w-]+", "_", name)[:80]
    # The type is a model's word: nothing that a click would run or render may come of it.
    suffix = (mimetypes.guess_extension(media_type) if media_type.startswith("image/") else None) or ".bin"
    try:
        return SavedImage(name, _write(folder, stem, suffix, body=body), placeholder)
    except OSError as error:
        return SavedImage(name, folder / f"{stem}{suffix}", placeholder, problem=error.strerror or str(error))


def _content(url: str) -> tuple[str, bytes] | None:
    """Media type and bytes of a data URL (RFC 2397); None for any other URL."""
    match = re.match(r"data:([^;,]*)((?:;[^;,]*)*),", url, re.IGNORECASE)
    if match is None:
        return None
    body = unquote_to_bytes(url[match.end() :])
    if match[2].lower().endswith(";base64"):
        try:
            body = base64.b64decode(body)
        except binascii.Error:
            return None
    return match[1].lower() or "text/plain", body


def _write(folder: Path, stem: str, suffix: str, *, body: bytes) -> Path:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    number = 1
    while True:
        path = folder / (f"{stem}{suffix}" if number == 1 else f"{stem}-{number}{suffix}")
        try:
            with path.open("xb") as file:
                file.write(body)
        except FileExistsError:
            number += 1
        else:
            return path.resolve()
