"""Fine-tuning for another domain, by hand."""

import dataclasses
import json
import math
import os
import pathlib
import subprocess
import sys

import keras
import numpy as np
import pytest

import nextitnet_tf
from experiments import transfer as command
from experiments.recipes import table3
from nextitnet_tf import data
from nextitnet_tf import training
from nextitnet_tf import transfer
from nextitnet_tf.layers.item_dot_product import ItemDotProduct
from nextitnet_tf.models.fine_tuned import FineTuned
from nextitnet_tf.recipe import FINE_TUNINGS
from nextitnet_tf.recipe import PROTOCOLS
from nextitnet_tf.recipe import FineTuning
from nextitnet_tf.recipe import Recipe
from nextitnet_tf.recipe import Stage
from nextitnet_tf.recipe import Transfer
from nextitnet_tf.vocabulary import Vocabulary

ROOT = pathlib.Path(__file__).parents[1]
CLEAN, RELEASE = FINE_TUNINGS["clean"], FINE_TUNINGS["release"]


def make_sessions(num_rows=40, raw_ids=(None, 30, 10, 20), t=4):
    """Sessions whose item 1 is called 30, ..."""
    generator = np.random.default_rng(0)
    rows = generator.integers(1, len(raw_ids), (num_rows, t), dtype="int32")
    vocabulary = Vocabulary(
        list(raw_ids), [0] + [5] * (len(raw_ids) - 1), 0, history_length=t - 1
    )
    users = np.arange(num_rows, dtype="int32")
    return data.Sessions(rows, users, vocabulary, {"source": "test"})


@pytest.fixture(name="csv")
def fixture_csv(tmp_path):
    def write(text):
        path = tmp_path / "pairs.csv"
        path.write_text(text)
        return path

    return write


# --- pairs ----------------------------------------------------------------


def test_source_items_by_the_numbers_of_pre_training(csv):
    """99 is unknown, 0 is padding; T is 3; targets by falling frequency."""
    path = csv("10,30,20,30,,A7,x\n0,99,20,10,,x\n0,0,0,30,,b.c,x,A7\n")
    pairs = transfer.read_pairs(path, make_sessions(), CLEAN)
    assert pairs.histories.tolist() == [
        *([1, 3, 1], [1, 3, 1]),
        [0, 3, 2],
        *([0, 0, 1], [0, 0, 1], [0, 0, 1]),
    ]
    # x thrice, A7 twice, b.c once.
    assert pairs.vocabulary.raw_ids == [None, "x", "A7", "b.c"]
    assert pairs.vocabulary.counts == [0, 3, 2, 1]
    assert pairs.targets.tolist() == [2, 1, 1, 3, 1, 2]
    assert pairs.users.tolist() == [0, 0, 1, 2, 2, 2]
    assert pairs.source_vocabulary.raw_ids == [None, 30, 10, 20]
    counted = {
        "num_source_items": 4,
        "num_unknown_source_items": 1,
        "num_pairs_left_out": 0,
        "num_pairs": 6,
        "num_users": 3,
        "num_items": 3,
    }
    assert {name: pairs.meta[name] for name in counted} == counted


def test_what_is_no_pair_is_left_out(csv):
    """A target 0, and a history that the model knows nothing of."""
    path = csv("10,30,,8,0,7\n77,99,,7\n0,20,,7\n")
    pairs = transfer.read_pairs(path, make_sessions(), CLEAN)
    assert pairs.users.tolist() == [0, 0, 2]
    assert pairs.vocabulary.raw_ids == [None, 7, 8]
    assert pairs.targets.tolist() == [2, 1, 1]
    assert pairs.meta["num_pairs_left_out"] == 2


def test_source_items_by_the_numbers_of_the_file(csv):
    """As the release: by first appearance, 0 a word, short rows right."""
    sessions = make_sessions(raw_ids=(None, "a", "b", "c", "d"))
    path = csv("0,20,10,,7,8\n10,20,,8\n")
    pairs = transfer.read_pairs(path, sessions, RELEASE)
    assert pairs.histories.tolist() == [[1, 2, 3], [1, 2, 3], [3, 2, 0]]
    assert pairs.targets.tolist() == [1, 2, 2]
    assert pairs.vocabulary.raw_ids == [None, 7, 8]
    vocabulary = pairs.source_vocabulary
    assert vocabulary.raw_ids == [None, None, 20, 10]
    assert (vocabulary.padding_id, vocabulary.history_length) == (1, 3)
    assert pairs.meta["num_source_items_by_their_number"] == 0


