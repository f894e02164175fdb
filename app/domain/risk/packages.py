"""Package managers and build tools: into the project, or beyond it."""

from __future__ import annotations

import re
from collections.abc import Iterable

from app.domain.risk.model import Finding, critical, high, low, medium, names, shown
from app.domain.risk.scene import Scene
from app.domain.shell import Word

BUILDERS = names(
    "make gmake cmake ninja meson bazel bazelisk buck gradle gradlew mvn mvnw ant sbt lein"
    " tox nox pytest py.test unittest nosetests coverage mypy pyright pylint flake8 black"
    " isort ruff bandit pre-commit sphinx-build mkdocs tsc eslint prettier jest vitest mocha"
    " ava karma cypress playwright webpack vite rollup esbuild parcel turbo nx lerna babel swc"
    " stylelint biome rubocop rspec rake phpunit phpstan golangci-lint gofmt goimports rustfmt"
    " rustc gcc g++ clang clang++ cc c++ ld ar as nm objdump javac java kotlinc kotlin scalac"
    " ghc stack cabal ocamlfind dune zig nim crystal mix rebar3 ctest clang-format clang-tidy"
    " cppcheck valgrind autoconf automake autoreconf protoc buf import-linter"
    " lint-imports alembic django-admin flask uvicorn gunicorn hypercorn celery streamlit"
    " jupyter ipython pip-compile pip-audit just task invoke doit scons swift xcodebuild"
    " flutter dart pyflakes pycodestyle vulture radon codespell typos markdownlint commitlint"
    " maturin cython pyinstaller hatchling vue-tsc next nuxt astro ng storybook tsx ts-node"
    " nodemon svelte-check xo semgrep djlint sqlfluff yapf autopep8 pydocstyle interrogate"
    " mutmut cosmic-ray locust gprof cloc scc tokei"
)
FOREIGN_RUNNERS = names("npx bunx uvx pipx pnpx")
SYSTEM_MANAGERS = names(
    "apt apt-get aptitude dnf yum microdnf pacman brew snap flatpak apk port zypper nix-env"
    " nix emerge xbps-install choco winget scoop dpkg rpm gem cpan cpanm luarocks conda mamba"
    " micromamba asdf mise rustup nvm pyenv rbenv volta fnm sdk opam tlmgr guix eopkg"
)
_SYSTEM_LOOKS = names(
    "list show search info policy --version version --help help env -l -s -S -L -V -Q -Qi -Ss -qa"
    " which deps outdated leaves config doctor current versions contents specification"
)
_NODE = names("npm pnpm yarn bun")
_NODE_PROJECT = names(
    "install i ci add remove rm uninstall un test t tst run run-script start stop restart build"
    " update up upgrade dedupe prune rebuild audit link lint dev pack init exec version set why"
    " clean-install it install-test import store patch"
)
_NODE_LOOKS = names("ls list ll outdated view info show why bin root prefix --version -v help")
_NODE_RUN_FOREIGN = names("dlx create x")
_PUBLISH = names(
    "publish unpublish login logout adduser owner deprecate yank token dist-tag access push upload"
    " release star trust"
)
_CARGO_LOOKS = names("metadata tree --version -V version locate-project pkgid help search")
_GO_LOOKS = names("list env version doc help")
_URL = re.compile(r"(?:git\+|https?:|ssh:|git@|ftp:|file:|git:)|^[\w.-]+\s*@\s*(?:git\+)?https?:")


def judge_build(scene: Scene) -> list[Finding]:
    """Builds, tests and linters: they run the project's own code."""
    texts = scene.texts
    if texts and all(text in ("--version", "-V", "--help", "-h") for text in texts):
        return [low("shows its version")]
    if scene.name == "ruff" and "--fix" not in texts and _only_checks(texts):
        return [low("checks the code without running or changing it")]
    findings = [medium(f"runs the project's own code or tools ({shown(scene.name)})")]
    if scene.name in _TASKS and any(text in _REACHES for text in texts):
        findings.append(high("publishes or installs beyond the project"))
    targets = scene.options("o", "output output-file outfile").values(*_OUTPUTS)
    given = [word for word in scene.args if word not in targets]
    return [*findings, *_beside(scene, given), *_where(scene), *scene.writes(targets)]


