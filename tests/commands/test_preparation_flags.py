"""The flags of preparing, as any command can declare them."""

import dataclasses
import inspect

from absl import flags

from nextitnet_tf.commands import preparation_flags
from nextitnet_tf.preparation import Choices
from nextitnet_tf.preparation import prepare
from nextitnet_tf.preparation.sessions_csv import prepare_sessions_csv


def parse(*arguments):
    values = flags.FlagValues()
    preparation_flags.define_flags(values)
    values(["command", *arguments])
    return values


def test_only_what_was_given_counts():
    assert preparation_flags.given(parse()) == {}
    assert preparation_flags.given(
        parse("--t=7", "--user_column=who", "--noiterate", "--columns=a,b")
    ) == {"t": 7, "user_column": "who", "iterate": False, "columns": ["a", "b"]}
    found = preparation_flags.given(
        parse("--t=7", "--time=file"), preparation_flags.COLUMN_FLAGS
    )
    assert found == {"time": "file"}


def test_every_choice_has_a_flag():
    """Of both formats; what the data are called is not one."""
    of_interactions = {field.name for field in dataclasses.fields(Choices)}
    of_sessions = {
        name
        for name, parameter in inspect.signature(
            prepare_sessions_csv
        ).parameters.items()
        if parameter.kind is parameter.KEYWORD_ONLY
    }
    known = (of_interactions | of_sessions) - {"source"} | {"format"}
    assert set(preparation_flags.NAMES) == known


def test_flags_are_arguments_of_prepare(tmp_path):
    raw = tmp_path / "raw.csv"
    raw.write_text("1,9,5\n1,8,4\n")
    values = parse(
        "--columns=who,when,what", "--user_column=who", "--item_column=what",
        "--timestamp_column=when", "--t=3", "--min_users_per_item=0",
        "--min_items_per_user=0", "--min_length=1",
    )  # fmt: skip
    folder = prepare(raw, tmp_path / "s", **preparation_flags.given(values))
    lines = (folder / "items.csv").read_text().splitlines()
    assert lines == ["id,raw_id,count", "1,4,1", "2,5,1"]


def test_help_shows_them_as_the_callers_own():
    values = parse()
    own = values.get_key_flags_for_module(__name__)
    assert {flag.name for flag in own} == set(preparation_flags.NAMES)
    for name in preparation_flags.NAMES:
        assert "default" in values[name].help
