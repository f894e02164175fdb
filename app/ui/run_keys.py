"""The Run screen's tabs and keys."""

from __future__ import annotations

from textual.binding import Binding, BindingType

from app.domain.attention import AttentionKind
from app.ui.keys import file_keys, reading_keys

TABS = (
    ("output", "o", "Output"),
    ("gates", "g", "Gates"),
    ("diff", "f", "Diff"),
    ("log", "l", "Log"),
    ("events", "e", "Events"),
)
LEADS = {
    "approvals": (AttentionKind.APPROVAL, AttentionKind.UNCERTAIN),
    "reviews": (AttentionKind.REVIEW,),
    "questions": (AttentionKind.QUESTION,),
}
RUN_KEYS: list[BindingType] = [
    *(
        Binding(key, f"tab('{name}')", label, id=f"run.{name}", show=False)
        for name, key, label in TABS
    ),
    Binding("enter", "full", "Full", id="run.full"),
    Binding("s", "say", "Say", id="run.say"),
    Binding("t", "retry", "Retry", id="run.retry"),
    Binding("T", "retry_with", "Edit", id="run.retry-with"),
    Binding("v", "skip", "Value", id="run.skip"),
    Binding("u", "pause", "Pause", id="run.pause"),
    Binding("u", "resume", "Go on", id="run.resume"),
    Binding("u", "finish", "Finish in shadow", id="run.finish"),
    Binding("K", "restart", "Start its agent anew", id="run.restart", show=False),
    Binding("F", "fork", "Fork", id="run.fork", show=False),
    Binding("Y", "take", "Take over", id="run.take"),
    Binding("b", "parent", "Its parent", id="run.parent"),
    Binding("x", "cancel", "Cancel", id="run.cancel"),
    Binding("a", "go('approvals')", "Approvals", id="run.approvals"),
    Binding("r", "go('reviews')", "Reviews", id="run.reviews"),
    Binding("i", "go('questions')", "Questions", id="run.questions"),
    *reading_keys("run"),
    *file_keys("run"),
]
