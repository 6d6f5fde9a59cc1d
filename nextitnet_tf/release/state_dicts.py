"""The release's PyTorch models, read from npz files.

The release saves a state_dict as a pickle, which runs whatever code it holds
when it is opened. `RECIPE` makes an npz of it, with PyTorch.
"""

import re

import numpy as np

from nextitnet_tf.models.sasrec import SASRec
from nextitnet_tf.models.ssept import SSEPT

RECIPE = (
    'python -c "import numpy, sys, torch; numpy.savez(sys.argv[2], '
    "**{k: v.numpy() for k, v in torch.load(sys.argv[1], map_location='cpu', "
    'weights_only=True).items()})" model.pkl model.npz'
)


def load_state_dict(npz, num_heads: int = 1, dropout_rate: float = 0.0):
    """A SASRec or SSE-PT with the weights of the release's PyTorch model.

    Args:
        npz: path of an npz with the state_dict's tensors by their keys.
        num_heads: attention heads, which the tensors do not tell.
        dropout_rate: of the model, if it is to be trained on.

    Returns:
        A built model.

    Raises:
        ValueError: no npz (a pickle is refused: see `RECIPE`), or one with
            other keys or shapes.

    Reference:
        The release's `SASRec_Alpha.py`, `SSEPT_Alpha.py` and `Modules.py`.
    """
    tensors = read_npz(npz)
    items = tensors.get("item_embeddings.weight")
    if items is None or items.ndim != 2:
        raise ValueError(
            f"{npz}: expected a tensor item_embeddings.weight of shape "
            f"(items, width). Received: {', '.join(sorted(tensors)[:4])}, ..."
        )
    model = _make_model(tensors, num_heads, dropout_rate)
    variables = _named_variables(model)
    for key in variables:
        if key not in tensors:
            raise ValueError(
                f"{npz}: expected a tensor {key}. Received: {len(tensors)} "
                "tensors without it"
            )
    for key, tensor in tensors.items():
        if key not in variables:
            raise ValueError(
                f"{npz}: expected the {len(variables)} tensors of a "
                f"{type(model).__name__}. Received: {key}, which is none of "
                "them"
            )
        variable = variables[key]
        try:
            value = to_keras(key, tensor)
        except ValueError:  # of other dimensions
            value = None
        if value is None or tuple(value.shape) != tuple(variable.shape):
            raise ValueError(
                f"{npz}: expected {key} to give {tuple(variable.shape)}. "
                f"Received: {tensor.shape}"
            )
        variable.assign(value)
    return model


def _make_model(tensors, num_heads: int, dropout_rate: float):
    """A fresh model of the shape that keys and shapes of tensors tell."""
    items, users = (
        tensors.get(f"{name}_embeddings.weight") for name in ("item", "user")
    )
    indices = [
        int(match.group(1))
        for match in (
            re.match(r"transformers\.(\d+)\.", key) for key in tensors
        )
        if match
    ]
    positions = tensors.get("pos_embeddings.weight", items)
    config = {
        "num_items": len(items) - 1,
        "num_blocks": max(indices, default=0) + 1,
        "max_length": len(positions),
        "num_heads": num_heads,
        "dropout_rate": dropout_rate,
        "use_alpha": any(key.endswith(".rez") for key in tensors),
    }
    if users is None:
        return SASRec(embedding_dim=items.shape[1], **config)
    return SSEPT(
        num_users=len(users), embedding_dim=2 * items.shape[1], **config
    )


def to_keras(key: str, tensor: np.ndarray) -> np.ndarray:
    """A PyTorch tensor in the shape of the Keras variable it becomes."""
    if key.endswith("cnn.weight"):  # (out, in, 1), a dense layer
        return np.squeeze(tensor, axis=2).T
    if re.search(r"\.fc\d\.weight$", key):  # (out, in)
        return tensor.T
    if key.endswith(".rez"):
        return tensor.reshape(())
    return tensor


def _named_variables(model: SASRec) -> dict:
    """The model's variables by the release's keys."""
    found = {
        "item_embeddings.weight": model.item_embedding.embeddings,
        "pos_embeddings.weight": model.position_embedding.embeddings,
        "layer_norm_pre.weight": model.norm.gamma,
        "layer_norm_pre.bias": model.norm.beta,
        "final.weight": model.item_softmax.kernel,
        "final.bias": model.item_softmax.bias,
    }
    if isinstance(model, SSEPT):
        found["user_embeddings.weight"] = model.user_embedding.embeddings
    for i, block in enumerate(model.blocks):
        attention = f"transformers.{i}.SelfAttention"
        dense = f"transformers.{i}.ff"
        for key, layer in (
            (f"{attention}.fc1", block.attention.query),
            (f"{attention}.fc2", block.attention.key),
            (f"{attention}.fc3", block.attention.value),
            (f"{dense}.inner_cnn", block.inner),
            (f"{dense}.readout_cnn", block.outer),
        ):
            found[f"{key}.weight"] = layer.kernel
            found[f"{key}.bias"] = layer.bias
        for key, norm in (
            (attention, block.norm1),
            (dense, block.norm2),
        ):
            found[f"{key}.layer_norm.weight"] = norm.gamma
            found[f"{key}.layer_norm.bias"] = norm.beta
        if block.use_alpha:
            found[f"{attention}.rez"] = block.rezero1.alpha
            found[f"{dense}.rez"] = block.rezero2.alpha
    return found


def read_npz(npz) -> dict[str, np.ndarray]:
    """The arrays of an npz by name.

    Raises:
        ValueError: no npz; a pickle is refused.
    """
    try:
        file = np.load(npz, allow_pickle=False)
        if not isinstance(file, np.lib.npyio.NpzFile):
            raise ValueError("one array")
        with file:
            arrays = {key: file[key] for key in file.files}
        if not all(isinstance(a, np.ndarray) for a in arrays.values()):
            raise ValueError("a file that is no array")
        return arrays
    except Exception as error:  # NumPy and zipfile raise whatever they meet.
        if isinstance(error, FileNotFoundError):
            raise ValueError(
                f"Expected an npz of arrays by name. Received: {npz}, which is "
                "no file"
            ) from None
        raise ValueError(
            f"Expected an npz of arrays by name. Received: {npz}; a pickle, "
            "which can hold any code, is not opened. Where you trust it: "
            f"{RECIPE}"
        ) from None
