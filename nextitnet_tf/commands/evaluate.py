r"""Evaluates a trained model on prepared sessions.

  nextitnet-tf evaluate --model=results/my/model.keras \
    --sessions=data/my

Prints MRR, hit rate and NDCG at 5 and 10, and how many sessions counted. How
data become numbers, and which of them are the test set that the model has
never seen, is read from run.json beside the model; flags that contradict it
are refused, and so are sessions that are not those of the training.
--clicks=5 shows the last five items to a session (`model.start`), one by one.
--part=all takes every session, newer ones too, whose items are looked up by
their raw ids. For a model
without run.json, --protocol and --split must say what it was trained with.
"""

from pathlib import Path

import numpy as np
from absl import flags as absl_flags

import nextitnet_tf.commands.command as command  # first: quiet TensorFlow
from nextitnet_tf import data
from nextitnet_tf import distribution
from nextitnet_tf import training
from nextitnet_tf.commands import flag_values
from nextitnet_tf.commands import flags
from nextitnet_tf.commands import strategies
from nextitnet_tf.commands import trained_as
from nextitnet_tf.models import incremental
from nextitnet_tf.models import saved

_MODEL = absl_flags.DEFINE_string(
    "model", None, "A model.keras.", required=True
)
_PART = absl_flags.DEFINE_enum(
    "part",
    "test",
    ["validation", "test", "all"],
    "Which sessions are evaluated.",
)
_EXCLUDE_SEEN = absl_flags.DEFINE_boolean(
    "exclude_seen",
    False,
    "Leaves the items of the history (but for one that does follow) unranked.",
)
_CLICKS = absl_flags.DEFINE_integer(
    "clicks",
    0,
    "Shows so many of each history's items click by click to a session.",
    lower_bound=0,
)
_TAKES = (
    *("model", "part", "exclude_seen", "clicks", *flags.DATA),
    *("protocol", *flags.FIELDS, "batch_size", "strategy"),
)


def main() -> None:
    flag_values.check_used("evaluate", _TAKES)
    strategy = strategies.of_one_process("evaluate")
    path, is_all = Path(_MODEL.value), _PART.value == "all"
    run = trained_as.run_beside(path)
    recipe = trained_as.recipe(run)
    folder = flags.sessions_folder(as_found=True)
    sessions = data.read_sessions(folder, recipe.protocol.item_ids)
    with strategy.scope():
        model = saved.load_model(path)
        sessions = trained_as.known_sessions(model, run, sessions)
        if is_all and not trained_as.are_numbered_alike(model, sessions):
            _check_shown_whole(folder)
            results = model.evaluate_sessions(
                sessions, _EXCLUDE_SEEN.value, recipe.batch_size
            )
            _say("items by their raw ids", results)
            return
        trained_as.check_model(model, sessions, folder)
        if run is not None and not is_all:
            trained_as.check_sessions(run, sessions, folder)
        if _CLICKS.value:
            model = incremental.AfterClicks(model, _CLICKS.value)
        rows = np.arange(len(sessions.rows))
        if not is_all:
            parts = data.split(sessions, recipe.protocol)
            rows, sessions = getattr(parts, _PART.value), parts.rows
        results = training.evaluate(
            model,
            sessions,
            rows,
            recipe,
            exclude_seen=_EXCLUDE_SEEN.value,
            jit_compile=distribution.can_jit_compile(strategy),
        )
    _say(f"protocol {trained_as.protocol_name(recipe)}", results)


def _check_shown_whole(folder: Path) -> None:
    """Raises ValueError for --clicks of sessions that are numbered anew."""
    if _CLICKS.value:
        raise ValueError(
            "--clicks needs the sessions that the model was trained on. "
            f"Received: --clicks={_CLICKS.value} and {folder}"
        )


def _say(how: str, results: dict[str, float]) -> None:
    said = f"{_PART.value}, {how}"
    said += ", items of the history left out" * _EXCLUDE_SEEN.value
    said += f", the last {_CLICKS.value} click by click" * bool(_CLICKS.value)
    print(f"{said}: {command.metrics_line(results)}")


def run() -> None:
    """Runs the command with the flags of the command line."""
    command.run(main, takes=_TAKES)
