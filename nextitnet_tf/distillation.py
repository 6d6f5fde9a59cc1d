"""A student that learns from a deeper model as well as from the data."""

from keras import ops

from nextitnet_tf.models.sequential_recommender import SequentialRecommender
from nextitnet_tf.target_weights import target_weights


def teach(student, teacher, soft_labels=1.0, topology=0.0, temperature=1.0):
    """Has the training of a student follow a teacher, too.

    To the student's own loss come, for each position that counts, the
    cross-entropy with the teacher's probabilities (soft labels), and for each
    two histories of a batch the squared difference between the cosines of
    their last hidden states, the student's and the teacher's (topology).
    Nothing of it is saved with the student, which answers as any other model.
    The soft labels of a batch take B x T x N numbers.

    Args:
        student: to be compiled and trained, with as many items as the
            teacher.
        teacher: trained; it is left as it is.
        soft_labels: weight of the first addition; 0 is none.
        topology: weight of the second.
        temperature: divides the logits of both before the softmax.

    Raises:
        ValueError: other items; a weight below 0; a temperature not above 0;
            a model that is trained on other rows than it is given (GRec and
            SSE-PT change them, SkipRec draws blocks), whose hidden states
            could know what they are to predict.

    Reference:
        Hinton et al., Distilling the Knowledge in a Neural Network, 2015;
        Kang et al., Topology Distillation for Recommender System, KDD 2021,
        full topology distillation.
    """
    if student.num_items != teacher.num_items:
        raise ValueError(
            "Expected a student with the items of its teacher. Received: "
            f"num_items={student.num_items} and {teacher.num_items}"
        )
    for model in (student, teacher):
        check_model(type(model))
    if min(soft_labels, topology) < 0 or temperature <= 0:
        raise ValueError(
            "`soft_labels` and `topology` must be at least 0, `temperature` "
            f"above 0. Received: soft_labels={soft_labels}, "
            f"topology={topology}, temperature={temperature}"
        )
    own_loss = student.compute_loss

    def compute_loss(
        x=None, y=None, y_pred=None, sample_weight=None, training=True
    ):
        loss = own_loss(x, y, y_pred, sample_weight, training)
        if not training or len(y.shape) == 1:
            return loss
        weights = target_weights(y, sample_weight, student.padding_id)
        learned = student.encode(x, training=True)  # (B, T, D)
        taught = ops.stop_gradient(teacher.encode(x, training=False))
        if soft_labels:
            of_positions = _soft_label_loss(
                student.item_softmax(learned) / temperature,
                ops.stop_gradient(teacher.item_softmax(taught)) / temperature,
            )
            loss = loss + soft_labels * ops.sum(weights * of_positions)
        if topology:
            distance = _topology_distance(learned[:, -1], taught[:, -1])
            # A device adds its share of the global batch.
            loss = loss + topology * ops.sum(weights) * distance
        return loss

    # Of this model alone, past Keras, which would save what it tracks.
    object.__setattr__(student, "compute_loss", compute_loss)


def check_model(kind) -> None:
    """Raises ValueError for a class that neither teaches nor is taught."""
    for name in ("encode_for_loss", "compute_loss"):
        if getattr(kind, name) is not getattr(SequentialRecommender, name):
            raise ValueError(
                "Expected a student and a teacher that are trained on "
                f"histories as they are. Received: a {kind.__name__}"
            )


def _soft_label_loss(logits, of_teacher):
    """(B, T) cross-entropy of (B, T, N) logits with a teacher's."""
    logits, of_teacher = (
        ops.cast(tensor, "float32") for tensor in (logits, of_teacher)
    )
    return -ops.sum(
        ops.softmax(of_teacher, axis=-1) * ops.log_softmax(logits, axis=-1),
        axis=-1,
    )


def _topology_distance(first, second):
    """The mean over all pairs of rows of the squared difference of cosines."""
    cosines = []
    for hidden in (first, second):
        hidden = ops.cast(hidden, "float32")
        unit = ops.normalize(hidden, axis=-1)
        cosines.append(ops.matmul(unit, ops.transpose(unit)))
    return ops.mean(ops.square(cosines[0] - cosines[1]))
