"""Processes small grey images, given as rows of pixels from 0 to 255."""

import asyncio
import os
import time

import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse
from pydantic import BaseModel

INSTANCE = os.environ["NOMAD_ALLOC_ID"][:8]
STARTED = time.monotonic()

app = FastAPI(title="Image processor")
requests = 0


class Image(BaseModel):
    rows: list[list[int]]


class Task(BaseModel):
    """Blurs a square image a number of times."""

    size: int = 64
    times: int = 10


@app.middleware("http")
async def count(request: Request, call_next):
    global requests
    requests += 1
    return await call_next(request)


@app.get("/", response_class=HTMLResponse)
async def home():
    return f"""<h1>Image processor</h1>
<p>Instance {INSTANCE}, up for {uptime():.0f} s, has had {requests} requests.</p>
<ul>
<li><a href="api/status">GET api/status</a>: this instance</li>
<li>POST api/process: inverts an image</li>
<li>POST api/heavy-task: blurs an image a number of times</li>
</ul>"""


@app.get("/api/status")
async def status():
    return {"instance": INSTANCE, "status": "healthy", "uptime": round(uptime(), 1), "requests": requests}


@app.post("/api/process")
async def process(image: Image):
    await asyncio.sleep(0.1)  # simulates fetching the image from its storage
    return {"instance": INSTANCE, "rows": [[255 - pixel for pixel in row] for row in image.rows]}


# Not async: FastAPI runs it in a thread, so that the instance can answer other requests.
@app.post("/api/heavy-task")
def heavy_task(task: Task):
    image = [[255 * ((x ^ y) & 1) for x in range(task.size)] for y in range(task.size)]
    for _ in range(task.times):
        image = blur(image)
    return {"instance": INSTANCE, "mean": sum(map(sum, image)) / task.size**2}


def blur(image):
    """The mean of each pixel and its neighbours to the right and below."""
    size = len(image)
    return [
        [
            (image[y][x] + image[y][(x + 1) % size] + image[(y + 1) % size][x] + image[(y + 1) % size][(x + 1) % size]) // 4
            for x in range(size)
        ]
        for y in range(size)
    ]


def uptime():
    return time.monotonic() - STARTED


if __name__ == "__main__":
    uvicorn.run(app, host=os.environ["NOMAD_IP_http"], port=int(os.environ["NOMAD_PORT_http"]), log_level="warning")
