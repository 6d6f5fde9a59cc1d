"""The rules of compression and of sharing, by hand."""

import json

import pytest

from nextitnet_tf.compression import Compression
from nextitnet_tf.sharing import SCHEMES
from nextitnet_tf.sharing import kernel_owners


@pytest.mark.parametrize(
    ("scheme", "expected", "num_kernels"),
    [
        ("none", [(0, 0), (0, 1), (1, 0), (1, 1), (2, 0), (2, 1)], 6),
        ("cross_layer", [(0, 0)] * 6, 1),
        ("cross_block", [(0, 0), (0, 1)] * 3, 2),
        (
            "adjacent_layer",
            [(0, 0), (0, 0), (1, 0), (1, 0), (2, 0), (2, 0)],
            3,
        ),
        (
            "adjacent_block",
            [(0, 0), (0, 1), (0, 0), (0, 1), (2, 0), (2, 1)],
            4,
        ),
    ],
)
def test_owners_of_kernels(scheme, expected, num_kernels):
    owners = kernel_owners(num_blocks=3, scheme=scheme)
    assert owners == expected
    assert len(set(owners)) == num_kernels


def test_owners_that_there_are_not():
    with pytest.raises(ValueError, match="sharing='all'"):
        kernel_owners(2, "all")
    for scheme in SCHEMES:
        with pytest.raises(ValueError, match="num_blocks=0"):
            kernel_owners(0, scheme)


def test_clusters_by_the_rule():
    # 20 % of 1,000; 20 % of the 800 that are left.
    found = Compression.of_popularity(1000, 64, sharing="cross_block")
    assert found == Compression(
        (200, 360, 1000), (64, 16, 4), (64, 16, 4), "cross_block"
    )
    # 20 % of 640, too; 64 / 4^3.
    found = Compression.of_popularity(1000, 64, num_clusters=4)
    assert found.clusters == (200, 360, 488, 1000)
    assert found.embedding_ranks == (64, 16, 4, 1)
    # Every cluster has an item, every rank is at least 1.
    found = Compression.of_popularity(4, 2, num_clusters=4)
    assert found.clusters == (1, 2, 3, 4)
    assert found.softmax_ranks == (2, 1, 1, 1)
    # The paper's B1 has one cluster of a quarter of the width.
    assert Compression.of_popularity(9, 8, num_clusters=1).clusters == (9,)


@pytest.mark.parametrize(
    "options",
    [
        {"num_clusters": 0},
        {"num_clusters": 1001},
        {"head_share": 0.0},
        {"head_share": 1.0},
        {"factor": 0},
    ],
)
def test_rules_that_make_no_clusters(options):
    with pytest.raises(ValueError, match=next(iter(options))):
        Compression.of_popularity(1000, 64, **options)


def test_weights_by_hand():
    found = Compression((20, 45, 60), (16, 4, 1), (16, 4, 1))
    # 20 x 16; 25 x 4 and 4 x 16; 15 x 1 and 1 x 16.
    embedding = 320 + (100 + 64) + (15 + 16)
    # The root has two columns more.
    assert found.num_weights(16) == (embedding, embedding + 2 * 16)
    assert Compression(sharing="cross_block").num_weights(16) == (0, 0)
    # The paper's ML20 numbers: 12 M of 54 K items of width 512.
    ml20 = Compression((7000, 15000, 54000), (512, 128, 32), (512, 128, 32))
    assert sum(ml20.num_weights(512)) / 1e6 == pytest.approx(11.9, abs=0.2)


def test_a_budget_in_bytes():
    for num_bytes in (100_000, 300_000):
        found = Compression.of_bytes(num_bytes, 1000, 64)
        used = 4 * sum(found.num_weights(64))
        # An item more in the first cluster takes 2 x 48 numbers more.
        assert num_bytes - 4 * 4 * 48 < used <= num_bytes
        assert found.embedding_ranks == (64, 16, 4)
    with pytest.raises(ValueError, match="bytes at least"):
        Compression.of_bytes(1000, 1000, 64)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (((20, 20, 60), None, None), "must rise"),
        (((0, 60), None, None), "must rise"),
        (((20, 60), (16,), None), "a rank for each of the 2 clusters"),
        (((20, 60), None, (16, 4, 1)), "a rank for each of the 2 clusters"),
        (((), (), None), "a rank for each of the 0 clusters"),
        (((20, 60), (16, 0), None), "at least 1"),
        (((), None, None, "some"), "sharing='some'"),
        (((20, 60),), "without ranks"),
        (((20.5, 60), (16, 4)), "`clusters` must be a list of whole"),
        ((60, (16,)), "`clusters` must be a list of whole"),
        (((60,), 16), "`embedding_ranks` must be a list of whole"),
    ],
)
def test_what_is_no_compression(arguments, message):
    with pytest.raises(ValueError, match=message):
        Compression(*arguments)


def test_what_fits_a_model():
    found = Compression((20, 60), (16, 4), (32, 4))
    found.check(60, embedding_ranks=16, softmax_ranks=32)
    with pytest.raises(ValueError, match="last boundary must be 61"):
        found.check(61, embedding_ranks=16)
    with pytest.raises(ValueError, match=r"softmax_ranks=\[32, 4\]"):
        found.check(60, embedding_ranks=16, softmax_ranks=16)
    # Blocks alone are shared, whatever the items.
    Compression(sharing="cross_layer").check(7, embedding_ranks=1)


def test_its_configuration():
    found = Compression((20, 60), (16, 4), None, "adjacent_block")
    config = json.loads(json.dumps(found.to_config()))
    assert config == {
        "clusters": [20, 60],
        "embedding_ranks": [16, 4],
        "softmax_ranks": None,
        "sharing": "adjacent_block",
    }
    assert Compression.of(config) == found
    assert Compression.of(found) is found
    assert Compression.of(None) is None
    assert Compression.of("auto") == "auto"
    with pytest.raises(ValueError, match="compression='all'"):
        Compression.of("all")
    with pytest.raises(ValueError, match="{'cluster': "):
        Compression.of({"cluster": [60]})
