"""Measures the engine's floors, and prints them as a table: what must be, what is aimed at, what was measured.

    python3 tests/numeric/peers/table.py                          # all rows: about 15 minutes on two idle cores
    python3 tests/numeric/peers/table.py deep6 s512               # some
    python3 tests/numeric/peers/table.py --list

A ratio is the median over --rounds rounds of what compare.py measures in each, with its least and greatest. Rows of the engine
beside itself (tanh beside relu) are measured the same way. "disturbed" counts rounds in which something else had more than
3 % of the core: with any, the ratio of the processor times is worth more, and another measurement on an idle machine most.
"""

import argparse
import dataclasses
import json
import pathlib
import statistics
import subprocess

import compare

FASHION = "/usr/share/datasets/fashion-mnist"
S512, N8X64, BATCH_32 = ["--hidden", "512"], ["--hidden", "-".join(["64"] * 8)], ["--batch", "32"]


@dataclasses.dataclass
class Row:
    """A line of the table."""

    what: str
    must: float
    goal: float
    # Returns the figures of the rounds, how many of these were disturbed, and of a ratio the median by processor time.
    measure: object
    # Whether less is better.
    is_limit: bool = False
    unit: str = "×"


def beside(peer, choices=(), data=None, epochs=3):
    """Time of a peer over ours, both with these choices."""
    return lambda bench: bench.ratios(bench.ours(choices, data), bench.peer(peer, choices, data), epochs)


def against(choices):
    """Our time with some choices over our time without."""
    return lambda bench: bench.ratios(bench.ours(), bench.ours(choices), 3, ("without", "with"))


ROWS = {
    "deep6": Row("784-128-128-64-64-64-64-10, JAX over ours", 2.2, 2.8, beside("jax")),
    "s512": Row("784-512-10, JAX over ours", 3.5, 4.5, beside("jax", S512, epochs=2)),
    "n8x64": Row("784-64×8-10, JAX over ours", 2.0, 2.5, beside("jax", N8X64)),
    "batch32": Row("deep6, batch 32, JAX over ours", 2.5, 3.3, beside("jax", BATCH_32)),
    "keras": Row("deep6, Keras (TensorFlow) over ours", 8, 12, beside("keras-tensorflow", epochs=1)),
    "keras-s512": Row("784-512-10, Keras (TensorFlow) over ours", 8, 12, beside("keras-tensorflow", S512, epochs=1)),
    "cores": Row("speed per core kept by two trials on two cores", 0.95, 1.0, lambda bench: bench.two_cores()),
    "tanh": Row("deep6, tanh over relu", 1.2, 1.1, against(["--activation", "tanh"]), is_limit=True),
    "sigmoid": Row("deep6, sigmoid over relu", 1.2, 1.1, against(["--activation", "sigmoid"]), is_limit=True),
    "dropout": Row("deep6, dropout over none", 1.15, 1.05, against(["--dropout", "0.5"]), is_limit=True),
    "gaussian": Row("deep6, 784 Gaussian columns, JAX over ours", 1.2, 1.4, beside("jax", data="gaussian")),
    "fashion": Row("deep6, Fashion-MNIST, JAX over ours", 1.4, 1.7, beside("jax", data=FASHION)),
    "memory": Row(
        "deep6, memory of a slot beyond weights and moments", 16, 4, lambda bench: bench.memory(), True, "MiB"
    ),
    "memory-s512": Row(
        "784-512-10, memory of a slot beyond weights and moments", 16, 4, lambda bench: bench.memory(S512), True, "MiB"
    ),
    "checkpoints": Row(
        "784-512-10, checkpoints' share of training time", 1, 0.3, lambda bench: bench.checkpoints(), True, "%"
    ),
}
# Not floors: the rest of the peers, measured when named.
BESIDE = {
    f"{peer}{net}": Row(f"{name}, {peer} over ours", None, None, beside(peer, choices, epochs=1))
    for peer in ("keras-jax", "torch", "torch-compiled", "sklearn")
    for net, name, choices in (("", "deep6", []), ("-s512", "784-512-10", S512))
}


