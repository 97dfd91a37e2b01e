"""Why an address gave no usable bytes."""


class TransferError(ValueError):
    """Why an address gave no usable bytes; the reason is short enough for a cell of a table.

    Attributes:
        reason: such as "HTTP 404", without addresses, ports or anything else that varies.
        permanent: asking again will not help.
        wait_seconds: how long the server asked us to wait.
        found: the sha256 of what came, where that is what is wrong.
    """

    def __init__(
        self,
        reason: str,
        *,
        permanent: bool = False,
        wait_seconds: float | None = None,
        found: str | None = None,
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.permanent = permanent
        self.wait_seconds = wait_seconds
        self.found = found


class StaleError(TransferError):
    """What we hold of a file cannot be continued: begin again at its first byte."""
