"""Programs that only look: what they read decides, and the few options that make them write."""

from __future__ import annotations

import re

from app.domain.risk.model import Finding, high, low, medium, names
from app.domain.risk.scene import Scene
from app.domain.shell import SimpleCommand, Word
from app.domain.shell.wrappers import found_files

# Read the files that are their operands.
CONTENT = names(
    "cat head tail less more wc sort uniq cut nl tac rev od xxd hexdump strings diff cmp comm"
    " paste join fold fmt expand unexpand pr column md5sum sha1sum sha224sum sha256sum"
    " sha384sum sha512sum cksum b2sum sum shasum md5 base64 base32 basenc zcat bzcat xzcat"
    " zgrep jq bat batcat look tsort iconv numfmt shellcheck hadolint yamllint actionlint"
    "    wdiff colordiff delta xmllint file"
)
# Their first operand is a pattern, not a file.
SEARCH = names("grep egrep fgrep rg ag ack zgrep jq")
# Look at names and metadata, not at contents.
METADATA = names(
    "ls dir vdir stat du df tree readlink realpath exa eza lsd test [ [[ namei lsattr getfacl"
    " getfattr"
)
# Their operands are no files, or they have no effect outside their own shell.
HARMLESS = names(
    "pwd echo printf true false : seq expr uname whoami id groups nproc uptime free ps pgrep"
    " history which whereis type locale tput sleep wait cal bc factor basename dirname getconf"
    " jobs dirs shift return exit break continue read mapfile readarray getopts ulimit umask"
    " logname tty clear unset local declare typeset export readonly set shopt cd pushd popd"
    " let fg bg disown yes man info help apropos tr lsb_release lscpu lsblk lsof vmstat iostat"
    " top htop pstree who w last printenv env date times test hash pidof pathchk tldr nohup"
    " setsid nice ionice chrt taskset timeout stdbuf unbuffer command builtin exec coproc"
    " busybox toybox caffeinate xargs watch flock time eval trap find fd fdfind gfind xvfb-run"
)

_WRITING_OPTIONS: dict[str, tuple[str, ...]] = {
    "sort": ("-o", "--output"),
    "tree": ("-o",),
    "iconv": ("-o", "--output"),
    "less": ("-o", "-O", "--log-file"),
    "shellcheck": (),
    "xmllint": ("--output",),
}
_RUNNING_OPTIONS: dict[str, tuple[str, ...]] = {
    "rg": ("--pre", "--hostname-bin"),
    "ag": ("--pager",),
    "ack": ("--pager",),
    "bat": ("--pager",),
    "batcat": ("--pager",),
    "man": ("-P", "--pager", "-H", "--html"),
    "sort": ("--compress-program",),
    "delta": ("--pager",),
}
_VALUES = {
    "less": "oOkpPtTxyz",
    "head": "nc",
    "tail": "ncs",
    "cut": "dfcb",
    "sort": "kotTS",
    "uniq": "fsw",
    "grep": "efmABCD",
    "egrep": "efmABCD",
    "fgrep": "efmABCD",
    "zgrep": "efmABCD",
    "rg": "efgtTmMABCrjd",
    "ag": "ABCGm",
    "ack": "ABCm",
    "od": "AjNtwS",
    "xxd": "clgos",
    "hexdump": "nseC"[:2],
    "strings": "nt",
    "diff": "UCIxX",
    "paste": "d",
    "join": "12toaev",
    "fold": "w",
    "fmt": "w",
    "nl": "bdfhilnsvw",
    "column": "cso",
    "iconv": "fto",
    "stat": "cft"[:1],
    "tree": "LPIo",
    "du": "dBt",
    "find": "",
    "base64": "w",
    "jq": "fL",
    "man": "P",
}
_LONG_VALUES = (
    "output lines bytes regexp file glob type max-count context after-context before-context"
    " max-depth key field-separator delimiter fields pre compress-program pager arg argjson"
    " slurpfile rawfile indent include exclude format level style theme language"
)


def judge_content(scene: Scene) -> list[Finding]:
    """A program that prints or searches files."""
    options = scene.options(_VALUES.get(scene.name, ""), _LONG_VALUES)
    operands = list(options.operands)
    if scene.name in SEARCH and not options.has("-e", "-f", "--regexp", "--file", "--files"):
        operands = operands[1:]
    findings = [low("reads in the workspace"), *scene.reads([*operands, *scene.fed_words])]
    fed = [word for word in (*operands, *scene.fed_words) if scene.near(word)]
    searched = operands or [Word(text=".")] if scene.name in SEARCH else []
    findings += scene.sweeps([*searched, *fed])
    findings += scene.reads(options.values("-f", "--file", "--slurpfile", "--rawfile"))
    if scene.name == "jq" and any(re.search(r"\benv\b|\$ENV\b", text) for text in scene.texts):
        findings.append(medium("shows the environment, which can hold keys"))
    if scene.name in ("less", "more") and any(t[:1] == "+" or t[:2] == "-k" for t in scene.texts):
        findings.append(high(f"{scene.name} is told to run a command"))
    findings += scene.writes(options.values(*_WRITING_OPTIONS.get(scene.name, ())))
    if scene.name in ("uniq", "xxd") and len(operands) > 1:
        findings += scene.writes(operands[1:2])
    if options.has(*_RUNNING_OPTIONS.get(scene.name, ("--no-such-option",))):
        findings.append(high(f"{scene.name} is given a program to run"))
    return findings


