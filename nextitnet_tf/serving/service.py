"""Questions that come at once, answered together; models replaced meanwhile.

One thread computes. While it does, questions wait, and all that wait are its
next batch: alone, a question waits for nobody, and under load batches grow by
themselves. A second thread looks at the model's file, and has a new model warm
before the first question meets it.
"""

import collections
import dataclasses
import logging
import os
import threading
from concurrent.futures import Future
from pathlib import Path

from nextitnet_tf.serving.answers import Answer
from nextitnet_tf.serving.answers import Answering
from nextitnet_tf.serving.answers import Reply
from nextitnet_tf.serving.limits import Limits
from nextitnet_tf.serving.model_process import ModelProcess
from nextitnet_tf.serving.questions import Question
from nextitnet_tf.serving.questions import Refused

_LOG = logging.getLogger(__name__)


class _Waiting:
    """A question, and what of it has been answered.

    Attributes:
        loaded: the model that answers all of it.
        future: of its reply.
        num_taken: histories that are in a batch, or were.
        answers: of those that were.
    """

    def __init__(self, question: Question, loaded: Answering):
        self.question = question
        self.loaded = loaded
        self.future: Future[Reply] = Future()
        self.num_taken = 0
        self.answers: list[Answer] = []

    def reply(self) -> Reply:
        return Reply(self.loaded.about["model"], self.answers)


