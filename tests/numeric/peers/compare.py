"""Trains with the engine and with a peer in turn on the same core, and prints the ratios of their times.

    python3 tests/numeric/peers/compare.py --peer jax --hidden 512 --rounds 7

The first call makes an environment in target/peers and installs what the peer needs into it (versions in requirements.txt; for
PyTorch and TensorFlow some GB); remove the folder to be rid of it. --python names another that has what is needed. The engine's example is built by cargo unless --ours names its program.

Both programs load their data and train one epoch that is not counted. Then, in each round, one waits while the other trains
--epochs epochs, each on core --core alone; who is first changes from round to round. A round's time is the median of its
epochs, its ratio peer / ours; printed are median, least and greatest ratio. Per cent are the program's
own share of the core. Where something else had it for more than 3 % the round is marked with "!", and the ratio of the processor times is
worth more.
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import typing

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[2]
# Name: (script and its arguments, what it needs beside NumPy).
PEERS = {
    "jax": (["with_jax.py"], ["jax"]),
    "keras-tensorflow": (["with_keras.py", "--backend", "tensorflow"], ["keras", "tensorflow"]),
    "keras-jax": (["with_keras.py", "--backend", "jax"], ["keras", "jax"]),
    "torch": (["with_torch.py"], ["torch"]),
    "torch-compiled": (["with_torch.py", "--compiled"], ["torch"]),
    "sklearn": (["with_sklearn.py"], ["scikit-learn"]),
}
# A round in which something else had the core for more than this is disturbed. TensorFlow, by itself, uses some 90 % of its.
OTHERS_MOST = 0.03


class Time(typing.NamedTuple):
    """What an epoch took in one round."""

    wall_ms: float
    share: float
    # How much of the time something else had the core.
    others: float

    def processor_ms(self):
        return self.wall_ms * self.share


class Trainer:
    """A program that trains epochs when asked to, pinned to one core."""

    def __init__(self, command, core):
        command = ["taskset", "-c", str(core), *map(str, command), "--serve"]
        self.core, self.busy_ms_before = core, 0.0
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        while self.line() != "ready":
            pass

    def line(self):
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"{' '.join(self.process.args)} ended with {self.process.wait()}")
        return line.strip()

    def ask(self, epochs):
        self.busy_ms_before = busy_ms(self.core)
        self.process.stdin.write(f"{epochs}\n")
        self.process.stdin.flush()

    def answer(self, epochs):
        """Returns the median of the milliseconds of the epochs that were asked for, and the share of them on the core."""
        done = [json.loads(self.line()) for _ in range(epochs)]
        wall_ms, cpu_ms = (sum(epoch[key] for epoch in done) for key in ("wall_ms", "cpu_ms"))
        others = (busy_ms(self.core) - self.busy_ms_before - cpu_ms) / wall_ms
        # Shares over all of them: the engine is told of its processor time to 4 ms, the core's is counted in 10 ms.
        return Time(statistics.median(epoch["wall_ms"] for epoch in done), cpu_ms / wall_ms, max(others, 0))

    def train(self, epochs):
        self.ask(epochs)
        return self.answer(epochs)

    def close(self):
        self.process.stdin.close()
        self.process.wait(60)


def busy_ms(core):
    """Returns how long a core has been busy, with whatever: user, nice, system, irq, softirq, steal."""
    lines = pathlib.Path("/proc/stat").read_text().splitlines()
    ticks = next(line for line in lines if line.startswith(f"cpu{core} ")).split()[1:9]
    return sum(int(ticks[index]) for index in (0, 1, 2, 5, 6, 7)) * 1e3 / os.sysconf("SC_CLK_TCK")


def python(given, needs):
    """Returns the interpreter of an environment that has what a peer needs; unless one is given it is made, once."""
    if given:
        return given
    folder, pins = ROOT / "target/peers", HERE / "requirements.txt"
    interpreter, installed = folder / "bin/python", folder / "installed.json"
    # Pins that have changed make a new environment.
    wanted = {"pins": pins.read_text(), "needs": []}
    has = json.loads(installed.read_text()) if installed.exists() else {}
    if has.get("pins") != wanted["pins"]:
        subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
        has = wanted
    missing = [need for need in ["numpy", *needs] if need not in has["needs"]]
    if missing:
        print(f"installing {' '.join(missing)} into {folder}", flush=True)
        subprocess.run([interpreter, "-m", "pip", "install", "-q", "-c", pins, *missing], check=True)
        installed.write_text(json.dumps({**has, "needs": has["needs"] + missing}))
    return interpreter


def peer_command(name, given, choices):
    """Returns the command line of a peer with these choices."""
    (script, *own), needs = PEERS[name]
    return [python(given, needs), HERE / script, *choices, *own]


def ours(given):
    """Returns the program of the engine's example, built from this tree unless one is given."""
    if given:
        return given
    command = ["cargo", "build", "--release", "--locked", "--example", "epoch", "-p", "gridsweep-engine"]
    subprocess.run(command, check=True, cwd=ROOT)
    return ROOT / "target/release/examples/epoch"


