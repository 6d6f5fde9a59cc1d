r"""Reproduces a table or a figure of a paper, on any data.

  python -m experiments.reproduce --target=table2 --dataset=ml1m \
    --raw=interactions.csv.gz --settings=40-60

`make help` lists the targets; the head of each one's module says what it is,
how long it takes and what to expect. Protocol `release` is the default, and
ML20 where no data are named. Writes OUTPUT/table.md, table.json and a picture,
anew after each row; rows that OUTPUT/runs has are not trained again.
"""

import importlib
import sys
from types import ModuleType

from absl import flags as absl_flags

import nextitnet_tf.commands.command as command  # first: quiet TensorFlow
from experiments import kinds
from experiments import made_by
from experiments import papers
from experiments import target_flags
from nextitnet_tf.commands import flag_values
from nextitnet_tf.commands import flags
from nextitnet_tf.commands import strategies

_TARGET = absl_flags.DEFINE_string(
    "target", None, "Which table or figure, e.g. table2; it must be given."
)
# Targets with a command of their own: where it is, and what of the flags here
# it takes.
_COMMANDS: dict[str, tuple[str, tuple[str, ...]]] = {
    name: ("experiments.dataset_statistics", ("data", "results"))
    for name in ("table1", "cprec-table1", "skiprec-table1")
}
_DEFAULTS = {"protocol": "release"}
# By the name of the data, before a target's own and as far as it takes them.
# `deep` is generated for narrow models, which have reason to be deep; its
# sessions are no chunks of histories that could be cut anew.
_DEFAULTS_OF_DATA: dict[str, dict[str, str]] = {
    "deep": {
        "protocol": "clean",
        "recut": "false",
        "embedding_dim": "32",
        "batch_size": "256",
        "learning_rate": "0.003",
        "budget_in": "steps",
        "max_steps": "4000",
        "eval_every": "200",
        "patience": "20",
    }
}


def main() -> None:
    name = _TARGET.value
    if name in _COMMANDS:
        module, used = _COMMANDS[name]
        flag_values.check_used(f"Target {name}", ("target", *used))
        _apply_defaults({} if name.endswith("table1") else _DEFAULTS)
        importlib.import_module(module).main()
        return
    try:
        target = papers.find(name)
    except ValueError:
        known = sorted({*papers.names(), *_COMMANDS})
        raise ValueError(
            f"--target must be among {', '.join(known)}. Received: {name}"
        ) from None
    run(target, name, _DEFAULTS)


def run(target: ModuleType, name: str, defaults: dict[str, str]) -> None:
    """Reproduces a target and prints it.

    Args:
        target: its module.
        name: what it is called.
        defaults: of flags, beside the target's own.
    """
    taken = target_flags.taken_by(target)
    of_data = {}
    if flags.is_generated():
        of_data = _DEFAULTS_OF_DATA.get(flags.DATASET.value, {})
    of_data = {flag: text for flag, text in of_data.items() if flag in taken}
    own = getattr(target, "DEFAULTS", {})
    _apply_defaults({**defaults, **own, **of_data})
    for flag in (target_flags.TABLE_ONLY, target_flags.MEASURE_STEP_TIMES):
        if flag.value:
            strategies.of_one_process(f"--{flag.name}")
    text = kinds.run(target, name, own=("target",))
    made_by.keep(flags.output_folder(), name)
    print(text)


def _apply_defaults(defaults: dict[str, str]) -> None:
    target_flags.apply_defaults(defaults)
    if not any((flags.DATASET.value, flags.RAW.value, flags.SESSIONS.value)):
        target_flags.apply_defaults({"dataset": "ml20"})


def _import_commands() -> None:
    """A target with a command of its own has flags of its own."""
    for argument in sys.argv[1:]:
        name = argument.removeprefix("--target=")
        if name in _COMMANDS:
            importlib.import_module(_COMMANDS[name][0])


if __name__ == "__main__":
    _import_commands()
    targets = [papers.find(name) for name in papers.names()]
    command.run(main, takes=target_flags.taken_by(*targets))
