"""Iteration: the span of a message is current while it is processed, ends with that, and leaves nothing behind."""

from __future__ import annotations

import asyncio
import gc
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from typing import Any

import pytest
from kafka import ConsumerRebalanceListener, KafkaConsumer, TopicPartition  # type: ignore[import-untyped]
from opentelemetry import baggage, context, trace
from opentelemetry.sdk.trace import sampling

from messaging.log import PATIENCE, Log, traceparent
from services import Kafka
from support.recorder import Recorder
from tracing_agent.drivers.overdue import OVERDUE
from tracing_agent.semconv.messaging_settings import MessagingSettings

CONTEXT = [("traceparent", traceparent(0xA, 0xB))]


def current() -> Any:
    """The span that is current here; None for none."""
    span = trace.get_current_span()
    return None if span is trace.INVALID_SPAN else span


def ends(recorder: Recorder) -> list[tuple[Any, Any]]:
    """(offset, status) of the spans of processed messages so far."""
    return [
        (span["attributes"]["messaging.kafka.offset"], span["status"])
        for span in recorder.spans()
        if span["name"].startswith("process ")
    ]


def test_a_message_is_processed_under_its_own_span(log: Log, traced: Recorder) -> None:
    """user-pain row 8: what the loop's body does is in the producer's trace, below one CONSUMER span a message."""
    log.write(b"a", None, headers=CONTEXT)
    bodies = []
    for record in log.consumer(group_id=log.group):
        with traced.tracer.start_as_current_span(f"body {record.offset}"):
            bodies.append(current())
        if record.offset == 1:
            break
    assert current() is None
    first_body, first, second_body, second = traced.spans()
    assert isinstance(first["attributes"].pop("messaging.kafka.cluster.id", ""), str)
    assert first == {
        "name": f"process {log.topic}",
        "kind": "CONSUMER",
        "trace": 0xA,
        "id": first_body["parent"],
        "parent": 0xB,
        "scope": "tracing_instrumentations.kafka",
        "attributes": {
            "messaging.system": "kafka",
            "messaging.operation.name": "process",
            "messaging.operation.type": "process",
            "messaging.client.id": "test-consumer",
            "messaging.consumer.group.name": log.group,
            "server.address": log.host,
            "server.port": log.port,
            "messaging.destination.name": log.topic,
            "messaging.destination.partition.id": "0",
            "messaging.kafka.offset": 0,
            "messaging.kafka.message.key": "key",
        },
        "status": "UNSET",
    }
    assert second["attributes"]["messaging.kafka.message.tombstone"] is True
    assert (second["id"], second["trace"]) == (second_body["parent"], 0xA)


def test_a_span_ends_when_the_next_message_is_asked_for(log: Log, traced: Recorder) -> None:
    """The time that is spent waiting for the next message belongs to none, and nothing is current meanwhile."""
    log.write(b"a", b"b")
    consumer = log.consumer()
    seen = []
    original = consumer.poll

    def poll(*args: Any, **kwargs: Any) -> Any:
        seen.append((current(), len(traced.finished)))
        return original(*args, **kwargs)

    for record in consumer:
        assert current() is not None
        if record.offset == 1:
            consumer.config["consumer_timeout_ms"] = 50
            consumer.poll = poll
    assert current() is None
    assert ends(traced) == [(0, "UNSET"), (1, "UNSET")]
    assert set(seen) <= {(None, 2)}


def left_by_break(consumer: Any) -> None:
    for _ in consumer:
        break


def left_by_return(consumer: Any) -> Any:
    for record in consumer:
        return record.value
    return None


def left_by_return_in_with(consumer: Any) -> Any:
    for record in consumer:
        with nullcontext():
            return record.value
    return None


def left_with_else(consumer: Any) -> None:
    while True:
        for _ in consumer:
            break
        else:
            continue
        break


def left_through_a_generator(consumer: Any) -> None:
    for _ in (record.value for record in consumer):
        break


def left_by_zip(consumer: Any) -> None:
    assert [value for _, value in zip(range(1), (record.value for record in consumer), strict=False)] == [b"a"]


def left_by_next_of_iter(consumer: Any) -> None:
    next(iter(consumer))


