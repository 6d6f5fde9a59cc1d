r"""Kills `train` at many points, and looks whether anything was lost.

  python -m tests.kills.harness --kills=200 --output=results/reliability

Two folders at a time: a process is started, ends itself at a chosen point or
is killed at a random moment, and the same command is started again, to be
killed again. Whenever one comes to its end, what it has left must be what an
undisturbed run leaves: weights, optimizer, metrics and ranks bit by bit, no
other files. Then the folder is emptied, and it begins anew.
"""

import argparse
import collections
import concurrent.futures
import csv
import hashlib
import json
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import zipfile

import h5py
import numpy as np

from nextitnet_tf import atomic_files
from nextitnet_tf.training import provenance
from tests.kills import points

ROOT = pathlib.Path(__file__).parents[2]
FLAGS = (
    *("--raw=my.csv", "--output=out", "--t=8", "--embedding_dim=8"),
    *("--batch_size=16", "--max_steps=6", "--eval_every=2", "--patience=3"),
    *("--budget_in=steps", "--num_blocks=1,2", "--nofloor"),
    *("--min_users_per_item=1", "--min_items_per_user=1"),
)
# What two runs of the same numbers do not share.
_CLOCKS = {
    *("train_seconds", "wall_seconds", "step_seconds", "files", "made_by"),
    "step_seconds_with_compilation",
}
# A whole run takes about so long.
_SECONDS = 25.0
_AT_A_MOMENT = "moment"
# Processes that are ended before what was found is written down.
_ROUND = 20


def write_data(folder: pathlib.Path) -> None:
    """A csv of 60 users who walk upwards, now and then at random."""
    generator = random.Random(0)
    lines = ["user,item,timestamp"]
    for user in range(60):
        item = generator.randrange(20)
        for when in range(16):
            is_lost = generator.random() < 0.2
            item = generator.randrange(20) if is_lost else (item + 1) % 20
            lines.append(f"u{user},i{item},{when}")
    (folder / "my.csv").write_text("\n".join(lines) + "\n")


def start(folder: pathlib.Path, where: str) -> subprocess.CompletedProcess:
    """Runs `train` in a folder, to be ended somewhere.

    Args:
        folder: has the data.
        where: as for `points.arm`, or `moment:SECONDS:SIGNAL`.
    """
    armed = "" if where.startswith(_AT_A_MOMENT) else where
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "tests.kills.points", armed),
            *("experiments.train", *FLAGS),
        ],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    if armed != where:
        _, seconds, name = where.split(":")
        try:
            process.wait(float(seconds))
        except subprocess.TimeoutExpired:
            process.send_signal(signal.Signals[f"SIG{name}"])
    out, err = process.communicate(timeout=300)
    return subprocess.CompletedProcess(where, process.returncode, out, err)


def expected_status(where: str) -> set[int]:
    """Exit statuses of a process that was ended there."""
    signum = signal.Signals[f"SIG{where.rsplit(':', 1)[1]}"]
    if signum == signal.SIGKILL:
        return {-signum}
    # Before a command listens the signal's own way of ending is taken.
    return {-signum, 128 + signum}


def make_plan(count: int, seed: int) -> list[str]:
    """Where each of so many processes is ended."""
    generator = random.Random(seed)
    names = [*points.POINTS, *[_AT_A_MOMENT] * 5]
    plan = []
    for _ in range(count):
        name = generator.choice(names)
        if name == _AT_A_MOMENT:
            at = f"{generator.uniform(0, _SECONDS):.2f}"
        else:
            at = str(generator.choice((1, 1, 2, 3, 5)))
        signum = generator.choice(("KILL",) * 8 + ("TERM", "INT"))
        plan.append(f"{name}:{at}:{signum}")
    return plan


def left(folder: pathlib.Path) -> dict[str, object]:
    """What a run has left, by file, without clocks and logs."""
    found: dict[str, object] = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if path.is_dir() or "/tensorboard/" in name:
            continue
        if path.name in ("train.log", "model_card.md"):  # with times
            found[name] = "a log"
        elif path.suffix == ".keras":
            found[name] = _weights(path)
        elif path.name == "run.json":
            found[name] = _without_clocks(json.loads(path.read_text()))
        elif path.name == "log.csv":
            with open(path, newline="") as file:
                rows = list(csv.DictReader(file))
            found[name] = _without_clocks(rows)
        elif path.suffix == ".npz":
            with np.load(path) as arrays:
                found[name] = {k: arrays[k].tolist() for k in arrays.files}
        else:
            found[name] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


def _without_clocks(value):
    if isinstance(value, dict):
        return {
            k: _without_clocks(v) for k, v in value.items() if k not in _CLOCKS
        }
    if isinstance(value, list):
        return [_without_clocks(v) for v in value]
    return value


def _weights(path: pathlib.Path) -> dict[str, str]:
    """Checksums of all arrays in a model's file, the optimizer's included."""
    found = {}

    def note(name, item):
        if isinstance(item, h5py.Dataset):
            found[name] = hashlib.sha256(np.array(item).tobytes()).hexdigest()

    with zipfile.ZipFile(path) as archive:
        with archive.open("model.weights.h5") as file:
            h5py.File(file, "r").visititems(note)
        config = json.loads(archive.read("config.json"))
    return found | {"config": json.dumps(_without_names(config))}


