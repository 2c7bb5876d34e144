"""An LSTM forecasts a temperature 12 hours ahead from the last two days, and is compared with simple guesses.

The series is made here: days and years as sine waves, and weather that comes and goes over a few days.
"""

import argparse

import numpy as np

import rustnet
from rustnet import layers

HOURS = 3 * 365 * 24
WINDOW = 48
AHEAD = 12


def temperatures(generator):
    """An hourly series of shape (HOURS,), in °C."""
    hours = np.arange(HOURS)
    year = -10 * np.cos(2 * np.pi * hours / (365 * 24))
    day = -5 * np.cos(2 * np.pi * (hours % 24) / 24)
    noise = generator.normal(size=HOURS)
    weather = np.zeros(HOURS)
    for hour in range(1, HOURS):
        weather[hour] = 0.98 * weather[hour - 1] + 0.6 * noise[hour]
    return 12 + year + day + weather


def windows(series):
    """Inputs (n, WINDOW, 1) and targets (n, 1), in order of time."""
    inputs = np.lib.stride_tricks.sliding_window_view(series[:-AHEAD], WINDOW)
    return inputs[..., np.newaxis], series[WINDOW + AHEAD - 1 :, np.newaxis]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    rustnet.utils.set_random_seed(arguments.seed)

    series = temperatures(np.random.default_rng(arguments.seed))
    split = 2 * HOURS // 3
    mean, deviation = series[:split].mean(), series[:split].std()
    x_train, y_train = windows((series[:split] - mean) / deviation)
    x_test, y_test = windows((series[split:] - mean) / deviation)

    model = rustnet.Sequential(
        [
            layers.Input(shape=(WINDOW, 1)),
            layers.LSTM(32),
            layers.Dense(1),
        ]
    )
    model.compile(optimizer="adam", loss="mse", metrics=["mae"])
    model.fit(x_train, y_train, batch_size=64, epochs=arguments.epochs)

    _, error = model.evaluate(x_test, y_test, verbose=0)
    as_now = np.abs(x_test[:, -1] - y_test).mean()
    as_then = np.abs(x_test[:, -1 - 24 + AHEAD] - y_test).mean()
    print(f"mean error {error * deviation:.2f} °C", end="; ")
    print(f"guessing the present: {as_now * deviation:.2f} °C, the day before: {as_then * deviation:.2f} °C")


if __name__ == "__main__":
    main()
