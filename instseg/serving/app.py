"""The web application: what it takes, and what it answers."""

from __future__ import annotations

import asyncio
import hmac
import os
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from typing import Annotated, Any

from fastapi import FastAPI, Query, Request, Response, Security
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.security import APIKeyHeader
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Receive, Scope, Send

from instseg import __version__
from instseg.core.errors import InputError
from instseg.core.options import takes
from instseg.core.wording import printable
from instseg.serving.body import discard, received
from instseg.serving.dispatch import Dispatcher
from instseg.serving.lanes import KEY_VARIABLE, ThreadLane
from instseg.serving.messages import Answer, Job, RefusedError
from instseg.serving.options import AppOptions
from instseg.serving.schema import Health, Prediction, PredictQuery, Problem

OPEN_PATHS = ("/health", "/health/live")  # which need no key
CLIENT_GONE = 499  # in the metrics; nobody reads this answer
Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[None]]

_KEY = APIKeyHeader(
    name="X-API-Key",
    auto_error=False,
    description="or `Authorization: Bearer KEY`; needed where the service has a key",
)
_PROBLEMS: dict[int | str, dict[str, Any]] = {
    status: {"model": Problem, "description": words}
    for status, words in {
        401: "The key is missing or wrong",
        408: "The photo has not arrived in time",
        413: "Too many bytes or pixels, or too little memory for them",
        422: "Not a photo that can be read, or a wrong option",
        429: "Too many photos are waiting; see Retry-After",
        500: "The photo cannot be processed",
        503: "Loading or shutting down, or the photo has waited too long; see Retry-After",
        504: "Predicting the photo has taken too long",
    }.items()
}
_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["photo"],
                    "properties": {"photo": {"type": "string", "format": "binary"}},
                }
            },
            "image/*": {"schema": {"type": "string", "format": "binary"}},
        },
    }
}


@takes(AppOptions)
def make_app(options: AppOptions) -> FastAPI:
    """Make a web application that answers with what a predictor finds.

    For servers of your own, such as Ray Serve; `serve` runs one with worker processes.

    Returns:
        A FastAPI application with `/predict`, `/health`, `/metrics` and `/docs`.

    Raises:
        InputError: An option is out of range.
    """
    workers = options.predictor.workers()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        dispatcher: Dispatcher = app.state.dispatcher
        for _ in range(workers.count):
            lane = ThreadLane(options.predictor, options.max_pixels, workers.count, workers.threads)
            await dispatcher.add(lane)
        yield
        await dispatcher.stop()

    api_key = options.api_key if options.api_key is not None else os.environ.get(KEY_VARIABLE)
    return app_of(Dispatcher(options), lifespan, api_key)


def app_of(dispatcher: Dispatcher, lifespan: Lifespan | None, api_key: str | None) -> FastAPI:
    """The application of a dispatcher.

    Args:
        dispatcher: Answers photos.
        lifespan: Starts and ends its lanes; None if others do.
        api_key: Requests must bring it; None or "" for none.

    Raises:
        InputError: The key is one that no request can bring.
    """
    if api_key and not (api_key.isascii() and api_key.isprintable() and api_key == api_key.strip()):
        raise InputError(
            f"the API key (of {KEY_VARIABLE}) must be printable ASCII characters, without blanks "
            "at its ends: others do not arrive in a header; choose another"
        )
    app = FastAPI(
        title="instseg",
        version=__version__,
        description="Finds the instances in photos.",
        lifespan=lifespan,
        redoc_url=None,
    )
    app.state.dispatcher = dispatcher
    if api_key:
        app.add_middleware(RequiresKey, key=api_key, most_bytes=dispatcher.limits.most_bytes)

    @app.exception_handler(RequestValidationError)
    async def wrong_option(request: Request, problem: RequestValidationError) -> Response:
        first = problem.errors()[0]
        status = 422
        dispatcher.metrics.requests.labels(status).inc()
        await discard(request, dispatcher.limits.most_bytes)
        return _refusal(RefusedError(status, printable(f"{first['loc'][-1]}: {first['msg']}")))

    _add_predict(app, dispatcher)
    _add_states(app, dispatcher)
    return app


def _add_predict(app: FastAPI, dispatcher: Dispatcher) -> None:
    @app.post(
        "/predict",
        response_model=Prediction,
        responses={200: {"content": {"image/png": {}}}, **_PROBLEMS},
        openapi_extra=_BODY,
        dependencies=[Security(_KEY)],
    )
    async def predict(
        request: Request,
        options: Annotated[PredictQuery, Query()],
    ) -> Response:
        """Find the instances in one photo: the body, or the only part of a form."""
        picture = options.format == "png" or (
            options.format is None and request.headers.get("accept", "").startswith("image/png")
        )
        job_of = partial(Job, picture=picture, **options.model_dump(exclude={"format"}))
        return await _respond(dispatcher, request, job_of)