def judge_metadata(scene: Scene) -> list[Finding]:
    """A program that lists names: a secret's name in the workspace is no secret."""
    if scene.name in ("test", "[", "[["):
        return [low("tests a condition")]
    options = scene.options(_VALUES.get(scene.name, ""), _LONG_VALUES)
    words = [w for w in options.operands if not scene.place(w).inside]
    findings = [low("looks at names in the workspace"), *scene.reads([*words, *scene.fed_words])]
    return findings + scene.writes(options.values(*_WRITING_OPTIONS.get(scene.name, ())))


def judge_harmless(scene: Scene) -> list[Finding]:
    """Builtins and programs whose arguments are no files."""
    name, texts = scene.name, scene.texts
    if name == "xargs":
        return [low("changes nothing"), *scene.reads(scene.options("adEILnPs").values("-a"))]
    if name == "history" and any(text[:2] in ("-c", "-d", "-w") for text in texts):
        return [high("removes the record of commands")]
    if name in ("printenv", "env") and not any("=" not in t and t[:1] != "-" for t in texts):
        return [medium("shows the environment, which can hold keys")]
    if name == "ps" and _with_environment(scene):
        return [medium("shows the environment of processes, which can hold keys")]
    told = [text for text in texts if text not in ("-p", "-x", "-px", "-xp")]
    if name in ("export", "declare", "typeset", "set", "readonly") and not told:
        return [medium("shows the environment, which can hold keys")]
    if name == "date" and any(re.match(r"-\w*s|--set", text) for text in texts):
        return [high("sets the clock")]
    if name in ("exec", "hash", "let", "shopt", "man", "mapfile", "readarray"):
        return _builtin(scene)
    if name in ("eval", "trap") and scene.vague:
        return []  # judged as a script
    return [low("changes nothing")]


def _with_environment(scene: Scene) -> bool:
    """`ps e`, `ps auxe`, and `ps -E` of macOS."""
    options = scene.options("CGgoOpqstTuUN")
    return options.has("-E") or any(
        re.fullmatch(r"[A-Za-z]*e[A-Za-z]*", word.text) for word in options.operands[:1]
    )


def _builtin(scene: Scene) -> list[Finding]:
    if scene.name == "hash" and "-p" in scene.texts:
        return [high("puts another program behind a known name")]
    if scene.name == "let" and any("[" in text for text in scene.texts):
        return [high("evaluates a text as arithmetic")]
    if scene.name in ("mapfile", "readarray") and scene.options("dnOsucC").has("-C"):
        return [high("runs a command for the lines that it reads")]
    if scene.name == "shopt" and "expand_aliases" in scene.texts:
        return [high("lets aliases replace commands")]
    if scene.name == "man" and any(
        text.startswith(("-P", "-H", "--pager")) for text in scene.texts
    ):
        return [high("man is given a program to run")]
    return [low("changes nothing")]


def judge_find(scene: Scene) -> list[Finding]:
    """`find` and `fd`: listing, deleting, writing lists; what -exec runs is judged by itself."""
    if scene.name in ("fd", "fdfind"):
        operands = scene.options("deEtSgcj", _LONG_VALUES).operands[1:]
        return [low("looks for files"), *scene.reads(operands)]
    texts = list(scene.texts)
    starts = list[Word]()
    for word in scene.args:
        if word.text[:1] in ("-", "(", "!") and word.text not in ("-L", "-H", "-P"):
            break
        if word.text[:1] != "-":
            starts.append(word)
    findings = [low("looks for files")]
    findings += scene.reads(w for w in starts if not scene.place(w).inside)
    for option, value in zip(scene.args, scene.args[1:], strict=False):
        if option.text in ("-fprint", "-fprint0", "-fls", "-fprintf"):
            findings.append(scene.write(value))
    if "-delete" in texts:
        # Without a condition before it, -delete takes the starting point itself.
        bare = not any(t[:1] == "-" for t in texts[len(starts) : texts.index("-delete")])
        findings += [_delete(scene, word, bare) for word in starts or [Word(text=".")]]
    return findings


def _delete(scene: Scene, start: Word, bare: bool) -> Finding:
    if bare:
        return scene.removes_tree(start)
    place = scene.place(start)
    if place.inside and place.guard is None:
        return medium("removes the files it finds in the workspace")
    return scene.removes_tree(start)


def listed_files(command: SimpleCommand) -> str:
    """A pattern that all files fit which a listing command prints; empty if unknown."""
    words = command.words
    texts = [word.text for word in words]
    if command.dynamic or command.cwds != ((),):
        return ""
    if command.name == "find":
        return found_files(words)
    if command.name == "git" and len(texts) > 1:
        names = texts[1] in ("ls-files", "grep") or "--name-only" in texts
        if not names or any(text.startswith(("/", "..", "-C")) for text in texts):
            return ""
        return "./*" if texts[1] == "ls-files" else "./*/*"
    if any(text.startswith(("/", "~")) or ".." in text for text in texts[1:]):
        return ""
    if command.name == "ls" or "--files" in texts:
        return "./*"
    return "./*/*" if command.name in ("rg", "grep", "fd", "ag") else ""
