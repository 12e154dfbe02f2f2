"""The acquisition of keys with one part taken out, each time another: a story must notice."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from p2c.mapping.task import TaskMapping
from p2c.model import RecordKey, RowId
from p2c.sync import acquire_keys
from p2c.sync.acquire_keys import Free, KeyAcquirer, Taken
from p2c.sync.ledger import Entry
from p2c.sync.owners import Identity, Owner, Owners, Ownership
from p2c.sync.row_work import Work
from p2c.sync.write_rows import RowWriter
from tests.sync.mutants import Mutant, patched


def keys_are_not_acquired() -> Any:
    """Every row writes under the key it has."""
    return patched((KeyAcquirer, "acquire", lambda *_: None))


def a_row_s_own_key_is_not_stored_again() -> Any:
    """A row that the index names goes on without making a taker's condition fail."""
    store = Owners.store

    def lazy(
        self: Owners, entity_set: str, owners: Mapping[Identity, tuple[Owner, Ownership | None]]
    ) -> set[Identity]:
        own = {key for key, (owner, before) in owners.items() if before and before.owner == owner}
        return own | store(self, entity_set, {key: owners[key] for key in owners.keys() - own})

    return patched((Owners, "store", lazy))


def the_index_is_replaced_whatever_it_says() -> Any:
    """Two rows that take a key at the same time both get it."""
    store = Owners.store

    def replace_always(
        self: Owners, entity_set: str, owners: Mapping[Identity, tuple[Owner, Ownership | None]]
    ) -> set[Identity]:
        keys = [RecordKey(entity_set, tuple(("", part) for part in key[1:])) for key in owners]
        now = self.read(keys)
        return store(
            self, entity_set, {key: (owner, now.get(key)) for key, (owner, _) in owners.items()}
        )

    return patched((Owners, "store", replace_always))


def a_claimed_owner_is_not_waited_for() -> Any:
    """A worker may be about to write for the owner."""
    unclear = KeyAcquirer._unclear

    def free(self: KeyAcquirer, owner: Owner, key: RecordKey, rival: Owner, entry: Entry) -> Any:
        return unclear(self, owner, key, rival, replace(entry, claim=None))

    return patched((KeyAcquirer, "_unclear", free))


def an_expired_claim_counts_as_none() -> Any:
    """A worker that was taken for dead may have sent something."""
    unclear = KeyAcquirer._unclear

    def free(self: KeyAcquirer, owner: Owner, key: RecordKey, rival: Owner, entry: Entry) -> Any:
        if entry.claim and entry.claim.deadline <= self._clock.now():
            entry = replace(entry, claim=None)
        return unclear(self, owner, key, rival, entry)

    return patched((KeyAcquirer, "_unclear", free))


def an_unsettled_owner_is_not_waited_for() -> Any:
    """A request that was sent for the owner may act later."""
    unclear = KeyAcquirer._unclear

    def free(self: KeyAcquirer, owner: Owner, key: RecordKey, rival: Owner, entry: Entry) -> Any:
        return unclear(self, owner, key, rival, replace(entry, unsettled_until=None))

    return patched((KeyAcquirer, "_unclear", free))


def the_owner_is_not_looked_up_in_sales() -> Any:
    """Whoever came first keeps the key, also when it has another number or is gone."""
    verdicts = KeyAcquirer.verdicts

    def stubborn(
        self: KeyAcquirer, task: TaskMapping, wanted: Mapping[RowId, RecordKey]
    ) -> dict[RowId, Any]:
        found = verdicts(self, task, wanted)
        for row, verdict in found.items():
            if isinstance(verdict, Free) and verdict.loser and verdict.before:
                owner = Owner(task.template, task.task, row)
                found[row] = Taken(self._taken(owner, wanted[row], verdict.before.owner))
        return found

    return patched((KeyAcquirer, "verdicts", stubborn))


def the_newcomer_always_gets_the_key() -> Any:
    """The last to come takes the record, so that two rows take it from each other for ever."""
    return patched((KeyAcquirer, "_keys_in_sales", lambda _, owners: dict.fromkeys(owners)))


