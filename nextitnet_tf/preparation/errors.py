"""The one error that data can cause."""


class DataError(ValueError):
    """Raw data, a folder or an argument is not what was expected.

    The message is one sentence that says what was expected and where (file
    and line, when there is one), followed by `Received: name=value`. The
    command line prints it as it is, so it has to stand without a traceback.
    """