@pytest.mark.parametrize(
    "leave",
    [
        left_by_break,
        left_by_return,
        left_by_return_in_with,
        left_with_else,
        left_through_a_generator,
        left_by_zip,
        left_by_next_of_iter,
    ],
)
def test_a_loop_that_is_left_ends_the_span(log: Log, traced: Recorder, leave: Any) -> None:
    """However a loop is left, its span ends at that moment, without an error, and is current no longer."""
    log.write(b"a", b"b")
    leave(log.consumer())
    assert current() is None
    assert ends(traced) == [(0, "UNSET")]


def test_a_loop_ends_its_span_while_others_look_on(log: Log, traced: Recorder) -> None:
    """A span ends with its loop also at a moment at which the thread that looks for late ones holds on to it."""
    log.write(b"a", b"b")
    for _ in log.consumer():
        held = OVERDUE.cursors()
        break
    assert current() is None
    assert ends(traced) == [(0, "UNSET")]
    assert held


class Refused(Exception):
    """What the loops below raise."""


def boom() -> None:
    raise Refused("boom")


def in_body(consumer: Any) -> None:
    for _ in consumer:
        raise Refused("boom")


def in_a_function(consumer: Any) -> None:
    for _ in consumer:
        boom()


def in_a_with(consumer: Any) -> None:
    for _ in consumer:
        with nullcontext():
            boom()


def raised_again(consumer: Any) -> None:
    for _ in consumer:
        try:
            boom()
        except Refused:
            raise


def raised_from_another(consumer: Any) -> None:
    for _ in consumer:
        try:
            raise KeyError("inner")
        except KeyError as error:
            raise Refused("boom") from error


def in_a_generator(consumer: Any) -> None:
    for _ in (record for record in consumer):
        boom()


def in_an_inner_loop(consumer: Any) -> None:
    for _ in consumer:
        for _ in range(3):
            boom()


def handled_around(consumer: Any) -> None:
    try:
        for _ in consumer:
            boom()
    finally:
        assert current() is None


def in_a_comprehension(consumer: Any) -> None:
    if sys.version_info < (3, 12):
        # There it is a function, and the traceback keeps the iterator among its variables.
        in_body(consumer)
    [boom() for _ in consumer]


def in_a_task(consumer: Any) -> None:
    async def work() -> None:
        for _ in consumer:
            await asyncio.sleep(0)
            boom()

    asyncio.run(work())


def in_an_awaited_coroutine(consumer: Any) -> None:
    async def fail() -> None:
        await asyncio.sleep(0)
        boom()

    async def work() -> None:
        for _ in consumer:
            await fail()

    asyncio.run(work())


def in_a_pool(consumer: Any) -> None:
    with ThreadPoolExecutor(1) as pool:
        pool.submit(in_a_function, consumer).result()


RAISING = [
    in_body,
    in_a_function,
    in_a_with,
    raised_again,
    raised_from_another,
    in_a_generator,
    in_an_inner_loop,
    handled_around,
    in_a_comprehension,
    in_a_task,
    in_an_awaited_coroutine,
    in_a_pool,
]


@pytest.mark.parametrize("process", RAISING)
def test_an_exception_that_leaves_the_loop_is_recorded(log: Log, traced: Recorder, process: Any) -> None:
    """user-pain row 8: an exception that leaves a loop, wherever it is handled, is on the span, with its stack."""
    log.write(b"a", b"b")
    consumer = log.consumer()
    with pytest.raises(Refused):
        process(consumer)
    assert current() is None
    assert sys.gettrace() is None
    (span,) = traced.spans()
    assert span["status"] == ("ERROR", "boom")
    assert span["attributes"]["error.type"] == f"{__name__}.Refused"
    ((name, event),) = span["events"]
    assert (name, event["exception.type"], event["exception.message"]) == ("exception", f"{__name__}.Refused", "boom")
    assert 'raise Refused("boom")' in event["exception.stacktrace"]


def test_an_exception_made_long_before_is_recorded(log: Log, traced: Recorder) -> None:
    """An exception that the program made once, and raises again and again, is found as well."""
    refused = Refused("made once")
    gc.collect()
    log.write(b"a", b"b")
    consumer = log.consumer()
    for _ in range(2):
        try:
            for _ in consumer:
                raise refused
        except Refused as error:
            assert error is refused
    assert ends(traced) == [(0, ("ERROR", "made once")), (1, ("ERROR", "made once"))]
    assert sys.gettrace() is None


