"""Wrappers of the form `name [options] [positionals] command [argument…]`: what they take."""

from __future__ import annotations

from dataclasses import dataclass

from app.domain.shell.models import Word


@dataclass(frozen=True, slots=True)
class Prefix:
    """A wrapper of the form `name [options] [positionals] command [argument…]`."""

    values: str = ""  # short options that take a value
    long_values: tuple[str, ...] = ()
    positionals: int = 0
    transparent: bool = True
    assignments: bool = False
    more: bool = False
    subcommand: str = ""  # `run` in `uv run pytest`
    no_command: str = ""  # short options that only look something up
    chdir: tuple[str, ...] = ()


_SUDO_VALUES = "user group host prompt close-from chdir chroot role type other-user command-timeout"
_UV_VALUES = (
    "python with extra group env-file directory project package with-editable "
    "with-requirements no-group only-group index-url index"
)
PREFIXES: dict[str, Prefix] = {
    "sudo": Prefix(
        "ughpCTrtDRU",
        tuple(_SUDO_VALUES.split()),
        transparent=False,
        assignments=True,
        chdir=("-D", "--chdir"),
    ),
    "doas": Prefix("uC", transparent=False),
    "pkexec": Prefix("", ("user",), transparent=False),
    "run0": Prefix("ugD", ("user", "group", "chdir", "setenv", "property"), transparent=False),
    "systemd-run": Prefix("pEu", ("unit", "property", "setenv", "slice"), transparent=False),
    "env": Prefix("uC", ("unset", "chdir"), assignments=True, chdir=("-C", "--chdir")),
    "nohup": Prefix(),
    "setsid": Prefix(),
    "time": Prefix("fo", ("format", "output")),
    "nice": Prefix("n", ("adjustment",)),
    "ionice": Prefix("cnpPu", ("class", "classdata")),
    "chrt": Prefix("TPD", positionals=1),
    "taskset": Prefix("", positionals=1),
    "timeout": Prefix("ks", ("kill-after", "signal"), positionals=1),
    "stdbuf": Prefix("ioe", ("input", "output", "error")),
    "unbuffer": Prefix(),
    "command": Prefix(no_command="vV"),
    "builtin": Prefix(),
    "exec": Prefix("a"),
    "coproc": Prefix(),
    "busybox": Prefix(),
    "toybox": Prefix(),
    "caffeinate": Prefix("tw"),
    "xvfb-run": Prefix("enfspw", ("server-args", "server-num", "error-file")),
    "strace": Prefix("aeEoOpPsSuX", transparent=False),
    "ltrace": Prefix("aAeFlnopsuwx", transparent=False),
    "chroot": Prefix("", ("userspec", "groups"), positionals=1, transparent=False),
    "unshare": Prefix("RwSG", transparent=False),
    "nsenter": Prefix("tSGW", transparent=False),
    "proxychains": Prefix("f", transparent=False),
    "proxychains4": Prefix("f", transparent=False),
    "torsocks": Prefix("", transparent=False),
    "xargs": Prefix(
        "adEILnPs",
        ("arg-file", "delimiter", "replace", "max-lines", "max-args", "max-procs", "max-chars"),
        transparent=False,
        more=True,
    ),
    "uv": Prefix(
        "p",
        tuple(_UV_VALUES.split()),
        transparent=False,
        subcommand="run",
        chdir=("--directory",),
    ),
    "poetry": Prefix("CP", ("directory", "project"), transparent=False, subcommand="run"),
    "pipenv": Prefix("", (), transparent=False, subcommand="run"),
    "pdm": Prefix("p", ("project",), transparent=False, subcommand="run"),
    "rye": Prefix("", (), transparent=False, subcommand="run"),
    "hatch": Prefix("e", ("env",), transparent=False, subcommand="run"),
    "pixi": Prefix("e", ("environment",), transparent=False, subcommand="run"),
    "conda": Prefix("np", ("name", "prefix", "cwd"), transparent=False, subcommand="run"),
    "bundle": Prefix("", (), transparent=False, subcommand="exec"),
    "pnpm": Prefix("C", ("dir", "filter"), transparent=False, subcommand="exec"),
}


def skip_options(
    prefix: Prefix, words: tuple[Word, ...]
) -> tuple[tuple[Word, ...], Word | None, bool]:
    """Words after the options; the folder an option changes to; whether it only looks up."""
    cwd: Word | None = None
    index = 0
    while index < len(words):
        text = words[index].text
        if text == "--":
            index += 1
            break
        if not text.startswith("-") or text == "-" or words[index].dynamic:
            break
        if any(char in prefix.no_command for char in text[1:]) and not text.startswith("--"):
            return (), None, True
        takes = _takes_value(prefix, text)
        option, _, value = text.partition("=")
        if option in prefix.chdir:
            following = words[index + 1] if index + 1 < len(words) else None
            cwd = following if takes else words[index].model_copy(update={"text": value})
        index += 1 + takes
    return words[index:], cwd, False


def _takes_value(prefix: Prefix, text: str) -> bool:
    """Whether the option's value is the next word."""
    if text.startswith("--"):
        return text[2:] in prefix.long_values
    for position, char in enumerate(text[1:], start=1):
        if char in prefix.values:
            return position == len(text) - 1
    return False
