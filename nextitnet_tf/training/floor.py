"""The floor that a trained model must be above: what counting gives."""

from collections.abc import Sequence
from pathlib import Path

from nextitnet_tf.data.sessions import Sessions
from nextitnet_tf.protocol import Protocol
from nextitnet_tf.recipe import Recipe
from nextitnet_tf.recipe import Stage
from nextitnet_tf.training.next_item import run
from nextitnet_tf.training.runs import Run
from nextitnet_tf.tuned import counted_in_seconds


def count(
    protocol: Protocol, batch_size: int, sessions: Sessions, folder: Path
) -> list[Run]:
    """Counts on the training sessions, as every counted model usually does.

    Args:
        protocol: that of the model that is compared.
        batch_size: its own: where the last batch is dropped, it decides who
            is tested.
        sessions: all of them.
        folder: gets a folder a run.

    Returns:
        A run a model, those that had been counted before included.
    """
    return [
        run(
            Recipe(
                stages=(Stage(1),),
                protocol=protocol,
                model=model,
                batch_size=batch_size,
            ),
            sessions,
            folder,
            verbose=0,
        )[-1]
        for model in counted_in_seconds(sessions.num_items)
    ]


def validation(run: Run, exclude_seen: bool) -> float:
    """A counted run's MRR@5 on the validation; below all if it kept none."""
    name = "unseen_mrr_at_5" if exclude_seen else "mrr_at_5"
    return run.summary.get("validation", {}).get(name, -1.0)


def best(runs: Sequence[Run], exclude_seen: bool) -> Run | None:
    """The counted run that validates best, if any has kept how it does.

    Args:
        runs: counted.
        exclude_seen: by which ranking.
    """
    known = [run for run in runs if validation(run, exclude_seen) >= 0]
    return max(
        known, key=lambda run: validation(run, exclude_seen), default=None
    )
