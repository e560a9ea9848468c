"""The process that test_crash kills: for each line on stdin, a forked child that fits."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import tiny_world
from polyscene.fitting.run import fit


def main() -> None:
    path = Path(sys.argv[1])
    for _ in sys.stdin:
        child = os.fork()
        if child == 0:
            with tiny_world.reopen(path) as engine:
                os.write(1, b"begun\n")
                while True:
                    model = fit(engine.workspace, now=tiny_world.NOW)
                    os.write(1, f"done {model.config.version}\n".encode())
        os.write(1, f"pid {child}\n".encode())
        sys.stdin.readline()  # it has been killed
        os.waitpid(child, 0)
        os.write(1, b"dead\n")


if __name__ == "__main__":
    main()
