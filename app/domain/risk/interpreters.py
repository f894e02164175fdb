"""Programs that run code: shells, Python and their like, and code given on the command line."""

from __future__ import annotations

import re

from app.domain.risk import own
from app.domain.risk.code import judge_code, told
from app.domain.risk.model import Finding, critical, high, low, medium, names, shown
from app.domain.risk.network import DOWNLOADERS, is_network
from app.domain.risk.packages import BUILDERS, judge_build, judge_pip
from app.domain.risk.scene import Scene
from app.domain.shell import SimpleCommand, Word
from app.domain.shell.wrappers import SHELLS, shell_script_index

INTERPRETERS = re.compile(
    r"python[\d.]*|pypy\d?|node|nodejs|deno|ruby|perl|php|lua|Rscript|R|groovy|julia|tclsh|expect|osascript"
    r"|pwsh|powershell|elixir|erl|guile|racket|sbcl|gawk-program"
)
_INLINE = {
    "python": ("-c",),
    "pypy": ("-c",),
    "node": ("-e", "-p", "--eval", "--print", "-pe"),
    "deno": ("eval",),
    "ruby": ("-e",),
    "perl": ("-e", "-E"),
    "php": ("-r",),
    "lua": ("-e",),
    "Rscript": ("-e",),
    **dict.fromkeys(("R", "racket", "groovy"), ("-e",)),
    **dict.fromkeys(("julia", "elixir"), ("-e", "-E", "--eval")),
    **dict.fromkeys(("expect", "guile"), ("-c",)),
    "sbcl": ("--eval",),
    "erl": ("-eval",),
}
# Options that load code, or whose value is the next word.
_LOADS = {
    "python": ("-W", "-X"),
    "node": ("-r", "--require", "--import", "--loader", "--experimental-loader", "-C"),
    "ruby": ("-r", "-I", "-C"),
    "perl": ("-I",),
    "php": ("-d", "-c"),
    "lua": ("-l",),
}
_DECODERS = names(
    "base64 base32 basenc xxd openssl gunzip zcat gzip uudecode rev tr hexdump od gpg bzcat"
)
_ESCAPED = re.compile(r"\\(?:x[0-9a-fA-F]|u[0-9a-fA-F]|[0-7]{2,3})")


def judge_shell(scene: Scene) -> list[Finding]:
    """`bash …`: a script given as text is judged by itself, a file and a pipe are not known."""
    index, is_command = shell_script_index(scene.command.words)
    words = scene.command.words
    if scene.texts and all(text in ("--version", "--help") for text in scene.texts):
        return [low("shows its version")]
    findings = list[Finding]()
    if any(text in ("--rcfile", "--init-file") for text in scene.texts):
        findings.append(high("starts a shell with start-up files of its own"))
    if index is None:
        return findings + _from_input(scene)
    if is_command:
        return findings + (_substituted(scene, words[index]) if words[index].dynamic else [])
    if "-n" in scene.texts[: index - 1]:
        return [*findings, low("checks a script without running it")]
    return findings + _file(scene, words[index])


def _from_input(scene: Scene) -> list[Finding]:
    """What an interpreter reads from its input is run."""
    command = scene.command
    sources = [scene.parsed.commands[index] for index in command.stdin_from]
    if sources:
        return _piped(sources, scene.name)
    texts = [redirect for redirect in command.redirects if redirect.is_text]
    if any(redirect.target.dynamic for redirect in texts):
        return [high("runs a text that is only known when it runs")]
    if texts:
        return []
    files = [redirect.target for redirect in command.redirects if redirect.op == "<"]
    if files:
        return [finding for word in files for finding in _file(scene, word)]
    if scene.name in SHELLS:
        return [high("opens a shell that takes further commands")]
    return [medium("opens an interpreter that takes further input")]


def _piped(sources: list[SimpleCommand], name: str) -> list[Finding]:
    findings = [high(f"runs the output of another command as code ({name})")]
    names = [source.name for source in sources]
    if any(name in DOWNLOADERS or is_network(name) for name in names):
        findings.append(critical("runs what it downloads"))
    if any(_decodes(source) for source in sources):
        findings.append(critical("runs a text that it decodes first"))
    return findings


def _decodes(command: SimpleCommand) -> bool:
    if command.name in ("printf", "echo"):
        return any(_ESCAPED.search(word.text) for word in command.words)
    return command.name in _DECODERS


def _substituted(scene: Scene, word: Word) -> list[Finding]:
    """A script that comes out of a substitution or a variable."""
    sources = [scene.parsed.commands[index] for index in word.commands]
    if sources:
        return _piped(sources, scene.name)
    return [high("runs a text that is only known when it runs")]


def judge_eval(scene: Scene) -> list[Finding]:
    """`eval`, `source`, `.`: run in the shell itself."""
    findings = list[Finding]()
    for word in scene.args if scene.name == "eval" else scene.args[:1]:
        if word.dynamic:
            findings += _substituted(scene, word)
        elif scene.name != "eval":
            findings += _file(scene, word)
    return findings or [low("changes nothing")]


def _file(scene: Scene, word: Word) -> list[Finding]:
    """A script file: the project's own code if it lies in the workspace."""
    if word.commands:
        return _substituted(scene, word)
    place = scene.place(word)
    if not place.known:
        return [high("runs a file that is only known when it runs")]
    if place.path.startswith("/dev/") or place.path == "-":
        return _from_input(scene) if scene.command.stdin_from else [high("runs its input as code")]
    findings = [high(f"reads what may be a secret: {shown(place.path)}")] if place.secret else []
    if not place.inside:
        return [*findings, high(f"runs a file outside the workspace: {shown(place.path)}")]
    return [*findings, medium(f"runs the project's own code: {shown(place.path)}")]