class Service:
    """Answers questions with the model of a file, the latest that is whole.

    Args:
        path: a model.keras.
        limits: of requests.
        reload_every: seconds between looks at the file.

    Attributes:
        loaded: the model that answers from now on.

    Raises:
        ValueError: there is no model to begin with; see `ModelProcess`.
        FloatingPointError: its scores are not finite.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        limits: Limits | None = None,
        reload_every: float = 1.0,
    ):
        self.path = Path(path)
        self.limits = limits or Limits()
        self._seen = _look_at(self.path)
        self.loaded: Answering = ModelProcess(self.path, self.limits)
        self._retired: list[Answering] = []
        self._reload_every = reload_every
        self._refused: str | None = None
        self._is_lost = False
        self._waiting: collections.deque[_Waiting] = collections.deque()
        self._num_waiting = 0
        self._changed = threading.Condition()
        self._ends = threading.Event()
        self._threads = [
            threading.Thread(target=run, name=name, daemon=True)
            for run, name in ((self._work, "answers"), (self._watch, "reloads"))
        ]
        for thread in self._threads:
            thread.start()

    def ask(self, question: Question) -> Future[Reply]:
        """Has a question answered, in its turn.

        Args:
            question: that `read_question` has checked.

        Returns:
            The future of a reply. Whoever does not want it any more cancels
            it.

        Raises:
            Refused: 503, where too many wait or the service ends.
        """
        num_rows = len(question.histories)
        with self._changed:
            waiting = _Waiting(question, self.loaded)
            if self._ends.is_set():
                raise Refused(503, "The service ends. Ask another one.")
            if self._num_waiting + num_rows > self.limits.max_waiting:
                raise Refused(
                    503,
                    f"Expected at most {self.limits.max_waiting} histories to "
                    f"wait. Received: {num_rows}, and "
                    f"{self._num_waiting} wait; ask again later",
                )
            if not num_rows:
                waiting.future.set_result(waiting.reply())
                return waiting.future
            self._waiting.append(waiting)
            self._num_waiting += num_rows
            self._changed.notify()
        return waiting.future

    def health(self) -> dict:
        """How it is: for whoever decides whether to send requests here."""
        status = "ending" if self._ends.is_set() else "serving"
        if self._is_lost:
            status = "loading"  # what answered has ended
        return {
            "status": status,
            "model": self.loaded.about["model"],
            "loaded_at": self.loaded.about["loaded_at"],
            "refused_model": self._refused,
            "waiting": self._num_waiting,
        }

    def close(self) -> None:
        """Answers all that wait, and ends."""
        with self._changed:
            self._ends.set()
            self._changed.notify_all()
        self._threads[0].join()
        self._threads[1].join(1.0)  # it may be loading: nobody needs that
        self.loaded.close()

    # --- answers ------------------------------------------------------------

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(
                    lambda: (
                        self._waiting or self._retired or self._ends.is_set()
                    )
                )
                self._close_retired()
                batch = self._take()
            if batch:
                self._answer(batch)
            elif self._ends.is_set():
                return

    def _take(self) -> list[tuple[_Waiting, int, int]]:
        """The next batch: parts of questions, in the order they came.

        What is left of a large question waits behind those that came after.
        """
        batch: list[tuple[_Waiting, int, int]] = []
        left, later = 0, []
        while self._waiting:
            waiting = self._waiting.popleft()
            num_rows = len(waiting.question.histories) - waiting.num_taken
            if waiting.future.done():  # given up, or failed
                self._num_waiting -= num_rows
                continue
            if not batch:
                left = waiting.loaded.about["max_batch"]
            elif waiting.loaded is not batch[0][0].loaded or not left:
                self._waiting.appendleft(waiting)
                break
            start, num_taken = waiting.num_taken, min(num_rows, left)
            waiting.num_taken += num_taken
            left -= num_taken
            self._num_waiting -= num_taken
            batch.append((waiting, start, waiting.num_taken))
            if num_taken < num_rows:
                later.append(waiting)
        self._waiting.extend(later)
        return batch

    def _answer(self, batch: list[tuple[_Waiting, int, int]]) -> None:
        try:
            self._compute(batch)
        except Exception as error:  # it must not end the thread
            if isinstance(error, EOFError):
                self._is_lost = True  # until it is loaded again
            else:
                _LOG.exception("a batch could not be answered")
            for waiting, _, _ in batch:
                # Whoever gives up meanwhile must not end the thread either.
                if waiting.future.set_running_or_notify_cancel():
                    waiting.future.set_exception(error)
            return
        for waiting, _, stop in batch:
            is_whole = stop == len(waiting.question.histories)
            if is_whole and waiting.future.set_running_or_notify_cancel():
                waiting.future.set_result(waiting.reply())

    def _compute(self, batch: list[tuple[_Waiting, int, int]]) -> None:
        """Appends to the answers of each question."""
        parts = [
            (waiting, history)
            for waiting, start, stop in batch
            for history in waiting.question.histories[start:stop]
        ]
        answers = batch[0][0].loaded.answer(
            [history for _, history in parts],
            max(waiting.question.k for waiting, _, _ in batch),
            [waiting.question.exclude_seen for waiting, _ in parts],
        )
        for (waiting, _), answer in zip(parts, answers, strict=True):
            k = waiting.question.k
            waiting.answers.append(
                dataclasses.replace(
                    answer, items=answer.items[:k], scores=answer.scores[:k]
                )
            )

    def _close_retired(self) -> None:
        """Ends the models that nobody waits for any more."""
        used = {id(waiting.loaded) for waiting in self._waiting}
        for retired in list(self._retired):
            if id(retired) not in used:
                self._retired.remove(retired)
                # Nobody's answer waits until a process has ended.
                threading.Thread(target=retired.close).start()

    # --- models -------------------------------------------------------------

    def _watch(self) -> None:
        while not self._ends.wait(self._reload_every):
            seen = _look_at(self.path)
            if seen != self._seen or self._is_lost:
                self._seen = seen
                self._reload()

    def _reload(self) -> None:
        """Takes the file's model, if it is one; else goes on with the old."""
        try:
            loaded = ModelProcess(self.path, self.limits)
        except Exception as error:  # whatever is in the file
            self._refused = " ".join(str(error).split())
            _LOG.warning("goes on with the old model: %s", self._refused)
            return
        # It may still be written: the next look takes what it becomes.
        if _look_at(self.path) != self._seen or self._ends.is_set():
            loaded.close()
            return
        with self._changed:
            ends = self._ends.is_set()
            if not ends:
                self._retired.append(self.loaded)
                self.loaded = loaded
                self._refused, self._is_lost = None, False
                self._changed.notify()
        if ends:
            loaded.close()
            return
        _LOG.info("serves model %s", loaded.about["model"])


def _look_at(path: Path) -> tuple | None:
    """What changes when a file does."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
