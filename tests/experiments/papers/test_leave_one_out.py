"""What is run beside published values."""

from experiments import papers
from experiments.papers.field import leave_one_out
from experiments.papers.rows import Choices
from nextitnet_tf.recipe import PROTOCOLS


def make_rows(data, **options):
    return leave_one_out.rows(
        Choices(
            PROTOCOLS["leave_one_out"],
            seed=2,
            settings=leave_one_out.NAMES,
            figures_of=data,
            dataset=data or "",
            options=options,
        )
    )


def test_it_is_found_by_its_name():
    assert papers.find("leave-one-out") is leave_one_out
    assert "leave-one-out" in papers.names()


def test_the_rows():
    rows = make_rows("beauty")
    assert [row.label for row in rows] == [
        "MostPop",
        "Markov (order 1)",
        *(f"Markov (order 5, decay {decay})" for decay in (0.5, 0.7, 0.85)),
        *(f"ItemKNN (decay {decay})" for decay in (0.5, 0.7, 0.85)),
        *(f"EASE (ridge {ridge}, decay 0.7)" for ridge in (100, 300)),
        "SASRec-1 (width 64)",
        "SASRec-1 (width 256)",
        "SASRec-1 (width 64, falling rate)",
        *("NextItNet-4", "GRec-4", "GRU4Rec", "SSE-PT-1", "gated SASRec-1"),
    ]
    recipe = rows[10].recipe
    assert (recipe.batch_size, recipe.learning_rate) == (128, 1e-3)
    assert recipe.seed == 2 and recipe.protocol.stop_on_unseen
    assert recipe.model_config == {
        "embedding_dim": 64,
        "variant": "original",
        "use_alpha": False,
        "dropout_rate": 0.2,
    }
    stage = recipe.stages[0]
    assert (stage.max_steps, stage.eval_every, stage.patience) == (
        *(7000, 175, 10),
    )


def test_other_models_count_passes():
    nextitnet, grec, _, _, gated = make_rows("beauty")[-5:]
    stage = nextitnet.recipe.stages[0]
    assert (stage.max_steps, stage.eval_every, stage.budget_in) == (
        *(20, 1, "passes"),
    )
    assert nextitnet.recipe.model_config == {
        **{"embedding_dim": 64, "dropout_rate": 0.4, "tie_output": True},
    }
    assert (nextitnet.recipe.learning_rate, nextitnet.recipe.decay) == (
        *(4e-3, "cosine"),
    )
    assert grec.recipe.model_config["dropout_rate"] == 0.2
    assert gated.recipe.model_config == {
        **{"embedding_dim": 64, "dropout_rate": 0.2, "block": "gated"},
        **{"variant": "original", "use_alpha": False},
    }
    assert (gated.recipe.learning_rate, gated.recipe.decay) == (
        *(1e-3, "constant"),
    )
    assert gated.recipe.stages[0].max_steps == 40
    stage = make_rows("beauty", max_steps=5000)[-1].last
    assert (stage.max_steps, stage.eval_every) == (5000, 100)
    assert (stage.patience, stage.budget_in) == (10, "steps")
    # SASRec's usual budget is in steps: in passes it is not that many.
    stage = make_rows("beauty", budget_in="passes", max_steps=3, eval_every=1)[
        10
    ].last
    assert (stage.max_steps, stage.budget_in) == (3, "passes")


def test_of_movielens_and_with_a_budget_of_ones_own():
    found = make_rows("ml1m")
    recipe, falling = found[10].recipe, found[12].recipe
    stage = recipe.stages[0]
    # 120 passes of 48 steps, evaluated after every third one.
    assert (stage.num_blocks, stage.max_steps, stage.eval_every) == (
        *(2, 5760, 144),
    )
    assert (recipe.learning_rate, recipe.decay) == (1e-3, "constant")
    assert recipe.model_config["dropout_rate"] == 0.1
    stage = falling.stages[0]
    assert (stage.num_blocks, stage.max_steps, stage.eval_every) == (
        *(2, 4320, 96),
    )
    assert (falling.learning_rate, falling.decay) == (2e-3, "cosine")
    assert falling.model_config["dropout_rate"] == 0.2
    row = make_rows("ml1m", max_steps=20, eval_every=10, learning_rate=0.01)[12]
    stage = row.recipe.stages[0]
    assert (stage.num_blocks, stage.max_steps, stage.eval_every) == (2, 20, 10)
    assert (row.recipe.learning_rate, row.recipe.decay) == (0.01, "cosine")
    other = found[-1].recipe
    assert (other.stages[0].max_steps, other.decay) == (120, "constant")


def test_how_histories_are_kept():
    assert leave_one_out.preparation("ml1m")["t"] == 201
    found = leave_one_out.preparation("games")
    assert found["t"] == 51
    assert found["min_users_per_item"] == found["min_items_per_user"] == 0
