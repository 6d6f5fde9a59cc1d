"""Keras' methods without the argument that makes no sense of items."""

import functools
import inspect

import keras


def refusing_class_weight(name):
    """A method of Keras' that refuses `class_weight`.

    Keras would take the place of a row's highest item id for its class.
    """
    signature = inspect.signature(getattr(keras.Model, name))

    @functools.wraps(getattr(keras.Model, name))
    def method(self, *args, **kwargs):
        given = signature.bind(self, *args, **kwargs).arguments
        if given.get("class_weight") is not None:
            raise ValueError(
                "Items are no classes that Keras could weigh: expected "
                "`sample_weight` of shape (B,) or (B, T). "
                f"Received: class_weight={given['class_weight']!r}"
            )
        return getattr(keras.Model, name)(self, *args, **kwargs)

    return method
