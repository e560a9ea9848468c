"""Keeps what serves up to date: new models, records, events, keys and settings."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any, TypeVar

from polyscene.errors import NotFittedError, PolysceneError
from polyscene.fitting.model import Model, current_version, model_versions
from polyscene.fitting.refresh import catch_up, changed_settings, follow
from polyscene.logs import get_logger
from polyscene.server.answering import Answering
from polyscene.server.auth import Guard
from polyscene.server.declared import Declared
from polyscene.server.fallback import NO_MODEL
from polyscene.server.heap import give_back
from polyscene.server.pace import Pace
from polyscene.server.telemetry import Telemetry
from polyscene.text.verbalise import Verbaliser
from polyscene.workspace import Workspace

__all__ = ["Keeper"]

_log = get_logger(__name__)
ResultT = TypeVar("ResultT")

Ask = Callable[[Callable[[], Any]], Coroutine[Any, Any, Any]]
"""Runs a function in the answering thread."""


class Keeper:
    """Looks now and then for what is new, and lets the answers rest on it.

    What reads files and the store runs in a thread beside the answers; only what changes them runs
    in theirs.

    Args:
        workspace: The workspace.
        answering: What answers.
        ask: Runs a function in its thread.
        guard: What knows the keys.
        telemetry: Where loads of models are counted.
        pace: How often to look.
    """

    def __init__(
        self,
        workspace: Workspace,
        answering: Answering,
        ask: Ask,
        guard: Guard,
        telemetry: Telemetry,
        pace: Pace,
    ) -> None:
        self._workspace = workspace
        self._answering = answering
        self._ask = ask
        self._guard = guard
        self._telemetry = telemetry
        self._pace = pace
        self._declared = Declared(workspace.path)
        self._aside = ThreadPoolExecutor(1, "keeper")
        self._turns: asyncio.Task[None] | None = None
        self._news = asyncio.Event()
        self._keeping = asyncio.Lock()
        self._trends_due = 0.0
        self._refused = ""
        self.trouble = ""
        """Why the newest model does not serve; "" where it does."""

    @property
    def version(self) -> str:
        """The version of the model that serves."""
        model = self._answering.model
        return NO_MODEL if model is None else model.config.version

    async def start(self) -> None:
        """Read the model, and begin to look for what is new."""
        await self.keep_up()
        self._turns = asyncio.create_task(self._keep())

    async def stop(self) -> None:
        """Look no more."""
        if self._turns is not None:
            self._turns.cancel()
            with suppress(asyncio.CancelledError):
                await self._turns

    def close(self) -> None:
        """Give up its thread."""
        self._aside.shutdown(cancel_futures=True)

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
        """Serve the current model, with all records of the store, as it is declared now."""
        async with self._keeping:
            self._guard.use(await self._beside(self._workspace.store.service_keys))
            await self._take_settings()
            model = await self._beside(self._newer)
            if model is not None:
                replaced = self._answering.model is not None
                await self._ask(lambda: self._answering.use(model))
                _log.info("serving %s", model.config.version)
                if replaced:
                    await self._beside(give_back)
            else:
                await self._take_in()

    async def _beside(self, work: Callable[[], ResultT]) -> ResultT:
        """What a function gives that reads files or the store, in the thread beside the answers."""
        return await asyncio.get_running_loop().run_in_executor(self._aside, work)

    async def _take_settings(self) -> None:
        """Answer as the file of settings declares now, where that counts at once."""
        used = self._workspace.settings
        news = await self._beside(lambda: self._declared.news(used))
        if news is None:
            return
        try:
            await self._ask(lambda: self._answering.settle(news))
        except PolysceneError as error:
            _log.warning("a change of the settings is not used: %s", error)
        else:
            _log.info("the settings were changed")

    async def _take_in(self) -> None:
        """Take in records and events that came since the last time."""
        last = await self._beside(self._workspace.store.last_event)
        try:
            if await self._beside(self._encoded_news):
                await self._ask(self._answering.take_in)
        finally:  # trends do not wait for an encoder that is down
            if await self._beside(lambda: self._followed(last)):
                await self._ask(self._answering.forget_kept)

    def _newer(self) -> Model | None:
        """The model to serve in place of the one that does; None for no change."""
        models = self._workspace.models
        current = current_version(models)
        if current == self.version:
            self.trouble = self._refused = ""
        if current is None or current in (self.version, self._refused):
            return None
        candidates = [current]
        if self._answering.model is None:  # an older one is better than none
            candidates += [name for name in reversed(model_versions(models)) if name != current]
        for name in candidates:
            model = self._loaded(name)
            if model is not None:
                if name == current:
                    self.trouble = ""
                return model
        return None

    def _loaded(self, version: str) -> Model | None:
        workspace = self._workspace
        try:
            model = Model.load(workspace.models, workspace.settings, version)
            changed = changed_settings(workspace, model)
            if changed:
                raise NotFittedError(f"it was fitted with other settings ({changed})")
            catch_up(workspace, model)
        except Exception as error:  # whatever it is: what serves goes on serving
            self._telemetry.loads.labels("failed").inc()
            self.trouble = f"the model {version} does not serve: {error}"
            self._refused = version
            expected = isinstance(error, PolysceneError)
            _log.error("%s", self.trouble, exc_info=None if expected else error)
            return None
        self._telemetry.loads.labels("served").inc()
        return model

    def _followed(self, last: int) -> bool:
        """Whether the trends have changed by events up to a number; looked at now and then."""
        model = self._answering.model
        if model is None or time.monotonic() < self._trends_due:
            return False
        self._trends_due = time.monotonic() + self._pace.trends_s
        return follow(self._workspace, model, last) > 0

    def _encoded_news(self) -> bool:
        """Whether there are records to take in; their texts are in the cache afterwards."""
        model, store = self._answering.model, self._workspace.store
        if model is None:
            return False
        revision = model.config.revision
        if store.epoch() > model.config.epoch:
            return True
        items = list(store.items(after_revision=revision))
        users = list(store.users(after_revision=revision)) if model.people else []
        verbaliser = Verbaliser(self._workspace.settings)
        texts = [text for item in items for text in verbaliser.item(item)]
        texts += [text for user in users for text in (*user.tags, user.description)]
        if texts:
            self._workspace.encoder.encode(texts)
        return bool(items or users)
