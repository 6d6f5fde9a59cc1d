"""What training costs on paper, by hand and against real models."""

import dataclasses
import pathlib

import numpy as np
import pytest

from experiments.benchmark import on_paper
from experiments.benchmark import scaling as case
from experiments.benchmark import steps
from nextitnet_tf import Compression
from nextitnet_tf import losses
from nextitnet_tf import models
from nextitnet_tf import scaling

SMALL = scaling.Training(
    num_items=99, embedding_dim=8, num_blocks=2, batch_size=4, t=5
)
TREE = dataclasses.replace(SMALL, clusters=(20, 50, 100), ranks=(8, 4, 2))


def test_weights_by_hand():
    # A block: 2 convolutions of 3 x 8 x 8 and 8 biases, 2 norms of 16, alpha.
    assert SMALL.block_weights == 2 * (2 * (192 + 8 + 16) + 1)
    assert SMALL.embedding_weights == 100 * 8
    assert SMALL.softmax_weights == 100 * 8 + 100
    assert SMALL.num_weights == 866 + 800 + 900
    # 20 rows of 8, 30 of 4 and 50 of 2, and two projections to 8.
    assert TREE.embedding_weights == 160 + (120 + 32) + (100 + 16)
    # Two parents stand in the first cluster.
    assert TREE.softmax_weights == TREE.embedding_weights + 2 * 8


@pytest.mark.parametrize("training", [SMALL, TREE], ids=["full", "tree"])
def test_weights_of_a_model(training):
    compression = None
    if training.clusters:
        ranks = training.ranks
        compression = Compression(training.clusters, ranks, ranks)
    model = models.NextItNet(
        num_items=training.num_items,
        num_blocks=training.num_blocks,
        embedding_dim=training.embedding_dim,
        compression=compression,
    )
    assert training.num_weights == model.count_params()


def test_arithmetic_by_hand():
    # 16 positions; 2 blocks of 2 x 3 x 8 x 8, 100 columns of 8.
    assert SMALL.flop == 6 * 16 * (2 * 384 + 800)
    sampled = dataclasses.replace(SMALL, num_sampled=10)
    assert sampled.flop == 6 * 16 * (2 * 384 + 11 * 8)
    # All compute 20 leaves and 2 parents of rank 8; a third the 30 of rank 4,
    # a third the 50 of rank 2, each with its projection.
    tree = 22 * 8 + (30 * 4 + 32) / 3 + (50 * 2 + 16) / 3
    assert TREE.flop == pytest.approx(6 * 16 * (2 * 384 + tree))


def test_it_agrees_with_the_steps_that_are_measured():
    for sampled_fraction in (0, 0.2):
        step = steps.Step(sampled_fraction=sampled_fraction)
        found = case.training_of(step).flop / 1e9
        # The target beside its negatives is a column, too.
        assert found == pytest.approx(step.gflop, rel=1e-3)


def test_memory_by_hand():
    assert SMALL.state_bytes == 4 * 4 * 2566
    # 7 numbers a channel, position and block, and two outside of the blocks.
    assert SMALL.activation_bytes == 4 * 16 * 8 * (7 * 2 + 2)
    # All 16 rows of logits are one chunk, three times.
    assert SMALL.logit_bytes == 3 * 4 * 16 * 100
    assert SMALL.memory_bytes == 41056 + 8192 + 19200


def test_logits_are_a_chunk():
    """As the loss takes them: 128 rows of 24,000 columns, not 4,864."""
    training = scaling.Training(num_items=23_999)
    assert training.logit_bytes == 3 * 4 * 128 * 24_000
    # 2^24 numbers at most: 16 rows of a million.
    training = scaling.Training(num_items=999_999)
    assert training.logit_bytes == 3 * 4 * 16 * 1_000_000


@pytest.mark.parametrize("num_columns", [100, 3_500, 24_000, 1_000_000])
def test_a_chunk_is_the_loss_own(num_columns):
    training = scaling.Training(num_items=num_columns - 1)
    rows = training.logit_bytes / (3 * 4 * num_columns)
    # That one makes all chunks of one size, which is a little less.
    chunk = losses._rows_a_chunk(training.positions, num_columns)
    assert 0.5 * rows < chunk <= rows


def test_communication_by_hand():
    two = dataclasses.replace(SMALL, num_replicas=2)
    assert SMALL.sent_bytes == 0
    # Everything but the embedding in a ring; 8 rows of it, two ids each.
    assert two.sent_bytes == 4 * (2566 - 800) + 8 * (8 + 2) * 4
    assert two.flop == SMALL.flop / 2
    assert two.state_bytes == SMALL.state_bytes


def test_seconds_by_hand():
    machine = scaling.Machine(1e6, 1e5, 0.5, 0.25, 1e4)
    two = dataclasses.replace(SMALL, num_replicas=2)
    moved = 8 * 4 * 2566 + 4 * (4 * 8 * 8 * 16) + 5 * 4 * 8 * 100
    assert two.moved_bytes == moved
    assert machine.seconds(two) == pytest.approx(
        75264 / 1e6 + moved / 1e5 + 0.5 + 2 * 0.25 + 7384 / 1e4
    )


def test_what_fits():
    machine = scaling.Machine(1.0, 1.0, memory_bytes=SMALL.memory_bytes)
    assert machine.fits(SMALL)
    assert not machine.fits(dataclasses.replace(SMALL, num_items=100))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"num_replicas": 3}, "num_replicas=3"),
        ({"clusters": (20, 99), "ranks": (8, 2)}, r"N=100"),
        ({"clusters": (20, 100), "ranks": (8,)}, r"ranks=\[8\]"),
        (
            {"clusters": (20, 100), "ranks": (8, 2), "num_sampled": 5},
            "num_sampled=5",
        ),
    ],
)
def test_what_cannot_be(changes, message):
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(SMALL, **changes)


def test_the_machine_is_found_again():
    """Of seconds that a machine would take."""
    machine = scaling.Machine(2e11, 3e10, 0.004, 0.002)
    trainings = [case.training_of(step) for step in case._STEPS]
    points = [{"seconds": machine.seconds(t)} for t in trainings]
    found = case.fitted(trainings, points)
    for name in ("flop_per_second", "bytes_per_second"):
        assert getattr(found, name) == pytest.approx(getattr(machine, name))
    assert found.seconds_a_step == pytest.approx(0.004)
    assert found.seconds_a_block == pytest.approx(0.002)


def test_no_time_is_below_zero():
    """Where bytes are no reason, they are none: not a negative one."""
    machine = scaling.Machine(2e11, float("inf"))
    trainings = [case.training_of(step) for step in case._STEPS]
    noise = np.random.default_rng(0).uniform(0.9, 1.1, len(trainings))
    points = [
        {"seconds": machine.seconds(t) * factor}
        for t, factor in zip(trainings, noise, strict=True)
    ]
    found = case.fitted(trainings, points)
    assert found.flop_per_second == pytest.approx(2e11, rel=0.1)
    assert min(found.seconds_a_step, found.seconds_a_block) >= 0
    assert found.bytes_per_second > 0


def test_the_page_says_what_the_model_of_costs_says():
    page = pathlib.Path(__file__).parents[1] / "docs" / "scaling.md"
    assert on_paper.table() in page.read_text(encoding="utf-8")
