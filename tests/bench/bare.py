"""The measure: a bare starlette app that returns a static JSONResponse and does nothing else."""

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

JOB = {
    "id": "video_691209aab0a08198a4e78870277f7e3d0215e09cec47a737",
    "object": "video",
    "model": "sora-2",
    "status": "in_progress",
    "progress": 40,
    "created_at": 1790000000,
    "completed_at": None,
    "expires_at": None,
    "prompt": "A calico cat playing a piano on stage",
    "size": "1280x720",
    "seconds": "8",
    "remixed_from_video_id": None,
    "error": None,
}


async def answer(request: Request) -> JSONResponse:
    return JSONResponse(JOB)


app = Starlette(
    routes=[
        Route("/v1/videos", answer, methods=["GET", "POST"]),
        Route("/v1/videos/{id}", answer),
    ]
)
