"""What `fit`, `evaluate` and `predict` take as data: arrays of all kinds, data frames, weights."""

import numpy as np
import pandas
import pytest

import rustnet
from rustnet import layers

ROWS = np.array([[1.0, 2, 3], [4, 5, 6]])


def summing(columns=3, library=rustnet):
    """A model whose output is the sum of a row."""
    model = library.Sequential(
        [
            library.layers.Input((columns,)),
            library.layers.Dense(1, use_bias=False, kernel_initializer="ones"),
        ]
    )
    model.compile(library.optimizers.SGD(0.0), "mse")
    return model


def strided():
    base = np.zeros((4, 6))
    base[::2, ::2] = ROWS
    return base[::2, ::2]


def read_only():
    rows = ROWS.copy()
    rows.flags.writeable = False
    return rows


def misaligned():
    return np.frombuffer(b"\0" + ROWS.astype("float32").tobytes(), "float32", offset=1).reshape(2, 3)


class Interface:
    """What only says how to become an array."""

    def __array__(self, dtype=None, copy=None):
        return ROWS.astype(dtype or "float64")


DTYPES = "bool int8 uint8 int16 uint16 int32 uint32 int64 uint64 float16 float32 float64 longdouble".split()
ARRAYS = {
    **{dtype: lambda dtype=dtype: ROWS.astype(dtype) for dtype in DTYPES},
    **{
        f"big-endian {dtype}": lambda dtype=dtype: ROWS.astype(np.dtype(dtype).newbyteorder(">"))
        for dtype in DTYPES
        if dtype not in ("bool", "int8", "uint8")
    },
    "nested lists": lambda: ROWS.tolist(),
    "a list of rows of numbers": lambda: [tuple(row) for row in ROWS],
    "in Fortran's order": lambda: np.asfortranarray(ROWS),
    "reversed": lambda: ROWS[::-1][::-1],
    "strided": strided,
    "read-only": read_only,
    "misaligned": misaligned,
    "repeated": lambda: np.broadcast_to(ROWS[:1], (2, 3)),
    "masked, no entry": lambda: np.ma.masked_array(ROWS, mask=False),
    "a tensor": lambda: rustnet.ops.convert_to_tensor(ROWS),
    "a variable": lambda: rustnet.Variable(ROWS),
    "an interface": Interface,
    "a list of it": lambda: [ROWS],
}


@pytest.mark.parametrize("kind", ARRAYS)
def test_arrays_of_every_kind(kind):
    expected = np.asarray(ARRAYS[kind](), "float32").reshape(2, 3).sum(axis=1, keepdims=True)
    model = summing()
    np.testing.assert_allclose(model.predict(ARRAYS[kind](), verbose=0), expected, rtol=1e-6)
    np.testing.assert_allclose(model.predict(ARRAYS[kind](), batch_size=1, verbose=0), expected, rtol=1e-6)
    assert model.evaluate(ARRAYS[kind](), expected, verbose=0) == pytest.approx(0.0, abs=1e-10)
    # The same object as input, target and, of ones, as weight.
    whole = rustnet.Sequential([layers.Input((3,)), layers.Activation("linear")])
    whole.compile("sgd", "mse")
    data = ARRAYS[kind]()
    assert whole.evaluate(data, data, verbose=0) == pytest.approx(0.0, abs=1e-10)


def frame(**columns):
    return pandas.DataFrame(columns)


# A frame of pandas's and the sums of its rows.
FRAMES = {
    "nullable and plain": (frame(a=pandas.array([1, 2], dtype="Int64"), b=[1.0, 2.0], c=[0, 1]), [2, 5]),
    "nullable": (frame(a=pandas.array([1, 2], dtype="UInt8"), b=pandas.array([3, 4], dtype="Int8")), [4, 6]),
    "nullable floats": (frame(a=pandas.array([1, 2.5], dtype="Float64"), b=[1, 2]), [2, 4.5]),
    "nullable bools": (frame(a=pandas.array([True, False], dtype="boolean"), b=[1, 2.5]), [2, 2.5]),
    "bools": (frame(a=[True, False], b=[True, True]), [2, 1]),
    "bools and ints": (frame(a=[True, False], b=[1, 2]), [2, 2]),
    "categories of numbers": (frame(a=pandas.Categorical([7, 5]), b=[1, 2]), [8, 7]),
    "objects of numbers": (frame(a=pandas.Series([1, 2.5], dtype=object), b=[1, 2]), [2, 4.5]),
    "missing": (frame(a=pandas.array([1, None], dtype="Int64"), b=[1, 2]), [2, np.nan]),
    "missing among objects": (frame(a=pandas.Series([1, None], dtype=object), b=[1, 2]), [2, np.nan]),
    "large objects": (frame(a=pandas.Series([2**70, 1], dtype=object)), [2.0**70, 1]),
    "sparse": (frame(a=pandas.arrays.SparseArray([0, 1.0])), [0, 1]),
    "an index of its own": (pandas.DataFrame(ROWS, index=[(1, 2), (0, 1)], columns=list("xyz")), [6, 15]),
    "no rows": (frame(a=[], b=[]), []),
    "a series": (pandas.Series([1.0, 2.0], index=["q", "q"]), [1, 2]),
    "a nullable series": (pandas.Series([1, 2], dtype="Int64", index=[5, 5]), [1, 2]),
    "a series of categories": (pandas.Series(pandas.Categorical([5, 7])), [5, 7]),
    "an extension array": (pandas.array([1, 2], dtype="Int64"), [1, 2]),
    "an index": (pandas.Index([3, 4]), [3, 4]),
}