@pytest.mark.parametrize(
    ("expression", "name"),
    [("{}['k']", "KeyError"), ("1 / 0", "ZeroDivisionError"), ("int('x')", "ValueError"), ("None.x", "AttributeError")],
)
def test_an_error_of_the_interpreters_own_is_recorded(log: Log, traced: Recorder, expression: str, name: str) -> None:
    """An exception that no statement of the program made is recorded as well, also one that is handled at once."""
    log.write(b"a")
    done = []
    try:
        for _ in log.consumer():
            eval(expression)
    except Exception as error:
        done.append(type(error).__name__)
    assert done == [name]
    (span,) = traced.spans()
    assert span["attributes"]["error.type"] == name
    assert [event["exception.type"] for _, event in span["events"]] == [name]


def test_an_exception_that_the_body_handles_is_no_error(log: Log, traced: Recorder) -> None:
    """What the loop's body handles itself says nothing about the message."""
    log.write(b"a", b"b")
    for record in log.consumer():
        try:
            boom()
        except Refused:
            if record.offset == 0:
                continue
        break
    assert ends(traced) == [(0, "UNSET"), (1, "UNSET")]


@pytest.mark.parametrize("stop", [KeyboardInterrupt, SystemExit, GeneratorExit])
def test_being_told_to_stop_is_no_error(log: Log, traced: Recorder, stop: type[BaseException]) -> None:
    """An interrupt or an exit in the middle of a message ends its span, without an error."""
    log.write(b"a")
    with pytest.raises(stop):
        for _ in log.consumer():
            raise stop
    assert ends(traced) == [(0, "UNSET")]


def test_a_loop_in_an_exception_handler(log: Log, traced: Recorder) -> None:
    """A loop that runs while another exception is being handled does not take it for its own."""
    log.write(b"a", b"b")
    consumer = log.consumer()
    try:
        boom()
    except Refused:
        for record in consumer:
            if record.offset == 1:
                consumer.close()
                break
    assert ends(traced) == [(0, "UNSET"), (1, "UNSET")]


def test_a_debuggers_trace_function_stays(log: Log, traced: Recorder) -> None:
    """Where a debugger traces the thread it goes on undisturbed; that there was an error is known all the same."""

    def tracer(frame: Any, event: str, argument: Any) -> Any:
        return None

    log.write(b"a")
    consumer = log.consumer()
    before = sys.gettrace()
    sys.settrace(tracer)
    try:
        with pytest.raises(Refused):
            in_a_function(consumer)
        assert sys.gettrace() is tracer
    finally:
        sys.settrace(before)
    ((_, status),) = ends(traced)
    assert status[0] == "ERROR" or status == "ERROR"


def test_next_is_current_until_the_next_one(log: Log, traced: Recorder) -> None:
    """`next(consumer)` gives a message that is processed until the next one is asked for, or the consumer closed."""
    log.write(b"a", b"b", headers=CONTEXT)
    consumer = log.consumer()
    next(consumer)
    first = current()
    assert traced.finished == []
    next(consumer)
    assert traced.finished == [first]
    assert current() is not first
    consumer.close()
    assert current() is None
    assert ends(traced) == [(0, "UNSET"), (1, "UNSET")]


def test_next_ends_with_the_error_that_closes_the_consumer(log: Log, traced: Recorder) -> None:
    """A consumer that is closed because processing failed has that failure on the message's span."""
    log.write(b"a")
    consumer = log.consumer()
    with pytest.raises(Refused):
        try:
            next(consumer)
            boom()
        finally:
            consumer.close()
    assert ends(traced) == [(0, ("ERROR", "boom"))]


def test_closing_in_the_middle_ends_the_span(log: Log, traced: Recorder) -> None:
    """A consumer closed in the loop's body has no message in process any more, and the loop ends as untraced."""
    log.write(b"a", b"b")
    consumer = log.consumer()
    seen = []
    for record in consumer:
        seen.append(record.value)
        consumer.close()
        assert current() is None
    assert seen == [b"a"]
    assert ends(traced) == [(0, "UNSET")]


def test_a_consumer_that_is_dropped_ends_its_span(log: Log, traced: Recorder) -> None:
    """When nothing refers to a consumer any more its message is done with."""
    log.write(b"a")
    consumer = KafkaConsumer(log.topic, bootstrap_servers=log.bootstrap, auto_offset_reset="earliest")
    next(consumer)
    state = consumer.__dict__.pop("_tracing_agent_consumption")
    assert traced.finished == []
    del state
    assert current() is None
    assert ends(traced) == [(0, "UNSET")]
    consumer.close()


