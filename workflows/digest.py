"""The identity of a workflow by its content."""

from __future__ import annotations

import json
from hashlib import sha256

from workflows.model import Workflow

__all__ = ["digest"]


def digest(workflow: Workflow) -> str:
    """`sha256:` and the digest of what the workflow says, however its file is formatted.

    The order of keys, white space, and values written out that are the default change nothing.
    """
    said = workflow.model_dump(mode="json", exclude_defaults=True)
    text = json.dumps(said, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return f"sha256:{sha256(text.encode('ascii')).hexdigest()}"
