"""Trains one small network step by step in Keras, in float64, and writes where its weights go: trajectories.json.

    python -m venv venv
    venv/bin/pip install keras==3.15.* jax
    venv/bin/python tests/numeric/trajectories.py --out tests/numeric/trajectories.json

A trajectory for each activation, regularizer, optimizer and schedule, all from the same initial weights with the same batches.
The engine takes the same steps in its tests (worker/engine/src/tests/trajectories.rs). Shares nothing with gridsweep but the
names of settings. `proximal_l1` is not in Keras and is written out here; `dropout` is absent, because its masks are drawn by
each implementation in its own way.
"""

import argparse
import json
import os
import pathlib
import sys

# keras.py beside this file has the name of the library: the folder must not be searched for imports.
sys.path = [entry for entry in sys.path if pathlib.Path(entry).resolve() != pathlib.Path(__file__).resolve().parent]
os.environ["KERAS_BACKEND"] = "jax"
os.environ["JAX_PLATFORMS"] = "cpu"
os.environ["JAX_ENABLE_X64"] = "1"

import keras
import numpy as np

SHAPES = [(6, 5), (5, 4), (4, 3)]
SAMPLES, EPOCHS, BATCH = 10, 6, 4
DRAWN = (400, 100)
QUANTILES = [0.001, 0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99, 0.999]


def problem():
    """Returns bytes, labels, the batches of every epoch and initial weights, all of them exact in float32."""
    random = np.random.default_rng(2016)
    inputs = random.integers(0, 256, (SAMPLES, SHAPES[0][0]), dtype=np.uint8)
    inputs[random.random(inputs.shape) < 0.3] = 0
    labels = np.arange(SAMPLES) % SHAPES[-1][1]
    orders = [random.permutation(SAMPLES) for _ in range(EPOCHS)]
    batches = [[order[start : start + BATCH].tolist() for start in range(0, SAMPLES, BATCH)] for order in orders]
    initial = [
        (random.uniform(-0.9, 0.9, shape).astype(np.float32), random.uniform(-0.2, 0.2, shape[1]).astype(np.float32))
        for shape in SHAPES
    ]
    return inputs, labels, batches, initial


def trajectories():
    """Returns settings by the engine's names; what is not said is the engine's default."""
    base = {"activation": "tanh", "optimizer.kind": "sgd", "optimizer.learning_rate": 0.1}
    cases = []
    for name in ACTIVATIONS:
        cases.append({**base, "activation": name})
    for name, settings in REGULARIZERS.items():
        cases.append({**base, "regularizer": name, **settings})
    optimizers = [{"optimizer.kind": name, "optimizer.learning_rate": 0.01} for name in OPTIMIZERS]
    optimizers[0] = {**base}
    optimizers += [{**base, "optimizer.momentum": 0.9, "optimizer.nesterov": nesterov} for nesterov in (False, True)]
    for settings in optimizers:
        cases.append({**base, **settings})
        cases.append({**base, **settings, "regularizer": "proximal_l1", "coefficient": 0.02})
    for settings in SCHEDULES:
        cases.append({**base, **settings})
        cases.append({**base, "optimizer.kind": "adam", "optimizer.learning_rate": 0.01, **settings})
    return [case for index, case in enumerate(cases) if case not in cases[:index]]


