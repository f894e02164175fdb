"""Programs that run code: shells, Python and their like, and code given on the command line."""

from __future__ import annotations

import re

from app.domain.request import Risk
from app.domain.risk.model import Finding, critical, high, low, medium, names, shown
from app.domain.risk.network import DOWNLOADERS, is_network
from app.domain.risk.packages import BUILDERS, judge_build, judge_pip
from app.domain.risk.scene import Scene, worst
from app.domain.shell import SimpleCommand, Word, parse
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
_DECODERS = names(
    "base64 base32 basenc xxd openssl gunzip zcat gzip uudecode rev tr hexdump od gpg bzcat"
)
_STARTS = re.compile(
    r"system|popen|subprocess|spawn|child_process|exec|eval|`[^`]+`|%x|qx|pty|Open3|shell_exec"
    r"|passthru|os\.kill|ctypes|__import__|importlib|compile\(|Deno\.run|Deno\.Command"
    r"|do shell script"
)
_REMOVES = re.compile(r"rmtree|rm_rf|rmdir|unlink|\bremove\b|FileUtils|rmSync|removedirs|truncate")
_NETWORK = re.compile(
    r"socket|urllib|requests|httpx|aiohttp|http\.client|https?://|fetch\(|net\.connect|Net::HTTP"
    r"|LWP|curl_|smtplib|ftplib|paramiko|file_get_contents\(.http|axios|XMLHttpRequest|websocket"
)
_WRITES = re.compile(
    r"open\([^)]{0,200}[\"'][wax]b?\+?[\"']|write_text|write_bytes|writeFile|\bcopy|rename"
)
_SECRETS = re.compile(
    r"\.ssh|id_rsa|id_ed25519|\.aws|\.env\b|/etc/shadow|\.netrc|environ|process\.env"
)
_DECODES = re.compile(r"b64decode|base64|fromhex|unhexlify|zlib|marshal|codecs|atob|Buffer\.from")
_LITERAL = re.compile(
    r"'''(.*?)'''|\"\"\"(.*?)\"\"\"|'((?:\\.|[^'\\\n])*)'|\"((?:\\.|[^\"\\\n])*)\"|`([^`]*)`",
    re.DOTALL,
)
_MAX_LITERALS = 40


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
    if command.name == "printf":
        return any("\\x" in word.text or "\\0" in word.text for word in command.words)
    if command.name == "echo":
        return any("\\x" in w.text or "\\0" in w.text for w in command.words)
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
    base = re.sub(r"[\d.]+$", "", scene.name) if scene.name.startswith("py") else scene.name
    base = "node" if base == "nodejs" else base
    if base in ("osascript", "pwsh", "powershell"):
        return [high(f"{base} acts on the whole machine"), *_told(scene, " ".join(texts))]
    for position, word in enumerate(scene.args):
        if word.text in _INLINE.get(base, ()) and position + 1 < len(scene.args):
            return _perl_in_place(scene) + _code(scene, scene.args[position + 1])
        if (
            base == "perl"
            and re.fullmatch(r"-[a-zA-Z0-9]*[eE]", word.text)
            and texts[position + 1 :]
        ):
            return _perl_in_place(scene) + _code(scene, scene.args[position + 1])
        if base in ("python", "pypy") and word.text.startswith("-m"):
            return _module(scene, position)
        if not word.text.startswith("-") or word.text == "-":
            return _program(scene, base, word)
    return _stdin_code(scene)


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


def _stdin_code(scene: Scene) -> list[Finding]:
    findings = _from_input(scene)
    for redirect in scene.command.redirects:
        if redirect.is_text:
            findings += _code(scene, redirect.target)
    return findings


def _module(scene: Scene, position: int) -> list[Finding]:
    word = scene.args[position]
    rest = scene.args[position + 1 :]
    module = word.text[2:] or (rest[0].text if rest else "")
    rest = rest if word.text[2:] else rest[1:]
    if module in ("pip", "pip3"):
        words = (Word(text="pip"), *rest)
        return judge_pip(_as(scene, words))
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


def _code(scene: Scene, word: Word) -> list[Finding]:
    """Code on the command line: harmless as far as it names nothing that reaches out."""
    if word.dynamic and word.commands:
        return _substituted(scene, word)
    text = word.text
    if word.dynamic:
        return [high("runs code that is only known when it runs"), *_told(scene, text)]
    return [medium("runs code given on the command line"), *_told(scene, text)]


def _told(scene: Scene, text: str) -> list[Finding]:
    findings = list[Finding]()
    starts = _STARTS.search(text)
    if starts:
        findings.append(high(f"the code may start programs ({shown(starts.group())})"))
    if _DECODES.search(text) and re.search(r"exec|eval|system", text):
        findings.append(critical("runs a text that it decodes first"))
    if _NETWORK.search(text):
        findings.append(high("the code may talk to another machine"))
        if re.search(r"\bexec\b|\beval\b", text):
            findings.append(critical("runs what it downloads"))
    if _SECRETS.search(text):
        findings.append(high("the code may read secrets"))
    removes = _REMOVES.search(text) is not None
    if removes:
        findings.append(high("the code may remove files"))
    literals = _literals(text)
    if removes or _WRITES.search(text):
        tree = re.search(r"rmtree|rm_rf|rmSync|removedirs|FileUtils", text) is not None
        findings += [_touched(scene, literal, tree=tree) for literal in literals]
    if starts:
        findings += _scripts(scene, literals)
    return findings


def _literals(text: str) -> list[str]:
    found = [next((g for g in m.groups() if g), "") for m in _LITERAL.finditer(text)]
    return [literal for literal in found if literal][:_MAX_LITERALS]


def _touched(scene: Scene, literal: str, *, tree: bool) -> Finding:
    """A path named in code that writes or removes."""
    if not literal.startswith(("/", "~", "..")):
        return medium("runs code given on the command line")
    word = Word(text=literal, home=literal.startswith("~"))
    found = scene.removes_tree(word) if tree else scene.write(word)
    return Finding(found.risk, found.reason)  # only a guess: never beyond what a person may allow


def _scripts(scene: Scene, literals: list[str]) -> list[Finding]:
    """Texts inside the code that would be bad as shell commands."""
    if scene.depth >= 2:
        return []
    from app.domain.risk.shell_call import judge_parsed  # which calls this module

    findings = list[Finding]()
    for text in (*literals, " ".join(literals)):
        judged = judge_parsed(parse(text), scene.folders, scene.cwd, scene.depth + 1)
        if worst(judged) is Risk.CRITICAL:
            findings += [f for f in judged if f.risk is Risk.CRITICAL]
    return [Finding(found.risk, found.reason) for found in findings]
