"""Language models that say what a test tells them: one over HTTP, one in this process."""

from __future__ import annotations

import json
import threading
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

from polyscene.errors import LanguageModelError
from polyscene.llm import ChatReply, ChatRequest
from polyscene.testing.fake_server import FakeServer, Payload

__all__ = ["FakeChatServer", "Said", "ScriptedModel", "example_of"]

Said = str | Callable[[str, Mapping[str, Any]], str]
"""An answer, or what makes it from the last message and the schema."""


class FakeChatServer(FakeServer):
    """A `FakeServer` that also has /v1/chat/completions.

    It answers with the first value that the schema allows, or as told by `say`. Errors, slowness
    and malformed HTTP bodies come by `answer_with`. A token is a word here.
    """

    def __init__(self) -> None:
        super().__init__()
        self.routes["/v1/chat/completions"] = self._chat
        self._said: deque[Said] = deque()
        self._always: Said | None = None

    def say(self, *answers: Said, always: Said | None = None) -> None:
        """Give these answers next; then `always`, or well-behaved ones."""
        self._said.extend(answers)
        self._always = always

    def _chat(self, payload: Payload) -> Payload:
        schema = payload.get("response_format", {}).get("json_schema", {}).get("schema", {})
        said = self._said.popleft() if self._said else self._always
        last = payload["messages"][-1]["content"]
        text = _spoken(said, last, schema)
        tokens_in = sum(len(message["content"].split()) for message in payload["messages"])
        words = text.split(" ")
        cut = len(words) > payload["max_tokens"]
        message = {"role": "assistant", "content": " ".join(words[: payload["max_tokens"]])}
        choice = {"index": 0, "message": message, "finish_reason": "length" if cut else "stop"}
        usage = {"prompt_tokens": tokens_in, "completion_tokens": len(words)}
        return {"object": "chat.completion", "choices": [choice], "usage": usage}


class ScriptedModel:
    """A `ChatModel` that answers from a script.

    Args:
        answers: What it says or raises, in order; then the first value that the schema allows.
        always: Said instead of that.
        concurrency: How many requests it takes at once.
    """

    def __init__(
        self,
        *answers: Said | LanguageModelError,
        always: Said | None = None,
        concurrency: int = 1,
    ) -> None:
        self.id = "scripted"
        self.concurrency = concurrency
        self.requests: list[ChatRequest] = []
        """What came, in order."""
        self.closed = False
        self._script = deque(answers)
        self._always = always
        self._lock = threading.Lock()

    def answer(self, request: ChatRequest) -> ChatReply:
        """The next answer of the script."""
        with self._lock:
            self.requests.append(request)
            said = self._script.popleft() if self._script else self._always
        if isinstance(said, LanguageModelError):
            raise said
        text = _spoken(said, request.messages[-1].text, request.schema)
        tokens_in = sum(len(message.text.split()) for message in request.messages)
        return ChatReply(text, tokens_in, len(text.split()), complete=True)

    def close(self) -> None:
        """Note that it was closed."""
        self.closed = True


def example_of(schema: Mapping[str, Any]) -> Any:
    """The first value that a JSON schema of `polyscene.llm.structured` allows."""
    for name in ("const", "enum"):
        if name in schema:
            return schema["const"] if name == "const" else schema["enum"][0]
    if "anyOf" in schema:
        return example_of(schema["anyOf"][0])
    kind = schema.get("type", "object")
    if kind == "object":
        return {name: example_of(part) for name, part in schema.get("properties", {}).items()}
    if kind == "array":
        return [example_of(schema["items"])] * schema.get("minItems", 0)
    if kind == "string":
        return "x" * schema.get("minLength", 1)
    return {"integer": schema.get("minimum", 0), "number": 0.0, "boolean": False, "null": None}[
        kind
    ]


def _spoken(said: Said | None, last: str, schema: Mapping[str, Any]) -> str:
    if said is None:
        return json.dumps(example_of(schema))
    return said if isinstance(said, str) else said(last, schema)
