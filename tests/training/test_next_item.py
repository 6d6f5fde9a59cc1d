"""`training.run`: stages, their folders, resuming, stopping, failing."""

import dataclasses
import json
import re
import shutil
from types import SimpleNamespace

import keras
import numpy as np
import pytest

from nextitnet_tf import data
from nextitnet_tf import distribution
from nextitnet_tf import training
from nextitnet_tf.compression import Compression
from nextitnet_tf.models import SkipRec
from nextitnet_tf.models import saved
from nextitnet_tf.protocol import protocol_differences
from nextitnet_tf.recipe import PROTOCOLS
from nextitnet_tf.recipe import Recipe
from nextitnet_tf.recipe import Stage
from nextitnet_tf.training import building
from nextitnet_tf.training import fitting
from nextitnet_tf.training import next_item
from nextitnet_tf.training import provenance
from nextitnet_tf.training import runs as runs_on_disk
from nextitnet_tf.training.checkpoint import Checkpoints
from nextitnet_tf.vocabulary import Vocabulary
from tests.checks import write_sessions

SMALL = {"max_steps": 4, "eval_every": 2, "patience": 5}
MODEL = {"embedding_dim": 4, "dilation_rates": [1, 2]}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """300 sessions of 100 users: the next item is nearly always item + 1."""
    generator = np.random.default_rng(0)
    first = generator.integers(0, 30, 300)
    rows = (first[:, None] + np.arange(6)) % 30 + 1
    noise = generator.random(rows.shape) < 0.1
    rows[noise] = generator.integers(1, 31, noise.sum())
    rows[::3, :2] = 0
    users = np.arange(300) % 100
    return write_sessions(
        tmp_path_factory.mktemp("data") / "s", rows, users=users
    )


@pytest.fixture(scope="module")
def sessions(folder):
    return data.read_sessions(folder)


def make_recipe(*stages, **changes):
    return Recipe(
        stages=stages or (Stage(1, **SMALL),),
        **{"model_config": MODEL, "batch_size": 16, **changes},
    )


def run(recipe, sessions, folder, **options):
    return training.run(
        recipe, sessions, folder, jit_compile=False, verbose=0, **options
    )


TWO_STAGES = (
    Stage(1, data_ratio=0.5, **SMALL),
    Stage(2, method="adjacent", preset="paper", **SMALL),
)


@pytest.fixture
def count_fits(monkeypatch):
    """How often a model was fitted, by its number of blocks."""
    fitted = []
    fit = keras.Model.fit

    def counting_fit(self, *args, **kwargs):
        fitted.append(len(self.blocks))
        return fit(self, *args, **kwargs)

    monkeypatch.setattr(keras.Model, "fit", counting_fit)
    return fitted


# --- what a run leaves ----------------------------------------------------


@pytest.fixture(scope="module")
def two_stages(sessions, tmp_path_factory):
    """(runs, folder); tests that change the folder work on a copy."""
    folder = tmp_path_factory.mktemp("runs") / "runs"
    recipe = make_recipe(*TWO_STAGES)
    return run(recipe, sessions, folder), folder


def test_each_stage_has_a_folder(two_stages):
    runs, folder = two_stages
    assert len(runs) == 2
    assert sorted(p.name for p in folder.iterdir()) == sorted(
        r.folder.name for r in runs
    )
    assert runs[0].folder.name.startswith("nextitnet-1-scratch-50pct-seed0")
    assert runs[1].folder.name.startswith(
        "nextitnet-2-adjacent-paper-100pct-seed0"
    )
    for r in runs:
        assert sorted(p.name for p in r.folder.iterdir()) == [
            "log.csv",
            "model.keras",
            "ranks.npz",
            "run.json",
            "tensorboard",
            "train.log",
        ]
        written = json.loads((r.folder / "run.json").read_text())
        assert written == json.loads(json.dumps(r.summary))


def test_ranks_are_those_of_the_test(two_stages, sessions):
    runs, _ = two_stages
    for r in runs:
        ranks, test = r.read_ranks(), r.summary["test"]
        assert ranks.shape == (test["num_sessions"],)
        assert ranks.dtype == "uint8"
        for at in (5, 10):
            within = ranks < at
            assert within.mean() == pytest.approx(test[f"hit_rate_at_{at}"])
            assert (within / (ranks + 1)).mean() == pytest.approx(
                test[f"mrr_at_{at}"]
            )


def test_ranks_among_unseen_items_are_those_of_the_models_scores(
    two_stages, sessions
):
    runs, _ = two_stages
    recipe = make_recipe(*TWO_STAGES)
    test = data.split(sessions, recipe.protocol).test
    rows = sessions.rows[test]
    scores = np.array(runs[1].load_model()(rows[:, :-1]))
    scores[:, 0] = -np.inf  # padding
    expected = []
    for row, of_row in zip(rows, scores, strict=True):
        target = row[-1]
        others = np.setdiff1d(np.arange(len(of_row)), [*row, target])
        expected.append((of_row[others] > of_row[target]).sum())
    found = runs[1].read_ranks(exclude_seen=True)
    assert (found < runs[1].read_ranks()).any()
    # Scores computed in another batch may swap neighbours.
    assert np.abs(found.astype(int) - expected).max() <= 1
    assert (found == expected).mean() > 0.95


