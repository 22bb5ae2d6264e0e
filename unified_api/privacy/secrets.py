"""Keys, tokens and passwords: by the marks their issuers give them, and where a name says what the value is."""

from __future__ import annotations

import re
from collections.abc import Iterator

from unified_api.privacy.kinds import Found

__all__ = ["secrets"]

_MARKED = (
    ("sk-", r"sk-(?:proj-|ant-|or-|svcacct-|admin-|lf-)?[A-Za-z0-9_\-]{16,}+"),  # OpenAI, Anthropic and many more
    ("AKIA", r"AKIA[A-Z2-7]{16}(?![A-Za-z0-9])"),  # AWS, "Unique identifiers"
    ("ASIA", r"ASIA[A-Z2-7]{16}(?![A-Za-z0-9])"),
    ("AIza", r"AIza[A-Za-z0-9_\-]{35}"),  # Google
    ("ya29.", r"ya29\.[A-Za-z0-9_\-]{20,}+"),
    ("GOCSPX-", r"GOCSPX-[A-Za-z0-9_\-]{20,}+"),
    ("gh", r"gh[pousr]_[A-Za-z0-9]{36,}+"),  # GitHub, "Token formats"
    ("github_pat_", r"github_pat_[A-Za-z0-9_]{22,}+"),
    ("glpat-", r"glpat-[A-Za-z0-9_\-]{20,}+"),  # GitLab
    ("xox", r"xox[abeoprs]-[A-Za-z0-9\-]{10,}+"),  # Slack
    ("xapp-", r"xapp-[A-Za-z0-9\-]{10,}+"),
    ("hooks.slack.com", r"hooks\.slack\.com/services/[A-Za-z0-9/]{20,}+"),
    ("_live_", r"[sr]k_live_[A-Za-z0-9]{16,}+"),  # Stripe
    ("_test_", r"[sr]k_test_[A-Za-z0-9]{16,}+"),
    ("whsec_", r"whsec_[A-Za-z0-9+/=]{20,}+"),
    ("npm_", r"npm_[A-Za-z0-9]{36}"),
    ("pypi-", r"pypi-[A-Za-z0-9_\-]{50,}+"),
    ("hf_", r"hf_[A-Za-z0-9]{30,}+"),  # Hugging Face
    ("gsk_", r"gsk_[A-Za-z0-9]{40,}+"),  # Groq
    ("xai-", r"xai-[A-Za-z0-9]{60,}+"),
    ("r8_", r"r8_[A-Za-z0-9]{37,}+"),  # Replicate
    ("pplx-", r"pplx-[A-Za-z0-9]{32,}+"),  # Perplexity
    ("SG.", r"SG\.[A-Za-z0-9_\-]{16,}+\.[A-Za-z0-9_\-]{16,}+"),  # SendGrid
    ("key-", r"key-[0-9a-f]{32}(?![0-9a-f])"),  # Mailgun
    ("SK", r"SK[0-9a-f]{32}(?![0-9a-f])"),  # Twilio
    ("shp", r"shp(?:at|ca|pa|ss)_[0-9a-fA-F]{32}"),  # Shopify
    ("dop_v1_", r"dop_v1_[0-9a-f]{64}"),  # DigitalOcean
    ("dckr_pat_", r"dckr_pat_[A-Za-z0-9_\-]{20,}+"),
    ("hvs.", r"hvs\.[A-Za-z0-9_\-]{20,}+"),  # HashiCorp Vault
    ("lin_api_", r"lin_api_[A-Za-z0-9]{32,}+"),
    ("ntn_", r"ntn_[A-Za-z0-9]{40,}+"),
    ("sq0", r"sq0(?:atp|csp)-[A-Za-z0-9_\-]{22,}+"),  # Square
    ("AGE-SECRET-KEY-", r"AGE-SECRET-KEY-1[0-9A-Z]{58}"),
)
"""What a token holds, and how it begins; compiled when the first one comes."""
_GOES_ON = r"[A-Za-z0-9_\-]*+"
"""Of a longer token than its issuer says nothing is to be left."""
_JWT = re.compile(r"(?<![\w\-])[\w\-]{11,}+\.eyJ[\w\-]{4,}+(?:\.[\w\-]++)*", re.ASCII)
_JWT_BEGINS = re.compile(r"(?<![A-Za-z0-9])eyJ")
"""RFC 7519; other words may stand before it, with a dash between."""
_PRIVATE_KEY = re.compile(r"-----(BEGIN|END) (?:[A-Z0-9]{1,12} ){0,3}PRIVATE KEY(?: BLOCK)?-----")
_IN_ADDRESS = re.compile(r"://[^\s/:@\"'<>]*+:([^\s/\"'<>]+)@")
_NAMES = (
    "passw", "pass", "passphrase", "passcode", "pwd", "secret", "key", "token", "bearer", "contraseña", "mot de passe",
)  # fmt: skip
_LONGEST_NAME = 24
_KEY_OF = ("api", "private", "access", "secret", "auth", "encryption", "signing", "account")
_VALUE = re.compile(
    r"(?:or[dt]s?)?[\"'`]?(?: is)?(?:[ \t]*+[:=]++[ \t]*+(?:\r?\n[ \t]*+)?|[ \t]++)"
    r"(?:\"(?P<double>[^\s\"]{8,}+)|'(?P<single>[^\s']{8,}+)|[\"'`]?(?P<bare>[^\s\"'`,;<>(){}\[\]]{8,}+))",
    re.IGNORECASE,
)
_WORD = re.compile(r"[A-Za-z]+[0-9]{0,2}[.!?]?")


