"""Counts on the sessions of a trained model, and says which is better."""

from nextitnet_tf import comparing
from nextitnet_tf import data
from nextitnet_tf import training
from nextitnet_tf.models import MODELS
from nextitnet_tf.training import floor


def best_of(run: training.Run, sessions: data.Sessions) -> training.Run:
    """The counted model that validates best, by the ranking of a run.

    Args:
        run: trained; counted runs go beside its folder.
        sessions: that it was trained on.
    """
    protocol = run.recipe.protocol
    counted = floor.count(
        protocol, run.recipe.batch_size, sessions, run.folder.parent
    )
    best = floor.best(counted, protocol.stop_on_unseen)
    assert best is not None  # all have just been counted
    return best


def beside(
    run: training.Run, best: training.Run, sessions: data.Sessions
) -> str:
    """What counting gives on the same sessions, and where the run is.

    Args:
        run: trained.
        best: of what was counted.
        sessions: of both.

    Returns:
        A sentence, by the ranking that the training stopped on.
    """
    protocol = run.recipe.protocol
    is_unseen = protocol.stop_on_unseen
    parts = data.split(sessions, protocol)
    ours, theirs = (one.read_ranks(is_unseen) for one in (run, best))
    assert ours is not None and theirs is not None
    difference, low, high = comparing.compare_ranks(
        [ours], [theirs], parts.rows.users[parts.test[: len(ours)]]
    ).values()
    side = (
        "above" if low > 0 else "below" if high < 0 else "not told apart from"
    )
    name = MODELS[best.recipe.model].__name__
    of_floor, of_run = (
        comparing.reciprocal_ranks(ranks).mean() for ranks in (theirs, ours)
    )
    return (
        f"floor: {name}, which is counted, has MRR@5 {of_floor:.4f}"
        f"{' without seen items' * is_unseen}; the model has {of_run:.4f}, "
        f"{side} it (one seed): {difference:+.4f} ({low:+.4f} to {high:+.4f})"
    )