def test_what_a_summary_says(two_stages, sessions):
    (first, second), _ = two_stages
    summary = second.summary
    assert [point["step"] for point in summary["curve"]] == [2, 4]
    best = max(point["val_mrr_at_5"] for point in summary["curve"])
    assert summary["best_validation"] == best
    (best_step,) = [
        p["step"] for p in summary["curve"] if p["val_mrr_at_5"] == best
    ][:1]
    assert summary["best_step"] == best_step
    seconds = [point["train_seconds"] for point in summary["curve"]]
    assert 0 < seconds[0] < seconds[1]
    assert summary["step_seconds"] > 0
    assert summary["wall_seconds"] >= seconds[-1]
    assert summary["stages"][-1]["num_blocks"] == 2
    assert summary["stages"][-1]["method"] == "adjacent"
    assert summary["protocol"]["name"] == "clean"
    assert summary["protocol_differences"] == []
    assert (summary["seed"], summary["batch_size"]) == (0, 16)
    assert summary["jit_compile"] is False
    assert summary["num_devices"] == 1
    assert summary["data"]["num_rows"] == 300
    assert summary["data"]["num_items"] == 30
    # 80 of 100 users with three rows each; half of them in the first stage.
    assert summary["num_train_rows"] == 240
    assert first.summary["num_train_rows"] == 120
    assert summary["num_sessions"] == summary["test"]["num_sessions"] == 30
    # Two blocks, 4 wide: 2 * (3 * 16 + 4 + 8) + 1 each; 31 columns.
    weights = 2 * (2 * (48 + 4 + 8) + 1) + 31 * (2 * 4 + 1)
    assert weights <= summary["num_parameters"] <= weights + 2


def test_the_model_of_a_stage(two_stages, sessions):
    _, second = two_stages[0]
    model = second.load_model()
    assert len(model.blocks) == 2
    assert list(model.vocabulary.raw_ids) == [None, *range(101, 131)]
    assert model.vocabulary.history_length == 5
    assert len(model.recommend([[101, 102], []], k=3)[0]) == 3
    # Its metrics are those of the summary.
    recipe = make_recipe(*TWO_STAGES)
    parts = data.split(sessions, recipe.protocol)
    found = training.evaluate(model, sessions, parts.test, recipe)
    for name, value in second.summary["test"].items():
        assert found[name] == pytest.approx(value, rel=1e-5), name


def test_reported_metrics_by_hand(two_stages, sessions):
    """From the logits, in plain NumPy: everybody, padding left out."""
    _, second = two_stages[0]
    model = second.load_model()
    rows = sessions.rows[data.split(sessions, PROTOCOLS["clean"]).test]
    logits = model(rows[:, :-1]).numpy()[:, 1:]
    targets = rows[:, -1] - 1
    of_target = np.take_along_axis(logits, targets[:, None], axis=1)
    ranks = (logits > of_target).sum(axis=1)
    assert len(ranks) == 30
    for n in (5, 10):
        hits = ranks < n
        expected = {
            f"mrr_at_{n}": (hits / (ranks + 1)).mean(),
            f"hit_rate_at_{n}": hits.mean(),
            f"ndcg_at_{n}": (hits / np.log2(ranks + 2)).mean(),
        }
        for name, value in expected.items():
            assert second.summary["test"][name] == pytest.approx(
                value, abs=1e-6
            )


def test_read_run(two_stages, sessions, tmp_path):
    runs, folder = two_stages
    recipe = make_recipe(*TWO_STAGES)
    found = training.read_run(recipe, sessions, folder)
    assert found.folder == runs[1].folder
    assert found.summary["best_step"] == runs[1].summary["best_step"]
    assert training.read_run(recipe, sessions, tmp_path) is None
    other = make_recipe(*TWO_STAGES, seed=1)
    assert training.read_run(other, sessions, folder) is None


def test_a_stage_keeps_its_best_weights(
    sessions, tmp_path, monkeypatch, script_mrr
):
    seen = []
    save = Checkpoints.save

    def watch(self, model, progress):
        seen.append([v.numpy() for v in model.trainable_variables])
        save(self, model, progress)

    monkeypatch.setattr(Checkpoints, "save", watch)
    script_mrr([0.1, 0.9, 0.2])
    recipe = make_recipe(Stage(1, max_steps=3, eval_every=1))
    (done,) = run(recipe, sessions, tmp_path)
    assert done.summary["best_step"] == 2
    optimizer = done.load_model(with_optimizer=True).optimizer
    assert int(optimizer.iterations) == 2  # the slots are of that step, too
    assert [p.name for p in done.folder.glob("*.keras")] == ["model.keras"]
    _, _, best, last = seen
    kept = done.load_model().trainable_variables
    for variable, value in zip(kept, best, strict=True):
        np.testing.assert_array_equal(variable.numpy(), value)
    assert not all(map(np.array_equal, best, last))