def _beside(scene: Scene, words: Iterable[Word]) -> list[Finding]:
    """Paths outside the workspace, as operands or as `--option=path`."""
    findings = list[Finding]()
    for word in words:
        path = word.text.partition("=")[2] if "=" in word.text else word.text
        known = word.model_copy(update={"text": path})
        if path.startswith(("/", "../", "~/")) and not scene.place(known).inside:
            findings.append(high(f"works on files outside the workspace: {shown(word.text)}"))
    return findings


_TASKS = names(
    "make gmake just task invoke gradle gradlew mvn mvnw ant sbt lein rake nox doit ninja"
)
_REACHES = names("install deploy publish release upload uploadArchives publishToMavenCentral")
_OUTPUTS = ("-o", "--output", "--output-file", "--outfile")


def _only_checks(texts: tuple[str, ...]) -> bool:
    if not texts or texts[0] not in ("check", "format"):
        return False
    fixes = any(text.startswith(("--fix", "--unsafe", "--add-noqa", "--output")) for text in texts)
    return not fixes and (texts[0] == "check" or "--check" in texts or "--diff" in texts)


def _where(scene: Scene) -> list[Finding]:
    """Project code is trusted as far as the workspace reaches."""
    if scene.cwd is None:
        return [high("runs code in a folder that is only known when it runs")]
    if not scene.here.inside:
        return [high(f"runs code outside the workspace: {shown(scene.cwd)}")]
    folders = scene.options("CfB", "directory file prefix project").values(*_FOLDERS)
    places = [scene.place(word) for word in folders]
    return [high(f"works outside the workspace: {shown(p.path)}") for p in places if not p.inside]


_FOLDERS = ("-C", "--directory", "--prefix", "-f", "--file", "--project")


def _foreign_folder(scene: Scene, word: Word) -> bool:
    """Whether a package is named by a folder outside the workspace."""
    text = word.text.removeprefix("file:").removeprefix("link:")
    if not text.startswith(("/", "../", "~/")) and text != "..":
        return False
    return not scene.place(word.model_copy(update={"text": text})).inside


def _judge_node(scene: Scene) -> list[Finding]:
    """`npm`, `pnpm`, `yarn`, `bun`."""
    options = scene.options("Cw", "prefix dir filter workspace cwd")
    sub = options.operands[0].text if options.operands else ""
    if options.has("-g", "--global", "--location=global") or sub == "global":
        return [high("installs for the whole account, not for the project")]
    if sub == "unpublish":
        return [critical("takes a package away from everybody who uses it")]
    if sub in _PUBLISH or (sub in ("config", "set") and len(options.operands) > 1):
        return [high(f"{scene.name} {sub} reaches beyond the project")]
    if scene.name == "bun" and options.has("-e", "--eval", "-p", "--print"):
        return [high("runs code given on the command line")]
    if sub in _NODE_RUN_FOREIGN:
        return [high("runs a package that need not be part of the project")]
    if sub in _NODE_LOOKS or (not sub and options.has("--version", "-v", "--help")):
        return [low("looks at packages")]
    if any(_URL.search(word.text) for word in options.operands[1:]):
        return [high("installs code from an address")]
    if any(_foreign_folder(scene, word) for word in options.operands[1:]):
        return [high("installs code from outside the workspace")]
    if sub == "exec" and scene.name == "npm":
        return [high("runs a package that need not be part of the project")]
    if sub in ("run", "run-script") and len(options.operands) > 1:
        script = options.operands[1].text
        if script in _REACHES:
            return [high(f"runs a script that may reach beyond the project: {shown(script)}")]
    known = sub in _NODE_PROJECT or scene.name in ("yarn", "bun", "pnpm") or not sub
    if not known:
        return [high(f"{scene.name} {shown(sub)} is not a command that is known here")]
    what = f"installs packages or runs scripts of the project ({sub or scene.name})"
    return [medium(what), *_where(scene)]


