"""What is left, and said, of a training that has ended."""

import shutil
from collections.abc import Sequence
from pathlib import Path

from nextitnet_tf import atomic_files
from nextitnet_tf import data
from nextitnet_tf import training
from nextitnet_tf.commands import command
from nextitnet_tf.commands import counting
from nextitnet_tf.commands import model_card
from nextitnet_tf.commands import stored
from nextitnet_tf.training import trained
from nextitnet_tf.training.runs import MODEL
from nextitnet_tf.training.runs import SUMMARY


def report(
    runs: Sequence[training.Run],
    sessions: data.Sessions,
    output: Path,
    is_counted: bool,
) -> None:
    """Leaves the model that validates best, and says what it is worth.

    Args:
        runs: the stages.
        sessions: that they were trained on.
        output: gets the model, its card, and what says how it was trained.
        is_counted: whether to count, too, and to say which is better.
    """
    best = trained.best_of(runs)
    _publish(best, output)
    for run in runs:
        print(
            f"{_shown(run)}: {command.metrics_line(run.summary['test'])}, "
            f"best after {run.summary['best_step']} steps"
        )
    counted = counting.best_of(best, sessions) if is_counted else None
    if counted:
        print(counting.beside(best, counted, sessions))
    print(stored.in_short(best, sessions))
    model_card.write(best, sessions, counted, output)
    which = f" ({_shown(best)}, best on validation)" * (len(runs) > 1)
    name = best.recipe.protocol.name
    print(f"protocol {name}; model in {output}/{MODEL}{which}")


def _publish(run: training.Run, output: Path) -> None:
    """Copies a run's model, and what says how it was trained.

    The model last: a run.json that is not of the model beside it is told by
    the checksum in it.

    Raises:
        ValueError: the run's model is damaged.
    """
    for path in (run.folder / SUMMARY, run.model_path):
        with atomic_files.replacing(output / path.name) as partial:
            shutil.copyfile(path, partial)


def _shown(run: training.Run) -> str:
    count = run.recipe.stages[-1].num_blocks
    blocks = f"{count} block{'s' * (count > 1)}"
    return blocks if trained.has_blocks(run.recipe.model) else run.recipe.model
