"""Keep the names and passwords that addresses may carry out of everything that is written down."""

import logging
import re

_USER = re.compile(r"(?<=://)[^/?#\s]*@")


def hide_secrets(text: str) -> str:
    """Return a text, or an address, without what stands before the host in its addresses."""
    return _USER.sub("", text)


class HideSecrets(logging.Filter):
    """Takes such names and passwords out of log lines, of whichever library."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Return True, always; the message is another if it named a secret."""
        message = record.getMessage()
        if (hidden := hide_secrets(message)) != message:
            record.msg, record.args = hidden, ()
        return True
