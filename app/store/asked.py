"""Calls that a project's agents have asked for before: what a rule is held against."""

from __future__ import annotations

import asyncio
import sqlite3
from typing import TYPE_CHECKING

from app.domain.approval import Approval, ApprovalRule
from app.domain.base import ApprovalId
from app.domain.errors import StoreError
from app.domain.toolcall import ToolKind
from app.store.damage import models
from app.store.paths import StorePaths
from app.store.schema import open_for_reading

if TYPE_CHECKING:
    from app.domain.covered import Covered

MOST = 20_000  # past calls of one text or tool that are looked at, newest first
_PAST = """
SELECT doc FROM approvals
WHERE json_extract(doc, '$.call.{field}') = ? AND id <> ?
  AND run_id IN (SELECT id FROM runs WHERE json_extract(doc, '$.project') = ?)
ORDER BY rowid DESC LIMIT ?
"""


async def past_calls(
    paths: StorePaths, rule: ApprovalRule, approval: Approval, project: str
) -> Covered:
    """What of the project's past the rule matches, but the approval that it is made for.

    Off the loop, and on a connection of its own. Raises StoreError.
    """
    return await asyncio.to_thread(_past, paths, rule, approval, project)


def _past(paths: StorePaths, rule: ApprovalRule, approval: Approval, project: str) -> Covered:
    from app.domain.covered import covered

    call = approval.call
    shell = call.kind is ToolKind.SHELL
    field, value = ("command", call.command or "") if shell else ("tool", call.tool)
    return covered(rule, _read(paths, field, value, approval.approval_id, project))


def _read(
    paths: StorePaths, field: str, value: str, but: ApprovalId, project: str
) -> list[Approval]:
    connection = open_for_reading(paths.database)
    try:
        rows = connection.execute(_PAST.format(field=field), (value, but, project, MOST))
        return models(paths.database, Approval, "approvals", (doc for (doc,) in rows))
    except sqlite3.Error as error:
        raise StoreError(f"{paths.database}: cannot be read ({error})") from error
    finally:
        connection.close()
