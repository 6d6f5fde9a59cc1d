"""Which variables `make` takes, asked without running anything."""

import pathlib
import subprocess

import pytest

from experiments import papers

ROOT = pathlib.Path(__file__).parents[2]


def make(*arguments):
    done = subprocess.run(
        ["make", "--no-print-directory", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (
            ["reproduce-table2", "SEED=1"],
            ["Received: SEED. Did you mean SEEDS?"],
        ),
        (["train", "RWA=x"], ["Received: RWA. Did you mean RAW?"]),
        (["test", "ARG=-x"], ["Received: ARG. Did you mean ARGS?"]),
        (["train", "RAW=x", "SEEDS=1"], ["make train", "Received: SEEDS."]),
        (["reproduce-figure1", "MODEL=x"], ["PRESETS", "Received: MODEL."]),
        (["report", "OUTPUT=x"], ["make report", "Received: OUTPUT."]),
    ],
)
def test_a_variable_that_is_not_used(arguments, words):
    code, out, err = make("-n", *arguments)
    assert code != 0 and out == ""
    for word in words:
        assert word in err


def test_variables_become_flags():
    code, out, err = make(
        *("-n", "reproduce-table3", "TARGET=a b.csv", "SEEDS=0,1"),
        "ARGS=--divide_depth=4 --t=9",
    )
    assert code == 0, err
    assert "--target=table3" in out and "--divide_depth=4 --t=9" in out
    assert '${TARGET:+"--target_raw=$TARGET"}' in out


def test_help_lists_all_and_what_it_takes():
    _, out, _ = make("help")
    for name in papers.names():
        (line,) = [x for x in out.splitlines() if f"reproduce-{name} " in x]
        target = papers.find(name)
        uses = getattr(target, "USES", ())
        for flag, variable in (
            ("presets", "PRESETS"),
            ("settings", "SETTINGS"),
            ("pairs", "PAIRS"),
        ):
            assert (variable in line) == (flag in uses), line
    for name in ("quickstart", "train", "step-times", "fidelity", "report"):
        assert f"\n  {name} " in out
