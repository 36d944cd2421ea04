"""The load: photos go to all tasks in turn, and pictures are transformed beside them."""

from __future__ import annotations

import asyncio
from collections import Counter

from app.domain.units import MIB
from soak.images import ImageLoad
from soak.load import Load
from soak.pictures import read_pictures
from soak.plan import SoakPlan
from soak.tally import Tally
from tests.soak.toy_service import ToyService

PICTURES = read_pictures(None, MIB)


async def test_photos_go_to_all_tasks_in_turn() -> None:
    service, tally = ToyService({"hands": "ready", "segmentation": "ready"}, images=False), Tally()
    plan = SoakPlan(300 * MIB, photos=10, in_flight=1, streams=0, upload_bytes=0)

    async with service.listening() as port:
        await Load(plan, ("hands", "segmentation"), port, PICTURES, tally).run()

    assert tally.photo_tasks == Counter({"hands": 5, "segmentation": 5})
    assert tally.photos_done == tally.first_try == 10
    assert {query for query in service.queries if "as=" in query} == {"cache=false&as=json"}


async def test_pictures_are_transformed_until_the_photos_are_done_each_in_another_way() -> None:
    service, tally = ToyService({"hands": "ready"}, images=True), Tally()
    plan = SoakPlan(300 * MIB, photos=200, in_flight=1, streams=0, upload_bytes=0)

    async with service.listening() as port:
        await Load(plan, ("hands",), port, PICTURES, tally).run(ImageLoad(port, PICTURES, tally).run())

    transformed = [query for query in service.queries if query != "cache=false"]
    assert tally.image_answers["200"] == len(tally.image_seconds) > 4
    assert tally.wrong_answers == Counter()
    assert len(set(transformed)) == len(transformed)


async def test_a_refusal_that_is_no_overload_is_a_wrong_answer() -> None:
    service, tally = ToyService({}, images=False), Tally()

    async with service.listening() as port:
        load = asyncio.create_task(ImageLoad(port, PICTURES, tally).run())
        while not tally.wrong_answers:  # noqa: ASYNC110 - a counter
            await asyncio.sleep(0.01)
        load.cancel()
        await asyncio.gather(load, return_exceptions=True)

    assert list(tally.wrong_answers) == ["image: 404 not_found: Not here."]
