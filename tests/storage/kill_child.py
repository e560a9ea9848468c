"""The process that test_kill kills: for each line on stdin, forks a child that does it.

Forking from a process that has the modules loaded makes a round cost milliseconds. A child
writes a line to stdout for each thing that it was told is safe.
"""

from __future__ import annotations

import os
import sys
import traceback
from pathlib import Path

from polyscene.data.ingest import ingest_file
from polyscene.data.schema import Event, Item
from polyscene.storage import Store

BATCH = 200


def say(line: str) -> None:
    os.write(1, f"{line}\n".encode())


def append(url: str, label: str) -> None:
    """Write batches of events for ever, and say so after each."""
    with Store.open(url) as store:
        say("begun")
        for batch in range(10_000):
            events = [
                Event(user_id=label, item_id="1", action="view", event_id=f"{label}/{batch}/{row}")
                for row in range(BATCH)
            ]
            with store.write() as writer:
                writer.put_items([Item(item_id="1")])
                writer.add_events(events)
            say(f"ack {label}/{batch}")


def ingest(url: str, path: str) -> None:
    """Load one file, in small batches."""
    with Store.open(url) as store:
        say("begun")
        ingest_file(Path(path), "events", store, batch_size=500)
        say(f"ack {path}")


def create(url: str, _: str) -> None:
    """Create a store."""
    say("begun")
    Store.open(url).close()
    say("ack created")


def main() -> None:
    tasks = {"append": append, "ingest": ingest, "create": create}
    for line in sys.stdin:
        name, url, argument = line.rstrip("\n").split("\t")
        child = os.fork()
        if child == 0:
            try:
                tasks[name](url, argument)
            except BaseException:
                traceback.print_exc()
                say("failed")  # nobody waits for what will not come
            os._exit(0)
        say(f"pid {child}")
        sys.stdin.readline()  # "reap": the process has been killed
        os.waitpid(child, 0)
        say("dead")


if __name__ == "__main__":
    main()
