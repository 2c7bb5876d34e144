"""What the compiled engine promises to the package: locks, shared memory, errors instead of panics."""

from __future__ import annotations

import os
import pathlib
import re
import signal
import subprocess
import sys
import textwrap
import threading
import time

import numpy as np
import pytest

import rustnet
from rustnet import _core, layers, ops
from rustnet.core.trace import Trace

has_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="the system does not fork")


def exit_status(child: int, seconds: float = 20.0) -> int:
    """The exit code of a forked child; one that hangs is killed and fails the test."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        process, status = os.waitpid(child, os.WNOHANG)
        if process:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.01)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    raise AssertionError("the forked child hangs")


def in_child(function) -> int:
    """The exit code of a forked child that runs `function`: 0 where that returned, 1 where it raised."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            function()
            code = 0
        finally:
            os._exit(code)
    return exit_status(child)


# --- Exclusive ------------------------------------------------------------------------------------


def test_exclusive_returns_raises_and_may_be_entered_again():
    exclusive = _core.Exclusive()
    assert exclusive.run(lambda: exclusive.run(lambda: 7)) == 7
    for error in (ValueError, KeyboardInterrupt, SystemExit):

        def fails(error=error) -> None:
            raise error("stop")

        with pytest.raises(error, match="stop"):
            exclusive.run(fails)
    # Free again: another thread gets it.
    seen: list[int] = []
    thread = threading.Thread(target=lambda: seen.append(exclusive.run(lambda: 1)))
    thread.start()
    thread.join(10)
    assert seen == [1]


def test_exclusive_lets_one_thread_at_a_time():
    exclusive = _core.Exclusive()
    inside: list[int] = []
    most = []

    def work() -> None:
        inside.append(1)
        most.append(len(inside))
        time.sleep(0.0005)
        exclusive.run(lambda: None)
        inside.pop()

    threads = [threading.Thread(target=lambda: [exclusive.run(work) for _ in range(25)]) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(most) == 200 and max(most) == 1


def test_a_thread_that_waits_for_exclusive_sees_an_interrupt():
    exclusive = _core.Exclusive()
    holding, end = threading.Event(), threading.Event()
    thread = threading.Thread(target=lambda: exclusive.run(lambda: (holding.set(), end.wait(20))))
    inherited = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        thread.start()
        holding.wait(10)
        timer = threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGINT))
        timer.start()
        with pytest.raises(KeyboardInterrupt):
            exclusive.run(lambda: None)
    finally:
        end.set()
        thread.join(10)
        signal.signal(signal.SIGINT, inherited)
    assert exclusive.run(lambda: 3) == 3


@has_fork
def test_exclusive_is_free_in_a_child_unless_the_forking_thread_holds_it():
    exclusive = _core.Exclusive()
    holding, end = threading.Event(), threading.Event()
    thread = threading.Thread(target=lambda: exclusive.run(lambda: (holding.set(), end.wait(20))))
    thread.start()
    holding.wait(10)
    try:
        assert in_child(lambda: exclusive.run(lambda: None)) == 0
    finally:
        end.set()
        thread.join(10)

    def other_thread_is_kept_out() -> None:
        entered = threading.Event()
        other = threading.Thread(target=lambda: exclusive.run(entered.set), daemon=True)
        other.start()
        assert not entered.wait(0.3)
        exclusive.run(lambda: None)

    assert exclusive.run(lambda: in_child(other_thread_is_kept_out)) == 0


# --- memory that programs share -------------------------------------------------------------------


def test_programs_that_share_arenas_give_what_they_give_alone():
    arenas = _core.Arenas()

    def program(rows: int, shared: bool) -> _core.Program:
        trace = Trace()

        def record() -> _core.Program:
            x = trace.input("float32", (rows, 64))
            y = (x @ (x * 2.0 + 1.0)[:, :1] if rows == 64 else x * x + x)[:, :5]
            z = (y + 1.0) * y
            return trace.graph.compile([y.value, z.value], arenas if shared else None)

        return trace.call(record)

    rng = np.random.default_rng(0)
    sizes = [3, 64, 500, 7, 64]
    programs = [(program(size, True), program(size, False), size) for size in sizes]
    for _ in range(3):
        for with_shared, alone, size in programs:
            # Rows that must be cast and gathered, and whole arguments.
            x = rng.normal(size=(size, 64))
            order = _core.Order(rng.permutation(size))
            outputs = [[one.new_outputs() for one in (with_shared, alone)] for _ in range(2)]
            for one, arrays in zip((with_shared, alone), outputs[0], strict=True):
                one.run_batches([x], order, (0, size), arrays, 0.0)
            whole = [one.run([x.astype("float32")]) for one in (with_shared, alone)]
            for shared_result, result in [*zip(*outputs[0], strict=True), *zip(*whole, strict=True)]:
                np.testing.assert_array_equal(shared_result, result)


