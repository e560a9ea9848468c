"""The dashboard: who comes in, what its pages say, and what its forms do."""

from __future__ import annotations

import json
import re
import time
from dataclasses import replace
from html import unescape
from pathlib import Path
from typing import Any

import httpx
import pytest

import tiny_world
from polyscene.data.schema import Item
from polyscene.feedback.impressions import ImpressionLog
from polyscene.fitting.reports import keep_report
from polyscene.server.auth import add_key, revoke_key
from polyscene.server.dashboard import figures as counting
from polyscene.server.dashboard.charts import bars, steps
from polyscene.server.dashboard.drift import drifts
from polyscene.server.dashboard.figures import figures
from polyscene.server.dashboard.session import LASTS_S, Session, Sessions
from polyscene.server.dashboard.words import preferred, table
from polyscene.server.question import Question
from polyscene.settings import parse_settings
from polyscene.storage import Impression, Note, Store, put_notes
from served import Served, eventually
from tiny_world import SCENARIOS

from .conftest import PAGES, Server

HOME = "/dashboard"
TEMPLATES = Path(__file__).parents[2] / "src/polyscene/server/dashboard/templates"


class Browser:
    """Keeps cookies and sends back the token of the last page, as a browser does."""

    def __init__(self, client: Served, **headers: str) -> None:
        self.client, self.headers, self.cookies = client, headers, dict[str, str]()
        self.token = ""

    def _kept(self, answer: httpx.Response) -> httpx.Response:
        for line in answer.headers.get_list("set-cookie"):
            name, _, value = line.split(";")[0].partition("=")
            self.cookies[name] = value
        found = re.search(r'name="token" value="(\w+)"', answer.text)
        self.token = found[1] if found else self.token
        return answer

    def _headers(self, more: dict[str, str]) -> dict[str, str]:
        cookie = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        return {"cookie": cookie, **self.headers, **more}

    def get(self, path: str = "", **headers: str) -> httpx.Response:
        return self._kept(self.client.get(HOME + path, headers=self._headers(headers)))

    def post(
        self, path: str, fields: dict[str, str] | None = None, **headers: str
    ) -> httpx.Response:
        form = httpx.QueryParams([("token", self.token), *(fields or {}).items()])
        kind = {"content-type": "application/x-www-form-urlencoded"}
        return self._kept(
            self.client.post(HOME + path, content=str(form), headers=self._headers(kind | headers))
        )


@pytest.fixture
def browser(world: Served) -> Browser:
    return Browser(world)


def with_keys(keys: dict[str, str]) -> Any:
    def make(path: Path) -> None:
        with Store.open(f"sqlite:///{path / 'store.db'}") as store:
            for role in ("read", "admin"):
                keys[role] = add_key(store, role, role)[1]

    return make


def test_with_keys_only_an_admin_comes_in(serve: Server) -> None:
    """Without a session every page leads to the sign-in; a key of another role opens nothing."""
    keys: dict[str, str] = {}
    browser = Browser(serve(after=with_keys(keys)))
    for path in ("", "/try", "/items", "/models"):
        sent = browser.get(path)
        assert (sent.status_code, sent.headers["location"]) == (303, f"{HOME}/sign-in?next={path}")
    assert browser.get("/static/dashboard.css").status_code == 200
    browser.get("/sign-in")
    for wrong in (keys["read"], "ps_00000000_x", ""):
        refused = browser.post("/sign-in", {"key": wrong})
        assert refused.status_code == 403
        assert "no admin key" in refused.text
    assert browser.get().status_code == 303
    entered = browser.post("/sign-in", {"key": keys["admin"], "next": "/models"})
    assert (entered.status_code, entered.headers["location"]) == (303, f"{HOME}/models")
    cookie = entered.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=lax" in cookie
    assert keys["admin"] not in cookie
    assert browser.get().status_code == 200
    browser.get("/models")
    browser.post("/sign-out")
    assert browser.get().status_code == 303


def test_a_revoked_key_ends_its_sessions(serve: Server) -> None:
    keys: dict[str, str] = {}
    browser = Browser(serve(after=with_keys(keys)))
    browser.get("/sign-in")
    browser.post("/sign-in", {"key": keys["admin"], "next": "//example.org"})
    assert browser.get().status_code == 200
    revoke_key(browser.client.service.workspace.store, keys["admin"].split("_")[1])
    eventually(lambda: browser.get().status_code == 303)


