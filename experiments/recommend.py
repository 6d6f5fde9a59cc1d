"""Recommends; see nextitnet_tf.commands.recommend."""

from nextitnet_tf.commands.recommend import main
from nextitnet_tf.commands.recommend import run

__all__ = ["main"]

if __name__ == "__main__":
    run()
