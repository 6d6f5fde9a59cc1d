"""The first thing that a user runs, on less of everything."""

import json

import pytest

from experiments import quickstart
from nextitnet_tf.preparation import synthetic


def test_flags_that_it_does_not_take(call, tmp_path):
    code, _, err = call("quickstart", "--presets=paper")
    assert code == 1
    assert err == (
        "error: quickstart takes --output, --seeds, --table_only. "
        "Received: --presets=paper\n"
    )
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_it_says_what_it_shows(call, tmp_path, monkeypatch):
    prepare = synthetic.prepare_synthetic
    monkeypatch.setattr(
        synthetic,
        "prepare_synthetic",
        lambda folder, t, lags, weights, **_: prepare(
            folder,
            num_rows=300,
            t=t,
            lags=lags,
            weights=weights,
            num_items=24,
            num_groups=4,
        ),
    )
    tiny = {"model_config": {"embedding_dim": 4}, "batch_size": 64}
    monkeypatch.setattr(
        quickstart,
        "OPTIONS",
        {**tiny, "max_steps": 4, "eval_every": 2, "patience": 1},
    )
    code, out, err = call("quickstart")
    assert code == 0, err
    folder = tmp_path / "results" / "quickstart"
    text = (folder / "table.md").read_text()
    assert out.endswith(text + "\n")
    assert "\n\nIn short: StackA-Next-8 " in text
    assert "the best possible is 0." in text
    assert "the best of counting (" in text and "Floor, protocol clean" in text
    # All depths are on the clock of this machine, measured in this run.
    times = json.loads((folder / "step_times.json").read_text())
    assert [name.split(", ")[1] for name in times] == [
        *("2 blocks", "4 blocks", "8 blocks"),
    ]
    assert "a step of that depth, measured in the same run;" in text