@pytest.mark.parametrize(
    ("text", "tuning", "message"),
    [
        ("1,2,3,4,5,,7\n", RELEASE, "no more source items than .* 6 in"),
        ("1,2,,7\n", CLEAN, "none of whose 2 is known"),
        ("1,2,7\n", CLEAN, "line 1"),
    ],
)
def test_files_that_cannot_be_used(csv, text, tuning, message):
    with pytest.raises(ValueError, match=message):
        transfer.read_pairs(csv(text), make_sessions(), tuning)


def many_pairs(csv, num_users=50):
    lines = [
        f"10,20,30,,{u % 5},{(u + 1) % 5}\n".replace(",0", ",5")
        for u in range(num_users)
    ]
    return transfer.read_pairs(csv("".join(lines)), make_sessions(), CLEAN)


def test_no_user_is_in_two_parts(csv):
    pairs = many_pairs(csv)
    parts = transfer.split(pairs, CLEAN)
    users = [
        set(pairs.users[numbers])
        for numbers in (parts.train, parts.validation, parts.test)
    ]
    assert [len(u) for u in users] == [40, 5, 5]
    assert not users[0] & users[1] | users[0] & users[2] | users[1] & users[2]


def test_the_release_splits_pairs(csv):
    pairs = many_pairs(csv)
    parts = transfer.split(pairs, RELEASE)
    order = np.random.RandomState(10).permutation(100)
    np.testing.assert_array_equal(parts.train, order[:80])
    np.testing.assert_array_equal(parts.test, order[80:])
    np.testing.assert_array_equal(parts.validation, order[80:])


def test_candidates_are_others_and_the_target_last():
    targets = np.array([1, 2, 3] * 500, "int32")
    found = transfer._candidates(
        targets, 3, dataclasses.replace(RELEASE, ranked_negatives=4)
    )
    assert found.shape == (1500, 5)
    np.testing.assert_array_equal(found[:, -1], targets)
    for target, others in ((1, {2, 3}), (2, {1, 3}), (3, {1, 2})):
        drawn = found[targets == target, :-1]
        assert set(drawn.ravel()) == others
        # Each with probability 1/2: 2,000 draws have a sd of 22.
        assert abs((drawn == min(others)).sum() - 1000) < 110


def make_pairs(targets, num_items):
    """Pairs of one user each."""
    vocabulary = Vocabulary(
        [None, *range(1, num_items + 1)], [0] * (num_items + 1), 0, 2
    )
    return transfer.Pairs(
        histories=np.ones((len(targets), 2), "int32"),
        targets=np.array(targets, "int32"),
        users=np.arange(len(targets), dtype="int32"),
        source_vocabulary=vocabulary,
        vocabulary=vocabulary,
        meta={},
    )


def popularity(pairs, num_train, monkeypatch, tuning=CLEAN):
    """Ranks where the first pairs are for training."""
    train, test = np.split(np.arange(len(pairs.targets)), [num_train])
    monkeypatch.setattr(
        transfer, "split", lambda *_: data.Split(train, test, test)
    )
    recipe = Recipe((Stage(1),), protocol=PROTOCOLS["clean"])
    return transfer.rank_by_popularity(pairs, Transfer(recipe, tuning))


def test_popularity_by_hand(monkeypatch):
    """Training has 2 twice, 1 once, 3 never."""
    pairs = make_pairs([2, 1, 2, 3, 1, 2, 3], 3)
    ranks = popularity(pairs, 3, monkeypatch)
    assert ranks.tolist() == [2, 1, 0, 2]
    one = dataclasses.replace(CLEAN, ranked_negatives=1)
    of_two = popularity(pairs, 3, monkeypatch, one)
    others = transfer._candidates(pairs.targets[3:], 3, one)[:, 0]
    counts = {1: 1, 2: 2, 3: 0}
    assert of_two.tolist() == [
        int(counts[other] > counts[target])
        for other, target in zip(others, [3, 1, 2, 3], strict=True)
    ]


def test_popularity_does_not_know_the_test(monkeypatch):
    """Items that training lacks tie, in whatever order they are numbered.

    Of 1,000 their mean place is 499.5, sd of the mean of 400: 14.
    """
    pairs = make_pairs([1000] + list(range(1, 401)), 1000)
    ranks = popularity(pairs, 1, monkeypatch)
    assert abs(ranks.mean() - 500) < 60
    assert len(set(ranks.tolist())) == 400 and ranks.min() > 0


