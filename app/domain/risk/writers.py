"""Programs that change files: what they write, replace, remove, and where."""

from __future__ import annotations

import re

from app.domain.risk.model import Finding, critical, high, low, medium, names, shown
from app.domain.risk.scene import Scene
from app.domain.shell import Word

# All operands are files that are created or changed.
PLAIN = names(
    "touch mkdir rmdir unlink tee truncate dos2unix unix2dos gzip gunzip bzip2 bunzip2 xz unxz zstd"
    " unzstd lz4 mkfifo rename split csplit mktemp patch fallocate sponge"
)
_VALUES = {
    "touch": "drt",
    "mkdir": "m",
    "truncate": "sr",
    "split": "bCnla",
    "mktemp": "p",
    "patch": "pdioDFrVxY",
    "fallocate": "lon",
    "tee": "",
    "xz": "T",
    "zstd": "T",
}


def judge_plain(scene: Scene) -> list[Finding]:
    """A program whose operands are the files it writes."""
    options = scene.options(_VALUES.get(scene.name, ""), "date reference mode size output tmpdir")
    operands = options.operands
    if scene.name == "mktemp":
        folders = options.values("-p", "--tmpdir")
        return [low("makes a new temporary file"), *scene.writes([*operands, *folders])]
    if scene.name == "patch":
        operands = (*operands[:1], *options.values("-o", "--output", "-d", "--directory"))
        operands = operands or (Word(text="."),)
    if scene.name in ("split", "csplit"):
        runs = [high("split is given a program to run")] if options.has("--filter") else []
        targets = operands[1:] or (Word(text="."),)
        return [*runs, *scene.reads(operands[:1]), *scene.writes(targets)]
    found = scene.writes([*operands, *scene.fed_words], "changes")
    return found or [scene.write(Word(text="."), "changes") if scene.cwd else high(_NOWHERE)]


_NOWHERE = "changes files in a folder that is only known when it runs"


def judge_rm(scene: Scene) -> list[Finding]:
    """`rm`: recursive removal is judged by where it starts."""
    options = scene.options()
    words = [*options.operands, *scene.fed_words]
    recursive = options.has("-r", "-R", "--recursive") or any(
        word.dynamic and not word.near and not word.text.startswith(("/", "."))
        for word in scene.args[:1]
    )
    if recursive:
        found = [scene.removes_tree(word) for word in words]
    else:
        found = [_remove(scene, word) for word in words]
    if options.has("--no-preserve-root"):
        found.append(critical("asks to remove the root", floor=True))
    return found or [low("removes nothing")]


def _remove(scene: Scene, word: Word) -> Finding:
    place = scene.place(word)
    if place.inside and place.top and (word.glob or word.near):
        return high("removes every file of the workspace's first level")
    if place.whole and (word.glob or word.near):
        return critical(f"removes everything in {shown(place.path)}")
    return scene.write(word, "removes")


def judge_copy(scene: Scene) -> list[Finding]:
    """`cp`, `mv`, `install`, `ln`: the last operand, or that of -t, is written."""
    options = scene.options("tSmgo" if scene.name == "install" else "tS", "target-directory suffix")
    target = options.values("-t", "--target-directory")
    operands = list(options.operands)
    if not target and len(operands) > 1:
        target = [operands.pop()]
    findings = scene.writes(target)
    if scene.name == "install" and options.has("-d", "--directory"):
        return findings + scene.writes(operands)
    sources = [*operands, *scene.fed_words]
    if scene.name == "mv":
        return findings + [_moved(scene, word) for word in sources]
    if scene.name == "ln":
        return findings + _link(scene, sources, named=bool(target))
    return findings + scene.reads(sources) + scene.sweeps(sources)


def _moved(scene: Scene, word: Word) -> Finding:
    place = scene.place(word)
    if place.whole or place.top:
        return scene.removes_tree(word)
    return scene.write(word, "moves")


def _link(scene: Scene, sources: list[Word], *, named: bool) -> list[Finding]:
    findings = list[Finding]()
    for word in sources:
        place = scene.place(word)
        if not place.inside and not (scene.command.words and word.text.startswith("..")):
            findings.append(high(f"makes a link out of the workspace: {shown(word.text)}"))
        elif place.secret:
            findings.append(high(f"links to what may be a secret: {shown(word.text)}"))
    return findings if named or findings else scene.writes([Word(text=".")])


