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
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TypeVar

from polyscene.encoders import Encoder
from polyscene.engine.answer import Answer
from polyscene.engine.listing import NOTHING_TOLD, Told
from polyscene.engine.page import Page
from polyscene.engine.polish import polished, wants_order
from polyscene.engine.worder import wants_words
from polyscene.errors import NotFittedError, OverloadError, PolysceneError
from polyscene.feedback.commits import Commits
from polyscene.feedback.impressions import ImpressionLog
from polyscene.feedback.state import LivePast
from polyscene.fitting.forget import Receipt, forget
from polyscene.fitting.model import Model, current_version, model_versions
from polyscene.fitting.past import StorePast
from polyscene.fitting.refresh import catch_up, changed_settings, follow
from polyscene.logs import get_logger
from polyscene.represent.targets import Targets
from polyscene.server.answering import Answering
from polyscene.server.auth import Guard
from polyscene.server.desk import Desk
from polyscene.server.fallback import NO_MODEL, Fallback
from polyscene.server.fits import Fits
from polyscene.server.imports import Imports
from polyscene.server.pace import USUAL, Pace
from polyscene.server.question import Question
from polyscene.server.soft import PatientEncoder
from polyscene.server.spans import start_tracing
from polyscene.server.telemetry import Telemetry
from polyscene.server.wire import Body, rendered
from polyscene.storage import Impression
from polyscene.text.verbalise import Verbaliser
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
        self.trouble = ""
        """Why the newest model does not serve; "" where it does."""
        self._refused = ""
        self._pace = pace
        self._trends_due = 0.0
        self._waiting = 0
        store = workspace.store
        self._past = LivePast(StorePast(store, Targets()), store.watch(), patience_s=pace.store_s)
        told = self._past.late.append
        self._encoder = PatientEncoder(workspace.encoder, told, pace.encoder_s)
        fallback = Fallback(store, workspace.settings)
        self.answering = Answering(workspace, self._encoder, self._past, fallback)
        people = [n for n, spec in workspace.settings.scenarios.items() if spec.target == "person"]
        self.commits = Commits(store, people)
        self.commits.observe = self._committed
        self.impressions = ImpressionLog(store, pace.logs_s)
        self.impressions.observe = lambda count: self.telemetry.impressions.inc(count)
        self.fits = Fits(workspace.path, fit_command)
        self.imports = Imports(workspace.path, self.look)
        self._thread = ThreadPoolExecutor(1, "answering")
        self._desk: Desk[Question, Body | _Unfinished] = Desk(self._thread, self._made)
        self._aside = ThreadPoolExecutor(1, "keeper")
        self._words = ThreadPoolExecutor(_UNDERSTOOD, "understanding")
        self._keeper: asyncio.Task[None] | None = None
        self._news = asyncio.Event()
        self._keeping = asyncio.Lock()
        self._stop_tracing = start_tracing(workspace.settings.traces)

    async def start(self) -> None:
        """Read the model, and begin to look for new ones."""
        await self.keep_up()
        warm = self.workspace.encoder
        self._warming = asyncio.create_task(asyncio.to_thread(_warm, warm))
        self._keeper = asyncio.create_task(self._keep())

    async def stop(self) -> None:
        """Write what waits and give up the threads."""
        if self._keeper is not None:
            self._keeper.cancel()
            with suppress(asyncio.CancelledError):
                await self._keeper
        await self.fits.stop()
        await self.imports.stop()
        await asyncio.to_thread(self._close)

    def _close(self) -> None:
        self.commits.close()
        self.impressions.close()
        for pool in (self._words, self._thread, self._aside):
            pool.shutdown(cancel_futures=True)
        self._encoder.close()
        self._past.close()
        self._stop_tracing()

    @property
    def version(self) -> str:
        """The version of the model that serves."""
        model = self.answering.model
        return NO_MODEL if model is None else model.config.version

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
        await self.keep_up()
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

    def _committed(self, events: int, seconds: float) -> None:
        self.telemetry.events.inc(events)
        self.telemetry.commits.observe(seconds)

    def reconsider(self) -> None:
        """Try the current model at the next look, even if it could not be read before."""
        self._refused = ""

    def look(self) -> None:
        """Look for new records soon, not only at the next turn."""
        self._news.set()

    async def _keep(self) -> None:
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._news.wait(), self._pace.looks_s)
            self._news.clear()
            try:
                await self.keep_up()
            except Exception:
                _log.exception("new records or models could not be taken in")

    async def keep_up(self) -> None:
        """Serve the current model, with all records of the store."""
        loop = asyncio.get_running_loop()
        async with self._keeping:
            self.guard.use(
                await loop.run_in_executor(self._aside, self.workspace.store.service_keys)
            )
            model = await loop.run_in_executor(self._aside, self._newer)
            if model is not None:
                await self.ask(lambda: self.answering.use(model))
                _log.info("serving %s", model.config.version)
            else:
                await self._take_in()
        self.telemetry.dropped.set(self.impressions.dropped)

    async def _take_in(self) -> None:
        """Take in records and events that came since the last time."""
        loop = asyncio.get_running_loop()
        last = await loop.run_in_executor(self._aside, self.workspace.store.last_event)
        try:
            if await loop.run_in_executor(self._aside, self._encoded_news):
                await self.ask(self.answering.take_in)
        finally:  # trends do not wait for an encoder that is down
            if await loop.run_in_executor(self._aside, lambda: self._followed(last)):
                await self.ask(self.answering.forget_kept)

    def _newer(self) -> Model | None:
        """The model to serve in place of the one that does; None for no change."""
        models = self.workspace.models
        current = current_version(models)
        if current == self.version:
            self.trouble = self._refused = ""
        if current is None or current in (self.version, self._refused):
            return None
        candidates = [current]
        if self.answering.model is None:  # an older one is better than none
            candidates += [name for name in reversed(model_versions(models)) if name != current]
        for name in candidates:
            model = self._loaded(name)
            if model is not None:
                if name == current:
                    self.trouble = ""
                return model
        return None

    def _loaded(self, version: str) -> Model | None:
        workspace = self.workspace
        try:
            model = Model.load(workspace.models, workspace.settings, version)
            changed = changed_settings(workspace, model)
            if changed:
                raise NotFittedError(f"it was fitted with other settings ({changed})")
            catch_up(workspace, model)
        except Exception as error:  # whatever it is: what serves goes on serving
            self.telemetry.loads.labels("failed").inc()
            self.trouble = f"the model {version} does not serve: {error}"
            self._refused = version
            expected = isinstance(error, PolysceneError)
            _log.error("%s", self.trouble, exc_info=None if expected else error)
            return None
        self.telemetry.loads.labels("served").inc()
        return model

    def _followed(self, last: int) -> bool:
        """Whether the trends have changed by events up to a number; looked at now and then."""
        model = self.answering.model
        if model is None or time.monotonic() < self._trends_due:
            return False
        self._trends_due = time.monotonic() + self._pace.trends_s
        return follow(self.workspace, model, last) > 0

    def _encoded_news(self) -> bool:
        """Whether there are records to take in; their texts are in the cache afterwards."""
        model, store = self.answering.model, self.workspace.store
        if model is None:
            return False
        revision = model.config.revision
        if store.epoch() > model.config.epoch:
            return True
        items = list(store.items(after_revision=revision))
        users = list(store.users(after_revision=revision)) if model.people else []
        verbaliser = Verbaliser(self.workspace.settings)
        texts = [text for item in items for text in verbaliser.item(item)]
        texts += [text for user in users for text in (*user.tags, user.description)]
        if texts:
            self.workspace.encoder.encode(texts)
        return bool(items or users)


def _warm(encoder: Encoder) -> None:
    """Load the model of an encoder before the first text that is not cached."""
    try:
        encoder.encode([uuid.uuid4().hex])
    except PolysceneError as error:
        _log.warning("the encoder does not answer: %s", error)