def test_the_sign_in_leads_nowhere_else(serve: Server) -> None:
    """An address of another site in `next` stays a path of the dashboard."""
    keys: dict[str, str] = {}
    browser = Browser(serve(after=with_keys(keys)))
    browser.get("/sign-in?next=https://example.org")
    entered = browser.post("/sign-in", {"key": keys["admin"], "next": "https://example.org"})
    assert entered.headers["location"] == HOME


def test_without_keys_this_machine_alone_comes_in(browser: Browser) -> None:
    assert browser.get().status_code == 200
    assert browser.get(host="example.org").status_code == 403


def test_a_form_without_the_token_of_its_session_does_nothing(world: Served) -> None:
    """Neither without one, nor with that of another browser."""
    one, other = Browser(world), Browser(world)
    one.get("/models"), other.get("/models")
    for token in ("", other.token, "\u00e9"):
        one.token = token
        refused = one.post("/models/fit")
        assert refused.status_code == 422
        assert "too old" in refused.text
    stranger = Browser(world).post("/models/fit")
    assert stranger.status_code == 422
    assert "set-cookie" not in stranger.headers  # it would end the session of the browser
    assert world.service.fits.state().state == "none"


def test_a_session_is_known_again_and_no_other_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """Changed, ended, signed with another secret: none of them opens anything."""
    sessions = Sessions("secret")
    session = sessions.open("0a1b2c3d")
    cookie = sessions.cookie(session)
    assert sessions.known(cookie) == session
    assert Sessions("other").known(cookie) is None
    for wrong in (
        "",
        "...",
        cookie[:-1],
        "x" + cookie,
        cookie.replace("0a1b", "0a1c"),
        "a.b.²." + "0",
    ):
        assert sessions.known(wrong) is None, wrong
    ended = Session("0a1b2c3d", "1", int(time.time()) - 1)
    assert sessions.known(sessions.cookie(ended)) is None
    assert session.ends_at - time.time() == pytest.approx(LASTS_S, abs=5)
    assert sessions.token(session) != cookie.rsplit(".", 1)[1]


def test_every_page_has_a_policy_that_runs_no_foreign_script(browser: Browser) -> None:
    for path in (
        "",
        "/try",
        "/items",
        "/items/tea-1",
        "/users/ann",
        "/scenarios",
        "/scenarios/shop",
        "/models",
        "/map",
        "/data",
        "/map?user=ann&scenario=shop",
        "/review",
        "/labels",
        "/items/none",
    ):
        headers = browser.get(path).headers
        assert "script-src 'self';" in headers["content-security-policy"]
        assert "default-src 'none'" in headers["content-security-policy"]
        assert headers["cache-control"] == "no-store"
    for page in TEMPLATES.glob("*.html"):
        assert not re.search(r"<style|\sstyle=|<script>|\son\w+=", page.read_text("utf-8")), page


def test_texts_of_records_are_escaped(serve: Server) -> None:
    """Wherever a title stands: search, record, list."""
    bad = '<script>alert("1")</script> tea'
    client = serve(items=[*tiny_world.ITEMS, Item(item_id="<b>&?#/x", title=bad, tags=["<i>"])])
    browser = Browser(client)
    browser.get("/try")
    for answer in (
        browser.get("/items"),
        browser.get("/items/%3Cb%3E%26%3F%23%2Fx"),
        browser.post("/try", {"scenario": "shop", "text": "tea", "n": "20"}),
    ):
        assert answer.status_code == 200
        assert "<script>alert" not in answer.text
        assert "<i>" not in answer.text
        assert "&lt;script&gt;" in answer.text


@pytest.mark.parametrize(
    ("chosen", "accepted", "language"),
    [
        ("", "", "en"),
        ("", "zh-CN,zh;q=0.9,en;q=0.8", "zh"),
        ("", "en;q=0.5, zh-TW", "zh"),
        ("", "de, en;q=0.9, zh;q=0.8", "en"),
        ("", "zh;q=x, fr", "en"),
        ("zh", "en", "zh"),
        ("xx", "zh", "zh"),
    ],
)
def test_the_language_is_the_chosen_one_or_what_the_browser_asks(
    chosen: str, accepted: str, language: str
) -> None:
    assert preferred(chosen, accepted) == language


