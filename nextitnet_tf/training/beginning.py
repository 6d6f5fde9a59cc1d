"""What a stage goes on with: a trained model, of the items of its sessions."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from nextitnet_tf import atomic_files
from nextitnet_tf import data
from nextitnet_tf import growing
from nextitnet_tf.models import MODELS
from nextitnet_tf.models import SkipRec
from nextitnet_tf.models import saved
from nextitnet_tf.recipe import OF_LAST_STAGE
from nextitnet_tf.recipe import Recipe
from nextitnet_tf.recipe import Stage
from nextitnet_tf.recipe import Start
from nextitnet_tf.stacking import Stacker
from nextitnet_tf.training.runs import Run

_OF_A_DIGEST = 64
# So many histories say how probable items are on average.
_HISTORIES = 512


def stacker(stage: Stage) -> Stacker:
    """What stacks a stage upon the one before."""
    assert stage.method is not None
    return Stacker(stage.method, stage.preset, dict(stage.switches))


def start_of(path: Path) -> Start:
    """A saved model as what a recipe begins from.

    Raises:
        ValueError: there is no such file.
    """
    if not path.is_file():
        raise ValueError(
            f"Expected a saved model (.keras). Received: {path}, which is no "
            "file"
        )
    return Start(atomic_files.file_digest(path), str(path))


def source(recipe: Recipe, parts: data.Split, before: Run | None):
    """The model that the last stage of a recipe goes on with.

    Args:
        recipe: up to the stage.
        parts: of the sessions of the stage.
        before: the run of the stage before; None for the recipe's `start`.

    Returns:
        A built model of the vocabulary of these sessions.

    Raises:
        ValueError: a start that is another file than it was, of another
            architecture or a lower depth, or whose vocabulary cannot grow.
    """
    stage = recipe.stages[-1]
    keeps = dict(stage.switches).get("optimizer", False)
    if before is not None:
        model = before.load_model(keeps)
    else:
        assert recipe.start is not None
        model = _load(recipe.start, keeps)
        check_architecture(model, recipe)
        _check_depth(model, stage)
    return _of_sessions(model, stage, parts, keeps)


def _load(start: Start, with_optimizer: bool):
    path = Path(start.path)
    if len(start.source) != _OF_A_DIGEST:
        run = Run.read(path.parent)
        if run.name != start.source:
            raise ValueError(
                f"Expected the model of the run {start.source}. "
                f"Received: {path}"
            )
        return run.load_model(with_optimizer)
    if start_of(path).source != start.source:
        raise ValueError(
            f"Expected the model that the training began from in {path}. "
            "Received: another file there"
        )
    return saved.load_model(path, with_optimizer)


def check_architecture(model, recipe: Recipe) -> None:
    """Raises ValueError for a model that is not what a recipe trains.

    Args:
        model: that is to go on.
        recipe: its class and its arguments are looked at; depth apart.
    """
    has_policy = isinstance(model, SkipRec)
    inner = model.backbone if has_policy else model
    expected = MODELS[recipe.model]
    if type(inner) is not expected:
        raise ValueError(
            "A model goes on as what it is, not as another architecture: "
            f"expected a {type(inner).__name__}. Received: "
            f"model={recipe.model!r}"
        )
    if has_policy and recipe.model_config.get("skip") is None:
        raise ValueError(
            "A model goes on as what it is, not as another architecture: "
            "expected the arguments of a SkipRec around it. Received: "
            f"model_config={dict(recipe.model_config)}"
        )
    theirs, ours = inner.get_config(), dict(recipe.model_config)
    policy: Any = ours.get("skip") if has_policy else {}
    for config, asked in (
        (theirs, {k: v for k, v in ours.items() if k not in OF_LAST_STAGE}),
        (model.get_config(), policy),
    ):
        for name, value in asked.items():
            if not _is_same(config.get(name), value):
                raise ValueError(
                    "A model goes on as what it is, not as another "
                    f"architecture: expected {name}={config.get(name)}. "
                    f"Received: {name}={value}"
                )


def _is_same(has: Any, asked: Any) -> bool:
    """Whether an argument is what the configuration of a model has."""
    if asked == "auto":  # a compression by rule
        return has is not None
    if isinstance(has, Mapping) and "config" in has:  # a dtype policy
        return has["config"].get("name") == asked
    if isinstance(asked, list | tuple):
        return has is not None and list(has) == list(asked)
    return has == asked


def _check_depth(model, stage: Stage) -> None:
    """Raises ValueError for a depth that a stage does not come to."""
    depth = len(getattr(model, "backbone", model).blocks)
    if not depth:
        return
    if stage.num_blocks < depth:
        raise ValueError(
            "A model does not lose blocks, but may grow: expected a depth of "
            f"{depth} or more. Received: num_blocks={stage.num_blocks}"
        )
    if stage.num_blocks > depth and isinstance(model, SkipRec):
        raise ValueError(
            "A model with a policy keeps its depth: expected "
            f"num_blocks={depth}. Received: num_blocks={stage.num_blocks}"
        )
    if (stage.num_blocks == depth) != (stage.method == "continue"):
        raise ValueError(
            'Expected method="continue" for the same depth, and a way to stack '
            f"for another. Received: method={stage.method!r} from {depth} to "
            f"{stage.num_blocks} blocks"
        )


def _of_sessions(model, stage: Stage, parts: data.Split, keeps: bool):
    """The model, grown where its items are not those of the sessions."""
    vocabulary = parts.rows.vocabulary
    known = model.vocabulary
    if known is not None and (
        (list(known.raw_ids), known.padding_id)
        == (list(vocabulary.raw_ids), vocabulary.padding_id)
    ):
        return model
    rows, together = parts.rows.rows[parts.train], None
    if known is not None and stage.new_items == "co_occurring":
        together = data.co_occurrences(
            rows,
            [
                i
                for i, source in enumerate(
                    growing.source_rows(known, vocabulary)
                )
                if source is None
            ],
            vocabulary.padding_id,
        )
    counts = np.bincount(rows.ravel(), minlength=len(vocabulary.raw_ids))
    counts[vocabulary.padding_id] = 0
    return growing.grow(
        model,
        vocabulary,
        stage.new_items,
        together,
        counts.tolist(),
        # Random is as in a new model, in which no item is probable yet.
        None if stage.new_items == "random" else rows[:_HISTORIES, :-1],
        keep_optimizer=keeps,
    )