def test_a_message_that_takes_too_long_ends(log: Log, traced: Recorder) -> None:
    """After `max_poll_interval_ms` the span ends by itself and says so; it is current in that thread no longer."""
    log.write(b"a", b"b")
    consumer = log.consumer(max_poll_interval_ms=2000, session_timeout_ms=1500, heartbeat_interval_ms=500)
    next(consumer)
    assert current() is not None
    OVERDUE.look(0.0)
    OVERDUE.look(1.9)
    assert traced.finished == []
    OVERDUE.look(2.1)
    assert current() is None
    (span,) = traced.spans()
    assert span["status"] == "UNSET"
    assert span["events"] == [("message in process for too long", {"messaging.process.limit": 2.0})]
    next(consumer)
    assert current() is not None
    consumer.close()
    assert current() is None
    assert ends(traced) == [(1, "UNSET")]


def test_something_looks_for_messages_that_take_too_long(log: Log, traced: Recorder) -> None:
    """A thread of the agent's ends them, without any call of the program."""
    log.write(b"a")
    ended = threading.Event()
    traced.engine.deliver(lambda span: ended.set())
    consumer = log.consumer(max_poll_interval_ms=600, session_timeout_ms=500, heartbeat_interval_ms=100)
    next(consumer)
    assert ended.wait(PATIENCE)
    assert current() is None


def test_what_is_in_process_when_the_process_ends(log: Log, traced: Recorder) -> None:
    """A message in the middle of which the process ends has a span that says so."""
    log.write(b"a")
    next(log.consumer())
    OVERDUE.end()
    (span,) = traced.spans()
    assert span["events"][0][0] == "process ended while the message was in process"
    assert current() is None


def test_another_current_span_is_the_parent_and_the_producer_linked(log: Log, traced: Recorder) -> None:
    """Where a span is current already the message is processed below it, with a link to its producer."""
    log.write(b"a", headers=CONTEXT)
    with traced.tracer.start_as_current_span("work") as work:
        for _ in log.consumer():
            break
        assert current() is work
    processed, whole = traced.spans()
    assert (processed["trace"], processed["parent"]) == (whole["trace"], whole["id"])
    assert processed["links"] == [(0xA, 0xB, {})]


def test_the_producer_may_be_a_link_always(log: Log, recorder: Recorder) -> None:
    """With OTEL_PYTHON_KAFKA_CONSUMER_PARENT=link each message begins a trace of its own that links to its producer."""
    recorder.engine.messaging = MessagingSettings(linked=True)
    recorder.patch("kafka")
    log.write(b"a", headers=CONTEXT)
    for _ in log.consumer():
        break
    (span,) = recorder.spans()
    assert (span["trace"], span["parent"], span["links"]) == (1, None, [(0xA, 0xB, {})])


def test_a_message_without_context_begins_a_trace(log: Log, traced: Recorder) -> None:
    """A message of a producer that is not traced is processed in a trace of its own, without links."""
    log.write(b"a")
    for _ in log.consumer():
        break
    (span,) = traced.spans()
    assert (span["trace"], span["parent"]) == (1, None)
    assert "links" not in span


def test_a_producer_that_is_not_sampled(log: Log, traced: Recorder) -> None:
    """The producer's decision holds for what the loop's body does, and for what it sends."""
    log.write(b"a", headers=[("traceparent", traceparent(0xA, 0xB)[:-1] + b"0")])
    producer = log.producer()
    for _ in log.consumer():
        with traced.tracer.start_as_current_span("body") as body:
            assert not body.is_recording()
            assert body.get_span_context().trace_id == 0xA
            producer.send(log.topic, b"b").get(PATIENCE)
        break
    assert traced.spans() == []
    (name, value), *_ = log.read(2)[1].headers()
    assert (name, value[:36], value[-3:]) == ("traceparent", traceparent(0xA, 0)[:36], b"-00")
    assert current() is None


def test_a_sampler_that_says_no(log: Log) -> None:
    """Messages that are not sampled are handed out as untraced, and nothing stays current."""
    recorder = Recorder(sampler=sampling.ALWAYS_OFF)
    recorder.patch("kafka")
    try:
        log.write(b"a", b"b")
        for record in log.consumer():
            assert not trace.get_current_span().is_recording()
            if record.offset == 1:
                break
        assert current() is None
    finally:
        recorder.undo()
    assert recorder.spans() == []