def rounds(left, right, count, epochs):
    """Lets two trainers train in turn; yields (left's times, right's times) of each round."""
    for number in range(count):
        order = [(0, left), (1, right)][:: 1 if number % 2 == 0 else -1]
        times = {which: trainer.train(epochs) for which, trainer in order}
        yield times[0], times[1]


def compare(left, right, count, epochs, show=print, names=("ours", "peer")):
    """Returns the ratios right / left of all rounds, as wall and as processor time, and how many rounds were disturbed."""
    wall, cpu, disturbed = [], [], 0
    for ours, peer in rounds(left, right, count, epochs):
        mark = "!" if max(ours.others, peer.others) > OTHERS_MOST else " "
        disturbed += mark == "!"
        wall.append(peer.wall_ms / ours.wall_ms)
        cpu.append(peer.processor_ms() / ours.processor_ms())
        show(
            f"{mark} {names[0]} {ours.wall_ms:8.1f} ms ({ours.share:4.0%})  {names[1]} {peer.wall_ms:8.1f} ms ({peer.share:4.0%})"
            f"  ratio {wall[-1]:6.3f}  by processor time {cpu[-1]:6.3f}"
        )
    return wall, cpu, disturbed


def describe(ratios):
    return f"median {statistics.median(ratios):.3f}  min {min(ratios):.3f}  max {max(ratios):.3f}  rounds {len(ratios)}"


def main():
    parser = argparse.ArgumentParser(formatter_class=argparse.RawDescriptionHelpFormatter, description=__doc__)
    parser.add_argument("--peer", choices=PEERS, default="jax")
    parser.add_argument("--core", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=3, help="epochs of each in a round")
    parser.add_argument("--python", help="interpreter of an environment that has the peers")
    parser.add_argument("--ours", help="program of the engine's example, if not the one of this tree")
    parser.add_argument("--kernel", help="the engine's kernel, if not the one it chooses")
    parser.add_argument("--data", default=str(ROOT / "sweeps/data/mnist"), help='folder of IDX files, or "gaussian"')
    # Everything else (--hidden, --batch, --activation, --dropout, --l1) is for both programs.
    arguments, both = parser.parse_known_args()
    both = [*both, "--data", arguments.data]
    kernel = ["--kernel", arguments.kernel] if arguments.kernel else []
    left = Trainer([ours(arguments.ours), *both, *kernel], arguments.core)
    right = Trainer(peer_command(arguments.peer, arguments.python, both), arguments.core)
    print(f"{arguments.peer} / ours on core {arguments.core}: {' '.join(both)}")
    wall, cpu, disturbed = compare(left, right, arguments.rounds, arguments.epochs)
    left.close()
    right.close()
    print(f"wall       {describe(wall)}  disturbed {disturbed}")
    print(f"processor  {describe(cpu)}")


if __name__ == "__main__":
    main()
