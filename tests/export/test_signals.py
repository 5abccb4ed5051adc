"""Signals are the program's: the export thread takes none."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from export.pipelines import Kept, exporting, until


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="the system does not show the threads' signal masks")
def test_export_thread_takes_no_signals() -> None:
    """A signal cannot be taken by the export thread, so that it interrupts what the main thread waits for."""
    tasks = Path("/proc/self/task")
    before = {task.name for task in tasks.iterdir()}
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    with exporting(Kept(), batch=1) as running:
        running.spans("a")
        until(lambda: running.pipeline.started)
        (new,) = [task for task in tasks.iterdir() if task.name not in before]
        (blocked,) = [line for line in (new / "status").read_text().splitlines() if line.startswith("SigBlk")]
        taken = {number for number in signal.valid_signals() if not int(blocked.split()[1], 16) >> (number - 1) & 1}
        assert taken <= {signal.SIGKILL, signal.SIGSTOP}
        assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == mask
