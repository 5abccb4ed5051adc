"""Programs that multiply: every process sends its own spans, once, and nothing of the others'."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from launchers.launched import one_service
from support.program import run
from support.sink import Sink

pytestmark = pytest.mark.process

PRELUDE = """
import os, sys
from opentelemetry.trace import get_tracer

def work(name):
    with get_tracer("own").start_as_current_span(name) as span:
        span.set_attribute("pid", os.getpid())
    return os.getpid()
"""

MAIN = """
if __name__ == "__main__":
    work("parent")
"""

METHODS = ["fork", "spawn", "forkserver"]
PROCESS = (
    MAIN
    + """
    import multiprocessing
    context = multiprocessing.get_context("{method}")
    children = [context.Process(target=work, args=("child",)) for _ in range(2)]
    [child.start() for child in children]
    [child.join() for child in children]
    assert [child.exitcode for child in children] == [0, 0]
"""
)
POOL = (
    MAIN
    + """
    import multiprocessing
    with multiprocessing.get_context("{method}").Pool(2, maxtasksperchild=2) as pool:
        assert len(pool.map(work, ["child"] * 8, chunksize=1)) == 8
        {end}
"""
)
EXECUTOR = (
    MAIN
    + """
    import multiprocessing
    from concurrent.futures import ProcessPoolExecutor
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("{method}")) as pool:
        assert len(list(pool.map(work, ["child"] * 4))) == 4
"""
)

#: What is added to the program, and how many spans of children there are.
PROGRAMS: dict[str, tuple[str, int]] = {
    **{f"multiprocessing {method}": (PROCESS.format(method=method), 2) for method in METHODS},
    **{
        f"multiprocessing {method} pool": (POOL.format(method=method, end="pool.close(); pool.join()"), 8)
        for method in METHODS
    },
    "multiprocessing pool, terminated": (POOL.format(method="fork", end="pass"), 8),
    **{f"ProcessPoolExecutor {method}": (EXECUTOR.format(method=method), 4) for method in METHODS},
    "a daemonic process, terminated": (
        MAIN
        + """
    import multiprocessing, time
    context = multiprocessing.get_context("fork")
    def stay(done):
        work("child")
        done.set()
        time.sleep(60)
    done = context.Event()
    context.Process(target=stay, args=(done,), daemon=True).start()
    done.wait()
""",
        1,
    ),
    "os.fork": (
        MAIN
        + """
    if os.fork():
        assert os.wait()[1] == 0
    else:
        work("child")
""",
        1,
    ),
    "os.fork, and exec": (
        MAIN
        + """
    if os.fork():
        assert os.wait()[1] == 0
    else:
        os.execv(sys.executable, [sys.executable, "-c", "import program; program.work('child')"])
""",
        1,
    ),
    "os.exec": (
        MAIN
        + """
    os.execvp(sys.executable, [sys.executable, "-c", "import program; program.work('child')"])
""",
        1,
    ),
    "subprocess": (
        MAIN
        + """
    import subprocess
    subprocess.run([sys.executable, "-c", "import program; program.work('child')"], check=True)
""",
        1,
    ),
    "a shell script": (
        MAIN
        + """
    import subprocess
    script = f"'{sys.executable}' -c 'import program; program.work(\\"child\\")'; exit $?"
    subprocess.run(["sh", "-c", script], check=True)
""",
        1,
    ),
    "posix_spawn": (
        MAIN
        + """
    code = "import program; program.work('child')"
    pid = os.posix_spawn(sys.executable, [sys.executable, "-c", code], os.environ)
    assert os.waitpid(pid, 0)[1] == 0
