"""The list of differences between paper and release, and what measures it."""

import dataclasses
import inspect
import re

import pytest

from experiments.papers.rows import Choices
from experiments.papers.stackrec import divergences
from nextitnet_tf.models import SkipRec
from nextitnet_tf.recipe import PROTOCOLS

CHANGES = divergences.changes(
    Choices(
        PROTOCOLS["clean"],
        seed=3,
        options={"max_steps": 200, "model_config": {"embedding_dim": 16}},
    )
)


def differences(one, other):
    """Fields in which two dataclasses differ, with the first one's values."""
    return {
        field.name: getattr(one, field.name)
        for field in dataclasses.fields(one)
        if getattr(one, field.name) != getattr(other, field.name)
    }


@pytest.mark.parametrize(
    ("name", "depth", "expected"),
    [
        ("full softmax", 4, {"sampled_fraction": 0.0}),
        ("padding masked in the loss", 4, {"count_padding": False}),
        ("ids by frequency", 4, {"item_ids": "frequency"}),
        ("fractions truly nested", 8, {"nesting": "repaired"}),
    ],
)
def test_a_change_of_one_field_of_the_release(name, depth, expected):
    (change,) = (c for c in CHANGES if c.name == name)
    changed, base = change.row.recipe, change.base.recipe
    assert base.protocol == PROTOCOLS["release"]
    assert list(differences(changed, base)) == ["protocol"]
    assert differences(changed.protocol, base.protocol) == expected
    assert [stage.num_blocks for stage in base.stages] == (
        [4] if depth == 4 else [4, 8]
    )
    assert base.stages[-1].data_ratio == 0.6
    assert (base.seed, base.stages[0].max_steps) == (3, 200)


def test_a_change_of_the_model():
    (change,) = (c for c in CHANGES if c.name == "mixed bfloat16")
    assert differences(change.row.recipe, change.base.recipe) == {
        "model_config": {"embedding_dim": 16, "dtype": "mixed_bfloat16"}
    }


@pytest.mark.parametrize("preset", ["release", "paper", "best"])
def test_presets_of_stacking_against_the_deep_model(preset):
    (change,) = (c for c in CHANGES if c.name == f"StackA {preset}")
    shallow, deep = change.row.recipe.stages
    (scratch,) = change.base.recipe.stages
    assert (shallow.num_blocks, shallow.data_ratio) == (4, 0.4)
    assert differences(deep, scratch) == {
        "method": "adjacent",
        "preset": preset,
    }
    assert (scratch.num_blocks, scratch.data_ratio) == (8, 0.6)
    assert change.against == "NextItNet-8 (60%)"


def test_every_change_is_in_the_list():
    named = [name for d in divergences.read() for name in d.changes]
    assert sorted(named) == sorted(change.name for change in CHANGES)


@pytest.mark.parametrize(
    ("paper", "least"), [("stackrec", 30), ("cprec", 8), ("skiprec", 15)]
)
def test_the_list(paper, least):
    listed = divergences.read(paper)
    assert len(listed) > least
    assert len({entry.topic for entry in listed}) == len(listed)
    # A field of the protocol that is named exists.
    fields = {field.name for field in dataclasses.fields(PROTOCOLS["clean"])}
    if paper == "stackrec":
        assert len({entry.switch.strip("`") for entry in listed} & fields) >= 8
    for entry in listed:
        for text in dataclasses.asdict(entry).values():
            assert "\n" not in text and "  " not in text


def test_switches_of_skiprec_exist():
    """Arguments, fields and protocols are called as the list has them."""
    fields = {field.name for field in dataclasses.fields(PROTOCOLS["clean"])}
    text = " ".join(entry.switch for entry in divergences.read("skiprec"))
    arguments = set(re.findall(r"SkipRec\((\w+)=", text))
    assert len(arguments) >= 6
    assert arguments <= set(inspect.signature(SkipRec.__init__).parameters)
    assert SkipRec.release_arguments("reinforce").keys() <= {
        *arguments,
        "objective",
    }
    named = {name for name in PROTOCOLS if f"`{name}`" in text}
    assert named == {"skiprec_release", "skiprec_paper"}
    assert {name for name in fields if f"`{name}`" in text} == {
        *("test_share", "validation_share", "split_seed", "item_ids"),
        *("keep_last_batch", "keep_full_batch", "ties_to"),
    }
