"""The rules of the house that a program can check."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from functools import cache

import pytest

from tests.media_files import REPOSITORY

APP = REPOSITORY / "app"
KNOWS_HTTP = (
    *("app/http/", "app/server/", "app/media/", "app/status/", "app/vision/", "app/images/", "app/main.py"),
    *("app/jobs/routes.py", "app/jobs/hls_routes.py"),
)
IMAGES_CHILD_SIDE = (
    "app/images/mask.py",
    "app/images/operation.py",
    "app/images/operations/",
    "app/images/engine.py",
    "app/images/rendering.py",
)
FACES_CHILD_SIDE = (
    "app/vision/face_search.py",
    "app/vision/close_look.py",
    "app/vision/frame_pipe.py",
    "app/vision/segment.py",
)
FILE_LINES, FILE_LINES_HARD, FUNCTION_LINES = 250, 300, 60


@cache
def _trees() -> dict[str, ast.Module]:
    """Return the syntax tree of each module, by its path below the repository."""
    return {
        path.relative_to(REPOSITORY).as_posix(): ast.parse(path.read_text(), str(path))
        for path in sorted(APP.rglob("*.py"))
    }


def _imports(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _dotted(node: ast.expr) -> str:
    """Return `a.b.c` for such an expression, else nothing."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute) and (left := _dotted(node.value)):
        return f"{left}.{node.attr}"
    return ""


