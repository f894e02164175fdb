"""Which judge knows which program; a program that nobody knows is high."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from fnmatch import fnmatchcase
from itertools import pairwise

from app.domain.request import Risk
from app.domain.risk import (
    containers,
    databases,
    git,
    interpreters,
    network,
    own,
    packages,
    readers,
    streams,
    system,
    writers,
)
from app.domain.risk.model import Finding, high, low, medium, shown
from app.domain.risk.scene import Scene
from app.domain.shell.wrappers import SHELLS

Judge = Callable[[Scene], list[Finding]]

_TOOL_FOLDER = re.compile(
    r"(?:\./)?(?:\.?venv|env|node_modules/\.bin|vendor/bin|\.tox/[^/]+|\.nox/[^/]+)(?:/bin)?/([^/]+)$"
)


def _other_readers(scene: Scene) -> list[Finding]:
    """`yq`, `openssl`: mostly readers, with ways to write."""
    texts, name = scene.texts, scene.name
    if name == "yq":
        files = [w for w in scene.args[1:] if not w.text.startswith("-")]
        in_place = any(re.match(r"-\w*i|--in-?place", text) for text in texts)
        return scene.writes(files, "changes") if in_place else scene.reads(files)
    if name == "openssl":
        if texts[:1] and texts[0] in ("s_client", "s_server", "ocsp"):
            return [high("talks to another machine")]
        given = dict(pairwise(scene.args))
        read = [
            value for option, value in given.items() if option.text in ("-in", "-inkey", "-key")
        ]
        written = [value for option, value in given.items() if option.text == "-out"]
        return [medium("works with keys or hashes"), *scene.reads(read), *scene.writes(written)]
    return [high(f"the program {shown(name)} is not known here")]


def _wrapper(scene: Scene) -> list[Finding]:
    """`parallel`, `script`: what they run is judged by itself."""
    if scene.name == "script" and not scene.options().has("-c", "--command"):
        return [high("opens a shell that takes further commands")]
    return [medium("runs other commands")]


_JUDGES: dict[str, Judge] = {
    **dict.fromkeys(readers.HARMLESS, readers.judge_harmless),
    **dict.fromkeys(readers.CONTENT | readers.SEARCH, readers.judge_content),
    **dict.fromkeys(readers.METADATA, readers.judge_metadata),
    **dict.fromkeys(("find", "gfind", "fd", "fdfind"), readers.judge_find),
    **dict.fromkeys(writers.PLAIN, writers.judge_plain),
    **dict.fromkeys(("cp", "mv", "install", "ln"), writers.judge_copy),
    **dict.fromkeys(("chmod", "chown", "chgrp", "chattr", "setfacl"), writers.judge_mode),
    **dict.fromkeys(("sed", "gsed"), streams.judge_sed),
    **dict.fromkeys(("awk", "gawk", "mawk", "nawk"), streams.judge_awk),
    **dict.fromkeys(("tar", "zip", "unzip", "7z", "cpio", "bsdtar"), writers.judge_archive),
    **dict.fromkeys(("shred", "wipe", "srm"), writers.judge_shred),
    **dict.fromkeys(network.DOWNLOADERS, network.judge_download),
    **dict.fromkeys(network.TALKERS, network.judge_talker),
    **dict.fromkeys(databases.NAMES, databases.judge_database),
    **dict.fromkeys(containers.NAMES, containers.judge_container),
    **dict.fromkeys(network.CLOUD, network.judge_cloud),
    **packages.JUDGES,
    **dict.fromkeys(SHELLS, interpreters.judge_shell),
    **dict.fromkeys(("eval", "source", "."), interpreters.judge_eval),
    **dict.fromkeys(system.NAMES, system.judge_system),
    **dict.fromkeys(("yq", "openssl"), _other_readers),
    **dict.fromkeys(("parallel", "script"), _wrapper),
    own.NAME: own.judge_own,
    "rm": writers.judge_rm,
    "dd": writers.judge_dd,
    "git": git.judge_git,
}


def judge(scene: Scene) -> list[Finding]:
    """What one simple command does, by the judge that knows its program."""
    words = scene.command.words
    if not words:
        return []
    if words[0].dynamic or words[0].glob:
        return [high("which program runs is only known when it runs"), *_any_of(scene)]
    name = scene.name
    if name in scene.parsed.functions:
        return [low("calls a function of the same text")]
    if found := _find(name):
        return found(scene)
    if "/" in name:
        return _by_path(scene)
    return [high(f"the program {shown(name) or '(empty)'} is not known here")]


_GRAVE = (
    *("rm", "dd", "mv", "find", "chmod", "chown", "shred", "tee", "cp"),
    *("sudo", "su", "doas", "reboot", "shutdown", "useradd", "passwd", "iptables", "kill"),
)


def _any_of(scene: Scene) -> list[Finding]:
    """`/bin/r? -rf /`: the worst that a program of this pattern would do, if it is bad."""
    first = scene.command.words[0]
    if first.dynamic:
        return []
    pattern = first.text.rsplit("/", 1)[-1]
    fitting = [name for name in _GRAVE if fnmatchcase(name, pattern)]
    found = [finding for name in fitting for finding in _JUDGES[name](replace(scene, renamed=name))]
    return [finding for finding in found if finding.risk is Risk.CRITICAL]


def _find(name: str) -> Judge | None:
    if name in _JUDGES:
        return _JUDGES[name]
    if interpreters.INTERPRETERS.fullmatch(name):
        return interpreters.judge_interpreter
    return system.judge_system if system.is_disk(name) else None


def _by_path(scene: Scene) -> list[Finding]:
    """`.venv/bin/pip` is pip; any other program file is code of whoever owns the folder."""
    findings = interpreters.judge_program_file(scene)
    tool = _TOOL_FOLDER.search(scene.command.words[0].text)
    known = _find(tool[1]) if tool is not None else _find(scene.name.rsplit("/", 1)[-1])
    if known is None:
        return findings
    renamed = replace(scene, renamed=scene.name.rsplit("/", 1)[-1])
    return findings + known(renamed)
