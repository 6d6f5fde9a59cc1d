"""What is kept when training goes wrong."""

import logging

import keras
import numpy as np
import pytest
import tensorflow as tf

from nextitnet_tf.models import NextItNet
from nextitnet_tf.models import saved
from nextitnet_tf.training import fitting
from nextitnet_tf.training import journal
from nextitnet_tf.training.task import Budget


def make_batches(bad_step=None):
    """Step -> batches; the weights of step `bad_step`, from 1, are NaN."""

    def batches_from(step):
        def generate():
            number = step
            while True:
                number += 1
                ids = np.random.default_rng(number).integers(1, 9, (4, 5))
                weights = np.full((4, 4), 1 / 16, "float32")
                if number == bad_step:
                    weights *= np.nan
                yield ids[:, :-1], ids[:, 1:], weights

        return tf.data.Dataset.from_generator(
            generate,
            output_signature=(
                tf.TensorSpec((4, 4), "int64"),
                tf.TensorSpec((4, 4), "int64"),
                tf.TensorSpec((4, 4), "float32"),
            ),
        )

    return batches_from


def fit(folder, batches, values=(0.1, 0.2, 0.3, 0.4, 0.5), rate=1e-3):
    """Ten steps, an evaluation every two, which find `values`."""
    keras.utils.set_random_seed(0)
    model = NextItNet(num_items=8, num_blocks=1, embedding_dim=4)
    model.compile(keras.optimizers.Adam(rate), jit_compile=False)
    found = iter(values)
    folder.mkdir(exist_ok=True)
    return fitting.fit_to_best(
        model,
        batches,
        lambda: {"mrr_at_5": next(found)},
        folder,
        Budget(max_steps=10, eval_every=2, patience=None),
        identity="stage",
        verbose=0,
    )


def test_the_step_that_diverged_is_named(tmp_path):
    with pytest.raises(
        FloatingPointError, match=r"at step 6:.*step 4 and.*of step 4, stay in"
    ):
        fit(tmp_path, make_batches(bad_step=6))
    # What was good is whole, and is what the next start goes on from.
    best = saved.load_model(tmp_path / "best-4.keras")
    assert all(np.isfinite(weights).all() for weights in best.get_weights())
    done = fit(tmp_path, make_batches(), values=(0.3, 0.4, 0.5))
    undisturbed = fit(tmp_path.parent / "undisturbed", make_batches())
    losses = [
        [point["loss"] for point in fitted["curve"]]
        for fitted in (done, undisturbed)
    ]
    assert losses[0] == losses[1]
    assert len(losses[0]) == 5


@pytest.mark.parametrize("rate", [1e-3, 1e3])
def test_a_loss_that_is_worse_than_guessing_is_said(tmp_path, caplog, rate):
    done = fit(tmp_path, make_batches(), rate=rate)
    warnings = [r for r in caplog.records if r.levelname == "WARNING"]
    has_diverged = done["curve"][-1]["loss"] > 2 * np.log(9)
    assert has_diverged == (rate == 1e3)
    assert len(warnings) == has_diverged
    if has_diverged:
        assert "that of guessing, 2.079" in warnings[0].getMessage()


def test_what_a_run_logs_and_shows(tmp_path):
    logger = logging.getLogger("nextitnet_tf")
    level = logger.level
    with journal.kept(tmp_path):
        fit(tmp_path, make_batches())
    assert logger.level == level
    lines = (tmp_path / journal.LOG).read_text().splitlines()
    assert len(lines) == 5
    assert "DEBUG step 4: loss" in lines[1]
    assert "the best 0.2000 at step 4" in lines[1]
    (events,) = (tmp_path / journal.EVENTS).iterdir()
    shown = {}
    for record in tf.compat.v1.io.tf_record_iterator(str(events)):
        event = tf.compat.v1.Event.FromString(record)
        for value in event.summary.value:
            assert value.metadata.plugin_data.plugin_name in ("scalars", "")
            shown.setdefault(value.tag, []).append(
                (event.step, float(tf.make_ndarray(value.tensor)))
            )
    assert shown["val_mrr_at_5"] == [
        (2 * i, pytest.approx(i / 10)) for i in range(1, 6)
    ]


def test_the_program_s_own_log_is_not_flooded(tmp_path):
    """A handler without a level sees what it sees without a run's log."""
    seen = []

    class Seeing(logging.Handler):
        def emit(self, record):
            seen.append(record.levelname)

    handler = Seeing()
    root = logging.getLogger()
    root.addHandler(handler)
    try:
        with journal.kept(tmp_path):
            logger = logging.getLogger("nextitnet_tf.training.fitting")
            logger.debug("of an evaluation")
            logger.warning("of a divergence")
    finally:
        root.removeHandler(handler)
    assert seen == ["WARNING"]
    assert len((tmp_path / journal.LOG).read_text().splitlines()) == 2


def test_a_log_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / journal.LOG).mkdir()
    with (
        pytest.raises(OSError, match=journal.LOG),
        journal.kept(tmp_path),
    ):
        fit(tmp_path, make_batches())
