"""A student that learns from a deeper model, too."""

import keras
import numpy as np
import pytest

import nextitnet_tf
from nextitnet_tf.distillation import teach
from tests.checks import scramble


def make_models(num_items=6, teacher_items=6):
    models = []
    for blocks, items in ((1, num_items), (2, teacher_items)):
        model = nextitnet_tf.NextItNet(
            items, num_blocks=blocks, embedding_dim=4
        )
        scramble(model, blocks)
        model.compile()
        models.append(model)
    return models


def softmax(logits):
    exp = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return exp / exp.sum(axis=-1, keepdims=True)


def cosines(hidden):
    unit = hidden / np.linalg.norm(hidden, axis=-1, keepdims=True)
    return unit @ unit.T


def test_additions_by_hand():
    student, teacher = make_models()
    x = np.array([[1, 2, 3], [0, 4, 5]])
    y = np.array([[2, 3, 6], [4, 5, 0]])
    own = float(student.compute_loss(x, y, None, None, True))
    hidden = [np.asarray(m.encode(x)) for m in (student, teacher)]
    logits = [
        np.asarray(m.item_softmax(h))
        for m, h in zip((student, teacher), hidden, strict=True)
    ]
    # Five targets count alike; the sixth is padding.
    weights = np.array([[1, 1, 1], [1, 1, 0]]) / 5
    soft = -(softmax(logits[1] / 2) * np.log(softmax(logits[0] / 2))).sum(
        axis=-1
    )
    distance = np.square(
        cosines(hidden[0][:, -1]) - cosines(hidden[1][:, -1])
    ).mean()
    teach(student, teacher, soft_labels=0.5, topology=3.0, temperature=2.0)
    found = float(student.compute_loss(x, y, None, None, True))
    expected = own + 0.5 * (weights * soft).sum() + 3.0 * distance
    assert found == pytest.approx(expected, rel=1e-5)
    # Evaluation is that of any other model.
    plain = float(student.compute_loss(x, y, None, None, False))
    assert plain == pytest.approx(own, rel=1e-6)


def test_a_student_learns_and_a_teacher_does_not(tmp_path):
    student, teacher = make_models()
    before = [np.array(w) for w in teacher.get_weights()]
    rng = np.random.default_rng(0)
    x, y = rng.integers(1, 7, (2, 64, 5))
    teach(student, teacher, topology=1.0)
    student.compile(optimizer="adam")
    taught = float(student.compute_loss(x, y, None, None, True))
    history = student.fit(x, y, epochs=3, batch_size=64, verbose=0)
    # The first step begins with the loss of both.
    assert history.history["loss"][0] == pytest.approx(taught, rel=1e-5)
    assert history.history["loss"][-1] < history.history["loss"][0]
    for old, new in zip(before, teacher.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    # No teacher among the weights, in the file, or in what is read from it.
    assert len(student.weights) < len(teacher.weights)
    student.save(tmp_path / "student.keras")
    read = keras.saving.load_model(tmp_path / "student.keras")
    np.testing.assert_allclose(read(x[:2]), student(x[:2]), atol=1e-6)
    assert "compute_loss" not in vars(read)


def test_refused():
    student, teacher = make_models(teacher_items=7)
    with pytest.raises(ValueError, match="items of its teacher"):
        teach(student, teacher)
    student, teacher = make_models()
    masking = nextitnet_tf.GRec(6, num_blocks=1, embedding_dim=4)
    skipping = nextitnet_tf.SkipRec(teacher)
    for other in (masking, skipping):
        name = type(other).__name__
        for pair in ((other, teacher), (student, other)):
            with pytest.raises(ValueError, match=f"Received: a {name}"):
                teach(*pair)
    for how in ({"topology": -1.0}, {"temperature": 0.0}):
        with pytest.raises(ValueError, match="must be at least 0"):
            teach(student, teacher, **how)
