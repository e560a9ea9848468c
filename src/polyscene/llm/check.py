"""One question with a known answer, to see whether a model works."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Literal

from polyscene.llm.base import ChatRequest
from polyscene.llm.ledger import Account
from polyscene.llm.model import LanguageModel
from polyscene.llm.prompt import load_prompt
from polyscene.llm.structured import Form, answer_schema, read_answer

__all__ = ["Checked", "check"]


class _Colour(Form):
    word: Literal["blue", "seven"]


@dataclass(frozen=True, slots=True)
class Checked:
    """What came of a check."""

    model: str
    seconds: float
    tokens_in: int
    tokens_out: int
    right: bool
    """Whether the answer is right; very small models may be wrong."""


def check(model: LanguageModel) -> Checked:
    """Ask the model something easy, past the cache.

    Raises:
        LanguageModelError: When there is no answer, or one of another form.
    """
    prompt = load_prompt("check")
    request = ChatRequest(prompt.messages({}), answer_schema(_Colour), prompt.max_tokens)
    account = Account(model.chat.id, prompt.name, prompt.version)
    start = time.perf_counter()
    reply = model.call(request, account, model.job("check"), repair=False)
    seconds = time.perf_counter() - start
    answer = read_answer(reply, _Colour, lambda _: None)
    return Checked(model.chat.id, seconds, reply.tokens_in, reply.tokens_out, answer.word == "blue")
