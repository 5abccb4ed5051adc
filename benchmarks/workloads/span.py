"""One span: recorded, counted on the calling thread, and all in, with queue, encoding and sending.

`way=api|operation`, `attributes=N`, `trace=N` spans in a trace (a root and its children).
"""

import time

from measure import Stretch, flusher, follow, option
from spans import Make, attributes, by_api, maker

# Spans between two flushes: less than any agent's queue holds, so that none is dropped uncounted.
BATCH = 1000


def trace_of(size: int) -> Make:
    """A trace of `size` spans by the API: a root that ends last, and its children."""
    from opentelemetry.trace import get_tracer, set_span_in_context

    tracer, child, given = get_tracer("benchmark"), by_api(), list(attributes(11).items())

    def make() -> None:
        root = tracer.start_span("GET /hello/<name>")
        for name, value in given:
            root.set_attribute(name, value)
        context = set_span_in_context(root)
        for _ in range(size - 1):
            child(context)
        root.end()

    return make


def main() -> None:
    size = int(option("trace", "1"))
    make = trace_of(size) if option("trace") else maker(option("way", "api"), int(option("attributes", "11")))
    rounds, flush = max(BATCH // size, 1), flusher()

    def repeat(seconds: float) -> Stretch:
        done, deadline = Stretch(), time.perf_counter() + seconds
        while (begin := time.perf_counter()) < deadline or not done.units:
            thread = time.thread_time()
            for _ in range(rounds):
                make()
            done.add(Stretch(rounds * size, time.perf_counter() - begin, time.thread_time() - thread))
            # In the CPU of the process, and not in that of the thread.
            flush()
        return done

    follow(repeat, flush)


main()
