"""Writes docs/configuration.md from the variables that the agent declares: ``python tests/settings/table.py``."""

from __future__ import annotations

from itertools import groupby
from pathlib import Path

from tracing_agent.config import Settings
from tracing_agent.config_names import WITHOUT_EFFECT, source
from tracing_agent.config_reader import Variable

FILE = Path(__file__).parents[2] / "docs" / "configuration.md"

HEAD = """\
# Configuration

Every variable that the agent reads, written by `python tests/settings/table.py` from the code that reads them; a test
holds the two together. They are read once, when the first library to trace is imported.

- An empty variable is one that is not set. Names of choices and booleans may be written in any case.
- A value that cannot be used is one warning on stderr with the variable, the value, and what is used instead. It never
  stops the program and never switches the agent off. A name that is close to a known one is asked about.
- Times are milliseconds, and 0 is no limit where it is a time-out. Limits are non-negative integers.
- *Pairs* are `key=value,key=value`, with `,`, `=` and `%` in keys and values percent-encoded.
- The *source* says who defined the variable. Manifests written for `opentelemetry-instrument` work here. Where the
  Python SDK and the specification differ, the specification is followed: the SDK takes the time-outs of OTLP and Zipkin
  for seconds, this agent takes them for milliseconds.

`OTEL_SDK_DISABLED` is obeyed before anything is loaded. `OTEL_EXPORTER_OTLP_ENDPOINT` is a base: `/v1/traces` or
`/v1/logs` is appended for HTTP. `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT` is taken as it is, as are those of other signals.
"""

TITLES = {
    "specification": "Defined by the specification",
    "semantic conventions": "Defined by the semantic conventions",
    "Python SDK": "Defined by the Python SDK",
    "contrib": "Defined by opentelemetry-python-contrib",
    "this agent": "Of this agent alone",
}


def declared() -> list[Variable]:
    """Every variable that the agent declares, by source and name."""
    order = list(TITLES)
    return sorted(Settings({}).variables, key=lambda variable: (order.index(source(variable.name)), variable.name))


def document() -> str:
    """The whole text of docs/configuration.md."""
    lines = [HEAD]
    for origin, variables in groupby(declared(), lambda variable: source(variable.name)):
        lines += [f"## {TITLES[origin]}\n", "| name | type | default | meaning | source |", "|---|---|---|---|---|"]
        for variable in variables:
            default = f"`{variable.default}`" if variable.default else ""
            cells = [f"`{variable.name}`", variable.kind, default.replace("|", "\\|"), variable.meaning, origin]
            lines.append("| " + " | ".join(cells) + " |")
        lines.append("")
    lines += [
        "## Known, and without effect here\n",
        "`OTEL_LOG_LEVEL=info` says so when one of them is set; of a configuration file it is said always.\n",
        "| name | why |",
        "|---|---|",
        *(f"| `{name}` | {why} |" for name, why in WITHOUT_EFFECT.items()),
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    FILE.write_text(document())
