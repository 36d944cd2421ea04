"""`ballast doctor` asks the database of jobs, where several machines share one."""

from __future__ import annotations

import pytest

from app.doctor.jobs_check import check_jobs
from app.domain.check import Status
from app.settings import JobsSettings
from tests.jobs.postgres import Postgres


@pytest.mark.parametrize("url", [None, "sqlite:////tmp/jobs"])
def test_jobs_in_a_file_need_no_check(url: str | None) -> None:
    assert list(check_jobs(JobsSettings(database_url=url))) == []


def test_a_database_that_answers_tells_its_version(postgres_server: Postgres) -> None:
    (check,) = check_jobs(JobsSettings(database_url=postgres_server.new_url()))

    assert check.status is Status.OK
    assert check.found.startswith("PostgreSQL 1")
    assert check.found.endswith(": 0")


def test_a_database_that_lets_nobody_in_is_told_without_the_password(postgres_server: Postgres) -> None:
    url = postgres_server.new_url().replace(postgres_server.password, "another-secret")

    (check,) = check_jobs(JobsSettings(database_url=url))

    assert check.status is Status.FAIL
    assert "BALLAST_JOBS__DATABASE_URL" in check.fix
    assert "another-secret" not in repr(check)
