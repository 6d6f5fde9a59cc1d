"""Fine-tuning for another domain: ranks, runs."""

import dataclasses

import numpy as np
import pytest

from nextitnet_tf import data
from nextitnet_tf import training
from nextitnet_tf.recipe import FINE_TUNINGS
from nextitnet_tf.recipe import PROTOCOLS
from nextitnet_tf.recipe import Recipe
from nextitnet_tf.recipe import Stage
from nextitnet_tf.recipe import Transfer
from nextitnet_tf.training import transfer
from nextitnet_tf.vocabulary import Vocabulary
from tests.data.domains import make_sessions
from tests.data.domains import many_pairs

CLEAN, RELEASE = FINE_TUNINGS["clean"], FINE_TUNINGS["release"]


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
    return data.Pairs(
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
        data, "split_pairs", lambda *_: data.Split(train, test, test)
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
    pairs = data.read_pairs(csv(text), sessions, job.fine_tuning)
    run = transfer.run(
        job, sessions, pairs, tmp_path / "runs", jit_compile=False, verbose=0
    )
    # 80 pairs, 5 batches a pass; an evaluation every 2 steps.
    steps = [point["step"] for point in run.summary["curve"]]
    assert steps == [2, 4, 6, 8, 10][: len(steps)]
    count = {"clean": 10, "release": 20}[name]
    assert run.summary["num_sessions"] == count
    ranks = run.read_ranks().astype(int)
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
