"""JAX with a hand-written step: no metrics, no shuffling, data already on the device.

The peer `jax` compiles the step, `jax-scan` a whole epoch of steps.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from peers import Measurement
from timing import Stopwatch, calls
from workloads import Workload

Parameters = list[Any]


def linear(generator: np.random.Generator, inputs: int, outputs: int) -> tuple[Any, Any]:
    kernel = generator.normal(0, inputs**-0.5, (inputs, outputs)).astype(np.float32)
    return jnp.asarray(kernel), jnp.zeros(outputs)


def filters(generator: np.random.Generator, inputs: int, outputs: int) -> tuple[Any, Any]:
    kernel = generator.normal(0, (9 * inputs) ** -0.5, (3, 3, inputs, outputs)).astype(np.float32)
    return jnp.asarray(kernel), jnp.zeros(outputs)


def recurrent(generator: np.random.Generator, inputs: int, units: int) -> tuple[Any, Any, Any]:
    kernel, bias = linear(generator, inputs, 4 * units)
    return kernel, linear(generator, units, 4 * units)[0], bias


def dense(parameters: Parameters, x: Any) -> Any:
    for kernel, bias in parameters[:-1]:
        x = jax.nn.relu(x @ kernel + bias)
    kernel, bias = parameters[-1]
    return x @ kernel + bias


def convolve(x: Any, layer: Any, padding: str) -> Any:
    kernel, bias = layer
    y = lax.conv_general_dilated(x, kernel, (1, 1), padding, dimension_numbers=("NHWC", "HWIO", "NHWC"))
    return jax.nn.relu(y + bias)


def pool(x: Any) -> Any:
    return lax.reduce_window(x, -jnp.inf, lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")


def small_convnet(parameters: Parameters, x: Any) -> Any:
    x = pool(convolve(x, parameters[0], "VALID"))
    x = pool(convolve(x, parameters[1], "VALID"))
    x = convolve(x, parameters[2], "VALID")
    return dense(parameters[3:], x.reshape(x.shape[0], -1))


def large_convnet(parameters: Parameters, x: Any) -> Any:
    for first in (0, 2, 4):
        x = convolve(convolve(x, parameters[first], "SAME"), parameters[first + 1], "SAME")
        x = x.mean(axis=(1, 2)) if first == 4 else pool(x)
    return dense(parameters[6:], x)


def lstm(layer: Any, x: Any) -> Any:
    """All hidden states, (T, B, U), for x (T, B, I)."""
    kernel, recurrent_kernel, bias = layer
    units = recurrent_kernel.shape[0]

    def step(state: Any, projected: Any) -> Any:
        h, c = state
        i, f, g, o = jnp.split(projected + h @ recurrent_kernel, 4, axis=-1)
        c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
        h = jax.nn.sigmoid(o) * jnp.tanh(c)
        return (h, c), h

    start = jnp.zeros((x.shape[1], units))
    return lax.scan(step, (start, start), x @ kernel + bias)[1]


def review_lstm(parameters: Parameters, x: Any) -> Any:
    return dense(parameters[2:], lstm(parameters[1], parameters[0][x.T])[-1])


def stacked_lstm(parameters: Parameters, x: Any) -> Any:
    return dense(parameters[2:], lstm(parameters[1], lstm(parameters[0], x.swapaxes(0, 1)))[-1])


def model(name: str) -> tuple[Parameters, Callable[[Parameters, Any], Any]]:
    """Parameters and forward function (to logits) of a workload."""
    g = np.random.default_rng(0)
    if name == "W3":
        convolutions = [filters(g, 1, 32), filters(g, 32, 64), filters(g, 64, 64)]
        return [*convolutions, linear(g, 576, 64), linear(g, 64, 10)], small_convnet
    if name == "W4":
        sizes = [(3, 64), (64, 64), (64, 128), (128, 128), (128, 256), (256, 256)]
        return [*(filters(g, *size) for size in sizes), linear(g, 256, 10)], large_convnet
    if name == "W5":
        embeddings = jnp.asarray(g.uniform(-0.05, 0.05, (10_000, 32)).astype(np.float32))
        return [embeddings, recurrent(g, 32, 32), linear(g, 32, 1)], review_lstm
    if name == "W6":
        return [recurrent(g, 64, 128), recurrent(g, 128, 128), linear(g, 128, 10)], stacked_lstm
    widths = {"W1": (784, 512, 10), "W2": (10_000, 16, 16, 1), "W2b": (13, 64, 64, 1)}[name]
    return [linear(g, *pair) for pair in zip(widths, widths[1:], strict=False)], dense


def cross_entropy(logits: Any, labels: Any) -> Any:
    return -jnp.take_along_axis(jax.nn.log_softmax(logits), labels[:, None], axis=1).mean()


def binary_cross_entropy(logits: Any, targets: Any) -> Any:
    return (jax.nn.softplus(logits) - targets * logits).mean()


def squared_error(outputs: Any, targets: Any) -> Any:
    return jnp.square(outputs - targets).mean()


LOSSES = {
    "sparse_categorical_crossentropy": cross_entropy,
    "binary_crossentropy": binary_cross_entropy,
    "mse": squared_error,
}


def rmsprop(w: Any, g: Any, m: Any, v: Any, t: Any) -> Any:
    v = 0.9 * v + 0.1 * g * g
    return w - 1e-3 * g * lax.rsqrt(v + 1e-7), m, v


def adam(w: Any, g: Any, m: Any, v: Any, t: Any) -> Any:
    m = 0.9 * m + 0.1 * g
    v = 0.999 * v + 0.001 * g * g
    rate = 1e-3 * jnp.sqrt(1 - 0.999**t) / (1 - 0.9**t)
    return w - rate * m / (jnp.sqrt(v) + 1e-7), m, v


OPTIMIZERS = {"rmsprop": rmsprop, "adam": adam}


def trainer(peer: str, workload: Workload) -> Measurement:
    x, y = (jnp.asarray(array) for array in workload.data())
    size = workload.batch_size
    parameters, forward = model(workload.name)
    loss, update = LOSSES[workload.loss], OPTIMIZERS[workload.optimizer]
    leaves, structure = jax.tree.flatten(parameters)
    zeros = [jnp.zeros_like(leaf) for leaf in leaves]

    def step(state: Any, batch: Any, targets: Any) -> Any:
        weights, means, squares, t = state

        def loss_of(weights: Any) -> Any:
            return loss(forward(jax.tree.unflatten(structure, weights), batch), targets)

        gradients = jax.grad(loss_of)(weights)
        updated = [update(*leaf, t + 1) for leaf in zip(weights, gradients, means, squares, strict=True)]
        return (*(list(part) for part in zip(*updated, strict=True)), t + 1)

    def all_steps(state: Any, x: Any, y: Any) -> Any:
        whole = len(x) // size * size
        batches = [array[:whole].reshape(-1, size, *array.shape[1:]) for array in (x, y)]
        state, _ = lax.scan(lambda state, batch: (step(state, *batch), None), state, batches)
        return step(state, x[whole:], y[whole:]) if whole < len(x) else state

    if peer == "jax-scan":
        jitted, batches = jax.jit(all_steps, donate_argnums=0), [(x, y)]
    else:
        jitted = jax.jit(step, donate_argnums=0)
        batches = [(x[i : i + size], y[i : i + size]) for i in range(0, len(x), size)]
    del x, y
    state = (leaves, zeros, [jnp.zeros_like(leaf) for leaf in leaves], jnp.float32(0))

    def measure() -> dict[str, float]:
        nonlocal state
        stopwatch = Stopwatch()
        for _ in range(workload.epochs):
            for batch, targets in batches:
                state = jitted(state, batch, targets)
        jax.block_until_ready(state)
        return stopwatch.training(workload.steps * workload.epochs)

    measure()
    return measure


def predictor(peer: str, workload: Workload, inputs: dict[int, np.ndarray]) -> Measurement:
    """Predicts with a jitted function, from an array on the device to another."""
    parameters, forward = model(workload.name)
    jitted = jax.jit(lambda parameters, x: jax.nn.softmax(forward(parameters, x)))
    arrays = {batch: jnp.asarray(x) for batch, x in inputs.items()}
    return calls({"jit": lambda x: jitted(parameters, x).block_until_ready()}, arrays)
