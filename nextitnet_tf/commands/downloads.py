"""Data that a command may download, for who asks for them by name."""

import functools
import hashlib
import http
import http.client
import os
import pathlib
import sys
import urllib.error
import urllib.request

from nextitnet_tf.preparation import DataError

ML20_URL = "https://files.grouplens.org/datasets/movielens/ml-20m.zip"
ML20_MD5 = "cd245b17a1ae2cc31bb14903e1204af3"


def download_ml20(
    directory: str | os.PathLike[str],
    *,
    url: str = ML20_URL,
    md5: str = ML20_MD5,
    timeout: float = 30.0,
) -> pathlib.Path:
    """Downloads ml-20m.zip from GroupLens unless it is there already.

    The file appears under its name only once it is complete and its md5 is
    right; progress goes to stderr.

    Args:
        directory: where `ml-20m.zip` goes; made if missing.
        url: where it comes from.
        md5: what it must hash to.
        timeout: seconds without an answer after which to give up.

    Returns:
        The path of `ml-20m.zip`.

    Raises:
        DataError: there is no network, or what arrived is another file. The
            message says where to get the file and where to put it.
    """
    target = pathlib.Path(directory) / "ml-20m.zip"
    if target.exists():
        found = _md5(target)
        if found == md5:
            return target
        raise DataError(
            f"Expected md5={md5} of {target}. Received: md5={found}; remove "
            "the file to download it again"
        )
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(target.name + ".part")
    try:
        _fetch(url, part, timeout)
        found = _md5(part)
        if found != md5:
            part.unlink()
            raise DataError(
                f"Expected md5={md5} of what {url} sends. Received: "
                f"md5={found}; download ml-20m.zip (MovieLens 20M, 190 MB) by "
                f"other means and put it at {target}"
            )
        os.replace(part, target)
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", None) or error
        raise DataError(
            f"Expected to download ml-20m.zip (MovieLens 20M, 190 MB) from "
            f"{url}; what has arrived is kept, and the next start goes on from "
            f"there. Without network, get it elsewhere and put it at {target}. "
            f"Received: {reason}"
        ) from None
    return target


def _fetch(url: str, part: pathlib.Path, timeout: float) -> None:
    """Downloads what is missing of a file, if its server can send a part."""
    done = part.stat().st_size if part.is_file() else 0
    request = urllib.request.Request(url)
    if done:
        request.add_header("Range", f"bytes={done}-")
    try:
        response = urllib.request.urlopen(request, timeout=timeout)
    except urllib.error.HTTPError as error:
        if error.code != http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            raise
        return  # nothing is missing, as its checksum will show
    with response:
        if response.status != http.HTTPStatus.PARTIAL_CONTENT:
            done = 0
        total = done + int(response.headers.get("Content-Length") or 0)
        shown = done
        with open(part, "ab" if done else "wb") as file:
            for block in iter(functools.partial(response.read, 1 << 20), b""):
                file.write(block)
                done += len(block)
                # A line a tenth on a log file, one moving line on a terminal.
                step = total // 10 if not sys.stderr.isatty() else 1 << 20
                if done - shown >= step or done == total:
                    shown = done
                    _show(url, done, total)
    if sys.stderr.isatty():
        print(file=sys.stderr)
    if response.headers.get("Content-Length") and done < total:
        raise OSError(f"the connection ended after {done} of {total} bytes")


def _show(url: str, done: int, total: int) -> None:
    name = url.rsplit("/", 1)[-1]
    amount = f"{done / 1e6:.0f} MB"
    if total:
        amount += f" of {total / 1e6:.0f} MB"
    start, end = ("\r", "") if sys.stderr.isatty() else ("", "\n")
    print(f"{start}{name}: {amount}", end=end, file=sys.stderr, flush=True)


def _md5(path: pathlib.Path) -> str:
    with open(path, "rb") as file:
        # Not for security: it is the checksum that GroupLens publishes.
        return hashlib.file_digest(
            file, functools.partial(hashlib.md5, usedforsecurity=False)
        ).hexdigest()
