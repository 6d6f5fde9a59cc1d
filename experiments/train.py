"""Trains on anybody's own data; see nextitnet_tf.commands.train."""

from nextitnet_tf.commands.train import main
from nextitnet_tf.commands.train import run

__all__ = ["main"]

if __name__ == "__main__":
    run()
