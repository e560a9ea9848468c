"""polyscene llm."""

from __future__ import annotations

from pathlib import Path

from calling import call, fails
from polyscene.testing.fake_llm import FakeChatServer
from polyscene.testing.fake_server import FakeAnswer


def declare(workspace: Path, server: FakeChatServer) -> None:
    text = (workspace / "polyscene.toml").read_text("utf-8")
    llm = (
        f'\n[llm]\nprovider = "openai"\nmodel = "m"\nbase_url = "{server.url}"\n'
        "price_in = 1000\nprice_out = 2000\nmonthly_cap = 9\nretries = 0\n"
    )
    (workspace / "polyscene.toml").write_text(text + llm, "utf-8")


def test_check_and_status(empty: Path) -> None:
    with FakeChatServer() as server:
        declare(empty, server)
        done = call("-w", empty, "llm", "check")
        assert done.code == 0, done
        assert "its answer is right" in done.out
        server.say('{"word": "seven"}')
        assert "but wrong" in call("-w", empty, "llm", "check").out
        server.answer_with(FakeAnswer(401, "who are you"))
        fails(call("-w", empty, "llm", "check"), "HTTP 401: who are you")
    status = call("-w", empty, "llm", "status", "--json").json
    (used,) = status["usage"]
    assert (used["prompt"], used["calls"]) == ("check", 3)
    assert status["spent_this_month"] == used["cost"]
    assert abs(used["cost"] - (used["tokens_in"] + 2 * used["tokens_out"]) / 1000) < 1e-9
    shown = call("-w", empty, "llm", "status").out
    assert "check v1" in shown
    assert "(of 9)" in shown
    assert call("-w", empty, "llm", "status", "--month", "2001-01", "--json").json["usage"] == []


def test_without_a_model(empty: Path) -> None:
    fails(call("-w", empty, "llm", "check"), "no language model is declared")
    assert "no cap" in call("-w", empty, "llm", "status").out


def test_rerank_is_measured_only_where_it_is_declared(fitted: Path) -> None:
    fails(call("-w", fitted, "rerank", "--scenario", "shop"), 'scenarios.shop.rerank is "off"')
    fails(call("-w", fitted, "rerank", "--scenario", "shpo"), "did you mean 'shop'")