# --- arrays ---------------------------------------------------------------------------------------


def test_any_byte_but_zero_is_true():
    # As NumPy has it; such arrays come from files and buffers.
    array = np.array([0, 1, 2, 255], np.uint8).view(bool)
    truth = np.array([False, True, True, True])
    for ours, expected in [
        (ops.cast(array, "int32"), truth.astype("int32")),
        (ops.sum(ops.cast(array, "float32")), 3.0),
        (ops.equal(array, True), truth),
        (rustnet.Variable(array), truth),
        (ops.logical_not(array), ~truth),
    ]:
        np.testing.assert_array_equal(np.asarray(ours), expected)

    order = _core.Order(np.array([3, 2, 1, 0]))
    for dtype in ("bool", "float32", "int32", "float64"):
        trace = Trace()
        x = trace.input(dtype, (4, 1))
        constant = trace.constant(array[:, None])
        program = trace.call(
            lambda trace=trace, x=x, constant=constant: trace.compile(
                [ops.cast(x, "float32"), ops.cast(constant, "float32")]
            )
        )
        outputs = program.new_outputs()
        for rows in (order, None):
            program.run_batches([array[:, None]], rows, (0, 4), outputs, 0.0)
            np.testing.assert_array_equal(outputs[0][:, 0], truth[::-1] if rows else truth)
            np.testing.assert_array_equal(outputs[1][:, 0], truth)


# --- errors ---------------------------------------------------------------------------------------

SOURCES = pathlib.Path(__file__).parents[1] / "src" / "python"


@pytest.mark.skipif(not SOURCES.is_dir(), reason="the sources are not beside the tests")
def test_every_function_that_python_calls_is_guarded():
    guarded, unguarded = 0, []
    for path in sorted(SOURCES.glob("*.rs")):
        text = path.read_text()
        called = [match.end() for match in re.finditer(r"#\[py(?:function|module_init)\]", text)]
        # A function of an `impl` block is indented by four spaces, and so is the brace that ends it.
        for block in re.finditer(r"#\[pymethods\]\nimpl .*?\n}\n", text, re.DOTALL):
            # The garbage collector's own function runs nothing that could panic, and cannot raise.
            found = re.finditer(r"\n    (?:pub )?fn (?!__traverse__)", block.group())
            called += [block.start() + match.start() for match in found]
        for start in called:
            name = re.search(r"fn (\w+)", text[start:])
            body = re.search(r" \{\n\s*(?:let py = function.py\(\);\s*)?", text[start:])
            assert name and body
            if text[start + body.end() :].startswith("entry(|| "):
                guarded += 1
            else:
                unguarded.append(f"{path.name}: {name.group(1)}")
    assert not unguarded
    assert guarded > 30


@pytest.mark.parametrize(
    "make",
    [
        lambda: ops.zeros(10**12),
        lambda: ops.broadcast_to(1.0, (10**6, 10**6)),
        lambda: ops.add(np.ones((10**6, 1)), np.ones((1, 10**7))),
        lambda: ops.one_hot([1], 10**12),
        lambda: ops.repeat(np.ones(10), 10**12),
        lambda: rustnet.random.normal((10**12,)),
        lambda: rustnet.Variable("zeros", shape=(10**12,)),
        lambda: layers.RepeatVector(10**12)(np.ones((2, 3))),
        lambda: rustnet.Sequential([layers.RepeatVector(10**9)]).predict(np.ones((100, 3)), verbose=0),
        lambda: rustnet.Sequential([layers.RepeatVector(10**9)]).predict_on_batch(np.ones((100, 3))),
        lambda: _core.permutation(10**13, 1, 1),
        lambda: _core.Order(np.broadcast_to(np.int64(1), (10**13,))),
    ],
)
def test_memory_that_cannot_be_had_is_a_memory_error(make):
    with pytest.raises(MemoryError):
        make()


