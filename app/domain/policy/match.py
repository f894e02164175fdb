"""Whether one rule matches one simple command, or a call that is no shell text.

Allow rules are matched narrowly: what is not surely meant is not matched. Deny and ask rules
are matched widely: a detour must not lead around them.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from msgspec import Struct

from app.domain.approval import Action, ApprovalRule
from app.domain.base import SessionId
from app.domain.policy.globs import literal_head, path_pattern
from app.domain.request import Risk
from app.domain.risk import Assessment, touched
from app.domain.toolcall import ToolCall, ToolKind

if TYPE_CHECKING:  # loaded with the first call that is looked at
    from app.domain.risk.places import Folders
    from app.domain.shell import Parsed, SimpleCommand, Word


# Options before git's subcommand whose value is a word of its own.
_GIT_VALUES = (
    *("-C", "-c", "--git-dir", "--work-tree", "--namespace", "--super-prefix"),
    *("--attr-source", "--config-env"),
)


# Options of one letter, several in a word perhaps; a rule may end such a word with `*`.
_SHORT = re.compile(r"-(?P<letters>[A-Za-z]+)(?P<more>\*)?")


class Asking(Struct, frozen=True):
    """A tool call with all that rules look at."""

    call: ToolCall
    assessment: Assessment
    agent: str
    session: SessionId
    workspace: str
    parsed: Parsed | None = None  # of shell text
    critical: frozenset[int] = frozenset()  # indices of the commands whose own risk is critical

    @classmethod
    def about(
        cls,
        call: ToolCall,
        assessment: Assessment,
        agent: str,
        session: SessionId,
        workspace: str,
    ) -> Asking:
        """All about a call; shell text is parsed."""
        if call.kind is not ToolKind.SHELL or not call.command:
            return cls(call, assessment, agent, session, workspace)
        from app.domain.risk.shell_call import judge_command
        from app.domain.shell import parse

        parsed = parse(call.command)
        found = frozenset[int]()
        if assessment.risk is Risk.CRITICAL:
            folders = _folders(workspace)
            start = folders.start(call.cwd)
            for index, command in enumerate(parsed.commands):
                judged = judge_command(command, parsed, folders, start)
                if any(finding.risk is Risk.CRITICAL for finding in judged):
                    found |= {index}
            # Critical for another reason than one of its commands: then it is so as a whole.
            found = found or frozenset(range(len(parsed.commands)))
        return cls(call, assessment, agent, session, workspace, parsed, found)

    def applies(self, rule: ApprovalRule) -> bool:
        """Whether the conditions hold that are the same for the whole call."""
        match, risk = rule.match, self.assessment.risk
        names = (self.call.tool, self.call.kind.value)
        if match.tool is not None and not any(fnmatchcase(name, match.tool) for name in names):
            return False
        if match.agent is not None and not fnmatchcase(self.agent, match.agent):
            return False
        if match.session is not None and match.session != self.session:
            return False
        if match.max_risk is not None and risk.rank > match.max_risk.rank:
            return False
        if match.min_risk is not None and risk.rank < match.min_risk.rank:
            return False
        return match.command_exact is None or self.call.command == match.command_exact


def matches_call(rule: ApprovalRule, asking: Asking) -> bool:
    """For a call that is no shell text: whether the rule matches it."""
    match = rule.match
    if match.command is not None or not asking.applies(rule):
        return False
    if match.path is None:
        return rule.action is not Action.ALLOW or _may_allow(rule, asking)
    paths, complete = touched(asking.call, asking.workspace)
    if rule.action is Action.ALLOW and not _may_allow(rule, asking):
        return False
    if rule.action is Action.ALLOW:
        return complete and all(_allows(match.path, path, asking) for path in paths)
    return any(_concerns(match.path, path, asking) for path in paths)


def _may_allow(rule: ApprovalRule, asking: Asking) -> bool:
    return rule.allow_critical or asking.assessment.risk is not Risk.CRITICAL


def matches_command(rule: ApprovalRule, index: int, asking: Asking) -> bool:
    """For shell text: whether the rule matches the simple command of that index."""
    match = rule.match
    if asking.parsed is None or not asking.applies(rule):
        return False
    command = asking.parsed.commands[index]
    if rule.action is Action.ALLOW:
        if index in asking.critical and not rule.allow_critical:
            return False
        return match.command_exact is not None or _allowed(rule, command, asking)
    if match.command is not None and not _meant(match.command, command):
        return False
    return match.path is None or any(
        _concerns(match.path, path, asking) for path in _shell_paths(command, asking)
    )


def matches_text(rule: ApprovalRule, asking: Asking) -> bool:
    """For shell text that has no known parts: whether the rule matches it as a whole."""
    match = rule.match
    if not asking.applies(rule):
        return False
    if rule.action is Action.ALLOW:
        return match.command_exact is not None and _may_allow(rule, asking)
    text = (asking.call.command or "").strip()
    return match.path is None and (match.command is None or fnmatchcase(text, match.command))


def matches_computed(rule: ApprovalRule, asking: Asking) -> bool:
    """For what a shell text evaluates as arithmetic, which can run anything and is part of no
    command: a rule that allows certain commands does not allow it."""
    match = rule.match
    if rule.action is Action.ALLOW and match.command is None and match.path is None:
        return asking.applies(rule) and _may_allow(rule, asking)
    return matches_text(rule, asking)


def names_inner(rule: ApprovalRule, outer: SimpleCommand, inner: SimpleCommand) -> bool:
    """Whether a rule that matches a wrapper names the program inside before any wildcard:
    `timeout 60 pytest*` speaks of pytest, `timeout *` of whatever comes."""
    if rule.match.command is None:
        return rule.match.command_exact is not None
    whole, part = outer.argv_text, inner.argv_text
    if not part or not whole.endswith(part):
        return False
    return len(literal_head(rule.match.command)) >= len(whole) - len(part) + len(inner.name)


def _allowed(rule: ApprovalRule, command: SimpleCommand, asking: Asking) -> bool:
    match = rule.match
    if asking.parsed is None or asking.parsed.unparsable:
        return False
    if match.path is not None:
        return False  # which files a program touches cannot be told from its command line
    if match.command is None:
        return True
    if command.dynamic:
        return False
    if command.effective_redirects and not any(sign in match.command for sign in "<>"):
        return False
    return fnmatchcase(command.text, match.command)


def _meant(glob: str, command: SimpleCommand) -> bool:
    """Whether a deny or ask rule speaks of a command, as far as it is known."""
    if any(fnmatchcase(text, glob) for text in wide_texts(command)):
        return True
    return _other_spelling(glob, command) or _may_turn_out(glob, command)


def _other_spelling(glob: str, command: SimpleCommand) -> bool:
    """`rm -fr x`, `rm -r -f x` and `rm -rfv x` are what a rule for `rm -rf *` speaks of: the
    letters of its first options, in any order and number of words, and then what follows."""
    program, *words = glob.split() or [""]
    letters = set[str]()
    while words and (option := _SHORT.fullmatch(words[0])):
        letters |= set(option["letters"])
        words[:1] = ["*"] if option["more"] else []
        if option["more"]:
            break
    if not letters or not command.words:
        return False
    texts = [word.shown for word in command.words[1:]]
    given = {letter for text in texts if (found := _SHORT.fullmatch(text)) for letter in found[1]}
    if not letters <= given or command.name.rsplit("/", 1)[-1] != program:
        return False
    rest = " ".join(text for text in texts if not text.startswith("-"))
    return fnmatchcase(rest, " ".join(words))


def _may_turn_out(glob: str, command: SimpleCommand) -> bool:
    """`git $X` may be the `git push` of a rule, where `git commit $X` is not.

    Only for a program that is known, and words that are no option and no option's value.
    """
    program, *named = literal_head(glob).split() or [""]
    if not named or not command.words or command.words[0].dynamic:
        return False
    if command.name.rsplit("/", 1)[-1] != program or any(text[0] == "-" for text in named):
        return False
    before = ""
    args: list[Word] = []
    for word in command.words[1:]:
        if not word.text.startswith("-") and ("=" in before or not before.startswith("-")):
            args.append(word)
        before = word.text
    if len(args) < len(named):
        return False
    for text, word in zip(named, args, strict=False):
        unknown = word.dynamic or (word.glob and fnmatchcase(text, word.text))
        if not unknown and not word.text.startswith(text):
            return False
    return any(word.dynamic or word.glob for word in args[: len(named)])


def wide_texts(command: SimpleCommand) -> Iterator[str]:
    """Ways to write a command that a deny rule should see through."""
    yield command.text
    if not command.words:
        return
    yield command.argv_text
    base = command.name.rsplit("/", 1)[-1]
    rest = [word.shown for word in command.words[1:]]
    yield " ".join([base, *rest])
    yield " ".join([base, *(word.text for word in command.words[1:])])
    # Options between the words: `terraform -chdir=x destroy` is `terraform destroy`.
    yield " ".join([base, *(text for text in rest if not text.startswith("-"))])
    if base == "git":
        yield " ".join([base, *_without_global(rest)])


def _without_global(rest: list[str]) -> list[str]:
    """The arguments of git from its subcommand on."""
    index = 0
    while index < len(rest) and rest[index].startswith("-"):
        index += 2 if rest[index] in _GIT_VALUES else 1
    return rest[index:]


def _allows(glob: str, path: str, asking: Asking) -> bool:
    """Whether an allow glob matches; a relative one never matches outside the workspace."""
    glob, absolute = _home(glob, asking)
    if absolute:
        path = path if path.startswith("/") else posixpath.join(asking.workspace, path)
    elif path.startswith("/"):
        return False
    return path_pattern(glob, strict=True).fullmatch(path) is not None


def _concerns(glob: str, path: str, asking: Asking) -> bool:
    """Whether a deny or ask glob matches the path, its absolute form, or the file's name."""
    glob, _ = _home(glob, asking)
    forms = {path, posixpath.normpath(posixpath.join(asking.workspace, path))}
    forms.add(path.rsplit("/", 1)[-1])
    pattern = path_pattern(glob, strict=False)
    return any(pattern.fullmatch(form) for form in forms)


def _folders(workspace: str) -> Folders:
    from app.domain.risk.places import Folders

    return Folders.of(workspace)


def _home(glob: str, asking: Asking) -> tuple[str, bool]:
    if glob.startswith("~/"):
        return _folders(asking.workspace).home + glob[1:], True
    if glob.startswith("./"):
        return glob[2:], False
    return glob, glob.startswith("/")


def _shell_paths(command: SimpleCommand, asking: Asking) -> Iterator[str]:
    """Everything in a command that may be a path, relative to the workspace where inside."""
    folders = _folders(asking.workspace)
    words = [*command.words[1:], *(r.target for r in command.redirects if not r.is_text)]
    for chain in command.cwds:
        cwd = folders.start(asking.call.cwd)
        for target in chain:
            cwd = folders.enter(cwd, target)
        for word in words:
            for text in {word.text, word.text.partition("=")[2]} - {""}:
                place = folders.place(word.model_copy(update={"text": text}), cwd)
                absolute = folders.enter(cwd, word.model_copy(update={"text": text}))
                yield place.relative if place.relative else (absolute or text)


def is_shell(call: ToolCall) -> bool:
    """Whether a call is judged by the simple commands in its text, each for itself."""
    return call.kind is ToolKind.SHELL
