"""Redaction: secrets are replaced before a text reaches journal, transcript, log or screen."""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import quote

REDACTED = "[redacted]"
MIN_SECRET = 6  # shorter values would blank out ordinary words

# Shapes of well-known tokens; sources: the vendors' documentation of their prefixes.
_SHAPES = re.compile(
    r"""
      \bsk-(?:ant-|proj-|svcacct-|or-v1-|live-|test-)?[A-Za-z0-9_-]{16,}   # OpenAI, Anthropic
    | \b[sr]k_(?:live|test)_[A-Za-z0-9]{16,}                               # Stripe
    | \bgh[pousr]_[A-Za-z0-9]{20,} | \bgithub_pat_[A-Za-z0-9_]{20,}        # GitHub
    | \bglpat-[A-Za-z0-9_-]{16,}                                           # GitLab
    | \b(?:AKIA|ASIA|AGPA|AROA|AIDA)[A-Z0-9]{16}\b                         # AWS
    | \bxox[abeoprs]-[A-Za-z0-9-]{10,} | \bxapp-[A-Za-z0-9-]{10,}          # Slack
    | \bAIza[A-Za-z0-9_-]{30,} | \bya29\.[A-Za-z0-9_-]{20,}                # Google
    | \bnpm_[A-Za-z0-9]{30,} | \bpypi-[A-Za-z0-9_-]{30,}                   # registries
    | \bgsk_[A-Za-z0-9]{40,} | \bxai-[A-Za-z0-9]{40,}                      # Groq, xAI
    | \bpplx-[A-Za-z0-9]{40,} | \bnvapi-[A-Za-z0-9_-]{40,}                # Perplexity, NVIDIA
    | \br8_[A-Za-z0-9]{30,} | \bcsk-[A-Za-z0-9]{40,}                      # Replicate, Cerebras
    | \bhf_[A-Za-z0-9]{20,} | \bdop_v1_[a-f0-9]{40,}                       # Hugging Face, DO
    | \bSG\.[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}                         # SendGrid
    | \beyJ[A-Za-z0-9_-]{5,}\.[A-Za-z0-9_-]{5,}\.[A-Za-z0-9_-]*            # JSON web token
    """,
    re.VERBOSE,
)
_HEADER = re.compile(
    r"((?:proxy-)?authorization[\"']?\s*[:=]\s*[\"']?(?:bearer|basic|token|digest)\s+)[^\s\"',;]+"
    r"|(\bbearer\s+)[A-Za-z0-9._~+/-]{16,}=*"
    r"|((?:x-api-key|api-key|x-auth-token)[\"']?\s*:\s*[\"']?)[^\s\"',;]{6,}",
    re.IGNORECASE,
)
_URL = re.compile(
    r"(\b[a-z][a-z0-9+.-]{1,20}://[^\s:/@]{0,100}:)[^\s:/@]{3,200}(?=@)", re.IGNORECASE
)
_KEY_BLOCK = re.compile(
    r"-----BEGIN ([A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?)-----.*?(?:-----END \1-----|\Z)", re.DOTALL
)
# If none of these occurs, no shape can match: one quick search for the usual case.
_HINT = re.compile(
    r"sk-|[sr]k_|gh[pousr]_|github_pat_|glpat-|gsk_|xai-|pplx-|nvapi-|r8_|A(?:KIA|SIA|GPA|ROA|IDA)|xox|xapp-|AIza|ya29|npm_"
    r"|pypi-|hf_|dop_v1_|SG\.|eyJ|PRIVATE KEY|://|[Aa][Uu][Tt][Hh]|[Bb][Ee][Aa][Rr][Ee][Rr]"
    r"|[Aa][Pp][Ii]-[Kk][Ee][Yy]"
)


class Redactor:
    """Replaces secrets in texts.

    `secrets` are known values (shorter than six characters: ignored); well-known shapes of
    tokens are replaced as well. Each text is looked at by itself: a secret that is split over
    two streamed pieces is caught only when the whole item is cleaned again at its end.
    """

    def __init__(self, secrets: Iterable[str]) -> None:
        values = set[str]()
        for secret in secrets:
            for form in (secret, secret.strip(), quote(secret.strip(), safe="")):
                if len(form) >= MIN_SECRET and form not in REDACTED:
                    values.add(form)
            values.update(line for line in secret.split("\n") if len(line.strip()) >= 16)
        # The longest first: a secret may be the start of another.
        ordered = sorted(values, key=lambda value: (-len(value), value))
        self._known = re.compile("|".join(map(re.escape, ordered))) if ordered else None

    def clean(self, text: str) -> str:
        """The text with every secret replaced by `[redacted]`; idempotent."""
        if self._known is not None:
            text = self._known.sub(REDACTED, text)
        if _HINT.search(text) is None:
            return text
        text = _KEY_BLOCK.sub(REDACTED, text)
        text = _HEADER.sub(lambda m: (m[1] or m[2] or m[3]) + REDACTED, text)
        text = _URL.sub(lambda m: m[1] + REDACTED, text)
        return _SHAPES.sub(REDACTED, text)