def test_continuing_goes_on_with_the_same_model(
    sessions, tmp_path, monkeypatch
):
    recipe = make_recipe(
        Stage(1, data_ratio=0.5, **SMALL),
        Stage(1, method="continue", **SMALL),
    )
    before = []
    fit = keras.Model.fit

    def watching_fit(self, *args, **kwargs):
        before.append([v.numpy() for v in self.trainable_variables])
        return fit(self, *args, **kwargs)

    monkeypatch.setattr(keras.Model, "fit", watching_fit)
    first, _ = run(recipe, sessions, tmp_path)
    for value, variable in zip(
        before[1], first.load_model().trainable_variables, strict=True
    ):
        np.testing.assert_array_equal(value, variable.numpy())


# --- resuming -------------------------------------------------------------


def copy_of(two_stages, tmp_path):
    runs, folder = two_stages
    shutil.copytree(folder, tmp_path / "runs")
    return tmp_path / "runs", [tmp_path / "runs" / r.folder.name for r in runs]


def test_done_stages_are_not_run_again(
    two_stages, sessions, tmp_path, count_fits
):
    folder, stages = copy_of(two_stages, tmp_path)
    recipe = make_recipe(*TWO_STAGES)
    again = run(recipe, sessions, folder)
    assert count_fits == []
    assert [r.folder for r in again] == stages
    assert [r.summary for r in again] == [
        json.loads(json.dumps(r.summary)) for r in two_stages[0]
    ]
    # A recipe that begins alike shares its stages.
    longer = make_recipe(
        *TWO_STAGES, Stage(3, method="cross", preset="best", **SMALL)
    )
    assert len(run(longer, sessions, folder)) == 3
    assert count_fits == [3]
    # A model that is not needed any more may be thrown away.
    shutil.rmtree(stages[1])
    (stages[0] / "model.keras").unlink()
    assert len(run(make_recipe(TWO_STAGES[0]), sessions, folder)) == 1
    assert count_fits == [3]


def test_a_model_thrown_away_is_trained_again_only_if_needed(
    two_stages, sessions, tmp_path, count_fits
):
    folder, (first, second) = copy_of(two_stages, tmp_path)
    recipe = make_recipe(*TWO_STAGES)
    (first / "model.keras").unlink()
    (second / "model.keras").unlink()
    run(recipe, sessions, folder)
    assert count_fits == []
    (second / "run.json").unlink()
    resumed = run(recipe, sessions, folder)
    assert count_fits == [1, 2]
    assert (first / "model.keras").is_file()
    assert curves(resumed) == curves(two_stages[0])


def test_an_interrupted_stage_goes_on(
    two_stages, sessions, tmp_path, monkeypatch
):
    folder = tmp_path / "runs"
    recipe = make_recipe(*TWO_STAGES)
    save = Checkpoints.save

    def interrupt(self, model, progress):
        save(self, model, progress)
        if len(model.blocks) == 2:
            raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Checkpoints, "save", interrupt)
        with pytest.raises(KeyboardInterrupt):
            run(recipe, sessions, folder)
    first, second = (folder / r.folder.name for r in two_stages[0])
    assert (first / "run.json").is_file()
    assert second.is_dir()
    assert not (second / "run.json").exists()
    assert not (second / "model.keras").exists()
    assert training.read_run(recipe, sessions, folder) is None
    written = (first / "run.json").stat().st_mtime_ns

    resumed = run(recipe, sessions, folder)
    assert (first / "run.json").stat().st_mtime_ns == written
    # As if nothing had happened.
    assert curves(resumed) == curves(two_stages[0])
    for found, expected in zip(
        resumed[1].load_model().get_weights(),
        two_stages[0][1].load_model().get_weights(),
        strict=True,
    ):
        np.testing.assert_array_equal(found, expected)


def curves(runs):
    return [
        [(p["step"], p["loss"], p["val_mrr_at_5"]) for p in r.summary["curve"]]
        for r in runs
    ]


def test_a_seed_decides_a_run(two_stages, sessions, tmp_path):
    keras.utils.set_random_seed(99)  # must not matter
    again = run(make_recipe(TWO_STAGES[0]), sessions, tmp_path / "a")
    assert curves(again) == curves(two_stages[0][:1])
    other = run(make_recipe(TWO_STAGES[0], seed=1), sessions, tmp_path / "b")
    assert curves(other) != curves(again)


@pytest.mark.parametrize(
    "change",
    [
        {"seed": 1},
        {"batch_size": 8},
        {"learning_rate": 0.1},
        {"model_config": {**MODEL, "embedding_dim": 8}},
        {"protocol": PROTOCOLS["release"]},
        {"protocol": dataclasses.replace(PROTOCOLS["clean"], l2=0.1)},
        {"stages": (Stage(1, data_ratio=0.25, **SMALL),)},
        {"stages": (Stage(1, **{**SMALL, "patience": 6}),)},
        {"stages": (Stage(1, **{**SMALL, "max_steps": 6}),)},
    ],
)
def test_what_determines_a_stage_is_in_its_name(change):
    recipe = make_recipe()
    name = runs_on_disk.name_of(recipe, "print")
    assert runs_on_disk.name_of(make_recipe(), "print") == name
    other = dataclasses.replace(recipe, **change)
    assert runs_on_disk.name_of(other, "print") != name
    assert runs_on_disk.name_of(recipe, "other data") != name


