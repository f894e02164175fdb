"""Models: references, aliases, fallbacks, and where each provider is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from urllib.parse import urlsplit, urlunsplit

from app.domain.named import address_problem
from app.domain.providers import DEFAULT_MODEL, Api, canonical, find_provider, key_env
from app.migrate.openclaw.ledger import Ledger
from app.migrate.openclaw.nodes import Node
from app.migrate.openclaw.tables import APIS

# Model names that say whose they are, for references without a provider.
_FAMILIES = (
    ("claude", "anthropic"),
    ("gpt", "openai"),
    ("chatgpt", "openai"),
    ("o1", "openai"),
    ("o3", "openai"),
    ("o4", "openai"),
    ("codex", "openai"),
    ("gemini", "google"),
    ("grok", "xai"),
    ("deepseek", "deepseek"),
    ("mistral", "mistral"),
    ("kimi", "moonshot"),
    ("glm", "zhipu"),
    ("qwen", "qwen"),
)
_CONTEXT = (2_000, 100_000_000)


@dataclass(frozen=True, slots=True)
class Reference:
    """A model: `raw` as the source names it ("provider/model"), `name` in our words."""

    raw: str
    name: str

    @property
    def provider(self) -> str:
        return self.name.partition("/")[0]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a provider is. `missing` says in a clause why it cannot be reached as it stands."""

    base_url: str = ""
    api: Api | None = None
    api_key_env: str = ""
    missing: str = ""


@dataclass(frozen=True, slots=True)
class Choice:
    """The models of an agent, the first one to be used."""

    primary: Reference
    fallbacks: tuple[Reference, ...] = ()
    endpoint: Endpoint = Endpoint()
    context_tokens: int | None = None
    said: bool = True  # False: the source names none, and this is the usual one

    @property
    def all(self) -> tuple[Reference, ...]:
        return (self.primary, *self.fallbacks)