def _names(tree: ast.Module) -> Iterator[str]:
    """Yield every name and dotted name that is used."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Name | ast.Attribute):
            yield _dotted(node)


def _is_under(path: str, *allowed: str) -> bool:
    return path.startswith(tuple(allowed))


def _using(name: str, *allowed: str) -> list[str]:
    """Return the modules outside `allowed` that use a name."""
    return [
        path
        for path, tree in _trees().items()
        if not _is_under(path, *allowed) and any(used == name or used.endswith(f".{name}") for used in _names(tree))
    ]


def _importing(library: str, *allowed: str) -> list[str]:
    """Return the modules outside `allowed` that import a library."""
    return [
        path
        for path, tree in _trees().items()
        if not _is_under(path, *allowed) and any(one.partition(".")[0] == library for one in _imports(tree))
    ]


def test_the_checks_see_something() -> None:
    assert _importing("numpy") != []
    assert _using("os.environ") != []


def test_imports_flow_one_way() -> None:
    outcome = subprocess.run(
        [sys.executable, "-c", "from importlinter.cli import lint_imports_command; lint_imports_command()"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )

    assert outcome.returncode == 0, outcome.stdout + outcome.stderr
    assert "0 broken" in outcome.stdout


@pytest.mark.parametrize(
    ("library", "allowed"),
    [
        (
            "mediapipe",
            (
                "app/vision/engine.py",
                "app/vision/runtime.py",
                "app/vision/tasks/",
                "app/models/gesture_bundle.py",
            ),
        ),
        ("fastapi", KNOWS_HTTP),
        ("starlette", KNOWS_HTTP),
        ("uvicorn", ("app/server/",)),
        ("PIL", ("app/imaging/", "app/vision/task.py", "app/vision/tasks/", *FACES_CHILD_SIDE, *IMAGES_CHILD_SIDE)),
        ("psutil", ("app/memory/psutil_tree.py",)),
        ("dbos", ("app/jobs/engine/workflow.py",)),
        ("sqlite3", ("app/jobs/",)),
        ("cv2", ()),
        ("multiprocessing", ()),
    ],
)
def test_a_library_is_imported_only_where_it_belongs(library: str, allowed: tuple[str, ...]) -> None:
    assert _importing(library, *allowed) == []


def test_numpy_is_imported_on_the_child_side_only() -> None:
    """At run time: annotations may name it. `contracts` shows that importing a task does not import it."""
    child_side = ("app/imaging/", "app/vision/runtime.py", "app/vision/tasks/", *FACES_CHILD_SIDE)
    found = [
        f"{path}:{node.lineno}"
        for path, tree in _trees().items()
        if not _is_under(path, *child_side)
        for node in _run_time_imports(tree)
        if any(name.partition(".")[0] == "numpy" for name in _imports(ast.Module([node], [])))
    ]

    assert found == []


def _run_time_imports(tree: ast.Module) -> Iterator[ast.Import | ast.ImportFrom]:
    """Yield imports that are not below `if TYPE_CHECKING`."""
    skipped: set[ast.AST] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and _dotted(node.test).endswith("TYPE_CHECKING"):
            skipped.update(inner for statement in node.body for inner in ast.walk(statement))
        if isinstance(node, ast.Import | ast.ImportFrom) and node not in skipped:
            yield node


def test_upload_file_is_used_nowhere() -> None:
    assert _using("UploadFile") == []
    assert [path for path, tree in _trees().items() if any(n.endswith("UploadFile") for n in _imports(tree))] == []


def test_pillow_opens_pictures_in_its_own_room_only() -> None:
    assert _using("Image.open", "app/imaging/") == []


def test_the_environment_is_read_by_settings_and_starters_of_processes_only() -> None:
    starters = ("app/workers/launch.py", "app/models/packages.py", "app/doctor/machine_checks.py")
    allowed = ("app/settings/", *starters)

    assert _using("os.environ", *allowed) == []
    assert _using("os.getenv", *allowed) == []


def test_processors_are_counted_in_one_place() -> None:
    assert _using("os.cpu_count", "app/memory/cpus.py") == []


def test_processes_are_started_by_workers_ffmpeg_the_installer_and_the_doctor_only() -> None:
    allowed = (
        "app/workers/launch.py",
        "app/workers/forker.py",
        "app/ffmpeg/runner.py",
        "app/doctor/machine_checks.py",
        "app/doctor/ffmpeg_checks.py",
        "app/models/packages.py",
    )

    for name in ("subprocess.Popen", "subprocess.run", "create_subprocess_exec", "create_subprocess_shell", "os.fork"):
        assert _using(name, *allowed) == []


def test_nothing_runs_between_fork_and_exec() -> None:
    found = [
        f"{path}:{node.value.lineno}"
        for path, tree in _trees().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.keyword) and node.arg == "preexec_fn"
    ]

    assert found == []


def test_nothing_goes_through_a_shell() -> None:
    found = [
        f"{path}:{node.value.lineno}"
        for path, tree in _trees().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.keyword) and node.arg == "shell"
    ]

    assert found == []
    assert _using("os.system") == []


def test_code_is_not_made_from_text() -> None:
    found = [
        f"{path}:{node.lineno}"
        for path, tree in _trees().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and _dotted(node.func) in ("eval", "exec", "pickle.loads", "pickle.load")
    ]

    assert found == []


def test_files_are_short() -> None:
    lengths = {path: len((REPOSITORY / path).read_text().splitlines()) for path in _trees()}
    long = {path: lines for path, lines in lengths.items() if lines > FILE_LINES}

    assert all(lines <= FILE_LINES_HARD for lines in lengths.values()), long
    assert len(long) <= len(lengths) // 20, f"too many files above {FILE_LINES} lines: {long}"


def test_functions_are_short() -> None:
    long = [
        f"{path}:{node.lineno} {node.name}: {node.end_lineno - node.lineno + 1}"
        for path, tree in _trees().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.end_lineno is not None
        and node.end_lineno - node.lineno + 1 > FUNCTION_LINES
    ]

    assert long == []


def test_modules_hold_no_state() -> None:
    """Nothing at module level is an empty container that is meant to be filled."""
    found = [
        f"{path}:{node.lineno}"
        for path, tree in _trees().items()
        for node in tree.body
        if isinstance(node, ast.Assign | ast.AnnAssign) and _is_empty_container(node.value)
    ]

    assert found == []


def _is_empty_container(value: ast.expr | None) -> bool:
    if isinstance(value, ast.List | ast.Set):
        return not value.elts
    if isinstance(value, ast.Dict):
        return not value.keys
    return (
        isinstance(value, ast.Call)
        and _dotted(value.func) in ("list", "dict", "set", "deque", "defaultdict", "Counter")
        and not value.args
    )


def test_every_module_says_what_it_is_for() -> None:
    assert [path for path, tree in _trees().items() if not ast.get_docstring(tree)] == []