def judge_program_file(scene: Scene) -> list[Finding]:
    """A program named by its path, such as `./run.sh`."""
    return _file(scene, scene.command.words[0])


def judge_interpreter(scene: Scene) -> list[Finding]:
    """`python`, `node` and their like: a file, a module, or code on the command line."""
    texts = scene.texts
    if texts and all(t in ("--version", "-V", "-v", "--help", "-h", "-VV") for t in texts):
        return [low("shows its version")]
    if texts[:1] == ("-S",) or texts[:2] == ("-run", "-e"):
        return [high("opens a port of this machine")]
    base = re.sub(r"[\d.]+$", "", scene.name) if scene.name.startswith("py") else scene.name
    base = "node" if base == "nodejs" else base
    if base in ("osascript", "pwsh", "powershell"):
        return [high(f"{base} acts on the whole machine"), *told(scene, " ".join(texts))]
    findings, inline, skip = list[Finding](), list[Word](), False
    for position, word in enumerate(scene.args):
        following = scene.args[position + 1 :][:1]
        if skip:
            skip = False
        elif _is_inline(base, word.text) and following:
            inline += following
            skip = True
        elif inline:
            continue  # arguments of the code, or further pieces of it
        elif word.text in _LOADS.get(base, ()):
            findings += [f for w in following if "/" in w.text for f in _file(scene, w)]
            skip = True
        elif base in ("python", "pypy") and word.text.startswith("-m"):
            return findings + _module(scene, position)
        elif not word.text.startswith("-") or word.text == "-":
            return findings + _program(scene, base, word)
    if inline:
        findings += _perl_in_place(scene)
        return findings + [found for word in inline for found in _given(scene, word)]
    return _stdin_code(scene)


def _is_inline(base: str, text: str) -> bool:
    cluster = base in ("perl", "ruby") and re.fullmatch(r"-[a-zA-Z0-9]*[eE]", text) is not None
    return cluster or text in _INLINE.get(base, ())


def _program(scene: Scene, base: str, word: Word) -> list[Finding]:
    if word.text == "-":
        return _stdin_code(scene)
    if base == "deno":
        known = word.text in (
            "test",
            "lint",
            "fmt",
            "check",
            "task",
            "doc",
            "cache",
            "info",
            "bench",
        )
        return [medium("runs the project's own code")] if known else _deno(scene)
    return _file(scene, word)


def _deno(scene: Scene) -> list[Finding]:
    if any(text.startswith(("https:", "http:", "npm:", "jsr:")) for text in scene.texts):
        return [high("runs code from an address")]
    operands = [word for word in scene.args[1:] if not word.text.startswith("-")]
    return (
        _file(scene, operands[0]) if scene.texts[0] == "run" and operands else [high("runs deno")]
    )


def _perl_in_place(scene: Scene) -> list[Finding]:
    if scene.name in ("perl", "ruby") and any(
        re.match(r"-[a-zA-Z0]*i", t) for t in scene.texts[:4]
    ):
        files = [word for word in scene.args if not word.text.startswith("-")][1:]
        return scene.writes([*files, *scene.fed_words], "changes")
    return []


def _given(scene: Scene, word: Word) -> list[Finding]:
    """Code on the command line, or what a substitution gives as such."""
    return _substituted(scene, word) if word.commands else judge_code(scene, word)


def _stdin_code(scene: Scene) -> list[Finding]:
    findings = _from_input(scene)
    for redirect in scene.command.redirects:
        if redirect.is_text:
            findings += _given(scene, redirect.target)
    return findings


def _module(scene: Scene, position: int) -> list[Finding]:
    word = scene.args[position]
    rest = scene.args[position + 1 :]
    module = word.text[2:] or (rest[0].text if rest else "")
    rest = rest if word.text[2:] else rest[1:]
    if module in ("pip", "pip3"):
        words = (Word(text="pip"), *rest)
        return judge_pip(_as(scene, words))
    if module == "app" and rest:
        return own.judge_words([w.text for w in rest])
    if module in ("http.server", "SimpleHTTPServer", "smtpd", "pyftpdlib"):
        return [high("opens a port of this machine")]
    if module in ("pytest", "unittest", "mypy", *BUILDERS):
        return judge_build(_as(scene, (Word(text=module), *rest)))
    if module in (
        "json.tool",
        "this",
        "site",
        "sysconfig",
        "platform",
        "tokenize",
        "ast",
        "calendar",
    ):
        return [low("runs a part of Python that only looks"), *scene.reads(rest[:1])]
    if module in ("ensurepip", "webbrowser", "telnetlib", "ftplib", "twine"):
        return [high(f"python -m {module} reaches beyond the project")]
    if word.dynamic or "$" in module or "`" in module:
        return [high("runs a module that is only known when it runs")]
    found = [medium(f"runs a Python module: {shown(module)}")]
    if module == "venv":
        found += scene.writes(w for w in rest if not w.text.startswith("-"))
    return found + ([] if scene.here.inside else [high("runs code outside the workspace")])


def _as(scene: Scene, words: tuple[Word, ...]) -> Scene:
    command = scene.command.model_copy(update={"words": words})
    return Scene(command, scene.parsed, scene.folders, scene.cwd, scene.depth, words[0].text)
