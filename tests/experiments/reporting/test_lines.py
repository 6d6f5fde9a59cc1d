"""How fast a line is, and what it is compared with, by hand."""

import dataclasses

import numpy as np
import pytest

from experiments.papers.rows import Choices
from experiments.papers.stackrec import table2
from experiments.papers.stackrec import table6
from experiments.reporting import lines as of_lines
from experiments.reporting import over_seeds
from experiments.reporting import records as of_records
from experiments.reporting import tables
from nextitnet_tf import training
from nextitnet_tf.recipe import PROTOCOLS

RELEASE, CLEAN = PROTOCOLS["release"], PROTOCOLS["clean"]


def rows_by_label(protocol=RELEASE, seed=0, settings=("40-60",)):
    choices = Choices(protocol, seed, settings, presets=["best"])
    return {row.label: row for row in table2.rows(choices)}


def with_name(line, name):
    folder = line.run.folder.with_name(name)
    return dataclasses.replace(
        line, run=dataclasses.replace(line.run, folder=folder)
    )


@pytest.mark.parametrize(
    ("curve", "expected"),
    [
        # The reference takes 300 steps of 0.1 s to its best, 0.5.
        ([0.1, 0.5], 30 / (200 * 0.2)),
        ([0.6, 0.9, 0.1], 30 / (100 * 0.2)),  # the first as good, not the best
        ([0.1, 0.2, 0.3, 0.51], 30 / (400 * 0.2)),
        ([0.1, 0.49999], None),
        ([], None),
    ],
)
def test_speedup(make_line, curve, expected):
    rows = rows_by_label()
    reference = make_line(
        rows["NextItNet-8 (60%)"], [0.2, 0.4, 0.5, 0.3], step_seconds=0.1
    )
    line = make_line(rows["StackA-Next-8"], curve, step_seconds=0.2)
    found = of_lines.speedup(line, reference)
    assert found == (expected and pytest.approx(expected))
    assert of_lines.speedup(reference, reference) == 1


def test_speedup_in_flops(make_line):
    """4 blocks continued, 50 weights in them, against 8 with 250."""
    rows = rows_by_label()
    reference = make_line(rows["NextItNet-8 (60%)"], [0.2, 0.5], in_blocks=250)
    line = make_line(rows["CL-NextItNet-4"], [0.1, 0.2, 0.6])
    # 50 of 100 columns of 3 channels; forward and two gradients, 70 places.
    assert training.flops_per_step(line.summary) == 6 * 70 * (50 + 150)
    assert training.flops_per_step(reference.summary) == 6 * 70 * (250 + 150)
    found = of_lines.speedup_in_flops(line, reference)
    assert found == pytest.approx(200 * 400 / (300 * 200))


def test_what_a_line_is_compared_with(make_line):
    lines = {
        (protocol.name, seed, label): make_line(row, [0.5])
        for protocol in (RELEASE, CLEAN)
        for seed in (0, 1)
        for label, row in rows_by_label(protocol, seed).items()
    }
    everything = list(lines.values())
    for (protocol, seed, label), line in lines.items():
        reference = of_lines.reference_of(line, everything)
        if label in ("MostPop", "NextItNet-4 (40%)"):
            assert reference is None
        else:
            assert reference is lines[protocol, seed, "NextItNet-8 (60%)"]
    # Not run yet.
    stacked = lines["release", 0, "StackA-Next-8"]
    assert of_lines.reference_of(stacked, [stacked]) is None


def test_a_shallow_line_of_the_next_setting_is_not_compared(make_line):
    """NextItNet-8 (60%) is 40-60's reference and where 60-80 begins."""
    choices = Choices(RELEASE, settings=["40-60", "60-80"], presets=["best"])
    lines = [make_line(row, [0.5]) for row in table2.rows(choices)]
    found = {
        (line.row.setting, line.row.label): of_lines.reference_of(line, lines)
        for line in lines
    }
    assert found["60-80", "NextItNet-8 (60%)"] is None
    for label in ("NextItNet-16 (80%)", "StackC-Next-16", "CL-NextItNet-8"):
        reference = found["60-80", label].row
        assert (reference.setting, reference.label) == (
            *("60-80", "NextItNet-16 (80%)"),
        )
    assert found["40-60", "NextItNet-8 (60%)"].row.setting == "40-60"


def test_a_baseline_is_compared_with_the_nextitnet_that_validates_best(
    make_line,
):
    """8 blocks in the mean of the seeds, 16 in seed 1; without alpha more."""
    validation = {
        ("NextItNet-8", 0): 0.5,
        ("NextItNet-8", 1): 0.3,
        ("NextItNet-16", 0): 0.2,
        ("NextItNet-16", 1): 0.4,
        ("SNextItNet-8", 0): 0.9,
    }

    def rows(protocol, seed, divide_depth):
        return table2.rows(
            Choices(
                protocol,
                seed,
                ["100-100"],
                presets=[],
                divide_depth=divide_depth,
                options={"model_config": {"use_alpha": True}},
            )
        )

    lines = [
        make_line(row, [validation.get((row.label, seed), 0.1)])
        for seed in (0, 1)
        for divide_depth in (2, 4)
        for row in rows(CLEAN, seed, divide_depth)
    ]
    others = [make_line(row, [0.7]) for row in rows(RELEASE, 0, 2)]
    for line in lines:
        found = of_lines.best_deep(line, [*others, *lines])
        assert found.row.label == "NextItNet-8"
        assert found.row.seed == line.row.seed
    assert of_lines.best_deep(lines[0], others) is None
    stacked = make_line(rows_by_label()["StackA-Next-8"], [0.5])
    assert of_lines.best_deep(stacked, lines) is None


