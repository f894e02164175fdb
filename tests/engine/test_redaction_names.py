"""Which variables of the environment are known as secrets by their names."""

from __future__ import annotations

import pytest

from app.engine.environment import Variables
from app.engine.redaction import Redaction


@pytest.mark.parametrize(
    ("name", "secret"),
    [
        ("OPENAI_API_KEY", True),
        ("PGPASSWORD", True),
        ("DB_PASS", True),
        ("MYSQL_PWD", True),
        ("smtp_passwd", True),
        ("AZURE_DEVOPS_EXT_PAT", True),
        ("OLDPWD", False),
        ("BYPASS", False),
        ("EDITOR", False),
    ],
)
def test_names_that_tell(name: str, secret: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "planted-value-17")
    cleaned = Redaction((), Variables()).clean("it is planted-value-17.")
    assert ("planted" not in cleaned) is secret
