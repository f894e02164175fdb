"""Prompt templates: compiled in a sandbox, and checked when the file is loaded.

Rendering is one pass: text that comes out of a variable is never looked at again, so an output
that contains a placeholder stays what it is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from app.domain.toml_messages import not_among

if TYPE_CHECKING:
    from jinja2 import Template, nodes
    from jinja2.environment import TemplateExpression
    from jinja2.sandbox import ImmutableSandboxedEnvironment


class Outputs:
    """`outputs.plan` or `outputs["plan"]`. Not a dict: a step may be called "items"."""

    def __init__(self, outputs: Mapping[str, str]) -> None:
        self._outputs = outputs

    def __getitem__(self, name: str) -> str:
        return self._outputs[name]


class AnyItem:
    """Stands, while a template is tried out, for an item that nobody knows yet: it has every
    member, and is some text."""

    def __getitem__(self, name: object) -> AnyItem:
        return self

    def __getattr__(self, name: str) -> AnyItem:
        if name.startswith("__"):
            raise AttributeError(name)
        return self

    def __iter__(self) -> Iterator[AnyItem]:
        return iter(())

    def __str__(self) -> str:
        return "item"


@lru_cache(maxsize=1)
def environment() -> ImmutableSandboxedEnvironment:
    """The one environment: no loader, no globals, no escaping, undefined is an error."""
    from jinja2 import StrictUndefined
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    made = ImmutableSandboxedEnvironment(
        undefined=StrictUndefined,
        autoescape=False,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=lambda value: "" if value is None else value,
    )
    made.globals.clear()
    return made


@lru_cache(maxsize=256)
def variables(template: str) -> frozenset[str]:
    """The variables that a template that compiles mentions."""
    if "{" not in template:
        return frozenset()
    from jinja2 import meta

    return frozenset(meta.find_undeclared_variables(environment().parse(template)))


def render(template: str, values: Mapping[str, Any]) -> str:
    """Fill a template in. Raises jinja2.TemplateError and whatever an expression in it raises."""
    if "{" not in template and "\r" not in template:
        return template.removesuffix("\n")  # as Jinja does with a text that has nothing to fill in
    return _compiled(template).render(values)


class Condition(Struct, frozen=True):
    """An expression that compiles."""

    variables: frozenset[str]  # that it mentions
    constant: bool | None  # whether it holds, when that depends on nothing
    _compiled: TemplateExpression

    def holds(self, values: Mapping[str, Any]) -> bool:
        """Whether it is true. Raises as `render` does."""
        return bool(self._compiled(values))


@lru_cache(maxsize=256)
def condition(expression: str) -> Condition:
    """Raises jinja2.TemplateError for a text that is no expression."""
    from jinja2 import meta, nodes
    from jinja2.parser import Parser

    compiled = environment().compile_expression(expression, undefined_to_none=False)
    parsed = Parser(environment(), expression, state="variable").parse_expression()
    template = nodes.Template([nodes.Output([parsed])])
    template.set_environment(environment())
    mentioned = frozenset(meta.find_undeclared_variables(template))
    return Condition(mentioned, _constant_truth(parsed), compiled)


def _constant_truth(parsed: nodes.Expr) -> bool | None:
    try:
        return bool(parsed.as_const())
    # It depends on something, or fails: evaluating it tells.
    except Exception:
        return None


def expression_problem(expression: str) -> str:
    """Why a text is no expression; "" when it is one."""
    from jinja2 import TemplateSyntaxError

    try:
        environment().compile_expression(expression)
    except TemplateSyntaxError as error:
        return f"`{expression}` is no expression: {error.message}"
    except RecursionError:
        return "the expression is nested too deep"
    return ""


@lru_cache(maxsize=256)
def _compiled(template: str) -> Template:
    return environment().from_string(template)


def check(
    template: str, known: Mapping[str, Sequence[str]], trials: Sequence[Mapping[str, Any]]
) -> list[str]:
    """What is wrong with a template, a sentence each; empty when all is well.

    `known` has the variables it may use, each with its members (none: it has no members worth
    checking), and `trials` sets of values with which it must render.
    """
    from jinja2 import TemplateSyntaxError

    try:
        tree = environment().parse(template)
        # The names can be looked up only in a template whose words are all known.
        found = list(_words(tree)) or list(_names(tree, known))
    except TemplateSyntaxError as error:
        return [f"template line {error.lineno}: {error.message}"]
    except RecursionError:
        return ["the template is nested too deep"]
    problems = [f"template line {line}: {what}" for line, what in found]
    return list(dict.fromkeys(problems)) or _try_out(template, trials)


def _words(tree: nodes.Template) -> Iterator[tuple[int, str]]:
    from jinja2 import nodes

    for node in tree.find_all((nodes.Include, nodes.Import, nodes.FromImport, nodes.Extends)):
        yield node.lineno, "a prompt cannot include, import or extend another"
    uses: list[nodes.Filter | nodes.Test] = [*tree.find_all(nodes.Filter)]
    for use in [*uses, *tree.find_all(nodes.Test)]:
        kind, table = _vocabulary(use)
        if use.name not in table:
            yield use.lineno, not_among(f'unknown {kind} "{use.name}"', use.name, table)


def _names(tree: nodes.Template, known: Mapping[str, Sequence[str]]) -> Iterator[tuple[int, str]]:
    from jinja2 import meta, nodes

    for name in sorted(meta.find_undeclared_variables(tree) - set(known)):
        line = next((n.lineno for n in tree.find_all(nodes.Name) if n.name == name), 1)
        yield line, not_among(f'unknown variable "{name}"', name, known)
    yield from _members(tree, known)


def _vocabulary(use: nodes.Filter | nodes.Test) -> tuple[str, list[str]]:
    from jinja2 import nodes

    if isinstance(use, nodes.Filter):
        return "filter", sorted(environment().filters)
    return "test", sorted(environment().tests)


def _members(tree: nodes.Template, known: Mapping[str, Sequence[str]]) -> Iterator[tuple[int, str]]:
    from jinja2 import nodes

    plain = {id(n): n for n in tree.find_all(nodes.Name) if n.name == "outputs"}
    lookups: list[nodes.Getattr | nodes.Getitem] = [*tree.find_all(nodes.Getattr)]
    for node in [*lookups, *tree.find_all(nodes.Getitem)]:
        owner = node.node
        if not isinstance(owner, nodes.Name) or owner.name not in ("outputs", "request", "gate"):
            continue
        member = node.attr if isinstance(node, nodes.Getattr) else _constant(node.arg)
        if isinstance(member, str):
            plain.pop(id(owner), None)
            if member not in known.get(owner.name, (member,)):
                what = f'{owner.name} has no "{member}"'
                yield node.lineno, not_among(what, member, known[owner.name])
    for name in plain.values():
        yield name.lineno, 'name the step whose output you want: outputs.STEP or outputs["STEP"]'


def _constant(node: nodes.Node) -> object:
    from jinja2 import nodes

    return node.value if isinstance(node, nodes.Const) else None


def _try_out(template: str, trials: Sequence[Mapping[str, Any]]) -> list[str]:
    for values in trials:
        try:
            render(template, values)
        # An expression can raise anything; whatever it is, the operator must hear of it now.
        except Exception as error:
            return [f"does not render {_when(values)}: {error}"]
    return []


def _when(values: Mapping[str, Any]) -> str:
    if values.get("gate") is not None:
        return "after a failed gate"
    if values["reasons"]:
        return "after a reject"
    return "at the first attempt, when `gate` is none and `reasons` is empty"
