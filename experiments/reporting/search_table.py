"""A search of settings: what was tried, and what each gave."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from experiments.reporting import columns
from experiments.reporting import document
from experiments.reporting import notes
from experiments.reporting import wording
from experiments.reporting.columns import Column
from experiments.reporting.store import Store
from nextitnet_tf import metrics
from nextitnet_tf.tuning import Trial

COLUMNS = (
    Column("Trial", lambda r: str(r["number"])),
    Column("Changed", lambda r: r["changed"]),
    Column("Validation", lambda r: columns.number(r["validation"])),
    Column("Gain", lambda r: columns.number(r["gain"], "+.4f")),
    Column("Unseen MRR@5", lambda r: columns.number(r["unseen"])),
    Column("MRR@5", lambda r: columns.number(r["all"])),
    Column("Steps", lambda r: str(r["steps"])),
    Column("Parameters", lambda r: f"{r['num_parameters']:,}"),
    Column("", lambda r: "*" * r["is_best"]),
)


def write(
    trials: Sequence[Trial], store: Store, output: Path, model: str
) -> str:
    """Writes tuning-MODEL.md and .json of the trials so far.

    Args:
        trials: in the order they were made; the first is the start.
        store: has their runs.
        output: folder that gets the files.
        model: by name.

    Returns:
        The table, as markdown.
    """
    best = max(trials, key=lambda trial: trial.value)
    records = [
        _record(i, trial, trials[0], best, store)
        for i, trial in enumerate(trials)
    ]
    first = trials[0].recipe
    said = [
        notes.of_data("Data", store) + f", protocol {first.protocol.name}.",
        f"Seed {first.seed}. Validation: the best MRR@5 of the validation"
        f"{' without seen items' * first.protocol.stop_on_unseen}, which alone "
        "decides; of one seed it is no verdict. The test stands beside it, all "
        "items ranked and without seen items.",
        "One factor at a time, then the helpful ones together, the largest "
        "gain first. Gain: over the first trial. * is the best.",
        f"Where nothing is changed: {_described(trials[0])}.",
    ]
    return document.write(
        output / f"tuning-{model}",
        f"Settings tried for {model}",
        COLUMNS,
        records,
        said,
        data=store.meta,
    )


def _record(
    number: int, trial: Trial, first: Trial, best: Trial, store: Store
) -> dict[str, Any]:
    run = store.find(trial.recipe)
    assert run is not None  # it has just been trained
    unseen, of_all = (
        metrics.from_ranks(store.ranks(run, exclude_seen))["mrr_at_5"]
        for exclude_seen in (True, False)
    )
    return {
        "number": number,
        "changed": wording.changes(trial.changes) or "nothing",
        "changes": dict(trial.changes),
        "validation": trial.value,
        "gain": trial.value - first.value if trial.changes else None,
        "unseen": unseen,
        "all": of_all,
        "steps": run.summary["best_step"],
        "num_parameters": run.summary["num_parameters"],
        "is_best": trial is best,
        "run": run.folder.name,
    }


def _described(trial: Trial) -> str:
    recipe, (stage,) = trial.recipe, trial.recipe.stages
    return (
        f"{wording.changes(recipe.model_config) or 'the model as it is'}, "
        f"num_blocks={stage.num_blocks}, batch_size={recipe.batch_size}, "
        f"learning_rate={recipe.learning_rate} ({recipe.decay}), "
        f"{stage.max_steps} {stage.budget_in} at most, patience "
        f"{stage.patience}"
    )
