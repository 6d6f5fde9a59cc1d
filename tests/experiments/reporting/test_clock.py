"""Seconds of a step: which runs share them, and where they come from."""

import json

import pytest

from experiments.reporting import clock

PROCESSOR = "A processor, 2 cores"
# As files had it before more could be unusual.
OLD = (
    "nextitnet, 8 blocks, embedding_dim 64, batch 256, t 20, 3261 items, "
    "20% sampled"
)


def summary(seconds=0.3, device=PROCESSOR, depth=8, **config):
    return {
        "model": "nextitnet",
        "model_config": {"embedding_dim": 64, **config},
        "stages": [{"num_blocks": 4}, {"num_blocks": depth}],
        "batch_size": 256,
        "data": {"t": 20, "num_items": 3261},
        "protocol": {"sampled_fraction": 0.2},
        "device": device,
        "step_seconds": seconds,
    }


@pytest.fixture
def path(tmp_path):
    def write(**seconds):
        times = {name: {"seconds": value} for name, value in seconds.items()}
        (tmp_path / "step_times.json").write_text(json.dumps(times))
        return tmp_path / "step_times.json"

    return write


@pytest.mark.parametrize(
    ("config", "unusual"),
    [
        ({"use_alpha": True, "dtype": "float32", "kernel_size": 3}, ""),
        ({"use_alpha": False}, ", use_alpha=False"),
        ({"dtype": "mixed_bfloat16"}, ", dtype=mixed_bfloat16"),
        ({"num_heads": 2}, ", num_heads=2"),
        ({"kernel_size": 5}, ", kernel_size=5"),
        ({"variant": "original"}, ", variant=original"),
        ({"dropout_rate": 0.2}, ""),
    ],
)
def test_what_a_time_depends_on(config, unusual):
    assert clock.key(summary(**config)) == OLD + unusual


def test_without_a_file_it_is_the_median_of_the_runs(tmp_path):
    runs = [summary(0.1), summary(0.3, device=None), summary(0.9)]
    other = summary(0.5, use_alpha=False)
    found = clock.Clock(tmp_path / "none.json", [*runs, other])
    assert [found.step_seconds(run) for run in runs] == [0.3] * 3
    assert found.step_seconds(other) == 0.5
    assert not found.is_idle(other)


def test_a_file_without_devices_is_of_a_processor(path):
    file = path(**{OLD: 0.05})
    runs = [summary(), summary(device=None)]
    gpu = summary(0.01, device="NVIDIA H100")
    without_alpha = summary(0.2, use_alpha=False)
    found = clock.Clock(file, [*runs, gpu, without_alpha])
    assert [found.step_seconds(run) for run in runs] == [0.05] * 2
    assert found.step_seconds(gpu) == 0.01 and not found.is_idle(gpu)
    assert found.step_seconds(without_alpha) == 0.2
    assert found.is_idle(runs[0]) and not found.is_idle(without_alpha)


def test_a_time_is_of_its_device(path):
    file = path(
        **{OLD: 0.05, f"{OLD}, on {PROCESSOR}": 0.04, f"{OLD}, on H100": 0.002}
    )
    gpu = summary(0.01, device="H100")
    found = clock.Clock(file, [summary(), gpu])
    assert found.step_seconds(summary()) == 0.04
    assert found.step_seconds(gpu) == 0.002


def test_times_that_hold_compilation_count_where_there_are_no_others(tmp_path):
    """A run that several rows share counts once."""

    def summary(seconds, num_blocks=1, **more):
        return {
            "model": "nextitnet",
            "model_config": {},
            "stages": [{"num_blocks": num_blocks}],
            "batch_size": 8,
            "data": {"t": 5, "num_items": 9},
            "protocol": {"sampled_fraction": 0.0},
            "step_seconds": seconds,
            **more,
        }

    compiled = {"step_seconds_with_compilation": True}
    shared, other = summary(0.01), summary(0.03)
    slow, alone = summary(0.7, **compiled), summary(0.9, 2, **compiled)
    found = clock.Clock(
        tmp_path / "none.json", [shared, shared, shared, other, slow, alone]
    )
    assert found.step_seconds(slow) == 0.02
    assert found.step_seconds(alone) == 0.9
