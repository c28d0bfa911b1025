"""Facts about AWS that a program and its diagnosis share: pure functions and tables, each with its source."""
