"""Numbers of a recipe that no training can be done with."""

import dataclasses
import math

import pytest

from nextitnet_tf.models import NextItNet
from nextitnet_tf.models import SkipRec
from nextitnet_tf.recipe import FINE_TUNINGS
from nextitnet_tf.recipe import PROTOCOLS
from nextitnet_tf.recipe import Recipe
from nextitnet_tf.recipe import Stage


@pytest.mark.parametrize(
    ("instance", "field", "value"),
    [
        (PROTOCOLS["clean"], "l2", math.nan),
        (PROTOCOLS["clean"], "l2", -0.1),
        (PROTOCOLS["clean"], "adam_epsilon", -1),
        (PROTOCOLS["clean"], "adam_epsilon", math.inf),
        (PROTOCOLS["clean"], "sampled_fraction", math.nan),
        (Recipe((Stage(1),)), "learning_rate", math.nan),
        (Recipe((Stage(1),)), "learning_rate", math.inf),
        (Recipe((Stage(1),)), "weight_decay", math.inf),
        (Recipe((Stage(1),)), "label_smoothing", math.nan),
        (FINE_TUNINGS["clean"], "learning_rate", math.nan),
        (FINE_TUNINGS["clean"], "target_l2", math.nan),
        (Stage(1), "data_ratio", math.nan),
        (Stage(1), "max_steps", math.inf),
        (Stage(1), "num_blocks", math.nan),
        (Stage(1), "num_blocks", 1001),
    ],
)
def test_a_number_out_of_range_is_named(instance, field, value):
    with pytest.raises(ValueError, match=f"{field}={value}"):
        dataclasses.replace(instance, **{field: value})


def test_a_policy_without_a_finite_cost():
    backbone = NextItNet(num_items=5, num_blocks=2, embedding_dim=4)
    with pytest.raises(ValueError, match="block_cost=nan"):
        SkipRec(backbone, block_cost=math.nan)
