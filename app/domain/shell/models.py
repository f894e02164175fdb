"""What a shell text consists of, as far as it can be known without running it."""

import re
import shlex

from app.domain.base import Model

# Characters that mean nothing to a shell inside a word: such a word needs no quotes when shown.
_PLAIN = re.compile(r"[\w@%+=:,./~^-]+")
_PROCESS = re.compile(r"[<>]\(.*\)", re.DOTALL)
_SYSTEM_BIN = re.compile(r"^/(?:usr/(?:local/)?)?s?bin/(?=[^/]+$)")


class Word(Model):
    """One word of a command with its quotes resolved.

    `dynamic`: the shell would put something in its place that is not known here (a variable, a
    substitution); `text` then holds the source of that part. `glob`: an unquoted pattern that
    stands for file names. A leading unquoted `~` or `$HOME` is kept as `~`, with `home` set.
    `commands` are the indices of the simple commands whose output makes part of the word.
    `near` is a path pattern that a dynamic word is known to fit (`{}` of `find`); `fed` says that
    it stands for a line of the command's input (`{}` of `xargs -I{}`).
    """

    text: str
    dynamic: bool = False
    glob: bool = False
    home: bool = False
    commands: tuple[int, ...] = ()
    near: str = ""
    fed: bool = False

    @property
    def is_pipe(self) -> bool:
        """Whether it is a process substitution: a pipe to or from commands, and no file."""
        return bool(self.commands) and _PROCESS.fullmatch(self.text) is not None

    @property
    def shown(self) -> str:
        """The word as one would type it: quoted only where it has to be."""
        if self.dynamic or self.glob or self.home:
            return self.text
        if _PLAIN.fullmatch(self.text) and not self.text.startswith("~"):
            return self.text
        return shlex.quote(self.text)


class Redirect(Model):
    """A redirection: `op` as written (`>`, `>>`, `<`, `<<`, `<<<`, `>&`, …) and its target.

    For a here-document or here-string the target is the text that is fed in.
    """

    op: str
    target: Word
    fd: str = ""

    @property
    def is_text(self) -> bool:
        return self.op in ("<<", "<<-", "<<<")

    @property
    def writes(self) -> bool:
        """Whether a file is created or changed (not a mere copy of a descriptor)."""
        return ">" in self.op and not self.harmless

    @property
    def harmless(self) -> bool:
        """A copy of a descriptor, or the bit bucket."""
        if self.target.dynamic:
            return False
        if self.op in (">&", "<&") and (self.target.text.isdigit() or self.target.text == "-"):
            return True
        return not self.is_text and self.target.text in ("/dev/null", "/dev/stdout", "/dev/stderr")


class SimpleCommand(Model):
    """One program, builtin or assignment that the text would run, and how it is reached.

    `via` names what stands around it, outermost first: `|`, `(…)`, `$(…)`, `sudo`, `bash -c`.
    `stdin_from`: indices of the commands whose output a pipe feeds to it. `cwds`: the folders it
    may run in, each as the chain of `cd` targets that leads there (empty chain: where the text
    starts). `transparent`: a wrapper such as `bash -c` or `timeout 5`, whose inner commands say
    all there is to say. `inside`: index of the wrapper that has this command as its arguments.
    """

    words: tuple[Word, ...] = ()
    assignments: tuple[tuple[str, Word], ...] = ()
    redirects: tuple[Redirect, ...] = ()
    via: tuple[str, ...] = ()
    stdin_from: tuple[int, ...] = ()
    cwds: tuple[tuple[Word, ...], ...] = ((),)
    transparent: bool = False
    inside: int | None = None
    function: str = ""  # the function whose body it belongs to
    dynamic_arguments: bool = False  # more arguments come from a file or pipe (xargs)

    @property
    def name(self) -> str:
        """The program's name without the folder of a system program; empty if there is none."""
        if not self.words:
            return ""
        return _SYSTEM_BIN.sub("", self.words[0].text)

    @property
    def dynamic(self) -> bool:
        """Whether any part of it is unknown before it runs."""
        return (
            self.dynamic_arguments
            or any(word.dynamic for word in self.words)
            or any(value.dynamic for _, value in self.assignments)
            or any(redirect.target.dynamic for redirect in self.redirects)
        )

    @property
    def effective_redirects(self) -> tuple[Redirect, ...]:
        return tuple(redirect for redirect in self.redirects if not redirect.harmless)

    @property
    def argv_text(self) -> str:
        """Program and arguments, normalised, without assignments and redirections."""
        if not self.words:
            return ""
        program = self.words[0].model_copy(update={"text": self.name})
        return " ".join(word.shown for word in (program, *self.words[1:]))

    @property
    def text(self) -> str:
        """The whole simple command, normalised: what the glob of a rule is matched against."""
        parts = [f"{name}={value.shown}" for name, value in self.assignments]
        parts += [self.argv_text] if self.words else []
        for redirect in self.effective_redirects:
            parts.append(f"{redirect.fd}{redirect.op} {redirect.target.shown}")
        return " ".join(parts)


class Parsed(Model):
    """A shell text in parts. If `unparsable`, there may be commands that are not listed."""

    commands: tuple[SimpleCommand, ...] = ()
    functions: tuple[str, ...] = ()
    computes: str = ""  # what may be any text and is evaluated as arithmetic, which can run it
    unparsable: bool = False
    why: str = ""  # why it cannot be parsed, for a person
