"""A lock is removed when nobody lives who could hold it, and only then."""

from pathlib import Path

from pipeline.core.locks import clear_stale_lock


def leave_lock(folder: Path) -> Path:
    lock = folder / "locks" / "0.output.lock"
    lock.parent.mkdir(exist_ok=True)
    lock.touch()
    return lock


def test_a_lock_of_the_dead_is_removed(tmp_path: Path) -> None:
    clear_stale_lock(tmp_path).close()  # it lived and died
    lock = leave_lock(tmp_path)

    alive = clear_stale_lock(tmp_path)

    assert not lock.exists()
    alive.close()


def test_a_lock_stays_while_another_lives(tmp_path: Path) -> None:
    first = clear_stale_lock(tmp_path)
    lock = leave_lock(tmp_path)

    second = clear_stale_lock(tmp_path)
    third = clear_stale_lock(tmp_path)  # the second must not have made room for it

    assert lock.exists()
    for file in (first, second, third):
        file.close()