def test_a_chosen_language_stays(browser: Browser) -> None:
    assert "Overview" in browser.get().text
    assert "概览" in browser.get("?lang=zh").text
    assert "概览" in browser.get().text
    assert "Overview" in browser.get("?lang=en").text


def test_every_text_of_the_pages_is_translated() -> None:
    """And the table has no text that no page has."""
    used = set()
    for page in TEMPLATES.glob("*.html"):
        used |= {
            unescape(text) for text in re.findall(r"""_\(["'](.+?)["'][,)]""", page.read_text())
        }
    source = TEMPLATES.parent
    for code in source.glob("*.py"):
        used |= set(re.findall(r'say\(\s*"(.+?)"', code.read_text("utf-8")))
    used |= {"Overview", "Try it", "Items", "Users", "Scenarios", "Models", "Review", "Map", "Data"}
    used |= {"Labels"}
    used |= {"All sources", "Reward", "In return", "Final"}
    assert used == table().keys()
    for english, chinese in table().items():
        assert re.findall(r"\{\w+\}", english) == re.findall(r"\{\w+\}", chinese), english


def test_the_figures_count_days_answers_and_what_was_acted_on(tmp_path: Path) -> None:
    """Of three answers, which showed three targets, one is named, by two events, one of them a
    purchase; another by an event that is no interest."""
    now = tiny_world.NOW
    with Store.open(f"sqlite:///{tmp_path / 'store.db'}") as store, store.write() as writer:
        writer.put_items(tiny_world.ITEMS)
        writer.put_users(tiny_world.USERS)
        writer.add_events(
            [
                tiny_world.act("ann", "tea-1", days=0, request_id="a"),
                tiny_world.act("ann", "tea-2", "click", days=0, request_id="a"),
                tiny_world.act("ann", "tea-2", "dislike", days=0, request_id="b"),
                tiny_world.act("bo", "tea-2", days=1),
                tiny_world.act("bo", "tea-2", days=40),
            ]
        )
    with Store.open(f"sqlite:///{tmp_path / 'store.db'}") as store:
        log = ImpressionLog(store, 0.01)
        both = ("tea-1", "tea-2")
        for name, scenario, targets in (
            ("a", "shop", both), ("b", "shop", both), ("c", "news", ("news-1",)),
        ):  # fmt: skip
            log.put(Impression(name, None, scenario, None, "m", "default", now, targets, ()))
        log.close()
        found = figures(store, parse_settings({"scenarios": SCENARIOS}).scenarios, now)
    assert [count for _, count in found.events[-3:]] == [0, 1, 3]
    assert sum(count for _, count in found.events) == 4
    assert found.answers[-1][1] == 3
    shop, news = found.shown
    assert (shop.scenario, shop.answers, shop.clicked, shop.converted) == ("shop", 2, 0.5, 0.5)
    assert (news.scenario, news.answers, news.clicked, news.converted) == ("news", 1, 0, 0)
    assert (shop.covered, shop.counted) == (2, 2)
    assert (shop.days[-1].answers, shop.days[-1].clicked) == (2, 1)
    assert not found.cut


def test_only_the_latest_are_counted_and_it_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(counting, "LATEST", 2)
    with Store.open(f"sqlite:///{tmp_path / 'store.db'}") as store:
        with store.write() as writer:
            writer.put_items(tiny_world.ITEMS)
            writer.add_events([tiny_world.act("ann", "tea-1", days=0) for _ in range(3)])
        found = figures(store, {}, tiny_world.NOW)
    assert found.events[-1][1] == 2
    assert found.cut


