"""Putting a rollout's paths in place, and reading them anew."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from app.domain import events as ev
from app.domain import rollout_events as rev
from app.domain.approval import Actor
from app.domain.base import RolloutId
from app.domain.compare import CompareRule
from app.domain.errors import NotFound, Refused
from app.domain.judging import judge_recipe
from app.domain.path_name import PathName
from app.domain.rollout import Rollout
from app.domain.text import printable
from app.domain.workflow import Recipe
from app.engine.core import Core
from app.engine.paths import Declared, declared
from app.store.journal import Draft

if TYPE_CHECKING:
    from app.domain import commands as cmd
    from app.engine.project import Project


class RolloutSetup:
    """Pins what a project declares. `learn` is told of every recipe."""

    def __init__(self, core: Core, learn: Callable[[Recipe], None]) -> None:
        self._core = core
        self._learn = learn

    def known(self, project: str, name: str) -> Rollout | None:
        """The rollout of that name in a project, None if it was never opened."""
        for rollout in self._core.journal.projection.rollouts.values():
            if (rollout.project, rollout.name) == (project, name):
                return rollout
        return None

    async def read_anew(self, command: cmd.OpenRollout) -> tuple[Rollout, str]:
        """The rollout as its files say now, and what to tell of it. Raises Refused, NotFound,
        ConfigError."""
        from app.engine.project import load_project  # rollouts are opened seldom

        root = await self._core.workspaces.repository(Path(command.project))
        project = await asyncio.to_thread(load_project, root)
        known = self.known(str(root), command.name)
        if known is None:
            opened = await self.opened(project, command.name, command.by)
            return opened, f"rollout {opened.name} is open: {_paths(opened)}"
        stable, candidate = await self._declared(project, command.name)
        known = self._known_id(known.rollout_id)
        why = printable(command.replace_stable.strip())
        stable = self._as_pinned(stable, known)
        candidate = self._as_pinned(candidate, known) if candidate is not None else None
        changed = stable.path != known.stable
        if changed and not why:
            # The stable path stays what it is pinned to; an edit of it is a candidate.
            candidate = candidate or stable
            stable = Declared(known.stable, self._recipe(known.stable.recipe))
        if candidate is not None and candidate.path.recipe == stable.path.recipe:
            candidate = None
        fresh = candidate.path if candidate else None
        if known.share and (fresh != known.candidate or stable.path != known.stable):
            raise Refused(
                f"the candidate of rollout {known.name} answers {known.share} % of the requests: "
                "roll it back or adopt it before its paths are changed"
            )
        entry = project.config.rollout_of(command.name)
        assert entry is not None
        judge = _judge(project, entry.compare)
        configured = rev.RolloutConfigured(
            rollout_id=known.rollout_id,
            version=known.version + 1,
            stable=stable.path,
            candidate=fresh,
            policies=entry.policies,
            compare=entry.compare,
            judge=judge.digest if judge else "",
            why=why if changed else "",
            by=command.by,
        )
        await self._commit(*self._recorded(judge, stable, candidate), Draft(configured))
        rollout = self._known_id(known.rollout_id)
        return rollout, f"rollout {rollout.name} read anew: {_paths(rollout)}"

    async def opened(self, project: Project, name: str, by: Actor) -> Rollout:
        """The rollout of that name, put in place if the store does not have it yet."""
        stable, candidate = await self._declared(project, name)
        known = self.known(str(project.root), name)
        if known is not None:
            return known
        entry = project.config.rollout_of(name)
        assert entry is not None
        now, judge = self._core.clock.now(), _judge(project, entry.compare)
        rollout = Rollout(
            rollout_id=RolloutId(self._core.ids.new("ro")),
            name=name,
            project=str(project.root),
            stable=stable.path,
            candidate=candidate.path if candidate else None,
            policies=entry.policies,
            compare=entry.compare,
            judge=judge.digest if judge else "",
            author=by,
            since=now,
            opened_at=now,
            updated_at=now,
        )
        drafts = self._recorded(judge, stable, candidate)
        await self._commit(*drafts, Draft(rev.RolloutOpened(rollout=rollout)))
        return rollout

    async def _declared(self, project: Project, name: str) -> tuple[Declared, Declared | None]:
        entry = project.config.rollout_of(name)
        if entry is None:
            known = ", ".join(e.name for e in project.config.rollout) or "none"
            raise NotFound(f'no rollout "{name}" in longwatch.toml of {project.root} ({known})')
        stable = await asyncio.to_thread(declared, project, entry, PathName.STABLE)
        candidate = await asyncio.to_thread(declared, project, entry, PathName.CANDIDATE)
        assert stable is not None
        for path in (stable, candidate):
            if path is not None:
                self._learn(path.recipe)
        if candidate is not None and candidate.path.recipe == stable.path.recipe:
            raise Refused(f"rollout {name}: the candidate is the stable path")
        return stable, candidate

    def _recipe(self, digest: str) -> Recipe:
        return self._core.journal.projection.recipes[digest]

    def _recorded(self, judge: Recipe | None, *paths: Declared | None) -> list[Draft]:
        known = self._core.journal.projection.recipes
        found = {path.path.recipe: path.recipe for path in paths if path is not None}
        if judge is not None:
            self._learn(judge)
            found[judge.digest] = judge
        return [
            Draft(ev.RecipeRecorded(digest=digest, recipe=recipe))
            for digest, recipe in found.items()
            if digest not in known
        ]

    def _as_pinned(self, path: Declared, known: Rollout) -> Declared:
        """A declared path under the hash that its content is pinned by already: a later version
        of ours may hash the same content otherwise, and that is no change."""
        for pinned in known.paths:
            if path.recipe == self._recipe(pinned.recipe):
                return Declared(path.path.model_copy(update={"recipe": pinned.recipe}), path.recipe)
        return path

    def _known_id(self, rollout_id: RolloutId) -> Rollout:
        return self._core.journal.projection.rollouts[rollout_id]

    async def _commit(self, *drafts: Draft) -> None:
        await self._core.journal.append(drafts)


def _paths(rollout: Rollout) -> str:
    beside = f", candidate {rollout.candidate}" if rollout.candidate else ", no candidate"
    return f"stable {rollout.stable}{beside}"


def _judge(project: Project, rule: CompareRule) -> Recipe | None:
    """What a judge's runs pin; None where no agent judges."""
    if rule.by != "judge":
        return None
    agent = next(a for a in project.config.agent if a.name == rule.agent)
    return judge_recipe(rule, agent, project.config.env_file)
