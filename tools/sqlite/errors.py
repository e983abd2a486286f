"""Why a query gave no rows, one class for each. All are ToolErrors: the text goes to the model."""

from __future__ import annotations

from so8t.tools.errors import ToolError


class SqliteFault(ToolError):
    """The root of this package's errors."""


class NotADatabase(SqliteFault):
    """The file is no SQLite database, or a damaged one."""


class DatabaseBusy(SqliteFault):
    """Another program is changing the database right now."""


class DatabaseTooLarge(SqliteFault):
    """The file is larger than what is copied for a query."""


class QueryRefused(SqliteFault):
    """The statement does more than read."""


class QueryFailed(SqliteFault):
    """SQLite reports an error, or the query took too long."""
