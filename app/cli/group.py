"""`longwatch` itself: the list of commands, each imported only when it is used."""

from __future__ import annotations

from importlib import import_module

import click

from app.cli.given import only_text
from app.cli.loading import loading
from app.cli.options import store_option
from app.version import VERSION

# name -> module under app.cli; the function in it has the command's name with "_command".
_COMMANDS = {
    "demo": "demo",
    "init": "init",
    "migrate": "migrate",
    "run": "run",
    "up": "host",
    "down": "host",
    "status": "host",
    "runs": "show",
    "show": "show",
    "events": "history",
    "log": "history",
    "diff": "history",
    "take": "take",
    "approvals": "approvals",
    "approve": "approvals",
    "deny": "approvals",
    "settle": "approvals",
    "snooze": "snooze",
    "reviews": "reviews",
    "accept": "reviews",
    "reject": "reviews",
    "questions": "questions",
    "answer": "questions",
    "cancel": "control",
    "retry": "control",
    "say": "running",
    "pause": "running",
    "resume": "running",
    "skip": "running",
    "fork": "running",
    "restart": "running",
    "rules": "control",
    "trace": "observe",
    "metrics": "observe",
    "usage": "observe",
    "verify": "verify",
    "worktrees": "worktrees",
    "screenshot": "screenshot",
    "doctor": "doctor",
    "route": "explain",
    "policy": "explain_policy",
    "workflow": "workflow",
    "rollout": "rollout",
    "shadow": "shadow",
    "compare": "compare",
    "past": "past",
}


class Commands(click.Group):
    """Imports a command's module when it is asked for: `--version` loads none."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)  # in the order of an evening's work, not of the alphabet

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        module = _COMMANDS.get(cmd_name)
        if module is None:
            return None
        with loading():
            loaded = import_module(f"app.cli.{module}")
        found: click.Command = getattr(loaded, f"{cmd_name}_command")
        only_text(found)
        return found


@click.command(
    cls=Commands,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(VERSION, prog_name="longwatch", message="%(prog)s %(version)s")
@store_option
@click.pass_context
def root(ctx: click.Context) -> int:
    """A terminal control room for AI-agent runs that last a day or more.

    Without a command: open the control room on the store, hosting the supervisor or attaching
    to the one that runs.
    """
    if ctx.invoked_subcommand is not None:
        return 0
    from app.cli.screen import watch

    return watch()
