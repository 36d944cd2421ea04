"""What a service offers, what a soak makes of it, and what it says that it did not try."""

from __future__ import annotations

import pytest

from app.domain.units import MIB
from soak.offer import Offer, UnknownTask, chosen_tasks, read_offer, untried
from soak.plan import ALL_TASKS, SoakPlan
from tests.soak.toy_service import ToyService

OFFER = Offer(("hands", "pose"), without_model=("gestures",), images=True, jobs=False)


def plan(**changes: object) -> SoakPlan:
    return SoakPlan(300 * MIB, **changes)  # type: ignore[arg-type]


def test_all_means_every_task_that_has_its_model() -> None:
    assert chosen_tasks(plan(tasks=ALL_TASKS), OFFER) == ("hands", "pose")
    assert chosen_tasks(plan(tasks=("pose",)), OFFER) == ("pose",)


@pytest.mark.parametrize(("task", "words"), [("toes", "no task is called toes"), ("gestures", "no model for gestures")])
def test_a_task_that_cannot_be_asked_for_is_refused(task: str, words: str) -> None:
    with pytest.raises(UnknownTask, match=words):
        chosen_tasks(plan(tasks=("hands", task)), OFFER)


def test_what_is_not_tried_is_named_with_its_reason() -> None:
    named = untried(plan(streams=0, upload_bytes=0, images=0), OFFER, ["hands"], has_film=False)

    assert named[:6] == [
        "the tasks pose (--tasks)",
        "the tasks gestures (no model)",
        "images (--images 0)",
        "jobs (the service has none)",
        "streams (--streams 0)",
        "uploads (--upload 0)",
    ]


def test_what_is_tried_is_not_named() -> None:
    named = untried(plan(jobs=1), Offer(("hands",), (), images=True, jobs=True), ["hands"], has_film=True)

    assert not any(name.startswith(("the tasks", "images", "streams", "uploads")) for name in named)
    assert "jobs of other kinds than transcode, thumbnails, analyze" in named
    assert "downloads" in named


async def test_a_service_is_asked_for_what_it_offers() -> None:
    service = ToyService(tasks={"hands": "unloaded", "pose": "missing"}, images=True)

    async with service.listening() as port:
        offer = await read_offer(port)

    assert offer == Offer(("hands",), ("pose",), images=True, jobs=False)


def test_why_there_are_no_jobs_is_told() -> None:
    offer = Offer(("hands",), (), images=True, jobs=True)

    assert "jobs (--jobs 0)" in untried(plan(jobs=0), offer, ["hands"], has_film=False)
    assert "jobs (no ffmpeg to draw a film)" in untried(plan(jobs=1), offer, ["hands"], has_film=False)
