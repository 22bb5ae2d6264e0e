"""Keys, tokens and passwords: by the marks their issuers give them, and where a name says what the value is."""

from __future__ import annotations

import re
from collections.abc import Iterator

from unified_api.privacy.kinds import Found

__all__ = ["secrets"]

_MARKED: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (mark, re.compile(rf"(?<![A-Za-z0-9]){pattern}"))
    for mark, pattern in (
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
)
_PRIVATE_KEY = re.compile(
    r"-----BEGIN (?:[A-Z0-9]{1,12} ){0,3}PRIVATE KEY(?: BLOCK)?-----[^-]{0,20000}"
    r"(?:-----END (?:[A-Z0-9]{1,12} ){0,3}PRIVATE KEY(?: BLOCK)?-----)?"
)
_IN_ADDRESS = re.compile(r"://[^\s/:@\"'<>]{0,128}:([^\s/@\"'<>]{1,256})@")
_NAMED = re.compile(
    r"(?:password|passwort|passwd|pwd|secret|api[ _\-]?key|apikey|access[ _\-]?token|auth[ _\-]?token|private[ _\-]?key"
    r"|client[ _\-]?secret|bearer|contraseña|mot de passe)[\"']?(?: is)?(?: ?[:=]+ ?| )[\"']?"
    r"([^\s\"',;<>(){}\[\]]{8,256})",
    re.IGNORECASE,
)
_NAMES = ("passw", "pwd", "secret", "key", "token", "bearer", "contraseña", "mot de passe")
_WORD = re.compile(r"[A-Za-z]+[0-9]{0,2}[.!?]?")


def secrets(text: str) -> Iterator[Found]:
    for mark, pattern in _MARKED:
        if mark in text:
            for match in pattern.finditer(text):
                yield Found("secret", *match.span())
    if "PRIVATE KEY" in text:
        for match in _PRIVATE_KEY.finditer(text):
            yield Found("secret", *match.span())
    if "://" in text and "@" in text:
        for match in _IN_ADDRESS.finditer(text):
            yield Found("secret", *match.span(1))
    lowered = text.lower()
    if any(name in lowered for name in _NAMES):
        yield from _named(text)


def _named(text: str) -> Iterator[Found]:
    """What a name says is a secret, if it looks like one: digits and letters together, and no plain word."""
    for match in _NAMED.finditer(text):
        value = match[1]
        mixed = any(map(str.isdigit, value)) and any(map(str.isalpha, value))
        if mixed and not _WORD.fullmatch(value):
            yield Found("secret", *match.span(1))
