"""Model providers: their names and aliases, key variables, and references such as `groq/llama`.

The names are those that OpenFang and OpenClaw configurations use. What is in no table passes
through as it is written, but for case: a name is never made into one that nobody knows.
"""

from __future__ import annotations

import re
from typing import Literal

from msgspec import Struct

DEFAULT_PROVIDER = "anthropic"
DEFAULT_MODEL = "anthropic/claude-sonnet-4-20250514"

Api = Literal["chat", "responses", "messages"]
"""What an endpoint speaks: OpenAI's Chat Completions or Responses, Anthropic's Messages."""


class Provider(Struct, frozen=True):
    """Who serves models. Without `base_url`, one must be configured."""

    name: str
    aliases: tuple[str, ...]
    key_env: str  # the variable that holds its key; empty: it wants none
    base_url: str | None = None
    api: Api = "chat"
    instead: str = ""  # how it is used, when it is no endpoint that a key opens


_AN_AGENT = 'it is an agent, not an endpoint: use driver "acp" and its command'

PROVIDERS = (
    Provider(
        "anthropic", ("claude",), "ANTHROPIC_API_KEY", "https://api.anthropic.com", "messages"
    ),
    Provider(
        "openai",
        ("gpt", "codex", "openai_codex"),
        "OPENAI_API_KEY",
        "https://api.openai.com/v1",
        "responses",
    ),
    Provider("groq", (), "GROQ_API_KEY", "https://api.groq.com/openai/v1"),
    Provider("ollama", (), "", "http://localhost:11434/v1"),
    Provider("openrouter", (), "OPENROUTER_API_KEY", "https://openrouter.ai/api/v1"),
    Provider("deepseek", (), "DEEPSEEK_API_KEY", "https://api.deepseek.com/v1"),
    Provider("together", (), "TOGETHER_API_KEY", "https://api.together.xyz/v1"),
    Provider("mistral", (), "MISTRAL_API_KEY", "https://api.mistral.ai/v1"),
    Provider("fireworks", (), "FIREWORKS_API_KEY", "https://api.fireworks.ai/inference/v1"),
    Provider(
        "google",
        ("gemini",),
        "GOOGLE_API_KEY",
        "https://generativelanguage.googleapis.com/v1beta/openai/",
    ),
    Provider("xai", ("grok",), "XAI_API_KEY", "https://api.x.ai/v1"),
    Provider("cerebras", (), "CEREBRAS_API_KEY", "https://api.cerebras.ai/v1"),
    Provider("sambanova", (), "SAMBANOVA_API_KEY", "https://api.sambanova.ai/v1"),
    Provider("moonshot", ("kimi", "kimicode"), "MOONSHOT_API_KEY", "https://api.moonshot.ai/v1"),
    Provider(
        "qwen",
        ("dashscope", "qwencode"),
        "DASHSCOPE_API_KEY",
        "https://dashscope.aliyuncs.com/compatible-mode/v1",
    ),
    Provider("minimax", (), "MINIMAX_API_KEY", "https://api.minimax.io/v1"),
    Provider("zhipu", ("glm",), "ZHIPU_API_KEY", "https://open.bigmodel.cn/api/paas/v4"),
    Provider(
        "zhipu_coding",
        ("codegeex",),
        "ZHIPU_API_KEY",
        "https://open.bigmodel.cn/api/coding/paas/v4",
    ),
    Provider("zai", (), "ZHIPU_API_KEY", "https://api.z.ai/api/paas/v4"),
    Provider("zai_coding", (), "ZHIPU_API_KEY", "https://api.z.ai/api/coding/paas/v4"),
    Provider("qianfan", ("baidu",), "QIANFAN_API_KEY", "https://qianfan.baidubce.com/v2"),
    Provider(
        "volcengine",
        ("doubao",),
        "VOLCENGINE_API_KEY",
        "https://ark.cn-beijing.volces.com/api/v3",
    ),
    Provider(
        "github-copilot",
        ("copilot",),
        "GITHUB_TOKEN",
        instead="its endpoint takes a token of its own: give `base_url` of a proxy for it",
    ),
    Provider("claude-code", (), "", instead=_AN_AGENT),
)


def _folded(name: str) -> str:
    return name.strip().lower().replace("-", "_")


_BY_ALIAS = {_folded(name): p for p in PROVIDERS for name in (p.name, *p.aliases)}


class ModelRef(Struct, frozen=True):
    """A model of a provider. The provider's name is the canonical one."""

    provider: str
    model: str


def find_provider(name: str) -> Provider | None:
    """The provider that a name or alias means; None for one that is in no table."""
    return _BY_ALIAS.get(_folded(name))


def canonical(name: str) -> str:
    """The provider's own name: of an alias the one it stands for, of any other itself, lower-cased,
    hyphens kept."""
    provider = find_provider(name)
    return provider.name if provider else name.strip().lower()


def key_env(name: str) -> str:
    """The environment variable of a provider's key; empty when it wants none. What no variable's
    name can have in an unknown provider's becomes an underscore: no shell could set it otherwise.
    """
    provider = find_provider(name)
    if provider is not None:
        return provider.key_env
    plain = re.sub(r"[^A-Z0-9_]", "_", _folded(name).upper())
    return f"{'_' if plain[:1].isdigit() else ''}{plain}_API_KEY"


def split_model(reference: str) -> ModelRef:
    """`provider/model`, split at the first slash; without one, a model of Anthropic's."""
    provider, slash, model = reference.partition("/")
    if not slash:
        return ModelRef(DEFAULT_PROVIDER, reference)
    return ModelRef(canonical(provider), model)


def shares_endpoint(first: str, name: str) -> bool:
    """Whether an address, a key variable and a dialect that are configured for the model `first`
    are those of the model `name` too: of the same provider, or of one that nobody knows."""
    provider = split_model(name).provider
    return find_provider(provider) is None or provider == split_model(first).provider