# --- protocols ------------------------------------------------------------


def test_clean_stops_on_validation_and_reports_on_test(
    sessions, tmp_path, monkeypatch
):
    (seen, done) = evaluated_rows(
        make_recipe(), sessions, tmp_path, monkeypatch
    )
    validation, test = seen  # in training, then the report
    assert len(validation) == len(test) == 30
    users = [set(sessions.users[rows]) for rows in seen]
    assert not users[0] & users[1]
    assert done.summary["num_sessions"] == 30


def test_release_stops_and_reports_on_the_same_sessions(
    folder, tmp_path, monkeypatch
):
    sessions = data.read_sessions(folder, "first_appearance")
    recipe = make_recipe(
        Stage(1, data_ratio=0.6, **SMALL), protocol=PROTOCOLS["release"]
    )
    seen, done = evaluated_rows(recipe, sessions, tmp_path, monkeypatch)
    np.testing.assert_array_equal(seen[0], seen[1])
    assert len(seen[0]) == 60
    # 60 sessions in batches of 16: three of them, the last is dropped.
    summary = done.summary
    assert summary["num_sessions"] == 48
    assert summary["best_validation"] == pytest.approx(
        summary["test"]["mrr_at_5"], abs=1e-7
    )
    # The release's 0.6 of 240 rows, its flaw included: int(0.19999 * 240).
    assert summary["num_train_rows"] == 47 + 48 + 48
    assert summary["data"]["num_items"] == 31  # padding is one


def evaluated_rows(recipe, sessions, folder, monkeypatch):
    """The row numbers of each evaluation set made."""
    seen = []
    make = data.make_evaluation_dataset

    def watch(sessions, row_numbers, batch_size, protocol, **options):
        seen.append(np.asarray(row_numbers))
        return make(sessions, row_numbers, batch_size, protocol, **options)

    monkeypatch.setattr(data, "make_evaluation_dataset", watch)
    (done,) = run(recipe, sessions, folder)
    return seen, done


def test_what_a_protocol_compiles(folder):
    for name, numbering in (
        ("release", "first_appearance"),
        ("clean", "frequency"),
    ):
        protocol = PROTOCOLS[name]
        sessions = data.read_sessions(folder, numbering)
        recipe = make_recipe(protocol=protocol)
        model = training.make_model(recipe, 2, sessions)
        training.compile_model(model, recipe, sessions, jit_compile=False)
        kernels = [model.blocks[0].conv1.kernel, model.blocks[1].conv2.kernel]
        is_release = name == "release"
        assert np.array_equal(*(k.numpy() for k in kernels)) == is_release
        assert model.optimizer.epsilon == (1e-8 if is_release else 1e-7)
        # 30 items, padding and <UNK>: int(0.2 * 32).
        assert model.num_sampled == (6 if is_release else None)
        assert model.num_items == (31 if is_release else 30)
        assert model.l2 == 0


def test_protocol_of_cprec_s_release(folder, tmp_path):
    protocol = PROTOCOLS["cprec_release"]
    sessions = data.read_sessions(folder, protocol.item_ids)
    counts = np.bincount(sessions.rows.ravel(), minlength=31)
    assert (np.diff(counts) <= 0).all()  # padding's, too
    assert counts[sessions.vocabulary.padding_id] > 0
    assert sessions.num_items == 30
    known = sessions.vocabulary
    assert known.raw_ids[known.padding_id] is None
    compression = Compression((5, 12, 31), (8, 4, 2), (8, 4, 2))
    recipe = make_recipe(
        protocol=protocol,
        model_config={"embedding_dim": 8, "compression": compression},
    )
    model = training.make_model(recipe, 2, sessions)
    training.compile_model(model, recipe, sessions, jit_compile=False)
    assert model.l2 == 0.001 and model.num_sampled is None
    assert model.optimizer.epsilon == 1e-8
    # All items have one score: of the 31 columns that with the last id is
    # first, and padding is ranked like any other.
    model.item_softmax.call = lambda hidden: np.zeros(
        (hidden.shape[0], 31), "float32"
    )
    rows = np.flatnonzero(sessions.rows[:, -1] == 30)
    others = np.flatnonzero(sessions.rows[:, -1] == 28)
    for chosen, expected in ((rows, 1.0), (others, 1 / 3)):
        chosen = np.resize(chosen, 17)  # one batch, and one row to drop
        found = training.evaluate(model, sessions, chosen, recipe)
        assert found["mrr_at_5"] == pytest.approx(expected)