def judge_pip(scene: Scene) -> list[Finding]:
    """`pip`, also as `python -m pip` and `uv pip`."""
    options = scene.options("rctei", "requirement constraint target editable index-url prefix root")
    operands = [word.text for word in options.operands]
    sub = operands[0] if operands else ""
    if sub in ("list", "show", "freeze", "check", "debug", "help", "inspect", "tree", "") or (
        sub == "config" and operands[1:2] in (["list"], ["get"])
    ):
        return [low("looks at packages")]
    if sub in ("install", "uninstall", "wheel", "download", "sync", "compile", "lock", "build"):
        findings = [medium(f"{sub}s packages of the project"), *_where(scene)]
        if options.has("--user", "--break-system-packages", "--system"):
            findings.append(high("installs for the whole account, not for the project"))
        editable = [word.text for word in options.values("-e", "--editable")]
        if any(_URL.search(text) for text in (*operands[1:], *editable)):
            findings.append(high("installs code from an address"))
        if any(
            _foreign_folder(scene, word) for word in (*options.operands[1:], *options.values("-e"))
        ):
            findings.append(high("installs code from outside the workspace"))
        if options.has("-i", "--index-url", "--extra-index-url", "--trusted-host", "--find-links"):
            findings.append(high("installs from another package index"))
        if options.has("--exists-action", "--config-settings", "--global-option"):
            findings.append(high("gives the build options of its own"))
        return findings + scene.writes(options.values("-t", "--target", "--prefix", "--root"))
    return [high(f"pip {shown(sub)} is not a command that is known here")]


def _judge_python_manager(scene: Scene) -> list[Finding]:
    """`uv`, `poetry`, `pipenv`, `pdm`, `hatch`, `rye`, `pixi`, `bundle`."""
    options = scene.options("p", "python directory project group extra with")
    operands = [word.text for word in options.operands]
    sub = operands[0] if operands else ""
    if sub in _PUBLISH or (sub in ("tool", "python", "self", "config") and "list" not in operands):
        return [high(f"{scene.name} {sub} reaches beyond the project")]
    if sub in (
        "tree",
        "show",
        "version",
        "help",
        "check",
        "list",
        "env",
        "info",
        "platform",
        "",
    ) or (operands[1:2] == ["list"]):
        return [low("looks at packages")]
    if sub == "pip" and scene.name == "uv":
        words = tuple(word for word in scene.command.words if word.text != "uv")
        command = scene.command.model_copy(update={"words": words})
        return judge_pip(Scene(command, scene.parsed, scene.folders, scene.cwd, scene.depth))
    if sub == "run" and options.has("--with", "--with-requirements", "--with-editable"):
        return [high("runs with packages that are no part of the project")]
    if any(_URL.search(text) for text in operands[1:]) and sub in ("add", "install"):
        return [high("installs code from an address")]
    if sub == "run" and any(_URL.search(text) for text in operands[1:2]):
        return [high("runs code from an address")]
    known = "sync add remove lock run install update export init venv build exec test pip cache"
    if sub in (known + " shell self-check fmt format requirements lint outdated").split():
        return [medium(f"works on the project's environment ({scene.name} {sub})"), *_where(scene)]
    return [high(f"{scene.name} {shown(sub)} is not a command that is known here")]


