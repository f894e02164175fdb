"""Errors of the link itself."""

from __future__ import annotations

from app.domain.errors import StoreError


class LinkLost(StoreError):
    """The connection to the supervisor is gone, or it answers no more calls since it is stopping;
    connecting again may help."""
