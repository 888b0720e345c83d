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