def test_protocol_of_skiprec_s_release(folder):
    protocol = PROTOCOLS["skiprec_release"]
    sessions = data.read_sessions(folder, protocol.item_ids)
    counts = np.bincount(sessions.rows.ravel(), minlength=32)
    # 30 items and padding by falling frequency, after <UNK>.
    assert counts[0] == 0 and (np.diff(counts[1:]) <= 0).all()
    assert counts[sessions.vocabulary.padding_id] > 0
    assert sessions.num_items == 31
    recipe = make_recipe(
        protocol=protocol, model_config={**MODEL, "skip": {"policy": "cnn"}}
    )
    model = training.make_model(recipe, 2, sessions)
    training.compile_model(model, recipe, sessions, jit_compile=False)
    assert model.l2 == 0 and model.num_sampled == 6  # int(0.2 * 32)
    assert model.optimizer.epsilon == 1e-8
    kernels = [b.conv1.kernel.numpy() for b in model.backbone.blocks]
    assert not np.array_equal(*kernels)
    # All items have one score: the last id is first, padding is ranked, too.
    model.backbone.item_softmax.call = lambda hidden: np.zeros(
        (hidden.shape[0], 32), "float32"
    )
    for last, expected in ((31, 1.0), (29, 1 / 3)):
        rows = np.flatnonzero(sessions.rows[:, -1] == last)
        rows = np.resize(rows, 16)  # one batch, which is full
        found = training.evaluate(model, sessions, rows, recipe)
        assert found["mrr_at_5"] == pytest.approx(expected)
        assert found["num_sessions"] == 16
    # Padding in a history is a target that counts.
    parts = data.split(sessions, protocol)
    assert (len(parts.train), len(parts.test)) == (270, 30)
    batches = data.make_training_dataset(sessions, parts.train, 16, protocol)
    _, targets, weights = next(iter(batches))
    assert (targets.numpy() == sessions.vocabulary.padding_id).any()
    np.testing.assert_allclose(weights, 1 / targets.numpy().size, rtol=1e-6)


@pytest.mark.parametrize(
    ("name", "expected"), [("release", 0.5), ("clean", 1.0)]
)
def test_padding_in_the_ranking(folder, tmp_path, name, expected):
    """Padding outscores every item, the target comes second."""
    numbering = {"release": "first_appearance", "clean": "frequency"}[name]
    sessions = data.read_sessions(folder, numbering)
    recipe = make_recipe(protocol=PROTOCOLS[name])
    model = training.make_model(recipe, 1, sessions)
    training.compile_model(model, recipe, sessions, jit_compile=False)
    bias = np.zeros(sessions.num_items + 1)
    bias[sessions.vocabulary.padding_id] = 9
    target = int(sessions.rows[0, -1])
    bias[target] = 8
    model.item_softmax.bias.assign(bias)
    rows = np.flatnonzero(sessions.rows[:, -1] == target)
    assert len(rows) > 1
    rows = np.resize(rows, 17)  # one batch, and one row to drop
    found = training.evaluate(model, sessions, rows, recipe)
    assert found["mrr_at_5"] == pytest.approx(expected)


@pytest.mark.parametrize(
    ("name", "numbering"),
    [("release", "frequency"), ("clean", "first_appearance")],
)
def test_sessions_that_are_numbered_otherwise(
    folder, tmp_path, name, numbering
):
    sessions = data.read_sessions(folder, numbering)
    recipe = make_recipe(protocol=PROTOCOLS[name])
    with pytest.raises(ValueError, match=f"Received: item_ids='{numbering}'"):
        training.run(recipe, sessions, tmp_path)
    assert not list(tmp_path.glob("nextitnet-*"))


# --- a policy -------------------------------------------------------------


def test_a_policy_belongs_to_the_last_stage(sessions, tmp_path):
    """What comes before is trained, and named, as if there were none."""
    skip = {"policy": "cnn", "block_cost": 0.1}
    plain = make_recipe(*TWO_STAGES)
    recipe = make_recipe(*TWO_STAGES, model_config={**MODEL, "skip": skip})
    shallow, deep = run(recipe, sessions, tmp_path)
    assert [r.folder.name for r in run(plain, sessions, tmp_path)][0] == (
        shallow.folder.name
    )
    assert "skip" not in shallow.summary["model_config"]
    assert deep.recipe == recipe
    assert not isinstance(shallow.load_model(), SkipRec)
    model = deep.load_model()
    assert isinstance(model, SkipRec) and model.block_cost == 0.1
    assert len(model.backbone.blocks) == 2
    assert model.recommend([[3, 4]], k=3)
    # A model that was trained before gives the policy its embedding.
    begun = next_item.NextItem(recipe, sessions).begin(1, shallow)
    np.testing.assert_array_equal(
        begun.skip_policy.item_embedding.embeddings,
        shallow.load_model().item_embedding.embeddings,
    )
    alone = next_item.NextItem(
        make_recipe(model_config={**MODEL, "skip": skip}), sessions
    ).begin(0, None)
    assert isinstance(alone, SkipRec)


def test_a_policy_for_a_model_without_is_refused_at_once(sessions, tmp_path):
    config = {**MODEL, "skip": {"policy": "cnn"}}
    recipe = make_recipe(*TWO_STAGES, model="grec", model_config=config)
    with pytest.raises(ValueError, match="GRec, whose objective"):
        run(recipe, sessions, tmp_path)
    assert not any(tmp_path.iterdir())


def test_a_policy_does_not_take_over_an_optimizer(sessions, tmp_path):
    stages = (
        Stage(1, **SMALL),
        Stage(2, method="adjacent", switches=(("optimizer", True),), **SMALL),
    )
    recipe = make_recipe(
        *stages, model_config={**MODEL, "skip": {"policy": "random"}}
    )
    with pytest.raises(ValueError, match='switch "optimizer" off'):
        run(recipe, sessions, tmp_path)


