"""The master user of a database, with the rights that RDS gives it."""

from __future__ import annotations

from psycopg import sql

from rehearsal.data.postgres import Postgres

MASTER_ROLES = ("pg_monitor", "pg_signal_backend", "pg_checkpoint", "pg_create_subscription")


def add_master(server: Postgres, name: str, password: str, database: str | None) -> None:
    """Make the master user, and its database if one was declared, with RDS's rights."""
    user = sql.Identifier(name)
    statements: list[sql.SQL | sql.Composed] = [
        sql.SQL("CREATE ROLE rds_superuser NOLOGIN"),
        *(
            sql.SQL("GRANT {} TO rds_superuser WITH ADMIN OPTION").format(sql.Identifier(role))
            for role in MASTER_ROLES
        ),
        sql.SQL("CREATE ROLE {} LOGIN CREATEDB CREATEROLE PASSWORD {}").format(
            user, sql.Literal(password)
        ),
        sql.SQL("GRANT rds_superuser TO {}").format(user),
        sql.SQL("ALTER DATABASE postgres OWNER TO {}").format(user),
    ]
    if database and database != "postgres":
        owned = sql.SQL("CREATE DATABASE {} OWNER {}").format(sql.Identifier(database), user)
        statements.append(owned)
    server.execute(*statements)


def set_password(server: Postgres, name: str, password: str) -> None:
    """Change a role's password."""
    words = sql.SQL("ALTER ROLE {} PASSWORD {}")
    server.execute(words.format(sql.Identifier(name), sql.Literal(password)))
