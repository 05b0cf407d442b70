"""The one exception that is written for the user."""


class InputError(ValueError):
    """Something is wrong with what the user gave.

    The message is one line that names the file (or option) and the mend; commands print it as it
    is and exit with code 2.
    """
