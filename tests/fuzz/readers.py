r"""Damaged files of every kind: read, or refused by one error that names them.

  python -m tests.fuzz.readers --files=2000 --output=results/reliability

A failure names the number of its file, which is made again from it alone.
"""

import argparse
import contextlib
import gzip
import io
import json
import pathlib
import random
import resource
import shutil
import sys
import tempfile
import time
import zipfile

import numpy as np
import pandas as pd

import nextitnet_tf
from nextitnet_tf import Vocabulary
from nextitnet_tf import atomic_files
from nextitnet_tf import data
from nextitnet_tf import release
from nextitnet_tf import training
from nextitnet_tf.models import saved
from nextitnet_tf.preparation import prepare
from nextitnet_tf.preparation.formats import detect_format
from nextitnet_tf.serving import history_files
from nextitnet_tf.training import provenance
from nextitnet_tf.training import ranks
from nextitnet_tf.training import runs
from nextitnet_tf.training.checkpoint import Checkpoints
from nextitnet_tf.training.checkpoint import Progress
from tests.checks import write_sessions
from tests.fuzz import flags as odd_flags
from tests.fuzz import mutations

ROOT = pathlib.Path(__file__).parents[2]
GOLDEN = {
    "cprec.npz": "cprec/cross-block.npz",
    "skiprec.npz": "skiprec/gumbel.npz",
    "sasrec.npz": "sasrec.npz",
}
SECONDS = 30.0

CSV = b"user,item,timestamp\n" + b"".join(
    b"u%d,i%d,%d\n" % (user, (user + k) % 5, k)
    for user in range(9)
    for k in range(6)
)
# With a decimal comma, and a semicolon within quotes.
SEMICOLONS = (
    CSV.replace(b",", b";").replace(b"i3", b'"i;3"').replace(b"u2", b"u2,5")
)
DATES = b"user,item,timestamp\n" + b"".join(
    b"u%d,i%d,2026-11-%02d 09:30:0%d\n" % (user, (user + k) % 5, k + 1, k)
    for user in range(9)
    for k in range(6)
)
SESSIONS = b"".join(
    b",".join(b"%d" % ((row * 7 + k) % 9 + 1) for k in range(6)) + b"\n"
    for row in range(20)
)
INTER = b"user_id:token\titem_id:token\ttimestamp:float\n" + b"".join(
    b"u%d\ti%d\t%d\n" % (user, (user + k) % 5, k)
    for user in range(9)
    for k in range(6)
)
PAIRS = b"".join(
    b"%d %d\n" % (user, (user + k) % 5 + 1)
    for user in range(1, 10)
    for k in range(6)
)
USER_ITEMS = b"".join(
    b"%d %s\n" % (user, b" ".join(b"%d" % (k % 5 + 1) for k in range(6)))
    for user in range(1, 10)
)
HISTORIES = b"".join(
    b'{"user": %d, "history": ["a", "b", "%d"]}\n' % (user, user)
    for user in range(9)
)
# Quoted, so that a damage is seen: of plain lines nearly any is a history.
TITLES = b"".join(
    b'"part %d, ""the end""","title, %d"\n' % (k, k) for k in range(20)
)
TRANSFER = b"".join(
    b"0,0,%d,%d,,%d,%d\n" % (k % 5 + 1, k % 3 + 1, k % 4 + 1, k % 2 + 7)
    for k in range(20)
)
SMALL = {"min_users_per_item": 1, "min_items_per_user": 1, "min_length": 1}


def write(path, content):
    path.write_bytes(content)
    return path


def prepare_raw(path, kept):
    shutil.rmtree(path.parent / "out", ignore_errors=True)
    options = SMALL if path.name != "sessions.csv" else {"t": 6}
    name = "sessions" if path.name == "sessions.csv" else "interactions"
    prepare(path, path.parent / "out", format=name, **options)
    data.read_sessions(path.parent / "out")


def prepare_separated(path, kept):
    shutil.rmtree(path.parent / "out", ignore_errors=True)
    options = {"format": "interactions", "separator": ";", **SMALL}
    prepare(path, path.parent / "out", **options)
    data.read_sessions(path.parent / "out")


def prepare_any(path, kept):
    shutil.rmtree(path.parent / "out", ignore_errors=True)
    format_ = detect_format(path)
    options = {} if format_ == "sessions" else SMALL
    prepare(path, path.parent / "out", format=format_, **options)


def prepare_published(path, kept):
    """As the projects publish them that the name tells of."""
    shutil.rmtree(path.parent / "out", ignore_errors=True)
    formats = {"pairs.txt": "user_item", "user_items.txt": "user_items"}
    format_ = formats.get(path.name, "auto")
    prepare(path, path.parent / "out", format=format_, **SMALL)
    data.read_sessions(path.parent / "out")


