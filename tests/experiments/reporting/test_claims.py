"""What the tables say of a paper's claims, from groups made up by hand."""

import json
import pathlib
import tomllib

import pytest

from experiments import papers
from experiments.reporting import accuracy_page
from experiments.reporting import claims
from experiments.reporting import comparisons
from experiments.reporting import figure_comparisons
from experiments.reporting import folders
from experiments.reporting import reliability_page


def group(model, mean, num_blocks=8, **changes):
    """A group whose label says nothing that its data do not."""
    return {
        "setting": "60-80",
        "model": model,
        "copied": "",
        "protocol": "clean",
        "seeds": [0],
        "values": [mean],
        "is_compared": False,
        "num_reached": 0,
        "speedup": None,
        "difference": None,
        "mrr_at_5": {"mean": mean},
        "role": "scratch",
        "method": None,
        "num_blocks": num_blocks,
        "data_ratio": 1.0,
        "recommender": "nextitnet",
        "use_alpha": True,
        "compared_with": None,
        **changes,
    }


def over(values, seeds=(0, 1, 2)):
    """Values of several seeds."""
    mean = sum(values) / len(values)
    return {
        "seeds": list(seeds),
        "values": values,
        "mrr_at_5": {"mean": mean},
    }


def measured(measure, *groups, about=None, **options):
    content = {"over_seeds": list(groups)}
    return "\n".join(measure([content], about or {}, **options))


def stacked(model, method, **changes):
    return group(model, 0.05, role="stacked", method=method, copied="best") | {
        "is_compared": True,
        **changes,
    }


def test_each_step_of_a_ladder_has_a_verdict_of_its_own():
    tiny = group("tiny", 0.047, 4, role="shallow", data_ratio=0.4)
    small = group("small", 0.050, 8, data_ratio=0.6) | over([0.05] * 3)
    small |= {"rise_difference": 0.003, "rise_low": 0.001, "rise_high": 0.005}
    deep = group("deep", 0.049, 16, data_ratio=0.8) | over(
        [0.047, 0.05], (1, 5)
    )
    # Neither of the two data of a step by itself makes it one.
    other = group("other", 0.9, 4, data_ratio=0.8)
    text = measured(
        comparisons.rises,
        *(small, deep, other, tiny),
        steps=((4, 0.4), (8, 0.6), (16, 0.8)),
    )
    assert text == (
        "- Protocol clean: tiny 0.0470 (1 seed) -> small 0.0500 (3 seeds) -> "
        "deep 0.0485 (2 seeds): does not rise at every step (+0.0030 (+0.0010 "
        "to +0.0050): holds; -0.0030: one seed)."
    )


def test_one_step_is_no_ladder():
    assert not measured(
        comparisons.rises, group("A", 0.1, 4), steps=((4, 1.0), (8, 1.0))
    )


def test_stacked_against_scratch():
    sure = {"difference": 0.003, "low": 0.001, "high": 0.005}
    text = measured(
        comparisons.against_scratch,
        stacked("A", "adjacent", **over([0.05] * 3), **sure)
        | {"num_reached": 2, "speedup": 5.5},
        stacked("C", "adjacent_release", **over([0.05] * 2, (0, 1)), **sure)
        | {"num_reached": 1, "speedup": 3.0},
        stacked("E", "embedding", **sure) | {"num_reached": 1, "speedup": 9.0},
        stacked("not compared", "cross", is_compared=False),
    )
    shown = "| best | clean | {} | 0.0500 | +0.0030 (+0.0010 to +0.0050) | {} |"
    for name, seeds, verdict, rest in (
        ("A", 3, "holds", "5.5x | 2 of 3 |"),
        ("C", 2, "two seeds", "3.0x | 1 of 2 |"),
        ("E", 1, "one seed", "9.0x | 1 of 1 |"),
    ):
        line = f"| 60-80 | {name} {shown.format(seeds, verdict)} {rest}"
        assert line in text.splitlines()
    assert "not compared" not in text
    # One of two seeds is not most of them, and StackE is not the paper's.
    assert "3 of 5 models of StackA and StackC reach" in text
    assert "in 1 of 2 lines most seeds do" in text


