"""Names of model providers: aliases, keys, references, and what loading a configuration refuses."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.config import parse_config
from app.domain.errors import ConfigError
from app.domain.providers import PROVIDERS, ModelRef, canonical, find_provider, key_env, split_model

# names that are taken for a provider | its name | the variable with its key
TABLE = """
anthropic, claude | anthropic | ANTHROPIC_API_KEY
openai, gpt, codex, openai_codex | openai | OPENAI_API_KEY
groq | groq | GROQ_API_KEY
ollama | ollama |
openrouter | openrouter | OPENROUTER_API_KEY
deepseek | deepseek | DEEPSEEK_API_KEY
together | together | TOGETHER_API_KEY
mistral | mistral | MISTRAL_API_KEY
fireworks | fireworks | FIREWORKS_API_KEY
google, gemini | google | GOOGLE_API_KEY
xai, grok | xai | XAI_API_KEY
cerebras | cerebras | CEREBRAS_API_KEY
sambanova | sambanova | SAMBANOVA_API_KEY
moonshot, kimi, kimicode | moonshot | MOONSHOT_API_KEY
qwen, dashscope, qwencode | qwen | DASHSCOPE_API_KEY
minimax | minimax | MINIMAX_API_KEY
zhipu, glm | zhipu | ZHIPU_API_KEY
zhipu_coding, codegeex | zhipu_coding | ZHIPU_API_KEY
zai | zai | ZHIPU_API_KEY
zai_coding | zai_coding | ZHIPU_API_KEY
qianfan, baidu | qianfan | QIANFAN_API_KEY
volcengine, doubao | volcengine | VOLCENGINE_API_KEY
github_copilot, copilot | github-copilot | GITHUB_TOKEN
claude_code | claude-code |
"""
ROWS = [tuple(cell.strip() for cell in line.split("|")) for line in TABLE.strip().splitlines()]


@pytest.mark.parametrize(("aliases", "name", "key"), ROWS)
def test_aliases_keys_and_spellings(aliases: str, name: str, key: str) -> None:
    for alias in (*aliases.split(", "), name):
        for spelt in (alias, f"  {alias.upper()} ", alias.replace("_", "-")):
            assert (canonical(spelt), key_env(spelt)) == (name, key)


def test_the_table_is_whole() -> None:
    assert [provider.name for provider in PROVIDERS] == [name for _, name, _ in ROWS]


@pytest.mark.parametrize(
    ("given", "name", "key"),
    [
        ("mycompany", "mycompany", "MYCOMPANY_API_KEY"),
        (" Custom-Provider", "custom-provider", "CUSTOM_PROVIDER_API_KEY"),
        ("custom_provider", "custom_provider", "CUSTOM_PROVIDER_API_KEY"),
    ],
)
def test_what_is_in_no_table_passes_through(given: str, name: str, key: str) -> None:
    assert (canonical(given), key_env(given)) == (name, key)
    assert find_provider(given) is None


@pytest.mark.parametrize(
    ("reference", "expected"),
    [
        ("openrouter/anthropic/x", ModelRef("openrouter", "anthropic/x")),
        ("kimicode/moonshot-v1-8k", ModelRef("moonshot", "moonshot-v1-8k")),
        ("baidu/ernie-4.0-8k", ModelRef("qianfan", "ernie-4.0-8k")),
        ("Claude/Opus", ModelRef("anthropic", "Opus")),
        ("claude-sonnet-4", ModelRef("anthropic", "claude-sonnet-4")),
        ("", ModelRef("anthropic", "")),
        ("my-own/x/y/", ModelRef("my-own", "x/y/")),
        ("/x", ModelRef("", "x")),
    ],
)
def test_a_reference_is_split_at_its_first_slash(reference: str, expected: ModelRef) -> None:
    assert split_model(reference) == expected


@given(st.text())
def test_a_canonical_name_stays(name: str) -> None:
    assert canonical(canonical(name)) == canonical(name)


AGENT = '[[agent]]\nname = "a"\ndriver = "model"\n'


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        (
            'model = "grok-x/y"',
            'c.toml:4: agent[0].model: no provider "grok-x" is known, and no `base_url` says where '
            "it is",
        ),
        (
            'model = "claude-code/x"',
            'c.toml:4: agent[0].model: "claude-code" cannot be used by driver "model": it is an '
            'agent, not an endpoint: use driver "acp" and its command',
        ),
        ('model = "copilot/x"', 'c.toml:4: agent[0].model: "github-copilot" cannot be used by'),
        ('model = "groq/"', 'c.toml:4: agent[0].model: not "provider/model", such as'),
        ('model = "/x"', 'c.toml:4: agent[0].model: not "provider/model", such as'),
        (
            'model = "x/y"\nbase_url = "localhost:1"',
            "c.toml:5: agent[0].base_url: 'localhost:1' is not an http or https address",
        ),
        (
            'api_key_env = "sk-123"',
            'c.toml:4: agent[0].api_key_env: "sk-123" is not the name of an environment variable',
        ),
        ('api = "grpc"', 'c.toml:4: agent[0].api: "grpc" is not allowed'),
        ('command = ["x"]', "c.toml:4: agent[0].command: only for driver"),
        ('mode = "x"', 'c.toml:4: agent[0].mode: only for driver "acp"'),
        ("compact_percent = 99", "c.toml:4: agent[0].compact_percent: "),
        (
            'fallbacks = ["groq/llama", "grop/llama"]',
            'c.toml:4: agent[0].fallbacks[1]: no provider "grop" is known, and no `base_url` says '
            'where it is; did you mean "groq"?',
        ),
        (
            'model = "mine/x"\nbase_url = "http://10.0.0.1/v1"\nfallbacks = ["copilot/x"]',
            'c.toml:6: agent[0].fallbacks[0]: "github-copilot" cannot be used by',
        ),
        (
            'model = "groq/x"\nfallbacks = ["groq/y", "groq/x"]',
            'c.toml:5: agent[0].fallbacks[1]: "groq/x" is tried before already',
        ),
        ("fallbacks = 3", "c.toml:4: agent[0].fallbacks: must be a list in [ ], not 3"),
    ],
)
def test_what_cannot_work_is_refused_when_it_is_loaded(lines: str, says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_config(AGENT + lines, "c.toml")
    assert str(caught.value).startswith(says)


@pytest.mark.parametrize(
    "lines",
    [
        "",
        'model = "gemini/gemini-2.5-pro"',
        'model = "mine/x"\nbase_url = "http://10.0.0.1:8000/v1"\napi = "responses"',
        'model = "copilot/x"\nbase_url = "https://proxy.example/v1"',
        'model = "mine/x"\nbase_url = "http://10.0.0.1/v1"\nfallbacks = ["mine/y", "gpt/o4"]',
    ],
)
def test_what_can_work_is_taken(lines: str) -> None:
    assert parse_config(AGENT + lines, "c.toml").agent[0].driver == "model"


def test_keys_of_the_model_driver_are_not_for_others() -> None:
    keys = ('fallbacks = ["groq/x"]', 'base_url = "http://x"', 'api = "chat"', 'api_key_env = "K"')
    for key in keys:
        with pytest.raises(ConfigError, match='only for driver "model"'):
            parse_config(f'[[agent]]\nname = "a"\ndriver = "codex"\n{key}\n', "c.toml")
