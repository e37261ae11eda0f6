"""What every peer has in common: its arguments, its data, and how it is asked for epochs and answers with their times.

A peer is made of (arguments, settings, data) and has `epoch() -> (training objective, validation loss)`, which trains one
epoch of 48,000 samples in a new order and then passes over the 12,000 that are held back.
"""

import argparse
import dataclasses
import gzip
import json
import pathlib
import sys
import time

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parents[3]
CLASSES = 10
INPUTS = 784
LEARNING_RATE = 1e-3
BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-7


@dataclasses.dataclass
class Settings:
    """The choices of a training."""

    hidden: list
    batch: int
    activation: str
    dropout: float
    l1: float

    def sizes(self):
        """Returns the units of all layers, inputs and classes with them."""
        return [INPUTS, *self.hidden, CLASSES]


@dataclasses.dataclass
class Data:
    """Rows of 784 f32 and labels as i32: 48,000 to train on, 12,000 to measure with."""

    x: np.ndarray
    y: np.ndarray
    validation_x: np.ndarray
    validation_y: np.ndarray


def read_idx(folder, name):
    """Reads an IDX file of bytes, packed or not: two zeros, type 8, the number of dimensions, their sizes, the values."""
    packed, plain = folder / f"{name}.gz", folder / name
    raw = gzip.decompress(packed.read_bytes()) if packed.exists() else plain.read_bytes()
    if raw[:3] != b"\0\0\x08":
        raise SystemExit(f"{folder}/{name} is no IDX file of bytes")
    sizes = np.frombuffer(raw, ">u4", count=raw[3], offset=4)
    return np.frombuffer(raw, np.uint8, offset=4 + 4 * raw[3]).reshape(sizes)


def read_data(which):
    """Returns the 60,000 samples of a folder of IDX files, or as many of normal numbers when `which` is "gaussian"."""
    random = np.random.default_rng(1)
    if which == "gaussian":
        x = random.standard_normal((60_000, INPUTS), np.float32)
        y = np.argmax(x @ random.standard_normal((INPUTS, CLASSES), np.float32), axis=1)
    else:
        folder = pathlib.Path(which)
        images = read_idx(folder, "train-images-idx3-ubyte")
        x = images.reshape(len(images), -1).astype(np.float32) / 255
        y = read_idx(folder, "train-labels-idx1-ubyte")
    y, order = y.astype(np.int32), random.permutation(len(x))
    held, training = order[: len(x) // 5], order[len(x) // 5 :]
    return Data(x[training], y[training], x[held], y[held])


def parse(extra=()):
    """Reads the command line; `extra` are arguments of this peer alone, as (name, how argparse is told of it)."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--hidden", default="128-128-64-64-64-64", help="units of the hidden layers")
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--activation", choices=["relu", "tanh", "sigmoid"], default="relu")
    parser.add_argument("--dropout", type=float, default=0.0)
    parser.add_argument("--l1", type=float, default=1e-4)
    parser.add_argument("--data", default=str(ROOT / "sweeps/data/mnist"), help='folder of IDX files, or "gaussian"')
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--serve", action="store_true", help="read how many epochs to train from stdin, again and again")
    for name, how in extra:
        parser.add_argument(name, **how)
    arguments = parser.parse_args()
    hidden = [int(units) for units in arguments.hidden.split("-")]
    settings = Settings(hidden, arguments.batch, arguments.activation, arguments.dropout, arguments.l1)
    if 48_000 % settings.batch:
        raise SystemExit(f"--batch must divide 48,000, so that no peer compiles a second shape; {settings.batch} does not")
    return arguments, settings


def main(make, extra=()):
    """Trains: one epoch that is not counted (compilation, first touch of memory), then what is asked for."""
    arguments, settings = parse(extra)
    peer = make(arguments, settings, read_data(arguments.data))
    peer.epoch()
    if not arguments.serve:
        for number in range(1, arguments.epochs + 1):
            done = timed(peer)
            share = done["cpu_ms"] / done["wall_ms"]
            print(
                f"epoch {number}: {done['wall_ms']:.1f} ms, {share:.0%} of it on a processor,"
                f" objective {done['objective']:.4f}, validation loss {done['validation_loss']:.4f}",
                flush=True,
            )
        return
    print("ready", flush=True)
    for line in sys.stdin:
        for _ in range(int(line)):
            print(json.dumps(timed(peer)), flush=True)


def timed(peer):
    wall, cpu = time.perf_counter(), time.process_time()
    objective, validation_loss = peer.epoch()
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    return {
        "wall_ms": wall * 1e3,
        "cpu_ms": cpu * 1e3,
        "objective": float(objective),
        "validation_loss": float(validation_loss),
    }