def test_drift_is_told_where_there_are_enough_events(tmp_path: Path) -> None:
    """In the shop half of what is bought since is new; of the news there are too few."""
    act, fitted = tiny_world.act, tiny_world.NOW - 3 * tiny_world.DAY
    with Store.open(f"sqlite:///{tmp_path / 'store.db'}") as store:
        with store.write() as writer:
            writer.put_items(tiny_world.ITEMS)
            writer.add_events([act("ann", f"tea-{n % 2 + 1}", days=5) for n in range(120)])
            writer.add_events([act("ann", f"tea-{n % 4 + 1}", days=0.5) for n in range(200)])
            writer.add_events([act("ann", "tea-1", days=days) for days in (2, 40)])
            writer.add_events([act("ann", "news-1", "read", "news", days=5)])
        shop, news = drifts(store, fitted, tiny_world.NOW)
        assert (shop.scenario, shop.before, shop.after, shop.new) == ("shop", 120, 200, 0.5)
        assert shop.shift is not None
        assert shop.shift > 0.25
        assert (news.scenario, news.before, news.after, news.shift) == ("news", 1, 0, None)
        (again, _) = drifts(store, tiny_world.NOW - 0.6 * tiny_world.DAY, tiny_world.NOW)
        assert again.after == 200


def test_the_highest_bar_is_the_largest_count() -> None:
    assert [bar.height for bar in bars([("a", 1), ("b", 4), ("c", 0)])] == [25, 100, 0]
    assert [bar.height for bar in bars([("a", 0)])] == [0]


def test_the_overview_says_what_goes_on(serve: Server) -> None:
    client = serve()
    client.get("/v1/recommend", params={"scenario": "shop", "user": "ann"})
    browser = Browser(client)
    page = eventually(lambda: "0.0%" in (text := browser.get().text) and text)
    assert "<td>shop</td>" in page
    assert re.search(r"66\.7%|75\.0%|83\.3%", page)  # of 12 items of the shop those shown
    assert f"<dd>{len(tiny_world.ITEMS)}</dd>" in page


def test_a_list_has_reasons_and_a_waterfall_that_adds_up(world: Served, browser: Browser) -> None:
    """The parts of the sources sum up to the fused score; the last step is the score."""
    browser.get("/try")
    page = browser.post("/try", {"scenario": "shop", "user": "ann", "n": "3"})
    assert page.text.count('<li class="card">') == 3
    assert "Green tea from Hangzhou" in page.text  # bought before, so only in a reason
    question = Question("shop", 3, "ann", explain=True)
    answer = world.run(world.service.ask(lambda: world.service.answering.recommend(question)))
    for item in answer.items:
        found = steps(item)
        parts = sum(step.value or 0 for step in found if step.kind == "part")
        fused = next(step.value for step in found if step.label == "All sources")
        assert fused == pytest.approx(parts)
        assert found[-1].value == pytest.approx(item.score)
        assert found[-1].place == item.rank


def test_a_waterfall_tells_of_a_task_that_was_not_learned(world: Served) -> None:
    question = Question("shop", 1, "ann", explain=True)
    answer = world.run(world.service.ask(lambda: world.service.answering.recommend(question)))
    item = answer.items[0]
    assert item.waterfall is not None
    found = steps(replace(item, waterfall=replace(item.waterfall, unlearned=("dislike",))))
    assert [(step.label, step.value) for step in found if step.kind == "unlearned"] == [
        ("dislike", None)
    ]


def test_a_simulated_event_moves_the_list_and_is_not_stored(world: Served) -> None:
    """Bo likes maps; after running shoes were bought, running comes in and is marked."""
    browser = Browser(world, **{"hx-request": "true"})
    browser.get("/try")
    ask = {"scenario": "shop", "user": "bo", "n": "4"}
    before = browser.post("/try", ask)
    assert "<html" not in before.text
    assert "run-2" not in before.text
    moved = browser.post("/try", ask | {"event": '["run-1", "purchase"]'})
    assert "<code>run-2</code>" in moved.text
    assert '<span class="up">new</span>' in moved.text
    assert "No longer in the list" in moved.text
    done = re.findall(r'name="done" value="(.+?)"', moved.text)
    assert [unescape(one) for one in done] == ['["run-1", "purchase"]']
    again = browser.post("/try", ask | {"done": unescape(done[0]), "reset": "1"})
    assert 'name="done"' not in again.text
    assert len(world.service.workspace.store.history("bo")) == 2


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"scenario": "shp"}, "unknown scenario"),
        ({"scenario": "shop", "n": "x"}, "n:"),
        ({"scenario": "shop", "n": "51"}, "at most 50"),
        ({"scenario": "shop", "event": "{"}, "JSON"),
        ({}, "scenario"),
    ],
)
def test_a_wrong_form_is_answered_with_what_is_wrong(
    browser: Browser, fields: dict[str, str], message: str
) -> None:
    browser.get("/try")
    answer = browser.post("/try", fields)
    assert answer.status_code in (404, 422)
    assert message in answer.text


