"""A GGUF file that answers in this process, by llama.cpp."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import secrets
import threading
import time
from functools import cached_property
from pathlib import Path
from typing import Any

from polyscene.errors import LanguageModelError, SettingsError
from polyscene.extras import require
from polyscene.llm.base import ChatReply, ChatRequest
from polyscene.settings import LlmSettings

__all__ = ["LocalModel", "gguf_path"]

PACKAGE = "package:"
DIGESTED = 1 << 20
"""Bytes at the start of a file that its id is made of, besides its size."""
OFFLOAD_ALL = -1


class LocalModel:
    """Generation in this process, held to the schema by a grammar: no token can leave it.

    The file is read at the first request. llama.cpp opens a port on 127.0.0.1 for itself; a random
    key closes it to everybody else.

    Args:
        settings: The model and its options.
        folder: What a relative path starts from.

    Raises:
        SettingsError: When there is no such file.
    """

    def __init__(self, settings: LlmSettings, folder: Path = Path()) -> None:
        self._settings = settings
        self.path = gguf_path(settings.model, folder)
        self._lock = threading.Lock()
        self._server: Any = None

    @cached_property
    def id(self) -> str:
        """The file by its name, size and beginning, and the options."""
        settings = self._settings
        with self.path.open("rb") as file:
            digest = hashlib.sha256(file.read(DIGESTED)).hexdigest()[:12]
        size = self.path.stat().st_size
        return (
            f"local {self.path.name} {size} {digest} context={settings.context_tokens} "
            f"temperature={settings.temperature:g} seed={settings.seed}"
        )

    @property
    def concurrency(self) -> int:
        """As set, or 1."""
        return self._settings.concurrency or 1

    def answer(self, request: ChatRequest) -> ChatReply:
        """The model's answer, stopped after `timeout_s`.

        Raises:
            LanguageModelError: When the request does not fit into the context or the schema is not
                known to llama.cpp (refused), the time is over, or the file cannot be loaded.
        """
        server = self._opened()
        heard = _Stream(time.monotonic() + self._settings.timeout_s)
        schema = {"name": "answer", "strict": True, "schema": request.schema}
        payload = {
            "messages": [{"role": one.role, "content": one.text} for one in request.messages],
            "max_tokens": request.max_tokens,
            "temperature": self._settings.temperature,
            "seed": self._settings.seed,
            "response_format": {"type": "json_schema", "json_schema": schema},
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        try:
            server.handle_chat_completions(payload, heard.take)
        except (RuntimeError, ValueError) as error:
            raise LanguageModelError(f"{self.path.name}: {error}", refused=True) from error
        if heard.error:
            raise LanguageModelError(f"{self.path.name}: {heard.error}", refused=True)
        if heard.late:
            raise LanguageModelError(
                f"{self.path.name}: no whole answer within {self._settings.timeout_s:g} s"
            )
        return ChatReply("".join(heard.parts), heard.tokens_in, heard.tokens_out, heard.complete)

    def close(self) -> None:
        """Free the memory; the next use reads the file again."""
        with self._lock:
            self._server = None

    def _opened(self) -> Any:
        with self._lock:
            if self._server is None:
                self._server = self._start()
            return self._server

    def _start(self) -> Any:
        llama = require("xllamacpp", "llm", "a local language model")
        settings, params = self._settings, llama.CommonParams()
        threads = settings.threads or os.cpu_count() or 1
        params.model.path = str(self.path)
        params.n_ctx = settings.context_tokens * self.concurrency
        params.n_parallel = self.concurrency
        params.cpuparams.n_threads = params.cpuparams_batch.n_threads = threads
        params.n_gpu_layers = OFFLOAD_ALL
        params.fit_params = params.warmup = params.ui = params.endpoint_slots = False
        params.verbosity = -1
        params.api_keys = [secrets.token_hex(16)]
        try:
            return llama.Server(params)
        except RuntimeError as error:
            raise LanguageModelError(
                f"cannot load {self.path}; expected a GGUF file with a text model that fits "
                f"into memory ({error})"
            ) from error


class _Stream:
    """What comes of one request, chunk by chunk."""

    def __init__(self, until: float) -> None:
        self.parts: list[str] = []
        self.tokens_in = self.tokens_out = 0
        self.complete = True
        self.late = False
        self.error: str | None = None
        self._until = until

    def take(self, chunk: dict[str, Any]) -> bool:
        """Take the next chunk; true ends the generation."""
        if "error" in chunk:
            self.error = str(chunk["error"].get("message", chunk["error"]))
            return True
        for choice in chunk.get("choices", ()):
            self.parts.append(choice["delta"].get("content") or "")
            self.complete = choice.get("finish_reason") != "length"
        usage = chunk.get("usage")
        if usage:
            self.tokens_in, self.tokens_out = usage["prompt_tokens"], usage["completion_tokens"]
        self.late = time.monotonic() > self._until and not usage
        return self.late


def gguf_path(model: str, folder: Path = Path()) -> Path:
    """The GGUF file that a setting names.

    Args:
        model: A path, or "package:NAME" for the first such file of an installed package.
        folder: What a relative path starts from.

    Raises:
        SettingsError: When there is no such file.
    """
    if not model.startswith(PACKAGE):
        path = folder / Path(model).expanduser()
        if not path.is_file():
            raise SettingsError(f"llm.model: no file {path}; expected the path of a GGUF file")
        return path
    name = model.removeprefix(PACKAGE)
    spec = importlib.util.find_spec(name) if name.isidentifier() else None
    for place in (spec and spec.submodule_search_locations) or ():
        for path in sorted(Path(place).glob("*.gguf")):
            return path
    raise SettingsError(
        f"llm.model: got {model!r}, but no package {name!r} with a GGUF file is installed"
    )
