"""Two inputs, two outputs: a functional model sees two digits and tells their sum and which is larger.

Both images go through the same encoder, so its weights learn from both.
"""

import argparse

import numpy as np

import rustnet
from rustnet import layers
from rustnet.datasets import digits


def pairs(images, labels, count, generator):
    """`count` random pairs of images, with their sum (0 to 18) and whether the left is larger (0 or 1)."""
    left, right = generator.integers(0, len(images), size=(2, count))
    total = labels[left] + labels[right]
    larger = labels[left] > labels[right]
    return [images[left], images[right]], [total, larger]


def build_model():
    encoder = rustnet.Sequential(
        [
            layers.Input(shape=(8, 8)),
            layers.Reshape((8, 8, 1)),
            layers.Rescaling(1 / 16),
            layers.Conv2D(32, 3, activation="relu"),
            layers.Conv2D(64, 3, activation="relu"),
            layers.Flatten(),
            layers.Dense(32, activation="relu"),
        ],
        name="encoder",
    )
    left = layers.Input(shape=(8, 8), name="left")
    right = layers.Input(shape=(8, 8), name="right")
    both = layers.Concatenate()([encoder(left), encoder(right)])
    hidden = layers.Dense(128, activation="relu")(both)
    total = layers.Dense(19, activation="softmax", name="total")(hidden)
    larger = layers.Dense(1, activation="sigmoid", name="larger")(hidden)
    return rustnet.Model(inputs=[left, right], outputs=[total, larger])


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    rustnet.utils.set_random_seed(arguments.seed)
    generator = np.random.default_rng(arguments.seed)

    (x_train, y_train), (x_test, y_test) = digits.load_data()
    train_inputs, train_targets = pairs(x_train, y_train, 20_000, generator)
    test_inputs, test_targets = pairs(x_test, y_test, 2_000, generator)

    model = build_model()
    model.summary()
    model.compile(
        optimizer="adam",
        loss=["sparse_categorical_crossentropy", "binary_crossentropy"],
        loss_weights=[1.0, 0.5],
        metrics=[["accuracy"], ["accuracy"]],
    )
    model.fit(train_inputs, train_targets, batch_size=64, epochs=arguments.epochs)

    results = model.evaluate(test_inputs, test_targets, verbose=0, return_dict=True)
    print(f"right sums {results['total_accuracy']:.4f}, right comparisons {results['larger_accuracy']:.4f}")


if __name__ == "__main__":
    main()