def judge_mode(scene: Scene) -> list[Finding]:
    """`chmod`, `chown`, `chgrp`, `chattr`, `setfacl`."""
    options = scene.options()
    modes = [t for t in scene.texts if re.match(r"[-+=][rwxXstaAcCdDijPSuT]+$", t)]
    operands = [word for word in options.operands if word.text not in modes]
    has_mode = bool(modes) and scene.name in ("chmod", "chattr")
    mode = modes[0] if has_mode else ""
    if operands and not has_mode and not options.has("--reference") and scene.name != "setfacl":
        mode = operands.pop(0).text
    what = "changes the mode of" if scene.name == "chmod" else "changes the owner of"
    if options.has("-R", "--recursive"):
        return scene.changes_tree([*operands, *scene.fed_words], f"{what} everything below")
    findings = scene.writes([*operands, *scene.fed_words], what)
    if scene.name == "chmod" and re.search(r"(?:^|,)[ugoa]*[+=][rwxX]*[st]|^[2-7]\d{3}$", mode):
        findings.append(high("lets a program run with another user's rights"))
    if scene.name == "chmod" and re.fullmatch(
        r"0?[0-7]{2}[2367]|[ugo]*[oa][ugo]*\+[rx]*w[rx]*|\+[rx]*w[rx]*", mode
    ):
        findings.append(high("lets everybody change the file"))
    return findings


def judge_archive(scene: Scene) -> list[Finding]:
    """`tar`, `zip`, `unzip`, `7z`, `cpio`, `ar`."""
    if scene.name == "tar":
        return _tar(scene)
    options = scene.options("dxPO")
    if scene.name == "unzip":
        if options.has("-l", "-t", "-Z", "-p"):
            return scene.reads(options.operands[:1])
        target = options.values("-d") or [Word(text=".")]
        if options.has("-:"):
            return [high("unpacks to wherever the archive says"), *scene.writes(target, "unpacks")]
        return [*scene.reads(options.operands[:1]), *scene.writes(target, "unpacks")]
    if scene.name == "cpio":
        return [medium("unpacks or packs files"), *scene.writes([Word(text=".")], "unpacks")]
    if scene.name == "zip" and options.has("-T", "-TT", "--unzip-command"):
        return [high("zip is given a program to run")]
    packed = options.operands[1:]
    return [*scene.writes(options.operands[:1]), *scene.reads(packed), *scene.sweeps(packed)]


def _tar(scene: Scene) -> list[Finding]:
    args = list(scene.args)
    if args and args[0].text[:1] not in ("-", ""):  # the old style: tar xzf file
        args[0] = args[0].model_copy(update={"text": "-" + args[0].text})
    from app.domain.risk.scene import read_options

    options = read_options(args, "fCbTXIgHKLNV", "file directory use-compress-program exclude")
    if any(t.startswith(_TAR_RUNS) for t in scene.texts) or options.has("-I", "-F"):
        return [high("tar is given a program to run")]
    archive = [w for w in options.values("-f", "--file") if w.text != "-"]
    folder = options.values("-C", "--directory")
    if options.has("-t", "--list"):
        return [low("lists an archive"), *scene.reads(archive)]
    if options.has("-x", "--extract", "--get"):
        where = folder or [Word(text=".")]
        found = [*scene.reads(archive), *scene.writes(where, "unpacks")]
        if options.has("-P", "--absolute-names"):
            found.append(high("unpacks to wherever the archive says"))
        return found
    packed = [*folder, *options.operands]
    return [*scene.writes(archive), *scene.reads(packed), *scene.sweeps(packed)]


_TAR_RUNS = (
    *("--checkpoint-action", "--to-command", "--use-compress-program", "--info-script"),
    *("--new-volume-script", "--rsh-command", "--rmt-command"),
)


def judge_dd(scene: Scene) -> list[Finding]:
    """`dd`: `of=` decides, `if=` counts as reading."""
    findings = [medium("copies raw data")]
    for word in scene.args:
        key, _, path = word.text.partition("=")
        value = word.model_copy(update={"text": path})
        if key == "of":
            findings.append(scene.write(value, "overwrites"))
        elif key == "if":
            findings += scene.reads([value])
    return findings


def judge_shred(scene: Scene) -> list[Finding]:
    """`shred`, `wipe`, `srm`, `wipefs`: what they overwrite is gone."""
    options = scene.options("ns", "iterations size")
    found = scene.writes([*options.operands, *scene.fed_words], "overwrites")
    return [high("overwrites data so that nothing brings it back"), *found]
