"""Moving in from another system: what was found there, and what would be made of it.

A reader turns a foreign home into a `MigrationPlan`; the plan is shown, compared with what exists,
applied and reported. Everything here is a value: nothing in a plan has happened yet.
"""

from enum import StrEnum

from pydantic import Field

from app.domain.base import Model


class Fate(StrEnum):
    """What becomes of one key of the source."""

    MAPPED = "mapped"  # it has a counterpart here
    ARCHIVED = "archived"  # kept in the archive of the source's configuration, without effect
    REFUSED = "refused"  # not taken, for the reason given
    SECRET = "secret"  # its value goes to the file of secrets, its name into the configuration


class ItemKind(StrEnum):
    """What a thing of the source is."""

    AGENT = "agent"
    ATTACHMENT = "attachment"
    BINDING = "binding"
    CHANNEL = "channel"
    CONFIG = "config"
    CREDENTIAL = "credential"
    CRON = "cron"
    HOOK = "hook"
    MCP = "mcp"
    MEMORY = "memory"
    SECRET = "secret"
    SESSION = "session"
    SKILL = "skill"
    TOOL = "tool"
    WORKFLOW = "workflow"
    WORKSPACE = "workspace"


class KeyRecord(Model):
    """One leaf of the source's configuration: a file, the key's path in it, and its fate."""

    file: str  # relative to the source
    key: str  # as people write it: agents.list[0].tools.deny[1]
    fate: Fate
    to: str = ""  # where it went: file and key here, or the name of a secret
    reason: str = ""


class Imported(Model):
    """A thing that was taken over."""

    kind: ItemKind
    name: str
    destination: str
    detail: str = ""  # such as "12 files, 4.1 MB"


class Skipped(Model):
    """A thing that was not taken over, and why."""

    kind: ItemKind
    name: str
    reason: str


class Warned(Model):
    """Something a person should know; `where` is file and key in the source, "" for all of it."""

    where: str
    message: str


class PlannedText(Model):
    """A file whose content the plan holds. `path` is relative to the target, with slashes."""

    path: str
    text: str
    private: bool = False  # made 0600 from its first byte
    secret: bool = False  # its content is never shown, compared in public or reported


class PlannedCopy(Model):
    """A file that is copied as it is, or with known secrets taken out."""

    path: str
    source: str  # an absolute path inside the source
    size: int  # bytes, when the plan was made
    private: bool = False
    redact: bool = True  # known secrets are replaced on the way; off for what is binary or secret


class MigrationPlan(Model):
    """All that a migration would do. The same for a dry run and for an apply."""

    system: str  # "openclaw", "openfang"
    generation: str  # which of its layouts, for a person
    source: str  # absolute path
    texts: tuple[PlannedText, ...] = ()
    copies: tuple[PlannedCopy, ...] = ()
    imported: tuple[Imported, ...] = ()
    skipped: tuple[Skipped, ...] = ()
    warnings: tuple[Warned, ...] = ()
    keys: tuple[KeyRecord, ...] = ()
    next_steps: tuple[str, ...] = ()
    # Names only, of what the file of secrets will hold. The values are in its PlannedText alone.
    secrets: tuple[str, ...] = ()
    key_count: int = Field(default=0, ge=0)  # leaves counted while reading, apart from `keys`

    @property
    def paths(self) -> tuple[str, ...]:
        """Every file that would be there, in order."""
        return tuple(sorted([*(t.path for t in self.texts), *(c.path for c in self.copies)]))


class Installation(Model):
    """A foreign home that was found on this machine."""

    system: str  # "openclaw", "openfang"
    path: str
    detail: str = ""  # such as "openclaw.json, 4 agent folders"
