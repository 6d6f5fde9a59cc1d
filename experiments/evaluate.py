r"""Evaluates a trained model on prepared sessions.

  python -m experiments.evaluate --model=results/my/model.keras \
    --sessions=data/my

Prints MRR, hit rate and NDCG at 5 and 10, and how many sessions counted.
Under the protocol the model was trained with, the sessions are the test set
it has never seen; --part=all takes every session of the folder.
"""

import numpy as np
from absl import flags

from experiments import command  # first: it quietens TensorFlow
from experiments import options
from nextitnet_tf import data
from nextitnet_tf import distribution
from nextitnet_tf import metrics
from nextitnet_tf import training
from nextitnet_tf.recipe import Recipe
from nextitnet_tf.recipe import Stage

_MODEL = flags.DEFINE_string("model", None, "A model.keras.", required=True)
_PART = flags.DEFINE_enum(
    "part", "test", ["validation", "test", "all"], "Which sessions."
)
_EXCLUDE_SEEN = flags.DEFINE_boolean(
    "exclude_seen",
    False,
    "Leave the items of the history itself out of the ranking (but for one "
    "that does follow), as SASRec's authors do; StackRec's release ranks them.",
)

flags.adopt_module_key_flags(options)


def main() -> None:
    protocol = options.protocol()
    strategy = distribution.make_strategy(options.STRATEGY.value)
    folder = options.sessions_folder()
    sessions = data.read_sessions(folder, protocol.item_ids)
    with strategy.scope():
        model = training.load_model(_MODEL.value)
        known = model.vocabulary
        if known is None or list(known.raw_ids) != list(
            sessions.vocabulary.raw_ids
        ):
            raise ValueError(
                "Expected sessions with the items the model was trained on, "
                "numbered as its protocol does (--protocol). Received: "
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
        recipe = Recipe(
            stages=(Stage(1),),
            protocol=protocol,
            batch_size=options.batch_size(),
        )
        training.compile_model(
            model, recipe, sessions, distribution.can_jit_compile(strategy)
        )
        if _PART.value == "all":
            rows = np.arange(len(sessions.rows))
        else:
            rows = getattr(data.split(sessions, protocol), _PART.value)
        results = training.evaluate(model, sessions, rows, recipe)
        if _EXCLUDE_SEEN.value:
            ranks = training.rank(
                model, sessions, rows, recipe, exclude_seen=True
            )
            results |= metrics.from_ranks(ranks)
    left_out = ", items of the history left out" * _EXCLUDE_SEEN.value
    print(
        f"{_PART.value}, protocol {protocol.name}{left_out}: "
        f"{command.metrics_line(results)}"
    )


if __name__ == "__main__":
    command.run(main)
