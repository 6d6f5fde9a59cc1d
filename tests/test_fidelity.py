"""The list of differences between paper and release, with its effects."""

import dataclasses
import json
import pathlib

import pytest

from experiments import fidelity
from experiments.recipes import fidelity as recipe
from nextitnet_tf.recipe import PROTOCOLS

ROOT = pathlib.Path(__file__).parents[1]


def test_each_variant_changes_one_field_of_the_release():
    rows = recipe.make_rows(seed=3, max_steps=200)
    variants = {row.label: row.recipe for row in rows if row.role == "variant"}
    base = variants.pop("release")
    bfloat16 = variants.pop("mixed bfloat16")
    assert bfloat16 == dataclasses.replace(
        base, model_config={"dtype": "mixed_bfloat16"}
    )
    (stacked,) = (row.recipe for row in rows if row.preset == "best")
    assert base.protocol == PROTOCOLS["release"]
    changed = set()
    for label, found in variants.items():
        is_stacked = label in recipe.STACKED_VARIANTS
        assert len(found.stages) == (2 if is_stacked else 1)
        unchanged = stacked if is_stacked else base
        before = dataclasses.asdict(unchanged.protocol)
        after = dataclasses.asdict(found.protocol)
        different = [name for name in before if before[name] != after[name]]
        assert len(different) == 1, label
        changed.update(different)
        assert (
            dataclasses.replace(found, protocol=unchanged.protocol) == unchanged
        )
        assert found.seed == 3 and found.stages[0].max_steps == 200
    assert changed >= {
        "sampled_fraction",
        "count_padding",
        "item_ids",
        "nesting",
    }


def test_every_measured_thing_is_in_the_list():
    measured = [name for d in recipe.DIVERGENCES for name in d.variants]
    expected = [
        *recipe.STACKED,
        *recipe.VARIANTS,
        *recipe.STACKED_VARIANTS,
        *recipe.MODEL_VARIANTS,
    ]
    assert sorted(measured) == sorted(expected)


def test_a_field_that_is_named_exists():
    fields = {field.name for field in dataclasses.fields(PROTOCOLS["clean"])}
    named = {d.switch.strip("`") for d in recipe.DIVERGENCES} & fields
    assert len(named) >= 8


def test_summary_by_hand():
    found = fidelity.summarize(
        mrr_of={0: 0.05, 1: 0.07, 2: 0.9},
        base_of={0: 0.04, 1: 0.08},
        steps_of={0: 100, 1: 300, 2: 5},
        base_steps_of={0: 400, 1: 600},
    )
    assert found["seeds"] == [0, 1]
    assert found["mrr_at_5"] == pytest.approx(
        {"mean": 0.06, "min": 0.05, "max": 0.07}
    )
    assert found["base_mrr_at_5"]["mean"] == pytest.approx(0.06)
    assert found["difference"] == pytest.approx(
        {"mean": 0.0, "min": -0.01, "max": 0.01}
    )
    assert (found["steps"], found["base_steps"]) == (200, 500)
    assert fidelity.summarize({0: 0.1}, {1: 0.1}, {0: 1}, {1: 1}) is None


def test_the_committed_document_is_what_the_numbers_say():
    numbers = "results/ml1m/fidelity.json"
    result = json.loads((ROOT / numbers).read_text(encoding="utf-8"))
    document = (ROOT / "docs" / "fidelity.md").read_text(encoding="utf-8")
    assert document == fidelity.make_document(result, numbers)
