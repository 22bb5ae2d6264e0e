"""Keys, tokens and passwords: by the marks their issuers give them, and where a name says what the value is."""

from __future__ import annotations

import re
from collections.abc import Iterator

from unified_api.privacy.kinds import Found

__all__ = ["secrets"]

_MARKED = (
    ("sk-", r"sk-(?:proj-|ant-|or-|svcacct-|admin-|lf-)?[A-Za-z0-9_\-]{16,250}"),  # OpenAI, Anthropic and many more
    ("AKIA", r"AKIA[A-Z2-7]{16}(?![A-Za-z0-9])"),  # AWS, "Unique identifiers"
    ("ASIA", r"ASIA[A-Z2-7]{16}(?![A-Za-z0-9])"),
    ("AIza", r"AIza[A-Za-z0-9_\-]{35}"),  # Google
    ("ya29.", r"ya29\.[A-Za-z0-9_\-]{20,2048}"),
    ("GOCSPX-", r"GOCSPX-[A-Za-z0-9_\-]{20,40}"),
    ("gh", r"gh[pousr]_[A-Za-z0-9]{36,255}"),  # GitHub, "Token formats"
    ("github_pat_", r"github_pat_[A-Za-z0-9_]{22,255}"),
    ("glpat-", r"glpat-[A-Za-z0-9_\-]{20,300}"),  # GitLab
    ("xox", r"xox[abeoprs]-[A-Za-z0-9\-]{10,250}"),  # Slack
    ("xapp-", r"xapp-[A-Za-z0-9\-]{10,250}"),
    ("hooks.slack.com", r"hooks\.slack\.com/services/[A-Za-z0-9/]{20,100}"),
    ("_live_", r"[sr]k_live_[A-Za-z0-9]{16,250}"),  # Stripe
    ("_test_", r"[sr]k_test_[A-Za-z0-9]{16,250}"),
    ("whsec_", r"whsec_[A-Za-z0-9+/=]{20,100}"),
    ("npm_", r"npm_[A-Za-z0-9]{36}"),
    ("pypi-", r"pypi-[A-Za-z0-9_\-]{50,300}"),
    ("hf_", r"hf_[A-Za-z0-9]{30,50}"),  # Hugging Face
    ("gsk_", r"gsk_[A-Za-z0-9]{40,80}"),  # Groq
    ("xai-", r"xai-[A-Za-z0-9]{60,100}"),
    ("r8_", r"r8_[A-Za-z0-9]{37,40}"),  # Replicate
    ("pplx-", r"pplx-[A-Za-z0-9]{32,64}"),  # Perplexity
    ("SG.", r"SG\.[A-Za-z0-9_\-]{16,32}\.[A-Za-z0-9_\-]{16,64}"),  # SendGrid
    ("key-", r"key-[0-9a-f]{32}(?![0-9a-f])"),  # Mailgun
    ("SK", r"SK[0-9a-f]{32}(?![0-9a-f])"),  # Twilio
    ("shp", r"shp(?:at|ca|pa|ss)_[0-9a-fA-F]{32}"),  # Shopify
    ("dop_v1_", r"dop_v1_[0-9a-f]{64}"),  # DigitalOcean
    ("dckr_pat_", r"dckr_pat_[A-Za-z0-9_\-]{20,60}"),
    ("hvs.", r"hvs\.[A-Za-z0-9_\-]{20,200}"),  # HashiCorp Vault
    ("lin_api_", r"lin_api_[A-Za-z0-9]{32,64}"),
    ("ntn_", r"ntn_[A-Za-z0-9]{40,60}"),
    ("sq0", r"sq0(?:atp|csp)-[A-Za-z0-9_\-]{22,50}"),  # Square
    ("AGE-SECRET-KEY-", r"AGE-SECRET-KEY-1[0-9A-Z]{58}"),
    ("eyJ", r"eyJ[A-Za-z0-9_\-]{8,4096}\.eyJ[A-Za-z0-9_\-]{4,8192}\.[A-Za-z0-9_\-]{0,2048}"),  # RFC 7519
)
"""What a token holds, and how it is written; compiled when the first one comes."""
_PRIVATE_KEY = re.compile(
    r"-----BEGIN (?:[A-Z0-9]{1,12} ){0,3}PRIVATE KEY(?: BLOCK)?-----[^-]{0,20000}"
    r"(?:-----END (?:[A-Z0-9]{1,12} ){0,3}PRIVATE KEY(?: BLOCK)?-----)?"
)
_IN_ADDRESS = re.compile(r"://[^\s/:@\"'<>]{0,128}:([^\s/@\"'<>]{1,256})@")
_NAMES = ("passw", "pwd", "secret", "key", "token", "bearer", "contraseña", "mot de passe")
_KEY_OF = ("api", "private", "access", "secret", "auth", "encryption", "signing", "account")
_VALUE = re.compile(r"(?:or[dt])?[\"']?(?: is)?(?: ?[:=]+ ?| )[\"']?([^\s\"',;<>(){}\[\]]{8,256})")
_WORD = re.compile(r"[A-Za-z]+[0-9]{0,2}[.!?]?")


def secrets(text: str, long: str) -> Iterator[Found]:
    """Those of the text; `long` are its long words, which marked ones are among."""
    if long:
        for mark, written in _MARKED:
            if mark in long:
                for match in re.finditer(rf"(?<![A-Za-z0-9]){written}", text):
                    yield Found("secret", *match.span())
        if "://" in long and "@" in long:
            for match in _IN_ADDRESS.finditer(text):
                yield Found("secret", *match.span(1))
    if "PRIVATE KEY" in text:
        for match in _PRIVATE_KEY.finditer(text):
            yield Found("secret", *match.span())
    yield from _named(text)


def _named(text: str) -> Iterator[Found]:
    """What a name says is a secret, if it looks like one: digits and letters together, and no plain word."""
    lowered = text.lower()
    if len(lowered) != len(text):  # a letter that is two in lower case would move the places
        lowered = text
    for name in _NAMES:
        at = lowered.find(name)
        while at >= 0:
            end = at + len(name)
            match = _VALUE.match(text, end) if name != "key" or _says_whose(lowered, at) else None
            if match and _is_mixed(match[1]):
                yield Found("secret", *match.span(1))
            at = lowered.find(name, end)


def _says_whose(lowered: str, at: int) -> bool:
    """Whether the key is one that opens something, and none of a table or a piano."""
    return lowered[max(0, at - 12) : at].rstrip(" _-").endswith(_KEY_OF)


def _is_mixed(value: str) -> bool:
    return any(map(str.isdigit, value)) and any(map(str.isalpha, value)) and not _WORD.fullmatch(value)
