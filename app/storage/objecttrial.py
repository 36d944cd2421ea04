"""One object put, read, listed and deleted in a bucket: whether the key may do what the service will do."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable
from contextlib import aclosing
from typing import TYPE_CHECKING

from app.domain.check import Check, failed, passed
from app.errors import BallastError
from app.storage.filesystem import UnusableRoot
from app.storage.objectfaults import explain
from app.storage.threads import DiskThreads

if TYPE_CHECKING:
    from app.storage.objects import ObjectBucket

_FOLDER = "doctor"
_TRIAL_SECONDS = 20
_NAME = "object store"
_FIX = "correct the settings BALLAST_STORAGE__S3_* (docs/settings.md), or start the store"


async def check_bucket(connect: Callable[[DiskThreads], ObjectBucket], bucket: str, address: str) -> Check:
    """Try the bucket that `connect` gives, for a bounded time, and tell how it went."""
    disk, began = DiskThreads(), time.monotonic()
    try:
        async with asyncio.timeout(_TRIAL_SECONDS):
            async with aclosing(connect(disk)) as trial:
                await try_bucket(trial)
    except UnusableRoot as error:
        return failed(_NAME, str(error), _FIX)
    except TimeoutError:
        return failed(_NAME, f"the bucket {bucket} did not answer for {_TRIAL_SECONDS} s at {address}", _FIX)
    except (BallastError, OSError) as error:
        return failed(_NAME, explain(error, bucket, address), _FIX)
    finally:
        await disk.aclose()
    taken = f"an object was put, read, listed and deleted in {(time.monotonic() - began) * 1000:.0f} ms"
    return passed(_NAME, f"bucket {bucket} at {address}: {taken}")


async def try_bucket(bucket: ObjectBucket) -> None:
    """Put, read, list and delete one object; nothing is left, also where a step fails.

    Raises:
        StorageUnavailable: the store refuses, or does not answer.
        OSError: what is read, or listed, is not what was put.
    """
    async for _ in bucket.list(_FOLDER):  # first: some stores make a bucket that is not there at the first put
        break
    key, data = f"{_FOLDER}/{secrets.token_hex(8)}", secrets.token_bytes(64)
    await bucket.put_json(key, data)
    try:
        if await bucket.get(key) != data:
            raise OSError("what is read is not what was put")
        if key not in [found.key async for found in bucket.list(_FOLDER)]:
            raise OSError("what was put is not listed")
    finally:
        await bucket.delete(key)
