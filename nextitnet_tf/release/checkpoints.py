"""TF1 checkpoints of the release, read and written.

A V2 bundle holds tensors by name and nothing else. Depth, width, kernel
size, item count, alphas and the kind of head follow from names and shapes;
dilations do not, unless the names end in them.
"""

import math
import re
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from nextitnet_tf.models.nextitnet import NextItNet
from nextitnet_tf.release import variable_names
from nextitnet_tf.stacking import optimizer_slots

# The release's optimizer; beta2 and the learning rate are TensorFlow's.
_BETA_1, _BETA_2, _EPSILON, _LEARNING_RATE = 0.9, 0.999, 1e-8, 1e-3
_BETA_POWERS = ("beta1_power", "beta2_power")
_NOT_WEIGHTS = (*_BETA_POWERS, "global_step")
_SLOTS = ("/Adam", "/Adam_1")  # first and second moment


def load_checkpoint(
    prefix,
    dilation_rates: tuple[int, ...] | None = None,
    with_optimizer: bool = False,
) -> NextItNet:
    """A NextItNet with the weights of a TF1 checkpoint.

    Reads what the StackRec release writes, with or without alpha, and the
    names of its parents: blocks whose names end in their dilation, and the
    head `logits/weight` of full-softmax networks, before which hidden states
    pass a ReLU.

    Args:
        prefix: path of the checkpoint without `.index`.
        dilation_rates: one per block, cycled; the checkpoint does not store
            them. Default: what the names say, else (1, 4), the release's.
        with_optimizer: also compile the model with the release's Adam and
            restore its moments and step count.

    Returns:
        A built model.

    Raises:
        ValueError: no checkpoint, or one that is not a NextItNet's: a
            variable is missing, superfluous or of another shape, or names
            and `dilation_rates` disagree.

    Reference:
        The release's `generator_deep.py` and `ops.py`; nextitnet and
        peterrec for the other names.
    """
    prefix = bare_prefix(prefix)
    tensors = _read_tensors(prefix)
    shapes = {name: tensor.shape for name, tensor in tensors.items()}
    trained = {
        name: shape
        for name, shape in shapes.items()
        if not name.endswith(_SLOTS) and name not in _NOT_WEIGHTS
    }
    variable_names.check_depth(trained, prefix)
    config = variable_names.read_config(trained, dilation_rates, prefix)
    model = NextItNet(**config)
    has_dilations = variable_names.have_dilations(trained)
    pairs = list(
        variable_names.named_variables(model, with_dilations=has_dilations)
    )
    variable_names.check_names(trained, {name for name, _, _ in pairs}, prefix)
    for name, variable, shape in pairs:
        variable_names.check_shape(name, trained[name], shape, prefix)
        variable.assign(_from_release(tensors[name], name, variable))
    if with_optimizer:
        _restore_optimizer(model, tensors, pairs, prefix)
    return model


def save_checkpoint(model: NextItNet, prefix) -> None:
    """Writes a TF1 checkpoint that the release can read.

    Names, shapes and types are the StackRec release's. If the model is
    compiled with an Adam that has taken steps, its moments and step count
    are written, too. There is no `.meta` file: that holds a TF1 graph.

    Args:
        model: a NextItNet, or a causal GRec: its network is the same.
        prefix: path to write to, without `.index`; folders are made.

    Raises:
        ValueError: not a NextItNet, one that is not causal (its weights
            would be read back as those of a causal one), that is compressed
            or tied (likewise), or an optimizer other than Adam.
    """
    if not isinstance(model, NextItNet):
        raise ValueError(
            "Only a NextItNet has a place in the release's checkpoints. "
            f"Received: model={type(model).__name__}"
        )
    if not model.causal:
        raise ValueError(
            "The release's checkpoints hold causal convolutions only. "
            f"Received: model={type(model).__name__} with causal=False"
        )
    for name in ("compression", "tie_output"):
        if getattr(model, name):
            raise ValueError(
                "StackRec's release has no place for what a model stores "
                f"another way. Received: {name}={getattr(model, name)}"
            )
    prefix = bare_prefix(prefix)
    tensors = {}
    pairs = list(variable_names.named_variables(model, with_dilations=False))
    for name, variable, shape in pairs:
        tensors[name] = _to_release(variable, name, shape)
    optimizer = getattr(model, "optimizer", None)
    if optimizer is not None and int(optimizer.iterations) > 0:
        tensors.update(_optimizer_tensors(model, pairs))
    names = sorted(tensors)
    Path(prefix).parent.mkdir(parents=True, exist_ok=True)
    # Whole or not there: TensorFlow writes the index last, and renames.
    try:
        tf.raw_ops.SaveV2(
            prefix=prefix,
            tensor_names=names,
            shape_and_slices=[""] * len(names),
            tensors=[tf.constant(tensors[name]) for name in names],
        )
    except tf.errors.OpError as error:
        raise ValueError(
            "Expected a prefix that a checkpoint can be written to. "
            f"Received: {prefix!r} ({_one_line(error)})"
        ) from None


