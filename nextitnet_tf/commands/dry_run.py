"""What a training would take, told before it begins."""

import resource

from nextitnet_tf import data
from nextitnet_tf import training
from nextitnet_tf.recipe import Recipe
from nextitnet_tf.training import next_item

_HOW = {None: "from scratch", "continue": "going on"}


def shown(recipe: Recipe, sessions: data.Sessions) -> str:
    """Stages, steps, minutes and memory of a recipe.

    A few steps of each depth are trained, and thrown away.

    Args:
        recipe: what would be trained.
        sessions: on which.

    Returns:
        Lines for people: a stage each, their sum, and memory.

    Raises:
        ValueError: a start that the recipe cannot begin from.
    """
    task = next_item.NextItem(recipe, sessions)
    if recipe.start is not None:
        task.begin(0, None)
    lines, minutes = [], 0.0
    for i, stage in enumerate(recipe.stages):
        seconds = training.measure_step_seconds(
            recipe.up_to(i), stage.num_blocks, sessions, repetitions=2, steps=4
        )
        steps = task.budget(i).max_steps
        of_stage = steps * seconds / 60
        minutes += of_stage
        how = _HOW.get(stage.method, f"stacked ({stage.method})")
        lines.append(
            f"stage {i + 1}: {stage.num_blocks} "
            f"block{'s' * (stage.num_blocks > 1)}, {how}, on "
            f"{task.count(i)['num_train_rows']:,} sessions: at most {steps:,} "
            f"steps of {recipe.batch_size}, {1e3 * seconds:,.1f} ms each, "
            f"{of_stage:,.1f} minutes"
        )
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    lines.append(
        f"in all at most {minutes:,.1f} minutes of training, evaluations "
        f"apart; it ends sooner where {recipe.stages[-1].patience} of them in "
        f"a row are no better. Memory: {peak:.1f} GiB in these steps."
    )
    return "\n".join(lines)
