"""A layer, a loss and a metric of one's own, written with `rustnet.ops`, run in Rust like built-in ones."""

import argparse

import rustnet
from rustnet import layers, metrics, ops
from rustnet.datasets import digits

CLASSES = 10


class Maxout(layers.Layer):
    """`y = max over k of (x W_k + b_k)`: a learnt activation (Goodfellow et al. 2013)."""

    def __init__(self, units, pieces=3, **arguments):
        super().__init__(**arguments)
        self.units = units
        self.pieces = pieces

    def build(self, input_shape):
        columns = self.units * self.pieces
        self.kernel = self.add_weight(
            shape=(input_shape[-1], columns), initializer="he_normal", name="kernel"
        )
        self.bias = self.add_weight(shape=(columns,), initializer="zeros", name="bias")

    def call(self, x):
        pieces = ops.matmul(x, self.kernel) + self.bias
        return ops.max(ops.reshape(pieces, (-1, self.units, self.pieces)), axis=-1)

    def compute_output_shape(self, input_shape):
        return (input_shape[0], self.units)

    def get_config(self):
        return {**super().get_config(), "units": self.units, "pieces": self.pieces}


def focal_loss(y_true, y_pred, gamma=2.0):
    """`-(1 - p)^gamma · log p` for the probability p of the right class (Lin et al. 2017).

    Samples that the model finds hard count more than in cross-entropy, which is the case gamma = 0.
    """
    right = ops.sum(ops.one_hot(ops.cast(y_true, "int32"), CLASSES) * y_pred, axis=-1)
    right = ops.clip(right, 1e-7, 1.0)
    return -ops.power(1.0 - right, gamma) * ops.log(right)


class WorstClassRecall(metrics.Metric):
    """The share of found samples in the class where it is lowest."""

    def __init__(self, name="worst_class_recall", **arguments):
        super().__init__(name=name, **arguments)
        self.found = self.add_weight(shape=(CLASSES,), initializer="zeros", name="found")
        self.samples = self.add_weight(shape=(CLASSES,), initializer="zeros", name="samples")

    def update_state(self, y_true, y_pred, sample_weight=None):
        labels = ops.one_hot(ops.cast(y_true, "int32"), CLASSES)
        predictions = ops.one_hot(ops.argmax(y_pred, axis=-1), CLASSES)
        self.found.assign(self.found + ops.sum(labels * predictions, axis=0))
        self.samples.assign(self.samples + ops.sum(labels, axis=0))

    def result(self):
        return ops.min(self.found / ops.maximum(self.samples, 1.0))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    rustnet.utils.set_random_seed(arguments.seed)

    (x_train, y_train), (x_test, y_test) = digits.load_data()

    model = rustnet.Sequential(
        [
            layers.Input(shape=(8, 8)),
            layers.Rescaling(1 / 16),
            layers.Flatten(),
            Maxout(64),
            Maxout(32),
            layers.Dense(CLASSES, activation="softmax"),
        ]
    )
    model.compile(optimizer="adam", loss=focal_loss, metrics=["accuracy", WorstClassRecall()])
    model.fit(x_train, y_train, epochs=arguments.epochs)

    results = model.evaluate(x_test, y_test, verbose=0, return_dict=True)
    worst = results["worst_class_recall"]
    print(f"test accuracy {results['accuracy']:.4f}, recall of the worst class {worst:.4f}")


if __name__ == "__main__":
    main()