def test_items_and_users_are_found_and_shown(browser: Browser) -> None:
    assert set(re.findall(r"<code>(map-\d)</code>", browser.get("/items?q=MAP").text)) == {
        "map-1", "map-2", "map-3",
    }  # fmt: skip
    assert "Nothing was found" in browser.get("/items?q=%25").text
    assert "<html" not in browser.get("/items?q=tea", **{"hx-request": "true"}).text
    item = browser.get("/items/map-1").text
    assert "Old map of the Baltic" in item
    assert "/dashboard/items/map-2" in item
    assert "in the scenario news" in browser.get("/items/news-1").text  # where it may be shown
    assert "in the scenario travel" in browser.get("/items/trip-1").text
    assert "bo" in browser.get("/users?q=collect").text
    user = browser.get("/users/ann").text
    assert "Green tea from Hangzhou" in user
    assert "/dashboard/users/di" in user  # whom she follows
    for unknown in ("/items/none", "/users/none"):
        answer = browser.get(unknown)
        assert answer.status_code == 404
        assert "unknown" in answer.text
        assert "<html" in answer.text


def test_noted_interests_are_shown(serve: Server) -> None:
    client = serve()
    browser = Browser(client)
    assert "Noted interests" not in browser.get("/users/ann").text
    note = Note("user", "ann", "tags", ["tea", "<b>maps"], [0.6, 0.4], "encoder", "3", 0.0, "shop")
    put_notes(client.service.workspace.store, [note])
    shown = browser.get("/users/ann").text
    assert "Noted interests" in shown
    assert "tea, &lt;b&gt;maps" in shown


def test_a_model_is_promoted_and_rolled_back(serve: Server) -> None:
    client = serve()
    browser = Browser(client)
    first = client.service.keeper.version
    with tiny_world.reopen(client.service.workspace.path, pages=PAGES) as engine:
        second = engine.fit(now=tiny_world.NOW).config.version
    eventually(lambda: client.service.keeper.version == second)
    assert first in browser.get("/models").text
    assert browser.post("/models/rollback").status_code == 303
    assert client.service.keeper.version == first
    browser.post("/models/promote", {"version": second})
    assert client.service.keeper.version == second
    assert browser.post("/models/promote", {"version": "../x"}).status_code == 404


def test_what_was_measured_stands_beside_a_version(serve: Server) -> None:
    """What the fit held out; reports, and those of versions that are gone."""
    client = serve(
        scenarios={"shop": {"preset": "shop", "sources": {"trending": "auto"}}}, pages={}
    )
    browser, workspace = Browser(client), client.service.workspace
    assert "no report" in browser.get("/models/reports/none").text
    interval = {"mean": 0.25, "low": 0.2, "high": 0.3, "users": 9}
    nothing = dict.fromkeys(("mean", "low", "high"))
    systems = {"engine": {"metrics": {"ndcg@5": interval, "mrr@5": nothing}}}
    report = {
        "protocol": "random", "k": [5], "machine": "<m>", "notes": [],
        "scenarios": [{"scenario": "shop", "users": 9, "systems": systems}],
    }  # fmt: skip
    path = keep_report(workspace, json.dumps(report))
    page = browser.get("/models").text
    assert "NDCG@10 at the fit" in page
    link = re.search(r"/models/reports/[\w-]+", page)
    assert link
    page = browser.get(link[0]).text
    assert "0.2500" in page
    assert "0.2000–0.3000" in page
    assert "&lt;m&gt;" in page
    path.write_text(path.read_text("utf-8").replace(client.service.keeper.version, "gone"), "utf-8")
    assert "Evaluations beside other models" in browser.get("/models").text
    path.write_text("{}", "utf-8")
    assert link[0] not in browser.get("/models").text
    validation = client.get("/v1/models").json()["models"][0]["validation"]
    assert validation.keys() == {"shop"}