def test_what_alpha_is_worth(make_line, made_up_store):
    """Ranked first with alpha, second without, in every session."""
    choices = Choices(RELEASE, settings=table6.NAMES, presets=["best"])
    lines = [
        make_line(row, [0.5], name=f"run {i}")
        for i, row in enumerate(table6.rows(choices))
    ]
    store = made_up_store(
        ranks={
            line.run.folder.name: [0 if line.row.use_alpha else 1] * 20
            for line in lines
        }
    )
    records = of_records.to_records(lines, store)
    groups = of_records.to_groups(lines, records, store)
    found = {
        (g["setting"], g["model"]): g.get("alpha_difference") for g in groups
    }
    assert len(found) == 8
    for (setting, _), difference in found.items():
        assert difference == (0.5 if setting == "with alpha" else None)
    # Nothing to compare with.
    alone = of_records.to_groups(lines[-1:], records[-1:], store)
    assert "alpha_difference" not in alone[0]


@pytest.mark.parametrize(
    ("users", "is_known"), [([7, 7, 7, 7], False), ([1, 2, 3, 4], True)]
)
def test_sessions_of_one_user_are_drawn_together(
    make_line, made_up_store, users, is_known
):
    """One seed of one user tells of no others."""
    rows = rows_by_label()
    ranks = {"NextItNet-8 (60%)": [1, 1, 9, 9], "StackA-Next-8": [0, 0, 0, 0]}
    lines = [make_line(rows[label], [0.5], name=label) for label in ranks]
    store = made_up_store(ranks, users=users)
    records = of_records.to_records(lines, store)
    stacked = of_records.to_groups(lines, records, store)[1]
    assert stacked["difference"] == pytest.approx(0.75)
    assert np.isfinite(stacked["high"] - stacked["low"]) == is_known
    assert over_seeds.mark(stacked) == ("*" if is_known else "")
    assert (over_seeds.interval(stacked) != "") == is_known


def test_records_say_what_a_row_is(make_line, made_up_store):
    lines = [make_line(row, [0.5]) for row in rows_by_label().values()]
    records = of_records.to_records(lines, made_up_store())
    names = ("role", "method", "num_blocks", "data_ratio", "recommender")
    assert [tuple(r[name] for name in names) for r in records] == [
        ("baseline", None, None, 1.0, "most_pop"),
        ("shallow", None, 4, 0.4, "nextitnet"),
        ("scratch", None, 8, 0.6, "nextitnet"),
        ("stacked", "adjacent", 8, 0.6, "nextitnet"),
        ("stacked", "cross", 8, 0.6, "nextitnet"),
        ("continued", None, 4, 0.6, "nextitnet"),
    ]
    assert [r["use_alpha"] for r in records] == [None, *[True] * 5]
    assert [r["compared_with"] for r in records] == [
        *[None] * 3,
        *["NextItNet-8 (60%)"] * 3,
    ]


def test_mrr_among_unseen_items_is_in_the_table(make_line, made_up_store):
    row = rows_by_label()["NextItNet-8 (60%)"]
    lines = [make_line(row, [0.5], name=name) for name in ("kept", "gone")]
    store = made_up_store(unseen={"kept": [0, 4, 5, 99]})
    records = of_records.to_records(lines, store)
    assert records[0]["unseen_mrr_at_5"] == pytest.approx((1 + 1 / 5) / 4)
    assert records[1]["unseen_mrr_at_5"] is None
    text = tables.to_markdown(records, "", [])
    assert "| Unseen MRR@5 |" in text and "| 0.3000 |" in text
    # A column that nobody fills is left out.
    assert "Unseen" not in tables.to_markdown(records[1:], "", [])


def test_the_table_a_reader_sees(make_line, made_up_store):
    rows = rows_by_label()
    lines = [
        make_line(rows["MostPop"], [], step_seconds=0.0),
        make_line(rows["NextItNet-8 (60%)"], [0.2, 0.5], 0.5),
        make_line(rows["StackA-Next-8"], [0.5], 0.5),
        make_line(rows["CL-NextItNet-4"], [0.1], 0.25),
    ]
    records = of_records.to_records(lines, made_up_store())
    shown = tables.to_markdown(
        records, "Title", ["A note on <b>.csv."], sentences=["In short.", ""]
    ).splitlines()
    assert shown[0] == "# Title"
    assert shown[-3:] == ["In short.", "", "- A note on &lt;b>.csv."]
    table = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in shown
        if line.startswith("|")
    ]
    header = table[0]
    cells = {row[1]: dict(zip(header, row, strict=True)) for row in table[2:]}
    assert cells["MostPop"]["Speed-up"] == ""
    assert cells["NextItNet-8 (60%)"]["Speed-up"] == "1.00x"
    assert cells["StackA-Next-8"]["Speed-up"] == "2.00x"
    assert cells["CL-NextItNet-4"]["Speed-up"] == "-"
    assert cells["StackA-Next-8"]["Copied"] == "best"
    assert cells["StackA-Next-8"]["Steps"] == "100"
    assert cells["StackA-Next-8"]["Seconds"] == "50"
    assert cells["StackA-Next-8"]["Sessions"] == "1,234"
    assert cells["StackA-Next-8"]["MRR@5"] == "0.0500"
    assert cells["StackA-Next-8"]["Protocol"] == "release"
