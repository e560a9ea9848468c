"""The service behind the routes: threads, models that come and go, and what is written.

The event loop gives kept answers itself. Others come from one answering thread. A keeper looks
every half second for a new model and new records, reads and encodes them aside, and hands them to
the answering thread between two answers; so no request waits for a fit or fails because of one.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

from polyscene.encoders import Encoder
from polyscene.engine.answer import Answer
from polyscene.engine.listing import NOTHING_TOLD, Told
from polyscene.engine.page import Page
from polyscene.engine.polish import polished, wants_order
from polyscene.engine.worder import wants_words
from polyscene.errors import OverloadError, PolysceneError
from polyscene.feedback.commits import Commits
from polyscene.feedback.impressions import ImpressionLog
from polyscene.feedback.state import LivePast
from polyscene.fitting.forget import Receipt, forget
from polyscene.fitting.past import StorePast
from polyscene.logs import get_logger
from polyscene.represent.targets import Targets
from polyscene.server.answering import Answering
from polyscene.server.auth import Guard
from polyscene.server.desk import Desk
from polyscene.server.fits import Fits
from polyscene.server.imports import Imports
from polyscene.server.keeper import Keeper
from polyscene.server.labels import Labels
from polyscene.server.pace import USUAL, Pace
from polyscene.server.question import Question
from polyscene.server.soft import PatientEncoder
from polyscene.server.spans import start_tracing
from polyscene.server.telemetry import Telemetry
from polyscene.server.wire import Body, rendered
from polyscene.storage import Impression
from polyscene.tracing import carried
from polyscene.workspace import Workspace

__all__ = ["VARIANT", "Service"]

VARIANT = "default"
"""The variant of a scenario as it is declared."""
_UNDERSTOOD = 8
"""Requests in plain words that wait for a language model at once."""
ResultT = TypeVar("ResultT")
_log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Unfinished:
    """An answer that a language model is to work on."""

    answer: Answer
    told: Told


class Service:
    """What the routes call. Start it in the event loop that serves, and stop it there.

    Args:
        workspace: The workspace; the caller closes it.
        pace: How often it looks around, and how long it waits.
        fit_command: What fits the workspace in a process of its own; `polyscene fit` when empty.
    """

    def __init__(
        self,
        workspace: Workspace,
        pace: Pace = USUAL,
        fit_command: Sequence[str] = (),
    ) -> None:
        self.workspace = workspace
        self.telemetry = Telemetry()
        self.guard = Guard(workspace.store.service_keys())
        self._pace = pace
        self._waiting = 0
        store = workspace.store
        self._past = LivePast(StorePast(store, Targets()), store.watch(), patience_s=pace.store_s)
        told = self._past.late.append
        self._encoder = PatientEncoder(workspace.encoder, told, pace.encoder_s)
        self.answering = Answering(workspace, self._encoder, self._past)
        self.keeper = Keeper(workspace, self.answering, self.ask, self.guard, self.telemetry, pace)
        people = [n for n, spec in workspace.settings.scenarios.items() if spec.target == "person"]
        self.commits = Commits(store, people)
        self.commits.observe = self._committed
        self.impressions = ImpressionLog(store, pace.logs_s)
        self.impressions.observe = self._logged
        self.fits = Fits(workspace.path, fit_command)
        self.imports = Imports(workspace.path, self.keeper.look)
        self.labels = Labels(workspace)
        self._thread = ThreadPoolExecutor(1, "answering")
        self._desk: Desk[Question, Body | _Unfinished] = Desk(self._thread, self._made)
        self._words = ThreadPoolExecutor(_UNDERSTOOD, "understanding")
        self._stop_tracing = start_tracing(workspace.settings.traces)

    async def start(self) -> None:
        """Read the model, and begin to look for new ones."""
        await self.keeper.start()
        warm = self.workspace.encoder
        self._warming = asyncio.create_task(asyncio.to_thread(_warm, warm))

    async def stop(self) -> None:
        """Write what waits and give up the threads."""
        await self.keeper.stop()
        await self.fits.stop()
        await self.imports.stop()
        await self.labels.stop()
        await asyncio.to_thread(self._close)

    def _close(self) -> None:
        self.commits.close()
        self.impressions.close()
        for pool in (self._words, self._thread):
            pool.shutdown(cancel_futures=True)
        self.keeper.close()
        self._encoder.close()
        self._past.close()
        self._stop_tracing()

    async def recommend(self, question: Question) -> bytes:
        """The answer to a question as JSON; it is logged as shown.

        Raises:
            NotFoundError: When the scenario or the context is unknown.
            OverloadError: When too many wait already.
        """
        body: Body | None = self.answering.kept(question) if question.keepable else None
        made = "kept"
        if body is None:
            with self._in_line():
                found = await self._desk.ask(question)
            if isinstance(found, _Unfinished):
                answer = await self._worded(found.answer, found.told)
                found = rendered(answer, VARIANT, question.explain)
            body, made = found, "new"
        self.telemetry.answers.labels(question.scenario, made).inc()
        return self._shown(body)

    async def listed(self, answer: Callable[[], Answer], explain: bool = False) -> bytes:
        """An answer that is never kept, as JSON; it is logged as shown.

        Raises:
            OverloadError: When too many wait already.
        """
        with self._in_line():
            found = await self.ask(answer)
        body = rendered(found, VARIANT, explain)
        self.telemetry.answers.labels(body.scenario, "new").inc()
        return self._shown(body)

    async def asked(self, question: Question, earlier: Sequence[str], explain: bool) -> bytes:
        """The answer to a request in plain words as JSON; nobody else waits while it is understood.

        Raises:
            NotFoundError: When the scenario is unknown.
        """
        understand = await self.ask(lambda: self.answering.understanding(question, earlier))
        loop = asyncio.get_running_loop()
        plan = await loop.run_in_executor(self._words, carried(understand))
        return await self.listed(lambda: self.answering.search(question, plan), explain)

    async def page(self, name: str, question: Question) -> bytes:
        """The lists of a page as JSON; each is logged as shown.

        Raises:
            NotFoundError: When the page is unknown.
            OverloadError: When too many wait already.
        """
        with self._in_line():
            page: Page = await self.ask(lambda: self.answering.page(name, question))
        answers = [
            await self._worded(answer, NOTHING_TOLD)
            if wants_words(answer, self.workspace)
            else answer
            for answer in page.rows
        ]
        bodies = [rendered(answer, VARIANT, question.explain) for answer in answers]
        rows = b",".join(self._shown(body) for body in bodies)
        return Body.page(name, question.user) + rows + b"]}"

    @contextmanager
    def _in_line(self) -> Iterator[None]:
        """Inside the block, one more question waits for the answering thread."""
        if self._waiting >= self._pace.queue:
            self.telemetry.refused.labels("overload").inc()
            raise OverloadError(
                f"{self._waiting} questions wait for an answer already, the most that may; "
                f"ask again in a second"
            )
        self._waiting += 1
        try:
            yield
        finally:
            self._waiting -= 1

    async def ask(self, work: Callable[[], ResultT]) -> ResultT:
        """What a function gives in the answering thread."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, carried(work))

    async def aside(self, work: Callable[[], ResultT]) -> ResultT:
        """What a function gives that reads the store, in a thread beside the answers."""
        return await asyncio.get_running_loop().run_in_executor(None, carried(work))

    async def unready(self) -> str:
        """Why requests should not be sent here; "" for nothing."""
        try:
            await asyncio.wait_for(self.aside(self.workspace.store.revision), 2.0)
        except TimeoutError:
            return "the store does not answer"
        except PolysceneError as error:
            return str(error)
        return ""

    async def forget(self, user_id: str) -> Receipt:
        """Erase a person everywhere; the model that serves here drops them before this returns.

        Raises:
            NotFoundError: When nothing is held.
        """

        def erase() -> Receipt:
            self.impressions.forget(user_id)
            return forget(self.workspace, user_id)

        receipt = await self.aside(erase)
        await self.keeper.keep_up()
        return receipt

    def _made(self, questions: Sequence[Question]) -> list[Body | _Unfinished | Exception]:
        """The answers to some questions, or what went wrong; in the answering thread.

        What a language model is to work on is not yet rendered, and never kept.
        """
        made: list[Body | _Unfinished | Exception] = []
        answers = self.answering.recommend_all(questions)
        for question, answer in zip(questions, answers, strict=True):
            if isinstance(answer, Exception):
                made.append(answer)
            elif (told := self._told(question, answer)) is not None:
                made.append(_Unfinished(answer, told))
            else:
                body = rendered(answer, VARIANT, question.explain)
                if not body.degraded:  # what is made do with is not kept
                    self.answering.keep(question, body)
                made.append(body)
        return made

    def _told(self, question: Question, answer: Answer) -> Told | None:
        """What a language model may know of who asks; None where it has nothing to do."""
        if wants_order(answer, self.workspace):
            return self.answering.told(question)
        return NOTHING_TOLD if wants_words(answer, self.workspace) else None

    async def _worded(self, answer: Answer, told: Told) -> Answer:
        """The answer after what a language model does to it; other answers do not wait."""
        work = carried(lambda: polished(answer, lambda: told, self.workspace))
        return await asyncio.get_running_loop().run_in_executor(self._words, work)

    def _shown(self, body: Body) -> bytes:
        """An answer with a new request id, logged."""
        request_id = uuid.uuid4().hex
        for why in body.degraded:
            self.telemetry.degraded.labels(why).inc()
        self.impressions.put(
            Impression(
                request_id, body.user, body.scenario, body.context, body.model, VARIANT,
                time.time(), body.targets, body.propensities,
            )
        )  # fmt: skip
        return body.with_id(request_id)

    def _logged(self, count: int) -> None:
        self.telemetry.impressions.inc(count)
        self.telemetry.dropped.set(self.impressions.dropped)

    def _committed(self, events: int, seconds: float) -> None:
        self.telemetry.events.inc(events)
        self.telemetry.commits.observe(seconds)


def _warm(encoder: Encoder) -> None:
    """Load the model of an encoder before the first text that is not cached."""
    try:
        encoder.encode([uuid.uuid4().hex])
    except PolysceneError as error:
        _log.warning("the encoder does not answer: %s", error)
