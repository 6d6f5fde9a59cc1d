r"""How alike the outputs of the blocks of a trained model are.

Reproduces StackRec's Figure 2, the observation that stacking rests on: after
convergence the outputs of neighbouring blocks are nearly the same (the paper:
cosine similarity above 0.9 from block 2 on, block 1 unlike all others; 8
blocks, 100 sessions).

  python -m experiments.block_similarity --dataset=ml1m \
    --raw=interactions.csv.gz --protocol=release --model=nextitnet

Trains the model unless OUTPUT/runs has it, and writes OUTPUT/
figure2-MODEL-BLOCKS.png and .json. A cosine is taken at each position of each
session, of the D channels of two blocks' outputs, and averaged.
"""

from pathlib import Path
from typing import Any

import numpy as np
from absl import flags

from experiments import command  # first: it quietens TensorFlow
from experiments import flags as options
from experiments.papers.stackrec import paper_data
from experiments.reporting import pictures as figures
from nextitnet_tf import atomic_files
from nextitnet_tf import data
from nextitnet_tf import distribution
from nextitnet_tf import training
from nextitnet_tf.recipe import Recipe
from nextitnet_tf.recipe import Stage

_MODEL = flags.DEFINE_enum(
    "model", "nextitnet", ["nextitnet", "grec", "sasrec"], "Of what class."
)
_NUM_BLOCKS = flags.DEFINE_integer("num_blocks", 8, "Depth.", lower_bound=2)
_NUM_SESSIONS = flags.DEFINE_integer(
    "num_sessions", 100, "Test sessions, drawn at random.", lower_bound=1
)
_SEED = flags.DEFINE_integer("seed", 0, "Of the model and of the sessions.")
flags.adopt_module_key_flags(options)


def main() -> None:
    recipe = _recipe()
    folder = options.sessions_folder()
    output = options.output_folder()
    sessions = data.read_sessions(folder, recipe.protocol.item_ids)
    (run,) = training.run(
        recipe,
        sessions,
        output / "runs",
        strategy=distribution.make_strategy(options.STRATEGY.value),
        needs_model=True,
    )
    test = data.split(sessions, recipe.protocol).test
    generator = np.random.default_rng(_SEED.value)
    count = min(_NUM_SESSIONS.value, len(test))
    drawn = np.sort(generator.choice(test, count, replace=False))
    item_ids = np.asarray(sessions.rows[drawn, :-1])
    similarity = block_similarity(run.load_model(), item_ids)
    print(_write(similarity, recipe, sessions, count, output))


def block_similarity(model, item_ids) -> np.ndarray:
    """Mean cosine between the outputs of each two blocks.

    Args:
        model: a built recommender with L blocks.
        item_ids: (B, T).

    Returns:
        (L, L); the diagonal is 1.
    """
    outputs = [np.array(state) for state in model.states(item_ids)][1:]
    stacked = np.stack(outputs).astype("float64")  # (L, B, T, D)
    length = np.linalg.norm(stacked, axis=-1, keepdims=True)
    directions = stacked / np.maximum(length, np.finfo("float64").tiny)
    cosines = np.einsum("ibtd,jbtd->ijbt", directions, directions)
    return cosines.mean(axis=(2, 3))


def _recipe() -> Recipe:
    budget = paper_data.budget(options.dataset_name())
    found = options.recipe_options()
    if _MODEL.value == "sasrec":
        del found["model_config"]["dilation_rates"]
    return Recipe(
        stages=(Stage(_NUM_BLOCKS.value, **options.budget(budget)),),
        protocol=options.protocol(),
        model=_MODEL.value,
        seed=_SEED.value,
        **found,
    )


def _write(
    similarity: np.ndarray, recipe: Recipe, sessions, count: int, output: Path
) -> str:
    depth = len(similarity)
    name = f"figure2-{recipe.model}-{depth}"
    neighbours = [similarity[i, i + 1] for i in range(depth - 1)]
    title = (
        f"How alike blocks are: {recipe.model}, {depth} blocks (StackRec, "
        "Figure 2)"
    )
    record: dict[str, Any] = {
        "title": title,
        "model": recipe.model,
        "num_blocks": depth,
        "protocol": recipe.protocol.name,
        "seed": recipe.seed,
        "data": sessions.meta,
        "num_sessions": count,
        "similarity": similarity.round(6).tolist(),
        "neighbours": [round(float(value), 6) for value in neighbours],
    }
    atomic_files.write_json(output / f"{name}.json", record)
    figures.draw_similarity(
        record["similarity"],
        output / f"{name}.png",
        f"{recipe.model}, {depth} blocks, protocol {recipe.protocol.name}, "
        f"seed {recipe.seed}, {count} sessions",
    )
    shown = ", ".join(f"{value:.2f}" for value in neighbours)
    return (
        f"neighbouring blocks of {recipe.model}-{depth}: {shown} "
        f"({count} sessions); {output}/{name}.png"
    )


if __name__ == "__main__":
    command.run(main)
