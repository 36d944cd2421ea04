"""Several attacks at a time, of every family one."""

from __future__ import annotations

import asyncio
import itertools

from tests.stress.attacks.body_attacks import leave_a_body_half_sent, send_tiny_chunks, send_trailers
from tests.stress.attacks.connection_attacks import stay_after_one_answer
from tests.stress.attacks.document_attacks import send_a_long_list, send_fields
from tests.stress.attacks.frame_attacks import flood_with_fragments, leave_a_frame_half_sent, send_empty_messages
from tests.stress.attacks.head_attacks import drip_a_head, send_many_lines
from tests.stress.attacks.media_attacks import create_large
from tests.stress.attacks.message_attacks import send_a_large_id
from tests.stress.attacks.pipeline_attacks import pipeline_blindly
from tests.stress.attacks.reader_attacks import listen, read_no_document
from tests.stress.attacks.registry import attack
from tests.stress.attacks.wire import Target

_TURN_SECONDS = 2.0
_ACTS = itertools.cycle(
    [
        leave_a_body_half_sent, send_tiny_chunks, send_trailers, stay_after_one_answer, send_a_long_list, send_fields,
        flood_with_fragments, leave_a_frame_half_sent, send_empty_messages, drip_a_head, send_many_lines, create_large,
        send_a_large_id, pipeline_blindly, listen, read_no_document,
    ]
)  # fmt: skip


@attack("mixed", "64 connections, 16 of these attacks in turn, 2 s each", 64)
async def do_everything(target: Target) -> None:
    async with asyncio.timeout(_TURN_SECONDS):
        await next(_ACTS)(target)
