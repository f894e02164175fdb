"""Redaction: secrets are replaced before a text reaches journal, transcript, log or screen."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from urllib.parse import quote

from app.domain.literals import Anchors, Literals

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
_LOGIN, _PASSWORD = r"://[^\s:/@]{0,100}:", r"[^\s:/@]{3,200}(?=@)"
_URL = re.compile(rf"(\b[a-z][a-z0-9+.-]{{1,20}}{_LOGIN}){_PASSWORD}", re.IGNORECASE)
_KEY_BLOCK = re.compile(
    r"-----BEGIN ([A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?)-----.*?(?:-----END \1-----|\Z)", re.DOTALL
)
# What every match of a pattern contains, in small letters; and what matches there, or so many
# characters before, if the pattern does.
_Checks = tuple[tuple[re.Pattern[str], int], ...]
_OF_SHAPES = (
    "sk- sk_live_ sk_test_ rk_live_ rk_test_ ghp_ gho_ ghu_ ghs_ ghr_ github_pat_ glpat- akia asia"
    " agpa aroa aida xox xapp- aiza ya29. npm_ pypi- gsk_ xai- pplx- nvapi- r8_ csk- hf_ dop_v1_"
    " sg. eyj"
)
_ANCHORS: Mapping[str, _Checks] = {
    **dict.fromkeys(_OF_SHAPES.split(), ((_SHAPES, 0),)),
    "auth": ((_HEADER, 0), (_HEADER, len("x-"))),
    "bear": ((_HEADER, 0),),
    **dict.fromkeys(("api-", "ap\u0131-", "ap\u0130-"), ((_HEADER, 0),)),  # every form of an i
    "://": ((re.compile(_LOGIN + _PASSWORD), 0),),
    "-----begin ": ((_KEY_BLOCK, 0),),
}


@lru_cache(maxsize=1)
def _anchors() -> Anchors:
    return Anchors(_ANCHORS)


def _suspicious(text: str) -> bool:
    """Whether one of the patterns may match. To search for them is slow, and few texts have any
    of the anchors."""
    found = _anchors().find(text)
    return bool(found) and any(
        pattern.match(text, max(0, index - back))
        for anchor, index in found
        for pattern, back in _ANCHORS[anchor]
    )


def without_shapes(text: str) -> str:
    """The text with everything that has the shape of a secret replaced."""
    text = _KEY_BLOCK.sub(REDACTED, text)
    text = _HEADER.sub(lambda m: (m[1] or m[2] or m[3]) + REDACTED, text)
    text = _URL.sub(lambda m: m[1] + REDACTED, text)
    return _SHAPES.sub(REDACTED, text)


def _in_address(text: str) -> str:
    return quote(text, safe="", errors="surrogateescape")  # as the environment's values are read


class Redactor:
    """Replaces secrets in texts.

    `secrets` are known values (shorter than six characters: ignored); well-known shapes of
    tokens are replaced as well. Each text is looked at by itself: a secret that is split over
    two streamed pieces is caught only when the whole item is cleaned again at its end.
    """

    def __init__(self, secrets: Iterable[str]) -> None:
        values = set[str]()
        for secret in secrets:
            for form in (secret, secret.strip(), _in_address(secret.strip())):
                if len(form) >= MIN_SECRET and form not in REDACTED:
                    values.add(form)
            values.update(line for line in secret.split("\n") if len(line.strip()) >= 16)
        self._known = Literals(values) if values else None

    def clean(self, text: str) -> str:
        """The text with every secret replaced by `[redacted]`; idempotent."""
        if self._known is not None:
            text = self._known.replaced(text, REDACTED)
        return without_shapes(text) if _suspicious(text) else text
