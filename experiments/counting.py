"""Counts on the sessions of a trained model, and says which is better."""

from experiments.papers import counted
from experiments.papers.rows import Choices
from experiments.reporting import floor
from experiments.reporting import wording
from experiments.reporting.store import Store
from nextitnet_tf import data
from nextitnet_tf import metrics
from nextitnet_tf import training
from nextitnet_tf.models import MODELS


def beside(run: training.Run, sessions: data.Sessions) -> str:
    """What counting gives on the same sessions, and where the run is.

    Args:
        run: trained; counted runs go beside its folder.
        sessions: that it was trained on.

    Returns:
        A sentence. The counted model in it is the one that validates best;
        both are compared by the ranking that the training stopped on.
    """
    protocol = run.recipe.protocol
    store = Store(run.folder.parent, {protocol.item_ids: sessions})
    # Where the last batch is dropped, its size decides who is tested.
    asked = Choices(protocol, options={"batch_size": run.recipe.batch_size})
    done = [
        training.run(row.recipe, sessions, store.folder, verbose=0)[-1]
        for row in counted.rows(asked, "counting", sessions.num_items)
    ]
    is_unseen = protocol.stop_on_unseen
    best = floor.best(done, is_unseen)
    assert best is not None  # all have just been counted
    of_counting, of_run = (
        metrics.from_ranks(store.ranks(one, is_unseen))["mrr_at_5"]
        for one in (best, run)
    )
    found = floor.compare([run], best, store, is_unseen)
    assert found is not None  # both have just kept their ranks
    difference = wording.shown(*(found[k] for k in floor.ENDS))
    return (
        f"floor: {MODELS[best.recipe.model].__name__}, which is counted, has "
        f"MRR@5 {of_counting:.4f}{' without seen items' * is_unseen}; the "
        f"model has {of_run:.4f}, {floor.side(found, 1)}: {difference}"
    )