def test_without_a_model_the_pages_answer(serve: Server) -> None:
    browser = Browser(serve(fit=False))
    assert "no model yet" in browser.get("/models").text
    assert "nothing to take apart" in browser.post("/try", {"scenario": "shop", "user": "ann"}).text
    assert browser.get("/items/tea-1").status_code == 200


def test_another_reward_is_compared_before_it_is_declared(world: Served) -> None:
    """By `similarity` the order is the declared one; turned round, the last come first."""
    browser = Browser(world, **{"hx-request": "true"})
    whole = Browser(world)
    page = whole.get("/scenarios/shop").text
    assert "constant" in whole.get("/scenarios").text
    assert "<textarea" in page
    browser.get("/try")
    ask = {"scenario": "shop", "user": "ann"}
    same = browser.post("/scenarios/shop", ask | {"reward": "similarity"}).text
    assert "<html" not in same
    assert not re.search("[↑↓]", same)
    turned = browser.post("/scenarios/shop", ask | {"reward": "1 - similarity"}).text
    assert re.search('[↑↓]|class="up">new', turned)
    assert "[scenarios.shop]\nreward = &#34;1 - similarity&#34;" in turned
    assert world.service.workspace.settings.scenarios["shop"].reward == {"type": "constant"}
    again = browser.post("/scenarios/shop", ask | {"reward": "similarity"}).text
    assert again == same


def test_what_no_target_has_is_pointed_at_beside_the_list(browser: Browser) -> None:
    """It is no error, since attributes are open; marks stand below the name, as in a terminal."""
    browser.get("/scenarios/shop")
    said = browser.post("/scenarios/shop", {"reward": "similarity + plaec"}).text
    assert '<pre class="wrong">no target has the attribute &#39;plaec&#39;' in said
    assert "\n    similarity + plaec\n                 ^^^^^</pre>" in said
    wrong = browser.post("/scenarios/shop", {"reward": "similarity *"}).text
    assert "\n    similarity *\n                ^</pre>" in wrong


@pytest.mark.parametrize("reward", ["similarity *", "nothing_known(1)", "", "purchase * 2 +"])
def test_a_wrong_reward_is_said_to_be_wrong(browser: Browser, reward: str) -> None:
    browser.get("/scenarios/shop")
    answer = browser.post("/scenarios/shop", {"reward": reward})
    assert answer.status_code == 422
    assert "reward" in answer.text
    assert browser.get("/scenarios/none").status_code == 404


def test_the_file_of_settings_is_checked_where_it_stands(serve: Server) -> None:
    """Missing, wrong, and valid but not yet in use are told apart."""
    client = serve()
    browser, path = Browser(client), client.service.workspace.path / "polyscene.toml"
    assert "no polyscene.toml" in browser.get("/scenarios").text
    path.write_text("version = 1\n[scenarios.shop]\npreset = 'shp'\n")
    assert "shp" in browser.get("/scenarios").text
    path.write_text("version = 1\n[scenarios.shop]\npreset = 'shop'\n")
    assert "has changed and is valid" in browser.get("/scenarios").text


def test_a_reward_is_saved_where_it_was_compared(serve: Server) -> None:
    """The file changes; it names other scenarios than those that are served, so they stay as they
    are before a restart. A wrong reward changes nothing."""
    client = serve()
    path = client.service.workspace.path / "polyscene.toml"
    browser = Browser(client, **{"hx-request": "true"})
    browser.get("/try")
    fields = {"scenario": "shop", "reward": "1 - similarity"}
    assert browser.post("/save-reward", fields).status_code == 503  # there is no file
    text = "version = 1 # mine\n[scenarios.shop]\npreset = 'shop'\n"
    path.write_text(text)
    compared = browser.post("/scenarios/shop", {"reward": "1 - similarity", "user": ""})
    assert "/dashboard/save-reward" in compared.text
    for wrong in ({"reward": "similarity *"}, {"scenario": "none"}):
        assert browser.post("/save-reward", fields | wrong).status_code in (404, 422)
    assert path.read_text() == text
    saved = browser.post("/save-reward", fields)
    assert "counts after a restart" in saved.text
    assert path.read_text() == text + 'reward = "1 - similarity"\n'
    assert client.service.workspace.settings.scenarios["shop"].reward == {"type": "constant"}