# --- model ----------------------------------------------------------------


def make_source(**config):
    source = nextitnet_tf.NextItNet(
        num_items=6, num_blocks=2, embedding_dim=4, **config
    )
    generator = np.random.default_rng(1)
    source.set_weights(
        [generator.normal(size=w.shape) for w in source.get_weights()]
    )
    return source


def test_logits_are_those_of_the_new_head():
    source = make_source()
    model = FineTuned(source, num_items=3)
    item_ids = np.array([[1, 2, 3], [0, 4, 5]])
    hidden = keras.ops.convert_to_numpy(source.encode(item_ids))[:, -1]
    kernel, bias = model.item_softmax.get_weights()
    expected = hidden @ kernel.T + bias
    np.testing.assert_allclose(model(item_ids), expected, atol=1e-5)
    candidates = np.array([[3, 1], [2, 2]])
    np.testing.assert_allclose(
        model((item_ids, candidates)),
        [
            [expected[0, 3], expected[0, 1]],
            [expected[1, 2], expected[1, 2]],
        ],
        atol=1e-5,
    )


@pytest.mark.parametrize("head", ["softmax", "dot_product"])
def test_all_but_the_old_head_is_trained(head):
    source = make_source()
    before = source.get_weights()
    model = FineTuned(source, num_items=3, head=head)
    model.compile(optimizer=keras.optimizers.SGD(0.1))
    x = np.array([[1, 2, 3], [4, 5, 6]], "int32")
    old = {v.path: np.array(v) for v in model.source.variables}
    model.fit(x, np.array([[1], [3]]), epochs=1, verbose=0)
    unchanged = {
        v.path
        for v in model.source.variables
        if np.array_equal(old[v.path], np.array(v))
    }
    names = {path.split("/")[-2] for path in unchanged}
    assert {n for n in names if "seed" not in n} == {"item_softmax"}
    # The source that was given stays as it is.
    for a, b in zip(before, source.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert len(source.trainable_variables) == len(before)


def test_a_tied_source_keeps_its_embedding_trained():
    source = nextitnet_tf.SASRec(
        num_items=6,
        num_blocks=1,
        embedding_dim=4,
        max_length=3,
        variant="original",
    )
    model = FineTuned(source, num_items=3)
    assert model.source.item_embedding.embeddings.trainable


def test_softmax_loss_by_hand():
    model = FineTuned(make_source(), num_items=3)
    x = np.array([[1, 2, 3], [4, 5, 6]], "int32")
    logits = keras.ops.convert_to_numpy(model(x)).astype("float64")
    powers = np.exp(logits)
    shares = powers / powers.sum(axis=1, keepdims=True)
    expected = -0.25 * math.log(shares[0, 2]) - 0.75 * math.log(shares[1, 1])
    loss = model.compute_loss(
        x=x, y=np.array([[2], [1]]), sample_weight=np.array([[0.25], [0.75]])
    )
    assert float(loss) == pytest.approx(expected, rel=1e-5)


def test_pairwise_loss_by_hand():
    """Of two items the negative is the other one."""
    head = ItemDotProduct(num_items=2, l2=0.02)
    head.build((None, 2))
    head.set_weights([np.array([[9.0, 9.0], [1.0, 2.0], [0.5, -1.0]])])
    hidden = np.array([[1.0, 1.0], [2.0, 0.0]], "float32")
    # Logits 3 and -0.5; 2 and 1.
    loss = head.loss(
        hidden,
        np.array([1, 2], "int32"),
        np.array([0.25, 0.75], "float32"),
    )
    first = math.log1p(math.exp(-3)) + math.log1p(math.exp(-0.5))
    second = math.log1p(math.exp(-1)) + math.log1p(math.exp(2))
    squares = 81 + 81 + 1 + 4 + 0.25 + 1
    expected = 0.25 * first + 0.75 * second + 0.02 * 0.5 * squares
    assert float(loss) == pytest.approx(expected, rel=1e-5)
    np.testing.assert_allclose(head(hidden), [[18, 3, -0.5], [18, 2, 1]])


def test_negatives_are_uniform_others():
    keras.utils.set_random_seed(0)
    head = ItemDotProduct(num_items=4)
    head.build((None, 2))
    drawn = np.array(head._draw_other_items(np.full(3000, 2, "int32")))
    values, counts = np.unique(drawn, return_counts=True)
    assert values.tolist() == [1, 3, 4]
    # 1,000 each, sd 26.
    assert abs(counts - 1000).max() < 130


def test_it_answers_with_target_items_and_can_be_saved(tmp_path):
    source = make_source()
    source.vocabulary = Vocabulary(
        [None, *"abcdef"], [0, 1, 1, 1, 1, 1, 1], 0, history_length=3
    )
    model = FineTuned(source, num_items=3, head="dot_product", target_l2=0.5)
    model.vocabulary = Vocabulary([None, 70, 80, 90], [0, 5, 9, 1], 0, 3)
    scores = np.array(model(np.array([[0, 1, 2]])))[0, 1:]
    ranking = [[70, 80, 90][i] for i in np.argsort(-scores)]
    # An item that happens to have the number of a history's is not "seen".
    assert model.recommend([["a", "b"], ["?"]], k=3) == [ranking, [80, 70, 90]]
    training.save_model(model, tmp_path / "model.keras")
    again = training.load_model(tmp_path / "model.keras")
    assert again.recommend([["a", "b"]], k=2) == [ranking[:2]]
    assert (again.head, again.target_l2) == ("dot_product", 0.5)


def test_a_new_model_can_be_saved_without_vocabularies(tmp_path):
    model = FineTuned(make_source(), num_items=3)
    model.vocabulary = Vocabulary([None, 1, 2, 3], [0, 1, 1, 1], 0, 3)
    training.save_model(model, tmp_path / "model.keras")
    again = training.load_model(tmp_path / "model.keras")
    assert again.vocabulary is not None and again.source.vocabulary is None
    with pytest.raises(ValueError, match="knows its raw ids"):
        again.recommend([[1]])


def test_half_precision_scales_its_loss():
    source = nextitnet_tf.NextItNet(
        num_items=6, num_blocks=1, embedding_dim=4, dtype="mixed_float16"
    )
    model = FineTuned(source, num_items=3)
    model.compile(optimizer="adam", jit_compile=False)
    assert isinstance(model.optimizer, keras.optimizers.LossScaleOptimizer)
    assert model.item_softmax.compute_dtype == "float16"
    again = FineTuned.from_config(model.get_config())
    assert again.compute_dtype == "float16"


def test_what_cannot_be_fine_tuned():
    users = nextitnet_tf.SSEPT(
        num_items=3, num_users=2, num_blocks=1, embedding_dim=4, max_length=3
    )
    with pytest.raises(ValueError, match="source=SSEPT"):
        FineTuned(users, num_items=3)
    with pytest.raises(ValueError, match="head='tied'"):
        FineTuned(make_source(), num_items=3, head="tied")
    with pytest.raises(ValueError, match="num_items=1"):
        FineTuned(make_source(), num_items=1, head="dot_product")


# --- runs -----------------------------------------------------------------


def make_transfer(is_pretrained=True, name="clean", **changes):
    recipe = Recipe(
        (Stage(1, max_steps=2, eval_every=1),),
        protocol=PROTOCOLS["clean"],
        model_config={"embedding_dim": 4},
        batch_size=16,
    )
    tuning = dataclasses.replace(
        FINE_TUNINGS[name],
        **{"batch_size": 16, "max_epochs": 2, "eval_every": 2, **changes},
    )
    return Transfer(recipe, tuning, is_pretrained)


@pytest.mark.parametrize("name", ["clean", "release"])
def test_a_run(csv, tmp_path, name):
    """Two passes over 80 training pairs (release) or 80 of users' (clean).

    The model answers a history in raw ids as it does in the numbers of the
    pairs, whoever gave them.
    """
    sessions = make_sessions(raw_ids=(None, 30, 10, 20, 40))
    job = make_transfer(name=name)
    text = "".join(
        f"10,20,30,,{u % 5 + 1},{(u + 1) % 5 + 1}\n" for u in range(50)
    )
    pairs = transfer.read_pairs(csv(text), sessions, job.fine_tuning)
    run = transfer.run(
        job, sessions, pairs, tmp_path / "runs", jit_compile=False, verbose=0
    )
    # 80 pairs, 5 batches a pass; an evaluation every 2 steps.
    steps = [point["step"] for point in run.summary["curve"]]
    assert steps == [2, 4, 6, 8, 10][: len(steps)]
    count = {"clean": 10, "release": 20}[name]
    assert run.summary["num_sessions"] == count
    ranks = run.read_ranks()
    assert len(ranks) == count
    mrr = np.where(ranks < 5, 1 / (ranks + 1), 0).mean()
    assert run.summary["test"]["mrr_at_5"] == pytest.approx(mrr, abs=1e-6)
    model = run.load_model()
    logits = np.array(model(pairs.histories[:1]))[0, 1:]
    items = np.array(pairs.vocabulary.raw_ids[1:])
    assert model.recommend([[10, 20, 30]], k=5) == [
        items[np.argsort(-logits, kind="stable")].tolist()
    ]
    # Done is done, and the untrained model is another run.
    again = transfer.run(job, sessions, pairs, tmp_path / "runs")
    assert again.summary["wall_seconds"] == run.summary["wall_seconds"]
    untrained = dataclasses.replace(job, is_pretrained=False)
    assert (
        transfer.read_run(untrained, sessions, pairs, tmp_path / "runs") is None
    )


def test_fine_tuning_begins_with_what_pre_training_learned(csv, tmp_path):
    """With a learning rate of next to nothing it stays what it was."""
    sessions = make_sessions(raw_ids=(None, 30, 10, 20, 40))
    pairs = many_pairs(csv)
    runs = {}
    for is_pretrained in (True, False):
        job = make_transfer(is_pretrained, learning_rate=1e-12)
        run = transfer.run(
            job, sessions, pairs, tmp_path, jit_compile=False, verbose=0
        )
        runs[is_pretrained] = run.load_model().source.get_weights()
    (before,) = training.run(
        job.pretraining, sessions, tmp_path, jit_compile=False, verbose=0
    )
    for a, b in zip(before.load_model().get_weights(), runs[True], strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)
    assert not np.allclose(runs[True][0], runs[False][0], atol=1e-6)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"head": "tree"}, "head='tree'"),
        ({"split": "rows"}, "split='rows'"),
        ({"source_ids": "raw"}, "source_ids='raw'"),
        ({"ranked_negatives": -1}, "ranked_negatives=-1"),
        ({"patience": 0}, "patience=0"),
        ({"learning_rate": -1.0}, "learning_rate=-1.0"),
    ],
)
def test_arguments(changes, message):
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(CLEAN, **changes)


