"""The base layer: state, building, calling, masks, errors. Layers here are written as a user writes them."""

import numpy as np
import pytest

import rustnet
from rustnet import ops
from rustnet.layers.input_layer import Input
from rustnet.layers.input_spec import InputSpec
from rustnet.layers.layer import Layer


def counting(shape, dtype):
    """An initializer whose result is known: 0, 1, 2, … scaled down."""
    return np.arange(np.prod(shape), dtype=dtype).reshape(shape) / 10


class Affine(Layer):
    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        self.units = units

    def build(self, input_shape):
        self.kernel = self.add_weight(
            shape=(input_shape[-1], self.units), initializer=counting, name="kernel"
        )
        self.bias = self.add_weight(shape=(self.units,), initializer=np.ones, name="bias")
        self.input_spec = InputSpec(min_ndim=2, axes={-1: input_shape[-1]})

    def call(self, x):
        return x @ self.kernel + self.bias


class Normalise(Layer):
    """Keeps a running mean, as batch normalisation does."""

    def build(self, input_shape):
        self.offset = self.add_weight(shape=(input_shape[-1],), initializer=np.zeros, name="offset")
        self.mean = self.add_weight(
            shape=(input_shape[-1],), initializer=np.zeros, trainable=False, name="mean"
        )

    def call(self, x, training=False):
        if not training:
            return x - self.mean + self.offset
        mean = ops.mean(x, axis=0)
        self.mean.assign(0.5 * self.mean + 0.5 * mean)
        return x - mean + self.offset


X = np.arange(6, dtype="float32").reshape(2, 3)
EXPECTED = X @ np.arange(12).reshape(3, 4) / 10 + 1


def test_a_layer_is_built_by_its_first_call():
    layer = Affine(4)
    assert not layer.built and layer.weights == []
    np.testing.assert_allclose(layer(X), EXPECTED, rtol=1e-6)
    assert layer.built and [weight.path for weight in layer.weights] == [
        f"{layer.name}/kernel",
        f"{layer.name}/bias",
    ]
    assert layer.count_params() == 16


def test_a_layer_called_on_a_symbol_is_built_with_its_shape():
    layer = Affine(4)
    y = layer(Input((7, 3)))
    assert y.shape == (None, 7, 4) and layer.kernel.shape == (3, 4)
    assert layer.output is y and layer.input.shape == (None, 7, 3)
    assert layer.compute_output_shape((5, None, 3)) == (5, None, 4)


@pytest.mark.parametrize(
    "data", [X.tolist(), X.astype("float64"), X.astype("int64"), X.astype(">f4"), rustnet.Tensor(X)]
)
def test_a_layer_takes_any_array_like(data):
    np.testing.assert_allclose(Affine(4)(data), EXPECTED, rtol=1e-6)


def test_auto_names_count_up_until_the_session_is_cleared():
    rustnet.backend.clear_session()
    assert [Affine(1).name, Affine(1).name, Normalise().name] == ["affine", "affine_1", "normalise"]
    rustnet.backend.clear_session()
    assert Affine(1).name == "affine"


def test_training_is_passed_on_and_state_is_updated():
    class Block(Layer):
        def __init__(self):
            super().__init__()
            self.inner = [Normalise(), {"second": Normalise()}]

        def call(self, x):
            return self.inner[1]["second"](self.inner[0](x))

    block = Block()
    np.testing.assert_array_equal(block(X), X)
    first, second = block.inner[0], block.inner[1]["second"]
    assert block(X, training=False).numpy()[0, 0] == 0.0
    block(X, training=True)
    np.testing.assert_allclose(first.mean.numpy(), X.mean(0) / 2)
    np.testing.assert_allclose(second.mean.numpy(), 0.0, atol=1e-7)
    assert len(block.weights) == 4 and len(block.trainable_weights) == 2


def test_trainable_is_set_for_layers_inside_and_counts_live():
    layer = Normalise()
    layer(X)
    assert [w.name for w in layer.trainable_weights] == ["offset"]
    layer.trainable = False
    assert layer.trainable_weights == [] and len(layer.non_trainable_weights) == 2
    layer.trainable = True
    assert [w.name for w in layer.non_trainable_weights] == ["mean"]


def test_weights_are_set_all_or_none():
    layer = Affine(4)
    layer(X)
    kernel, bias = layer.get_weights()
    layer.set_weights([kernel * 0, bias])
    np.testing.assert_array_equal(layer(X), np.ones((2, 4)))
    with pytest.raises(ValueError, match=r"expected 2 weights. Received: 1 arrays"):
        layer.set_weights([kernel])
    with pytest.raises(
        ValueError, match=r"expected shape \(4,\) for weight 'affine.*/bias'. Received: shape=\(5,\)"
    ):
        layer.set_weights([kernel, np.zeros(5)])
    np.testing.assert_array_equal(layer.kernel.numpy(), 0.0)


def test_losses_are_those_of_the_last_call():
    class Penalised(Layer):
        def call(self, x):
            self.add_loss(ops.sum(x))
            return x

    layer = Penalised()
    layer(X)
    layer(2 * X)
    assert [float(loss) for loss in layer.losses] == [30.0]
    layer(Input((3,)))
    assert layer.losses == []


