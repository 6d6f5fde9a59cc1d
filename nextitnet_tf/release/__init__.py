"""What exists only to agree with the original TF1 release of StackRec.

Its item numbers, its splits, its files of sessions, its checkpoints: given
the same files, this package computes the same numbers.
"""

from nextitnet_tf.release.checkpoints import bare_prefix
from nextitnet_tf.release.checkpoints import load_checkpoint
from nextitnet_tf.release.checkpoints import save_checkpoint
from nextitnet_tf.release.compressed import load_cprec
from nextitnet_tf.release.numbering import number_by_count
from nextitnet_tf.release.numbering import number_by_first_appearance
from nextitnet_tf.release.session_files import Transfer
from nextitnet_tf.release.session_files import read_sessions
from nextitnet_tf.release.session_files import read_transfer
from nextitnet_tf.release.skipping import load_skiprec
from nextitnet_tf.release.splits import draw_fraction
from nextitnet_tf.release.splits import split
from nextitnet_tf.release.state_dicts import load_state_dict

__all__ = [
    "Transfer",
    "bare_prefix",
    "draw_fraction",
    "load_checkpoint",
    "load_cprec",
    "load_skiprec",
    "load_state_dict",
    "number_by_count",
    "number_by_first_appearance",
    "read_sessions",
    "read_transfer",
    "save_checkpoint",
    "split",
]
