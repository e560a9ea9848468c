"""The language model of a workspace: structured answers, remembered, limited, paid for once."""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Generic, TypeVar

from pydantic import BaseModel

from polyscene.closing import Closing
from polyscene.errors import BudgetError, LanguageModelError
from polyscene.llm.base import ChatModel, ChatReply, ChatRequest, Message
from polyscene.llm.breaker import Breaker
from polyscene.llm.ledger import Account, Kept, Ledger, Usage
from polyscene.llm.prompt import Prompt
from polyscene.llm.structured import Unfit, answer_schema, read_answer
from polyscene.logs import NO_PROGRESS, Progress, get_logger
from polyscene.remote import Limiter
from polyscene.settings import LlmSettings
from polyscene.storage import Store

__all__ = ["Failure", "Job", "LanguageModel", "Outcome", "Request"]

log = get_logger(__name__)

AnswerT = TypeVar("AnswerT", bound=BaseModel)

MILLION = 1e6
FRAME_TOKENS = 16
"""What a chat template adds to a message, at most."""
LONGEST_TOKEN = 16
"""Characters of an answer that are sent back for a repair, by its allowed tokens."""
CHARS_A_TOKEN = 3
"""For the estimate that requests are spaced by."""


class Failure(StrEnum):
    """Why a question has no answer."""

    INVALID = "invalid"
    """The model answered in another form, twice, or refused the question; asking again is
    pointless and is not done."""
    UNAVAILABLE = "unavailable"
    """The model could not be reached; asked again the next time."""
    BUDGET = "budget"
    """The answer could have cost more than allowed."""
    LATE = "late"
    """It did not come in the time that was allowed; it may be there the next time."""


def _no_check(_: Any) -> None:
    return None


@dataclass(frozen=True, slots=True)
class Request(Generic[AnswerT]):
    """One question to a prompt."""

    data: Mapping[str, str]
    """Texts of others by the prompt's fields; untrusted."""
    form: type[AnswerT]
    """What the answer must be. Build it with the known ids and words (`Literal[...]`), so that
    nothing else can come out."""
    words: Mapping[str, str] = field(default_factory=dict)
    """The program's own words in the prompt; trusted."""
    check: Callable[[AnswerT], str | None] = _no_check
    """What else is wrong with an answer, or None."""
    subject: str | None = None
    """The user it is about; the answer is erased with them."""


@dataclass(frozen=True, slots=True)
class Outcome(Generic[AnswerT]):
    """What came of one question: an answer or a failure."""

    answer: AnswerT | None
    failure: Failure | None = None
    why: str = ""
    """Of a failure, for people."""
    cached: bool = False


