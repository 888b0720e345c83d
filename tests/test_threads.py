import os
import subprocess
import sys

import pytest

from stego_lib.threads import map_chunks, num_threads

FORK = """
import os
from stego_lib.threads import map_chunks
map_chunks(lambda chunk: chunk, 100, chunk=10)
child = os.fork()
if not child:
    map_chunks(lambda chunk: chunk, 100, chunk=10)
    os._exit(0)
print(os.waitpid(child, 0)[1])
"""


def test_results_come_in_order():
    assert map_chunks(lambda chunk: (chunk.start, chunk.stop), 25, chunk=10) == [(0, 10), (10, 20), (20, 25)]
    assert map_chunks(lambda chunk: chunk, 0, chunk=10) == []


def test_the_environment_may_ask_for_fewer_threads(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    assert num_threads() == 1
    monkeypatch.setenv("OMP_NUM_THREADS", "100000")
    assert num_threads() <= os.cpu_count()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork on this system")
def test_the_child_of_a_fork_gets_threads_of_its_own():
    command = [sys.executable, "-W", "ignore", "-c", FORK]
    result = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert result.stdout.strip() == "0"
