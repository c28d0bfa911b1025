"""A worker for the stack, without a broker: `NOTIFY greetings, 'Ada'` of PostgreSQL gives it work."""

import signal
import sys

from flaskr import connect


def main():
    # ECS sends SIGTERM before SIGKILL; the task that replaces this one listens already.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with connect() as database:
        database.autocommit = True
        database.execute("LISTEN greetings")
        print("waiting for greetings", flush=True)
        for notification in database.notifies():
            print(f"hello {notification.payload}", flush=True)


if __name__ == "__main__":
    main()
