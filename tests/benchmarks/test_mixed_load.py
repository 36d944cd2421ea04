from __future__ import annotations

from collections import Counter

from benchmarks.mixed_load import TASKS, Target, send_photos
from soak.pictures import Picture
from tests.benchmarks.answering import answering

PICTURES = [Picture(name, "image/jpeg") for name in (b"one", b"two", b"three", b"four")]


async def test_photos_go_to_the_tasks_in_turn_and_every_task_sees_every_picture() -> None:
    seen = Counter[tuple[str, bytes]]()

    def note(path: str, body: bytes) -> tuple[int, bytes]:
        seen[path, body] += 1
        return 200, b"{}"

    async with answering(note) as port:
        answers = await send_photos(Target(port), PICTURES, 24)

    assert seen == {(f"/v1/vision/{task}?cache=false", one.data): 1 for task in TASKS for one in PICTURES}
    assert answers.share_answered == 1
    assert Counter(photo.task for photo in answers.photos) == dict.fromkeys(TASKS, 4)


async def test_what_is_refused_or_lost_is_counted_and_not_sent_again() -> None:
    def refuse(path: str, _: bytes) -> tuple[int, bytes] | None:
        if "hands" in path:
            return 503, b'{"code": "overloaded"}'
        return None if "pose" in path else (200, b"a picture")

    async with answering(refuse) as port:
        answers = await send_photos(Target(port), PICTURES, 12)

    assert answers.outcomes == {"200": 8, "503 overloaded": 2, "lost": 2}
    assert answers.share_answered == 8 / 12
    assert len(answers.later_seconds) == 5  # of six, one was lost


async def test_the_first_photo_of_each_task_does_not_count_among_the_later_ones() -> None:
    async with answering(lambda _path, _body: (200, b"{}")) as port:
        answers = await send_photos(Target(port), PICTURES, 13)

    assert {photo.task for photo in answers.photos if photo.first} == set(TASKS)
    assert len(answers.later_seconds) == 7
    assert answers.longest_seconds >= max(answers.later_seconds)