def test_masks_reach_the_layers_that_want_them():
    class Mask(Layer):
        def compute_mask(self, inputs, previous_mask):
            return ops.any(ops.not_equal(inputs, 0.0), axis=-1)

        def __init__(self):
            super().__init__()
            self.supports_masking = True

        def call(self, x):
            return x

    class Count(Layer):
        def call(self, x, mask=None):
            return ops.sum(ops.cast(mask, "int32")) if mask is not None else ops.sum(x) * 0 - 1

    class Through(Layer):
        def __init__(self):
            super().__init__()
            self.supports_masking = True

        def call(self, x):
            return x + 0.0

    x = np.array([[[1.0, 2.0], [0.0, 0.0], [0.0, 3.0]]])
    symbol = Input((3, 2))
    model = rustnet.Model(symbol, Count()(Through()(Mask()(symbol))))
    assert int(model(x)) == 2
    assert int(Count()(Through()(Mask()(x)))) == 2
    assert int(Count()(x)) == -1


def test_several_inputs_give_several_shapes():
    class Bilinear(Layer):
        def build(self, query_shape, value_shape):
            self.kernel = self.add_weight(shape=(query_shape[-1], value_shape[-1]), initializer=counting)

        def call(self, query, value):
            return ops.sum((query @ self.kernel) * value, axis=-1)

    layer = Bilinear()
    assert layer(X, value=np.ones((2, 5))).shape == (2,)
    assert layer.kernel.shape == (3, 5)
    assert layer(Input((3,)), Input((5,))).shape == (None,)


def test_config_holds_the_arguments():
    layer = Affine(4, name="head", trainable=False)
    config = layer.get_config()
    assert config == {"name": "head", "trainable": False, "dtype": "float32", "units": 4}
    again = Affine.from_config(config)
    assert (again.units, again.name, again.trainable) == (4, "head", False)


class Unbuildable(Layer):
    def build(self, input_shape):
        self.add_weight(shape=(input_shape[1], 2), initializer=np.ones)

    def call(self, x):
        return x


BAD = {
    "another last size": (
        lambda: _twice(Affine(4), X, np.ones((2, 5))),
        "expected last dimension 3. Received: shape \\(2, 5\\)",
    ),
    "another rank": (lambda: _twice(Affine(4), X, np.ones(3)), "expected an input of rank 2 or more"),
    "unknown keyword": (lambda: Affine(4, unit=3), "Received: unit=3"),
    "a layer as input": (lambda: Affine(4)(Affine(3)), "layer 'affine.*' expected tensors or arrays"),
    "an unknown size": (lambda: Unbuildable()(Input((None,))), "expected known sizes"),
    "a negative size": (lambda: Input((-1,)), "Received: shape=\\(-1,\\)"),
    "a size of text": (lambda: Input(("a",)), "Received: shape="),
    "no shape": (lambda: Input(), "expected a shape"),
    "no call": (lambda: Layer()(X), "expected Layer to define call"),
    "an engine error": (lambda: _Add()(X, np.ones((4, 4))), "_add: .*expects shapes that broadcast"),
    "an op's error": (lambda: _Reshape()(X), "_reshape.*: expected a shape of 6 elements"),
    "a symbolic error": (lambda: _Reshape()(Input((3,))), "_reshape.*\\(None, 3\\)"),
    "an old tensor": (lambda: _twice(_Keeps(), X, X), "kept from an earlier call"),
    "a cycle": (lambda: _cycle(), "do not lead back to it. Received: a cycle"),
    "no super().__init__()": (lambda: _Forgets()(X), r"expected _Forgets.__init__\(\) to call super"),
    "a ragged variable": (lambda: rustnet.Variable([[1], [1, 2]]), "rows have one length"),
    "another argument": (lambda: Affine(4)(X, 3), "expected the arguments of its call"),
}


class _Calls(Layer):
    inner = None

    def call(self, x):
        return self.inner(x)


def _cycle():
    first, second = _Calls(), _Calls()
    first.inner, second.inner = second, first
    first(X)


class _Forgets(Layer):
    def __init__(self):
        self.units = 3


class _Add(Layer):
    def call(self, x, y):
        return x + y


class _Reshape(Layer):
    def call(self, x):
        return ops.reshape(x, (4, 5))


class _Keeps(Layer):
    def __init__(self):
        super().__init__()
        self.kept = None

    def call(self, x):
        if self.kept is not None:
            return self.kept + x
        self.kept = x
        return x


def _twice(layer, first, second):
    layer(first)
    return layer(second)


@pytest.mark.parametrize("name", BAD)
def test_what_was_expected_is_said(name):
    attempt, message = BAD[name]
    with pytest.raises((ValueError, TypeError, NotImplementedError, RuntimeError), match=message):
        attempt()


def test_variables_are_assigned_and_checked():
    variable = rustnet.Variable([1.0, 2.0], name="v")
    variable.assign_add([1.0, 1.0])
    variable.assign_sub(0.5 * variable)
    np.testing.assert_array_equal(variable.numpy(), [1.0, 1.5])
    assert float(ops.sum(variable * 2)) == 5.0 and variable.dtype == "float32" and variable.ndim == 1
    with pytest.raises(ValueError, match=r"expected shape \(2,\) for variable 'v'. Received: shape=\(3,\)"):
        variable.assign([1.0, 2.0, 3.0])
    with pytest.raises(ValueError, match="to return shape"):
        rustnet.Variable(lambda shape, dtype: np.ones(3), shape=(2,))


def test_reads_after_an_assignment_see_it():
    class Counter(Layer):
        def build(self, input_shape):
            self.count = self.add_weight(shape=(), dtype="int32", initializer=np.zeros)

        def call(self, x):
            before = self.count * 10
            self.count.assign_add(1)
            return before, self.count + 10

    layer = Counter()
    layer(X)
    before, after = layer(X)
    assert (int(before), int(after), int(layer.count)) == (10, 12, 2)
