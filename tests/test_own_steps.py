"""Steps of the user's own: any function of a batch, in `train_step`, `test_step` and `predict_step`."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rustnet
from rustnet import layers, losses, metrics, ops, optimizers

RNG = np.random.default_rng(0)
X = RNG.normal(size=(12, 3)).astype("float32")
Y = X.sum(axis=1, keepdims=True)


def make_model(kind=rustnet.Sequential, compiled=True, **compile_arguments):
    rustnet.utils.set_random_seed(1)
    model = kind([layers.Input((3,)), layers.Dense(4, activation="tanh"), layers.Dense(1)])
    if compiled:
        model.compile(optimizers.SGD(0.1), "mse", **compile_arguments)
    return model


def own(**methods):
    return type("Own", (rustnet.Sequential,), methods)


def weights_after(model, **fit):
    model.fit(X, Y, **{"batch_size": 5, "shuffle": False, "verbose": 0, "epochs": 2, **fit})
    return model.get_weights()


def assert_same(got, expected, rtol=1e-6):
    for one, other in zip(got, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=rtol, atol=1e-7)


# --- steps that do what the default does ----------------------------------------------------------------


class ByHand(rustnet.Sequential):
    """Keras's example of a step of one's own."""

    def train_step(self, data):
        x, y, sample_weight = rustnet.utils.unpack_x_y_sample_weight(data)
        y_pred = self(x, training=True)
        loss = self.compute_loss(x=x, y=y, y_pred=y_pred, sample_weight=sample_weight)
        gradients = rustnet.gradients(loss, self.trainable_weights)
        self.optimizer.apply(gradients, self.trainable_weights)
        for metric in self.metrics:
            if metric.name == "loss":
                metric.update_state(loss, sample_weight=x.shape[0])
            else:
                metric.update_state(y, y_pred)
        return {metric.name: metric.result() for metric in self.metrics}


class Calling(rustnet.Sequential):
    def train_step(self, data):
        return super().train_step(data)

    def test_step(self, data):
        return super().test_step(data)

    def predict_step(self, data):
        return super().predict_step(data)


@pytest.mark.parametrize("kind", [ByHand, Calling])
def test_a_step_written_out_is_the_default_step(kind):
    expected, got = make_model(), make_model(kind)
    assert_same(weights_after(got), weights_after(expected), rtol=0)
    assert got.history.history == expected.history.history
    assert got.evaluate(X, Y, verbose=0) == expected.evaluate(X, Y, verbose=0)
    assert got.train_on_batch(X, Y) == expected.train_on_batch(X, Y)
    np.testing.assert_array_equal(got.predict(X, 5, verbose=0), expected.predict(X, 5, verbose=0))


def test_a_step_called_by_itself_trains_and_reports():
    stepped, fitted = make_model(ByHand), make_model()
    logs = stepped.train_step((X, Y))
    assert_same(stepped.get_weights(), weights_after(fitted, batch_size=12, epochs=1))
    assert float(logs["loss"]) == pytest.approx(fitted.history.history["loss"][0])
    assert float(make_model().test_step((X, Y))["loss"]) == pytest.approx(
        make_model().evaluate(X, Y, verbose=0)
    )


# --- logs -----------------------------------------------------------------------------------------------


def test_logs_of_other_names_are_those_of_the_last_batch():
    seen = []

    class Note(rustnet.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            seen.append(logs["largest"])

    def step(self, data):
        x, _ = data
        return {
            "largest": ops.max(x),
            "plain": 7,
            "inner": {"first": x[0, 0]},
            "vector": x[0],
            "text": "as it is",
        }

    model = make_model(own(train_step=step, test_step=step))
    ends = [5, 10, 12]
    history = model.fit(X, Y, batch_size=5, shuffle=False, epochs=2, verbose=0, callbacks=[Note()]).history
    assert seen == [X[end - 5 if end % 5 == 0 else 10 : end].max() for end in ends] * 2
    assert history["largest"] == [X[10:].max()] * 2 and history["plain"] == [7.0, 7.0]
    assert history["first"] == [X[10, 0]] * 2 and history["text"] == ["as it is"] * 2
    np.testing.assert_array_equal(history["vector"], [X[10]] * 2)
    # Without anybody who looks on, many steps run in one call.
    assert model.fit(X, Y, batch_size=5, shuffle=False, verbose=0).history["largest"] == [X[10:].max()]
    results = model.evaluate(X, Y, batch_size=5, verbose=0, return_dict=True)
    assert results["largest"] == X[10:].max()
    listed = model.evaluate(X, Y, batch_size=5, verbose=0)
    assert listed[:2] == [results[name] for name in sorted(results)][:2]
    assert model.fit(X, Y, validation_data=(X, Y), verbose=0).history["val_largest"] == [X.max()]


def test_logs_of_the_metrics_names_are_what_the_metrics_say():
    class Own(rustnet.Sequential):
        def __init__(self, *arguments):
            super().__init__(*arguments)
            self.seen = metrics.Mean(name="seen")

        @property
        def metrics(self):
            return [self.seen]

        def train_step(self, data):
            self.seen.update_state(data[0])
            return {"seen": ops.max(data[0])}

    model = make_model(Own)
    history = model.fit(X, Y, batch_size=4, verbose=0, epochs=2).history
    np.testing.assert_allclose(history["seen"], [X.mean()] * 2, rtol=1e-5)
    # For one batch the step's own values count, as in Keras.
    assert model.train_on_batch(X, Y) == X.max()


@pytest.mark.parametrize("returned", [None, 3.0, [1.0], {1: 2.0}])
def test_a_step_that_returns_no_logs_is_an_error(returned):
    model = make_model(own(train_step=lambda self, data: returned))
    with pytest.raises(ValueError, match="expected train_step .*dictionary.*Received"):
        model.fit(X, Y, verbose=0)


# --- what a step trains ---------------------------------------------------------------------------------


def test_two_models_and_two_optimizers_as_in_jax():
    rustnet.utils.set_random_seed(3)
    noise = RNG.normal(size=(24, 2)).astype("float32")
    real = RNG.normal(size=(24, 3)).astype("float32")

    class Gan(rustnet.Model):
        def __init__(self):
            super().__init__()
            self.generator = rustnet.Sequential([layers.Input((2,)), layers.Dense(3, activation="tanh")])
            self.discriminator = rustnet.Sequential(
                [layers.Input((3,)), layers.Dense(4, "tanh"), layers.Dense(1)]
            )

        def compile(self, d_optimizer, g_optimizer, loss_fn):
            super().compile()
            self.d_optimizer, self.g_optimizer, self.loss_fn = d_optimizer, g_optimizer, loss_fn
            self.d_metric, self.g_metric = metrics.Mean(name="d_loss"), metrics.Mean(name="g_loss")

        @property
        def metrics(self):
            return [self.d_metric, self.g_metric]

        def train_step(self, data):
            images, noise = data
            generated = self.generator(noise, training=True)
            predictions = self.discriminator(ops.concatenate([images, generated]), training=True)
            labels = ops.concatenate([ops.ones_like(images[:, :1]), ops.zeros_like(images[:, :1])])
            d_loss = self.loss_fn(labels, predictions)
            weights = self.discriminator.trainable_weights
            self.d_optimizer.apply(rustnet.gradients(d_loss, weights), weights)
            # Through the discriminator as it is now; nothing leads back through its update.
            predictions = self.discriminator(generated, training=True)
            g_loss = self.loss_fn(ops.ones_like(images[:, :1]), predictions)
            weights = self.generator.trainable_weights
            self.g_optimizer.apply_gradients(zip(rustnet.gradients(g_loss, weights), weights, strict=True))
            self.d_metric.update_state(d_loss)
            self.g_metric.update_state(g_loss)
            return {"d_loss": self.d_metric.result(), "g_loss": self.g_metric.result()}

    gan = Gan()
    gan.compile(optimizers.SGD(0.3), optimizers.SGD(0.2), losses.BinaryCrossentropy(from_logits=True))
    d, g = gan.discriminator.get_weights(), gan.generator.get_weights()
    history = gan.fit(real, noise, batch_size=8, epochs=3, shuffle=False, verbose=0).history

    def generate(g, noise):
        return jnp.tanh(noise @ g[0] + g[1])

    def discriminate(d, x):
        return jnp.tanh(x @ d[0] + d[1]) @ d[2] + d[3]

    def cross_entropy(labels, logits):
        return jnp.mean(jnp.maximum(logits, 0) - logits * labels + jnp.log1p(jnp.exp(-jnp.abs(logits))))

    def d_loss(d, g, images, noise):
        both = jnp.concatenate([images, generate(g, noise)])
        labels = jnp.concatenate([jnp.ones((len(images), 1)), jnp.zeros((len(images), 1))])
        return cross_entropy(labels, discriminate(d, both))

    def g_loss(g, d, noise):
        return cross_entropy(jnp.ones((len(noise), 1)), discriminate(d, generate(g, noise)))

    for epoch in range(3):
        means = []
        for start in range(0, 24, 8):
            images, part = real[start : start + 8], noise[start : start + 8]
            d_value, d_gradients = jax.value_and_grad(d_loss)(d, g, images, part)
            d = [one - 0.3 * gradient for one, gradient in zip(d, d_gradients, strict=True)]
            g_value, g_gradients = jax.value_and_grad(g_loss)(g, d, part)
            g = [one - 0.2 * gradient for one, gradient in zip(g, g_gradients, strict=True)]
            means.append((d_value, g_value))
        got = history["d_loss"][epoch], history["g_loss"][epoch]
        np.testing.assert_allclose(got, np.mean(means, axis=0), rtol=1e-5)
    assert_same(gan.discriminator.get_weights(), d, rtol=1e-4)
    assert_same(gan.generator.get_weights(), g, rtol=1e-4)


def test_two_optimizers_on_one_model_one_after_the_other():
    def step(self, data):
        x, y = data
        for optimizer, scale in ((self.first, 1.0), (self.second, 2.0)):
            weights = self.trainable_weights
            loss = ops.mean(ops.square(self(x, training=True) - y)) * scale
            optimizer.apply(rustnet.gradients(loss, weights), weights)
        return {"second": loss}

    rustnet.utils.set_random_seed(1)
    model = own(train_step=step)([layers.Input((3,)), layers.Dense(1)])
    model.compile()
    model.first, model.second = optimizers.SGD(0.1), optimizers.SGD(0.05)
    expected = model.get_weights()

    def loss(weights, x, y):
        return jnp.mean((x @ weights[0] + weights[1] - y) ** 2)

    for start in (0, 6):
        x, y = X[start : start + 6], Y[start : start + 6]
        for rate, scale in ((0.1, 1.0), (0.05, 2.0)):
            gradients = jax.grad(loss)(expected, x, y)
            expected = [w - rate * scale * one for w, one in zip(expected, gradients, strict=True)]
    assert_same(weights_after(model, batch_size=6, epochs=1), expected, rtol=1e-5)


def test_a_variable_of_no_layer_and_accumulated_gradients():
    class Own(rustnet.Sequential):
        def train_step(self, data):
            x, y = data
            # The variable is one of the model's weights, too.
            weights = [one for layer in self.layers for one in layer.weights]
            loss = ops.mean(ops.square(self(x, training=True) * self.scale - y))
            *gradients, of_scale = rustnet.gradients(loss, [*weights, self.scale])
            self.scale.assign_sub(0.01 * of_scale)
            # Every second batch the sum of two gradients is applied.
            is_due = ops.equal(self.count % 2, 1)
            for weight, total, gradient in zip(weights, self.totals, gradients, strict=True):
                new = total + gradient
                weight.assign(ops.where(is_due, weight - 0.1 * new, weight))
                total.assign(ops.where(is_due, ops.zeros_like(new), new))
            self.count.assign_add(1)
            return {"loss_now": loss}

    model = make_model(Own)
    model.scale = rustnet.Variable(1.5)
    model.count = rustnet.Variable(0, dtype="int32", trainable=False)
    model.totals = [
        rustnet.Variable(np.zeros(one.shape, "float32"), trainable=False)
        for layer in model.layers
        for one in layer.weights
    ]
    weights, scale = [one.numpy() for layer in model.layers for one in layer.weights], 1.5

    def loss(weights, scale, x, y):
        hidden = jnp.tanh(x @ weights[0] + weights[1])
        return jnp.mean(((hidden @ weights[2] + weights[3]) * scale - y) ** 2)

    totals = [np.zeros_like(one) for one in weights]
    for count in range(6):
        part = slice(4 * (count % 3), 4 * (count % 3) + 4)
        gradients, of_scale = jax.grad(loss, (0, 1))(weights, scale, X[part], Y[part])
        scale = scale - 0.01 * of_scale
        totals = [total + one for total, one in zip(totals, gradients, strict=True)]
        if count % 2 == 1:
            weights = [one - 0.1 * total for one, total in zip(weights, totals, strict=True)]
            totals = [np.zeros_like(one) for one in weights]
    model.fit(X, Y, batch_size=4, epochs=2, shuffle=False, verbose=0)
    assert_same([one.numpy() for layer in model.layers for one in layer.weights], weights, rtol=1e-4)
    assert float(model.scale) == pytest.approx(float(scale), rel=1e-4)


def test_a_gradient_may_be_part_of_a_loss():
    # The penalty of a critic's gradient with respect to its input.
    def step(self, data):
        x = data
        (slope,) = rustnet.gradients(ops.sum(self(x)), [x])
        loss = ops.mean(ops.square(ops.sqrt(ops.sum(ops.square(slope), axis=1)) - 1.0))
        self.optimizer.apply(rustnet.gradients(loss, self.trainable_weights), self.trainable_weights)
        return {"penalty": loss}

    model = make_model(own(train_step=step))
    weights = model.get_weights()

    def penalty(weights):
        def critic(x):
            return (jnp.tanh(x @ weights[0] + weights[1]) @ weights[2] + weights[3])[0]

        norms = jnp.linalg.norm(jax.vmap(jax.grad(critic))(X), axis=1)
        return jnp.mean((norms - 1.0) ** 2)

    for _ in range(2):
        weights = [w - 0.1 * one for w, one in zip(weights, jax.grad(penalty)(weights), strict=True)]
    model.fit(X, batch_size=12, epochs=2, shuffle=False, verbose=0)
    assert_same(model.get_weights(), weights, rtol=1e-4)


def test_gradients_of_what_is_none():
    with pytest.raises(ValueError, match="expected a loss computed in the step.*Received: loss="):
        rustnet.gradients(ops.sum(X), [])
    for of, message in [
        (lambda self, x: rustnet.gradients(self(x), self.weights), "expected a scalar loss"),
        (lambda self, x: rustnet.gradients(ops.sum(self(x)), [3.0]), "expected variables or tensors"),
    ]:
        with pytest.raises(ValueError, match=message):
            make_model(own(train_step=lambda self, data, of=of: of(self, data[0]))).fit(X, Y, verbose=0)

    def step(self, data):
        kernel = self.layers[0].kernel
        by_name = rustnet.gradients(ops.sum(self(data[0])), {"w": kernel, "other": self.other})
        assert set(by_name) == {"w", "other"} and by_name["other"] is None
        return {"shape": by_name["w"].shape[0]}

    model = make_model(own(train_step=step))
    model.other = rustnet.Variable(1.0)
    assert model.fit(X, Y, verbose=0).history == {"shape": [3.0]}


# --- data and outputs of any form -----------------------------------------------------------------------


def test_data_arrives_as_keras_packs_it():
    seen = []

    def step(self, data):
        seen.append(
            rustnet.core.structure.map_structure(lambda leaf: None if leaf is None else leaf.shape, data)
        )
        return {"one": 1.0}

    model = make_model(own(train_step=step, test_step=step))
    model.fit(X, verbose=0)
    model.fit([X, Y], verbose=0)
    model.fit({"a": X}, Y, verbose=0)
    model.evaluate(X, Y, sample_weight=Y[:, 0], verbose=0)
    assert seen == [(12, 3), ([(12, 3), (12, 1)],), ({"a": (12, 3)}, (12, 1)), ((12, 3), (12, 1), (12,))]


def test_batches_of_any_nesting_and_of_any_shapes():
    def step(self, data):
        (images, scale), table, extra, missing = data
        assert missing is None
        return {"sum": ops.sum(images) * scale + ops.sum(table["a"]) + extra[0]}

    model = make_model(own(train_step=step))
    batch = ((X, 2.0), {"a": np.ones((2, 5), "int8")}, [np.float32(0.5), Y], None)
    batches = [batch, ((X[:5], 3.0), *batch[1:])]
    history = model.fit(iter(batches), steps_per_epoch=2, verbose=0).history
    np.testing.assert_allclose(history["sum"], [X[:5].sum() * 3.0 + 10.5], rtol=1e-5)
    with pytest.raises(ValueError, match="at least one array"):
        model.fit(iter([(None,)]), verbose=0)


def test_predictions_of_any_form():
    def step(self, data):
        x, _, _ = rustnet.utils.unpack_x_y_sample_weight(data)
        y = self(x)
        return {"y": y, "pair": (ops.mean(y), None), "gram": ops.transpose(y) @ x}

    model = make_model(own(predict_step=step))
    y = make_model().predict(X, verbose=0)
    for batch_size, parts in ((12, [slice(0, 12)]), (5, [slice(0, 5), slice(5, 10), slice(10, 12)])):
        got = model.predict(X, batch_size=batch_size, verbose=0)
        np.testing.assert_allclose(got["y"], y, rtol=1e-6)
        np.testing.assert_allclose(got["pair"][0], [y[part].mean() for part in parts], rtol=1e-5)
        assert got["pair"][1] is None
        np.testing.assert_allclose(
            got["gram"], np.concatenate([y[part].T @ X[part] for part in parts]), rtol=1e-4, atol=1e-6
        )
        streamed = model.predict(iter([(X[part],) for part in parts]), verbose=0)
        np.testing.assert_allclose(streamed["gram"], got["gram"], rtol=1e-5)
    square = make_model(own(predict_step=lambda self, data: data @ ops.transpose(data)))
    assert square.predict(X, batch_size=6, verbose=0).shape == (12, 6)
    with pytest.raises(ValueError, match="first axis alone. Received"):
        square.predict(X, batch_size=5, verbose=0)
    # More rows than the data has.
    double = make_model(own(predict_step=lambda self, data: ops.concatenate([data, data])))
    expected = np.concatenate([X[:5], X[:5], X[5:10], X[5:10], X[10:], X[10:]])
    np.testing.assert_array_equal(double.predict(X, batch_size=5, verbose=0), expected)
    assert double.predict(X[:0], verbose=0).shape == (0, 3)


# --- recording ------------------------------------------------------------------------------------------


def test_a_step_is_recorded_anew_where_what_it_read_has_changed():
    count = []

    def step(self, data):
        count.append(1)
        return {"factor": self.factor * ops.ones(())}

    model = make_model(own(train_step=step))
    model.factor = 2.0

    def factor():
        return model.fit(X, Y, batch_size=6, epochs=2, verbose=0).history["factor"][-1]

    assert [factor(), factor(), len(count)] == [2.0, 2.0, 1]
    model.factor = 3.0
    assert [factor(), len(count)] == [3.0, 2]
    model.compile()
    assert [factor(), len(count)] == [3.0, 3]
    model.compile(run_eagerly=True)
    assert [factor(), len(count)] == [3.0, 3 + 4]


def test_a_step_that_is_set_on_a_model():
    model = make_model()
    before = model.fit(X, Y, verbose=0).history
    model.train_step = lambda data: {"one": 1.0}
    assert model.fit(X, Y, verbose=0).history == {"one": [1.0]}
    del model.train_step
    assert list(model.fit(X, Y, verbose=0).history) == list(before)


def test_an_exception_in_a_step_leaves_the_model_usable():
    class Own(ByHand):
        fails = True

        def train_step(self, data):
            logs = super().train_step(data)
            if self.fails:
                raise RuntimeError("stop")
            return logs

    model = make_model(Own)
    before = model.get_weights()
    with pytest.raises(RuntimeError, match="stop"):
        model.fit(X, Y, verbose=0)
    assert_same(model.get_weights(), before, rtol=0)
    model.fails = False
    assert_same(weights_after(model), weights_after(make_model()), rtol=0)


def test_a_model_without_call_is_trained_by_its_step():
    class Pair(rustnet.Model):
        def __init__(self):
            super().__init__()
            self.inner = layers.Dense(1, kernel_initializer="zeros")

        def train_step(self, data):
            x, y = data
            loss = ops.mean(ops.square(self.inner(x) - y))
            self.optimizer.apply(rustnet.gradients(loss, self.inner.weights), self.inner.weights)
            return {"error": loss}

    weights = []

    class Look(rustnet.callbacks.Callback):
        def on_train_begin(self, logs=None):
            weights.extend(self.model.weights)

    model = Pair()
    model.compile("sgd")
    errors = model.fit(X, Y, epochs=3, verbose=0, callbacks=[Look()]).history["error"]
    assert errors[0] > errors[1] > errors[2] and len(weights) == 2


def test_parts_of_a_batch(keras):
    for data in [X, (X,), [X, Y], (X, Y, None), {"a": X}]:
        for ours, theirs in zip(
            rustnet.utils.unpack_x_y_sample_weight(data),
            keras.utils.unpack_x_y_sample_weight(data),
            strict=True,
        ):
            assert ours is theirs
    for parts in [(X,), ([X],), (X, Y), (X, Y, Y), (X, None, Y)]:
        ours, theirs = (one.utils.pack_x_y_sample_weight(*parts) for one in (rustnet, keras))
        assert type(ours) is type(theirs) and len(ours) == len(theirs)
    for data in [(), (1, 2, 3, 4)]:
        with pytest.raises(ValueError, match="Received: data with"):
            rustnet.utils.unpack_x_y_sample_weight(data)