# --- Table 3 --------------------------------------------------------------


def test_the_rows():
    rows = table3.select(
        PROTOCOLS["release"], RELEASE, ["best"], 2, max_steps=700
    )
    assert [(r.row.label, r.transfer.is_pretrained) for r in rows] == [
        ("NextItNet-8, not pre-trained", False),
        ("NextItNet-16, not pre-trained", False),
        ("NextItNet-8", True),
        ("NextItNet-16", True),
        ("StackC-Next-16", True),
        ("StackA-Next-16", True),
    ]
    assert all(r.transfer.pretraining.seed == 2 for r in rows)
    assert [
        (s.num_blocks, s.data_ratio)
        for s in rows[-1].transfer.pretraining.stages
    ] == [(8, 0.8), (16, 1.0)]


def test_the_budgets():
    assert table3.fine_tuning("coldrec", "release") == FineTuning(
        name="release",
        source_ids="file",
        head="dot_product",
        target_l2=0.02,
        split="examples",
        ranked_negatives=99,
        batch_size=512,
        learning_rate=1e-3,
        max_epochs=10,
        eval_every=1000,
        patience=None,
    )
    mine = table3.fine_tuning("mine", "release", max_epochs=3)
    assert (mine.eval_every, mine.max_epochs) == (50, 3)


