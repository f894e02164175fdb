"""Redaction: secrets are replaced before a text reaches journal, transcript, log or screen."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from urllib.parse import quote

from msgspec import Struct

from app.domain.late_pattern import LatePattern
from app.domain.literals import Anchors, Literals

REDACTED = "[redacted]"
MIN_SECRET = 6  # shorter values would blank out ordinary words

# Shapes of well-known tokens; sources: the vendors' documentation of their prefixes.
_SHAPES = LatePattern(
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
_HEADER = LatePattern(
    r"((?:proxy-)?authorization[\"']?\s*[:=]\s*[\"']?(?:bearer|basic|token|digest)\s+)[^\s\"',;]+"
    r"|(\bbearer\s+)[A-Za-z0-9._~+/-]{16,}=*"
    r"|((?:x-api-key|api-key|x-auth-token)[\"']?\s*:\s*[\"']?)[^\s\"',;]{6,}",
    re.IGNORECASE,
)
_LOGIN, _PASSWORD = r"://[^\s:/@]{0,100}:", r"[^\s:/@]{3,200}(?=@)"
_URL = LatePattern(rf"(\b[a-z][a-z0-9+.-]{{1,20}}{_LOGIN}){_PASSWORD}", re.IGNORECASE)
_AFTER_SCHEME = LatePattern(_LOGIN + _PASSWORD)
_KEY_BLOCK = LatePattern(
    r"-----BEGIN ([A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?)-----.*?(?:-----END \1-----|\Z)", re.DOTALL
)


class Rule(Struct, frozen=True):
    """A pattern of secrets. To search for it takes a hundred times as long as to find that a text
    has none of its anchors: each match contains one of them."""

    pattern: LatePattern
    # In small letters; with how many characters before it a match may begin.
    anchors: Mapping[str, Sequence[int]]
    kept: Callable[[re.Match[str]], str] = lambda match: ""  # of a match, before the secret
    there: LatePattern | None = None  # what matches at the anchor if the pattern does around it

    def replaced(self, text: str, found: Sequence[tuple[str, int]]) -> str:
        """As `pattern.sub` would; `found` are the anchors in the text."""
        starts = [
            at - back
            for anchor, at in found
            if (backs := self.anchors.get(anchor))
            and (not self.there or self.there.compiled.match(text, at))
            for back in backs
        ]
        parts, done = list[str](), 0
        for start in sorted(starts):
            if start >= done and (match := self.pattern.compiled.match(text, start)):
                parts += (text[done:start], self.kept(match), REDACTED)
                done = match.end()
        return "".join((*parts, text[done:])) if parts else text


_STARTS_OF_SHAPES = """
sk- sk_live_ sk_test_ rk_live_ rk_test_ ghp_ gho_ ghu_ ghs_ ghr_ github_pat_ glpat- akia asia agpa
aroa aida xox xapp- aiza ya29. npm_ pypi- gsk_ xai- pplx- nvapi- r8_ csk- hf_ dop_v1_ sg. eyj
"""
RULES = (
    Rule(_KEY_BLOCK, {"-----begin ": (0,)}),
    Rule(
        _HEADER,
        {
            "auth": (0, len("x-"), len("proxy-")),
            "bear": (0,),
            # Without regard to case, these are an i as well.
            **dict.fromkeys(("api-", "ap\u0131-", "ap\u0130-"), (0, len("x-"))),
        },
        lambda match: match[1] or match[2] or match[3],
        LatePattern("auth(?:orization|-token)|bearer|api-key", re.IGNORECASE),
    ),
    Rule(_URL, {"://": range(2, 22)}, lambda match: match[1], _AFTER_SCHEME),
    Rule(_SHAPES, dict.fromkeys(_STARTS_OF_SHAPES.split(), (0,))),
)


@lru_cache(maxsize=1)
def _anchors() -> Anchors:
    return Anchors(anchor for rule in RULES for anchor in rule.anchors)


def _without_shapes(text: str) -> str:
    found = _anchors().find(text)
    if found:
        for rule in RULES:
            clean = rule.replaced(text, found)
            if clean is not text:
                text, found = clean, _anchors().find(clean)
    return text


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
        return _without_shapes(text)
