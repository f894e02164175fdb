"""`git`: looking, working, rewriting, publishing."""

from __future__ import annotations

import re

from app.domain.request import Risk
from app.domain.risk.model import Finding, critical, high, low, medium, names, shown
from app.domain.risk.places import Place
from app.domain.risk.scene import Options, Scene, read_options
from app.domain.shell import Word

_LOOK = names(
    "status diff log show rev-parse ls-files ls-tree cat-file blame annotate describe shortlog grep"
    " rev-list name-rev merge-base for-each-ref show-ref check-ignore check-attr count-objects"
    " diff-tree diff-index diff-files var version help whatchanged cherry range-diff fsck"
    " verify-commit verify-tag show-branch merge-tree patch-id stripspace interpret-trailers"
    " check-ref-format check-mailmap column hash-object get-tar-commit-id verify-pack --version"
    " --help --exec-path diff-pairs last-modified"
)
_WORK = names(
    "add commit checkout switch merge rm mv init cherry-pick revert am apply sparse-checkout notes"
    " format-patch archive gc repack update-index read-tree write-tree commit-tree bisect rerere"
    " mergetool difftool pack-refs prune-packed unpack-objects index-pack mktree mktag hook restore"
    " stage fmt-merge-msg merge-file bundle citool gui commit-graph multi-pack-index"
)
_NETWORK = names(
    "fetch pull clone ls-remote lfs send-email svn p4 daemon http-backend request-pull instaweb"
    " send-pack fetch-pack upload-pack receive-pack archimport cvsimport imap-send shell"
)
_REWRITES = {
    "rebase": "rewrites commits that exist already",
    "filter-branch": "rewrites the whole history",
    "filter-repo": "rewrites the whole history",
    "replace": "replaces objects of the history",
    "update-ref": "moves a branch by hand",
    "prune": "removes objects that nothing names",
    "fast-import": "writes history from a stream",
}
_PROGRAM_KEYS = re.compile(
    r"core\.(?:pager|editor|sshcommand|fsmonitor|hookspath|askpass|gitproxy|worktree|attributesfile"
    r"|alternaterefscommand)|alias\..*|credential\..*|diff\.external|(?:diff|merge|filter|difftool"
    r"|mergetool|gpg|trailer|browser|man|guitool|pager|remote|url|protocol|http|include|includeif"
    r"|submodule|safe|uploadpack|interactive|sequence|sendemail|init)\..*",
    re.IGNORECASE,
)
_HARMLESS_KEYS = re.compile(
    r"init\.defaultbranch|remote\..*\.fetch|pager\..*|http\.(?:postbuffer|lowspeed.*)"
    r"|diff\.(?:renames|algorithm|noprefix|mnemonicprefix|colormoved)|merge\.(?:conflictstyle|ff)"
    r"|submodule\.(?:recurse|fetchjobs)",
    re.IGNORECASE,
)
_GLOBAL_VALUES = "git-dir work-tree namespace exec-path config-env super-prefix attr-source"


def judge_git(scene: Scene) -> list[Finding]:
    """A git command: its global options, then its subcommand."""
    before, sub, rest = _split(scene)
    findings = _global(scene, before)
    if not sub:
        return [*findings, low("shows help")]
    folder = before.values("-C")
    for word in folder:
        place = scene.place(word)
        if not place.known:
            findings.append(high("works in a repository that is only known when it runs"))
        elif not place.inside:
            risk = medium if sub in _LOOK else high
            findings.append(risk(f"works in another repository: {shown(word.text)}"))
    return findings + _subcommand(scene, sub, rest) + _elsewhere(scene, sub)


def _split(scene: Scene) -> tuple[Options, str, tuple[Word, ...]]:
    """Global options, subcommand, and the subcommand's own arguments."""
    words, index = scene.args, 0
    while index < len(words) and words[index].text.startswith("-"):
        text = words[index].text
        takes = text in ("-C", "-c") or (
            text[2:] in _GLOBAL_VALUES.split() and "=" not in text and text != "--exec-path"
        )
        index += 1 + takes
    before = read_options(words[:index], "Cc", _GLOBAL_VALUES)
    sub = words[index] if index < len(words) else None
    if sub is None:
        return before, "", ()
    return before, ("$" if sub.dynamic else sub.text), words[index + 1 :]


