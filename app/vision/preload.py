"""What every vision child has in common: imported by the zygote, once, and shared by all that are forked from it.

MediaPipe's library is loaded raw, without the dispatcher that each task has: that is a thread, and nothing may be
forked beside one. All tasks' modules come along: 1.3 MB once, where they take a child 10 to 30 ms and 1 to 2 MB
(docs/decisions/0024).
"""

from __future__ import annotations

from app.imaging.formats.jpeg import Jpeg
from app.imaging.formats.png import Png
from app.vision import engine, runtime  # noqa: F401
from app.vision.task import vision_tasks

for picture_format in (Jpeg(), Png()):  # what most pictures are; of PNG it takes 0.3 MB, and 5 ms of each child
    picture_format.load_plugin()
runtime.load_library()
for native in {task.native for task in vision_tasks().values() if task.native}:
    runtime.vision(native)
