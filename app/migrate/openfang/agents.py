"""Agents of OpenFang: `agents/ID/agent.toml`."""

from __future__ import annotations

from app.domain.migration import ItemKind
from app.domain.providers import DEFAULT_MODEL, canonical, find_provider, key_env
from app.migrate.openclaw.agents import Agent
from app.migrate.openclaw.home import Home
from app.migrate.openclaw.models import Choice, Endpoint, Reference, nowhere
from app.migrate.openclaw.nodes import Node
from app.migrate.openclaw.secrets import Secrets
from app.migrate.openclaw.source import Source
from app.migrate.openfang.reading import read_toml
from app.migrate.openfang.tools import Tools


class Agents:
    """Reads the folder of agents."""

    def __init__(self, home: Home, source: Source, config: Node | None) -> None:
        self._home, self._source = home, source
        self._ledger = home.ledger
        self._usual = config.get("default_model") if config is not None and config.fields else None
        self._tools = Tools(home.ledger)
        self.by_name: dict[str, Agent] = {}  # by every name and id that the source has for it

    def read(self) -> None:
        for folder in self._source.named("agents"):
            if self._source.folder(f"agents/{folder}") is not None:
                self._one(folder)

    def _one(self, folder: str) -> None:
        place = f"agents/{folder}/agent.toml"
        node = read_toml(self._source, self._ledger, place, ItemKind.AGENT, folder)
        if node is None:
            return
        Secrets(self._ledger, self._home.variables).collect(node)
        entry = self._home.roster.add(folder, node, where=node)
        if entry is None:
            self._ledger.refused(node, "it belongs to an agent that was left out")
            return
        rights = self._tools.read(node, entry.name)
        model = node.get("model")
        section = model if model is not None and model.fields is not None else None
        if model is not None and section is None:
            self._ledger.odd(model, "is no table, so the agent gets the usual model")
        agent = Agent(entry, self._choice(node, section), rights.policy)
        agent.asks_shell = rights.asks_shell
        agent.instructions = self._prompt(node, section, folder)
        self._home.config.agents.append(agent)
        named = node.get("name")
        for name in (folder, self._ledger.text(named), self._ledger.text(node.get("id"))):
            if name:
                self.by_name.setdefault(name.lower(), agent)
        for key in ("name", "id"):
            self._ledger.mapped(node.get(key), f"agent {entry.name}")

    def _prompt(self, node: Node, model: Node | None, folder: str) -> str:
        prompt = model.get("system_prompt") if model is not None else None
        text = self._ledger.text(prompt)
        if text is not None:
            self._ledger.mapped(prompt, "agent.instructions")
            return text
        name = self._ledger.text(node.get("name"), numbers=True) or folder
        about = self._ledger.text(node.get("description"))
        self._ledger.mapped(node.get("description"), "agent.instructions")
        return " ".join(filter(None, (f"You are {name}.", about)))

    def _choice(self, node: Node, model: Node | None) -> Choice:
        """Its model, then its fallbacks; what it leaves out is the home's usual one."""
        first = self._model(model, self._usual)
        others: list[Reference] = []
        listed = node.get("fallback_models")
        if listed is not None and listed.items is None:
            self._ledger.odd(listed, "is no list of models")
        for item in listed.items or () if listed is not None else ():
            if item.fields is None:
                self._ledger.odd(item, "is no table")
            elif self._ledger.text(item.get("model")) is None:
                self._ledger.odd(item, "names no model")
            else:
                others += self._fallback(item, first)
        kept = {ref.name: ref for ref in others if ref.name != first.primary.name}
        return Choice(first.primary, tuple(kept.values()), first.endpoint)

    def _fallback(self, item: Node, first: Choice) -> list[Reference]:
        """A further model, if it is where its provider always is: an agent has one address and
        one key of its own, its first model's."""
        found = self._model(item, None)
        if found.endpoint == Endpoint() or found.primary.provider == first.primary.provider:
            return [found.primary]
        self._ledger.warn(
            item,
            f"{found.primary.name} was left out as a fallback: an agent has one address and key of"
            " its own",
        )
        return []

    def _model(self, section: Node | None, usual: Node | None) -> Choice:
        sections = [one for one in (section, usual) if one is not None and one.fields is not None]

        def said(key: str) -> str | None:
            for one in sections:
                leaf = one.get(key)
                text = self._ledger.text(leaf)
                if text is not None:
                    self._ledger.mapped(leaf, f"agent.{key}")
                    return text
            return None

        usual_provider, _, usual_model = DEFAULT_MODEL.partition("/")
        # A model of its own under another provider must not inherit that provider's address.
        own = section.get("provider") if section is not None else None
        if own is not None and usual is not None and self._other_provider(own, usual):
            sections = sections[:1]
        provider = canonical(said("provider") or usual_provider)
        ref = Reference(provider, f"{provider}/{said('model') or usual_model}")
        known = find_provider(provider)
        key = said("api_key_env") or ""
        key = key if key.isidentifier() and key != key_env(provider) else ""
        base_url = said("base_url") or ""
        if base_url.lower().startswith(("http://", "https://")) and len(base_url) > 8:
            return Choice(ref, endpoint=Endpoint(base_url, None, key))
        if known is None or known.base_url is None:
            why = known.instead if known is not None else "the source has no address for it"
            return Choice(ref, endpoint=nowhere(ref, why, key))
        return Choice(ref, endpoint=Endpoint("", None, key))

    def _other_provider(self, own: Node, usual: Node) -> bool:
        theirs = usual.get("provider") if usual.fields is not None else None
        names = [canonical(str(node.value)) for node in (own, theirs) if node is not None]
        return len(set(names)) > 1
