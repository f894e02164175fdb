"""Errors of the link itself."""

from __future__ import annotations

from app.domain.errors import StoreError


class LinkLost(StoreError):
    """The connection to the supervisor is gone; connecting again may help."""