def parquet_of_interactions():
    packed = io.BytesIO()
    pd.read_csv(io.BytesIO(CSV)).to_parquet(packed)
    return packed.getvalue()


def read_histories(path, kept):
    for block in history_files.read_blocks(path, 4):
        assert len(block.histories) <= 4


def movielens_zip(content):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("ml/ratings.csv", content)
    return packed.getvalue()


def make_model():
    model = nextitnet_tf.NextItNet(num_items=5, num_blocks=2, embedding_dim=4)
    model.vocabulary = Vocabulary(
        [None, *"abcde"], [0, 5, 4, 3, 2, 1], padding_id=0, history_length=3
    )
    return model


def make_kept(folder):
    """Makes a folder of sessions, a run, a model, a state, a checkpoint.

    Returns:
        The folder, that of the run, and a compiled model.
    """
    rows = (np.arange(60)[:, None] + np.arange(6)) % 9 + 1
    sessions = write_sessions(folder / "sessions", rows, users=np.arange(60))
    done = training.run(
        nextitnet_tf.Recipe(
            stages=(nextitnet_tf.Stage(1, max_steps=2, eval_every=1),),
            model_config={"embedding_dim": 4},
            batch_size=16,
        ),
        data.read_sessions(sessions),
        folder / "runs",
        jit_compile=False,
        verbose=0,
    )[0]
    model = make_model()
    model.compile("adam", jit_compile=False)
    model.optimizer.build(model.trainable_variables)
    Checkpoints(folder, "stage").save(model, Progress())
    plain = nextitnet_tf.NextItNet(
        num_items=5, num_blocks=2, embedding_dim=4, use_alpha=True
    )
    (folder / "tf1").mkdir()
    release.save_checkpoint(plain, folder / "tf1" / "model.ckpt")
    return folder, done.folder, model


def in_sessions(name):
    """A reader of a folder of sessions, of which one file was damaged."""

    def read(path, kept):
        folder = path.parent / "sessions"
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(kept[0] / "sessions", folder)
        # Without checksums, which would tell any damage at once.
        meta = json.loads((folder / "meta.json").read_text())
        meta.pop("files", None)
        (folder / "meta.json").write_text(json.dumps(meta))
        shutil.copyfile(path, folder / name)
        found = data.read_sessions(folder)
        assert found.rows.min() >= 0
        assert found.rows.max() <= found.num_items

    return read


def in_run(name):
    """A reader of a run's folder, of which one file was damaged."""

    def read(path, kept):
        folder = path.parent / "run"
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(kept[1], folder)
        shutil.copyfile(path, folder / name)
        run = runs.Run.read(folder)
        assert run.recipe.stages
        if name == ranks.FILE:
            run.read_ranks()
        training.monitor_of(run.summary)

    return read


def load_state(path, kept):
    folder = path.parent / "state"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    shutil.copyfile(path, folder / "training_state-0.npz")
    Checkpoints(folder, "stage").restore(kept[2])


def load_index(path, kept):
    """A TF1 checkpoint whose index, or whose data, were damaged."""
    for part in (kept[0] / "tf1").iterdir():
        if not (path.parent / part.name).exists() or part.name != path.name:
            shutil.copyfile(part, path.parent / part.name)
    release.load_checkpoint(path.parent / "model.ckpt")


def alone(read):
    """A reader of a file that needs nothing beside it."""
    return lambda path, kept: read(path)


