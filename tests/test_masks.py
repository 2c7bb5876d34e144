"""Masks: who computes them, whom they reach, and what they do, in models of both libraries side by side."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

import rustnet
from rustnet import layers, ops

IDS = np.array([[1, 2, 0, 0], [3, 1, 2, 1], [0, 4, 0, 2]], "int32")
STEPS = np.where(np.array(IDS)[..., None] > 1, np.linspace(-1, 1, 24).reshape(3, 4, 2), 0).astype("float32")
TARGETS = np.linspace(-1, 1, 3).reshape(3, 1).astype("float32")


def embedding(k, **options):
    return k.layers.Embedding(5, 2, mask_zero=True, **options)


def summing(k, **options):
    """The sum of all elements at timesteps that are not masked."""
    return k.layers.SimpleRNN(
        1, kernel_initializer="ones", recurrent_initializer="ones", activation="linear", **options
    )


def of_tokens(k, outputs):
    tokens = k.Input((4,), dtype="int32")
    return k.Model(tokens, outputs(tokens)), IDS


def of_steps(k, outputs):
    steps = k.Input((4, 2))
    return k.Model(steps, outputs(steps)), STEPS


def of_two(k, outputs):
    first, second = k.Input((4, 2)), k.Input((4, 2))
    return k.Model([first, second], outputs(first, second)), [STEPS, STEPS[::-1].copy()]


def table(k):
    class Table(k.layers.Layer):
        """Makes a mask where none came in, and does not say that it supports masks."""

        def build(self, shape):
            self.rows = self.add_weight(shape=(5, 2), initializer="ones", name="rows")

        def call(self, ids):
            return k.ops.take(self.rows, k.ops.cast(ids, "int32"), axis=0)

        def compute_mask(self, ids, mask=None):
            return k.ops.not_equal(ids, 0)

    return of_tokens(k, lambda tokens: summing(k)(Table()(tokens)))


def halves(k, part):
    class Halves(k.layers.Layer):
        def call(self, steps):
            return k.ops.split(steps, 2, axis=1)

        def compute_mask(self, steps, previous_mask=None):
            return None if previous_mask is None else k.ops.split(previous_mask, 2, axis=1)

    return of_tokens(k, lambda tokens: summing(k)(Halves()(embedding(k)(tokens))[part]))


def pool(k):
    class Pool(k.layers.Layer):
        """Needs its mask, also while the model is built."""

        def call(self, steps, mask=None):
            weight = k.ops.expand_dims(k.ops.cast(mask, "float32"), -1)
            return k.ops.sum(steps * weight, axis=1)

    return of_tokens(k, lambda tokens: k.layers.Dense(1)(Pool()(embedding(k)(tokens))))


def named_masks(k):
    class Attend(k.layers.Layer):
        """Several tensors: each has a parameter for its mask; `mask` stays None."""

        def call(self, query, value, mask=None, query_mask=None, value_mask=None):
            assert mask is None
            weight = k.ops.cast(k.ops.logical_and(query_mask, value_mask), "float32")
            return (query + value) * k.ops.expand_dims(weight, -1)

    masking = k.layers.Masking()
    return of_two(k, lambda a, b: summing(k)(Attend()(masking(a), masking(b))))


def single_tensor_named(k):
    class Attend(k.layers.Layer):
        """One tensor: only `mask` is its mask."""

        def call(self, query, value=None, query_mask=None):
            assert query_mask is None
            return query * 2.0

    return of_tokens(k, lambda tokens: summing(k)(Attend()(embedding(k)(tokens))))


def nested_arguments(k):
    class Both(k.layers.Layer):
        """Masks of a list of tensors come as a list."""

        def call(self, pair, mask=None):
            assert mask[1] is None
            return (pair[0] + pair[1]) * k.ops.expand_dims(k.ops.cast(mask[0], "float32"), -1)

        def compute_mask(self, pair, mask=None):
            return mask[0]

    return of_two(k, lambda a, b: summing(k)(Both()([k.layers.Masking()(a), b])))


def list_of_masks(k):
    class Two(k.layers.Layer):
        def call(self, steps):
            return steps * 1.0, steps * 2.0

        def compute_mask(self, steps, mask=None):
            return (None, k.ops.logical_not(mask))

    def outputs(tokens):
        plain, inverted = Two()(embedding(k)(tokens))
        return k.layers.Add()([summing(k)(plain), summing(k)(inverted)])

    return of_tokens(k, outputs)


def supporting(k):
    class Twice(k.layers.Layer):
        def __init__(self):
            super().__init__()
            self.supports_masking = True

        def call(self, steps):
            return steps * 2.0

    return of_tokens(k, lambda tokens: summing(k)(Twice()(embedding(k)(tokens))))


def mask_passed_by_hand(k):
    def outputs(tokens):
        steps = embedding(k)(tokens)
        return summing(k)(
            k.layers.Dense(2)(k.layers.Flatten()(steps)[:, None, :] + steps[..., :1]), mask=steps._keras_mask
        )

    return of_tokens(k, outputs)


def merged(k, kind, both, **options):
    def outputs(first, second):
        pair = [k.layers.Masking()(first), k.layers.Masking()(second) if both else second]
        return summing(k)(getattr(k.layers, kind)(**options)(pair))

    return of_two(k, outputs)


def shared(k):
    table, recurrent = embedding(k), k.layers.LSTM(3)

    def outputs(first, second):
        return k.layers.Dense(1)(k.layers.add([recurrent(table(first)), recurrent(table(second))]))

    first, second = k.Input((4,), dtype="int32"), k.Input((4,), dtype="int32")
    return k.Model([first, second], outputs(first, second)), [IDS, IDS[::-1].copy()]


def nested(k, kind):
    if kind == "Sequential":
        inner = k.Sequential([k.Input((4, 2)), k.layers.Dense(3), k.layers.Activation("tanh")])
    else:
        steps = k.Input((4, 2))
        inner = k.Model(steps, k.layers.Dense(3)(k.layers.Dropout(0.0)(steps)))
    return of_tokens(k, lambda tokens: k.layers.GRU(1)(inner(embedding(k)(tokens))))


def sequential(k, *middle):
    model = k.Sequential([embedding(k), *middle, k.layers.GRU(3), k.layers.Dense(1)])
    model.build((None, 4))
    return model, IDS


def recurrent(k, kind, **options):
    return of_tokens(k, lambda tokens: getattr(k.layers, kind)(3, **options)(embedding(k)(tokens)))


def bidirectional(k, merge_mode, return_sequences):
    def outputs(tokens):
        layer = k.layers.Bidirectional(
            k.layers.LSTM(2, return_sequences=return_sequences), merge_mode=merge_mode
        )
        result = layer(embedding(k)(tokens))
        result = k.layers.Add()(list(result)) if merge_mode is None else result
        return summing(k)(result) if return_sequences else result

    return of_tokens(k, outputs)


def time_distributed(k):
    return of_tokens(
        k, lambda tokens: summing(k)(k.layers.TimeDistributed(k.layers.Dense(2))(embedding(k)(tokens)))
    )


def through(k, *names):
    """Layers that hand the mask on."""
    chain = {
        "Dense": lambda: k.layers.Dense(2),
        "Dropout": lambda: k.layers.Dropout(0.0),
        "Activation": lambda: k.layers.Activation("tanh"),
        "ReLU": lambda: k.layers.ReLU(),
        "LayerNormalization": lambda: k.layers.LayerNormalization(),
        "Rescaling": lambda: k.layers.Rescaling(2.0),
        "Identity": lambda: k.layers.Identity(),
    }

    def outputs(steps):
        for name in names:
            steps = chain[name]()(steps)
        return summing(k)(steps)

    return of_tokens(k, lambda tokens: outputs(embedding(k)(tokens)))


def masked_loss(k):
    """The loss looks at the mask of the outputs, (batch, timesteps)."""
    return of_tokens(k, lambda tokens: k.layers.Dense(1)(embedding(k)(tokens)))


def batch_normalization(k):
    return of_tokens(k, lambda tokens: summing(k)(k.layers.BatchNormalization()(embedding(k)(tokens))))


CASES = {
    "a layer that makes a mask": table,
    "the first of two outputs": lambda k: halves(k, 0),
    "the second of two outputs": lambda k: halves(k, 1),
    "a layer that needs its mask": pool,
    "masks by the names of tensors": named_masks,
    "one tensor of several": single_tensor_named,
    "a list of tensors": nested_arguments,
    "a tuple of masks, one of them None": list_of_masks,
    "a layer that says it supports masks": supporting,
    "a mask passed by hand": mask_passed_by_hand,
    **{
        f"{kind}, {'both' if both else 'one'} masked": lambda k, kind=kind, both=both: merged(k, kind, both)
        for kind in ("Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum", "Concatenate")
        for both in (True, False)
    },
    "Concatenate of steps, both masked": lambda k: merged(k, "Concatenate", True, axis=1),
    "Concatenate of steps, one masked": lambda k: merged(k, "Concatenate", False, axis=1),
    "Dot": lambda k: merged(k, "Dot", True, axes=2),
    "shared layers": shared,
    "a Sequential model inside": lambda k: nested(k, "Sequential"),
    "a functional model inside": lambda k: nested(k, "functional"),
    "Sequential": sequential,
    "Sequential with layers between": lambda k: sequential(
        k, k.layers.Dense(3), k.layers.Dropout(0.0), k.layers.GRU(2, return_sequences=True)
    ),
    **{
        f"{kind} {options}": lambda k, kind=kind, options=options: recurrent(k, kind, **options)
        for kind, options in (
            ("SimpleRNN", {}),
            ("GRU", {"return_sequences": True}),
            ("GRU", {"go_backwards": True}),
            ("LSTM", {"return_state": True}),
        )
    },
    **{
        f"Bidirectional {mode}, {'sequences' if whole else 'last'}": lambda k, mode=mode, whole=whole: (
            bidirectional(k, mode, whole)
        )
        for mode, whole in (("concat", True), (None, True), ("sum", False))
    },
    "TimeDistributed": time_distributed,
    "Dense, Dropout, Activation": lambda k: through(k, "Dense", "Dropout", "Activation"),
    "ReLU, LayerNormalization": lambda k: through(k, "ReLU", "LayerNormalization"),
    "Rescaling, Identity": lambda k: through(k, "Rescaling", "Identity"),
    "BatchNormalization": batch_normalization,
    "loss": masked_loss,
}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.filterwarnings("ignore:Layer .* destroy the mask")
def test_masks_do_what_they_do_in_keras(keras, name):
    (ours, inputs), (theirs, _) = CASES[name](rustnet), CASES[name](keras)
    generator = np.random.default_rng(0)
    ours.set_weights([weight + generator.uniform(-0.2, 0.2, weight.shape) for weight in ours.get_weights()])
    theirs.set_weights(ours.get_weights())

    called, wanted = ours(inputs), theirs(inputs)
    assert_close(called, wanted)
    assert_close(ours.predict(inputs, verbose=0), wanted)
    for one, other in zip(listed(called), listed(wanted), strict=True):
        theirs_mask = getattr(other, "_keras_mask", None)
        assert (one._keras_mask is None) == (theirs_mask is None)
        if theirs_mask is not None:
            np.testing.assert_array_equal(one._keras_mask, theirs_mask)

    targets = [np.ones(one.shape, "float32") for one in listed(called)]
    targets = targets if isinstance(called, (list, tuple)) else targets[0]
    metrics = None if type(targets) is list else ["mae"]
    ours.compile(rustnet.optimizers.SGD(0.1), "mse", metrics=metrics)
    # Compiling every model takes Keras far longer than running it.
    theirs.compile(keras.optimizers.SGD(0.1), "mse", metrics=metrics, run_eagerly=True)
    # Keras on JAX loses the mask between the gradient and the metrics: in training, losses are compared.
    loss, expected_loss = ours.train_on_batch(inputs, targets), theirs.train_on_batch(inputs, targets)
    np.testing.assert_allclose(first(loss), first(expected_loss), rtol=2e-5)
    for weight, other in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(weight, other, rtol=1e-4, atol=1e-5)
    results, expected_results = ours.test_on_batch(inputs, targets), theirs.test_on_batch(inputs, targets)
    if len(set(ours.output_names)) < len(listed(called)):
        # Keras calls the losses of outputs of one layer alike, and lists that of the last for each of them.
        results, expected_results = ([ones[0], ones[-1]] for ones in (results, expected_results))
    np.testing.assert_allclose(results, expected_results, rtol=1e-4)


def first(results):
    return results[0] if isinstance(results, list) else results


def listed(outputs):
    return list(outputs) if isinstance(outputs, (list, tuple)) else [outputs]


def assert_close(actual, expected):
    for one, other in zip(listed(actual), listed(expected), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("kind", ["SimpleRNN", "GRU", "LSTM"])
@pytest.mark.parametrize("wrapped", [False, True])
def test_the_mask_of_a_decoder_is_that_of_its_sequence(kind, wrapped):
    """Keras drops the mask of a call that has an initial state; right is what a mask passed by hand does."""
    source, target = rustnet.Input((1,), dtype="int32"), rustnet.Input((2,), dtype="int32")
    _, *state = getattr(layers, kind)(3, return_state=True)(layers.Embedding(8, 1)(source))
    decoder = getattr(layers, kind)(3)
    decoder = layers.Bidirectional(decoder) if wrapped else decoder
    table = layers.Embedding(8, 1, mask_zero=True)
    state = [*state, *state] if wrapped else state
    states = rustnet.Model(source, state)
    model = rustnet.Model([source, target], decoder(table(target), initial_state=state))
    for ids, mask in (([[2, 0]], [[True, False]]), ([[0, 2]], [[False, True]])):
        steps = np.array(table(np.array(ids)))
        initial = [np.array(one) for one in listed(states(np.array([[3]])))]
        expected = decoder(steps, initial_state=initial, mask=np.array(mask))
        for actual in (
            model.predict([np.array([[3]]), np.array(ids)], verbose=0),
            model([np.array([[3]]), np.array(ids)]),
        ):
            np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=1e-7)


def test_a_mask_that_a_user_sets_on_a_symbol_is_part_of_the_model():
    steps = rustnet.Input((3, 1))
    total = summing(rustnet)
    doubled = layers.Dense(1, kernel_initializer="ones")(steps)
    doubled._keras_mask = ops.greater(steps[..., 0], 0.0)
    model = rustnet.Model(steps, total(doubled))
    data = np.array([[[1.0], [-2.0], [3.0]]])
    np.testing.assert_array_equal(model.predict(data, verbose=0), [[4.0]])
    masked = layers.Masking()(steps)
    masked._keras_mask = None
    np.testing.assert_array_equal(
        rustnet.Model(steps, total(masked)).predict(0 * data + 1, verbose=0), [[3.0]]
    )
    # As an output, for the loss.
    outputs = layers.Dense(1, kernel_initializer="ones")(steps)
    outputs._keras_mask = ops.greater(steps[..., 0], 0.0)
    np.testing.assert_array_equal(rustnet.Model(steps, outputs)(data)._keras_mask, [[True, False, True]])


def test_a_symbol_tells_its_mask():
    tokens = rustnet.Input((None,), dtype="int32")
    assert tokens._keras_mask is None
    steps = layers.Embedding(5, 2, mask_zero=True)(tokens)
    assert steps._keras_mask.shape == (None, None) and steps._keras_mask.dtype == "bool"
    assert steps._keras_mask is steps._keras_mask
    assert layers.LSTM(3)(steps)._keras_mask is None
    assert rustnet.Model(tokens, steps._keras_mask).predict(IDS, verbose=0).tolist() == (IDS != 0).tolist()


def test_a_mask_rides_on_tensors_that_have_values():
    steps = layers.Embedding(5, 2, mask_zero=True)(IDS)
    np.testing.assert_array_equal(steps._keras_mask, IDS != 0)
    np.testing.assert_array_equal(layers.Dense(3)(steps)._keras_mask, IDS != 0)
    inner = rustnet.Sequential([rustnet.Input((4, 2)), summing(rustnet)])
    np.testing.assert_allclose(inner(steps), summing(rustnet)(steps), rtol=1e-6)
    np.testing.assert_allclose(
        inner(np.array(steps), mask=IDS != 0), summing(rustnet)(np.array(steps), mask=IDS != 0), rtol=1e-6
    )


def test_a_mask_does_not_reach_others_through_a_tensor_that_is_passed_on():
    class Marked(layers.Layer):
        def call(self, steps):
            return steps

        def compute_mask(self, steps, mask=None):
            return ops.greater(steps[..., 0], 0.0)

    steps = rustnet.Input((3, 1))
    outputs = [summing(rustnet)(Marked()(steps)), summing(rustnet)(steps)]
    data = np.array([[[1.0], [-2.0], [3.0]]])
    assert [one.item() for one in rustnet.Model(steps, outputs).predict(data, verbose=0)] == [4.0, 2.0]


def test_a_layer_may_put_the_mask_on_its_output_itself():
    class Cut(layers.Layer):
        def call(self, steps):
            outputs = steps * 1.0
            outputs._keras_mask = ops.greater(steps[..., 0], 0.0)
            return outputs

    steps = rustnet.Input((3, 1))
    data = np.array([[[1.0], [-2.0], [3.0]]])
    assert rustnet.Model(steps, summing(rustnet)(Cut()(steps))).predict(data, verbose=0).tolist() == [[4.0]]
    assert Cut()(data)._keras_mask.tolist() == [[True, False, True]]


def test_a_function_in_a_layer_gets_the_mask_and_may_give_one():
    import functools

    def scaled(scale, steps, mask=None):
        return scale * ops.sum(ops.cast(mask, "float32"), axis=1)

    steps = layers.Embedding(5, 2, mask_zero=True)(IDS)
    counts = layers.Lambda(functools.partial(scaled, 2.0))(steps)
    assert counts.tolist() == [4.0, 8.0, 4.0]
    inverted = layers.Lambda(lambda x: x * 1.0, mask=lambda x, mask: ops.logical_not(mask))(steps)
    np.testing.assert_array_equal(inverted._keras_mask, IDS == 0)
    fixed = layers.Lambda(lambda x: x * 1.0, mask=IDS > 1)(steps)
    np.testing.assert_array_equal(fixed._keras_mask, IDS > 1)


class Bare(layers.Layer):
    def call(self, steps):
        return steps * 1.0


class Taking(layers.Layer):
    def call(self, steps, mask=None):
        return steps * 1.0


@pytest.mark.parametrize(
    ("layer", "warns"),
    [(Bare(), True), (layers.Flatten(), True), (Taking(), False), (layers.Dense(2), False)],
)
def test_a_lost_mask_is_said(layer, warns):
    steps = layers.Embedding(5, 2, mask_zero=True)(IDS)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        layer(steps)
    assert [f"Layer '{layer.name}'" in str(one.message) for one in caught] == [True] * warns


@pytest.mark.parametrize(
    "returned",
    [lambda mask: [mask], lambda mask: (mask, mask, mask), lambda mask: {"a": mask}, lambda mask: []],
)
def test_compute_mask_gives_a_mask_for_each_output(returned):
    class Twice(layers.Layer):
        def call(self, inputs):
            return inputs * 1, inputs * 2

        def compute_mask(self, inputs, mask=None):
            return returned(mask)

    with pytest.raises(ValueError, match="compute_mask.*each of its 2 outputs. Received: [013] masks"):
        Twice(name="twice")(layers.Embedding(5, 2, mask_zero=True)(IDS))


def masked_pair(first, second):
    steps = [layers.Masking()(np.ones(shape)) for shape in (first, second)]
    return steps


MISFITS = {
    "TimeDistributed": lambda: layers.TimeDistributed(layers.Dense(2))(
        np.zeros((4, 5, 3)), mask=np.ones((4, 6), bool)
    ),
    "TimeDistributed, one axis": lambda: layers.TimeDistributed(layers.Dense(2))(
        np.zeros((4, 5, 3)), mask=np.ones(4, bool)
    ),
    "LSTM": lambda: layers.LSTM(2)(np.zeros((4, 5, 3)), mask=np.ones((4, 6), bool)),
    "GRU, fewer rows": lambda: layers.GRU(2)(np.zeros((4, 5, 3)), mask=np.ones((1, 5), bool)),
    "Bidirectional": lambda: layers.Bidirectional(layers.GRU(2))(
        np.zeros((4, 5, 3)), mask=np.ones((4, 1), bool)
    ),
    "GlobalAveragePooling1D": lambda: layers.GlobalAveragePooling1D()(
        np.zeros((4, 5, 3)), mask=np.ones((4, 1))
    ),
    "BatchNormalization": lambda: layers.BatchNormalization()(
        np.zeros((4, 5, 3)), mask=np.ones((4, 6), bool), training=True
    ),
    "Softmax": lambda: layers.Softmax()(np.zeros((4, 5)), mask=np.ones((4, 3), bool)),
    "Softmax, more axes": lambda: layers.Softmax()(np.zeros((4, 5)), mask=np.ones((1, 4, 5), bool)),
    "Softmax, of timesteps": lambda: layers.Softmax()(layers.Embedding(5, 3, mask_zero=True)(IDS)),
    "Add": lambda: layers.Add().compute_mask([np.ones((2, 4, 1))] * 2, [np.ones((2, 4)), np.ones((2, 3))]),
    "Add, one mask": lambda: layers.Add().compute_mask([np.ones((2, 4, 1))] * 2, [np.ones((2, 4))]),
    "Concatenate": lambda: layers.Concatenate().compute_mask(
        [np.ones((2, 4, 1))] * 2, [np.ones((2, 3), bool), None]
    ),
    "a model": lambda: rustnet.Sequential([rustnet.Input((4, 2)), summing(rustnet)])(
        np.ones((2, 4, 2)), mask=[np.ones((2, 4), bool)] * 2
    ),
}


@pytest.mark.parametrize("name", MISFITS)
def test_a_mask_that_does_not_fit_is_an_error(name):
    with pytest.raises(ValueError, match=r"mask.*Received: .*(mask|shapes)"):
        MISFITS[name]()


def test_a_size_left_open_may_be_that_of_the_others(keras):
    for k in (rustnet, keras):
        short, long, mask = k.Input((4, 2)), k.Input((None, 2)), k.Input((4,), dtype="bool")
        steps = [k.layers.Masking()(short), k.layers.Masking()(long)]
        for merge in (k.layers.Add(), k.layers.Maximum(), k.layers.Concatenate()):
            model = k.Model([short, long], summing(k)(merge(steps)))
            assert model.predict([STEPS, STEPS], verbose=0).shape == (3, 1)
        assert k.layers.Concatenate(axis=1)(steps).shape == (None, None, 2)
        model = k.Model([long, mask], k.layers.LSTM(2)(long, mask=mask))
        assert model.predict([STEPS, IDS != 0], verbose=0).shape == (3, 2)


def test_softmax_gives_nothing_to_what_is_masked(keras):
    x = np.linspace(-1, 1, 12).reshape(3, 4).astype("float32")
    mask = np.array([[True, False, True, True], [False] * 4, [True] * 4])
    for axis in (-1, 0, [0, 1]):
        expected = keras.layers.Softmax(axis=axis)(x, mask=mask)
        np.testing.assert_allclose(layers.Softmax(axis=axis)(x, mask=mask), expected, rtol=1e-5, atol=1e-7)
    assert (layers.Softmax()(x, mask=np.zeros((3, 4), bool)).numpy() == 0).all()
    np.testing.assert_allclose(
        layers.Softmax()(x, mask=mask.astype("float32")),
        keras.layers.Softmax()(x, mask=mask.astype("float32")),
        rtol=1e-5,
    )
