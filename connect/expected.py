"""Whom a client of a system expects: what keeps it from doing anything at another system than the one remembered."""

from threading import Lock

import msgspec

from connect.identity import Known, Seen, StrangerError, Verdict, differs, together, verdict


class Expected:
    """What a client holds each session and each write to; for all of its threads.

    Until somebody says whom to expect, everybody is welcome: a client nobody remembers anything for is as it ever was.
    Once a stranger was met, nothing is done at all until it is said again whom to expect.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._watched = False
        self._known: Known | None = None
        #: What was met since it was last said whom to expect.
        self._met = Verdict.SAME
        self._refusals = 0

    @property
    def watched(self) -> bool:
        """Whether a session has to say who is there."""
        return self._watched

    @property
    def known(self) -> Known | None:
        """With the newest proof this process knows of."""
        return self._known

    @property
    def high_water(self) -> int:
        """Number of the newest proof that surely stands; 0: none is known."""
        return self._known.system.high_water if self._known is not None else 0

    @property
    def refusals(self) -> int:
        """How often a stranger was met."""
        return self._refusals

    def expect(self, known: Known | None, refusals: int) -> bool:
        """From now on only this system will do; None: none before it was remembered.

        Args:
            known: The system.
            refusals: As they were before it was found out. Where a stranger was met since, nothing is changed.

        Returns:
            Whether none was.
        """
        with self._lock:
            if refusals != self._refusals:
                return False
            if known is not None and self._known is not None and known.life == self._known.life:
                known = msgspec.structs.replace(known, system=together(known.system, self._known.system))
            self._known, self._watched, self._met = known, True, Verdict.SAME
            return True

    def refuse(self, why: Verdict) -> None:
        """A stranger was met, here or by another process: until `expect`, nothing is done."""
        with self._lock:
            self._watched, self._met = True, why
            self._refusals += 1

    def still(self) -> None:
        """Before anything is begun, and before it is made to stand.

        Raises:
            StrangerError: a stranger was met.
        """
        met = self._met
        if met is not Verdict.SAME:
            raise StrangerError(met.value, "the system is not the one that is remembered")

    def admit(self, seen: Seen, proven: int | None = None) -> None:
        """A new session says who is there; `proven` is the high water from before it was asked.

        Raises:
            StrangerError: somebody else than is expected.
        """
        known = self._known
        if not self._watched:
            return
        if known is None:
            raise StrangerError("identity.unmet", "nobody has remembered yet which system this is", seen)
        if (found := verdict(known.system, seen, proven)) is not Verdict.SAME:
            self.refuse(found)
            raise StrangerError(found.value, "the system is not the one that is remembered", seen)

    def is_still(self, seen: Seen | None) -> bool:
        """Whether a session is with whom is expected by now; `seen` is what it said when it was new, if asked."""
        known = self._known
        if not self._watched:
            return True
        return known is not None and seen is not None and not differs(known.system, seen)

    def drawn(self, number: int, before: int) -> None:
        """A proof has its number; `before` was the high water when it was asked for, so that it must be lower.

        Raises:
            StrangerError: it is not: the system was set back behind our session.
        """
        known = self._known
        if self._watched and known is not None and number <= before:
            self.refuse(Verdict.BEHIND)
            seen = msgspec.structs.replace(known.system, high_water=number - 1, newest="")
            raise StrangerError(Verdict.BEHIND.value, "the numbers of our proofs went back", seen)
        self.still()

    def stands(self, number: int, document: str) -> None:
        """A proof is committed."""
        with self._lock:
            known = self._known
            if known is not None and number > known.system.high_water:
                system = msgspec.structs.replace(known.system, high_water=number, newest=document)
                self._known = msgspec.structs.replace(known, system=system)
