"""A convolutional network learns hand-written digits. The data are in the package; it takes seconds."""

import argparse

import numpy as np
from rich.console import Console

import rustnet
from rustnet import layers
from rustnet.datasets import digits

SHADES = " ░▒▓█"


def build_model():
    return rustnet.Sequential(
        [
            layers.Input(shape=(8, 8, 1)),
            layers.Rescaling(1 / 16),
            layers.Conv2D(32, 3, padding="same", activation="relu"),
            layers.Conv2D(64, 3, padding="same", activation="relu"),
            layers.MaxPooling2D(2),
            layers.Flatten(),
            layers.Dropout(0.3),
            layers.Dense(10, activation="softmax"),
        ]
    )


def picture(image):
    """The eight lines that show an image (8, 8) with values from 0 to 16."""
    levels = (image.astype(int) * (len(SHADES) - 1) + 8) // 16
    return ["".join(SHADES[level] * 2 for level in row) for row in levels]


def curve(training, validation, height=12, column=4):
    """The lines of a chart with one column an epoch: ● training, ○ validation."""
    low, high = min(training + validation), max(training + validation)
    step = (high - low) / (height - 1) or 1.0
    canvas = [[" "] * (column * len(training)) for _ in range(height)]
    for mark, values in (("●", training), ("○", validation)):
        for epoch, value in enumerate(values):
            canvas[round((high - value) / step)][column * epoch + column // 2] = mark
    lines = [f"{high - step * row:6.3f} ┤{''.join(cells)}" for row, cells in enumerate(canvas)]
    lines.append(" " * 7 + "└" + "─" * (column * len(training)))
    lines.append(" " * 8 + "".join(f"{epoch + 1:^{column}}" for epoch in range(len(training))) + " epoch")
    return lines


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=15)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    console = Console(highlight=False)
    rustnet.utils.set_random_seed(arguments.seed)

    (x_train, y_train), (x_test, y_test) = digits.load_data()
    x_train, x_test = x_train[..., np.newaxis], x_test[..., np.newaxis]
    console.print(f"{len(x_train)} images of 8×8 pixels to learn from, {len(x_test)} to be tested on.\n")

    model = build_model()
    model.summary()
    model.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    history = model.fit(
        x_train, y_train, batch_size=32, epochs=arguments.epochs, validation_data=(x_test, y_test)
    )

    console.print("\n[bold]Accuracy[/] ● on the training images, ○ on the test images")
    for line in curve(history.history["accuracy"], history.history["val_accuracy"]):
        console.print(line, markup=False)

    chosen = np.random.default_rng(arguments.seed).choice(len(x_test), 4, replace=False)
    probabilities = model.predict(x_test[chosen], verbose=0)
    console.print("\n[bold]Predictions[/] for four test images")
    for lines in zip(*(picture(x_test[index, :, :, 0]) for index in chosen), strict=True):
        console.print("   ".join(lines), markup=False)
    captions = [f"a {row.argmax()}, {row.max():.0%} sure" for row in probabilities]
    console.print("   ".join(f"{caption:<16}" for caption in captions))

    loss, accuracy = model.evaluate(x_test, y_test, verbose=0)
    console.print(f"\n[bold]Test accuracy {accuracy:.4f}[/], test loss {loss:.4f}")


if __name__ == "__main__":
    main()