def test_a_size_beyond_all_addresses_is_an_error():
    with pytest.raises(ValueError, match="size must fit in memory"):
        ops.broadcast_to(1.0, (2**40, 2**40))
    # Each of these values fits in the addresses of a machine, but all four at once do not.
    graph = _core.Graph()
    one = graph.constant(np.ones((), np.float32))
    (x,) = graph.apply("broadcast_to", [one], {"shape": [2**30, 2**30]})
    sums = [
        graph.apply("cumsum", [x], {"axis": axis, "reverse": reverse})[0]
        for axis in (0, 1)
        for reverse in (False, True)
    ]
    total = sums[0]
    for term in sums[1:]:
        (total,) = graph.apply("add", [total, term], {})
    (total,) = graph.apply("reduce_sum", [total], {"axes": [0, 1], "keepdims": False})
    with pytest.raises(MemoryError):
        graph.compile([total]).run([])


def test_a_rank_that_numpy_does_not_have_is_a_value_error():
    with pytest.raises(ValueError, match="Received: rank 65"):
        ops.reshape(np.ones(4), [1] * 64 + [4])


# Memory is short: each script has 100 MB above what it needs so far.
SHORT = {
    "a shuffled order": """
        x = np.ones((2 * 10**7, 1), np.int8)
        model = make((1,), 2)
        limit(100)
        raises(lambda: model.fit(x, x[:, 0], batch_size=10**6, verbose=0))
        assert model.predict(x[:50], verbose=0).shape == (50, 2)
        model.fit(x[:1000], x[:1000, 0], verbose=0)
    """,
    "weights": """
        model = make((5000,), 10_000)
        limit(100)
        raises(model.get_weights)
        raises(model.weights[0].numpy)
        raises(lambda: rustnet.Variable(np.broadcast_to(np.float32(1), (10**8,))))
        assert model.weights[1].numpy().shape == (10_000,)
    """,
    "outputs": """
        x = np.ones((10**6, 1), np.float32)
        model = make((1,), 100)
        limit(100)
        raises(lambda: model.predict(x, verbose=0))
        raises(lambda: model(x))
        raises(lambda: model.predict_on_batch(x))
        raises(lambda: model.train_on_batch(x, x[:, 0]))
        raises(lambda: rustnet.ops.matmul(x, np.ones((1, 100), np.float32)))
        raises(lambda: rustnet.random.normal((10**8,)))
        raises(lambda: rustnet.ops.sort(np.ones(10**8, np.int8)))
        assert model.predict(x[:50], verbose=0).shape == (50, 100)
        model.fit(x[:1000], x[:1000, 0], verbose=0)
    """,
    "constants": """
        array = np.ones(3 * 10**7, np.float32)
        limit(100)
        graph = _core.Graph()
        raises(lambda: graph.constant(array))
        assert graph.type_of(graph.constant(array[:10])) == ("float32", [10])
    """,
}

PREAMBLE = """
import resource
import numpy as np
import rustnet
from rustnet import _core

def make(shape, units):
    layers = [rustnet.layers.Input(shape), rustnet.layers.Dense(units)]
    model = rustnet.Sequential(layers)
    model.compile("sgd", "sparse_categorical_crossentropy")
    # What is made once is there before memory gets short: the threads of the pool too.
    model.fit(np.ones((64, *shape), np.float32), np.ones(64), verbose=0)
    return model

def limit(megabytes):
    with open("/proc/self/statm") as status:
        used = int(status.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + megabytes * 2**20,) * 2)

def raises(function):
    try:
        function()
    except MemoryError:
        return
    raise AssertionError("expected a MemoryError")
"""


@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="the system does not tell")
@pytest.mark.parametrize("what", SHORT)
def test_where_memory_is_short_the_model_lives_on(what):
    script = PREAMBLE + textwrap.dedent(SHORT[what])
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr[-2000:]


# --- the order of rows ----------------------------------------------------------------------------


def test_an_order_holds_its_rows_and_refuses_what_is_none():
    rows = np.array([2, 0, 1])
    order = _core.Order(rows[::-1])
    rows[:] = 0
    trace = Trace()
    program = trace.call(lambda: trace.compile([trace.input("float32", (3, 1)) * 2.0]))
    outputs = program.new_outputs()
    column = np.array([[0.0], [1.0], [2.0]])
    program.run_batches([column], order, (0, 3), outputs, 0.0)
    assert len(order) == 3
    np.testing.assert_array_equal(outputs[0], [[2.0], [0.0], [4.0]])
    with pytest.raises(ValueError, match="Received: row -1"):
        _core.Order(np.array([0, -1]))
    for columns, listed, rows in [
        ([column[:2]], order, (0, 3)),
        ([column], _core.Order(np.array([0, 1])), (0, 3)),
        ([column], _core.Order(np.array([0, 1, 3])), (0, 3)),
        ([column], order, (2, 1)),
        ([column], order, (2**64 - 1, 3)),
    ]:
        with pytest.raises(ValueError, match="expected"):
            program.run_batches(columns, listed, rows, outputs, 0.0)


