"""Two workers on one number, interleaved in every way: the windows that chance seldom finds."""

from collections.abc import Iterator
from dataclasses import dataclass

from p2c.sync.owners import Owner, Owners
from tests.sync.machine import TO_THE_END
from tests.sync.numbers import NUMBERS, ROWS, TEMPLATES, UNUSED, NumbersWorld, template_of
from tests.sync.simulation import ACCOUNTS, Worker

Edit = tuple[int, str | None, str | None]
"""Which row, its number, its name."""
MOST_STEPS = 40


@dataclass(frozen=True)
class Story:
    """What happens, but for how far the two workers come before they stall.

    Attributes:
        before: Edits that are worked off before the first worker starts.
        unseen: Then edits that nobody has told p2c of yet.
        first: The edit the first worker starts on.
        between: Edits that are worked off while the first worker stalls.
        quietly: Edits meanwhile that nobody has told p2c of yet.
        asleep: Seconds that the first worker stalls for before the second starts.
        second: The edit the second worker starts on; the first goes on when it stalls.
        pause: Seconds that both stall for.
        mishap: What befalls the first write of the first worker.
        killed: The first worker goes no further.
    """

    name: str
    first: Edit
    second: Edit
    before: tuple[Edit, ...] = ()
    unseen: tuple[Edit, ...] = ()
    between: tuple[Edit, ...] = ()
    quietly: tuple[Edit, ...] = ()
    asleep: int = 0
    pause: int = 0
    mishap: str = "none"
    killed: bool = False


STORIES = (
    Story("both-new", first=(2, "N3", "Ann"), second=(3, "N3", None)),
    Story(
        "both-take-what-was-given-up",
        before=((0, None, "Ann"),),
        first=(2, "N0", None),
        second=(3, "N0", "Bob"),
    ),
    Story(
        "given-up-and-taken-back",
        before=((0, None, "Ann"),),
        first=(3, "N0", None),
        second=(0, "N0", "Bob"),
    ),
    Story("wanted-by-name-only", first=(3, "N2", "Bob"), second=(2, "N2", "Cy")),
    Story("swapped", unseen=((1, "N0", "Cy"),), first=(0, "N1", "Bob"), second=(1, "N0", "Cy")),
    Story(
        "written-and-given-up-behind-a-look",
        before=((0, "N0", None),),
        first=(3, "N0", None),
        between=((0, "N0", "Bob"),),
        second=(0, None, "Bob"),
    ),
    Story(
        "back-to-the-number-before",
        before=((0, "N3", "Cy"),),
        unseen=((0, "N0", "Cy"),),
        first=(2, "N3", "Bob"),
        second=(0, "N0", "Cy"),
    ),
    Story(
        "given-up-while-being-written",
        first=(0, "N0", "Bob"),
        between=((0, None, "Bob"),),
        second=(3, "N0", None),
    ),
    Story(
        "given-up-by-a-worker-that-stalls",
        first=(0, "N0", "Bob"),
        between=((0, None, "Bob"),),
        second=(3, "N0", None),
        pause=31,
    ),
    Story(
        "given-up-by-a-worker-that-dies",
        first=(0, "N0", "Bob"),
        between=((0, None, "Bob"),),
        second=(3, "N0", None),
        pause=31,
        killed=True,
    ),
    Story(
        "given-up-while-a-write-is-late",
        first=(0, "N0", "Bob"),
        between=((0, None, "Bob"),),
        second=(3, "N0", None),
        pause=31,
        mishap="late-99",
    ),
    Story(
        "owned-by-a-worker-that-died",
        first=(0, "N0", "Bob"),
        quietly=((0, None, "Bob"),),
        asleep=31,
        second=(3, "N0", None),
        mishap="late-99",
        killed=True,
    ),
)


def tell_every_way(story: Story) -> Iterator[tuple[int, int]]:
    """Let the workers stall after every possible number of steps; check what comes of it.

    Yields:
        After how many steps each worker stalled, when that has ended well.

    Raises:
        AssertionError: It has not.
    """
    steps = 0
    while True:
        steps += 1
        for others in range(1, MOST_STEPS):
            first, second = tell(story, steps, others)
            yield steps, others
            if second:
                break
        if first:
            return


def tell(story: Story, steps: int, others: int) -> tuple[bool, bool]:
    """Tell a story in one way; return whether each worker came to its end before it could stall."""
    world = NumbersWorld()
    _start(world)
    for edit in story.before:
        _work_off(world, edit)
    for edit in story.unseen:
        world.edit(*edit, active=True)
    world.fno.mishaps = [story.mishap]
    first = _step(world, story.first, steps)
    first_ended = first.finished
    world.fno.mishaps = []
    for edit in story.between:
        _work_off(world, edit)
    for edit in story.quietly:
        world.edit(*edit, active=True)
    world.clock.advance(story.asleep)
    second = _step(world, story.second, others)
    second_ended = second.finished
    world.clock.advance(story.pause)
    world.fno.carry_out_late()
    if story.killed and not first.finished:
        world.kill(first)
    for worker in (first, second):
        for _ in range(TO_THE_END):
            worker.step()
    world.reap()
    world.calm()
    world.check()
    return first_ended, second_ended


def _start(world: NumbersWorld) -> None:
    """Two rows have a record each; the index alone gives a third one to a row without."""
    for which, number in enumerate((*NUMBERS, None, None)):
        world.edit(which, number, "Ann", active=True)
    for template in TEMPLATES:
        world.run_to_end(world.start_poll(template))
    world.calm()
    owner = Owner(ACCOUNTS.template, ACCOUNTS.task, ROWS[2][1])
    assert Owners(world.stores.ledger).insert("Customers", {UNUSED.identity: owner})


def _work_off(world: NumbersWorld, edit: Edit) -> None:
    """Edit a row, and let what visible messages there are be worked off."""
    world.edit(*edit, active=True)
    world.run_to_end(world.start_poll(template_of(edit[0])))
    for template in TEMPLATES:
        while worker := world.start_worker(template):
            world.run_to_end(worker)


def _step(world: NumbersWorld, edit: Edit, steps: int) -> Worker:
    world.edit(*edit, active=True)
    worker = world.start_on(edit[0])
    for _ in range(steps):
        worker.step()
    return worker
