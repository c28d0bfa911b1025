"""Closing a listening socket without resetting a connection that is being made."""

import contextlib
import ctypes
import socket
import struct
import sys

SO_ATTACH_FILTER, SO_DETACH_FILTER = 26, 27  # asm-generic/socket.h
# struct sock_filter: code, jt, jf, k. Classic BPF over the segment from its TCP header on.
DROP_SYN = b"".join(
    struct.pack("HBBI", *instruction)
    for instruction in (
        (0x30, 0, 0, 13),  # load the byte of flags
        (0x45, 0, 1, 0x02),  # SYN?
        (0x06, 0, 0, 0),  # then drop the segment
        (0x06, 0, 0, 0xFFFF),  # else keep it
    )
)


def stop_new_handshakes(listener: socket.socket) -> bool:
    """Have the kernel ignore whoever begins to connect; say whether it does.

    They try again a second later, when the socket is closed, and are refused. Handshakes that had
    begun go on. Without this a connection that is completed between the last accept and the
    close is reset, and its request is lost. On Linux only.
    """
    if sys.platform != "linux":
        return False
    code = ctypes.create_string_buffer(DROP_SYN, len(DROP_SYN))
    program = struct.pack("HP", len(DROP_SYN) // 8, ctypes.addressof(code))
    try:
        listener.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, program)
    except OSError:
        return False
    return True


def allow_new_handshakes(listener: socket.socket) -> None:
    """Undo it: the socket may be shared with a process that goes on listening."""
    # Workers that end together share the socket, and the first of them has undone it for all.
    with contextlib.suppress(FileNotFoundError):
        listener.setsockopt(socket.SOL_SOCKET, SO_DETACH_FILTER, 0)