def the_loser_keeps_its_key() -> Any:
    """The index changes, the entry of the row that lost the key does not."""
    return patched((KeyAcquirer, "_evict", lambda *_: set()))


def the_loser_loses_its_key_whatever_it_does() -> Any:
    """A worker that claimed the owner meanwhile is not noticed."""
    evict = KeyAcquirer._evict

    def blindly(self: KeyAcquirer, free: Iterable[tuple[Work, Free]]) -> set[RowId]:
        now = []
        for work, verdict in free:
            if verdict.loser and verdict.before:
                owner = verdict.before.owner
                stored = self._ledger(owner).read([owner.row_id])[owner.row_id]
                loser = replace(verdict.loser, version=stored.version)
                now.append((work, replace(verdict, loser=loser)))
        return evict(self, now)

    return patched((KeyAcquirer, "_evict", blindly))


def the_index_changes_before_the_loser_s_entry() -> Any:
    """A crash, or a claim, in between leaves the key with both."""
    evict, inherit = KeyAcquirer._evict, KeyAcquirer._inherit

    def late(
        self: KeyAcquirer, task: Any, works: list[Work], free: Mapping[RowId, Free], held: Any
    ) -> None:
        evict(self, [(work, free[work.row_id]) for work in works])
        inherit(self, task, works, free, held)

    return patched((KeyAcquirer, "_evict", lambda *_: set()), (KeyAcquirer, "_inherit", late))


def what_the_loser_wrote_is_forgotten() -> Any:
    """A field that is blank for the new owner keeps the old owner's value."""
    return patched((KeyAcquirer, "_inherit", lambda *_: None))


def the_loser_s_hashes_stay() -> Any:
    """The hashes of a lost record are taken for those of the one before it."""

    def without_keys(entry: Entry, lost: set[Identity]) -> Entry:
        keys = tuple(key for key in entry.keys if key.identity not in lost)
        return replace(entry, keys=keys)

    return patched((acquire_keys, "without_keys", without_keys))


def f_and_o_is_looked_at_before_the_key_is_acquired() -> Any:
    """The owner before may have written after the look."""
    write, find = RowWriter.write, RowWriter._find

    def early(
        self: RowWriter, task: TaskMapping, works: list[Work], *args: Any, **more: Any
    ) -> Any:
        found = [find(self, task, [work for work in works if work.mapped and not work.outcome])]
        self._find = lambda *_: found.pop() if found else find(self, *_)  # type: ignore[method-assign]
        write(self, task, works, *args, **more)

    return patched((RowWriter, "write", early))


def a_row_without_its_key_is_not_queued_again() -> Any:
    """A row that has to wait for its number is left waiting."""
    come_again = KeyAcquirer._come_again

    def leave(self: KeyAcquirer, work: Work, verdict: Any) -> None:
        come_again(self, work, verdict)
        work.retry_in_seconds = None

    return patched((KeyAcquirer, "_come_again", leave))


MUTANTS: dict[Mutant, str] = {
    keys_are_not_acquired: "both-new",
    a_row_s_own_key_is_not_stored_again: "wanted-by-name-only",
    the_index_is_replaced_whatever_it_says: "both-take-what-was-given-up",
    a_claimed_owner_is_not_waited_for: "both-new",
    an_expired_claim_counts_as_none: "owned-by-a-worker-that-died",
    an_unsettled_owner_is_not_waited_for: "given-up-while-a-write-is-late",
    the_owner_is_not_looked_up_in_sales: "swapped",
    the_newcomer_always_gets_the_key: "both-new",
    the_loser_keeps_its_key: "swapped",
    the_loser_loses_its_key_whatever_it_does: "given-up-and-taken-back",
    the_index_changes_before_the_loser_s_entry: "swapped",
    what_the_loser_wrote_is_forgotten: "both-take-what-was-given-up",
    the_loser_s_hashes_stay: "back-to-the-number-before",
    f_and_o_is_looked_at_before_the_key_is_acquired: "written-and-given-up-behind-a-look",
    a_row_without_its_key_is_not_queued_again: "swapped",
}
"""Each with the story that notices."""
