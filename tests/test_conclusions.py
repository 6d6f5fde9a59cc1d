"""`make conclusions`: what the tables say, from groups made up by hand."""

import json
import pathlib
import re
import subprocess
import sys

import numpy as np
import pytest

from experiments import conclusions

ROOT = pathlib.Path(__file__).parents[1]


def group(model, mean, setting="60-80", **changes):
    return {
        "setting": setting,
        "model": model,
        "copied": "",
        "protocol": "clean",
        "seeds": [0],
        "values": [mean],
        "paper_mrr_at_5": 0.08,
        "is_compared": False,
        "num_reached": 0,
        "speedup": None,
        "difference": None,
        "mrr_at_5": {"mean": mean},
        **changes,
    }


def write_up(tmp_path, **tables):
    folder = tmp_path / "ml1m"
    folder.mkdir(parents=True)
    for name, groups in tables.items():
        path = folder / f"{name}.json"
        path.write_text(json.dumps({"over_seeds": groups}))
    return conclusions.write_up(tmp_path)


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0.001, 0.002, "holds"),
        (-0.002, -0.001, "does not hold"),
        (-0.001, 0.002, "not told apart"),
        (None, None, "not told apart"),
    ],
)
def test_verdict(low, high, expected):
    assert conclusions.verdict(0.001, low, high) == expected


def test_depth_and_stacking(tmp_path):
    text = write_up(
        tmp_path,
        table=[
            group("NextItNet-8 (60%)", 0.047),
            group("NextItNet-16 (80%)", 0.050),
            group("NextItNet-32 (100%)", 0.049, setting="80-100"),
            group(
                "StackA-Next-16",
                0.053,
                copied="best",
                is_compared=True,
                seeds=[0, 1],
                num_reached=2,
                speedup=5.5,
                difference=0.003,
                low=0.001,
                high=0.005,
            ),
            group("CL-NextItNet-8", 0.052, is_compared=True)
            | {"difference": 0.002, "low": 0.0005, "high": 0.004},
        ],
    )
    assert text.startswith("# What the results say")
    assert "does not rise at every step" in text
    assert (
        "| 60-80 | StackA-Next-16 | best | clean | 2 | 0.0530 | +0.0030 "
        "(+0.0010 to +0.0050) | holds | 5.5x | 2 of 2 |"
    ) in text
    assert "2 of 2 models of StackA and StackC reach" in text
    # The paper has the continued model below the deep one.
    (line,) = [x for x in text.splitlines() if "CL-NextItNet-8 0.0520" in x]
    assert line.endswith("+0.0020 (+0.0005 to +0.0040): does not hold.")


def test_alpha_is_compared_seed_by_seed(tmp_path):
    text = write_up(
        tmp_path,
        table=[],
        table6=[
            group("NextItNet-8", 0.05, setting="without alpha")
            | {"seeds": [0, 1, 2], "values": [0.04, 0.05, 0.06]},
            group("NextItNet-8", 0.06, setting="with alpha")
            | {"seeds": [0, 2, 3], "values": [0.05, 0.055, 0.075]},
        ],
    )
    # Of the seeds of both, 0 gains .01 and 2 loses .005.
    assert "better with alpha in 1 of 2 seeds" in text
    assert "1 of 2 seeds, mean difference +0.0025." in text


def test_what_alpha_is_worth_has_its_range_if_it_is_of_all_seeds(tmp_path):
    of_both = {"alpha_difference": 0.01, "alpha_low": 0.002, "alpha_high": 0.02}
    texts = [
        write_up(
            tmp_path / str(paired),
            table6=[
                group("NextItNet-8", 0.05, setting="without alpha")
                | {"seeds": [0, 1], "values": [0.05, 0.05]},
                group("NextItNet-8", 0.06, setting="with alpha")
                | {"seeds": [0, 1], "values": [0.06, 0.05]}
                | worth,
            ],
        )
        for paired, worth in (
            (1, {**of_both, "alpha_low": None, "alpha_high": None}),
            (2, of_both),
        )
    ]
    assert "1 of 2 seeds, mean difference +0.0050." in texts[0]
    assert "of 2 seeds, +0.0100 (+0.0020 to +0.0200): holds." in texts[1]


