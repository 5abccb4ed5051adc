"""`tracing-run watch` as whole processes: exit codes, signals, what it prints and where."""

from __future__ import annotations

import os
import pty
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

pytestmark = pytest.mark.process

# Commands run without the agent here: what they are run with is the launcher's affair, and tested there.
WATCH = (
    "import sys; from tracing_watch.cli import main; sys.exit(main(sys.argv[1:], lambda command, environment: command))"
)
PROGRAM = [sys.executable, str(Path(__file__).with_name("program.py"))]
LISTENING = re.compile(r"tracing-run watch: listening on (http://127\.0\.0\.1:(\d+))")


def environment(**more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "PYTHON"))}
    return {**kept, "COLUMNS": "80", "PYTHONUTF8": "1", **more}


def argv(*arguments: str) -> list[str]:
    return [sys.executable, "-c", WATCH, *arguments]


def watch(*arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        argv(*arguments),
        check=False,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=60,
        env=environment(**more),
    )


@contextmanager
def started(*arguments: str, **more: str) -> Iterator[subprocess.Popen[str]]:
    """A running watch, in a session of its own; killed at the end if it still runs."""
    process = subprocess.Popen(
        argv(*arguments),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        env=environment(**more),
        start_new_session=True,
    )
    with process:
        try:
            yield process
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)


def endpoint(process: subprocess.Popen[str]) -> str:
    assert process.stderr is not None
    line = process.stderr.readline()
    found = LISTENING.match(line)
    assert found, line
    return found[1]


def lines_until(process: subprocess.Popen[str], text: str) -> list[str]:
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line.rstrip("\n"))
        if text in line:
            break
    return lines


def test_a_command_is_watched_to_its_end() -> None:
    """The command's output, its traces, one line at each end, and its exit code."""
    done = watch("--", *PROGRAM, "trace:shop", "say:hello", "error:till", "exit:3")
    assert done.returncode == 3
    output = re.sub("[0-9a-f]{32}", "ID", done.stdout)
    assert (
        output
        == """\
hello

trace ID · 10.0 ms · 1 span · shop
                   0                      5.00 ms               10.0 ms
shop: work         ████████████████████████████████████████████████████  10.0 ms

trace ID · 10.0 ms · 1 span · till · 1 error
                   0                      5.00 ms               10.0 ms
✗ till: work       ████████████████████████████████████████████████████  10.0 ms
   ✗ ValueError: bad sku
"""
    )
    first, last = done.stderr.splitlines()
    assert LISTENING.match(first)
    assert last == "tracing-run watch: 2 traces, 2 spans"


