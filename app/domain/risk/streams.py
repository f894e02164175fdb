"""`sed` and `awk`: readers whose scripts can run programs and write files."""

from __future__ import annotations

import re

from app.domain.risk.code import scripts_in
from app.domain.risk.model import Finding, high, low, medium
from app.domain.risk.scene import Scene
from app.domain.shell import Word

_LONG_SCRIPT = 2000  # the patterns below take time that grows with the square of the length

_ADDRESS = r"(?:^|[;{}\n])\s*(?:[\d$,~+!\s]|/(?:\\.|[^/\\])*/)*"
_SUBSTITUTE = r"s(?P<d>[^\s\w\\])(?:\\.|(?!(?P=d)).)*(?P=d)(?:\\.|(?!(?P=d)).)*(?P=d)[gpIiMm\d]*"
_SED_RUNS = (
    re.compile(f"{_ADDRESS}e(?:\\s|$)"),
    re.compile(f"{_ADDRESS}{_SUBSTITUTE}e", re.DOTALL),
)
_SED_WRITES = (
    re.compile(rf"{_ADDRESS}[wW]\s+(?P<file>\S+)"),
    re.compile(rf"{_ADDRESS}{_SUBSTITUTE}w\s+(?P<file>\S+)", re.DOTALL),
)

# Texts and patterns of an awk program, which may contain any sign.
_AWK_TEXT = re.compile(r'"(?:\\.|[^"\\\n])*"')
_AWK_PATTERN = re.compile(r"(^|[(,~!{;\n&|'])(\s*)/(?:\\.|[^/\\\n])+/")


def judge_sed(scene: Scene) -> list[Finding]:
    """`sed`: reads, or with -i changes its files; `e` and `w` in a script run and write."""
    options = scene.options("efl", "expression file line-length")
    operands = list(options.operands)
    scripts = options.values("-e", "--expression")
    if not scripts and not options.has("-f", "--file") and operands:
        scripts = [operands.pop(0)]
    in_place = options.has("--in-place") or any(re.match(r"-[nErsuz]*i", t) for t in scene.texts)
    files = [*operands, *scene.fed_words]
    findings = scene.writes(files, "changes") if in_place else scene.reads(files)
    if options.has("-f", "--file"):
        findings.append(high("the script of sed is in a file"))
    for script in scripts:
        findings += _sed_script(scene, script)
    return findings or [low("reads its input")]


def _sed_script(scene: Scene, script: Word) -> list[Finding]:
    if len(script.text) > _LONG_SCRIPT:
        return [high("the script of sed is too long to be judged")]
    findings = list[Finding]()
    if any(pattern.search(script.text) for pattern in _SED_RUNS):
        findings.append(high("the script of sed may run a program"))
    for pattern in _SED_WRITES:
        for found in pattern.finditer(script.text):
            findings.append(scene.write(Word(text=found["file"])))
    return findings


def judge_awk(scene: Scene) -> list[Finding]:
    """`awk`: its program can run others and write files."""
    options = scene.options("Fvfi", "field-separator assign file")
    operands = list(options.operands)
    program = operands.pop(0) if operands and not options.has("-f", "--file") else Word(text="")
    findings = [low("reads its input")]
    findings += scene.reads(word for word in operands if "=" not in word.text)
    if options.has("-f", "--file", "-E", "--exec", "--source", "-l", "--load"):
        findings += scene.reads(options.values("-f", "--file"))
        findings.append(high("the program of awk is in a file"))
    if program.dynamic:
        findings.append(high("the program of awk is only known when it runs"))
    if options.has("-i"):
        findings += scene.writes(operands, "changes")
    found = _awk_program(program.text)
    return findings + found + (scripts_in(scene, program.text) if found else [])


def _awk_program(program: str) -> list[Finding]:
    """What awk does besides printing: other programs, other files."""
    bare = _AWK_PATTERN.sub(r"\1\2R", _AWK_TEXT.sub(" S ", program))
    if re.search(r"getline\b[^;\n]{0,80}<", bare):
        return [high("the program of awk reads files that it names itself")]
    if re.search(r"system\s*\(|(?<!\|)\|(?!\|)|@load|@include", bare):
        return [high("the program of awk runs other programs")]
    if re.search(r"print[^}]*>", bare):
        return [high("the program of awk writes files")]
    if re.search(r"\bENVIRON\b", bare):
        return [medium("shows the environment, which can hold keys")]
    return []