def test_a_table_leaves_out_what_other_pairs_cannot_be_read_by(
    csv, tmp_path, monkeypatch
):
    """What was done with other pairs must not stop the table of these."""
    rows = table3.select(PROTOCOLS["clean"], CLEAN, ["best"], 0)
    # Five source items are too many for the numbers of the file.
    file = csv("10,30,20,4,5,,7\n")
    others = table3.select(PROTOCOLS["release"], RELEASE, ["best"], 0)
    monkeypatch.setattr(command, "_make_rows", lambda *_: rows + others)
    monkeypatch.setattr(command.table_options, "seeds", lambda default: default)
    monkeypatch.setattr(command.options, "all_protocols", lambda: [])
    sessions = dict.fromkeys(("frequency", "first_appearance"), make_sessions())
    read = {}
    monkeypatch.setattr(transfer, "split", lambda *_: None)
    found = command._with_done(rows[:1], tmp_path, file, sessions, read)
    assert found == rows
    assert list(read) == [(CLEAN, "frequency")]


def test_runs_that_were_fine_tuned_by_other_fields_are_left_out(
    tmp_path, monkeypatch
):
    protocols = [PROTOCOLS["release"]]
    monkeypatch.setattr(command.options, "all_protocols", lambda: protocols)
    known = dataclasses.asdict(CLEAN)
    for number, fine_tuning in enumerate(
        (known, {**known, "new": 1}, {"head": "softmax"})
    ):
        folder = tmp_path / "runs" / f"model-2-transfer-{number}"
        folder.mkdir(parents=True)
        summary = {"protocol": {"name": "release"}, "fine_tuning": fine_tuning}
        (folder / "run.json").write_text(json.dumps(summary))
    assert command._ways_done(tmp_path) == [(PROTOCOLS["release"], CLEAN)]


