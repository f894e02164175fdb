"""`longwatch` itself: an agent may look, and never answer in a person's place."""

from __future__ import annotations

from collections.abc import Sequence

from app.domain.risk.model import Finding, critical, high, low, medium, names, shown
from app.domain.risk.scene import Scene

NAME = "longwatch"
_ANSWERS = names(
    "approve deny settle accept reject answer cancel pause resume retry skip fork finish down"
)
_DECIDES = names("rules rollout shadow")  # unless they only show
_LOOKS = names(
    "runs show events log diff approvals reviews questions status trace usage metrics verify"
    " route policy workflow compare doctor"
)
_LOOKS_DEEPER = names("show history list")
_CONFIGURES = {"init": "", "migrate": "", "workflow": "import"}  # and below which subcommand

_KNOWN = _ANSWERS | _DECIDES | _LOOKS | _CONFIGURES.keys()


def judge_own(scene: Scene) -> list[Finding]:
    """`longwatch …`; a subcommand that is only known when it runs may be one that answers."""
    words = [word for word in scene.args if not word.text.startswith("-")]
    if any(word.dynamic for word in words) and not any(word.text in _KNOWN for word in words):
        said = shown(scene.command.text)
        return [critical(f"may answer in the operator's place: {said}", floor=True)]
    return judge_words(scene.texts)


def judge_words(texts: Sequence[str]) -> list[Finding]:
    """The arguments of `longwatch …`, or of `python -m app …`."""
    words = [text for text in texts if not text.startswith("-")]
    if not words:
        versions = texts and all(text in ("--version", "--help") for text in texts)
        return [low("shows its version")] if versions else [high("opens the control room")]
    # `--store x approve`: which options take a value is not known here, so all words count.
    known = [word for word in words if word in _KNOWN]
    sub = known[0] if known else words[0]
    rest = words[words.index(sub) + 1 :]
    if sub in _ANSWERS:
        return [critical(f"answers in the operator's place: longwatch {sub}", floor=True)]
    if sub in _DECIDES and rest and rest[0] not in _LOOKS_DEEPER:
        what = f"longwatch {sub} {shown(rest[0])}"
        return [critical(f"decides in the operator's place: {what}", floor=True)]
    if sub in _CONFIGURES and _CONFIGURES[sub] in ("", *rest[:1]):
        return [critical(f"writes Longwatch's configuration: longwatch {sub}")]
    if sub in _LOOKS or sub in _DECIDES:
        return [medium("looks at runs and their settings")]
    return [high(f"longwatch {shown(sub)} starts or changes runs")]
