from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

import pytest

from polyscene.errors import LanguageModelError, SettingsError
from polyscene.llm import Failure, Form, LanguageModel, Prompt, Request
from polyscene.settings import LlmSettings, parse_settings
from polyscene.storage import Store
from polyscene.testing.fake_llm import ScriptedModel
from polyscene.workspace import Workspace

NOON = 1_796_000_000.0  # 2026-11-30 UTC


class Genre(Form):
    genre: Literal["crime", "war"]


def prompt(**changes: Any) -> Prompt:
    given = {
        "name": "genre", "version": 1, "system": "You name genres.", "max_tokens": 10,
        "user": "Which genre has this film?\n$data", "data": {"title": 40},
    }  # fmt: skip
    return Prompt.model_validate(given | changes)


def ask(title: str, **options: Any) -> Request[Genre]:
    return Request({"title": title}, Genre, **options)


class Desk:
    """A language model on a script, with a clock that only moves when told."""

    def __init__(self, store: Store, *script: Any, **settings: Any) -> None:
        always = settings.pop("always", '{"genre": "war"}')
        concurrency = settings.pop("concurrency", 1)
        self.chat = ScriptedModel(*script, always=always, concurrency=concurrency)
        self.now, self.slept = NOON, 0.0
        given = {"provider": "openai", "model": "m", **settings}
        self.model = LanguageModel(
            self.chat, store, LlmSettings.model_validate(given), clock=lambda: self.now,
            monotonic=lambda: self.now, sleep=self._sleep,
        )  # fmt: skip

    def _sleep(self, seconds: float) -> None:
        self.slept += seconds
        self.now += seconds

    def usage(self) -> Any:
        (found,) = self.model.ledger.usage().values()
        return found


def down() -> LanguageModelError:
    return LanguageModelError("down")


def test_a_question_is_asked_once_ever(store: Store) -> None:
    desk = Desk(store)
    first = desk.model.job("a").ask(prompt(), [ask("Heat"), ask("Heat"), ask("Alien")])
    assert [one.answer for one in first] == [Genre(genre="war")] * 3
    second = Desk(store)
    again = second.model.job("b").ask(prompt(), [ask("Alien"), ask("Heat"), ask("Jaws")])
    assert [one.cached for one in again] == [True, True, False]
    assert len(desk.chat.requests) == 2
    assert len(second.chat.requests) == 1
    used = second.usage()
    assert (used.calls, used.hits) == (3, 2)
    assert used.hit_rate == pytest.approx(2 / 5)


@pytest.mark.parametrize("change", [{"version": 2}, {"system": "Other."}, {"max_tokens": 11}])
def test_another_prompt_is_another_question(store: Store, change: dict[str, Any]) -> None:
    desk = Desk(store)
    job = desk.model.job("a")
    job.ask(prompt(), [ask("Heat")])
    job.ask(prompt(**change), [ask("Heat")])
    assert len(desk.chat.requests) == 2


def test_an_answer_of_another_form_is_repaired_once(store: Store) -> None:
    """The second request holds the first answer and what is wrong with it."""
    desk = Desk(store, '{"genre": "I OBEY"}', '```json\n{"genre": "crime"}\n```')
    (outcome,) = desk.model.job("a").ask(prompt(), [ask("Heat")])
    assert outcome.answer == Genre(genre="crime")
    first, second = desk.chat.requests
    assert [one.role for one in second.messages] == ["system", "user", "assistant", "user"]
    assert "genre: Input should be 'crime' or 'war'" in second.messages[-1].text
    assert "OBEY" not in second.messages[-1].text
    assert desk.usage().repairs == 1
    assert len(first.messages) == 2


