"""The states of jobs."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import Conflict
from app.jobs.job import Job
from app.jobs.states import FINISHED, UNFINISHED, JobState

STATES = st.sampled_from(list(JobState))


def job(state: JobState = JobState.QUEUED) -> Job:
    return Job("j1", "count", "client", ("m",), False, {}, 0, 1.0, "here", state=state)


@given(st.lists(STATES, max_size=30))
def test_whatever_is_asked_a_job_only_ever_takes_steps_that_are_allowed(wanted: list[JobState]) -> None:
    here = job()

    for state in wanted:
        before = here
        try:
            here = here.moved(state)
        except Conflict:
            assert here is before
            assert not before.state.may_become(state)
        else:
            assert state is before.state or before.state.may_become(state)
            assert here.sequence == before.sequence + 1


@given(STATES)
def test_what_succeeded_stays_so(state: JobState) -> None:
    assert not JobState.SUCCEEDED.may_become(state)


@pytest.mark.parametrize("state", sorted(FINISHED))
def test_what_is_finished_never_runs_without_being_queued_again(state: JobState) -> None:
    assert not state.may_become(JobState.RUNNING)
    assert not state.may_become(JobState.PAUSED)


@pytest.mark.parametrize("state", sorted(UNFINISHED))
def test_whatever_is_not_finished_can_be_cancelled_and_can_fail(state: JobState) -> None:
    assert state.may_become(JobState.CANCELLED)
    assert state.may_become(JobState.FAILED)


@given(STATES)
def test_every_state_can_be_reached_from_the_first(wanted: JobState) -> None:
    reached = {JobState.QUEUED}

    while more := {other for state in reached for other in JobState if state.may_become(other)} - reached:
        reached |= more

    assert wanted in reached
