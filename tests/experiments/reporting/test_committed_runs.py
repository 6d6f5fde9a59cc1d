"""What a committed run says of its ranks, and the ranks themselves."""

import numpy as np
import pytest

from nextitnet_tf import training


def test_committed_ranks_belong_to_the_runs_beside_them(committed):
    runs = [
        run
        for folder in sorted((committed / "results").glob("*/runs"))
        for run in training.read_all(folder)
    ]
    with_ranks = [run for run in runs if run.read_ranks() is not None]
    assert len(with_ranks) > 40
    moved = []
    for run in with_ranks:
        ranks = run.read_ranks().astype("int64")
        unseen = run.read_ranks(exclude_seen=True)
        if unseen is not None:
            assert (unseen <= ranks).all(), run.folder
        test = run.summary["test"]
        assert len(ranks) == test["num_sessions"], run.folder
        found = np.where(ranks < 5, 1 / (ranks + 1), 0.0).mean()
        if found != pytest.approx(test["mrr_at_5"], rel=1e-5):
            # Metrics and ranks once came from two compiled functions: two
            # logits that are all but equal may fall either way.
            moved.append(run.folder.name)
            of_one_session = 1 / 2 / len(ranks)
            assert found == pytest.approx(
                test["mrr_at_5"], rel=0, abs=of_one_session
            ), run.folder
    assert len(moved) <= 1, moved
