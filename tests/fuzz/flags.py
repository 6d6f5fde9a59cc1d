"""Commands with values that nobody should have typed: refused in one line.

A command line is a function of its number. Training ends where it would
begin: what is looked for is what gets past all that looks at flags.
"""

import random
import sys
from unittest import mock

import keras
from absl import flags

from nextitnet_tf.commands import command
from nextitnet_tf.commands import train
from nextitnet_tf.training import fitting

NUMBERS = (
    *("-1", "0", "1", "2", "3", "7", "0.5", "-0.0", "1e-300", "1e400"),
    *("nan", "inf", "-inf", "1e9", "1000000000", "9223372036854775808"),
    *("99999999999999999999", "0x10", "1_000", " 1", "", "x", "None"),
)
LISTS = (
    *("", ",", "1,,2", "1,2", "2,4,8", "4,2", "0", "-1", "1,x", "3,3,3"),
    *("1.5", "nan", "100000", "2,4,1000000000", "items", "users,items"),
)
TEXTS = (
    *("", " ", ".", "..", "/", "a/b", "x" * 300, "ü", "a\nb", "my.csv"),
    *("None", "../my.csv", "/dev/null", "-", "user", "item", "timestamp"),
)
OF_KIND = {
    "int": NUMBERS,
    "float": NUMBERS,
    "comma separated list of strings": LISTS,
    "string": TEXTS,
    "string enum": (*TEXTS, "clean", "sasrec", "mirrored"),
    "bool": ("true", "false", "maybe", ""),
}
USUAL = (
    *("--raw=my.csv", "--output=out", "--t=6", "--nofloor"),
    *("--min_users_per_item=1", "--min_items_per_user=1"),
)
# They would end elsewhere: in help, in another folder, on other devices.
_NOT = {"dry_run", "output", "results", "strategy", "verbose"}
REACHED = "reached"


def arguments(seed: int) -> list[str]:
    """A command line: one to three flags of `train` with odd values."""
    generator = random.Random(seed)
    known = [
        flag
        for flag in flags.FLAGS.get_key_flags_for_module(train.__name__)
        if flag.name not in _NOT
    ]
    found = []
    for flag in generator.sample(known, generator.randint(1, 3)):
        kind = flag.flag_type()
        choices = list(OF_KIND[kind])
        if kind == "string enum":
            choices += flag.parser.enum_values * 4
        found.append(f"--{flag.name}={generator.choice(choices)}")
    return [*USUAL, *found]


def run(asked: list[str]) -> tuple[object, str]:
    """Runs `train` in this process, up to where it would fit.

    Returns:
        The exit status, or `REACHED`; what was written to stderr.
    """
    with (
        mock.patch.object(sys, "argv", ["train", *asked]),
        mock.patch.object(sys, "stderr") as stderr,
        mock.patch.object(
            fitting, "fit_to_best", side_effect=SystemExit(REACHED)
        ),
    ):
        try:
            command.run(train.main)
        except SystemExit as stopped:
            code = stopped.code
        finally:
            keras.utils.clear_session()
            flags.FLAGS.unparse_flags()
            for name in flags.FLAGS:
                flags.FLAGS[name].unparse()
        written = [call.args[0] for call in stderr.write.call_args_list]
    return code, "".join(map(str, written))


def try_flags(count: int, start: int = 0) -> int:
    """Runs so many command lines in the current folder.

    Returns:
        How many were refused.

    Raises:
        AssertionError: a traceback, or more or less than a line; with the
            number and the command line.
    """
    refused = 0
    for seed in range(start, start + count):
        asked = arguments(seed)
        try:
            code, told = run(asked)
        except Exception as error:
            raise AssertionError(
                f"seed {seed}, {asked}: {type(error).__name__}: {error}"
            ) from error
        if code == REACHED:
            continue
        refused += 1
        errors = [s for s in told.splitlines() if s.startswith("error: ")]
        assert code in (1, 2) and len(errors) == 1, (seed, asked, code, told)
    return refused
