r"""Answers over HTTP with a trained model, in the raw ids of its data.

  nextitnet-tf serve --model=results/my/model.keras --port=8000
  curl localhost:8000/recommend -d '{"history": [1193, 661, 914], "k": 5}'

POST /recommend takes {"history": [...]} or {"histories": [[...], ...]}, and
perhaps "k" and "exclude_seen"; GET /health and /metadata say which model
answers, /docs shows it all. Requests that come at once are computed together.
When the model's file is replaced, the new model answers as soon as it is warm;
if it is no whole model, the old one goes on, and /health says so. SIGTERM and
Ctrl-C end the service when those who asked have their answers: exit status 0.
"""

from absl import flags

from nextitnet_tf import serving
from nextitnet_tf.commands import frame

_DEFAULT = serving.Limits()
_MODEL = flags.DEFINE_string("model", None, "A model.keras.", required=True)
_HOST = flags.DEFINE_string(
    "host", "127.0.0.1", "Address to listen at; 0.0.0.0 for other machines."
)
_PORT = flags.DEFINE_integer(
    "port", 8000, "Port to listen at; 0 takes a free one.", 0, 65535
)
_TIMEOUT = flags.DEFINE_float(
    "timeout", _DEFAULT.timeout, "Seconds that a request may take.", 0.001
)
_MAX_K = flags.DEFINE_integer(
    "max_k", _DEFAULT.max_k, "Items that a history may get.", 1
)
_MAX_HISTORIES = flags.DEFINE_integer(
    "max_histories", _DEFAULT.max_histories, "Histories of a request.", 1
)
_MAX_BODY = flags.DEFINE_integer(
    "max_body", _DEFAULT.max_body, "Bytes of a request.", 1
)
_MAX_BATCH = flags.DEFINE_integer(
    "max_batch",
    _DEFAULT.max_batch,
    "Histories that are computed together, a power of 2.",
    1,
)


def main() -> None:
    try:
        from nextitnet_tf.serving import server
    except ImportError as error:
        raise ValueError(
            "Expected the packages of the extra `serve`: pip install "
            f"'nextitnet_tf[serve]'. Received: {error}"
        ) from error
    limits = serving.Limits(
        max_body=_MAX_BODY.value,
        max_histories=_MAX_HISTORIES.value,
        max_k=_MAX_K.value,
        max_batch=_MAX_BATCH.value,
        timeout=_TIMEOUT.value,
    )
    bound = server.bind(_HOST.value, _PORT.value)
    service = serving.Service(_MODEL.value, limits)

    def started() -> None:
        host, port = bound.getsockname()[:2]
        about = service.loaded.about
        print(
            f"serving {about['path']}, a {about['class']} of "
            f"{about['num_items']:,} items, at http://{host}:{port}",
            flush=True,
        )

    server.serve(service, bound, started)


def run() -> None:
    """Runs the command with the flags of the command line."""
    frame.run(main, interrupted="nothing was served")
