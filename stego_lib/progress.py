"""Progress of work that has parts."""


def of_part(progress, start, end):
    """Makes the function that one part of the work reports to.

    Args:
        progress: Called with what is done of all the work, from 0 to 1; or `None`.
        start: What is done of all the work when the part begins, 0 to 1.
        end: What is done when it ends.

    Returns:
        Function of what is done of the part, from 0 to 1; or `None`.
    """
    return progress and (lambda done: progress(start + done * (end - start)))


class Progress:
    """Reports how much is done of several parts of work, and never less than before.

    Args:
        report: Called with the part that is done, from 0 to 1; or `None`.
    """

    def __init__(self, report):
        self._report, self._done = report or (lambda done: None), 0.0

    def between(self, start, end):
        """Makes the function that one part of the work reports to.

        Args:
            start: What is done when that part begins, 0 to 1.
            end: What is done when it ends.

        Returns:
            Function of a number from 0 to 1.
        """
        return of_part(self._at_least, start, end)

    def _at_least(self, done):
        self._done = max(self._done, done)
        self._report(self._done)