def _global(scene: Scene, before: Options) -> list[Finding]:
    findings = list[Finding]()
    for word in before.values("-c", "--config-env"):
        key, _, value = word.text.partition("=")
        runs = _PROGRAM_KEYS.fullmatch(key) and not _HARMLESS_KEYS.fullmatch(key)
        if word.dynamic or (runs and value not in ("", "cat", "true")):
            findings.append(high(f"gives git a setting that can run programs: {shown(key)}"))
    findings += scene.reads(before.values("--git-dir", "--work-tree"))
    if before.values("--exec-path"):
        findings.append(high("gives git other programs to run"))
    return findings


def _elsewhere(scene: Scene, sub: str) -> list[Finding]:
    if scene.cwd is not None and scene.here.inside:
        return []
    risk = medium if sub in _LOOK else high
    return [risk("works in a repository outside the workspace")]


def _subcommand(scene: Scene, sub: str, rest: tuple[Word, ...]) -> list[Finding]:
    options = read_options(rest, "mFCcbButnoSGLUs"[:2] + "o", "output message file")
    special = _SPECIAL.get(sub)
    if special is not None:
        return special(scene, rest)
    if sub in _REWRITES:
        stops = options.has("--abort", "--quit", "--show-current-patch")
        return [medium("ends a rebase")] if stops else [high(_REWRITES[sub])]
    if sub in _LOOK:
        return _look(scene, sub, options)
    if sub in _NETWORK:
        findings = [high(f"talks to a remote repository (git {sub})")]
        return findings + (scene.writes(options.operands[1:2]) if sub == "clone" else [])
    if sub in _WORK:
        return _work(scene, sub, options)
    return [high(f"git {shown(sub)} is not a command that is known here")]


def _look(scene: Scene, sub: str, options: Options) -> list[Finding]:
    findings = [low("looks at the repository")]
    findings += scene.writes(options.values("--output"))
    if options.has("--open-files-in-pager", "-O") and sub == "grep":
        findings.append(high("git grep is given a program to run"))
    if options.has("--ext-diff", "--textconv") and sub != "grep":
        findings.append(medium("lets git run the repository's own programs"))
    if options.has("--no-index"):
        findings += scene.reads(options.operands)
    if sub == "hash-object" and options.has("-w"):
        findings.append(medium("writes an object"))
    for word in options.operands:
        path = word.text.rpartition(":")[2]
        secret = scene.place(word.model_copy(update={"text": path})).secret
        if secret and sub in ("show", "diff", "cat-file", "blame", "grep", "log"):
            findings.append(high(f"reads what may be a secret: {shown(word.text)}"))
    return findings


def _work(scene: Scene, sub: str, options: Options) -> list[Finding]:
    texts = [word.text for word in options.operands]
    if (texts[:1] == ["log"] and sub == "bisect") or (
        texts[:1] in (["list"], ["show"]) and sub == "notes"
    ):
        return [low("looks at the repository")]
    if sub == "archive" and options.has("--remote"):
        return [high("talks to a remote repository (git archive)")]
    findings = [medium("changes the repository or its files")]
    if sub == "commit":
        if options.has("--amend"):
            findings.append(high("rewrites the last commit"))
        if options.has("--no-verify", "-n"):
            findings.append(high("skips the checks of the repository"))
    elif sub in ("checkout", "restore", "switch"):
        whole = any(text in (".", ":/", "*", "./") for text in texts)
        unstaged = sub != "restore" or not options.has("--staged") or options.has("--worktree")
        if (whole and unstaged) or options.has("-f", "--force", "--discard-changes"):
            findings.append(high("throws away all changes that are not committed"))
        if options.has("-B", "--force-create"):
            findings.append(high("moves a branch that exists already"))
        # A name can be a branch or a file: what is guarded as a file counts.
        found = (scene.place(word) for word in options.operands)
        findings += [_brought_back(place) for place in found if place.inside and place.guard]
    elif sub == "rm" and any(text in (".", "*", ":/", "./") for text in texts):
        findings.append(high("removes every file of the repository"))
    elif sub == "gc" and options.has("--prune", "--aggressive"):
        findings.append(high("removes objects that nothing names"))
    elif sub in ("init", "mv", "archive", "format-patch", "bundle"):
        findings += scene.writes(options.values("-o", "--output", "--output-directory"))
        named = {"init": options.operands, "mv": options.operands, "bundle": options.operands[1:2]}
        findings += scene.writes(named.get(sub, ()) if texts[:1] != ["verify"] else ())
    elif sub in ("add", "apply", "am") and any(scene.place(w).secret for w in options.operands):
        findings.append(high("puts what may be a secret into the repository"))
    if sub == "apply" and options.has("--unsafe-paths"):
        findings.append(high("changes files wherever the patch says"))
    if sub in ("mergetool", "difftool", "bisect") and options.has("-x", "--extcmd", "-t"):
        findings.append(high("gives git a program to run"))
    return findings


