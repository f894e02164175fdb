"""How long a line on the socket may be."""

from __future__ import annotations

REQUEST_LIMIT = 4 * 1024 * 1024  # bytes of one line from a client
REPLY_LIMIT = 64 * 1024 * 1024  # bytes of one line from the supervisor
