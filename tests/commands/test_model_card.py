"""The card beside a model says what is so, and nothing that data say."""

import numpy as np
import pytest

from nextitnet_tf import data
from nextitnet_tf import training
from nextitnet_tf.commands import model_card
from nextitnet_tf.recipe import Recipe
from nextitnet_tf.recipe import Stage
from nextitnet_tf.training import floor


@pytest.fixture(scope="module", name="card")
def fixture_card(tmp_path_factory):
    """A card, and the run and the floor that it is of."""
    folder = tmp_path_factory.mktemp("card")
    users, steps = np.divmod(np.arange(60 * 6), 6)
    sessions = data.Sessions.from_interactions(
        {"user": users, "item": (users + steps) % 7, "time": steps},
        t=6,
        source="<b>a|b`\n# head",
    )
    recipe = Recipe(
        stages=(Stage(1, max_steps=2, eval_every=2),),
        model_config={"embedding_dim": 4},
        batch_size=16,
    )
    (run,) = training.run(
        recipe, sessions, folder, jit_compile=False, verbose=0
    )
    counted = floor.best(
        floor.count(recipe.protocol, 16, sessions, folder), False
    )
    model_card.write(run, sessions, counted, folder)
    return (folder / model_card.FILE).read_text(), run, counted


def test_its_numbers_are_those_of_the_run(card):
    text, run, counted = card
    (line,) = [s for s in text.splitlines() if s.startswith("| MRR@5 |")]
    cells = [cell.split()[0] for cell in line.strip("| ").split(" | ")[1:]]
    assert cells[0] == f"{run.summary['test']['mrr_at_5']:.4f}"
    assert cells[2] == f"{counted.summary['test']['mrr_at_5']:.4f}"
    assert len(cells) == 4
    assert "48 to train, 6 to stop, 6 to test" in text
    assert "| read | 360 | 60 | 7 |" in text
    assert "seed 0" in text and "Trained for 2 steps" in text


def test_what_it_has_for_who_uses_the_model(card):
    heads = [s for s in card[0].splitlines() if s.startswith("#")]
    assert heads == [
        "# NextItNet-1",
        *(f"## {name}" for name in ("Data", "Results", "Size and speed")),
        *(f"## {name}" for name in ("Use", "Not for", "Licence")),
    ]
    assert "ms for one user" in card[0]


def test_names_from_data_are_no_markdown(card):
    assert "&lt;b>a\\|b'; # head:" in card[0]