def test_the_command_runs_under_the_agent(tmp_path: Path) -> None:
    """A command is run as `tracing-run` runs it, whatever the files in the working directory are called."""
    for name in ("types", "shutil", "runpy", "tracing_sitecustomize"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('the wrong one')")
    code = "import sys; sys.path.remove(''); from tracing_watch.cli import main; sys.exit(main(sys.argv[1:]))"
    shown = "import os, sys; print(os.path.basename(os.environ['PYTHONPATH'])); sys.exit(6)"
    done = subprocess.run(
        [sys.executable, "-c", code, "--", sys.executable, "-I", "-c", shown],
        check=False,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        env=environment(),
    )
    assert (done.returncode, done.stdout) == (6, "onpath\n"), done.stderr


def test_a_trace_is_printed_while_the_command_runs() -> None:
    """A finished trace does not wait for the end of the command."""
    with started("--", *PROGRAM, "trace:shop", "wait", "exit:5") as process:
        assert "shop: work" in lines_until(process, "shop: work")[-1]
        process.send_signal(signal.SIGTERM)
        assert lines_until(process, "got") == ["got SIGTERM"]
        assert process.wait(60) == 5


def test_a_command_that_a_signal_ends() -> None:
    """The exit code is that of a shell: 128 and the signal's number."""
    done = watch("--", *PROGRAM, "trace:shop", "kill")
    assert done.returncode == 128 + signal.SIGKILL
    assert "shop: work" in done.stdout


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signals_are_handed_on(number: signal.Signals) -> None:
    """A signal that only this process gets reaches the command, once, and its traces are printed to the end."""
    with started("--", *PROGRAM, "wait", "trace:shop", "exit:7") as process:
        assert lines_until(process, "waiting") == ["waiting"]
        process.send_signal(number)
        assert lines_until(process, "shop: work")[0] == f"got {number.name}"
        assert process.wait(60) == 7


def test_ctrl_c_reaches_the_command_once() -> None:
    """In a terminal, Ctrl-C is the command's affair: it gets one SIGINT, and its traces are printed to the end."""
    code, output = in_terminal("--", *PROGRAM, "wait", "trace:shop", "exit:7", press=b"\x03", after=b"waiting")
    assert "got SIGINT\r\n" in output
    assert "work" in output.partition("got SIGINT\r\n")[2]
    assert code == 7


def test_colours_in_a_terminal() -> None:
    """In a terminal there are colours."""
    assert "\x1b[31mwork" in in_terminal("--", *PROGRAM, "error:shop")[1]


def test_no_colours_where_they_are_not_wanted() -> None:
    """NO_COLOR and a dumb terminal are honoured."""
    for output in (
        in_terminal("--", *PROGRAM, "error:shop", NO_COLOR="1"),
        in_terminal("--", *PROGRAM, "error:shop", TERM="dumb"),
    ):
        assert output[0] == 0
        assert "\x1b" not in output[1]
        assert "✗ shop: work" in output[1]


def in_terminal(*arguments: str, press: bytes = b"", after: bytes = b"", **more: str) -> tuple[int, str]:
    """Runs it as the leader of a terminal's session; gives the exit code and what the terminal showed."""
    ours, theirs = pty.openpty()
    variables = {"TERM": "xterm", **more}
    if "NO_COLOR" not in more:
        variables["NO_COLOR"] = ""
    process = subprocess.Popen(
        [sys.executable, "-c", IN_SESSION, *argv(*arguments)],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=environment(**variables),
        start_new_session=True,
    )
    os.close(theirs)
    output = b""
    with process:
        while block := read_terminal(ours):
            output += block
            if after and after in output:
                os.write(ours, press)
                after = b""
        os.close(ours)
    return process.returncode, output.decode()


def read_terminal(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:  # how Linux says that nobody has the other end open any more
        return b""


IN_SESSION = "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); os.execv(sys.argv[1], sys.argv[1:])"


def test_an_unknown_command() -> None:
    """An unknown command is one line, and the exit code that a shell gives."""
    done = watch("--", "no-such-command", "argument")
    assert (done.returncode, done.stdout) == (127, "")
    assert done.stderr == "tracing-run watch: no-such-command: command not found\n"


def test_a_command_that_is_not_executable(tmp_path: Path) -> None:
    """A file that cannot be executed is one line, and the exit code that a shell gives."""
    file = tmp_path / "data"
    file.touch(0o644)
    done = watch("--", str(file))
    assert (done.returncode, done.stdout) == (126, "")
    assert done.stderr == f"tracing-run watch: {file}: not executable\n"


@pytest.mark.parametrize(
    "arguments",
    [["--"], ["--port", "70000"], ["--port", "x"], ["--slower-than"], ["--unknown"], ["python", "app.py"]],
)
def test_wrong_arguments(arguments: list[str]) -> None:
    """Wrong arguments are one line that says where to look, and exit code 2."""
    done = watch(*arguments)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert done.stderr.endswith("; see tracing-run watch --help\n")


def test_help() -> None:
    """--help tells the options on standard output, whatever its encoding."""
    done = watch("--help", PYTHONUTF8="0", PYTHONIOENCODING="ascii")
    assert (done.returncode, done.stderr) == (0, "")
    assert "--port" in done.stdout


def test_a_bound_port() -> None:
    """A port that is taken is one line that names it and the option to take another."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        done = watch("--port", str(port))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        f"tracing-run watch: port {port} on 127.0.0.1 is in use; "
        "stop what listens there, or take another port with --port\n"
    )


def test_an_address_of_another_machine() -> None:
    """An address that is not this machine's is one line that names the option."""
    done = watch("--host", "192.0.2.1")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert "--host" in done.stderr


def test_listening_for_programs_started_elsewhere() -> None:
    """Alone it listens, says how to point a program at it, prints traces as they come, and ends with Ctrl-C."""
    with started("--port", "0") as process:
        url = endpoint(process)
        program = [*PROGRAM, "trace:one", "error:two"]
        subprocess.run(program, check=True, timeout=60, env=environment(OTEL_EXPORTER_OTLP_ENDPOINT=url))
        assert "one: work" in lines_until(process, "one: work")[-1]
        assert "two: work" in lines_until(process, "two: work")[-1]
        subprocess.run(
            [*PROGRAM, "trace:three"], check=True, timeout=60, env=environment(OTEL_EXPORTER_OTLP_ENDPOINT=url)
        )
        process.send_signal(signal.SIGINT)
        assert "three: work" in lines_until(process, "three: work")[-1]
        assert process.wait(60) == 0
        assert process.stderr is not None
        assert process.stderr.read() == "tracing-run watch: 3 traces, 3 spans\n"


def test_the_command_is_pointed_here() -> None:
    """Settings that would lead the traces elsewhere are overruled, and a delay that is set is kept."""
    shown = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_TRACES_EXPORTER", "OTEL_BSP_SCHEDULE_DELAY")
    steps = [f"show:{name}" for name in (*shown, "OTEL_EXPORTER_OTLP_PROTOCOL")]
    elsewhere = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": "http://192.0.2.1:4318",
        "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://192.0.2.1:4318/v1/traces",
        "OTEL_TRACES_EXPORTER": "none",
        "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc",
    }
    done = watch("--", *PROGRAM, *steps, "trace:shop", **elsewhere)
    assert done.stdout.splitlines()[:4] == [
        "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=None",
        "OTEL_TRACES_EXPORTER=otlp",
        "OTEL_BSP_SCHEDULE_DELAY=500",
        "OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf",
    ]
    assert "shop: work" in done.stdout
    delayed = watch("--", *PROGRAM, "show:OTEL_BSP_SCHEDULE_DELAY", OTEL_BSP_SCHEDULE_DELAY="50")
    assert delayed.stdout == "OTEL_BSP_SCHEDULE_DELAY=50\n"


def test_a_command_that_sends_nothing() -> None:
    """When no spans came, the last line says so and why that may be."""
    done = watch("--", *PROGRAM, "say:hello")
    assert (done.returncode, done.stdout) == (0, "hello\n")
    assert "no spans came" in done.stderr.splitlines()[-1]


@pytest.mark.parametrize(
    ("options", "services"),
    [
        ([], ["quick", "slow", "failed"]),
        (["--errors"], ["failed"]),
        (["--slower-than", "1000"], ["slow"]),
        (["--service", "quick"], ["quick"]),
        (["--service", "quick", "--errors"], []),
    ],
)
def test_options_choose_traces(options: list[str], services: list[str]) -> None:
    """Only the traces that were asked for are printed, and how many were not is told."""
    done = watch(*options, "--", *PROGRAM, "trace:quick", "slow:slow", "error:failed")
    assert sorted(re.findall(r"(\w+): work", done.stdout)) == sorted(services)
    last = done.stderr.splitlines()[-1]
    assert ("did not match" in last) == (len(services) < 3)


def test_ascii_where_the_encoding_has_no_boxes() -> None:
    """Standard output in ASCII gets ASCII, whatever the names of spans are."""
    done = watch("--", *PROGRAM, "error:店", PYTHONUTF8="0", PYTHONIOENCODING="ascii", LC_ALL="C.UTF-8")
    assert done.returncode == 0
    assert done.stdout.isascii()
    assert "! ?: work" in done.stdout


def test_nobody_reads_while_listening() -> None:
    """When the reader goes away, listening ends without an error message."""
    with started("--port", "0") as process:
        url = endpoint(process)
        assert process.stdout is not None
        process.stdout.close()
        subprocess.run(
            [*PROGRAM, "trace:shop"], check=True, timeout=60, env=environment(OTEL_EXPORTER_OTLP_ENDPOINT=url)
        )
        assert process.wait(60) == 128 + signal.SIGPIPE
        assert process.stderr is not None
        assert process.stderr.read() == ""


def test_nobody_reads_while_a_command_runs() -> None:
    """When the reader goes away, the command runs on, can send its spans, and its exit code stands."""
    steps = ["wait", *(f"trace:{number}" for number in range(20)), "exit:4"]
    ours, theirs = os.pipe()
    command = ["sh", "-c", f'exec >/dev/fd/{theirs}; exec "$@"', "sh", *PROGRAM, *steps]
    with subprocess.Popen(
        argv("--", *command),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
        pass_fds=(theirs,),
    ) as process:
        os.close(theirs)
        with os.fdopen(ours) as said:
            assert said.readline() == "waiting\n"
            assert process.stdout is not None
            process.stdout.close()
            process.send_signal(signal.SIGTERM)
            assert said.read() == "got SIGTERM\n"
        assert process.wait(60) == 4
        assert process.stderr is not None
        assert len(process.stderr.readlines()) == 1


def test_it_needs_nothing_of_the_agent() -> None:
    """The viewer loads no module of the agent, so that it shows what was sent and not what the agent thinks."""
    code = "import sys, tracing_watch.cli; print([name for name in sys.modules if name.startswith('tracing_')])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment())
    assert "tracing_watch.cli" in done.stdout
    assert not re.search("tracing_(agent|instrumentations|sitecustomize)", done.stdout)


def test_it_listens_on_this_machine_only() -> None:
    """Unless told otherwise the receiver is bound to the loopback address."""
    with started("--port", "0") as process:
        port = int(endpoint(process).rpartition(":")[2])
        with pytest.raises(OSError), socket.create_server(("127.0.0.1", port)):
            pass
        # A wildcard bind would hold this address as well.
        with socket.create_server(("127.0.0.2", port)):
            pass
