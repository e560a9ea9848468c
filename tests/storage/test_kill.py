"""SIGKILL at random moments, for real: what was acknowledged is there, and whole."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from polyscene.data.schema import Item
from polyscene.storage import Store

ROUNDS = 12
BATCH = 200
FILE_EVENTS = 5_000

Child = subprocess.Popen[str]


@pytest.fixture(scope="module")
def child() -> Iterator[Child]:
    script = Path(__file__).with_name("kill_child.py")
    with subprocess.Popen(
        [sys.executable, str(script)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        yield process
        assert process.stdin is not None
        process.stdin.close()
        process.wait()


def kill_while(child: Child, task: str, url: str, argument: str, seconds: float) -> list[str]:
    """Let a process do a task and kill it some time after it has begun; returns what it said."""
    assert child.stdin is not None
    assert child.stdout is not None
    child.stdin.write(f"{task}\t{url}\t{argument}\n")
    child.stdin.flush()
    pid, begun = 0, False
    while not (pid and begun):
        word, _, rest = child.stdout.readline().rstrip("\n").partition(" ")
        assert word in ("pid", "begun"), word
        pid, begun = (int(rest), begun) if word == "pid" else (pid, True)
    time.sleep(seconds)
    os.kill(pid, signal.SIGKILL)  # not reaped before "reap", so the number is still its own
    child.stdin.write("reap\n")
    child.stdin.flush()
    said: list[str] = []
    while (line := child.stdout.readline().rstrip("\n")) != "dead":
        assert line.startswith("ack "), line
        said.append(line.removeprefix("ack "))
    return said


def check(path: Path) -> None:
    """The database is whole, and can be written to again."""
    raw = sqlite3.connect(path)
    assert raw.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    assert raw.execute("PRAGMA foreign_key_check").fetchall() == []
    raw.close()
    with Store.open(f"sqlite:///{path}?timeout=0.5") as store, store.write() as writer:
        writer.put_items([Item(item_id="1", title="still writable")])


def batches(path: Path) -> Counter[str]:
    """How many events of each batch the store has."""
    raw = sqlite3.connect(path)
    found = raw.execute("SELECT event_id FROM events").fetchall()
    raw.close()
    return Counter(event_id.rpartition("/")[0] for (event_id,) in found)


def test_a_killed_writer_loses_no_acknowledged_batch(child: Child, tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    Store.open(f"sqlite:///{path}").close()
    random.seed(1)
    acknowledged: list[str] = []
    for number in range(ROUNDS):
        said = kill_while(
            child, "append", f"sqlite:///{path}", f"round{number}", random.uniform(0.02, 0.2)
        )
        acknowledged += said
        check(path)
        found = batches(path)
        assert set(found.values()) <= {BATCH}, "a batch is there whole or not at all"
        assert set(acknowledged) <= set(found)
        # the one batch in flight may have been committed before it was acknowledged
        assert len(found) <= len(acknowledged) + number + 1
    assert len(acknowledged) > ROUNDS


def test_a_killed_ingest_leaves_all_of_its_file_or_nothing(child: Child, tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    with Store.open(f"sqlite:///{path}") as store, store.write() as writer:
        writer.put_items([Item(item_id="1")])
    random.seed(2)
    finished: set[str] = set()
    unfinished = 0
    for number in range(ROUNDS):
        file = tmp_path / f"events{number}.csv"
        rows = (f"u{row % 50},1,view,{file}/{row}\n" for row in range(FILE_EVENTS))
        file.write_text("user_id,item_id,action,event_id\n" + "".join(rows))
        said = kill_while(child, "ingest", f"sqlite:///{path}", str(file), random.uniform(0, 0.25))
        finished.update(said)
        unfinished += not said
        check(path)
        found = batches(path)
        assert set(found.values()) <= {FILE_EVENTS}
        assert finished <= set(found)
    assert unfinished, "no kill came before the end of its file"


def test_a_killed_creation_leaves_nothing_that_a_second_one_cannot_finish(
    child: Child, tmp_path: Path
) -> None:
    random.seed(3)
    for number in range(ROUNDS):
        path = tmp_path / f"store{number}.db"
        kill_while(child, "create", f"sqlite:///{path}", "", random.uniform(0, 0.15))
        check(path)
