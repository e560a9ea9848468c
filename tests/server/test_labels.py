"""Questions for people: one after the other, their answers, and who chooses them."""

from __future__ import annotations

import json
import os
import re
import signal
from pathlib import Path
from typing import Any

import pytest

from polyscene.data.schema import Item
from polyscene.errors import DataError
from polyscene.fitting.labels import LABELS, QUESTIONS, answers_of, put_questions, questions_of
from polyscene.server.labels import TAGS, Subject, subjects
from served import eventually
from tiny_world import ITEMS, SCENARIOS

from .conftest import Server
from .test_dashboard import Browser, with_keys

SHOP = {**SCENARIOS, "shop": {"preset": "shop", "tasks": ["click", "purchase"]}}
HTMX = {"hx-request": "true"}


def question(who: str, item: str, **more: Any) -> dict[str, Any]:
    said = {"user_id": who, "item_id": item, "scenario": "shop", "task": "purchase"}
    return {**said, "title": item, "user": f"{who} likes tea", "chance": 0.5, "answer": None,
            **more}  # fmt: skip


ASKED = [question("ann", "tea-1"), question("bo", "map-1"), question("ann", "tea-2")]


def asking(serve: Server, asked: list[dict[str, Any]] = ASKED, **options: Any) -> Browser:
    client = serve(scenarios=SHOP, **options)
    put_questions(client.service.workspace.path, asked)
    return Browser(client)


def folder(browser: Browser) -> Path:
    return browser.client.service.workspace.path


def say(browser: Browser, answer: str, place: int = 0, **more: str) -> Any:
    """Press a button of one of the forms on the page as it is now."""
    page = browser.get("/labels", **HTMX).text
    key = re.findall(r'name="question" value="(\w+)"', page)[place]
    return browser.post("/labels", {"question": key, "answer": answer, **more}, **HTMX)


def classifier(path: Path, form: str = "heads") -> None:
    """As `polyscene train classifier` leaves it, without the network."""
    made = path / "classifiers" / "likes"
    made.mkdir(parents=True)
    tasks = [
        ["click", "click", None, False],
        ["stars", "rate", None, True],
        ["old", "old", None, False],
    ]
    said = {"form": form, "scenarios": ["shop", "gone"], "tasks": tasks}
    (made / "classifier.json").write_text(json.dumps(said), "utf-8")


def test_questions_are_answered_one_after_the_other(serve: Server) -> None:
    """Yes, skip and no; who and when stands with the answers, and what is skipped is not kept."""
    browser = asking(serve)
    page = browser.get("/labels").text
    assert "Would this user come to “purchase” with this item, in shop?" in page
    assert "ann likes tea" in page
    assert "Green tea from Hangzhou" in page
    assert "3 wait" in page
    assert "Old map of the Baltic" in say(browser, "yes").text
    assert "Black tea from Assam" in say(browser, "skip").text
    last = say(browser, "no").text
    assert "No question waits." in last
    assert "Answered: 2, of them 1 yes and 1 no." in last
    kept = answers_of(folder(browser))
    assert [(one["user_id"], one["item_id"], one["answer"]) for one in kept] == [
        ("ann", "tea-1", True),
        ("ann", "tea-2", False),
    ]
    assert {(one["scenario"], one["task"], one["by"]) for one in kept} == {
        ("shop", "purchase", "local")
    }
    assert all(one["at"] > 1.7e9 for one in kept)


def test_an_answer_is_changed_and_the_later_one_counts(serve: Server) -> None:
    browser = asking(serve, ASKED[:1])
    say(browser, "yes")
    changed = say(browser, "no", again="1").text
    assert "Answered: 1, of them 0 yes and 1 no." in changed
    assert changed.count("after all") == 1
    assert [one["answer"] for one in answers_of(folder(browser))] == [True, False]


