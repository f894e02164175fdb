"""Judging a shell text: every simple command in every folder it may run in; the worst counts."""

from __future__ import annotations

import re
from itertools import pairwise

from app.domain.request import Risk
from app.domain.risk.catalogue import judge
from app.domain.risk.flows import judge_together
from app.domain.risk.model import Finding, critical, high, low, medium, shown
from app.domain.risk.network import is_network
from app.domain.risk.places import Folders
from app.domain.risk.scene import Scene
from app.domain.shell import Parsed, SimpleCommand, Word
from app.domain.shell.wrappers import SHELLS

_FORK_BOMB = re.compile(r"([^\s(){}|&;]{1,64})\(\)\{\1\|\1&\}")
_RUNS_CODE = re.compile(
    r"LD_\w+|DYLD_\w+|BASH_ENV|ENV|PROMPT_COMMAND|PS4|IFS|SHELLOPTS|BASHOPTS|GIT_\w+|\w*PAGER"
    r"|(?:\w+_)?EDITOR|VISUAL|LESSOPEN|LESSCLOSE|PYTHONSTARTUP|PYTHONHOME|NODE_OPTIONS|PERL5\w+"
    r"|RUBY(?:OPT|LIB)|JAVA_TOOL_OPTIONS|_JAVA_OPTIONS|SHELL|BROWSER|MANPAGER|CDPATH|GLOBIGNORE"
    r"|PIP_INDEX_URL|PIP_EXTRA_INDEX_URL|NPM_CONFIG_REGISTRY|RUSTC_WRAPPER|CC|CXX|GOFLAGS|MAKEFLAGS"
    r"|HOME|HISTFILE|SSH_AUTH_SOCK|SSH_ASKPASS"
)
_BRINGS = re.compile(r"\[[^\]]*(?:\$\(|`|\\)", re.DOTALL)
_KEY_NAME = (
    r"(?:[A-Z0-9_]*_)?(?:API_?KEY|KEY|TOKEN|SECRET|PASSWORD|PASSPHRASE|CREDENTIALS?)"
    r"(?:_[A-Z0-9_]*)?"
)
# Whether it is set (`${X:+yes}`) and how long it is (`${#X}`) is told, but not what it holds.
_KEY_VARIABLE = re.compile(rf"\$(?:({_KEY_NAME})(?!\w)|\{{!?({_KEY_NAME})(?!\w|:?\+))")
_SAFE_VALUES = ("", "cat", "true", ":", "0", "1", "less", "never", "more")
_SAFE_GIT = re.compile(
    r"GIT_(?:AUTHOR|COMMITTER)_\w+|GIT_TERMINAL_PROMPT|GIT_OPTIONAL_LOCKS|GIT_TRACE|GIT_MERGE_AUTOEDIT"
)


def judge_parsed(
    parsed: Parsed, folders: Folders, cwd: str | None, depth: int = 0
) -> list[Finding]:
    """Findings for all commands of a text; `cwd` is the folder it starts in."""
    findings = list[Finding]()
    for command in parsed.commands:
        findings += judge_command(command, parsed, folders, cwd, depth)
    findings += judge_together(parsed, folders, cwd)
    if parsed.computes:
        findings.append(_computes(parsed))
    if parsed.unparsable:
        # Whoever wraps a thing until it cannot be read must not lower its risk by that.
        bound = any(word in parsed.why for word in ("deep", "more than", "over", "longer"))
        risk = critical if bound else high
        findings.append(risk(f"cannot be judged: {parsed.why}"))
    return findings


def _computes(parsed: Parsed) -> Finding:
    """Arithmetic runs what a value has in brackets; worse, where the text brings that itself."""
    texts = [word.text for command in parsed.commands for word in command.words]
    texts += [r.target.text for command in parsed.commands for r in command.redirects]
    brings = any(_BRINGS.search(text) for text in (*texts, parsed.computes))
    risk = high if brings else medium
    return risk(f"evaluates as arithmetic what may be any text: {shown(parsed.computes)}")


def judge_command(
    command: SimpleCommand, parsed: Parsed, folders: Folders, cwd: str | None, depth: int = 0
) -> list[Finding]:
    """Findings for one simple command, in each folder that it may run in."""
    findings = list[Finding]()
    for chain in command.cwds:
        folder = cwd
        for target in chain:
            folder = folders.enter(folder, target)
        scene = Scene(command, parsed, folders, folder, depth)
        findings += judge(scene) + _redirects(scene)
        findings += _assigned(scene)
    findings += _bomb(command) + _shows(command, parsed) + _leak(command, parsed, folders, cwd)
    return list(dict.fromkeys(findings)) or [low("changes nothing")]