def _brought_back(place: Place) -> Finding:
    risk, what = place.guard or (Risk.MEDIUM, "a file")
    return Finding(risk, f"brings back another version of {what}: {shown(place.path)}")


def _push(scene: Scene, rest: tuple[Word, ...]) -> list[Finding]:
    options = read_options(rest, "o", "repo push-option receive-pack exec")
    remote = options.operands[0].text if options.operands else "its default remote"
    name = shown(remote)
    if options.has("-n", "--dry-run"):
        return [high(f"talks to the remote `{name}`")]
    findings = [high(f"publishes commits to the remote `{name}`")]
    specs = [word.text for word in options.operands[1:]]
    if options.has("-f", "--force", "--force-with-lease", "--force-if-includes") or any(
        spec.startswith("+") for spec in specs
    ):
        findings.append(critical(f"rewrites history on the remote `{name}`"))
    if options.has("--mirror", "--prune"):
        findings.append(critical(f"replaces every branch of the remote `{name}`"))
    if options.has("-d", "--delete") or any(spec.startswith(":") and spec != ":" for spec in specs):
        findings.append(critical(f"deletes branches of the remote `{name}`"))
    if options.has("--no-verify"):
        findings.append(high("skips the checks of the repository"))
    if options.has("--receive-pack", "--exec"):
        findings.append(high("names a program to run on the remote"))
    if any(word.dynamic for word in rest):
        findings.append(high("what is pushed is only known when it runs"))
    return findings


def _branch(scene: Scene, rest: tuple[Word, ...]) -> list[Finding]:
    options = read_options(rest, "u", "sort format contains merged points-at set-upstream-to")
    forced = options.has("-D", "-M", "-C", "-f", "--force")
    if forced:
        return [high("deletes or moves a branch without asking whether it is merged")]
    if options.has("-d", "--delete", "-m", "--move", "-c", "--copy", "-u", "--set-upstream-to"):
        return [medium("changes branches")]
    listing = options.has("-l", "--list", "-a", "--all", "-r", "--remotes", "-v", "--contains")
    listing = listing or options.has("--merged", "--no-merged", "--show-current", "--points-at")
    if listing or not options.operands:
        return [low("lists branches")]
    return [medium("makes a branch")]


def _tag(scene: Scene, rest: tuple[Word, ...]) -> list[Finding]:
    options = read_options(rest, "mFun", "sort format contains points-at")
    if options.has("-d", "--delete", "-f", "--force"):
        return [high("deletes or moves a tag")]
    if options.has("-l", "--list", "-n", "--contains", "--points-at") or not options.operands:
        return [low("lists tags")]
    return [medium("makes a tag")]


def _remote(scene: Scene, rest: tuple[Word, ...]) -> list[Finding]:
    options = read_options(rest)
    what = options.operands[0].text if options.operands else ""
    if what in ("", "get-url") or (what == "-v"):
        return [low("lists remotes")]
    if what in ("show", "update", "prune"):
        local = what == "show" and (options.has("-n") or len(options.operands) < 2)
        return [low("lists remotes")] if local else [high("talks to a remote repository")]
    if what in ("add", "set-url"):
        return [high("changes where the repository is fetched from and pushed to")]
    return [medium("changes the list of remotes")]


