"""What a service needs: a model that is loaded, warm, batched and replaced.

`Service` knows nothing of HTTP; `app.py` gives it a face with FastAPI, and
`server.py` runs that under uvicorn (the extra `serve`). TensorFlow runs in a
process for each model (`model_process.py`), and nowhere else.
"""

from nextitnet_tf.serving.answers import Answer
from nextitnet_tf.serving.answers import Reply
from nextitnet_tf.serving.limits import Limits
from nextitnet_tf.serving.questions import Question
from nextitnet_tf.serving.questions import Refused
from nextitnet_tf.serving.service import Service

__all__ = ["Answer", "Limits", "Question", "Refused", "Reply", "Service"]