class Bench:
    """How the rows of one call are measured."""

    def __init__(self, arguments):
        self.arguments = arguments
        self.program = compare.ours(arguments.ours)
        self.core = arguments.core

    def ours(self, choices=(), data=None, core=None):
        data = data or self.arguments.data
        return compare.Trainer([self.program, *choices, "--data", data], self.core if core is None else core)

    def peer(self, name, choices, data):
        choices = [*choices, "--data", data or self.arguments.data]
        return compare.Trainer(compare.peer_command(name, self.arguments.python, choices), self.core)

    def ratios(self, left, right, epochs, names=("ours", "peer")):
        """Returns the ratios of wall times, right / left."""
        wall, cpu, disturbed = compare.compare(left, right, self.arguments.rounds, epochs, self.show, names)
        left.close()
        right.close()
        return wall, disturbed, statistics.median(cpu)

    def two_cores(self, epochs=3):
        """Returns the speed that each of two trials keeps when both train, each round's mean over the cores."""
        kept, disturbed = [], 0
        trainers = [self.ours(core=core) for core in (self.core, self.arguments.other_core)]
        for _ in range(self.arguments.rounds):
            alone = [trainer.train(epochs) for trainer in trainers]
            for trainer in trainers:
                trainer.ask(epochs)
            both = [trainer.answer(epochs) for trainer in trainers]
            kept.append(statistics.mean(one.wall_ms / two.wall_ms for one, two in zip(alone, both)))
            mark = "!" if max(time.others for time in alone + both) > compare.OTHERS_MOST else " "
            disturbed += mark == "!"
            times = lambda of: " ".join(f"{time.wall_ms:7.1f} ms ({time.share:4.0%})" for time in of)
            self.show(f"{mark} alone {times(alone)}  together {times(both)}  kept {kept[-1]:.3f}")
        for trainer in trainers:
            trainer.close()
        return kept, disturbed

    def account(self, choices=()):
        command = ["taskset", "-c", str(self.core), self.program, *choices, "--data", self.arguments.data, "--account"]
        done = subprocess.run([str(part) for part in command], check=True, capture_output=True, text=True)
        self.show(f"  {done.stdout.strip()}")
        return json.loads(done.stdout)

    def memory(self, choices=()):
        """Returns MiB that a training with checkpoints has allocated at its most, without weights, biases and moments."""
        account = self.account(choices)
        return [(account["most_bytes_with_checkpoint"] - account["state_bytes"]) / 2**20], 0

    def checkpoints(self):
        """Returns the per cent of the time that go into a checkpoint every so often, as a worker leaves them."""
        account = self.account(S512)
        every_ms = account["checkpoint_every_s"] * 1e3
        return [100 * ms / every_ms for ms in account["checkpoint_ms"]], 0

    def show(self, line):
        if not self.arguments.quiet:
            print(line, flush=True)


def verdict(row, median):
    if row.must is None:
        return ""
    reached = lambda bound: median <= bound if row.is_limit else median >= bound
    return "goal" if reached(row.goal) else "must" if reached(row.must) else "MISSED"


def line(row, figures, disturbed, by_processor=None):
    bound = lambda value: "" if value is None else f"{'≤ ' if row.is_limit else '≥ '}{value:g} {row.unit}"
    median = statistics.median(figures)
    span = f"{min(figures):.3g}–{max(figures):.3g}"
    cells = [
        row.what,
        bound(row.must),
        bound(row.goal),
        f"{median:.3g} {row.unit}",
        span,
        f"{len(figures)}",
        f"{disturbed}",
        f"{by_processor:.3g} {row.unit}" if by_processor else "",
        verdict(row, median),
    ]
    return f"| {' | '.join(cells)} |"


def commit():
    command = ["git", "describe", "--always", "--dirty"]
    return subprocess.run(command, cwd=compare.ROOT, capture_output=True, text=True).stdout.strip()


def machine():
    text = pathlib.Path("/proc/cpuinfo").read_text()
    fields = dict(map(str.strip, line.split(":", 1)) for line in text.splitlines() if ":" in line)
    return "{}, family {}, model {}".format(*(fields.get(name, "?") for name in ("model name", "cpu family", "model")))


def main():
    parser = argparse.ArgumentParser(formatter_class=argparse.RawDescriptionHelpFormatter, description=__doc__)
    parser.add_argument("rows", nargs="*", choices=[[], *ROWS, *BESIDE], metavar="ROW")
    parser.add_argument("--list", action="store_true", help="print the names of the rows")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--core", type=int, default=1)
    parser.add_argument("--other-core", type=int, default=0, help="the second of two cores")
    parser.add_argument("--python", help="interpreter of an environment that has the peers")
    parser.add_argument("--ours", help="program of the engine's example, if not the one of this tree")
    parser.add_argument("--data", default=str(compare.ROOT / "sweeps/data/mnist"), help="folder of IDX files")
    parser.add_argument("--quiet", action="store_true", help="print the table alone")
    arguments = parser.parse_args()
    rows = {**ROWS, **BESIDE}
    if arguments.list:
        print("\n".join(f"{name:<22} {row.what}" for name, row in rows.items()))
        return
    bench, lines = Bench(arguments), []
    for name in arguments.rows or ROWS:
        bench.show(f"{name}: {rows[name].what}")
        lines.append(line(rows[name], *rows[name].measure(bench)))
    print(f"\n{machine()}; commit {commit()}; core {arguments.core}\n")
    print("| | must | goal | measured | least–greatest | rounds | disturbed | by processor time | |\n|---|---|---|---|---|---|---|---|---|")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
