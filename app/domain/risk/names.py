"""Files that hold secrets, and files whose change reaches further than the file itself."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase

from app.domain.request import Risk

_SECRET_NAMES = re.compile(
    r"(?:\.env(?:\..+)?|\.envrc|.+\.env|id_(?:rsa|dsa|ecdsa|ed25519)[\w.-]*|.+\.(?:pem|key|p12|pfx|jks"
    r"|keystore|kdbx|ppk|asc|gpg|tfstate)|\.netrc|_netrc|\.pgpass|\.my\.cnf|\.mylogin\.cnf|\.npmrc"
    r"|\.pypirc|\.git-credentials|\.vault-token|\.htpasswd|\.dockercfg|secrets?\.(?:ya?ml|json|toml"
    r"|txt|ini)|credentials(?:\.(?:json|ya?ml|toml|ini))?|service[-_]account.*\.json"
    r"|client_secret.*\.json|\.(?:bash|zsh|python|psql|mysql|node_repl)_history|wallet\.dat"
    r"|\.credentials\.json|auth\.json|shadow-?|gshadow-?|sudoers)"
)
_EXAMPLES = re.compile(r".*(?:example|sample|template|\.dist|\.pub|\.schema)(?:\.[a-z]+)?")
SECRET_FOLDERS = (
    ".ssh",
    ".gnupg",
    ".aws",
    ".azure",
    ".kube",
    ".password-store",
    ".config/gh",
    ".config/gcloud",
    ".docker",
    ".codex/auth",
    ".local/share/keyrings",
    "Library/Keychains",
    ".mozilla",
    ".terraform.d",
    "sudoers.d",
)  # most of them below a home folder
_SECRET_FOLDERS = re.compile(rf"(?:^|/)(?:{'|'.join(map(re.escape, SECRET_FOLDERS))})(?:/|$)")
_SECRET_SYSTEM = re.compile(r"/proc/(?:\d+|self|\*)/(?:environ|mem|maps|fd)(?:/|$)|/dev/k?mem$")
_HIDDEN_WITNESSES = (".env", ".netrc", ".npmrc", ".git-credentials", ".envrc", ".ssh", ".aws")
_WITNESSES = (*_HIDDEN_WITNESSES, "id_rsa", "id_ed25519", "server.key", "secrets.yaml")

# Within the home folder: what a shell, the desktop or the system starts by itself.
_START_UP = re.compile(
    r"\.(?:bash(?:rc|_profile|_login|_logout|_aliases)|profile|zshrc|zshenv|zprofile|zlogin|kshrc"
    r"|cshrc|tcshrc|login|inputrc|xinitrc|xprofile|xsession|pam_environment)|\.config/fish(?:/.*)?"
    r"|\.config/autostart(?:/.*)?|\.config/systemd(?:/.*)?|Library/Launch(?:Agents|Daemons)(?:/.*)?"
    r"|\.bashrc\.d(?:/.*)?"
)
_SHELL_FILE = re.compile(
    r"\.(?:bash(?:rc|_profile|_login|_logout|_aliases)|profile|zshrc|zshenv|zprofile)"
)
_BLOCK_DEVICE = re.compile(
    r"/dev/(?:[hsv]d[a-z]|xvd[a-z]|nvme\d|mmcblk\d|r?disk\d|mapper/|md\d|loop\d|dm-\d|sr\d|k?mem$"
    r"|vda|block/|fd\d$|port$)"
)
_QUIET_DEVICE = re.compile(
    r"/dev/(?:null|zero|full|u?random|tty|stdin|stdout|stderr|fd/[012]|ptmx|console)$"
)
_SYSTEM = re.compile(
    r"/(?:etc|boot|sys|proc|usr|bin|sbin|lib\w*|root|var/(?:spool|lib|run|log)|run|System|Library"
    r"|private/etc)(?:/|$)"
)

# Within the workspace: pattern of the relative path, level, what it means to change it.
_GUARDED = (
    (r"(?:.*/)?longwatch\.toml|(?:.*/)?\.longwatch(?:/.*)?", Risk.CRITICAL, "rules of this run"),
    (r"(?:.*/)?\.git(?:/.*)?", Risk.HIGH, "internals of the repository"),
    (r"(?:.*/)?\.github", Risk.HIGH, "automation on the server"),
    (r"(?:.*/)?\.github/(?:workflows|actions)(?:/.*)?", Risk.HIGH, "automation on the server"),
    (
        r"(?:.*/)?(?:\.gitlab-ci\.ya?ml|\.circleci(?:/.*)?|\.travis\.yml|azure-pipelines\.ya?ml"
        r"|Jenkinsfile|\.drone\.yml|\.buildkite(?:/.*)?|\.woodpecker(?:/.*|\.ya?ml)|\.ci(?:/.*)?)",
        Risk.HIGH,
        "automation on the server",
    ),
    (r"(?:.*/)?\.husky(?:/.*)?|(?:.*/)?\.pre-commit-config\.yaml", Risk.HIGH, "commit hooks"),
    (
        r"(?:.*/)?\.(?:codex|claude|gemini|cursor)(?:/.*)?|(?:.*/)?\.mcp\.json",
        Risk.HIGH,
        "settings of an agent",
    ),
    (r"(?:.*/)?\.vscode/(?:tasks|settings|launch)\.json", Risk.HIGH, "settings of an editor"),
)
_GUARDED_RE = tuple((re.compile(pattern), risk, what) for pattern, risk, what in _GUARDED)


def is_secret(path: str, *, glob: bool = False) -> bool:
    """Whether a path (absolute, or as written) is one that usually holds a secret."""
    name = path.rstrip("/").rsplit("/", 1)[-1]
    lower = name.casefold()
    if _SECRET_FOLDERS.search(path) and not lower.endswith((".pub", "known_hosts")):
        return True
    if _SECRET_SYSTEM.search(path):
        return True
    if _SECRET_NAMES.fullmatch(lower) and not _EXAMPLES.fullmatch(lower):
        return True
    if not glob or not any(char in name for char in "*?["):
        return False
    # A leading wildcard does not match a dot file.
    witnesses = _WITNESSES if name.startswith(".") else _WITNESSES[len(_HIDDEN_WITNESSES) :]
    return name.strip("*") != "" and any(fnmatchcase(known, name) for known in witnesses)


def _is_device(path: str) -> bool:
    return _BLOCK_DEVICE.match(path) is not None


def is_quiet_device(path: str) -> bool:
    """Devices that may be read and written without effect, such as /dev/null."""
    return _QUIET_DEVICE.match(path) is not None


def guarded_inside(relative: str) -> tuple[Risk, str] | None:
    """Level and description of a workspace file whose change reaches beyond it."""
    for pattern, risk, what in _GUARDED_RE:
        if pattern.fullmatch(relative):
            return risk, what
    name = relative.rsplit("/", 1)[-1]
    if _SHELL_FILE.fullmatch(name):
        return Risk.HIGH, "start-up file of a shell"
    if is_secret(relative):
        return Risk.HIGH, "secrets"
    return None


def guarded_outside(path: str, home: str) -> tuple[Risk, str] | None:
    """Level and description of a file outside the workspace that must not be written lightly."""
    if _is_device(path):
        return Risk.CRITICAL, "a device"
    if is_quiet_device(path):
        return None
    for base in (home, "/root"):
        if path.startswith(base + "/"):
            return _guarded_home(path[len(base) + 1 :])
    if found := re.match(r"/(?:home|Users)/[^/]+/(.+)", path):
        return _guarded_home(found[1])
    if _SYSTEM.match(path):
        return Risk.CRITICAL, "a file of the system"
    return None


def _guarded_home(relative: str) -> tuple[Risk, str] | None:
    if _START_UP.fullmatch(relative):
        return Risk.CRITICAL, "a start-up file"
    if re.match(r"\.ssh(?:/|$)", relative):
        return Risk.CRITICAL, "the keys that open this account"
    if re.match(r"\.(?:codex|claude|config/longwatch)(?:/|$)", relative):
        return Risk.CRITICAL, "settings that guard an agent"
    if relative == ".gitconfig" or relative.startswith(".config/git/"):
        return Risk.HIGH, "the settings of every repository"
    return None
