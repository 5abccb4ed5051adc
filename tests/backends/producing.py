"""Records spans as it is told: a number on each line. At the end prints the agent's own numbers.

What a request would do goes on whatever becomes of the backend: each line is answered.
"""

import json
import sys

from opentelemetry import trace

tracer = trace.get_tracer("producing")
for line in sys.stdin:
    for number in range(int(line)):
        tracer.start_span(f"span {number}").end()
    print("done", flush=True)

from tracing_agent.agent import running  # noqa: E402

agent = running()
assert agent is not None
agent.provider.force_flush()
print(json.dumps(agent.health()), flush=True)
