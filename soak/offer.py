"""What a service offers to be soaked, and what a soak of it leaves out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from soak.http import HttpClient
from soak.jobs import KINDS
from soak.plan import ALL_TASKS, SoakPlan

_NEVER = ("batches of pictures", "resumable uploads", "downloads", "an object store")
"""What this load has no part of, whatever the service offers."""


class UnknownTask(Exception):
    """A task was asked for that the service does not have, or whose model it does not have."""


@dataclass(frozen=True, slots=True)
class Offer:
    """`tasks` are those whose model is there, `without_model` the others; `images` and `jobs`: they are answered."""

    tasks: tuple[str, ...]
    without_model: tuple[str, ...]
    images: bool
    jobs: bool


async def read_offer(port: int) -> Offer:
    """Ask a service what it offers.

    Raises:
        ConnectionError, asyncio.IncompleteReadError, TimeoutError: it does not answer.
    """
    client = HttpClient(port)
    try:
        tasks = (await client.get("/v1/vision")).json()["tasks"]
        images = (await client.get("/v1/images/operations")).status == 200
        jobs = (await client.get("/v1/jobs/kinds")).status == 200
    finally:
        client.close()
    return Offer(
        tasks=tuple(task["name"] for task in tasks if task["state"] != "missing"),
        without_model=tuple(task["name"] for task in tasks if task["state"] == "missing"),
        images=images,
        jobs=jobs,
    )


def chosen_tasks(plan: SoakPlan, offer: Offer) -> tuple[str, ...]:
    """Return the tasks that the plan means of those that are offered.

    Raises:
        UnknownTask: one of them is not offered, or none is.
    """
    wanted = offer.tasks if plan.tasks == ALL_TASKS else plan.tasks
    absent = [task for task in wanted if task not in offer.tasks]
    if missing := [task for task in absent if task in offer.without_model]:
        raise UnknownTask(f"there is no model for {', '.join(missing)}: `ballast models` fetches it")
    if absent or not wanted:
        raise UnknownTask(f"no task is called {', '.join(absent)}; there are {', '.join(offer.tasks) or 'none'}")
    return tuple(wanted)


def untried(plan: SoakPlan, offer: Offer, tasks: Sequence[str], *, has_film: bool) -> list[str]:
    """Return what a soak by this plan did not try, each with the reason in parentheses, as far as there is one.

    `has_film`: there was one for jobs.
    """
    left = [task for task in offer.tasks if task not in tasks]
    found = [f"the tasks {', '.join(left)} (--tasks)"] if left else []
    found += [f"the tasks {', '.join(offer.without_model)} (no model)"] if offer.without_model else []
    if not offer.images:
        found.append("images (the service has none)")
    elif not plan.images:
        found.append("images (--images 0)")
    if not offer.jobs:
        found.append("jobs (the service has none)")
    elif not plan.jobs:
        found.append("jobs (--jobs 0)")
    else:
        found.append(f"jobs of other kinds than {', '.join(KINDS)}" if has_film else "jobs (no ffmpeg to draw a film)")
    found += ["streams (--streams 0)"] if not plan.streams else []
    found += ["uploads (--upload 0)"] if not plan.upload_bytes else []
    return [*found, *_NEVER]
