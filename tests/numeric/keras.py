"""Trains the cells of keras.json in Keras on JAX, on the CPU, and writes what was measured in the same layout.

    python -m venv venv
    venv/bin/pip install keras==3.15.* jax
    venv/bin/python tests/numeric/keras.py --cells bench l1e-4 --seeds 4 --out keras.json

Each run takes one to three minutes on two cores. The numbers are those of one machine and one version of Keras, JAX and XLA:
another gives others, within the spread between runs. Shares nothing with gridsweep but the files of MNIST in
sweeps/data/mnist; a folder with other files of that layout can be given with --data.
"""

import argparse
import gzip
import json
import os
import pathlib
import sys

# This file has the name of the library: its folder must not be searched for imports.
sys.path = [entry for entry in sys.path if pathlib.Path(entry).resolve() != pathlib.Path(__file__).resolve().parent]
os.environ["KERAS_BACKEND"] = "jax"
os.environ.setdefault("JAX_PLATFORMS", "cpu")

import keras
import numpy as np

WHAT = (
    "The protocol of the 2016 report in Keras {keras} on JAX {jax} (CPU). One list entry per run; the sparsity lists are per"
    " run, one value per weight matrix."
)
PROTOCOL = (
    "Dense layers, Glorot uniform, zero biases; Adam 1e-3 (Keras defaults, epsilon 1e-7); batch 128; pixels/255; 48,000"
    " training and 12,000 validation images drawn at random per run; shuffled each epoch; ReduceLROnPlateau(validation"
    " cross-entropy without penalty, factor 0.1, patience 3, min_delta 1e-4, cooldown 0, min_lr 0); EarlyStopping(training"
    " objective, patience 4, min_delta 0); at most 200 epochs; penalties on kernels (L1: c*sum|w|, L2: c*sum w^2); dropout"
    " after each hidden activation; test at the last weights; sparsity = share of |w| < 1e-4."
)
METRICS = {
    "min_training_objective": "smallest training objective (cross-entropy + penalty, running mean over the batches of an epoch)",
    "min_training_loss": "smallest training cross-entropy",
    "min_validation_loss": "smallest validation cross-entropy",
    "validation_loss": "validation cross-entropy after the last epoch",
    "test_accuracy": "test accuracy",
    "epochs": "epochs run",
}


def cell(regularizer, hidden=(128, 128, 64, 64, 64, 64), activation="relu", **strength):
    return {"hidden": list(hidden), "activation": activation, "regularizer": regularizer, **strength}


CELLS = {
    "bench": cell("none"),
    "l1-1": cell("l1", coefficient=1.0),
    "l1e-3": cell("l1", coefficient=0.001),
    "l1e-4": cell("l1", coefficient=0.0001),
    "l2-1": cell("l2", coefficient=1.0),
    "l2e-2": cell("l2", coefficient=0.01),
    "l2e-3": cell("l2", coefficient=0.001),
    "l2e-4": cell("l2", coefficient=0.0001),
    "drop-2": cell("dropout", dropout_rate=0.2),
    "s512": cell("l1", hidden=[512], coefficient=0.0001),
    "8x64": cell("l1", hidden=[64] * 8, coefficient=0.0001),
    "sig": cell("l1", activation="sigmoid", coefficient=0.0001),
    "tanh": cell("l1", activation="tanh", coefficient=0.0001),
}


def read_idx(path):
    """Reads an IDX file of bytes: two zeros, type 8, the number of dimensions, their big-endian sizes, the values."""
    raw = gzip.decompress(path.read_bytes())
    assert raw[:3] == b"\0\0\x08", f"{path} is no IDX file of bytes"
    sizes = np.frombuffer(raw, ">u4", count=raw[3], offset=4)
    return np.frombuffer(raw, np.uint8, offset=4 + 4 * raw[3]).reshape(sizes)


def read_mnist(folder):
    """Returns images as rows of 784 numbers in 0..1 with their labels, for training and for the test."""
    parts = []
    for part in ["train", "t10k"]:
        images = read_idx(folder / f"{part}-images-idx3-ubyte.gz")
        labels = read_idx(folder / f"{part}-labels-idx1-ubyte.gz")
        parts.append((images.reshape(len(images), -1).astype(np.float32) / 255, labels.astype(np.int32)))
    return parts