# --- stopping -------------------------------------------------------------


@pytest.fixture
def script_mrr(monkeypatch):
    """`script_mrr(values)`: what the evaluations of the next fit say."""

    def script(values):
        remaining = iter(values)

        fit = fitting.fit_to_best

        def scripted(model, batches_from, validate, *args, **options):
            def read_out():
                return {**validate(), "mrr_at_5": next(remaining)}

            return fit(model, batches_from, read_out, *args, **options)

        monkeypatch.setattr(fitting, "fit_to_best", scripted)

    return script


@pytest.mark.parametrize(
    ("values", "patience", "num_evaluations", "best_step"),
    [
        # The best at the second evaluation, then `patience` without a better.
        ([0.1, 0.5, 0.2, 0.3, 0.4, 0.9], 3, 5, 4),
        # As good is not better.
        ([0.5, 0.5, 0.5, 0.9], 2, 3, 2),
        # An improvement starts the count anew.
        ([0.1, 0.05, 0.2, 0.15, 0.3, 0.25], 2, 6, 10),
    ],
)
def test_patience(
    sessions, tmp_path, script_mrr, values, patience, num_evaluations, best_step
):
    """Six evaluations, every two steps, at most."""
    script_mrr(values)
    recipe = make_recipe(
        Stage(1, max_steps=12, eval_every=2, patience=patience)
    )
    (done,) = run(recipe, sessions, tmp_path)
    assert len(done.summary["curve"]) == num_evaluations
    assert done.summary["best_step"] == best_step


def test_max_steps_are_a_cap(sessions, tmp_path):
    recipe = make_recipe(Stage(1, max_steps=7, eval_every=2, patience=99))
    (done,) = run(recipe, sessions, tmp_path)
    # Every two steps; the last interval is shorter.
    assert [p["step"] for p in done.summary["curve"]] == [2, 4, 6, 7]
    optimizer = done.load_model(with_optimizer=True).optimizer
    assert int(optimizer.iterations) == done.summary["best_step"]


def test_training_learns(sessions, tmp_path):
    """The next item is nearly always item + 1: chance is 0.07."""
    recipe = make_recipe(
        Stage(1, max_steps=120, eval_every=40),
        learning_rate=0.05,
        model_config={**MODEL, "embedding_dim": 16},
    )
    (done,) = run(recipe, sessions, tmp_path)
    assert done.summary["test"]["mrr_at_5"] > 0.5
    losses = [p["loss"] for p in done.summary["curve"]]
    assert losses[-1] < losses[0] < np.log(31) + 0.1


def test_a_budget_in_passes(sessions, tmp_path, monkeypatch):
    """240 of the 300 rows train: 15 batches of 16 are a pass."""
    monkeypatch.setattr(next_item, "LEAST_STEPS_OF_PASS", 3)
    stage = Stage(1, max_steps=3, eval_every=2, budget_in="passes")
    (done,) = run(make_recipe(stage), sessions, tmp_path)
    assert [p["step"] for p in done.summary["curve"]] == [30, 45]
    # Half of the rows: 120, 7 batches and a half.
    half = Stage(1, 0.5, max_steps=2, eval_every=1, budget_in="passes")
    (done,) = run(make_recipe(half), sessions, tmp_path)
    assert [p["step"] for p in done.summary["curve"]] == [8, 16]
    # A pass has a least number of steps.
    monkeypatch.setattr(next_item, "LEAST_STEPS_OF_PASS", 20)
    (done,) = run(make_recipe(half), sessions, tmp_path / "again")
    assert [p["step"] for p in done.summary["curve"]] == [20, 40]


def test_a_rate_decays_over_the_passes(sessions, tmp_path, monkeypatch):
    """To a hundredth at the last of 2 passes of 15 steps, not before."""
    monkeypatch.setattr(next_item, "LEAST_STEPS_OF_PASS", 3)
    stage = Stage(1, max_steps=2, eval_every=1, budget_in="passes")
    recipe = make_recipe(stage, decay="cosine", learning_rate=0.01)
    task = next_item.NextItem(recipe, sessions)
    model = task.begin(0, None)
    task.compile(0, model, jit_compile=False)
    rate = model.optimizer._learning_rate
    assert float(rate(0)) == pytest.approx(0.01)
    # Half-way: (1 + 0.01) / 2 of it.
    assert float(rate(15)) == pytest.approx(0.01 * 0.505)
    assert float(rate(30)) == pytest.approx(0.0001)


def test_a_rate_that_falls_late_in_the_last_stage(sessions, tmp_path):
    """It is held for 20 of 40 steps, and the first stage keeps it."""
    stages = (
        Stage(1, max_steps=10, eval_every=10),
        Stage(2, method="adjacent", max_steps=40, eval_every=40, decay="late"),
    )
    recipe = make_recipe(*stages, learning_rate=0.01)
    task = next_item.NextItem(recipe, sessions)
    model = task.begin(0, None)
    task.compile(0, model, jit_compile=False)
    assert isinstance(model.optimizer._learning_rate, keras.Variable)
    model = task.begin(0, None)
    task.compile(1, model, jit_compile=False)
    rate = model.optimizer._learning_rate
    found = [float(rate(step)) for step in (0, 10, 20, 30, 40, 41)]
    assert found == pytest.approx([0.01, 0.01, 0.01, 0.00505, 0.0001, 0.0001])


