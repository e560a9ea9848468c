"""The memory of a service."""

from __future__ import annotations

import platform
import re
import subprocess
import sys

import pytest

THREADS = """
import ctypes, sys, threading
from polyscene.server.heap import one_heap, give_back

if sys.argv[1] == "one":
    one_heap()
libc, together = ctypes.CDLL(None), threading.Barrier(8)
libc.malloc.restype, libc.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]

def work():
    together.wait()
    for _ in range(200):
        libc.malloc(1000)
    together.wait()

threads = [threading.Thread(target=work) for _ in range(8)]
for thread in threads: thread.start()
for thread in threads: thread.join()
give_back()
libc.malloc_stats()
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc has a heap a thread")
def test_threads_share_one_heap() -> None:
    """Eight threads have more of them of themselves."""

    def heaps(argument: str) -> int:
        command = [sys.executable, "-c", THREADS, argument]
        said = subprocess.run(command, check=True, capture_output=True, text=True).stderr
        return len(re.findall(r"^Arena \d+:", said, re.MULTILINE))

    assert heaps("one") == 1 < heaps("many")
