"""`longwatch` itself: the list of commands, each imported only when it is used."""

from __future__ import annotations

from importlib import import_module

import click

from app.cli.given import only_text
from app.cli.loading import loading
from app.cli.options import store_option
from app.version import VERSION

# name -> module under app.cli, and what it is for. The function in the module has the command's
# name with "_command".
_COMMANDS = {
    "demo": ("demo", "See it work, without key or network."),
    "init": ("init", "Write configuration into this repository."),
    "migrate": ("migrate", "Move in from another system."),
    "run": ("run", "Start a run."),
    "up": ("host", "Host the supervisor without a screen."),
    "down": ("host", "Stop the supervisor in order."),
    "status": ("status", "Say who hosts the store."),
    "runs": ("show", "List runs."),
    "show": ("show", "Show one run."),
    "events": ("history", "Print the journal."),
    "log": ("history", "Print what agents said."),
    "diff": ("history", "Print what a run has changed."),
    "take": ("take", "Bring a run's work into a plain folder."),
    "approvals": ("approvals", "List what agents ask."),
    "approve": ("approvals", "Allow a tool call."),
    "deny": ("approvals", "Forbid a tool call."),
    "settle": ("approvals", "Say what became of an uncertain tool call."),
    "snooze": ("snooze", "Put an approval, review or question off."),
    "reviews": ("reviews", "List artefacts that wait for a verdict."),
    "accept": ("reviews", "Accept an artefact."),
    "reject": ("reviews", "Send an artefact back."),
    "questions": ("questions", "List questions that wait for an answer."),
    "answer": ("questions", "Answer a question of a workflow."),
    "cancel": ("control", "Cancel a run."),
    "retry": ("control", "Take a blocked or failed run up again."),
    "say": ("running", "Say something to an agent at work."),
    "pause": ("running", "Stop a run's agents for a while."),
    "resume": ("running", "Let a paused run go on."),
    "skip": ("running", "Go on without a step that stands still."),
    "fork": ("running", "Make a run again from one of its steps."),
    "restart": ("running", "Start one session's agent anew."),
    "rules": ("control", "List or remove learnt rules."),
    "trace": ("observe", "Print a run's trace."),
    "metrics": ("observe", "Print the metrics of all runs."),
    "usage": ("observe", "Print what agents have used."),
    "verify": ("verify", "Check the journal and its replay."),
    "rebuild": ("rebuild", "Make damaged read models anew."),
    "worktrees": ("worktrees", "List or clean worktrees."),
    "screenshot": ("screenshot", "Draw a screen as SVG, without a terminal."),
    "doctor": ("doctor", "Check this machine."),
    "route": ("explain", "Explain routing."),
    "policy": ("explain_policy", "Explain approval rules."),
    "workflow": ("workflow", "List, check, show and import workflows."),
    "rollout": ("rollout", "Stable and candidate paths."),
    "shadow": ("shadow", "Compare a candidate with the stable path."),
    "compare": ("compare", "Compare two answers."),
    "past": ("past", "Conversations brought over from another system."),
}


class Commands(click.Group):
    """Imports a command's module when it is asked for: `--version` and `--help` load none."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)  # in the order of an evening's work, not of the alphabet

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, purpose) for name, (_, purpose) in _COMMANDS.items()])

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        module, purpose = _COMMANDS[cmd_name]
        with loading():
            loaded = import_module(f"app.cli.{module}")
        found: click.Command = getattr(loaded, f"{cmd_name}_command")
        found.short_help = purpose
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