ACTIVATIONS = {
    "relu": "relu",
    "sigmoid": "sigmoid",
    "tanh": "tanh",
    "identity": "linear",
    "leaky_relu": lambda x: keras.activations.leaky_relu(x, negative_slope=0.01),
    "elu": "elu",
    "silu": "silu",
    "gelu": lambda x: keras.activations.gelu(x, approximate=True),
    "softplus": "softplus",
    "hard_tanh": "hard_tanh",
}
REGULARIZERS = {
    "none": {},
    "l1": {"coefficient": 0.02},
    "l2": {"coefficient": 0.02},
    "elastic_net": {"l1_coefficient": 0.01, "l2_coefficient": 0.03},
    "max_norm": {"max_norm": 0.7},
    "proximal_l1": {"coefficient": 0.02},
}
OPTIMIZERS = ["sgd", "adam", "adamw", "nadam", "rmsprop", "adagrad", "adamax"]
SCHEDULES = [
    {"schedule.kind": "constant", "schedule.warm_up_epochs": 2},
    {"schedule.kind": "step", "schedule.every_epochs": 2, "schedule.factor": 0.3},
    {"schedule.kind": "cosine"},
    {"schedule.kind": "cosine", "schedule.warm_up_epochs": 2, "schedule.final_factor": 0.1},
]


def make_optimizer(case):
    kind, rate = case["optimizer.kind"], case["optimizer.learning_rate"]
    if kind == "sgd":
        momentum = case.get("optimizer.momentum", 0.0)
        return keras.optimizers.SGD(rate, momentum=momentum, nesterov=case.get("optimizer.nesterov", False))
    if kind == "adamw":
        optimizer = keras.optimizers.AdamW(rate, weight_decay=0.004)
        optimizer.exclude_from_weight_decay(var_names=["bias"])
        return optimizer
    kinds = {"adam": "Adam", "nadam": "Nadam", "rmsprop": "RMSprop", "adagrad": "Adagrad", "adamax": "Adamax"}
    return getattr(keras.optimizers, kinds[kind])(rate)


def make_regularizer(case):
    kind, factor = case.get("regularizer"), case.get("coefficient")
    if kind == "l1":
        return keras.regularizers.L1(factor)
    if kind == "l2":
        return keras.regularizers.L2(factor)
    if kind == "elastic_net":
        return keras.regularizers.L1L2(case["l1_coefficient"], case["l2_coefficient"])
    return None


def make_model(case, initial):
    constraint = lambda: keras.constraints.MaxNorm(case["max_norm"], axis=0) if "max_norm" in case else None
    layers = [keras.layers.Input((SHAPES[0][0],))]
    for index, (_, units) in enumerate(SHAPES):
        activation = ACTIVATIONS[case["activation"]] if index + 1 < len(SHAPES) else None
        layers.append(
            keras.layers.Dense(
                units, activation, kernel_regularizer=make_regularizer(case), kernel_constraint=constraint()
            )
        )
    model = keras.Sequential(layers)
    model.set_weights([array.astype(np.float64) for pair in initial for array in pair])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(make_optimizer(case), loss)
    return model


def make_rates(case):
    """Returns the learning rate of each epoch, by Keras' schedules with an epoch for a step."""
    rate, kind = case["optimizer.learning_rate"], case.get("schedule.kind")
    warm_up = case.get("schedule.warm_up_epochs", 0)
    if kind == "step":
        decay = keras.optimizers.schedules.ExponentialDecay(
            rate, case["schedule.every_epochs"], case["schedule.factor"], staircase=True
        )
    elif kind == "cosine":
        decay = keras.optimizers.schedules.CosineDecay(
            rate / (warm_up + 1),
            EPOCHS - warm_up,
            alpha=case.get("schedule.final_factor", 0.0),
            warmup_target=rate,
            warmup_steps=warm_up,
        ) if warm_up else keras.optimizers.schedules.CosineDecay(
            rate, EPOCHS, alpha=case.get("schedule.final_factor", 0.0)
        )
    elif kind == "constant":
        return [rate * min(1.0, (epoch + 1) / (warm_up + 1)) for epoch in range(EPOCHS)]
    else:
        return [rate] * EPOCHS
    return [float(decay(epoch)) for epoch in range(EPOCHS)]


