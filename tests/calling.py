"""The `polyscene` command called in this process, as a shell would see it."""

from __future__ import annotations

import io
import json
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import polyscene.cli.output as _output  # noqa: F401  # made before a test sets its width
from polyscene.cli.main import run


@dataclass(frozen=True)
class Done:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


def call(*arguments: str | Path) -> Done:
    """Run `polyscene ARGUMENTS`: exit code, standard output, standard error."""
    out, err = io.StringIO(), io.StringIO()
    words = ["polyscene", *map(str, arguments)]
    with patch.object(sys, "argv", words), redirect_stdout(out), redirect_stderr(err):
        try:
            run()
            code = 0
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else int(end.code is not None)
    return Done(code, out.getvalue(), err.getvalue())


def fails(done: Done, *words: str, code: int = 1) -> None:
    """It failed with a message for people, not with a traceback."""
    assert done.code == code, done
    assert "Traceback" not in done.out + done.err
    said = " ".join((done.out + done.err).split())
    for word in words:
        assert word in said, said
