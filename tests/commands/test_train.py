"""`train` on anybody's csv, `evaluate` on what it has left."""

import json
import os
import pathlib
import re
from types import SimpleNamespace

import numpy as np
import pytest

from nextitnet_tf.commands import stored
from nextitnet_tf.compression import cluster_sizes
from nextitnet_tf.models import GRU4Rec
from nextitnet_tf.models import SkipRec
from nextitnet_tf.models import saved
from tests import in_process

ROOT = pathlib.Path(__file__).parents[2]


@pytest.fixture
def run_command(tmp_path):
    """Runs a command as its users do: (exit status, stdout, stderr)."""

    def run(name, *arguments):
        return in_process.run(name, *arguments, cwd=tmp_path)

    return run


@pytest.fixture
def train(tmp_path, run_command):
    """Trains on a csv of 40 users who count upwards from 0 to 4."""
    lines = ["user,item,timestamp"]
    for user in range(40):
        lines += [f"u{user},i{(user + k) % 5},{k}" for k in range(6)]
    (tmp_path / "my.csv").write_text("\n".join(lines) + "\n")

    def run(*arguments):
        return run_command(
            "train",
            *("--raw=my.csv", "--output=out", "--t=6", "--embedding_dim=8"),
            *("--batch_size=16", "--max_steps=4", "--eval_every=2"),
            *arguments,
        )

    return run


def check_one_line(code, err, *words):
    assert code == 1
    # Of the data, and of a stage that was trained before, there is a line, too.
    others = ("note: ", "trained ")
    told = [s for s in err.splitlines() if not s.startswith(others)]
    (line,) = told
    assert line.startswith("error: ")
    for word in words:
        assert word in line, (word, line)


EVALUATE = ("evaluate", "--model=out/model.keras", "--t=6")


def test_a_compressed_model(train, run_command, tmp_path):
    arguments = ("--compression=auto", "--num_blocks=2")
    code, told, err = train(*arguments)
    assert code == 0, err[-2000:]
    model = saved.load_model(tmp_path / "out" / "model.keras")
    found = model.compression
    num_columns = model.num_items + 1
    assert found.clusters[-1] == num_columns and len(found.clusters) == 3
    assert found.softmax_ranks == found.embedding_ranks == (8, 2, 1)
    # Each kernel belongs to two blocks.
    assert model.blocks[1].conv1.kernel is model.blocks[0].conv1.kernel
    code, out, err = run_command(*EVALUATE, "--raw=my.csv")
    assert code == 0, err[-2000:]
    (answer,) = model.recommend([["i3"]], k=2)
    assert len(answer) == 2
    # Both ends by hand: the table of a fifth of the items and so on.
    sizes = cluster_sizes(found.clusters)
    embedding = 8 * sizes[0] + 2 * (sizes[1] + 8) + sizes[2] + 8
    softmax = embedding + 2 * 8
    assert f"embedding {embedding}, " in told
    assert f"softmax {softmax})" in told
    # Norms and alphas are a block's own, kernels and biases shared.
    own, kernels = 2 * 32 + 2, 2 * (3 * 8 * 8 + 8)
    stored = embedding + own + kernels + softmax
    in_full = num_columns * 8 + own + 2 * kernels + num_columns * 9
    assert f"stored: {stored:,} weights" in told
    assert f"{in_full / stored:.1f} times fewer than in full" in told
    # Its softmax must be full.
    for given, word in (
        (("--sampled_fraction=0.5",), "num_sampled"),
        (("--model=caser",), "--compression=auto"),
    ):
        code, _, err = train(*arguments[:1], *given, "--output=other")
        check_one_line(code, err, word)


def test_a_policy_that_skips_blocks(train, run_command, tmp_path):
    arguments = ("--num_blocks=1,2", "--skip_policy=gru", "--compression=auto")
    code, told, err = train(*arguments)
    assert code == 0, err[-2000:]
    model = saved.load_model(tmp_path / "out" / "model.keras")
    assert isinstance(model, SkipRec) and model.policy == "gru"
    assert model.backbone.compression.sharing == "adjacent_block"
    (line,) = [t for t in told.splitlines() if t.startswith("blocks: ")]
    assert re.fullmatch(
        r"blocks: \d+% of 2 run, from \d to \d for a history; by block "
        r"\d+%, \d+%",
        line,
    )
    code, out, err = run_command(*EVALUATE, "--raw=my.csv")
    assert code == 0, err[-2000:]
    for given, word in (
        (("--skip_block_cost=1",), "--skip_block_cost needs --skip_policy"),
        (("--model=gru4rec", "--skip_policy=cnn"), "with blocks"),
        (("--model=grec", "--skip_policy=cnn"), "whose objective"),
    ):
        code, _, err = train(*given, "--output=other")
        check_one_line(code, err, word)