def read_weights(prefix) -> dict[str, np.ndarray]:
    """The variables of a checkpoint by name, without what an optimizer has.

    Args:
        prefix: path of the checkpoint without `.index`.

    Raises:
        ValueError: no checkpoint.
    """
    tensors = _read_tensors(bare_prefix(prefix))
    return without_optimizer(tensors)


def without_optimizer(tensors: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Those of a checkpoint's variables that are weights."""
    return {
        name: tensor
        for name, tensor in tensors.items()
        if not name.endswith(_SLOTS) and name not in _NOT_WEIGHTS
    }


def _read_tensors(prefix: str) -> dict[str, np.ndarray]:
    try:
        reader = tf.train.load_checkpoint(prefix)
        return {
            name: np.asarray(reader.get_tensor(name))
            for name in reader.get_variable_to_shape_map()
        }
    # TensorFlow's reader raises all of these for files that are damaged.
    except (tf.errors.OpError, ValueError, IndexError, RuntimeError) as error:
        raise ValueError(
            "Expected the prefix of a TensorFlow checkpoint (PREFIX.index, "
            f"PREFIX.data-...). Received: {prefix!r} ({_one_line(error)})"
        ) from None


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())[:80]


def bare_prefix(prefix) -> str:
    """A checkpoint's prefix, also of the name of one of its files."""
    return re.sub(r"\.(index|meta|data-\d+-of-\d+)$", "", str(prefix))


def _from_release(tensor: np.ndarray, name: str, variable) -> np.ndarray:
    if name.split("/Adam")[0] == "logits/weight":
        return tensor[0, 0].T
    return tensor.reshape(variable.shape)


def _to_release(variable, name: str, shape: tuple[int, ...]) -> np.ndarray:
    value = keras.ops.convert_to_numpy(variable).astype("float32")
    if name == "logits/weight":
        value = value.T
    return value.reshape(shape)


def _restore_optimizer(model, tensors, pairs, prefix) -> None:
    """Compiles the model with the release's Adam, moments included."""
    optimizer = keras.optimizers.Adam(
        _LEARNING_RATE, beta_1=_BETA_1, beta_2=_BETA_2, epsilon=_EPSILON
    )
    model.compile(optimizer=optimizer)
    expected = {name + slot for name, _, _ in pairs for slot in _SLOTS}
    expected.update(_BETA_POWERS)
    missing = sorted(expected - set(tensors), key=variable_names.in_block_order)
    if missing:
        raise ValueError(
            f"{prefix}: expected Adam's {len(expected)} variables. Received: "
            f"a checkpoint without {missing[0]}"
        )
    moments = optimizer_slots(model)
    for name, variable, shape in pairs:
        for slot, moment in zip(_SLOTS, moments[id(variable)], strict=True):
            tensor = tensors[name + slot]
            variable_names.check_shape(name + slot, tensor.shape, shape, prefix)
            moment.assign(_from_release(tensor, name + slot, moment))
    optimizer.iterations.assign(
        _num_steps(*(float(tensors[p]) for p in _BETA_POWERS))
    )


def _optimizer_tensors(model, pairs) -> dict[str, np.ndarray]:
    """Moments and powers of beta, by the release's names."""
    optimizer = model.optimizer
    if type(optimizer) is not keras.optimizers.Adam or optimizer.amsgrad:
        raise ValueError(
            "The release's checkpoints hold the moments of plain Adam. "
            f"Received: optimizer={type(optimizer).__name__}"
        )
    steps = int(optimizer.iterations)
    tensors = {
        name: np.array(beta ** (steps + 1), "float32")
        for name, beta in zip(
            _BETA_POWERS, (optimizer.beta_1, optimizer.beta_2), strict=True
        )
    }
    moments = optimizer_slots(model)
    for name, variable, shape in pairs:
        for slot, moment in zip(_SLOTS, moments[id(variable)], strict=True):
            tensors[name + slot] = _to_release(moment, name, shape)
    return tensors


def _num_steps(beta_1_power: float, beta_2_power: float) -> int:
    """Steps taken, of the powers that TF1's Adam keeps instead.

    After n steps they are beta^(n + 1), as float32: beta1's is good for some
    600 steps, beta2's for some 80,000. Beyond, both are 0 and the step count
    is lost; it no longer matters, since it only enters as 1 - beta^n.
    """
    if beta_1_power > 1e-30:
        return round(math.log(beta_1_power, _BETA_1)) - 1
    if beta_2_power > 1e-37:
        return round(math.log(beta_2_power, _BETA_2)) - 1
    return 100_000