def test_stacka_against_stacke_seed_by_seed():
    text = measured(
        comparisons.seed_by_seed,
        stacked("A", "adjacent", **over([0.05, 0.05], (0, 1))),
        stacked("E", "embedding", **over([0.052, 0.045, 0.09], (1, 0, 2))),
        stacked("E", "embedding", copied="paper"),
    )
    # Seed 0 gains .005, seed 1 loses .002.
    assert text == (
        "- A against E (best, protocol clean): better in 1 of 2 seeds, mean "
        "difference +0.0015."
    )


def test_the_paper_has_continued_models_below_the_deep_one():
    above = {"difference": 0.002, "low": 0.0005, "high": 0.004}
    known = group("CL", 0.052, role="continued", **above) | over([0.052] * 3)
    unknown = group("CL", 0.05, difference=0.002, low=None, high=None)
    unknown |= over([0.05] * 3)
    lines = measured(comparisons.short_of_scratch, known, unknown).splitlines()
    assert lines == [
        "- 60-80, protocol clean: CL 0.0520 (3 seeds), against the deep model "
        "from scratch +0.0020 (+0.0005 to +0.0040): does not hold.",
        "- 60-80, protocol clean: CL 0.0500 (3 seeds), against the deep model "
        "from scratch +0.0020: not told apart.",
    ]


def test_alpha_is_compared_seed_by_seed():
    without = group("N", 0.05, use_alpha=False) | over([0.04, 0.05, 0.06])
    with_it = group("N", 0.06) | over([0.05, 0.055, 0.075], (0, 2, 3))
    deeper = group("N-16", 0.9, 16)
    text = measured(
        comparisons.with_and_without_alpha, without, deeper, with_it
    )
    # Of the seeds of both, 0 gains .01 and 2 loses .005.
    assert text == (
        "- N, protocol clean: 0.0600 with alpha, 0.0500 without; better with "
        "alpha in 1 of 2 seeds, mean difference +0.0025."
    )


def test_what_alpha_is_worth_has_its_range_if_it_is_of_all_seeds():
    without = group("N", 0.05, use_alpha=False) | over([0.05] * 3)
    worth = {"alpha_difference": 0.01, "alpha_low": 0.002, "alpha_high": 0.02}
    with_it = group("N", 0.06, **worth) | over([0.06] * 3)
    text = measured(comparisons.with_and_without_alpha, without, with_it)
    assert text.endswith("3 of 3 seeds, +0.0100 (+0.0020 to +0.0200): holds.")
    with_it["alpha_low"] = None
    text = measured(comparisons.with_and_without_alpha, without, with_it)
    assert text.endswith("3 of 3 seeds, mean difference +0.0100.")


def test_baselines_in_order_and_against_nextitnet():
    baseline = {"role": "baseline", "compared_with": "N"}
    rival = group("Rival", 0.04, recommender="sasrec", **baseline)
    rival |= over([0.04] * 3)
    rival |= {"difference": -0.02, "low": -0.03, "high": -0.01}
    rival["unseen_mrr_at_5"] = 0.09
    rival |= {
        f"unseen_{name}": value
        for name, value in (("difference", 0.1), ("low", -0.2), ("high", 0.4))
    }
    worse = {"difference": -0.01, "low": -0.02, "high": 0.0}
    text = measured(
        comparisons.in_order,
        group("Pop", 0.01, recommender="most_pop", **baseline),
        rival,
        group("N", 0.06, **baseline),
        # Deeper ones are no baselines; those without alpha are.
        group("Deeper", 0.05, **baseline) | worse,
        group("S", 0.03, use_alpha=False, **baseline) | worse,
    )
    assert text.startswith(
        "- Protocol clean: Pop 0.0100 (1 seed) < S 0.0300 (1 seed) < Rival "
        "0.0400 (3 seeds) < Deeper 0.0500 (1 seed) < N 0.0600 (1 seed).\n\n| "
    )
    assert (
        "| clean | Rival | N: +0.0200 (+0.0100 to +0.0300) | holds | 0.0900 | "
        "-0.1000 (-0.4000 to +0.2000) | not told apart |"
    ) in text
    assert "| clean | S | N: +0.0100 (-0.0000 to +0.0200) | one seed |" in text
    assert "| Deeper |" not in text and "| Pop |" not in text