def test_what_a_compression_of_few_items_stores():
    """Its projections outweigh the tables that they spare, and it is said."""

    def told(num_items, compression):
        model = GRU4Rec(num_items, embedding_dim=64, compression=compression)
        run = SimpleNamespace(load_model=lambda: model)
        return stored.in_short(run, None)

    # Clusters of 4, 3 and 14 at 64, 16 and 4: 256, 48 + 1,024, 56 + 256.
    assert "embedding 1,640, softmax 1,768," in told(20, "auto")
    assert told(20, "auto").endswith(" times as many as in full")
    assert told(2000, "auto").endswith(" times fewer than in full")
    assert told(20, None).endswith(")")


@pytest.mark.slow
def test_a_transformer_trained_evaluated_and_damaged(
    train, run_command, tmp_path
):
    arguments = (
        *("--model=sasrec", "--num_heads=2", "--dropout_rate=0.2"),
        *("--variant=original", "--notie_output", "--num_blocks=1,2"),
        "--dtype=mixed_bfloat16",
    )
    code, out, err = train(*arguments)
    assert code == 0, err[-2000:]
    model = saved.load_model(tmp_path / "out" / "model.keras")
    config = model.get_config()
    expected = {
        **{"num_heads": 2, "dropout_rate": 0.2, "max_length": 5},
        **{"variant": "original", "tie_output": False, "use_alpha": False},
    }
    assert {name: config[name] for name in expected} == expected
    assert (model.compute_dtype, model.dtype) == ("bfloat16", "float32")
    assert type(model).__name__ == "SASRec"
    # What stacking copies is what is best for the model.
    runs = tmp_path / "out" / "runs"
    done = [
        next(runs.glob(f"sasrec-{how}-*/run.json"))
        for how in ("1-scratch", "2-adjacent-paper")
    ]
    # The one that validates best is left, and what says how it was trained.
    text = (tmp_path / "out" / "run.json").read_text()
    (run,) = [path for path in done if path.read_text() == text]
    values = [json.loads(path.read_text())["best_validation"] for path in done]
    assert json.loads(text)["best_validation"] == max(values)
    depth = {1: "1 block", 2: "2 blocks"}[len(model.blocks)]
    assert f"model in out/model.keras ({depth}, best on validation)" in out
    shown = out.split(f"{depth}: ")[1].split(", best after")[0]
    code, out, err = run_command(*EVALUATE, "--raw=my.csv")
    assert code == 0, err[-2000:]
    assert f"test, protocol clean: {shown}" in out and err == ""
    code, out, _ = run_command(*EVALUATE, "--raw=my.csv", "--exclude_seen")
    # A history has all items but the one that follows: nothing can beat it.
    assert "clean, items of the history left out: MRR@5 1.0" in out
    (answer,) = model.recommend([["i3"]], k=2)
    assert len(answer) == 2 and "i3" not in answer
    assert np.isfinite(
        model.predict(np.zeros((1, 5), "int32"), verbose=0)
    ).all()
    # A model that was damaged is not copied over the good one.
    good = (tmp_path / "out" / "model.keras").read_bytes()
    with open(run.parent / "model.keras", "r+b") as file:
        file.seek(-1, os.SEEK_END)
        file.write(b"?")
    code, _, err = train(*arguments)
    check_one_line(code, err, str(run.parent.name), "damaged")
    assert (tmp_path / "out" / "model.keras").read_bytes() == good


def test_evaluate_click_by_click(train, run_command, tmp_path):
    code, _, err = train("--num_blocks=1")
    assert code == 0, err[-2000:]
    code, out, err = run_command(*EVALUATE, "--raw=my.csv", "--clicks=2")
    assert code == 0, err[-2000:]
    assert "test, protocol clean, the last 2 click by click: MRR@5 " in out
    code, _, err = run_command(*EVALUATE, "--raw=my.csv", "--clicks=-1")
    assert code and "--clicks" in err
    # Newer data, in which items have other numbers.
    text = (tmp_path / "my.csv").read_text()
    (tmp_path / "newer.csv").write_text(text.replace(",i2,", ",new,"))
    newer = [*EVALUATE, "--raw=newer.csv"]
    code, _, err = run_command(*newer)
    check_one_line(code, err, "--part=all", "data/newer")
    code, out, err = run_command(*newer, "--part=all")
    assert out.startswith("all, items by their raw ids: MRR@5 "), err[-2000:]
    assert code == 0 and "(40 sessions)" in out
    code, _, err = run_command(*newer, "--part=all", "--clicks=2")
    check_one_line(code, err, "--clicks needs")
    code, _, err = train("--model=sasrec", "--num_blocks=1", "--force")
    assert code == 0, err[-2000:]
    code, _, err = run_command(*EVALUATE, "--raw=my.csv", "--clicks=2")
    check_one_line(code, err, "A SASRec does not grow by a click")