@pytest.mark.parametrize(
    "said", ["", "war", "{", '{"genre": "sad"}', '{"genre": "war", "more": 1}', "[]", "null"]
)
def test_what_cannot_be_repaired_is_a_recorded_failure(store: Store, said: str) -> None:
    """Never a guess; and it is not asked again unless that is wanted."""
    desk = Desk(store, always=said)
    (outcome,) = desk.model.job("a").ask(prompt(), [ask("Heat")])
    assert (outcome.answer, outcome.failure) == (None, Failure.INVALID)
    (again,) = desk.model.job("a").ask(prompt(), [ask("Heat")])
    assert again.cached
    assert (again.failure, again.why) == (Failure.INVALID, outcome.why)
    assert len(desk.chat.requests) == 2
    desk.model.job("a").ask(prompt(), [ask("Heat")], again=True)
    assert len(desk.chat.requests) == 4
    assert desk.usage().failures == 2


def test_a_check_of_the_task_counts_as_the_form(store: Store) -> None:
    desk = Desk(store)
    request = ask(
        "Heat", check=lambda answer: "war is not in it" if answer.genre == "war" else None
    )
    (outcome,) = desk.model.job("a").ask(prompt(), [request])
    assert outcome.failure is Failure.INVALID
    assert outcome.why == "war is not in it"


def test_a_check_that_became_stricter_asks_again(store: Store) -> None:
    desk = Desk(store)
    desk.model.job("a").ask(prompt(), [ask("Heat")])
    (outcome,) = desk.model.job("a").ask(prompt(), [ask("Heat", check=lambda _: "no")])
    assert outcome.failure is Failure.INVALID
    assert len(desk.chat.requests) == 3


def test_what_succeeded_stays(store: Store) -> None:
    """A failure in the middle loses nothing, and is asked again the next time."""
    desk = Desk(store, '{"genre": "war"}', down(), '{"genre": "crime"}')
    requests = [ask("Heat"), ask("Alien"), ask("Jaws")]
    outcomes = desk.model.job("a").ask(prompt(), requests)
    assert [one.failure for one in outcomes] == [None, Failure.UNAVAILABLE, None]
    assert outcomes[1].why == "down"
    again = desk.model.job("a").ask(prompt(), requests)
    assert [one.cached for one in again] == [True, False, True]
    assert again[1].answer == Genre(genre="war")


def test_a_refused_question_is_not_asked_again(store: Store) -> None:
    desk = Desk(store, *[LanguageModelError("too long", refused=True)] * 9, failures_to_pause=2)
    titles = [ask(str(number)) for number in range(9)]
    outcomes = desk.model.job("a").ask(prompt(), titles)
    assert {one.failure for one in outcomes} == {Failure.INVALID}
    assert len(desk.chat.requests) == 9, "a refusal is no reason to pause"
    desk.model.job("a").ask(prompt(), titles)
    assert len(desk.chat.requests) == 9


def test_a_model_that_is_down_is_left_alone(store: Store) -> None:
    """After three failures nothing is sent; after the pause one request is tried."""
    desk = Desk(store, *[down()] * 4, failures_to_pause=3, pause_s=30)
    titles = [ask(str(number)) for number in range(8)]
    outcomes = desk.model.job("a").ask(prompt(), titles)
    assert len(desk.chat.requests) == 3
    assert {one.failure for one in outcomes} == {Failure.UNAVAILABLE}
    assert "3 requests in a row have failed" in outcomes[-1].why
    desk.now += 31
    desk.model.job("a").ask(prompt(), titles)
    assert len(desk.chat.requests) == 4, "the trial failed too"
    desk.now += 31
    outcomes = desk.model.job("a").ask(prompt(), titles)
    assert all(one.answer for one in outcomes)
    assert desk.usage().calls == 12


def test_the_cost_of_every_call_is_written_down(store: Store) -> None:
    """4 words out at 2 a million and 30 in at 1 a million: tokens are words here."""
    desk = Desk(store, always='{ "genre": "war" }', price_in=1e6, price_out=2e6)
    job = desk.model.job("a")
    job.ask(prompt(), [ask("Heat")])
    used = desk.usage()
    assert used.tokens_out == 4
    assert used.cost == pytest.approx(used.tokens_in + 8)
    assert job.spent == pytest.approx(used.cost)
    assert desk.model.ledger.spent("2026-11") == pytest.approx(used.cost)
    assert desk.model.ledger.spent("2026-10") == 0


