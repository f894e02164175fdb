"""`longwatch questions | answer`: what the workflows ask their operator."""

from __future__ import annotations

from collections.abc import Sequence

import click

from app.cli.given import stdin_text
from app.cli.options import chosen_store, json_option, store_option
from app.cli.output import ago, emit, report, say, table
from app.cli.prefix import pick
from app.cli.reach import AnyClient, ask
from app.cli.seen import marked, newly_seen
from app.domain.commands import AnswerQuestion, Done
from app.domain.run import Question
from app.domain.text import one_line
from app.link.person import operator


@click.command("questions")
@click.option("--all", "everything", is_flag=True, help="Answered ones as well.")
@json_option
@store_option
def questions_command(everything: bool, as_json: bool) -> None:
    """List the questions that wait for an answer."""

    async def work(client: AnyClient) -> tuple[Sequence[Question], frozenset[str]]:
        found = await client.questions(open_only=not everything)
        ids = (each.question_id for each in found)
        return found, await newly_seen(client, ids, as_json=as_json)

    found, unseen = ask(chosen_store(), work)
    if as_json:
        return emit(found)
    if not found:
        return say("no question waits for an answer")
    rows = [
        (
            q.question_id,
            marked(q.state, q.question_id in unseen),
            q.run_id,
            ago(q.asked_at),
            one_line(q.text, 200),
            " | ".join(q.choices) or one_line(q.answer, 100),
        )
        for q in found
    ]
    return table(("question", "state", "run", "asked", "text", "choices or answer"), rows)


@click.command("answer")
@click.argument("question_id", metavar="ID")
@click.argument("text")
@json_option
@store_option
def answer_command(question_id: str, text: str, as_json: bool) -> None:
    """Answer question ID with TEXT ('-': read stdin); the run goes on."""
    given = stdin_text() if text == "-" else text

    async def work(client: AnyClient) -> Done:
        question = pick(
            question_id,
            await client.questions(),
            lambda q: q.question_id,
            "open question",
            see="longwatch questions --all",
        )
        return await client.execute(
            AnswerQuestion(
                question_id=question.question_id,
                revision=question.revision,
                answer=given,
                by=operator(),
            )
        )

    report(ask(chosen_store(), work), as_json)