def secrets(text: str, long: str) -> Iterator[Found]:
    """Those of the text; `long` are its long words, which marked ones are among."""
    if long:
        yield from _marked(text, long)
        if "://" in long and "@" in long:
            for match in _IN_ADDRESS.finditer(text):
                yield Found("secret", *match.span(1))
    if "PRIVATE KEY" in text:
        yield from _private_keys(text)
    yield from _named(text)


def _marked(text: str, long: str) -> Iterator[Found]:
    for mark, written in _MARKED:
        if mark in long:
            for match in re.finditer(rf"(?<![A-Za-z0-9]){written}{_GOES_ON}", text):
                yield Found("secret", *match.span())
    if "eyJ" in long:
        for match in _JWT.finditer(text):
            begins = _JWT_BEGINS.search(text, match.start(), match.end())
            if begins:
                yield Found("secret", begins.start(), match.end())


def _private_keys(text: str) -> Iterator[Found]:
    """Each with all up to the line that ends it, or else to the next one, or to the end of the text."""
    begun: int | None = None
    for line in _PRIVATE_KEY.finditer(text):
        if line[1] == "BEGIN":
            if begun is not None:
                yield Found("secret", begun, line.start())
            begun = line.start()
        elif begun is not None:
            yield Found("secret", begun, line.end())
            begun = None
    if begun is not None:
        yield Found("secret", begun, len(text))


def _named(text: str) -> Iterator[Found]:
    """What a name says is a secret, if it looks like one: digits and letters together, and no plain word."""
    lowered = text.lower()
    if len(lowered) != len(text):  # a letter that is two in lower case would move the places
        lowered = text
    for name in _NAMES:
        at = lowered.find(name)
        while at >= 0:
            end = at + len(name)
            match = _VALUE.match(text, end) if _announces(name, lowered, at) else None
            if match and match.lastgroup:
                if _is_mixed(match[match.lastgroup]):
                    yield Found("secret", *match.span(match.lastgroup))
                end = max(end, match.end() - _LONGEST_NAME)  # what ends the value may announce the next one
            at = lowered.find(name, end)


def _announces(name: str, lowered: str, at: int) -> bool:
    if name == "key":
        return _says_whose(lowered, at)
    return name != "pass" or lowered[at + 4 : at + 5] in {":", "="}


def _says_whose(lowered: str, at: int) -> bool:
    """Whether the key is one that opens something, and none of a table or a piano."""
    return lowered[max(0, at - 12) : at].rstrip(" _-").endswith(_KEY_OF)


def _is_mixed(value: str) -> bool:
    return any(map(str.isdigit, value)) and any(map(str.isalpha, value)) and not _WORD.fullmatch(value)
