"""What `longwatch rebuild` has found in the read models of a store, and mended."""

from app.domain.base import Model


class TableDifference(Model):
    """How many rows of a read model were not what the journal gives."""

    table: str
    missing: int = 0
    unfounded: int = 0  # no event is behind them
    changed: int = 0
    unreadable: bool = False  # the table itself could not be read

    def __str__(self) -> str:
        counts = (
            (self.missing, "missing"),
            (self.changed, "changed"),
            (self.unfounded, "with no event behind it"),
        )
        parts = [f"{count} {what}" for count, what in counts if count]
        return f"{self.table} ({'could not be read' if self.unreadable else ', '.join(parts)})"


class RebuildReport(Model):
    """What differed. Nothing was written by a dry run."""

    store: str
    dry_run: bool
    events: int
    rows: int  # of all read models, as they are to be
    differences: tuple[TableDifference, ...] = ()
    indexes: bool = False  # SQLite itself found something wrong beside the tables
    texts: int = 0  # of transcripts, that the journal has as results
    kept: str = ""  # where the damaged file is, if it had to be written anew
    beyond: tuple[str, ...] = ()  # what the journal cannot give back

    @property
    def differs(self) -> bool:
        return bool(self.differences) or self.indexes or bool(self.texts)
