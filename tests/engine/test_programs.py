"""The processes that programs run in."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

from tools.local_cloud.engine.program import exit_code, fork

AT_ONCE, EACH = 6, 6


def test_each_of_many_programs_at_once_has_its_own_exit_code():
    def run(_number: int) -> list[int]:
        return [exit_code(fork(time.sleep, 0.01 * (number % 3))) for number in range(EACH)]

    with ThreadPoolExecutor(AT_ONCE) as pool:
        codes = [code for found in pool.map(run, range(AT_ONCE)) for code in found]
    assert codes == [0] * AT_ONCE * EACH
