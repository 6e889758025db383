"""What DuckDB says that a query gives."""

import duckdb

import compare
import data


class Judge:
    def __init__(self, tables):
        self.connection = duckdb.connect()
        self.connection.execute("SET threads = 1")
        self.connection.execute("SET TimeZone = 'UTC'")
        data.load(self.connection, tables)

    def rows(self, query):
        """The rows; a text if DuckDB cannot say."""
        try:
            found = self.connection.execute(query.duck).fetchall()
        except duckdb.Error as error:
            return str(error).strip()
        return compare.of_duck(query.columns, found)