""",
        1,
    ),
}


@pytest.mark.parametrize("case", PROGRAMS)
def test_children(case: str, sink: Sink, tmp_path: Path) -> None:
    """User-pain rows 4, 11 and 27: each process's spans arrive, once, from it, however it was started and ended."""
    code, children = PROGRAMS[case]
    (tmp_path / "program.py").write_text(PRELUDE + code)
    done = run(
        sys.executable,
        "program.py",
        cwd=tmp_path,
        OTEL_EXPORTER_OTLP_ENDPOINT=sink.endpoint,
        # Other programs are called otherwise, unless they are told.
        **({} if "rocess" in case and case != "subprocess" else {"OTEL_SERVICE_NAME": "program"}),
        # Python 3.12 and later warn of forks in a process with threads, which pools have of their own.
        PYTHONWARNINGS="ignore::DeprecationWarning",
    )
    assert (done.returncode, done.stderr) == (0, "")
    if case == "multiprocessing pool, terminated" and sys.version_info >= (3, 13):
        # The pool's thread has forked some of its workers: those are terminated by the system, with what they hold.
        children = max(4, len(sink.spans) - 1)
    assert sorted(span["name"] for span in sink.spans) == ["child"] * children + ["parent"]
    assert all(span.pid == span["attributes"]["pid"] for span in sink.spans)
    (parent,) = (span.pid for span in sink.spans if span["name"] == "parent")
    if case == "os.exec":
        # The same process, as another program.
        assert {span.pid for span in sink.spans} == {parent}
        return
    assert parent not in {span.pid for span in sink.spans if span["name"] == "child"}
    one_service(sink.spans, "program")


def test_a_failing_exec(sink: Sink, tmp_path: Path) -> None:
    """A program whose exec fails goes on, and so does its tracing."""
    (tmp_path / "program.py").write_text(PRELUDE)
    code = """
import os, program
program.work("before")
try:
    os.execvp("no-such-program", ["no-such-program"])
except FileNotFoundError:
    program.work("after")
"""
    done = run(sys.executable, "-c", code, cwd=tmp_path, OTEL_EXPORTER_OTLP_ENDPOINT=sink.endpoint)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert [span["name"] for span in sink.spans] == ["before", "after"]


def test_a_signal_as_it_is_forked(sink: Sink, tmp_path: Path) -> None:
    """A child that is told to end before it has run at all ends, by that signal; and its parent's mask is as it was."""
    (tmp_path / "program.py").write_text(PRELUDE)
    code = """
import multiprocessing, os, signal, time, program
program.work("parent")
# The parent goes on first, on the one processor that both have.
os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:1])
for _ in range(5):
    child = multiprocessing.get_context("fork").Process(target=time.sleep, args=(60,))
    child.start()
    child.terminate()
    child.join()
    print(child.exitcode)
print(signal.pthread_sigmask(signal.SIG_BLOCK, ()))
"""
    done = run(sys.executable, "-c", code, cwd=tmp_path, OTEL_EXPORTER_OTLP_ENDPOINT=sink.endpoint)
    assert (done.returncode, done.stdout, done.stderr) == (0, "-15\n" * 5 + "set()\n", "")
    assert [span["name"] for span in sink.spans] == ["parent"]


def test_a_signal_to_a_child_of_a_thread(sink: Sink, tmp_path: Path) -> None:
    """A child that was forked by another thread than the main one is ended by SIGTERM, whatever it does."""
    (tmp_path / "program.py").write_text(PRELUDE)
    code = """
import os, signal, threading, program
program.work("parent")
def forks():
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        # Also where it takes the signal for a while.
        signal.signal(signal.SIGTERM, signal.signal(signal.SIGTERM, signal.SIG_IGN))
        os.write(writing, b"x")
        while True:
            pass
    os.read(reading, 1)
    os.kill(child, signal.SIGTERM)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
thread = threading.Thread(target=forks)
thread.start()
thread.join()
"""
    done = run(
        *(sys.executable, "-c", code),
        cwd=tmp_path,
        OTEL_EXPORTER_OTLP_ENDPOINT=sink.endpoint,
        PYTHONWARNINGS="ignore::DeprecationWarning",
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "-15\n", "")
    assert [span["name"] for span in sink.spans] == ["parent"]
