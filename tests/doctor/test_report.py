"""`tracing-run doctor` as a whole command: what it finds, says, and exits with."""

from __future__ import annotations

import json
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from support.program import run, start

pytestmark = pytest.mark.process


def doctor(*arguments: str | Path, cwd: Path | None = None, **variables: str) -> tuple[int, str]:
    """(exit code, what it printed)."""
    done = run("doctor", *arguments, cwd=cwd, **variables)
    return done.returncode, done.stdout + done.stderr


def report(*arguments: str | Path, cwd: Path | None = None, **variables: str) -> dict[str, Any]:
    """The report for machines; the exit code has to agree with it."""
    done = run("doctor", "--json", *arguments, cwd=cwd, **variables)
    found: dict[str, Any] = json.loads(done.stdout)
    assert done.returncode == (0 if found["healthy"] else 1), done.stderr
    return found


def states(found: dict[str, Any]) -> dict[str, str]:
    return {library["name"]: library["state"] for library in found["libraries"]}


def problems(found: dict[str, Any]) -> list[tuple[str, str, str]]:
    return [(problem["about"], problem["problem"], problem["next"]) for problem in found["problems"]]


def script(folder: Path, text: str, name: str = "program.py") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def test_the_current_environment() -> None:
    """Without a command every installed library is imported and found patched, and one screen says so."""
    code, text = doctor(OTEL_SERVICE_NAME="shop")
    assert code == 0, text
    assert "flask" in text
    assert "patched when imported" in text
    assert "setting       OTEL_SERVICE_NAME=shop (environment; default none)\n" in text
    assert "http://127.0.0.1:9/v1/traces (http/protobuf)" in text
    assert "healthy: nothing is wrong" in text
    assert len(text.splitlines()) <= 40


def test_a_command_up_to_its_imports(tmp_path: Path) -> None:
    """Of a script the imports are carried out, in branches too, and no other statement."""
    program = script(
        tmp_path,
        "import sys\n"
        "sys.path.insert(0, 'lib')\n"
        "import beside\n"
        "try:\n    import no_such_module\nexcept ImportError:\n    no_such_module = None\n"
        "from flask import Flask\n"
        "open('ran', 'w').close()\n"
        "if __name__ == '__main__':\n    import requests\n    open('ran', 'w').close()\n",
    )
    (tmp_path / "lib").mkdir()
    script(tmp_path / "lib", "import redis\n", "beside.py")
    found = report("--", sys.executable, program, "argument", cwd=tmp_path)
    assert {name for name, state in states(found).items() if state == "patched"} == {"flask", "requests", "redis"}
    assert states(found)["kafka"] == "not imported"
    assert found["argv"] == [str(program), "argument"]
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    "command",
    [
        ["-m", "shop"],
        ["-c", "import flask; open('ran', 'w')"],
        ["-m", "gunicorn", "shop:app"],
        ["-m", "uvicorn", "shop:app"],
    ],
    ids=["module", "text", "gunicorn", "uvicorn"],
)
def test_other_forms_of_commands(tmp_path: Path, command: list[str]) -> None:
    """Modules, text, and the application of a server are imported without being run or served."""
    script(tmp_path, "from flask import Flask\napp = Flask(__name__)\n", "shop.py")
    found = report("--", sys.executable, *command, cwd=tmp_path)
    assert states(found)["flask"] == "patched", found
    assert not (tmp_path / "ran").exists()


def test_run_to_the_end(tmp_path: Path) -> None:
    """With --run the program runs, its output apart from the report, and imports inside functions are seen."""
    program = script(
        tmp_path,
        "import os\n"
        "def main():\n    import flask\n    print('worked')\n"
        "if os.fork() == 0:\n    main()\n    raise SystemExit(0)\n"
        "os.wait()\n",
    )
    done = run("doctor", "--json", "--run", "--", sys.executable, program)
    found = json.loads(done.stdout)
    assert "worked" in done.stderr
    assert found["processes"] == 2
    assert states(found)["flask"] == "patched"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_server_that_is_stopped(tmp_path: Path, number: signal.Signals) -> None:
    """A signal to the doctor stops the program that it runs, and it reports on that."""
    program = script(
        tmp_path,
        "import flask, sys, time\nprint('ready', file=sys.stderr, flush=True)\nwhile True:\n    time.sleep(0.01)\n",
    )
    process = start("doctor", "--json", "--run", "--", sys.executable, program)
    assert process.stderr is not None
    assert process.stderr.readline() == "ready\n"
    process.send_signal(number)
    out, _ = process.communicate(timeout=60)
    assert states(json.loads(out))["flask"] == "patched"