def test_a_claim_is_about_the_groups_it_names():
    text = measured(
        comparisons.short_of_scratch,
        group("A", 0.1, role="shallow"),
        group("B", 0.1, role="stacked"),
        group("C", 0.1, role="shallow", recommender="grec"),
        group("D", 0.1),
        about={"role": ("shallow", "scratch"), "recommender": "nextitnet"},
    )
    assert [line.split()[4] for line in text.splitlines()] == ["A", "D"]


def test_depths():
    points = [
        {"data": "40%", "num_blocks": b, "values": v, "seeds": s}
        for b, v, s in ((8, [0.1], [0]), (4, [0.1, 0.2], [0, 1]))
    ]
    alone = {"data": "100%", "num_blocks": 4, "values": [0.5], "seeds": [0]}
    found = figure_comparisons.by_depth([{"rows": [*points, alone]}], {})
    assert list(found) == [
        "- On 40% of the data: 4 blocks 0.1500 (2 seeds), 8 blocks 0.1000 (1 "
        "seed); best with 4."
    ]


@pytest.mark.parametrize(
    ("later", "seeds", "told"),
    [
        ([0.91], "seed 0", "0.91 (one seed)"),
        ([0.95, 0.91, 0.92], "seeds 0, 1, 2", "0.91 (holds)"),
        ([0.95, 0.85, 0.92], "seeds 0, 1, 2", "0.85 (not told apart)"),
        ([0.4, 0.85, 0.2], "seeds 0, 1, 2", "0.20 (does not hold)"),
    ],
)
def test_blocks_alike(later, seeds, told):
    figure = {
        "model": "sasrec",
        "num_blocks": 3,
        "protocol": "clean",
        "seeds": list(range(len(later))),
        "similarity": [
            [[1, 0.4, 0.3], [0.4, 1, cosine], [0.3, cosine, 1]]
            for cosine in later
        ],
    }
    assert list(figure_comparisons.alike([figure], {})) == [
        f"- sasrec, 3 blocks, protocol clean, {seeds}: neighbours from block 2 "
        f"on at least {told}; block 1 with the others 0.35 on average."
    ]


def test_time_by_way_of_shallow_models():
    rows = [
        {"role": role, "model": "M", "copied": "best", "seed": 0}
        | {"mrr_at_5": 0.05, "share": share}
        for role, share in (("scratch", 1), ("stacked", 0.456), ("stacked", 0))
    ]
    assert list(figure_comparisons.share_of_time([{"rows": rows}], {})) == [
        "- M, best, seed 0: 46% of the direct model's time to its best; test "
        "MRR@5 0.0500.",
        "- M, best, seed 0: never as good as the direct model's best; test "
        "MRR@5 0.0500.",
        "- The direct model's test MRR@5: 0.0500 (seed 0).",
    ]