def test_arguments_and_outputs_without_a_batch_axis():
    # A batch of rows, a scalar and a matrix that every batch has as they are; outputs of three shapes.
    trace = Trace()

    def record() -> _core.Program:
        x, scale, table = (
            trace.input("float32", (2, 3)),
            trace.input("float32", ()),
            trace.input("float32", (4, 3)),
        )
        return trace.compile([ops.sum(x) * scale, x + table[0], ops.transpose(table) * ops.max(x)])

    program = trace.call(record)
    x, scale, table = np.arange(18.0).reshape(6, 3), np.array(2), np.ones((3, 4), "float32").T
    of_batches = [np.empty(3, "float32"), np.empty((6, 3), "float32"), np.empty((9, 4), "float32")]
    end = program.run_batches([x, scale, table], None, (0, 6), of_batches, 60.0, [1, 2], keeps_all=True)
    assert end == 6
    np.testing.assert_array_equal(of_batches[0], [30.0, 102.0, 174.0])
    np.testing.assert_array_equal(of_batches[1], x + 1)
    np.testing.assert_array_equal(of_batches[2][:, 0], np.repeat([5.0, 11.0, 17.0], 3))
    of_last = program.new_outputs()
    program.run_batches([x, scale, table], None, (0, 6), of_last, 60.0, [1, 2])
    assert of_last[0] == 174.0 and of_last[1].shape == (2, 3) and of_last[2].shape == (3, 4)
    # Where nothing has rows, the range is one batch.
    assert program.run_batches([x[:2], scale, table], None, (3, 9), of_last, 60.0, [0, 1, 2]) == 9
    assert of_last[0] == 30.0
    for columns, whole, arrays, keeps_all in [
        ([x, scale, table], [1], of_last, False),
        ([x, np.zeros(2), table], [1, 2], of_last, False),
        ([x, scale, table], [0, 1, 2], of_last, False),
        ([x, scale, table], [1, 2], of_last, True),
        ([x, scale, table], [1, 2], of_last[:2], False),
        ([x, scale, table], [1, 2], [*of_last[:2], np.empty((3, 3), "float32")], False),
    ]:
        with pytest.raises(ValueError, match="expected.*Received"):
            program.run_batches(columns, None, (0, 6), arrays, 0.0, whole, keeps_all=keeps_all)


def test_a_call_for_one_batch_does_not_look_at_all_rows():
    # A program that does next to nothing, called for single batches of many rows and of few.
    rows = 4 * 10**6
    column = np.zeros((rows, 1), np.float32)
    trace = Trace()
    program = trace.call(lambda: trace.compile([trace.input("float32", (32, 1)) * 2.0]))

    def seconds(size: int) -> float:
        order = _core.permutation(size, 1, 0)
        best = np.inf
        for _ in range(5):
            began = time.perf_counter()
            for step in range(100):
                program.run_batches([column[:size]], order, (32 * step, size), [], 0.0)
            best = min(best, time.perf_counter() - began)
        return best

    # Going through the order took a thousand times as long as the batch; cold rows cost a little.
    assert seconds(rows) < 10 * seconds(3200)


# --- forks ----------------------------------------------------------------------------------------


@has_fork
def test_a_fork_sees_whole_steps():
    # One step adds one to each element of two variables.
    variables = [_core.Variable(np.zeros(2 * 10**6, np.float32)) for _ in range(2)]
    graph = _core.Graph()
    x = graph.input("float32", [1])
    old = [graph.variable(variable) for variable in variables]
    new = [graph.apply("add", [value, graph.constant(np.ones(1, np.float32))], {})[0] for value in old]
    for variable, value in zip(variables, new, strict=True):
        graph.assign(variable, value)
    program = graph.compile([x])
    stop = threading.Event()

    def train() -> None:
        while not stop.is_set():
            program.run_batches([np.zeros((50, 1), np.float32)[:, 0]], None, (0, 50), [], 60.0)

    def contents_are_of_one_step() -> None:
        contents = np.concatenate([variable.numpy() for variable in variables])
        assert contents.min() == contents.max()
        program.run_batches([np.zeros(1, np.float32)], None, (0, 1), [], 60.0)
        assert variables[0].numpy()[0] == contents[0] + 1

    thread = threading.Thread(target=train)
    thread.start()
    try:
        for _ in range(5):
            time.sleep(0.02)
            assert in_child(contents_are_of_one_step) == 0
    finally:
        stop.set()
        thread.join(30)
    assert variables[0].numpy()[0] > 50
