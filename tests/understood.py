"""A language model that understands what it is tried with, and then says what a test says."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from polyscene.engine.probes import PROBES
from polyscene.llm.guard import as_data
from polyscene.testing.fake_llm import FakeChatServer, Said


def plan(words: str, only: Sequence[str] = (), never: Sequence[str] = ()) -> str:
    return json.dumps({"words": words, "only": list(only), "never": list(never)})


def clever(then: Said) -> Callable[[str, Mapping[str, Any]], str]:
    def said(last: str, schema: Mapping[str, Any]) -> str:
        for probe in PROBES:
            if f">{as_data(probe.request, 600)}<" in last:
                return plan("", sorted(probe.only), sorted(probe.never))
        return then if isinstance(then, str) else then(last, schema)

    return said


def says(server: FakeChatServer, then: Said) -> None:
    server.say(always=clever(then))
