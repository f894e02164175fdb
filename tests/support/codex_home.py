"""A CODEX_HOME for tests: its configuration knows one model, the scripted one."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

# Compressed request bodies would need a zstd reader in the model server.
_CONFIG = """\
model = "scripted"
model_provider = "scripted"
check_for_update_on_startup = false

[model_providers.scripted]
name = "scripted"
base_url = {base_url}
env_key = "SCRIPTED_KEY"
wire_api = "responses"
requires_openai_auth = false
supports_websockets = false
request_max_retries = {retries}
stream_max_retries = {retries}

[analytics]
enabled = false

[features]
enable_request_compression = false
"""


def write_codex_home(
    home: Path, base_url: str, *, trusted: Iterable[Path] = (), retries: int = 1
) -> dict[str, str]:
    """Write `home`/config.toml; the environment variables that codex needs for it.

    A caller adds PATH. A home under the temporary folder only makes codex warn.
    """
    home.mkdir(parents=True, exist_ok=True)
    text = _CONFIG.format(base_url=json.dumps(base_url), retries=retries)
    for folder in trusted:
        text += f'\n[projects.{json.dumps(str(folder))}]\ntrust_level = "trusted"\n'
    (home / "config.toml").write_text(text)
    return {"CODEX_HOME": str(home), "HOME": str(home), "SCRIPTED_KEY": "not-a-secret"}