def test_an_import_that_fails(tmp_path: Path) -> None:
    """A program whose imports fail is a problem that names the exception and the place."""
    program = script(tmp_path, "import flask\nimport broken\n")
    script(tmp_path, "raise ValueError('no such thing')\n", "broken.py")
    ((about, problem, _),) = problems(report("--", sys.executable, program))
    assert about == "program"
    assert "ValueError: no such thing at broken.py:1" in problem


def test_a_target_that_is_missing(tmp_path: Path) -> None:
    """A library without one of its targets is a problem that names the target and the version to install."""
    program = script(tmp_path, "import flask\n")
    script(tmp_path, "class Flask: pass\n", "flask.py")
    found = report("--", sys.executable, program)
    assert states(found)["flask"] == "target missing"
    ((about, problem, following),) = problems(found)
    assert about == "flask"
    assert "target missing" in problem
    assert "install Flask 2.2 or later, before 4, or a later version of tracing-agent" in following


def test_a_library_that_was_switched_off(tmp_path: Path) -> None:
    """A library that the agent stopped tracing after its own faults is told with the last of them."""
    program = script(
        tmp_path,
        "import flask\n"
        "from tracing_agent.operation import breaker_of\n"
        "for _ in range(10):\n    breaker_of('flask').fault(ValueError('ours'))\n",
    )
    found = report("--run", "--", sys.executable, program)
    assert states(found)["flask"] == "switched off"
    about, problem, following = problems(found)[0]
    assert about == "flask"
    assert "after 10 faults of the agent, the last: ValueError: ours" in problem
    assert "report it" in following


def test_launchers_are_passed_through(tmp_path: Path) -> None:
    """Of a command that starts with a launcher written in Python the program is examined, and not the launcher."""
    program = script(tmp_path, "import flask\n")
    found = report("--", "tracing-run", sys.executable, program)
    assert states(found)["flask"] == "patched"
    assert found["argv"] == [str(program)]


def test_disabled_libraries(tmp_path: Path) -> None:
    """A disabled library is told apart from one that failed, with the variable that disables it."""
    program = script(tmp_path, "import flask, requests\n")
    found = report("--", sys.executable, program, OTEL_PYTHON_DISABLED_INSTRUMENTATIONS="flask")
    flask = next(library for library in found["libraries"] if library["name"] == "flask")
    assert (flask["state"], flask["reason"]) == ("disabled", "by OTEL_PYTHON_DISABLED_INSTRUMENTATIONS")
    assert found["healthy"]
    assert not report(OTEL_PYTHON_DISABLED_INSTRUMENTATIONS="*")["healthy"]


def test_settings_that_cannot_be_used() -> None:
    """User-pain row 24: each rejected or misspelt variable is a problem that names value and remedy, once."""
    found = report(OTEL_BSP_MAX_QUEUE_SIZE="many", OTEL_TRACES_SAMPLERS="always_off", OTEL_TRACES_SAMPLER="often")
    told = problems(found)
    assert ("settings", "OTEL_BSP_MAX_QUEUE_SIZE='many' is not an integer of at least 1") in {row[:2] for row in told}
    assert sum("OTEL_BSP_MAX_QUEUE_SIZE" in problem for _, problem, _ in told) == 1
    misspelt = [row for row in told if "OTEL_TRACES_SAMPLERS" in row[1]]
    assert len(misspelt) == 1 and "OTEL_TRACES_SAMPLER" in misspelt[0][2]
    assert any("OTEL_TRACES_SAMPLER='often'" in problem for _, problem, _ in told)


def test_secrets_stay_secret() -> None:
    """Header values and credentials in URLs do not reach the report, also where they are rejected."""
    for headers in ("api-key=hunter2", "hunter2"):
        done = run(
            "doctor",
            "--json",
            OTEL_EXPORTER_OTLP_HEADERS=headers,
            OTEL_EXPORTER_OTLP_ENDPOINT="http://me:hunter2@127.0.0.1:9",
        )
        assert "hunter2" not in done.stdout + done.stderr
        assert "127.0.0.1:9" in done.stdout


def test_switched_off() -> None:
    """OTEL_SDK_DISABLED is the first problem told, and the rest is told all the same."""
    found = report(OTEL_SDK_DISABLED="true")
    assert problems(found)[0][2] == "unset OTEL_SDK_DISABLED"
    assert states(found)["flask"] == "patched"


@pytest.mark.parametrize("sampler", [("always_off", ""), ("parentbased_traceidratio", "0")])
def test_nothing_is_sampled(sampler: tuple[str, str]) -> None:
    """A sampler that records no trace is a problem."""
    found = report(OTEL_TRACES_SAMPLER=sampler[0], OTEL_TRACES_SAMPLER_ARG=sampler[1])
    assert [about for about, _, _ in problems(found)] == ["sampler"]