@pytest.mark.parametrize("kind", FRAMES)
def test_data_frames(kind):
    data, expected = FRAMES[kind]
    model = summing(data.shape[1] if len(data.shape) == 2 else 1)
    np.testing.assert_allclose(
        model.predict(data, verbose=0), np.reshape(expected, (-1, 1)).astype("float32"), rtol=1e-6
    )


def test_frames_as_targets_and_weights(keras):
    """A nullable series with an index of its own as targets, and weights; values beside Keras's."""
    x = np.arange(4.0)[:, None]
    y = pandas.Series([1, 0, 2, 1], dtype="Int64", index=[3, 3, 0, 1])
    weights = pandas.Series([1.0, 2.0, 0.0, 1.0], index=list("abcd"))
    got = summing(1).evaluate(x, y, sample_weight=weights, verbose=0)
    expected = summing(1, keras).evaluate(
        x, y.to_numpy("float32"), sample_weight=weights.to_numpy("float32"), verbose=0
    )
    assert got == pytest.approx(expected)


BAD_DATA = {
    "strings": (frame(a=["x", "y"], b=[1, 2]), "'x' of type str in column 'a'"),
    "strings of numbers": (frame(b=[1, 2], a=["1", "2"]), "'1' of type str in column 'a'"),
    "categories of strings": (pandas.Series(pandas.Categorical(["x", "y"])), "'x' of type str"),
    "dates": (frame(a=pandas.to_datetime(["2020-01-01"]), b=[1]), "Timestamp in column 'a'"),
    "time differences": (pandas.Series(pandas.to_timedelta([1, 2])), "timedelta64"),
    "complex numbers": (np.array([[1j]]), "complex"),
    "objects": (np.array([[1.0, "a"]], dtype=object), "object"),
    "a record array": (np.zeros(2, [("a", "f4")]), "void|numbers or bools"),
    "masked entries": (np.ma.masked_array(ROWS, mask=ROWS > 5), "masked"),
    "no axis": (np.array(1.0), "axis of samples"),
    "a number": (1.0, "axis of samples"),
    "a string": ("abc", "numbers or bools"),
    "ragged lists": ([[1.0], [1.0, 2.0]], "one length"),
    "a set": ({1.0, 2.0}, "axis of samples|numbers or bools"),
}


@pytest.mark.parametrize("kind", BAD_DATA)
@pytest.mark.parametrize("method", ["fit", "predict", "train_on_batch"])
def test_what_is_no_array_of_numbers_is_an_error(kind, method):
    data, message = BAD_DATA[kind]
    with pytest.raises(ValueError, match=message):
        getattr(summing(), method)(data)


# --- weights of classes -------------------------------------------------------------------------------------

LABELS = np.array([0, 1, 2, 1, 0, 2])
CLASS_WEIGHTS = {
    "all classes": {0: 1.0, 1: 2.0, 2: 0.5},
    "some": {1: 3.0},
    "none": {},
    "NumPy's keys": {np.int64(0): 2.0, np.uint8(2): np.float32(0.5)},
    "bools as keys": {True: 2.0},
    "floats as keys": {0.0: 2.0, 1.0: 3},
    "a weight of 0": {0: 0.0},
}


def classifier(library):
    model = library.Sequential(
        [library.layers.Input((1,)), library.layers.Dense(3, kernel_initializer="ones", activation="softmax")]
    )
    return model


TARGETS = {
    "(n,)": (LABELS, "sparse_categorical_crossentropy"),
    "(n, 1)": (LABELS[:, None].astype("float32"), "sparse_categorical_crossentropy"),
    "(n, 3)": (np.eye(3)[LABELS], "categorical_crossentropy"),
    "nearly classes": (np.eye(3)[LABELS] * 0.9 + 0.03, "categorical_crossentropy"),
}