def test_baggage_comes_with_the_message(log: Log, traced: Recorder) -> None:
    """The producer's baggage is current while its message is processed, and not after."""
    log.write(b"a", headers=[*CONTEXT, ("baggage", b"who=me")])
    for _ in log.consumer():
        assert baggage.get_all() == {"who": "me"}
        break
    assert baggage.get_all() == {}


def test_what_the_program_attaches_stays(log: Log, traced: Recorder) -> None:
    """A context that the body attaches and leaves is there after the loop, without the message's span."""
    log.write(b"a", b"b", headers=CONTEXT)
    before = context.get_current()
    tokens = []
    try:
        for record in log.consumer():
            assert trace.get_current_span().get_span_context().trace_id == 0xA
            tokens.append(context.attach(context.set_value("mine", record.offset)))
            if record.offset == 1:
                break
        assert context.get_value("mine") == 1
        assert current() is None
    finally:
        context.attach(before)
    assert [span["parent"] for span in traced.spans()] == [0xB, 0xB]


def test_other_threads_and_tasks_see_nothing(log: Log, traced: Recorder) -> None:
    """A message in process is current in its own thread and task only, and in tasks that its body starts."""
    log.write(b"a")
    seen: dict[str, Any] = {}

    async def main() -> None:
        begun, done = asyncio.Event(), asyncio.Event()

        async def other() -> None:
            await begun.wait()
            seen["other task"] = current()
            thread = threading.Thread(target=lambda: seen.update(thread=current()))
            thread.start()
            thread.join()
            done.set()

        async def child() -> None:
            seen["child"] = current()

        task = asyncio.create_task(other())
        for _ in log.consumer():
            seen["own"] = current()
            begun.set()
            await done.wait()
            await asyncio.create_task(child())
            break
        seen["after"] = current()
        await task

    asyncio.run(main())
    assert seen["own"] is seen["child"] is not None
    assert seen["other task"] is seen["thread"] is seen["after"] is None


def test_a_pool_thread_that_fetches_for_others_keeps_nothing(log: Log, traced: Recorder) -> None:
    """`run_in_executor(None, next, consumer)` processes nothing in that thread: it has no current span after it."""
    log.write(b"a", b"b")
    consumer = log.consumer()
    with ThreadPoolExecutor(1) as pool:
        for _ in range(2):
            pool.submit(next, consumer).result()
            assert pool.submit(current).result() is None
        assert ends(traced) == [(0, "UNSET")]
        pool.submit(consumer.close).result()
    assert ends(traced) == [(1, "UNSET")]


def test_threads_that_share_a_consumer(log: Log, traced: Recorder) -> None:
    """A thread's message is in process until that thread asks for another, whatever other threads ask for."""
    log.write(b"a", b"b", b"c")
    consumer = log.consumer()
    first = next(consumer)
    with ThreadPoolExecutor(1) as pool:

        def take() -> tuple[int, bool]:
            return next(consumer).offset, current() is not None

        assert pool.submit(take).result() == (1, True)
        assert traced.finished == []
        assert current() is not None
        assert next(consumer).offset == 2
        assert ends(traced) == [(first.offset, "UNSET")]
        consumer.close()
        assert sorted(ends(traced)) == [(1, "UNSET"), (2, "UNSET")]
    assert current() is None


def test_two_consumers_in_turn_are_not_inside_of_each_other(log: Log, traced: Recorder) -> None:
    """Messages of two consumers that one thread takes in turn have their own producers as parents, and no other."""
    log.write(b"a", b"b", b"c", headers=CONTEXT)
    one, two = log.consumer(), log.consumer()
    for _ in range(3):
        next(one)
        next(two)
    one.close()
    two.close()
    assert current() is None
    spans = traced.spans()
    assert [(span["trace"], span["parent"]) for span in spans] == [(0xA, 0xB)] * 6


def test_a_loop_in_a_loop_is_inside(log: Log, traced: Recorder) -> None:
    """A message taken while another is processed belongs to that one's processing, and links its own producer."""
    log.write(b"a", b"b", headers=CONTEXT)
    inner = log.consumer()
    for outer in log.consumer():
        for _ in inner:
            break
        if outer.offset == 1:
            break
    assert current() is None
    first_inner, first, second_inner, second = traced.spans()
    assert (first_inner["parent"], second_inner["parent"]) == (first["id"], second["id"])
    assert first_inner["links"] == second_inner["links"] == [(0xA, 0xB, {})]
    assert first["parent"] == second["parent"] == 0xB