def test_what_matters_is_kept() -> None:
    """A sampler that records nothing is no problem where unsampled traces are sent after all."""
    assert not problems(report(OTEL_TRACES_SAMPLER="always_off", OTEL_PYTHON_TRACES_KEEP="errors"))


def test_nothing_to_trace(tmp_path: Path) -> None:
    """User-pain row 6: a program that imports nothing that is traced is told so, with what to do."""
    program = script(tmp_path, "import json\n")
    code, text = doctor("--", sys.executable, program)
    assert code == 1
    assert "PROBLEM: libraries: the program imported nothing that is traced\n   next: imports inside functions" in text


@pytest.mark.parametrize("flag", ["-I", "-E", "-S", "-IB"])
def test_interpreters_that_keep_the_agent_out(tmp_path: Path, flag: str) -> None:
    """A Python that reads no PYTHONPATH is not started, and named as the problem."""
    program = script(tmp_path, "open('ran', 'w').close()\n")
    code, text = doctor("--", sys.executable, flag, program, cwd=tmp_path)
    assert code == 1
    assert f"{flag} keeps Python from reading PYTHONPATH" in text
    assert not (tmp_path / "ran").exists()


def test_commands_without_the_agent(tmp_path: Path) -> None:
    """A command that cannot be started, or that is no Python, is a problem and no traceback."""
    for command, words in (
        (["no-such-command"], "could not be started"),
        (["true"], "no Python in it loaded the agent"),
    ):
        code, text = doctor("--", *command, cwd=tmp_path)
        assert code == 1
        assert words in text
        assert "Traceback" not in text


def test_reloaders(tmp_path: Path) -> None:
    """Of a server that reloads, the application is examined, and nothing is left running."""
    script(tmp_path, "import flask\n", "shop.py")
    for command in (["uvicorn", "--reload", "shop:app"], ["flask", "--app", "shop", "run", "--debug"]):
        found = report("--", sys.executable, "-m", *command, cwd=tmp_path)
        assert states(found)["flask"] == "patched"


def test_programs_that_the_agent_leaves_alone() -> None:
    """An installer is told to be left alone on purpose."""
    code, text = doctor("--", sys.executable, "-m", "pip", "--version")
    assert code == 1
    assert "PROBLEM: agent: it is not loaded: the agent leaves pip alone" in text
    assert "next: name the program that is to be traced" in text


def test_something_in_the_place_of_opentelemetry(tmp_path: Path) -> None:
    """What keeps the agent from tracing at all is told in the agent's own words."""
    script(tmp_path, "", "opentelemetry.py")
    program = script(tmp_path, "import flask\n")
    told = problems(report("--", sys.executable, program))
    assert any("stands in the place of the package opentelemetry" in problem for _, problem, _ in told), told


def test_other_agents(tmp_path: Path) -> None:
    """Another agent that is at work in the process is a problem; its name and what it means are told."""
    (tmp_path / "ddtrace").mkdir()
    script(tmp_path / "ddtrace", "", "__init__.py")
    script(tmp_path / "ddtrace", "", "auto.py")
    program = script(tmp_path, "import ddtrace.auto\nimport flask\n")
    ((about, problem, following),) = problems(report("--", sys.executable, program))
    assert about == "other agents"
    assert "ddtrace" in problem
    assert "traced twice" in following


def test_who_owns_sitecustomize(tmp_path: Path) -> None:
    """The program's own sitecustomize is named, beside the agent's."""
    script(tmp_path, "", "sitecustomize.py")
    found = report(PYTHONPATH=str(tmp_path))
    assert found["sitecustomize"]["program"] == str(tmp_path / "sitecustomize.py")
    assert found["sitecustomize"]["agent"].endswith("onpath/sitecustomize.py")


def test_the_program_has_its_own_provider(tmp_path: Path) -> None:
    """User-pain row 23: the doctor reports who won."""
    program = script(
        tmp_path,
        "import flask\nfrom opentelemetry import trace\nfrom opentelemetry.sdk.trace import TracerProvider\n"
        "trace.set_tracer_provider(TracerProvider())\n",
    )
    found = report("--run", "--", sys.executable, program)
    assert found["provider"] == "opentelemetry.sdk.trace.TracerProvider"
    assert any("that one won" in note["problem"] for note in found["notes"])


def test_wrong_arguments() -> None:
    """Arguments that mean nothing cost one line and exit code 2."""
    for arguments in (("--what",), ("python",), ("--run",), ("--",)):
        code, text = doctor(*arguments)
        assert code == 2
        assert text.count("\n") == 1
        assert "tracing-run doctor --help" in text


def test_a_traced_program_does_not_load_the_doctor() -> None:
    """Unless it is asked for, nothing of the doctor is imported."""
    done = run(sys.executable, "-c", "import flask, sys; print([name for name in sys.modules if 'doctor' in name])")
    assert done.stdout == "[]\n"