class Models:
    """What a configuration says of models."""

    def __init__(self, ledger: Ledger, root: Node | None, defaults: Node | None) -> None:
        self._ledger = ledger
        models = root.get("models") if root is not None else None
        providers = models.get("providers") if models is not None else None
        self._providers = dict(ledger.fields(providers))
        self._by_name: dict[str, Node] = {}
        for name, node in self._providers.items():
            self._by_name.setdefault(canonical(name), node)
        self._default_aliases = dict(self._aliases(defaults))

    def choose(self, agent: Node | None, defaults: Node | None) -> Choice:
        """An agent's models: its own; where it has none, those of the defaults."""
        aliases = {**self._default_aliases, **dict(self._aliases(agent))}
        for section in (agent, defaults):
            node = section.get("model") if section is not None else None
            found = self._selected(node, aliases)
            if found is not None:
                return self._complete(found)
        usual = Choice(Reference(DEFAULT_MODEL, DEFAULT_MODEL), said=False)
        return self._complete(usual)

    def _selected(self, node: Node | None, aliases: dict[str, str]) -> Choice | None:
        """One model, strictly that; or `{primary, fallbacks}`."""
        if node is None:
            return None
        if node.fields is None:
            primary = self._reference(node, aliases)
            return Choice(primary) if primary is not None else None
        primary = self._reference(node.get("primary"), aliases)
        others = node.get("fallbacks")
        nodes = [] if others is None else [leaf for leaf, _ in self._ledger.texts(others)]
        fallbacks = [ref for one in nodes if (ref := self._reference(one, aliases)) is not None]
        if primary is None:
            return Choice(fallbacks[0], tuple(fallbacks[1:])) if fallbacks else None
        return Choice(primary, tuple(fallbacks))

    def _reference(self, node: Node | None, aliases: dict[str, str]) -> Reference | None:
        text = self._ledger.text(node)
        if node is None or text is None:
            return None
        raw = aliases.get(text.lower(), text)
        found = self.reference(raw, node)
        if found is None:
            self._ledger.odd(node, 'is no model: it should be "provider/model"')
            return None
        self._ledger.mapped(node, f"agent.model = {found.name}")
        return found

    def reference(self, raw: str, node: Node | None = None) -> Reference | None:
        """A reference in our words: the provider's own name, the rest as it is written."""
        provider, slash, model = (part.strip() for part in raw.partition("/"))
        if slash:
            name = canonical(provider)
            return Reference(raw, f"{name}/{model}") if name and model else None
        owners = [*dict.fromkeys(self._owners(provider))]
        if len(owners) == 1:
            return Reference(f"{owners[0]}/{provider}", f"{canonical(owners[0])}/{provider}")
        family = next((of for head, of in _FAMILIES if provider.lower().startswith(head)), None)
        if family is None and node is not None:
            self._ledger.warn(node, "names no provider: taken as one of Anthropic's models")
        owner = family or "anthropic"
        return Reference(f"{owner}/{provider}", f"{owner}/{provider}") if provider else None

    def _owners(self, model: str) -> Iterator[str]:
        """The configured providers that have a model of that name."""
        for name, provider in self._providers.items():
            for entry in self._catalogue(provider):
                ident = entry.get("id") if entry.fields else entry
                if ident is not None and ident.value == model:
                    yield name

    @staticmethod
    def _catalogue(provider: Node) -> list[Node]:
        models = provider.get("models")
        return (models.items or []) if models is not None else []

    def _aliases(self, section: Node | None) -> Iterator[tuple[str, str]]:
        """The names that `models {"provider/model": {alias}}` gives."""
        for raw, entry in self._ledger.fields(section.get("models") if section else None):
            alias = self._ledger.text(entry.get("alias"))
            if alias is not None:
                self._ledger.mapped(entry.get("alias"), f"agent.model of those who use {alias}")
                yield alias.lower(), raw

    def _complete(self, choice: Choice) -> Choice:
        """With where the primary model is; without fallbacks that could be nowhere."""
        kept, seen = list[Reference](), {choice.primary.name}
        for ref in choice.fallbacks:
            own = canonical(ref.provider) == canonical(choice.primary.provider)
            provider = find_provider(ref.provider)
            if ref.name in seen:
                continue
            seen.add(ref.name)
            if own or (provider is not None and provider.base_url and not self._has_own(ref)):
                kept.append(ref)
                self._usual_key(ref)
            else:
                self._ledger.warn(
                    self._provider(ref) or "models.providers",
                    f"{ref.name} was left out as a fallback: an agent has one address of its own",
                )
        return replace(
            choice,
            fallbacks=tuple(kept),
            endpoint=self.endpoint(choice.primary),
            context_tokens=self._context(choice.primary),
        )

    def _provider(self, ref: Reference) -> Node | None:
        raw = ref.raw.partition("/")[0].strip()
        return self._providers.get(raw) or self._by_name.get(canonical(raw))

    def _has_own(self, ref: Reference) -> bool:
        provider = self._provider(ref)
        return provider is not None and provider.get("baseUrl", "baseURL", "base_url") is not None

    def endpoint(self, ref: Reference) -> Endpoint:
        """Where a model is: as its provider's entry says, else where that usually is."""
        node = self._provider(ref)
        known = find_provider(ref.provider)
        key = self._key(node, ref)
        url_node = node.get("baseUrl", "baseURL", "base_url") if node is not None else None
        base_url = self._address(url_node)
        api_node = node.get("api") if node is not None else None
        spoken = self._ledger.text(api_node)
        api = APIS.get(spoken) if spoken is not None else None
        if spoken == "ollama":  # it speaks the other too, one folder below
            api = "chat"
            base_url = f"{base_url.rstrip('/').removesuffix('/v1')}/v1" if base_url else ""
        if spoken is not None and api is None:
            usual = known is not None and known.base_url and _host(base_url) in (
                "", _host(known.base_url)
            )  # fmt: skip
            self._ledger.archived(api_node, "the built-in agent does not speak it")
            self._ledger.archived(url_node, "the API behind it is not spoken here")
            if usual:
                return Endpoint(api_key_env=key)
            return nowhere(ref, f"its API, {spoken}, is not spoken by the built-in agent", key)
        if base_url:
            self._ledger.mapped(url_node, "agent.base_url")
            self._ledger.mapped(api_node, "agent.api")
            return Endpoint(base_url, api, key)
        if known is None or known.base_url is None:
            why = known.instead if known is not None else "the source has no address for it"
            return nowhere(ref, why, key)
        self._ledger.mapped(api_node, "agent.api")
        return Endpoint("", api, key)

    def _address(self, node: Node | None) -> str:
        """An address without a user's name and password in it."""
        if node is None:
            return ""
        text = node.value if isinstance(node.value, str) else ""
        if node.hidden and "@" in text:
            text = _without_password(text)
            if text and not address_problem(text) and not self._ledger.vault.shows(text):
                self._ledger.warn(node, "has a password in it, which was taken out of the address")
                return text
            return ""
        found = self._ledger.text(node) or ""
        if found and address_problem(found):
            self._ledger.odd(node, "is not an http or https address")
            return ""
        return found

    def _key(self, node: Node | None, ref: Reference) -> str:
        """The variable with the provider's key, where it is not the usual one."""
        key = node.get("apiKey", "api_key") if node is not None else None
        variable = key.variable if key is not None else ""
        return variable if variable and variable != key_env(ref.provider) else ""

    def _usual_key(self, ref: Reference) -> None:
        """A further model's key is looked up under the usual name only."""
        variable, usual = self._key(self._provider(ref), ref), key_env(ref.provider)
        value = self._ledger.vault.value(variable) if variable and usual else None
        if value is not None:
            self._ledger.vault.keep(usual, value)

    def _context(self, ref: Reference) -> int | None:
        node = self._provider(ref)
        wanted = ref.raw.partition("/")[2]
        for entry in self._catalogue(node) if node is not None else []:
            ident = entry.get("id")
            window = entry.get("contextTokens", "contextWindow")
            if ident is None or ident.value != wanted or window is None:
                continue
            size = window.value
            if self._ledger.vault.shows(str(size)):
                return None
            if isinstance(size, (int, float)) and _CONTEXT[0] <= size <= _CONTEXT[1]:
                self._ledger.mapped(window, "agent.context_tokens")
                self._ledger.mapped(ident, "agent.model")
                return int(size)
        return None


def nowhere(ref: Reference, why: str, key: str) -> Endpoint:
    """An address that leads nowhere, by the standard for such names, until a person sets one:
    nothing is sent to somebody else in its place."""
    host = "".join(c if c.isalnum() and c.isascii() else "-" for c in ref.provider).strip("-")
    return Endpoint(f"https://{host[:60] or 'provider'}.invalid/v1", None, key, why)


def _host(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def _without_password(url: str) -> str:
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    place = parts.netloc.rpartition("@")[2]
    return urlunsplit((parts.scheme, place, parts.path, "", ""))
