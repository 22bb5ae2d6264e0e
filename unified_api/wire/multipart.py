"""A form as `multipart/form-data` (RFC 7578)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from hashlib import sha256

from unified_api.errors import InvalidRequestError

__all__ = ["form"]

_NAME = re.compile(r"[A-Za-z0-9_.-]{1,100}")


def form(fields: Mapping[str, str], *, model: str) -> tuple[str, bytes]:
    """The content type and the body. The same fields give the same bytes.

    The boundary is a digest of all that is said, which no field can hold. Raises InvalidRequestError for a field whose
    name or text a form cannot hold.
    """
    wrong = next((name for name in fields if not _NAME.fullmatch(name)), None)
    if wrong is not None:
        message = f"a form cannot hold the field {wrong!r}: give a name of letters, digits, '_', '-' and '.'"
        raise InvalidRequestError(message, model=model, param="extra")
    try:
        values = {name: value.encode() for name, value in fields.items()}
    except UnicodeEncodeError as error:
        raise InvalidRequestError(f"the request is no valid Unicode text: {error}", model=model) from error
    boundary = sha256(b"\0".join(part for pair in values.items() for part in (pair[0].encode(), pair[1]))).hexdigest()
    body = bytearray()
    for name, value in values.items():
        body += f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n'.encode() + value + b"\r\n"
    body += f"--{boundary}--\r\n".encode()
    return f"multipart/form-data; boundary={boundary}", bytes(body)
