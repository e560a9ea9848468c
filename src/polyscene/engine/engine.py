"""The read path: a question in, recommendations with reasons out."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Self

from polyscene.closing import Closing
from polyscene.data.importers import import_folder
from polyscene.data.ingest import ingest
from polyscene.data.report import IngestReport
from polyscene.data.schema import Event
from polyscene.engine.answer import Answer
from polyscene.engine.page import Page, fill_page
from polyscene.engine.polish import polished
from polyscene.engine.profile import item_texts, user_texts
from polyscene.engine.recommender import Recommender
from polyscene.engine.review import Held, decide, on_hold
from polyscene.engine.understand import Catalogues, interpret
from polyscene.engine.worder import worded
from polyscene.enrichment.noted import NotedGates, gates_in
from polyscene.errors import DataError, NotFittedError
from polyscene.fitting.forget import Receipt, forget, held
from polyscene.fitting.model import Model
from polyscene.fitting.past import DatasetPast, Past, StorePast, noted_words
from polyscene.fitting.refresh import catch_up, changed_settings
from polyscene.fitting.run import fit, on_rows
from polyscene.logs import NO_PROGRESS, Progress
from polyscene.storage import Decision
from polyscene.text.verbalise import Verbaliser
from polyscene.workspace import Workspace

__all__ = ["Engine"]

_TOGETHER = 100
"""Users from which on all events are read at once instead of user by user."""


class Engine(Closing):
    """Recommendations from a workspace. Use it as a context manager, or close it.

    Not safe for use by several threads at once.

    Args:
        workspace: The workspace.
    """

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace
        self._verbaliser = Verbaliser(workspace.settings)
        self._model: Model | None = None
        self._all: tuple[str, DatasetPast] | None = None
        self._catalogues = Catalogues()
        self._recommender: Recommender

    @classmethod
    def open(cls, path: str | Path) -> Self:
        """The engine of the workspace in a directory; its model is read on first use.

        Raises:
            WorkspaceError: When there is no workspace.
            SettingsError: When its settings are wrong.
        """
        return cls(Workspace.open(Path(path)))

    def close(self) -> None:
        """Close the store and the cache."""
        self.workspace.close()

    @property
    def model(self) -> Model:
        """The current model, with records that came after its fit taken in.

        Raises:
            NotFittedError: When there is none, or the settings that vectors depend on changed.
            ModelError: When it is damaged.
        """
        if self._model is None:
            model = Model.load(self.workspace.models, self.workspace.settings)
            changed = changed_settings(self.workspace, model)
            if changed:
                raise NotFittedError(
                    f"the model was fitted with other settings ({changed}); run: polyscene fit"
                )
            self._use(catch_up(self.workspace, model))
            return model
        return self._model

    def ingest(self, **files: Any) -> IngestReport:
        """Load files; new and changed items can be recommended at once when a model exists.

        Takes the arguments of `polyscene.data.ingest.ingest`: items, users, events, relations,
        on_error, encoding, progress.

        Raises:
            IngestError: When a file is wrong; nothing of that file is kept.
        """
        return self._loaded(ingest, **files)

    def import_folder(self, name: str, path: str | Path, **options: Any) -> IngestReport:
        """Load a folder of another format; see `polyscene.data.importers.import_folder`."""
        return self._loaded(partial(import_folder, name, path), **options)

    def fit(self, progress: Progress = NO_PROGRESS, now: float | None = None) -> Model:
        """Fit a model to everything in the store and answer with it from now on.

        Raises:
            DataError: When there is nothing to recommend.
        """
        return self._use(fit(self.workspace, progress, now))

    def record(self, event: Event) -> bool:
        """Store an event; it changes the user's next answer.

        Its target is an item, or a user where its scenario recommends people.

        Returns:
            False when an event with the same event_id was there already.

        Raises:
            DataError: When the target is unknown.
        """
        with self.workspace.store.write() as writer:
            if event.scenario not in self._people and not writer.known_items([event.item_id]):
                raise DataError(f"event on the unknown item {event.item_id!r}; ingest it first")
            return writer.add_events([event]) > 0

    def recommend(
        self,
        user: str | None,
        scenario: str,
        n: int = 10,
        *,
        targets: Sequence[str] | None = None,
        context: str | None = None,
        now: float | None = None,
        explain: bool = False,
        seed: int | None = None,
    ) -> Answer:
        """The n best targets of a scenario for a user.

        A user with tags but no history is served by the tags, one with history but no tags by the
        history; somebody of whom nothing is known gets what is trending, then what is new.

        Args:
            user: User id, or None for somebody unknown.
            scenario: Name of the scenario.
            n: Length of the list; shorter only when fewer targets may be shown.
            targets: If given, only these are ranked.
            context: Id of the item that is asked about, such as the one that tags are for.
            now: Time of the question, seconds since 1970-01-01 UTC; the clock when omitted.
            explain: Whether to predict the tasks of what is shown, even if no reward names them.
            seed: Of what the scenario draws; the request id of the answer when omitted.

        Raises:
            SettingsError: When the scenario is unknown.
            NotFittedError: When there is no model.
            NotFoundError: When no item has the id of the context.
            ValueError: When `n` is below 1, or `targets` is one string.
        """
        _check(n, targets)
        _ = self.model  # reads it on first use
        moment = time.time() if now is None else now
        answers = self._recommender.answers(
            [user], scenario, n, moment, targets, contexts=[context], explain=explain, seed=seed
        )
        told = partial(self._recommender.told, user, scenario, moment)
        return polished(next(answers), told, self.workspace)

    def recommend_many(
        self,
        users: Iterable[str],
        scenario: str,
        n: int = 10,
        *,
        targets: Sequence[str] | None = None,
        contexts: Iterable[str | None] | None = None,
        now: float | None = None,
        reasons: bool = True,
        seed: int | None = None,
    ) -> Iterator[Answer]:
        """`recommend` for many users, who are scored together.

        Args:
            users: User ids; one may come several times, with several contexts.
            scenario: Name of the scenario.
            n: Length of a list.
            targets: If given, only these are ranked.
            contexts: For each user the id of the item that is asked about, None for none.
            now: Time of the questions, seconds since 1970-01-01 UTC; the clock when omitted.
            reasons: Whether to say why; without, it is faster.
            seed: Of what the scenario draws, for each user and context another; the request ids of
                the answers when omitted.

        Raises:
            SettingsError: When the scenario is unknown.
            NotFittedError: When there is no model.
            NotFoundError: When no item has the id of a context; nothing is answered.
            ValueError: When `n` is below 1, `targets` is one string, or there are more or fewer
                contexts than users.
        """
        _check(n, targets)
        model, asked = self.model, list(users)
        about: list[str | None] = [None] * len(asked) if contexts is None else list(contexts)
        if len(about) != len(asked):
            raise ValueError(f"got {len(about)} contexts for {len(asked)} users; each has one")
        moment = time.time() if now is None else now
        recommender = self._recommender
        if len(asked) >= _TOGETHER:
            recommender = self._over(model, self._past_of_all(model))
        yield from recommender.answers(
            asked, scenario, n, moment, targets, reasons, contexts=about, seed=seed
        )

    def page(self, user: str | None, name: str, n: int = 10, *, now: float | None = None) -> Page:
        """The lists of a declared page for a user: one for each scenario, in its order.

        No target stands twice on it, nor one with the same text. A list that stays empty says why.

        Args:
            user: User id, or None for somebody unknown.
            name: Name of the page.
            n: Length of each list.
            now: Time of the question, seconds since 1970-01-01 UTC; the clock when omitted.

        Raises:
            SettingsError: When the page is unknown.
            NotFittedError: When there is no model.
            ValueError: When `n` is below 1.
        """
        _check(n)
        rows = self.workspace.settings.page(name).rows
        model = self.model  # reads it on first use
        moment = time.time() if now is None else now
        lists = fill_page(self._recommender, model, rows, user, n, moment)
        return Page(name, user, [worded(answer, self.workspace) for answer in lists])

    def similar(self, item: str, scenario: str, n: int = 10) -> Answer:
        """The targets of a scenario that are nearest to one target by their vectors.

        Args:
            item: Id of the target; of a user where people are recommended.
            scenario: The scenario whose targets are searched.
            n: Length of the list.

        Raises:
            NotFoundError: When the target is unknown.
            ValueError: When `n` is below 1.
        """
        _check(n)
        _ = self.model  # reads it on first use
        return self._recommender.similar(item, scenario, n)

    def ask(
        self,
        request: str,
        scenario: str,
        n: int = 10,
        *,
        user: str | None = None,
        after: Sequence[str] = (),
        now: float | None = None,
        budget_s: float | None = None,
    ) -> Answer:
        """The targets that fit a request in plain words, a little by who asks.

        A declared language model makes filters and search words of it; without one, or where it
        does not answer in time, the words are searched for as they are.

        Args:
            request: What is asked for.
            scenario: Name of the scenario.
            n: Length of the list, at most.
            user: User id, or None for somebody unknown.
            after: The requests that it follows, oldest first.
            now: Time of the question, seconds since 1970-01-01 UTC; the clock when omitted.
            budget_s: How long to wait for the model; `llm.ask_budget_s` when omitted.

        Raises:
            SettingsError: When the scenario is unknown.
            NotFittedError: When there is no model.
            ValueError: When `n` is below 1.
        """
        _check(n, after)
        _ = self.model  # reads it on first use
        workspace, search = self.workspace, self._recommender.search
        moment = time.time() if now is None else now
        budget = workspace.settings.llm.ask_budget_s if budget_s is None else budget_s
        catalogue = search.catalogue(scenario, self._catalogues)
        plan = interpret(request, after, catalogue, workspace.soon, search.encode, budget, user)
        return search.ask(plan, scenario, n, moment, user)

    def held(self, user: str) -> dict[str, Any]:
        """All that is held on a person; see `polyscene.fitting.forget.held`."""
        return held(self.workspace, user)

    def forget(self, user: str) -> Receipt:
        """Erase a person everywhere; see `polyscene.fitting.forget.forget`.

        Raises:
            NotFoundError: When nothing is held.
        """
        receipt = forget(self.workspace, user)
        if self._model is not None:
            self._use(catch_up(self.workspace, self._model))
        return receipt

    def on_hold(self, scenario: str | None = None) -> list[Held]:
        """The targets that wait for approval, by scenario.

        Args:
            scenario: Name of a scenario; all when omitted.

        Raises:
            SettingsError: When the scenario is unknown.
        """
        settings, store = self.workspace.settings, self.workspace.store
        names = list(settings.scenarios) if scenario is None else [scenario]
        return [held for name in names for held in on_hold(store, name, settings.scenario(name))]

    def review(self, scenario: str, ids: Sequence[str], decision: Decision, by: str) -> int:
        """Decide on targets of a scenario; returns on how many. It counts in the next answer.

        Args:
            scenario: Where the decision counts.
            ids: The targets.
            decision: "approve", "block" or "reopen", which takes a decision back.
            by: Who decides.

        Raises:
            SettingsError: When the scenario is unknown.
            NotFoundError: When a target is unknown.
            DataError: When a target that is withheld for good is to be approved.
        """
        spec, store = self.workspace.settings.scenario(scenario), self.workspace.store
        with store.write() as writer:
            count = decide(writer, store, scenario, spec, ids, decision, by)
        if self._model is not None:
            self._use(catch_up(self.workspace, self._model))
        return count

    def texts(
        self, *, item: str | None = None, user: str | None = None, scenario: str | None = None
    ) -> list[str]:
        """The texts built from a record, as an encoder or language model reads them.

        Args:
            item: Id of an item.
            user: Id of a user.
            scenario: For a user, whose verbs and readable history; the first when omitted.

        Raises:
            NotFoundError: When the record does not exist.
        """
        if item is not None:
            return item_texts(self.workspace, self._verbaliser, item)
        return user_texts(self.workspace, self._verbaliser, user or "", scenario)

    @property
    def _people(self) -> list[str]:
        """The scenarios that recommend people."""
        scenarios = self.workspace.settings.scenarios
        return [name for name, spec in scenarios.items() if spec.target == "person"]

    def _loaded(self, load: Callable[..., IngestReport], **options: Any) -> IngestReport:
        """Load files into the store, and what came of them, even in part, into the model."""
        try:
            return load(sink=self.workspace.store, people=self._people, **options)
        finally:
            if self._model is not None:
                self._use(catch_up(self.workspace, self._model))

    def _use(self, model: Model) -> Model:
        self._model, self._all = model, None
        past = StorePast(self.workspace.store, model.items.targets, self._noted(model))
        self._recommender = self._over(model, past)
        return model

    def _past_of_all(self, model: Model) -> DatasetPast:
        """What is known of everybody, kept until the store has changed."""
        store = self.workspace.store
        fingerprint = store.fingerprint()
        if self._all is None or self._all[0] != fingerprint:
            data = on_rows(store.dataset(), model.items.targets.ids)
            noted = noted_words(store, self._noted(model))
            self._all = fingerprint, DatasetPast(data, store.links(), store.users, noted)
        return self._all[1]

    def _over(self, model: Model, past: Past) -> Recommender:
        workspace = self.workspace
        return Recommender(
            workspace.settings, model, workspace.encoder, self._verbaliser, past,
            noted=self._noted(model),
        )  # fmt: skip

    def _noted(self, model: Model) -> NotedGates:
        return gates_in(self.workspace, model.config.version)


def _check(n: int, targets: Sequence[str] | None = None) -> None:
    if n < 1:
        raise ValueError(f"n is the length of a list, at least 1; got {n}")
    if isinstance(targets, str):
        raise ValueError("a list of texts is needed here, not one text")
