"""The one exception that users meet: a sentence, never a traceback."""


class HwqatError(Exception):
    """What is wrong, where, what was expected, what was found, and what to do.

    The command line prints the message as one sentence and exits with code 2.
    """


class NoData(HwqatError):
    """The files of a data set are not where they were looked for."""


class Altered(HwqatError):
    """A file that was written by hwqat has other contents now."""