async def _respond(
    dispatcher: Dispatcher, request: Request, job_of: Callable[..., Job]
) -> Response:
    """Receive the photo of a request and answer it.

    Args:
        dispatcher: Answers.
        request: Brings the photo.
        job_of: Makes the job, of `content` and `name` of the photo.
    """
    begin_s = time.monotonic()
    limits = dispatcher.limits
    try:
        with dispatcher.admitted():
            content, name = await received(request, limits.most_bytes, limits.body_timeout)
            job = job_of(content=content, name=name)
            answer = await _answer_or_gone(dispatcher, job, request)
    except RefusedError as refusal:
        dispatcher.metrics.requests.labels(refusal.status).inc()
        await discard(request, limits.most_bytes)
        return _refusal(refusal)
    except asyncio.CancelledError:  # by the server at its end, while the photo arrives
        if dispatcher.state != "draining":
            raise
        return _refusal(RefusedError(503, "the service is shutting down"))
    except ClientDisconnect:
        dispatcher.metrics.requests.labels(CLIENT_GONE).inc()
        return Response(status_code=CLIENT_GONE)
    dispatcher.metrics.requests.labels(answer.status).inc()
    if answer.status == 200:
        dispatcher.metrics.seconds.observe(time.monotonic() - begin_s)
    headers = {"X-Content-Type-Options": "nosniff"}
    return Response(answer.body, answer.status, headers, answer.media_type)


async def _answer_or_gone(dispatcher: Dispatcher, job: Job, request: Request) -> Answer:
    """The answer; ClientDisconnect as soon as nobody waits for it any more."""
    asked = asyncio.create_task(dispatcher.submit(job))
    gone = asyncio.create_task(_disconnected(request))
    try:
        await asyncio.wait({asked, gone}, return_when=asyncio.FIRST_COMPLETED)
        if not asked.done():
            raise ClientDisconnect
        return asked.result()
    finally:
        asked.cancel()
        gone.cancel()


async def _disconnected(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _refusal(refusal: RefusedError) -> Response:
    headers = {"Connection": "close"}
    if refusal.retry_after_s is not None:
        headers["Retry-After"] = str(refusal.retry_after_s)
    return JSONResponse({"detail": refusal.problem}, refusal.status, headers)


def _add_states(app: FastAPI, dispatcher: Dispatcher) -> None:
    @app.get("/health", responses={503: {"model": Health}})
    async def health(response: Response) -> Health:
        """Whether the service takes photos: 200 if it does, 503 if it does not yet or any more."""
        state = dispatcher.state
        response.status_code = 200 if state == "ready" else 503
        return Health(
            status=state,
            weights=dispatcher.weights,
            workers=dispatcher.ready_lanes,
            queued=dispatcher.queued,
        )

    @app.get("/health/live")
    async def live() -> dict[str, str]:
        """Whether the service runs: always 200."""
        return {"status": "live"}

    @app.get("/metrics", response_class=Response, dependencies=[Security(_KEY)])
    async def metrics() -> Response:
        """Counts and times in the text format of Prometheus."""
        text = dispatcher.metrics.text()
        return Response(text, media_type="text/plain; version=0.0.4; charset=utf-8")


class RequiresKey:
    """Answers requests without the key with 401, and reads nothing but their headers."""

    def __init__(self, app: ASGIApp, key: str, most_bytes: int) -> None:
        self._app, self._key, self._most_bytes = app, key.encode(), most_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """As ASGI."""
        needed = scope["type"] == "http" and scope["path"] not in OPEN_PATHS
        if needed and not hmac.compare_digest(_key_of(scope), self._key):
            refusal = JSONResponse(
                {"detail": "the API key is missing or wrong; send it as X-API-Key"},
                401,
                {"WWW-Authenticate": "Bearer", "Connection": "close"},
            )
            await discard(Request(scope, receive), self._most_bytes)
            return await refusal(scope, receive, send)
        return await self._app(scope, receive, send)


def _key_of(scope: Scope) -> bytes:
    headers = dict(scope["headers"])
    bearer, _, key = headers.get(b"authorization", b"").partition(b" ")
    return bytes(headers.get(b"x-api-key") or (key.strip() if bearer.lower() == b"bearer" else b""))
