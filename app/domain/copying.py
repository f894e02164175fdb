"""What of a project that is no git repository is copied for its sessions."""

from pydantic import Field

from app.domain.base import Model
from app.domain.gate import Text

SECRETS_FILE = ".longwatch/secrets.env"
# What tools make again, and nobody means as work. In gitignore's form.
LEFT_OUT = (
    "node_modules/",
    ".venv/",
    "__pycache__/",
    ".mypy_cache/",
    ".pytest_cache/",
    ".ruff_cache/",
    ".tox/",
    ".DS_Store",
)


class CopyLimits(Model):
    """`[copies]` of longwatch.toml: how much a copy may hold, and what is left out of it."""

    max_mb: float = Field(default=1024, gt=0, le=1024 * 1024, allow_inf_nan=False)  # MiB in all
    max_files: int = Field(default=50_000, ge=1, le=1_000_000)
    exclude: tuple[Text, ...] = ()  # patterns of gitignore, besides the project's .gitignore


def is_private(path: str, env_file: str) -> bool:
    """Whether a file, relative to the project, holds what sessions must not be handed a copy of."""
    from app.domain.risk.names import is_secret  # many patterns: compiled with the first copy

    return path in (SECRETS_FILE, env_file.removeprefix("./")) or is_secret(path)
