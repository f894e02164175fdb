"""Which past session a run takes up; what it is, `app.domain.past` says."""

from typing import NewType

from app.domain.base import Model

PastId = NewType("PastId", str)  # "<agent>/<session>"; never a path


class PastRef(Model):
    """The past session that a run takes up. Its content is pinned when the run starts."""

    past_id: PastId
    sha256: str = ""  # of its file; empty only in a request that has not become a run yet