def _redirects(scene: Scene) -> list[Finding]:
    findings = list[Finding]()
    for redirect in scene.command.redirects:
        if redirect.is_text or redirect.harmless:
            continue
        if redirect.target.text.startswith(("/dev/tcp/", "/dev/udp/")):
            findings.append(high("talks to another machine"))
            if scene.name in SHELLS:
                findings.append(critical("gives another machine a shell here"))
        elif redirect.target.is_pipe:
            continue  # its commands are judged by themselves
        elif redirect.writes:
            findings.append(scene.write(redirect.target, "overwrites"))
        if "<" in redirect.op and not redirect.target.is_pipe:
            findings += scene.reads([redirect.target])
    return findings


def _assigned(scene: Scene) -> list[Finding]:
    pairs = list(scene.command.assignments)
    if scene.name in ("export", "declare", "typeset", "readonly", "local"):
        for word in scene.args:
            name, equals, value = word.text.partition("=")
            if equals:
                pairs.append((name, word.model_copy(update={"text": value})))
                pairs += [(value, Word(text=""))] if "-n" in scene.texts else []
    if scene.name in ("read", "printf", "mapfile", "readarray"):
        pairs += [(word.text, Word(text="?", dynamic=True)) for word in _named(scene)]
    found = [finding for name, value in pairs for finding in _assignment(scene, name, value)]
    if scene.name in ("unset", "wait", "getopts", "test", "["):
        found += [f for word in _named(scene) for f in _subscript(word.text)]
    return found


def _named(scene: Scene) -> list[Word]:
    """The variables that a builtin such as `read` or `printf -v` is given the names of."""
    options = {"printf": ("-v",), "test": ("-v", "-R"), "[": ("-v", "-R")}.get(scene.name)
    if options is None:
        return [word for word in scene.args if not word.text.startswith("-")]
    return [word for option, word in pairwise(scene.args) if option.text in options]


def _subscript(name: str) -> list[Finding]:
    """`a[$(cmd)]` as a variable's name: the shell itself runs what stands in the brackets."""
    if "[" in name and ("$" in name or "`" in name):
        return [high("evaluates a text as arithmetic")]
    return []


def _assignment(scene: Scene, name: str, value: Word) -> list[Finding]:
    if name == "PATH" or (_RUNS_CODE.fullmatch(name) and not _SAFE_GIT.fullmatch(name)):
        if not value.dynamic and value.text in _SAFE_VALUES and name != "PATH":
            return []
        return [high(f"sets {name}, which decides what other programs do")]
    if found := _subscript(name):
        return found
    if name in ("PYTHONPATH", "NODE_PATH", "CLASSPATH"):
        parts = [Word(text=part) for part in value.text.split(":") if part and "$" not in part]
        if any(not scene.place(part).inside for part in parts):
            return [high(f"sets {name} to a folder outside the workspace")]
    return []


def _shows(command: SimpleCommand, parsed: Parsed) -> list[Finding]:
    """A variable of the environment that is named like a key, where its value may be printed."""
    if command.name in ("test", "[", "[[", ""):
        return []
    texts = [*(word.text for word in command.words if word.dynamic)]
    texts += [r.target.text for r in command.redirects if r.target.dynamic]
    used = {found[1] or found[2] for text in texts for found in _KEY_VARIABLE.finditer(text)}
    used -= {name for other in parsed.commands for name, _ in other.assignments}
    return [medium(f"shows a variable that can hold a key: {min(used)}")] if used else []


def _bomb(command: SimpleCommand) -> list[Finding]:
    """A function that pipes into itself or starts itself twice."""
    if command.function and command.name == command.function and "|" in command.via:
        return [critical("starts itself without end", floor=True)]
    return []


def bomb_in(text: str) -> bool:
    """Whether a text looks like a fork bomb, parsable or not."""
    return _FORK_BOMB.search(re.sub(r"\s", "", text)) is not None


def _leak(
    command: SimpleCommand, parsed: Parsed, folders: Folders, cwd: str | None
) -> list[Finding]:
    """A secret that goes into a program which talks to another machine."""
    if not is_network(command.name):
        return []
    sources = set(command.stdin_from)
    for word in command.words:
        sources.update(word.commands)
    for index in sources:
        source = parsed.commands[index]
        for chain in source.cwds:
            folder = cwd
            for target in chain:
                folder = folders.enter(folder, target)
            found = judge(Scene(source, parsed, folders, folder))
            if source.name in ("printenv", "env", "set"):
                return [critical("sends the environment to another machine")]
            if any(f.risk is Risk.HIGH and "secret" in f.reason for f in found):
                return [critical(f"sends what may be a secret: {shown(source.text)}")]
    return []