@pytest.mark.parametrize("weights", CLASS_WEIGHTS)
@pytest.mark.parametrize("targets", TARGETS)
def test_class_weights_equal_keras(keras, weights, targets):
    y, loss = TARGETS[targets]
    x = np.arange(6.0)[:, None] / 6
    losses = []
    for library in (rustnet, keras):
        model = classifier(library)
        model.compile(
            library.optimizers.SGD(0.0), loss, **({} if library is rustnet else {"run_eagerly": True})
        )
        history = model.fit(x, y, class_weight=CLASS_WEIGHTS[weights], batch_size=4, verbose=0)
        losses.append([history.history["loss"], model.train_on_batch(x, y, class_weight={1: 2.0})])
    np.testing.assert_allclose(losses[0][0], losses[1][0], rtol=1e-5)
    np.testing.assert_allclose(losses[0][1], losses[1][1], rtol=1e-5)


def test_class_weights_are_not_for_the_validation_data(keras):
    x, y = np.arange(6.0)[:, None] / 6, LABELS
    histories = []
    for library in (rustnet, keras):
        for held_back in ({"validation_split": 0.5}, {"validation_data": (x[3:], y[3:])}):
            model = classifier(library)
            model.compile(
                library.optimizers.SGD(0.0), "sparse_categorical_crossentropy", weighted_metrics=["accuracy"]
            )
            class_weight = {0: 2.0, 1: 0.0, 2: 3.0}
            histories.append(model.fit(x, y, class_weight=class_weight, verbose=0, **held_back).history)
    for key in ("loss", "val_loss", "accuracy", "val_accuracy"):
        values = [history[key] for history in histories]
        np.testing.assert_allclose(values[:2], values[2:], rtol=1e-5)


BAD_CLASS_WEIGHTS = {
    "a string as key": ({"0": 2.0}, "key '0'"),
    "a fraction as key": ({0.5: 2.0}, "key 0.5"),
    "None as key": ({None: 2.0}, "key None"),
    "NaN as key": ({np.nan: 2.0}, "key nan"),
    "a negative weight": ({0: -1.0}, r"\[0\]=-1.0"),
    "NaN": ({0: np.nan}, r"\[0\]=nan"),
    "infinity": ({0: np.inf}, r"\[0\]=inf"),
    "a string as weight": ({0: "2"}, r"\[0\]='2'"),
    "a list": ([1.0, 2.0, 3.0], r"class_weight=\[1.0"),
    "a class beyond the output": ({0: 1.0, 7: 2.0}, r"classes 0 to 2.*\[7\]"),
    "a negative class": ({-1: 1.0}, r"classes 0 to 2.*\[-1\]"),
}


@pytest.mark.parametrize("case", BAD_CLASS_WEIGHTS)
@pytest.mark.parametrize("method", ["fit", "generator", "train_on_batch"])
def test_class_weights_that_say_nothing_are_errors(case, method):
    weights, message = BAD_CLASS_WEIGHTS[case]
    model = classifier(rustnet)
    model.compile("sgd", "sparse_categorical_crossentropy")
    x = np.ones((6, 1))
    with pytest.raises(ValueError, match=message):
        if method == "fit":
            model.fit(x, LABELS, class_weight=weights, verbose=0)
        elif method == "generator":
            model.fit(iter([(x, LABELS)]), class_weight=weights, verbose=0)
        else:
            model.train_on_batch(x, LABELS, class_weight=weights)


def test_class_weights_of_other_targets():
    x, model = np.ones((4, 1)), summing(1)
    # The labels of a hinge loss.
    signs = np.array([-1.0, 1.0, 1.0, 1.0])
    assert model.fit(x, signs, class_weight={-1: 0.5}, verbose=0).history["loss"] == [0.5]
    with pytest.raises(ValueError, match=r"classes of y.*\[5\]"):
        model.fit(x, signs, class_weight={5: 2.0}, verbose=0)
    # In a batch a class may be missing.
    assert model.train_on_batch(x[:1], signs[:1], class_weight={1: 2.0}) == 4.0
    with pytest.raises(ValueError, match="class_weight or sample_weight"):
        model.fit(x, signs, class_weight={1: 2.0}, sample_weight=signs, verbose=0)
    with pytest.raises(ValueError, match="rank 1 or 2"):
        model.fit(x, np.ones((4, 2, 2)), class_weight={1: 2.0}, verbose=0)
    with pytest.raises(ValueError, match="single array of targets. Received: none"):
        model.fit(x, class_weight={1: 2.0}, verbose=0)
    with pytest.raises(ValueError, match="single array of targets"):
        model.fit(x, [signs, signs], class_weight={1: 2.0}, verbose=0)
    with pytest.raises(ValueError, match="NaN in row 1"):
        model.fit(x, [1.0, np.nan, 1.0, 1.0], class_weight={1: 2.0}, verbose=0)


