"""Calls: asking something that is no agent for a result: an HTTP endpoint, a command, a record."""

from collections.abc import Iterator
from typing import Literal

from pydantic import Field

from app.domain.base import Model
from app.domain.compare_json import parse_path
from app.domain.gate import Text
from app.domain.named import address_problem, header_problem, variable_problem
from app.domain.toml_lines import KeyPath

_HTTP_KEYS = ("method", "headers", "header_env", "send", "field", "answer", "stream")


class Call(Model):
    """What is asked, and how. Exactly one of `url`, `command` and `recorded` is given.

    The input is the request's body, the command's stdin, or what is looked up in the record; the
    answer is the reply's body, the command's stdout, or the record's.
    """

    url: str = ""
    method: Literal["POST", "PUT", "GET"] = "POST"  # GET: the input goes into the query
    headers: dict[str, str] = Field(default_factory=dict)
    header_env: dict[str, str] = Field(default_factory=dict)  # header -> variable with its value
    send: Literal["json", "text"] = "json"
    field: str = "input"  # of the JSON object, or of the query, that holds the input
    answer: str = ""  # path of the answer in a JSON reply, such as choices[0].text; "": all of it
    stream: bool = False  # the reply is a stream of server-sent events, each a piece of the answer
    command: tuple[Text, ...] = ()
    env: tuple[str, ...] = ()  # names of variables that the command sees
    recorded: str = ""  # a file of lines {"input": …, "answer": …}, absolute once loaded
    recorded_sha256: str = ""  # of its content when it was loaded
    repeatable: bool = True  # after a crash it is simply asked again; false: a person is asked

    @property
    def title(self) -> str:
        """What it asks, for lists; without a query, which may hold a secret."""
        if self.url:
            return self.url.partition("?")[0]
        return self.recorded or " ".join(self.command)


def call_problems(at: KeyPath, call: Call) -> Iterator[tuple[KeyPath, str]]:
    """What is wrong with a call, told when the configuration is loaded."""
    given = [name for name in ("url", "command", "recorded") if getattr(call, name)]
    if len(given) != 1:
        yield at, "give exactly one of url, command and recorded"
        return
    if call.url and (problem := address_problem(call.url)):
        yield (*at, "url"), problem
    for key in sorted(call.model_fields_set & {*_HTTP_KEYS, "env"}):
        wanted = "command" if key == "env" else "url"
        if given != [wanted]:
            yield (*at, key), f"only for a call with `{wanted}`"
    for key in ("headers", "header_env"):
        for name in getattr(call, key):
            if problem := header_problem(name):
                yield (*at, key, name), problem
    for name, value in call.headers.items():
        if not value.isprintable():
            yield (*at, "headers", name), "a header's value is one line of printable text"
    for header, name in call.header_env.items():
        if problem := variable_problem(name):
            yield (*at, "header_env", header), problem
    for i, name in enumerate(call.env):
        if problem := variable_problem(name):
            yield (*at, "env", i), problem
    try:
        parse_path(call.answer)
    except ValueError as error:
        yield (*at, "answer"), str(error)
