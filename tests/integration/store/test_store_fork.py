import multiprocessing

from adapters.store import SqlStore


def add_cases(store: SqlStore, prefix: str) -> None:
    for number in range(15):
        with store.begin() as transaction:
            transaction.add_case(f"KLINIK|{prefix}{number}", lang="de")


def test_forked_workers_and_their_parent_do_not_share_connections(store: SqlStore) -> None:
    """As Celery's prefork pool does it: the store was opened, and used, before the fork."""
    add_cases(store, "before")
    children = [
        multiprocessing.get_context("fork").Process(target=add_cases, args=(store, name)) for name in ("a", "b", "c")
    ]
    for child in children:
        child.start()
    add_cases(store, "parent")
    for child in children:
        child.join(timeout=60)
    assert [child.exitcode for child in children] == [0, 0, 0]
    with store.read() as transaction:
        assert len(transaction.cases()) == 5 * 15