def _without_names(value):
    """A model's name counts the models that its process has made before."""
    if isinstance(value, dict):
        return {
            k: _without_names(v)
            for k, v in value.items()
            if k not in ("name", "shared_object_id")
        }
    if isinstance(value, list):
        return [_without_names(v) for v in value]
    return value


class Chain:
    """Processes in one folder, one after the other.

    Args:
        folder: of its own.
        expected: what an undisturbed run leaves.

    Attributes:
        ended: how many processes were ended, by point and signal.
        finished: how many came to their end, each with what was expected.
        problems: of the others, and of what was not as expected.
    """

    def __init__(self, folder: pathlib.Path, expected: dict[str, object]):
        self.ended: collections.Counter = collections.Counter()
        self.finished = 0
        self.problems: list[str] = []
        self._folder = folder
        self._expected = expected
        self._begin()

    def _begin(self) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)
        self._folder.mkdir(parents=True)
        write_data(self._folder)

    def go(self, where: str) -> None:
        """Starts a process that is ended there, if it comes there."""
        done = start(self._folder, where)
        if "Traceback" in done.stderr:
            self.problems.append(f"{where}: {done.stderr[-2000:]}")
        if done.returncode == 0:
            self._compare(where)
            self._begin()
        elif where and done.returncode in expected_status(where):
            point, _, name = where.split(":")
            self.ended[point, name] += 1
        else:
            self.problems.append(
                f"{where}: exit status {done.returncode}: {done.stderr[-2000:]}"
            )
            self._begin()

    def _compare(self, where: str) -> None:
        self.finished += 1
        found = left(self._folder)
        for name in sorted(found.keys() | self._expected.keys()):
            if found.get(name) != self._expected.get(name):
                self.problems.append(f"after {where}: {name} differs")


def run(kills: int, seed: int, folder: pathlib.Path, say=print) -> dict:
    """Ends so many processes, two folders at a time.

    Args:
        kills: how many.
        seed: of the plan.
        folder: to work in.
        say: is told how it goes.

    Returns:
        What kills.json says.
    """
    began = time.time()
    undisturbed = folder / "undisturbed"
    undisturbed.mkdir(parents=True)
    write_data(undisturbed)
    done = start(undisturbed, "")
    if done.returncode:
        raise RuntimeError(done.stderr)
    expected = left(undisturbed)

    def work(number: int) -> Chain:
        chain = Chain(folder / f"chain{number}", expected)
        for where in make_plan(10 * kills, seed + number):
            if sum(chain.ended.values()) >= (kills + 1 - number) // 2:
                break
            chain.go(where)
            count = sum(chain.ended.values())
            say(f"{count} ended, {chain.finished} finished: {where}")
        chain.go("")
        return chain

    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        chains = list(pool.map(work, range(2)))
    ended = sum((chain.ended for chain in chains), collections.Counter())
    return {
        "kills": sum(ended.values()),
        "by_point": _sums(ended, 0),
        "by_signal": _sums(ended, 1),
        "finished": sum(chain.finished for chain in chains),
        "problems": [p for chain in chains for p in chain.problems],
        "seconds": round(time.time() - began),
        "rounds": 1,
        "commit": provenance.commit(),
        "versions": provenance.versions(),
    }


def together(one: dict, other: dict) -> dict:
    """What two rounds have found; commit and versions are the latter's."""
    found = dict(other)
    for name, value in one.items():
        if isinstance(value, dict) and name != "versions":
            sums = collections.Counter(value) + collections.Counter(other[name])
            found[name] = dict(sorted(sums.items()))
        elif isinstance(value, int | list):
            found[name] = value + other[name]
    return found


def _sums(ended: collections.Counter, place: int) -> dict[str, int]:
    sums: collections.Counter = collections.Counter()
    for key, count in ended.items():
        sums[key[place]] += count
    return dict(sorted(sums.items()))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0, help="of the plan")
    parser.add_argument("--output", default="results/reliability")
    asked = parser.parse_args()
    path = pathlib.Path(asked.output) / "kills.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    result: dict = {}
    if path.is_file():
        before = json.loads(path.read_text())
        # A start after an interruption goes on, of this very code.
        if before["commit"] == provenance.commit():
            result = before
    while result.get("kills", 0) < asked.kills:
        seed = asked.seed + 2 * result.get("rounds", 0)
        count = min(_ROUND, asked.kills - result.get("kills", 0))
        with tempfile.TemporaryDirectory() as folder:
            found = run(count, seed, pathlib.Path(folder))
        result = together(result, found) if result else found
        atomic_files.write_json(path, result)
        print(f"{result['kills']} of {asked.kills}", flush=True)
    for problem in result["problems"]:
        print(problem, file=sys.stderr)
    print(
        f"{result['kills']} processes ended, {result['finished']} came to "
        f"their end, {len(result['problems'])} problems, "
        f"{result['seconds']} s"
    )
    return int(bool(result["problems"]))


if __name__ == "__main__":
    sys.exit(main())