def shrink(case, model, rate):
    """Moves kernels nearer to zero by `coefficient` times what a steady gradient of 1 moves them in this step."""
    optimizer, step = model.optimizer, int(model.optimizer.iterations)
    for index, variable in enumerate(model.trainable_variables):
        if variable.ndim == 2:
            threshold = case["coefficient"] * reach(optimizer, case, index, step, rate)
            weights = number(variable)
            variable.assign(np.sign(weights) * np.maximum(np.abs(weights) - threshold, 0.0))


def reach(optimizer, case, index, t, rate):
    kind = case["optimizer.kind"]
    if kind == "sgd":
        return rate / (1.0 - case.get("optimizer.momentum", 0.0))
    if kind in ("adam", "adamw"):
        return rate * np.sqrt(1 - 0.999**t) / (np.sqrt(number(optimizer._velocities[index])) + 1e-7)
    if kind == "nadam":
        momenta = [0.9 * (1 - 0.5 * 0.96**step) for step in range(1, t + 2)]
        now, after = np.prod(momenta[:t]), np.prod(momenta)
        steady = momenta[t] * (1 - 0.9**t) / (1 - after) + (1 - momenta[t - 1]) / (1 - now)
        return rate * steady / (np.sqrt(number(optimizer._velocities[index]) / (1 - 0.999**t)) + 1e-7)
    if kind == "rmsprop":
        return rate / np.sqrt(number(optimizer._velocities[index]) + 1e-7)
    if kind == "adagrad":
        return rate / np.sqrt(number(optimizer._accumulators[index]) + 1e-7)
    return rate / (number(optimizer._u[index]) + 1e-7)


def number(array):
    return keras.ops.convert_to_numpy(array)


def flat(weights):
    return [float(f"{value:.9g}") for array in weights for value in number(array).ravel()]


def train(case, inputs, labels, batches, initial):
    model, rates = make_model(case, initial), make_rates(case)
    is_proximal, objectives, snapshots = case.get("regularizer") == "proximal_l1", [], []
    for rate, epoch in zip(rates, batches):
        model.optimizer.learning_rate = rate
        for batch in epoch:
            kernels = [array for array in model.get_weights() if array.ndim == 2]
            penalty = case["coefficient"] * sum(np.abs(kernel).sum() for kernel in kernels) if is_proximal else 0.0
            # Metrics are means since they were last reset: of this batch alone.
            model.reset_metrics()
            objectives.append(float(model.train_on_batch(inputs[batch] / 255.0, labels[batch])) + penalty)
            if is_proximal:
                shrink(case, model, rate)
            snapshots.append(flat(model.get_weights()))
    return {
        "settings": case,
        "rates": rates,
        "objectives": [float(f"{value:.9g}") for value in objectives],
        "first": snapshots[0],
        "last": snapshots[-1],
    }


def initializers():
    names = ["glorot_uniform", "glorot_normal", "he_uniform", "he_normal", "lecun_uniform", "lecun_normal"]
    found = {}
    for name in names:
        kind = type(keras.initializers.get(name))
        drawn = np.concatenate([number(kind(seed=seed)(DRAWN)).ravel() for seed in range(25)])
        found[name] = [float(f"{value:.6g}") for value in np.quantile(drawn, QUANTILES)]
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=pathlib.Path, required=True)
    out = parser.parse_args().out
    keras.config.set_floatx("float64")
    inputs, labels, batches, initial = problem()
    written = {
        "what": f"Keras {keras.__version__} on JAX, float64: tests/numeric/trajectories.py",
        "shapes": SHAPES,
        "inputs": inputs.tolist(),
        "labels": labels.tolist(),
        "epochs": batches,
        "initial": flat([array for pair in initial for array in pair]),
        "trajectories": [train(case, inputs, labels, batches, initial) for case in trajectories()],
        "drawn": DRAWN,
        "quantiles": QUANTILES,
        "initializers": initializers(),
    }
    lines = json.dumps(written).replace('{"settings"', '\n{"settings"').replace('"drawn"', '\n"drawn"')
    out.write_text(lines + "\n")


if __name__ == "__main__":
    main()