# --- other models, errors -------------------------------------------------


def test_most_pop(sessions, tmp_path):
    recipe = make_recipe(
        Stage(1, data_ratio=0.5, **SMALL), model="most_pop", model_config={}
    )
    (done,) = run(recipe, sessions, tmp_path)
    assert done.summary["curve"] == []
    assert done.summary["num_sessions"] == 30
    parts = data.split(sessions, PROTOCOLS["clean"], 0.5)
    counts = np.bincount(sessions.rows[parts.train].ravel(), minlength=31)
    model = done.load_model()
    np.testing.assert_array_equal(model(np.zeros((1, 5)))[0], counts)
    # Its hit rate, by hand: the target among the five most frequent items.
    best = np.argsort(-counts[1:], kind="stable")[:5] + 1
    hits = np.isin(sessions.rows[parts.test, -1], best).mean()
    assert done.summary["test"]["hit_rate_at_5"] == pytest.approx(hits)
    assert len(model.recommend([[]], k=5)[0]) == 5


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_a_loss_that_diverges(sessions, tmp_path):
    recipe = make_recipe(
        Stage(2, max_steps=60, eval_every=20), learning_rate=1e30
    )
    # The first step's loss is that of the weights it begins with.
    with pytest.raises(
        FloatingPointError, match=r"at step 2:.*learning_rate=1e\+30"
    ):
        run(recipe, sessions, tmp_path)
    assert training.read_run(recipe, sessions, tmp_path) is None


def test_depths_out_of_reach_are_refused_before_any_training():
    with pytest.raises(ValueError, match="num_blocks=2"):
        make_recipe(TWO_STAGES[0], Stage(2, method="continue", **SMALL))
    with pytest.raises(ValueError, match="num_target=1"):
        make_recipe(TWO_STAGES[0], Stage(1, method="cross", **SMALL))


def test_a_foreign_model_is_refused_in_one_sentence(tmp_path):
    foreign = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    foreign.save(tmp_path / "model.keras")
    with pytest.raises(ValueError, match="a Sequential"):
        saved.load_model(tmp_path / "model.keras")


def test_a_lost_model_is_trained_again_if_it_is_wanted(
    sessions, two_stages, tmp_path
):
    folder, stages = copy_of(two_stages, tmp_path)
    recipe = make_recipe(*TWO_STAGES)
    model = stages[-1] / "model.keras"
    model.unlink()
    run(recipe, sessions, folder)
    assert not model.exists()
    run(recipe, sessions, folder, needs_model=True)
    assert model.exists()


def test_recipes_and_stages_that_make_no_sense():
    with pytest.raises(ValueError, match="from scratch"):
        Recipe(stages=())
    with pytest.raises(ValueError, match="from scratch"):
        Recipe(stages=(Stage(2, method="adjacent"),))
    for wrong in (
        {"num_blocks": 0},
        {"num_blocks": 2, "data_ratio": 0},
        {"num_blocks": 2, "data_ratio": 1.5},
        {"num_blocks": 2, "method": "stackA"},
        {"num_blocks": 2, "method": "cross", "preset": "newest"},
        {"num_blocks": 2, "patience": 0},
        {"num_blocks": 2, "max_steps": 10, "eval_every": 11},
    ):
        with pytest.raises(ValueError, match="Received"):
            Stage(**wrong)
    for wrong in (
        {"item_ids": "random"},
        {"split": "time"},
        {"nesting": "none"},
        {"sampled_fraction": 1.0},
        {"sampled_fraction": -0.1},
    ):
        with pytest.raises(ValueError, match="Received"):
            dataclasses.replace(PROTOCOLS["clean"], **wrong)


def test_loading_what_is_no_model(tmp_path):
    with pytest.raises(ValueError, match="no file"):
        saved.load_model(tmp_path / "missing.keras")
    path = tmp_path / "model.keras"
    path.write_text("not a model")
    with pytest.raises(ValueError, match="saved model"):
        saved.load_model(path)


def test_protocol_differences():
    release = PROTOCOLS["release"]
    assert protocol_differences(release) == []
    changed = dataclasses.replace(release, nesting="repaired", l2=0.5)
    assert protocol_differences(changed) == ["nesting=repaired", "l2=0.5"]


def test_what_ran_where():
    """Of this checkout, or of none."""
    found = provenance.commit()
    assert found is None or re.fullmatch(r"[0-9a-f]{12}(-dirty)?", found)
    assert distribution.device_name().endswith("cores") or (
        "GPU" in distribution.device_name()
    )


