"""What a project's files are called; without what reads them, which a start does not need."""

from __future__ import annotations

CONFIG_FILE = "longwatch.toml"
WORKFLOW_FOLDER = ".longwatch/workflows"
