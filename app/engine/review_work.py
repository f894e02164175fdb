"""Reviews and questions: opened, judged, closed, put to the operator."""

from __future__ import annotations

from app.domain import directives as do
from app.domain import events as ev
from app.domain.approval import Actor, ActorKind
from app.domain.base import QuestionId, ReviewId, RunId
from app.domain.contexts import StepContext
from app.domain.prompts import render
from app.domain.run import GateResult, Question, Review, Unit, Verdict
from app.domain.step import QuestionStep, ReviewStep
from app.domain.text import printable
from app.domain.verdict import ParsedVerdict, parse_verdict, verdict_by_word
from app.engine.core import Core


class ReviewWork:
    """Carries out what reviews and questions of one run need."""

    def __init__(self, core: Core, run_id: RunId) -> None:
        self._core = core
        self._run_id = run_id

    async def _commit(self, *payloads: ev.Payload) -> None:
        await self._core.commit(self._run_id, *payloads)

    async def open(self, directive: do.OpenReview) -> None:
        judged = directive.of_unit or Unit(directive.of)
        review = Review(
            review_id=ReviewId(self._core.ids.new("rv")),
            run_id=self._run_id,
            step=directive.unit.step,
            round=directive.round,
            of=directive.of,
            of_attempt=directive.of_attempt,
            of_branch=judged.branch,
            of_iteration=judged.iteration,
            gate=directive.gate,
            by=directive.by,
            require=directive.require,
            opened_at=self._core.clock.now(),
        )
        await self._commit(ev.ReviewOpened(review=review))

    async def judge(self, directive: do.Judge) -> None:
        parsed = self._parsed(directive)
        verdict = Verdict(
            by=Actor(kind=ActorKind.AGENT, name=directive.agent),
            decision=parsed.decision,
            reasons=parsed.reasons,
            at=self._core.clock.now(),
        )
        attempt = directive.attempt.attempt
        await self._commit(
            ev.VerdictGiven(review_id=directive.review.review_id, verdict=verdict, attempt=attempt)
        )

    def _parsed(self, directive: do.Judge) -> ParsedVerdict:
        text, review = directive.attempt.output or "", directive.review
        step = self._core.recipe(self._run_id).workflow.step(review.step)
        if isinstance(step, ReviewStep) and step.reject_if_contains and not review.gate:
            return verdict_by_word(text, step.reject_if_contains)
        return parse_verdict(text)

    async def close(self, directive: do.CloseReview) -> None:
        review = directive.review
        closed = ev.ReviewClosed(
            review_id=review.review_id, approved=directive.approved, reasons=directive.reasons
        )
        await self._commit(closed, self._following(directive))

    def _following(self, directive: do.CloseReview) -> ev.Payload:
        review = directive.review
        if review.gate:
            return self._gate_finished(directive)
        if directive.approved:
            return ev.StepFinished(step=review.step)
        return ev.Returned(
            from_step=review.step,
            to_step=directive.return_to,
            cause="rejected",
            reasons=directive.reasons,
        )

    def _gate_finished(self, directive: do.CloseReview) -> ev.Payload:
        review = directive.review
        log = "\n".join(directive.reasons) or ("accepted" if directive.approved else "rejected")
        result = GateResult.of_text(
            review.gate,
            passed=directive.approved,
            log=log,
            started_at=review.opened_at,
            ended_at=self._core.clock.now(),
        )
        return ev.GateFinished(
            step=review.step,
            branch=review.of_branch,
            iteration=review.of_iteration,
            attempt=review.of_attempt,
            result=result,
        )

    async def escalate(self, directive: do.Escalate) -> None:
        await self._commit(
            ev.ReviewEscalated(
                review_id=directive.review.review_id,
                why=directive.why,
                at_limit=directive.at_limit,
            )
        )

    async def ask(self, directive: do.Ask) -> None:
        """Raises ConfigError when the question's template fails."""
        step = self._core.recipe(self._run_id).workflow.step(directive.unit.step)
        assert isinstance(step, QuestionStep)
        state = self._core.state(self._run_id)
        text = render(step.question, "question", StepContext(state, step.name), step.name)
        question = Question(
            question_id=QuestionId(self._core.ids.new("q")),
            run_id=self._run_id,
            step=step.name,
            attempt=directive.attempt,
            text=printable(text),
            choices=step.choices,
            asked_at=self._core.clock.now(),
        )
        await self._commit(ev.QuestionAsked(question=question))