def test_what_does_not_wait_any_more_is_not_answered_twice(serve: Server) -> None:
    """Two people before one question, or a button pressed twice: the first counts. A form without
    its token, or with another answer, does nothing."""
    browser = asking(serve)
    page = browser.get("/labels").text
    key = re.findall(r'name="question" value="(\w+)"', page)[0]
    token = browser.token
    for fields in ({"question": key, "answer": "maybe"}, {"question": key}):
        assert browser.post("/labels", fields, **HTMX).status_code == 422
    browser.token = "x"
    assert "too old" in browser.post("/labels", {"question": key, "answer": "yes"}, **HTMX).text
    assert answers_of(folder(browser)) == []
    browser.token = token
    assert browser.post("/labels", {"question": key, "answer": "yes"}).status_code == 303
    for answer in ("no", "yes"):
        browser.post("/labels", {"question": key, "answer": answer}, **HTMX)
    assert [one["answer"] for one in answers_of(folder(browser))] == [True]
    assert len(questions_of(folder(browser))) == 2


def test_what_cannot_be_answered_any_more_can_be_skipped(serve: Server) -> None:
    """An item that went, a task that is not declared: nothing is kept, and the next one comes."""
    asked = [question("ann", "gone-1"), question("ann", "tea-1", task="fly"), ASKED[1]]
    browser = asking(serve, asked)
    assert "not in the store any more" in browser.get("/labels").text
    for said in ("unknown item", "got task"):
        assert said in say(browser, "yes").text
        shown = say(browser, "skip").text
    assert "Old map of the Baltic" in shown
    assert answers_of(folder(browser)) == []


def test_texts_are_escaped(serve: Server) -> None:
    bad = '<script>alert("1")</script>'
    item = Item(item_id="<b>&?#/x", title=bad, description=bad, tags=["<i>"])
    asked = [
        question("<u>/x", item.item_id, user=bad),
        {"item_id": item.item_id, "tag": "<b>", "answer": None},
        question("<u>/x", item.item_id),
    ]
    browser = asking(serve, asked, items=[*ITEMS, item])
    for page in (
        browser.get("/labels"),
        say(browser, "yes"),
        say(browser, "yes"),
        browser.get("/labels?lang=zh"),
    ):
        assert page.status_code == 200
        assert "<script>alert" not in page.text
        assert not re.search("<[iub]>", page.text)
        assert "&lt;script&gt;" in page.text


def test_only_an_admin_answers_and_is_named(serve: Server) -> None:
    keys: dict[str, str] = {}
    browser = asking(serve, after=with_keys(keys))
    assert browser.get("/labels").status_code == 303
    browser.get("/sign-in")
    for path in ("/labels", "/labels/choose"):
        assert browser.post(path, {"answer": "yes"}).headers["location"].endswith("/sign-in")
    browser.post("/sign-in", {"key": keys["admin"]})
    say(browser, "yes")
    assert [one["by"] for one in answers_of(folder(browser))] == ["admin"]


def test_what_is_asked_of_an_erased_person_is_erased(serve: Server) -> None:
    """Answers and questions alike; both are shown with all that is held."""
    browser = asking(serve)
    client, path = browser.client, folder(browser)
    say(browser, "yes")
    held = client.get("/v1/exports/ann").json()["labels"]
    assert [(one["item_id"], one["answer"]) for one in held] == [("tea-1", True), ("tea-2", None)]
    assert client.delete("/v1/users/ann").json()["erased"]["labels"] == 2
    assert "ann" not in (path / LABELS).read_text() + (path / QUESTIONS).read_text()
    assert "Old map of the Baltic" in browser.get("/labels").text


def test_without_a_classifier_the_page_says_what_to_do(serve: Server) -> None:
    browser = asking(serve, [])
    page = browser.get("/labels").text
    assert "No classifier is trained yet" in page
    assert 'pip install "polyscene[train]"' in page
    sent = browser.post("/labels/choose", {"subject": "likes · shop · click"})
    assert (sent.status_code, "nothing can be asked about" in sent.text) == (404, True)


