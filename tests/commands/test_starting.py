"""`train --from`: a model that goes on with tomorrow's data."""

import functools
import hashlib
import json
import pathlib

import numpy as np
import pytest

from nextitnet_tf import NextItNet
from nextitnet_tf import Vocabulary
from nextitnet_tf.commands import starting
from nextitnet_tf.models import saved
from tests import in_process
from tests.experiments.conftest import call as call

ROOT = pathlib.Path(__file__).parents[2]
SMALL = ("--t=6", "--batch_size=16", "--max_steps=4", "--eval_every=2")
FROM = "--from=results/old/model.keras"


def write_csv(path, prefix, first_item, begins):
    """40 users who count upwards through 5 items."""
    lines = ["user,item,timestamp"]
    for user in range(40):
        lines += [
            f"{prefix}{user},i{(user + k) % 5 + first_item},{begins + user + k}"
            for k in range(6)
        ]
    path.write_text("\n".join(lines) + "\n")


@pytest.fixture
def train(call, tmp_path):
    """Trains on old.csv (i0 to i4); new.csv has i2 to i6."""
    write_csv(tmp_path / "old.csv", "u", 0, begins=0)
    write_csv(tmp_path / "new.csv", "v", 2, begins=100)

    def run(raw, *arguments):
        return call(
            "train", f"--raw={raw}.csv", "--nofloor", *SMALL, *arguments
        )

    code, _, err = run("old", "--num_blocks=2", "--embedding_dim=8")
    assert code == 0, err
    return run


apart = functools.partial(in_process.run, cwd=".")


def run_names(folder):
    return sorted(p.parent.name for p in folder.glob("runs/*/run.json"))


def check_one_line(code, err, *words):
    assert code == 1, err
    (line,) = [s for s in err.splitlines() if s.startswith("error: ")]
    for word in words:
        assert word in line, (word, line)


def test_a_model_goes_on(train, tmp_path):
    source = tmp_path / "results" / "old" / "model.keras"
    digest = hashlib.sha256(source.read_bytes()).hexdigest()
    code, out, err = train("new", FROM)
    assert code == 0, err
    assert "2 blocks: MRR@5" in out
    assert "note: nothing says that results/old/model.keras was not" in err
    output = tmp_path / "results" / "new"
    found = json.loads((output / "run.json").read_text())
    assert found["start"]["source"] == digest
    # As it was trained, where no flag says.
    assert found["model_config"] == {"embedding_dim": 8, "dropout_rate": 0.3}
    (stage,) = found["stages"]
    assert (stage["num_blocks"], stage["method"]) == (2, "continue")
    model = saved.load_model(output / "model.keras")
    assert sorted(model.vocabulary.ids) == [f"i{k}" for k in range(7)]
    # Behind those of the new data.
    assert model.vocabulary.raw_ids[-2:] == ["i0", "i1"]
    names = run_names(output)
    # The same again is found, another start is another run.
    code, _, err = train("new", FROM)
    assert code == 0 and run_names(output) == names
    assert not [s for s in err.splitlines() if s.startswith("trained ")]
    code, _, err = train("new", FROM, "--new_items=random")
    assert code == 0 and len(run_names(output)) == len(names) + 1, err
    model_file = "--model=results/new/model.keras"
    code, out, err = apart("evaluate", model_file, "--raw=new.csv", "--t=6")
    assert code == 0 and "test, protocol clean: MRR@5" in out, err
    code, out, err = apart("recommend", model_file, "--history=i0,i6", "--k=3")
    assert code == 0 and len(out.strip().split(",")) == 3, err
    # And it can be gone on with.
    code, _, err = train("new", "--from=results/new/model.keras", "--output=on")
    assert code == 0, err


