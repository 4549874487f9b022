"""A command that waits for a process ends it when it is told to, however that is told."""

import subprocess
import sys

import pytest

WAITING = """
import os, signal, subprocess, sys, threading
from training.commands.shared import until_stopped
child = subprocess.Popen([sys.executable, "-c", {child!r}])
signal.siginterrupt(signal.SIGINT, False)  # as some libraries leave it
if {told}:
    threading.Timer(0.5, os.kill, (os.getpid(), {told})).start()
print("code", until_stopped(child), child.poll() is not None)
"""
FOREVER = "import time; time.sleep(60)"


@pytest.mark.parametrize(
    ("told", "child", "said"),
    [
        pytest.param(2, FOREVER, "code 0 True", id="SIGINT to us alone"),
        pytest.param(15, FOREVER, "code 0 True", id="SIGTERM"),
        pytest.param(0, "raise SystemExit(3)", "code 3 True", id="it ended by itself"),
    ],
)
def test_the_process_is_ended_and_its_own_code_is_told(told, child, said):
    words = [sys.executable, "-c", WAITING.format(told=told, child=child)]
    ran = subprocess.run(words, capture_output=True, text=True, timeout=30, check=True)
    assert ran.stdout.strip() == said
