"""What somebody has seen of what waits for a person, and what is said to call somebody.

A thing is unseen until a screen has painted it or a command has listed it. That is a fact of this
supervisor's time, not of the journal: after a restart everything is unseen until it is painted.
"""

from collections.abc import Sequence

from app.domain.attention import AttentionItem, AttentionKind
from app.domain.base import Model
from app.domain.request import Risk
from app.domain.text import one_line

_LINE_CHARS = 200
_SHOWN = 50  # things that are told one by one; the rest is in the number
# A desktop may read the line as markup, and an agent wrote a part of it.
_NO_MARKUP = str.maketrans({"<": "‹", ">": "›", "&": "＆"})


class Sighting(Model):
    """One thing in one revision, as it was before somebody's eyes."""

    kind: AttentionKind
    item_id: str
    revision: int = 0


def sighting(item: AttentionItem) -> Sighting:
    """How it is known. Things with one cause, which are shown as one, are seen as one."""
    return Sighting(kind=item.kind, item_id=item.group or item.item_id, revision=item.revision)


class Waiting(Model):
    """One thing that waits for a person, and whether anybody has seen it."""

    item: AttentionItem
    project: str
    seen: bool
    seconds: float  # since it was first noticed by this supervisor


class CalledFor(Model):
    """One of the things for which somebody is called."""

    kind: AttentionKind
    run: str
    id: str
    title: str
    risk: Risk | None
    waiting_seconds: int


class Call(CalledFor):
    """What a notify command gets on stdin: the most urgent thing, and all of them."""

    project: str
    count: int
    items: tuple[CalledFor, ...]

    @property
    def line(self) -> str:
        """The same for a person, in one line without markup."""
        risk = f" ({self.risk} risk)" if self.risk else ""
        more = f" · and {self.count - 1} more" if self.count > 1 else ""
        waits = f" · waits {_span(self.waiting_seconds)}, seen by nobody{more}"
        text = f"{self.kind}{risk}: {one_line(self.title, _LINE_CHARS)}{waits}"
        return text.translate(_NO_MARKUP)


def call_for(project: str, waiting: Sequence[Waiting]) -> Call:
    """The call for these, most urgent first; there is at least one."""
    items = tuple(_called_for(one) for one in waiting[:_SHOWN])
    return Call(**dict(items[0]), project=project, count=len(waiting), items=items)


def _called_for(waiting: Waiting) -> CalledFor:
    item = waiting.item
    return CalledFor(
        kind=item.kind,
        run=item.run_id,
        id=item.item_id,
        title=item.title,
        risk=item.risk,
        waiting_seconds=int(waiting.seconds),
    )


def _span(seconds: int) -> str:
    return f"{seconds} s" if seconds < 120 else f"{seconds // 60} min"
