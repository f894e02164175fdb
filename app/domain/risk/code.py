"""Code given on the command line: judged by what it names, whatever the language."""

from __future__ import annotations

import re

from app.domain.request import Risk
from app.domain.risk.model import Finding, critical, high, medium, shown
from app.domain.risk.scene import Scene, worst
from app.domain.shell import Word, parse

_STARTS = re.compile(
    r"system|popen|subprocess|spawn|child_process|exec|eval|`[^`]+`|%x|qx|pty|Open3|shell_exec"
    r"|passthru|os\.kill|\bfork\b|ctypes|__import__|importlib|compile\(|Deno\.run|Deno\.Command"
    r"|do shell script|open\b[^;]{0,80}[\"']\s*\|\s*\w|open\b[^;]{0,80}\w\s*\|\s*[\"']"
)
_REMOVES = re.compile(r"rmtree|rm_rf|rmdir|unlink|\bremove\b|FileUtils|rmSync|removedirs|truncate")
_NETWORK = re.compile(
    r"[Ss]ocket|urllib|requests|httpx|aiohttp|http\.client|https?://|fetch\(|net\.connect|Net::HTTP"
    r"|LWP|curl_|smtplib|ftplib|paramiko|file_get_contents\(.http|axios|XMLHttpRequest|websocket"
)
_WRITES = re.compile(
    r"open\([^)]{0,200}[\"'][wax]b?\+?[\"']|write_text|write_bytes|writeFile|\bcopy|rename"
)
_SECRETS = re.compile(
    r"\.ssh|id_rsa|id_ed25519|\.aws|\.env\b|/etc/shadow|\.netrc|environ|process\.env|\bENV\b"
    r"|getenv"
)
_SHELL_BY_WIRE = re.compile(
    r"\bdup2|pty\.spawn|/bin/\w*sh\b|[\"']-i[\"']|\bsh -i|>&\s*S\b|STDIN->fdopen"
)
_DECODES = re.compile(r"b64decode|base64|fromhex|unhexlify|zlib|marshal|codecs|atob|Buffer\.from")
_LITERAL = re.compile(
    r"'''(.*?)'''|\"\"\"(.*?)\"\"\"|'((?:\\.|[^'\\\n])*)'|\"((?:\\.|[^\"\\\n])*)\"|`([^`]*)`",
    re.DOTALL,
)
_MAX_LITERALS = 40


def judge_code(scene: Scene, word: Word) -> list[Finding]:
    """Code on the command line: harmless as far as it names nothing that reaches out."""
    text = word.text
    if word.dynamic:
        return [high("runs code that is only known when it runs"), *told(scene, text)]
    return [medium("runs code given on the command line"), *told(scene, text)]


def told(scene: Scene, text: str) -> list[Finding]:
    """What a text of code names that reaches out, in whatever language; empty for nothing."""
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
        if _SHELL_BY_WIRE.search(text):
            findings.append(critical("gives another machine a shell here"))
    if re.search(r"(?:while|for|loop|until)\b.*\bfork\b", text, re.DOTALL):
        findings.append(critical("starts itself without end"))
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


def scripts_in(scene: Scene, text: str) -> list[Finding]:
    """Texts inside code that would be bad as shell commands."""
    return _scripts(scene, _literals(text))


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
