"""The dashboard in a real browser, with real clicks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import tiny_world
from chromium import Chromium, executable
from polyscene.fitting.labels import put_questions
from served import listening

pytestmark = pytest.mark.skipif(executable() is None, reason="Chromium is not installed")

SETTINGS = "version = 1\n[scenarios.shop] # mine\npreset = 'shop'\n"


ASKED = [
    {"user_id": user, "item_id": item, "scenario": "shop", "task": "purchase", "title": item,
     "user": f"{user} likes tea.", "chance": 0.5, "answer": None}
    for user, item in (("ann", "tea-1"), ("bo", "map-1"))
]  # fmt: skip


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    shop = {"preset": "shop", "safety": {"hold_tags": ["clay"]}, "tasks": ["purchase"]}
    scenarios = {**tiny_world.SCENARIOS, "shop": shop}
    path = tmp_path_factory.mktemp("clicks")
    with listening(path, scenarios) as found:
        (path / "polyscene.toml").write_text(SETTINGS, "utf-8")
        put_questions(path, ASKED)
        yield f"{found}/dashboard"


def test_a_list_is_asked_for_and_moves_when_an_event_is_simulated(address: str) -> None:
    """Only the list is loaded anew, and starting over brings the first one back."""
    with Chromium() as browser:
        browser.open(address)
        browser.click('nav a[href$="/try"]')
        browser.until("location.pathname == '/dashboard/try'")
        browser.until("typeof htmx == 'object'")
        browser.run("window.same = true")
        browser.write("[name=user]", "bo")
        browser.run("document.querySelector('[name=scenario]').value = 'shop'")
        browser.write("[name=n]", "4")
        browser.click(".ask")
        ids = "[...document.querySelectorAll('.list code')].map(one => one.innerText).join(' ')"
        first = browser.until(ids)
        assert len(first.split()) == 4
        browser.click(".list li:nth-child(4) .acts button")
        browser.until("document.querySelector('.deeds') !== null")
        moved = browser.run(ids)
        assert moved != first
        assert first.split()[3] not in moved.split()
        browser.click(".list li:nth-child(1) summary")
        browser.until("document.querySelector('.list details').open")
        assert "All sources" in browser.text()
        browser.click("[name=reset]")
        browser.until("document.querySelector('.deeds') === null")
        assert browser.run(ids) == first
        assert browser.run("window.same")
        assert browser.said == []


@pytest.mark.parametrize("dark", [False, True])
def test_a_narrow_window_shows_every_page_whole(address: str, dark: bool) -> None:
    """At 390 pixels nothing stands out to the right; the ground is as dark as is preferred."""
    with Chromium(390, 800, dark, "zh-CN") as browser:
        for page in (
            "",
            "/try",
            "/items",
            "/items/tea-1",
            "/users",
            "/users/ann",
            "/models",
            "/scenarios",
            "/scenarios/shop",
            "/map",
            "/data",
            "/review",
            "/labels",
        ):
            browser.open(address + page)
            assert browser.run("document.documentElement.scrollWidth") <= 390, page
        assert "模型" in browser.text()
        red = int(
            browser.run("getComputedStyle(document.body).backgroundColor")
            .split("(")[1]
            .split(",")[0]
        )
        assert (red < 100) == dark
        browser.click(".corner a")
        browser.until("document.documentElement.lang == 'en'")
        assert "Models" in browser.text()
        assert browser.said == []


def test_a_search_shows_what_fits_while_one_types(address: str) -> None:
    with Chromium() as browser:
        browser.open(f"{address}/items")
        browser.until("typeof htmx == 'object'")
        browser.write("[name=q]", "harbour")
        browser.until("document.querySelectorAll('#found tbody tr').length == 2")
        browser.click("#found a")
        browser.until("document.querySelector('h1').innerText.includes('arbour')")
        assert "Neighbours" in browser.text()


def test_what_is_approved_leaves_the_queue(address: str) -> None:
    """Only the lists of the queue are loaded anew; taken back, it waits again. Then to the map."""
    settled = "document.querySelector('.htmx-settling, .htmx-added') === null && "
    with Chromium() as browser:
        browser.open(f"{address}/review")
        browser.until("typeof htmx == 'object'")
        browser.run("window.same = true")
        browser.click(".held button[value=approve]")
        browser.until(settled + "document.querySelector('.held') === null")
        assert "Tea cup of white clay" in browser.run("document.querySelector('table').innerText")
        browser.click("button[value=reopen]")
        browser.until(settled + "document.querySelector('.held') !== null")
        browser.click(".held button[value=approve]")
        browser.until(settled + "document.querySelector('.held') === null")
        assert browser.run("window.same")
        browser.click('nav a[href$="/map"]')
        browser.until("document.querySelectorAll('.map circle').length > 10")
        browser.write("form [name=user]", "ann")
        browser.click(".ask")
        browser.until("document.querySelector('.map .star') !== null")
        titles = "[...document.querySelectorAll('.map title')].map(one => one.textContent).join()"
        assert "Green tea kettle · shop" in browser.run(titles)
        assert "Nearest to ann" in browser.text()
        assert browser.said == []


def test_questions_are_answered_with_two_clicks(address: str) -> None:
    """The next one comes in place of the one before, and what was answered is counted."""
    settled = "document.querySelector('.htmx-settling, .htmx-added') === null && "
    with Chromium() as browser:
        browser.open(f"{address}/labels")
        browser.until("typeof htmx == 'object'")
        browser.run("window.same = true")
        assert "ann likes tea." in browser.text()
        browser.click(".answers button[value=yes]")
        browser.until(settled + "document.body.innerText.includes('bo likes tea.')")
        browser.click(".answers button[value=no]")
        browser.until(settled + "document.querySelector('.answers') === null")
        assert "Answered: 2, of them 1 yes and 1 no." in browser.text()
        browser.click("table button[value=yes]")
        browser.until(settled + "document.body.innerText.includes('2 yes and 0 no')")
        assert browser.run("window.same")
        assert browser.said == []


def test_another_reward_is_compared_and_saved(address: str) -> None:
    """The page stays; the list of scenarios says that the file is new."""
    with Chromium() as browser:
        browser.open(f"{address}/scenarios/shop")
        browser.until("typeof htmx == 'object'")
        browser.write("[name=reward]", "1 - similarity")
        browser.click(".ask")
        browser.until("document.querySelector('.keep') !== null")
        assert "With the other reward" in browser.text()
        browser.until("document.querySelector('.htmx-settling, .htmx-added') === null")
        browser.click(".keep")
        browser.until("document.querySelector('#saved p') !== null")
        assert "saved" in browser.text()
        browser.click(".trail a")
        browser.until("location.pathname == '/dashboard/scenarios'")
        assert "has changed and is valid" in browser.text()
        assert browser.said == []


def test_a_chosen_file_is_loaded_and_its_report_is_shown(address: str, tmp_path: Path) -> None:
    """Only the list of what was loaded changes; the row left out is shown with what was wrong."""
    chosen = tmp_path / "harbour lights.csv"
    chosen.write_text("item_id,title,available\nlamp-1,Lamp of the harbour,true\nlamp-2,,often\n")
    with Chromium() as browser:
        browser.open(f"{address}/data")
        browser.until("typeof htmx == 'object'")
        browser.run("window.same = true")
        browser.choose("[name=file]", chosen)
        browser.run("document.querySelector('[name=on_error]').value = 'skip'")
        browser.click(".ask")
        browser.until("document.querySelector('#imports').innerText.includes('Left out: 1')")
        shown = browser.run("document.querySelector('#imports').innerText")
        assert "harbour lights.csv" in shown
        browser.until("document.querySelector('.htmx-settling, .htmx-added') === null")
        browser.click("#imports summary")
        browser.until("document.querySelector('#imports').innerText.includes('often')")
        assert browser.run("window.same")
        browser.open(f"{address}/items?q=lamp-1")
        browser.until("document.body.innerText.includes('Lamp of the harbour')")
        assert browser.said == []