def test_stacka_against_stacke_seed_by_seed(tmp_path):
    compared = {"is_compared": True, "copied": "best"}
    text = write_up(
        tmp_path,
        table4=[
            group("StackA-Next-16", 0.05, **compared, num_reached=1)
            | {"seeds": [0, 1], "values": [0.05, 0.05], "speedup": 3.0},
            group("StackE-Next-16", 0.05, **compared, num_reached=3)
            | {"seeds": [1, 0, 2], "values": [0.052, 0.045, 0.09]},
            group("StackE-Next-16", 0.05, is_compared=True, copied="paper"),
        ],
    )
    # Seed 0 gains .005, seed 1 loses .002.
    assert (
        "- StackA-Next-16 against StackE-Next-16 (best, protocol clean): "
        "better in 1 of 2 seeds, mean difference +0.0015."
    ) in text
    assert text.count(" against StackE") == 1
    # One of two seeds is not most of them.
    assert "1 of 2 models of StackA and StackC reach" in text
    assert "in 0 of 1 lines most seeds do" in text


def test_a_difference_without_its_range(tmp_path):
    text = write_up(
        tmp_path,
        table=[
            group("StackA-Next-16", 0.05, is_compared=True, copied="best")
            | {"difference": 0.004, "low": None, "high": None},
            group("CL-NextItNet-8", 0.05, is_compared=True)
            | {"difference": 0.002, "low": None, "high": None},
        ],
    )
    assert "| 0.0500 | +0.0040 | not told apart |" in text
    assert "deep model from scratch +0.0020: not told apart." in text


def test_figures_and_transfer(tmp_path):
    folder = tmp_path / "ml1m"
    folder.mkdir()
    files = {
        "table": {"over_seeds": [group("A", 0.1, setting="x")]},
        "figure1": {
            "points": [
                {"data": "40%", "num_blocks": b, "values": v, "seeds": s}
                for b, v, s in ((4, [0.1, 0.2], [0, 1]), (8, [0.1], [0]))
            ]
        },
        "figure2-sasrec-3": {
            "model": "sasrec",
            "num_blocks": 3,
            "protocol": "clean",
            "seed": 0,
            "neighbours": [0.4, 0.91],
            "similarity": [[1, 0.4, 0.3], [0.4, 1, 0.91], [0.3, 0.91, 1]],
        },
        "figure6": {
            "rows": [
                {"role": role, "model": "M", "copied": "best", "seed": 0}
                | {"mrr_at_5": 0.05, "share": share}
                for role, share in (
                    *(("scratch", 1.0), ("stacked", 0.456), ("stacked", None)),
                )
            ]
        },
        "table3": {
            "rows": [
                {
                    "model": "StackA-Next-4",
                    "copied": "best",
                    "protocol": "clean",
                    "seed": 2,
                    "mrr_at_5": 0.2,
                    "worth": {"difference": 0.1, "low": 0.05, "high": 0.15},
                }
            ],
            "fine_tuning": [
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
            ],
        },
    }
    for name, content in files.items():
        (folder / f"{name}.json").write_text(json.dumps(content))
    text = conclusions.write_up(tmp_path)
    for expected in (
        "- On 40% of the data: 4 blocks 0.1500 (2 seeds), 8 blocks 0.1000 (1 "
        "seed); best with 4.",
        "neighbours from block 2 on at least 0.91 (holds); block 1 with the "
        "others 0.35 on average.",
        "- M, best, seed 0: 46% of the direct model's time to its best;",
        "- M, best, seed 0: never as good as the direct model's best;",
        "- The direct model's test MRR@5: 0.0500 (seed 0).",
        "- StackA-Next-4 best, protocol clean, seed 2: 0.2000; pre-training is "
        "worth +0.1000 (+0.0500 to +0.1500): holds.",
        "They are those of pre-training for 1,100 of 1,200;",
    ):
        assert expected in text
    assert text.count("Fine-tuning by ") == 1