@pytest.mark.slow
def test_the_command(tmp_path):
    generator = np.random.default_rng(0)
    source, target = ["user,item,order"], ["user,item,order"]
    for user in range(200):
        kind = user % 4
        for place in range(8):
            item = 1 + 10 * kind + generator.integers(10)
            source.append(f"{user},{item},{place}")
        target.append(f"{user},{100 + 3 * kind + generator.integers(3)},0")
    for name, lines in (("source", source), ("target", target)):
        (tmp_path / f"{name}.csv").write_text("\n".join(lines) + "\n")
    arguments = [
        *(sys.executable, "-m", "experiments.transfer", "--dataset=tiny"),
        *("--raw=source.csv", "--divide_depth=8", "--presets=best", "--t=8"),
        *("--embedding_dim=8", "--max_steps=4", "--eval_every=2"),
        *("--batch_size=32", "--tune_batch_size=32", "--tune_max_epochs=2"),
    ]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}

    def call(*more):
        return subprocess.run(
            [*arguments, *more],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            timeout=580,
        )

    # An item that preparing drops must not be in the pairs.
    with open(tmp_path / "source.csv", "a") as file:
        file.write("0,9999,9\n")
    done = call("--target=target.csv", "--protocol=release,clean")
    assert done.returncode == 0, done.stderr[-2000:]
    table = json.loads((tmp_path / "results/tiny/table3.json").read_text())
    assert [row["model"] for row in table["rows"]] == [
        *["MostPop of the target"] * 2,
        *[
            "NextItNet-1, not pre-trained",
            "NextItNet-2, not pre-trained",
            "NextItNet-1",
            "NextItNet-2",
            "StackC-Next-2",
            "StackA-Next-2",
        ]
        * 2,
    ]
    counts = {"release": 32, "clean": 20}  # of 40 pairs one batch of 32
    assert all(
        row["num_sessions"] == counts[row["protocol"]] for row in table["rows"]
    )
    written = (tmp_path / "results/tiny/table3.md").read_text()
    assert done.stdout.endswith(written + "\n")
    # Fine-tuned by one protocol after pre-training by the other.
    done = call(
        "--target=target.csv",
        "--protocol=release",
        "--fine_tuning=clean",
        "--tune_batch_size=16",
    )
    assert done.returncode == 0, done.stderr[-2000:]
    table = json.loads((tmp_path / "results/tiny/table3.json").read_text())
    found = [r for r in table["rows"] if "fine_tuning" in r["protocol"]]
    assert len(found) == 7 and len(table["rows"]) == 21
    assert {r["protocol"] for r in found} == {"release fine_tuning=clean"}
    # Of 20 pairs of users who are nowhere else, one batch: release drops the
    # incomplete one.
    assert {r["num_sessions"] for r in found} == {16}
    pretrained = {
        r["protocol"]: r["source"]
        for r in table["rows"]
        if r["model"] == "StackA-Next-2"
    }
    assert pretrained["release fine_tuning=clean"] == pretrained["release"]
    for more, expected in (
        ([], "error: Expected either --target"),
        (
            ["--target=target.csv", "--tune_batch_size=64"]
            + ["--protocol=release"],
            "--tune_batch_size",
        ),
    ):
        failed = call(*more)
        assert failed.returncode == 1
        assert expected in failed.stderr.splitlines()[-1]
