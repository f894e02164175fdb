"""Errors over the socket: sent by class name and message, raised again as the same class."""

from __future__ import annotations

import logging

from app.domain import errors
from app.link.errors import LinkLost
from app.link.wire import WireError

_KNOWN: dict[str, type[errors.LongwatchError]] = {
    kind.__name__: kind
    for kind in (
        errors.NotFound,
        errors.OwnershipError,
        errors.Refused,
        LinkLost,
        errors.StoreError,
        errors.ConfigError,
        errors.DriverError,
        errors.LongwatchError,
    )
}
_LOG = logging.getLogger(__name__)


def describe(error: Exception, doing: str) -> WireError:
    """What the other end is told. An error that is not ours is a defect: it is logged here
    with its trace, and told in one sentence."""
    if isinstance(error, errors.LongwatchError):
        name = next(k.__name__ for k in type(error).__mro__ if k.__name__ in _KNOWN)
        return WireError(type=name, message=str(error))
    _LOG.error("the call %r failed", doing, exc_info=error)
    return WireError(
        type="LongwatchError",
        message=f"the supervisor failed at {doing!r}: {type(error).__name__}: {error}",
    )


def revive(error: WireError) -> errors.LongwatchError:
    """The error to raise at this end; a class unknown here becomes the base class."""
    return _KNOWN.get(error.type, errors.LongwatchError)(error.message)
