"""How a saved model was trained, as far as the files beside it say."""

import dataclasses
import sys
from pathlib import Path

from nextitnet_tf import atomic_files
from nextitnet_tf import data
from nextitnet_tf.commands import flag_values
from nextitnet_tf.commands import flags
from nextitnet_tf.protocol import protocol_differences
from nextitnet_tf.recipe import Recipe
from nextitnet_tf.recipe import Stage
from nextitnet_tf.training import Run
from nextitnet_tf.training import runs

# Fields of a protocol that decide nothing of an evaluation.
_OF_TRAINING = ("recut", "stop_on_unseen")


def run_beside(path: Path) -> Run | None:
    """What run.json beside a model says, if it is of that model.

    Args:
        path: of the model.

    Raises:
        ValueError: a run.json that is damaged, or one of another model.
    """
    summary = path.parent / runs.SUMMARY
    if not path.is_file() or not summary.is_file():
        print(
            f"note: there is no {summary}, so that nothing says how the model "
            "was trained: its test set is taken to be that of --protocol and "
            "--split",
            file=sys.stderr,
        )
        return None
    run = Run.read(path.parent)
    known = run.summary.get("files", {}).get(runs.MODEL)
    if known and atomic_files.file_digest(path) != known:
        raise ValueError(
            f"Expected the model that {summary} tells of. Received: {path}, "
            "which is another or damaged"
        )
    return run


def recipe(run: Run | None) -> Recipe:
    """What a model is evaluated by: its own recipe, else what flags say.

    Raises:
        ValueError: flags that contradict the model's own.
    """
    if run is None:
        return Recipe(
            stages=(Stage(1),),
            protocol=flags.protocol(),
            batch_size=flags.recipe_options()["batch_size"],
        )
    protocol = run.recipe.protocol
    asked = flag_values.given(flags.FIELDS)
    # A protocol of another name may be the same in all that it decides, and
    # how rows were cut and training stopped is no matter of evaluating.
    ours, theirs = (
        runs.identity(
            dataclasses.replace(known, recut=False, stop_on_unseen=False)
        )
        for known in (flags.protocol(), protocol)
    )
    if flags.PROTOCOL.present and ours != theirs:
        asked["name"] = flags.protocol().name
    for name, value in asked.items():
        if value != getattr(protocol, name):
            flag = "protocol" if name == "name" else name
            raise ValueError(
                f"Expected --{flag}={getattr(protocol, name)}, which the model "
                "was trained with: under another its test set would not be "
                f"what it has never seen. Received: --{flag}={value}"
            )
    size = flags.BATCH_SIZE.value or run.recipe.batch_size
    if size != run.recipe.batch_size and not protocol.keep_last_batch:
        raise ValueError(
            f"Expected --batch_size={run.recipe.batch_size}, which the model "
            "was trained with: its protocol leaves out the last batch. "
            f"Received: --batch_size={size}"
        )
    return dataclasses.replace(run.recipe, batch_size=size)


def protocol_name(recipe: Recipe) -> str:
    """The protocol, and in what it differs from the one of that name."""
    differences = [
        difference
        for difference in protocol_differences(recipe.protocol)
        if difference.split("=")[0] not in _OF_TRAINING
    ]
    return " ".join([recipe.protocol.name, *differences])


def known_sessions(
    model, run: Run | None, sessions: data.Sessions
) -> data.Sessions:
    """Sessions with all items of a model that began from another.

    It knows items from then that do not occur in these sessions any more.
    """
    if run is None or run.recipe.start is None or model.vocabulary is None:
        return sessions
    return sessions.with_items_of(model.vocabulary)


def are_numbered_alike(model, sessions: data.Sessions) -> bool:
    """Whether an item has the same number in sessions as in a model."""
    known = model.vocabulary
    if known is None:
        return False
    return list(known.raw_ids) == list(sessions.vocabulary.raw_ids)


def check_model(model, sessions: data.Sessions, folder: Path) -> None:
    """Raises ValueError unless a model knows the items and users."""
    if not are_numbered_alike(model, sessions):
        raise ValueError(
            "Expected the sessions the model was trained on, whose items are "
            "numbered as its own; --part=all evaluates any others. Received: "
            f"{folder} with {sessions.num_items} items, a model of "
            f"{model.num_items}"
        )
    # Only of users is nothing kept to compare but how many there were.
    if model.needs_users and model.num_users != sessions.num_users:
        raise ValueError(
            "Expected sessions of the users the model was trained on. "
            f"Received: {folder} with {sessions.num_users} users, a "
            f"{type(model).__name__} of {model.num_users}"
        )


def check_sessions(run: Run, sessions: data.Sessions, folder: Path) -> None:
    """Raises ValueError unless they are those of the training."""
    expected = run.summary["data"]["fingerprint"]
    if expected != sessions.fingerprint_for(run.recipe.protocol):
        raise ValueError(
            "Expected the very sessions the model was trained on, of which it "
            "has never seen the test set; --part=all evaluates any others. "
            f"Received: {folder}, whose rows or users are not the same"
        )
