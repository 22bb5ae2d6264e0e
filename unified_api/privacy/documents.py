"""Documents that are plain text, though they come as bytes or inside an address."""

from __future__ import annotations

import re
from base64 import b64decode
from binascii import Error
from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from urllib.parse import unquote_to_bytes

from unified_api.types import DocumentPart

__all__ = ["is_embedded", "text_of"]

_PLAIN = re.compile(
    r"text/.*|application/(?:.*\+)?(?:json|json5|jsonl|x-ndjson|ndjson|xml|yaml|x-yaml|toml|sql|csv|javascript"
    r"|x-javascript|x-sh|rtf|x-tex|graphql|x-www-form-urlencoded)",
    re.IGNORECASE,
)
_BASE64 = re.compile(r";\s*base64\s*\Z", re.IGNORECASE)
_CHARSET = re.compile(r"charset=\"?([\w.:\-]+)", re.IGNORECASE)


def is_embedded(url: str) -> bool:
    """Whether the address holds what it is the address of."""
    return url[:5].lower() == "data:"


def text_of(part: DocumentPart) -> str | None:
    """What can be read of its `data`, or else of its `url`; None where that is no text."""
    if part.data is not None:
        return _text(part.data, part.media_type)
    return _embedded(part.url) if part.url is not None and is_embedded(part.url) else None


def _embedded(url: str) -> str | None:
    """RFC 2397; what has no type is plain text."""
    said, _, body = url[5:].partition(",")
    encoded = _BASE64.search(said)
    media_type = (said[: encoded.start()] if encoded else said).strip() or "text/plain"
    if not _is_plain(media_type):
        return None
    octets = unquote_to_bytes(body)
    try:
        return _text(b64decode(octets + b"==") if encoded else octets, media_type)  # too much padding is no error
    except Error:
        return None


def _is_plain(media_type: str) -> bool:
    return _PLAIN.fullmatch(media_type.partition(";")[0].strip() or "text/plain") is not None


def _text(octets: bytes, media_type: str | None) -> str | None:
    if media_type is None:  # without a type, only what can be nothing else
        return _utf_8(octets) if b"\0" not in octets else None
    if not _is_plain(media_type):
        return None
    said = _CHARSET.search(media_type)
    charset = said[1] if said else "utf-16" if octets.startswith((BOM_UTF16_LE, BOM_UTF16_BE)) else "utf-8-sig"
    try:
        return octets.decode(charset)
    except (UnicodeDecodeError, LookupError):
        return octets.decode("latin-1")  # its ASCII letters and digits are read all the same


def _utf_8(octets: bytes) -> str | None:
    try:
        return octets.decode("utf-8-sig")
    except UnicodeDecodeError:
        return None
