"""The load of image transformations: picture after picture, each time with other parameters, so that no cache helps."""

from __future__ import annotations

import asyncio
import itertools
import time

from soak.http import LOST, HttpClient, pause_seconds
from soak.pictures import Pictures
from soak.tally import Tally

_PARAMETERS = (
    "width={width}",
    "width={width}&height=200&fit=cover&format=webp",
    "width={width}&rotate=90&quality=70&format=jpeg",
    "height={width}&grayscale=true&blur=2&format=png",
)
_WIDTHS = range(64, 1024)
_RECONNECT_SECONDS = 1.0
_LONGEST_PAUSE_SECONDS = 5.0


class ImageLoad:
    """Has one picture at a time transformed (`POST /v1/images`)."""

    def __init__(self, port: int, pictures: Pictures, tally: Tally) -> None:
        self._port = port
        self._pictures = pictures
        self._tally = tally

    async def run(self) -> None:
        """Go on until cancelled."""
        client = HttpClient(self._port)
        try:
            for number in itertools.count():
                await asyncio.sleep(await self._transform(client, number))
        finally:
            client.close()

    async def _transform(self, client: HttpClient, number: int) -> float:
        """Have the picture of this number transformed; return the seconds to wait before the next."""
        picture = self._pictures.photos[number % len(self._pictures.photos)]
        query = _PARAMETERS[number % len(_PARAMETERS)].format(width=_WIDTHS[number % len(_WIDTHS)])
        head = client.head("POST", f"/v1/images?{query}", len(picture.data), picture.content_type)
        tally, began = self._tally, time.monotonic()
        try:
            answer = await client.exchange(head, picture.data)
        except LOST as error:
            tally.lose("image", error)
            return _RECONNECT_SECONDS
        if answer.status == 200:
            tally.image_answers["200"] += 1
            tally.image_seconds.append(time.monotonic() - began)
            return 0.0
        problem = answer.json()
        name = f"{answer.status} {problem.get('code')}"
        tally.image_answers[name] += 1
        if answer.status != 503 or "retry-after" not in answer.headers:
            tally.wrong_answers[f"image: {name}: {problem.get('detail')}"] += 1
        return min(pause_seconds(answer), _LONGEST_PAUSE_SECONDS)
