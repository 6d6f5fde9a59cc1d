"""What each target counts in a loss."""

from keras import ops


def target_weights(targets, sample_weight, padding_id):
    """What each target of a batch counts.

    Args:
        targets: (B, T) int.
        sample_weight: None, (B,) or (B, T), as Keras passes it on.
        padding_id: the target that does not count, if no weight says so.

    Returns:
        (B, T) float32. Weights (B, T) stay as they are. Otherwise they sum
        to 1, over the targets that are not padding: each counts alike, or as
        its row does.

    Raises:
        ValueError: weights of another shape.
    """
    check_weights(sample_weight, targets)
    if sample_weight is not None:
        sample_weight = ops.cast(sample_weight, "float32")
        if len(sample_weight.shape) == 2:
            return ops.reshape(sample_weight, ops.shape(targets))
    weights = ops.cast(ops.not_equal(targets, padding_id), "float32")
    if sample_weight is not None:
        weights = weights * sample_weight[:, None]
    total = ops.sum(weights)
    return weights / ops.where(total > 0, total, 1.0)


def check_weights(sample_weight, targets):
    """Refuses weights that would be laid on other targets than meant.

    Args:
        sample_weight: None, or weights of a batch.
        targets: (B,) or (B, T).

    Raises:
        ValueError: weights that are neither one a row nor one a target.
    """
    if sample_weight is None:
        return
    found, expected = tuple(sample_weight.shape), tuple(targets.shape)
    fits = len(found) == 1 or len(found) == len(expected) == 2
    for length, of_targets in zip(found, expected, strict=False):
        is_known = None not in (length, of_targets)
        fits = fits and (length == of_targets or not is_known)
    # Of targets of unknown length, too, one weight would be spread in silence.
    fits = fits and (len(found) == 1 or found[1] != 1 or expected[1] == 1)
    if not fits:
        raise ValueError(
            f"Weights of targets of shape {expected} must have shape (B,), "
            "one a row, or that of the targets. "
            f"Received: sample_weight of shape {found}"
        )


def check_targets(targets, hidden):
    """Raises ValueError unless there is a target for each position."""
    found, expected = targets.shape[1], hidden.shape[1]
    if None not in (found, expected) and found != expected:
        raise ValueError(
            f"Expected a target for each of the {expected} positions. "
            f"Received: {found} targets a row"
        )
