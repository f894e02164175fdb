"""`docker`, `podman`: their daemon has the machine's rights, and what they are given decides."""

from __future__ import annotations

import re
from collections.abc import Iterator

from app.domain.request import Risk
from app.domain.risk.model import Finding, critical, high, low, medium, names, shown
from app.domain.risk.scene import Scene
from app.domain.shell import Word

NAMES = names("docker podman nerdctl docker-compose")
_LOOKS = names("ps images logs inspect version info top stats port diff history events search")
_RIGHTS = re.compile(
    r"--privileged|--pid=host|--net(?:work)?=host|--cap-add|--device|--userns=host"
)
_SOURCE = re.compile(r"(?:^|,)(?:source|src)=([^,]+)")


def judge_container(scene: Scene) -> list[Finding]:
    """A container command: looking, running, throwing away."""
    texts = scene.texts
    operands = [text for text in texts if not text.startswith("-")]
    operands = operands[1:] if operands[:1] == ["compose"] else operands
    sub = operands[0] if operands else ""
    if sub in _LOOKS or operands[1:2] in (["ls"], ["list"], ["inspect"]):
        return [medium("looks at containers")]
    if sub in ("", "help"):
        return [low("shows its version")]
    findings = [high(f"{scene.name} {shown(sub)} runs or changes containers")]
    if any(_RIGHTS.match(text) for text in texts) or any(map(_opens, _mounts(scene))):
        findings.append(critical("gives a container the rights of the whole machine"))
    if _loses_data(texts, operands):
        findings.append(critical("removes the data of containers for good"))
    return findings


def _mounts(scene: Scene) -> Iterator[tuple[Scene, Word]]:
    """The folders of this machine that a container is given."""
    for option, value in scene.options("vweup", "volume mount env name network").given:
        if value is None:
            continue
        if option in ("-v", "--volume"):
            source = value.text.partition(":")[0]
        elif option == "--mount" and (found := _SOURCE.search(value.text)):
            source = found[1]
        else:
            continue
        if "/" in source or source.startswith(("~", ".")):
            yield scene, value.model_copy(update={"text": source})


def _opens(mount: tuple[Scene, Word]) -> bool:
    """Whether a mount lets the container change the machine or read keys."""
    scene, word = mount
    place = scene.place(word)
    grave = place.guard is not None and place.guard[0] is Risk.CRITICAL
    return place.whole or place.secret or grave or "docker.sock" in word.text


def _loses_data(texts: tuple[str, ...], operands: list[str]) -> bool:
    volumes = "--volumes" in texts or (operands[:1] == ["volume"] and operands[1:2] != ["create"])
    prunes = any(text in ("prune", "rm", "down", "remove") for text in operands)
    down = "down" in operands and any(text in ("-v", "--volumes") for text in texts)
    return (volumes and prunes) or down
