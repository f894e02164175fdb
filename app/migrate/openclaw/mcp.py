"""`mcp.servers`: tools from other programs, for the agents whose policy lets them through."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from typing import Any

from app.domain.migration import ItemKind
from app.domain.named import address_problem
from app.domain.openfang_names import Names
from app.migrate.openclaw.ledger import Ledger
from app.migrate.openclaw.nodes import Node


class Servers:
    """Reads servers; `tables` are those of the configuration, `names` ours by theirs."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._names = Names()
        self.tables: list[dict[str, Any]] = []
        self.names: dict[str, str] = {}
        self._only: dict[str, tuple[str, ...]] = {}  # the tools of a server that are let through

    def filtered(self, tool: str) -> tuple[str, ...]:
        """A tool of a list as it is; a server that is filtered as the tools that are left."""
        only = self._only.get(tool.removeprefix("mcp:")) if tool.startswith("mcp:") else None
        return (tool,) if only is None else tuple(f"{tool}/{name}" for name in only)

    def read(self, node: Node | None) -> None:
        for name, server in self._ledger.fields(node):
            self._server(name, server)

    def _server(self, name: str, node: Node) -> None:
        if node.fields is None:
            self._ledger.odd(node, "is no MCP server")
            return
        shown = "server" if self._ledger.vault.shows(name) else name
        off = node.get("enabled", "disabled")
        if off is not None and (off.value is False) == (off.name == "enabled"):
            self._ledger.archived(node, "the server is switched off")
            self._ledger.left(ItemKind.MCP, shown, "it is switched off")
            return
        table = self._command(node) if node.get("command") is not None else self._address(node)
        if isinstance(table, str):
            self._ledger.warn(node, f"was left out: {table}")
            self._ledger.left(ItemKind.MCP, shown, table)
            self._ledger.refused(node, table)
            return
        only = self._filter(node.get("toolFilter"))
        if only == ():
            self._ledger.warn(node, "was left out: its tool filter cannot be told tool by tool")
            self._ledger.left(ItemKind.MCP, shown, "its tool filter has wildcards, or lets none in")
            return
        ours = self._names.new(shown, "server")
        self.names[name] = ours
        if only is not None:
            self._only[ours] = only
        self.tables.append({"name": ours, **table})
        self._ledger.took(ItemKind.MCP, shown, f"longwatch.toml: mcp {ours}")

    def _filter(self, node: Node | None) -> tuple[str, ...] | None:
        """The tools that a filter names; none if it has patterns, None where there is none."""
        if node is None:
            return None
        include = [text for _, text in self._ledger.texts(node.get("include"))]
        exclude = {text for _, text in self._ledger.texts(node.get("exclude"))}
        if any("*" in text for text in (*include, *exclude)):
            return ()
        self._ledger.mapped(node, "agent.tools")
        plain = [text for text in include if not set(text) & set(" /\t\n*")]
        return tuple(dict.fromkeys(text for text in plain if text not in exclude))

    def _command(self, node: Node) -> dict[str, Any] | str:
        """A program. What is secret in its command line, or is kept under another name than the
        program wants, a shell puts in from variables."""
        words = [leaf for key in ("command", "args") for leaf in _leaves(node.get(key))]
        plain = [None if leaf.hidden else self._ledger.text(leaf, numbers=True) for leaf in words]
        odd = [w for w, text in zip(words, plain, strict=True) if text is None and not w.variable]
        if not words or odd:
            return "its command line has something in it that is no text"
        if words[0].hidden:
            return "its program is a secret"
        for leaf in words:
            self._ledger.mapped(leaf, "mcp.command")
        renamed = dict[str, str]()
        env = [leaf.variable for leaf in words if leaf.hidden]
        for name, value in self._ledger.fields(node.get("env")):
            if value.variable and name.isidentifier() and name.isascii():
                env.append(value.variable)
                renamed |= {name: value.variable} if value.variable != name else {}
        command = [text for text in plain if text is not None]
        if renamed or len(command) != len(words):
            command = ["sh", "-c", _shell_line(words, plain, renamed)]
        table: dict[str, Any] = {"command": command}
        return {**table, "env": list(dict.fromkeys(env))} if env else table

    def _address(self, node: Node) -> dict[str, Any] | str:
        url_node = node.get("url")
        if url_node is not None and url_node.hidden:
            return "a secret stands in its address"
        url = self._ledger.text(url_node)
        if url is None or address_problem(url):
            return "it has neither a command nor an http address"
        self._ledger.mapped(url_node, "mcp.url")
        headers = {
            name: value.variable
            for name, value in self._ledger.fields(node.get("headers"))
            if value.variable and _is_header(name)
        }
        return {"url": url, "header_env": headers} if headers else {"url": url}


def _shell_line(words: list[Node], plain: list[str | None], renamed: Mapping[str, str]) -> str:
    parts = [
        f'"${leaf.variable}"' if text is None else shlex.quote(text)
        for leaf, text in zip(words, plain, strict=True)
    ]
    return " ".join([*(f'{name}="${at}"' for name, at in renamed.items()), "exec", *parts])


def _leaves(node: Node | None) -> list[Node]:
    return [] if node is None else [leaf for leaf in node.leaves() if not leaf.null]


def _is_header(name: str) -> bool:
    return re.fullmatch(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", name) is not None
