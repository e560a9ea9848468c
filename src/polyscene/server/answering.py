"""The answers of the service: one model, one thread that asks it, and what it kept.

Everything here but `kept` is called by the answering thread alone, which is why the engine needs no
locks.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from polyscene.component import Vectors
from polyscene.data.dataset import Mask
from polyscene.data.schema import User
from polyscene.encoders import Encoder
from polyscene.engine.answer import Answer
from polyscene.engine.finding import Memory
from polyscene.engine.listing import NOTHING_TOLD, Told
from polyscene.engine.names import unknown_in, unknown_in_filter, user_attributes
from polyscene.engine.page import Page, fill_page
from polyscene.engine.recommender import Recommender
from polyscene.engine.search import encoded
from polyscene.engine.understand import Catalogues, Plan, interpret, words_of
from polyscene.enrichment.noted import NotedGates, gates_in
from polyscene.errors import NotFoundError, PolysceneError, did_you_mean
from polyscene.feedback.session import told
from polyscene.feedback.state import LivePast
from polyscene.fitting.model import Model
from polyscene.fitting.past import StorePast
from polyscene.fitting.refresh import refresh
from polyscene.represent.columns import Columns
from polyscene.server.fallback import Fallback
from polyscene.server.question import Question
from polyscene.settings import Scenario, Settings, parse
from polyscene.settings.vocabulary import condition
from polyscene.text.verbalise import Verbaliser
from polyscene.workspace import Workspace

__all__ = ["Answering"]

_MOST_KEPT = 50
"""Answers kept of one user."""


class Answering:
    """Answers questions with the model that serves.

    Args:
        workspace: The workspace.
        encoder: What encodes texts in questions.
        past: What is known of users.
    """

    def __init__(self, workspace: Workspace, encoder: Encoder, past: LivePast) -> None:
        self._workspace = workspace
        self._encoder = encoder
        self._past = past
        self._catalogues = Catalogues()
        self.model: Model | None = None
        self._recommender: Recommender
        self._counting: NotedGates = {}
        self._declare(workspace.settings)

    def _declare(self, settings: Settings) -> None:
        self._settings = settings
        self._fallback = Fallback(self._workspace.store, settings)

    def settle(self, settings: Settings) -> None:
        """Answer as other settings declare from now on; what was kept is dropped.

        Raises:
            PolysceneError: When the model cannot answer as they declare; nothing is changed.
        """
        model = self.model
        if model is not None:
            trial = self._made(settings, model)
            for name in settings.scenarios:
                list(trial.answers([None], name, 1, time.time()))
        self._workspace.settings = settings
        self._declare(settings)
        self.take_in()

    def use(self, model: Model) -> None:
        """Answer with a model from now on; what was kept is dropped."""
        self._counting = gates_in(self._workspace, model.config.version)
        past = StorePast(self._workspace.store, model.items.targets, self._counting)
        _ = self._workspace.soon  # opened here, before several threads use it
        self._recommender, self.model = self._made(self._settings, model, self._past), model
        self._past.use(past)

    def take_in(self) -> None:
        """Take in what is new in the store; its texts are best encoded before."""
        if self.model is not None:
            self.use(refresh(self._workspace, self.model))

    def forget_kept(self) -> None:
        """Give no answer again that was made before."""
        self._past.forget_made()

    def kept(self, question: Question) -> Any:
        """What was kept of the answer to a question, or None. Any thread may call it.

        None also where the store is slow, so that the answer is made and says so.
        """
        entry = self._past.entry(question.user)
        found = entry.answers.get(question) if entry is not None and self._past.in_time else None
        return found[1] if found is not None and self._past.holds(found[0]) else None

    def keep(self, question: Question, answer: Any) -> None:
        """Keep an answer for as long as nothing happens that could change it.

        What is drawn is drawn anew each time: an answer that is kept until the user acts would be
        shown the more often the less it was liked. Nor is kept what somebody else may fill.
        """
        spec = self._settings.scenario(question.scenario)
        if spec.explore.slots or spec.explore.share or spec.attend.takes:
            return
        if self.model is None:
            return
        entry = self._past.unchanged(question.user)
        if entry is not None and question.keepable and len(entry.answers) < _MOST_KEPT:
            entry.answers[question] = (time.monotonic(), answer)

    def recommend(self, question: Question) -> Answer:
        """The list for a question.

        Raises:
            NotFoundError: When the scenario or the context is unknown.
            SettingsError: When the filter is no condition.
        """
        self._check(question.scenario)
        if self.model is None:
            return self._fallback.answer(question)
        return self._answers(self._recommender, [question])[0]

    def recommend_all(self, questions: Sequence[Question]) -> list[Answer | Exception]:
        """`recommend` for several questions, each answered or with what went wrong.

        Those that ask the same for several users are answered together.
        """
        self._past.begin()
        found: dict[int, Answer | Exception] = {}
        groups: dict[Question, list[int]] = {}
        for place, question in enumerate(questions):
            # A filter may look at the user; other questions differ by whom they are about.
            plain = question.filter is None
            shared = replace(question, user=None, context=None) if plain else question
            groups.setdefault(shared, []).append(place)
        for places in groups.values():
            some = [questions[place] for place in places]
            found.update(zip(places, self._together(some), strict=True))
        return [found[place] for place in range(len(questions))]

    def _together(self, questions: Sequence[Question]) -> list[Answer | Exception]:
        """The answers to questions that differ by user and context alone."""
        if self.model is not None and len(questions) > 1:
            with suppress(PolysceneError):  # one of them is wrong: which, the others do not feel
                self._check(questions[0].scenario)
                return [*self._answers(self._recommender, questions)]
        answers: list[Answer | Exception] = []
        for question in questions:
            try:
                answers.append(self.recommend(question))
            except Exception as error:
                answers.append(error)
        return answers

    def told(self, question: Question) -> Told:
        """What a language model may know of who asks."""
        if self.model is None:
            return NOTHING_TOLD
        return self._recommender.told(question.user, question.scenario, time.time())

    def preview(self, question: Question, reward: str) -> Answer:
        """The list for a question as if the scenario declared another reward.

        Its notes tell of names in the declaration that no target or user has.

        Args:
            question: The question.
            reward: The reward, as an expression.

        Raises:
            NotFoundError: When the scenario is unknown.
            SettingsError: When the reward is no expression, or names what is not known.
        """
        self._check(question.scenario)
        if self.model is None:
            return self._fallback.answer(question)
        scenarios = self._settings.scenarios
        table = scenarios[question.scenario].model_dump(exclude_unset=True) | {"reward": reward}
        changed = parse(Scenario, table, f"scenarios.{question.scenario}")
        settings = self._settings.model_copy(
            update={"scenarios": {**scenarios, question.scenario: changed}}
        )
        answer = self._answers(self._made(settings, self.model), [question])[0]
        targets, store = self.model.space(question.scenario).targets, self._workspace.store
        told = unknown_in(changed, targets, lambda: user_attributes(store))
        return replace(answer, notes=[*answer.notes, *told])

    def _made(self, settings: Settings, model: Model, memory: Memory | None = None) -> Recommender:
        """What answers as some settings declare, with all that is known of users here.

        Args:
            settings: The settings.
            model: The model.
            memory: Where what is found is kept, None for what is only tried.
        """
        return Recommender(
            settings, model, self._encoder, Verbaliser(settings), self._past, memory,
            self._counting,
        )  # fmt: skip

    def _answers(self, recommender: Recommender, questions: Sequence[Question]) -> list[Answer]:
        """The answers to questions that differ by user and context alone."""
        shared = questions[0]
        users = [question.user for question in questions]
        with self._telling(shared, users) as now:
            only = self._only(shared, now)
            answers = recommender.answers(
                users,
                shared.scenario,
                shared.n,
                now,
                only,
                shared.reasons,
                contexts=[question.context for question in questions],
                explain=shared.explain,
            )
            return self._noted(answers, shared)

    def shown(self, scenario: str) -> Mask:
        """Which targets a scenario may show to somebody. There must be a model."""
        return self._recommender.asker.shown(scenario).copy()

    def vector(self, user: str, scenario: str) -> Vectors:
        """What a scenario knows of a user as one unit vector, zero for nothing. Shape (dim,).

        There must be a model.
        """
        with self._telling(Question(scenario, user=user)) as now:
            return self._recommender.asker.user(user, scenario, 1, now).query.vector

    def page(self, name: str, question: Question) -> Page:
        """The lists of a page.

        Raises:
            NotFoundError: When the page is unknown.
        """
        pages = self._settings.pages
        if name not in pages:
            raise NotFoundError(f"unknown page {name!r}; {did_you_mean(name, pages)}")
        rows = pages[name].rows
        if self.model is None:
            lists = [
                self._fallback.answer(Question(row, question.n, question.user)) for row in rows
            ]
            return Page(name, question.user, lists)
        with self._telling(question) as now:
            lists = fill_page(self._recommender, self.model, rows, question.user, question.n, now)
            return Page(name, question.user, self._noted(lists, question))

    def similar(self, item: str, question: Question) -> Answer:
        """The targets nearest to one.

        Raises:
            NotFoundError: When the target or the scenario is unknown.
        """
        self._check(question.scenario)
        if self.model is None:
            return self._fallback.answer(question)
        with self._telling(question) as now:
            only = self._only(question, now)
            answer = self._recommender.similar(item, question.scenario, question.n, only)
            return self._noted([answer], question)[0]

    def understanding(self, question: Question, earlier: Sequence[str]) -> Callable[[], Plan]:
        """What makes a plan of the text of a question; it may take long, and any thread may run it.

        Args:
            question: The question.
            earlier: The requests before it, oldest first.

        Raises:
            NotFoundError: When the scenario is unknown.
        """
        self._check(question.scenario)
        text, model, workspace = question.text or "", self.model, self._workspace
        if model is None:
            return lambda: Plan(words_of(text, earlier))
        catalogue = self._recommender.search.catalogue(question.scenario, self._catalogues)
        return partial(
            interpret,
            text,
            earlier,
            catalogue,
            workspace.soon,
            partial(encoded, model, workspace.encoder),
            workspace.settings.llm.ask_budget_s,
            question.user,
        )

    def search(self, question: Question, plan: Plan | None = None) -> Answer:
        """The targets that fit the text of a question, or the plan that was made of it.

        Raises:
            NotFoundError: When the scenario is unknown.
        """
        self._check(question.scenario)
        if self.model is None:
            return self._fallback.answer(question)
        asked = Question(question.scenario, user=question.user, language=question.language)
        with self._telling(asked) as now:
            only = self._only(question, now)
            search, where = self._recommender.search, (question.scenario, question.n, now)
            if plan is None:
                answer = search(question.text or "", *where, question.user, only)
            else:
                answer = search.ask(plan, *where, question.user, only)
            return self._noted([answer], question)[0]

    def _check(self, scenario: str) -> None:
        scenarios = self._settings.scenarios
        if scenario not in scenarios:
            hint = did_you_mean(scenario, scenarios)
            raise NotFoundError(f"unknown scenario {scenario!r}; {hint}")

    @contextmanager
    def _telling(self, question: Question, users: Collection[str | None] = ()) -> Any:
        """Inside the block, what the question says of its user, or of these, is known."""
        self._past.late.clear()
        model = self.model
        assert model is not None
        says = question.events or question.text is not None or question.language is not None
        change: Callable[..., Any] = partial(
            told,
            items=model.items.targets,
            events=question.events,
            text=question.text,
            language=question.language,
        )
        with self._past.changed(change if says else None, users or [question.user]):
            yield time.time()

    def _noted(self, answers: Iterable[Answer], question: Question) -> list[Answer]:
        """The answers with what went wrong on the way, and what the filter does not mean."""
        told: list[str] = []
        if question.filter is not None and self.model is not None:
            targets = self.model.space(question.scenario).targets
            told = unknown_in_filter(question.filter, targets)
        found = []
        for answer in answers:
            notes = [*dict.fromkeys(self._past.late), *told]
            found.append(replace(answer, notes=[*answer.notes, *notes]) if notes else answer)
        return found

    def _only(self, question: Question, now: float) -> Mask | None:
        """The targets that filter and exclusions of a question leave; None for all."""
        if question.filter is None and not question.exclude:
            return None
        assert self.model is not None
        targets = self.model.space(question.scenario).targets
        mask = np.ones(len(targets), np.bool_)
        if question.filter is not None:
            user, wanted = User(user_id=question.user or "anybody"), condition(question.filter)
            if question.user is not None and wanted.uses("user"):
                user = self._past.of(question.user).user
            columns = Columns(targets, np.arange(len(targets)), user, now)
            mask = wanted.holds(columns, len(targets))
        rows = targets.ids.rows(question.exclude)
        mask[rows[rows >= 0]] = False
        return mask