def test_what_pretraining_is_worth():
    worth = {"difference": 0.1, "low": 0.05, "high": 0.15}
    popular = {"model": "Pop", "copied": "", "protocol": "clean"}
    popular["mrr_at_5"] = 0.3
    tuned = {"model": "A", "copied": "best", "protocol": "clean", "seed": 2}
    tuned |= {"mrr_at_5": 0.2, "worth": worth}
    ways = [
        {
            "name": name,
            "source_ids": ids,
            "pairs": {
                "num_source_items_by_their_number": number,
                "num_source_items": 1200,
            },
        }
        for name, ids, number in (
            *(("release", "file", 1100), ("ours", "file", 1200)),
            ("clean", "pretraining", 3),
        )
    ]
    table = {"rows": [popular, tuned], "fine_tuning": ways}
    assert list(figure_comparisons.worth_of_pretraining([table], {})) == [
        "- Pop, protocol clean: 0.3000.",
        "- A best, protocol clean, seed 2: 0.2000; pre-training is worth "
        "+0.1000 (+0.0500 to +0.1500): one seed.",
        "- Fine-tuning by release takes the file's numbers for source items. "
        "They are those of pre-training for 1,100 of 1,200; what was learned "
        "of the others is lost.",
    ]
    of_seeds = tuned | worth | over([0.2, 0.3, 0.4])
    table = {"rows": [popular, tuned], "over_seeds": [of_seeds]}
    assert list(figure_comparisons.worth_of_pretraining([table], {})) == [
        "- Pop, protocol clean: 0.3000.",
        "- A best, protocol clean: 0.3000 (3 seeds); pre-training is worth "
        "+0.1000 (+0.0500 to +0.1500): holds.",
    ]


def test_the_document(tmp_path):
    for name in ("ml1m", "globo"):
        (tmp_path / name).mkdir()
    of_table = {"over_seeds": [group("CL <b>", 0.1, role="continued")]}
    (tmp_path / "ml1m" / "table.json").write_text(json.dumps(of_table))
    text = claims.write_up(folders.chosen(tmp_path), papers.claims())
    assert text.startswith("# What the results say\n")
    assert text.endswith(
        "\n## ml1m\n\n### Going on with the shallow model is not enough?\n\n"
        "The paper, Table 2: CL-NextItNet gains 0.0004 to 0.0009 over the "
        "shallow model and stays 0.0046 to 0.0050 below the deep one.\n\n"
        "- 60-80, protocol clean: CL &lt;b> 0.1000 (1 seed).\n"
    )
    assert "globo" not in text
    assert "are generated" not in text
    # What is generated says nothing of people.
    of_table["data"] = {"law": {}}
    (tmp_path / "ml1m" / "table.json").write_text(json.dumps(of_table))
    text = claims.write_up(folders.chosen(tmp_path), papers.claims())
    assert "\n## ml1m\n\nThese sessions are generated, by a law" in text
    assert "Made by" not in text
    (tmp_path / "ml1m" / "commands.json").write_text('{"t": "python -m a --b"}')
    text = claims.write_up(folders.chosen(tmp_path), papers.claims())
    assert "\n\nMade by\n\n```\npython -m a --b\n```\n\n### " in text


def test_the_committed_document_is_what_the_tables_say(committed):
    """After results have changed: `make conclusions`."""
    root = committed / "results"
    text = (root / "README.md").read_text(encoding="utf-8")
    assert "\n## ml1m\n" in text
    assert text == claims.write_up(folders.chosen(root), papers.claims())
    page = (committed / "docs" / "accuracy.md").read_text(encoding="utf-8")
    assert page == accuracy_page.make_page(folders.chosen(root))
    page = (committed / "docs" / "reliability.md").read_text(encoding="utf-8")
    assert page == reliability_page.make_page(root)


def test_every_promise_has_its_tests():
    tests = pathlib.Path(__file__).parents[2]
    with open(reliability_page.PROMISES, "rb") as file:
        promises = tomllib.load(file)["promise"]
    assert len(promises) >= 10
    for promise in promises:
        assert promise["tests"], promise["what"]
        for name in promise["tests"]:
            path, _, function = name.partition("::")
            text = (tests / path).read_text(encoding="utf-8")
            assert f"\ndef {function}(" in text, name
