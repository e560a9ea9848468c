"""Whatever the description of the interface allows, and much that it does not: no 500."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, Phase, given, settings

from served import listening

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of its own imports
    schemathesis = pytest.importorskip("schemathesis")

EXAMPLES = {"POSITIVE": 5, "NEGATIVE": 2}
"""Requests a route: as it is described, and otherwise."""
NO_HTTP = "Invalid HTTP request"
"""What the server says itself where a request is none."""
NOT_CALLED = {"/v1/models/fit"}
"""It starts a process."""


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with listening(tmp_path_factory.mktemp("schema")) as found:
        yield found


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("mode", ["POSITIVE", "NEGATIVE"])
def test_no_request_is_an_error_of_ours(address: str, mode: str) -> None:
    document = httpx.get(f"{address}/openapi.json").json()
    schema = schemathesis.openapi.from_dict(document)
    found = list(schema.get_all_operations())
    assert len(found) > 40
    generation = schemathesis.GenerationMode[mode]
    for result in found:
        operation = result.ok()
        if operation.path in NOT_CALLED:
            continue
        try:
            strategy = operation.as_strategy(generation_mode=generation)
        except Exception:  # nothing about it can be wrong
            assert mode == "NEGATIVE"
            continue
        ask(address, strategy, EXAMPLES[mode])


def ask(address: str, strategy: Any, examples: int) -> None:
    @given(case=strategy)
    @settings(
        max_examples=examples,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    def check(case: Any) -> None:
        answer = case.call(base_url=address, timeout=10)
        assert answer.status_code < 500, (case.as_curl_command(), answer.text)
        if answer.status_code >= 400 and not answer.text.startswith(NO_HTTP):
            assert answer.json()["error"].keys() >= {"type", "message"}

    try:
        check()
    except Exception as error:
        if type(error).__name__ not in ("Unsatisfiable", "SkipTest"):
            raise