# Name of the file, what a good one holds, how it is damaged, what reads it.
READERS = {
    "interactions.csv": (CSV, mutations.mutate, prepare_raw),
    "dates.csv": (DATES, mutations.mutate, prepare_raw),
    "semicolons.csv": (SEMICOLONS, mutations.mutate, prepare_separated),
    "interactions.csv.gz": (
        gzip.compress(CSV, mtime=0),
        mutations.mutate,
        prepare_raw,
    ),
    "any.csv": (CSV, mutations.mutate, prepare_any),
    "ml.zip": (
        movielens_zip(CSV.replace(b"user,item", b"userId,movieId")),
        mutations.mutate_zip,
        prepare_any,
    ),
    "my.inter": (INTER, mutations.mutate, prepare_published),
    "pairs.txt": (PAIRS, mutations.mutate, prepare_published),
    "user_items.txt": (USER_ITEMS, mutations.mutate, prepare_published),
    "my.parquet": (
        parquet_of_interactions(),
        mutations.mutate,
        prepare_published,
    ),
    "histories.txt": (TITLES, mutations.mutate, read_histories),
    "histories.jsonl": (HISTORIES, mutations.mutate, read_histories),
    "sessions.csv": (SESSIONS, mutations.mutate, prepare_raw),
    "release.csv": (SESSIONS, mutations.mutate, alone(release.read_sessions)),
    "transfer.csv": (TRANSFER, mutations.mutate, alone(release.read_transfer)),
    "meta.json": (None, mutations.mutate_json, in_sessions("meta.json")),
    "items.csv": (None, mutations.mutate, in_sessions("items.csv")),
    "users.npy": (None, mutations.mutate, in_sessions("users.npy")),
    "sessions-00000.npy": (
        None,
        mutations.mutate,
        in_sessions("sessions-00000.npy"),
    ),
    "run.json": (None, mutations.mutate_json, in_run("run.json")),
    "ranks.npz": (None, mutations.mutate_zip, in_run("ranks.npz")),
    "training_state-0.npz": (None, mutations.mutate_zip, load_state),
    "model.keras": (None, mutations.mutate_zip, alone(saved.load_model)),
    "model.ckpt.index": (None, mutations.mutate, load_index),
    "cprec.npz": (None, mutations.mutate_zip, alone(release.load_cprec)),
    "skiprec.npz": (None, mutations.mutate_zip, alone(release.load_skiprec)),
    "sasrec.npz": (
        None,
        mutations.mutate_zip,
        lambda path, kept: release.load_state_dict(path, num_heads=2),
    ),
}
# What a folder of its own holds, and where.
WHERE = {
    **{
        name: ("sessions", name)
        for name in ("meta.json", "items.csv", "users.npy")
    },
    "sessions-00000.npy": ("sessions", "sessions-00000.npy"),
    "training_state-0.npz": (".", "training_state-0.npz"),
    "model.ckpt.index": ("tf1", "model.ckpt.index"),
}


def states(path):
    """An npz of the weights alone, of one that has more."""
    packed = io.BytesIO()
    with np.load(path) as arrays:
        names = [k for k in arrays.files if k.startswith("state/")]
        np.savez(packed, **{k.removeprefix("state/"): arrays[k] for k in names})
    return packed.getvalue()


def good_content(name, kept):
    content = READERS[name][0]
    if content is not None:
        return content
    if name in ("run.json", "ranks.npz"):
        return (kept[1] / name).read_bytes()
    if name == "model.keras":
        return (kept[1] / name).read_bytes()
    if name in GOLDEN:
        path = ROOT / "tests" / "golden" / GOLDEN[name]
        return states(path) if name == "sasrec.npz" else path.read_bytes()
    return kept[0].joinpath(*WHERE[name]).read_bytes()


def try_files(name, count, kept, folder):
    """Damages a file so many times, and reads it.

    Args:
        name: of `READERS`.
        count: how many files; each is a function of its number.
        kept: what `make_kept` has made.
        folder: to work in.

    Returns:
        How many were refused.

    Raises:
        AssertionError: an error that names nothing, or of another kind, or
            more than `SECONDS` for one file; with the file's number.
    """
    _, damage, read = READERS[name]
    content = good_content(name, kept)
    read(write(folder / name, content), kept)
    refused = 0
    for seed in range(count):
        path = write(folder / name, damage(content, random.Random(seed)))
        before = time.perf_counter()
        try:
            read(path, kept)
        except (ValueError, OSError) as error:
            refused += 1
            text = str(error)
            is_named = name.split(".")[0] in text or str(folder) in text
            assert is_named and text.count("\n") <= 3, f"seed {seed}: {text}"
        except Exception as error:
            raise AssertionError(
                f"seed {seed}: {type(error).__name__}: {error}"
            ) from error
        assert time.perf_counter() - before < SECONDS, f"seed {seed}"
    return refused


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--files", type=int, default=2000)
    parser.add_argument("--output", default="results/reliability")
    asked = parser.parse_args()
    found, problems = {}, []
    began = time.time()
    with tempfile.TemporaryDirectory() as work:
        folder = pathlib.Path(work)
        kept = make_kept(folder / "kept")
        for name in READERS:
            try:
                refused = try_files(name, asked.files, kept, folder)
            except AssertionError as error:
                problems.append(f"{name}: {error}")
                continue
            found[name] = {"files": asked.files, "refused": refused}
            print(f"{name}: {refused} of {asked.files} refused", flush=True)
        with contextlib.chdir(folder):
            write(folder / "my.csv", CSV)
            try:
                refused = odd_flags.try_flags(asked.files)
            except AssertionError as error:
                problems.append(f"flags of train: {error}")
            else:
                found["flags of train"] = {
                    "files": asked.files,
                    "refused": refused,
                }
    output = pathlib.Path(asked.output)
    output.mkdir(parents=True, exist_ok=True)
    atomic_files.write_json(
        output / "fuzz.json",
        {
            "readers": found,
            "problems": problems,
            "seconds": round(time.time() - began),
            "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            >> 10,
            "commit": provenance.commit(),
            "versions": provenance.versions(),
        },
    )
    for problem in problems:
        print(problem, file=sys.stderr)
    return int(bool(problems))


if __name__ == "__main__":
    sys.exit(main())
