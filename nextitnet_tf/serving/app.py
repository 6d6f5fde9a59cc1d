"""A `Service` over HTTP, as a FastAPI application."""

import asyncio
import contextlib
import dataclasses
import json
from collections.abc import AsyncIterator
from typing import Any

from fastapi import FastAPI
from fastapi import Request
from fastapi import Response
from pydantic import BaseModel
from pydantic import Field
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from nextitnet_tf.serving.limits import Limits
from nextitnet_tf.serving.questions import DEFAULT_K
from nextitnet_tf.serving.questions import Question
from nextitnet_tf.serving.questions import Refused
from nextitnet_tf.serving.questions import read_question
from nextitnet_tf.serving.questions import too_large
from nextitnet_tf.serving.service import Service

_AGAIN = {"Retry-After": "1"}  # seconds
# What is not read to its end takes its connection with it.
_CLOSED = {"Connection": "close"}


class _Asked(BaseModel):
    """A body of /recommend: `history` or `histories`, oldest items first."""

    history: list[int | str] | None = None
    histories: list[list[int | str]] | None = None
    k: int = Field(DEFAULT_K, ge=1)
    exclude_seen: bool = True


class _Recommendation(BaseModel):
    """What one history gets; `is_popular`: nothing in it was known."""

    items: list[int | str]
    scores: list[float]
    num_unknown: int
    is_popular: bool


class _Recommendations(BaseModel):
    """An answer of /recommend, a recommendation a history."""

    model: str
    recommendations: list[_Recommendation]


class _Error(BaseModel):
    """Why there is no answer, in one sentence."""

    error: str


_ERRORS: dict[int | str, dict[str, Any]] = {
    status: {"model": _Error, "description": description}
    for status, description in (
        (400, "The body is no JSON."),
        (408, "The body did not come in time."),
        (413, "The body, or the number of histories, is too large."),
        (422, "This cannot be asked."),
        (503, "Too many wait, or the service ends: ask again."),
        (504, "The answer took too long."),
    )
}


def make_app(service: Service) -> FastAPI:
    """The application, which closes the service when it ends."""

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        yield
        # What waits is answered; by now nothing should.
        await asyncio.to_thread(service.close)

    app = FastAPI(
        title="nextitnet_tf",
        summary="What users may want next, in the ids of the training data.",
        lifespan=lifespan,
    )

    @app.post(
        "/recommend",
        response_model=_Recommendations,
        responses=_ERRORS,
        openapi_extra={
            "requestBody": {
                "required": True,
                "content": {
                    "application/json": {"schema": _Asked.model_json_schema()}
                },
            }
        },
    )
    async def recommend(request: Request) -> Response:
        """The items likeliest to follow each history."""
        limits = service.limits
        body = await _body(request, limits)
        question = read_question(
            body, limits, service.loaded.about["num_items"]
        )
        return await _answered(service, question)

    @app.get("/health")
    async def health() -> Response:
        """Which model answers, and which file was refused; 503: none does."""
        found = service.health()
        return _json(200 if found["status"] == "serving" else 503, found)

    @app.get("/metadata")
    async def metadata() -> dict[str, Any]:
        """What the model is, and what may be asked of it."""
        return {
            **service.loaded.about,
            "limits": dataclasses.asdict(service.limits),
        }

    _say_errors(app)
    return app


async def _body(request: Request, limits: Limits) -> bytes:
    """All of a body that is neither too large nor too slow."""
    claimed = request.headers.get("content-length", "0")
    if claimed.isdecimal() and int(claimed) > limits.max_body:
        raise too_large(limits)
    body = bytearray()
    try:
        async with asyncio.timeout(limits.timeout):
            async for chunk in request.stream():
                body += chunk
                if len(body) > limits.max_body:
                    raise too_large(limits)
    except TimeoutError:
        raise Refused(
            408,
            f"Expected a body within {limits.timeout:g} seconds. "
            f"Received: {len(body)} bytes of it",
        ) from None
    except ClientDisconnect:
        raise Refused(400, "Expected a whole body. Received: a part") from None
    return bytes(body)


async def _answered(service: Service, question: Question) -> Response:
    future = asyncio.wrap_future(service.ask(question))
    try:
        async with asyncio.timeout(service.limits.timeout):
            reply = await future
    except TimeoutError:
        raise Refused(
            504,
            f"Expected an answer within {service.limits.timeout:g} seconds. "
            "Received: none yet",
        ) from None
    return _json(
        200,
        {
            "model": reply.model,
            "recommendations": [vars(answer) for answer in reply.answers],
        },
    )


def _say_errors(app: FastAPI) -> None:
    """Has every error be one sentence of JSON."""

    @app.exception_handler(Refused)
    async def refused(request: Request, error: Refused) -> Response:
        del request
        headers = _AGAIN if error.status == 503 else {}
        if error.status in (408, 413):
            headers = _CLOSED
        return _json(error.status, {"error": str(error)}, headers)

    @app.exception_handler(EOFError)
    async def lost(request: Request, error: EOFError) -> Response:
        del request, error
        what = "The model is being loaded again. Ask again in a few seconds."
        return _json(503, {"error": what}, _AGAIN)

    @app.exception_handler(HTTPException)
    async def not_found(request: Request, error: HTTPException) -> Response:
        expected = "POST /recommend, GET /health, GET /metadata or GET /docs"
        received = f"{request.method} {request.url.path}"[:100]
        return _json(
            error.status_code,
            {"error": f"Expected {expected}. Received: {received}"},
            error.headers,
        )

    @app.exception_handler(Exception)
    async def failed(request: Request, error: Exception) -> Response:
        del request
        what = "This is an error of the service, which its log tells"
        if isinstance(error, FloatingPointError):
            what = str(error)
        return _json(500, {"error": what})


def _json(status: int, content: dict[str, Any], headers=None) -> Response:
    # Within ASCII: what is shown of a request may be no text that UTF-8 has.
    return Response(
        json.dumps(content, separators=(",", ":")),
        status,
        headers,
        media_type="application/json",
    )