# --- weights of samples, and what is held back for validation ---------------------------------------------


@pytest.mark.parametrize("shape", [(4, 1), (4, 3)], ids=str)
def test_sample_weights_equal_keras(keras, shape):
    """One a sample, or one for each step of a sequence."""
    generator = np.random.default_rng(0)
    x, y = generator.normal(size=(4, 3, 2)), generator.normal(size=(4, 3, 1))
    weights = generator.uniform(size=shape)
    histories = []
    for library in (rustnet, keras):
        model = library.Sequential(
            [library.layers.Input((3, 2)), library.layers.Dense(1, kernel_initializer="ones")]
        )
        eagerly = {} if library is rustnet else {"run_eagerly": True}
        model.compile(library.optimizers.SGD(0.1), "mse", weighted_metrics=["mae"], **eagerly)
        histories.append(
            model.fit(
                x,
                y,
                sample_weight=weights,
                batch_size=2,
                epochs=2,
                shuffle=False,
                verbose=0,
                validation_data=(x, y, weights),
            ).history
        )
    assert list(histories[0]) == list(histories[1])
    for name, values in histories[1].items():
        np.testing.assert_allclose(histories[0][name], values, rtol=1e-5, err_msg=name)


def test_a_weight_for_each_sequence_weighs_its_steps():
    model = rustnet.Sequential([layers.Input((3, 2)), layers.Dense(1, kernel_initializer="ones")])
    model.compile("sgd", "mse", weighted_metrics=["mae"])
    generator = np.random.default_rng(0)
    x, y, weights = (generator.uniform(size=shape) for shape in ((4, 3, 2), (4, 3, 1), (4,)))
    expected = model.evaluate(x, y, sample_weight=np.repeat(weights[:, None], 3, axis=1), verbose=0)
    np.testing.assert_allclose(model.evaluate(x, y, sample_weight=weights, verbose=0), expected, rtol=1e-6)


@pytest.mark.parametrize("shape", [(3,), (4, 2), (4, 3, 2), ()], ids=str)
def test_sample_weights_that_do_not_fit_are_errors(shape):
    model = rustnet.Sequential([layers.Input((3, 2)), layers.Dense(1)])
    model.compile("sgd", "mse")
    with pytest.raises(ValueError, match="rows|sample_weight"):
        model.fit(np.ones((4, 3, 2)), np.ones((4, 3, 1)), sample_weight=np.ones(shape), verbose=0)


def named(library):
    a, b = library.layers.Input((1,), name="a"), library.layers.Input((1,), name="b")
    one = library.layers.Dense(1, kernel_initializer="ones", use_bias=False)(a)
    outputs = {"sum": library.layers.Add()([one, b]), "difference": library.layers.Subtract()([one, b])}
    model = library.Model({"a": a, "b": b}, outputs)
    model.compile(
        library.optimizers.SGD(0.0),
        {"sum": "mse", "difference": "mae"},
        **({} if library is rustnet else {"run_eagerly": True}),
    )
    return model


A, B = np.arange(8.0)[:, None], np.arange(8.0)[::-1, None] ** 2
X, Y = {"a": A, "b": B}, {"difference": A, "sum": B}
WEIGHTS = {"sum": A[:, 0], "difference": B[:, 0]}
HELD_BACK = {
    "a pair": {"validation_data": (X, Y)},
    "a list": {"validation_data": [X, Y]},
    "weights": {"validation_data": (X, Y, WEIGHTS)},
    "a split": {"validation_split": 0.25},
    "a split with weights": {"validation_split": 0.3, "sample_weight": WEIGHTS},
    "data before a split": {"validation_split": 0.25, "validation_data": (X, Y)},
}


@pytest.mark.parametrize("case", HELD_BACK)
def test_what_is_held_back_equals_keras(keras, case):
    arguments = {"batch_size": 3, "epochs": 2, "shuffle": False, "verbose": 0, **HELD_BACK[case]}
    got, expected = (named(library).fit(X, Y, **arguments).history for library in (rustnet, keras))
    assert list(got) == list(expected) and "val_sum_loss" in got
    for name, values in expected.items():
        np.testing.assert_allclose(got[name], values, rtol=1e-5, err_msg=name)