def test_sessions_are_as_long_as_they_were(train, call, tmp_path):
    """Where nobody says: a Transformer has no positions for more."""
    code, _, err = train(
        *("old", "--model=sasrec", "--num_blocks=1", "--embedding_dim=4"),
        "--output=attending",
    )
    assert code == 0, err
    # Ids that are text in the old data, and happen to be numbers in the new.
    for name, raw, user, more in (
        ("mixed", "old", "8", "1,x,1000\n" * 12),
        ("numbers", "new", "9", ""),
    ):
        head, *rows = (tmp_path / f"{raw}.csv").read_text().splitlines()
        rows = [user + row[1:].replace(",i", ",") for row in rows]
        text = "\n".join([head, *rows, more])
        (tmp_path / f"{name}.csv").write_text(text)
    short = ("--max_steps=4", "--eval_every=2", "--nofloor")
    code, _, err = call(
        *("train", "--raw=new.csv", "--from=attending/model.keras", *short),
    )
    assert code == 0, err
    meta = json.loads((tmp_path / "data" / "new" / "meta.json").read_text())
    assert meta["t"] == 6
    code, _, err = train("mixed", "--num_blocks=1", "--embedding_dim=4")
    assert code == 0, err
    code, _, err = call(
        "train", "--raw=numbers.csv", "--from=results/mixed/model.keras", *short
    )
    assert code == 0, err
    model = saved.load_model(tmp_path / "results" / "numbers" / "model.keras")
    assert {"2", "6"} <= set(model.vocabulary.raw_ids)


def test_a_deeper_model(train, tmp_path):
    code, out, err = train("new", FROM, "--num_blocks=2,4", "--method=cross")
    assert code == 0, err
    assert "2 blocks: " in out and "4 blocks: " in out
    runs = tmp_path / "results" / "new" / "runs"
    (path,) = runs.glob("nextitnet-4-cross-*/model.keras")
    assert len(saved.load_model(path).blocks) == 4
    code, _, err = train("new", FROM, "--num_blocks=1")
    check_one_line(code, err, "2 or more", "--num_blocks=1")


def test_what_a_model_does_not_go_on_as(train, tmp_path):
    write_csv(tmp_path / "other.csv", "w", 50, begins=0)
    for raw, arguments, words in (
        ("new", ["--model=gru4rec"], ["--model=nextitnet", "--model=gru4rec"]),
        ("new", ["--embedding_dim=4"], ["embedding_dim=8", "embedding_dim=4"]),
        ("new", ["--tie_output"], ["tie_output=False", "tie_output=True"]),
        ("other", [], ["at least one item", "'i50'"]),
        ("old", [], ["--output other than results/old", FROM]),
    ):
        code, _, err = train(raw, FROM, *arguments)
        check_one_line(code, err, *words)
    code, _, err = train("new", "--from=none.keras")
    check_one_line(code, err, "none.keras", "no file")
    code, _, err = train("new", "--new_items=mean")
    check_one_line(code, err, "--new_items needs --from")


@pytest.mark.slow
def test_nothing_is_said_where_times_tell(train, tmp_path):
    """The first was trained until 36, the test of the second begins later."""
    temporal = "--protocol=temporal"
    until = ("--train_until=36", "--validate_until=41")
    code, _, err = train("old", temporal, *until, "--output=first")
    assert code == 0, err
    path = tmp_path / "first" / "model.keras"
    found = json.loads((tmp_path / "first" / "run.json").read_text())
    assert found["data"]["trained_until"] == 35
    code, _, err = train(
        "new", f"--from={path}", temporal, "--train_until=130",
        "--validate_until=140",
    )  # fmt: skip
    assert code == 0 and "note: nothing says" not in err, err


def test_a_model_without_run_json(train, tmp_path):
    """What it is says its file; how it is trained, the flags."""
    model = NextItNet(2, num_blocks=1, embedding_dim=4, dilation_rates=(1, 2))
    model.vocabulary = Vocabulary([None, "i3", "i4"], [0, 1, 1], 0, 5)
    (tmp_path / "alone").mkdir()
    model.save(tmp_path / "alone" / "model.keras")
    code, _, err = train("new", "--from=alone/model.keras", "--output=out")
    assert code == 0, err
    found = json.loads((tmp_path / "out" / "run.json").read_text())
    assert found["model_config"]["dilation_rates"] == [1, 2]
    assert found["stages"][0]["num_blocks"] == 1
    grown = saved.load_model(tmp_path / "out" / "model.keras")
    assert grown.embedding_dim == 4
    assert np.isfinite(grown(np.ones((1, 5), "int32"))).all()


def test_a_model_without_a_vocabulary_says_no_length():
    model = NextItNet(5, num_blocks=1, embedding_dim=4)
    assert starting.Source(pathlib.Path("model.keras"), model, None).t is None