def test_baselines_in_order(tmp_path):
    text = write_up(
        tmp_path,
        table=[
            group(name, mean, setting="100-100")
            for name, mean in (("NFM", 0.03), ("SASRec-2", 0.06), ("Pop", 0.01))
        ],
    )
    assert (
        "Pop 0.0100 (1 seed) < NFM 0.0300 (1 seed) < SASRec-2 0.0600 (1 seed)."
    ) in text


def test_nothing_to_sum_up(tmp_path):
    with pytest.raises(ValueError, match="Expected tables in folders"):
        conclusions.write_up(tmp_path)


def test_the_committed_document_is_what_the_tables_say(tmp_path):
    text = (ROOT / "results" / "README.md").read_text(encoding="utf-8")
    # Of the data sets it speaks of: a checkout has its own results, too.
    names = re.findall(r"^## (.+)$", text, re.MULTILINE)
    assert "ml1m" in names
    for name in names:
        (tmp_path / name).symlink_to(ROOT / "results" / name)
    assert text == conclusions.write_up(tmp_path)


def test_generated_data_are_left_out(tmp_path):
    table = [group("CL-A", 0.1, paper_mrr_at_5=None)]
    assert "CL-A 0.1000" in write_up(tmp_path, table=table)
    path = tmp_path / "ml1m" / "table.json"
    of_law = {"over_seeds": table, "data": {"law": {}}}
    path.write_text(json.dumps(of_law))
    with pytest.raises(ValueError, match="Expected tables in folders"):
        conclusions.write_up(tmp_path)


def test_baselines_against_nextitnet(tmp_path):
    compared = {"compared_with": "NextItNet-8", "num_paired_seeds": 1}
    text = write_up(
        tmp_path,
        table=[
            group("MostPop", 0.01, "100-100"),
            group(
                "SASRec",
                0.04,
                "100-100",
                difference=-0.02,
                low=-0.03,
                high=-0.01,
                unseen_mrr_at_5=0.09,
                unseen_difference=0.001,
                unseen_low=-0.002,
                unseen_high=0.004,
                **compared,
            ),
            group("NextItNet-8", 0.06, "100-100"),
            # Deeper ones are no baselines.
            group(
                "NextItNet-16",
                0.05,
                "100-100",
                difference=-0.01,
                low=-0.02,
                high=0.0,
                **compared,
            ),
        ],
    )
    assert "| NextItNet-16 |" not in text
    assert "MostPop 0.0100 (1 seed) < SASRec 0.0400 (1 seed) <" in text
    assert (
        "| clean | SASRec | NextItNet-8: +0.0200 (+0.0100 to +0.0300) | holds "
        "| 0.0900 | -0.0010 (-0.0040 to +0.0020) | not told apart |"
    ) in text


def test_committed_ranks_belong_to_the_runs_beside_them():
    files = list((ROOT / "results").glob("*/runs/*/ranks.npy"))
    assert len(files) > 40
    moved = []
    for path in files:
        test = json.loads((path.parent / "run.json").read_text())["test"]
        ranks = np.load(path, allow_pickle=False)
        unseen = path.with_name("unseen_ranks.npy")
        if unseen.is_file():
            assert (np.load(unseen, allow_pickle=False) <= ranks).all()
        within = ranks < 5
        assert len(ranks) == test["num_sessions"], path
        found = (within / (ranks + 1)).mean()
        if found != pytest.approx(test["mrr_at_5"], rel=1e-5):
            # Metrics and ranks come from two compiled functions: two logits
            # that are all but equal may fall either way.
            moved.append(path.parent.name)
            of_one_session = 1 / 2 / len(ranks)
            assert found == pytest.approx(
                test["mrr_at_5"], rel=0, abs=of_one_session
            ), path
    assert moved == ["nextitnet-4-adjacent-best-100pct-seed0-07c5461e8f"]


def test_the_command_says_what_it_lacks(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "experiments.conclusions", "--results=none"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert done.returncode == 1
    (line,) = done.stderr.strip().splitlines()
    assert line.startswith("error: Expected tables in folders of --results.")