def test_the_iterator_is_the_consumer_to_whoever_asks(log: Log, traced: Recorder) -> None:
    """What a program does with `iter(consumer)` works: it is its own iterator and has the consumer's methods."""
    log.write(b"a")
    consumer = log.consumer()
    iterator = iter(consumer)
    assert iter(iterator) is iterator
    assert next(iterator).value == b"a"
    assert iterator.position(TopicPartition(log.topic, 0)) == 1
    assert iterator.config is consumer.config
    with pytest.raises(AttributeError):
        _ = iterator.no_such_thing
    assert isinstance(consumer, KafkaConsumer)
    assert type(consumer).__iter__.__name__ == "__iter__"


class Loud(KafkaConsumer):  # type: ignore[misc]
    """A consumer of the program's own making."""

    def __next__(self) -> Any:
        record = super().__next__()
        return record._replace(value=record.value.upper())

    def poll(self, *args: Any, **kwargs: Any) -> Any:
        return super().poll(*args, **kwargs)


def test_a_subclass_of_the_programs_own(log: Log, traced: Recorder) -> None:
    """A subclass that changes what it hands out is traced once for each message, and gives what it gave."""
    log.write(b"a", b"b")
    consumer = Loud(log.topic, bootstrap_servers=log.bootstrap, auto_offset_reset="earliest")
    try:
        values = []
        for record in consumer:
            values.append(record.value)
            if len(values) == 2:
                break
        assert values == [b"A", b"B"]
    finally:
        consumer.close()
    assert ends(traced) == [(0, "UNSET"), (1, "UNSET")]


class Told(ConsumerRebalanceListener):  # type: ignore[misc]
    """A rebalance listener."""

    def __init__(self, consumer: Any) -> None:
        self.consumer = consumer
        self.assigned: list[Any] = []
        self.revoked: list[Any] = []

    def on_partitions_assigned(self, assigned: Any) -> None:
        self.assigned.append((set(assigned), current()))

    def on_partitions_revoked(self, revoked: Any) -> None:
        self.revoked.append((set(revoked), current()))


def test_two_members_of_a_group_share_two_partitions(kafka: Kafka, traced: Recorder) -> None:
    """Two consumers of a group in two threads, with rebalance listeners: each message processed once, spans theirs."""
    log = Log(kafka, partitions=2)
    try:
        for partition in (0, 1):
            log.write(*[b"%d" % number for number in range(10)], partition=partition)
        lock, seen = threading.Lock(), []
        everything = threading.Event()
        listeners = []

        def work() -> None:
            consumer = KafkaConsumer(
                bootstrap_servers=log.bootstrap,
                group_id=log.group,
                auto_offset_reset="earliest",
                consumer_timeout_ms=200,
                max_poll_records=1,
            )
            listener = Told(consumer)
            listeners.append(listener)
            consumer.subscribe([log.topic], listener=listener)
            while not everything.is_set():
                for record in consumer:
                    with lock:
                        seen.append((record.partition, record.offset))
                        if len(set(seen)) == 20:
                            everything.set()
                    assert current() is not None
            consumer.close()
            assert current() is None

        threads = [threading.Thread(target=work) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(set(seen)) == [(partition, offset) for partition in (0, 1) for offset in range(10)]
        spans = [span for span in traced.spans() if span["name"] == f"process {log.topic}"]
        told = [
            (
                int(span["attributes"]["messaging.destination.partition.id"]),
                span["attributes"]["messaging.kafka.offset"],
            )
            for span in spans
        ]
        assert sorted(told) == sorted(seen)
        assert all(now is None for listener in listeners for _, now in (*listener.assigned, *listener.revoked))
        assert any(assigned for listener in listeners for assigned, _ in listener.assigned)
    finally:
        log.close()


def test_pause_seek_and_resume(log: Log, traced: Recorder) -> None:
    """A consumer that is paused, resumed and set back in the middle of a loop gives what it gave, traced each time."""
    log.write(b"a", b"b", b"c")
    consumer, place = log.consumer(), TopicPartition(log.topic, 0)
    offsets = []
    for record in consumer:
        offsets.append(record.offset)
        if offsets == [0, 1]:
            consumer.pause(place)
            assert consumer.poll(10) == {}
            consumer.resume(place)
            consumer.seek(place, 0)
        if len(offsets) == 4:
            break
    assert offsets == [0, 1, 0, 1]
    assert ends(traced) == [(0, "UNSET"), (1, "UNSET"), (0, "UNSET"), (1, "UNSET")]
