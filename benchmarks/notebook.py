"""Runs the notebook of the training: `python benchmarks/notebook.py`.

`examples/finetune.ipynb` is executed from its first cell to its last in a kernel of its own, which
fails where a cell does, and written again with what it printed and drew. Needs nbclient, nbformat
and ipykernel. Not part of the tests: it trains three encoders.
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient

NOTEBOOK = Path(__file__).parent.parent / "examples" / "finetune.ipynb"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--timeout", type=int, default=3600, help="seconds that a cell may take")
    options = parser.parse_args()
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    start = time.perf_counter()
    NotebookClient(notebook, timeout=options.timeout, kernel_name="python3").execute()
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
        if "outputs" in cell:  # without what the libraries say of themselves
            cell.outputs = [one for one in cell.outputs if one.get("name") != "stderr"]
    notebook.metadata.language_info = {"name": "python"}
    nbformat.write(notebook, NOTEBOOK)
    size = NOTEBOOK.stat().st_size / 1000
    print(f"{NOTEBOOK.name}: executed in {time.perf_counter() - start:.0f} s, {size:.0f} kB")


if __name__ == "__main__":
    main()