def test_evaluate_takes_the_split_from_the_model(train, run_command, tmp_path):
    """Under the usual split it would have been trained on most of the test."""
    code, out, err = train("--model=ssept", "--num_blocks=1", "--split=rows")
    assert code == 0, err[-2000:]
    shown = out.split("1 block: ")[1].split(", best after")[0]
    code, out, err = run_command(*EVALUATE, "--raw=my.csv")
    assert f"test, protocol clean split=rows: {shown}" in out, err[-2000:]
    for flag in ("--split=users", "--protocol=release", "--count_padding"):
        code, _, err = run_command(*EVALUATE, "--raw=my.csv", flag)
        check_one_line(code, err, f"Expected {flag.split('=')[0]}=", flag)
    # The same users, one of whom has done something else.
    text = (tmp_path / "my.csv").read_text()
    swapped = text.replace("u7,i2,0\nu7,i3,1", "u7,i3,0\nu7,i2,1")
    assert swapped != text
    (tmp_path / "other.csv").write_text(swapped)
    code, _, err = run_command(*EVALUATE, "--raw=other.csv")
    check_one_line(code, err, "--part=all", "data/other")
    code, out, err = run_command(*EVALUATE, "--raw=other.csv", "--part=all")
    assert code == 0 and "(40 sessions)" in out, err[-2000:]


@pytest.mark.slow
def test_a_model_without_run_json(train, run_command, tmp_path):
    code, out, err = train("--num_blocks=1")
    assert code == 0, err[-2000:]
    (tmp_path / "out" / "run.json").rename(tmp_path / "run.json")
    code, out, err = run_command(*EVALUATE, "--raw=my.csv", "--split=rows")
    assert code == 0 and "(8 sessions)" in out
    assert err.startswith("note: there is no out/run.json")
    # One of another model.
    text = (tmp_path / "run.json").read_text()
    digest = saved_digest(tmp_path / "out" / "model.keras")
    (tmp_path / "out" / "run.json").write_text(text.replace(digest, "0" * 64))
    code, _, err = run_command(*EVALUATE, "--raw=my.csv")
    check_one_line(code, err, "out/run.json", "another or damaged")
    one_more = (tmp_path / "my.csv").read_text() + "".join(
        f"u{user},i{k},{k}\n" for user in range(40, 52) for k in range(7)
    )
    (tmp_path / "other.csv").write_text(one_more)
    (tmp_path / "out" / "run.json").unlink()
    code, _, err = run_command(*EVALUATE, "--raw=other.csv")
    assert code == 1 and "a model of 5" in err


def saved_digest(path):
    import hashlib

    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "shown"),
    [
        (["--model=gru4rec"], "gru4rec: "),
        (
            [
                *("--model=grec", "--variant=original"),
                *("--mask_fraction=0.4", "--num_blocks=1,2"),
            ],
            "2 blocks: ",
        ),
    ],
)
def test_other_models(train, arguments, shown):
    code, out, err = train(*arguments)
    assert code == 0, err[-2000:]
    assert shown in out


@pytest.mark.slow
def test_the_floor_is_named(train, tmp_path):
    """Who counts upwards is counted exactly."""
    code, out, err = train("--num_blocks=1")
    assert code == 0, err[-2000:]
    (line,) = [x for x in out.splitlines() if x.startswith("floor: ")]
    assert "which is counted, has MRR@5 1.0000 without seen items" in line
    assert "below it" in line or "not told apart from it" in line
    assert "WARNING" not in err
    # Counting is a run like any other: it is not done again.
    runs = list((tmp_path / "out" / "runs").glob("markov-*/run.json"))
    before = [run.stat().st_mtime_ns for run in runs]
    code, again, _ = train("--num_blocks=1")
    assert line in again and "Epoch" not in again
    assert before == [run.stat().st_mtime_ns for run in runs] and before
    code, out, _ = train("--num_blocks=1", "--nofloor")
    assert code == 0 and "floor" not in out


def test_flags_of_another_model(train, tmp_path):
    code, _, err = train("--num_heads=2")
    check_one_line(code, err, "--model=nextitnet", "--num_heads=2")
    code, _, err = train("--model=nfm", "--num_blocks=2")
    check_one_line(code, err, "--model=nfm has no blocks", "--num_blocks=2")
    assert not (tmp_path / "out").exists()