def test_what_a_classifier_can_choose_is_offered(serve: Server) -> None:
    """Chances that are declared; no values, no transformer, nothing that cannot be read."""
    client = serve(scenarios=SHOP, after=classifier)
    path, settings = client.service.workspace.path, client.service.workspace.settings
    assert subjects(path, settings) == [Subject("likes", "shop", "click")]
    (path / "classifiers" / "bad").mkdir()
    (path / "classifiers" / "bad" / "classifier.json").write_text("{")
    assert len(subjects(path, settings)) == 1
    browser = Browser(client)
    assert "likes · shop · click</option>" in browser.get("/labels").text
    for n in ("0", "201", "x", "-1", ""):
        sent = browser.post("/labels/choose", {"subject": "likes · shop · click", "n": n})
        assert (sent.status_code, "from 1 to 200" in sent.text) == (422, True)


def chosen(browser: Browser) -> str:
    """The page when the choice has ended."""
    return str(eventually(
        lambda: (text := browser.get("/labels", **HTMX).text)
        and "being chosen" not in text and text, 60,
    ))  # fmt: skip


def test_a_choice_that_fails_says_why_and_leaves_what_waits(serve: Server) -> None:
    """Here the files of the classifier are not whole; then it is killed."""

    def made(path: Path) -> None:
        classifier(path)
        declared = '[scenarios.shop]\npreset = "shop"\ntasks = ["click"]\n'
        (path / "polyscene.toml").write_text("version = 1\n" + declared, "utf-8")

    browser = asking(serve, after=made)
    browser.get("/labels")
    asked = {"subject": "likes · shop · click", "n": "5"}
    assert "being chosen" in browser.post("/labels/choose", asked, **HTMX).text
    assert browser.post("/labels/choose", asked, **HTMX).status_code == 409
    page = chosen(browser)
    assert "They could not be chosen: cannot read the classifier" in page
    assert "3 wait" in page
    browser.post("/labels/choose", asked, **HTMX)
    process: Any = browser.client.service.labels._process
    os.kill(process.pid, signal.SIGKILL)
    assert "They could not be chosen" in chosen(browser)
    assert len(questions_of(folder(browser))) == 3


def test_questions_that_were_chosen_during_a_deletion_are_dropped(serve: Server) -> None:
    """They may tell of whoever was erased; no file of theirs stays."""
    browser = asking(serve)
    client, path = browser.client, folder(browser)
    labels, out = client.service.labels, path / "labels" / ".1.jsonl"
    epoch = client.service.workspace.store.epoch()
    out.write_text(json.dumps(question("bo", "tea-4")) + "\n")
    labels._ended(True, out, epoch)
    assert [one["item_id"] for one in questions_of(path)] == ["tea-4"]
    client.delete("/v1/users/ann")
    out.write_text(json.dumps(question("ann", "tea-3")) + "\n")
    with pytest.raises(DataError, match="ask again"):
        labels._ended(True, out, epoch)
    assert [one["item_id"] for one in questions_of(path)] == ["tea-4"]
    assert not out.exists()


def test_tags_are_chosen_asked_and_given(serve: Server) -> None:
    """Without a classifier: the questions come of a process, the answer is a tag at once."""

    def made(path: Path) -> None:
        (path / "polyscene.toml").write_text(
            'version = 1\n[scenarios.shop]\npreset = "shop"\n[enrich]\ntags = ["drinks", "trips"]\n'
        )

    browser = asking(serve, [], after=made)
    assert "whether tags fit items" in browser.get("/labels").text
    browser.post("/labels/choose", {"subject": TAGS, "n": "4"}, **HTMX)
    page = chosen(browser)
    assert "4 wait" in page
    first = questions_of(folder(browser))[0]
    assert f"Does the tag “{first['tag']}” fit this item?" in page
    answered = say(browser, "yes").text
    assert "Answered: 1, of them 1 yes and 0 no." in answered
    record = browser.client.service.workspace.store.item(first["item_id"])
    assert record is not None
    assert record.tags[-1] == first["tag"]
    assert first["tag"] in browser.get(f"/items/{first['item_id']}").text
    kept = answers_of(folder(browser))[0]
    assert (kept["tag"], kept["by"], "user_id" in kept) == (first["tag"], "local", False)
    say(browser, "no", place=1, again="1")
    record = browser.client.service.workspace.store.item(first["item_id"])
    assert record is not None
    assert first["tag"] not in record.tags
