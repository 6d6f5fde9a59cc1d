"""What a compressed model takes on disk, and a large one in memory."""

import json
import subprocess
import sys

import pytest

import nextitnet_tf
from nextitnet_tf.stored_size import stored_sizes


def test_a_file_shrinks_as_the_weights_do(tmp_path):
    sizes = {}
    for name, compression in (("full", None), ("small", "auto")):
        model = nextitnet_tf.NextItNet(
            19_999, num_blocks=2, embedding_dim=64, compression=compression
        )
        model.save(tmp_path / f"{name}.keras")
        sizes[name] = (tmp_path / f"{name}.keras").stat().st_size
    parts = stored_sizes(model)
    stored, in_full = (
        sum(getattr(part, name) for part in parts)
        for name in ("num_weights", "in_full")
    )
    # Clusters of 4,000, 3,200 and 12,800 at ranks 64, 16 and 4, the root with
    # two columns more; blocks of two convolutions, four norms and an alpha.
    items = 4000 * 64 + 3200 * 16 + 16 * 64 + 12_800 * 4 + 4 * 64
    kernels, own = 2 * (3 * 64 * 64 + 64), 2 * (4 * 64 + 1)
    assert stored == 2 * items + 2 * 64 + kernels + own
    assert in_full == 20_000 * (64 + 65) + 2 * kernels + own
    assert sizes["full"] / sizes["small"] == pytest.approx(
        in_full / stored, rel=0.05
    )


_LARGE = """
import json, resource, sys
import numpy as np
import nextitnet_tf
from nextitnet_tf.models import saved

columns, clusters = int(sys.argv[1]), json.loads(sys.argv[2])
model = nextitnet_tf.NextItNet(
    columns - 1, num_blocks=2, embedding_dim=64,
    compression=nextitnet_tf.Compression(
        clusters, (64, 16, 4), (64, 16, 4), "adjacent_block"
    ),
)
model.compile(optimizer="adam")
rows = np.random.default_rng(0).integers(1, columns, (32, 20)).astype("int32")
losses = [model.train_on_batch(rows[:, :-1], rows[:, 1:]) for _ in range(5)]
model.vocabulary = nextitnet_tf.Vocabulary(
    [None, *range(1, columns)], [0, *[1] * (columns - 1)], 0, 19
)
model.save(sys.argv[3])
loaded = saved.load_model(sys.argv[3])
found = loaded.recommend(rows[:4, 1:].tolist(), k=10)
same = model.recommend(rows[:4, 1:].tolist(), k=10)
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
print(json.dumps([[float(v) for v in losses], found == same, peak]))
"""


def run_large(tmp_path, columns, clusters):
    done = subprocess.run(
        [sys.executable, "-c", _LARGE, str(columns), json.dumps(clusters)]
        + [str(tmp_path / "large.keras")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.slow
def test_a_million_items_within_4_gb(tmp_path):
    losses, is_same, peak_gb = run_large(
        tmp_path, 1_000_000, [130_000, 280_000, 1_000_000]
    )
    assert losses[-1] < losses[0]
    assert is_same
    assert peak_gb < 4
