"""Programs that give statements to a database: what the statements destroy decides."""

from __future__ import annotations

import re

from app.domain.risk.model import Finding, critical, high, low, medium, names
from app.domain.risk.scene import Scene

NAMES = names(
    "psql mysql mariadb mongosh mongo redis-cli valkey-cli cqlsh clickhouse-client sqlite3 dropdb"
    " mysqladmin pg_restore sqlcmd duckdb influx"
)
_LOCAL = ("sqlite3", "duckdb")
_DESTROYS = re.compile(
    r"\bdrop\s+(?:database|schema|table|user|role|keyspace|collection|owned)\b|\btruncate\b"
    r"|\bdelete\s+from\s+\S+\s*(?:;|$)|\bflush(?:all|db)\b|dropDatabase|\.drop(?:\(|Indexes)"
    r"|(?:deleteMany|remove)\(\s*(?:\{\s*\})?\s*\)|\bdrop\s+\S+$",
    re.IGNORECASE,
)
_RUNS = re.compile(
    r"\\!|\bto\s+program\b|\bfrom\s+program\b|^\s*\.(?:shell|system|load|output|once|import)"
    r"|load_extension|\binto\s+outfile\b",
    re.IGNORECASE | re.MULTILINE,
)


def judge_database(scene: Scene) -> list[Finding]:
    """`psql`, `redis-cli`, `sqlite3` and their like, with what they are told in the text."""
    name, texts = scene.name, scene.texts
    if texts and all(text in ("--version", "-V", "--help") for text in texts):
        return [low("shows its version")]
    said = "\n".join((*texts, " ".join(texts), *scene.fed_texts))
    findings = _reached(scene)
    if _RUNS.search(said):
        findings.append(high("the database program may run programs or write files"))
    if name == "dropdb" or _DESTROYS.search(said) or "--clean" in texts:
        what = "throws away what is in a database"
        findings.append(high(what) if name in _LOCAL else critical(what))
    return findings


def _reached(scene: Scene) -> list[Finding]:
    if scene.name not in _LOCAL:
        return [high(f"{scene.name} talks to another machine")]
    files = [word for word in scene.args if not word.text.startswith("-")]
    return [medium("works on a database"), *scene.writes(files[:1], "changes")]
