"""Names and summaries of layers, ops and models, beside Keras's."""

import numpy as np
import pytest

import rustnet

X, Y = np.ones((4, 3), "float32"), np.ones((4, 1), "float32")

EXPRESSIONS = [
    lambda x, f: x[:, 0],
    lambda x, f: x @ np.ones((3, 2), "float32"),
    lambda x, f: -abs(x) + 1.0,
    lambda x, f: 1.0 - x * 2.0 - x,
    lambda x, f: (x / 2.0) ** 2.0 + f.ops.divide(1.0, x),
    lambda x, f: (x // 2.0) % 3.0,
    lambda x, f: (x > 0.0) & ~(x < 1.0) | (x >= 2.0) ^ (x <= 3.0),
    lambda x, f: f.ops.concatenate(
        [f.ops.relu(x), f.ops.expand_dims(f.ops.amax(x, 1), 1), f.ops.absolute(x)], axis=1
    ),
    lambda x, f: f.ops.mean(f.activations.gelu(x), axis=1) + f.ops.amin(x) + f.ops.max(x),
]


@pytest.mark.parametrize("number", range(len(EXPRESSIONS)))
def test_ops_are_named_and_shown_as_in_keras(number, keras):
    texts = []
    for framework in (keras, rustnet):
        framework.backend.clear_session()
        x = framework.Input((3,))
        framework.Model(x, EXPRESSIONS[number](x, framework)).summary(print_fn=texts.append, line_length=100)
    assert texts[1] == texts[0]


def chain(f):
    layers = f.layers
    return f.Sequential(
        [layers.Input((3,)), layers.Dense(4, activation="relu"), layers.Dropout(0.5), layers.Dense(1)]
    )


def functional(f):
    x = f.Input((3,))
    return f.Model(x, f.layers.Dense(1)(f.layers.Dense(4)(x)))


def fitted(f):
    model = chain(f)
    model.compile("adam", "mse")
    model.fit(X, Y, verbose=0)
    return model


def frozen(f):
    model = chain(f)
    model.layers[0].trainable = False
    return model


def branches(f):
    a, b = f.Input((3,), name="a"), f.Input((2,))
    shared = f.layers.Dense(4)
    joined = f.layers.Concatenate()([shared(a), f.layers.Dense(4)(b)])
    return f.Model([a, b], [f.layers.Dense(1)(joined), f.layers.Dense(2, name="second")(shared(a))])


def shared(f):
    x, layer = f.Input((3,)), f.layers.Dense(3)
    return f.Model(x, f.layers.Dense(1)(layer(layer(x))))


def nested(f):
    x, inner = f.Input((3,)), functional(f)
    return f.Model(x, f.layers.Add()([inner(x), inner(x)]))


def outputs_by_name(f):
    x = f.Input((3,))
    return f.Model(x, {"p": f.layers.Dense(1)(x), "q": f.layers.Dense(2)(x)})


def images(f):
    layers = f.layers
    parts = [layers.Conv2D(4, 3), layers.BatchNormalization(), layers.MaxPooling2D(), layers.Flatten()]
    return f.Sequential([layers.Input((8, 8, 3)), *parts, layers.Dense(10)])


def recurrent(f):
    layers = f.layers
    return f.Sequential(
        [
            layers.Input((None,)),
            layers.Embedding(10, 4),
            layers.Bidirectional(layers.LSTM(3, return_sequences=True)),
            layers.TimeDistributed(layers.Dense(2)),
            layers.GRU(2),
        ]
    )


def states(f):
    x = f.Input((4, 3))
    sequence, h, c = f.layers.LSTM(2, return_sequences=True, return_state=True)(x)
    return f.Model(x, f.layers.LSTM(2)(sequence, initial_state=[h, c]))


def subclass(f, is_called=True):
    class Own(f.Model):
        def __init__(self):
            super().__init__(name="own")
            self.dense = f.layers.Dense(4)
            self.heads = [f.layers.Dense(1), f.layers.Dense(2)]

        def call(self, x):
            hidden = self.dense(x)
            return {"u": self.heads[0](hidden), "v": self.heads[1](hidden)}

    model = Own()
    if is_called:
        model(X)
    return model


def built_later(f):
    model = f.Sequential([f.layers.Dense(4), f.layers.Dense(1)])
    model.build((None, 3))
    return model


SUMMARIES = {
    "a chain": chain,
    "not built": lambda f: f.Sequential([f.layers.Dense(4), f.layers.Dense(1)]),
    "built later": built_later,
    "fitted": fitted,
    "frozen": frozen,
    "functional": functional,
    "branches": branches,
    "a shared layer": shared,
    "a nested model": nested,
    "a chain in a chain": lambda f: f.Sequential([f.layers.Input((3,)), chain(f), f.layers.Dense(2)]),
    "outputs by name": outputs_by_name,
    "images": images,
    "recurrent": recurrent,
    "states": states,
    "a subclass": subclass,
    "a subclass before its call": lambda f: subclass(f, is_called=False),
    "empty": lambda f: f.Sequential(),
    "an input alone": lambda f: f.Sequential([f.layers.Input((3,))]),
    "a long name": lambda f: f.Sequential(
        [
            f.layers.Input((3,)),
            f.layers.Dense(2, name="a_rather_long_name_of_a_layer_that_is_wrapped_in_the_table"),
        ]
    ),
}


@pytest.mark.parametrize("name", SUMMARIES)
def test_summaries_are_those_of_keras(name, keras):
    for options in ({}, {"expand_nested": True, "show_trainable": True}):
        texts = []
        for framework in (keras, rustnet):
            framework.backend.clear_session()
            SUMMARIES[name](framework).summary(print_fn=texts.append, line_length=100, **options)
        assert texts[1] == texts[0]
