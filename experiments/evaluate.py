"""Evaluates a trained model; see nextitnet_tf.commands.evaluate."""

from nextitnet_tf.commands.evaluate import main
from nextitnet_tf.commands.evaluate import run

__all__ = ["main"]

if __name__ == "__main__":
    run()