def _judge_foreign(scene: Scene) -> list[Finding]:
    """`npx`, `uvx`, `pipx`: fetch a package and run it."""
    if scene.texts and all(text in ("--version", "-v", "--help") for text in scene.texts):
        return [low("shows its version")]
    if scene.name == "npx" and scene.texts[:1] in (("--no-install",), ("--no",)):
        return [medium("runs the project's own code or tools (npx)"), *_where(scene)]
    return [high("fetches and runs a package that need not be part of the project")]


def _judge_system_manager(scene: Scene) -> list[Finding]:
    """`apt`, `brew`, `gem`, …: the whole machine or account."""
    words = [text for text in scene.texts if text not in ("-y", "-q", "--yes", "--quiet")]
    if scene.name in ("nvm", "pyenv", "rbenv", "asdf", "mise") and words[:1] == ["which"]:
        return [low("looks at packages")]
    if words and words[0] in _SYSTEM_LOOKS:
        return [low("looks at packages")]
    return [high(f"{scene.name} changes packages of the whole machine or account")]


def _judge_cargo(scene: Scene) -> list[Finding]:
    options = scene.options("Cpj", "manifest-path package features target")
    sub = next((w.text for w in options.operands if not w.text.startswith("+")), "")
    if sub in ("install", "uninstall") or sub in _PUBLISH:
        return [high(f"cargo {sub} reaches beyond the project")]
    if sub in _CARGO_LOOKS or not sub:
        return [low("looks at packages")]
    known = "build b test t check c clippy fmt doc d run r bench clean add remove rm update fetch"
    if sub in (known + " fix generate-lockfile vendor new init nextest audit deny expand").split():
        found = [medium(f"builds or runs the project (cargo {sub})"), *_where(scene)]
        return found + _beside(scene, scene.args)
    return [high(f"cargo {shown(sub)} is not a command that is known here")]


def _judge_go(scene: Scene) -> list[Finding]:
    texts = scene.texts
    sub = texts[0] if texts else ""
    if sub in _GO_LOOKS and "-w" not in texts:
        return [low("looks at packages")]
    if sub in (
        "run",
        "build",
        "test",
        "vet",
        "fmt",
        "mod",
        "get",
        "generate",
        "clean",
        "work",
        "fix",
    ):
        if sub == "run" and any("@" in text or text.startswith("/") for text in texts[1:]):
            return [high("runs code that is no part of the project")]
        if any(text.startswith(("-exec", "-toolexec", "-vettool")) for text in texts):
            return [high("go is given a program to run")]
        targets = scene.options("o").values("-o")
        found = [medium(f"builds or runs the project (go {sub})"), *_where(scene)]
        return found + scene.writes(targets)
    return [high(f"go {shown(sub)} reaches beyond the project")]


def _judge_other_manager(scene: Scene) -> list[Finding]:
    """`composer`, `dotnet`, `mix` and their like."""
    texts = scene.texts
    if any(
        text in ("global", "-g", "--global", "tool", "nuget") or text in _PUBLISH for text in texts
    ):
        return [high(f"{scene.name} reaches beyond the project")]
    if not texts or texts[0] in ("--version", "show", "list", "--info", "help"):
        return [low("looks at packages")]
    return [medium(f"builds or installs into the project ({scene.name})"), *_where(scene)]


JUDGES = {
    **dict.fromkeys(BUILDERS, judge_build),
    **dict.fromkeys(SYSTEM_MANAGERS, _judge_system_manager),
    **dict.fromkeys(FOREIGN_RUNNERS, _judge_foreign),
    **dict.fromkeys(_NODE, _judge_node),
    **dict.fromkeys(("pip", "pip3"), judge_pip),
    **dict.fromkeys(
        ("uv", "poetry", "pipenv", "pdm", "hatch", "rye", "pixi", "bundle"), _judge_python_manager
    ),
    **dict.fromkeys(("composer", "dotnet", "bower", "pod"), _judge_other_manager),
    "cargo": _judge_cargo,
    "go": _judge_go,
    "virtualenv": judge_build,
}
