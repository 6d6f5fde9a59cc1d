"""What the commands that draw figures of trained rows have in common."""

from collections.abc import Callable
from collections.abc import Mapping
from pathlib import Path

from experiments import options
from experiments import table_options
from experiments import tables
from experiments.recipes.rows import Row
from nextitnet_tf import data
from nextitnet_tf import distribution
from nextitnet_tf.recipe import Protocol

Sessions = Mapping[str, data.Sessions]


def run(
    rows: list[Row],
    protocol: Protocol,
    write: Callable[[list[Row], Sessions, Path], str],
) -> None:
    """Trains the rows that are not done, writing after each; prints the last.

    Args:
        rows: to run.
        protocol: of all of them.
        write: rows, sessions by numbering, folder of results -> what to
            print.
    """
    strategy = distribution.make_strategy(options.STRATEGY.value)
    folder = options.sessions_folder()
    output = options.output_folder()
    ids = protocol.item_ids
    sessions = {ids: data.read_sessions(folder, ids)}

    def write_now() -> str:
        return write(rows, sessions, output)

    if not table_options.TABLE_ONLY.value:
        tables.run(rows, sessions, output, strategy, write_now)
    print(write_now())