def network(choices):
    penalty = {
        "none": lambda: None,
        "dropout": lambda: None,
        "l1": lambda: keras.regularizers.L1(choices["coefficient"]),
        "l2": lambda: keras.regularizers.L2(choices["coefficient"]),
    }[choices["regularizer"]]
    layers = [keras.Input((784,))]
    for units in choices["hidden"]:
        layers.append(keras.layers.Dense(units, activation=choices["activation"], kernel_regularizer=penalty()))
        if choices.get("dropout_rate"):
            layers.append(keras.layers.Dropout(choices["dropout_rate"]))
    layers.append(keras.layers.Dense(10, kernel_regularizer=penalty()))
    return keras.Sequential(layers)


def train(choices, seed, data):
    """Runs one training and returns what it measured."""
    keras.utils.set_random_seed(seed)
    (images, labels), test = data
    order = np.random.default_rng(seed).permutation(len(images))
    validation, training = order[: len(images) // 5], order[len(images) // 5 :]
    model = network(choices)
    # The last layer has no softmax of its own: from logits the cross-entropy is not cut off where a probability is small.
    # `loss` and `val_loss` have the penalties in them, so the cross-entropy is a metric beside them.
    cross_entropy = keras.metrics.SparseCategoricalCrossentropy(name="cross_entropy", from_logits=True)
    model.compile(
        optimizer=keras.optimizers.Adam(1e-3),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=[cross_entropy, "accuracy"],
    )
    history = model.fit(
        images[training],
        labels[training],
        validation_data=(images[validation], labels[validation]),
        batch_size=128,
        epochs=200,
        verbose=0,
        callbacks=[
            keras.callbacks.ReduceLROnPlateau(
                monitor="val_cross_entropy", mode="min", factor=0.1, patience=3, min_delta=1e-4, cooldown=0, min_lr=0
            ),
            keras.callbacks.EarlyStopping(monitor="loss", mode="min", patience=4, min_delta=0),
        ],
    ).history
    kernels = [layer.kernel.numpy() for layer in model.layers if isinstance(layer, keras.layers.Dense)]
    return {
        "epochs": len(history["loss"]),
        "min_training_objective": round(min(history["loss"]), 5),
        "min_training_loss": round(min(history["cross_entropy"]), 5),
        "min_validation_loss": round(min(history["val_cross_entropy"]), 5),
        "validation_loss": round(history["val_cross_entropy"][-1], 5),
        "test_accuracy": round(model.evaluate(*test, batch_size=1000, verbose=0, return_dict=True)["accuracy"], 4),
        "sparsity": [round(float(np.mean(np.abs(kernel) < 1e-4)), 4) for kernel in kernels],
    }


def document(what, cells):
    """Returns the JSON text of all cells, `{name: (choices, runs)}`, a line for each list."""

    def entry(name, choices, runs):
        rows = [f'   "name": {json.dumps(name)}', f'   "choices": {json.dumps(choices)}']
        for metric in ["epochs", *(metric for metric in METRICS if metric != "epochs")]:
            rows.append(f'   "{metric}": {json.dumps([run[metric] for run in runs])}')
        sparsity = ",\n".join(f"    {json.dumps(run['sparsity'])}" for run in runs)
        rows.append(f'   "sparsity": [\n{sparsity}\n   ]')
        return "  {\n" + ",\n".join(rows) + "\n  }"

    columns = ",\n".join(f"  {json.dumps(name)}: {json.dumps(meaning)}" for name, meaning in METRICS.items())
    entries = ",\n".join(entry(name, *of) for name, of in cells.items())
    head = f' "what": {json.dumps(what)},\n "protocol": {json.dumps(PROTOCOL)}'
    return f'{{\n{head},\n "columns": {{\n{columns}\n }},\n "cells": [\n{entries}\n ]\n}}\n'


def main():
    root = pathlib.Path(__file__).resolve().parents[2]
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cells", nargs="+", choices=CELLS, default=list(CELLS), metavar="CELL")
    parser.add_argument("--seeds", type=int, default=4, help="runs of each cell, with the seeds 0, 1, ...")
    parser.add_argument("--data", type=pathlib.Path, default=root / "sweeps/data/mnist", help="folder of the IDX files")
    parser.add_argument("--out", type=pathlib.Path, required=True)
    arguments = parser.parse_args()
    import jax

    data = read_mnist(arguments.data)
    what = WHAT.format(keras=keras.__version__, jax=jax.__version__)
    done = {}
    for name in arguments.cells:
        runs = []
        for seed in range(arguments.seeds):
            runs.append(train(CELLS[name], seed, data))
            print(name, seed, runs[-1], flush=True)
            # Written after every run: what is done is kept when the rest is interrupted.
            done[name] = (CELLS[name], runs)
            arguments.out.write_text(document(what, done))


if __name__ == "__main__":
    main()