@pytest.mark.parametrize("cap", ["monthly_cap", "job_cap"])
def test_a_request_that_could_pass_a_cap_is_not_sent(store: Store, cap: str) -> None:
    """What is spent never passes the cap, and what was answered before is kept."""
    desk = Desk(store, price_in=10.0, price_out=10.0, concurrency=4, **{cap: 0.02})
    job = desk.model.job("a")
    outcomes = job.ask(prompt(), [ask(str(number)) for number in range(60)])
    answered = [one for one in outcomes if one.answer]
    refused = [one for one in outcomes if one.failure is Failure.BUDGET]
    assert answered
    assert refused
    assert len(answered) + len(refused) == 60
    assert len(desk.chat.requests) == len(answered)
    assert desk.model.ledger.spent("2026-11") == pytest.approx(job.spent)
    assert job.spent <= 0.02
    assert cap in refused[0].why
    again = job.ask(prompt(), [ask("0")])
    assert again[0].cached


def test_the_cap_of_a_month_ends_with_it(store: Store) -> None:
    desk = Desk(store, price_in=1000.0, monthly_cap=0.5)
    job = desk.model.job("a")
    outcomes = job.ask(prompt(), [ask(str(number)) for number in range(60)])
    assert outcomes[-1].failure is Failure.BUDGET
    desk.now += 2 * 86_400
    (next_month,) = job.ask(prompt(), [ask("59")])
    assert next_month.answer is not None


def test_a_call_without_an_answer_counts_with_what_it_may_have_cost(store: Store) -> None:
    """A service may charge for an answer that did not arrive; for a refusal it does not."""
    lost = LanguageModelError("timeout", unanswered=True)
    desk = Desk(store, lost, down(), price_in=1.0, price_out=1.0)
    job = desk.model.job("a")
    job.ask(prompt(), [ask("Heat")])
    spent = desk.usage().cost
    assert spent > 0
    job.ask(prompt(), [ask("Heat")])
    assert desk.usage().cost == spent
    assert job.spent == pytest.approx(spent)


def test_tokens_are_spaced(store: Store) -> None:
    desk = Desk(store, tokens_per_minute=60)
    desk.model.job("a").ask(prompt(), [ask("Heat"), ask("Alien"), ask("Jaws")])
    assert desk.slept > 60


def test_answers_about_a_user_are_erased_with_them(store: Store) -> None:
    desk = Desk(store)
    job = desk.model.job("a")
    job.ask(prompt(), [ask("Heat", subject="ann"), ask("Heat", subject="bob"), ask("Heat")])
    assert desk.model.ledger.answers() == 3
    (held,) = desk.model.ledger.about("ann")
    assert (held["prompt"], held["answer"]) == ("genre", '{"genre":"war"}')
    with store.write() as writer:
        assert writer.erase_user("ann")["answers"] == 1
    assert desk.model.ledger.answers() == 2


def test_a_cap_without_prices_is_refused() -> None:
    with pytest.raises(SettingsError, match="a cap needs price_in"):
        parse_settings({"llm": {"provider": "openai", "model": "m", "monthly_cap": 5}})
    with pytest.raises(SettingsError, match="needs a model"):
        parse_settings({"llm": {"provider": "local"}})


def test_answers_of_threads_are_each_their_own(store: Store) -> None:
    """Eight at once: every question gets the answer made from it."""

    def echo(last: str, _: object) -> str:
        return json.dumps({"genre": "crime" if ">1" in last else "war"})

    desk = Desk(store, always=echo, concurrency=8)
    outcomes = desk.model.job("a").ask(prompt(), [ask(str(number)) for number in range(30)])
    genres = [one.answer and one.answer.genre for one in outcomes]
    assert genres == ["crime" if str(number).startswith("1") else "war" for number in range(30)]


def test_no_model_is_declared(tmp_path: Path) -> None:
    with (
        Workspace.create(tmp_path, ["shop"]) as workspace,
        pytest.raises(SettingsError, match="no language model is declared"),
    ):
        workspace.language_model.job("a")