def _config(scene: Scene, rest: tuple[Word, ...]) -> list[Finding]:
    options = read_options(rest, "f", "file type default blob")
    words = [word.text for word in options.operands]
    if words and words[0] in ("get", "list", "set", "unset", "edit", "remove-section"):
        verb = words.pop(0)
    else:
        verb = "get" if len(words) < 2 else "set"
    if options.has(
        "--unset", "--add", "--replace-all", "--unset-all", "--remove-section", "--edit"
    ):
        verb = "set"
    if options.has("--get", "--get-all", "--get-regexp", "--list", "-l") or verb in ("get", "list"):
        return [low("reads settings of git"), *scene.reads(options.values("-f", "--file"))]
    if target := options.values("-f", "--file"):
        return [high("changes settings in a file of its own"), *scene.writes(target)]
    if options.has("--global", "--system"):
        return [high("changes the settings of git for every repository")]
    key = words[0] if words else ""
    if any(word.dynamic for word in rest) or not key:
        return [high("changes a setting of git that is only known when it runs")]
    if _PROGRAM_KEYS.fullmatch(key) and not _HARMLESS_KEYS.fullmatch(key):
        return [high(f"changes a setting of git that can run programs: {shown(key)}")]
    return [medium(f"changes a setting of this repository: {shown(key)}")]


def _stash(scene: Scene, rest: tuple[Word, ...]) -> list[Finding]:
    what = rest[0].text if rest else "push"
    if what in ("list", "show"):
        return [low("looks at the stash")]
    if what in ("drop", "clear"):
        return [high("throws away stashed work")]
    return [medium("moves changes to or from the stash")]


def _reset(scene: Scene, rest: tuple[Word, ...]) -> list[Finding]:
    options = read_options(rest)
    if options.has("--hard", "--merge", "--keep"):
        return [high("throws away all changes that are not committed")]
    moves = [w for w in options.operands if re.search(r"[~^@]|^HEAD.|^origin/", w.text)]
    if options.has("--soft", "--mixed") or moves:
        return [medium("moves the branch to another commit")]
    return [medium("takes files out of the index")]


def _clean(scene: Scene, rest: tuple[Word, ...]) -> list[Finding]:
    options = read_options(rest, "e", "exclude")
    if options.has("-n", "--dry-run"):
        return [low("says what it would remove")]
    return [high("removes files that git does not know, without a way back")]


def _worktree(scene: Scene, rest: tuple[Word, ...]) -> list[Finding]:
    options = read_options(rest[1:], "bB", "reason")
    what = rest[0].text if rest else "list"
    if what == "list":
        return [low("lists worktrees")]
    found = scene.writes(options.operands[:1], f"{what}s a worktree")
    if options.has("-f", "--force", "-B"):
        found.append(high("forces a worktree"))
    return found or [medium("changes the list of worktrees")]


def _submodule(scene: Scene, rest: tuple[Word, ...]) -> list[Finding]:
    what = next((word.text for word in rest if not word.text.startswith("-")), "status")
    if what in ("status", "summary"):
        return [low("looks at submodules")]
    if what in ("update", "add", "sync", "set-url"):
        return [high("fetches other repositories")]
    return [medium("changes submodules")]


def _reflog(scene: Scene, rest: tuple[Word, ...]) -> list[Finding]:
    if any(word.text in ("expire", "delete", "drop") for word in rest):
        return [high("removes the record by which lost commits are found")]
    return [low("looks at the record of branches")]


def _symbolic_ref(scene: Scene, rest: tuple[Word, ...]) -> list[Finding]:
    options = read_options(rest, "m")
    if options.has("-d", "--delete") or len(options.operands) > 1:
        return [high("moves a branch by hand")]
    return [low("looks at a reference")]


def _credential(scene: Scene, rest: tuple[Word, ...]) -> list[Finding]:
    return [high("asks for stored passwords")]


def _maintenance(scene: Scene, rest: tuple[Word, ...]) -> list[Finding]:
    if rest and rest[0].text in ("start", "register"):
        return [high("sets up work that runs by itself later")]
    return [medium("tidies the repository")]


_SPECIAL = {
    "push": _push,
    "branch": _branch,
    "tag": _tag,
    "remote": _remote,
    "config": _config,
    "stash": _stash,
    "reset": _reset,
    "clean": _clean,
    "worktree": _worktree,
    "submodule": _submodule,
    "reflog": _reflog,
    "symbolic-ref": _symbolic_ref,
    "credential": _credential,
    "maintenance": _maintenance,
}
