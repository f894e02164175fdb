"""What agents send is kept only up to a limit; what is cut off is named with its hash."""

from __future__ import annotations

import hashlib
import json

ARGUMENTS_CAP = 16 * 1024  # characters
DIFF_CAP = 256 * 1024  # characters of one file's diff
SUMMARY_CAP = 2000  # characters, from the end
TITLE_CAP = 200


def capped(text: str, cap: int) -> str:
    """`text`, or its start and what is missing, with a hash so that two long texts differ."""
    if len(text) <= cap:
        return text
    digest = hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()[:16]
    return f"{text[:cap]}\n[… {len(text) - cap:,} more characters, sha256 {digest}…]"


def as_json(value: object) -> str:
    """A call's arguments as JSON text, capped; equal for equal values."""
    return capped(json.dumps(value, ensure_ascii=False, sort_keys=True), ARGUMENTS_CAP)
