"""Spans made by `threads=N` threads at once, started before and woken together."""

import time
from threading import Barrier, Thread

from measure import Stretch, flusher, follow, option
from spans import maker

# Spans between two flushes; the harness sets a queue that holds them in every agent.
BURST = 6400


def main() -> None:
    number = int(option("threads", "1"))
    make, flush, gate = maker("api"), flusher(), Barrier(number + 1)
    spent = [0.0] * number

    def work(index: int) -> None:
        while True:
            gate.wait()
            begin = time.thread_time()
            for _ in range(BURST // number):
                make()
            spent[index] = time.thread_time() - begin
            gate.wait()

    for index in range(number):
        Thread(target=work, args=(index,), daemon=True).start()

    def repeat(seconds: float) -> Stretch:
        done, deadline = Stretch(), time.perf_counter() + seconds
        while (begin := time.perf_counter()) < deadline or not done.units:
            gate.wait()
            gate.wait()
            done.add(Stretch(BURST // number * number, time.perf_counter() - begin, sum(spent)))
            flush()
        return done

    follow(repeat, flush)


main()