def test_keras_own_evaluation_agrees_with_ranks(two_stages, sessions):
    """At the first call and at later ones: 30 sessions fill a batch of 16.

    Keras can count a batch that is not there at the first `evaluate` on a
    dataset of fixed batch size (keras issue 23084); its weights are 0 here.
    """
    _, second = two_stages[0]
    recipe = make_recipe(*TWO_STAGES)
    model = second.load_model()
    training.compile_model(model, recipe, sessions, jit_compile=False)
    test = data.split(sessions, recipe.protocol).test
    dataset, num_sessions = data.make_evaluation_dataset(
        sessions, test, recipe.batch_size, recipe.protocol
    )
    assert num_sessions == 30
    expected = second.summary["test"]
    for _ in range(2):
        found = model.evaluate(dataset, verbose=0, return_dict=True)
        for name in set(expected) - {"num_sessions"}:
            assert found[name] == pytest.approx(expected[name], abs=1e-6), name
    of_ranks = training.evaluate(model, sessions, test, recipe)
    assert of_ranks == pytest.approx(expected, abs=1e-6)


def test_what_cannot_be_taught_is_refused_at_once(sessions, tmp_path):
    """Not after the stages before have been trained."""
    stages = (Stage(2), Stage(1, method="distill"))
    with pytest.raises(ValueError, match="histories as they are.*GRec"):
        run(make_recipe(*stages, model="grec"), sessions, tmp_path)
    kept = Stage(2, method="adjacent", switches=(("optimizer", True),))
    recipe = make_recipe(
        Stage(1), kept, model_config={**MODEL, "skip": {"policy": "cnn"}}
    )
    with pytest.raises(ValueError, match="A policy begins with a new"):
        run(recipe, sessions, tmp_path)
    assert not list(tmp_path.glob("nextitnet-*"))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"learning_rate": 0.02}, "learning_rate=0.00999.*Received: 0.0199"),
        ({"weight_decay": 0.1}, "weight_decay=None.*Received: 0.1"),
    ],
)
def test_an_optimizer_that_is_kept_is_as_the_recipe_says(
    sessions, changes, message
):
    recipe = make_recipe(learning_rate=0.01)
    model = training.make_model(recipe, 1, sessions)
    training.compile_model(model, recipe, sessions, jit_compile=False)
    kept = model.optimizer
    training.compile_model(model, recipe, sessions, jit_compile=False)
    assert model.optimizer is kept
    other = dataclasses.replace(recipe, **changes)
    with pytest.raises(ValueError, match=message):
        training.compile_model(model, other, sessions, jit_compile=False)


def test_smoothed_labels_need_the_full_softmax():
    with pytest.raises(ValueError, match="label_smoothing=0.1, sampled"):
        make_recipe(label_smoothing=0.1, protocol=PROTOCOLS["release"])


def test_a_copied_optimizer_needs_a_learning_rate_that_stays():
    """It would go on where the schedule of the stage before ended."""
    stages = (
        Stage(1),
        Stage(2, method="adjacent", switches=(("optimizer", True),)),
    )
    with pytest.raises(ValueError, match=r"decay=\['cosine', 'cosine'\]"):
        make_recipe(*stages, decay="cosine")
    late = dataclasses.replace(stages[1], decay="late")
    with pytest.raises(ValueError, match=r"decay=\['constant', 'late'\]"):
        make_recipe(stages[0], late)
    assert make_recipe(*stages).decay == "constant"


def test_a_run_that_stops_on_unseen_items(sessions, tmp_path):
    """Its best evaluation is the best by that ranking."""
    protocol = dataclasses.replace(PROTOCOLS["clean"], stop_on_unseen=True)
    (done,) = run(make_recipe(protocol=protocol), sessions, tmp_path)
    monitor = training.monitor_of(done.summary)
    assert monitor == "val_unseen_mrr_at_5"
    curve = done.summary["curve"]
    assert done.summary["best_validation"] == max(p[monitor] for p in curve)
    assert all(p[monitor] >= p["val_mrr_at_5"] for p in curve)
    usual = make_recipe()
    (usual_run,) = run(usual, sessions, tmp_path)
    assert training.monitor_of(usual_run.summary) == "val_mrr_at_5"
    assert training.monitor_of({}) == "val_mrr_at_5"


def test_a_model_without_finite_scores_is_not_evaluated(two_stages, sessions):
    recipe = make_recipe(*TWO_STAGES)
    model = two_stages[0][1].load_model()
    bias = np.array(model.item_softmax.bias)
    bias[3] = np.nan
    model.item_softmax.bias.assign(bias)
    test = data.split(sessions, recipe.protocol).test
    with pytest.raises(FloatingPointError, match="in 30 of 30 sessions"):
        training.evaluate(model, sessions, test, recipe)


def test_a_compressed_model_needs_items_by_falling_frequency():
    def make(*counts):
        vocabulary = Vocabulary([None, "a", "b"], [0, *counts], 0, 3)
        known = SimpleNamespace(vocabulary=vocabulary, num_items=2, num_users=1)
        recipe = Recipe(
            (Stage(2),),
            protocol=PROTOCOLS["release"],
            model_config={"embedding_dim": 8, "compression": "auto"},
        )
        return building.make_model(recipe, 2, known)

    assert make(5, 5).compression.clusters == (1, 2, 3)
    with pytest.raises(ValueError, match="item_ids='first_appearance'"):
        make(4, 5)
