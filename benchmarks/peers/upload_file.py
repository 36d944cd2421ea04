"""The peer of `benchmarks/upload.py`: the upload route of FastAPI's tutorial, with a copy to where the file belongs."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import uvicorn
from fastapi import FastAPI, UploadFile  # noqa: TID251 - this is what we compare ourselves with

app = FastAPI()
folder = Path(sys.argv[2])


@app.post("/upload", status_code=201)
def upload(file: UploadFile) -> dict[str, int]:
    target = folder / "upload.bin"
    with target.open("wb") as copy:
        shutil.copyfileobj(file.file, copy, 1024 * 1024)
    size = target.stat().st_size
    target.unlink()
    return {"size": size}


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="warning")