class LanguageModel(Closing):
    """Asks one model, with everything around it that a workspace declares.

    Args:
        chat: The model; closed with this.
        store: Where answers and costs are kept.
        settings: Limits and prices.
        clock: Replaces `time.time` in tests.
        monotonic: Replaces `time.monotonic` in tests.
        sleep: Replaces `time.sleep` in tests.
    """

    def __init__(
        self,
        chat: ChatModel,
        store: Store,
        settings: LlmSettings,
        *,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.chat = chat
        self.ledger = Ledger(store, clock)
        self.settings = settings
        self._breaker = Breaker(settings.failures_to_pause, settings.pause_s, monotonic)
        self._tokens = Limiter(settings.tokens_per_minute, sleep, monotonic)

    def job(self, name: str) -> Job:
        """Something to do with its own cap, such as one run of a command."""
        return Job(self, name)

    def close(self) -> None:
        """Close the model."""
        self.chat.close()

    def call(self, request: ChatRequest, account: Account, job: Job, *, repair: bool) -> ChatReply:
        """One request, within the limits and written down; see `Job.ask`.

        Raises:
            LanguageModelError: When there is no answer.
        """
        worst = self._worst_cost(request)
        job.reserve(worst)
        cost = 0.0
        try:
            day = self.ledger.reserve(account, worst, self.settings.monthly_cap)
            usage = Usage()
            try:
                self._breaker.enter()
                usage, cost = Usage(calls=1, repairs=int(repair)), worst
                reply = self._answer(request)
                cost = self._cost(reply.tokens_in, reply.tokens_out)
                usage = replace(usage, tokens_in=reply.tokens_in, tokens_out=reply.tokens_out)
            except LanguageModelError as error:
                cost = cost if error.unanswered else 0.0
                raise
            finally:
                self.ledger.settle(day, account, worst, replace(usage, cost=cost))
        finally:
            job.settle(worst, cost)
        return reply

    def _answer(self, request: ChatRequest) -> ChatReply:
        succeeded = False
        try:
            self._tokens.wait(
                sum(len(one.text) for one in request.messages) / CHARS_A_TOKEN + request.max_tokens
            )
            reply = self.chat.answer(request)
            succeeded = True
        except LanguageModelError as error:
            succeeded = error.refused  # it is there, and refused this one request
            raise
        finally:
            self._breaker.leave(succeeded)
        return reply

    def _worst_cost(self, request: ChatRequest) -> float:
        """An upper limit: no tokenizer makes more tokens than there are bytes."""
        sent = sum(len(one.text.encode()) + FRAME_TOKENS for one in request.messages)
        return self._cost(sent + len(json.dumps(request.schema)), request.max_tokens)

    def _cost(self, tokens_in: int, tokens_out: int) -> float:
        settings = self.settings
        return (tokens_in * settings.price_in + tokens_out * settings.price_out) / MILLION


class Job:
    """Questions that share a cap; made by `LanguageModel.job`. Safe to share between threads.

    Attributes:
        spent: What it cost so far, and what requests under way may cost.
    """

    def __init__(self, model: LanguageModel, name: str) -> None:
        self.name = name
        self.spent = 0.0
        self._model = model
        self._lock = threading.Lock()

    def ask(
        self,
        prompt: Prompt,
        requests: Sequence[Request[AnswerT]],
        *,
        again: bool = False,
        progress: Progress = NO_PROGRESS,
    ) -> list[Outcome[AnswerT]]:
        """What comes of each question, in order; a failure of one leaves the others.

        A question that was asked before is answered from the store. Each answer is kept as it
        comes, so an interrupted run loses nothing.

        Args:
            prompt: The prompt.
            requests: The questions.
            again: Also ask what the model could not answer before.
            progress: Told of the questions that are really asked.
        """
        model, ledger = self._model, self._model.ledger
        account = Account(model.chat.id, prompt.name, prompt.version)
        asked = [_Asked.of(prompt, request, account) for request in requests]
        kept = ledger.kept({one.key for one in asked})
        outcomes: dict[str, Outcome[AnswerT]] = {}
        open_ones: dict[str, _Asked[AnswerT]] = {}
        hits = 0
        for one in asked:
            if one.key in outcomes or one.key in open_ones:
                continue
            found = _from_kept(one, kept.get(one.key), again=again)
            if found is None:
                open_ones[one.key] = one
            else:
                outcomes[one.key] = found
                hits += 1
        if hits:
            ledger.count(account, Usage(hits=hits))
        for key, outcome in self._ask_open(account, list(open_ones.values()), progress):
            outcomes[key] = outcome
        return [outcomes[one.key] for one in asked]

    def remembered(
        self, prompt: Prompt, requests: Sequence[Request[AnswerT]]
    ) -> list[tuple[str, Outcome[AnswerT] | None]]:
        """The key of each question, and what came of it when it was asked before; else None."""
        account = Account(self._model.chat.id, prompt.name, prompt.version)
        asked = [_Asked.of(prompt, request, account) for request in requests]
        kept = self._model.ledger.kept({one.key for one in asked})
        return [(one.key, _from_kept(one, kept.get(one.key), again=False)) for one in asked]

    def reserve(self, cost: float) -> None:
        """Set aside what a request costs at most.

        Raises:
            BudgetError: When the job's spending would pass its cap.
        """
        cap = self._model.settings.job_cap
        with self._lock:
            if cap is not None and self.spent + cost > cap:
                raise BudgetError(
                    f"not asked: {self.spent:.4f} of the {cap:g} allowed for {self.name} are "
                    f"spent, and the answer could cost {cost:.4f}; raise llm.job_cap or ask for "
                    "less"
                )
            self.spent += cost

    def settle(self, reserved: float, cost: float) -> None:
        """Replace what was set aside by what it cost."""
        with self._lock:
            self.spent += cost - reserved

    def _ask_open(
        self, account: Account, asked: Sequence[_Asked[AnswerT]], progress: Progress
    ) -> Iterator[tuple[str, Outcome[AnswerT]]]:
        if not asked:
            return
        workers = min(self._model.chat.concurrency, len(asked))
        pool = ThreadPoolExecutor(workers, thread_name_prefix="llm")
        try:
            with progress.task(self.name, len(asked), "answers") as task:
                answers = pool.map(lambda one: self._ask_one(account, one), asked)
                for one, outcome in zip(asked, answers, strict=True):
                    task.advance()
                    yield one.key, outcome
        finally:
            pool.shutdown(cancel_futures=True)

    def _ask_one(self, account: Account, one: _Asked[AnswerT]) -> Outcome[AnswerT]:
        ledger = self._model.ledger
        try:
            outcome, text = self._converse(account, one)
        except BudgetError as error:
            outcome, text = Outcome(None, Failure.BUDGET, str(error)), None
        except LanguageModelError as error:
            kind = Failure.INVALID if error.refused else Failure.UNAVAILABLE
            outcome, text = Outcome(None, kind, str(error)), None
        if outcome.failure is not None:
            log.warning("%s: no answer (%s): %s", account.prompt, outcome.failure, outcome.why)
            ledger.count(account, Usage(failures=1))
        if text is not None:
            ledger.keep(one.key, account, one.request.subject, Kept(text, None))
        elif outcome.failure is Failure.INVALID:
            ledger.keep(one.key, account, one.request.subject, Kept(None, outcome.why))
        return outcome

    def _converse(
        self, account: Account, one: _Asked[AnswerT]
    ) -> tuple[Outcome[AnswerT], str | None]:
        """Ask, and ask once more when the answer is not of the form."""
        messages = one.messages
        for repair in (False, True):
            request = ChatRequest(messages, one.schema, one.max_tokens)
            reply = self._model.call(request, account, self, repair=repair)
            try:
                answer = read_answer(reply, one.request.form, one.request.check)
            except Unfit as error:
                problem = str(error)
                said = reply.text[: LONGEST_TOKEN * one.max_tokens]
                messages = (*messages, Message("assistant", said), _repair(problem))
            else:
                return Outcome(answer), answer.model_dump_json()
        return Outcome(None, Failure.INVALID, problem), None


@dataclass(frozen=True, slots=True)
class _Asked(Generic[AnswerT]):
    """A question as it is sent."""

    key: str
    request: Request[AnswerT]
    messages: Sequence[Message]
    schema: Mapping[str, Any]
    max_tokens: int

    @classmethod
    def of(cls, prompt: Prompt, request: Request[AnswerT], account: Account) -> _Asked[AnswerT]:
        messages = prompt.messages(request.data, request.words)
        schema = answer_schema(request.form)
        parts = [
            account.model, prompt.name, prompt.version, prompt.max_tokens, schema,
            [[one.role, one.text] for one in messages], request.subject,
        ]  # fmt: skip
        text = json.dumps(parts, ensure_ascii=False, sort_keys=True)
        key = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
        return cls(key, request, messages, schema, prompt.max_tokens)


def _repair(problem: str) -> Message:
    return Message(
        "user", f"That answer cannot be used: {problem}. Answer again, with the JSON object alone."
    )


def _from_kept(one: _Asked[AnswerT], kept: Kept | None, *, again: bool) -> Outcome[AnswerT] | None:
    """The outcome that is remembered, or None where it has to be asked for."""
    if kept is None or (kept.answer is None and again):
        return None
    if kept.answer is None:
        return Outcome(None, Failure.INVALID, kept.failure or "", cached=True)
    reply = ChatReply(kept.answer, 0, 0, complete=True)
    try:
        answer = read_answer(reply, one.request.form, one.request.check)
    except Unfit:
        return None  # the check has become stricter since
    return Outcome(answer, cached=True)
