"""The placeholder image: an SVG that says that it is one, with the prompt's words on it."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from html import escape
from typing import Final

from unified_api.errors import InvalidRequestError

__all__ = ["DEFAULT_SIZE", "MAX_SIDE", "MEDIA_TYPE", "draw"]

MEDIA_TYPE: Final = "image/svg+xml"
DEFAULT_SIZE: Final = "1024x1024"
MAX_SIDE: Final = 8192
"""Pixels."""

_SIZE = re.compile(r"([1-9]\d{0,4})x([1-9]\d{0,4})", re.ASCII)
_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_LINE_HEIGHT = 1.35
_NARROW_EM, _WIDE_EM = 0.56, 1.0
"""Estimated widths of a letter; the true ones depend on the reader's fonts."""


def draw(prompt: str, *, size: str | None = None) -> bytes:
    """The SVG file of a placeholder for `prompt`, `size` being `WIDTHxHEIGHT` in pixels.

    Raises InvalidRequestError for a size that is none or has a side above `MAX_SIDE`.
    """
    width, height = _measure(size or DEFAULT_SIZE)
    words = " ".join(_NOT_XML.sub("\N{REPLACEMENT CHARACTER}", prompt).split())
    font = max(min(width, height) * 0.045, min(height * 0.13, width * 0.02), 1.0)
    label = max(font * 0.8, min(9.0, width / 9, height / 6))  # the mark stays legible on a thumbnail
    footer = min(label, width / 24)
    band = max(font * 2.4, label * 1.8) if height >= 8 * font else label * 1.4
    room = max(int((height - 2 * band) * 0.9 / (font * _LINE_HEIGHT)), 1)
    lines = _fit(list(_wrap(words, width * 0.86 / font)), room)
    top = height / 2 - (len(lines) - 1) * font * _LINE_HEIGHT / 2 + font * 0.35
    text = "".join(
        f'<text x="{width / 2:g}" y="{top + row * font * _LINE_HEIGHT:.1f}">{escape(line, quote=False)}</text>'
        for row, line in enumerate(lines)
    )
    return _PAGE.format(
        width=width,
        height=height,
        font=f"{font:.1f}",
        label=f"{label:.1f}",
        centre=f"{width / 2:g}",
        band=f"{band:.1f}",
        foot=f"{height - band:.1f}",
        top_label=f"{band / 2 + label * 0.35:.1f}",
        footer=f"{footer:.1f}",
        foot_label=f"{height - band / 2 + footer * 0.35:.1f}",
        inset=f"{font / 4:.1f}",
        frame_width=f"{width - font / 2:.1f}",
        frame_height=f"{height - font / 2:.1f}",
        stroke=f"{font / 8:.2f}",
        dash=f"{font / 2:.1f}",
        description=escape(words, quote=False),
        text=text,
    ).encode()


_PAGE = """<?xml version="1.0" encoding="UTF-8"?>
<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" role="img">
<title>Placeholder, not a generated image</title>
<desc>{description}</desc>
<rect width="{width}" height="{height}" fill="#eceff4"/>
<path d="M0 0L{width} {height}M{width} 0L0 {height}" stroke="#dfe4ec" stroke-width="{stroke}"/>
<rect x="{inset}" y="{inset}" width="{frame_width}" height="{frame_height}" fill="none" \
stroke="#8a94a6" stroke-width="{stroke}" stroke-dasharray="{dash}"/>
<rect width="{width}" height="{band}" fill="#3b4252"/>
<rect y="{foot}" width="{width}" height="{band}" fill="#3b4252"/>
<g font-family="DejaVu Sans, Helvetica, Arial, sans-serif" text-anchor="middle">
<g font-size="{label}" fill="#ffffff"><text x="{centre}" y="{top_label}" font-weight="bold">PLACEHOLDER</text>\
<text x="{centre}" y="{foot_label}" font-size="{footer}">no image model was asked - {width} x {height}</text></g>
<g font-size="{font}" fill="#2e3440">{text}</g>
</g>
</svg>
"""


def _measure(size: str) -> tuple[int, int]:
    match = _SIZE.fullmatch(size)
    sides = (int(match[1]), int(match[2])) if match else (0, 0)
    if not match or max(sides) > MAX_SIDE:
        raise InvalidRequestError(
            f"the image size is {size!r}: give WIDTHxHEIGHT in pixels, each from 1 to {MAX_SIDE}, "
            f"such as {DEFAULT_SIZE!r}",
            provider="local",
            param="size",
        )
    return sides


def _wrap(words: str, width_em: float) -> Iterator[str]:
    """Lines at most `width_em` wide, broken at spaces, and inside a word only where it alone is too long."""
    line = ""
    for word in words.split(" "):
        candidate = f"{line} {word}" if line else word
        if _width(candidate) <= width_em:
            line = candidate
            continue
        if line:
            yield line
        *full, line = _slices(word, width_em)
        yield from full
    yield line


def _slices(word: str, width_em: float) -> list[str]:
    slices, start, used = [], 0, 0.0
    for place, letter in enumerate(word):
        used += _width(letter)
        if used > width_em and place > start:
            slices.append(word[start:place])
            start, used = place, _width(letter)
    return [*slices, word[start:]]


def _width(text: str) -> float:
    return sum(_WIDE_EM if unicodedata.east_asian_width(letter) in "WF" else _NARROW_EM for letter in text)


def _fit(lines: list[str], room: int) -> list[str]:
    return lines if len(lines) <= room else [*lines[: room - 1], lines[room - 1][:-1] + "…"]
