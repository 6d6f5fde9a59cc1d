"""What holds for every test."""

import os

# Before anything imports TensorFlow: its start-up chatter hides failures.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
